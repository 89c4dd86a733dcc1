//! The home folder: account, conversations and what has not been shown, encrypted in the age format, so that the tool `age` opens
//! it without this program:
//!
//! ```text
//! HOME/identity.age   an age identity under the person's passphrase      age -d -i identity.age state.age
//! HOME/identity.key   … or in the clear, where no passphrase was given   age -d -i identity.key state.age
//! HOME/state.age      the state, encrypted to that identity (see `state.rs`)
//! HOME/lock           held by the one process that uses the folder
//! ```
//!
//! A passphrase is slow to try by design, and the state is written at every message: so the passphrase is needed once,
//! when the folder is opened, and writing costs one X25519 and one `fsync`.

mod settings;
mod state;

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use zeroize::Zeroizing;

pub(crate) use settings::{Chosen, SETTINGS, Setting, Settings, versions};
pub(crate) use state::{Bytes, Contact, Pinned, State};

/// A home folder that this process has opened and locked.
pub(crate) struct Home {
    folder: PathBuf,
    identity: x25519::Identity,
    _lock: File,
}

/// Why the home folder cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    /// There is no state in the folder.
    #[error("{0} holds no account yet: make one with `client-demo init`")]
    Empty(PathBuf),
    /// `create` where there is one already.
    #[error("{0} holds an account already: choose another --home, or go on with the one that is there")]
    Taken(PathBuf),
    /// Another process holds the lock.
    #[error("another process is using {0}: wait for it or end it, then try again")]
    Locked(PathBuf),
    /// It is protected, and no passphrase was given.
    #[error("{0} is protected by a passphrase: give --passphrase-file or CLIENT_DEMO_PASSPHRASE")]
    NoPassphrase(PathBuf),
    /// The passphrase does not open it.
    #[error("the passphrase does not open {0}")]
    WrongPassphrase(PathBuf),
    /// What is in the file is not what this program writes.
    #[error("{path} is damaged or of another program: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In what way.
        why: String,
    },
    /// The operating system refused.
    #[error("cannot {what} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
}

impl Home {
    /// Whether the folder holds an account.
    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join(STATE).exists()
    }

    /// Whether opening it takes a passphrase.
    pub(crate) fn is_protected(folder: &Path) -> bool {
        folder.join(PROTECTED_IDENTITY).exists()
    }

    /// Makes a home with its first state; without a passphrase, its key lies beside it in the clear.
    pub(crate) fn create(
        folder: &Path,
        passphrase: Option<SecretString>,
        state: &State,
    ) -> Result<Self, KeepError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make", folder))?;
        let lock = lock(folder)?;
        if Self::exists(folder) {
            return Err(KeepError::Taken(folder.to_owned()));
        }
        let identity = x25519::Identity::generate();
        let text = Zeroizing::new(format!("{}\n", identity.to_string().expose_secret()));
        match passphrase {
            Some(passphrase) => {
                let mut recipient = age::scrypt::Recipient::new(passphrase);
                recipient.set_work_factor(WORK_FACTOR);
                write_atomically(folder, PROTECTED_IDENTITY, &encrypt(&recipient, text.as_bytes(), folder)?)?;
            }
            None => write_atomically(folder, BARE_IDENTITY, text.as_bytes())?,
        }
        let home = Self { folder: folder.to_owned(), identity, _lock: lock };
        home.save(state)?;
        Ok(home)
    }

    /// Opens a home and reads its state. `passphrase` is asked for only if the home is protected by one.
    pub(crate) fn open<E: From<KeepError>>(
        folder: &Path,
        passphrase: impl FnOnce() -> Result<SecretString, E>,
    ) -> Result<(Self, State), E> {
        if !Self::exists(folder) {
            return Err(KeepError::Empty(folder.to_owned()).into());
        }
        let lock = lock(folder)?;
        let (text, name) = if Self::is_protected(folder) {
            let mut identity = age::scrypt::Identity::new(passphrase()?);
            // The file is this person's own: as much work as the tool `age` may have put into it.
            identity.set_max_work_factor(MAX_WORK_FACTOR);
            (decrypt(&identity, folder, PROTECTED_IDENTITY)?, PROTECTED_IDENTITY)
        } else {
            (read(folder, BARE_IDENTITY)?, BARE_IDENTITY)
        };
        let identity = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")))
            .and_then(|line| x25519::Identity::from_str(line).ok())
            .ok_or_else(|| damaged(&folder.join(name), "no age identity in it"))?;
        let home = Self { folder: folder.to_owned(), identity, _lock: lock };
        let state = State::read(&decrypt(&home.identity, folder, STATE)?)
            .map_err(|error| damaged(&folder.join(STATE), &error.to_string()))?;
        Ok((home, state))
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the state: when this returns, it survives a crash of the process and of the machine; until then, the
    /// state before it does.
    pub(crate) fn save(&self, state: &State) -> Result<(), KeepError> {
        let sealed = encrypt(&self.identity.to_public(), &state.write(), &self.folder)?;
        write_atomically(&self.folder, STATE, &sealed)
    }
}

fn encrypt(recipient: &impl age::Recipient, plain: &[u8], folder: &Path) -> Result<Vec<u8>, KeepError> {
    age::encrypt(recipient, plain).map_err(|error| KeepError::Io {
        what: "encrypt",
        path: folder.to_owned(),
        cause: io::Error::other(error),
    })
}

