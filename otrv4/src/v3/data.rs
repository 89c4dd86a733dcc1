//! Data messages as bytes. Spec: OTRv3 "Data Message". Used by [`super::Channel`] and by the session.

use zeroize::Zeroizing;

use super::keys::SendKeys;
use super::session_keys::{MacKey, MessageKeys};
use crate::channel::Flags;
use crate::crypto::mac::Mac;
use crate::wire::{Header, Reader, Version, WireError, Writer};

/// A data message, split but not believed: the next key is decoded only when its MAC has proved to be right.
pub(crate) struct DataMessage<'a> {
    pub(crate) ignore_unreadable: bool,
    pub(super) version: Version,
    /// Above 0, as the next one.
    pub(super) sender_keyid: u32,
    pub(super) recipient_keyid: u32,
    /// "DH y": the sender's key after the one he sends under; big-endian, without leading zeros.
    pub(super) next_dh: &'a [u8],
    /// "Top half of counter init", as a number above 0.
    pub(crate) counter: u64,
    pub(crate) ciphertext: &'a [u8],
    /// What the MAC covers: "everything from the Protocol version to the end of the encrypted message".
    pub(crate) sections: &'a [u8],
    pub(super) authenticator: Mac<20>,
    /// Old MAC keys, 20 bytes each.
    pub(crate) revealed: &'a [u8],
}

impl<'a> DataMessage<'a> {
    /// "Data Message format", from the flags on; the reader began at the protocol version.
    pub(crate) fn read(header: &Header, r: &mut Reader<'a>) -> Result<Self, WireError> {
        let flags = r.byte("flags")?;
        let (sender_keyid, recipient_keyid) = (r.int("sender keyid")?, r.int("recipient keyid")?);
        if sender_keyid == 0 || recipient_keyid == 0 {
            return Err(WireError::Illegal("keyid"));
        }
        let next_dh = r.mpi("next DH key")?;
        let counter = r.long("counter")?;
        if counter == 0 {
            return Err(WireError::Illegal("counter"));
        }
        let ciphertext = r.data("encrypted message")?;
        let sections = r.since(0);
        let authenticator = Mac::read(r)?;
        let revealed = r.data("old MAC keys")?;
        if !revealed.len().is_multiple_of(20) {
            return Err(WireError::Illegal("length of old MAC keys"));
        }
        r.clone().end()?;
        Ok(Self {
            ignore_unreadable: flags & Flags::IgnoreUnreadable as u8 != 0,
            version: header.version,
            sender_keyid,
            recipient_keyid,
            next_dh,
            counter,
            ciphertext,
            sections,
            authenticator,
            revealed,
        })
    }

    /// Whether the authenticator holds under this key.
    pub(crate) fn is_authentic(&self, mac_key: &MacKey) -> bool {
        mac_key.verify(self.sections, &self.authenticator)
    }

    /// What was encrypted under this key. The MAC is to be checked before.
    pub(crate) fn decipher(&self, keys: &MessageKeys) -> Zeroizing<Vec<u8>> {
        let mut plaintext = Zeroizing::new(self.ciphertext.to_vec());
        keys.aes.apply(self.counter, &mut plaintext);
        plaintext
    }

    /// What stands before the encrypted message.
    pub(crate) fn before_ciphertext(&self) -> &'a [u8] {
        let behind = INT + self.ciphertext.len();
        let (before, _) = self.sections.split_at(self.sections.len().saturating_sub(behind));
        before
    }
}

/// The same fields, behind the header: encrypted, and then authenticated.
pub(super) fn write(
    header: &Header,
    flags: Flags,
    with: &SendKeys<'_>,
    plaintext: Zeroizing<Vec<u8>>,
) -> Vec<u8> {
    let SendKeys { sender_keyid, recipient_keyid, next_dh, counter, session, reveal } = with;
    let mut w = Writer::new();
    header.write(&mut w);
    w.byte(flags as u8).int(*sender_keyid).int(*recipient_keyid);
    next_dh.write(&mut w);
    w.long(*counter);
    let revealed: Vec<u8> = reveal.iter().flat_map(|key| *key.reveal()).collect();
    seal_behind(w, &session.sending, *counter, plaintext, &revealed)
}

/// The last three fields behind the others: the plaintext encrypted, authenticated, and keys to be revealed.
pub(crate) fn seal_behind(
    mut w: Writer,
    keys: &MessageKeys,
    counter: u64,
    mut plaintext: Zeroizing<Vec<u8>>,
    revealed: &[u8],
) -> Vec<u8> {
    keys.aes.apply(counter, &mut plaintext);
    w.data(&plaintext);
    authenticated(w, &keys.mac, revealed)
}

