//! A conversation between the program under test and our library, with the network between them in the hand of a case.

use otrv4::wire::Version;
use otrv4::{Context, Event, Output, Refused, Session};

use crate::correspondent::{Channel, Correspondent};
use crate::stop::{Step, Stop, ensure, failed};
use crate::subject::{Answer, Subject, field};

/// Both ends.
pub(crate) struct Conversation {
    pub(crate) version: Version,
    /// Our library.
    pub(crate) us: Correspondent,
    /// The program under test.
    pub(crate) them: Subject,
}

impl Conversation {
    /// Carries what both have to say until nobody has; `first` goes to us. What the program said on the way.
    pub(crate) fn carry(&mut self, first: Vec<String>) -> Step<Answer> {
        let (mut to_us, mut said) = (first, Answer::default());
        for _ in 0..50 {
            to_us.iter().for_each(|line| self.us.receive(line));
            let to_them = self.us.take();
            if to_them.is_empty() {
                return Ok(said);
            }
            let answer = self.deliver(&to_them)?;
            to_us = answer.out();
            said.add(answer);
        }
        failed("the two never stop talking")
    }

    /// Gives lines to the program; what it says.
    pub(crate) fn deliver(&mut self, lines: &[String]) -> Step<Answer> {
        let mut said = Answer::default();
        for line in lines {
            said.add(self.them.receive(line)?);
        }
        Ok(said)
    }

    /// A command of ours to our library, which must be allowed.
    pub(crate) fn we(
        &mut self,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
    ) -> Step {
        match self.us.attempt(act) {
            Ok(()) => Ok(()),
            Err(refused) => failed(format!("our side may not: {refused}")),
        }
    }

    /// The one line that a text of ours takes.
    pub(crate) fn line(&mut self, text: &str) -> Step<String> {
        self.we(|session, cx| session.send(cx, None, text))?;
        match self.us.take().as_slice() {
            [line] => Ok(line.clone()),
            lines => failed(format!("{} lines of ours for one text", lines.len())),
        }
    }

    /// The one line that a text of theirs takes.
    pub(crate) fn their_line(&mut self, text: &str) -> Step<String> {
        let answer = self.them.obey(&format!("send {text}"))?;
        match answer.out().as_slice() {
            [line] => Ok(line.clone()),
            _ => failed(format!("not one line for one text: {:?}", answer.lines())),
        }
    }

    /// We say something, and they read it. What they say to that goes nowhere but back to us.
    pub(crate) fn we_say(&mut self, text: &str) -> Step {
        let line = self.line(text)?;
        self.they_read(&line, text)
    }

    /// They read this from this line.
    pub(crate) fn they_read(&mut self, line: &str, text: &str) -> Step {
        let answer = self.them.receive(line)?;
        ensure!(answer.plain() == [text], "a message was not read: {:?}", answer.lines());
        self.carry(answer.out())?;
        Ok(())
    }

    /// They say something, and we read it.
    pub(crate) fn they_say(&mut self, text: &str) -> Step {
        let line = self.their_line(text)?;
        self.we_read(&line, text)
    }

    /// We read this from this line.
    pub(crate) fn we_read(&mut self, line: &str, text: &str) -> Step {
        self.us.heard();
        self.us.receive(line);
        let heard = self.us.heard();
        ensure!(heard == [text], "what the program sent cannot be read");
        Ok(())
    }

    /// Texts go in both directions, twice, each with new keys.
    pub(crate) fn lives(&mut self) -> Step {
        for turn in 0..2 {
            self.we_say(&format!("we are still here {turn}"))?;
            self.they_say(&format!("so are we {turn}"))?;
        }
        Ok(())
    }

    /// A line that must do nothing: no text, no news of a conversation, and nothing sent but an error message at most.
    pub(crate) fn ignored(&mut self, what: &str, line: &str) -> Step<Answer> {
        let answer = match self.them.receive(line) {
            Ok(answer) => answer,
            Err(Stop::Failed(why)) => return failed(format!("{what}: {why}")),
            Err(skipped) => return Err(skipped),
        };
        ensure!(!did_something(&answer), "{what} was not refused: {:?}", shortened(&answer));
        Ok(answer)
    }

    /// The same of each of them, and nobody notices afterwards.
    pub(crate) fn all_harmless<'a>(
        &mut self,
        what: &str,
        damaged: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Step {
        for (how, line) in damaged {
            self.ignored(&format!("{what}: {how}"), &line)?;
        }
        match self.lives() {
            Err(Stop::Failed(why)) => failed(format!("after {what} that was damaged: {why}")),
            lived => lived,
        }
    }

    /// The same, and nobody notices afterwards.
    pub(crate) fn harmless(&mut self, what: &str, line: &str) -> Step {
        self.ignored(what, line)?;
        match self.lives() {
            Err(Stop::Failed(why)) => failed(format!("after {what}: {why}")),
            lived => lived,
        }
    }

    /// Both have one conversation, the same one, and know each other's keys. `said` is what the program said of it.
    pub(crate) fn is_the_same(&mut self, said: &Answer) -> Step<Channel> {
        let ours = self.ours()?;
        let Some(secure) = said.event("secure ") else {
            return failed(format!("no `event secure`: {:?}", shortened(said)));
        };
        let expected = format!("{} v{}", self.us.tag(self.version), self.version.number());
        ensure!(secure.starts_with(&expected), "expected a conversation {expected}: {secure}");
        let shown = field(&secure, "fingerprint").unwrap_or_default();
        ensure!(
            shown == self.us.fingerprint(self.version),
            "it shows another fingerprint than ours: {shown}"
        );
        let ssid = field(&secure, "ssid").unwrap_or_default();
        ensure!(ssid == ours.ssid, "the session ids differ: {ssid}, {}", ours.ssid);
        Ok(ours)
    }

    /// Our only conversation; with the program's keys, where it has told them.
    pub(crate) fn ours(&self) -> Step<Channel> {
        let channels = self.us.channels();
        let [channel] = channels.as_slice() else {
            return failed(format!("{} conversations on our side instead of one", channels.len()));
        };
        ensure!(channel.version == self.version, "a conversation of version {}", channel.version.number());
        if self.version == Version::V4 {
            let ready = self.them.greeting.event("ready ").unwrap_or_default();
            let (tag, fingerprint) = (field(&ready, "tag"), field(&ready, "fingerprint"));
            ensure!(
                tag == Some(&channel.with.to_string()),
                "it has another tag than it says: {}",
                channel.with
            );
            ensure!(
                fingerprint == Some(&channel.fingerprint.to_string()),
                "it has another fingerprint than it says: {}",
                channel.fingerprint
            );
        }
        Ok(channel.clone())
    }

    /// Whether we were told something of the kind.
    pub(crate) fn we_were_told(&self, kind: impl Fn(&Event) -> bool) -> bool {
        self.us.was_told(kind)
    }
}

/// Whether it is more than the news that something was refused.
fn did_something(answer: &Answer) -> bool {
    const TOLD: [&str; 8] = [
        "plain ",
        "event cleartext ",
        "event warn-unencrypted ",
        "event secure ",
        "event finished ",
        "event smp-",
        "event extra-key ",
        "event queued",
    ];
    let told = TOLD.iter().any(|told| answer.count(told) > 0);
    told || answer.out().iter().any(|line| !line.starts_with("?OTR Error"))
}

/// The lines of an answer, long ones cut.
pub(crate) fn shortened(answer: &Answer) -> Vec<String> {
    let cut = |line: &String| match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.clone(),
    };
    answer.lines().iter().map(cut).collect()
}
