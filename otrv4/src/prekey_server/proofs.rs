//! Proofs that a publisher knows the secrets of what it publishes, one proof for all keys of a kind.
//! Spec: otrv4-prekey-server.md "Proofs". Used by both roles.
//!
//! A proof is a Schnorr proof of a random combination: the verifier's challenge `c` is stretched into one factor
//! `t_j` of 352 bits for each key, and `v = r + t_1·y_1 + … + t_n·y_n`.

use rand_core::CryptoRng;

use super::exchange::{Usage, fill, hash};
use crate::crypto::dh3072::{DhKeyPair, DhNonce, DhPublic, DhResponse};
use crate::crypto::ed448::{Scalar, SecretScalar};
use crate::crypto::kdf::shake256;
use crate::crypto::secret::Secret;
use crate::keys::Point;
use crate::reject::Reject;
use crate::wire::{Reader, WireError, Writer};

/// Which ECDH keys a proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EcdhUse {
    /// `Y_1 … Y_n` of prekey messages.
    Messages,
    /// `D` of a Prekey Profile.
    SharedPrekey,
}

impl EcdhUse {
    const fn usage(self) -> Usage {
        match self {
            Self::Messages => Usage::ProofMessageEcdh,
            Self::SharedPrekey => Usage::ProofSharedEcdh,
        }
    }
}

/// PROOF-ECDH: C (64 bytes), V (SCALAR).
#[derive(Clone, Debug)]
pub(super) struct EcdhProof {
    c: [u8; 64],
    v: Scalar,
}

impl EcdhProof {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { c: r.array("proof")?, v: Scalar::read(r, "proof")? })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(&self.c);
        self.v.write(w);
    }

    /// Proves the secrets of these key pairs; `m` ties the proof to this exchange.
    pub(super) fn prove(
        usage: EcdhUse,
        keys: &[(&Point, &SecretScalar)],
        m: &Secret<64>,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let (mut secrets, mut publics) = (Writer::new(), Writer::new());
        for (public, secret) in keys {
            secret.write(&mut secrets);
            public.write(&mut publics);
        }
        let nonce = hedged(rng, usage.usage(), &secrets, m, &publics);
        Self::prove_with(SecretScalar::uniform(&nonce), usage, keys, m)
    }

    /// `A = G·r`, its challenge `c`, `v = (r + t_1·y_1 + … + t_n·y_n) mod q`. The nonce `r` must be uniform mod q and
    /// serve once.
    pub(super) fn prove_with(
        mut r: SecretScalar,
        usage: EcdhUse,
        keys: &[(&Point, &SecretScalar)],
        m: &Secret<64>,
    ) -> Self {
        let publics: Vec<_> = keys.iter().map(|(public, _)| *public).collect();
        let c = ecdh_challenge(usage, &r.mul_base(), &publics, m);
        for (t, (_, y)) in ecdh_factors(&c, keys.len()).iter().zip(keys) {
            r.add_product(t, y);
        }
        Self { c, v: r.publish() }
    }

    /// `A = G·v − (Y_1·t_1 + … + Y_n·t_n)` must give the challenge again.
    pub(super) fn verify(&self, usage: EcdhUse, publics: &[&Point], m: &Secret<64>) -> Result<(), Reject> {
        let a = self.recommit(publics);
        if ecdh_challenge(usage, &a, publics, m) == self.c { Ok(()) } else { Err(Reject::Forged) }
    }

    fn recommit(&self, publics: &[&Point]) -> Point {
        let factors = ecdh_factors(&self.c, publics.len());
        let terms: Vec<_> = factors.iter().zip(publics).map(|(t, y)| (-*t, *y)).collect();
        Point::combine(&self.v, &terms)
    }
}

/// `c = KDF(usage, A || Y_1 || … || Y_n || m, 64)`
fn ecdh_challenge(usage: EcdhUse, a: &Point, publics: &[&Point], m: &Secret<64>) -> [u8; 64] {
    let mut parts: Vec<&[u8]> = vec![a.as_bytes()];
    parts.extend(publics.iter().map(|public| public.as_bytes().as_slice()));
    parts.push(m.as_bytes());
    hash(usage.usage(), &parts)
}

/// The factors as scalars: little-endian.
fn ecdh_factors(c: &[u8; 64], count: usize) -> Vec<Scalar> {
    factors(c, count).iter().map(Scalar::short).collect()
}

