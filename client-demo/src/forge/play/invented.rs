//! The second half: Alice, alone, makes up a whole conversation with Bob.

use otrv4::forge::{Begin, Forger, Key, Line, Person, Said, Script, Transcript, Who, v4, witness};
use otrv4::{Reject, Timestamp};

use super::people::{ALICE, BOB, Client, policy};
use super::{PlayError, Reader, beginning, check};
use crate::demo::page::{chapter, fact, quote, told};
use crate::forge::transcript::on_its_way;
use crate::system;

/// Two chapters.
pub(super) fn tell(reader: Reader) -> Result<(), PlayError> {
    let (alice, bob) = (Client::new(ALICE, BOB), Client::new(BOB, ALICE));
    let now = system::now();
    let transcript = invent(&alice, &bob, now)?;
    reader.next()?;
    judge(&alice, &bob, &transcript, now)?;
    reader.next()
}

fn invent(alice: &Client, bob: &Client, now: Timestamp) -> Result<Transcript, PlayError> {
    chapter(4, "Alice invents a conversation that never was")?;
    told("Another day. Alice has her own keys, and of Bob his client profile: public")?;
    told("keys with his signature, which his client shows to everybody. Bob is asleep.")?;
    told("She writes down what the two shall have said:")?;
    let (own, his) = (Person::of(&alice.account), Person::of(&bob.account));
    let forger = Forger::new(own, Key::long_term_of(&alice.account), his, now)?;
    let said: Vec<Said<'_>> =
        SAID.iter().map(|(by, after, text)| Said { by: *by, at: now.plus(*after), text }).collect();
    for (by, _, text) in SAID {
        quote(if by == Who::Participant { "Alice" } else { "Bob" }, text)?;
    }
    let begin = Begin::Interactive(Who::Participant);
    let end = Some((Who::Other, now.plus(END)));
    let script = Script {
        begin,
        start: now,
        said: &said,
        end,
        until: now.plus(ANSWERED),
        participant: policy().into(),
        other: policy().into(),
    };
    let transcript = forger.transcript(script, &mut |_: &Line| on_its_way(), &mut system::rng())?;
    told("Her program plays both parts, by the code of every honest conversation:")?;
    for line in transcript.lines.iter().skip(1).take(4) {
        fact(if line.sender == Who::Participant { "from Alice" } else { "from Bob" }, beginning(&line.line))?;
    }
    let end = transcript.lines.iter().rposition(|line| line.sender == Who::Other);
    let end = end.and_then(|end| transcript.lines.get(end..));
    let answered = end.is_some_and(|end| end.len() > 1 && end.iter().take(1).all(|l| l.chain_key.is_some()));
    check(answered, "nobody answers the end")?;
    fact(
        "in all",
        format_args!("{} lines: handshake, texts, keys, the end and its answer", transcript.lines.len()),
    )?;
    Ok(transcript)
}

fn judge(alice: &Client, bob: &Client, transcript: &Transcript, now: Timestamp) -> Result<(), PlayError> {
    chapter(5, "A judge looks at it")?;
    told("Alice hands it in, with the keys to read it. The judge checks every signature")?;
    told("of the handshake, as a client does that talks to Bob:")?;
    let lines = || transcript.lines.iter().map(|line| line.line.as_str());
    let witnessed = witness(lines(), [BOB, ALICE], None, now)?;
    check(witnessed.began == bob.account.fingerprint(), "it is not Bob")?;
    check(witnessed.answered == alice.account.fingerprint(), "it is not Alice")?;
    let groups = witnessed.began.groups();
    let groups: Vec<&str> = groups.split(' ').take(3).collect();
    fact("signed by", format_args!("{} …, which is Bob's fingerprint", groups.join(" ")))?;
    let swapped = witness(lines(), [ALICE, BOB], None, now);
    check(swapped == Err(Reject::Forged), "the check accepts anything")?;
    told("It is a real check: with the two names exchanged it fails. Then he reads:")?;
    let texts = transcript.lines.iter().filter_map(|line| Some((line.sender, text(line)?)));
    let texts: Vec<(Who, String)> = texts.filter(|(_, text)| !text.is_empty()).collect();
    let as_written = SAID.map(|(by, _, text)| (by, text.to_owned()));
    check(texts == as_written, "the messages do not say what Alice has written")?;
    for (by, text) in &texts {
        quote(if *by == Who::Participant { "Alice" } else { "Bob" }, text)?;
    }
    told("Everything holds, and Bob was asleep. A signature here is one of a ring: it")?;
    told("was made by one of three keys, and nobody can tell by which. In Bob's, one of")?;
    told("the three was a key that Alice had made herself. So if she comes to the judge")?;
    told("with a real conversation, he has no reason to believe that one, either.")?;
    Ok(())
}

/// What a message says by its own key, which its MAC has to fit.
fn text(line: &Line) -> Option<String> {
    let key = line.chain_key.as_ref()?;
    Some(v4::read_and_forge(&line.line, key, None).ok()?.text.to_string())
}

/// By whom, after how many seconds, what.
const SAID: [(Who, i64, &str); 4] = [
    (Who::Participant, 8, "Where is the money, Bob?"),
    (Who::Other, 31, "I took it. All of it."),
    (Who::Participant, 39, "You should not have told me."),
    (Who::Other, 64, "Whom else?"),
];
const END: i64 = 80;
/// By then Alice has read the end, and published the MAC keys that were left.
const ANSWERED: i64 = END + 10;
