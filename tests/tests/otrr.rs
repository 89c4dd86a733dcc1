//! Conversations with another implementation: the crate `otrr`, in both roles of the interactive key exchange.
//! Spec: otrv4.md "Interactive DAKE Overview", "Data Exchange".
//!
//! It is used as it is. What would stop a conversation is gone around, and the place says so by the fault's name:
//!
//! | fault of otrr 0.7.4 | what is done about it |
//! |---|---|
//! | SYSTEM CLOCK: it asks the system for the time | our side lives in that time too |
//! | BORROWED PROFILE: every handshake reads its profile back from the host | the host keeps it |
//! | NO SECOND SESSION: its Identity message stays open for ever and forbids the next | a new client for each conversation |
//! | NO STORED KEYS: what a later message, or its own next ratchet, has overtaken is lost | delivery in order; each side reads all before it writes |
//! | MAC KEYS DEMANDED: it refuses a ratchet, other than the first, that begins without revealed MAC keys | nothing: ours always reveals some (spec-notes/SN-014), and it would say so if not |
//! | COMPLAINS ANYWAY: it reports a message as unreadable that says to ignore it if it is | the report is expected |

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use otrr::crypto::{dsa, ed448, otr4};
use otrr::{OTRError, ProtocolStatus, UserMessage};
use otrv4::keys::ForgingSecret;
use otrv4::session::EndedBy;
use otrv4::wire::{Header, Line, Reader, classify};
use otrv4::{Account, Event, Lifetimes, Refused, Timestamp};
use otrv4_tests::{Person, rng};

#[test]
fn we_receive_an_identity_of_otrr_and_talk_until_it_ends_the_conversation() {
    let mut alice = person("alice@example.org", "bob@example.org");
    let mut bob = Otrr::new("bob@example.org", "alice@example.org", Wishes::default());
    alice.act(|session, cx| session.start(cx));
    let lines = deliver(&mut alice, &mut bob);
    assert_eq!(kinds(&lines), ["our query", "their Identity", "our AuthR", "their AuthI"]);
    assert_same_conversation(&mut alice, &mut bob);
    for turn in 0..TURNS {
        we_say(&mut alice, &mut bob, &texts(turn, 1 + turn % 3));
        they_say(&mut alice, &mut bob, &texts(turn, 1 + turn / 3 % 3));
    }
    they_end(&mut alice, &mut bob);
}

#[test]
fn otrr_receives_an_identity_of_ours_and_talks_until_we_end_the_conversation() {
    let mut alice = Otrr::new("alice@example.org", "bob@example.org", Wishes::default());
    let mut bob = person("bob@example.org", "alice@example.org");
    alice.session().query().expect("a version is allowed");
    let lines = deliver(&mut bob, &mut alice);
    assert_eq!(kinds(&lines), ["their query", "our Identity", "their AuthR", "our AuthI"]);
    assert_same_conversation(&mut bob, &mut alice);
    for turn in 0..TURNS {
        they_say(&mut bob, &mut alice, &texts(turn, 1 + turn % 3));
        we_say(&mut bob, &mut alice, &texts(turn, 1 + turn / 3 % 3));
    }
    we_end(&mut bob, &mut alice);
}

#[test]
fn an_ended_conversation_can_be_followed_by_another_whoever_ended_it() {
    let mut alice = person("alice@example.org", "bob@example.org");
    for end in [they_end, we_end, they_end] {
        // NO SECOND SESSION: our side goes on with what it has; otrr starts afresh, with other keys and another tag.
        let mut bob = Otrr::new("bob@example.org", "alice@example.org", Wishes::default());
        alice.act(|session, cx| session.start(cx));
        deliver(&mut alice, &mut bob);
        assert_same_conversation(&mut alice, &mut bob);
        // Bob writes first: he opens a ratchet before he has heard anything in Alice's first one.
        they_say(&mut alice, &mut bob, &texts(0, 2));
        we_say(&mut alice, &mut bob, &texts(0, 1));
        they_say(&mut alice, &mut bob, &texts(1, 1));
        end(&mut alice, &mut bob);
    }
}

