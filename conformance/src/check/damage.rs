//! Data messages that are damaged, replayed or forged, and lines that are no messages at all: nothing of them is shown, and
//! what comes after them is read.

use otrv4::inside;
use otrv4::wire::Version::{V2, V3, V4};

use super::{Bench, Case};
use crate::conversation::Conversation;
use crate::illegal;
use crate::message::{Message, mpi};
use crate::stop::{Step, ensure};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "data-damaged", "otrv4: When you receive a Data Message", damaged_4),
    Case::new(V4, "data-counters-forged", "otrv4: When you receive a Data Message", counters_4),
    Case::new(V4, "data-replayed", "otrv4: When you receive a Data Message", replayed),
    Case::new(V4, "data-under-revealed-key", "otrv4: Revealing MAC Keys", under_revealed_key),
    Case::new(V4, "mac-keys-are-revealed", "otrv4: Revealing MAC Keys", mac_keys_are_revealed),
    Case::new(V4, "odd-lines", "otrv4: Query Messages; Fragmentation; Encoded Messages", odd_lines),
    Case::new(V4, "clear-text-in-a-conversation", "otrv4: Receiving plaintext", clear_text),
    Case::new(V3, "data-damaged", "otrv3: Receiving a Data Message", damaged_3),
    Case::new(V3, "data-counters", "otrv3: Receiving a Data Message", counters_3),
    Case::new(V3, "data-next-key", "otrv3: Receiving a Data Message", next_key_3),
    Case::new(V3, "data-replayed", "otrv3: Receiving a Data Message", replayed),
    Case::new(V3, "many-in-one-turn", "otrv3: Exchanging data", many_in_one_turn),
    Case::new(V3, "odd-lines", "otrv3: OTR Query Messages; Fragmentation", odd_lines),
    Case::new(V3, "clear-text-in-a-conversation", "otrv3: Receiving plaintext", clear_text),
    Case::new(V2, "data-damaged", "otrv3: Receiving a Data Message", damaged_3),
    Case::new(V2, "data-replayed", "otrv3: Receiving a Data Message", replayed),
];

fn damaged_4(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    for _ in 0..2 {
        let line = c.line("intact")?;
        let honest = Message::of(&line)?;
        let fields = [
            ("its MAC changed at the end", honest.flipped("MAC", 63)?),
            ("its MAC changed at the beginning", honest.flipped("MAC", 0)?),
            ("its ciphertext changed", honest.flipped("ciphertext", 4)?),
            ("its flags changed", honest.flipped("flags", 0)?),
            ("another sender", honest.with("sender tag", &[0x77, 0, 0, 1])?),
            ("another receiver", honest.with("receiver tag", &[0x77, 0, 0, 1])?),
            ("version 3", honest.with("version", &[0, 3])?),
        ];
        all_harmless(&mut c, fields)?;
        let lengths = [
            ("the last byte missing", honest.cut(1)),
            ("a byte more", honest.followed_by(&[0])),
            (
                "old MAC keys of 63 bytes",
                honest.with("old MAC keys", &[&[0, 0, 0, 63], &[1u8; 63][..]].concat())?,
            ),
            ("a ciphertext of 4 GiB", honest.with("ciphertext", &[0xff; 4])?),
        ];
        all_harmless(&mut c, lengths)?;
        let mut keys = vec![
            ("another ECDH key that is a point", honest.with("ECDH", &generator())?),
            ("a DH key of 1", honest.with("DH", &mpi(&[1]))?),
        ];
        for (_, point) in illegal::points()?.into_iter().take(4) {
            keys.push(("an ECDH key that is no point", honest.with("ECDH", &point)?));
        }
        all_harmless(&mut c, keys)?;
        c.they_read(&line, "intact")?;
        c.lives()?;
    }
    Ok(())
}

fn all_harmless<'a>(c: &mut Conversation, damaged: impl IntoIterator<Item = (&'a str, Message)>) -> Step {
    c.all_harmless("a data message", damaged.into_iter().map(|(how, message)| (how, message.line())))
}

/// Nobody walks a chain, or fills a store, before the MAC is checked.
fn counters_4(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.lives()?;
    // In a ratchet that they have open, and in one that is new to them.
    c.we_say("opens a ratchet")?;
    forge_counters(&mut c)?;
    c.they_say("and one of ours")?;
    forge_counters(&mut c)
}

fn forge_counters(c: &mut Conversation) -> Step {
    let line = c.line("intact")?;
    let honest = Message::of(&line)?;
    for field in ["pn", "i", "j"] {
        for value in [1u32, 7, 900, 1_000_000, 0x7fff_ffff, 0xffff_ffff] {
            let forged = honest.with(field, &value.to_be_bytes())?;
            if forged.bytes != honest.bytes {
                c.ignored(&format!("a data message with {field} = {value}"), &forged.line())?;
            }
        }
    }
    // A new ratchet that never was, with each of them.
    for field in ["pn", "j"] {
        let forged = honest.with("ECDH", &generator())?.with(field, &900u32.to_be_bytes())?;
        c.ignored(&format!("a new ratchet with {field} = 900"), &forged.line())?;
    }
    c.they_read(&line, "intact")?;
    c.lives()
}

