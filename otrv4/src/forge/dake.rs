//! Forge DAKE and Session Keys; Impersonate Initiator or Responder. Spec: otrv4.md "Forging Transcripts", "KCI Attacks".
//! Used by applications.

use core::fmt;

use rand_core::CryptoRng;

use super::ensemble::Ensemble;
use super::forger::{CannotForge, Forger, Key, Person, Remembering, Side, Who};
use crate::account::Account;
use crate::client_profile::ClientProfile;
use crate::crypto::secret::Secret;
use crate::dake::interactive::{AuthI, AuthR, Identity, SentAuthR, SentIdentity};
use crate::dake::offline;
use crate::dake::{Established, Ssid};
use crate::wire::{Header, Reader, WireError};
use crate::{Reject, Timestamp};

/// A key exchange that never took place, and what follows from it.
pub struct ForgedDake {
    /// The messages in their order, as bytes before [`crate::wire::armour`], with their senders: Identity, Auth-R and
    /// Auth-I, or Non-Interactive-Auth alone.
    pub messages: Vec<(Who, Vec<u8>)>,
    /// The secure session id, as the side that began sees it.
    pub ssid: Ssid,
    /// The chain keys of the first messages. Interactive: of whoever sent Auth-R, then of whoever sent Auth-I. Offline: of
    /// whoever started, alone.
    pub chain_keys: Vec<Secret<64>>,
}

/// Without the messages.
impl fmt::Debug for ForgedDake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, ssid, chain_keys } = self;
        write!(f, "ForgedDake({ssid}, {} messages, {} chain keys)", messages.len(), chain_keys.len())
    }
}

impl Forger {
    /// Forges an interactive key exchange, DAKEZ, in which that side sends the Identity message.
    pub fn dake(
        &self,
        initiator: Who,
        at: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<ForgedDake, CannotForge> {
        let (responder, rng) = (initiator.peer(), &mut Remembering::new(rng));
        let unused = self.any_key();
        let sent = SentIdentity::new(self.us(initiator, &unused), None, rng);

        let identity = read(sent.message(), Identity::read)?;
        let key = self.ring_key(responder, || rng.key_of(&identity.ecdh))?;
        let us = self.us(responder, &key);
        let answer = SentAuthR::new(us, identity.verify(us, at)?, rng)?;

        let auth_r = read(answer.message(), AuthR::read)?;
        let key = self.ring_key(initiator, || rng.key_of(&auth_r.ecdh))?;
        let (established, auth_i) = sent.receive(self.us(initiator, &key), auth_r, at, rng)?;
        answer.verify(&read(&auth_i, |_, r| AuthI::read(r))?)?;

        let messages = vec![
            (initiator, sent.message().to_vec()),
            (responder, answer.message().to_vec()),
            (initiator, auth_i),
        ];
        let ssid = established.ssid;
        let chain_keys = [answer.complete(), established].iter().filter_map(first_chain_key).collect();
        Ok(ForgedDake { messages, ssid, chain_keys })
    }

    /// Forges an offline key exchange, XZDH, that this side starts from an ensemble of its peer. Refused if neither the forger's key
    /// nor what they know of the ensemble is of use in the ring.
    pub fn offline_dake(
        &self,
        starts: Who,
        ensemble: &Ensemble,
        at: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<ForgedDake, CannotForge> {
        let verified = ensemble.verify_for(self.side(starts.peer()), at)?;
        let key = self.ring_key(starts, || ensemble.key())?;
        let (established, message) = offline::start(self.us(starts, &key), &verified, rng)?;
        let (ssid, chain_keys) = (established.ssid, first_chain_key(&established).into_iter().collect());
        Ok(ForgedDake { messages: vec![(starts, message)], ssid, chain_keys })
    }
}

/// An account that poses as somebody towards one person, by that person's forging key (spec-notes/SN-046): with it a [`crate::Session`] takes
/// part in live conversations with them as initiator, as responder and as starter of an offline one. The person has to have
/// kept the secret ([`crate::keys::ForgingSecret::Keep`]). That of their long-term key is of no use here, since a live peer makes
/// ephemeral keys of its own. An offline start can be signed by one of their waiting prekeys, too: [`impersonate_offline`].
///
/// Nobody can be impersonated as the receiver of an offline conversation: that takes secrets of theirs in the key agreement
/// itself. The account never renews its profile, which the peer refuses once it has expired. It publishes nothing and takes no
/// key of version 3, since its key must sign nothing but rings; saved, it cannot be loaded again.
pub fn impersonate(
    who: Person,
    to: ClientProfile,
    key: Key<'_>,
    now: Timestamp,
) -> Result<Account, CannotForge> {
    let who = Side::verify(Who::Other, who, now)?;
    let to = Side::verify(Who::Participant, Person { account: String::new(), profile: to }, now)?;
    if who.profile.owner() == to.profile.owner() {
        return Err(CannotForge::OneClient);
    }
    let key = key.signing()?;
    match key.public() == to.profile.forging_key() {
        true => Ok(Account::in_the_name_of(&who.account, who.profile, key.copied())),
        false => Err(CannotForge::OutsideRing),
    }
}

/// The same by the secret of a prekey of that person's which has not been used ([`Ensemble::own`]), whether or not they have kept their
/// forging secret: `Y` is in the ring of the offline start. It is good for [`crate::Session::start_offline`] with this ensemble, once,
/// and for what follows from that. A made-up prekey serves where their account has been given it ([`Ensemble::give_to`]).
pub fn impersonate_offline(who: Person, ensemble: &Ensemble, now: Timestamp) -> Result<Account, CannotForge> {
    let who = Side::verify(Who::Other, who, now)?;
    let to = ensemble.verify(now)?;
    if who.profile.owner() == to.profile().owner() {
        return Err(CannotForge::OneClient);
    }
    let key = ensemble.key().ok_or(CannotForge::Ensemble(Reject::UnknownPrekey))?;
    Ok(Account::in_the_name_of(&who.account, who.profile, key))
}

/// A message of ours, read as its receiver does.
pub(super) fn read<'a, T>(
    message: &'a [u8],
    fields: impl FnOnce(&Header, &mut Reader<'a>) -> Result<T, WireError>,
) -> Result<T, CannotForge> {
    let mut r = Reader::new(message);
    let header = Header::read(&mut r).map_err(Reject::from)?;
    Ok(fields(&header, &mut r).map_err(Reject::from)?)
}

fn first_chain_key(established: &Established) -> Option<Secret<64>> {
    established.ratchet.sending_chain().map(|chain| chain.disclose())
}