#[test]
fn a_profile_with_a_dsa_key_and_short_lines_make_no_difference() {
    let mut alice = Otrr::new("alice@example.org", "bob@example.org", Wishes { dsa: true, max_line: SHORT });
    let mut bob = person("bob@example.org", "alice@example.org");
    bob.session.set_max_line(Some(SHORT)).expect("long enough");
    alice.session().query().expect("a version is allowed");
    let lines = deliver(&mut bob, &mut alice);
    assert!(lines.iter().all(|(_, line)| line.len() <= SHORT));
    let pieces =
        |whose: &str| kinds(&lines).iter().filter(|kind| **kind == format!("{whose} Fragment")).count();
    assert!(pieces("our") > 10 && pieces("their") > 20, "Auth-R takes 18, and with a DSA key 23");
    assert_same_conversation(&mut bob, &mut alice);
    for turn in 0..3 {
        we_say(&mut bob, &mut alice, &[format!("turn {turn}: {}", "länger ".repeat(100))]);
        they_say(&mut bob, &mut alice, &[format!("turn {turn}: {}", "long ".repeat(100))]);
    }
}

/// Our client, its user `id` in a conversation with `correspondent`.
#[allow(clippy::disallowed_methods, reason = "SYSTEM CLOCK: otrr cannot be told the time")]
fn person(id: &str, correspondent: &str) -> Person {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set").as_secs();
    let now = Timestamp::from_unix(i64::try_from(since_1970).expect("a clock that is set"));
    let mut person = Person::new(id, correspondent);
    person.account = Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), now);
    person.now = now;
    person
}

/// A client of otrr.
struct Otrr {
    account: otrr::session::Account,
    host: Rc<Host>,
    correspondent: &'static str,
    /// The tag of our client, once it is in an encrypted conversation with it.
    with: u32,
    /// What it had to tell, without the nothings.
    told: Vec<UserMessage>,
}

/// What may be different about a client of otrr.
struct Wishes {
    /// Whether its profile has an OTRv3 key and the transitional signature.
    dsa: bool,
    /// The longest line that it may send.
    max_line: usize,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { dsa: false, max_line: usize::MAX }
    }
}

impl Otrr {
    fn new(id: &str, correspondent: &'static str, wishes: Wishes) -> Self {
        let host = Rc::new(Host {
            identity: ed448::EdDSAKeyPair::generate(),
            forging: ed448::EdDSAKeyPair::generate(),
            dsa: wishes.dsa.then(dsa::Keypair::generate),
            max_line: wishes.max_line,
            profile: RefCell::default(),
            sent: RefCell::default(),
        });
        let account = otrr::session::Account::new(
            id.into(),
            otrr::Policy::ALLOW_V4,
            Rc::clone(&host) as Rc<dyn otrr::Host>,
        )
        .expect("a profile can be made");
        Self { account, host, correspondent, with: 0, told: Vec::new() }
    }

    fn session(&mut self) -> &mut otrr::session::Session {
        self.account.session(self.correspondent.as_bytes())
    }

    fn receive(&mut self, line: &str) {
        match self.session().receive(line.as_bytes()).expect("otrr accepts what we send") {
            UserMessage::None => {}
            message => self.told.push(message),
        }
    }

    fn say(&mut self, text: &str) {
        let with = self.with;
        let lines = self.session().send(with, text.as_bytes()).expect("may be sent");
        self.host.sent.borrow_mut().extend(lines);
    }

    /// The lines that it put on the network.
    fn take(&mut self) -> Vec<String> {
        let lines = self.host.sent.take();
        lines.into_iter().map(|line| String::from_utf8(line).expect("text")).collect()
    }

