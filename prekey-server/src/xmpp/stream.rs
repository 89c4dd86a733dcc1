//! The XML stream from the XMPP server, as stanzas. Of each it keeps what this service looks at: some attributes, and the
//! elements in it with their text, but nothing of what is inside those.
//! Spec: RFC 6120 "XML Streams" and XEP-0114. Used by [`super::connection`].

use rxml::error::EndOrError;
use rxml::parser::CommentMode;
use rxml::{Options, Parse, RawEvent, RawParser, RawQName, WithOptions};

/// Longest stanza, in bytes. XMPP servers let 256 or 512 KiB pass unless told otherwise, and the longest request has 200 KiB.
/// A longer one ends the stream: to pass over it costs memory, too.
pub(super) const MAX_STANZA: usize = 1 << 20;

/// Elements that are kept of one stanza; no client of ours sends more than a few.
const MAX_CHILDREN: usize = 16;

pub(super) const STREAMS: &str = "http://etherx.jabber.org/streams";

/// Attributes that are looked at.
const ATTRIBUTES: [&str; 5] = ["from", "to", "id", "type", "node"];

/// Namespaces that one element can declare; nobody needs more than a few.
const MAX_DECLARED: usize = 16;

/// Reads a stream. What it keeps in memory is bounded by a few times [`MAX_STANZA`].
///
/// Namespaces are looked up here, and only for the elements that are kept: the parser would look for each one through all
/// that it is in, and a stanza of nothing but beginnings would take it minutes.
pub(super) struct Incoming {
    parser: RawParser,
    /// Elements that are open: 1 between stanzas.
    depth: usize,
    /// Bytes since the last stanza.
    bytes: usize,
    /// The element whose beginning is being read.
    head: Head,
    /// The namespaces of stream, stanza and child: prefix and name.
    declared: Vec<Vec<(Option<String>, String)>>,
    stanza: Stanza,
}

#[derive(Default)]
struct Head {
    prefix: Option<String>,
    name: String,
    attributes: Vec<(String, String)>,
}

/// What comes on a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The stream's beginning, with its id.
    Opened(Option<String>),
    Stanza(Stanza),
    /// The other side has said all it had to say.
    Closed,
}

/// An element directly within the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stanza {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) id: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) children: Vec<Child>,
}

/// An element directly within a stanza.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) node: Option<String>,
    pub(super) text: String,
}

/// The stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("not the XML of a stream: {0}")]
    Xml(rxml::Error),
    #[error("not an XMPP stream")]
    NoStream,
    #[error("a stanza of more than 1 MiB")]
    TooLong,
}

impl Incoming {
    pub(super) fn new() -> Self {
        // Attributes may be as long as the stanza: a stranger's must not end the stream.
        let options = Options { max_token_length: MAX_STANZA, context: None, comments: CommentMode::Discard };
        let mut parser = RawParser::with_options(options);
        // Blanks between stanzas are to be forgotten as they come.
        parser.set_text_buffering(false);
        Self {
            parser,
            depth: 0,
            bytes: 0,
            head: Head::default(),
            declared: Vec::new(),
            stanza: Stanza::default(),
        }
    }

