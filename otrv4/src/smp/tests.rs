//! Runs of SMP, and everything that must not pass in one. Tests only.

use proptest::prelude::*;

use super::ed448::{Ed448, secret};
use super::parts::{Commitment, Comparison, Generators, Prover};
use super::*;
use crate::crypto::ed448::{ORDER, Point, Scalar, SecretScalar};
use crate::crypto::secret::Secret;
use crate::keys::Fingerprint;
use crate::vectors::{Recorded, rng};

type Smp4 = Smp<Ed448>;

/// `x` or `y` for this text.
fn typed(text: &str) -> SecretScalar {
    let [a, b] = [1, 2].map(|n| Fingerprint::from_bytes([n; 56]));
    secret(&a, &b, &[3; 8], text.as_bytes())
}

/// The four messages of a run with equal secrets, each with the state of whoever gets it.
struct Run {
    receivers: [Smp4; 4],
    bodies: [Vec<u8>; 4],
    /// Bob between message 1 and his answer.
    asked: Smp4,
}

impl Run {
    fn new() -> Self {
        let rng = &mut rng();
        let (expect_2, body_1) = Smp4::start(typed("same"), rng);
        let expect_1 = Smp4::default();
        let asked = expect_1.receive_1(&body_1).unwrap();
        let (expect_3, body_2) = asked.answer(typed("same"), rng).unwrap();
        let (expect_4, body_3) = expect_2.receive_2(&body_2, rng).unwrap();
        let (_, body_4) = expect_3.receive_3(&body_3, rng).unwrap();
        Self {
            receivers: [expect_1, expect_2, expect_3, expect_4],
            bodies: [body_1, body_2, body_3, body_4],
            asked,
        }
    }

    fn states(&self) -> [&Smp4; 5] {
        let [expect_1, expect_2, expect_3, expect_4] = &self.receivers;
        [expect_1, &self.asked, expect_2, expect_3, expect_4]
    }

    /// Gives this body to whoever waits for this message, 1 to 4.
    fn deliver(&self, message: usize, body: &[u8]) -> Result<(), SmpError> {
        receive(&self.receivers[message - 1], message, body)
    }
}

fn receive(state: &Smp4, message: usize, body: &[u8]) -> Result<(), SmpError> {
    match message {
        1 => state.receive_1(body).map(drop),
        2 => state.receive_2(body, &mut rng()).map(drop),
        3 => state.receive_3(body, &mut rng()).map(drop),
        _ => state.receive_4(body).map(drop),
    }
}

/// What Bob and Alice learn, every state saved and loaded again before it is used.
fn outcome(x: SecretScalar, y: SecretScalar) -> (bool, bool) {
    let rng = &mut rng();
    let (alice, body) = Smp4::start(x, rng);
    let bob = reloaded(&reloaded(&Smp4::default()).receive_1(&body).unwrap());
    let (bob, body) = bob.answer(y, rng).unwrap();
    let (alice, body) = reloaded(&alice).receive_2(&body, rng).unwrap();
    let (bob_learns, body) = reloaded(&bob).receive_3(&body, rng).unwrap();
    (bob_learns, reloaded(&alice).receive_4(&body).unwrap())
}

fn saved(state: &Smp4) -> Vec<u8> {
    let mut w = Writer::new();
    state.save(&mut w);
    w.finish()
}

fn loaded(bytes: &[u8]) -> Result<Smp4, WireError> {
    let mut r = Reader::new(bytes);
    let state = Smp4::load(&mut r)?;
    r.end()?;
    Ok(state)
}

fn reloaded(state: &Smp4) -> Smp4 {
    let bytes = saved(state);
    let state = loaded(&bytes).unwrap();
    assert_eq!(saved(&state), bytes);
    state
}

/// The fields of each message: P a point, S a scalar.
const FIELDS: [&str; 4] = ["PSSPSS", "PSSPSSPPSSS", "PPSSSPSS", "PSS"];

/// Every field: message, position of the field, kind.
fn fields() -> impl Iterator<Item = (usize, usize, char)> {
    (1..).zip(FIELDS).flat_map(|(message, kinds)| {
        kinds.chars().enumerate().map(move |(field, kind)| (message, 57 * field, kind))
    })
}

