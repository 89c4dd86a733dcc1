//! The messages of the prekey protocol as bytes and text; what travels inside DAKE-3 is in [`super::publication`].
//! Spec: otrv4-prekey-server.md "Encoded Messages" and the format table of each message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::publication::MAX_PUBLICATION;
use crate::client_profile::{ClientProfile, MAX_PROFILE, VerifiedClientProfile};
use crate::crypto::ring::RingSignature;
use crate::keys::{KeyType, Point};
use crate::prekey::PrekeyEnsemble;
use crate::reject::Reject;
use crate::wire::{InstanceTag, Reader, Versions, WireError, Writer};

/// The text of a message: base64 with padding, then a full stop.
pub fn encode_text(message: &[u8]) -> String {
    let mut text = STANDARD.encode(message);
    text.push('.');
    text
}

/// The message of a text of at most [`MAX_TEXT`] bytes; strict, so that a message has one text. ASCII blanks behind it are
/// padding and do not count: as many as whoever receives it takes in.
pub fn decode_text(text: &str) -> Result<Vec<u8>, WireError> {
    let text = text.trim_ascii_end();
    if text.len() > MAX_TEXT {
        return Err(WireError::TooLong("text of a prekey server message"));
    }
    let illegal = WireError::Illegal("text of a prekey server message");
    STANDARD.decode(text.strip_suffix('.').ok_or(illegal)?).map_err(|_| illegal)
}

/// What a client asks a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Request {
    /// Begins a publication or a question for the storage status.
    Dake1(Box<Dake1>),
    /// Completes it.
    Dake3(Box<Dake3>),
    /// Asks for ensembles of a user.
    EnsembleQuery(EnsembleQuery),
}

impl Request {
    /// Reads a whole message of at most [`MAX_REQUEST`] bytes. It costs no more than its bytes and one point.
    pub fn read(message: &[u8]) -> Result<Self, Reject> {
        if message.len() > MAX_REQUEST {
            return Err(WireError::TooLong("request").into());
        }
        let mut r = Reader::new(message);
        let request = match read_head(&mut r)? {
            DAKE_1 => Self::Dake1(Box::new(Dake1::read(&mut r)?)),
            DAKE_3 => Self::Dake3(Box::new(Dake3::read(&mut r)?)),
            ENSEMBLE_QUERY => Self::EnsembleQuery(EnsembleQuery::read(&mut r)?),
            _ => return Err(WireError::Illegal("message type").into()),
        };
        r.end()?;
        Ok(request)
    }
}

/// Version (SHORT, 4) and message type (BYTE).
pub(super) fn read_head(r: &mut Reader<'_>) -> Result<u8, WireError> {
    match r.short("version")? {
        4 => r.byte("message type"),
        _ => Err(WireError::Illegal("version")),
    }
}

pub(super) fn write_head(message_type: u8) -> Writer {
    let mut w = Writer::new();
    w.short(4).byte(message_type);
    w
}

/// The head of a message of which only one type can come.
fn expect_head(r: &mut Reader<'_>, message_type: u8) -> Result<(), WireError> {
    if read_head(r)? == message_type { Ok(()) } else { Err(WireError::Illegal("message type")) }
}

/// DAKE-1: sender tag, Client Profile, I.
#[derive(Debug)]
pub struct Dake1 {
    pub(super) sender: InstanceTag,
    pub(super) profile: ClientProfile,
    pub(super) i: Point,
}

impl Dake1 {
    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { sender: InstanceTag::read(r)?, profile: ClientProfile::read(r)?, i: Point::read(r, "I")? })
    }

    /// The message of the owner of `profile`.
    pub(super) fn write(profile: &VerifiedClientProfile, i: &Point) -> Vec<u8> {
        let mut w = write_head(DAKE_1);
        profile.owner().write(&mut w);
        w.bytes(profile.as_bytes());
        i.write(&mut w);
        w.finish()
    }
}