    /// Takes bytes off the front, up to the end of the next item; `None` when it needs more.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Item>, Unreadable> {
        loop {
            let before = bytes.len();
            let event = self.parser.parse(bytes, false);
            self.bytes += before - bytes.len();
            if self.bytes > MAX_STANZA {
                return Err(Unreadable::TooLong);
            }
            let event = match event {
                Ok(Some(event)) => event,
                Ok(None) | Err(EndOrError::NeedMoreData) => return Ok(None),
                Err(EndOrError::Error(error)) => return Err(Unreadable::Xml(error)),
            };
            if let Some(item) = self.take(event)? {
                self.bytes = 0;
                return Ok(Some(item));
            }
        }
    }

    fn take(&mut self, event: RawEvent) -> Result<Option<Item>, Unreadable> {
        match event {
            RawEvent::XmlDeclaration(..) => {}
            RawEvent::ElementHeadOpen(_, name) => {
                self.depth += 1;
                if self.depth <= KEPT {
                    self.begin(name);
                }
            }
            RawEvent::Attribute(_, name, value) if self.depth <= KEPT => self.add_attribute(name, value),
            RawEvent::Attribute(..) => {}
            RawEvent::ElementHeadClose(_) if self.depth <= KEPT => return self.end_head(),
            RawEvent::ElementHeadClose(_) => {}
            RawEvent::Text(_, text) if self.depth == KEPT => self.stanza.add_text(&text),
            // Blanks between stanzas keep the connection alive.
            RawEvent::Text(..) if self.depth == 1 => self.bytes = 0,
            RawEvent::Text(..) => {}
            RawEvent::ElementFoot(_) => {
                self.depth = self.depth.saturating_sub(1);
                match self.depth {
                    0 => return Ok(Some(Item::Closed)),
                    1 => return Ok(Some(Item::Stanza(std::mem::take(&mut self.stanza)))),
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    fn begin(&mut self, (prefix, name): RawQName) {
        self.declared.truncate(self.depth.saturating_sub(1));
        self.declared.push(Vec::new());
        let prefix = prefix.map(|prefix| prefix.to_string());
        self.head = Head { prefix, name: name.to_string(), attributes: Vec::new() };
    }

    fn add_attribute(&mut self, (prefix, name): RawQName, value: String) {
        let (prefix, name) = (prefix.map(|prefix| prefix.to_string()), name.to_string());
        let declares = match (prefix.as_deref(), name.as_str()) {
            (None, "xmlns") => Some(None),
            (Some("xmlns"), _) => Some(Some(name.clone())),
            _ => None,
        };
        if let Some(declared) = declares {
            let here = self.declared.last_mut().filter(|here| here.len() < MAX_DECLARED);
            here.into_iter().for_each(|here| here.push((declared.clone(), value.clone())));
        } else if prefix.is_none() && ATTRIBUTES.contains(&name.as_str()) {
            let attributes = &mut self.head.attributes;
            if attributes.iter().all(|(known, _)| *known != name) {
                attributes.push((name, value));
            }
        }
    }

    /// All attributes of the element are there.
    fn end_head(&mut self) -> Result<Option<Item>, Unreadable> {
        let head = std::mem::take(&mut self.head);
        let mut declared = self.declared.iter().rev().flatten();
        let namespace = declared.find(|(prefix, _)| *prefix == head.prefix);
        let namespace = namespace.map_or_else(String::new, |(_, name)| name.clone());
        match self.depth {
            1 if namespace == STREAMS && head.name == "stream" => {
                return Ok(Some(Item::Opened(head.attribute("id"))));
            }
            1 => return Err(Unreadable::NoStream),
            2 => self.stanza = Stanza::begin(namespace, head),
            _ => self.stanza.add(namespace, head),
        }
        Ok(None)
    }
}

/// Elements are kept down to here: the stream, the stanza, and what is directly in it.
const KEPT: usize = 3;

impl Head {
    fn attribute(&self, name: &str) -> Option<String> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

impl Stanza {
    fn begin(namespace: String, head: Head) -> Self {
        Self {
            namespace,
            from: head.attribute("from"),
            to: head.attribute("to"),
            id: head.attribute("id"),
            kind: head.attribute("type"),
            name: head.name,
            children: Vec::new(),
        }
    }

    /// Past [`MAX_CHILDREN`], the last stands for all that follow, so that text which belongs to none of ours goes nowhere else.
    fn add(&mut self, namespace: String, head: Head) {
        self.children.truncate(MAX_CHILDREN);
        let node = head.attribute("node");
        self.children.push(Child { namespace, name: head.name, node, text: String::new() });
    }

    fn add_text(&mut self, text: &str) {
        if let Some(child) = self.children.last_mut() {
            child.text.push_str(text);
        }
    }

    /// The first element of this name in the namespace.
    pub(super) fn child(&self, namespace: &str, name: &str) -> Option<&Child> {
        self.children.iter().find(|child| child.namespace == namespace && child.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
                          xmlns:stream='http://etherx.jabber.org/streams' id='s1' from='prekey.example.org'>";

    /// Reads the text in pieces of this size.
    fn read(text: &str, size: usize) -> Result<Vec<Item>, Unreadable> {
        let (mut incoming, mut items) = (Incoming::new(), Vec::new());
        for mut piece in text.as_bytes().chunks(size) {
            while let Some(item) = incoming.next(&mut piece)? {
                items.push(item);
            }
        }
        Ok(items)
    }

    #[test]
    fn a_stream_is_read_in_pieces_of_any_size() {
        let text = format!(
            "{HEADER} <message from='bob@example.org/x' to='prekey.example.org' id='1' type='chat'>\
             <body>A&amp;B<i>no</i>C</body><x xmlns='other' node='n'/></message>\n<iq/></stream:stream>"
        );
        let whole = read(&text, text.len()).expect("a stream");
        let [Item::Opened(id), Item::Stanza(message), Item::Stanza(iq), Item::Closed] = whole.as_slice()
        else {
            panic!("{whole:?}");
        };
        assert_eq!(id.as_deref(), Some("s1"));
        assert_eq!(
            (message.name.as_str(), message.namespace.as_str()),
            ("message", "jabber:component:accept")
        );
        assert_eq!(message.from.as_deref(), Some("bob@example.org/x"));
        assert_eq!((message.id.as_deref(), message.kind.as_deref()), (Some("1"), Some("chat")));
        assert_eq!(message.child("jabber:component:accept", "body").map(|c| c.text.as_str()), Some("A&BC"));
        assert_eq!(message.child("other", "x").and_then(|c| c.node.as_deref()), Some("n"));
        assert_eq!((iq.name.as_str(), &iq.to), ("iq", &None));
        for size in [1, 2, 7] {
            assert_eq!(read(&text, size).as_ref(), Ok(&whole), "{size}");
        }
    }

    #[test]
    fn what_is_not_a_stream_of_ours_is_refused() {
        assert_eq!(read("<stream xmlns='other'>", 9), Err(Unreadable::NoStream));
        for text in ["<!DOCTYPE x>", "<?x?>", &format!("{HEADER}<a></b>"), &format!("{HEADER}<a>&b;</a>")] {
            assert!(matches!(read(text, 9), Err(Unreadable::Xml(_))), "{text}");
        }
    }

    #[test]
    fn no_stanza_is_kept_without_end() {
        let fits = "x".repeat(MAX_STANZA - 100);
        assert_eq!(read(&format!("{HEADER}<iq><a b='{fits}'/></iq>"), 4096).map(|items| items.len()), Ok(2));
        let long = "x".repeat(MAX_STANZA);
        let nested = "<a>".repeat(MAX_STANZA / 3 + 1);
        for text in [format!("<iq>{long}"), format!("<iq a='{long}"), format!("<{long}"), nested] {
            assert!(read(&format!("{HEADER}{text}"), 4096).is_err(), "{}", &text[..9]);
        }
        let blanks = format!("{HEADER}{}<iq/>", " ".repeat(2 * MAX_STANZA));
        assert_eq!(read(&blanks, 4096).map(|items| items.len()), Ok(2));
    }

    #[test]
    fn of_many_elements_the_first_are_kept() {
        let text = format!("{HEADER}<message>{}<body>late</body></message>", "<a>x</a>".repeat(1000));
        let items = read(&text, 4096).expect("a stream");
        let [_, Item::Stanza(message)] = items.as_slice() else { panic!("{items:?}") };
        assert_eq!(message.children.len(), MAX_CHILDREN + 1);
        assert!(message.children.iter().take(MAX_CHILDREN).all(|child| child.text == "x"));
    }

    #[test]
    fn namespaces_are_those_of_the_innermost_declaration() {
        let text = format!(
            "{HEADER}<message xmlns:p='urn:p'><p:a/><b xmlns='urn:b'/><p:c xmlns:p='urn:q'/><d/><q:e/></message>\
             <stream:error><p:a/></stream:error>"
        );
        let items = read(&text, 7).expect("a stream");
        let [_, Item::Stanza(message), Item::Stanza(error)] = items.as_slice() else { panic!("{items:?}") };
        let namespaces: Vec<_> = message.children.iter().map(|child| child.namespace.as_str()).collect();
        assert_eq!(namespaces, ["urn:p", "urn:b", "urn:q", "jabber:component:accept", ""]);
        assert_eq!((error.namespace.as_str(), error.children[0].namespace.as_str()), (STREAMS, ""));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[<>/a-c ='&;!?\\[\\]-]{0,60}|\\PC*", size in 1..9_usize) {
            let _ = read(&format!("{HEADER}{text}"), size);
            let _ = read(&text, size);
        }
    }
}
