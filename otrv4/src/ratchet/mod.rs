//! The Double Ratchet: from one mixed shared secret to a key for every message.
//! Spec: otrv4.md "Key Management", "Data Exchange". Used by [`crate::v4`]; knows nothing of TLVs or tags.
//!
//! Two kinds of step: every message turns its chain (a hash), and the first message after one of theirs turns the
//! ratchet (a new ECDH key, and every third time a new DH key). What arrives is tried on copies of the keys: nothing
//! here changes before its MAC has been checked.

mod incoming;
pub(crate) mod keys;
mod saved;
mod skipped;

use rand_core::CryptoRng;

use crate::crypto::dh3072::{DhKeyPair, DhPublic};
use crate::crypto::ed448::{EcdhKeyPair, Point};
use crate::{Reject, Timestamp};
use incoming::{ExtraSource, NewRatchet, Opened, Way};
pub(crate) use incoming::{Position, Sealed, Step};
use keys::{BraceKey, ChainKey, MacKey, MixedSecret, RootKey};
use skipped::{Skipped, Stored};

/// One conversation's keys.
#[derive(Debug)]
pub(crate) struct Ratchet {
    /// `i`: the id of the next ratchet, whoever opens it; never reset. spec-notes/SN-009
    next_id: u32,
    root: RootKey,
    brace: BraceKey,
    their_ecdh: Point,
    their_dh: DhPublic,
    /// Our half of the next DH ratchet that they open; gone once it has been used.
    our_dh: Option<DhKeyPair>,
    /// Our open ratchet; none when the next message we send opens one.
    sending: Option<Sending>,
    /// `pn`: how many messages our ratchet before this one had.
    previous: u32,
    /// Their open ratchet; none until the first one.
    receiving: Option<Receiving>,
    /// The ECDH key of their ratchet 0, so that its messages are known again when they are replayed.
    their_first: Option<[u8; 57]>,
    skipped: Skipped,
    to_reveal: Vec<MacKey>,
}

/// A ratchet that we send in.
#[derive(Debug)]
struct Sending {
    id: u32,
    ecdh: EcdhKeyPair,
    /// Travels in every message of a ratchet whose id is a multiple of three.
    dh: Option<DhPublic>,
    chain: ChainKey,
    /// `j`: the id of the next message.
    next: u32,
}

/// A ratchet that they send in, under [`Ratchet::their_ecdh`].
#[derive(Debug)]
struct Receiving {
    id: u32,
    chain: ChainKey,
    /// `k`: the id of the message that would come next in order.
    next: u32,
}

/// What the next message is sent with.
pub(crate) struct SendKeys<'a> {
    pub(crate) pn: u32,
    pub(crate) i: u32,
    pub(crate) j: u32,
    pub(crate) ecdh: &'a Point,
    pub(crate) dh: Option<&'a DhPublic>,
    /// The message's own chain key: the ratchet has moved on.
    pub(crate) chain: ChainKey,
    /// To be revealed with it.
    pub(crate) reveal: Vec<MacKey>,
    /// Whether it is the first message under an ECDH key that was made for it.
    pub(crate) opens: bool,
}

impl Ratchet {
    /// Bob, who sends Auth-I: takes Alice's first keys as a ratchet of hers and opens his own.
    /// otrv4.md "Interactive DAKE Overview".
    pub(crate) fn interactive_initiator(
        k: &MixedSecret,
        (our_ecdh, our_dh): (&EcdhKeyPair, &DhKeyPair),
        (their_ecdh, their_dh): (Point, DhPublic),
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let brace = BraceKey::fresh(&our_dh.shared(&their_dh));
        let mixed = MixedSecret::mix(&our_ecdh.shared(&their_ecdh), &brace);
        let (root, chain) = k.first_root_key().turn(&mixed);
        let their_first = Some(*their_ecdh.as_bytes());
        let mut ratchet = Self {
            next_id: 0,
            root,
            brace,
            their_ecdh,
            their_dh,
            our_dh: None,
            sending: None,
            previous: 0,
            receiving: Some(Receiving { id: 0, chain, next: 0 }),
            their_first,
            skipped: Skipped::default(),
            to_reveal: Vec::new(),
        };
        ratchet.open_ratchet(rng);
        ratchet
    }

