//! `pipe`: one account, one correspondent, commands on stdin and answers on stdout; another program carries the lines.
//! For scripts, bots and tests of interoperability.
//!
//! With a home folder, a command's answer is kept together with the state that it comes from until it has been given.
//! So a process that is killed between the two loses nothing: the next one begins with that answer. And one that cannot
//! keep them ends without an answer, so that the command counts as never given.

mod command;
mod lines;
mod outside;
pub(crate) mod words;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use age::secrecy::SecretString;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use otrv4::keys::{DsaKey, ForgingSecret};
use otrv4::prekey::PrekeyEnsemble;
use otrv4::session::SmpProgress;
use otrv4::wire::{InstanceTag, Padding, Reader, WireError, Writer};
use otrv4::{
    Account, Context, Event, InstanceView, Lifetimes, LoadError, Output, Policy, Protection, Refused,
    Session, Timestamp,
};
use zeroize::Zeroizing;

use crate::keep::{Chosen, KeepError};
use crate::perform::perform;
use crate::system;
use command::{BadCommand, Command};
use outside::{Keeper, Outside};

/// How to run.
pub(crate) struct Options {
    /// Our account id.
    pub(crate) account: String,
    /// The correspondent's account id.
    pub(crate) contact: String,
    /// What we speak.
    pub(crate) versions: Chosen,
    /// Longest line on the network.
    pub(crate) mtu: Option<usize>,
    /// Where to keep things; in memory only, without.
    pub(crate) home: Option<PathBuf>,
    /// What protects the home.
    pub(crate) passphrase: Option<SecretString>,
    /// A clock that stands still.
    pub(crate) now: Option<Timestamp>,
}

/// Why the process cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipeError {
    /// stdin or stdout.
    #[error("standard input or output: {0}")]
    Stream(#[from] io::Error),
    /// The home folder.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// What the home folder holds.
    #[error("the home folder's account or conversation cannot be read: {0}")]
    Load(#[from] LoadError),
    /// It holds somebody else.
    #[error("the home folder holds the account {0}: give that with --account, or another --home")]
    OtherAccount(String),
    /// A setting that the session refuses.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error(transparent)]
    Command(#[from] BadCommand),
    #[error("the line is not UTF-8")]
    Encoding,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("not an ensemble: {0}")]
    Ensemble(WireError),
    /// The only one that ends the process.
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error("there is no home folder: start with --home")]
    NoHome,
}

/// Answers commands until the end of input or `quit`.
pub(crate) fn run(options: Options) -> Result<(), PipeError> {
    let mut pipe = Pipe::open(options)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    pipe.greet(&mut output)?;
    // It may hold a secret.
    let mut line = Zeroizing::new(Vec::new());
    while !pipe.quit && input.read_until(b'\n', &mut line)? > 0 {
        let end = line.strip_suffix(b"\n").unwrap_or(&line).len();
        line.truncate(end);
        let done = pipe.obey(&line);
        pipe.answer(done, &mut output)?;
        line.clear();
    }
    Ok(())
}

struct Pipe {
    account: Account,
    session: Session,
    outside: Outside,
    quit: bool,
}

impl Pipe {
    fn open(options: Options) -> Result<Self, PipeError> {
        let Options { account: id, contact, versions, mtu, home, passphrase, now } = options;
        // Without padding: who drives us sees how long a text really is.
        let Chosen { versions: newer, allow_v2 } = versions;
        let policy = Policy { versions: newer, allow_v2, padding: Padding::Off, ..Policy::default() };
        let clock = now.unwrap_or_else(system::now);
        let new =
            || Account::new(&id, ForgingSecret::Destroy, Lifetimes::default(), &mut system::rng(), clock);
        let mut session = Session::new(&contact, policy);
        // Before there is a home: what is refused makes none.
        session.set_max_line(mtu)?;
        let (mut account, keeper) = match home {
            None => (new(), None),
            Some(folder) => {
                let (account, keeper) = Keeper::open(&folder, &contact, passphrase, new)?;
                (account, Some(keeper))
            }
        };
        if account.id() != id {
            return Err(PipeError::OtherAccount(account.id().to_owned()));
        }
        if versions.needs_v3_key() && account.v3_key().is_none() {
            account.set_v3_key(Some(DsaKey::generate(&mut system::rng())), &mut system::rng(), clock);
        }
        if let Some(bytes) = keeper.as_ref().and_then(Keeper::session) {
            session = Session::load(bytes, policy)?;
            session.set_max_line(mtu)?;
        }
        Ok(Self { account, session, outside: Outside::new(now, keeper), quit: false })
    }

