//! Handshakes of version 4 by somebody who has keys of his own and signs what must not be signed: whatever is wrong is under
//! a ring signature that is good. Refused, while the running conversation lives; and what is rightly signed is taken.

use otrv4::wire::Version::V4;

use super::exchange::{Exchange, auth_i, auth_r, completes};
use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::correspondent::Correspondent;
use crate::illegal;
use crate::message::{Message, mpi};
use crate::signed::{Signed, bad_profiles, data, our_key};
use crate::stop::{Step, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(
        V4,
        "auth-r-signed-points",
        "otrv4: Auth-R Message; Verifying that a point is on the curve",
        auth_r_points,
    ),
    Case::new(
        V4,
        "auth-r-signed-dh",
        "otrv4: Auth-R Message; Verifying that an integer is in the DH group",
        auth_r_dh,
    ),
    Case::new(
        V4,
        "auth-r-signed-profile",
        "otrv4: Auth-R Message; Validating a Client Profile",
        auth_r_profile,
    ),
    Case::new(V4, "auth-r-signed-phi", "otrv4: Shared Session State; Auth-R Message", auth_r_phi),
    Case::new(V4, "auth-i-signed-phi", "otrv4: Shared Session State; Auth-I Message", auth_i_phi),
];

/// Auth-R messages of ours with another field each; all are well signed.
fn auth_r_with(bench: &Bench<'_>, fields: Vec<(&'static str, String, Vec<u8>)>) -> Step {
    let Exchange { mut c, before, ours } = auth_r(bench)?;
    let [identity] = before.as_slice() else { return failed("no Identity message of theirs") };
    let signed = |message: &Message, us: &Correspondent| {
        let sigma = Signed::auth_r(us, identity, message)?.sigma(us)?;
        message.with("sigma", &sigma)
    };
    for (field, what, value) in fields {
        let message = signed(&ours.with(field, &value)?, &c.us)?;
        c.ignored(&format!("a signed Auth-R message with {what} as its {field}"), &message.line())?;
    }
    c.lives()?;
    // Our signature is another one, and good as well: otherwise nothing here would be tested.
    let right = signed(&ours, &c.us)?;
    completes(&mut c, &right)
}

fn auth_r_points(bench: &Bench<'_>) -> Step {
    let points = illegal::points()?;
    let fields = ["X", "first ECDH"].into_iter().flat_map(|field| {
        points.iter().map(move |(name, point)| (field, format!("the vector {name}"), point.clone()))
    });
    auth_r_with(bench, fields.collect())
}

fn auth_r_dh(bench: &Bench<'_>) -> Step {
    let numbers = illegal::dh_numbers()?;
    let fields = ["A", "first DH"].into_iter().flat_map(|field| {
        numbers.iter().map(move |(name, number)| (field, format!("the vector {name}"), mpi(number)))
    });
    auth_r_with(bench, fields.collect())
}

fn auth_r_profile(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, before, ours } = auth_r(bench)?;
    let [identity] = before.as_slice() else { return failed("no Identity message of theirs") };
    for (how, profile) in bad_profiles(ours.get("profile")?, &c.us.account)? {
        let message = ours.with("profile", &profile)?;
        let sigma = Signed::auth_r(&c.us, identity, &message)?.sigma(&c.us)?;
        let what = format!("a signed Auth-R message with a profile {how}");
        c.ignored(&what, &message.with("sigma", &sigma)?.line())?;
    }
    c.lives()?;
    completes(&mut c, &ours)
}

/// Both sides agree on more than the keys: who they are, by which accounts and clients, and what they will say first with.
fn auth_r_phi(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, before, ours } = auth_r(bench)?;
    let [identity] = before.as_slice() else { return failed("no Identity message of theirs") };
    let right = Signed::auth_r(&c.us, identity, &ours)?;
    let mut wrong = wrong_statements(&right);
    wrong.push(("what Auth-I signs", Signed { prefix: vec![1], usages: [8, 9, 10], ..right.clone() }));
    let [forging, _, y] = right.ring.clone();
    let ours_forging = c.us.account.client_profile().forging_key().as_bytes().to_vec();
    let x = ours.get("X")?.to_vec();
    for (how, ring) in [
        ("in a ring with our own forging key", [ours_forging, our_key(&c.us), y.clone()]),
        ("in a ring with X", [forging.clone(), our_key(&c.us), x]),
        ("in a ring in another order", [our_key(&c.us), forging, y]),
    ] {
        wrong.push((how, Signed { ring, ..right.clone() }));
    }
    refused(&mut c, "Auth-R", &ours, wrong)?;
    c.lives()?;
    let signed = ours.with("sigma", &right.sigma(&c.us)?)?;
    completes(&mut c, &signed)
}

