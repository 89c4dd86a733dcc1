//! What a stanza means: discovery, a message of the protocol, or nothing that is served. No network and no database in here.
//! Spec: otrv4-prekey-server.md "A Prekey Server for OTRv4 over XMPP", XEP-0030.

use super::fragments::{self, Fragments};
use super::stanzas::{self, COMPONENT, Condition, DISCO_INFO, DISCO_ITEMS};
use super::stream::Stanza;
use crate::account::Identity;
use otrv4::Timestamp;
use otrv4::prekey_server::ServerIdentity;

/// The server as others on the network see it.
#[derive(Debug)]
pub(super) struct Component {
    domain: String,
    /// 112 hex digits.
    fingerprint: String,
    fragments: Fragments,
}

/// What is to be done about a stanza.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    Nothing,
    Send(String),
    /// Let the service answer this text.
    Ask(Box<Ask>),
}

/// A whole message of a publisher or retriever.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// The bare JID, for which the XMPP server vouches.
    pub(super) sender: Identity,
    pub(super) text: String,
    /// What came, without what was in it; answers go back to its sender.
    pub(super) request: Stanza,
}

impl Component {
    /// Its domain is the name that enters the handshake: the text wants the server's bare JID there.
    pub(super) fn new(identity: &ServerIdentity) -> Self {
        Self {
            domain: identity.name().to_owned(),
            fingerprint: hex::encode_upper(identity.fingerprint().as_bytes()),
            fragments: Fragments::default(),
        }
    }

    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    /// Errors, results and presence are never answered, nor is anything from ourselves: so no two services can keep each
    /// other busy.
    pub(super) fn receive(&mut self, stanza: Stanza, now: Timestamp) -> Reaction {
        let from = stanza.from.as_deref().filter(|from| bare(from) != self.domain);
        if from.is_none() || stanza.to.is_none() {
            return Reaction::Nothing;
        }
        match (stanza.name.as_str(), stanza.kind.as_deref()) {
            ("iq", Some("get" | "set")) => self.question(&stanza),
            ("message", Some("error" | "groupchat" | "headline")) => Reaction::Nothing,
            ("message", _) => self.message(stanza, now),
            _ => Reaction::Nothing,
        }
    }

    fn question(&self, stanza: &Stanza) -> Reaction {
        let is_for_us = stanza.to.as_deref() == Some(&self.domain);
        let query = |namespace| {
            let query = stanza.child(namespace, "query");
            query.filter(|_| is_for_us && stanza.kind.as_deref() == Some("get"))
        };
        Reaction::Send(match (query(DISCO_INFO), query(DISCO_ITEMS)) {
            (Some(query), _) | (_, Some(query)) if query.node.is_some() => {
                stanzas::error(stanza, Condition::ItemNotFound)
            }
            (Some(_), _) => stanzas::info(&self.domain, stanza),
            (_, Some(_)) => stanzas::items(&self.domain, &self.fingerprint, stanza),
            (None, None) => stanzas::error(stanza, Condition::ServiceUnavailable),
        })
    }

    fn message(&mut self, mut stanza: Stanza, now: Timestamp) -> Reaction {
        let Some(text) = stanza.child(COMPONENT, "body").map(|body| body.text.trim_ascii().to_owned()) else {
            return Reaction::Nothing;
        };
        stanza.children = Vec::new();
        // An address without a local part is a server or another service, no person.
        let Some(sender) = stanza.from.as_deref().map(bare).filter(|sender| sender.contains('@')) else {
            return Reaction::Nothing;
        };
        if stanza.to.as_deref() != Some(&self.domain) {
            return Reaction::Send(stanzas::error(&stanza, Condition::ServiceUnavailable));
        }
        let Ok(sender) = Identity::new(sender) else {
            return Reaction::Send(stanzas::error(&stanza, Condition::NotAcceptable));
        };
        if !text.starts_with(fragments::PREFIX) {
            return Reaction::Ask(Box::new(Ask { sender, text, request: stanza }));
        }
        match self.fragments.add(&sender, &text, now) {
            Ok(Some(text)) => Reaction::Ask(Box::new(Ask { sender, text, request: stanza })),
            Ok(None) => Reaction::Nothing,
            Err(reason) => {
                tracing::debug!(%reason, "fragment discarded");
                Reaction::Nothing
            }
        }
    }
}

