//! What happens, chapter by chapter.

use otrv4::account::{ContactKey, Verification};
use otrv4::keys::Fingerprint;
use otrv4::prekey_server::{ServerKey, ServerReply, ensemble_query, read_ensembles};
use otrv4::wire::{InstanceTag, Versions};
use otrv4::{Event, Mode, Ssid};

use super::observer::Observer;
use super::page::{chapter, fact, fingerprint, learned, milliseconds, quote, timed, told};
use super::person::{Away, Person, Seen};
use super::server::Running;
use super::{DemoError, check};
use crate::network::shuffle;
use crate::prekeys::PrekeyServer;
use crate::screen::{say, verified};
use crate::system;

/// Tells the story; an error if any of it did not happen.
pub(crate) fn run() -> Result<(), DemoError> {
    let folder = tempfile::tempdir()?;
    say("Alice writes to Bob while he is away, through a prekey server that neither of them trusts.")?;
    say("Everything below happens as you read it; the names are made up, the cryptography is not.")?;

    chapter(1, "A prekey server and two accounts")?;
    let running = Running::start(folder.path(), SERVER)?;
    told("A prekey server starts. It keeps keys for people who are away, and can read nothing.")?;
    fact("address", &running.url)?;
    fingerprint("fingerprint", &running.fingerprint.groups())?;
    let (made, took) = timed("making keys", || {
        Ok::<_, DemoError>((Person::new(folder.path(), ALICE, BOB)?, Person::new(folder.path(), BOB, ALICE)?))
    });
    let (mut alice, mut bob) = made?;
    told(
        "Alice and Bob make their accounts, each on their own machine, and tell each other their fingerprints.",
    )?;
    fingerprint("Alice", &alice.account.fingerprint().groups())?;
    fingerprint("Bob", &bob.account.fingerprint().groups())?;
    fact("time", milliseconds(took))?;

    let bob_is = bob.account.fingerprint();
    let server = publish(&running, &mut bob)?;
    let away = bob.leave()?;
    told("Bob closes his client. What is left of it is an encrypted folder on his disk.")?;

    let mut observer = Observer::default();
    let (lines, ssid) = write(&running, &server, &mut alice, &mut observer, bob_is)?;
    let mut bob = come_back(away, &lines, ssid, alice.account.fingerprint())?;
    answer(&mut alice, &mut bob, &mut observer)?;
    verify(&mut alice, &mut bob, &mut observer)?;
    end(&mut alice, &mut bob, &mut observer)?;
    count_prekeys(&running, &server, &mut bob)?;
    running.stop()?;
    say("")?;
    say("The end. All of it was checked while it happened.")?;
    Ok(())
}

/// Bob puts his profiles and prekeys on the server.
fn publish(running: &Running, bob: &mut Person) -> Result<Known, DemoError> {
    chapter(2, "Bob publishes keys and leaves")?;
    let http = PrekeyServer::at(&running.url);
    let key = http.identify()?;
    check(
        key.fingerprint() == running.fingerprint,
        "the server shows another fingerprint than its operator",
    )?;
    let token = http.register(BOB)?;
    let (published, took) = timed("publishing", || {
        let (publication, dake_1) = bob.account.publish(PREKEYS, &mut system::rng(), system::now())?;
        bob.keep()?;
        let dake_2 = http.exchange(&dake_1, &token)?;
        let (reply, dake_3) = publication.receive_dake_2(&bob.account, &key, &dake_2, &mut system::rng())?;
        let answer = http.exchange(&dake_3, &token)?;
        let success = matches!(reply.receive(&answer)?, ServerReply::Success);
        check(success, "the server refused the publication")?;
        bob.account.published(&publication, system::now());
        bob.keep()?;
        Ok::<_, DemoError>(dake_1.len() + dake_2.len() + dake_3.len() + answer.len())
    });
    told(format_args!(
        "Bob checks the server's fingerprint, proves that he is Bob, and leaves {PREKEYS} prekeys there."
    ))?;
    fact("size", format_args!("{} bytes in four messages over HTTP", published?))?;
    fact("time", milliseconds(took))?;
    learned("the server", "that bob@example.org has an account, and public keys that anybody may have.")?;
    Ok(Known { key, token })
}

