//! What a peer who cheats gets: one abort, and nothing else. In every version.

use rand_core::CryptoRng;

use super::*;
use crate::account::{Account, Lifetimes};
use crate::keys::{DsaKey, ForgingSecret};
use crate::session::Policy;
use crate::session::channel::DataMessage;
use crate::vectors::{bytes, rng, v3_file};
use crate::wire::{Reader, Version, Versions, Writer, read_plaintext, tlv_type, tlv_type_v3};
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
    /// With the recorded key of that side for the older versions.
    fn new(id: &str, correspondent: &str, key: &str, version: Version) -> Self {
        let mut account = Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), NOW);
        let recorded = &v3_file()["keys"][key];
        let [p, q, g, y, x] = ["p", "q", "g", "y", "x"].map(|name| bytes(&recorded[name]));
        let key = DsaKey::from_parts(&p, &q, &g, &y, &x).expect("a key");
        account.set_v3_key(Some(key), &mut rng(), NOW);
        let versions = match version {
            Version::V2 => Versions::EMPTY,
            Version::V3 => Versions::V3,
            Version::V4 => Versions::V4,
        };
        let allow_v2 = version == Version::V2;
        let session = Session::new(correspondent, Policy { versions, allow_v2, ..Policy::default() });
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

    /// The tag under which the other side knows this one.
    fn tag(&self, version: Version) -> InstanceTag {
        if version == Version::V2 { InstanceTag::V2 } else { self.account.tag() }
    }

    fn is_idle(&mut self, with: InstanceTag) -> bool {
        self.channel(with, |channel, _, _| channel.smp_progress()) == SmpProgress::None
    }
}

const ALL: [Version; 3] = [Version::V2, Version::V3, Version::V4];

fn talking(version: Version) -> (Side, Side) {
    let mut alice = Side::new("alice@example.org", "bob@example.org", "A", version);
    let mut bob = Side::new("bob@example.org", "alice@example.org", "B", version);
    alice.act(|session, cx| session.start(cx));
    for _ in 0..4 {
        bob.receive(alice.take());
        alice.receive(bob.take());
    }
    alice.events.clear();
    bob.events.clear();
    (alice, bob)
}

/// The bodies of the four messages of an honest run, and the states that send and expect them: Alice begins.
struct Run {
    version: Version,
    alice: Side,
    bob: Side,
    /// The record to be falsified, and who is to get it: its sender has sent nothing yet.
    record: (u16, Vec<u8>),
    to_bob: bool,
}

/// An honest run up to the moment before message `n`, which is made and not sent.
fn before_message(n: u16, version: Version) -> Run {
    let (mut alice, mut bob) = talking(version);
    let (of_alice, of_bob) = (alice.tag(version), bob.tag(version));
    let message_1 =
        alice.channel(of_bob, |channel, account, rng| channel.smp_start(account, "", SECRET, rng));
    let message_1 = message_1.expect("keys for it");
    if n == 1 {
        return Run { version, alice, bob, record: record(message_1), to_bob: true };
    }
    bob.receive(alice.inject(of_bob, vec![record(message_1)]));
    let message_2 = bob.channel(of_alice, |channel, account, rng| channel.smp_answer(account, SECRET, rng));
    let message_2 = message_2.expect("was asked");
    if n == 2 {
        return Run { version, alice, bob, record: record(message_2), to_bob: false };
    }
    let Ok(SmpStep::Reply(message_3)) =
        alice.channel(of_bob, |channel, _, rng| channel.smp_receive(&message_2, rng))
    else {
        panic!("an honest answer");
    };
    if n == 3 {
        return Run { version, alice, bob, record: record(message_3), to_bob: true };
    }
    let Ok(SmpStep::Concluded { equal: true, reply: Some(message_4), .. }) =
        bob.channel(of_alice, |channel, _, rng| channel.smp_receive(&message_3, rng))
    else {
        panic!("an honest message, and the same secret");
    };
    Run { version, alice, bob, record: record(message_4), to_bob: false }
}

fn record(tlv: Tlv) -> (u16, Vec<u8>) {
    (tlv.kind, tlv.value.clone())
}

