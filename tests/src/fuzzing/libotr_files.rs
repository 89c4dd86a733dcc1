//! The files of libotr: what is read is written as a file that says the same. spec-notes/SN-044

use otrv4::libotr::{
    read_fingerprints, read_instance_tags, read_private_keys, write_fingerprints, write_instance_tags,
    write_private_keys,
};

/// The first byte of the input names the file, the rest is in it.
pub(super) fn run(input: &[u8]) {
    let Some((which, file)) = input.split_first() else { return };
    match *which {
        PRIVATE_KEYS => private_keys(file),
        FINGERPRINTS => fingerprints(file),
        INSTANCE_TAGS => instance_tags(file),
        _ => {}
    }
}

fn private_keys(file: &[u8]) {
    let Ok(keys) = read_private_keys(file) else { return };
    let written = write_private_keys(keys.iter().map(|(account, key)| (account, key)));
    let again = read_private_keys(&written).expect("a file of ours");
    assert_eq!(again.len(), keys.len());
    for ((account, key), (again, key_again)) in keys.iter().zip(&again) {
        assert_eq!(account, again);
        let (parts, parts_again) = (key.parts(), key_again.parts());
        assert_eq!((&parts.p, &parts.q, &parts.g), (&parts_again.p, &parts_again.q, &parts_again.g));
        assert_eq!((&parts.y, &*parts.x), (&parts_again.y, &*parts_again.x));
    }
}

fn fingerprints(file: &[u8]) {
    if let Ok(known) = read_fingerprints(file) {
        assert_eq!(read_fingerprints(write_fingerprints(&known).as_bytes()), Ok(known));
    }
}

fn instance_tags(file: &[u8]) {
    if let Ok(tags) = read_instance_tags(file) {
        assert_eq!(read_instance_tags(write_instance_tags(&tags).as_bytes()), Ok(tags));
    }
}

pub(super) const PRIVATE_KEYS: u8 = 0;
pub(super) const FINGERPRINTS: u8 = 1;
pub(super) const INSTANCE_TAGS: u8 = 2;