fn with(body: &[u8], at: usize, field: &[u8; 57]) -> Vec<u8> {
    let mut changed = body.to_vec();
    changed[at..at + 57].copy_from_slice(field);
    changed
}

fn number(n: u8) -> Scalar {
    let mut encoded = [0; 57];
    encoded[0] = n;
    Scalar::decode(&encoded)
}

#[test]
fn a_run_ends_with_what_both_know() {
    assert_eq!(outcome(typed("same"), typed("same")), (true, true));
    assert_eq!(outcome(typed("same"), typed("Same")), (false, false));
}

#[test]
fn messages_have_the_fields_of_the_text() {
    for (body, fields) in Run::new().bodies.iter().zip(FIELDS) {
        assert_eq!(body.len(), 57 * fields.len());
    }
}

#[test]
fn each_falsified_point_and_scalar_is_refused() {
    let run = Run::new();
    for (message, at, kind) in fields() {
        let body = &run.bodies[message - 1];
        let field: &[u8; 57] = body[at..at + 57].try_into().unwrap();
        let changed = match kind {
            // Another element of the group, and another number.
            'P' => *Point::combine(&number(1), &[(number(1), &Point::decode(field).unwrap())]).as_bytes(),
            _ => (Scalar::decode(field) + number(1)).to_bytes(),
        };
        let refused = run.deliver(message, &with(body, at, &changed));
        assert_eq!(refused, Err(SmpError::Proof), "message {message}, byte {at}");
        assert_eq!(run.deliver(message, body), Ok(()), "refused, and nothing changed");
    }
}

#[test]
fn points_outside_the_group_are_refused_wherever_they_stand() {
    let run = Run::new();
    let identity = core::array::from_fn(|n| u8::from(n == 0));
    for (message, at, _) in fields().filter(|(_, _, kind)| *kind == 'P') {
        let body = &run.bodies[message - 1];
        let mut spare_bit: [u8; 57] = body[at..at + 57].try_into().unwrap();
        spare_bit[56] ^= 1;
        for bad in [identity, [0; 57], [0xFF; 57], spare_bit] {
            let refused = run.deliver(message, &with(body, at, &bad));
            assert!(
                matches!(refused, Err(SmpError::Wire(WireError::Illegal(_)))),
                "message {message}, byte {at}"
            );
        }
    }
}

#[test]
fn a_body_ends_where_its_last_field_does() {
    let run = Run::new();
    for (message, body) in (1..).zip(&run.bodies) {
        let longer = [body, &[0][..]].concat();
        assert_eq!(run.deliver(message, &longer), Err(SmpError::Wire(WireError::Trailing)));
        for length in [0, 1, 56, 57, body.len() - 57, body.len() - 1] {
            let refused = run.deliver(message, &body[..length]);
            assert!(matches!(refused, Err(SmpError::Wire(WireError::Truncated(_)))), "{message}, {length}");
        }
    }
}

#[test]
fn no_proof_holds_with_zeros_for_its_numbers() {
    let run = Run::new();
    for (message, body) in (1..).zip(&run.bodies) {
        let scalars = || fields().filter(|(m, _, kind)| *m == message && *kind == 'S');
        let mut all = body.clone();
        for (_, at, _) in scalars() {
            all = with(&all, at, &[0; 57]);
            assert_eq!(run.deliver(message, &with(body, at, &[0; 57])), Err(SmpError::Proof));
        }
        assert_eq!(run.deliver(message, &all), Err(SmpError::Proof));
    }
}

#[test]
fn numbers_are_read_mod_q() {
    let run = Run::new();
    for (message, at, _) in fields().filter(|(_, _, kind)| *kind == 'S') {
        let body = &run.bodies[message - 1];
        let mut carry = 0;
        let plus_q: [u8; 57] = core::array::from_fn(|n| {
            let [low, high] = (u16::from(body[at + n]) + u16::from(ORDER[n]) + carry).to_le_bytes();
            carry = high.into();
            low
        });
        assert_eq!(run.deliver(message, &with(body, at, &plus_q)), Ok(()), "message {message}, byte {at}");
    }
}