fn decrypt(
    identity: &impl age::Identity,
    folder: &Path,
    name: &str,
) -> Result<Zeroizing<Vec<u8>>, KeepError> {
    let sealed = read(folder, name)?;
    let path = folder.join(name);
    let opened = age::Decryptor::new_buffered(sealed.as_slice())
        .and_then(|decryptor| decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)));
    // No shorter than the plaintext: it never grows, so no copy of it is left behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    match opened {
        Ok(mut stream) => {
            stream.read_to_end(&mut plain).map_err(|error| damaged(&path, &error.to_string()))?
        }
        Err(age::DecryptError::DecryptionFailed) => {
            return Err(KeepError::WrongPassphrase(folder.to_owned()));
        }
        Err(error) => return Err(damaged(&path, &error.to_string())),
    };
    Ok(plain)
}

/// All of it or nothing: written beside, flushed to disk, renamed, the folder flushed. Under the lock one name for the
/// file beside is enough, and a process that dies leaves at most that one.
fn write_atomically(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), KeepError> {
    let (path, beside) = (folder.join(name), folder.join(format!("{name}.new")));
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed("write", &beside))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", &beside))?;
    fs::rename(&beside, &path).map_err(failed("replace", &path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flush", folder))
}

fn read(folder: &Path, name: &str) -> Result<Zeroizing<Vec<u8>>, KeepError> {
    let path = folder.join(name);
    fs::read(&path).map(Zeroizing::new).map_err(failed("read", &path))
}

/// One process at a time. One that was killed may need a moment to let go.
fn lock(folder: &Path) -> Result<File, KeepError> {
    let path = folder.join("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(cause)) => return Err(failed("lock", &path)(cause)),
        }
    }
    Err(KeepError::Locked(folder.to_owned()))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeepError {
    move |cause| KeepError::Io { what, path: path.to_owned(), cause }
}

fn damaged(path: &Path, why: &str) -> KeepError {
    KeepError::Damaged { path: path.to_owned(), why: why.to_owned() }
}

const STATE: &str = "state.age";
const PROTECTED_IDENTITY: &str = "identity.age";
const BARE_IDENTITY: &str = "identity.key";

/// log2 of scrypt's N: 128 MiB and a few tenths of a second for each passphrase tried.
const WORK_FACTOR: u8 = 17;
/// 4 GiB: far above what the tool `age` chooses (18).
const MAX_WORK_FACTOR: u8 = 22;

const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SECRET: &str = "the texts nobody else may read";

    fn state(text: &str) -> State {
        let contact = Contact { unshown: vec![Zeroizing::new(text.to_owned())], ..Contact::new() };
        State {
            account: Bytes::from(text.as_bytes().to_vec()),
            contacts: BTreeMap::from([("alice".to_owned(), contact)]),
            policy: Settings::default(),
            policies: BTreeMap::new(),
            server: None,
        }
    }

    fn unshown(state: &State) -> &str {
        state.contacts["alice"].unshown[0].as_str()
    }

    fn passphrase(text: &str) -> Result<SecretString, KeepError> {
        Ok(SecretString::from(text.to_owned()))
    }

    fn none() -> Result<SecretString, KeepError> {
        Err(KeepError::NoPassphrase(PathBuf::new()))
    }

    #[test]
    fn a_home_opens_with_its_passphrase_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Home::create(folder.path(), passphrase("correct horse").ok(), &state(SECRET)).expect("made"));
        let (home, kept) = Home::open(folder.path(), || passphrase("correct horse")).expect("opened");
        assert_eq!(unshown(&kept), SECRET);
        drop(home);
        let wrong = Home::open(folder.path(), || passphrase("battery staple"));
        assert!(matches!(wrong, Err(KeepError::WrongPassphrase(_))));
        assert!(matches!(Home::open(folder.path(), none), Err(KeepError::NoPassphrase(_))));
    }

    #[test]
    fn the_last_state_saved_is_the_one_that_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::create(folder.path(), None, &state("first")).expect("made");
        home.save(&state("second")).expect("saved");
        home.save(&state("third")).expect("saved");
        drop(home);
        // What a process that was killed while writing leaves behind.
        fs::write(folder.path().join("state.age.new"), b"half of").expect("written");
        let (home, kept) = Home::open(folder.path(), none).expect("opened");
        assert_eq!(unshown(&kept), "third");
        home.save(&state("fourth")).expect("saved");
    }

    #[test]
    fn nothing_is_kept_in_the_clear_and_nobody_else_may_read_it() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("home");
        let home = Home::create(&folder, passphrase("correct horse").ok(), &state(SECRET)).expect("made");
        home.save(&state(SECRET)).expect("saved");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(&folder).expect("listed") {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("read");
            for word in [SECRET, "alice", "AGE-SECRET-KEY"] {
                assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word} in {path:?}");
            }
            assert_eq!(mode(&path), 0o600, "{path:?}");
        }
    }

    #[test]
    fn a_home_is_used_by_one_process_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::create(folder.path(), None, &state("")).expect("made");
        assert!(matches!(Home::open(folder.path(), none), Err(KeepError::Locked(_))));
        drop(home);
        assert!(Home::open(folder.path(), none).is_ok());
    }

    #[test]
    fn a_home_is_made_once_and_opened_only_if_made() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(Home::open(folder.path(), none), Err(KeepError::Empty(_))));
        drop(Home::create(folder.path(), None, &state("")).expect("made"));
        assert!(matches!(Home::create(folder.path(), None, &state("")), Err(KeepError::Taken(_))));
    }

    #[test]
    fn a_damaged_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Home::create(folder.path(), None, &state(SECRET)).expect("made"));
        let path = folder.path().join(STATE);
        let whole = fs::read(&path).expect("read");
        for length in [0, 10, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).expect("written");
            assert!(matches!(Home::open(folder.path(), none), Err(KeepError::Damaged { .. })));
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        fs::write(&path, &flipped).expect("written");
        assert!(matches!(Home::open(folder.path(), none), Err(KeepError::Damaged { .. })));
        assert_eq!(fs::read(&path).expect("read"), flipped);
    }
}
