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

/// The message of a text; strict, so that a message has one text.
pub fn decode_text(text: &str) -> Result<Vec<u8>, WireError> {
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
        let versions = str::from_utf8(r.data("versions")?).map_err(|_| WireError::Illegal("versions"))?;
        Ok(Self { sender, identity, versions: Versions::from_digits(versions) })
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

/// The ensembles in a server's answer to our query for `identity`; empty when it has none. They are not verified yet:
/// see [`crate::prekey::choose`].
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
    if !(1..=MAX_ENSEMBLES).contains(&count) {
        return Err(WireError::Illegal("number of ensembles").into());
    }
    let ensembles = (0..count).map(|_| PrekeyEnsemble::read(&mut r)).collect::<Result<_, _>>()?;
    r.end()?;
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

/// The most ensembles we read from one answer, one for each client of a user. The server is not trusted, and each
/// costs the check of two keys.
const MAX_ENSEMBLES: u32 = 255;

/// Bytes of the longest request: a DAKE-3 with a full publication.
pub const MAX_REQUEST: usize = 3 + 4 + 6 * 57 + 4 + MAX_PUBLICATION;

const _: () = assert!(MAX_REQUEST > MAX_PROFILE + MAX_IDENTITY, "the other requests fit as well");

const DAKE_1: u8 = 0x35;
const DAKE_2: u8 = 0x36;
const DAKE_3: u8 = 0x37;
const ENSEMBLE_QUERY: u8 = 0x10;
const ENSEMBLE_RETRIEVAL: u8 = 0x13;
const NO_ENSEMBLES: u8 = 0x0E;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors::{Vector, bytes, of_kind};

    fn recorded(name: &str) -> (InstanceTag, String, Vector) {
        let v = of_kind("prekey_small").into_iter().find(|v| v.name == name).unwrap();
        let tag = InstanceTag::new(v.inputs["tag"].as_u64().unwrap().try_into().unwrap()).unwrap();
        (tag, v.inputs["identity"].as_str().unwrap().into(), v)
    }

    fn tag() -> InstanceTag {
        InstanceTag::new(0x100).unwrap()
    }

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

    #[test]
    fn a_retrieval_without_or_with_too_many_ensembles_is_refused_before_any_is_read() {
        for count in [0, MAX_ENSEMBLES + 1, u32::MAX] {
            let mut w = write_head(ENSEMBLE_RETRIEVAL);
            tag().write(&mut w);
            w.data(b"bob").int(count);
            let expected = Err(WireError::Illegal("number of ensembles").into());
            assert_eq!(read_ensembles(w.as_slice(), tag(), "bob"), expected, "{count}");
        }
    }

    #[test]
    fn a_recorded_ensemble_comes_back_out_of_an_answer() {
        let v = of_kind("ensemble").into_iter().find(|v| v.name == "ensemble_ok").unwrap();
        let encoded = bytes(&v.inputs["encoded"]);
        let expected = PrekeyEnsemble::read(&mut Reader::new(&encoded)).unwrap();
        // Where it is cut does not matter for the message.
        let parts = (encoded[..10].to_vec(), encoded[10..20].to_vec(), encoded[20..].to_vec());
        let message = retrieval(tag(), "bob", &[parts.clone(), parts]);
        assert_eq!(read_ensembles(&message, tag(), "bob"), Ok(vec![expected.clone(), expected]));
        for end in 0..message.len() {
            assert!(read_ensembles(&message[..end], tag(), "bob").is_err(), "{end}");
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
                prop_assert_eq!(encode_text(&message), text);
            }
        }
    }
}
