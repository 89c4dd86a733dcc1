//! The layers below messages: hashes, the curve, Diffie-Hellman, signatures, the keys of handshakes and of the ratchet.

use otrv4::inside::primitives::over_bytes as ours;
use serde_json::Value;

use super::values::{Fields, bytes};

/// Whether what a vector of this kind holds is accepted; nothing for kinds that have no verdict.
pub(super) fn accepts(kind: &str, v: &Fields<'_>) -> Option<bool> {
    Some(match kind {
        "point" => {
            let accepted = ours::is_point(&v.bytes("encoded")?);
            // Ours does not tell the curve from its group, so that this is half of the check; examples/read.py has all of it.
            let decodes = v.outputs.get("decodes").as_bool()?;
            return (decodes || !accepted).then_some(accepted);
        }
        "dh_member" => ours::is_dh_member(&without_zeros(&v.bytes("x")?)),
        "v3_dh_member" => ours::is_dh1536_member(&without_zeros(&v.bytes("x")?)),
        "eddsa_verify" => ours::verify(&v.bytes("public")?, &v.bytes("message")?, &v.bytes("signature")?),
        "ring_verify" => ring(v, &v.bytes("sigma")?)?,
        _ => return None,
    })
}

/// Whether our outputs are those of the vector.
pub(super) fn equal(kind: &str, v: &Fields<'_>) -> Option<bool> {
    match kind {
        "kdf" => v.gives("out", &ours::kdf(v.number("usage")?, &v.bytes("value")?, v.number("size")?)),
        "prekey_kdf" => {
            v.gives("out", &ours::prekey_kdf(v.number("usage")?, &v.bytes("value")?, v.number("size")?))
        }
        "hash_to_scalar" => v.gives("scalar", &ours::scalar(&ours::kdf(v.number("i")?, &v.bytes("v")?, 57))?),
        "scalar" => v.gives("reduced", &ours::scalar(&v.bytes("encoded")?)?),
        "scalar_random" => v.gives("scalar_mod_q", &ours::scalar_of_random(&v.bytes("random")?)?),
        "key" => {
            let (secret, public) = ours::key_pair(&v.bytes("sym")?)?;
            // There is one pruned number for each number mod q.
            let pruned = bytes(v.outputs.get("secret"))?;
            let same = pruned == prune(&pruned)? && ours::scalar(&pruned)? == secret;
            Some(v.gives_all(&[("secret_mod_q", &secret), ("public", &public)])? && same)
        }
        "eddsa" => {
            let (_, public) = ours::key_pair(&v.bytes("sym")?)?;
            let signature = ours::sign(&v.bytes("sym")?, &v.bytes("message")?)?;
            v.gives_all(&[("public", &public), ("signature", &signature)])
        }
        "ecdh" => v.gives("K_ecdh", &ours::ecdh(&v.bytes("sym_a")?, &v.bytes("public_b")?)?),
        "ring_sign" => ring_sign(v),
        "dh" => dh(v),
        "tie_break" => {
            let (our, their) = (ours::hash_of_b(&v.bytes("our_B")?)?, ours::hash_of_b(&v.bytes("their_B")?)?);
            let resend = v.outputs.get("resend_ours").as_bool()? == (our >= their);
            Some(v.gives_all(&[("our_hash", &our), ("their_hash", &their)])? && resend)
        }
        "fingerprint" => v.gives("fingerprint", &ours::fingerprint(&v.bytes("H")?, &v.bytes("F")?)?),
        "mixed" => {
            let [brace, k, ssid, root] = ours::mixed(&v.bytes("K_ecdh")?, &v.bytes("k_dh")?)?;
            v.gives_all(&[("brace_key", &brace), ("K", &k), ("SSID", &ssid), ("first_root_key", &root)])
        }
        "xzdh" => xzdh(v),
        "ratchet_step" => ratchet_step(v),
        "chain_step" => {
            let [enc, mac, extra, next] = ours::chain_step(&v.bytes("chain_key")?)?;
            let keys = [("MKenc", &*enc), ("MKmac", &mac), ("extra_symm_key", &extra)];
            Some(v.gives_all(&keys)? && v.gives("next_chain_key", &next)?)
        }
        "extra_key" => extra_keys(v),
        "smp_secret" => smp_secret(v),
        _ => None,
    }
}

fn without_zeros(number: &[u8]) -> Vec<u8> {
    number.iter().skip_while(|byte| **byte == 0).copied().collect()
}

/// Of 57 bytes.
fn prune(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut pruned = bytes.to_vec();
    let [first, .., before_last, last] = pruned.as_mut_slice() else { return None };
    *first &= 0xfc;
    *before_last |= 0x80;
    *last = 0;
    Some(pruned)
}

fn ring(v: &Fields<'_>, sigma: &[u8]) -> Option<bool> {
    let keys = ring_of(v)?;
    let [a, b, c] = keys.as_slice() else { return None };
    Some(ours::ring_verify(v.inputs.get("prekey").as_bool()?, [a, b, c], sigma, &v.bytes("m")?))
}

fn ring_of(v: &Fields<'_>) -> Option<Vec<Vec<u8>>> {
    v.inputs.get("A").as_array()?.iter().map(bytes).collect()
}

