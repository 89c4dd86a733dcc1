//! The files of libotr, in which Pidgin, irssi, Profanity and others keep the keys of versions 2 and 3: for who moves in
//! from there, or back. Bytes in and out; where the files lie, and what is taken from them, the application decides.
//!
//! | file | holds | Pidgin | irssi | Profanity |
//! |---|---|---|---|---|
//! | private keys | our key in each account, unencrypted | `otr.private_key` | `otr.key` | `keys.txt` |
//! | fingerprints | whom we know in which account, and what was verified | `otr.fingerprints` | `otr.fp` | `fingerprints.txt` |
//! | instance tags | of this client in each account | `otr.instance_tags` | `otr.instag` | none |
//!
//! Reading is total, and stricter than libotr, which skips or misreads what it does not understand: a file that is
//! damaged is refused with the line and without a word of what is in it. spec-notes/SN-044

mod expression;
mod lines;
mod printing;
mod private_keys;

use core::fmt;

use crate::wire::WireError;
pub use lines::{
    KnownFingerprint, read_fingerprints, read_instance_tags, write_fingerprints, write_instance_tags,
};
pub use private_keys::{read_private_keys, write_private_keys};

/// An account as the application calls it that has written a file, and its protocol: `alice@example.org/` and
/// `prpl-jabber` in Pidgin, `alice@example.org` and `xmpp` in Profanity, the name of a network and `IRC` in irssi.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountName {
    name: String,
    protocol: String,
}

impl AccountName {
    /// None if one of them cannot stand in the files: it is empty, of more than [`MAX_FIELD`] bytes, or has a control
    /// character in it.
    pub fn new(name: &str, protocol: &str) -> Option<Self> {
        let fit = [name, protocol].iter().all(|field| !field.is_empty() && fits(field));
        fit.then(|| Self { name: name.into(), protocol: protocol.into() })
    }

    /// The account's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The application's name of the protocol.
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Whether the account is the one that a messenger calls so. Pidgin's names of XMPP accounts end with a resource,
    /// which may be empty.
    pub fn is(&self, id: &str) -> bool {
        self.name == id || (self.protocol == PIDGIN_XMPP && without_resource(&self.name) == id)
    }
}

/// Name and protocol.
impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.protocol)
    }
}

/// Why a file was refused, and where. Nothing of the file is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct FileError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file ends too early.
    #[error("the file ends in the middle of {0}")]
    CutShort(&'static str),
    /// Something else stands there.
    #[error("{0} is expected here")]
    Expected(&'static str),
    /// The list that begins here lacks a part.
    #[error("{0} is missing in what begins here")]
    Missing(&'static str),
    /// What must be unique is not.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// It is there, but nothing that can be used.
    #[error("{0} is not allowed")]
    Illegal(&'static str),
    /// It is larger than anything that libotr writes.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// More lists in lists than libotr writes.
    #[error("there are too many parentheses in one another")]
    TooDeep,
    /// The numbers are no key: they do not belong together.
    #[error("the numbers of the private key do not belong together: {0}")]
    Key(WireError),
    /// There is more than the keys.
    #[error("something follows the end of the keys")]
    Trailing,
}

/// The longest name or word in the files, in bytes: four of them and the digits of a fingerprint make a line of which
/// libotr, that reads 999 bytes, reads all.
pub const MAX_FIELD: usize = 238;

/// The largest file that is read, in bytes: room for a thousand accounts, or some ten thousand fingerprints.
pub const MAX_FILE: usize = 1 << 20;

/// Pidgin's name of the protocol of XMPP.
const PIDGIN_XMPP: &str = "prpl-jabber";

fn without_resource(jid: &str) -> &str {
    jid.split_once('/').map_or(jid, |(bare, _)| bare)
}

/// Whether it can stand between two tabs.
fn fits(field: &str) -> bool {
    field.len() <= MAX_FIELD && !field.contains(char::is_control)
}

/// In which line a byte of the file is.
fn line_of(file: &[u8], at: usize) -> usize {
    1 + file.iter().take(at).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_break_a_line_of_the_files_is_none() {
        assert!(AccountName::new("alice@example.org", "prpl-jabber").is_some());
        assert!(AccountName::new(&"é".repeat(119), "IRC").is_some());
        for (name, protocol) in [
            ("", "IRC"),
            ("lab", ""),
            ("a\tb", "IRC"),
            ("lab", "I\nC"),
            ("a\0", "IRC"),
            (&"a".repeat(239), "IRC"),
        ] {
            assert_eq!(AccountName::new(name, protocol), None, "{name:?} {protocol:?}");
        }
    }

    #[test]
    fn an_account_of_pidgin_is_known_without_its_resource() {
        let is = |name, protocol, id| AccountName::new(name, protocol).expect("a name").is(id);
        for name in ["alice@example.org", "alice@example.org/", "alice@example.org/Home/2"] {
            assert!(is(name, "prpl-jabber", "alice@example.org"), "{name}");
            assert!(is(name, "prpl-jabber", name));
        }
        assert!(!is("alice@example.org/", "xmpp", "alice@example.org"));
        assert!(!is("alice@example.org.example.com/", "prpl-jabber", "alice@example.org"));
        assert!(!is("alice@example.org", "prpl-jabber", "alice@example.org/"));
    }

    #[test]
    fn a_line_is_counted_from_the_first_byte_on() {
        let lines: Vec<usize> = (0..6).map(|at| line_of(b"a\n\nb\n", at)).collect();
        assert_eq!(lines, [1, 1, 2, 3, 3, 4]);
    }
}