    /// Alice, who receives Auth-I: her first keys are her open ratchet; Bob's is still to come, with the same id 0.
    pub(crate) fn interactive_responder(k: &MixedSecret, first: FirstKeys) -> Self {
        let FirstKeys { our_ecdh, our_dh, their_ecdh, their_dh } = first;
        let brace = BraceKey::fresh(&our_dh.shared(&their_dh));
        let mixed = MixedSecret::mix(&our_ecdh.shared(&their_ecdh), &brace);
        let (root, chain) = k.first_root_key().turn(&mixed);
        let dh = Some(our_dh.public().clone());
        Self {
            next_id: 0,
            root,
            brace,
            their_ecdh,
            their_dh,
            our_dh: Some(our_dh),
            sending: Some(Sending { id: 0, ecdh: our_ecdh, dh, chain, next: 0 }),
            previous: 0,
            receiving: None,
            their_first: None,
            skipped: Skipped::default(),
            to_reveal: Vec::new(),
        }
    }

    /// Alice, who sends Non-Interactive-Auth: her first keys are ratchet 0. spec-notes/SN-011
    pub(crate) fn offline_sender(k: &MixedSecret, brace: BraceKey, first: FirstKeys) -> Self {
        let FirstKeys { our_ecdh, our_dh, their_ecdh, their_dh } = first;
        let (root, chain) = k.offline_start();
        let dh = Some(our_dh.public().clone());
        Self {
            next_id: 1,
            root,
            brace,
            their_ecdh,
            their_dh,
            our_dh: Some(our_dh),
            sending: Some(Sending { id: 0, ecdh: our_ecdh, dh, chain, next: 0 }),
            previous: 0,
            receiving: None,
            their_first: None,
            skipped: Skipped::default(),
            to_reveal: Vec::new(),
        }
    }

    /// Bob, who receives Non-Interactive-Auth.
    pub(crate) fn offline_receiver(k: &MixedSecret, brace: BraceKey, ecdh: Point, dh: DhPublic) -> Self {
        let (root, chain) = k.offline_start();
        let their_first = Some(*ecdh.as_bytes());
        Self {
            next_id: 1,
            root,
            brace,
            their_ecdh: ecdh,
            their_dh: dh,
            our_dh: None,
            sending: None,
            previous: 0,
            receiving: Some(Receiving { id: 0, chain, next: 0 }),
            their_first,
            skipped: Skipped::default(),
            to_reveal: Vec::new(),
        }
    }

