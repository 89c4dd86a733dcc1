//! Limits: who may ask for how much. Each is a token bucket, counted by the generic cell rate algorithm: one number a
//! subject, the time at which its bucket will be full again.

use crate::settings::IllegalSettings;
use crate::store::{CLOCK_SKEW, MAX_PREKEYS};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use otrv4::prekey_server::ServerIdentity;
use serde::{Deserialize, Deserializer, de::Error};
use sha2::Sha256;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// How much is served to whom. A bucket with `burst = 0` is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// False: none of them holds.
    pub enabled: bool,
    /// Requests of one address, whatever they ask. Each process counts its own: this one keeps a flood away from the
    /// database.
    pub requests_per_source: Bucket,
    /// Accounts made from one address.
    pub registrations_per_source: Bucket,
    /// Ensemble queries of one requester.
    pub queries_per_source: Bucket,
    /// Ensemble queries of all who ask through an oblivious gateway, together.
    pub queries_oblivious: Bucket,
    /// Ensemble queries of one requester for one identity.
    pub queries_per_pair: Bucket,
    /// Ensemble queries for one identity, whoever asks.
    pub queries_per_target: Bucket,
    /// Messages of one account; an exchange has two.
    pub messages_per_account: Bucket,
    /// With so many prekeys left or fewer, a client's prekeys are handed out as slowly as `reserve_release` says; 0: they
    /// never are.
    pub reserve: u32,
    /// How fast the reserve of one client is handed out.
    pub reserve_release: Bucket,
}

impl Default for Limits {
    fn default() -> Self {
        let bucket = |burst, seconds| Bucket { burst, per: Duration::from_secs(seconds) };
        Self {
            enabled: true,
            requests_per_source: Bucket { burst: 100, per: Duration::from_millis(200) },
            registrations_per_source: bucket(5, 3600),
            queries_per_source: bucket(50, 10),
            queries_oblivious: Bucket { burst: 500, per: Duration::from_millis(500) },
            queries_per_pair: bucket(4, 1800),
            queries_per_target: bucket(30, 60),
            messages_per_account: bucket(40, 15),
            reserve: 10,
            reserve_release: bucket(1, 300),
        }
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), IllegalSettings> {
        for (field, bucket) in [
            ("limits.requests_per_source", self.requests_per_source),
            ("limits.registrations_per_source", self.registrations_per_source),
            ("limits.queries_per_source", self.queries_per_source),
            ("limits.queries_oblivious", self.queries_oblivious),
            ("limits.queries_per_pair", self.queries_per_pair),
            ("limits.queries_per_target", self.queries_per_target),
            ("limits.messages_per_account", self.messages_per_account),
            ("limits.reserve_release", self.reserve_release),
        ] {
            bucket.check(field)?;
        }
        if self.reserve > MAX_PREKEYS {
            return Err(IllegalSettings::new("limits.reserve", "an identity has at most 1000 prekeys"));
        }
        Ok(())
    }

    /// The bucket of each subject of this kind; `None`: no limit.
    pub(crate) fn bucket(&self, limit: Limit) -> Option<Bucket> {
        let bucket = match limit {
            Limit::Requests => self.requests_per_source,
            Limit::Registrations => self.registrations_per_source,
            Limit::Queries => self.queries_per_source,
            Limit::ObliviousQueries => self.queries_oblivious,
            Limit::Pair => self.queries_per_pair,
            Limit::Target => self.queries_per_target,
            Limit::Messages => self.messages_per_account,
        };
        (self.enabled && !bucket.is_off()).then_some(bucket)
    }

    /// What is held back of a client's last prekeys.
    pub(crate) fn reserve(&self) -> Reserve {
        let holds = self.enabled && !self.reserve_release.is_off();
        Reserve { left: if holds { self.reserve } else { 0 }, release: self.reserve_release }
    }
}

/// Which limit a subject is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are those of `Limits`")]
pub enum Limit {
    Requests = 1,
    Registrations,
    Queries,
    ObliviousQueries,
    Pair,
    Target,
    Messages,
}

/// So many at once, then one more each so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// What a full bucket holds; 0: no limit.
    pub burst: u32,
    /// How long one takes to come back; in a file a number of seconds, such as 0.5.
    #[serde(default, deserialize_with = "seconds")]
    pub per: Duration,
}

impl Bucket {
    /// No limit.
    pub const OFF: Self = Self { burst: 0, per: Duration::ZERO };

    pub(crate) fn is_off(self) -> bool {
        self.burst == 0 || self.per.is_zero()
    }

    fn check(self, field: &'static str) -> Result<(), IllegalSettings> {
        if self.burst > MAX_BURST {
            return Err(IllegalSettings::new(field, "burst is at most 1000000; 0 is no limit"));
        }
        if self.burst > 0 && !(MIN_PER..=MAX_PER).contains(&self.per) {
            return Err(IllegalSettings::new(
                field,
                "per, the seconds in which one comes back, is 0.001 to 2592000; burst = 0 is no limit",
            ));
        }
        Ok(())
    }

    /// Milliseconds in which one comes back.
    pub(crate) fn per_ms(self) -> i64 {
        i64::try_from(self.per.as_millis()).unwrap_or(i64::MAX)
    }

    /// Milliseconds in which an empty bucket becomes full.
    pub(crate) fn full_ms(self) -> i64 {
        self.per_ms().saturating_mul(i64::from(self.burst))
    }

