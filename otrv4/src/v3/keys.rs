//! The DH keys of a conversation: the two newest of each side, when they change, and what each pairing of them has
//! sent and received. Spec: OTRv3 "Key Management", "Revealing MAC keys". Used by [`super::Channel`].
//!
//! What arrives is tried first; nothing here changes before MAC, counter and next key have been checked.
//! spec-notes/SN-042

mod saved;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::data::DataMessage;
use super::session_keys::{ExtraSymmKey, MacKey, SessionKeys};
use crate::Reject;
use crate::crypto::dh1536::{Dh1536KeyPair, Dh1536Public};
use crate::wire::WireError;

/// One conversation's keys.
#[derive(Debug)]
pub(super) struct Keys {
    /// The number of our newest key; the one before has acknowledged it and is what we send under.
    our_keyid: u32,
    our_dh: Two<Arc<Dh1536KeyPair>>,
    /// The counter of the last message under our previous key, whichever key of theirs it went to.
    sent: u64,
    /// The number of their newest key.
    their_keyid: u32,
    their_y: Dh1536Public,
    /// None until they have sent a data message.
    their_previous: Option<Dh1536Public>,
    /// By our key, then by theirs.
    pairs: Two<Two<Pair>>,
    to_reveal: Vec<MacKey>,
}

/// Of two successive keys.
#[derive(Debug, Default)]
struct Two<T> {
    previous: T,
    newest: T,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Previous,
    Newest,
}

/// A key of ours with a key of theirs.
#[derive(Debug, Default)]
struct Pair {
    /// Kept from the first time that they are needed, forged messages included: they cost a power of the other's key.
    session_keys: OnceLock<SessionKeys>,
    opened: Option<LastOpened>,
}

/// That messages were received under a pair of keys.
#[derive(Debug)]
struct LastOpened {
    /// The counter of the last one; what follows must be above it.
    counter: u64,
    /// To be revealed with the end of the pair.
    mac_key: MacKey,
}

/// What the next message is sent with.
pub(super) struct SendKeys<'a> {
    pub(super) sender_keyid: u32,
    pub(super) recipient_keyid: u32,
    pub(super) next_dh: &'a Dh1536Public,
    pub(super) counter: u64,
    pub(super) session: &'a SessionKeys,
    /// To be revealed with it.
    pub(super) reveal: Vec<MacKey>,
}

/// A message that proved to be theirs.
pub(super) struct Opened<'a> {
    pub(super) plaintext: Zeroizing<Vec<u8>>,
    pub(super) extra: &'a ExtraSymmKey,
    pub(super) step: Step,
}

/// What the message changes; see [`Keys::advance`].
pub(crate) struct Step {
    ours: Age,
    theirs: Age,
    opened: LastOpened,
    /// Their next key and its number, if the message was sent under their newest.
    next: Option<(u32, Dh1536Public)>,
}

impl Keys {
    /// "When starting a private conversation […] generate two DH key pairs": the first is that of the key exchange, with
    /// the number 1; the second is made here, in one draw of 40 bytes. spec-notes/SN-040
    pub(super) fn new(
        our_first: Arc<Dh1536KeyPair>,
        (their_keyid, their_y): (u32, Dh1536Public),
        rng: &mut dyn CryptoRng,
    ) -> Self {
        Self {
            our_keyid: 2,
            our_dh: Two { previous: our_first, newest: Arc::new(Dh1536KeyPair::generate(rng)) },
            sent: 0,
            their_keyid,
            their_y,
            their_previous: None,
            pairs: Two::default(),
            to_reveal: Vec::new(),
        }
    }

