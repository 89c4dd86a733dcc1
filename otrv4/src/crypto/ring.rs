//! The ring signature of the handshakes: made by one of three keys, and nobody can tell by which.
//! Spec: otrv4.md "Ring Signature Authentication", "HashToScalar". Used by [`crate::dake`] and [`crate::prekey_server`].

use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::ed448::{GENERATOR, ORDER, Point, Scalar, SecretScalar, SigningKey};
use super::kdf::{OTRV4, PREKEY_SERVER, Usage, derive};
use super::secret::Secret;
use crate::wire::{Reader, WireError, Writer};

/// Which protocol signs; each has a hash of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RingUse {
    /// otrv4.md: `usage_auth`.
    Otr,
    /// otrv4-prekey-server.md: `usage_auth = 0x11` of its own domain.
    PrekeyServer,
}

/// RING-SIG: `c` and `r` for each place of the ring, in its order; 342 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RingSignature([(Scalar, Scalar); 3]);

impl RingSignature {
    /// Reads six SCALARs, each mod q.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut pair = || Ok((Scalar::read(r, "ring signature")?, Scalar::read(r, "ring signature")?));
        Ok(Self([pair()?, pair()?, pair()?]))
    }

    /// Writes six SCALARs.
    pub(crate) fn write(&self, w: &mut Writer) {
        for (c, r) in &self.0 {
            c.write(w);
            r.write(w);
        }
    }
}

/// `RSig`: signs with a key that is in the ring; `None` if it is not. The work is the same for each place.
pub(crate) fn sign(
    rng: &mut dyn CryptoRng,
    usage: RingUse,
    key: &SigningKey,
    ring: [&Point; 3],
    message: &[u8],
) -> Option<RingSignature> {
    let nonces = Nonces::draw(rng, usage, key, ring, message);
    sign_with_nonces(nonces, usage, key.public(), key.secret_scalar(), ring, message)
}

/// `RVrf`, in variable time.
pub(crate) fn verify(usage: RingUse, ring: [&Point; 3], sigma: &RingSignature, message: &[u8]) -> bool {
    let [(c1, r1), (c2, r2), (c3, r3)] = sigma.0;
    let [a1, a2, a3] = ring;
    let t1 = Point::combine(&r1, &[(c1, a1)]);
    let t2 = Point::combine(&r2, &[(c2, a2)]);
    let t3 = Point::combine(&r3, &[(c3, a3)]);
    challenge(usage, ring, [&t1, &t2, &t3], message) == c1 + c2 + c3
}

/// The text's general form, with one change that makes every place the same: our own place has `c = 0` and `r = t`
/// to begin with, so that `G·r + A·c` is `G·t` there.
fn sign_with_nonces(
    nonces: Nonces,
    usage: RingUse,
    public: &Point,
    secret: &SecretScalar,
    ring: [&Point; 3],
    message: &[u8],
) -> Option<RingSignature> {
    let [own1, own2, own3] = first_place_of(public, ring);
    if (!(own1 | own2 | own3)).into() {
        return None;
    }
    let Nonces { own, first, second } = nonces;

    // The first of the others is at place 2 if we are at 1, else at 1; the second at 2 if we are at 3, else at 3.
    let p1 = Pair::select(&first, &own, own1);
    let p2 = Pair::select(&Pair::select(&own, &second, own3), &first, own1);
    let p3 = Pair::select(&second, &own, own3);

    let [a1, a2, a3] = ring;
    let [t1, t2, t3] = [p1.commit(a1), p2.commit(a2), p3.commit(a3)];
    let c = challenge(usage, ring, [&t1, &t2, &t3], message);

    // ci = c - cj - ck, ri = ti - ci·ai
    let own_c = c - p1.c.publish() - p2.c.publish() - p3.c.publish();
    let mut own_r = own.r;
    own_r.add_product(&-own_c, secret);
    // At our own place r is still the nonce, so it is replaced before anything of it becomes public.
    let finished = |place: &Pair, own: Choice| {
        (
            Scalar::conditional_select(&place.c.publish(), &own_c, own),
            SecretScalar::select(&place.r, &own_r, own).publish(),
        )
    };
    Some(RingSignature([finished(&p1, own1), finished(&p2, own2), finished(&p3, own3)]))
}