    /// Takes one at `now` out of a bucket that will be full at `full_at`: when it will be full after that; or how long until
    /// there is one. Both in milliseconds since 1970.
    ///
    /// What lies further ahead than an empty bucket, and further than clocks differ, comes from a clock that was set back or
    /// from other settings: such a bucket gives one, and is empty.
    pub(crate) fn spend(self, full_at: i64, now: i64) -> Result<i64, Duration> {
        let empty = now.saturating_add(self.full_ms());
        if full_at > empty.saturating_add(SKEW_MS) {
            return Ok(empty);
        }
        let next = full_at.max(now).saturating_add(self.per_ms());
        match u64::try_from(next.saturating_sub(empty)) {
            Ok(wait @ 1..) => Err(Duration::from_millis(wait)),
            _ => Ok(next),
        }
    }
}

/// Between the clocks of two processes. A bucket must not become fuller by going from one to the other and back.
pub(crate) const SKEW_MS: i64 = CLOCK_SKEW * 1000;

/// With products far from the end of the numbers.
const MAX_BURST: u32 = 1_000_000;
const MIN_PER: Duration = Duration::from_millis(1);
const MAX_PER: Duration = Duration::from_secs(30 * 86_400);

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| D::Error::custom("a number of seconds is expected"))
}

/// What is held back of the last prekeys of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// With more than so many waiting, nothing is held back.
    pub left: u32,
    /// How fast the rest goes.
    pub release: Bucket,
}

impl Reserve {
    /// Nothing is held back.
    pub const NONE: Self = Self { left: 0, release: Bucket::OFF };
}

/// Whether there was one to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It is gone.
    One,
    /// Nothing has changed; there will be one after this time.
    Wait(Duration),
}

/// Whom a bucket belongs to: a keyed hash, so that neither addresses nor identities lie in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Of which limit.
    pub limit: Limit,
    /// 128 bits of HMAC-SHA256.
    pub who: [u8; 16],
}

impl Subject {
    /// One byte for the limit, and the hash.
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [0; 17];
        let (limit, who) = bytes.split_at_mut(1);
        limit.copy_from_slice(&[self.limit as u8]);
        who.copy_from_slice(&self.who);
        bytes
    }
}

/// The key of the hashes, which all processes with the same key file have.
pub(crate) struct Subjects(Zeroizing<[u8; 32]>);

impl Subjects {
    pub(crate) fn of(identity: &ServerIdentity) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, identity.secret())
            .expand(b"prekey-server: subjects of limits", key.as_mut())
            .expect("32 bytes can be had");
        Self(key)
    }

    /// The parts come with their lengths, so that no two lists of parts are the same subject.
    pub(crate) fn subject(&self, limit: Limit, parts: &[&[u8]]) -> Subject {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of every length");
        mac.update(&[limit as u8]);
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        let mut who = [0; 16];
        who.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        Subject { limit, who }
    }
}

impl fmt::Debug for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Subjects(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Bucket = Bucket { burst: 2, per: Duration::from_secs(10) };

    #[test]
    fn a_bucket_holds_its_burst_and_fills_up_again_one_by_one() {
        let now = 1_700_000_000_000;
        let once = TWO.spend(now, now).expect("a full bucket");
        let twice = TWO.spend(once, now).expect("one more");
        assert_eq!(TWO.spend(twice, now), Err(Duration::from_secs(10)));
        assert_eq!(TWO.spend(twice, now + 9_999), Err(Duration::from_millis(1)));
        let again = TWO.spend(twice, now + 10_000).expect("one that came back");
        assert_eq!(TWO.spend(again, now + 10_000), Err(Duration::from_secs(10)));
        assert_eq!(TWO.spend(again, now + 1_000_000), Ok(now + 1_010_000), "full, and no fuller");
    }

    #[test]
    fn what_lies_too_far_ahead_is_as_good_as_empty() {
        let now = 1_700_000_000_000;
        let empty = now + TWO.full_ms();
        assert_eq!(TWO.spend(empty + SKEW_MS, now), Err(Duration::from_secs(10 + 30)), "another clock");
        assert_eq!(TWO.spend(empty + SKEW_MS + 1, now), Ok(empty), "a clock that was set back");
        let most = Bucket { burst: MAX_BURST, per: MAX_PER };
        assert_eq!(most.spend(i64::MAX, now), Ok(now + most.full_ms()));
        assert_eq!(most.spend(i64::MIN, now), Ok(now + most.per_ms()));
    }

    #[test]
    fn subjects_differ_by_limit_parts_and_key() {
        let mut rng = crate::system::rng();
        let mut subjects = || Subjects::of(&ServerIdentity::generate("prekey.example.org", &mut rng));
        let (ours, theirs) = (subjects(), subjects());
        let bytes = |limit, parts: &[&[u8]]| ours.subject(limit, parts).to_bytes();
        let one = bytes(Limit::Pair, &[b"ab", b"c"]);
        assert_eq!(one, bytes(Limit::Pair, &[b"ab", b"c"]));
        assert_ne!(one, bytes(Limit::Pair, &[b"a", b"bc"]));
        assert_ne!(one[1..], bytes(Limit::Target, &[b"ab", b"c"])[1..]);
        assert_ne!(one, theirs.subject(Limit::Pair, &[b"ab", b"c"]).to_bytes());
    }
}
