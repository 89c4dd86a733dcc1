//! Handshakes of versions 3 and 2 that are damaged, replayed or made by a cheat.

use otrv4::wire::Version::{V2, V3};

use super::exchange::{Exchange, commit, completes, dh_key, reveal_signature, signature};
use super::{Bench, Case};
use crate::illegal;
use crate::message::mpi;
use crate::stop::{Step, ensure};

pub(super) const CASES: &[Case] = &[
    Case::new(V3, "commit-damaged", "otrv3: D-H Commit Message", commit_damaged),
    Case::new(
        V3,
        "commit-to-another-key",
        "otrv3: Receiving a Reveal Signature Message",
        commit_to_another_key,
    ),
    Case::new(V3, "dh-key-values", "otrv3: D-H Key Message", dh_key_values),
    Case::new(V3, "reveal-signature-damaged", "otrv3: Receiving a Reveal Signature Message", reveal_damaged),
    Case::new(V3, "signature-damaged", "otrv3: Receiving a Signature Message", signature_damaged),
    Case::new(V3, "replayed-handshake", "otrv3: Authenticated Key Exchange (AKE)", replayed),
    Case::new(V2, "dh-key-values", "otrv3: D-H Key Message", dh_key_values),
    Case::new(V2, "reveal-signature-damaged", "otrv3: Receiving a Reveal Signature Message", reveal_damaged),
    Case::new(V2, "signature-damaged", "otrv3: Receiving a Signature Message", signature_damaged),
];

fn commit_damaged(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: commit, .. } = commit(bench)?;
    let damaged = [
        ("for another client", commit.with("receiver tag", &[0x77, 0, 0, 1])?),
        ("a sender tag below 100", commit.with("sender tag", &[0, 0, 0, 5])?),
        ("the last byte missing", commit.cut(1)),
        ("a byte more", commit.followed_by(&[0])),
        ("a hash of 31 bytes", commit.with("hashed gx", &[&[0, 0, 0, 31], &[1u8; 31][..]].concat())?),
        ("an encrypted gx of 4 GiB", commit.with("encrypted gx", &[0xff; 4])?),
    ];
    for (how, message) in damaged {
        c.ignored(&format!("a D-H Commit message with {how}"), &message.line())?;
    }
    completes(&mut c, &commit)
}

/// Whoever has not committed to the key that he reveals gets nothing.
fn commit_to_another_key(bench: &Bench<'_>) -> Step {
    for field in ["hashed gx", "encrypted gx"] {
        let exchange = commit(bench)?;
        let other = exchange.ours.flipped(field, 20)?;
        let Exchange { mut c, ours: reveal, .. } = exchange.sending(other)?;
        c.ignored(&format!("a key that was not committed to, {field} changed"), &reveal.line())?;
    }
    Ok(())
}

fn dh_key_values(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: dh_key, .. } = dh_key(bench)?;
    for (name, number) in illegal::v3_dh_numbers()? {
        let what = format!("a D-H Key message with the vector {name}");
        c.ignored(&what, &dh_key.with("gy", &mpi(&number))?.line())?;
    }
    c.ignored("a D-H Key message that is cut", &dh_key.cut(1).line())?;
    c.ignored("a D-H Key message with a byte more", &dh_key.followed_by(&[0]).line())?;
    completes(&mut c, &dh_key)
}

fn reveal_damaged(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: reveal, .. } = reveal_signature(bench)?;
    let damaged = [
        ("another key revealed", reveal.flipped("revealed key", 4)?),
        ("an encrypted signature that is changed", reveal.flipped("encrypted signature", 50)?),
        ("an encrypted signature that is changed at its end", reveal.flipped("encrypted signature", 460)?),
        ("its MAC changed", reveal.flipped("MAC", 19)?),
        ("the last byte missing", reveal.cut(1)),
        ("a byte more", reveal.followed_by(&[0])),
        ("a key of 15 bytes", reveal.with("revealed key", &[&[0, 0, 0, 15], &[1u8; 15][..]].concat())?),
    ];
    for (how, message) in damaged {
        c.ignored(&format!("a Reveal Signature message with {how}"), &message.line())?;
    }
    completes(&mut c, &reveal)
}

fn signature_damaged(bench: &Bench<'_>) -> Step {
    let Exchange { mut c, ours: signature, .. } = signature(bench)?;
    let damaged = [
        ("an encrypted signature that is changed", signature.flipped("encrypted signature", 50)?),
        ("an encrypted signature that is changed at its end", signature.flipped("encrypted signature", 460)?),
        ("its MAC changed", signature.flipped("MAC", 19)?),
        ("the last byte missing", signature.cut(1)),
        ("a byte more", signature.followed_by(&[0])),
    ];
    for (how, message) in damaged {
        c.ignored(&format!("a Signature message with {how}"), &message.line())?;
    }
    completes(&mut c, &signature)
}

/// All that went to them, again, while the conversation runs; texts that were read are not read again.
fn replayed(bench: &Bench<'_>) -> Step {
    for theirs in [true, false] {
        let mut c = bench.strangers()?;
        let mut to_us = Vec::new();
        if theirs {
            to_us = c.them.obey("query")?.out();
        } else {
            c.us.act(|session, cx| session.start(cx));
        }
        let mut recorded = Vec::new();
        for _ in 0..5 {
            to_us.iter().for_each(|line| c.us.receive(line));
            let to_them = c.us.take();
            to_us = c.deliver(&to_them)?.out();
            recorded.extend(to_them.into_iter().filter(|line| line.starts_with("?OTR:")));
        }
        c.lives()?;
        let read = c.line("read once")?;
        c.they_read(&read, "read once")?;
        for line in &recorded {
            // A Commit may be answered like a new one.
            let said = c.them.receive(line)?;
            ensure!(
                said.event("secure ").is_none() && said.event("finished ").is_none(),
                "a replayed handshake message changes the conversation: {:?}",
                said.lines()
            );
            c.lives()?;
        }
        c.ignored("a text that was read before the replay", &read)?;
    }
    Ok(())
}
