//! Whom a request comes from: the address that counts, and the identity that a trusted proxy vouches for.

use crate::account::Identity;
use crate::settings::{Registration, Settings};
use axum::http::header::GetAll;
use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

/// The address at the other end of a connection, as an extension of each of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From this address.
    Address(IpAddr),
    /// Over XMPP, from somebody whose server answers for how many people it has.
    Member(Identity),
    /// Over XMPP, from another domain: whoever runs it can have as many people there as he likes.
    Domain(String),
    /// Through a gateway that does not say from where. All such requests are one source.
    Oblivious,
}

impl Source {
    /// What the limits count: an IPv4 address, or the network that a customer gets in IPv6 (a /64).
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Address(IpAddr::V4(address)) => address.octets().to_vec(),
            Self::Address(IpAddr::V6(address)) => address.octets().into_iter().take(8).collect(),
            Self::Member(identity) => identity.as_str().as_bytes().to_vec(),
            Self::Domain(domain) => [b"@", domain.as_bytes()].concat(),
            Self::Oblivious => Vec::new(),
        }
    }
}

/// Whom a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) source: Source,
    /// Whom a trusted proxy has authenticated, where the settings say that it does, or the XMPP server.
    pub(crate) vouched: Option<Identity>,
}

impl Caller {
    /// Somebody whose XMPP server says who he is. `server` is our own name there.
    pub(crate) fn over_xmpp(sender: Identity, server: &str, settings: &Settings) -> Self {
        let domain = sender.as_str().rsplit_once('@').map_or(sender.as_str(), |(_, domain)| domain);
        let source = match settings.is_own_domain(domain, server) {
            true => Source::Member(sender.clone()),
            false => Source::Domain(domain.to_owned()),
        };
        Self { source, vouched: Some(sender) }
    }

    /// Headers are believed only if the peer is a trusted proxy.
    pub(crate) fn new(Peer(peer): Peer, headers: &HeaderMap, settings: &Settings) -> Self {
        let peer = peer.to_canonical();
        let trusted = |address: IpAddr| is_trusted(&settings.trusted_proxies, address);
        let forwarded = headers.get_all("x-forwarded-for");
        if !trusted(peer) {
            if forwarded.iter().next().is_some() {
                STRANGER.call_once(|| {
                    tracing::warn!(
                        "a request with X-Forwarded-For came from an address that trusted_proxies does not name: \
                         if that is your proxy, all its clients count as one source"
                    );
                });
            }
            return Self { source: Source::Address(peer), vouched: None };
        }
        let vouched = match (settings.registration, &settings.trusted_header) {
            (Registration::Header, Some(name)) => vouched(headers, name),
            _ => None,
        };
        Self { source: Source::Address(behind(peer, forwarded, trusted)), vouched }
    }
}

/// A public server may get such requests from anybody; once is enough.
static STRANGER: Once = Once::new();

fn is_trusted(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The last address of the chain that is no trusted proxy. Each proxy appends whom it was asked by, so that everything before
/// that entry is only what a stranger says. An entry that is no address ends the chain at the proxy that wrote it.
fn behind(peer: IpAddr, forwarded: GetAll<'_, HeaderValue>, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut last = peer;
    for value in forwarded.iter().rev() {
        for entry in value.as_bytes().rsplit(|&byte| byte == b',') {
            let Some(address) = std::str::from_utf8(entry).ok().and_then(|entry| address(entry.trim()))
            else {
                return last;
            };
            last = address;
            if !trusted(last) {
                return last;
            }
        }
    }
    last
}

/// With or without a port, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// Named exactly once, and legally. A comma may join what were two headers before.
fn vouched(headers: &HeaderMap, name: &str) -> Option<Identity> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| !text.contains(','))?;
    Identity::new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn settings() -> Settings {
        Settings {
            registration: Registration::Header,
            trusted_header: Some("X-Remote-User".into()),
            trusted_proxies: ["10.0.0.0/8", "2001:db8::1/128"]
                .map(|text| text.parse().expect("legal"))
                .into(),
            ..Settings::default()
        }
    }

    fn caller(peer: &str, headers: &[(&str, &[u8])]) -> Caller {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::try_from(*name).expect("legal");
                (name, HeaderValue::from_bytes(value).expect("legal"))
            })
            .collect();
        Caller::new(Peer(peer.parse().expect("an address")), &headers, &settings())
    }

    fn source(peer: &str, forwarded: &[&str]) -> String {
        let headers: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", value.as_bytes())).collect();
        match caller(peer, &headers).source {
            Source::Address(address) => address.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_trusted_proxy_says_from_where_a_request_comes_and_nobody_else_does() {
        assert_eq!(source("192.0.2.1", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(source("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(source("10.0.0.1", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(source("::ffff:10.0.0.1", &["::ffff:198.51.100.9"]), "198.51.100.9");
        assert_eq!(source("2001:db8::1", &["2001:db8::2"]), "2001:db8::2");
    }

    #[test]
    fn what_the_client_itself_has_put_into_the_chain_counts_for_nothing() {
        assert_eq!(source("10.0.0.1", &["203.0.113.1, 198.51.100.9"]), "198.51.100.9");
        assert_eq!(source("10.0.0.1", &["203.0.113.1", "198.51.100.9 , 10.0.0.2,10.0.0.3"]), "198.51.100.9");
        assert_eq!(source("10.0.0.1", &["203.0.113.1, nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(source("10.0.0.1", &["203.0.113.1,"]), "10.0.0.1");
        assert_eq!(source("10.0.0.1", &["10.0.0.4, 10.0.0.2"]), "10.0.0.4");
    }

    #[test]
    fn ports_in_the_chain_are_no_part_of_the_address() {
        assert_eq!(source("10.0.0.1", &["198.51.100.9:443"]), "198.51.100.9");
        assert_eq!(source("10.0.0.1", &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(source("10.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn one_network_of_ipv6_is_one_source() {
        let bytes = |text: &str| Source::Address(text.parse().expect("an address")).to_bytes();
        assert_eq!(bytes("2001:db8:1:2::1"), bytes("2001:db8:1:2:ffff::9"));
        assert_ne!(bytes("2001:db8:1:2::1"), bytes("2001:db8:1:3::1"));
        assert_ne!(bytes("192.0.2.1"), bytes("192.0.2.2"));
    }

    #[test]
    fn an_identity_is_vouched_for_by_a_trusted_proxy_once_and_legally() {
        let user = |value: &'static [u8]| ("x-remote-user", value);
        let vouched = |peer, headers: &[(&str, &[u8])]| caller(peer, headers).vouched;
        let bob = Identity::new("bob@example.org").expect("legal");
        assert_eq!(vouched("10.0.0.1", &[user(b"bob@example.org")]), Some(bob));
        assert!(vouched("10.0.0.1", &[user("žofie".as_bytes())]).is_some());
        assert_eq!(vouched("192.0.2.1", &[user(b"bob@example.org")]), None);
        assert_eq!(vouched("10.0.0.1", &[]), None);
        assert_eq!(vouched("10.0.0.1", &[user(b"bob"), user(b"bob")]), None);
        for illegal in [&b""[..], b"Bob", b"bob,eve", b"b b", b"\xff"] {
            assert_eq!(vouched("10.0.0.1", &[("x-remote-user", illegal)]), None, "{illegal:?}");
        }
    }
}
