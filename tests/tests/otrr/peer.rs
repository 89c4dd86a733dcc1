//! A client of otrr, ours beside it, and what both of them say and see.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use otrr::crypto::{dsa, ed448, otr, otr4};
use otrr::{OTRError, Policy, ProtocolStatus, UserMessage};
use otrv4::keys::ForgingSecret;
use otrv4::wire::{Header, Line, Reader, Version, classify};
use otrv4::{Account, ContactKey, Event, Lifetimes, Mode, Timestamp, Verification};
use otrv4_tests::{Person, rng};

/// Our client, its user `id` in a conversation with `correspondent`.
#[allow(clippy::disallowed_methods, reason = "SYSTEM CLOCK: otrr cannot be told the time")]
pub(crate) fn person(id: &str, correspondent: &str) -> Person {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set").as_secs();
    let now = Timestamp::from_unix(i64::try_from(since_1970).expect("a clock that is set"));
    let mut person = Person::new(id, correspondent);
    person.account = Account::new(id, ForgingSecret::Destroy, Lifetimes::default(), &mut rng(), now);
    person.now = now;
    person
}

/// A client of otrr.
pub(crate) struct Otrr {
    pub(crate) account: otrr::session::Account,
    pub(crate) host: Rc<Host>,
    correspondent: &'static str,
    /// The tag of our client, once it is in an encrypted conversation with it.
    pub(crate) with: u32,
    /// What it had to tell, without the nothings.
    pub(crate) told: Vec<UserMessage>,
}

/// What may be different about a client of otrr.
pub(crate) struct Wishes {
    /// Which versions it speaks, and when it begins by itself.
    pub(crate) policy: Policy,
    /// Whether its profile has an OTRv3 key and the transitional signature.
    pub(crate) dsa: bool,
    /// The longest line that it may send.
    pub(crate) max_line: usize,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { policy: Policy::ALLOW_V4, dsa: false, max_line: usize::MAX }
    }
}

impl Wishes {
    /// What version 3 needs, with this more.
    pub(crate) fn v3(more: Policy) -> Self {
        Self { policy: Policy::ALLOW_V3 | more, dsa: true, ..Self::default() }
    }
}

impl Otrr {
    pub(crate) fn new(id: &str, correspondent: &'static str, wishes: Wishes) -> Self {
        let host = Rc::new(Host {
            identity: ed448::EdDSAKeyPair::generate(),
            forging: ed448::EdDSAKeyPair::generate(),
            dsa: wishes.dsa.then(dsa::Keypair::generate),
            max_line: wishes.max_line,
            profile: RefCell::default(),
            sent: RefCell::default(),
            answer: RefCell::default(),
            asked: RefCell::default(),
        });
        let account =
            otrr::session::Account::new(id.into(), wishes.policy, Rc::clone(&host) as Rc<dyn otrr::Host>)
                .expect("a profile can be made");
        Self { account, host, correspondent, with: 0, told: Vec::new() }
    }

    pub(crate) fn session(&mut self) -> &mut otrr::session::Session {
        self.account.session(self.correspondent.as_bytes())
    }

    pub(crate) fn receive(&mut self, line: &str) {
        self.try_receive(line).expect("otrr accepts what we send");
    }

    /// The same where it may refuse.
    pub(crate) fn try_receive(&mut self, line: &str) -> Result<(), OTRError> {
        match self.session().receive(line.as_bytes())? {
            UserMessage::None => {}
            message => self.told.push(message),
        }
        Ok(())
    }

    pub(crate) fn say(&mut self, text: &str) {
        let with = self.with;
        let lines = self.session().send(with, text.as_bytes()).expect("may be sent");
        self.host.sent.borrow_mut().extend(lines);
    }

    /// Its client begins the handshake of a version without having been asked.
    pub(crate) fn begin(&mut self, version: otrr::Version) {
        self.session().initiate(&version, 0).expect("none is under way");
    }

    /// The texts that it has decrypted, and nothing else.
    pub(crate) fn read(&mut self) -> Vec<String> {
        let texts = self.told().into_iter().map(|message| match message {
            UserMessage::Confidential(_, text, _) => String::from_utf8(text).expect("text"),
            other => panic!("{other:?}"),
        });
        texts.collect()
    }

    /// The first thing that it told was this text, which came in clear.
    pub(crate) fn read_in_clear(&mut self, text: &str) {
        let told = self.told.remove(0);
        assert!(matches!(&told, UserMessage::Plaintext(read) if read == text.as_bytes()), "{told:?}");
    }

    /// Its user asks ours to prove that they know a secret.
    pub(crate) fn start_smp(&mut self, question: &[u8], secret: &str) {
        let with = self.with;
        self.session().start_smp(with, secret.as_bytes(), question).expect("none is under way");
    }

    /// Its user gives up.
    pub(crate) fn abort_smp(&mut self) {
        let with = self.with;
        self.session().abort_smp(with).expect("a conversation");
    }

    /// The bytes of the fingerprint that it has in a version.
    pub(crate) fn fingerprint(&self, version: Version) -> Vec<u8> {
        match version {
            Version::V4 => otr4::fingerprint(self.host.identity.public(), self.host.forging.public()).into(),
            _ => otr::fingerprint(&self.host.dsa.as_ref().expect("a key of version 3").public_key()).into(),
        }
    }

    /// The lines that it put on the network.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let lines = self.host.sent.take();
        lines.into_iter().map(|line| String::from_utf8(line).expect("text")).collect()
    }

    pub(crate) fn told(&mut self) -> Vec<UserMessage> {
        std::mem::take(&mut self.told)
    }
}

