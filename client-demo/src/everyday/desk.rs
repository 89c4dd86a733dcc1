//! What every command works on: the opened home folder, and in it the account and the conversations.

use otrv4::keys::DsaKey;
use otrv4::session::OperationMode;
use otrv4::{Account, Context, InstanceView, Output, Policy, Protection, Session};

use super::{EverydayError, Place};
use crate::keep::{Bytes, Chosen, Contact, Home, Settings, State};
use crate::network::Network;
use crate::screen::{self, say};
use crate::{passphrase, system};

/// An opened home folder.
pub(super) struct Desk {
    pub(super) home: Home,
    pub(super) state: State,
    pub(super) account: Account,
}

impl Desk {
    /// Opens the home and does what the clock asks for: profiles are renewed, conversations and keys expire, heartbeats
    /// are due. What comes of it for the network goes out when the network is there.
    pub(super) fn open(place: &Place) -> Result<Self, EverydayError> {
        let passphrase =
            || passphrase::given_or_asked(place.passphrase_file.as_deref()).map_err(EverydayError::from);
        let (home, state) = Home::open(&place.home, passphrase)?;
        let account = Account::load(state.account.as_slice())?;
        let mut desk = Self { home, state, account };
        desk.catch_up()?;
        Ok(desk)
    }

    /// The same with the network, and does first what an earlier process kept but did not get to do. A line that goes out
    /// twice does no harm.
    pub(super) fn open_on(place: &Place, network: &Network) -> Result<Self, EverydayError> {
        let mut desk = Self::open(place)?;
        desk.have_v3_key()?;
        for (name, contact) in &desk.state.contacts {
            contact.unsent.iter().try_for_each(|line| network.deliver(desk.account.id(), name, line))?;
            contact.unshown.iter().try_for_each(|words| say(words.as_str()))?;
        }
        Ok(desk)
    }

    /// A key of versions 3 and 2, where the policy with somebody allows one of them. It is drawn when it can be needed for the
    /// first time, and not with the account: who moves in from another client brings one.
    pub(super) fn have_v3_key(&mut self) -> Result<(), EverydayError> {
        let policies = self.state.policies.keys().map(|contact| self.policy(contact));
        let mut all = policies.chain([Settings::policy(&[&self.state.policy])]);
        let speaks_it = |policy: Policy| {
            policy.operation == OperationMode::V3Compatible
                && Chosen { versions: policy.versions, allow_v2: policy.allow_v2 }.needs_v3_key()
        };
        if self.account.v3_key().is_none() && all.any(speaks_it) {
            let key = DsaKey::generate(&mut system::rng());
            self.account.set_v3_key(Some(key), &mut system::rng(), system::now());
            self.keep()?;
        }
        Ok(())
    }

    /// All has been sent and shown: what was kept of it goes.
    pub(super) fn settle(&mut self) -> Result<(), EverydayError> {
        for contact in self.state.contacts.values_mut() {
            contact.unsent.clear();
            contact.unshown.clear();
        }
        self.keep()
    }

    /// Keeps account and state.
    pub(super) fn keep(&mut self) -> Result<(), EverydayError> {
        self.state.account = Bytes::from(self.account.save());
        Ok(self.home.save(&self.state)?)
    }

    /// The policy with a contact.
    pub(super) fn policy(&self, contact: &str) -> Policy {
        self.state.policy_with(contact)
    }

    /// The conversation with a contact; a new one if there is none.
    pub(super) fn session(&self, contact: &str) -> Result<Session, EverydayError> {
        let policy = self.policy(contact);
        Ok(match self.state.contacts.get(contact) {
            Some(kept) => Session::load(kept.session.as_slice(), policy)?,
            None => Session::new(contact, policy),
        })
    }

    fn catch_up(&mut self) -> Result<(), EverydayError> {
        let mut changed = self.account.renew(&mut system::rng(), system::now());
        let names: Vec<String> = self.state.contacts.keys().cloned().collect();
        for name in names {
            let mut session = self.session(&name)?;
            let (rng, now) = (&mut system::rng(), system::now());
            let outputs = session.tick(&mut Context { account: &mut self.account, rng, now });
            if !outputs.is_empty() {
                changed = true;
                keep_outputs(&mut self.state, &self.account, &session, &outputs);
            }
        }
        if changed { self.keep() } else { Ok(()) }
    }
}

/// Puts a conversation into the state, and with it what is still to be sent and shown.
pub(super) fn keep_outputs(state: &mut State, account: &Account, session: &Session, outputs: &[Output]) {
    let contact = state.contacts.entry(session.correspondent().to_owned()).or_insert_with(Contact::new);
    contact.session = Bytes::from(session.save());
    for output in outputs {
        match output {
            Output::Save => {}
            Output::Send(line) => contact.unsent.push(line.clone()),
            Output::Event(event) => contact.unshown.push(screen::words(account, session, event).into()),
        }
    }
}

/// Whether the conversation with a client is encrypted.
pub(super) fn is_encrypted(client: &InstanceView) -> bool {
    matches!(client.protection, Protection::Encrypted { .. })
}
