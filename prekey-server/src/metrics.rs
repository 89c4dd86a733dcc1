//! What the operator's monitoring sees: counts and durations. No label holds a name, a token or an address.
//!
//! Whether somebody who got no prekey asked for an unknown person or for one whose prekeys are used up must show in no
//! answer and in no time that an answer takes. So it is found out afterwards, by [`Metrics::next_empty`], and only
//! while somebody watches.

use crate::account::Identity;
use crate::engine;
use crate::service::Error;
use crate::store::{Empty, Published, StoreError};
use otrv4::wire::Reader;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    responses: Family<Response, Counter>,
    messages: Family<Message, Counter>,
    takes: Family<Outcome, Counter>,
    publications: Family<Outcome, Counter>,
    prekeys_published: Counter,
    prekeys_handed_out: Counter,
    database: Family<Operation, Histogram>,
    database_errors: Family<Operation, Counter>,
    arithmetic: Histogram,
    busy: Gauge,
    waiting: Gauge,
    swept: Family<Rows, Counter>,
    watched: AtomicBool,
    empty: mpsc::Sender<Identity>,
    emptied: Mutex<mpsc::Receiver<Identity>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Response {
    path: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Message {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rows {
    rows: &'static str,
}

/// All that the database is asked to do.
const OPERATIONS: [&str; 10] = [
    "answered",
    "count",
    "keep_pending",
    "limit",
    "publish",
    "register",
    "sweep",
    "take",
    "take_pending",
    "tokens",
];

/// All that can come of a query.
const TAKES: [&str; 6] = ["answered", "drained", "no_profiles", "reserved", "unclassified", "unknown"];

/// Empty answers that wait to be told apart, at most; more are counted as unclassified.
const EMPTY: usize = 1024;

/// From one millisecond, doubling, to 16 seconds: what a request may take, and more than anything should.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let (empty, emptied) = mpsc::channel(EMPTY);
        let mut metrics = Self {
            registry: Registry::with_prefix("prekey_server"),
            responses: Family::default(),
            messages: Family::default(),
            takes: Family::default(),
            publications: Family::default(),
            prekeys_published: Counter::default(),
            prekeys_handed_out: Counter::default(),
            database: Family::new_with_constructor(durations),
            database_errors: Family::default(),
            arithmetic: durations(),
            busy: Gauge::default(),
            waiting: Gauge::default(),
            swept: Family::default(),
            watched: AtomicBool::new(false),
            empty,
            emptied: Mutex::new(emptied),
        };
        metrics.register();
        metrics.begin_at_zero();
        metrics
    }

    /// What is not there and then is 1 looks to Prometheus as if nothing had happened.
    fn begin_at_zero(&self) {
        for operation in OPERATIONS {
            drop(self.database_errors.get_or_create(&Operation { operation }));
        }
        for outcome in TAKES {
            drop(self.takes.get_or_create(&Outcome { outcome }));
        }
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        r.register("http_responses", "Responses, by path and status", self.responses.clone());
        r.register(
            "messages",
            "Messages of the protocol, by kind and what came of them",
            self.messages.clone(),
        );
        r.register(
            "takes",
            "Queries for ensembles: answered, or empty because the person is unknown, drained, or without valid profiles",
            self.takes.clone(),
        );
        r.register(
            "publications",
            "Authenticated publications: stored or refused",
            self.publications.clone(),
        );
        r.register(
            "prekeys_published",
            "Prekeys in publications that were stored",
            self.prekeys_published.clone(),
        );
        r.register("prekeys_handed_out", "Prekeys handed out", self.prekeys_handed_out.clone());
        r.register_with_unit(
            "database_duration",
            "How long the database took, waiting for it included",
            Unit::Seconds,
            self.database.clone(),
        );
        r.register("database_errors", "What the database failed to do", self.database_errors.clone());
        r.register_with_unit(
            "proof_check_duration",
            "How long handshakes and proofs took to compute, waiting for a processor included",
            Unit::Seconds,
            self.arithmetic.clone(),
        );
        r.register("proof_workers_busy", "Handshakes and proofs that are being computed", self.busy.clone());
        r.register(
            "proof_workers_waiting",
            "Handshakes and proofs that wait for a processor",
            self.waiting.clone(),
        );
        r.register("swept_rows", "Rows deleted because their time was over", self.swept.clone());
    }

    /// All of it in the text format of OpenMetrics. `workers`: how many pieces of work run, and how many wait.
    pub(crate) fn text(&self, (busy, waiting): (usize, usize)) -> Result<String, fmt::Error> {
        self.busy.set(i64::try_from(busy).unwrap_or(i64::MAX));
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    /// A response to a request for this path of ours, or for no such path.
    pub(crate) fn response(&self, path: Option<&str>, status: u16) {
        let path = path.unwrap_or("other").to_owned();
        self.responses.get_or_create(&Response { path, status }).inc();
    }

    /// What came of a message.
    pub(crate) fn message<T>(&self, kind: &'static str, answer: &Result<T, Error>) {
        let outcome = match answer {
            Ok(_) => "answered",
            Err(Error::Refused) => "refused",
            Err(Error::Unauthenticated | Error::NotVouched) => "unauthenticated",
            Err(Error::Closed | Error::Needless) => "closed",
            Err(Error::Limited(_)) => "limited",
            Err(Error::Taken) => "taken",
            Err(Error::Busy) => "busy",
            Err(Error::Internal) => "failed",
        };
        self.messages.get_or_create(&Message { kind, outcome }).inc();
    }

    /// What the database is asked to do: how long it took, and whether it failed.
    pub(crate) async fn database<T>(
        &self,
        operation: &'static str,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let done = asked.await;
        self.database.get_or_create(&Operation { operation }).observe(begun.elapsed().as_secs_f64());
        if matches!(&done, Err(error) if !matches!(error, StoreError::NoAccount)) {
            self.database_errors.get_or_create(&Operation { operation }).inc();
        }
        done
    }

    /// Arithmetic of a handshake, and how long it took.
    pub(crate) async fn arithmetic<T>(&self, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.arithmetic.observe(begun.elapsed().as_secs_f64());
        done
    }

    pub(crate) fn publication(&self, published: Published, prekeys: usize) {
        let outcome = match published {
            Published::Stored => "stored",
            Published::Refused => "refused",
        };
        self.publications.get_or_create(&Outcome { outcome }).inc();
        if published == Published::Stored {
            self.prekeys_published.inc_by(prekeys as u64);
        }
    }

    /// A query was answered with so many prekeys. `target`: whom it asked for, if there can be such a person.
    pub(crate) fn query(&self, target: Option<Identity>, prekeys: usize) {
        self.prekeys_handed_out.inc_by(prekeys as u64);
        if prekeys > 0 {
            return self.take("answered");
        }
        let Some(target) = target else { return self.take("unknown") };
        if !self.watched.load(Ordering::Relaxed) || self.empty.try_send(target).is_err() {
            self.take("unclassified");
        }
    }

    /// Somebody whose query came back empty, once there is one.
    pub(crate) async fn next_empty(&self) -> Identity {
        match self.emptied.lock().await.recv().await {
            Some(identity) => identity,
            // Its sender is in here too, so that it never ends.
            None => std::future::pending().await,
        }
    }

    /// Why that query came back empty.
    pub(crate) fn empty(&self, why: Result<Empty, StoreError>) {
        self.take(match why {
            Ok(Empty::Unknown) => "unknown",
            Ok(Empty::Drained) => "drained",
            Ok(Empty::NoProfiles) => "no_profiles",
            Ok(Empty::Reserved) => "reserved",
            Err(_) => "unclassified",
        });
    }

    fn take(&self, outcome: &'static str) {
        self.takes.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn swept(&self, rows: &'static str, count: u64) {
        self.swept.get_or_create(&Rows { rows }).inc_by(count);
    }

    /// From now on somebody looks.
    pub(crate) fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
    }
}

/// Which message of the protocol it looks like.
pub(crate) fn kind(message: Option<&[u8]>) -> &'static str {
    let Some(message) = message else { return "illegible" };
    if engine::is_query(message) {
        return "query";
    }
    if engine::dake3_sender(message).is_some() {
        return "dake3";
    }
    let mut r = Reader::new(message);
    match (r.short("version"), r.byte("message type")) {
        (Ok(4), Ok(DAKE_1)) => "dake1",
        _ => "other",
    }
}

