//! The recorded runs, replayed byte for byte: `conformance/vectors/smp.json`, kinds `smp` and `smp_bad`. Tests only.
//!
//! The recorded nonces are pruned and ours are not (spec-notes/SN-015), so the replay runs over a group that prunes
//! them. Over our own group all points are still the recorded ones, and the other side gets the recorded messages.

use rand_core::CryptoRng;
use serde_json::Value;

use super::ed448::{Ed448, secret};
use super::{Group, Smp, SmpError};
use crate::crypto::ed448::{Point, Scalar, SecretScalar};
use crate::keys::Fingerprint;
use crate::vectors::{Recorded, Vector, array, bytes, of_kind, whole_of_kind};
use crate::wire::{Reader, WireError, Writer};

/// Ed448 with nonces as the text draws them.
enum Pruned {}

/// Both sides in the middle of a recorded run.
struct Run<'a, G: Group> {
    vector: &'a Vector,
    alice: Smp<G>,
    bob: Smp<G>,
    /// The outcomes, as they were recorded: Bob's, then Alice's.
    outcomes: Vec<&'static str>,
}

impl<'a, G: Group<Secret = SecretScalar>> Run<'a, G> {
    fn new(vector: &'a Vector) -> Self {
        Self { vector, alice: Smp::default(), bob: Smp::default(), outcomes: Vec::new() }
    }

    fn step(&self, does: &str) -> &'a Value {
        let steps = self.vector.outputs["steps"].as_array().unwrap();
        steps.iter().find(|step| step["does"] == does).unwrap()
    }

    /// The draws of a step.
    fn random(&self, does: &str) -> Recorded {
        Recorded(self.step(does)["random"].as_array().unwrap().iter().map(|draw| bytes(&draw[1])).collect())
    }

    fn secret(&self, whose: &str) -> SecretScalar {
        let [initiator, responder] = ["initiator_fingerprint", "responder_fingerprint"]
            .map(|name| Fingerprint::from_bytes(array(&self.vector.inputs[name])));
        let ssid = array(&self.vector.inputs["SSID"]);
        secret(&initiator, &responder, &ssid, self.vector.inputs[whose].as_str().unwrap().as_bytes())
    }

    /// The recorded body of this message, 1 to 4.
    fn body(&self, message: usize) -> Vec<u8> {
        let does = ["start", "respond", "receive 2", "receive 3"][message - 1];
        let [kind, value] = self.step(does)["sends"][0].as_array().unwrap().as_slice() else { panic!() };
        body_of(kind.as_u64().unwrap(), &bytes(value))
    }

    /// Whoever is to get this message gets this body in its place.
    fn deliver(&mut self, message: usize, body: &[u8]) -> Result<Option<Vec<u8>>, SmpError> {
        let outcome = |equal| if equal { "smp-success" } else { "smp-failure" };
        match message {
            1 => {
                self.bob = self.bob.receive_1(body)?;
                let mut rng = self.random("respond");
                let (bob, answer) = self.bob.answer(self.secret("responder_secret"), &mut rng)?;
                assert!(rng.0.is_empty());
                self.bob = bob;
                Ok(Some(answer))
            }
            2 => {
                let mut rng = self.random("receive 2");
                let (alice, answer) = self.alice.receive_2(body, &mut rng)?;
                assert!(rng.0.is_empty());
                self.alice = alice;
                Ok(Some(answer))
            }
            3 => {
                let mut rng = self.random("receive 3");
                let (equal, answer) = self.bob.receive_3(body, &mut rng)?;
                assert!(rng.0.is_empty());
                self.bob = Smp::default();
                self.outcomes.push(outcome(equal));
                Ok(Some(answer))
            }
            _ => {
                let equal = self.alice.receive_4(body)?;
                self.alice = Smp::default();
                self.outcomes.push(outcome(equal));
                Ok(None)
            }
        }
    }

    /// The whole run with the recorded messages; `ours` and the recorded one of each are compared.
    fn take(mut self, same: impl Fn(&[u8], &[u8], usize)) {
        let mut rng = self.random("start");
        let (alice, first) = Smp::start(self.secret("initiator_secret"), &mut rng);
        assert!(rng.0.is_empty());
        self.alice = alice;
        let mut ours = Some(first);
        for message in 1..=4 {
            let recorded = self.body(message);
            same(&ours.unwrap(), &recorded, message);
            ours = self.deliver(message, &recorded).unwrap();
        }
        let recorded: Vec<_> =
            ["receive 3", "receive 4"].map(|does| self.step(does)["events"][0].as_str().unwrap()).into();
        assert_eq!(self.outcomes, recorded, "{}", self.vector.name);
    }
}

/// What the engine gets of a TLV: message 1 has the question before its body.
fn body_of(kind: u64, value: &[u8]) -> Vec<u8> {
    let mut r = Reader::new(value);
    if kind == 2 {
        r.data("question").unwrap();
    }
    value[r.position()..].to_vec()
}