/// The address without its resource, which begins at the first slash (RFC 7622).
fn bare(address: &str) -> &str {
    address.split_once('/').map_or(address, |(bare, _)| bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::rng;
    use crate::xmpp::stream::Child;

    const SERVER: &str = "prekey.example.org";
    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn component() -> Component {
        Component::new(&ServerIdentity::generate(SERVER, &mut rng()))
    }

    fn stanza(name: &str, kind: Option<&str>, child: Child) -> Stanza {
        Stanza {
            namespace: COMPONENT.into(),
            name: name.into(),
            from: Some("bob@example.org/a/b@c".into()),
            to: Some(SERVER.into()),
            id: Some("1".into()),
            kind: kind.map(Into::into),
            children: vec![child],
        }
    }

    fn query(namespace: &str, node: Option<&str>) -> Stanza {
        let child = Child {
            namespace: namespace.into(),
            name: "query".into(),
            node: node.map(Into::into),
            ..Child::default()
        };
        stanza("iq", Some("get"), child)
    }

    fn message(text: &str) -> Stanza {
        let body =
            Child { namespace: COMPONENT.into(), name: "body".into(), text: text.into(), ..Child::default() };
        stanza("message", Some("chat"), body)
    }

    fn sent(stanza: Stanza) -> String {
        match component().receive(stanza, NOW) {
            Reaction::Send(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_says_what_it_is_and_what_its_fingerprint_is() {
        let info = sent(query(DISCO_INFO, None));
        assert_eq!(
            info,
            "<iq type='result' from='prekey.example.org' to='bob@example.org/a/b@c' id='1'>\
             <query xmlns='http://jabber.org/protocol/disco#info'>\
             <identity category='auth' type='otr-prekey' name='OTR Prekey Server'/>\
             <feature var='http://jabber.org/protocol/disco#info'/>\
             <feature var='http://jabber.org/protocol/disco#items'/>\
             <feature var='http://jabber.org/protocol/otrv4-prekey-server'/></query></iq>"
        );
        let identity = ServerIdentity::generate(SERVER, &mut rng());
        let mut component = Component::new(&identity);
        let Reaction::Send(items) = component.receive(query(DISCO_ITEMS, None), NOW) else {
            panic!("an answer expected");
        };
        let (_, name) = items
            .split_once("<item jid='prekey.example.org' node='fingerprint' name='")
            .expect("the one item");
        let (name, _) = name.split_once("'/>").expect("its end");
        assert_eq!((name.len(), name.parse()), (112, Ok(identity.fingerprint())));
        assert_eq!(name, name.to_uppercase());
    }

    #[test]
    fn what_is_not_served_gets_the_usual_errors() {
        let mut elsewhere = query(DISCO_INFO, None);
        elsewhere.to = Some("somebody@prekey.example.org".into());
        let mut set = query(DISCO_ITEMS, None);
        set.kind = Some("set".into());
        for (stanza, condition) in [
            (query(DISCO_INFO, Some("fingerprint")), "item-not-found"),
            (query(DISCO_ITEMS, Some("x")), "item-not-found"),
            (query("jabber:iq:version", None), "service-unavailable"),
            (elsewhere, "service-unavailable"),
            (set, "service-unavailable"),
        ] {
            let error = sent(stanza);
            assert!(error.starts_with("<iq type='error'") && error.contains(condition), "{error}");
        }
        let mut elsewhere = message("AAQ.");
        elsewhere.to = Some("somebody@prekey.example.org".into());
        let error = sent(elsewhere);
        assert!(
            error.contains(" from='somebody@prekey.example.org'") && error.contains("service-unavailable")
        );
        let mut stranger = message("AAQ.");
        stranger.from = Some(format!("{}@example.org", "x".repeat(1000)));
        assert!(sent(stranger).contains("not-acceptable"));
    }

    #[test]
    fn nothing_is_said_to_errors_results_rooms_services_or_ourselves() {
        let mut quiet = vec![
            stanza("presence", Some("subscribe"), Child::default()),
            stanza("message", None, Child::default()),
            stanza("iq", Some("result"), Child::default()),
            stanza("iq", Some("error"), Child::default()),
            stanza("iq", None, Child::default()),
        ];
        for kind in ["error", "groupchat", "headline"] {
            quiet.push(Stanza { kind: Some(kind.into()), ..message("AAQ.") });
        }
        for from in [None, Some("other.example.org"), Some("other.example.org/x@y"), Some(SERVER)] {
            quiet.push(Stanza { from: from.map(Into::into), ..message("AAQ.") });
        }
        quiet.push(Stanza { from: Some(SERVER.into()), ..query(DISCO_INFO, None) });
        quiet.push(Stanza { to: None, ..message("AAQ.") });
        for stanza in quiet {
            assert_eq!(component().receive(stanza.clone(), NOW), Reaction::Nothing, "{stanza:?}");
        }
    }

    #[test]
    fn a_message_is_asked_about_in_the_name_of_the_bare_address_whole_or_in_fragments() {
        let mut component = component();
        let mut asked = |text: &str| match component.receive(message(text), NOW) {
            Reaction::Ask(ask) => Some((ask.sender.as_str().to_owned(), ask.text)),
            Reaction::Nothing => None,
            Reaction::Send(text) => panic!("{text}"),
        };
        let bob = |text: &str| Some(("bob@example.org".to_owned(), text.to_owned()));
        assert_eq!(asked(" AAQ1.\n"), bob("AAQ1."));
        assert_eq!(asked("?OTRP|1|100|0,1,2,AAQ,"), None);
        assert_eq!(asked("?OTRP|1|100|0,3,2,AAQ,"), None);
        assert_eq!(asked("?OTRP|1|100|0,2,2,3.,"), bob("AAQ3."));
    }
}