#[test]
fn a_message_that_was_not_expected_is_refused_in_every_state() {
    let run = Run::new();
    // Expect1, asked, Expect2, Expect3, Expect4
    for (state, awaited) in run.states().into_iter().zip([1, 0, 2, 3, 4]) {
        for message in 1..=4 {
            let received = receive(state, message, &run.bodies[message - 1]);
            let expected = if message == awaited { Ok(()) } else { Err(SmpError::Unexpected) };
            assert_eq!(received, expected, "message {message} in {state:?}");
        }
        let answered = state.answer(typed("same"), &mut rng()).map(drop);
        assert_eq!(answered, if awaited == 0 { Ok(()) } else { Err(SmpError::Unexpected) });
    }
}

#[test]
fn a_state_says_what_it_is() {
    let run = Run::new();
    let seen = run.states().map(|state| (state.is_running(), state.is_asked(), state.has_sent_3()));
    assert_eq!(
        seen,
        [
            (false, false, false),
            (true, true, false),
            (true, false, false),
            (true, false, false),
            (true, false, true)
        ]
    );
}

#[test]
fn no_proof_can_be_sent_back_to_its_maker() {
    let rng = &mut rng();
    let [x, a2, a3] = [(); 3].map(|()| Ed448::exponent(rng));
    let (g2, g3) = (a2.mul_base(), a3.mul_base());
    for (prover, other) in [(Prover::Alice, Prover::Bob), (Prover::Bob, Prover::Alice)] {
        let generators = Generators::<Ed448>::new(prover, &a2, &a3, rng);
        assert_eq!(generators.verify(prover), Ok(()));
        assert_eq!(generators.verify(other), Err(SmpError::Proof));
        let commitment = Commitment::<Ed448>::new(prover, &g2, &g3, &x, rng);
        assert_eq!(commitment.verify(prover, &g2, &g3), Ok(()));
        assert_eq!(commitment.verify(other, &g2, &g3), Err(SmpError::Proof));
        let comparison = Comparison::<Ed448>::new(prover, &g2, &a3, rng);
        assert_eq!(comparison.verify(prover, &g3, &g2), Ok(()));
        assert_eq!(comparison.verify(other, &g3, &g2), Err(SmpError::Proof));
    }
}

#[test]
fn a_proof_is_about_these_generators_and_this_difference() {
    let rng = &mut rng();
    let [x, a2, a3] = [(); 3].map(|()| Ed448::exponent(rng));
    let (g2, g3) = (a2.mul_base(), a3.mul_base());
    let commitment = Commitment::<Ed448>::new(Prover::Alice, &g2, &g3, &x, rng);
    assert_eq!(commitment.verify(Prover::Alice, &g3, &g3), Err(SmpError::Proof));
    assert_eq!(commitment.verify(Prover::Alice, &g2, &g2), Err(SmpError::Proof));
    let comparison = Comparison::<Ed448>::new(Prover::Alice, &g2, &a3, rng);
    assert_eq!(comparison.verify(Prover::Alice, &g2, &g2), Err(SmpError::Proof));
    assert_eq!(comparison.verify(Prover::Alice, &g3, &g3), Err(SmpError::Proof));
}

#[test]
fn the_same_p_on_both_sides_is_refused() {
    // Whoever knew the other's r4 could make Pa = Pb with valid proofs.
    let draws = || Recorded((20..27).map(|n| vec![n; 57]).collect());
    let (alice, body) = Smp4::start(typed("one"), &mut rng());
    let asked = Smp4::default().receive_1(&body).unwrap();
    let (bob, body) = asked.answer(typed("two"), &mut draws()).unwrap();
    let same_r4 = &mut Recorded([24, 30, 31, 32].map(|n| vec![n; 57]).into());
    assert_eq!(alice.receive_2(&body, same_r4).map(drop), Err(SmpError::Proof));

    let State::Expect3 { g2, g3, pb, qb, .. } = &bob.0 else { panic!() };
    let State::Expect2 { a3, .. } = &alice.0 else { panic!() };
    let same_r4 = &mut Recorded([24, 30, 31].map(|n| vec![n; 57]).into());
    let ours = Commitment::<Ed448>::new(Prover::Alice, g2, g3, &typed("one"), same_r4);
    assert!(ours.p == *pb && ours.q != *qb);
    let comparison = Comparison::<Ed448>::new(Prover::Alice, &(&ours.q - qb), a3, &mut rng());
    let body = write_body::<Ed448>(8, |w| {
        ours.write(w);
        comparison.write(w);
    });
    assert_eq!(bob.receive_3(&body, &mut rng()).map(drop), Err(SmpError::Proof));
}

