//! The layers below messages: hashes, the curve, Diffie-Hellman, signatures, the ratchet's keys.

use otrv4::inside::primitives::over_bytes as ours;

use super::values::{Fields, bytes};

/// Whether what a vector of this kind holds is accepted; nothing for kinds that have no verdict.
pub(super) fn accepts(kind: &str, v: &Fields<'_>) -> Option<bool> {
    Some(match kind {
        "point" => ours::is_point(&v.bytes("encoded")?),
        "dh_member" => {
            let x = v.bytes("x")?;
            let zeros = x.iter().take_while(|byte| **byte == 0).count();
            ours::is_dh_member(x.get(zeros..)?)
        }
        "eddsa_verify" => ours::verify(&v.bytes("public")?, &v.bytes("message")?, &v.bytes("signature")?),
        "ring_verify" => ring(v, &v.bytes("sigma")?)?,
        _ => return None,
    })
}

/// Whether our outputs are those of the vector.
pub(super) fn equal(kind: &str, v: &Fields<'_>) -> Option<bool> {
    let all = |results: &[Option<bool>]| results.iter().copied().try_fold(true, |all, one| Some(all && one?));
    match kind {
        "kdf" => v.gives("out", &ours::kdf(v.number("usage")?, &v.bytes("value")?, v.number("size")?)),
        "hash_to_scalar" => v.gives("scalar", &ours::scalar(&ours::kdf(v.number("i")?, &v.bytes("v")?, 57))?),
        "scalar" => v.gives("reduced", &ours::scalar(&v.bytes("encoded")?)?),
        "scalar_random" => v.gives("scalar_mod_q", &ours::scalar_of_random(&v.bytes("random")?)?),
        "key" => {
            let (secret, public) = ours::key_pair(&v.bytes("sym")?)?;
            all(&[v.gives("secret_mod_q", &secret), v.gives("public", &public)])
        }
        "eddsa" => {
            let (_, public) = ours::key_pair(&v.bytes("sym")?)?;
            let signature = ours::sign(&v.bytes("sym")?, &v.bytes("message")?)?;
            all(&[v.gives("public", &public), v.gives("signature", &signature)])
        }
        "ecdh" => v.gives("K_ecdh", &ours::ecdh(&v.bytes("sym_a")?, &v.bytes("public_b")?)?),
        "ring_sign" => ring(v, &bytes(&v.outputs["sigma"])?),
        "dh" => dh(v),
        "fingerprint" => v.gives("fingerprint", &ours::fingerprint(&v.bytes("H")?, &v.bytes("F")?)?),
        "mixed" => {
            let [brace, k, ssid, root] = ours::mixed(&v.bytes("K_ecdh")?, &v.bytes("k_dh")?)?;
            let first = v.gives("first_root_key", &root);
            all(&[v.gives("brace_key", &brace), v.gives("K", &k), v.gives("SSID", &ssid), first])
        }
        "ratchet_step" => {
            let (root, brace) = (v.bytes("prev_root_key")?, v.bytes("prev_brace_key").unwrap_or_default());
            let [brace, root, chain] =
                ours::ratchet_step(&root, &brace, &v.bytes("K_ecdh")?, v.bytes("k_dh").as_deref())?;
            all(&[v.gives("brace_key", &brace), v.gives("root_key", &root), v.gives("chain_key", &chain)])
        }
        "chain_step" => {
            let [enc, mac, extra, next] = ours::chain_step(&v.bytes("chain_key")?)?;
            let next = v.gives("next_chain_key", &next);
            all(&[v.gives("MKenc", &enc), v.gives("MKmac", &mac), v.gives("extra_symm_key", &extra), next])
        }
        "extra_key" => extra_keys(v),
        "smp_secret" => {
            let (initiator, responder) =
                (v.bytes("initiator_fingerprint")?, v.bytes("responder_fingerprint")?);
            let secret = v.text("secret")?.as_bytes();
            v.gives("scalar_mod_q", &ours::smp_secret(&initiator, &responder, &v.bytes("SSID")?, secret)?)
        }
        _ => None,
    }
}

fn ring(v: &Fields<'_>, sigma: &[u8]) -> Option<bool> {
    let keys: Vec<Vec<u8>> = v.inputs["A"].as_array()?.iter().filter_map(bytes).collect();
    let [a, b, c] = keys.as_slice() else { return None };
    Some(ours::ring_verify(v.inputs["prekey"].as_bool()?, [a, b, c], sigma, &v.bytes("m")?))
}

fn dh(v: &Fields<'_>) -> Option<bool> {
    let secret = |name: &str| {
        let secret = v.bytes(name)?;
        Some([vec![0; 80usize.checked_sub(secret.len())?], secret].concat())
    };
    let a = secret("a")?;
    let theirs = match secret("b") {
        Some(b) => ours::dh_public(&b)?,
        None => v.bytes("B")?,
    };
    let made = v
        .outputs
        .get("A")
        .is_none_or(|_| v.gives("A", &ours::dh_public(&a).unwrap_or_default()) == Some(true));
    Some(made && v.gives("k_dh", &ours::dh_shared(&a, &theirs)?)?)
}

/// Each key is derived from the one before it.
fn extra_keys(v: &Fields<'_>) -> Option<bool> {
    let chain = v.bytes("chain_key")?;
    let mut derived = v.outputs["derived"].as_array()?.iter();
    let mut previous: Option<Vec<u8>> = None;
    for (index, tlv) in v.inputs["tlvs"].as_array()?.iter().enumerate() {
        if tlv[0] != 7 {
            continue;
        }
        let value = bytes(&tlv[1])?;
        let mut context = [0; 4];
        context.iter_mut().zip(&value).for_each(|(to, from)| *to = *from);
        let key = ours::extra_key(&chain, index.try_into().ok()?, context, previous.as_deref())?;
        let expected = derived.next()?;
        if bytes(&expected[0])? != context || bytes(&expected[1])? != key {
            return Some(false);
        }
        previous = Some(key.to_vec());
    }
    Some(derived.next().is_none())
}