/// Alice fetches Bob's keys, starts a conversation with them and writes five messages.
fn write(
    running: &Running,
    server: &Known,
    alice: &mut Person,
    observer: &mut Observer,
    bob_is: Fingerprint,
) -> Result<(Vec<String>, Ssid), DemoError> {
    chapter(3, "Alice writes to Bob, who is away")?;
    let http = PrekeyServer::at(&running.url);
    let (fetched, took) = timed("fetching keys", || {
        let tag = alice.account.tag();
        let answer = http.query(&ensemble_query(tag, BOB, Versions::V4))?;
        Ok::<_, DemoError>((read_ensembles(&answer, tag, BOB)?, answer.len()))
    });
    let (ensembles, size) = fetched?;
    check(ensembles.len() == 1, "the server has no keys of Bob's client")?;
    told(format_args!(
        "Alice asks {} for Bob's keys and gets one prekey, which nobody else will ever get.",
        server.key.name()
    ))?;
    fact("size", format_args!("{size} bytes"))?;
    fact("time", milliseconds(took))?;
    learned("the server", "that somebody wants to write to Bob, and from where; no name, no text.")?;

    let (started, took) =
        timed("checking keys", || alice.step(|session, cx| session.start_offline(cx, ensembles)));
    let started = started?;
    let (fingerprint_of_bob, ssid) = secure(&started.events, Mode::Offline)?;
    check(fingerprint_of_bob == bob_is.into(), "the keys are not Bob's")?;
    told(
        "She checks every signature, and that the fingerprint is the one that Bob told her: the keys are Bob's.",
    )?;
    told("One message of the handshake is enough to start; Bob need not be there.")?;
    let mut lines = started.sent;
    fact("handshake", characters(&lines))?;
    fact("session id", ssid)?;
    fact("time", milliseconds(took))?;
    told("Then she writes.")?;
    for text in ALICE_WRITES {
        let (sent, took) = timed("encrypting", || alice.send(text));
        let sent = sent?.sent;
        quote("Alice", text)?;
        fact("on the wire", format_args!("{}, {}", characters(&sent), milliseconds(took)))?;
        lines.extend(sent);
    }
    lines.iter().for_each(|line| observer.see(line));
    let sizes: Vec<usize> = observer.data_since(0).iter().map(|data| data.encrypted).collect();
    check(sizes == [256; ALICE_WRITES.len()], "the texts do not hide their length")?;
    told(
        "Each text is filled up to 256 bytes before it is encrypted, so that its length does not give it away.",
    )?;
    Ok((lines, ssid))
}

/// Bob is back, and the network brings him everything in a wrong order and one line twice.
fn come_back(away: Away, lines: &[String], ssid: Ssid, alice_is: Fingerprint) -> Result<Person, DemoError> {
    chapter(4, "Bob comes back, and the network is bad")?;
    let order = bad_order(lines.len());
    let names: Vec<String> =
        order.iter().map(|line| if *line == 0 { "handshake".to_owned() } else { line.to_string() }).collect();
    told(
        "Bob opens his client from the encrypted folder. The network delivers in this order, one line twice:",
    )?;
    fact("delivered", names.join(", "))?;
    let mut bob = away.come_back()?;
    let (received, took) = timed("receiving", || {
        let mut events = Vec::new();
        for line in order.iter().filter_map(|line| lines.get(*line)) {
            events.extend(bob.receive(line)?.events);
        }
        Ok::<_, DemoError>(events)
    });
    let events = received?;
    let (fingerprint_of_alice, bobs_ssid) = secure(&events, Mode::Offline)?;
    check(fingerprint_of_alice == alice_is.into(), "the handshake is not Alice's")?;
    check(bobs_ssid.to_string() == ssid.to_string(), "the two session ids differ")?;
    told("The handshake is by Alice: the fingerprint is hers, and the session id is the one that she sees.")?;
    fact("session id", bobs_ssid)?;
    let mut read = texts(&events);
    // The network's order is no order: Alice has numbered her messages, as messengers do.
    read.sort_unstable();
    check(read == ALICE_WRITES, "Bob did not read each of the five messages once")?;
    told("Bob reads all five, each once, in the order in which Alice wrote them.")?;
    read.iter().try_for_each(|text| quote("Alice", text))?;
    fact("time", milliseconds(took))?;
    check(rejected(&events) == 1, "the copy was not refused")?;
    told("The copy was refused: a message can be read only once, its key is gone.")?;
    let again = bob.receive(lines.first().map_or("", String::as_str))?;
    check(rejected(&again.events) == 1 && again.sent.is_empty(), "the replayed handshake was not refused")?;
    told(
        "The network plays Alice's handshake again. It is refused: the prekey in it was good for one conversation.",
    )?;
    Ok(bob)
}