/// Our nonces are others, so the signature is verified: it is by the secret's place in the ring, and has the challenges
/// and responses of the two others from the nonces.
fn ring_sign(v: &Fields<'_>) -> Option<bool> {
    let sigma = bytes(v.outputs.get("sigma"))?;
    let signer = ours::mul_base(&v.bytes("secret")?)?;
    let mut good = ring(v, &sigma)?;
    for (place, key) in ring_of(v)?.iter().enumerate() {
        for (part, name) in ["c", "r"].iter().enumerate() {
            let nonce = &v.inputs.get("nonces")[format!("{name}{}", place + 1)];
            let at = 57 * (2 * place + part);
            good &= match bytes(nonce) {
                Some(nonce) => sigma.get(at..at + 57)? == nonce,
                None => key == &signer,
            };
        }
    }
    Some(good)
}

fn dh(v: &Fields<'_>) -> Option<bool> {
    let secret = |name: &str| {
        let secret = v.bytes(name)?;
        Some([vec![0; 80usize.checked_sub(secret.len())?], secret].concat())
    };
    let a = secret("a")?;
    let made = match secret("b") {
        Some(b) => {
            let (a, b) = (ours::dh_public(&a)?, ours::dh_public(&b)?);
            let length = u32::try_from(a.len()).ok()?.to_be_bytes();
            v.gives_all(&[("A", &a), ("B", &b), ("A_mpi", &[&length, &*a].concat())])?
        }
        None => true,
    };
    let theirs = v.bytes("B").or_else(|| bytes(v.outputs.get("B")))?;
    let shared = ours::dh_shared(&a, &theirs)?;
    let [brace, ..] = ours::mixed(&[0; 57], &shared)?;
    let [next, ..] = ours::ratchet_step(&[0; 64], &brace, &[0; 57], None)?;
    let chained = v.outputs.get("next_brace_key") == &Value::Null || v.gives("next_brace_key", &next)?;
    Some(v.gives_all(&[("k_dh", &shared), ("brace_key", &brace)])? && made && chained)
}

fn xzdh(v: &Fields<'_>) -> Option<bool> {
    let (k_ecdh, brace, t) = (v.bytes("K_ecdh")?, v.bytes("brace_key")?, v.bytes("t")?);
    let (d, h) = (v.bytes("ECDH_x_shared_prekey")?, v.bytes("ECDH_x_H_b")?);
    let [tmp_k, auth_mac, k, ssid, root, chain] = ours::xzdh(&k_ecdh, &d, &h, &brace, &t)?;
    let auth_mac_k = ours::kdf(0x0d, &tmp_k, 64);
    let first = v.gives_all(&[("tmp_k", &tmp_k), ("auth_mac_k", &auth_mac_k), ("auth_mac", &auth_mac)])?;
    Some(v.gives_all(&[("K", &k), ("SSID", &ssid), ("root_key", &root), ("chain_key", &chain)])? && first)
}

fn ratchet_step(v: &Fields<'_>) -> Option<bool> {
    let (root, previous) = (v.bytes("prev_root_key")?, v.bytes("prev_brace_key").unwrap_or_default());
    let (k_ecdh, k_dh) = (v.bytes("K_ecdh")?, v.bytes("k_dh"));
    let [brace, root, chain] = ours::ratchet_step(&root, &previous, &k_ecdh, k_dh.as_deref())?;
    let k = ours::kdf(0x03, &[&*k_ecdh, &brace].concat(), 64);
    let in_its_turn = k_dh.is_some() == v.number::<u32>("i")?.is_multiple_of(3);
    let keys = [("brace_key", &*brace), ("K", &k), ("root_key", &root), ("chain_key", &chain)];
    Some(v.gives_all(&keys)? && in_its_turn)
}

/// Each key is derived from the one before it.
fn extra_keys(v: &Fields<'_>) -> Option<bool> {
    let chain = v.bytes("chain_key")?;
    let [_, _, extra, _] = ours::chain_step(&chain)?;
    let mut good = v.gives("extra_sym_key_1", &extra)?;
    let mut derived = v.outputs.get("derived").as_array()?.iter();
    let mut previous: Option<Vec<u8>> = None;
    for (index, tlv) in v.inputs.get("tlvs").as_array()?.iter().enumerate() {
        if tlv[0] != 7 {
            continue;
        }
        let value = bytes(&tlv[1])?;
        let mut context = [0; 4];
        context.iter_mut().zip(&value).for_each(|(to, from)| *to = *from);
        let key = ours::extra_key(&chain, index.try_into().ok()?, context, previous.as_deref())?;
        let expected = derived.next()?;
        good &= bytes(&expected[0])? == context && bytes(&expected[1])? == key;
        previous = Some(key.to_vec());
    }
    Some(good && derived.next().is_none())
}

fn smp_secret(v: &Fields<'_>) -> Option<bool> {
    let (initiator, responder) = (v.bytes("initiator_fingerprint")?, v.bytes("responder_fingerprint")?);
    let (ssid, secret) = (v.bytes("SSID")?, v.text("secret")?.as_bytes());
    let length = u32::try_from(secret.len()).ok()?.to_be_bytes();
    let hash = ours::kdf(0x19, &[&[1], &*initiator, &responder, &ssid, &length, secret].concat(), 57);
    let scalar = ours::smp_secret(&initiator, &responder, &ssid, secret)?;
    v.gives_all(&[("hash", &hash), ("pruned", &prune(&hash)?), ("scalar_mod_q", &scalar)])
}