    /// "When you send a Data Message": our previous key, their newest one, and a counter that is never used again.
    pub(super) fn next_to_send(&mut self) -> SendKeys<'_> {
        self.sent = self.sent.checked_add(1).expect("nobody has sent 2^63 messages under one key");
        let count = self.to_reveal.len().min(MAX_REVEALED);
        let reveal = self.to_reveal.drain(..count).collect();
        let pair = &self.pairs.previous.newest;
        SendKeys {
            sender_keyid: self.our_keyid.saturating_sub(1),
            recipient_keyid: self.their_keyid,
            next_dh: self.our_dh.newest.public(),
            counter: self.sent,
            session: pair.session_keys(&self.our_dh.previous, &self.their_y),
            reveal,
        }
    }

    /// "When you receive a Data Message", in the order of the text: keyids, MAC, counter, and then the next key, all
    /// before anything changes. Refused: nothing has changed, and the work was at most one power.
    pub(super) fn try_open(&self, message: &DataMessage<'_>) -> Result<Opened<'_>, Reject> {
        let ours = Age::of(message.recipient_keyid, self.our_keyid).ok_or(Reject::UnknownRatchet)?;
        let theirs = Age::of(message.sender_keyid, self.their_keyid).ok_or(Reject::UnknownRatchet)?;
        let their_key = self.their_key(theirs).ok_or(Reject::UnknownRatchet)?;
        let pair = self.pairs.get(ours).get(theirs);
        let SessionKeys { receiving, extra, .. } = pair.session_keys(self.our_dh.get(ours), their_key);
        if !message.is_authentic(&receiving.mac) {
            return Err(Reject::Forged);
        }
        if pair.opened.as_ref().is_some_and(|last| message.counter <= last.counter) {
            return Err(Reject::Replayed);
        }
        if ours == Age::Newest && self.our_keyid == u32::MAX {
            return Err(Reject::UnknownRatchet);
        }
        let next = match theirs {
            Age::Newest => Some(self.check_next(message)?),
            Age::Previous => None,
        };
        let plaintext = message.decipher(receiving);
        let opened = LastOpened { counter: message.counter, mac_key: receiving.mac.copied() };
        Ok(Opened { plaintext, extra, step: Step { ours, theirs, opened, next } })
    }

    /// Makes the changes of a message that [`Self::try_open`] found to be theirs: "check if keys need rotation". Ours
    /// take one draw of 40 bytes.
    pub(super) fn advance(&mut self, step: Step, rng: &mut dyn CryptoRng) {
        let Step { ours, theirs, opened, next } = step;
        self.pairs.get_mut(ours).get_mut(theirs).opened = Some(opened);
        if ours == Age::Newest {
            self.our_keyid = self.our_keyid.saturating_add(1);
            self.our_dh.push(Arc::new(Dh1536KeyPair::generate(rng)));
            self.sent = 0;
            let Two { previous, newest } = self.pairs.push(Two::default());
            self.forget(previous);
            self.forget(newest);
        }
        if let Some((keyid, key)) = next {
            self.their_keyid = keyid;
            self.their_previous = Some(core::mem::replace(&mut self.their_y, key));
            let forgotten =
                [self.pairs.previous.push(Pair::default()), self.pairs.newest.push(Pair::default())];
            forgotten.into_iter().for_each(|pair| self.forget(pair));
        }
    }

    /// Whether nothing has been sent yet under the key that we send under.
    pub(super) fn opens(&self) -> bool {
        self.sent == 0
    }

    /// All MAC keys that were used, those of the present keys among them: nothing may be opened afterwards.
    pub(super) fn take_all_mac_keys(&mut self) -> Vec<MacKey> {
        let Two { previous, newest } = core::mem::take(&mut self.pairs);
        for pair in [previous.previous, previous.newest, newest.previous, newest.newest] {
            self.forget(pair);
        }
        self.take_used_mac_keys()
    }

    /// MAC keys that were used and under which nothing can be accepted any more; they are another's to reveal.
    pub(super) fn take_used_mac_keys(&mut self) -> Vec<MacKey> {
        core::mem::take(&mut self.to_reveal)
    }

    /// Takes over MAC keys that another channel has still to reveal.
    pub(super) fn reveal_also(&mut self, keys: Vec<MacKey>) {
        self.to_reveal.extend(keys);
    }

    /// Whether as many MAC keys wait to be revealed as one message takes: it is time to send one.
    pub(super) fn owes_much(&self) -> bool {
        self.to_reveal.len() >= MAX_REVEALED
    }

    /// Whether [`Self::take_all_mac_keys`] would give anything.
    pub(super) fn has_to_reveal(&self) -> bool {
        let Two { previous, newest } = &self.pairs;
        let pairs = [&previous.previous, &previous.newest, &newest.previous, &newest.newest];
        !self.to_reveal.is_empty() || pairs.iter().any(|pair| pair.opened.is_some())
    }

    /// Their key of that age, if there is one.
    fn their_key(&self, age: Age) -> Option<&Dh1536Public> {
        match age {
            Age::Previous => self.their_previous.as_ref(),
            Age::Newest => Some(&self.their_y),
        }
    }

    /// The next key of a message under their newest, and its number. One that is in use already is refused: the same
    /// two keys would give the same secrets again, whose MAC key may have been revealed. spec-notes/SN-042
    fn check_next(&self, message: &DataMessage<'_>) -> Result<(u32, Dh1536Public), Reject> {
        let keyid = self.their_keyid.checked_add(1).ok_or(Reject::UnknownRatchet)?;
        let next = Dh1536Public::from_be_bytes(message.next_dh)?;
        if [&self.our_dh.previous, &self.our_dh.newest].iter().any(|ours| *ours.public() == next) {
            return Err(Reject::OwnMessage);
        }
        match [Age::Previous, Age::Newest].iter().any(|age| self.their_key(*age) == Some(&next)) {
            true => Err(WireError::Illegal("next DH key").into()),
            false => Ok((keyid, next)),
        }
    }

    /// A pair whose keys are gone: its MAC key is to be revealed if it was used.
    fn forget(&mut self, pair: Pair) {
        self.to_reveal.extend(pair.opened.map(|opened| opened.mac_key));
    }
}

impl Pair {
    /// One power, the first time.
    fn session_keys(&self, ours: &Dh1536KeyPair, theirs: &Dh1536Public) -> &SessionKeys {
        self.session_keys.get_or_init(|| SessionKeys::derive(&ours.shared(theirs), ours.public() > theirs))
    }
}

impl Age {
    /// Which key has that number, when the newest has this.
    fn of(keyid: u32, newest: u32) -> Option<Self> {
        match newest.checked_sub(keyid)? {
            0 => Some(Self::Newest),
            1 => Some(Self::Previous),
            _ => None,
        }
    }
}

impl<T> Two<T> {
    fn get(&self, age: Age) -> &T {
        match age {
            Age::Previous => &self.previous,
            Age::Newest => &self.newest,
        }
    }

    fn get_mut(&mut self, age: Age) -> &mut T {
        match age {
            Age::Previous => &mut self.previous,
            Age::Newest => &mut self.newest,
        }
    }

    /// The newest becomes the previous one; gives what that was.
    fn push(&mut self, next: T) -> T {
        let previous = core::mem::replace(&mut self.newest, next);
        core::mem::replace(&mut self.previous, previous)
    }
}

/// MAC keys that one message reveals: 20 000 bytes. Only somebody who forces change after change of his own keys upon a
/// side that never answers makes it owe more.
const MAX_REVEALED: usize = 1000;