/// What otrr asks of the application around it.
pub(crate) struct Host {
    identity: ed448::EdDSAKeyPair,
    forging: ed448::EdDSAKeyPair,
    dsa: Option<dsa::Keypair>,
    max_line: usize,
    profile: RefCell<Vec<u8>>,
    sent: RefCell<Vec<Vec<u8>>>,
    /// What its user answers to a question of SMP; nothing, to decline. SMP AT ONCE: it has to be here before.
    pub(crate) answer: RefCell<Option<String>>,
    /// The questions that its user was asked.
    pub(crate) asked: RefCell<Vec<String>>,
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

    fn query_smp_secret(&self, question: &[u8]) -> Option<Vec<u8>> {
        self.asked.borrow_mut().push(String::from_utf8(question.into()).expect("text"));
        self.answer.borrow().as_ref().map(|answer| answer.as_bytes().into())
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
pub(crate) enum Sender {
    We,
    They,
}

/// Delivers everything in both directions until nothing is under way, and gives the lines; otrr accepts them all.
/// NO STORED KEYS: in the order in which they were sent.
pub(crate) fn deliver(ours: &mut Person, theirs: &mut Otrr) -> Vec<(Sender, String)> {
    let (lines, refused) = deliver_all(ours, theirs);
    assert!(refused.is_empty(), "otrr accepts what we send: {refused:?}");
    lines
}

/// The same where otrr may refuse; gives why, too.
pub(crate) fn deliver_all(ours: &mut Person, theirs: &mut Otrr) -> (Vec<(Sender, String)>, Vec<OTRError>) {
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let (to_them, to_us) = (ours.take(), theirs.take());
        if to_them.is_empty() && to_us.is_empty() {
            return (lines, refused);
        }
        refused.extend(to_them.iter().filter_map(|line| theirs.try_receive(line).err()));
        to_us.iter().for_each(|line| _ = ours.receive(line));
        lines.extend(to_them.into_iter().map(|line| (Sender::We, line)));
        lines.extend(to_us.into_iter().map(|line| (Sender::They, line)));
    }
    panic!("the two never stop talking");
}

/// Names lines for comparison: whose they are, and what.
pub(crate) fn kinds(lines: &[(Sender, String)]) -> Vec<String> {
    let kind = |line: &str| match classify(line) {
        Line::Plain(_) => "text".into(),
        Line::Tagged { .. } => "tagged text".into(),
        Line::Query(_) => "query".into(),
        Line::Error { .. } => "error".into(),
        Line::Fragment(Ok(_)) => "Fragment".into(),
        Line::Encoded(Ok(message)) => {
            format!("{:?}", Header::read(&mut Reader::new(&message)).expect("a header").message_type)
        }
        other @ Line::Encoded(Err(_)) | other @ Line::Fragment(Err(_)) => panic!("{other:?}"),
    };
    let name = |(sender, line): &(Sender, String)| match sender {
        Sender::We => format!("our {}", kind(line)),
        Sender::They => format!("their {}", kind(line)),
    };
    lines.iter().map(name).collect()
}

/// Whether our side has seen keys of its correspondent before.
pub(crate) enum Keys {
    First,
    Same,
    Others,
}

/// Both have been told of one conversation, the same one, and each knows the other's keys, which nobody has verified;
/// gives its version. otrr does not show whose keys it has seen; what it makes of ours in version 4 must be the
/// fingerprint that we show. In version 3 it is part of what SMP compares.
pub(crate) fn assert_same_conversation(ours: &mut Person, theirs: &mut Otrr, keys: Keys) -> Version {
    let channels = ours.channels();
    let [(with, version, fingerprint, ssid)] = channels[..] else {
        panic!("one conversation, not {channels:?}")
    };
    assert_eq!(with.get(), theirs.account.instance_tag());
    assert_eq!(fingerprint.version(), version);
    let bytes = match fingerprint {
        ContactKey::V4(fingerprint) => fingerprint.as_bytes().to_vec(),
        ContactKey::V3(fingerprint) => fingerprint.as_bytes().to_vec(),
    };
    assert_eq!(bytes, theirs.fingerprint(version));
    let (mode, verification) = (Mode::Interactive, Verification::None);
    let mut expected = vec![Event::Secure { with, version, mode, fingerprint, verification, ssid }];
    match keys {
        Keys::First => expected.push(Event::NewFingerprint { with, fingerprint }),
        Keys::Same => {}
        Keys::Others => expected.push(Event::ChangedFingerprint { with, fingerprint }),
    }
    assert_eq!(ours.told(), expected);

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
    version
}

/// What somebody says in one turn.
pub(crate) fn texts(turn: usize, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("turn {turn}, message {n}: ∀x ∃y")).collect()
}

/// We send these texts; otrr reads them all, and nobody has anything else to say. Gives the lines.
pub(crate) fn we_say(ours: &mut Person, theirs: &mut Otrr, texts: &[String]) -> Vec<(Sender, String)> {
    texts.iter().for_each(|text| _ = ours.say(text));
    let lines = deliver(ours, theirs);
    let from = ours.account.tag().get();
    let heard = theirs.told().into_iter().map(|message| match message {
        UserMessage::Confidential(tag, text, tlvs) if tag == from && tlvs.is_empty() => {
            String::from_utf8(text).expect("text")
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(heard.collect::<Vec<_>>(), texts);
    assert_eq!(ours.told(), []);
    lines
}

/// The same the other way round.
pub(crate) fn they_say(ours: &mut Person, theirs: &mut Otrr, texts: &[String]) {
    texts.iter().for_each(|text| theirs.say(text));
    deliver(ours, theirs);
    let from = ours.channels()[0].0;
    let heard: Vec<Event> = texts.iter().map(|text| Event::Message { from, text: text.clone() }).collect();
    assert_eq!(ours.told(), heard);
    assert!(theirs.told().is_empty());
}
