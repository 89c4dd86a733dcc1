//! The four messages of the authenticated key exchange, as bytes. Spec: OTRv3 "D-H Commit Message", "D-H Key Message",
//! "Reveal Signature Message", "Signature Message". Used by [`super::ake`] and by the session, which reads the header.
//!
//! Each `read` begins behind the header and ends with the message.

use crate::crypto::dh1536::Dh1536Public;
use crate::crypto::mac::Mac;
use crate::wire::{Header, InstanceTag, MessageType, Reader, Version, WireError, Writer};

/// Commits to a key without showing it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DhCommit {
    /// The MPI of `g^x`, encrypted with `r`; not more than 196 bytes.
    pub(super) encrypted_gx: Vec<u8>,
    /// SHA-256 of that MPI.
    pub(super) hashed_gx: [u8; 32],
}

/// `g^y`
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DhKey(pub(super) Dh1536Public);

/// Shows the key behind a D-H Commit, and who sends it.
#[derive(Debug)]
pub(crate) struct RevealSignature {
    /// The key that `g^x` was encrypted with; no secret any more.
    pub(super) r: [u8; 16],
    pub(super) signature: SealedSignature,
}

/// Shows who sends it.
#[derive(Debug)]
pub(crate) struct Signature(pub(super) SealedSignature);

/// "Encrypted signature" (DATA) and "MAC'd signature" (20 bytes).
#[derive(Debug)]
pub(super) struct SealedSignature {
    pub(super) encrypted: Vec<u8>,
    pub(super) mac: Mac<20>,
}

impl DhCommit {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let commit = Self::read_fields(r)?;
        r.clone().end()?;
        Ok(commit)
    }

    pub(super) fn read_fields(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let encrypted_gx = r.data("encrypted g^x")?.to_vec();
        if encrypted_gx.len() > LONGEST_MPI {
            return Err(WireError::TooLong("encrypted g^x"));
        }
        let hashed_gx = r.data("hashed g^x")?;
        let hashed_gx = hashed_gx.try_into().map_err(|_| WireError::Illegal("length of hashed g^x"))?;
        Ok(Self { encrypted_gx, hashed_gx })
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.data(&self.encrypted_gx).data(&self.hashed_gx);
    }
}

impl DhKey {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let key = Self(Dh1536Public::read(r, "g^y")?);
        r.clone().end()?;
        Ok(key)
    }

    #[cfg(feature = "inside")]
    pub(crate) fn write(&self, w: &mut Writer) {
        self.0.write(w);
    }
}

impl RevealSignature {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let revealed = r.data("revealed key")?;
        let revealed = revealed.try_into().map_err(|_| WireError::Illegal("length of the revealed key"))?;
        let message = Self { r: revealed, signature: SealedSignature::read(r)? };
        r.clone().end()?;
        Ok(message)
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.data(&self.r);
        self.signature.write(w);
    }
}

impl Signature {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let message = Self(SealedSignature::read(r)?);
        r.clone().end()?;
        Ok(message)
    }

    #[cfg(feature = "inside")]
    pub(crate) fn write(&self, w: &mut Writer) {
        self.0.write(w);
    }
}

impl SealedSignature {
    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { encrypted: r.data("encrypted signature")?.to_vec(), mac: Mac::read(r)? })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.data(&self.encrypted);
        self.mac.write(w);
    }
}

/// A message that begins with its header.
pub(super) fn message(
    version: Version,
    message_type: MessageType,
    (sender, receiver): (InstanceTag, Option<InstanceTag>),
    write: impl FnOnce(&mut Writer),
) -> Vec<u8> {
    let mut w = Writer::new();
    Header { version, message_type, sender, receiver }.write(&mut w);
    write(&mut w);
    w.finish()
}

/// Saved: BYTE 2 or 3.
pub(super) fn save_version(version: Version, w: &mut Writer) {
    w.byte(if version == Version::V2 { 2 } else { 3 });
}

pub(super) fn load_version(r: &mut Reader<'_>) -> Result<Version, WireError> {
    match r.byte("version")? {
        2 => Ok(Version::V2),
        3 => Ok(Version::V3),
        _ => Err(WireError::Illegal("version")),
    }
}

/// A number of 1536 bits with its length.
const LONGEST_MPI: usize = 4 + 192;

