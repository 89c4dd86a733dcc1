//! The values on the way of a recorded conversation of version 4, by the primitives alone: what is signed, the secrets of
//! the handshake, the ratchet's keys. The conversation itself is played again next to the code.

use std::collections::BTreeMap;

use otrv4::inside::primitives::over_bytes as ours;
use serde_json::Value;

use super::values::{Fields, bytes};

/// Whether they are those of the vector.
pub(super) fn values_agree(v: &Fields<'_>) -> Option<bool> {
    let handshake = Handshake::of(v)?;
    let steps = v.outputs.get("steps").as_array()?;
    let mut good = true;
    for step in steps {
        for (name, value) in step["secrets"].as_object().into_iter().flatten() {
            let signed =
                ["t_auth_r", "t_auth_i", "t_non_int"].iter().find(|t| !step["secrets"][**t].is_null())?;
            let (phi, t) = handshake.signed(signed)?;
            let expected = match name.as_str() {
                "phi" => phi,
                name if name == *signed => t,
                name => handshake.secrets(&handshake.signed("t_non_int")?.1)?.remove(name)?,
            };
            good &= bytes(value)? == expected;
        }
    }
    Some(good && Ratchets::of(&handshake, steps)?.agree(steps)?)
}

/// One side of the handshake: the public values, and the random ones that they are made from.
struct Side {
    tag: Vec<u8>,
    id: Vec<u8>,
    profile: Vec<u8>,
    ecdh: Vec<u8>,
    dh: Vec<u8>,
    /// Both, one after the other; a prekey message has none.
    first: Vec<u8>,
}

struct Handshake {
    bob: Side,
    alice: Side,
    /// `11 00 ‖ D` of Bob, and his long-term key.
    shared_prekey: Vec<u8>,
    identity_key: Vec<u8>,
    /// Alice's.
    x: Vec<u8>,
    a: Vec<u8>,
    offline: bool,
}

impl Handshake {
    fn of(v: &Fields<'_>) -> Option<Self> {
        let steps = v.outputs.get("steps").as_array()?;
        let parties = v.inputs.get("parties");
        let of_alice = steps.iter().find(|step| drawn(step, "x").is_some())?;
        let (x, a) = (drawn(of_alice, "x")?, drawn(of_alice, "a")?);
        let of_bob = steps.iter().find(|step| drawn(step, "y").is_some());
        let prekey = &parties["bob"]["prekeys"][0];
        let (y, b) = match of_bob {
            Some(step) => (drawn(step, "y")?, drawn(step, "b")?),
            None => (bytes(&prekey["y_sym"])?, bytes(&prekey["b"])?),
        };
        let side = |party: &Value, ecdh: &[u8], dh: &[u8], step: Option<&Value>| {
            let first = |step| {
                Some([ecdh_public(&drawn(step, "first ecdh")?)?, mpi(&drawn(step, "first dh")?)?].concat())
            };
            Some(Side {
                tag: u32::try_from(party["tag"].as_u64()?).ok()?.to_be_bytes().to_vec(),
                id: data(party["id"].as_str()?.as_bytes())?,
                profile: bytes(&party["client_profile"])?,
                ecdh: ecdh_public(ecdh)?,
                dh: mpi(dh)?,
                first: step.map_or(Some(Vec::new()), first)?,
            })
        };
        let (_, d) = ours::key_pair(&bytes(&parties["bob"]["sym_d"])?)?;
        let (_, h) = ours::key_pair(&bytes(&parties["bob"]["sym_h"])?)?;
        Some(Self {
            bob: side(&parties["bob"], &y, &b, of_bob)?,
            alice: side(&parties["alice"], &x, &a, Some(of_alice))?,
            shared_prekey: [&[0x11, 0], d.as_slice()].concat(),
            identity_key: h.to_vec(),
            x,
            a,
            offline: of_bob.is_none(),
        })
    }

    /// `phi` and `t` of a message.
    fn signed(&self, t: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        let Self { bob, alice, .. } = self;
        let (sender, receiver, first, usage) = match t {
            "t_auth_r" => (alice, bob, &[0_u8][..], 0x05),
            "t_auth_i" => (bob, alice, &[1][..], 0x08),
            "t_non_int" => (alice, bob, &[][..], 0x0e),
            _ => return None,
        };
        let phi =
            [&*sender.tag, &receiver.tag, &sender.first, &receiver.first, &sender.id, &receiver.id].concat();
        let profiles =
            [ours::kdf(usage, &bob.profile, 64), ours::kdf(usage + 1, &alice.profile, 64)].concat();
        let keys = [&*bob.ecdh, &alice.ecdh, &bob.dh, &alice.dh].concat();
        let prekey = if t == "t_non_int" { &*self.shared_prekey } else { &[] };
        let hash = ours::kdf(usage + 2, &phi, 64);
        let t = [first, &profiles, &keys, prekey, &hash].concat();
        Some((phi, t))
    }