    /// The keys for the next message to send. The first one after a message of theirs opens a ratchet and reveals the
    /// MAC keys of what we opened so far; what is too much for one message goes with the next. spec-notes/SN-014
    pub(crate) fn next_to_send(&mut self, rng: &mut dyn CryptoRng) -> SendKeys<'_> {
        let opens = self.sending.is_none();
        if opens {
            self.open_ratchet(rng);
        }
        let mut reveal = Vec::new();
        if opens || self.owes_much() {
            let count = self.to_reveal.len().min(MAX_REVEALED);
            reveal.extend(self.to_reveal.drain(..count));
        }
        let sending = self.sending.as_mut().expect("a ratchet was opened just now, or before");
        let (next_chain, j) = (sending.chain.next(), sending.next);
        let chain = std::mem::replace(&mut sending.chain, next_chain);
        sending.next = sending.next.saturating_add(1);
        SendKeys {
            pn: self.previous,
            i: sending.id,
            j,
            ecdh: sending.ecdh.public(),
            dh: sending.dh.as_ref(),
            chain,
            reveal,
            opens,
        }
    }

    /// The chain key of our next message, if it goes out in a ratchet that is open.
    pub(crate) fn sending_chain(&self) -> Option<&ChainKey> {
        self.sending.as_ref().map(|sending| &sending.chain)
    }

    /// Whether a message comes from their first ratchet or one that we can read: if not, it may belong to another key
    /// exchange.
    pub(crate) fn knows(&self, ecdh: &[u8; 57]) -> bool {
        let open = self.receiving.is_some() && self.their_ecdh.as_bytes() == ecdh;
        open || self.their_first.as_ref() == Some(ecdh) || self.skipped.knows(ecdh)
    }

    /// Opens a message: finds its key, checks its MAC, deciphers. Refused: nothing has changed, and the work was bounded.
    pub(crate) fn try_open(&self, at: Position<'_>, sealed: &Sealed<'_>) -> Result<Opened<'_>, Reject> {
        if let Some(Stored { key, extra, .. }) = self.skipped.find(at.ecdh, at.j) {
            return sealed.open(key, ExtraSource::Stored(extra), at, Way::Stored);
        }
        let (chain, way) = match &self.receiving {
            Some(open) if self.their_ecdh.as_bytes() == at.ecdh => self.in_open_ratchet(open, at)?,
            _ => self.in_new_ratchet(at)?,
        };
        sealed.open(&chain.message_key(), ExtraSource::Chain(chain), at, way)
    }

    /// Makes the changes of a message that [`Self::try_open`] found to be theirs. Keys that are stored on the way are
    /// as old as `now`.
    pub(crate) fn advance(&mut self, step: Step, now: Timestamp) {
        let Step { ecdh, j, mac_key, way } = step;
        match way {
            Way::Stored => _ = self.skipped.take(&ecdh, j),
            Way::Open(behind) => self.advance_chain(j, behind, now),
            Way::New(new) => {
                self.store_rest_of_ratchet(new.pn, now);
                self.enter_ratchet(*new, j, now);
            }
        }
        self.to_reveal.push(mac_key);
    }

    /// Forgets the keys that were stored at that time or before it; their MAC keys will be revealed. Says whether
    /// there were any. otrv4.md "Deletion of Stored Message Keys", spec-notes/SN-029
    pub(crate) fn expire_stored(&mut self, older_than: Timestamp) -> bool {
        let expired = self.skipped.expire(older_than);
        let any = !expired.is_empty();
        self.to_reveal.extend(expired);
        any
    }

    /// No key was stored later than now, whatever a clock has said that was ahead. Whether that changes anything.
    pub(crate) fn clamp_stored(&mut self, now: Timestamp) -> bool {
        self.skipped.clamp(now)
    }

    /// When the oldest stored key was stored.
    pub(crate) fn oldest_stored(&self) -> Option<Timestamp> {
        self.skipped.oldest()
    }

    /// Everything that is still to be revealed, the keys of messages that never arrived among it; nothing can be
    /// opened afterwards. For the end of a conversation.
    pub(crate) fn reveal_all(&mut self) -> Vec<MacKey> {
        self.receiving = None;
        let mut keys = std::mem::take(&mut self.to_reveal);
        keys.extend(self.skipped.drain());
        keys
    }

    /// Takes over MAC keys that another channel with the same client has still to reveal.
    pub(crate) fn reveal_also(&mut self, keys: Vec<MacKey>) {
        self.to_reveal.extend(keys);
    }

    /// The MAC keys of opened messages, which another channel will reveal.
    pub(crate) fn take_opened_mac_keys(&mut self) -> Vec<MacKey> {
        std::mem::take(&mut self.to_reveal)
    }

    /// Whether as many MAC keys wait to be revealed as one message takes: it is time to send one.
    pub(crate) fn owes_much(&self) -> bool {
        self.to_reveal.len() >= MAX_REVEALED
    }

    /// Whether [`Self::reveal_all`] would give anything.
    pub(crate) fn has_to_reveal(&self) -> bool {
        !self.to_reveal.is_empty() || self.skipped.len() > 0
    }

    /// "Rotating ECDH Keys and Brace Key as sender".
    fn open_ratchet(&mut self, rng: &mut dyn CryptoRng) {
        let (id, ecdh) = (self.next_id, EcdhKeyPair::generate(rng));
        let mut dh = None;
        self.brace = match is_dh_ratchet(id) {
            true => {
                let pair = DhKeyPair::generate(rng);
                let brace = BraceKey::fresh(&pair.shared(&self.their_dh));
                dh = Some(pair.public().clone());
                self.our_dh = Some(pair);
                brace
            }
            false => self.brace.next(),
        };
        let k = MixedSecret::mix(&ecdh.shared(&self.their_ecdh), &self.brace);
        let (root, chain) = self.root.turn(&k);
        self.root = root;
        self.sending = Some(Sending { id, ecdh, dh, chain, next: 0 });
        self.next_id = id.saturating_add(1);
    }

    /// A message of their open ratchet, at most [`MAX_AHEAD`] after the one that would come next.
    fn in_open_ratchet(&self, open: &Receiving, at: Position<'_>) -> Result<(ChainKey, Way), Reject> {
        if at.i != open.id {
            return Err(Reject::UnknownRatchet);
        }
        let steps = at.j.checked_sub(open.next).ok_or(Reject::Replayed)?;
        if steps > MAX_AHEAD {
            return Err(Reject::TooFarAhead);
        }
        let here = open.chain.advanced(steps);
        let behind = here.next();
        Ok((here, Way::Open(behind)))
    }

    /// "Rotating ECDH Keys and Brace Key as receiver", on copies. Only the ratchet that is due can be opened, and only
    /// in answer to one of ours.
    fn in_new_ratchet(&self, at: Position<'_>) -> Result<(ChainKey, Way), Reject> {
        let answered = match &self.sending {
            Some(sending) if at.i == self.next_id => sending,
            _ => return Err(Reject::UnknownRatchet),
        };
        if at.j > MAX_AHEAD {
            return Err(Reject::TooFarAhead);
        }
        let their_ecdh = Point::decode(at.ecdh)?;
        let their_dh = at.dh.map(DhPublic::from_be_bytes).transpose()?;
        let brace = match (&their_dh, &self.our_dh) {
            (Some(theirs), Some(ours)) => BraceKey::fresh(&ours.shared(theirs)),
            (Some(_), None) => return Err(Reject::UnknownRatchet),
            (None, _) => self.brace.next(),
        };
        let k = MixedSecret::mix(&answered.ecdh.shared(&their_ecdh), &brace);
        let (root, first) = self.root.turn(&k);
        let here = first.advanced(at.j);
        let behind = here.next();
        let new = NewRatchet { pn: at.pn, their_ecdh, their_dh, root, brace, first, behind };
        Ok((here, Way::New(Box::new(new))))
    }

    /// Stores the keys before message `j` of their open ratchet and moves behind it.
    fn advance_chain(&mut self, j: u32, behind: ChainKey, now: Timestamp) {
        self.store_up_to(j, now);
        if let Some(open) = &mut self.receiving {
            (open.chain, open.next) = (behind, j.saturating_add(1));
        }
    }

    /// Stores what has not arrived of the ratchet that they closed, which had `pn` messages. Of a hole larger than
    /// [`MAX_AHEAD`] the first ones are kept: holes never end a conversation. spec-notes/SN-029
    fn store_rest_of_ratchet(&mut self, pn: u32, now: Timestamp) {
        if let Some(open) = &self.receiving {
            self.store_up_to(pn.min(open.next.saturating_add(MAX_AHEAD)), now);
        }
    }

    /// Stores the keys of their open ratchet from the next one to the one before `j`.
    fn store_up_to(&mut self, j: u32, now: Timestamp) {
        let Some(open) = &mut self.receiving else { return };
        while open.next < j {
            let keys = Stored::of(&open.chain, now);
            open.chain = open.chain.next();
            self.to_reveal.extend(self.skipped.store(self.their_ecdh.as_bytes(), open.next, keys));
            open.next = open.next.saturating_add(1);
        }
    }

    fn enter_ratchet(&mut self, new: NewRatchet, j: u32, now: Timestamp) {
        let NewRatchet { pn: _, their_ecdh, their_dh, root, brace, first, behind } = new;
        if let Some(sending) = self.sending.take() {
            self.previous = sending.next;
        }
        if let Some(their_dh) = their_dh {
            (self.their_dh, self.our_dh) = (their_dh, None);
        }
        if self.next_id == 0 {
            self.their_first = Some(*their_ecdh.as_bytes());
        }
        (self.their_ecdh, self.root, self.brace) = (their_ecdh, root, brace);
        self.receiving = Some(Receiving { id: self.next_id, chain: first, next: 0 });
        self.next_id = self.next_id.saturating_add(1);
        self.advance_chain(j, behind, now);
    }
}

/// The keys that a key exchange hands to the ratchet of Alice: her first pairs and what she has of Bob's.
#[derive(Debug)]
pub(crate) struct FirstKeys {
    pub(crate) our_ecdh: EcdhKeyPair,
    pub(crate) our_dh: DhKeyPair,
    pub(crate) their_ecdh: Point,
    pub(crate) their_dh: DhPublic,
}

/// Whether the ratchet of that id brings a new DH key.
pub(crate) fn is_dh_ratchet(id: u32) -> bool {
    id.is_multiple_of(3)
}

/// `max_skip`: how far ahead a message may be in its ratchet, so that a forged one costs a thousand hashes at most.
pub(crate) const MAX_AHEAD: u32 = 1000;

/// MAC keys that one message reveals at most, 64 bytes each: with a text of the largest size it still fits into what
/// we, and others, reassemble.
pub(crate) const MAX_REVEALED: usize = 1000;
