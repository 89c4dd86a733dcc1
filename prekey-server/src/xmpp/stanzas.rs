//! The stanzas that we send, as text.
//! Spec: otrv4-prekey-server.md "A Prekey Server for OTRv4 over XMPP", XEP-0030, RFC 6120 "Stanza Errors".

use super::stream::{STREAMS, Stanza};
use otrv4::prekey_server::{cut_text, decode_text};
use otrv4::wire::{InstanceTag, Reader, WireError};
use rand_core::Rng;
use sha1::{Digest, Sha1};
use std::borrow::Cow;

pub(super) const COMPONENT: &str = "jabber:component:accept";
pub(super) const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
pub(super) const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
const FEATURE: &str = "http://jabber.org/protocol/otrv4-prekey-server";

/// Longest body that we send, in bytes; what is longer leaves in fragments. RFC 6120 (13.12) promises that every server lets
/// stanzas of 10,000 bytes pass: room for this, and for an address of 3071 bytes.
pub(super) const MAX_BODY: usize = 6144;

pub(super) fn open(domain: &str) -> String {
    let to = escape(domain);
    format!("<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAMS}' to='{to}'>")
}

pub(super) const CLOSE: &str = "</stream:stream>";

/// Proves that we know the secret: SHA-1 of the stream's id and the secret (XEP-0114).
pub(super) fn handshake(stream: &str, secret: &str) -> String {
    let digest = Sha1::new().chain_update(stream).chain_update(secret).finalize();
    format!("<handshake>{}</handshake>", hex::encode(digest))
}

/// A question to ourselves, by way of the server: if it comes back, both are alive.
pub(super) fn ping(domain: &str) -> String {
    let domain = escape(domain);
    format!("<iq type='get' from='{domain}' to='{domain}' id='alive'><ping xmlns='urn:xmpp:ping'/></iq>")
}

/// Who we are.
pub(super) fn info(domain: &str, request: &Stanza) -> String {
    let query = format!(
        "<query xmlns='{DISCO_INFO}'><identity category='auth' type='otr-prekey' name='OTR Prekey Server'/>\
         <feature var='{DISCO_INFO}'/><feature var='{DISCO_ITEMS}'/><feature var='{FEATURE}'/></query>"
    );
    result(domain, request, &query)
}

/// The one item that we have: the fingerprint of our key.
pub(super) fn items(domain: &str, fingerprint: &str, request: &Stanza) -> String {
    let query = format!(
        "<query xmlns='{DISCO_ITEMS}'><item jid='{}' node='fingerprint' name='{fingerprint}'/></query>",
        escape(domain)
    );
    result(domain, request, &query)
}

fn result(domain: &str, request: &Stanza, payload: &str) -> String {
    let (id, to) = (attribute("id", request.id.as_deref()), attribute("to", request.from.as_deref()));
    format!("<iq type='result' from='{}'{to}{id}>{payload}</iq>", escape(domain))
}

/// Why a stanza is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Not what we do, or not here.
    ServiceUnavailable,
    ItemNotFound,
    /// No message of the protocol, or one that is refused.
    BadRequest,
    /// An address that cannot be the name of an account.
    NotAcceptable,
    NotAllowed,
    /// Too much to do: worth another try.
    ResourceConstraint,
    InternalServerError,
}

impl Condition {
    const fn name(self) -> &'static str {
        match self {
            Self::ServiceUnavailable => "service-unavailable",
            Self::ItemNotFound => "item-not-found",
            Self::BadRequest => "bad-request",
            Self::NotAcceptable => "not-acceptable",
            Self::NotAllowed => "not-allowed",
            Self::ResourceConstraint => "resource-constraint",
            Self::InternalServerError => "internal-server-error",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::BadRequest | Self::NotAcceptable => "modify",
            Self::ResourceConstraint | Self::InternalServerError => "wait",
            Self::ServiceUnavailable | Self::ItemNotFound | Self::NotAllowed => "cancel",
        }
    }
}

/// The error that answers a message or a question, from whomever it was sent to.
pub(super) fn error(request: &Stanza, condition: Condition) -> String {
    let Stanza { name, from, to, id, .. } = request;
    let (from, to) = (attribute("from", to.as_deref()), attribute("to", from.as_deref()));
    let (id, name) = (attribute("id", id.as_deref()), if name == "iq" { "iq" } else { "message" });
    format!(
        "<{name} type='error'{from}{to}{id}><error type='{}'>\
         <{} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{name}>",
        condition.kind(),
        condition.name()
    )
}

