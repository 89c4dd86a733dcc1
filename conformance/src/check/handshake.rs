//! Handshakes of version 4 that are damaged, replayed or made by a cheat: refused, while the running conversation lives; and
//! the honest message still does its work.

use otrv4::Timestamp;
use otrv4::wire::Version::V4;
use otrv4::wire::{InstanceTag, Writer};

use super::exchange::{Exchange, all_ignored, auth_i, auth_r, completes, identity};
use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::correspondent::{Correspondent, START};
use crate::illegal;
use crate::message::{Message, mpi};
use crate::signed::{bad_profiles, profile_fields, profile_of};
use crate::stop::{Step, ensure, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "identity-header", "otrv4: Identity Message", identity_header),
    Case::new(V4, "identity-profile-signature", "otrv4: Validating a Client Profile", profile_signature),
    Case::new(V4, "identity-profile-expired", "otrv4: Validating a Client Profile", profile_expired),
    Case::new(V4, "identity-profile-of-another", "otrv4: Validating a Client Profile", profile_of_another),
    Case::new(V4, "identity-profile-fields", "otrv4: Client Profile Data Type", fields_of_profile),
    Case::new(V4, "identity-points", "otrv4: Verifying that a point is on the curve", identity_points),
    Case::new(V4, "identity-dh", "otrv4: Verifying that an integer is in the DH group", identity_dh),
    Case::new(V4, "auth-r-header", "otrv4: Auth-R Message", auth_r_header),
    Case::new(
        V4,
        "auth-r-signature",
        "otrv4: Auth-R Message; Ring Signature Authentication",
        auth_r_signature,
    ),
    Case::new(V4, "auth-r-keys", "otrv4: Auth-R Message", auth_r_keys),
    Case::new(
        V4,
        "auth-i-signature",
        "otrv4: Auth-I Message; Ring Signature Authentication",
        auth_i_signature,
    ),
    Case::new(V4, "auth-i-too-early", "otrv4: Receiving an Auth-I Message", auth_i_too_early),
    Case::new(
        V4,
        "replayed-handshake",
        "otrv4: Receiving an Auth-R Message; Receiving an Auth-I Message",
        replayed,
    ),
    Case::new(V4, "reflected-handshake", "otrv4: Instance Tags", reflected),
    Case::new(V4, "offline-start-damaged", "otrv4: Non-Interactive-Auth Message", offline_damaged),
    Case::new(V4, "ensemble-damaged", "otrv4: Validating Prekey Ensembles", ensemble_damaged),
];

/// What is the same for all handshake messages.
fn bad_headers(honest: &Message) -> Step<Vec<(String, Message)>> {
    let of = |how: &str, message| (how.to_owned(), message);
    Ok(vec![
        of("version 3", honest.with("version", &[0, 3])?),
        of("version 5", honest.with("version", &[0, 5])?),
        of("an unknown type", honest.with("type", &[0x99])?),
        of("a sender tag below 100", honest.with("sender tag", &[0, 0, 0, 5])?),
        of("a receiver tag below 100", honest.with("receiver tag", &[0, 0, 0, 5])?),
        of("for another client", honest.with("receiver tag", &[0x77, 0, 0, 1])?),
        of("the last byte missing", honest.cut(1)),
        of("only a header", honest.cut(honest.bytes.len() - 11)),
        of("a byte more", honest.followed_by(&[0])),
    ])
}

fn identity_header(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: identity, .. } = identity(bench)?;
    all_ignored(&mut c, "an Identity message", bad_headers(&identity)?)?;
    c.lives()?;
    completes(&mut c, &identity)
}

fn profile_signature(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: identity, .. } = identity(bench)?;
    let (start, end) = identity.at("profile")?;
    // In H, in F, in the time, and in both halves of the signature.
    for offset in [20, 90, end - start - 120, end - start - 100, end - start - 10] {
        let what = format!("an Identity message whose profile is changed at byte {offset}");
        c.ignored(&what, &identity.flipped("profile", offset)?.line())?;
    }
    c.lives()?;
    completes(&mut c, &identity)
}

fn profile_expired(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: identity, .. } = identity(bench)?;
    let mut old = Correspondent::at(Timestamp::from_unix(START - 8 * 24 * 60 * 60), &[V4]);
    old.act(|session, cx| session.start_identity(cx));
    for line in old.take() {
        c.harmless("an Identity message with a profile that has expired", &line)?;
    }
    completes(&mut c, &identity)
}

fn profile_of_another(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: identity, .. } = identity(bench)?;
    let other = InstanceTag::random(&mut crate::correspondent::rng()).get().to_be_bytes();
    let message = identity.with("sender tag", &other)?;
    c.harmless("an Identity message with the profile of another client", &message.line())?;
    completes(&mut c, &identity)
}

