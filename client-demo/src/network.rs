//! A folder that stands in for the messenger: one maildir an account, one file a line on the wire. Whoever can write
//! to it can do what a network can: read, drop, repeat, delay and forge. Used by the everyday commands.
//!
//! ```text
//! NETWORK/bob@example.org/tmp   being written
//!                         new   delivered, in the order of their names
//!                         cur   taken, not settled: seen again if the client dies before it has kept what they changed
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rand_core::Rng;

use crate::system;

/// The network as one folder.
pub(crate) struct Network {
    folder: PathBuf,
}

/// One line on the wire, taken from an account's maildir.
pub(crate) struct Letter {
    file: PathBuf,
    /// Who it says it is from: nobody has checked it. Empty if the file is no letter of ours.
    pub(crate) from: String,
    /// The line, which may hold line breaks.
    pub(crate) line: String,
}

/// The folder did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
#[error("the network folder: cannot {what} {}: {cause}", path.display())]
pub(crate) struct NetworkError {
    what: &'static str,
    path: PathBuf,
    cause: io::Error,
}

impl Network {
    /// The network in this folder; maildirs are made when first used.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Puts a line into `to`'s maildir: on disk before it is visible, and visible whole or not at all.
    pub(crate) fn deliver(&self, from: &str, to: &str, line: &str) -> Result<(), NetworkError> {
        let maildir = self.maildir(to)?;
        let name = unique_name();
        let (tmp, new) = (maildir.join("tmp").join(&name), maildir.join("new").join(&name));
        write_whole(&tmp, from, line).map_err(failed("write", &tmp))?;
        fs::rename(&tmp, &new).map_err(failed("deliver", &new))
    }

    /// Takes all that waits for `account`, oldest first, what an earlier process left unsettled included.
    pub(crate) fn take(&self, account: &str) -> Result<Vec<Letter>, NetworkError> {
        let maildir = self.maildir(account)?;
        let (new, cur) = (maildir.join("new"), maildir.join("cur"));
        for name in names(&new)? {
            let (from, to) = (new.join(&name), cur.join(&name));
            fs::rename(&from, &to).map_err(failed("take", &from))?;
        }
        names(&cur)?.iter().map(|name| Letter::read(cur.join(name))).collect()
    }

    /// How many lines wait for `account`.
    pub(crate) fn count(&self, account: &str) -> Result<usize, NetworkError> {
        let maildir = self.maildir(account)?;
        Ok(names(&maildir.join("new"))?.len() + names(&maildir.join("cur"))?.len())
    }

    fn maildir(&self, account: &str) -> Result<PathBuf, NetworkError> {
        let maildir = self.folder.join(folder_name(account));
        for part in ["tmp", "new", "cur"] {
            let folder = maildir.join(part);
            fs::create_dir_all(&folder).map_err(failed("make", &folder))?;
        }
        Ok(maildir)
    }
}

impl Letter {
    /// What is in this file.
    pub(crate) fn read(file: PathBuf) -> Result<Self, NetworkError> {
        let mut bytes = Vec::new();
        File::open(&file)
            .and_then(|open| open.take(MAX_LETTER).read_to_end(&mut bytes))
            .map_err(failed("read", &file))?;
        let text = String::from_utf8_lossy(&bytes);
        let (from, line) = text
            .strip_prefix(FROM)
            .and_then(|rest| rest.split_once("\n\n"))
            .filter(|(from, _)| !from.contains('\n'))
            .unwrap_or_default();
        Ok(Self { from: from.to_owned(), line: line.to_owned(), file })
    }

    /// Removes it from the network: what it changed has been kept.
    pub(crate) fn settle(self) -> Result<(), NetworkError> {
        fs::remove_file(&self.file).map_err(failed("remove", &self.file))
    }
}

