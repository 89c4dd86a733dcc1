//! SMP of versions 2 and 3: recorded runs of libotr, replayed byte for byte, and everything that must not pass in one.
//! Tests only.

use serde_json::Value;

use super::*;
use crate::crypto::secret::Secret;
use crate::smp::{Commitment, Smp, SmpError, State, differences};
use crate::vectors::{Recorded, array, bytes, rng, v3_file};

type Smp3 = Smp<Modp1536>;

/// A recorded run: four messages with what was drawn for them.
struct Recording {
    secrets: [Dh1536Secret; 2],
    bodies: Vec<Vec<u8>>,
    draws: Vec<Vec<Vec<u8>>>,
    equal: bool,
}

impl Recording {
    /// The runs of a session that came to their end.
    fn of_session(version: &str) -> Vec<Self> {
        let file = v3_file();
        let session = &file["sessions"][version];
        let messages = session["messages"].as_array().unwrap();
        let steps: Vec<_> = messages.iter().filter(|message| message.get("smp").is_some()).collect();
        let runs = steps.chunks_exact(4);
        assert_eq!(runs.len(), 2);
        runs.map(|run| Self::new(&file, &array(&session["ssid"]), run)).collect()
    }

    fn new(file: &Value, ssid: &[u8; 8], run: &[&Value]) -> Self {
        let [initiator, responder] = [0, 1].map(|side| {
            let key = &file["keys"][run[side]["from"].as_str().unwrap()];
            FingerprintV3::from_bytes(array(&key["fingerprint"]))
        });
        let secrets = [0, 1].map(|side| {
            let smp = &run[side]["smp"];
            let hash = Dh1536Secret::of_hash(&Secret::copied(&array(&smp["secret_hash"])));
            let x = secret(&initiator, &responder, ssid, smp["secret"].as_str().unwrap().as_bytes());
            assert_eq!(saved_secret(&x), saved_secret(&hash));
            x
        });
        let bodies = run.iter().map(|message| {
            let tlv = message["tlvs"].as_array().unwrap()[0].as_array().unwrap();
            let value = bytes(&tlv[1]);
            // Message 1Q has its question in front.
            let question =
                if tlv[0] == 7 { value.iter().position(|byte| *byte == 0).unwrap() + 1 } else { 0 };
            value[question..].to_vec()
        });
        let draws =
            run.iter().map(|message| message["smp"]["rng"].as_array().unwrap().iter().map(bytes).collect());
        Self {
            secrets,
            bodies: bodies.collect(),
            draws: draws.collect(),
            equal: run[3]["smp"]["equal"] == true,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        ["v3", "v2"].into_iter().flat_map(Self::of_session)
    }

    /// What was drawn for this message, 1 to 4.
    fn drawn(&self, message: usize) -> Recorded {
        Recorded(self.draws[message - 1].clone().into())
    }
}

fn saved_secret(secret: &Dh1536Secret) -> Vec<u8> {
    let mut w = Writer::new();
    secret.write(&mut w);
    w.finish()
}

#[test]
fn recorded_runs_are_replayed_byte_for_byte() {
    let mut outcomes = Vec::new();
    for run in Recording::all() {
        let mut draws = [1, 2, 3, 4].map(|message| run.drawn(message));
        let [first, second, third, fourth] = &mut draws;
        let [x, y] = run.secrets;
        let (alice, body) = Smp3::start(x, first);
        assert_eq!(hex::encode(&body), hex::encode(&run.bodies[0]));
        let (bob, body) = Smp3::default().receive_1(&body).unwrap().answer(y, second).unwrap();
        assert_eq!(hex::encode(&body), hex::encode(&run.bodies[1]));
        let (alice, body) = alice.receive_2(&body, third).unwrap();
        assert_eq!(hex::encode(&body), hex::encode(&run.bodies[2]));
        let (bob_learns, body) = bob.receive_3(&body, fourth).unwrap();
        assert_eq!(hex::encode(&body), hex::encode(&run.bodies[3]));
        let alice_learns = alice.receive_4(&body).unwrap();
        assert_eq!((bob_learns, alice_learns), (run.equal, run.equal));
        assert!(draws.iter().all(|draw| draw.0.is_empty()));
        outcomes.push(run.equal);
    }
    assert_eq!(outcomes, [true, false, true, false]);
}

/// The first recorded run: each state that waits for a message, 1 to 4, and the bodies.
struct Run {
    states: [Smp3; 4],
    bodies: Vec<Vec<u8>>,
}

impl Run {
    fn new() -> Self {
        let run = Recording::of_session("v3").remove(0);
        let [mut first, mut second, mut third] = [1, 2, 3].map(|message| run.drawn(message));
        let [x, y] = run.secrets;
        let (expect_2, _) = Smp3::start(x, &mut first);
        let asked = Smp3::default().receive_1(&run.bodies[0]).unwrap();
        let (expect_3, _) = asked.answer(y, &mut second).unwrap();
        let (expect_4, _) = expect_2.receive_2(&run.bodies[1], &mut third).unwrap();
        Self { states: [Smp3::default(), expect_2, expect_3, expect_4], bodies: run.bodies }
    }

