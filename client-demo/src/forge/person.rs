//! Whoever forges: an account from its home folder, which stays as it is, and what everybody may know of the other one.

use otrv4::client_profile::ClientProfile;
use otrv4::forge::{CannotForge, Forger, Key, Person, Who};
use otrv4::prekey::PrekeyEnsemble;
use otrv4::wire::{Reader, Versions, Writer};
use otrv4::{Account, Policy, Timestamp};

use super::Unforged;
use super::arguments::{PairArguments, Which};
use crate::everyday::Place;
use crate::keep::{Home, State};
use crate::passphrase;

/// Two people, one of whom forges.
pub(super) struct Pair {
    pub(super) account: Account,
    pub(super) with: String,
    pub(super) forger: Forger,
    /// What the forger's client is set to with the other one.
    pub(super) policy: Policy,
    /// As it was given.
    pub(super) ensemble: Option<PrekeyEnsemble>,
    /// Whether the prekey in it is to be replaced.
    pub(super) false_prekey: bool,
    pub(super) at: Timestamp,
}

impl Pair {
    pub(super) fn open(arguments: PairArguments) -> Result<Self, Unforged> {
        let PairArguments { place, key, with, profile, ensemble, false_prekey, when } = arguments;
        let (account, state) = opened(&place.into())?;
        let ensemble = ensemble.map(|source| source.ensemble()).transpose()?;
        let at = when.or_now();
        let mut own = Person::of(&account);
        let mut theirs = profile.map(|source| source.profile(account.tag())).transpose()?;
        if let Some(ensemble) = &ensemble {
            // Its owner may have renewed their profile since, and answers with the one in it.
            let verified = ensemble.clone().verify(at, Versions::V4).map_err(CannotForge::Ensemble)?;
            let (shown, owner) = (profile_in(ensemble), verified.profile().owner());
            if owner == account.tag() {
                own.profile = shown;
            } else if theirs.clone().is_none_or(|known| known.verify(owner, at).is_ok()) {
                theirs = Some(shown);
            }
        }
        let profile = theirs.ok_or(Unforged::NoProfile)?;
        let key = match key {
            Which::LongTerm => Key::long_term_of(&account),
            Which::Forging => Key::forging_of(&account),
        };
        let other = Person { account: with.clone(), profile };
        let forger = Forger::new(own, key, other, at)?;
        Ok(Self { policy: state.policy_with(&with), account, with, forger, ensemble, false_prekey, at })
    }

    /// The account name of that side.
    pub(super) fn name(&self, who: Who) -> &str {
        match who {
            Who::Participant => self.account.id(),
            Who::Other => &self.with,
        }
    }
}

/// The account in a home folder, as it was kept.
pub(super) fn account(place: &Place) -> Result<Account, Unforged> {
    opened(place).map(|(account, _)| account)
}

/// The same with all else that is kept there.
fn opened(place: &Place) -> Result<(Account, State), Unforged> {
    let passphrase = || passphrase::given_or_asked(place.passphrase_file.as_deref()).map_err(Unforged::from);
    let (_home, state) = Home::open(&place.home, passphrase)?;
    Ok((Account::load(state.account.as_slice())?, state))
}

/// The Client Profile that an ensemble begins with.
fn profile_in(ensemble: &PrekeyEnsemble) -> ClientProfile {
    let mut w = Writer::new();
    ensemble.write(&mut w);
    ClientProfile::read(&mut Reader::new(w.as_slice())).expect("an ensemble begins with one")
}
