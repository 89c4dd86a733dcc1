//! What the signatures of the key exchanges cover: `phi` and `t`, written once for signer and verifier.
//! Spec: otrv4.md "Shared Session State", "Auth-R Message", "Auth-I Message", "Non-Interactive-Auth Message".

use crate::crypto::dh3072::DhPublic;
use crate::crypto::ed448::Point;
use crate::crypto::kdf::{Usage, hwc};
use crate::keys::KeyType;
use crate::wire::{InstanceTag, Writer};

/// One side of a key exchange, as both sides know it.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) tag: InstanceTag,
    /// The account id of the messenger, such as a bare JID.
    pub(crate) account: &'a str,
    /// The Client Profile as it went over the wire.
    pub(crate) profile: &'a [u8],
    /// `Y` or `X`.
    pub(crate) ecdh: &'a Point,
    /// `B` or `A`.
    pub(crate) dh: &'a DhPublic,
    /// `our_ecdh_first` and `our_dh_first`; a prekey message has none.
    pub(crate) first: Option<(&'a Point, &'a DhPublic)>,
}

/// Both sides. Bob sent the Identity or the prekey message, Alice the answer to it.
#[derive(Clone, Copy)]
pub(crate) struct Transcript<'a> {
    pub(crate) bob: Side<'a>,
    pub(crate) alice: Side<'a>,
}

impl Transcript<'_> {
    /// What Alice signs in Auth-R: `0x00 || HWC(Bob's profile) || HWC(Alice's profile) || Y || X || B || A || HWC(phi)`.
    pub(crate) fn auth_r(&self) -> Vec<u8> {
        let mut t = Writer::new();
        t.byte(0x00);
        self.profiles(&mut t, Usage::AuthRBobClientProfile, Usage::AuthRAliceClientProfile);
        self.ephemeral_keys(&mut t);
        t.bytes(&hwc::<64>(Usage::AuthRPhi, &[&phi(&self.alice, &self.bob)]));
        t.finish()
    }

    /// What Bob signs in Auth-I: the same with `0x01` and its own usage ids.
    pub(crate) fn auth_i(&self) -> Vec<u8> {
        let mut t = Writer::new();
        t.byte(0x01);
        self.profiles(&mut t, Usage::AuthIBobClientProfile, Usage::AuthIAliceClientProfile);
        self.ephemeral_keys(&mut t);
        t.bytes(&hwc::<64>(Usage::AuthIPhi, &[&phi(&self.bob, &self.alice)]));
        t.finish()
    }

    /// What Alice signs in Non-Interactive-Auth; Bob's shared prekey goes in with its type. spec-notes/SN-025
    pub(crate) fn non_interactive(&self, shared_prekey: &Point) -> Vec<u8> {
        let mut t = Writer::new();
        self.profiles(&mut t, Usage::NonIntAuthBobClientProfile, Usage::NonIntAuthAliceClientProfile);
        self.ephemeral_keys(&mut t);
        KeyType::SharedPrekey.write(shared_prekey, &mut t);
        t.bytes(&hwc::<64>(Usage::NonIntAuthPhi, &[&phi(&self.alice, &self.bob)]));
        t.finish()
    }

    fn profiles(&self, t: &mut Writer, bob: Usage, alice: Usage) {
        t.bytes(&hwc::<64>(bob, &[self.bob.profile]));
        t.bytes(&hwc::<64>(alice, &[self.alice.profile]));
    }

    /// `Y || X || B || A`
    fn ephemeral_keys(&self, t: &mut Writer) {
        self.bob.ecdh.write(t);
        self.alice.ecdh.write(t);
        self.bob.dh.write(t);
        self.alice.dh.write(t);
    }
}

/// The state that both sides share beyond the exchange itself, seen from the sender of the message. spec-notes/SN-006
fn phi(sender: &Side<'_>, receiver: &Side<'_>) -> Vec<u8> {
    let mut phi = Writer::new();
    sender.tag.write(&mut phi);
    receiver.tag.write(&mut phi);
    for (ecdh, dh) in [sender.first, receiver.first].into_iter().flatten() {
        ecdh.write(&mut phi);
        dh.write(&mut phi);
    }
    phi.data(sender.account.as_bytes());
    phi.data(receiver.account.as_bytes());
    phi.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{array, bytes, whole_of_kind};
    use serde_json::Value;

    #[test]
    fn phi_and_t_are_those_of_the_vectors() {
        for v in whole_of_kind("t") {
            let point = |value: &Value| Point::decode(&array(value)).expect("a point");
            let dh = |value: &Value| DhPublic::from_be_bytes(&bytes(value)).expect("a member");
            let first = |who: &str| v.inputs[who].as_array().map(|keys| (point(&keys[0]), dh(&keys[1])));
            let (first_bob, first_alice) = (first("bob_first"), first("alice_first"));
            let (y, x) = (point(&v.inputs["Y"]), point(&v.inputs["X"]));
            let (b, a) = (dh(&v.inputs["B"]), dh(&v.inputs["A"]));
            let tag = |who: &str| {
                InstanceTag::new(v.inputs[who].as_u64().and_then(|tag| tag.try_into().ok()).expect("a tag"))
                    .expect("valid")
            };
            let (profile_of_bob, profile_of_alice) =
                (bytes(&v.inputs["bob_profile"]), bytes(&v.inputs["alice_profile"]));
            let side = |who: &str, account, profile, ecdh, dh, first: Option<(_, _)>| Side {
                tag: tag(who),
                account,
                profile,
                ecdh,
                dh,
                first,
            };
            let transcript = Transcript {
                bob: side(
                    "bob_tag",
                    v.inputs["bob_id"].as_str().expect("an id"),
                    &profile_of_bob,
                    &y,
                    &b,
                    first_bob.as_ref().map(|(p, n)| (p, n)),
                ),
                alice: side(
                    "alice_tag",
                    v.inputs["alice_id"].as_str().expect("an id"),
                    &profile_of_alice,
                    &x,
                    &a,
                    first_alice.as_ref().map(|(p, n)| (p, n)),
                ),
            };
            let (sender, receiver, t) = match v.name.as_str() {
                "t_auth_r" => (transcript.alice, transcript.bob, transcript.auth_r()),
                "t_auth_i" => (transcript.bob, transcript.alice, transcript.auth_i()),
                "t_non_int" => {
                    let with_type = bytes(&v.inputs["shared_prekey"]);
                    let d =
                        KeyType::SharedPrekey.read(&mut crate::wire::Reader::new(&with_type)).expect("a key");
                    (transcript.alice, transcript.bob, transcript.non_interactive(&d))
                }
                name => panic!("an unknown vector {name}"),
            };
            assert_eq!(phi(&sender, &receiver), bytes(&v.outputs["phi"]), "{}", v.name);
            assert_eq!(t, bytes(&v.outputs["t"]), "{}", v.name);
        }
    }
}
