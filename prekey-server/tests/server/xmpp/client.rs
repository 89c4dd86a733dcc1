//! A small XMPP client for the tests: it logs in, sends stanzas and waits for some.

use crate::client::rng;
use base64::{Engine, engine::general_purpose::STANDARD};
use otrv4::prekey_server::{FragmentAssembler, cut_text, decode_text, encode_text};
use otrv4::wire::InstanceTag;
use rand_core::Rng;
use rxml::{Event, Namespace, Parse, Parser};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub(crate) const SERVER: &str = "prekey.example.org";

/// A client that is logged in.
pub(crate) struct Client {
    socket: TcpStream,
    parser: Parser,
    unread: Vec<u8>,
    depth: usize,
    stanza: Vec<Element>,
}

/// An element of a stanza, the stanza itself first: name, text, and what the tests ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

impl Client {
    pub(crate) fn login(port: u16, user: &str, resource: &str) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("an XMPP server");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let mut client =
            Self { socket, parser: Parser::new(), unread: Vec::new(), depth: 0, stanza: Vec::new() };
        client.open();
        let secret = STANDARD.encode(format!("\0{user}\0password"));
        client.send(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
        ));
        assert_eq!(client.next()[0].name, "success");
        client.open();
        client.send(&format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{resource}</resource></bind></iq>"
        ));
        assert_eq!(client.next()[0].attribute("type"), "result");
        client
    }

    fn open(&mut self) {
        (self.parser, self.depth) = (Parser::new(), 0);
        self.send(
            "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'>",
        );
        assert_eq!(self.next()[0].name, "features");
    }

    pub(crate) fn send(&mut self, stanza: &str) {
        self.socket.write_all(stanza.as_bytes()).expect("a server that listens");
    }

    /// The next stanza, its elements in the order in which they begin.
    pub(crate) fn next(&mut self) -> Vec<Element> {
        loop {
            let mut unread = self.unread.as_slice();
            let event = self.parser.parse(&mut unread, false);
            self.unread = unread.to_vec();
            match event {
                Ok(Some(event)) => {
                    if let Some(stanza) = self.take(event) {
                        return stanza;
                    }
                }
                Ok(None) => panic!("the stream has ended"),
                Err(rxml::error::EndOrError::NeedMoreData) => {
                    let mut buffer = [0; 4096];
                    let read = self.socket.read(&mut buffer).expect("a stanza in time");
                    assert_ne!(read, 0, "the connection has ended");
                    self.unread.extend_from_slice(&buffer[..read]);
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    fn take(&mut self, event: Event) -> Option<Vec<Element>> {
        match event {
            Event::StartElement(_, (_, name), attributes) => {
                self.depth += 1;
                if self.depth > 1 {
                    let attributes = ["id", "type", "from", "jid", "node", "name", "var", "category"]
                        .into_iter()
                        .filter_map(|name| {
                            Some((name.into(), attributes.get(&Namespace::NONE, name)?.clone()))
                        });
                    let (name, attributes) = (name.to_string(), attributes.collect());
                    self.stanza.push(Element { name, attributes, text: String::new() });
                }
            }
            Event::Text(_, text) if self.depth > 1 => {
                self.stanza.last_mut().expect("an element").text.push_str(&text);
            }
            Event::EndElement(_) => {
                self.depth -= 1;
                if self.depth == 1 {
                    return Some(std::mem::take(&mut self.stanza));
                }
            }
            _ => {}
        }
        None
    }

    /// Asks for disco#info or disco#items of somebody; gives the answer.
    pub(crate) fn discover(&mut self, whom: &str, what: &str) -> Vec<Element> {
        self.send(&format!(
            "<iq type='get' id='disco' to='{whom}'><query xmlns='http://jabber.org/protocol/{what}'/></iq>"
        ));
        let answer = self.next();
        assert_eq!((answer[0].attribute("id"), answer[0].attribute("from")), ("disco", whom));
        answer
    }

    /// Sends a text to the prekey server.
    pub(crate) fn say(&mut self, text: &str) {
        self.send(&format!("<message to='{SERVER}' id='m1'><body>{text}</body></message>"));
    }

    /// What the prekey server says to a text: a body, or the condition of an error.
    pub(crate) fn ask(&mut self, text: &str) -> Result<String, String> {
        self.say(text);
        self.answer()
    }

    fn answer(&mut self) -> Result<String, String> {
        let stanza = self.next();
        assert_eq!((stanza[0].name.as_str(), stanza[0].attribute("from")), ("message", SERVER));
        if stanza[0].attribute("type") == "error" {
            let error = stanza.iter().position(|element| element.name == "error").expect("an error");
            return Err(stanza[error + 1].name.clone());
        }
        Ok(stanza.iter().find(|element| element.name == "body").expect("a body").text.clone())
    }

    /// Sends a message of the protocol, cut into lines of this length, and puts the answer together; gives it and in
    /// how many pieces it came.
    pub(crate) fn exchange(&mut self, tag: InstanceTag, message: &[u8], line: usize) -> (Vec<u8>, usize) {
        let lines = cut_text(&encode_text(message), line, rng().next_u32(), Some(tag), None);
        for line in lines.expect("lines") {
            self.say(&line);
        }
        let mut assembler = FragmentAssembler::new(Some(tag));
        for pieces in 1.. {
            let text = self.answer().expect("an answer");
            assert!(text.len() < 10_000, "no stanza of more than 10,000 bytes");
            let whole = match text.starts_with("?OTRP|") {
                true => assembler.add(&text, prekey_server::now()).expect("a fragment"),
                false => Some(text),
            };
            if let Some(whole) = whole {
                return (decode_text(&whole).expect("a message"), pieces);
            }
        }
        unreachable!("it goes on until there is an answer")
    }
}
