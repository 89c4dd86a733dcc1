//! What a peer who cheats gets: one abort, and nothing else.

use rand_core::CryptoRng;

use super::*;
use crate::account::{Account, Lifetimes};
use crate::keys::ForgingSecret;
use crate::session::Policy;
use crate::session::channel::DataMessage;
use crate::vectors::rng;
use crate::wire::{Reader, Writer, read_plaintext, tlv_type};
use crate::{Output, Timestamp};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const SECRET: &str = "the café by the canal";

struct Side {
    account: Account,
    session: Session,
    sent: Vec<String>,
    events: Vec<Event>,
}

impl Side {
    fn new(id: &str, correspondent: &str) -> Self {
        let account = Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), NOW);
        let session = Session::new(correspondent, Policy::default());
        Self { account, session, sent: Vec::new(), events: Vec::new() }
    }

    fn act(&mut self, act: impl FnOnce(&mut Session, &mut Context<'_>) -> Vec<Output>) {
        let mut rng = rng();
        let mut cx = Context { account: &mut self.account, rng: &mut rng, now: NOW };
        for output in act(&mut self.session, &mut cx) {
            match output {
                Output::Send(line) => self.sent.push(line),
                Output::Event(event) => self.events.push(event),
                Output::Save => {}
            }
        }
    }

    fn receive(&mut self, lines: Vec<String>) {
        lines.iter().for_each(|line| self.act(|session, cx| session.receive(cx, line)));
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    /// Sends records as they are, in one message.
    fn inject(&mut self, to: InstanceTag, records: Vec<(u16, Vec<u8>)>) -> Vec<String> {
        let records: Vec<Tlv> = records.into_iter().map(|(kind, value)| Tlv { kind, value }).collect();
        self.act(|session, cx| {
            let mut out = Outputs::default();
            session.send_quiet(cx, to, &records, &mut out);
            out.finish()
        });
        self.take()
    }

    /// What our side of the conversation does with a record, or to make one.
    fn channel<T>(
        &mut self,
        with: InstanceTag,
        act: impl FnOnce(&mut Channel, &Account, &mut dyn CryptoRng) -> T,
    ) -> T {
        act(self.session.channel_mut(with).expect("a conversation"), &self.account, &mut rng())
    }

    fn is_idle(&mut self, with: InstanceTag) -> bool {
        self.channel(with, |channel, _, _| channel.smp_progress()) == SmpProgress::None
    }
}

fn talking() -> (Side, Side) {
    let mut alice = Side::new("alice@example.org", "bob@example.org");
    let mut bob = Side::new("bob@example.org", "alice@example.org");
    alice.act(|session, cx| session.start(cx));
    for _ in 0..3 {
        bob.receive(alice.take());
        alice.receive(bob.take());
    }
    alice.events.clear();
    bob.events.clear();
    (alice, bob)
}

/// The bodies of the four messages of an honest run, and the states that send and expect them: Alice begins.
struct Run {
    alice: Side,
    bob: Side,
    /// The record to be falsified, and who is to get it: its sender has sent nothing yet.
    record: (u16, Vec<u8>),
    to_bob: bool,
}

/// An honest run up to the moment before message `n`, which is made and not sent.
fn before_message(n: u16) -> Run {
    let (mut alice, mut bob) = talking();
    let (of_alice, of_bob) = (alice.account.tag(), bob.account.tag());
    let message_1 =
        alice.channel(of_bob, |channel, account, rng| channel.smp_start(account, "", SECRET, rng));
    let message_1 = message_1.expect("keys for it");
    if n == 1 {
        return Run { alice, bob, record: record(message_1), to_bob: true };
    }
    bob.receive(alice.inject(of_bob, vec![record(message_1)]));
    let message_2 = bob.channel(of_alice, |channel, account, rng| channel.smp_answer(account, SECRET, rng));
    let message_2 = message_2.expect("was asked");
    if n == 2 {
        return Run { alice, bob, record: record(message_2), to_bob: false };
    }
    let Ok(SmpStep::Reply(message_3)) =
        alice.channel(of_bob, |channel, _, rng| channel.smp_receive(&message_2, rng))
    else {
        panic!("an honest answer");
    };
    if n == 3 {
        return Run { alice, bob, record: record(message_3), to_bob: true };
    }
    let Ok(SmpStep::Concluded { equal: true, reply: Some(message_4), .. }) =
        bob.channel(of_alice, |channel, _, rng| channel.smp_receive(&message_3, rng))
    else {
        panic!("an honest message, and the same secret");
    };
    Run { alice, bob, record: record(message_4), to_bob: false }
}

fn record(tlv: Tlv) -> (u16, Vec<u8>) {
    (tlv.kind, tlv.value.clone())
}

/// Whoever gets these records in place of the next message of the run ends it with one abort.
fn assert_one_abort(run: Run, records: Vec<(u16, Vec<u8>)>, failed: Option<u32>, what: &str) {
    let Run { mut alice, mut bob, to_bob, .. } = run;
    let (cheat, victim) = if to_bob { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
    let (of_cheat, of_victim) = (cheat.account.tag(), victim.account.tag());
    victim.events.clear();
    let lines = cheat.inject(of_victim, records);
    victim.receive(lines);
    let aborted = Event::SmpAborted { with: of_cheat, why: SmpEnd::Broken, failed };
    let expected: &[Event] = if victim.events.is_empty() { &[] } else { &[aborted] };
    assert_eq!(victim.events, expected, "{what}");
    assert!(victim.is_idle(of_cheat), "{what}");
    // One message, and in it an abort without a value.
    let sent = victim.take();
    assert_eq!(sent.len(), 1, "{what}");
    cheat.events.clear();
    let opened = opened_records(cheat, of_victim, &sent[0]);
    assert_eq!(opened, [(tlv_type::SMP_ABORT, 0)], "{what}");
}

/// Kind and length of the records in a line.
fn opened_records(side: &mut Side, from: InstanceTag, line: &str) -> Vec<(u16, usize)> {
    let message = crate::wire::unarmour(line).expect("an encoded message");
    let mut r = Reader::new(&message);
    let header = crate::wire::Header::read(&mut r).expect("a header");
    let message = DataMessage::read(&header, &mut r).expect("a data message");
    let content = side.channel(from, |channel, _, rng| channel.open(&message, NOW, rng)).expect("theirs");
    assert_eq!(content.text, None);
    content.tlvs.iter().map(|tlv| (tlv.kind, tlv.value.len())).collect()
}

#[test]
fn every_field_of_every_message_falsified_is_answered_by_one_abort() {
    for n in 1..=4 {
        let length = before_message(n).record.1.len();
        // A byte in each field: they are 57 bytes long, behind an empty question in message 1.
        let start = if n == 1 { 4 } else { 0 };
        for at in (start..length).step_by(57) {
            let run = before_message(n);
            let mut record = run.record.clone();
            *record.1.get_mut(at).expect("a field") ^= 1;
            // Who waits for message 4 has sent message 3.
            let failed = (n == 4).then_some(1);
            assert_one_abort(run, vec![record], failed, &format!("message {n}, byte {at}"));
        }
    }
}

#[test]
fn short_long_and_misplaced_messages_are_answered_by_one_abort() {
    for n in 1..=4 {
        let failed = (n == 4).then_some(1);
        for change in ["short", "long", "empty", "other"] {
            let run = before_message(n);
            let (kind, mut value) = run.record.clone();
            let kind = match change {
                "other" if kind == tlv_type::SMP_4 => tlv_type::SMP_1,
                "other" => kind + 1,
                _ => kind,
            };
            match change {
                "short" => _ = value.pop(),
                "long" => value.push(0),
                "empty" => value.clear(),
                _ => {}
            }
            assert_one_abort(run, vec![(kind, value)], failed, &format!("message {n}, {change}"));
        }
    }
}

#[test]
fn several_records_of_smp_in_one_message_are_answered_by_one_abort() {
    let run = before_message(2);
    let record = run.record.clone();
    assert_one_abort(run, vec![record.clone(), record], None, "twice the right one");
    let run = before_message(3);
    let many = (0..1000).map(|_| (tlv_type::SMP_4, Vec::new())).collect();
    assert_one_abort(run, many, None, "a thousand");
    let run = before_message(3);
    assert_one_abort(run, vec![(tlv_type::SMP_ABORT, Vec::new()); 300], None, "only aborts");
}

#[test]
fn a_question_that_is_no_text_or_too_long_is_answered_by_one_abort() {
    for question in [vec![0xff], vec![b'?'; MAX_QUESTION + 1], b"a\0b".to_vec()] {
        let run = before_message(1);
        let body = run.record.1.get(4..).expect("a body").to_vec();
        let mut w = Writer::new();
        w.data(&question).bytes(&body);
        assert_one_abort(run, vec![(tlv_type::SMP_1, w.finish())], None, "question");
    }
}

#[test]
fn records_beside_a_text_count_and_a_disconnect_ends_the_run() {
    let Run { mut alice, mut bob, record: (kind, value), .. } = before_message(1);
    let (of_alice, of_bob) = (alice.account.tag(), bob.account.tag());
    let lines = alice.inject(of_bob, vec![(kind, value), (tlv_type::DISCONNECTED, Vec::new())]);
    bob.receive(lines);
    let asked = Event::SmpAsked { from: of_alice, question: String::new() };
    let aborted = Event::SmpAborted { with: of_alice, why: SmpEnd::Conversation, failed: None };
    assert_eq!(bob.events.get(..2), Some(&[asked, aborted][..]));
    assert_eq!(bob.session.smp_question(of_alice), None);
}

#[test]
fn a_plaintext_with_an_abort_is_what_the_text_says() {
    let plaintext = crate::wire::write_plaintext(b"", &[abort()], crate::wire::Padding::Off);
    let plaintext = plaintext.expect("short");
    assert_eq!(plaintext.as_slice(), [0, 0, 6, 0, 0]);
    let (text, records) = read_plaintext(&plaintext);
    assert!(text.is_empty());
    assert_eq!(records, [abort()]);
}