/// `HashToScalar(usage_auth || G || q || A1 || A2 || A3 || T1 || T2 || T3 || DATA(m))`: spec-notes/SN-005.
fn challenge(usage: RingUse, ring: [&Point; 3], commitments: [&Point; 3], message: &[u8]) -> Scalar {
    let ([a1, a2, a3], [t1, t2, t3]) = (ring.map(Point::as_bytes), commitments.map(Point::as_bytes));
    let (domain, usage) = usage.domain();
    let length =
        u32::try_from(message.len()).expect("what is signed is far shorter than 4 GiB").to_be_bytes();
    let mut hash = [0; 57];
    derive(domain, usage, &[&GENERATOR, &ORDER, a1, a2, a3, t1, t2, t3, &length, message], &mut hash);
    Scalar::decode(&hash)
}

/// In constant time, 1 at the first place that holds this key. A ring that names it twice is signed all the same, as if
/// by the first of them. // spec-notes/SN-005
fn first_place_of(public: &Point, ring: [&Point; 3]) -> [Choice; 3] {
    let mut found = Choice::from(0);
    ring.map(|a| {
        let same = public.as_bytes().ct_eq(a.as_bytes());
        let first = same & !found;
        found |= same;
        first
    })
}

impl RingUse {
    fn domain(self) -> (&'static [u8], u8) {
        match self {
            Self::Otr => (OTRV4, Usage::Auth as u8),
            Self::PrekeyServer => (PREKEY_SERVER, 0x11),
        }
    }
}

/// `c` and `r` of one place, secret until we know which place is ours.
struct Pair {
    c: SecretScalar,
    r: SecretScalar,
}

impl Pair {
    fn select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self { c: SecretScalar::select(&a.c, &b.c, choice), r: SecretScalar::select(&a.r, &b.r, choice) }
    }

    fn commit(&self, a: &Point) -> Point {
        Point::commit(&self.r, &self.c, a)
    }
}

/// What a signature draws: `t` for our own place, `c` and `r` for the others in the order of the ring.
struct Nonces {
    /// `c` is zero, `r` is `t`.
    own: Pair,
    first: Pair,
    second: Pair,
}

impl Nonces {
    /// Five draws of 57 bytes. Each value is the hash of its number, its draw, the key and all that is signed, so that
    /// a generator that repeats itself does not give the key away. The hash is reduced mod q and not pruned as the
    /// text has it: pruned values fill half of Z_q, the computed ones all of it, and that would tell which place is
    /// ours (spec-notes/SN-005).
    fn draw(
        rng: &mut dyn CryptoRng,
        usage: RingUse,
        key: &SigningKey,
        ring: [&Point; 3],
        message: &[u8],
    ) -> Self {
        let [a1, a2, a3] = ring.map(Point::as_bytes);
        let (domain, usage) = usage.domain();
        let mut number = 0u8;
        let mut next = || {
            let (random, sym) = (Secret::<57>::random(rng), key.sym().as_bytes());
            // The number, 0 to 4, stands where the challenge has 0x14, the first byte of G: neither hash is ever the other.
            let parts: [&[u8]; 7] = [&[number], random.as_bytes(), sym, a1, a2, a3, message];
            number += 1;
            SecretScalar::uniform(&Secret::filled(|hash| derive(domain, usage, &parts, hash)))
        };
        let own = Pair { c: SecretScalar::zero(), r: next() };
        let first = Pair { c: next(), r: next() };
        let second = Pair { c: next(), r: next() };
        Self { own, first, second }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::vectors::{Recorded, array, bytes, of_kind, rng};

    fn usage_of(inputs: &Value) -> RingUse {
        if inputs["prekey"].as_bool().unwrap() { RingUse::PrekeyServer } else { RingUse::Otr }
    }

    fn secret_scalar(value: &Value) -> SecretScalar {
        SecretScalar::decode(&array(value)).unwrap()
    }

    fn key(n: u8) -> SigningKey {
        SigningKey::from_sym(Secret::copied(&[n; 57]))
    }

    /// Two keys that are not ours.
    fn others() -> [SigningKey; 2] {
        [key(101), key(102)]
    }

    fn ring_with<'a>(ours: &'a SigningKey, others: &'a [SigningKey; 2], place: usize) -> [&'a Point; 3] {
        let mut ring: Vec<_> = others.iter().map(SigningKey::public).collect();
        ring.insert(place, ours.public());
        ring.try_into().unwrap()
    }

