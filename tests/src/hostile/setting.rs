//! Who takes part in a schedule: how many clients, with which keys and policies. Used by [`super::world`].

use otrv4::session::{Expiry, OperationMode};
use otrv4::wire::{Padding, Versions};
use otrv4::{Lifetimes, Policy};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// What one client is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientSetting {
    pub(crate) policy: Policy,
    /// Its key of version 3, if it has one.
    pub(crate) v3_key: Option<usize>,
    pub(crate) max_line: Option<usize>,
    /// Whether its profiles live for a day.
    pub(crate) short_lifetimes: bool,
}

impl ClientSetting {
    pub(crate) fn lifetimes(&self) -> Lifetimes {
        const HOUR: i64 = 3600;
        match self.short_lifetimes {
            true => Lifetimes { profile: 24 * HOUR, overlap: 2 * HOUR, renew_ahead: 8 * HOUR },
            false => Lifetimes::default(),
        }
    }

    /// What is uncommon about it, in words.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let Self { policy, v3_key, max_line, short_lifetimes } = self;
        let versions = match (policy.allow_v2, policy.versions.contains(4), v3_key) {
            (true, ..) => "version 2 alone",
            (_, true, Some(_)) => "versions 4 and 3",
            (_, true, None) => "version 4 alone",
            _ => "version 3 alone",
        };
        let others = [
            (policy.operation == OperationMode::Standalone, "no clear text: standalone"),
            (policy.operation == OperationMode::InteractiveOnly, "no clear text: interactive only"),
            (policy.require_authenticated, "verified keys only"),
            (!policy.start_on_whitespace_tag, "whitespace tags without an answer"),
            (policy.expiry != Expiry::default(), "another expiry"),
            (*short_lifetimes, "short lives of profiles"),
            (policy.require_encryption, "required encryption"),
            (policy.require_interactive, "no offline conversations"),
            (policy.allow_fallback, "fallback allowed"),
            (policy.send_whitespace_tag, "whitespace tags"),
            (policy.start_on_error, "errors that start a conversation"),
            (!policy.start_on_identity, "no unasked handshakes"),
            (policy.heartbeat_after.is_some(), "heartbeats"),
            (policy.padding != Padding::Off, "padding"),
            (max_line.is_some(), "short lines"),
        ];
        let others = others.into_iter().filter(|(has, _)| *has).map(|(_, name)| name);
        std::iter::once(versions).chain(others).collect()
    }
}

/// Those of Alice, and those of Bob.
pub(crate) fn draw(rng: &mut ChaCha8Rng) -> [Vec<ClientSetting>; 2] {
    let versions = match rng.random_range(0..16) {
        0..8 => AllowedVersions::Only4,
        8..11 => AllowedVersions::Both,
        11..14 => AllowedVersions::Only3,
        _ => AllowedVersions::Only2,
    };
    let (alice, bob) = match rng.random_range(0..10) {
        // Version 2 has no tags, so it is for one client on each side.
        _ if versions == AllowedVersions::Only2 => (1, 1),
        0..5 => (1, 1),
        5..7 => (1, 2),
        7 => (2, 1),
        _ => (2, 2),
    };
    let mut key = 0;
    let mut clients = |count, of: usize| {
        let mut client = || {
            key += 1;
            one(rng, versions, 2 * key + of)
        };
        (0..count).map(|_| client()).collect()
    };
    [clients(alice, 0), clients(bob, 1)]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AllowedVersions {
    Only4,
    Both,
    Only3,
    Only2,
}

fn one(rng: &mut ChaCha8Rng, allowed: AllowedVersions, key: usize) -> ClientSetting {
    let mut policy = match rng.random_range(0..8) {
        0 if allowed == AllowedVersions::Only4 => Policy::standalone(),
        1 if allowed == AllowedVersions::Only4 => Policy::interactive_only(),
        _ => Policy::default(),
    };
    policy.versions = match allowed {
        AllowedVersions::Only4 => Versions::V4,
        AllowedVersions::Both => Versions::V34,
        AllowedVersions::Only3 => Versions::V3,
        AllowedVersions::Only2 => Versions::EMPTY,
    };
    let mut one_in = |n: u32| rng.random_range(0..n) == 0;
    policy.allow_v2 = allowed == AllowedVersions::Only2;
    policy.allow_fallback = one_in(4);
    policy.require_encryption |= one_in(3);
    policy.send_whitespace_tag = one_in(4);
    policy.start_on_whitespace_tag = !one_in(4);
    policy.require_authenticated = one_in(8);
    policy.start_on_error = one_in(4);
    policy.start_on_identity = !one_in(8);
    policy.heartbeat_after = (!one_in(3)).then_some(60);
    policy.padding = if one_in(3) { Padding::Classes } else { Padding::Off };
    if policy.operation == OperationMode::V3Compatible && one_in(10) {
        policy.require_interactive = true;
    }
    let short_lifetimes = one_in(4);
    if one_in(3) {
        policy.expiry =
            Expiry { online: rng.random_range(700..40_000), offline: rng.random_range(700..4 * 24 * 3600) };
    }
    let mut one_in = |n: u32| rng.random_range(0..n) == 0;
    let max_line = one_in(4).then(|| rng.random_range(100..600));
    let has_key = allowed != AllowedVersions::Only4;
    ClientSetting { policy, v3_key: has_key.then_some(key), max_line, short_lifetimes }
}