/// Where the points of a message begin.
fn points_of(message: usize) -> &'static [usize] {
    [&[0, 3][..], &[0, 3, 6, 7], &[0, 1, 5], &[0]][message - 1]
}

#[test]
fn recorded_runs_are_replayed_byte_for_byte() {
    for vector in whole_of_kind("smp") {
        Run::<Pruned>::new(&vector).take(|ours, recorded, message| {
            assert_eq!(hex::encode(ours), hex::encode(recorded), "{}, message {message}", vector.name);
        });
    }
}

#[test]
fn our_own_nonces_change_nothing_but_the_proofs() {
    for vector in of_kind("smp") {
        Run::<Ed448>::new(&vector).take(|ours, recorded, message| {
            assert_eq!(ours.len(), recorded.len());
            for (field, (ours, recorded)) in ours.chunks(57).zip(recorded.chunks(57)).enumerate() {
                let same = points_of(message).contains(&field);
                assert_eq!(ours == recorded, same, "{}, message {message}, field {field}", vector.name);
            }
        });
    }
}

#[test]
fn recorded_bad_messages_are_refused_and_the_good_ones_still_taken() {
    let runs = of_kind("smp");
    for bad in whole_of_kind("smp_bad") {
        assert_eq!(bad.accept(), Some(false));
        let like = runs.iter().find(|run| run.name == bad.inputs["like"]).unwrap();
        let mut run = Run::<Pruned>::new(like);
        run.alice = Smp::start(run.secret("initiator_secret"), &mut run.random("start")).0;
        let instead_of = usize::try_from(bad.inputs["instead_of_message"].as_u64().unwrap()).unwrap();
        for message in 1..instead_of {
            run.deliver(message, &run.body(message)).unwrap();
        }
        let body = body_of(bad.inputs["tlv"].as_u64().unwrap(), &bytes(&bad.inputs["value"]));
        assert!(
            matches!(run.deliver(instead_of, &body), Err(SmpError::Wire(_) | SmpError::Proof)),
            "{}",
            bad.name
        );
        assert!(run.deliver(instead_of, &run.body(instead_of)).is_ok(), "{}", bad.name);
    }
}

impl Group for Pruned {
    type Element = Point;
    type Scalar = Scalar;
    type Secret = SecretScalar;

    fn nonce(rng: &mut dyn CryptoRng) -> SecretScalar {
        Ed448::exponent(rng)
    }

    fn write_count(fields: u32, w: &mut Writer) {
        Ed448::write_count(fields, w);
    }
    fn read_count(fields: u32, r: &mut Reader<'_>) -> Result<(), WireError> {
        Ed448::read_count(fields, r)
    }
    fn write_element(element: &Point, w: &mut Writer) {
        Ed448::write_element(element, w);
    }
    fn read_element(r: &mut Reader<'_>, what: &'static str) -> Result<Point, WireError> {
        Ed448::read_element(r, what)
    }
    fn write_scalar(scalar: Scalar, w: &mut Writer) {
        Ed448::write_scalar(scalar, w);
    }
    fn read_scalar(r: &mut Reader<'_>, what: &'static str) -> Result<Scalar, WireError> {
        Ed448::read_scalar(r, what)
    }
    fn write_secret(secret: &SecretScalar, w: &mut Writer) {
        Ed448::write_secret(secret, w);
    }
    fn read_secret(r: &mut Reader<'_>, what: &'static str) -> Result<SecretScalar, WireError> {
        Ed448::read_secret(r, what)
    }
    fn exponent(rng: &mut dyn CryptoRng) -> SecretScalar {
        Ed448::exponent(rng)
    }
    fn hash_to_scalar(i: u8, elements: &[&Point]) -> Scalar {
        Ed448::hash_to_scalar(i, elements)
    }
    fn respond(r: SecretScalar, a: &SecretScalar, c: Scalar) -> Scalar {
        Ed448::respond(r, a, c)
    }
    fn mul_base(k: &SecretScalar) -> Point {
        Ed448::mul_base(k)
    }
    fn mul(a: &Point, k: &SecretScalar) -> Point {
        Ed448::mul(a, k)
    }
    fn commit(r: &SecretScalar, a: &Point, k: &SecretScalar) -> Point {
        Ed448::commit(r, a, k)
    }
    fn sub(a: &Point, b: &Point) -> Point {
        Ed448::sub(a, b)
    }
    fn is_identity(a: &Point) -> bool {
        Ed448::is_identity(a)
    }
    fn combine(d: Scalar, terms: &[(Scalar, &Point)]) -> Point {
        Ed448::combine(d, terms)
    }
    fn sum_of_products(terms: &[(Scalar, &Point)]) -> Point {
        Ed448::sum_of_products(terms)
    }
}
