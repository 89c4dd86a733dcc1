//! The files of one client in a folder: found, read, written.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use otrv4::keys::DsaKey;
use otrv4::libotr::{
    AccountName, FileError, KnownFingerprint, MAX_FILE, read_fingerprints, read_private_keys,
};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::clients::LibotrClient;
use super::{LibotrError, failed};

/// What the files of a client hold. A file that is not there holds nothing.
pub(super) struct Files {
    pub(super) client: LibotrClient,
    pub(super) keys: Vec<(AccountName, DsaKey)>,
    pub(super) fingerprints: Vec<KnownFingerprint>,
}

impl Files {
    /// Reads them; of one client, if there are several.
    pub(super) fn read(folder: &Path, client: Option<LibotrClient>) -> Result<Self, LibotrError> {
        let client = find(folder, client)?;
        let names = client.files();
        Ok(Self {
            client,
            keys: read(&folder.join(names.keys), read_private_keys)?,
            fingerprints: read(&folder.join(names.fingerprints), read_fingerprints)?,
        })
    }

    /// All accounts of which something is in the files, in their order.
    pub(super) fn accounts(&self) -> Vec<AccountName> {
        let mut accounts: Vec<AccountName> = Vec::new();
        let of_keys = self.keys.iter().map(|(account, _)| account);
        for account in of_keys.chain(self.fingerprints.iter().map(KnownFingerprint::account)) {
            if !accounts.contains(account) {
                accounts.push(account.clone());
            }
        }
        accounts
    }
}

/// Whose files are in the folder.
fn find(folder: &Path, wanted: Option<LibotrClient>) -> Result<LibotrClient, LibotrError> {
    // So that a folder that cannot be read is told as that.
    fs::read_dir(folder).map_err(failed("read", folder))?;
    let there = |client: &LibotrClient| {
        let names = client.files();
        folder.join(names.keys).exists() || folder.join(names.fingerprints).exists()
    };
    let mut found: Vec<LibotrClient> = LibotrClient::ALL.into_iter().filter(there).collect();
    found.retain(|client| wanted.is_none_or(|wanted| wanted == *client));
    match found.as_slice() {
        [client] => Ok(*client),
        [] => Err(LibotrError::NoFiles(folder.to_owned())),
        _ => Err(LibotrError::WhichClient { folder: folder.to_owned(), clients: found }),
    }
}

fn read<T: Default>(path: &Path, parse: fn(&[u8]) -> Result<T, FileError>) -> Result<T, LibotrError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(cause) => return Err(failed("read", path)(cause)),
    };
    // One more byte than is allowed tells that it is too long; there is room for it, so no copy of keys is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE + 2));
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    parse(&bytes).map_err(|why| LibotrError::Damaged { path: path.to_owned(), why })
}

/// Writes files that only their owner can read, each whole or not at all; the folder is made if it is not there. Which
/// they are.
pub(super) fn write(
    folder: &Path,
    files: &[(&str, &[u8])],
    overwrite: bool,
) -> Result<Vec<PathBuf>, LibotrError> {
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| folder.join(name)).collect();
    if let Some(there) = paths.iter().find(|path| !overwrite && path.symlink_metadata().is_ok()) {
        return Err(LibotrError::Exists(there.clone()));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make", folder))?;
    for (path, (_, bytes)) in paths.iter().zip(files) {
        // A new one has the mode 0600.
        let mut file = NamedTempFile::new_in(folder).map_err(failed("write into", folder))?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed("write", path))?;
        let kept = if overwrite { file.persist(path) } else { file.persist_noclobber(path) };
        kept.map_err(|error| failed("write", path)(error.error))?;
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flush", folder))?;
    Ok(paths)
}