    #[test]
    fn signatures_are_the_recorded_ones() {
        for vector in of_kind("ring_sign") {
            let ring: [Point; 3] = [0, 1, 2].map(|n| Point::decode(&array(&vector.inputs["A"][n])).unwrap());
            let ring = ring.each_ref();
            let secret = secret_scalar(&vector.inputs["secret"]);
            let public = secret.mul_base();
            let mut others = [1, 2, 3].into_iter().filter(|n| *ring[n - 1] != public);
            let mut pair = || {
                let n = others.next().unwrap();
                let [c, r] =
                    ["c", "r"].map(|name| secret_scalar(&vector.inputs["nonces"][format!("{name}{n}")]));
                Pair { c, r }
            };
            let (first, second) = (pair(), pair());
            let own = Pair { c: SecretScalar::zero(), r: secret_scalar(&vector.inputs["nonces"]["t"]) };
            let nonces = Nonces { own, first, second };
            let (usage, message) = (usage_of(&vector.inputs), bytes(&vector.inputs["m"]));
            let sigma = sign_with_nonces(nonces, usage, &public, &secret, ring, &message).unwrap();
            let mut w = Writer::new();
            sigma.write(&mut w);
            assert_eq!(w.as_slice(), bytes(&vector.outputs["sigma"]), "{}", vector.name);
            assert!(verify(usage, ring, &sigma, &message), "{}", vector.name);
        }
    }

    #[test]
    fn signatures_are_accepted_or_refused_as_recorded() {
        for vector in of_kind("ring_verify") {
            let ring: Result<Vec<_>, _> =
                [0, 1, 2].iter().map(|n| Point::decode(&array(&vector.inputs["A"][n]))).collect();
            let sigma = bytes(&vector.inputs["sigma"]);
            let mut r = Reader::new(&sigma);
            let sigma = RingSignature::read(&mut r).and_then(|sigma| r.end().map(|()| sigma));
            let valid = ring.is_ok_and(|ring| {
                sigma.is_ok_and(|sigma| {
                    let ring = [&ring[0], &ring[1], &ring[2]];
                    verify(usage_of(&vector.inputs), ring, &sigma, &bytes(&vector.inputs["m"]))
                })
            });
            if let Some(accept) = vector.accept() {
                assert_eq!(valid, accept, "{}", vector.name);
            }
        }
    }

    #[test]
    fn a_key_outside_the_ring_signs_nothing() {
        let others = others();
        let ring = ring_with(&others[0], &others, 0);
        assert_eq!(sign(&mut rng(), RingUse::Otr, &key(1), ring, b"message"), None);
    }

    #[test]
    fn the_first_of_two_places_signs() {
        let (ours, other) = (key(1), key(101));
        let (ours, other) = (ours.public(), other.public());
        for (ring, first) in [
            ([ours, ours, other], [1, 0, 0]),
            ([ours, other, ours], [1, 0, 0]),
            ([other, ours, ours], [0, 1, 0]),
            ([ours, ours, ours], [1, 0, 0]),
            ([other, other, ours], [0, 0, 1]),
            ([other, other, other], [0, 0, 0]),
        ] {
            assert_eq!(first_place_of(ours, ring).map(|choice| choice.unwrap_u8()), first);
        }
    }

    #[test]
    fn a_ring_that_names_the_key_twice_is_signed() {
        let (ours, others) = (key(1), others());
        for other in 0..3 {
            let mut ring = [ours.public(); 3];
            ring[other] = others[0].public();
            let sigma = sign(&mut rng(), RingUse::Otr, &ours, ring, b"message").unwrap();
            assert!(verify(RingUse::Otr, ring, &sigma, b"message"));
        }
    }