    /// Who we are, and what an earlier process did not get to say.
    fn greet(&mut self, output: &mut impl Write) -> Result<(), PipeError> {
        let ready = format!(
            "event ready client-demo tag={} fingerprint={}",
            self.account.tag(),
            self.account.fingerprint()
        );
        self.outside.greet(ready);
        self.answer(Ok(()), output)
    }

    /// The fingerprints of our keys.
    fn keys(&self) -> String {
        let v3 = self.account.v3_key().map(|key| format!(" v3-fingerprint={}", key.fingerprint()));
        format!("fingerprint={}{}", self.account.fingerprint(), v3.unwrap_or_default())
    }

    /// Does what one line asks for; what there is to say about it is in `outside`.
    fn obey(&mut self, line: &[u8]) -> Result<(), NotDone> {
        let line = std::str::from_utf8(line).map_err(|_| NotDone::Encoding)?;
        let command = Command::read(line)?;
        if let Command::Time(seconds) = command {
            self.outside.set_clock(Timestamp::from_unix(seconds));
        }
        self.step(|session, cx| Ok(session.tick(cx)))?;
        match command {
            Command::Time(_) => Ok(()),
            Command::Query => self.step(|session, cx| Ok(session.start(cx))),
            Command::Identity => self.step(|session, cx| Ok(session.start_identity(cx))),
            Command::Whitespace(text) => self.step(|session, cx| session.send_tagged(cx, &text)),
            Command::Receive(line) => self.step(|session, cx| Ok(session.receive(cx, &line))),
            Command::Send(text) => self.step(|session, cx| session.send(cx, None, &text)),
            Command::SmpStart { question, secret } => {
                self.step(|session, cx| session.smp_start(cx, None, &question, &secret))
            }
            Command::SmpRespond(secret) => {
                let (from, question) = self.question()?;
                self.step(|session, cx| session.smp_answer(cx, from, &question, &secret))
            }
            Command::SmpAbort => self.step(|session, cx| session.smp_abort(cx, None)),
            Command::Heartbeat => self.step(|session, cx| session.heartbeat(cx, None)),
            Command::ExtraKey { context, data } => {
                self.step(|session, cx| session.extra_keys(cx, None, &[(context, &data)]))
            }
            Command::End => self.step(|session, cx| Ok(session.end(cx))),
            Command::Use(tag) => self.step(|session, cx| session.select(cx, tag)),
            Command::Mtu(limit) => Ok(self.session.set_max_line(limit)?),
            Command::State => {
                self.tell_state();
                Ok(())
            }
            Command::Prekeys(count) => self.make_prekeys(count),
            Command::Offline(bytes) => {
                let ensemble = read_ensemble(&bytes).map_err(NotDone::Ensemble)?;
                self.step(|session, cx| session.start_offline(cx, vec![ensemble]))
            }
            Command::Save if !self.outside.has_home() => Err(NotDone::NoHome),
            Command::Save => Ok(self.outside.keep(&self.account, &self.session, &[])?),
            Command::Quit => {
                self.quit = true;
                Ok(())
            }
        }
    }

