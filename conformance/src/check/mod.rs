//! The cases: what each is called, which section of which specification it is about, and how all are run.

mod addressed;
mod ake;
mod begin;
mod damage;
mod end;
mod ensembles;
mod exchange;
mod fragments;
mod handshake;
mod offline;
mod plaintexts;
mod prekeys;
mod signing;
mod smp;
mod smp_proofs;
mod talk;
mod unreadable;
mod v3_signing;
mod versions;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use otrv4::wire::Version;

use crate::conversation::Conversation;
use crate::correspondent::{Correspondent, START, THEM, US};
use crate::stop::{Step, Stop, ensure, failed};
use crate::subject::{Answer, Program, Subject};

/// One thing that an implementation must do.
pub(crate) struct Case {
    version: Version,
    name: &'static str,
    section: &'static str,
    run: fn(&Bench<'_>) -> Step,
}

/// What came of it.
pub(crate) struct CaseResult {
    pub(crate) case: String,
    pub(crate) section: &'static str,
    pub(crate) verdict: Step,
}

/// Cases run here.
pub(crate) struct Lab {
    program: Program,
}

/// Where one case runs: it has a version, and starts programs.
pub(crate) struct Bench<'a> {
    program: &'a Program,
    pub(crate) version: Version,
}

impl Case {
    const fn new(
        version: Version,
        name: &'static str,
        section: &'static str,
        run: fn(&Bench<'_>) -> Step,
    ) -> Self {
        Self { version, name, section, run }
    }

    /// With its version.
    pub(crate) fn name(&self) -> String {
        format!("v{}/{}", self.version.number(), self.name)
    }

    pub(crate) fn section(&self) -> &'static str {
        self.section
    }
}

/// All cases whose name contains this, in the order of the table.
pub(crate) fn cases(part: &str) -> Vec<&'static Case> {
    let all = [
        begin::CASES,
        talk::CASES,
        smp::CASES,
        smp_proofs::CASES,
        handshake::CASES,
        signing::CASES,
        offline::CASES,
        ake::CASES,
        v3_signing::CASES,
        damage::CASES,
        prekeys::CASES,
        versions::CASES,
        end::CASES,
        fragments::CASES,
        addressed::CASES,
        ensembles::CASES,
        plaintexts::CASES,
        unreadable::CASES,
    ];
    let mut chosen: Vec<_> = all.into_iter().flatten().filter(|case| case.name().contains(part)).collect();
    chosen.sort_by_key(|case| std::cmp::Reverse(case.version.number()));
    chosen
}

impl Lab {
    pub(crate) fn new(program: Program) -> Self {
        Self { program }
    }

    /// Runs them, so many at once; results come in the order of the list.
    pub(crate) fn run(&self, cases: &[&Case], jobs: usize, told: &mut dyn FnMut(CaseResult)) {
        let next = AtomicUsize::new(0);
        let (done, results) = channel();
        let done = Mutex::new(done);
        std::thread::scope(|scope| {
            for _ in 0..jobs.max(1) {
                scope.spawn(|| {
                    while let Some((n, case)) = take(cases, &next) {
                        let result = self.run_one(case);
                        let sent = done.lock().map(|done| done.send((n, result)));
                        sent.expect("no thread panics while it holds it")
                            .expect("the other end waits for all");
                    }
                });
            }
            let mut waiting = std::collections::BTreeMap::new();
            for n in 0..cases.len() {
                while !waiting.contains_key(&n) {
                    let (n, result) = results.recv().expect("one result a case");
                    waiting.insert(n, result);
                }
                waiting.remove(&n).into_iter().for_each(&mut *told);
            }
        });
    }

    fn run_one(&self, case: &Case) -> CaseResult {
        let bench = Bench { program: &self.program, version: case.version };
        CaseResult { case: case.name(), section: case.section, verdict: (case.run)(&bench) }
    }
}

fn take<'a>(cases: &[&'a Case], next: &AtomicUsize) -> Option<(usize, &'a Case)> {
    let n = next.fetch_add(1, Ordering::Relaxed);
    cases.get(n).map(|case| (n, *case))
}

impl Bench<'_> {
    /// The program, as our correspondent, with this version only.
    pub(crate) fn subject(&self, options: &[&str]) -> Step<Subject> {
        let versions = self.version.number().to_string();
        self.subject_of(&versions, options)
    }

    /// The same with these versions. Options that it does not have skip the case, but version 4 it must have.
    pub(crate) fn subject_of(&self, versions: &str, options: &[&str]) -> Step<Subject> {
        let now = START.to_string();
        let all = ["--account", THEM, "--contact", US, "--now", &now, "--versions", versions];
        match self.program.start(&[&all[..], options].concat()) {
            Err(Stop::Skipped(why)) if versions == "4" && options.is_empty() => Err(Stop::Failed(why)),
            started => started,
        }
    }

    /// Kills the program, and starts it again where it was.
    pub(crate) fn restart(&self, conversation: &mut Conversation, home: &Home) -> Step {
        let ready = conversation.them.greeting.event("ready ");
        conversation.them.kill();
        conversation.them = match self.subject(&home.option()) {
            // It had the option before.
            Err(Stop::Skipped(why)) => return failed(format!("the second time {why}")),
            started => started?,
        };
        ensure!(conversation.them.greeting.event("ready ") == ready, "another account after a restart");
        Ok(())
    }

    /// Both ends; nobody has said anything.
    pub(crate) fn strangers(&self) -> Step<Conversation> {
        let (us, them) = (Correspondent::new(&[self.version]), self.subject(&[])?);
        Ok(Conversation { version: self.version, us, them })
    }

    /// A running conversation that we began.
    pub(crate) fn talking(&self) -> Step<Conversation> {
        let mut conversation = self.strangers()?;
        self.begin(&mut conversation)?;
        Ok(conversation)
    }

    /// We begin a conversation by a query message.
    pub(crate) fn begin(&self, conversation: &mut Conversation) -> Step<Answer> {
        conversation.us.act(|session, cx| session.start(cx));
        let said = conversation.carry(Vec::new())?;
        conversation.is_the_same(&said)?;
        conversation.us.heard();
        Ok(said)
    }
}

/// A folder for `--home`, gone when dropped.
pub(crate) struct Home {
    option: String,
    _folder: tempfile::TempDir,
}

impl Home {
    /// There is nothing in it.
    pub(crate) fn new() -> Step<Self> {
        match tempfile::tempdir() {
            Ok(folder) => {
                Ok(Self { option: folder.path().join("home").display().to_string(), _folder: folder })
            }
            Err(error) => failed(format!("no temporary folder: {error}")),
        }
    }

    pub(crate) fn option(&self) -> [&str; 2] {
        ["--home", &self.option]
    }
}