/// DAKE-2: receiver tag, the server's composite identity, S, sigma.
pub(super) struct Dake2<'a> {
    pub(super) receiver: InstanceTag,
    pub(super) server: &'a str,
    pub(super) server_key: Point,
    pub(super) s: Point,
    pub(super) sigma: RingSignature,
}

impl<'a> Dake2<'a> {
    /// A whole message.
    pub(super) fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(message);
        expect_head(&mut r, DAKE_2)?;
        let dake2 = Self {
            receiver: InstanceTag::read(&mut r)?,
            server: read_identity(&mut r)?,
            server_key: KeyType::Identity.read(&mut r)?,
            s: Point::read(&mut r, "S")?,
            sigma: RingSignature::read(&mut r)?,
        };
        r.end()?;
        Ok(dake2)
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut w = write_head(DAKE_2);
        self.receiver.write(&mut w);
        w.data(self.server.as_bytes());
        KeyType::Identity.write(&self.server_key, &mut w);
        self.s.write(&mut w);
        self.sigma.write(&mut w);
        w.finish()
    }
}

/// DAKE-3: sender tag, sigma, and a Publication or Storage Information Request message as DATA.
#[derive(Debug)]
pub struct Dake3 {
    pub(super) sender: InstanceTag,
    pub(super) sigma: RingSignature,
    /// Not looked at before sigma is verified.
    pub(super) message: Vec<u8>,
}

impl Dake3 {
    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            sender: InstanceTag::read(r)?,
            sigma: RingSignature::read(r)?,
            message: r.data("message inside DAKE-3")?.to_vec(),
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut w = write_head(DAKE_3);
        self.sender.write(&mut w);
        self.sigma.write(&mut w);
        w.data(&self.message);
        w.finish()
    }

    /// The client that sent it.
    pub const fn sender(&self) -> InstanceTag {
        self.sender
    }
}

/// Ensemble Query: sender tag, DATA identity, DATA versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnsembleQuery {
    sender: InstanceTag,
    identity: String,
    versions: Versions,
}

impl EnsembleQuery {
    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let sender = InstanceTag::read(r)?;
        let identity = read_identity(r)?.to_owned();
        Ok(Self { sender, identity, versions: Versions::from_digits(r.data("versions")?) })
    }

    /// The client to answer.
    pub const fn sender(&self) -> InstanceTag {
        self.sender
    }

    /// The user whose ensembles are wanted.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The versions wanted; without 4 the answer is [`no_ensembles`].
    pub const fn versions(&self) -> Versions {
        self.versions
    }
}

/// The message that asks for ensembles of `identity`, for the client with the tag `sender`.
pub fn ensemble_query(sender: InstanceTag, identity: &str, versions: Versions) -> Vec<u8> {
    let mut w = write_head(ENSEMBLE_QUERY);
    sender.write(&mut w);
    w.data(identity.as_bytes()).data(versions.to_digits().as_bytes());
    w.finish()
}

/// Ensemble Retrieval: receiver tag, DATA identity, INT L, L ensembles of Client Profile, Prekey Profile and prekey
/// message, each as stored. Without any it is [`no_ensembles`], since L must be greater than 0.
pub fn retrieval(
    receiver: InstanceTag,
    identity: &str,
    ensembles: &[(Vec<u8>, Vec<u8>, Vec<u8>)],
) -> Vec<u8> {
    let count = u32::try_from(ensembles.len()).expect("no user has 2^32 clients");
    if count == 0 {
        return no_ensembles(receiver, identity);
    }
    let mut w = write_head(ENSEMBLE_RETRIEVAL);
    receiver.write(&mut w);
    w.data(identity.as_bytes()).int(count);
    for (client_profile, prekey_profile, message) in ensembles {
        w.bytes(client_profile).bytes(prekey_profile).bytes(message);
    }
    w.finish()
}