fn auth_i_phi(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, before, ours } = auth_i(bench)?;
    let [identity, auth_r] = before.as_slice() else { return failed("no Auth-R message of theirs") };
    let right = Signed::auth_i(&c.us, identity, auth_r)?;
    let mut wrong = wrong_statements(&right);
    wrong.push(("what Auth-R signs", Signed { prefix: vec![0], usages: [5, 6, 7], ..right.clone() }));
    let [_, forging, x] = right.ring.clone();
    let y = identity.get("Y")?.to_vec();
    for (how, ring) in [
        ("in a ring with Y", [our_key(&c.us), forging.clone(), y]),
        ("in a ring in another order", [forging, our_key(&c.us), x]),
    ] {
        wrong.push((how, Signed { ring, ..right.clone() }));
    }
    // For us the new conversation has begun: only the right Auth-I shows whether theirs still waits.
    refused(&mut c, "Auth-I", &ours, wrong)?;
    let signed = ours.with("sigma", &right.sigma(&c.us)?)?;
    completes(&mut c, &signed)
}

fn refused(c: &mut Conversation, name: &str, honest: &Message, wrong: Vec<(&str, Signed)>) -> Step {
    for (how, signed) in wrong {
        let message = honest.with("sigma", &signed.sigma(&c.us)?)?;
        c.ignored(&format!("an {name} message signed over {how}"), &message.line())?;
    }
    Ok(())
}

/// What neither message says.
pub(super) fn wrong_statements(right: &Signed) -> Vec<(&'static str, Signed)> {
    let phi = |change: &dyn Fn(&mut [Vec<u8>; 6])| {
        let mut changed = right.clone();
        change(&mut changed.phi);
        changed
    };
    let keys = |a, b| {
        let mut changed = right.clone();
        changed.keys.swap(a, b);
        changed
    };
    let [bob, alice] = right.profiles.clone();
    let other_tag = vec![0x77, 0, 0, 1];
    vec![
        ("both tags exchanged", phi(&|phi| phi.swap(0, 1))),
        ("another tag of ours", phi(&|phi| phi[0].clone_from(&other_tag))),
        ("another tag of theirs", phi(&|phi| phi[1].clone_from(&other_tag))),
        ("no tags", phi(&|phi| phi[..2].iter_mut().for_each(Vec::clear))),
        ("both first keys exchanged", phi(&|phi| phi.swap(2, 3))),
        ("our first keys in both places", phi(&|phi| phi[3] = phi[2].clone())),
        ("their first keys in both places", phi(&|phi| phi[2] = phi[3].clone())),
        ("no first keys", phi(&|phi| phi[2..4].iter_mut().for_each(Vec::clear))),
        ("both ids exchanged", phi(&|phi| phi.swap(4, 5))),
        ("another id of ours", phi(&|phi| phi[4] = data("mallory@example.org"))),
        ("another id of theirs", phi(&|phi| phi[5] = data("mallory@example.org"))),
        ("no ids", phi(&|phi| phi[4..].iter_mut().for_each(Vec::clear))),
        ("phi seen from the other side", phi(&|phi| [0, 2, 4].iter().for_each(|at| phi.swap(*at, at + 1)))),
        ("no phi", phi(&|phi| phi.iter_mut().for_each(Vec::clear))),
        ("both profiles exchanged", Signed { profiles: [alice.clone(), bob.clone()], ..right.clone() }),
        ("Bob's profile twice", Signed { profiles: [bob.clone(), bob], ..right.clone() }),
        ("Alice's profile twice", Signed { profiles: [alice.clone(), alice], ..right.clone() }),
        ("X and Y exchanged", keys(0, 1)),
        ("A and B exchanged", keys(2, 3)),
    ]
}
