//! Clear text never leaves while a policy requires encryption, while a handshake runs, or when a conversation has not been
//! ended by our user: random schedules of typing, handshakes, errors, disconnects and restarts, in all versions.

use otrv4::wire::{Header, Line, MessageType, Reader, Versions, classify};
use otrv4::{Event, Policy, Protection, Session, Timestamp};
use otrv4_tests::{Person, alice_and_bob_with_v3};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Type(bool),
    Start(bool),
    Identity(bool),
    End(bool),
    /// The next line of that side arrives; or is lost.
    Deliver(bool),
    Lose(bool),
    /// The oldest line of that side arrives again.
    Replay(bool),
    Error(bool),
    Query(bool, u8),
    Tag(bool, u8),
    Restart(bool),
    /// The process is gone, and what it had kept of the conversation.
    Forget(bool),
    Wait(bool, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let side = any::<bool>();
    prop_oneof![
        4 => side.prop_map(Step::Type),
        2 => side.prop_map(Step::Start),
        1 => side.prop_map(Step::Identity),
        1 => side.prop_map(Step::End),
        12 => side.prop_map(Step::Deliver),
        1 => side.prop_map(Step::Lose),
        1 => side.prop_map(Step::Replay),
        1 => side.prop_map(Step::Error),
        1 => (side, 1..=4_u8).prop_map(|(side, version)| Step::Query(side, version)),
        1 => (side, 2..=4_u8).prop_map(|(side, version)| Step::Tag(side, version)),
        1 => side.prop_map(Step::Restart),
        1 => side.prop_map(Step::Forget),
        1 => (side, 0..1000_u16).prop_map(|(side, seconds)| Step::Wait(side, seconds)),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let versions =
        prop_oneof![Just(Versions::V3), Just(Versions::V34), Just(Versions::V4), Just(Versions::EMPTY)];
    (versions, any::<[bool; 5]>()).prop_map(|(versions, [allow_v2, tag, start, error, encrypt])| Policy {
        versions,
        // Something has to be spoken.
        allow_v2: allow_v2 || versions == Versions::EMPTY,
        send_whitespace_tag: tag,
        start_on_whitespace_tag: start,
        start_on_error: error,
        require_encryption: encrypt,
        ..Policy::default()
    })
}

/// One side, with the lines that it has sent and what its user typed so far.
struct Side {
    person: Person,
    history: Vec<String>,
    typed: usize,
    /// Since the last `end`, a conversation was up.
    was_encrypted: bool,
    /// When this side last sent or answered a handshake message or a query of its user.
    handshake_at: Option<Timestamp>,
}

impl Side {
    fn new(person: Person) -> Self {
        let mut person = person;
        // Something is saved from the beginning.
        person.act(|_, _| vec![otrv4::Output::Save]);
        Self { person, history: Vec::new(), typed: 0, was_encrypted: false, handshake_at: None }
    }

    fn is_encrypted(&self) -> bool {
        self.person
            .session
            .instances()
            .any(|instance| matches!(instance.protection, Protection::Encrypted { .. }))
    }

    /// Whether text may leave in clear, as its user sees it.
    fn may_be_clear(&self) -> bool {
        // For two minutes a query of our user may be answered, and an answered one go on.
        let starting = self.handshake_at.is_some_and(|at| self.person.now < at.plus(2 * 60));
        !self.person.policy.require_encryption && !starting && !self.was_encrypted
    }

    /// Does something; what leaves is looked at.
    fn act(&mut self, typing: Option<&str>, act: impl FnOnce(&mut Person)) {
        self.act_asking(typing, false, act);
    }

    /// The same; whether our user asks for a conversation by it.
    fn act_asking(&mut self, typing: Option<&str>, asked: bool, act: impl FnOnce(&mut Person)) {
        let (may_be_clear, before) = (self.may_be_clear(), self.person.sent.len());
        act(&mut self.person);
        for line in &self.person.sent[before..] {
            let clear = matches!(classify(line), Line::Plain(_) | Line::Tagged { .. });
            assert!(
                !clear || (may_be_clear && typing.is_some_and(|text| line.contains(text))),
                "in clear: {line}"
            );
            // A text is nowhere in a line but in the one that is allowed to be clear.
            assert!(clear || !line.contains("text "), "{line}");
        }
        // A query of our own accord, after an error, asks for nothing that our user waits for.
        let handshake = |line: &String| match classify(line) {
            Line::Query(_) => asked,
            Line::Encoded(Ok(message)) => Header::read(&mut Reader::new(&message))
                .is_ok_and(|header| header.message_type != MessageType::Data),
            _ => false,
        };
        if self.person.sent[before..].iter().any(handshake) {
            self.handshake_at = Some(self.person.now);
        }
        self.was_encrypted |= self.is_encrypted()
            || self.person.events.iter().any(|event| matches!(event, Event::Secure { .. }));
        self.person.events.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]
    #[test]
    fn clear_text_never_leaves_where_it_must_not(
        policies in (policy(), policy()), steps in proptest::collection::vec(step(), 20..120),
    ) {
        let (alice, bob) = alice_and_bob_with_v3(Policy::default());
        let mut sides = [Side::new(alice.with(policies.0)), Side::new(bob.with(policies.1))];
        for step in steps {
            let [alice, bob] = &mut sides;
            let of = |bob_acts: bool| usize::from(bob_acts);
            match step {
                Step::Type(side) => {
                    let side = if side { bob } else { alice };
                    side.typed += 1;
                    let text = format!("text {}", side.typed);
                    side.act(Some(&text), |person| {
                        let mut rng = otrv4_tests::rng();
                        let mut outputs = Vec::new();
                        let mut cx = otrv4::Context { account: &mut person.account, rng: &mut rng, now: person.now };
                        outputs.extend(person.session.send(&mut cx, None, &text).unwrap_or_default());
                        person.act(|_, _| outputs);
                    });
                }
                Step::Start(side) => sides[of(side)].act_asking(None, true, |person| _ = person.act(|session, cx| session.start(cx))),
                Step::Identity(side) => {
                    sides[of(side)].act(None, |person| _ = person.act(|session, cx| session.start_identity(cx)));
                }
                Step::End(side) => {
                    let side = &mut sides[of(side)];
                    side.act(None, |person| _ = person.act(|session, cx| session.end(cx)));
                    (side.was_encrypted, side.handshake_at) = (false, None);
                }
                Step::Deliver(side) | Step::Lose(side) => {
                    let (from, to) = if side { (bob, alice) } else { (alice, bob) };
                    if from.person.sent.is_empty() {
                        continue;
                    }
                    let line = from.person.sent.remove(0);
                    from.history.push(line.clone());
                    if matches!(step, Step::Deliver(_)) {
                        to.act(None, |person| _ = person.receive(&line));
                    }
                }
                Step::Replay(side) => {
                    let (from, to) = if side { (bob, alice) } else { (alice, bob) };
                    if !from.history.is_empty() {
                        let line = from.history.remove(0);
                        to.act(None, |person| _ = person.receive(&line));
                    }
                }
                Step::Error(side) => sides[of(side)].act(None, |person| _ = person.receive("?OTR Error: something")),
                Step::Query(side, version) => {
                    let query = otrv4::wire::query_message(Versions::EMPTY.with(version));
                    sides[of(side)].act(None, |person| _ = person.receive(&query));
                }
                Step::Tag(side, version) => {
                    let line = format!("hi{}", otrv4::wire::whitespace_tag(Versions::EMPTY.with(version)));
                    sides[of(side)].act(None, |person| _ = person.receive(&line));
                }
                Step::Restart(side) => {
                    let side = &mut sides[of(side)];
                    let sent = side.person.take();
                    side.act(None, Person::restart);
                    side.person.sent = sent;
                }
                Step::Forget(side) => {
                    let side = &mut sides[of(side)];
                    let (correspondent, policy) = (side.person.session.correspondent().to_owned(), side.person.policy);
                    side.person.session = Session::new(&correspondent, policy);
                    (side.was_encrypted, side.handshake_at) = (false, None);
                }
                Step::Wait(side, seconds) => {
                    sides[of(side)].act(None, |person| _ = person.wait(seconds.into()));
                }
            }
        }
    }
}