/// No Ensembles: receiver tag, DATA identity, DATA text. The same for a user who is unknown and one who has run out.
pub fn no_ensembles(receiver: InstanceTag, identity: &str) -> Vec<u8> {
    let mut w = write_head(NO_ENSEMBLES);
    receiver.write(&mut w);
    w.data(identity.as_bytes()).data(NO_ENSEMBLES_TEXT);
    w.finish()
}

const NO_ENSEMBLES_TEXT: &[u8] = b"No Prekey Messages available for this identity";

/// The ensembles in a server's answer to our query for `identity`, at most [`MAX_ENSEMBLES`]; empty when it has none.
/// They are not verified yet: see [`crate::prekey::choose`].
pub fn read_ensembles(
    message: &[u8],
    receiver: InstanceTag,
    identity: &str,
) -> Result<Vec<PrekeyEnsemble>, Reject> {
    let mut r = Reader::new(message);
    let message_type = read_head(&mut r)?;
    if !matches!(message_type, ENSEMBLE_RETRIEVAL | NO_ENSEMBLES) {
        return Err(WireError::Illegal("message type").into());
    }
    if InstanceTag::read(&mut r)? != receiver || read_identity(&mut r)? != identity {
        return Err(Reject::ForeignOwner("answer of the prekey server"));
    }
    if message_type == NO_ENSEMBLES {
        r.data("text")?;
        r.end()?;
        return Ok(Vec::new());
    }
    let count = r.int("number of ensembles")?;
    if count == 0 {
        return Err(WireError::Illegal("number of ensembles").into());
    }
    let mut ensembles = vec![PrekeyEnsemble::read(&mut r)?];
    for _ in 1..count.min(MAX_ENSEMBLES) {
        match PrekeyEnsemble::read(&mut r) {
            Ok(ensemble) => ensembles.push(ensemble),
            // Nobody knows where it ends, so those behind it are lost. Those before it are not.
            Err(_) => return Ok(ensembles),
        }
    }
    if count <= MAX_ENSEMBLES {
        r.end()?;
    }
    Ok(ensembles)
}

/// DATA, UTF-8, at most [`MAX_IDENTITY`] bytes.
fn read_identity<'a>(r: &mut Reader<'a>) -> Result<&'a str, WireError> {
    let identity = r.data("identity")?;
    if identity.len() > MAX_IDENTITY {
        return Err(WireError::TooLong("identity"));
    }
    str::from_utf8(identity).map_err(|_| WireError::Illegal("identity"))
}

/// Bytes of the longest address of a user or server: a bare JID of XMPP, two parts of 1023 bytes and an "@".
pub const MAX_IDENTITY: usize = 2047;

/// The most ensembles we take from one answer, one for each client of a user; the others are passed over. The server
/// is not trusted, and each costs the check of five keys and two signatures.
pub const MAX_ENSEMBLES: u32 = 16;

/// Bytes of the longest request: a DAKE-3 with a full publication.
pub const MAX_REQUEST: usize = 3 + 4 + 6 * 57 + 4 + MAX_PUBLICATION;

/// Bytes of the longest text: of an answer with [`MAX_ENSEMBLES`] of the longest ensembles.
pub const MAX_TEXT: usize = {
    let ensemble = MAX_PROFILE + 185 + 11 + 57 + 4 + 384;
    let answer = 3 + 4 + 4 + MAX_IDENTITY + 4 + MAX_ENSEMBLES as usize * ensemble;
    4 * answer.div_ceil(3) + 1
};

const _: () = assert!(MAX_TEXT > 4 * MAX_REQUEST.div_ceil(3), "the longest request fits as well");

const _: () = assert!(MAX_REQUEST > MAX_PROFILE + MAX_IDENTITY, "the other requests fit as well");