/// A random order, each equally likely, as a network may deliver.
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut dyn Rng) {
    for last in (1..items.len()).rev() {
        // The bias of the remainder is below 2^-50 for any number of letters that fits a folder.
        let pick = rng.next_u64() % (last as u64 + 1);
        items.swap(last, usize::try_from(pick).unwrap_or(last));
    }
}

fn write_whole(path: &Path, from: &str, line: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(format!("{FROM}{}\n\n{line}", from.replace('\n', " ")).as_bytes())?;
    file.sync_all()
}

/// Sorts by time; unique by process and count.
fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:020}.{}.{count}", system::since_1970().as_nanos(), process::id())
}

fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, NetworkError> {
    let mut names = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>())
        .map_err(failed("list", folder))?;
    names.sort();
    Ok(names)
}

/// An account's id as one folder name: it can neither leave the network's folder nor hide in it.
fn folder_name(account: &str) -> String {
    const PLAIN: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_').remove(b'+');
    let name = utf8_percent_encode(account, PLAIN).to_string();
    match name.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None => name,
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NetworkError {
    move |cause| NetworkError { what, path: path.to_owned(), cause }
}

const FROM: &str = "From: ";

/// Bytes of a file that are looked at: the library reads no message above 256 KiB.
const MAX_LETTER: u64 = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(letters: &[Letter]) -> Vec<(&str, &str)> {
        letters.iter().map(|letter| (letter.from.as_str(), letter.line.as_str())).collect()
    }

    #[test]
    fn letters_come_in_the_order_in_which_they_were_sent() {
        let folder = tempfile::tempdir().expect("a folder");
        let network = Network::new(folder.path());
        for n in 0..12 {
            network.deliver("alice", "bob", &format!("line {n}\nwith a second one")).expect("delivered");
        }
        let letters = network.take("bob").expect("taken");
        let expected: Vec<_> = (0..12).map(|n| format!("line {n}\nwith a second one")).collect();
        assert_eq!(lines(&letters), expected.iter().map(|line| ("alice", line.as_str())).collect::<Vec<_>>());
        assert!(network.take("alice").expect("taken").is_empty());
    }

    #[test]
    fn what_was_not_settled_is_seen_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let network = Network::new(folder.path());
        network.deliver("alice", "bob", "one").expect("delivered");
        drop(network.take("bob").expect("taken"));
        network.deliver("alice", "bob", "two").expect("delivered");
        let letters = network.take("bob").expect("taken");
        assert_eq!(lines(&letters), [("alice", "one"), ("alice", "two")]);
        for letter in letters {
            letter.settle().expect("removed");
        }
        assert!(network.take("bob").expect("taken").is_empty());
    }

    #[test]
    fn an_account_id_cannot_leave_the_folder() {
        for (account, name) in [
            ("bob@example.org", "bob@example.org"),
            ("..", "%2E."),
            ("../etc", "%2E.%2Fetc"),
            ("a/b", "a%2Fb"),
            ("Zoë", "Zo%C3%AB"),
        ] {
            assert_eq!(folder_name(account), name);
        }
    }

    #[test]
    fn any_bytes_are_a_letter_or_an_empty_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let network = Network::new(folder.path());
        let new = network.maildir("bob").expect("a maildir").join("new");
        for (n, bytes) in
            [&b""[..], b"\xff\xfe", b"From: alice", b"From: a\nb\n\nx", b"From: al\xffice\n\nhello"]
                .iter()
                .enumerate()
        {
            fs::write(new.join(n.to_string()), bytes).expect("written");
        }
        let letters = network.take("bob").expect("taken");
        assert_eq!(lines(&letters), [("", ""), ("", ""), ("", ""), ("", ""), ("al\u{fffd}ice", "hello")]);
    }

    #[test]
    fn a_shuffle_keeps_every_letter() {
        let mut items: Vec<u8> = (0..100).collect();
        shuffle(&mut items, &mut system::rng());
        assert_ne!(items, (0..100).collect::<Vec<u8>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<u8>>());
    }
}
