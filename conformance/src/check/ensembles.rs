//! Ensembles that a prekey server makes up out of what others have signed, or that are signed and not as they must be.

use otrv4::inside::primitives::over_bytes as primitives;
use otrv4::wire::Version::V4;
use otrv4::wire::{InstanceTag, Writer};
use otrv4::{Account, PrekeyEnsemble, Timestamp};

use super::begin::base64;
use super::{Bench, Case};
use crate::correspondent::{Correspondent, START};
use crate::illegal;
use crate::message::mpi;
use crate::stop::{Step, ensure, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "ensemble-expired", "otrv4: Validating Prekey Ensembles", expired),
    Case::new(V4, "ensemble-of-two", "otrv4: Validating Prekey Ensembles", of_two),
    Case::new(V4, "ensemble-signed-anew", "otrv4: Validating a Prekey Profile", signed_anew),
    Case::new(V4, "ensemble-keys", "otrv4: Prekey Message", illegal_keys),
];

/// Client Profile, Prekey Profile and prekey message.
#[derive(Clone)]
struct Parts {
    client_profile: Vec<u8>,
    prekey_profile: Vec<u8>,
    message: Vec<u8>,
}

impl Parts {
    fn of(account: &mut Account, now: Timestamp) -> Step<Self> {
        let made = account.make_prekeys(1, &mut crate::correspondent::rng(), now).unwrap_or_default();
        let (Some(ensemble), Some(prekey_profile)) = (made.first(), account.prekey_profile()) else {
            return failed("our side makes no prekeys");
        };
        let client_profile = account.client_profile().as_bytes().to_vec();
        let prekey_profile = prekey_profile.as_bytes().to_vec();
        let all = whole(ensemble);
        let message = all.get(client_profile.len() + prekey_profile.len()..).unwrap_or_default().to_vec();
        let parts = Self { client_profile, prekey_profile, message };
        ensure!(parts.all() == all, "an ensemble of ours has other parts");
        Ok(parts)
    }

    fn all(&self) -> Vec<u8> {
        [&self.client_profile[..], &self.prekey_profile, &self.message].concat()
    }
}

fn whole(ensemble: &PrekeyEnsemble) -> Vec<u8> {
    let mut w = Writer::new();
    ensemble.write(&mut w);
    w.finish()
}

/// They refuse each of them, and take the honest one.
fn only_this(bench: &Bench<'_>, us: Correspondent, honest: &Parts, bad: Vec<(String, Parts)>) -> Step {
    let mut c = bench.strangers()?;
    c.us = us;
    for (how, parts) in bad {
        let answer = c.them.ask(&format!("offline {}", base64(&parts.all())))?;
        ensure!(
            answer.error().is_some() && answer.out().is_empty() && answer.event("secure ").is_none(),
            "an ensemble with {how} is taken: {:?}",
            answer.lines()
        );
    }
    let mut said = c.them.obey(&format!("offline {}", base64(&honest.all())))?;
    said.add(c.carry(said.out())?);
    c.is_the_same(&said)?;
    c.lives()
}

/// All that the key has signed: what is old and what is new.
fn expired(bench: &Bench<'_>) -> Step {
    let old = Timestamp::from_unix(START - 40 * 24 * 60 * 60);
    let mut us = Correspondent::at(old, &[V4]);
    let before = Parts::of(&mut us.account, old)?;
    us.wait(40 * 24 * 60 * 60);
    let now = Parts::of(&mut us.account, us.now)?;
    ensure!(
        before.client_profile != now.client_profile && before.prekey_profile != now.prekey_profile,
        "our profiles are not renewed"
    );
    let bad = vec![
        ("expired profiles".to_owned(), before.clone()),
        (
            "an expired Client Profile".to_owned(),
            Parts { client_profile: before.client_profile, ..now.clone() },
        ),
        (
            "an expired Prekey Profile".to_owned(),
            Parts { prekey_profile: before.prekey_profile, ..now.clone() },
        ),
    ];
    only_this(bench, us, &now, bad)
}

