//! What an operator chooses, and can change while the server runs.

use crate::limits::Limits;
use crate::upkeep::RetentionDays;
use axum::http::HeaderName;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The rules by which requests are served.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who may make an account over the network.
    pub registration: Registration,
    /// With [`Registration::Header`]: the header in which a trusted proxy names the person whom it has authenticated,
    /// such as `x-remote-user`.
    pub trusted_header: Option<String>,
    /// Addresses and networks of the proxies that are believed when they say who asks: in `X-Forwarded-For`, and in the
    /// header of [`Settings::trusted_header`]. Whoever can connect from there can say what he likes. At first this
    /// machine alone.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// XMPP domains whose people count one by one, and may publish whatever `registration` says. At first the domain that
    /// our own name is below: `example.org` for `prekey.example.org`. Each other domain counts as one.
    pub xmpp_domains: Vec<String>,
    /// How much is served to whom.
    pub limits: Limits,
    /// How long a device is kept after its client profile has expired.
    pub retention_days: RetentionDays,
}

/// Who may make an account over the network. In every case the operator can add accounts by command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Whoever asks: a name goes to the first who wants it.
    #[default]
    Open,
    /// Nobody.
    Closed,
    /// Whoever a trusted proxy names in a header is that identity; its account is made with its first message. Tokens
    /// count for nothing then.
    Header,
}

/// Settings that no server can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct IllegalSettings {
    /// What is to be changed, as it is called in a file.
    pub field: &'static str,
    why: &'static str,
}

impl IllegalSettings {
    pub(crate) const fn new(field: &'static str, why: &'static str) -> Self {
        Self { field, why }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            registration: Registration::default(),
            trusted_header: None,
            trusted_proxies: vec![
                IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
                IpAddr::V6(Ipv6Addr::LOCALHOST).into(),
            ],
            xmpp_domains: Vec::new(),
            limits: Limits::default(),
            retention_days: RetentionDays::default(),
        }
    }
}

impl Settings {
    /// Whether the people of this XMPP domain are ours. `server` is our own name.
    pub(crate) fn is_own_domain(&self, domain: &str, server: &str) -> bool {
        match self.xmpp_domains.as_slice() {
            [] => server.split_once('.').is_some_and(|(_, above)| above == domain),
            own => own.iter().any(|own| own == domain),
        }
    }

    /// Whether a server can follow them.
    pub fn check(&self) -> Result<(), IllegalSettings> {
        let header = self.trusted_header.as_deref();
        if header.is_some_and(|name| HeaderName::try_from(name).is_err()) {
            return Err(IllegalSettings::new("trusted_header", "this cannot be the name of a header"));
        }
        if header.is_some_and(|name| OTHERS.iter().any(|other| name.eq_ignore_ascii_case(other))) {
            return Err(IllegalSettings::new(
                "trusted_header",
                "clients set this header themselves, or every proxy does; take one that means nothing else, such as \
                 x-remote-user",
            ));
        }
        if self.registration == Registration::Header && header.is_none() {
            return Err(IllegalSettings::new(
                "trusted_header",
                "registration = \"header\" needs the name of the header, such as x-remote-user",
            ));
        }
        if self.registration == Registration::Header && self.trusted_proxies.is_empty() {
            return Err(IllegalSettings::new(
                "trusted_proxies",
                "registration = \"header\" needs the addresses of the proxies that are believed",
            ));
        }
        if self.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
            return Err(IllegalSettings::new(
                "trusted_proxies",
                "a network of all addresses trusts everybody",
            ));
        }
        self.limits.check()
    }
}

/// Headers that say something else.
const OTHERS: [&str; 21] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "origin",
    "proxy-authorization",
    "referer",
    "sec-fetch-site",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// `192.0.2.7` and `192.0.2.0/24` alike.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| {
            let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network
                .map_err(|_| D::Error::custom(format_args!("{text:?} is no address and no network (CIDR)")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Bucket;
    use std::time::Duration;

    fn read(text: &str) -> Result<Settings, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn what_is_not_said_stays_as_it_is_and_what_nobody_knows_is_refused() {
        assert_eq!(read(""), Ok(Settings::default()));
        let text = "registration = 'header'\ntrusted_header = 'X-Remote-User'\n\
                    trusted_proxies = ['192.0.2.7', '2001:db8::/32']\n[limits]\nreserve = 3\n\
                    queries_per_target = { burst = 2, per = 0.5 }\nqueries_per_source = { burst = 0 }\n";
        let settings = read(text).expect("settings");
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(settings.registration, Registration::Header);
        let networks = ["192.0.2.7/32", "2001:db8::/32"].map(|text| text.parse().expect("a network"));
        assert_eq!(settings.trusted_proxies, networks);
        let limits = Limits {
            reserve: 3,
            queries_per_target: Bucket { burst: 2, per: Duration::from_millis(500) },
            queries_per_source: Bucket::OFF,
            ..Limits::default()
        };
        assert_eq!(settings.limits, limits);
        for wrong in [
            "registration = 'no'",
            "limit = 1",
            "trusted_proxies = ['x']",
            "[limits]\nqueries = 1",
            "[limits]\nqueries_per_target = { burst = 1, per = -1 }",
            "[limits]\nqueries_per_target = { burst = 1, per = 1, every = 1 }",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_that_no_server_can_follow_are_refused_by_their_name() {
        assert_eq!(Settings::default().check(), Ok(()));
        for (text, field) in [
            ("registration = 'header'", "trusted_header"),
            ("registration = 'header'\ntrusted_header = 'x-user'\ntrusted_proxies = []", "trusted_proxies"),
            ("trusted_header = 'x user'", "trusted_header"),
            ("trusted_header = 'Authorization'", "trusted_header"),
            ("trusted_header = 'cookie'", "trusted_header"),
            ("trusted_header = 'Forwarded'", "trusted_header"),
            ("trusted_header = 'X-Forwarded-For'", "trusted_header"),
            ("trusted_header = 'X-Real-IP'", "trusted_header"),
            ("trusted_proxies = ['::/0']", "trusted_proxies"),
            ("[limits]\nrequests_per_source = { burst = 1 }", "limits.requests_per_source"),
            ("[limits]\nmessages_per_account = { burst = 1, per = 9e9 }", "limits.messages_per_account"),
            ("[limits]\nqueries_per_pair = { burst = 4000000, per = 1 }", "limits.queries_per_pair"),
            ("[limits]\nreserve = 5000", "limits.reserve"),
        ] {
            let refused = read(text).expect("settings").check().expect_err(text);
            assert_eq!(refused.field, field, "{text}");
            assert!(refused.to_string().starts_with(field), "{refused}");
        }
    }
}
