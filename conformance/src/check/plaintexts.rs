//! What a data message may say: texts without an end, records cut short. Each is sealed as it must be.

use otrv4::wire::Version::{V3, V4};
use otrv4::wire::armour;

use super::{Bench, Case};
use crate::conversation::{Conversation, shortened};
use crate::stop::{Step, ensure, failed};

pub(super) const CASES: &[Case] = &[
    Case::new(V4, "text-without-nul", "otrv4: Data Message Format; TLV Record Types", without_nul),
    Case::new(V4, "records-cut-short", "otrv4: TLV Record Types", cut_short),
    Case::new(V4, "unknown-records", "otrv4: TLV Record Types", unknown),
    Case::new(V3, "text-without-nul", "otrv3: Exchanging data", without_nul),
    Case::new(V3, "records-cut-short", "otrv3: TLV record types", cut_short),
    Case::new(V3, "unknown-records", "otrv3: TLV record types", unknown),
];

/// The NUL is there only where records follow.
fn without_nul(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    says(&mut c, b"", "")?;
    says(&mut c, b"abc", "abc")?;
    says(&mut c, b"a", "a")?;
    says(&mut c, b"\0", "")?;
    says(&mut c, b"abc\0", "abc")
}

/// "If you receive a data message with a corrupted TLV, stop processing it, but process the remaining data message and
/// any other TLVs included in it".
fn cut_short(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    says(&mut c, b"abc\0\0", "abc")?;
    says(&mut c, b"\0\0", "")?;
    says(&mut c, b"\0\0\x09", "")?;
    says(&mut c, b"\0\0\x09\xff\xff", "")?;
    says(&mut c, b"abc\0\0\x00\x00\x05abcd", "abc")?;
    says(&mut c, b"abc\0\0\x00\x00\x02ab\0\x09\xff\xffabc", "abc")?;
    // Of a verification, and of an extra key: nothing begins.
    for kind in [2, 7, 8] {
        says(&mut c, &[b'a', 0, 0, kind, 0, 200, 0, 0, 0, 9], "a")?;
    }
    // And one of an end that is whole, before one that is not.
    let line = sealed(&mut c, b"\0\0\x01\0\0\0\x09\xff\xff\0")?;
    let answer = c.them.receive(&line)?;
    ensure!(answer.event("finished ").is_some(), "the record before is lost: {:?}", shortened(&answer));
    Ok(())
}

fn unknown(bench: &Bench<'_>) -> Step {
    let mut c = bench.talking()?;
    says(&mut c, b"\0\x7f\xff\0\x03abc", "")?;
    says(&mut c, b"\0\0\x09\0\0\xff\xff\0\x01a", "")?;
    says(&mut c, &[b"abc\0\0\0\0\x64".as_slice(), &[0; 100]].concat(), "abc")
}

/// A message that says this shows this text, or none if it is empty, and what follows is read.
fn says(c: &mut Conversation, plaintext: &[u8], text: &str) -> Step {
    let line = sealed(c, plaintext)?;
    let answer = c.them.receive(&line)?;
    let shown = answer.plain().into_iter().filter(|text| !text.is_empty());
    let expected: &[&str] = if text.is_empty() { &[] } else { &[text] };
    ensure!(shown.eq(expected.iter().copied()), "{plaintext:?} is shown as {:?}", shortened(&answer));
    let told = ["rejected", "finished ", "secure ", "smp-ask", "smp-success", "smp-failure", "extra-key "];
    let told = told.iter().any(|event| answer.event(event).is_some());
    let refused = answer.out().iter().any(|line| line.starts_with("?OTR Error"));
    ensure!(!told && !refused, "{plaintext:?} is not only shown: {:?}", shortened(&answer));
    c.carry(answer.out())?;
    c.lives()
}

/// A data message of ours with exactly this inside.
fn sealed(c: &mut Conversation, plaintext: &[u8]) -> Step<String> {
    let with = c.ours()?.with;
    let mut sealed = None;
    c.us.act(|session, cx| {
        sealed = otrv4::inside::seal(session, cx, with, plaintext, &mut |_| ());
        Vec::new()
    });
    match sealed {
        Some(message) => Ok(armour(&message)),
        None => failed("our side has no conversation"),
    }
}