/// They talk, and with each answer fresh keys take the place of the old ones.
fn answer(alice: &mut Person, bob: &mut Person, observer: &mut Observer) -> Result<(), DemoError> {
    chapter(5, "They talk, and the keys move on")?;
    let before = observer.traffic().0;
    let ((), took) = {
        let (talked, took) = timed("talking", || {
            for (text, bob_speaks) in TALK {
                let (from, to) = if bob_speaks { (&mut *bob, &mut *alice) } else { (&mut *alice, &mut *bob) };
                for line in from.send(text)?.sent {
                    observer.see(&line);
                    check(texts(&to.receive(&line)?.events) == [text], "an answer did not arrive")?;
                }
            }
            Ok::<_, DemoError>(())
        });
        (talked?, took)
    };
    for (text, bob_speaks) in TALK {
        quote(if bob_speaks { "Bob" } else { "Alice" }, text)?;
    }
    fact("time", milliseconds(took))?;
    let first = observer.data_since(0);
    let talk = observer.data_since(before);
    let mut keys: Vec<_> = first.iter().map(|data| data.key).collect();
    keys.dedup();
    check(
        keys.len() == 1 + TALK.len() && talk.len() == TALK.len(),
        "the ratchet did not turn with every answer",
    )?;
    told(format_args!(
        "Every answer brought fresh keys: {} turns, by both. Whoever steals the keys of today reads nothing of yesterday,",
        talk.len()
    ))?;
    told("and after the next answer nothing of tomorrow.")?;
    let numbers: Vec<String> = talk.iter().map(|data| format!("{}.{}", data.ratchet, data.message)).collect();
    fact("turn.message", numbers.join(", "))?;
    Ok(())
}

/// Bob asks what only Alice can know; the answer does not travel.
fn verify(alice: &mut Person, bob: &mut Person, observer: &mut Observer) -> Result<(), DemoError> {
    chapter(6, "Bob makes sure that it is Alice")?;
    told(
        "The fingerprint that Bob was told may have been somebody else's. So he asks what only Alice can know.",
    )?;
    quote("Bob", QUESTION)?;
    let before = observer.traffic().0;
    let (ran, took) = timed("comparing secrets", || {
        let asked = bob.step(|session, cx| session.smp_start(cx, None, QUESTION, ANSWER))?;
        let question = deliver(&asked.sent, alice, observer)?;
        let from = asked_by(&question.events)?;
        let answered = alice.step(|session, cx| session.smp_answer(cx, from, QUESTION, ANSWER))?;
        let compared = deliver(&answered.sent, bob, observer)?;
        let at_alice = deliver(&compared.sent, alice, observer)?;
        let at_bob = deliver(&at_alice.sent, bob, observer)?;
        Ok::<_, DemoError>((result(&at_alice.events)?, result(&at_bob.events)?))
    });
    let (alice_has, bob_has) = ran?;
    told(
        "Alice types her answer, and Bob has typed the one that he expects. Neither travels: four messages of",
    )?;
    told(
        "zero-knowledge proofs tell both of them whether the two are the same, and tell nobody anything else.",
    )?;
    let messages = observer.data_since(before);
    let sizes: Vec<String> = messages.iter().map(|data| data.encrypted.to_string()).collect();
    fact("messages", format_args!("{} bytes", sizes.join(", ")))?;
    fact("time", format_args!("{} for both sides", milliseconds(took)))?;
    check(messages.len() == 4, "the comparison did not take four messages")?;
    check(bob_has.is_verified(), "Bob does not know Alice")?;
    check(alice_has == Verification::TheirSmp, "Alice has verified somebody without having asked")?;
    let noted = bob.account.verification(ALICE, alice.account.fingerprint().into());
    check(noted == bob_has, "Bob has not noted whom he knows")?;
    told("The answers are the same.")?;
    fact("Bob knows", format_args!("that he talks to Alice; her fingerprint is {}", verified(noted)))?;
    fact("Alice knows", "that Bob knows her; who he is she would have to ask")?;
    Ok(())
}