/// The messages that carry an answer of the protocol: one, or its fragments.
pub(super) fn messages(
    domain: &str,
    to: &str,
    answer: &str,
    rng: &mut dyn Rng,
) -> Result<Vec<String>, WireError> {
    let (domain, to) = (escape(domain), escape(to));
    let bodies = cut_text(answer, MAX_BODY, rng.next_u32(), None, receiver(answer)?)?;
    let message = |body: String| {
        let id = rng.next_u64();
        // Neither base64 nor fragments need to be escaped.
        format!("<message from='{domain}' to='{to}' id='{id:016x}'><body>{body}</body></message>")
    };
    Ok(bodies.into_iter().map(message).collect())
}

/// The client that an answer is for: in every answer of the server, its tag follows version and type.
fn receiver(answer: &str) -> Result<Option<InstanceTag>, WireError> {
    let bytes = decode_text(answer)?;
    let mut r = Reader::new(&bytes);
    r.short("version")?;
    r.byte("message type")?;
    Ok(InstanceTag::new(r.int("receiver")?))
}

fn attribute(name: &str, value: Option<&str>) -> String {
    value.map(|value| format!(" {name}='{}'", escape(value))).unwrap_or_default()
}

/// For text and for attributes in either kind of quotes. What it gets has been read from XML, so it has no other control
/// characters than these.
fn escape(text: &str) -> Cow<'_, str> {
    let special = |c| matches!(c, '&' | '<' | '>' | '\'' | '"' | '\t' | '\n' | '\r');
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(2 * text.len());
    for c in text.chars() {
        if special(c) {
            escaped.push_str(&format!("&#{};", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::rng;
    use otrv4::prekey_server::{FragmentAssembler, encode_text, no_ensembles};
    use proptest::prelude::*;
    use rxml::{Parse, Parser};

    const SERVER: &str = "prekey.example.org";

    fn request(name: &str) -> Stanza {
        Stanza {
            name: name.into(),
            from: Some("bob@example.org/it's".into()),
            to: Some(SERVER.into()),
            id: Some("<1>".into()),
            ..Stanza::default()
        }
    }

    #[test]
    fn the_handshake_is_that_of_the_extension() {
        // printf '3BF96D32secret' | sha1sum
        assert_eq!(
            handshake("3BF96D32", "secret"),
            "<handshake>b09ea9b3b7f586be8a08d0a3dd7466f110aeb136</handshake>"
        );
    }

    #[test]
    fn an_error_goes_back_where_the_stanza_came_from() {
        assert_eq!(
            error(&request("iq"), Condition::ServiceUnavailable),
            "<iq type='error' from='prekey.example.org' to='bob@example.org/it&#39;s' id='&#60;1&#62;'>\
             <error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        );
        assert!(error(&request("message"), Condition::BadRequest).starts_with("<message type='error'"));
    }

    #[test]
    fn a_long_answer_leaves_in_fragments_for_its_client() {
        let tag = InstanceTag::random(&mut rng());
        let short = encode_text(&no_ensembles(tag, "alice@example.org"));
        let lines = messages(SERVER, "bob@example.org/x", &short, &mut rng()).expect("an answer");
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with(&format!("<body>{short}</body></message>")), "{}", lines[0]);

        let mut long = no_ensembles(tag, "alice@example.org");
        long.resize(100_000, 7);
        let long = encode_text(&long);
        let longest = format!("{}@example.org/{}", "x".repeat(1023), "y".repeat(1023));
        let lines = messages(SERVER, &longest, &long, &mut rng()).expect("an answer");
        assert!(lines.len() > 20 && lines.iter().all(|line| line.len() < 10_000));
        let mut assembler = FragmentAssembler::new(Some(tag));
        let body = |line: &str| {
            let (_, rest) = line.split_once("<body>").expect("a body");
            rest.split_once("</body>").expect("its end").0.to_owned()
        };
        let whole = lines.iter().map(|line| assembler.add(&body(line), crate::system::now()));
        assert_eq!(whole.last(), Some(Ok(Some(long))));
    }

    proptest! {
        #[test]
        fn what_was_read_is_written_so_that_it_reads_the_same(text in "[\t\n\r<>&'\"a-z]{0,20}|[^\\p{C}]*") {
            let xml = format!("<x xmlns='urn:x' a='{}'/>", escape(&text));
            let event = Parser::new().parse(&mut xml.as_bytes(), true).expect("XML").expect("an element");
            let rxml::Event::StartElement(_, _, attributes) = event else { panic!("{event:?}") };
            prop_assert_eq!(attributes.get(&rxml::Namespace::NONE, "a"), Some(&text));
        }
    }
}
