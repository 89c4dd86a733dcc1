//! The server's long-term key on disk: 57 secret bytes as 114 hex digits and a newline, readable by its owner only.

use crate::system;
use otrv4::prekey_server::ServerIdentity;
use rand_core::Rng;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Reads the key file; makes it first if it is not there. Of two servers that start at once, one makes it and both
/// use it.
pub fn load_or_create(path: &Path, identity: &str) -> Result<ServerIdentity, KeyFileError> {
    match load(path, identity) {
        Err(KeyFileError::Missing(_)) => {
            let made = create(path).map_err(|error| KeyFileError::Create(path.into(), error))?;
            let identity = load(path, identity)?;
            if made {
                // After a mistyped path this is another server, and nothing else says so.
                let (path, fingerprint) = (path.display(), identity.fingerprint());
                tracing::warn!("made a new key file {path}, fingerprint {fingerprint}");
            }
            Ok(identity)
        }
        loaded => loaded,
    }
}

/// Reads the key file.
pub fn load(path: &Path, identity: &str) -> Result<ServerIdentity, KeyFileError> {
    let failed = |error| KeyFileError::Io(path.into(), error);
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(KeyFileError::Missing(path.into()));
        }
        opened => opened.map_err(failed)?,
    };
    if !is_private(&file).map_err(failed)? {
        return Err(KeyFileError::Exposed(path.into()));
    }
    // One byte more than a key file has, so that a longer one is seen to be wrong; and nothing is ever reallocated.
    let mut text = Zeroizing::new(Vec::with_capacity(TEXT + 1));
    file.take(TEXT as u64 + 1).read_to_end(&mut text).map_err(failed)?;
    let mut key = Zeroizing::new([0; 57]);
    hex::decode_to_slice(text.strip_suffix(b"\n").unwrap_or(&text), key.as_mut_slice())
        .map_err(|_| KeyFileError::Illegal(path.into()))?;
    Ok(ServerIdentity::new(identity, &key))
}

/// Characters in a key file, the newline included.
const TEXT: usize = 2 * 57 + 1;

/// Writes a new key where there is none. The name appears with the whole key behind it or not at all: the key goes
/// to disk under a name of its own first, and a link, which replaces nothing, gives it the real one. False if another
/// server was faster: its key is the one to use.
fn create(path: &Path) -> io::Result<bool> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    let mut nonce = [0; 8];
    system::rng().fill_bytes(&mut nonce);
    name.push(format!(".{}.new", hex::encode(nonce)));
    let fresh = folder.join(name);

    let written = write_key(&fresh).and_then(|()| std::fs::hard_link(&fresh, path));
    let removed = match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    let made = match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        written => written.map(|()| true)?,
    };
    removed?;
    File::open(folder)?.sync_all()?;
    Ok(made)
}

fn write_key(fresh: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; 57]);
    system::rng().fill_bytes(key.as_mut_slice());
    let mut text = Zeroizing::new([b'\n'; TEXT]);
    let (digits, _newline) = text.split_at_mut(TEXT - 1);
    hex::encode_to_slice(key.as_slice(), digits).map_err(io::Error::other)?;

    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(fresh)?;
    file.write_all(text.as_slice())?;
    file.sync_all()
}

#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// Why there is no key to start with; each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// No such file.
    #[error("there is no key file {}: `prekey-server serve` makes it when it starts for the first time", .0.display())]
    Missing(PathBuf),
    /// Group or others may read or write it.
    #[error(
        "other users of this machine can read or change the key file {path}, and with it pose as this server; \
         if nobody has, run: chmod 600 {path}; otherwise move it away, and the next start makes a new key, \
         which clients accept only by hand", path = .0.display()
    )]
    Exposed(PathBuf),
    /// It holds something else.
    #[error("{} is not a key file (114 hex digits): restore it from its copy", .0.display())]
    Illegal(PathBuf),
    /// The file system refused a new one.
    #[error(
        "cannot make the key file {path}: {1}; its folder must exist, and the server's user must be allowed to write \
         in it", path = .0.display()
    )]
    Create(PathBuf, #[source] io::Error),
    /// The file system refused.
    #[error("key file {path}: {1}", path = .0.display())]
    Io(PathBuf, #[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn folder() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("key");
        (folder, path)
    }

    fn fingerprint(identity: Result<ServerIdentity, KeyFileError>) -> String {
        identity.expect("a key").fingerprint().to_string()
    }

    #[test]
    fn the_first_start_makes_the_key_and_later_ones_find_it() {
        let (folder, path) = folder();
        let first = fingerprint(load_or_create(&path, "prekey.example.org"));
        assert_eq!(first.len(), 112);
        assert_eq!(fingerprint(load_or_create(&path, "prekey.example.org")), first);
        assert_eq!(fingerprint(load(&path, "prekey.example.org")), first);
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }

    #[test]
    fn servers_that_start_at_once_use_the_same_key() {
        let (_folder, path) = folder();
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || fingerprint(load_or_create(&path, "prekey.example.org")))
            })
            .collect();
        let mut fingerprints: Vec<_> =
            starts.into_iter().map(|start| start.join().expect("a start")).collect();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), 1);
    }

    #[test]
    fn a_missing_key_is_made_by_serve_only() {
        let (_folder, path) = folder();
        assert!(matches!(load(&path, "prekey.example.org"), Err(KeyFileError::Missing(_))));
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_a_new_key() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, path) = folder();
        load_or_create(&path, "prekey.example.org").expect("a key");
        let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused_with_what_to_do() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, path) = folder();
        load_or_create(&path, "prekey.example.org").expect("a key");
        for mode in [0o640, 0o604, 0o620, 0o660] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("another mode");
            let refused = load_or_create(&path, "prekey.example.org").expect_err("a refusal");
            assert!(refused.to_string().contains(&format!("chmod 600 {}", path.display())), "{refused}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_holds_something_else_is_refused_and_kept() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, path) = folder();
        let good = "ab".repeat(57);
        for text in
            ["", "hello\n", &good[2..], &format!("{good}00\n"), &format!("{good}\n\n"), &"zz".repeat(57)]
        {
            std::fs::write(&path, text).expect("a file");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("its mode");
            let refused = load_or_create(&path, "prekey.example.org");
            assert!(matches!(refused, Err(KeyFileError::Illegal(_))), "{text:?}");
            assert_eq!(std::fs::read_to_string(&path).expect("the file"), text);
        }
    }
}