    fn told(&mut self) -> Vec<UserMessage> {
        std::mem::take(&mut self.told)
    }
}

/// What otrr asks of the application around it.
struct Host {
    identity: ed448::EdDSAKeyPair,
    forging: ed448::EdDSAKeyPair,
    dsa: Option<dsa::Keypair>,
    max_line: usize,
    profile: RefCell<Vec<u8>>,
    sent: RefCell<Vec<Vec<u8>>>,
}

impl otrr::Host for Host {
    fn message_size(&self) -> usize {
        self.max_line
    }

    fn inject(&self, _: &[u8], line: &[u8]) {
        self.sent.borrow_mut().push(line.into());
    }

    fn keypair(&self) -> Option<&dsa::Keypair> {
        self.dsa.as_ref()
    }

    fn keypair_identity(&self) -> &ed448::EdDSAKeyPair {
        &self.identity
    }

    fn keypair_forging(&self) -> &ed448::EdDSAKeyPair {
        &self.forging
    }

    fn query_smp_secret(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    // BORROWED PROFILE: it is made once, when nothing is here, and asked for in every handshake.
    fn client_profile(&self) -> Vec<u8> {
        self.profile.borrow().clone()
    }

    fn update_client_profile(&self, profile: Vec<u8>) {
        self.profile.replace(profile);
    }
}

/// Who sent a line.
#[derive(Clone, Copy)]
enum Sender {
    We,
    They,
}

/// Delivers everything in both directions until nothing is under way, and gives the lines.
/// NO STORED KEYS: in the order in which they were sent.
fn deliver(ours: &mut Person, theirs: &mut Otrr) -> Vec<(Sender, String)> {
    let mut lines = Vec::new();
    for _ in 0..10 {
        let (to_them, to_us) = (ours.take(), theirs.take());
        if to_them.is_empty() && to_us.is_empty() {
            return lines;
        }
        to_them.iter().for_each(|line| theirs.receive(line));
        to_us.iter().for_each(|line| _ = ours.receive(line));
        lines.extend(to_them.into_iter().map(|line| (Sender::We, line)));
        lines.extend(to_us.into_iter().map(|line| (Sender::They, line)));
    }
    panic!("the two never stop talking");
}

/// Names lines for comparison: whose they are, and what.
fn kinds(lines: &[(Sender, String)]) -> Vec<String> {
    let kind = |line: &str| match classify(line) {
        Line::Query(_) => "query".into(),
        Line::Error { .. } => "error".into(),
        Line::Fragment(Ok(_)) => "Fragment".into(),
        Line::Encoded(Ok(message)) => {
            format!("{:?}", Header::read(&mut Reader::new(&message)).expect("a header").message_type)
        }
        other => panic!("{other:?}"),
    };
    let name = |(sender, line): &(Sender, String)| match sender {
        Sender::We => format!("our {}", kind(line)),
        Sender::They => format!("their {}", kind(line)),
    };
    lines.iter().map(name).collect()
}

/// Both have been told of one conversation, the same one, and each knows the other's keys. otrr does not show whose
/// keys it has seen; what it makes of ours must be the fingerprint that we show.
fn assert_same_conversation(ours: &mut Person, theirs: &mut Otrr) {
    let secure = ours.secure();
    let [(tag, fingerprint, ssid)] = secure[..] else { panic!("one conversation, not {secure:?}") };
    assert_eq!(tag.get(), theirs.account.instance_tag());
    let their_fingerprint = otr4::fingerprint(theirs.host.identity.public(), theirs.host.forging.public());
    assert_eq!(fingerprint.as_bytes(), &their_fingerprint);
    assert!(matches!(ours.told()[..], [Event::Secure { with, .. }] if with == tag));

    let told = theirs.told();
    let [UserMessage::ConfidentialSessionStarted(with)] = told[..] else { panic!("{told:?}") };
    assert_eq!(with, ours.account.tag().get());
    assert_eq!(theirs.session().status(with), Some(ProtocolStatus::Encrypted));
    assert_eq!(theirs.session().ssid(with).expect("encrypted"), ssid.bytes());
    theirs.with = with;

    let profile = ours.account.client_profile();
    let point = |key: &otrv4::Point| ed448::Point::decode(key.as_bytes()).expect("a point to otrr too");
    let our_fingerprint = otr4::fingerprint(&point(profile.identity_key()), &point(profile.forging_key()));
    assert_eq!(ours.account.fingerprint().as_bytes(), &our_fingerprint);
}

/// What somebody says in one turn.
fn texts(turn: usize, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("turn {turn}, message {n}: ∀x ∃y")).collect()
}