fn replayed(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let mut read = Vec::new();
    for turn in 0..3 {
        for message in 0..3 {
            let text = format!("turn {turn}, message {message}");
            let line = c.line(&text)?;
            c.they_read(&line, &text)?;
            // At once, and all of them in later turns.
            c.ignored("a message that was just read", &line)?;
            read.push(line);
        }
        for line in &read {
            c.ignored("a message that was read already", line)?;
        }
        c.they_say("and we answer")?;
    }
    for line in &read {
        c.ignored("a message of an earlier turn", line)?;
    }
    c.lives()
}

/// A MAC key that they have revealed opens nothing any more.
fn under_revealed_key(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.lives()?;
    let line = c.line("will be revealed")?;
    let honest = Message::of(&line)?;
    c.they_read(&line, "will be revealed")?;
    let answer = c.their_line("here is your MAC key")?;
    let (keys, sections) = (Message::of(&answer)?, sections(&honest)?);
    let keys = keys.get("old MAC keys")?.get(4..).unwrap_or_default().to_vec();
    let key =
        keys.chunks(64).find(|key| authenticator(key, sections) == honest.get("MAC").unwrap_or_default());
    let Some(key) = key else {
        return crate::stop::failed("the MAC key of a message that was read is not revealed");
    };
    for (field, offset) in [("ciphertext", 4), ("flags", 0), ("j", 3), ("i", 3)] {
        let forged = honest.flipped(field, offset)?;
        let mac = authenticator(key, self::sections(&forged)?);
        let forged = forged.with("MAC", &mac)?;
        c.ignored(&format!("a message forged with a revealed MAC key, {field} changed"), &forged.line())?;
    }
    c.we_read(&answer, "here is your MAC key")?;
    c.lives()
}

/// Each key once, and never before its message was read.
fn mac_keys_are_revealed(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let mut owed: Vec<Message> = Vec::new();
    let mut revealed = Vec::new();
    for turn in 0..4 {
        for message in 0..2 {
            let text = format!("turn {turn}, message {message}");
            let line = c.line(&text)?;
            owed.push(Message::of(&line)?);
            c.they_read(&line, &text)?;
        }
        let answer = c.their_line("an answer")?;
        let message = Message::of(&answer)?;
        let keys = message.get("old MAC keys")?.get(4..).unwrap_or_default();
        revealed.extend(keys.chunks(64).map(<[u8]>::to_vec));
        c.we_read(&answer, "an answer")?;
    }
    for message in &owed {
        let (sections, mac) = (sections(message)?, message.get("MAC")?);
        let times = revealed.iter().filter(|key| authenticator(key, sections) == mac).count();
        ensure!(times == 1, "a MAC key was revealed {times} times");
    }
    ensure!(revealed.len() == owed.len(), "{} keys revealed for {} messages", revealed.len(), owed.len());
    Ok(())
}

/// `Authenticator = HCMAC(usage_authenticator || MKmac || data_message_sections, 64)`
pub(super) fn authenticator(key: &[u8], sections: &[u8]) -> Vec<u8> {
    const USAGE_AUTHENTICATOR: u8 = 0x18;
    otrv4::inside::primitives::over_bytes::kdf(USAGE_AUTHENTICATOR, &[key, sections].concat(), 64)
}

/// What the MAC covers.
pub(super) fn sections(message: &Message) -> Step<&[u8]> {
    let (start, _) = message.at("MAC")?;
    Ok(message.bytes.get(..start).unwrap_or_default())
}

/// Lines that have killed implementations.
fn odd_lines(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    let tag = " \t  \t\t\t\t \t \t \t  ";
    for line in [
        "",
        "?OTR",
        "?OTR?",
        "?OTRv?",
        "?OTR?v?",
        "?OTRv99999999999999999999?",
        "?OTR:",
        "?OTR:.",
        "?OTR:===.",
        "?OTR:AAQ.",
        "?OTR:AAQD.",
        "?OTR:AAMC.",
        "?OTR:????.",
        "?OTR:AAQDAAAAAAAAAAA=.",
        "?OTR|",
        "?OTR,",
        "?OTR,1,1,,",
        "?OTR Error:",
        "?OTR Error: something",
        tag,
        "🦀?OTRv",
    ] {
        let answer = c.them.receive(line)?;
        let told = ["secure ", "finished ", "queued", "smp-", "extra-key "];
        let told = told.iter().any(|event| answer.count(&format!("event {event}")) > 0);
        let sent = answer.out().iter().any(|line| !line.starts_with("?OTR Error"));
        ensure!(answer.plain().is_empty() && !told && !sent, "{line:?}: {:?}", answer.lines());
    }
    c.lives()
}