    fn step(
        &mut self,
        step: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<Vec<Output>, Refused>,
    ) -> Result<(), NotDone> {
        let (rng, now) = (&mut system::rng(), self.outside.clock());
        let cx = &mut Context { account: &mut self.account, rng, now };
        let mut outputs = step(&mut self.session, cx)?;
        let became_secure = |output: &Output| match output {
            Output::Event(Event::Secure { with, .. }) => Some(*with),
            _ => None,
        };
        // `send` goes to the client that became secure last, whoever it is: who drives us has seen its fingerprint.
        let secure: Vec<InstanceTag> = outputs.iter().filter_map(became_secure).collect();
        for with in secure {
            // Refused only where the conversation has ended in the same step.
            outputs.extend(self.session.select(cx, with).unwrap_or_default());
        }
        perform(&outputs, &self.account, &self.session, &mut self.outside)
    }

    /// The question that waits for an answer: that of the client that `send` goes to, or else the only one.
    fn question(&self) -> Result<(InstanceTag, String), Refused> {
        let asks = |client: InstanceView| {
            Some((client.selected, client.tag, self.session.smp_question(client.tag)?))
        };
        let mut asked: Vec<_> = self.session.instances().filter_map(asks).collect();
        if asked.iter().any(|(selected, ..)| *selected) {
            asked.retain(|(selected, ..)| *selected);
        }
        match asked.as_slice() {
            [] => Err(Refused::NoSmp),
            [(_, tag, question)] => Ok((*tag, (*question).to_owned())),
            _ => Err(Refused::WhichInstance),
        }
    }

    fn make_prekeys(&mut self, count: usize) -> Result<(), NotDone> {
        let ensembles = self.account.make_prekeys(count, &mut system::rng(), self.outside.clock())?;
        self.outside.keep(&self.account, &self.session, &[])?;
        for ensemble in ensembles {
            let mut w = Writer::new();
            ensemble.write(&mut w);
            self.outside.say(format!("event ensemble {}", BASE64_STANDARD.encode(w.as_slice())));
        }
        Ok(())
    }

    fn tell_state(&mut self) {
        let mut states: Vec<String> = self.session.instances().map(|client| self.state_of(&client)).collect();
        if states.is_empty() {
            let word = if self.session.is_starting() { "starting" } else { "plaintext" };
            states.push(word.to_owned());
        }
        states.push(format!("keys {}", self.keys()));
        states.into_iter().for_each(|words| self.outside.say(format!("event state {words}")));
    }

    fn state_of(&self, client: &InstanceView) -> String {
        let protection = match client.protection {
            Protection::None => "plaintext".to_owned(),
            Protection::Finished => "finished".to_owned(),
            Protection::Encrypted { version, mode, fingerprint, ssid } => format!(
                "encrypted v{} {} fingerprint={fingerprint} ssid={ssid} verified={}",
                version as u16,
                lines::mode(mode),
                lines::verification(self.account.verification(self.session.correspondent(), fingerprint))
            ),
        };
        let handshake = if client.handshake { " handshake" } else { "" };
        let selected = if client.selected { " selected" } else { "" };
        let smp = match client.smp {
            SmpProgress::None => "",
            SmpProgress::Asked => " smp=asked",
            SmpProgress::Waiting => " smp=waiting",
        };
        format!("{} {protection}{handshake}{selected}{smp}", client.tag)
    }

    /// Keeps what has changed, then gives the answer. What cannot be kept ends the process with nothing said and nothing
    /// more written: the folder still holds the state before it, and the next process can be given the same again.
    fn answer(&mut self, done: Result<(), NotDone>, output: &mut impl Write) -> Result<(), PipeError> {
        match done {
            Ok(()) => {}
            Err(NotDone::Keep(error)) => return Err(error.into()),
            Err(error) => self.outside.say(format!("err {}", words::escape(&error.to_string()))),
        }
        self.outside.keep_changes(&self.account, &self.session)?;
        self.outside.give(output)
    }
}

fn read_ensemble(bytes: &[u8]) -> Result<PrekeyEnsemble, WireError> {
    let mut r = Reader::new(bytes);
    let ensemble = PrekeyEnsemble::read(&mut r)?;
    r.end()?;
    Ok(ensemble)
}
