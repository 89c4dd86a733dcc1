//! Handshakes of version 4 that are damaged, replayed or made by a cheat: refused, while the running conversation lives; and
//! the honest message still does its work.

use otrv4::Timestamp;
use otrv4::inside::primitives::over_bytes as primitives;
use otrv4::wire::Version::V4;
use otrv4::wire::{InstanceTag, Writer};

use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::correspondent::{Correspondent, START};
use crate::illegal;
use crate::message::{Message, mpi};
use crate::stop::{Step, ensure, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "identity-header", "otrv4: Identity Message", identity_header),
    Case::new(V4, "identity-profile-signature", "otrv4: Validating a Client Profile", profile_signature),
    Case::new(V4, "identity-profile-expired", "otrv4: Validating a Client Profile", profile_expired),
    Case::new(V4, "identity-profile-of-another", "otrv4: Validating a Client Profile", profile_of_another),
    Case::new(V4, "identity-profile-fields", "otrv4: Client Profile Data Type", profile_fields),
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

/// A running conversation, and an honest Identity message of ours that has not been sent.
fn with_identity(bench: &Bench<'_>) -> Step<(Conversation, Message)> {
    let mut c = bench.talking()?;
    c.us.act(|session, cx| session.start_identity(cx));
    let identity = our_only(&mut c)?;
    Ok((c, identity))
}

/// A running conversation in which they have begun a new handshake, and our answer to it, not sent.
fn with_auth_r(bench: &Bench<'_>) -> Step<(Conversation, Message)> {
    let mut c = bench.talking()?;
    let identity = c.them.obey("identity")?.out();
    identity.iter().for_each(|line| c.us.receive(line));
    let auth_r = our_only(&mut c)?;
    Ok((c, auth_r))
}

/// A running conversation in which we have begun a new handshake, and its last message, not sent.
fn with_auth_i(bench: &Bench<'_>) -> Step<(Conversation, Message)> {
    let (mut c, identity) = with_identity(bench)?;
    let auth_r = c.them.receive(&identity.line())?.out();
    auth_r.iter().for_each(|line| c.us.receive(line));
    let auth_i = our_only(&mut c)?;
    Ok((c, auth_i))
}

fn our_only(c: &mut Conversation) -> Step<Message> {
    match c.us.take().as_slice() {
        [line] => Message::of(line),
        lines => failed(format!("{} lines of ours instead of one", lines.len())),
    }
}

/// The honest message still does what it should.
fn completes(c: &mut Conversation, honest: &Message) -> Step {
    let mut said = c.them.receive(&honest.line())?;
    said.add(c.carry(said.out())?);
    c.is_the_same(&said)?;
    c.lives()
}

fn all_ignored(c: &mut Conversation, what: &str, damaged: Vec<(String, Message)>) -> Step {
    for (how, message) in damaged {
        c.ignored(&format!("{what}: {how}"), &message.line())?;
    }
    Ok(())
}

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
    let (mut c, identity) = with_identity(bench)?;
    all_ignored(&mut c, "an Identity message", bad_headers(&identity)?)?;
    c.lives()?;
    completes(&mut c, &identity)
}

fn profile_signature(bench: &Bench<'_>) -> Step {
    let (mut c, identity) = with_identity(bench)?;
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
    let (mut c, identity) = with_identity(bench)?;
    let mut old = Correspondent::at(Timestamp::from_unix(START - 8 * 24 * 60 * 60), &[V4]);
    old.act(|session, cx| session.start_identity(cx));
    for line in old.take() {
        c.harmless("an Identity message with a profile that has expired", &line)?;
    }
    completes(&mut c, &identity)
}

fn profile_of_another(bench: &Bench<'_>) -> Step {
    let (mut c, identity) = with_identity(bench)?;
    let other = InstanceTag::random(&mut crate::correspondent::rng()).get().to_be_bytes();
    let message = identity.with("sender tag", &other)?;
    c.harmless("an Identity message with the profile of another client", &message.line())?;
    completes(&mut c, &identity)
}

/// Well signed by the right key, and all the same not as a profile must be.
fn profile_fields(bench: &Bench<'_>) -> Step {
    let (mut c, identity) = with_identity(bench)?;
    let profile = identity.get("profile")?;
    let signed = profile.get(4..profile.len().saturating_sub(114)).unwrap_or_default();
    // Owner, H and F have a type of two bytes each; then the versions, and the time.
    let lengths = [2 + 4, 2 + 2 + 57, 2 + 2 + 57, 2 + 4 + 1, 2 + 8];
    let mut rest = signed;
    let mut fields = Vec::new();
    for length in lengths {
        let Some((field, behind)) = rest.split_at_checked(length) else {
            return failed("a profile of ours is short");
        };
        fields.push(field.to_vec());
        rest = behind;
    }
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut changed = fields.clone();
        change(&mut changed);
        let signed = changed.concat();
        let mut w = Writer::new();
        w.int(u32::try_from(changed.len()).unwrap_or_default()).bytes(&signed);
        w.bytes(&primitives::sign_as(&c.us.account, &signed));
        identity.with("profile", w.as_slice())
    };
    let damaged = vec![
        ("the time twice".to_owned(), with(&|fields| fields.extend(fields.last().cloned()))?),
        ("the owner twice".to_owned(), with(&|fields| fields.extend(fields.first().cloned()))?),
        ("a field of type 8".to_owned(), with(&|fields| fields.push(vec![0, 8, 0, 0, 0, 0]))?),
        ("without the time".to_owned(), with(&|fields| _ = fields.pop())?),
        ("without the owner".to_owned(), with(&|fields| _ = fields.remove(0))?),
        (
            "version 3 only".to_owned(),
            with(&|fields| {
                fields.iter_mut().filter(|field| field.len() == 7).for_each(|field| {
                    field.last_mut().into_iter().for_each(|digit| *digit = b'3');
                })
            })?,
        ),
    ];
    // What is signed anew and unchanged is taken: otherwise nothing here would be tested.
    let same = with(&|_| ())?;
    ensure!(same.bytes == identity.bytes, "our own signature is another one");
    all_ignored(&mut c, "an Identity message with a profile", damaged)?;
    c.lives()?;
    completes(&mut c, &identity)
}

fn identity_points(bench: &Bench<'_>) -> Step {
    let (mut c, identity) = with_identity(bench)?;
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
    let (mut c, identity) = with_identity(bench)?;
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
    let (mut c, auth_r) = with_auth_r(bench)?;
    all_ignored(&mut c, "an Auth-R message", bad_headers(&auth_r)?)?;
    completes(&mut c, &auth_r)
}

fn auth_r_signature(bench: &Bench<'_>) -> Step {
    let (mut c, auth_r) = with_auth_r(bench)?;
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
    let (mut c, auth_r) = with_auth_r(bench)?;
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
    let (mut c, auth_i) = with_auth_i(bench)?;
    all_ignored(&mut c, "an Auth-I message", bad_headers(&auth_i)?)?;
    bad_sigmas(&mut c, "an Auth-I message", &auth_i)?;
    let said = c.them.receive(&auth_i.line())?;
    c.is_the_same(&said)?;
    c.carry(said.out())?;
    c.lives()
}

fn auth_i_too_early(bench: &Bench<'_>) -> Step {
    let (_, auth_i) = with_auth_i(bench)?;
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
