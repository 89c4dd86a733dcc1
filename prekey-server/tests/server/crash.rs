//! The server is killed in the middle of takes and publications, again and again, and started again.

use crate::client::{Device, Http, NoAnswer, prekeys};
use crate::process::{self, Process};
use otrv4::Timestamp;
use otrv4::prekey::PrekeyEnsemble;
use otrv4::prekey_server::ServerReply;
use otrv4::wire::{InstanceTag, Versions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

const TAKERS: usize = 32;

/// Identities whose prekeys are taken while they publish.
pub(crate) const BUSY: [&str; 4] = ["b0@example.org", "b1@example.org", "b2@example.org", "b3@example.org"];

/// An identity nobody asks for until the end: every prekey whose publication was acknowledged must be there then.
pub(crate) const QUIET: &str = "quiet@example.org";

/// Publications of each identity, and prekeys in each: over 200 takes in all, whatever the kills swallow.
const PUBLICATIONS: u32 = 10;
const BATCH: u32 = 8;

/// The server dies right after every so many acknowledged publications, and every so many takes.
const PUBLICATIONS_A_LIFE: usize = 5;
const TAKES_A_LIFE: usize = 40;

/// How long to leave a server alone that is starting, or that has nothing to give yet.
const PAUSE: Duration = Duration::from_millis(3);

/// What the server has just answered.
pub(crate) enum Answered {
    Publication,
    Take,
}

/// One prekey: its owner's instance tag and its id.
pub(crate) type Prekey = (InstanceTag, u32);

#[test]
fn a_killed_server_hands_nothing_out_twice_and_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = process::start(folder.path());
    let http = Http::new(&first.base);
    let devices: Vec<(&str, Device)> = BUSY
        .into_iter()
        .chain([QUIET])
        .map(|identity| (identity, Device::new(&http, identity, &http.register(identity))))
        .collect();

    let (done, operations) = channel();
    let publishing = AtomicUsize::new(devices.len());
    let (http, publishing) = (&http, &publishing);
    thread::scope(|scope| {
        let supervisor = scope.spawn(|| supervise(first, folder.path(), http, operations));
        let publishers: Vec<_> = devices
            .iter()
            .map(|(identity, device)| {
                let done = done.clone();
                scope.spawn(move || {
                    let _working = Working(publishing);
                    (*identity, publish_all(http, device, &done))
                })
            })
            .collect();
        let takers: Vec<_> = (0..TAKERS)
            .map(|taker| {
                let done = done.clone();
                scope.spawn(move || take_all(http, BUSY[taker % BUSY.len()], publishing, &done))
            })
            .collect();
        drop(done);

        let published =
            publishers.into_iter().map(|publisher| publisher.join().expect("a publisher")).collect();
        let mut handed_out = Vec::new();
        let mut lost = 0;
        for taker in takers {
            let taken = taker.join().expect("a taker");
            handed_out.extend(taken.prekeys);
            lost += taken.lost;
        }
        let (_last, kills) = supervisor.join().expect("a supervisor");
        assert!(kills >= 12, "only {kills} kills");
        assert!(handed_out.len() >= 200, "only {} takes", handed_out.len());

        let (idle, done) = (AtomicUsize::new(0), channel().0);
        handed_out.extend(take_all(http, QUIET, &idle, &done).prekeys);
        check(&handed_out, &published, lost);
    });
}

/// Kills the server at the end of each of its lives, and starts it again on the same files; gives the last
/// one and the number of kills when nobody works any more.
fn supervise(
    mut server: Process,
    folder: &Path,
    http: &Http,
    operations: Receiver<Answered>,
) -> (Process, usize) {
    let (mut kills, mut publications, mut takes) = (0, 0, 0);
    for operation in operations {
        let (count, life) = match operation {
            Answered::Publication => (&mut publications, PUBLICATIONS_A_LIFE),
            Answered::Take => (&mut takes, TAKES_A_LIFE),
        };
        *count += 1;
        if *count % life == 0 {
            server.kill();
            server = process::start(folder);
            http.moved_to(&server.base);
            kills += 1;
        }
    }
    (server, kills)
}