/// PROOF-DH: C (64 bytes), V (MPI).
#[derive(Clone, Debug)]
pub(super) struct DhProof {
    c: [u8; 64],
    v: DhResponse,
}

impl DhProof {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { c: r.array("proof")?, v: DhResponse::read(r)? })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(&self.c);
        self.v.write(w);
    }

    /// As [`EcdhProof::prove`], in the other group. The nonce is uniform modulo `dh_q`: the 80 bytes of the text
    /// would let the server compute most of the secrets (spec-notes/SN-024).
    pub(super) fn prove(keys: &[&DhKeyPair], m: &Secret<64>, rng: &mut dyn CryptoRng) -> Self {
        let (mut secrets, mut publics) = (Writer::new(), Writer::new());
        for key in keys {
            key.write(&mut secrets);
            key.public().write(&mut publics);
        }
        let nonce = hedged(rng, Usage::ProofMessageDh, &secrets, m, &publics);
        Self::prove_with(DhNonce::uniform(&nonce), keys, m)
    }

    /// As [`EcdhProof::prove_with`].
    pub(super) fn prove_with(r: DhNonce, keys: &[&DhKeyPair], m: &Secret<64>) -> Self {
        let publics: Vec<_> = keys.iter().map(|key| key.public()).collect();
        let c = dh_challenge(&r.commitment(), &publics, m);
        let factors = factors(&c, keys.len());
        let terms: Vec<_> = factors.iter().zip(keys.iter().map(|key| key.secret())).collect();
        Self { c, v: r.respond(&terms) }
    }

    /// `A = g3^v · (B_1^t_1 · … · B_n^t_n)^−1` must give the challenge again.
    pub(super) fn verify(&self, publics: &[&DhPublic], m: &Secret<64>) -> Result<(), Reject> {
        let factors = factors(&self.c, publics.len());
        let terms: Vec<_> = factors.iter().zip(publics.iter().copied()).collect();
        if dh_challenge(&self.v.recommit(&terms), publics, m) == self.c {
            Ok(())
        } else {
            Err(Reject::Forged)
        }
    }
}

/// `c = KDF(usage_proof_message_dh, A || B_1 || … || B_n || m, 64)`, all of them MPIs.
fn dh_challenge(a: &[u8], publics: &[&DhPublic], m: &Secret<64>) -> [u8; 64] {
    let mut w = Writer::new();
    w.mpi(a);
    publics.iter().for_each(|public| public.write(&mut w));
    hash(Usage::ProofMessageDh, &[w.as_slice(), m.as_bytes()])
}

/// What a nonce is reduced from: the hash of a draw and of all that the proof depends on. So a generator that repeats
/// itself, as in a machine that is set back, makes no second challenge for one nonce, which would give the secrets
/// away (spec-notes/SN-024).
fn hedged<const N: usize>(
    rng: &mut dyn CryptoRng,
    usage: Usage,
    secrets: &Writer,
    m: &Secret<64>,
    publics: &Writer,
) -> Secret<N> {
    let random = Secret::<57>::random(rng);
    let parts: [&[u8]; 5] =
        [&[usage as u8], random.as_bytes(), secrets.as_slice(), m.as_bytes(), publics.as_slice()];
    Secret::filled(|out| shake256(&parts, out))
}

