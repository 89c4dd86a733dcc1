//! The fingerprints that people compare, of both versions.
//! Spec: otrv4.md "Public keys, Shared Prekeys, Forging keys and Fingerprints"; OTRv3 "Public keys, signatures, and
//! fingerprints". Used by the profiles, the session and the account.

use core::fmt;
use core::str::FromStr;

use super::{DsaKey, Point};
use crate::crypto::dsa::DsaPublic;
use crate::crypto::kdf::{Usage, hwc};
use crate::crypto::legacy::sha1;
use crate::wire::WireError;

/// What people compare to know whom they talk to: `HWC(usage_fingerprint || byte(H) || byte(F), 56)` over the points
/// without their types (spec-notes/SN-004).
pub type Fingerprint = FingerprintOf<56>;

/// The fingerprint of version 3: the SHA-1 of a DSA public key.
pub type FingerprintV3 = FingerprintOf<20>;

/// A fingerprint of `N` bytes. Those of the two versions are different types.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FingerprintOf<const N: usize>([u8; N]);

impl FingerprintOf<56> {
    /// The fingerprint of a long-term key `H` and a forging key `F`.
    pub fn of(identity_key: &Point, forging_key: &Point) -> Self {
        Self(hwc(Usage::Fingerprint, &[identity_key.as_bytes(), forging_key.as_bytes()]))
    }
}

impl DsaPublic {
    /// The SHA-1 of PUBKEY without its type, two bytes of zero.
    pub(crate) fn fingerprint(&self) -> FingerprintV3 {
        FingerprintOf(sha1(&[self.bytes().get(2..).unwrap_or_default()]))
    }
}

impl DsaKey {
    /// The fingerprint of the public key.
    pub fn fingerprint(&self) -> FingerprintV3 {
        self.public().fingerprint()
    }
}

impl<const N: usize> FingerprintOf<N> {
    /// Of other keys, whose hash is defined elsewhere.
    pub(crate) const fn from_bytes(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The digits in groups of eight, upper case, for people to read to each other: 14 groups, or 5 of version 3.
    pub fn groups(&self) -> String {
        let groups: Vec<_> = self
            .0
            .chunks(4)
            .map(|group| group.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
            .collect();
        groups.join(" ")
    }
}

/// Lower-case hex digits: 112, or 40 of version 3.
impl<const N: usize> fmt::Display for FingerprintOf<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for FingerprintOf<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Reads what [`FingerprintOf::groups`] and `Display` give: all hex digits, of either case, blanks between them ignored.
impl<const N: usize> FromStr for FingerprintOf<N> {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let illegal = WireError::Illegal("fingerprint");
        let mut digits = text.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| c.to_digit(16));
        let mut bytes = [0; N];
        for byte in &mut bytes {
            let mut nibble =
                || digits.next().flatten().and_then(|digit| u8::try_from(digit).ok()).ok_or(illegal);
            *byte = nibble()? << 4 | nibble()?;
        }
        if digits.next().is_some() { Err(illegal) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{array, bytes, of_kind, v3_file};

    #[test]
    fn fingerprints_are_as_recorded() {
        for v in of_kind("fingerprint") {
            let h = Point::decode(&array(&v.inputs["H"])).unwrap();
            let f = Point::decode(&array(&v.inputs["F"])).unwrap();
            let fingerprint = Fingerprint::of(&h, &f);
            assert_eq!(fingerprint.to_string(), v.outputs["fingerprint"].as_str().unwrap(), "{}", v.name);
            assert_ne!(fingerprint, Fingerprint::of(&f, &h), "the order of the keys counts");
        }
    }

    #[test]
    fn fingerprints_of_recorded_dsa_keys_are_as_recorded() {
        for name in ["A", "B"] {
            let recorded = &v3_file()["keys"][name];
            let [p, q, g, y, x] = ["p", "q", "g", "y", "x"].map(|name| bytes(&recorded[name]));
            let key = DsaKey::from_parts(&p, &q, &g, &y, &x).unwrap();
            assert_eq!(key.fingerprint().to_string(), recorded["fingerprint"].as_str().unwrap());
        }
    }

    fn counting<const N: usize>() -> FingerprintOf<N> {
        FingerprintOf(core::array::from_fn(|i| 0xf0 ^ u8::try_from(i).unwrap()))
    }

    fn is_read_from_every_form<const N: usize>(length: usize) {
        let fingerprint = counting::<N>();
        let groups = fingerprint.groups();
        assert!(groups.starts_with("F0F1F2F3 F4F5F6F7 "), "{groups}");
        assert_eq!(groups.len(), length);
        for text in [groups, fingerprint.to_string(), format!(" {fingerprint}\n")] {
            assert_eq!(text.parse(), Ok(fingerprint));
        }
    }

    #[test]
    fn a_fingerprint_is_read_from_every_form_people_write() {
        is_read_from_every_form::<56>(112 + 13);
        is_read_from_every_form::<20>(40 + 4);
    }

    #[test]
    fn text_that_is_no_fingerprint_is_refused() {
        let good = Fingerprint::from_bytes([0xab; 56]).to_string();
        for bad in [&good[1..], &format!("{good}a"), &format!("g{}", &good[1..]), "", "äb"] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(WireError::Illegal("fingerprint")), "{bad}");
        }
    }

    #[test]
    fn a_fingerprint_of_one_version_is_not_read_as_one_of_the_other() {
        assert!(counting::<20>().to_string().parse::<Fingerprint>().is_err());
        assert!(counting::<56>().to_string().parse::<FingerprintV3>().is_err());
    }
}