/// We send these texts; otrr reads them all, and nobody has anything else to say.
fn we_say(ours: &mut Person, theirs: &mut Otrr, texts: &[String]) {
    texts.iter().for_each(|text| _ = ours.say(text));
    deliver(ours, theirs);
    let from = ours.account.tag().get();
    let heard = theirs.told().into_iter().map(|message| match message {
        UserMessage::Confidential(tag, text, tlvs) if tag == from && tlvs.is_empty() => {
            String::from_utf8(text).expect("text")
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(heard.collect::<Vec<_>>(), texts);
    assert_eq!(ours.told(), []);
}

/// The same the other way round.
fn they_say(ours: &mut Person, theirs: &mut Otrr, texts: &[String]) {
    texts.iter().for_each(|text| theirs.say(text));
    deliver(ours, theirs);
    let from = ours.secure()[0].0;
    let heard: Vec<Event> = texts.iter().map(|text| Event::Message { from, text: text.clone() }).collect();
    assert_eq!(ours.told(), heard);
    assert!(theirs.told().is_empty());
}

/// Our user ends the conversation; both see it, and otrr's user cannot write on by accident.
fn we_end(ours: &mut Person, theirs: &mut Otrr) {
    let with = ours.secure()[0].0;
    ours.act(|session, cx| session.end(cx));
    assert_eq!(kinds(&deliver(ours, theirs)), ["our Data"]);
    assert_eq!(ours.told(), [Event::Ended { with, by: EndedBy::Us }]);
    assert_eq!(ours.secure(), []);
    let told = theirs.told();
    assert!(
        matches!(&told[..], [UserMessage::ConfidentialSessionFinished(_, text)] if text.is_empty()),
        "{told:?}"
    );
    let with = theirs.with;
    assert_eq!(theirs.session().status(with), Some(ProtocolStatus::Finished));
    assert!(matches!(theirs.session().send(with, b"by accident"), Err(OTRError::IncorrectState(_))));
}

/// otrr's user ends the conversation; both see it, and our user cannot write on by accident.
fn they_end(ours: &mut Person, theirs: &mut Otrr) {
    let (with, by) = (ours.secure()[0].0, EndedBy::Them);
    let ended = theirs.with;
    assert!(matches!(theirs.session().end(ended), Ok(UserMessage::Reset(tag)) if tag == ended));
    // COMPLAINS ANYWAY: our last message only reveals MAC keys, and otrr has forgotten the conversation already.
    assert_eq!(kinds(&deliver(ours, theirs)), ["their Data", "our Data", "their error"]);
    let told = ours.told();
    assert!(matches!(&told[..], [Event::Ended { .. }, Event::TheirError { .. }]), "{told:?}");
    assert_eq!(told[0], Event::Ended { with, by });
    assert_eq!(ours.secure(), []);
    assert_eq!(ours.refused("by accident"), Refused::Ended);
    assert!(theirs.told().is_empty());
    assert_eq!(theirs.session().status(ended), Some(ProtocolStatus::Plaintext));
}

/// So many times each side takes its turn: 48 ratchets, of which 16 bring new DH keys.
const TURNS: usize = 24;

/// Short enough for a handshake message to take ten lines and more.
const SHORT: usize = 160;
