//! Accounts: which identity a publisher speaks for, and the token that proves it to this server.
//!
//! The protocol trusts the network to say who is speaking ("Prekey Server Requirements" of the prekey server
//! specification). Over HTTP nobody says so; a registered identity and its token stand in for that.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A publisher's name on the network, such as `bob@example.org`: 1 to [`MAX_IDENTITY`] bytes of UTF-8.
///
/// It enters the protocol's `phi` byte for byte, so the server never trims or folds it: a name that is not already
/// in lower case, or that holds blanks, control characters or invisible ones, is refused. So no two accounts look
/// the same but for case or blanks, and client and server never hash different spellings.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity(String);

/// The text cannot be the name of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an identity is 1 to 256 bytes of lower-case text without blanks, control characters or invisible characters"
)]
pub struct IllegalIdentity;

/// Longest identity, in bytes: room for any address people use, and a bound for keys in the database.
pub const MAX_IDENTITY: usize = 256;

impl Identity {
    /// Checks the text; changes nothing in it.
    pub fn new(text: &str) -> Result<Self, IllegalIdentity> {
        let length_is_fine = (1..=MAX_IDENTITY).contains(&text.len());
        if length_is_fine && text.chars().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IllegalIdentity)
        }
    }

    /// The text as the account was registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names stay out of logs.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Identity(..)")
    }
}

fn is_plain(c: char) -> bool {
    // Soft hyphen, zero-width and direction marks: two names that differ in them look the same.
    let invisible = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let lower = c.to_lowercase().eq([c]);
    lower && !invisible && !c.is_control() && !c.is_whitespace()
}

/// What a client shows to speak for an identity: the identity and 32 random bytes, both base64url, joined by ".".
///
/// The identity is inside so that the account is found by its key, and the secret is then compared in constant time.
pub struct Token {
    identity: Identity,
    secret: Zeroizing<[u8; 32]>,
}

impl Token {
    /// A fresh token for `identity`.
    pub fn generate(identity: Identity, rng: &mut dyn CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut());
        Self { identity, secret }
    }

    /// Reads what [`Token::to_text`] wrote; `None` for anything else.
    pub fn read(text: &str) -> Option<Self> {
        let (identity, secret) = text.split_once('.')?;
        let identity = String::from_utf8(URL_SAFE_NO_PAD.decode(identity).ok()?).ok()?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        Some(Self {
            identity: Identity::new(&identity).ok()?,
            secret: Zeroizing::new(<[u8; 32]>::try_from(secret.as_slice()).ok()?),
        })
    }

    /// The text handed to the client, once; only letters, digits, "-", "_" and ".".
    pub fn to_text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.secret.as_slice()));
        Zeroizing::new(format!("{}.{}", URL_SAFE_NO_PAD.encode(self.identity.as_str()), secret.as_str()))
    }

    /// Whom the bearer claims to speak for; true only once [`TokenHash::matches`] says so.
    pub fn claimed_identity(&self) -> &Identity {
        &self.identity
    }

    /// What the database keeps: SHA-256 of the secret. 256 random bits need no salt and no slow hash.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.secret.as_slice()).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity: _, secret: _ } = self;
        f.write_str("Token(..)")
    }
}

/// SHA-256 of a token's secret.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// From the bytes kept in the database.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to keep in the database.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both come from the same secret, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("TokenHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(text: &str) -> Identity {
        Identity::new(text).expect("a legal identity")
    }

    #[test]
    fn addresses_in_lower_case_are_identities() {
        for text in
            ["bob@example.org", "b", "bob", "žofie@příklad.cz", "日本@例え.jp", &"x".repeat(MAX_IDENTITY)]
        {
            assert_eq!(Identity::new(text).map(|identity| identity.as_str().to_owned()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn names_that_could_be_mistaken_for_another_are_refused() {
        let long = "x".repeat(MAX_IDENTITY + 1);
        for text in [
            "",
            &long,
            "Bob@example.org",
            "BOB",
            " bob",
            "bob ",
            "bob smith",
            "bob\n",
            "bob\0",
            "b\u{200b}ob",
            "\u{202e}bob",
            "bob\u{7f}",
            "\u{feff}bob",
            "ÉMILE",
            "bob\u{a0}",
        ] {
            assert_eq!(Identity::new(text), Err(IllegalIdentity), "{text:?}");
        }
    }

    #[test]
    fn a_token_reads_back_and_matches_its_hash_only() {
        let token = Token::generate(identity("bob@example.org"), &mut crate::system::rng());
        let other = Token::generate(identity("bob@example.org"), &mut crate::system::rng());
        let read = Token::read(&token.to_text()).expect("what we wrote");
        assert_eq!(read.claimed_identity(), token.claimed_identity());
        assert!(read.hash().matches(&token.hash()));
        assert!(!other.hash().matches(&token.hash()));
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        let good = Token::generate(identity("bob"), &mut crate::system::rng()).to_text();
        let short = &good[..good.len() - 2];
        let longer = format!("{}AAAA", good.as_str());
        let upper = format!("{}.{}", URL_SAFE_NO_PAD.encode("BOB"), good.split_once('.').expect("a dot").1);
        for text in ["", ".", "a.b", "bob", short, &longer, &upper, "Ym9i.", &format!("{}.", good.as_str())] {
            assert!(Token::read(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn neither_names_nor_secrets_are_printed() {
        let token = Token::generate(identity("bob@example.org"), &mut crate::system::rng());
        let printed = format!("{token:?} {:?} {:?}", token.hash(), token.claimed_identity());
        assert_eq!(printed, "Token(..) TokenHash(..) Identity(..)");
    }
}