const DAKE_1: u8 = 0x35;

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Identity {
        Identity::new("bob@example.org").expect("legal")
    }

    #[tokio::test]
    async fn empty_answers_are_told_apart_only_while_somebody_looks() {
        let metrics = Metrics::new();
        metrics.query(Some(bob()), 0);
        metrics.watch();
        metrics.query(Some(bob()), 0);
        assert_eq!(metrics.next_empty().await, bob());
        metrics.empty(Ok(Empty::Drained));
        let text = metrics.text((0, 0)).expect("text");
        assert!(text.contains("prekey_server_takes_total{outcome=\"unclassified\"} 1\n"), "{text}");
        assert!(text.contains("prekey_server_takes_total{outcome=\"drained\"} 1\n"), "{text}");
        assert!(!text.contains("bob"), "{text}");
    }

    #[tokio::test]
    async fn a_flood_of_empty_answers_is_counted_and_not_kept() {
        let metrics = Metrics::new();
        metrics.watch();
        for _ in 0..EMPTY + 3 {
            metrics.query(Some(bob()), 0);
        }
        let text = metrics.text((0, 0)).expect("text");
        assert!(text.contains("prekey_server_takes_total{outcome=\"unclassified\"} 3\n"), "{text}");
    }

    #[test]
    fn kinds_are_told_by_the_head_of_a_message() {
        assert_eq!(kind(None), "illegible");
        for (message, expected) in [
            (&[0, 4, 0x10][..], "query"),
            (&[0, 4, 0x35], "dake1"),
            (&[0, 4, 0x37, 0, 0, 1, 0], "dake3"),
            (&[0, 3, 0x35], "other"),
            (&[], "other"),
        ] {
            assert_eq!(kind(Some(message)), expected);
        }
    }
}