/// Well signed by the right key, and all the same not as a profile must be.
fn fields_of_profile(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: identity, .. } = identity(bench)?;
    let fields = profile_fields(identity.get("profile")?)?;
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut changed = fields.clone();
        change(&mut changed);
        identity.with("profile", &profile_of(&changed, &c.us.account))
    };
    let damaged = vec![
        ("the time twice".to_owned(), with(&|fields| fields.extend(fields.last().cloned()))?),
        ("the owner twice".to_owned(), with(&|fields| fields.extend(fields.first().cloned()))?),
        ("a field of type 8".to_owned(), with(&|fields| fields.push(vec![0, 8, 0, 0, 0, 0]))?),
        ("without the time".to_owned(), with(&|fields| _ = fields.pop())?),
        ("without the owner".to_owned(), with(&|fields| _ = fields.remove(0))?),
    ];
    // What is signed anew and unchanged is taken: otherwise nothing here would be tested.
    let same = with(&|_| ())?;
    ensure!(same.bytes == identity.bytes, "our own signature is another one");
    all_ignored(&mut c, "an Identity message with a profile", damaged)?;
    for (how, profile) in bad_profiles(identity.get("profile")?, &c.us.account)? {
        let what = format!("an Identity message with a profile {how}");
        c.ignored(&what, &identity.with("profile", &profile)?.line())?;
    }
    c.lives()?;
    completes(&mut c, &identity)
}

fn identity_points(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: identity, .. } = identity(bench)?;
    for (name, point) in illegal::points()? {
        for field in ["Y", "first ECDH"] {
            let what = format!("an Identity message with the vector {name} as its {field}");
            c.ignored(&what, &identity.with(field, &point)?.line())?;
        }
    }
    c.lives()?;
    completes(&mut c, &identity)
}

fn identity_dh(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: identity, .. } = identity(bench)?;
    for field in ["B", "first DH"] {
        for (name, number) in illegal::dh_numbers()? {
            let what = format!("an Identity message with the vector {name} as its {field}");
            c.ignored(&what, &identity.with(field, &mpi(&number))?.line())?;
        }
        let what = format!("an Identity message whose {field} claims to be of 4 GiB");
        c.ignored(&what, &identity.with(field, &[0xff; 4])?.line())?;
    }
    c.lives()?;
    completes(&mut c, &identity)
}

fn auth_r_header(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: auth_r, .. } = auth_r(bench)?;
    all_ignored(&mut c, "an Auth-R message", bad_headers(&auth_r)?)?;
    completes(&mut c, &auth_r)
}

fn auth_r_signature(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: auth_r, .. } = auth_r(bench)?;
    bad_sigmas(&mut c, "an Auth-R message", &auth_r)?;
    completes(&mut c, &auth_r)
}

fn bad_sigmas(c: &mut Conversation, what: &str, honest: &Message) -> Step {
    for scalar in 0..6 {
        let changed = honest.flipped("sigma", 57 * scalar)?;
        c.ignored(&format!("{what} with scalar {scalar} of sigma changed"), &changed.line())?;
    }
    for (how, value) in [("zeros", 0), ("ones", 0xff)] {
        let changed = honest.with("sigma", &[value; 342])?;
        c.ignored(&format!("{what} with a sigma of {how}"), &changed.line())?;
    }
    Ok(())
}

/// Everything else in Auth-R is covered by sigma; points and numbers are judged before it.
fn auth_r_keys(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: auth_r, .. } = auth_r(bench)?;
    let (other, x) = (auth_r.get("first ECDH")?.to_vec(), auth_r.get("X")?.to_vec());
    let (first, a) = (auth_r.get("first DH")?.to_vec(), auth_r.get("A")?.to_vec());
    let damaged = vec![
        ("another X".to_owned(), auth_r.with("X", &other)?),
        ("another first ECDH key".to_owned(), auth_r.with("first ECDH", &x)?),
        ("another A".to_owned(), auth_r.with("A", &first)?),
        ("another first DH key".to_owned(), auth_r.with("first DH", &a)?),
        ("A = 1".to_owned(), auth_r.with("A", &mpi(&[1]))?),
        ("A = 0".to_owned(), auth_r.with("A", &mpi(&[]))?),
        ("a profile that is changed".to_owned(), auth_r.flipped("profile", 20)?),
    ];
    all_ignored(&mut c, "an Auth-R message", damaged)?;
    completes(&mut c, &auth_r)
}

fn auth_i_signature(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: auth_i, .. } = auth_i(bench)?;
    all_ignored(&mut c, "an Auth-I message", bad_headers(&auth_i)?)?;
    bad_sigmas(&mut c, "an Auth-I message", &auth_i)?;
    completes(&mut c, &auth_i)
}