    /// Gives this body to whoever waits for this message, 1 to 4.
    fn deliver(&self, message: usize, body: &[u8]) -> Result<(), SmpError> {
        let state = &self.states[message - 1];
        match message {
            1 => state.receive_1(body).map(drop),
            2 => state.receive_2(body, &mut rng()).map(drop),
            3 => state.receive_3(body, &mut rng()).map(drop),
            _ => state.receive_4(body).map(drop),
        }
    }
}

/// The fields of each message: E an element, S a scalar.
const FIELDS: [&str; 4] = ["ESSESS", "ESSESSEESSS", "EESSSESS", "ESS"];

/// Every field: message, its number in it, kind.
fn fields() -> impl Iterator<Item = (usize, usize, char)> {
    (1..).zip(FIELDS).flat_map(|(message, kinds)| {
        kinds.chars().enumerate().map(move |(field, kind)| (message, field, kind))
    })
}

/// The numbers of a body, which has as many as it says.
fn numbers(body: &[u8]) -> Vec<Vec<u8>> {
    let mut r = Reader::new(body);
    let count = r.int("count").unwrap();
    let numbers = (0..count).map(|_| r.mpi("number").unwrap().to_vec()).collect();
    r.end().unwrap();
    numbers
}

fn body_of(numbers: &[Vec<u8>]) -> Vec<u8> {
    let mut w = Writer::new();
    w.int(u32::try_from(numbers.len()).unwrap());
    numbers.iter().for_each(|number| _ = w.mpi(number));
    w.finish()
}

/// The body with another number in one field.
fn with(body: &[u8], field: usize, number: Vec<u8>) -> Vec<u8> {
    let mut numbers = numbers(body);
    numbers[field] = number;
    body_of(&numbers)
}

#[test]
fn each_falsified_element_and_scalar_is_refused() {
    let run = Run::new();
    for (message, field, kind) in fields() {
        let body = &run.bodies[message - 1];
        let mut r = Reader::new(body);
        r.int("count").unwrap();
        (0..field).for_each(|_| _ = r.mpi("number").unwrap());
        let mut w = Writer::new();
        if kind == 'E' {
            // Another element of the group: twice as much.
            let element = Dh1536Public::read(&mut r, "element").unwrap();
            let one = Dh1536Scalar::of_hash(&core::array::from_fn(|n| u8::from(n == 31)));
            Dh1536Public::combine(one, &[(one, &element)]).write(&mut w);
        } else {
            let mut number = r.mpi("number").unwrap().to_vec();
            *number.last_mut().unwrap() ^= 1;
            w.mpi(&number);
        }
        let changed = Reader::new(w.as_slice()).mpi("number").unwrap().to_vec();
        let refused = run.deliver(message, &with(body, field, changed));
        assert_eq!(refused, Err(SmpError::Proof), "message {message}, field {field}");
        assert_eq!(run.deliver(message, body), Ok(()), "refused, and nothing changed");
    }
}

fn p() -> Vec<u8> {
    bytes(&v3_file()["dh_prime"])
}

/// `p - number`
fn negative(number: &[u8]) -> Vec<u8> {
    let mut difference = p();
    let mut borrow = 0;
    let digits = number.iter().rev().chain(core::iter::repeat(&0));
    for (digit, subtracted) in difference.iter_mut().rev().zip(digits) {
        let value = 256 + i32::from(*digit) - i32::from(*subtracted) - borrow;
        borrow = i32::from(value < 256);
        *digit = u8::try_from(value % 256).unwrap();
    }
    difference
}

#[test]
fn numbers_outside_the_group_are_refused_wherever_they_stand() {
    let run = Run::new();
    for (message, field, _) in fields().filter(|(_, _, kind)| *kind == 'E') {
        let body = &run.bodies[message - 1];
        let element = &numbers(body)[field];
        // The last: the negative of a square is none, since p is 3 modulo 4.
        for bad in
            [vec![], vec![1], negative(&[1]), p(), [&[1], element.as_slice()].concat(), negative(element)]
        {
            let refused = run.deliver(message, &with(body, field, bad));
            assert!(
                matches!(refused, Err(SmpError::Wire(WireError::Illegal(_)))),
                "message {message}, field {field}: {refused:?}"
            );
        }
    }
}

#[test]
fn numbers_from_q_on_are_refused_wherever_they_stand() {
    let run = Run::new();
    let mut carry = 0;
    let q: Vec<u8> = p().iter().map(|byte| (carry << 7 | byte >> 1, carry = byte & 1).0).collect();
    for (message, field, _) in fields().filter(|(_, _, kind)| *kind == 'S') {
        let body = &run.bodies[message - 1];
        for bad in [q.clone(), p(), vec![1; 193]] {
            let refused = run.deliver(message, &with(body, field, bad));
            assert!(
                matches!(refused, Err(SmpError::Wire(WireError::Illegal(_)))),
                "message {message}, field {field}: {refused:?}"
            );
        }
        assert_eq!(run.deliver(message, &with(body, field, vec![])), Err(SmpError::Proof), "zero");
    }
}

#[test]
fn a_body_has_the_count_of_its_message_and_ends_with_its_last_number() {
    let run = Run::new();
    for (message, body) in (1..).zip(&run.bodies) {
        let numbers = numbers(body);
        assert_eq!(numbers.len(), FIELDS[message - 1].len());
        assert_eq!(body_of(&numbers), *body);
        let count = Err(SmpError::Wire(WireError::Illegal("SMP count")));
        assert_eq!(run.deliver(message, &body_of(&numbers[1..])), count);
        assert_eq!(run.deliver(message, &body_of(&[numbers.as_slice(), &[vec![1]]].concat())), count);
        let longer = [body, &[0][..]].concat();
        assert_eq!(run.deliver(message, &longer), Err(SmpError::Wire(WireError::Trailing)));
        for length in [0, 3, 4, 7, 8, body.len() - 1] {
            let refused = run.deliver(message, &body[..length]);
            assert!(matches!(refused, Err(SmpError::Wire(WireError::Truncated(_)))), "{message}, {length}");
        }
    }
}

#[test]
fn the_same_p_or_q_on_both_sides_is_refused() {
    let run = Run::new();
    let State::Expect3 { pb, qb, .. } = &run.states[2].0 else { panic!() };
    let mut r = Reader::new(&run.bodies[2]);
    r.int("number of fields").unwrap();
    let theirs = Commitment::<Modp1536>::read(&mut r).unwrap();
    assert!(differences(&theirs, pb, qb).is_ok());
    assert_eq!(differences(&theirs, pb, &theirs.q).map(drop), Err(SmpError::Proof));
    assert_eq!(differences(&theirs, &theirs.p, qb).map(drop), Err(SmpError::Proof));
}

/// Alice sends `-(2 ^ a2)`; the proof for `2 ^ a2` is one for it too whenever the challenge is even. With an odd `b2`, `g2`
/// then is no square, and `Qb` is one or none as Bob's secret is even or odd.
#[test]
fn a_generator_that_would_tell_the_parity_of_the_secret_is_refused() {
    let number = |write: &dyn Fn(&mut Writer)| {
        let mut w = Writer::new();
        write(&mut w);
        Reader::new(w.as_slice()).mpi("number").unwrap().to_vec()
    };
    let a2 = Modp1536::exponent(&mut rng());
    let (c2, d2) = loop {
        let r2 = Modp1536::nonce(&mut rng());
        let c2 = Modp1536::hash_to_scalar(1, &[&Modp1536::mul_base(&r2)]);
        if number(&|w| c2.write(w)).last().is_some_and(|byte| byte % 2 == 0) {
            break (c2, Modp1536::respond(r2, &a2, c2));
        }
    };
    let run = Run::new();
    let mut fields = numbers(&run.bodies[0]);
    fields[0] = number(&|w| Modp1536::mul_base(&a2).write(w));
    fields[1] = number(&|w| c2.write(w));
    fields[2] = number(&|w| d2.write(w));
    assert_eq!(run.deliver(1, &body_of(&fields)), Ok(()), "a square, and its proof");
    fields[0] = negative(&fields[0]);
    let refused = Err(SmpError::Wire(WireError::Illegal("SMP half of G2")));
    assert_eq!(run.deliver(1, &body_of(&fields)), refused);
}

fn reloaded(state: &Smp3) -> Smp3 {
    let save = |state: &Smp3| {
        let mut w = Writer::new();
        state.save(&mut w);
        w.finish()
    };
    let bytes = save(state);
    let mut r = Reader::new(&bytes);
    let loaded = Smp3::load(&mut r).unwrap();
    r.end().unwrap();
    assert_eq!(save(&loaded), bytes);
    loaded
}

#[test]
fn saved_states_go_on_where_they_were() {
    let run = Run::new();
    let states =
        run.states.iter().map(reloaded).collect::<Vec<_>>().try_into().unwrap_or_else(|_| unreachable!());
    let run = Run { states, bodies: run.bodies };
    for (message, body) in (1..).zip(&run.bodies) {
        assert_eq!(run.deliver(message, body), Ok(()));
    }
    assert_eq!(run.states[3].receive_4(&run.bodies[3]), Ok(true));
}
