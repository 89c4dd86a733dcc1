//! A message on its way in: as it came, and what it changes once it has proved to be theirs.
//! Spec: otrv4.md "When you receive a Data Message". Used by [`super::Ratchet`], which decides, and by [`crate::v4`].

use zeroize::Zeroizing;

use super::keys::{BraceKey, ChainKey, ExtraSymmKey, MacKey, MessageKey, RootKey};
use crate::Reject;
use crate::crypto::dh3072::DhPublic;
use crate::crypto::ed448::Point;
use crate::crypto::mac::Mac;

/// Where a message stands: the fields of its header, as received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position<'a> {
    /// `pn`: messages in the sender's ratchet before.
    pub(crate) pn: u32,
    /// `i`: the ratchet's id.
    pub(crate) i: u32,
    /// `j`: the message's id in its ratchet.
    pub(crate) j: u32,
    pub(crate) ecdh: &'a [u8; 57],
    /// Big-endian; there exactly if `i` is a multiple of three.
    pub(crate) dh: Option<&'a [u8]>,
}

/// A message as it came: what the MAC covers, the MAC, and the ciphertext in it.
pub(crate) struct Sealed<'a> {
    pub(crate) sections: &'a [u8],
    pub(crate) authenticator: Mac<64>,
    pub(crate) ciphertext: &'a [u8],
}

impl Sealed<'_> {
    /// Whether the authenticator holds under this key; refused as forged if not.
    pub(crate) fn verify(&self, mac_key: &MacKey) -> Result<(), Reject> {
        let authentic = mac_key.verify(self.sections, &self.authenticator);
        if authentic { Ok(()) } else { Err(Reject::Forged) }
    }

    /// What was encrypted under this key. The MAC is to be checked before.
    pub(crate) fn decipher(&self, key: &MessageKey) -> Zeroizing<Vec<u8>> {
        let mut plaintext = Zeroizing::new(self.ciphertext.to_vec());
        key.decipher(&mut plaintext);
        plaintext
    }

    pub(super) fn open<'a>(
        &self,
        key: &MessageKey,
        extra: ExtraSource<'a>,
        at: Position<'_>,
        way: Way,
    ) -> Result<Opened<'a>, Reject> {
        let mac_key = key.mac_key();
        self.verify(&mac_key)?;
        let plaintext = self.decipher(key);
        Ok(Opened { plaintext, extra, step: Step { ecdh: *at.ecdh, j: at.j, mac_key, way } })
    }
}

/// A message that proved to be theirs.
pub(crate) struct Opened<'a> {
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
    pub(crate) extra: ExtraSource<'a>,
    pub(crate) step: Step,
}

impl Opened<'_> {
    /// The message's chain key, from which all after it in its ratchet follow; gone if the message came late.
    pub(crate) fn into_chain_key(self) -> Option<ChainKey> {
        match self.extra {
            ExtraSource::Chain(chain) => Some(chain),
            ExtraSource::Stored(_) => None,
        }
    }
}

/// Where the message's extra symmetric key is to be had: few messages ask for it, and only for those it is hashed.
pub(crate) enum ExtraSource<'a> {
    /// It was stored beside the message key.
    Stored(&'a ExtraSymmKey),
    /// The message's chain key.
    Chain(ChainKey),
}

impl ExtraSource<'_> {
    pub(crate) fn key(&self) -> ExtraSymmKey {
        match self {
            Self::Stored(key) => key.copied(),
            Self::Chain(chain) => chain.extra_symm_key(),
        }
    }
}

/// What the message changes; see [`super::Ratchet::advance`].
pub(crate) struct Step {
    pub(super) ecdh: [u8; 57],
    pub(super) j: u32,
    pub(super) mac_key: MacKey,
    pub(super) way: Way,
}

pub(super) enum Way {
    /// Its key was stored.
    Stored,
    /// It belongs to their open ratchet: the chain behind it.
    Open(ChainKey),
    /// It opens a ratchet.
    New(Box<NewRatchet>),
}

pub(super) struct NewRatchet {
    pub(super) pn: u32,
    pub(super) their_ecdh: Point,
    pub(super) their_dh: Option<DhPublic>,
    pub(super) root: RootKey,
    pub(super) brace: BraceKey,
    pub(super) first: ChainKey,
    pub(super) behind: ChainKey,
}
