//! Handshakes of versions 3 and 2 by somebody who has the shared secret: what is encrypted and authenticated as it should
//! be, and signed by nobody or for something else. Refused; and the same with a right signature is taken.

use otrv4::inside::primitives::over_bytes::v3 as primitives;
use otrv4::keys::DsaKey;
use otrv4::wire::Version::{V2, V3};
use otrv4::wire::{Reader, WireError, Writer};

use super::exchange::{Exchange, completes, reveal_signature, signature};
use super::{Bench, Case};
use crate::correspondent::{Correspondent, rng, v3_keys};
use crate::message::Message;
use crate::stop::{Step, Stop, ensure, failed};

const REVEAL: &str = "otrv3: Receiving a Reveal Signature Message";
const SIGNATURE: &str = "otrv3: Receiving a Signature Message";

pub(super) const CASES: &[Case] = &[
    Case::new(V3, "reveal-signature-falsified", REVEAL, reveal_falsified),
    Case::new(V3, "signature-falsified", SIGNATURE, signature_falsified),
    Case::new(V2, "reveal-signature-falsified", REVEAL, reveal_falsified),
    Case::new(V2, "signature-falsified", SIGNATURE, signature_falsified),
];

fn reveal_falsified(bench: &Bench<'_>) -> Step {
    let exchange = reveal_signature(bench)?;
    let [commit, dh_key] = exchange.before.as_slice() else { return failed("no D-H Key message of theirs") };
    let (gx, gy) = (revealed(commit, &exchange.ours)?, dh_key.get("gy")?.to_vec());
    falsified(exchange, "a Reveal Signature message", [gx, gy], Half::Reveal)
}

fn signature_falsified(bench: &Bench<'_>) -> Step {
    let exchange = signature(bench)?;
    let [commit, dh_key, reveal] = exchange.before.as_slice() else {
        return failed("no Reveal Signature message of theirs");
    };
    let (gx, gy) = (revealed(commit, reveal)?, dh_key.get("gy")?.to_vec());
    falsified(exchange, "a Signature message", [gy, gx], Half::Signature)
}

/// The MPI of `g^x`.
fn revealed(commit: &Message, reveal: &Message) -> Step<Vec<u8>> {
    let data = |message: &Message, field| Ok(message.get(field)?.get(4..).unwrap_or_default().to_vec());
    made(primitives::aes128_ctr(&data(reveal, "revealed key")?, &data(commit, "encrypted gx")?))
}

/// Whose keys of the shared secret: `c`, `m1` and `m2`, or those with a prime.
#[derive(Clone, Copy)]
enum Half {
    Reveal,
    Signature,
}

/// What everybody can seal who has the shared secret.
#[derive(Clone)]
struct Sealer {
    c: Vec<u8>,
    m1: Vec<u8>,
    m2: Vec<u8>,
    /// The signer's DH key and the other one, as MPIs.
    dh: [Vec<u8>; 2],
}

/// What is sealed.
#[derive(Clone)]
struct X {
    pubkey: Vec<u8>,
    keyid: u32,
    r: Vec<u8>,
    s: Vec<u8>,
}

fn falsified(exchange: Exchange, what: &str, dh: [Vec<u8>; 2], half: Half) -> Step {
    let Exchange { mut c, ours: honest, .. } = exchange;
    let sealer = Sealer::new(&c.us, dh, half)?;
    let (whole, x) = sealer.open(&honest)?;
    let (falsified, right) = {
        let Some(key) = c.us.account.v3_key() else { return failed("our side has no key of version 3") };
        (falsehoods(&sealer, key, &x)?, sealer.signed(key, &x)?)
    };
    for (how, x) in falsified {
        c.ignored(&format!("{what} {how}"), &sealer.seal(&honest, &x.bytes())?.line())?;
    }
    for cut in [1, 20, 40, 44, whole.len() - 2, whole.len()] {
        let short = whole.get(..whole.len() - cut).unwrap_or_default();
        let message = sealer.seal(&honest, short)?;
        c.ignored(&format!("{what} with {cut} bytes less in its encrypted part"), &message.line())?;
    }
    let long = sealer.seal(&honest, &[whole.as_slice(), &[0]].concat())?;
    c.ignored(&format!("{what} with a byte more in its encrypted part"), &long.line())?;
    // Our signature is another one, and good as well: otherwise nothing here would be tested.
    let right = sealer.seal(&honest, &right.bytes())?;
    ensure!(right.bytes != honest.bytes, "a signature of ours comes twice");
    completes(&mut c, &right)
}