pub(super) const DAKE_1: u8 = 0x35;
const DAKE_2: u8 = 0x36;
const DAKE_3: u8 = 0x37;
const ENSEMBLE_QUERY: u8 = 0x10;
const ENSEMBLE_RETRIEVAL: u8 = 0x13;
const NO_ENSEMBLES: u8 = 0x0E;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prekey::DhPublic;
    use crate::time::Timestamp;
    use crate::vectors::{Vector, bytes, of_kind};

    fn recorded(name: &str) -> (InstanceTag, String, Vector) {
        let v = of_kind("prekey_small").into_iter().find(|v| v.name == name).unwrap();
        let tag = InstanceTag::new(v.inputs["tag"].as_u64().unwrap().try_into().unwrap()).unwrap();
        (tag, v.inputs["identity"].as_str().unwrap().into(), v)
    }

    fn tag() -> InstanceTag {
        InstanceTag::new(0x100).unwrap()
    }

    fn recorded_vector() -> Vector {
        of_kind("ensemble").into_iter().find(|v| v.name == "ensemble_ok").unwrap()
    }

    /// With a B of 384 bytes.
    fn recorded_ensemble() -> Vec<u8> {
        bytes(&recorded_vector().inputs["encoded"])
    }

    /// Bytes of its prekey message.
    const PREKEY_MESSAGE: usize = 11 + 57 + 4 + 384;

    #[test]
    fn a_recorded_query_is_read_with_the_versions_we_know() {
        let (sender, identity, v) = recorded("ensemble_query");
        let message = bytes(&v.outputs["message"]);
        let Request::EnsembleQuery(query) = Request::read(&message).unwrap() else { panic!("query") };
        assert_eq!(
            (query.sender(), query.identity(), query.versions()),
            (sender, identity.as_str(), Versions::V4)
        );
        assert_eq!(encode_text(&message), v.outputs["text"].as_str().unwrap());
        let ours = ensemble_query(sender, &identity, Versions::V4);
        assert_eq!(
            Request::read(&ours).map(|request| matches!(request, Request::EnsembleQuery(q) if q == query)),
            Ok(true)
        );
    }

    #[test]
    fn the_answer_without_ensembles_is_as_recorded() {
        let (receiver, identity, v) = recorded("no_ensembles");
        let message = bytes(&v.outputs["message"]);
        assert_eq!(no_ensembles(receiver, &identity), message);
        assert_eq!(retrieval(receiver, &identity, &[]), message);
        assert_eq!(read_ensembles(&message, receiver, &identity), Ok(Vec::new()));
    }

    #[test]
    fn an_answer_for_another_client_or_about_another_user_is_refused() {
        let foreign = Err(Reject::ForeignOwner("answer of the prekey server"));
        let message = no_ensembles(tag(), "bob@example.org");
        assert_eq!(read_ensembles(&message, InstanceTag::new(0x101).unwrap(), "bob@example.org"), foreign);
        assert_eq!(read_ensembles(&message, tag(), "bob@example.com"), foreign);
    }

    /// A retrieval that claims to hold so many.
    fn claiming(count: u32, ensembles: &[&[u8]]) -> Vec<u8> {
        let mut w = write_head(ENSEMBLE_RETRIEVAL);
        tag().write(&mut w);
        w.data(b"bob").int(count).bytes(&ensembles.concat());
        w.finish()
    }

    #[test]
    fn a_retrieval_without_ensembles_is_refused() {
        let read = |count| read_ensembles(&claiming(count, &[]), tag(), "bob");
        assert_eq!(read(0), Err(WireError::Illegal("number of ensembles").into()));
        assert!(matches!(read(1), Err(Reject::Wire(WireError::Truncated(_)))));
        assert!(matches!(read(u32::MAX), Err(Reject::Wire(WireError::Truncated(_)))));
    }

    #[test]
    fn the_first_sixteen_ensembles_are_taken_and_the_others_passed_over() {
        let ensemble = recorded_ensemble();
        for count in [15, 16, 17] {
            let message = claiming(count, &vec![ensemble.as_slice(); count.try_into().unwrap()]);
            let read = read_ensembles(&message, tag(), "bob").unwrap();
            assert_eq!(read.len(), usize::try_from(count.min(16)).unwrap());
        }
        let last_one_bad = [vec![ensemble.as_slice(); 16], vec![b"bad"]].concat();
        assert_eq!(read_ensembles(&claiming(17, &last_one_bad), tag(), "bob").unwrap().len(), 16);
    }

    #[test]
    fn a_bad_ensemble_takes_none_of_those_that_can_be_read_along() {
        let good = recorded_ensemble();
        let now = Timestamp::from_unix(recorded_vector().inputs["now"].as_i64().unwrap());
        let verified = |bad: &[u8]| {
            let message = claiming(3, &[&good, bad, &good]);
            let read = read_ensembles(&message, tag(), "bob").unwrap();
            read.into_iter().map(|ensemble| ensemble.verify(now, Versions::V4).is_ok()).collect::<Vec<_>>()
        };
        let changed = |at: usize, value: u8| {
            let mut changed = good.clone();
            changed[at] = value;
            changed
        };
        let message = good.len() - PREKEY_MESSAGE;
        assert_eq!(verified(&good), [true; 3]);
        // A spare bit of Y.
        assert_eq!(verified(&changed(message + 11 + 56, 0x7f)), [true, false, true]);
        // One in two numbers is no square.
        let outside_the_group = (0..=255)
            .map(|last| changed(good.len() - 1, last))
            .find(|changed| DhPublic::from_be_bytes(&changed[message + 11 + 57 + 4..]).is_err());
        assert_eq!(verified(&outside_the_group.unwrap()), [true, false, true]);
        // Nobody knows how long these are: only what stands before them is left.
        let unknown_field = changed(5, 9);
        let version_5 = changed(message + 1, 5);
        for bad in [unknown_field, version_5] {
            assert_eq!(verified(&bad), [true]);
            assert!(read_ensembles(&claiming(2, &[&bad, &good]), tag(), "bob").is_err());
        }
    }

    #[test]
    fn a_recorded_ensemble_comes_back_out_of_an_answer() {
        let encoded = recorded_ensemble();
        let expected = PrekeyEnsemble::read(&mut Reader::new(&encoded)).unwrap();
        // Where it is cut does not matter for the message.
        let parts = (encoded[..10].to_vec(), encoded[10..20].to_vec(), encoded[20..].to_vec());
        let message = retrieval(tag(), "bob", &[parts.clone(), parts]);
        assert_eq!(read_ensembles(&message, tag(), "bob"), Ok(vec![expected.clone(), expected]));
        let first = message.len() - encoded.len();
        for end in 0..message.len() {
            let read = read_ensembles(&message[..end], tag(), "bob");
            assert_eq!(read.is_ok_and(|ensembles| ensembles.len() == 1), end >= first, "{end}");
        }
        assert!(read_ensembles(&[message, vec![0]].concat(), tag(), "bob").is_err());
    }

    #[test]
    fn texts_have_one_form() {
        for bad in ["AAQQ", "AAQQ..", "AAQ.", "AAQQ=.", "AAQR====.", "AA QQ.", "AAR=.", "?OTR:AAQQ.", ""] {
            assert!(decode_text(bad).is_err(), "{bad}");
        }
        assert_eq!(decode_text("AAQQ."), Ok(vec![0, 4, 0x10]));
    }

    #[test]
    fn blanks_behind_a_text_are_padding_and_blanks_elsewhere_are_none() {
        let padded = [" ", "\n", "\r\n", "\t \n", &"\n".repeat(1 << 20)];
        for padding in padded {
            assert_eq!(decode_text(&format!("AAQQ.{padding}")), Ok(vec![0, 4, 0x10]), "{}", padding.len());
        }
        for bad in ["\nAAQQ.", "AAQQ\n.", "AA\nQQ.", "AAQQ.\n.", "AAQQ.\u{a0}", "AAQQ.\0", "\n", " ."] {
            assert!(decode_text(bad).is_err(), "{bad:?}");
        }
    }

    /// 255 prekey messages of 456 bytes, a client profile of 16 KiB, a prekey profile of 185, three proofs; and 16
    /// ensembles for the longest name. Base64 makes four characters of three bytes, and a dot ends it.
    #[test]
    fn the_longest_messages_have_these_lengths() {
        assert_eq!((MAX_REQUEST, MAX_TEXT), (133_966, 365_953));
        let (client, prekey_profile, prekey) = (vec![0; 16_384], vec![0; 185], vec![0; 456]);
        let ensembles = vec![(client, prekey_profile, prekey); 16];
        let answer = retrieval(tag(), &"x".repeat(2047), &ensembles);
        assert_eq!(encode_text(&answer).len(), MAX_TEXT);
    }

    #[test]
    fn texts_beyond_the_limit_are_refused() {
        let text = |length| format!("{}.", "A".repeat(length - 1));
        let too_long = Err(WireError::TooLong("text of a prekey server message"));
        assert_eq!(decode_text(&text(MAX_TEXT + 4)), too_long);
        assert_eq!(decode_text(&(text(MAX_TEXT + 4) + "\n")), too_long);
        assert!(decode_text(&text(MAX_TEXT)).is_ok());
        assert!(decode_text(&(text(MAX_TEXT) + "\n")).is_ok());
    }

    #[test]
    fn versions_that_are_no_text_are_passed_over() {
        let mut w = write_head(ENSEMBLE_QUERY);
        tag().write(&mut w);
        w.data(b"bob").data(b"\xff4");
        let Request::EnsembleQuery(query) = Request::read(w.as_slice()).unwrap() else { panic!("query") };
        assert_eq!(query.versions(), Versions::V4);
    }

    #[test]
    fn requests_of_other_versions_and_types_are_refused() {
        let query = ensemble_query(tag(), "bob", Versions::V4);
        assert!(Request::read(&query).is_ok());
        for (i, value) in [(0, 1), (1, 3), (1, 5), (2, 0x36), (2, 0x08), (2, 0x13)] {
            let mut changed = query.clone();
            changed[i] = value;
            assert!(Request::read(&changed).is_err(), "byte {i} = {value}");
        }
        assert_eq!(Request::read(&[query, vec![0]].concat()).err(), Some(WireError::Trailing.into()));
    }

    #[test]
    fn names_beyond_the_limit_are_refused() {
        let query = |length| Request::read(&ensemble_query(tag(), &"b".repeat(length), Versions::V4));
        assert!(query(MAX_IDENTITY).is_ok());
        assert_eq!(query(MAX_IDENTITY + 1).err(), Some(WireError::TooLong("identity").into()));
        assert_eq!(
            Request::read(&vec![0; MAX_REQUEST + 1]).err(),
            Some(WireError::TooLong("request").into())
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_refused(kind in 0_u8..=0x40, bytes: Vec<u8>) {
            let _ = Request::read(&bytes);
            let _ = Request::read(&[&[0, 4, kind], bytes.as_slice()].concat());
        }

        #[test]
        fn any_bytes_are_an_answer_or_refused(kind in 0_u8..=0x40, bytes: Vec<u8>) {
            let message = [&[0, 4, kind, 0, 0, 1, 0, 0, 0, 0, 1, b'b'], bytes.as_slice()].concat();
            let _ = read_ensembles(&message, tag(), "b");
            let _ = Dake2::read(&message);
        }

        #[test]
        fn any_text_is_a_message_or_refused(text: String) {
            if let Ok(message) = decode_text(&text) {
                prop_assert_eq!(encode_text(&message), text.trim_ascii_end());
            }
        }
    }
}