/// Bob ends it; then nobody can read it again.
fn end(alice: &mut Person, bob: &mut Person, observer: &mut Observer) -> Result<(), DemoError> {
    chapter(7, "They end it")?;
    let ended = bob.step(|session, cx| Ok(session.end(cx)))?;
    let mut heard = Vec::new();
    for line in &ended.sent {
        observer.see(line);
        heard.extend(alice.receive(line)?.events);
    }
    check(heard.iter().any(|event| matches!(event, Event::Ended { .. })), "Alice did not hear of the end")?;
    told("Bob ends the conversation. Both clients forget its keys; not even they can decrypt it again.")?;
    let refused = alice.send("too late");
    check(
        matches!(refused, Err(DemoError::Refused(_))),
        "Alice could write into a conversation that has ended",
    )?;
    told("Alice's client sends nothing in clear by mistake: it asks her first.")?;
    let (lines, characters) = observer.traffic();
    let revealed = observer.revealed();
    check(revealed > 0, "no MAC keys were revealed")?;
    learned(
        "an observer",
        format_args!("who wrote how much and when: {lines} lines, {characters} characters. No text."),
    )?;
    told(format_args!(
        "With {revealed} used keys, which were published, he can forge messages of theirs: so none of them proves anything."
    ))?;
    Ok(())
}

/// Each prekey is handed out once.
fn count_prekeys(running: &Running, server: &Known, bob: &mut Person) -> Result<(), DemoError> {
    let http = PrekeyServer::at(&running.url);
    let (question, dake_1) = bob.account.ask_storage(&mut system::rng());
    let dake_2 = http.exchange(&dake_1, &server.token)?;
    let (reply, dake_3) = question.receive_dake_2(&bob.account, &server.key, &dake_2, &mut system::rng())?;
    let reply = reply.receive(&http.exchange(&dake_3, &server.token)?)?;
    check(
        matches!(reply, ServerReply::Status(left) if left as usize == PREKEYS - 1),
        "the server miscounts prekeys",
    )?;
    told(format_args!(
        "The server has {} of Bob's {PREKEYS} prekeys left, for the next ones who write to him.",
        PREKEYS - 1
    ))?;
    Ok(())
}

/// A prekey server and Bob's account there.
struct Known {
    key: ServerKey,
    token: zeroize::Zeroizing<String>,
}

/// Each line once in an order that is not the one in which they were sent, then one message of Alice's a second time.
fn bad_order(lines: usize) -> Vec<usize> {
    let sent: Vec<usize> = (0..lines).collect();
    let mut order = sent.clone();
    while order == sent {
        shuffle(&mut order, &mut system::rng());
    }
    let copy = order.iter().copied().find(|line| *line != 0);
    order.extend(copy);
    order
}

fn secure(events: &[Event], how: Mode) -> Result<(ContactKey, Ssid), DemoError> {
    events
        .iter()
        .find_map(|event| match event {
            Event::Secure { mode, fingerprint, ssid, .. } if *mode == how => Some((*fingerprint, *ssid)),
            _ => None,
        })
        .ok_or(DemoError::NotAsTold("no encrypted conversation has come about"))
}

fn texts(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Message { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn rejected(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Rejected { .. })).count()
}

/// Brings lines to somebody, under the eyes of the observer.
fn deliver(lines: &[String], to: &mut Person, observer: &mut Observer) -> Result<Seen, DemoError> {
    let mut seen = Seen { sent: Vec::new(), events: Vec::new() };
    for line in lines {
        observer.see(line);
        let more = to.receive(line)?;
        seen.sent.extend(more.sent);
        seen.events.extend(more.events);
    }
    Ok(seen)
}

fn asked_by(events: &[Event]) -> Result<InstanceTag, DemoError> {
    let asked = |event: &Event| match event {
        Event::SmpAsked { from, question } if question.as_str() == QUESTION => Some(*from),
        _ => None,
    };
    events.iter().find_map(asked).ok_or(DemoError::NotAsTold("Alice was not asked"))
}

fn result(events: &[Event]) -> Result<Verification, DemoError> {
    let success = |event: &Event| match event {
        Event::SmpSucceeded { verification, .. } => Some(*verification),
        _ => None,
    };
    events.iter().find_map(success).ok_or(DemoError::NotAsTold("equal answers were not found equal"))
}

fn characters(lines: &[String]) -> String {
    format!("{} characters", lines.iter().map(String::len).sum::<usize>())
}

const SERVER: &str = "prekey.example.org";
const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

const PREKEYS: usize = 3;

const ALICE_WRITES: [&str; 5] = [
    "1/5 Bob, are you there?",
    "2/5 I am on the night train, so I write now.",
    "3/5 The house is not being sold.",
    "4/5 Please tell nobody before Friday.",
    "5/5 Write when you are back!",
];

const QUESTION: &str = "Where did we first meet, and what did you drop?";
const ANSWER: &str = "in the library in Turin: an umbrella";

/// What is said, and whether Bob says it.
const TALK: [(&str, bool); 4] = [
    ("I am back. All five have come.", true),
    ("Good! Friday at seven?", false),
    ("I will be there. Not a word until then.", true),
    ("Not a word.", false),
];