/// What one taker got, and how many of its takes may have happened without an answer.
pub(crate) struct Taken {
    pub(crate) prekeys: Vec<Prekey>,
    pub(crate) lost: usize,
}

/// Takes until nothing is left and nobody publishes any more.
pub(crate) fn take_all(
    http: &Http,
    identity: &str,
    publishing: &AtomicUsize,
    done: &Sender<Answered>,
) -> Taken {
    let mut taken = Taken { prekeys: Vec::new(), lost: 0 };
    loop {
        let last = publishing.load(Ordering::SeqCst) == 0;
        match http.fetch(identity).map(read) {
            Ok(prekeys) if prekeys.is_empty() && last => return taken,
            Ok(prekeys) if prekeys.is_empty() => thread::sleep(PAUSE),
            Ok(prekeys) => {
                taken.prekeys.extend(prekeys);
                // The supervisor leaves when everybody else has.
                let _ = done.send(Answered::Take);
            }
            Err(NoAnswer::Unreachable) => thread::sleep(PAUSE),
            Err(NoAnswer::Lost) => taken.lost += 1,
            Err(NoAnswer::Refused(status)) => panic!("a good query was answered with {status}"),
        }
    }
}

/// One publisher is at work; no more when this is dropped, be it by a panic.
pub(crate) struct Working<'a>(pub(crate) &'a AtomicUsize);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Publishes batch after batch, each repeated until it is acknowledged; gives all acknowledged prekeys.
pub(crate) fn publish_all(http: &Http, device: &Device, done: &Sender<Answered>) -> BTreeSet<Prekey> {
    let mut acknowledged = BTreeSet::new();
    for batch in 0..PUBLICATIONS {
        let ids = batch * BATCH..(batch + 1) * BATCH;
        let prekeys = prekeys(ids.clone());
        loop {
            let answer =
                if batch == 0 { device.publish(http, &prekeys) } else { device.refill(http, &prekeys) };
            match answer {
                Ok(ServerReply::Success) => break,
                Ok(other) => panic!("a good publication was answered with {other:?}"),
                // After a restart the server has forgotten the exchange that was going on.
                Err(NoAnswer::Unreachable | NoAnswer::Lost | NoAnswer::Refused(400)) => thread::sleep(PAUSE),
                Err(NoAnswer::Refused(status)) => panic!("a good publication was answered with {status}"),
            }
        }
        let _ = done.send(Answered::Publication);
        acknowledged.extend(ids.map(|id| (device.tag, id)));
    }
    acknowledged
}

pub(crate) fn check(all: &[Prekey], published: &BTreeMap<&str, BTreeSet<Prekey>>, lost: usize) {
    let distinct: BTreeSet<Prekey> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len(), "a prekey was handed out twice");

    assert!(published[QUIET].is_subset(&distinct), "an acknowledged publication was lost");
    // A take that was committed but whose answer the kill swallowed uses up one prekey, and no more.
    let missing: usize = published.values().map(|prekeys| prekeys.difference(&distinct).count()).sum();
    assert!(missing <= lost, "{missing} prekeys missing after {lost} takes without an answer");

    let known: BTreeSet<Prekey> = published.values().flatten().copied().collect();
    assert!(distinct.is_subset(&known), "a prekey came from nowhere");
}

fn read(ensembles: Vec<PrekeyEnsemble>) -> Vec<Prekey> {
    let count = ensembles.len();
    let now = Timestamp::from_unix(1_800_000_000);
    let valid = otrv4::prekey::choose(ensembles, now, Versions::V4);
    assert_eq!(valid.len(), count, "an ensemble is broken");
    valid.iter().map(|ensemble| (ensemble.message().owner(), ensemble.message().id())).collect()
}