/// Each part is good, of another client.
fn of_two(bench: &Bench<'_>) -> Step {
    let mut us = Correspondent::new(&[V4]);
    let ours = Parts::of(&mut us.account, us.now)?;
    let mut other = Correspondent::new(&[V4]);
    let others = Parts::of(&mut other.account, other.now)?;
    let of = |how: &str, parts| (how.to_owned(), parts);
    let bad = vec![
        of("the Client Profile of another", Parts { client_profile: others.client_profile, ..ours.clone() }),
        of("the Prekey Profile of another", Parts { prekey_profile: others.prekey_profile, ..ours.clone() }),
        of("the prekey message of another", Parts { message: others.message, ..ours.clone() }),
    ];
    only_this(bench, us, &ours, bad)
}

/// A Prekey Profile is tag, time, type and point, and a signature behind them.
fn signed_anew(bench: &Bench<'_>) -> Step {
    const SIGNED: usize = 4 + 8 + 2 + 57;
    let mut us = Correspondent::new(&[V4]);
    let other = Correspondent::new(&[V4]);
    let ours = Parts::of(&mut us.account, us.now)?;
    let signed = ours.prekey_profile.get(..SIGNED).unwrap_or_default().to_vec();
    let by = |account: &Account, signed: &[u8]| {
        let prekey_profile = [signed, &primitives::sign_as(account, signed)].concat();
        Parts { prekey_profile, ..ours.clone() }
    };
    let with = |at: usize, value: &[u8]| {
        let mut signed = signed.clone();
        signed.splice(at..at + value.len(), value.iter().copied());
        by(&us.account, &signed)
    };
    ensure!(by(&us.account, &signed).all() == ours.all(), "our own signature is another one");
    let tag = InstanceTag::random(&mut crate::correspondent::rng()).get().to_be_bytes();
    let mut bad = vec![
        ("a Prekey Profile signed by another key".to_owned(), by(&other.account, &signed)),
        ("a Prekey Profile of another tag".to_owned(), with(0, &tag)),
        ("a Prekey Profile that has just expired".to_owned(), with(4, &(START - 1).to_be_bytes())),
        ("a Prekey Profile of 1969".to_owned(), with(4, &(-1i64).to_be_bytes())),
        ("a Prekey Profile with another type of key".to_owned(), with(12, &[0x10, 0])),
    ];
    for (name, point) in illegal::points()? {
        bad.push((format!("the vector {name} as its shared prekey"), with(14, &point)));
    }
    only_this(bench, us, &ours, bad)
}

/// A prekey message is version, type, id, tag, Y and B, and nobody has signed it.
fn illegal_keys(bench: &Bench<'_>) -> Step {
    const Y: usize = 2 + 1 + 4 + 4;
    let mut us = Correspondent::new(&[V4]);
    let ours = Parts::of(&mut us.account, us.now)?;
    let with = |at: usize, value: &[u8]| {
        let mut message = ours.message.clone();
        message.splice(at..at + value.len(), value.iter().copied());
        Parts { message, ..ours.clone() }
    };
    let mut bad = vec![
        ("version 3".to_owned(), with(0, &[0, 3])),
        ("another type".to_owned(), with(2, &[0x35])),
        ("the tag of another".to_owned(), with(7, &[0x77, 0, 0, 1])),
    ];
    for (name, point) in illegal::points()? {
        bad.push((format!("the vector {name} as Y"), with(Y, &point)));
    }
    let before = ours.message.get(..Y + 57).unwrap_or_default();
    for (name, number) in illegal::dh_numbers()? {
        let message = [before, &mpi(&number)].concat();
        bad.push((format!("the vector {name} as B"), Parts { message, ..ours.clone() }));
    }
    only_this(bench, us, &ours, bad)
}
