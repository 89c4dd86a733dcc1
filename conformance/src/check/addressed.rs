//! Messages that name nobody as their receiver: only those that begin something may.

use otrv4::wire::Version::V4;

use super::begin::read_ensemble;
use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::message::Message;
use crate::stop::{Step, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "auth-r-for-nobody", "otrv4: Auth-R Message; Instance Tags", auth_r),
    Case::new(V4, "auth-i-for-nobody", "otrv4: Auth-I Message; Instance Tags", auth_i),
    Case::new(V4, "offline-start-for-nobody", "otrv4: Non-Interactive-Auth Message; Instance Tags", offline),
    Case::new(V4, "data-for-nobody", "otrv4: Data Message; Instance Tags", data),
];

fn auth_r(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let identity = c.them.obey("identity")?.out();
    identity.iter().for_each(|line| c.us.receive(line));
    begins_only_by_name(&mut c)
}

fn auth_i(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    c.us.act(|session, cx| session.start_identity(cx));
    let identity = c.us.take();
    let auth_r = c.deliver(&identity)?.out();
    auth_r.iter().for_each(|line| c.us.receive(line));
    begins_only_by_name(&mut c)
}

fn offline(bench: &Bench<'_>) -> Step {
    let mut c = bench.strangers()?;
    let answer = c.them.obey("prekeys 1")?;
    let ensemble = read_ensemble(&answer.event("ensemble ").unwrap_or_default())?;
    c.we(|session, cx| session.start_offline(cx, vec![ensemble]))?;
    begins_only_by_name(&mut c)
}

/// What we have to send is one message of a handshake.
fn begins_only_by_name(c: &mut Conversation) -> Step {
    let lines = c.us.take();
    let [line] = lines.as_slice() else {
        return failed(format!("{} lines of ours instead of one", lines.len()));
    };
    c.ignored(
        "a message whose receiver tag is 0",
        &Message::of(line)?.with("receiver tag", &[0; 4])?.line(),
    )?;
    let mut said = c.them.receive(line)?;
    said.add(c.carry(said.out())?);
    c.is_the_same(&said)?;
    c.lives()
}

fn data(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let line = c.line("by name")?;
    c.ignored(
        "a message whose receiver tag is 0",
        &Message::of(&line)?.with("receiver tag", &[0; 4])?.line(),
    )?;
    c.they_read(&line, "by name")?;
    c.lives()
}