fn auth_i_too_early(bench: &Bench<'_>) -> Step {
    let Exchange { ours: auth_i, .. } = auth_i(bench)?;
    let mut c = bench.strangers()?;
    let mut early = auth_i.with("sender tag", &c.us.account.tag().get().to_be_bytes())?;
    let ready = c.them.greeting.event("ready ").unwrap_or_default();
    let tag = hex::decode(crate::subject::field(&ready, "tag").unwrap_or_default()).unwrap_or_default();
    early = early.with("receiver tag", &tag)?;
    c.ignored("an Auth-I message that nobody waits for", &early.line())?;
    bench.begin(&mut c)?;
    c.harmless("an Auth-I message of another handshake", &early.line())
}

/// All that went to them, again, while the conversation runs.
fn replayed(bench: &Bench<'_>) -> Step {
    for theirs in [true, false] {
        let mut c = bench.strangers()?;
        let mut to_us = Vec::new();
        if theirs {
            to_us = c.them.obey("identity")?.out();
        } else {
            c.us.act(|session, cx| session.start_identity(cx));
        }
        let mut recorded = Vec::new();
        for _ in 0..4 {
            to_us.iter().for_each(|line| c.us.receive(line));
            let to_them = c.us.take();
            to_us = c.deliver(&to_them)?.out();
            recorded.extend(to_them);
        }
        c.lives()?;
        let read = c.line("read once")?;
        c.they_read(&read, "read once")?;
        for _ in 0..2 {
            for line in &recorded {
                // A whole Identity message may be answered like a new one; everything else is over.
                if Message::of(line)?.get("type")? == [0x35] {
                    let said = c.them.receive(line)?;
                    ensure!(
                        said.event("secure ").is_none(),
                        "a replayed Identity message makes a conversation"
                    );
                } else {
                    c.harmless("a replayed handshake message", line)?;
                }
            }
            c.ignored("a text that was read before the replay", &read)?;
            c.lives()?;
        }
    }
    Ok(())
}

/// Their own messages come back to them.
fn reflected(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let data = c.their_line("to us")?;
    c.ignored("their own data message", &data)?;
    let identity = c.them.obey("identity")?.out();
    for line in &identity {
        c.ignored("their own Identity message", line)?;
    }
    c.we_read(&data, "to us")?;
    c.carry(identity)?;
    c.lives()
}

/// The prekey is still there for the honest message.
fn offline_damaged(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let answer = c.them.obey("prekeys 1")?;
    let ensemble = super::begin::read_ensemble(&answer.event("ensemble ").unwrap_or_default())?;
    c.we(|session, cx| session.start_offline(cx, vec![ensemble]))?;
    let lines = c.us.take();
    let Some(line) = lines.first() else { return failed("an offline start of ours sends nothing") };
    let honest = Message::of(line)?;
    all_ignored(&mut c, "a Non-Interactive-Auth message", bad_headers(&honest)?)?;
    bad_sigmas(&mut c, "a Non-Interactive-Auth message", &honest)?;
    let mut damaged = vec![
        ("its MAC changed".to_owned(), honest.flipped("auth MAC", 63)?),
        ("another prekey".to_owned(), honest.flipped("prekey id", 3)?),
        ("a changed profile".to_owned(), honest.flipped("profile", 20)?),
        ("X and the first key exchanged".to_owned(), honest.with("X", honest.get("first ECDH")?)?),
    ];
    for (name, point) in illegal::points()?.into_iter().take(8) {
        damaged.push((format!("the vector {name} as X"), honest.with("X", &point)?));
    }
    for (name, number) in illegal::dh_numbers()?.into_iter().take(8) {
        damaged.push((format!("the vector {name} as A"), honest.with("A", &mpi(&number))?));
    }
    all_ignored(&mut c, "a Non-Interactive-Auth message", damaged)?;
    let said = c.them.receive(line)?;
    c.is_the_same(&said)?;
    c.carry(said.out())?;
    c.lives()
}

/// What their own user hands them from a prekey server may be damaged, too.
fn ensemble_damaged(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let mut rng = crate::correspondent::rng();
    let made = c.us.account.make_prekeys(1, &mut rng, c.us.now).unwrap_or_default();
    let Some(ensemble) = made.first() else { return failed("our side makes no prekeys") };
    let mut w = Writer::new();
    ensemble.write(&mut w);
    let honest = w.finish();
    // In both profiles, and in the tag of the prekey message, whose keys nobody has signed.
    for at in [60, 130, honest.len() - 700, honest.len() - 500, honest.len() - 460, honest.len() - 447] {
        let mut damaged = honest.clone();
        damaged.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
        let answer = c.them.ask(&format!("offline {}", super::begin::base64(&damaged)))?;
        ensure!(
            answer.error().is_some() && answer.out().is_empty() && answer.event("secure ").is_none(),
            "an ensemble that is changed at byte {at} is taken: {:?}",
            answer.lines()
        );
    }
    let mut said = c.them.obey(&format!("offline {}", super::begin::base64(&honest)))?;
    said.add(c.carry(said.out())?);
    c.is_the_same(&said)?;
    c.lives()
}