#[test]
fn the_same_q_on_both_sides_is_refused() {
    let run = Run::new();
    let State::Expect3 { pb, qb, .. } = &run.receivers[2].0 else { panic!() };
    let theirs = Commitment::<Ed448>::read(&mut Reader::new(&run.bodies[2])).unwrap();
    assert!(differences(&theirs, pb, qb).is_ok());
    assert_eq!(differences(&theirs, pb, &theirs.q).map(drop), Err(SmpError::Proof));
    assert_eq!(differences(&theirs, &theirs.p, qb).map(drop), Err(SmpError::Proof));
}

#[test]
fn generators_that_degenerate_are_refused() {
    let [k, half] = [(); 2].map(|()| Ed448::exponent(&mut rng()));
    let (half, zero) = (half.mul_base(), SecretScalar::zero());
    assert!(common_generators::<Ed448>((&half, &k), (&half, &k)).is_ok());
    for (our_2, our_3) in [(&zero, &k), (&k, &zero)] {
        let common = common_generators::<Ed448>((&half, our_2), (&half, our_3));
        assert_eq!(common.map(drop), Err(SmpError::Proof));
    }
}

/// With nonces from one half of the numbers, `d6 + cp * guess` would be in that half for the true secret and in the
/// other for every second wrong one.
#[test]
fn no_response_tells_whether_a_guess_may_be_right() {
    let rng = &mut rng();
    let [x, a2, a3] = [(); 3].map(|()| Ed448::exponent(rng));
    let (g2, g3) = (a2.mul_base(), a3.mul_base());
    // Pruned numbers have the second-lowest bit set when they are reduced mod q.
    let mut clear = [false; 4];
    for _ in 0..40 {
        let mut w = Writer::new();
        Generators::<Ed448>::new(Prover::Alice, &a2, &a3, rng).write(&mut w);
        Commitment::<Ed448>::new(Prover::Alice, &g2, &g3, &x, rng).write(&mut w);
        Comparison::<Ed448>::new(Prover::Alice, &g2, &a3, rng).write(&mut w);
        let scalar =
            |field: usize| Scalar::decode(w.as_slice()[57 * field..57 * (field + 1)].try_into().unwrap());
        // c and d in the order G2a c2 d2 G3a c3 d3, Pa Qa cp d5 d6, Ra cr d7
        let nonces = [(1, 2, &a2), (4, 5, &a3), (8, 10, &x), (12, 13, &a3)]
            .map(|(c, d, secret)| scalar(d) + scalar(c) * secret.publish());
        for (clear, nonce) in clear.iter_mut().zip(nonces) {
            *clear |= nonce.to_bytes()[0] & 2 == 0;
        }
    }
    assert_eq!(clear, [true; 4]);
}

#[test]
fn damaged_states_are_refused() {
    let run = Run::new();
    for state in run.states() {
        let bytes = saved(state);
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1].into_iter().filter(|n| *n < bytes.len()) {
            assert!(loaded(&bytes[..length]).is_err(), "{state:?}, {length} bytes");
        }
        for at in (1..bytes.len()).step_by(57) {
            assert!(loaded(&with(&bytes, at, &[0; 57])).is_err(), "{state:?}, byte {at}");
        }
        assert_eq!(loaded(&[bytes, vec![0]].concat()).map(drop), Err(WireError::Trailing));
    }
    assert_eq!(loaded(&[5]).map(drop), Err(WireError::Illegal("SMP state")));
}

#[test]
fn states_print_nothing_but_their_names() {
    let printed = Run::new().states().map(|state| format!("{state:?}"));
    assert_eq!(printed, ["Smp(Expect1)", "Smp(Asked)", "Smp(Expect2)", "Smp(Expect3)", "Smp(Expect4)"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn equal_secrets_are_equal_and_different_ones_are_not(one: [u8; 57], other: [u8; 57]) {
        let x = |bytes| SecretScalar::pruned(&Secret::copied(bytes));
        prop_assert_eq!(outcome(x(&one), x(&one)), (true, true));
        let equal = x(&one).publish() == x(&other).publish();
        prop_assert_eq!(outcome(x(&one), x(&other)), (equal, equal));
    }
}