/// What nobody has signed, each under a MAC that is right.
fn falsehoods(sealer: &Sealer, key: &DsaKey, x: &X) -> Step<Vec<(&'static str, X)>> {
    let q = key.parts().q;
    let Some(mallory) = v3_keys().find(|other| other.parts().y != key.parts().y) else {
        return failed("the vectors have one key only");
    };
    let swapped = Sealer { dh: [sealer.dh[1].clone(), sealer.dh[0].clone()], ..sealer.clone() };
    let other_m1 = Sealer { m1: vec![7; 32], ..sealer.clone() };
    let signed_for = |keyid| sealer.signed(key, &X { keyid, ..x.clone() });
    let of_another_keyid = X { keyid: x.keyid, ..signed_for(2)? };
    let mut all = vec![
        ("whose r is 0", X { r: vec![0; 20], ..x.clone() }),
        ("whose s is 0", X { s: vec![0; 20], ..x.clone() }),
        ("whose r and s are 0", X { r: vec![0; 20], s: vec![0; 20], ..x.clone() }),
        ("whose r is q", X { r: q.clone(), ..x.clone() }),
        ("whose s is q", X { s: q.clone(), ..x.clone() }),
        ("whose r and s are as high as can be", X { r: vec![0xff; 20], s: vec![0xff; 20], ..x.clone() }),
        ("whose r and s are exchanged", X { r: x.s.clone(), s: x.r.clone(), ..x.clone() }),
        ("signed by another key", sealer.signed(&mallory, x)?),
        ("signed for another number of the key", of_another_keyid),
        ("signed with the DH keys exchanged", swapped.signed(key, x)?),
        ("signed with another m1", other_m1.signed(key, x)?),
        ("with a number of the key of 0", signed_for(0)?),
    ];
    // Good modulo q: r + q or s + q, where that has not more than 160 bits.
    for _ in 0..200 {
        let good = sealer.signed(key, x)?;
        if let Some(r) = sum(&good.r, &q) {
            all.push(("whose r is q too high", X { r, ..good }));
            break;
        }
        if let Some(s) = sum(&good.s, &q) {
            all.push(("whose s is q too high", X { s, ..good }));
            break;
        }
    }
    Ok(all)
}

impl Sealer {
    /// "Computing AES keys, MAC keys, and the secure session id".
    fn new(us: &Correspondent, dh: [Vec<u8>; 2], half: Half) -> Step<Self> {
        let [ours, theirs] = &dh;
        let is_ours = |secret: &&Vec<u8>| primitives::dh_public(secret).is_some_and(|public| public == *ours);
        let secret = made(us.drawn.iter().find(is_ours))?;
        let secbytes = made(primitives::dh_shared(secret, theirs))?;
        let h2 = |byte: u8| primitives::sha256(&[&[byte], secbytes.as_slice()].concat()).to_vec();
        let both = h2(1);
        let (c, c_prime) = both.split_at(16);
        let (c, m1, m2) = match half {
            Half::Reveal => (c.to_vec(), h2(2), h2(3)),
            Half::Signature => (c_prime.to_vec(), h2(4), h2(5)),
        };
        Ok(Self { c, m1, m2, dh })
    }

    /// The X of a message of ours, as bytes and in parts.
    fn open(&self, message: &Message) -> Step<(Vec<u8>, X)> {
        let encrypted = message.get("encrypted signature")?.get(4..).unwrap_or_default();
        let whole = made(primitives::aes128_ctr(&self.c, encrypted))?;
        match X::read(&whole) {
            Ok(x) => Ok((whole, x)),
            Err(error) => failed(format!("our own signature cannot be read: {error}")),
        }
    }

    /// The message with another X, encrypted and authenticated as it should be.
    fn seal(&self, message: &Message, x: &[u8]) -> Step<Message> {
        let mut encrypted = Writer::new();
        encrypted.data(&made(primitives::aes128_ctr(&self.c, x))?);
        let mac = made(primitives::hmac_sha256(&self.m2, encrypted.as_slice()))?;
        message
            .with("encrypted signature", encrypted.as_slice())?
            .with("MAC", mac.get(..20).unwrap_or_default())
    }

    /// `SIG(M)` with `M = HMAC(m1, g^signer ‖ g^other ‖ PUBKEY ‖ keyid)`.
    fn signed(&self, key: &DsaKey, x: &X) -> Step<X> {
        let covered = [&self.dh.concat(), x.pubkey.as_slice(), &x.keyid.to_be_bytes()].concat();
        let m = made(primitives::hmac_sha256(&self.m1, &covered))?;
        let signature = otrv4::inside::primitives::dsa_sign(key, &m, &mut rng());
        let (r, s) = signature.split_at(20);
        Ok(X { r: r.to_vec(), s: s.to_vec(), ..x.clone() })
    }
}

impl X {
    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(bytes);
        r.short("type")?;
        for number in ["p", "q", "g", "y"] {
            r.mpi(number)?;
        }
        let pubkey = bytes.get(..r.position()).unwrap_or_default().to_vec();
        let keyid = r.int("keyid")?;
        let x = Self { pubkey, keyid, r: r.bytes(20, "r")?.to_vec(), s: r.bytes(20, "s")?.to_vec() };
        r.end()?;
        Ok(x)
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { pubkey, keyid, r, s } = self;
        [pubkey.as_slice(), &keyid.to_be_bytes(), r, s].concat()
    }
}

/// The sum of two numbers of 20 bytes, if it has as many.
fn sum(a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    let mut carry = 0u16;
    let mut digits: Vec<u8> = Vec::new();
    for (a, b) in a.iter().rev().zip(b.iter().rev()) {
        carry += u16::from(*a) + u16::from(*b);
        let [high, low] = carry.to_be_bytes();
        digits.push(low);
        carry = high.into();
    }
    digits.reverse();
    (carry == 0 && a.len() == b.len()).then_some(digits)
}

fn made<T>(value: Option<T>) -> Step<T> {
    value.ok_or_else(|| Stop::Failed("our own keys are not as they should be".into()))
}