/// `p = KDF(usage_proof_c_lambda, c, n·lambda)` in pieces `t_1 … t_n` of lambda = 352 bits.
fn factors(c: &[u8; 64], count: usize) -> Vec<[u8; 44]> {
    let mut p = vec![0; count * 44];
    fill(Usage::ProofCLambda, &[c], &mut p);
    p.as_chunks().0.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Recorded, array, bytes, of_kind, rng, whole_of_kind};

    fn ecdh_use(value: &serde_json::Value) -> EcdhUse {
        match value.as_u64() {
            Some(0x13) => EcdhUse::Messages,
            Some(0x15) => EcdhUse::SharedPrekey,
            other => panic!("{other:?}"),
        }
    }

    fn m(value: &serde_json::Value) -> Secret<64> {
        Secret::copied(&array(value))
    }

    fn list<T>(value: &serde_json::Value, item: impl Fn(&serde_json::Value) -> T) -> Vec<T> {
        value.as_array().unwrap().iter().map(item).collect()
    }

    fn point(value: &serde_json::Value) -> Point {
        Point::decode(&array(value)).unwrap()
    }

    fn secret(value: &serde_json::Value) -> SecretScalar {
        SecretScalar::decode(&array(value)).unwrap()
    }

    fn dh_public(value: &serde_json::Value) -> DhPublic {
        DhPublic::from_be_bytes(&bytes(value)).unwrap()
    }

    fn read<T>(value: &serde_json::Value, read: impl FnOnce(&mut Reader<'_>) -> Result<T, WireError>) -> T {
        let bytes = bytes(value);
        let mut r = Reader::new(&bytes);
        let proof = read(&mut r).unwrap();
        r.end().unwrap();
        proof
    }

    /// 400 bytes are taken modulo `dh_q`; here they are a value below it.
    fn dh_nonce(r: &serde_json::Value) -> DhNonce {
        DhNonce::uniform(&Secret::copied(&[vec![0; 16], bytes(r)].concat().try_into().unwrap()))
    }

    #[test]
    fn ecdh_proofs_are_as_recorded_and_hold() {
        for v in whole_of_kind("ecdh_proof") {
            let (usage, m) = (ecdh_use(&v.inputs["usage"]), m(&v.inputs["m"]));
            let secrets = list(&v.inputs["secrets"], secret);
            let publics = list(&v.inputs["publics"], point);
            let keys: Vec<_> = publics.iter().zip(&secrets).collect();
            let r = secret(&v.inputs["r"]);
            let proof = EcdhProof::prove_with(r, usage, &keys, &m);
            let mut w = Writer::new();
            proof.write(&mut w);
            assert_eq!(w.as_slice(), bytes(&v.outputs["proof"]), "{}", v.name);
            // Recorded as numbers, most significant digit first.
            let t =
                factors(&proof.c, keys.len()).into_iter().map(|t| t.into_iter().rev().collect::<Vec<_>>());
            assert_eq!(t.collect::<Vec<_>>(), list(&v.outputs["t"], bytes));
            let publics: Vec<_> = publics.iter().collect();
            assert_eq!(proof.verify(usage, &publics, &m), Ok(()));
        }
    }

    #[test]
    fn changed_ecdh_proofs_are_refused_as_recorded() {
        for v in whole_of_kind("ecdh_proof_verify") {
            let publics = list(&v.inputs["publics"], point);
            let publics: Vec<_> = publics.iter().collect();
            let proof = read(&v.inputs["proof"], EcdhProof::read);
            let verdict = proof.verify(ecdh_use(&v.inputs["usage"]), &publics, &m(&v.inputs["m"]));
            assert_eq!(Some(verdict.is_ok()), v.accept(), "{}", v.name);
        }
    }

    #[test]
    fn dh_proofs_are_as_recorded_and_hold() {
        for v in whole_of_kind("dh_proof") {
            let m = m(&v.inputs["m"]);
            let keys = list(&v.inputs["secrets"], |b| DhKeyPair::from_bytes(&Secret::copied(&array(b))));
            let publics = list(&v.inputs["publics"], dh_public);
            let keys: Vec<_> = keys.iter().collect();
            let proof = DhProof::prove_with(dh_nonce(&v.inputs["r"]), &keys, &m);
            let mut w = Writer::new();
            proof.write(&mut w);
            assert_eq!(w.as_slice(), bytes(&v.outputs["proof"]), "{}", v.name);
            assert_eq!(factors(&proof.c, keys.len()), list(&v.outputs["t"], array::<44>));
            let publics: Vec<_> = publics.iter().collect();
            assert_eq!(proof.verify(&publics, &m), Ok(()));
        }
    }

    #[test]
    fn changed_dh_proofs_are_refused_as_recorded() {
        for v in whole_of_kind("dh_proof_verify") {
            let publics = list(&v.inputs["publics"], dh_public);
            let publics: Vec<_> = publics.iter().collect();
            let verdict = read(&v.inputs["proof"], DhProof::read).verify(&publics, &m(&v.inputs["m"]));
            assert_eq!(Some(verdict.is_ok()), v.accept(), "{}", v.name);
        }
    }

    #[test]
    fn what_a_nonce_is_hashed_from_counts_in_every_part() {
        let nonce = |random: u8, usage, secret: &[u8], m: u8, public: &[u8]| {
            let (mut secrets, mut publics) = (Writer::new(), Writer::new());
            secrets.bytes(secret);
            publics.bytes(public);
            let mut rng = Recorded([vec![random; 57]].into());
            *hedged::<114>(&mut rng, usage, &secrets, &Secret::copied(&[m; 64]), &publics).as_bytes()
        };
        let (messages, shared) = (Usage::ProofMessageEcdh, Usage::ProofSharedEcdh);
        let first = nonce(7, messages, b"y", 1, b"Y");
        assert_eq!(first, nonce(7, messages, b"y", 1, b"Y"));
        for other in [
            nonce(8, messages, b"y", 1, b"Y"),
            nonce(7, shared, b"y", 1, b"Y"),
            nonce(7, messages, b"x", 1, b"Y"),
            nonce(7, messages, b"y", 2, b"Y"),
            nonce(7, messages, b"y", 1, b"X"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn the_same_randomness_gives_another_dh_nonce_in_another_exchange_and_for_other_keys() {
        let [b, d] = [5, 6].map(|n| DhKeyPair::from_bytes(&Secret::copied(&[n; 80])));
        let commitment = |keys: &[&DhKeyPair], m: u8| {
            let mut rng = Recorded([vec![7; 57]].into());
            let proof = DhProof::prove(keys, &Secret::copied(&[m; 64]), &mut rng);
            let factors = factors(&proof.c, keys.len());
            let terms: Vec<_> = factors.iter().zip(keys.iter().map(|key| key.public())).collect();
            proof.v.recommit(&terms)
        };
        let first = commitment(&[&b], 1);
        assert_eq!(first, commitment(&[&b], 1));
        assert_ne!(first, commitment(&[&b], 2));
        assert_ne!(first, commitment(&[&b, &d], 1));
    }

    #[test]
    fn the_same_randomness_gives_another_nonce_in_another_exchange_and_for_other_keys() {
        let (y, d) = (SecretScalar::random(&mut rng()), SecretScalar::random(&mut rng()));
        let (y_public, d_public) = (y.mul_base(), d.mul_base());
        let commitment = |keys: &[(&Point, &SecretScalar)], m: u8| {
            let mut rng = Recorded([vec![7; 57]].into());
            let proof = EcdhProof::prove(EcdhUse::Messages, keys, &Secret::copied(&[m; 64]), &mut rng);
            proof.recommit(&keys.iter().map(|(public, _)| *public).collect::<Vec<_>>())
        };
        let first = commitment(&[(&y_public, &y)], 1);
        assert_eq!(first, commitment(&[(&y_public, &y)], 1));
        assert_ne!(first, commitment(&[(&y_public, &y)], 2));
        assert_ne!(first, commitment(&[(&y_public, &y), (&d_public, &d)], 1));
    }

    #[test]
    fn a_proof_holds_for_its_keys_in_their_order_its_use_and_its_exchange_only() {
        for v in of_kind("ecdh_proof") {
            let (usage, m) = (ecdh_use(&v.inputs["usage"]), m(&v.inputs["m"]));
            let publics = list(&v.inputs["publics"], point);
            let publics: Vec<_> = publics.iter().collect();
            let proof = read(&v.outputs["proof"], EcdhProof::read);
            let other = if usage == EcdhUse::Messages { EcdhUse::SharedPrekey } else { EcdhUse::Messages };
            assert_eq!(proof.verify(other, &publics, &m), Err(Reject::Forged));
            assert_eq!(proof.verify(usage, &publics, &Secret::copied(&[7; 64])), Err(Reject::Forged));
            assert_eq!(proof.verify(usage, &publics[1..], &m), Err(Reject::Forged));
            let reversed: Vec<_> = publics.iter().rev().copied().collect();
            assert_eq!(proof.verify(usage, &reversed, &m).is_ok(), publics.len() == 1);
        }
    }
    #[test]
    fn a_dh_proof_holds_for_its_keys_in_their_order_its_challenge_and_its_exchange_only() {
        for v in of_kind("dh_proof") {
            let m = m(&v.inputs["m"]);
            let publics = list(&v.inputs["publics"], dh_public);
            let publics: Vec<_> = publics.iter().collect();
            let proof = read(&v.outputs["proof"], DhProof::read);
            assert_eq!(proof.verify(&publics, &m), Ok(()));
            assert_eq!(proof.verify(&publics, &Secret::copied(&[7; 64])), Err(Reject::Forged));
            assert_eq!(proof.verify(&publics[1..], &m), Err(Reject::Forged));
            let reversed: Vec<_> = publics.iter().rev().copied().collect();
            assert_eq!(proof.verify(&reversed, &m).is_ok(), publics.len() == 1);
            for byte in [0, 63] {
                let mut changed = proof.clone();
                changed.c[byte] ^= 1;
                assert_eq!(changed.verify(&publics, &m), Err(Reject::Forged), "byte {byte} of C");
            }
        }
    }
}