    /// Those of the exchange by their names, with the keys that the ratchet starts with. `t` is that of XZDH.
    fn secrets(&self, t: &[u8]) -> Option<BTreeMap<&'static str, Vec<u8>>> {
        let k_ecdh = ours::ecdh(&self.x, &self.bob.ecdh)?.to_vec();
        let k_dh = ours::dh_shared(&self.a, self.bob.dh.get(4..)?)?;
        let [brace, k, _, root] = ours::mixed(&k_ecdh, &k_dh)?;
        let mut secrets = BTreeMap::from([("K_ecdh", k_ecdh.clone()), ("brace_key", brace.clone())]);
        if self.offline {
            let d = ours::ecdh(&self.x, self.shared_prekey.get(2..)?)?.to_vec();
            let h = ours::ecdh(&self.x, &self.identity_key)?.to_vec();
            let [tmp_k, _, k, _, root, chain] = ours::xzdh(&k_ecdh, &d, &h, &brace, t)?;
            secrets.extend([("K_shared", d), ("K_long", h), ("auth_mac_k", ours::kdf(0x0d, &tmp_k, 64))]);
            secrets.extend([("tmp_k", tmp_k), ("K", k), ("root", root), ("chain", chain)]);
        } else {
            secrets.extend([("K", k), ("root", root)]);
        }
        Some(secrets)
    }
}

/// What ratchets may start from: each comes from the keys of one before it, which may be the other side's.
struct Ratchets {
    roots: Vec<Vec<u8>>,
    brace_keys: Vec<Vec<u8>>,
    /// Alice's first chain after XZDH.
    chain: Option<Vec<u8>>,
}

impl Ratchets {
    fn of(handshake: &Handshake, steps: &[Value]) -> Option<Self> {
        let mut secrets = handshake.secrets(&handshake.signed("t_non_int")?.1)?;
        let (mut roots, mut brace_keys) = (vec![secrets.remove("root")?], vec![secrets.remove("brace_key")?]);
        for turn in turns(steps) {
            roots.push(bytes(&turn["root_key"])?);
            brace_keys.push(bytes(&turn["brace_key"])?);
        }
        Some(Self { roots, brace_keys, chain: secrets.remove("chain") })
    }

    fn agree(&self, steps: &[Value]) -> Option<bool> {
        let mut good =
            turns(steps).map(|turn| self.turn_agrees(turn)).try_fold(true, |a, b| Some(a && b?))?;
        let mut chains: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
        chains.extend(self.chain.clone().map(|chain| (("alice".into(), "0".into()), chain)));
        for step in steps {
            let who = step["who"].as_str()?;
            for entry in step["ratchet"].as_array().into_iter().flatten() {
                if let Some(chain) = bytes(&entry["chain_key"]) {
                    chains.insert((who.into(), entry["i"].to_string()), chain);
                } else if let Some((i, j)) = entry["send"].as_str().and_then(|id| id.split_once('/')) {
                    let mut chain = chains.get(&(who.into(), i.into()))?.clone();
                    for _ in 0..j.parse::<u32>().ok()? {
                        let [_, _, _, next] = ours::chain_step(&chain)?;
                        chain = next;
                    }
                    let [enc, mac, ..] = ours::chain_step(&chain)?;
                    good &= bytes(&entry["MKenc"])? == enc && bytes(&entry["MKmac"])? == mac;
                }
            }
        }
        Some(good)
    }

    /// A new DH key makes a brace key of its own, which the conversation that is played again confirms.
    fn turn_agrees(&self, turn: &Value) -> Option<bool> {
        let [k_ecdh, brace, k, root, chain] =
            ["K_ecdh", "brace_key", "K", "root_key", "chain_key"].map(|name| bytes(&turn[name]));
        let (brace, k, root, chain) = (brace?, k?, root?, chain?);
        let (fresh, i) = (turn["dh"].as_bool()?, turn["i"].as_u64()?);
        let is_next = fresh || self.brace_keys.iter().any(|previous| ours::kdf(0x02, previous, 32) == brace);
        let comes_from = |previous: &Vec<u8>| {
            let both = [&**previous, &k].concat();
            ours::kdf(0x12, &both, 64) == root && ours::kdf(0x13, &both, 64) == chain
        };
        let mixed = ours::kdf(0x03, &[k_ecdh?, brace].concat(), 64) == k;
        Some(mixed && is_next && fresh == i.is_multiple_of(3) && self.roots.iter().any(comes_from))
    }
}

/// The steps of the ratchet that somebody sends in: only those have values.
fn turns(steps: &[Value]) -> impl Iterator<Item = &Value> {
    let entries = steps.iter().flat_map(|step| step["ratchet"].as_array().into_iter().flatten());
    entries.filter(|entry| entry["step"] == "send")
}

/// The random value that a step draws for this.
fn drawn(step: &Value, wanted: &str) -> Option<Vec<u8>> {
    bytes(&step["random"].as_array()?.iter().find(|draw| draw[0] == wanted)?[1])
}

fn ecdh_public(random: &[u8]) -> Option<Vec<u8>> {
    Some(ours::mul_base(&ours::scalar_of_random(random)?)?.to_vec())
}

/// The public key of this secret.
fn mpi(secret: &[u8]) -> Option<Vec<u8>> {
    data(&ours::dh_public(secret)?)
}

fn data(value: &[u8]) -> Option<Vec<u8>> {
    Some([&u32::try_from(value.len()).ok()?.to_be_bytes(), value].concat())
}
