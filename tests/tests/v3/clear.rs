//! Clear text never leaves while a policy requires encryption, while a handshake runs, or when a conversation has not been
//! ended by our user: random schedules of typing, handshakes, errors, disconnects and restarts, in all versions, between
//! Alice and two clients of Bob with keys of their own.

use otrv4::wire::{Header, InstanceTag, Line, MessageType, Reader, Versions, classify};
use otrv4::{Event, Output, Policy, Protection, Refused, Session, Timestamp};
use otrv4_tests::{Person, alice_and_bob_with_v3, rng};
use proptest::prelude::*;

/// What happens next, and at whose side: 0 is Alice, 1 and 2 are Bob's clients.
#[derive(Clone, Copy, Debug)]
enum Step {
    Type(usize),
    Start(usize),
    Identity(usize),
    End(usize),
    /// Ends the conversation with a client, or sends text there, or has its key verified; which one, counted around.
    EndWith(usize, usize),
    Select(usize, usize),
    Verify(usize, usize),
    /// The next line of that side arrives, with both clients of Bob if it is Alice's; or is lost.
    Deliver(usize),
    Lose(usize),
    /// Everything arrives, in order, until nobody has anything to say.
    Settle,
    /// The oldest line of that side arrives again.
    Replay(usize),
    Error(usize),
    Query(usize, u8),
    Tag(usize, u8),
    Restart(usize),
    /// The process is gone, and what it had kept of the conversation.
    Forget(usize),
    Wait(usize, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let side = 0..3_usize;
    let other = (0..3_usize, 0..3_usize);
    prop_oneof![
        6 => Just(Step::Type(0)),
        2 => side.clone().prop_map(Step::Type),
        4 => side.clone().prop_map(Step::Start),
        1 => side.clone().prop_map(Step::Identity),
        1 => side.clone().prop_map(Step::End),
        2 => other.clone().prop_map(|(side, which)| Step::EndWith(side, which)),
        1 => other.clone().prop_map(|(side, which)| Step::Select(side, which)),
        1 => other.prop_map(|(side, which)| Step::Verify(side, which)),
        12 => side.clone().prop_map(Step::Deliver),
        4 => Just(Step::Settle),
        1 => side.clone().prop_map(Step::Lose),
        1 => side.clone().prop_map(Step::Replay),
        1 => side.clone().prop_map(Step::Error),
        1 => (side.clone(), 1..=4_u8).prop_map(|(side, version)| Step::Query(side, version)),
        1 => (side.clone(), 2..=4_u8).prop_map(|(side, version)| Step::Tag(side, version)),
        1 => side.clone().prop_map(Step::Restart),
        1 => side.clone().prop_map(Step::Forget),
        1 => (side, 0..1000_u16).prop_map(|(side, seconds)| Step::Wait(side, seconds)),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let versions = prop_oneof![
        2 => Just(Versions::V3),
        4 => Just(Versions::V34),
        1 => Just(Versions::V4),
        1 => Just(Versions::EMPTY),
    ];
    let flags = (any::<[bool; 5]>(), prop::bool::weighted(0.2));
    (versions, flags).prop_map(|(versions, ([v2, tag, start, error, fallback], encrypt))| Policy {
        versions,
        // Something has to be spoken.
        allow_v2: v2 || versions == Versions::EMPTY,
        allow_fallback: fallback,
        send_whitespace_tag: tag,
        start_on_whitespace_tag: start,
        start_on_error: error,
        require_encryption: encrypt,
        ..Policy::default()
    })
}

/// One side, with the lines that it has sent, and what its user knows.
struct Side {
    person: Person,
    history: Vec<String>,
    typed: usize,
    /// Since our user last ended everything, a conversation was up.
    was_encrypted: bool,
    /// When this side last sent a handshake message, or its user asked for a conversation.
    handshake_at: Option<Timestamp>,
}

impl Side {
    fn new(mut person: Person) -> Self {
        // Something is saved from the beginning.
        person.act(|_, _| vec![Output::Save]);
        Self { person, history: Vec::new(), typed: 0, was_encrypted: false, handshake_at: None }
    }

    fn is_encrypted(&self) -> bool {
        !self.person.channels().is_empty()
    }

    /// Whether text may leave in clear, as its user sees it.
    fn may_be_clear(&self) -> bool {
        // For two minutes a query of our user may be answered, and an answered one go on.
        let starting = self.handshake_at.is_some_and(|at| self.person.now < at.plus(2 * 60));
        !self.person.policy.require_encryption && !starting && !self.was_encrypted
    }

    fn act(&mut self, act: impl FnOnce(&mut Person)) {
        self.act_with(None, false, act);
    }

    /// Does something; what leaves is looked at. What is typed, and whether our user asks for a conversation by it.
    fn act_with(&mut self, typing: Option<&str>, asked: bool, act: impl FnOnce(&mut Person)) {
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
        let secure = |event: &Event| matches!(event, Event::Secure { .. });
        self.was_encrypted |= self.is_encrypted() || self.person.events.iter().any(secure);
        self.person.events.clear();
    }

    /// The tag of one of the clients at the other end, if there is any.
    fn client(&self, which: usize) -> Option<InstanceTag> {
        let tags: Vec<_> = self.person.session.instances().map(|instance| instance.tag).collect();
        tags.get(which % tags.len().max(1)).copied()
    }

    /// Does what may be refused.
    fn try_to(
        &mut self,
        typing: Option<&str>,
        act: impl FnOnce(&mut Session, &mut otrv4::Context<'_>) -> Result<Vec<Output>, Refused>,
    ) {
        self.act_with(typing, false, |person| {
            let mut rng = rng();
            let mut cx = otrv4::Context { account: &mut person.account, rng: &mut rng, now: person.now };
            let outputs = act(&mut person.session, &mut cx).unwrap_or_default();
            person.act(|_, _| outputs);
        });
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Type(_) => {
                self.typed += 1;
                let text = format!("text {}", self.typed);
                self.try_to(Some(&text), |session, cx| session.send(cx, None, &text));
            }
            Step::Start(_) => {
                self.act_with(None, true, |person| _ = person.act(|session, cx| session.start(cx)));
            }
            Step::Identity(_) => self.act(|person| _ = person.act(|session, cx| session.start_identity(cx))),
            Step::End(_) => {
                self.act(|person| _ = person.act(|session, cx| session.end(cx)));
                (self.was_encrypted, self.handshake_at) = (false, None);
            }
            Step::EndWith(_, which) => {
                let Some(tag) = self.client(which) else { return };
                let running = |instance: otrv4::InstanceView| {
                    matches!(instance.protection, Protection::Encrypted { .. })
                };
                let last =
                    self.person.session.instances().filter(|it| running(*it)).map(|it| it.tag).eq([tag]);
                self.try_to(None, |session, cx| session.end_with(cx, tag));
                if last {
                    // Our user has ended the only conversation that there was.
                    (self.was_encrypted, self.handshake_at) = (false, None);
                }
                if self.person.session.instances().count() == 0 {
                    // Or the only handshake.
                    self.handshake_at = None;
                }
            }
            Step::Select(_, which) => {
                let Some(tag) = self.client(which) else { return };
                self.try_to(None, |session, cx| session.select(cx, tag));
            }
            Step::Verify(_, which) => {
                let channels = self.person.channels();
                let Some((_, _, key, _)) = channels.get(which % channels.len().max(1)) else { return };
                let (correspondent, now) = (self.person.session.correspondent().to_owned(), self.person.now);
                self.person.account.verify_by_hand(&correspondent, *key, now);
                self.act(|person| _ = person.act(|_, _| vec![Output::Save]));
            }
            Step::Error(_) => self.act(|person| _ = person.receive("?OTR Error: something")),
            Step::Query(_, version) => {
                let query = otrv4::wire::query_message(Versions::EMPTY.with(version));
                self.act(|person| _ = person.receive(&query));
            }
            Step::Tag(_, version) => {
                let line = format!("hi{}", otrv4::wire::whitespace_tag(Versions::EMPTY.with(version)));
                self.act(|person| _ = person.receive(&line));
            }
            Step::Restart(_) => {
                let sent = self.person.take();
                self.act(Person::restart);
                self.person.sent = sent;
            }
            Step::Forget(_) => {
                let correspondent = self.person.session.correspondent().to_owned();
                self.person.session = Session::new(&correspondent, self.person.policy);
                self.person.act(|_, _| vec![Output::Save]);
                (self.was_encrypted, self.handshake_at) = (false, None);
            }
            Step::Wait(_, seconds) => self.act(|person| _ = person.wait(seconds.into())),
            Step::Deliver(_) | Step::Lose(_) | Step::Replay(_) | Step::Settle => {
                unreachable!("the network's")
            }
        }
    }
}

fn side_of(step: Step) -> usize {
    match step {
        Step::Settle => 0,
        Step::Type(side)
        | Step::Start(side)
        | Step::Identity(side)
        | Step::End(side)
        | Step::EndWith(side, _)
        | Step::Select(side, _)
        | Step::Verify(side, _)
        | Step::Deliver(side)
        | Step::Lose(side)
        | Step::Replay(side)
        | Step::Error(side)
        | Step::Query(side, _)
        | Step::Tag(side, _)
        | Step::Restart(side)
        | Step::Forget(side)
        | Step::Wait(side, _) => side,
    }
}

fn deliver(sides: &mut [Side; 3], from: usize, line: &str) {
    let [alice, laptop, phone] = sides;
    match from {
        0 => [laptop, phone].into_iter().for_each(|side| side.act(|person| _ = person.receive(line))),
        _ => alice.act(|person| _ = person.receive(line)),
    }
}

/// The next line of a side arrives, if there is one and it is not lost.
fn pass(sides: &mut [Side; 3], from: usize, arrives: bool) -> bool {
    let side = &mut sides[from];
    if side.person.sent.is_empty() {
        return false;
    }
    let line = side.person.sent.remove(0);
    side.history.push(line.clone());
    if arrives {
        deliver(sides, from, &line);
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 2000, ..ProptestConfig::default() })]
    #[test]
    fn clear_text_never_leaves_where_it_must_not(
        policies in [policy(), policy(), policy()], steps in proptest::collection::vec(step(), 20..150),
    ) {
        let [of_alice, of_laptop, of_phone] = policies;
        let (alice, laptop) = alice_and_bob_with_v3(Policy::default());
        let phone = Person::new("bob@example.org", "alice@example.org").with(of_phone);
        let phone = phone.with_v3_unlike(&[&alice, &laptop]);
        let mut sides = [alice.with(of_alice), laptop.with(of_laptop), phone].map(Side::new);
        for step in steps {
            let from = side_of(step);
            match step {
                Step::Deliver(_) => _ = pass(&mut sides, from, true),
                Step::Lose(_) => _ = pass(&mut sides, from, false),
                Step::Settle => {
                    // Not for ever: two clients that answer one line may answer each other's answers.
                    for _ in 0..100 {
                        if !(0..3).fold(false, |any, from| pass(&mut sides, from, true) | any) {
                            break;
                        }
                    }
                }
                Step::Replay(_) if sides[from].history.is_empty() => {}
                Step::Replay(_) => {
                    let line = sides[from].history.remove(0);
                    deliver(&mut sides, from, &line);
                }
                step => sides[from].step(step),
            }
        }
    }
}