/// The last two fields behind all that the MAC covers.
pub(crate) fn authenticated(mut w: Writer, mac_key: &MacKey, revealed: &[u8]) -> Vec<u8> {
    mac_key.authenticate(w.as_slice()).write(&mut w);
    w.data(revealed);
    w.finish()
}

/// Bytes of the length of the encrypted message.
const INT: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::session_keys::{MacKey, SessionKeys};
    use super::super::vectors::{raw, sessions};
    use super::*;
    use crate::crypto::dh1536::Dh1536Public;
    use crate::vectors::{array, bytes, v3_file};
    use crate::wire::read_plaintext;
    use serde_json::{Value, json};

    fn read(whole: &[u8]) -> Result<(Header, DataMessage<'_>), WireError> {
        let mut r = Reader::new(whole);
        let header = Header::read(&mut r)?;
        Ok((header, DataMessage::read(&header, &mut r)?))
    }

    #[test]
    fn recorded_messages_are_opened_and_sealed_again_to_the_same_bytes() {
        for session in sessions() {
            let mut revealed = 0;
            for recorded in session.data() {
                let whole = raw(recorded);
                let (header, message) = read(&whole).expect("a data message");
                let (secbytes, high) = (bytes(&recorded["secbytes"]), recorded["send_byte"] == 1);
                let reader = SessionKeys::derive(&secbytes, !high);
                assert!(reader.receiving.mac.verify(message.sections, &message.authenticator));
                let mut plaintext = message.ciphertext.to_vec();
                reader.receiving.aes.apply(message.counter, &mut plaintext);
                assert_eq!(plaintext, bytes(&recorded["plaintext"]));
                let (text, tlvs) = read_plaintext(&plaintext);
                let tlvs = tlvs.iter().map(|tlv| json!([tlv.kind, hex::encode(&tlv.value)]));
                assert_eq!(recorded["text"], core::str::from_utf8(text).expect("UTF-8"));
                assert_eq!(recorded["tlvs"], tlvs.collect::<Value>());
                assert!(message.authenticator.matches(&Mac::new(array(&recorded["mac"]))));
                assert_eq!(message.ignore_unreadable, recorded["flags"] == 1);

                let old_keys = recorded["old_mac_keys"].as_array().expect("keys");
                revealed += old_keys.len();
                let old_key = |key| MacKey::load(&mut Reader::new(&array::<20>(key))).expect("20 bytes");
                let with = SendKeys {
                    sender_keyid: message.sender_keyid,
                    recipient_keyid: message.recipient_keyid,
                    next_dh: &Dh1536Public::read(&mut Reader::new(&bytes(&recorded["next_dh"])), "key")
                        .unwrap(),
                    counter: u64::from_be_bytes(array(&recorded["ctr"])),
                    session: &SessionKeys::derive(&secbytes, high),
                    reveal: old_keys.iter().map(old_key).collect(),
                };
                let flags = if message.ignore_unreadable { Flags::IgnoreUnreadable } else { Flags::None };
                assert_eq!(write(&header, flags, &with, plaintext.into()), whole, "{}", session.name);
            }
            assert_eq!(v3_file()["sessions"][session.name]["revealed_mac_keys"], revealed);
        }
    }

    /// A message of version 2 with these fields, which has the shortest header.
    fn message(keyids: [u32; 2], counter: u64, old_mac_keys: usize) -> Vec<u8> {
        let mut w = Writer::new();
        w.short(2).byte(0x03).byte(0).int(keyids[0]).int(keyids[1]).mpi(&[2]).long(counter);
        w.data(b"text").bytes(&[0; 20]).data(&vec![0; old_mac_keys]);
        w.finish()
    }

    #[test]
    fn numbers_that_must_not_be_zero_are_not() {
        assert!(read(&message([1, 1], 1, 0)).is_ok());
        for keyids in [[0, 1], [1, 0]] {
            assert_eq!(read(&message(keyids, 1, 0)).err(), Some(WireError::Illegal("keyid")));
        }
        assert_eq!(read(&message([1, 1], 0, 0)).err(), Some(WireError::Illegal("counter")));
    }

    #[test]
    fn old_mac_keys_have_twenty_bytes_each() {
        for length in [20, 40, 20 * 1000] {
            assert!(read(&message([1, 1], 1, length)).is_ok());
        }
        for length in [1, 19, 21, 64] {
            let refused = Some(WireError::Illegal("length of old MAC keys"));
            assert_eq!(read(&message([1, 1], 1, length)).err(), refused);
        }
    }

    #[test]
    fn a_message_that_is_cut_short_or_goes_on_is_refused() {
        let whole = message([1, 1], 1, 20);
        assert!((0..whole.len()).all(|length| read(&whole[..length]).is_err()));
        assert_eq!(read(&[whole, vec![0]].concat()).err(), Some(WireError::Trailing));
    }
}
