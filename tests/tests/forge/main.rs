//! Forged messages: that honest clients take them for real ones, that a third party can make them from what it has seen on
//! the wire, and that the programs of libotr read and make the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod damage;
mod layouts;
mod parse;
mod plaintext;
mod profiles;
mod revealed;
mod third_party;
mod toolkit;
mod v3;
mod v4;
mod witness;

use otrv4::wire::Versions;
use otrv4::{Policy, Secret, inside};
use otrv4_tests::{Person, rng};

/// Version 3 alone.
fn only_3() -> Policy {
    Policy { versions: Versions::V3, ..Policy::default() }
}

/// The chain key of the next message of `from` to `to`.
fn chain_key(from: &mut Person, to: &Person) -> Secret<64> {
    let mut rng = rng();
    let mut cx = otrv4::Context { account: &mut from.account, rng: &mut rng, now: from.now };
    inside::next_chain_key(&from.session, &mut cx, to.account.tag()).expect("a conversation in version 4")
}

/// The AES key of the next message of `from` to `to`.
fn aes_key(from: &Person, to: &Person) -> Secret<16> {
    inside::next_aes_key(&from.session, to.account.tag()).expect("a conversation in version 3")
}