/// Whoever gets these records in place of the next message of the run ends it with one abort.
fn assert_one_abort(run: Run, records: Vec<(u16, Vec<u8>)>, failed: Option<u32>, what: &str) {
    let Run { version, mut alice, mut bob, to_bob, .. } = run;
    let (cheat, victim) = if to_bob { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
    let (of_cheat, of_victim) = (cheat.tag(version), victim.tag(version));
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

/// A byte in each field of a record: in version 4 behind the question, of 57 bytes each; in the others behind the count, a
/// length and a number.
fn a_byte_of_each_field(n: u16, version: Version, value: &[u8]) -> Vec<usize> {
    if version == Version::V4 {
        let start = if n == 1 { 4 } else { 0 };
        return (start..value.len()).step_by(57).collect();
    }
    let mut r = Reader::new(value);
    let count = r.int("count").expect("a count");
    let fields = (0..count).map(|_| {
        let begin = r.position() + 4;
        r.mpi("field").expect("a number");
        begin + (r.position() - begin) / 2
    });
    // And one of the count.
    core::iter::once(3).chain(fields).collect()
}

#[test]
fn every_field_of_every_message_falsified_is_answered_by_one_abort() {
    for (version, n) in ALL.into_iter().flat_map(|version| (1..=4).map(move |n| (version, n))) {
        let fields = a_byte_of_each_field(n, version, &before_message(n, version).record.1);
        assert!(fields.len() >= 3);
        for place in 0..fields.len() {
            let run = before_message(n, version);
            let mut record = run.record.clone();
            let at = a_byte_of_each_field(n, version, &record.1)[place];
            *record.1.get_mut(at).expect("a field") ^= 1;
            // Who waits for message 4 has sent message 3.
            let failed = (n == 4).then_some(1);
            assert_one_abort(run, vec![record], failed, &format!("{version:?}, message {n}, field {place}"));
        }
    }
}

#[test]
fn short_long_and_misplaced_messages_are_answered_by_one_abort() {
    for (version, n) in ALL.into_iter().flat_map(|version| (1..=4).map(move |n| (version, n))) {
        let failed = (n == 4).then_some(1);
        for change in ["short", "long", "empty", "other"] {
            let run = before_message(n, version);
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
            assert_one_abort(
                run,
                vec![(kind, value)],
                failed,
                &format!("{version:?}, message {n}, {change}"),
            );
        }
    }
}

#[test]
fn several_records_of_smp_in_one_message_are_answered_by_one_abort() {
    for version in ALL {
        let run = before_message(2, version);
        let record = run.record.clone();
        assert_one_abort(run, vec![record.clone(), record], None, "twice the right one");
        let run = before_message(3, version);
        let many = (0..1000).map(|_| (tlv_type::SMP_4, Vec::new())).collect();
        assert_one_abort(run, many, None, "a thousand");
        let run = before_message(3, version);
        assert_one_abort(run, vec![(tlv_type::SMP_ABORT, Vec::new()); 300], None, "only aborts");
    }
}

#[test]
fn a_question_that_is_no_text_or_too_long_is_answered_by_one_abort() {
    for question in [vec![0xff], vec![b'?'; MAX_QUESTION + 1], b"a\0b".to_vec()] {
        let run = before_message(1, Version::V4);
        let body = run.record.1.get(4..).expect("a body").to_vec();
        let mut w = Writer::new();
        w.data(&question).bytes(&body);
        assert_one_abort(run, vec![(tlv_type::SMP_1, w.finish())], None, "question");
    }
}

#[test]
fn a_question_of_version_3_ends_with_a_nul_and_may_be_in_any_encoding() {
    for version in [Version::V2, Version::V3] {
        let with_question = |question: &[u8]| {
            let run = before_message(1, version);
            let value = [question, &run.record.1].concat();
            (run, vec![(tlv_type_v3::SMP_1_WITH_QUESTION, value)])
        };
        // The first byte of the count, which is no text either, is a NUL.
        for question in [&b"never ends"[..], &[b"?".repeat(MAX_QUESTION + 1), vec![0]].concat()] {
            let (run, records) = with_question(question);
            assert_one_abort(run, records, None, "question");
        }
        for (question, shown) in [(&b"where?\0"[..], "where?"), (b"\0", ""), (b"caf\xe9?\0", "caf\u{fffd}?")]
        {
            let (Run { mut alice, mut bob, .. }, records) = with_question(question);
            let (of_alice, of_bob) = (alice.tag(version), bob.tag(version));
            bob.receive(alice.inject(of_bob, records));
            assert_eq!(bob.session.smp_question(of_alice), Some(shown));
        }
    }
}

#[test]
fn an_abort_with_a_body_ends_the_run_and_gets_no_answer() {
    for version in ALL {
        let Run { mut alice, mut bob, record, .. } = before_message(1, version);
        let (of_alice, of_bob) = (alice.tag(version), bob.tag(version));
        bob.receive(alice.inject(of_bob, vec![record]));
        bob.events.clear();
        bob.receive(alice.inject(of_bob, vec![(tlv_type::SMP_ABORT, vec![0; 4])]));
        assert_eq!(bob.events, [Event::SmpAborted { with: of_alice, why: SmpEnd::Them, failed: None }]);
        assert_eq!(bob.take(), [""; 0]);
        assert!(bob.is_idle(of_alice));
    }
}

#[test]
fn a_record_of_another_version_is_none_of_smp() {
    // 7 is an extra key in version 4, and message 1 with a question in the others.
    let Run { mut alice, mut bob, record: (_, value), .. } = before_message(1, Version::V4);
    let (of_alice, of_bob) = (alice.account.tag(), bob.account.tag());
    bob.events.clear();
    bob.receive(alice.inject(of_bob, vec![(tlv_type_v3::SMP_1_WITH_QUESTION, value)]));
    assert!(matches!(bob.events[..], [Event::ExtraKey { .. }]));
    assert!(bob.is_idle(of_alice));
}

#[test]
fn records_beside_a_text_count_and_a_disconnect_ends_the_run() {
    let Run { mut alice, mut bob, record: (kind, value), .. } = before_message(1, Version::V4);
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
