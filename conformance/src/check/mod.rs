//! The cases: what each is called, which section of which specification it is about, and how all are run.

mod ake;
mod begin;
mod damage;
mod exchange;
mod handshake;
mod offline;
mod signing;
mod smp;
mod smp_proofs;
mod talk;
mod v3_signing;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use otrv4::wire::Version;

use crate::conversation::Conversation;
use crate::correspondent::{Correspondent, START, THEM, US};
use crate::stop::{Step, Stop};
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

    /// The same with these versions. What it does not speak it need not start with.
    pub(crate) fn subject_of(&self, versions: &str, options: &[&str]) -> Step<Subject> {
        let now = START.to_string();
        let all = ["--account", THEM, "--contact", US, "--now", &now, "--versions", versions];
        let started = self.program.start(&[&all[..], options].concat());
        match started {
            // Version 4 is what this is about; whoever cannot even start with it fails.
            Err(Stop::Failed(why)) if versions != "4" => {
                Err(Stop::Skipped(format!("it does not run with --versions {versions}: {why}")))
            }
            started => started,
        }
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