/// Shown with a warning, and nothing ends or changes.
fn clear_text(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    for line in ["not encrypted", "?OTR Error: You are not encrypted."] {
        let answer = c.them.receive(line)?;
        let told = answer.event("finished ").is_none() && answer.event("secure ").is_none();
        ensure!(told && answer.plain().is_empty(), "{line}: {:?}", answer.lines());
    }
    let answer = c.them.receive("not encrypted")?;
    ensure!(answer.event("warn-unencrypted ").is_some(), "no warning: {:?}", answer.lines());
    c.lives()
}

fn damaged_3(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    for _ in 0..2 {
        let line = c.line("intact")?;
        let honest = Message::of(&line)?;
        let mut damaged = vec![
            ("its MAC changed at the end", honest.flipped("MAC", 19)?),
            ("its MAC changed at the beginning", honest.flipped("MAC", 0)?),
            ("its ciphertext changed", honest.flipped("ciphertext", 4)?),
            ("its flags changed", honest.flipped("flags", 0)?),
            ("its next key changed", honest.flipped("next DH", 40)?),
            ("its counter changed", honest.flipped("counter", 7)?),
            ("a sender keyid of 0", honest.with("sender keyid", &[0; 4])?),
            ("a recipient keyid of 0", honest.with("recipient keyid", &[0; 4])?),
            ("a sender keyid that is to come", honest.with("sender keyid", &[0, 0, 1, 0])?),
            ("a recipient keyid that is to come", honest.with("recipient keyid", &[0, 0, 1, 0])?),
            ("the last byte missing", honest.cut(1)),
            ("a byte more", honest.followed_by(&[0])),
            (
                "old MAC keys of 19 bytes",
                honest.with("old MAC keys", &[&[0, 0, 0, 19], &[1u8; 19][..]].concat())?,
            ),
            ("a ciphertext of 4 GiB", honest.with("ciphertext", &[0xff; 4])?),
        ];
        if bench.version == V3 {
            damaged.push(("another receiver", honest.with("receiver tag", &[0x77, 0, 0, 1])?));
            damaged.push(("another sender", honest.with("sender tag", &[0x77, 0, 0, 1])?));
        }
        for (how, message) in damaged {
            c.ignored(&format!("a data message with {how}"), &message.line())?;
        }
        c.they_read(&line, "intact")?;
        c.lives()?;
    }
    Ok(())
}

/// Well authenticated, with a counter that was used.
fn counters_3(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    for text in ["first", "second", "third"] {
        c.we_say(text)?;
    }
    for counter in [0u64, 1, 2, 3] {
        let forged = resealed(&mut c, "fourth", &[("counter", counter.to_be_bytes().to_vec())])?;
        c.ignored(&format!("a message with the counter {counter} after the counter 3"), &forged.line())?;
    }
    c.lives()
}

/// Well authenticated, with a next key that is none.
fn next_key_3(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    c.lives()?;
    for (name, number) in illegal::v3_dh_numbers()? {
        let forged = resealed(&mut c, "with a bad next key", &[("next DH", mpi(&number))])?;
        c.ignored(&format!("a message with the vector {name} as its next key"), &forged.line())?;
    }
    for field in ["sender keyid", "recipient keyid"] {
        let forged = resealed(&mut c, "with a bad number", &[(field, vec![0; 4])])?;
        c.ignored(&format!("a message with a {field} of 0"), &forged.line())?;
    }
    c.lives()
}

/// A message of ours with other fields and the authenticator that they need. Nobody gets the honest one.
fn resealed(c: &mut Conversation, text: &str, fields: &[(&str, Vec<u8>)]) -> Step<Message> {
    let with = c.ours()?.with;
    // The key is the same before and after: it belongs to the pair of DH keys.
    let mut message = Message::of(&c.line(text)?)?;
    for (field, value) in fields {
        message = message.with(field, value)?;
    }
    let sections = sections(&message)?.to_vec();
    let mut mac = None;
    c.us.act(|session, cx| {
        mac = inside::authenticator(session, cx, with, &sections);
        Vec::new()
    });
    let Some(mac) = mac else { return crate::stop::failed("our side has no conversation") };
    let mut bytes = sections;
    bytes.extend(mac);
    bytes.extend([0; 4]);
    message.bytes = bytes;
    Ok(message)
}

/// More than a byte counts.
fn many_in_one_turn(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    for n in 0..140 {
        let text = format!("message {n}");
        c.we_say(&text)?;
    }
    for n in 0..140 {
        let text = format!("message {n}");
        c.they_say(&text)?;
    }
    c.lives()
}

/// The generator of Ed448, which is a point like any other.
pub(super) fn generator() -> Vec<u8> {
    let mut one = [0; 57];
    one[0] = 1;
    otrv4::inside::primitives::over_bytes::mul_base(&one).map(Vec::from).unwrap_or_default()
}
