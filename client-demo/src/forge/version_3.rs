//! What the toolkit of libotr has beside: session keys of two Diffie-Hellman keys, and a data message from its fields. Version 3.

use otrv4::forge::v3;
use otrv4::wire::Version;
use serde_json::json;

use super::Unforged;
use super::arguments::AssembleArguments;
use super::input::Source;
use super::show::{Shown, forged, key};

/// `forge session-keys`.
pub(super) fn session_keys(secret: &Source, their_public: &Source) -> Result<Shown, Unforged> {
    let secret = secret.secret("a secret exponent of version 3")?;
    let keys = v3::session_keys(&secret, &their_public.hex("their public key")?)?;
    let (our_public, end) = (hex::encode(&keys.our_public), if keys.we_are_high { "high" } else { "low" });
    let derived = [
        ("our_public", our_public),
        ("our_end", end.to_owned()),
        ("session_id", hex::encode(keys.session_id)),
        ("sending_aes", key(&keys.sending_aes)),
        ("sending_mac", key(&keys.sending_mac)),
        ("receiving_aes", key(&keys.receiving_aes)),
        ("receiving_mac", key(&keys.receiving_mac)),
        ("extra", key(&keys.extra)),
    ];
    let lines = derived.iter().map(|(name, value)| format!("{name:<14}{value}")).collect();
    Ok(Shown { lines, json: derived.into_iter().map(|(name, value)| (name, json!(value))).collect() })
}

/// `forge assemble`.
pub(super) fn assemble(arguments: &AssembleArguments) -> Result<Shown, Unforged> {
    let mac_key = arguments.mac_key.secret("a MAC key of version 3")?;
    let (next_dh, ciphertext) =
        (arguments.next_dh.hex("the DH key")?, arguments.ciphertext.hex("the ciphertext")?);
    let mut revealed = Vec::new();
    for source in &arguments.revealed {
        revealed.push(*source.secret::<20>("a MAC key of version 3")?.as_bytes());
    }
    let parts = v3::Parts {
        sender: arguments.sender,
        receiver: arguments.receiver,
        flags: arguments.flags,
        sender_keyid: arguments.sender_keyid,
        recipient_keyid: arguments.recipient_keyid,
        next_dh: &next_dh,
        counter: arguments.counter,
        ciphertext: &ciphertext,
        revealed: &revealed,
    };
    Ok(forged(Version::V3, parts.assemble(&mac_key)?))
}
