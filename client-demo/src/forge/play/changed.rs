//! The first half: somebody who has recorded the wire, and nothing else, changes what Alice said.

use otrv4::Secret;
use otrv4::forge::{ForgeError, v4};

use super::people::{ALICE, BOB, Client, Kept, Wire};
use super::{PlayError, Reader, beginning, check};
use crate::demo::page::{chapter, fact, quote, told};

/// Three chapters.
pub(super) fn tell(reader: Reader) -> Result<(), PlayError> {
    let mut talk = talk()?;
    reader.next()?;
    wait(&mut talk)?;
    reader.next()?;
    change(&mut talk)?;
    reader.next()
}

/// The conversation, as far as it has come.
struct Talk {
    alice: Client,
    bob: Client,
    wire: Wire,
    /// Where on the wire the message is that will be changed.
    which: usize,
    /// Bob's client, as it was just before that message came.
    before: Kept,
}

impl Talk {
    fn say(&mut self, by_alice: bool, text: &str) -> Result<(), PlayError> {
        let (from, to, name) = match by_alice {
            true => (&mut self.alice, &mut self.bob, "Alice"),
            false => (&mut self.bob, &mut self.alice, "Bob"),
        };
        let lines = from.step(|session, cx| session.send(cx, None, text))?;
        self.wire.carry(lines, to, from)?;
        check(to.told() == (vec![text.to_owned()], false), "a text did not arrive")?;
        quote(name, text)?;
        Ok(())
    }

    /// Every MAC key that anybody can read off the wire.
    fn revealed(&self) -> Vec<Secret<64>> {
        self.wire.0.iter().filter_map(|line| v4::revealed_mac_keys(line).ok()).flatten().collect()
    }

    /// Every one of them is tried on the message.
    fn forge(&self, guess: &str) -> Result<String, ForgeError> {
        let line = self.wire.0.get(self.which).map_or("", String::as_str);
        let tries = self.revealed();
        let tries = tries.iter().map(|key| v4::modify(line, key, guess, NEW_WORD, OFFSET));
        tries.fold(Err(ForgeError::WrongMacKey), Result::or)
    }
}

fn talk() -> Result<Talk, PlayError> {
    chapter(1, "Alice and Bob talk, and Mallory records")?;
    told("Mallory sees every line on the network. She has no keys and can read nothing.")?;
    let (mut alice, mut bob) = (Client::new(ALICE, BOB), Client::new(BOB, ALICE));
    let mut wire = Wire::default();
    let lines = alice.step(|session, cx| Ok(session.start(cx)))?;
    wire.carry(lines, &mut bob, &mut alice)?;
    // What each client says of the handshake.
    alice.told();
    bob.told();
    let before = bob.keep();
    let mut talk = Talk { alice, bob, wire, which: 0, before };
    talk.say(true, "Hello Bob.")?;
    talk.before = talk.bob.keep();
    talk.which = talk.wire.0.len();
    talk.say(true, &text(OLD_WORD))?;
    let line = talk.wire.0.get(talk.which).map_or("", String::as_str);
    fact("Mallory sees", beginning(line))?;
    fact("recorded", format_args!("{} lines", talk.wire.0.len()))?;
    Ok(talk)
}

fn wait(talk: &mut Talk) -> Result<(), PlayError> {
    chapter(2, "Mallory wants to change it, and has to wait")?;
    told("Each message has a MAC: a number that only who has its MAC key can compute.")?;
    told(format_args!(
        "To turn \"{OLD_WORD}\" into \"{NEW_WORD}\" she needs that key. She tries what she has:"
    ))?;
    try_in_vain(talk)?;
    told("They go on talking. Whoever has read a message publishes its MAC key later,")?;
    told("in a message of their own: by then nobody needs it any more.")?;
    talk.say(false, "All right.")?;
    try_in_vain(talk)?;
    talk.say(true, "Do not be late.")?;
    try_in_vain(talk)?;
    talk.say(false, "I never am.")?;
    check(talk.forge(OLD_WORD).is_ok(), "the MAC key was not revealed")?;
    fact("MAC keys", format_args!("{} on the wire: one of them fits", talk.revealed().len()))?;
    Ok(())
}

fn try_in_vain(talk: &Talk) -> Result<(), PlayError> {
    let forged = talk.forge(OLD_WORD);
    check(forged == Err(ForgeError::WrongMacKey), "a message was changed before its MAC key was revealed")?;
    fact("MAC keys", format_args!("{} on the wire: none fits", talk.revealed().len()))?;
    Ok(())
}

fn change(talk: &mut Talk) -> Result<(), PlayError> {
    chapter(3, "Mallory changes what Alice said")?;
    told(format_args!(
        "She guesses that \"{OLD_WORD}\" stands at byte {OFFSET}, and puts \"{NEW_WORD}\" there."
    ))?;
    told("She still cannot read the message, nor need she.")?;
    let real = talk.wire.0.get(talk.which).cloned().unwrap_or_default();
    let forged = talk.forge(OLD_WORD)?;
    check(forged != real && forged.len() == real.len(), "the forged line is not another one as long")?;
    told("Which is the real one? Here is Bob's client as it was before the message")?;
    told("came: same program, same keys. It is given the one, and then the other.")?;
    for (what, line, word) in [("recorded", &real, OLD_WORD), ("forged", &forged, NEW_WORD)] {
        let read = read(&talk.before, line)?;
        check(read == text(word), "Bob's client did not take the message")?;
        fact(what, format_args!("MAC right. Bob reads: {read}"))?;
    }
    told("Both are right. Nothing in them tells which of the two Alice has sent.")?;
    let garbled = read(&talk.before, &talk.forge("moon")?)?;
    check(garbled != text(NEW_WORD), "a wrong guess was as good as a right one")?;
    told("It takes a right guess, though. Had she guessed \"moon\":")?;
    fact("forged", format_args!("MAC right. Bob reads: {garbled}"))?;
    told("And it is too late to fool Bob. His real client has read that message:")?;
    talk.bob.receive(&forged)?;
    let (texts, refused) = talk.bob.told();
    check(texts.is_empty() && refused, "Bob's client took the forged message, too")?;
    fact("Bob, now", "refused, nothing has changed")?;
    Ok(())
}

/// What Bob would have read.
fn read(before: &Kept, line: &str) -> Result<String, PlayError> {
    let mut bob = before.open()?;
    bob.receive(line)?;
    let (mut texts, refused) = bob.told();
    check(!refused, "Bob's client refused the message")?;
    texts.pop().ok_or(PlayError::NotAsTold("Bob's client read nothing"))
}

fn text(word: &str) -> String {
    format!("Meet me at {word}.")
}

const OLD_WORD: &str = "noon";
const NEW_WORD: &str = "four";
/// Bytes before the word.
const OFFSET: usize = 11;