#[cfg(test)]
mod tests {
    use super::super::vectors::{raw, sessions};
    use super::*;
    use crate::vectors::{array, bytes};

    fn fields(whole: &[u8]) -> (Header, Reader<'_>) {
        let mut r = Reader::new(whole);
        (Header::read(&mut r).expect("a header"), r)
    }

    /// The message again, from what was read of it.
    fn again(header: Header, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let Header { version, message_type, sender, receiver } = header;
        message(version, message_type, (sender, receiver), write)
    }

    #[test]
    fn recorded_messages_are_read_and_written_again() {
        for session in sessions() {
            let recorded = session.only("dh_commit");
            let whole = raw(recorded);
            let (header, mut r) = fields(&whole);
            let commit = DhCommit::read(&mut r).expect("a D-H Commit message");
            assert_eq!(commit.encrypted_gx, bytes(&recorded["enc_gx"]));
            assert_eq!(commit.hashed_gx, array(&recorded["hash_gx"]));
            assert_eq!(again(header, |w| commit.write(w)), whole);

            let recorded = session.only("dh_key");
            let whole = raw(recorded);
            let (header, mut r) = fields(&whole);
            let key = DhKey::read(&mut r).expect("a D-H Key message");
            assert_eq!(key.0.as_be_bytes(), &bytes(&recorded["gy_mpi"])[4..]);
            assert_eq!(again(header, |w| key.0.write(w)), whole);

            let recorded = session.only("reveal_sig");
            let whole = raw(recorded);
            let (header, mut r) = fields(&whole);
            let reveal = RevealSignature::read(&mut r).expect("a Reveal Signature message");
            assert_eq!(reveal.r, array(&session.only("dh_commit")["r"]));
            assert_eq!(reveal.signature.encrypted, bytes(&recorded["enc"]));
            assert!(reveal.signature.mac.matches(&Mac::new(array(&recorded["mac"]))));
            assert_eq!(again(header, |w| reveal.write(w)), whole);

            let recorded = session.only("signature");
            let whole = raw(recorded);
            let (header, mut r) = fields(&whole);
            let signature = Signature::read(&mut r).expect("a Signature message");
            assert_eq!(signature.0.encrypted, bytes(&recorded["enc"]));
            assert!(signature.0.mac.matches(&Mac::new(array(&recorded["mac"]))));
            assert_eq!(again(header, |w| signature.0.write(w)), whole);
        }
    }

    #[test]
    fn messages_that_are_cut_short_or_go_on_are_refused() {
        for session in sessions() {
            type IsRead = fn(&mut Reader<'_>) -> bool;
            let kinds: [(_, IsRead); 4] = [
                ("dh_commit", |r| DhCommit::read(r).is_ok()),
                ("dh_key", |r| DhKey::read(r).is_ok()),
                ("reveal_sig", |r| RevealSignature::read(r).is_ok()),
                ("signature", |r| Signature::read(r).is_ok()),
            ];
            for (kind, read) in kinds {
                let whole = raw(session.only(kind));
                let body = fields(&whole).1.ahead().to_vec();
                assert!(read(&mut Reader::new(&body)));
                assert!((0..body.len()).all(|length| !read(&mut Reader::new(&body[..length]))), "{kind}");
                assert!(!read(&mut Reader::new(&[body, vec![0]].concat())), "{kind}");
            }
        }
    }

    #[test]
    fn fields_of_another_length_are_refused() {
        let commit = |encrypted: usize, hash: usize| {
            let mut w = Writer::new();
            w.data(&vec![7; encrypted]).data(&vec![7; hash]);
            DhCommit::read(&mut Reader::new(w.as_slice()))
        };
        assert!(commit(196, 32).is_ok() && commit(0, 32).is_ok());
        assert_eq!(commit(197, 32), Err(WireError::TooLong("encrypted g^x")));
        for length in [0, 31, 33] {
            assert_eq!(commit(196, length), Err(WireError::Illegal("length of hashed g^x")));
        }
        for length in [0, 15, 17] {
            let mut w = Writer::new();
            w.data(&vec![7; length]).data(b"").bytes(&[0; 20]);
            let read = RevealSignature::read(&mut Reader::new(w.as_slice()));
            assert_eq!(read.err(), Some(WireError::Illegal("length of the revealed key")));
        }
    }
}