    #[test]
    fn a_signature_of_one_protocol_is_none_of_the_other() {
        let (ours, others) = (key(1), others());
        let ring = ring_with(&ours, &others, 0);
        let sigma = sign(&mut rng(), RingUse::Otr, &ours, ring, b"message").unwrap();
        assert!(!verify(RingUse::PrekeyServer, ring, &sigma, b"message"));
    }

    #[test]
    fn no_value_stays_in_the_half_that_pruning_would_fill() {
        // Pruned values have the second-lowest bit set when they are reduced mod q.
        let (ours, others) = (key(1), others());
        for place in 0..3 {
            let ring = ring_with(&ours, &others, place);
            let mut clear = [false; 6];
            for _ in 0..40 {
                let sigma = sign(&mut rng(), RingUse::Otr, &ours, ring, b"message").unwrap();
                let values = sigma.0.iter().flat_map(|(c, r)| [c, r]);
                clear
                    .iter_mut()
                    .zip(values)
                    .for_each(|(clear, value)| *clear |= value.to_bytes()[0] & 2 == 0);
            }
            assert_eq!(clear, [true; 6], "place {place}");
        }
    }

    #[test]
    fn five_draws_make_a_signature_and_each_counts() {
        let (ours, others) = (key(1), others());
        let ring = ring_with(&ours, &others, 1);
        let sign_after = |draws: [u8; 5]| {
            let mut rng = Recorded(draws.map(|draw| vec![draw; 57]).into());
            let sigma = sign(&mut rng, RingUse::Otr, &ours, ring, b"message").unwrap();
            assert!(rng.0.is_empty());
            sigma
        };
        let sigma = sign_after([0; 5]);
        for draw in 0..5 {
            let mut draws = [0; 5];
            draws[draw] = 1;
            assert_ne!(sign_after(draws), sigma, "draw {draw}");
        }
    }

    #[test]
    fn a_generator_that_repeats_itself_does_not_repeat_nonces() {
        let stuck = || Recorded(vec![vec![7; 57]; 5].into());
        let t = |usage, key: &SigningKey, ring, message| {
            let Nonces { own, first, second } = Nonces::draw(&mut stuck(), usage, key, ring, message);
            let drawn = [&own.r, &first.c, &first.r, &second.c, &second.r].map(SecretScalar::publish);
            for (n, value) in drawn.iter().enumerate() {
                assert!(!drawn[..n].contains(value));
            }
            drawn[0]
        };
        let (ours, others) = (key(1), others());
        let ring = ring_with(&ours, &others, 0);
        let usual = t(RingUse::Otr, &ours, ring, b"message");
        assert_ne!(t(RingUse::Otr, &ours, ring, b"another"), usual);
        assert_ne!(t(RingUse::Otr, &ours, ring_with(&ours, &others, 1), b"message"), usual);
        assert_ne!(t(RingUse::Otr, &key(2), ring, b"message"), usual);
        assert_ne!(t(RingUse::PrekeyServer, &ours, ring, b"message"), usual);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn a_signature_holds_for_its_ring_message_and_bytes_only(
            sym: [u8; 57],
            place in 0..3usize,
            message: Vec<u8>,
            position in 0..342usize,
            bit in 0..8u8,
        ) {
            let (ours, others) = (SigningKey::from_sym(Secret::copied(&sym)), others());
            let ring = ring_with(&ours, &others, place);
            let sigma = sign(&mut rng(), RingUse::PrekeyServer, &ours, ring, &message).unwrap();
            prop_assert!(verify(RingUse::PrekeyServer, ring, &sigma, &message));
            prop_assert!(!verify(RingUse::PrekeyServer, ring, &sigma, &[&message[..], b"x"].concat()));
            let [a1, a2, a3] = ring;
            prop_assert!(!verify(RingUse::PrekeyServer, [a2, a1, a3], &sigma, &message));

            let mut w = Writer::new();
            sigma.write(&mut w);
            let mut written = w.finish();
            prop_assert_eq!(RingSignature::read(&mut Reader::new(&written)), Ok(sigma));
            written[position] ^= 1 << bit;
            let damaged = RingSignature::read(&mut Reader::new(&written)).unwrap();
            prop_assert!(!verify(RingUse::PrekeyServer, ring, &damaged, &message));
        }
    }
}
