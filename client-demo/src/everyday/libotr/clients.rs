//! The clients that keep keys by libotr, and how each calls its files, protocols and degrees of trust.

use clap::ValueEnum;
use otrv4::Verification;

/// A client by libotr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LibotrClient {
    /// otr.private_key, otr.fingerprints, otr.instance_tags
    Pidgin,
    /// otr.key, otr.fp, otr.instag
    Irssi,
    /// keys.txt, fingerprints.txt
    Profanity,
}

/// The names of the files; not every client keeps instance tags.
pub(super) struct Names {
    pub(super) keys: &'static str,
    pub(super) fingerprints: &'static str,
    pub(super) tags: Option<&'static str>,
}

impl LibotrClient {
    pub(super) const ALL: [Self; 3] = [Self::Pidgin, Self::Irssi, Self::Profanity];

    /// As people call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pidgin => "Pidgin",
            Self::Irssi => "irssi",
            Self::Profanity => "Profanity",
        }
    }

    pub(super) const fn files(self) -> Names {
        match self {
            Self::Pidgin => Names {
                keys: "otr.private_key",
                fingerprints: "otr.fingerprints",
                tags: Some("otr.instance_tags"),
            },
            Self::Irssi => Names { keys: "otr.key", fingerprints: "otr.fp", tags: Some("otr.instag") },
            Self::Profanity => Names { keys: "keys.txt", fingerprints: "fingerprints.txt", tags: None },
        }
    }

    /// Where it looks for them.
    pub(super) const fn home(self) -> &'static str {
        match self {
            Self::Pidgin => "~/.purple",
            Self::Irssi => "~/.irssi/otr",
            Self::Profanity => "~/.local/share/profanity/otr/USER_at_HOST",
        }
    }

    /// What it calls the protocol that most of its users speak.
    pub(super) const fn protocol(self) -> &'static str {
        match self {
            Self::Pidgin => "prpl-jabber",
            Self::Irssi => "IRC",
            Self::Profanity => "xmpp",
        }
    }

    /// What it calls an account. Pidgin puts a resource behind an XMPP address, which is empty unless somebody has set
    /// one.
    pub(super) fn account(self, id: &str, protocol: &str) -> String {
        match (self, protocol) {
            (Self::Pidgin, "prpl-jabber") if !id.contains('/') => format!("{id}/"),
            _ => id.to_owned(),
        }
    }

    /// What it calls a key that is verified so. Profanity believes in one word only.
    pub(super) const fn trust(self, verification: Verification) -> &'static str {
        match (verification, self) {
            (Verification::None | Verification::TheirSmp, _) => "",
            (_, Self::Profanity) => "trusted",
            (Verification::Smp, _) => "smp",
            (Verification::ByHand, Self::Pidgin) => "verified",
            (Verification::ByHand, Self::Irssi) => "manual",
        }
    }
}

/// Where the files of each lie, a line each.
pub(super) fn homes() -> String {
    let home = |client: &LibotrClient| format!("  {:<42} for {}", client.home(), client.name());
    LibotrClient::ALL.iter().map(home).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_our_user_has_verified_is_trusted_elsewhere() {
        for client in LibotrClient::ALL {
            assert_eq!(client.trust(Verification::None), "");
            assert_eq!(client.trust(Verification::TheirSmp), "");
            assert_ne!(client.trust(Verification::Smp), "");
            assert_ne!(client.trust(Verification::ByHand), "");
        }
    }

    #[test]
    fn pidgin_puts_a_resource_behind_an_xmpp_address_and_nowhere_else() {
        let pidgin = LibotrClient::Pidgin;
        assert_eq!(pidgin.account("alice@example.org", "prpl-jabber"), "alice@example.org/");
        assert_eq!(pidgin.account("alice@example.org/Home", "prpl-jabber"), "alice@example.org/Home");
        assert_eq!(pidgin.account("alice", "prpl-irc"), "alice");
        assert_eq!(LibotrClient::Profanity.account("alice@example.org", "xmpp"), "alice@example.org");
    }
}
