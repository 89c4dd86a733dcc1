//! What a server can take, measured from outside on a real one: `cargo bench -p prekey-server --bench load`.
//!
//! The server is the program itself on a SQLite file or on PostgreSQL, with its usual durability: each answer waits for
//! the disk. Clients, server and database share this machine's processors. Rows go to standard output as a table,
//! progress to standard error.
//!
//!     cargo bench -p prekey-server --bench load
//!     tests/postgres/run cargo bench -p prekey-server --bench load -- --postgres

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a measurement fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a measurement looks at the clock")]
#![allow(missing_docs, reason = "nobody imports it")]

#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/server/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/server/process.rs"]
mod process;

use bytes::Bytes;
use clap::Parser;
use client::{Device, Http, prekeys};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use otrv4::prekey::PrekeySecret;
use otrv4::prekey_server::{ServerReply, decode_text, encode_text, ensemble_query};
use otrv4::wire::{InstanceTag, Versions};
use prekey_server::account::Identity;
use prekey_server::store::{
    Deposit, MAX_PREKEYS, PostgresStore, SqliteStore, Store, StoredPrekey, StoredProfile,
};
use process::Process;
use rand_core::Rng;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Measures a prekey server under load.
#[derive(Parser)]
struct Options {
    /// Takes at a time.
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// Seconds of each row.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many identities have prekeys; a row for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000, 100_000])]
    identities: Vec<u32>,
    /// Seconds of takes and publications together, with a look at errors and memory.
    #[arg(long, default_value_t = 30)]
    mixed: u64,
    /// On the PostgreSQL that tests/postgres/run has started, in a new database for each row.
    #[arg(long)]
    postgres: bool,
    /// As cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    println!(
        "| takes, concurrency {} | takes/s | median | p99 | server CPU a take | database | bytes a waiting prekey |",
        options.concurrency
    );
    println!("|---|---|---|---|---|---|---|");
    for &identities in &options.identities {
        takes(&options, identities);
    }
    println!();
    println!("| publication of 100 prekeys | median | server CPU |");
    println!("|---|---|---|");
    publications(&options);
    println!();
    let mixed_seconds = options.mixed;
    println!(
        "| publications of 100 in {mixed_seconds} s | ensembles | none left | errors | memory at first | at the end |"
    );
    println!("|---|---|---|---|---|---|");
    mixed(&options);
}

fn takes(options: &Options, identities: u32) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::new().expect("a runtime");
    // Enough for what a fast server gives away in that time; they are asked in turn.
    let each = (FASTEST * u32::try_from(options.seconds).expect("a short time")).div_ceil(identities);
    assert!(each <= MAX_PREKEYS, "too few identities for so many seconds");
    eprintln!("filling {identities} identities with {each} prekeys each");
    let place = Place::new(options, folder.path(), &runtime);
    let bytes = runtime.block_on(place.fill(identities, each));
    let server = place.serve(folder.path());
    let before = cpu(&server);
    let mut run = runtime.block_on(take_for(&server, identities, options.concurrency, options.seconds));
    let cpu = (cpu(&server) - before) / u32::try_from(run.len()).expect("not that many");
    let [median, p99] = quantiles(&mut run);
    let rate = run.len() as u64 / options.seconds;
    let (megabytes, of_each) = (bytes / 1_000_000, bytes / (u64::from(identities) * u64::from(each)));
    println!(
        "| {identities} identities | {rate} | {median:.1?} | {p99:.1?} | {cpu:.0?} | {megabytes} MB | {of_each} |"
    );
}

/// Takes a second that no server is expected to exceed here.
const FASTEST: u32 = 9_000;

/// Takes in turn, from `concurrency` connections; how long each took.
async fn take_for(server: &Process, identities: u32, concurrency: usize, seconds: u64) -> Vec<Duration> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let address = server.base.strip_prefix("http://").expect("a URL").to_owned();
    let turn = Arc::new(AtomicU32::new(0));
    let takers: Vec<_> = (0..concurrency)
        .map(|_| {
            let (address, turn) = (address.clone(), Arc::clone(&turn));
            tokio::spawn(async move {
                let mut connection = Connection::open(&address).await.expect("a connection");
                let mut times = Vec::new();
                while Instant::now() < end {
                    let identity = name(turn.fetch_add(1, Ordering::Relaxed) % identities);
                    let begun = Instant::now();
                    let answer = connection.take(&identity).await.expect("an answer");
                    times.push(begun.elapsed());
                    assert_eq!(answer.get(2), Some(&RETRIEVAL), "an ensemble: are there too few prekeys?");
                }
                times
            })
        })
        .collect();
    let mut all = Vec::new();
    for taker in takers {
        all.extend(taker.await.expect("a taker"));
    }
    all
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    tag: InstanceTag,
}

impl Connection {
    async fn open(address: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, tag: InstanceTag::random(&mut client::rng()) })
    }

    /// The answer to a query, decoded.
    async fn take(&mut self, identity: &str) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        let query = encode_text(&ensemble_query(self.tag, identity, Versions::V4));
        let request = hyper::Request::post("/v1/messages")
            .header("Host", "localhost")
            .header("Content-Type", "text/plain")
            .body(Full::new(Bytes::from(query)))
            .expect("a request");
        let answer = self.sender.send_request(request).await?;
        if answer.status() != 200 {
            return Err(answer.status().to_string().into());
        }
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(decode_text(std::str::from_utf8(&body)?)?)
    }
}

fn publications(options: &Options) {
    let (server, _folder) = empty(options);
    let http = Http::new(&server.base);
    let mut times = Vec::new();
    let mut spent = Duration::ZERO;
    for n in 0..5 {
        let identity = format!("publisher{n}");
        let device = Device::new(&http, &identity, &http.register(&identity));
        let fresh: Vec<PrekeySecret> = prekeys(0..100);
        let (before, begun) = (cpu(&server), Instant::now());
        assert_eq!(device.publish(&http, &fresh), Ok(ServerReply::Success));
        times.push(begun.elapsed());
        spent += cpu(&server) - before;
    }
    let [median, _] = quantiles(&mut times);
    println!("| both sides, from DAKE-1 to Success | {median:.0?} | {:.0?} |", spent / 5);
}

/// A publisher that fills up what takers take from it, as fast as both go, and askers whose targets have nothing left.
fn mixed(options: &Options) {
    let runtime = Runtime::new().expect("a runtime");
    let (server, _folder) = empty(options);
    let http = Http::new(&server.base);
    let device = Device::new(&http, &name(0), &http.register(&name(0)));
    assert_eq!(device.publish(&http, &prekeys(0..100)), Ok(ServerReply::Success));
    let end = Instant::now() + Duration::from_secs(options.mixed);
    let start = memory(&server);
    let address = server.base.strip_prefix("http://").expect("a URL").to_owned();
    let takers: Vec<_> = (0..options.concurrency)
        .map(|taker| {
            runtime.spawn(ask_until(end, address.clone(), name(u32::try_from(taker % 2).expect("0 or 1"))))
        })
        .collect();
    let mut sum = Sum::default();
    let mut next = 100;
    while Instant::now() < end {
        match device.count(&http) {
            Ok(ServerReply::Status(0..=100)) => {
                let stored = device.refill(&http, &prekeys(next..next + 100));
                if stored != Ok(ServerReply::Success) {
                    eprintln!("a publication: {stored:?}");
                    sum.errors += 1;
                }
                (sum.publications, next) = (sum.publications + 1, next + 100);
            }
            Ok(_) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => {
                eprintln!("a count: {error:?}");
                sum.errors += 1;
            }
        }
    }
    for taker in takers {
        let of_taker = runtime.block_on(taker).expect("a taker");
        sum.given += of_taker.given;
        sum.none += of_taker.none;
        sum.errors += of_taker.errors;
    }
    let Sum { publications, given, none, errors } = sum;
    println!("| {publications} | {given} | {none} | {errors} | {start} KiB | {} KiB |", memory(&server));
}

#[derive(Default)]
struct Sum {
    publications: u64,
    given: u64,
    none: u64,
    errors: u64,
}

/// Asks again and again; the server ends a connection after its time, and then a new one is opened.
async fn ask_until(end: Instant, address: String, identity: String) -> Sum {
    let mut sum = Sum::default();
    while Instant::now() < end {
        let opened = Instant::now();
        let Ok(mut connection) = Connection::open(&address).await else {
            sum.errors += 1;
            continue;
        };
        while Instant::now() < end && opened.elapsed() < Duration::from_secs(500) {
            match connection.take(&identity).await {
                Ok(answer) if answer.get(2) == Some(&RETRIEVAL) => sum.given += 1,
                Ok(_) => sum.none += 1,
                Err(error) => {
                    eprintln!("a take: {error}");
                    sum.errors += 1;
                    break;
                }
            }
        }
    }
    sum
}

/// The type of a message with ensembles.
const RETRIEVAL: u8 = 0x13;

fn name(n: u32) -> String {
    format!("user{n}@example.org")
}

/// Where a server keeps what it has.
enum Place {
    File(PathBuf),
    /// URL of a new database.
    Postgres(String),
}

impl Place {
    fn new(options: &Options, folder: &Path, runtime: &Runtime) -> Self {
        if !options.postgres {
            return Self::File(folder.join("prekeys.db"));
        }
        let url = std::env::var("PREKEY_SERVER_TEST_POSTGRES")
            .expect("run it by: tests/postgres/run cargo bench -p prekey-server --bench load -- --postgres");
        let name = format!("load_{}", hex::encode(client::rng().next_u64().to_be_bytes()));
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&url).await.expect("the PostgreSQL of the tests");
            let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
            sqlx::query(create).execute(&mut connection).await.expect("a new database");
        });
        Self::Postgres(format!("{url}/{name}"))
    }

    fn serve(&self, folder: &Path) -> Process {
        let database = match self {
            Self::File(path) => path.as_os_str(),
            Self::Postgres(url) => url.as_ref(),
        };
        process::start_on(folder, database, "error", Stdio::inherit())
    }

    /// The same number of prekeys for each identity; how many bytes the database has then.
    async fn fill(&self, identities: u32, each: u32) -> u64 {
        match self {
            Self::File(path) => {
                SqliteStore::open(path).await.expect("a new database").close().await;
                fill_file(path, identities, each).await;
                path.metadata().expect("a file").len()
            }
            Self::Postgres(url) => {
                fill(PostgresStore::open(url).await.expect("a new database"), identities, each).await;
                let mut connection = PgConnection::connect(url).await.expect("the database");
                let size: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
                    .fetch_one(&mut connection)
                    .await
                    .expect("its size");
                u64::try_from(size).expect("no debt")
            }
        }
    }
}

/// A server without accounts, and its folder.
fn empty(options: &Options) -> (Process, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::new().expect("a runtime");
    let server = Place::new(options, folder.path(), &runtime).serve(folder.path());
    (server, folder)
}

/// Profiles and prekeys as long as real ones, put into the file at once: by commits of one publication each it would take
/// hours.
async fn fill_file(path: &Path, identities: u32, each: u32) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the database");
    let later = prekey_server::now().plus(1_000_000).unix();
    let statement = AssertSqlSafe(format!(
        "BEGIN;
         CREATE TEMP TABLE names AS
             WITH RECURSIVE numbers (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {identities})
             SELECT 'user' || n || '@example.org' AS identity FROM numbers;
         INSERT INTO accounts (identity, created) SELECT identity, 0 FROM names;
         INSERT INTO devices
                 (identity, tag, identity_key, client_profile, client_expires, prekey_profile, prekey_expires)
             SELECT identity, 256, randomblob(57), randomblob({CLIENT_PROFILE}), {later},
                    randomblob({PREKEY_PROFILE}), {later} FROM names;
         INSERT INTO prekeys (identity, tag, id, digest, message)
             WITH RECURSIVE ids (id) AS (VALUES (0) UNION ALL SELECT id + 1 FROM ids WHERE id + 1 < {each})
             SELECT identity, 256, id, randomblob(32), randomblob({PREKEY}) FROM names, ids;
         COMMIT;
         DROP TABLE names;"
    ));
    sqlx::raw_sql(statement).execute(&mut connection).await.expect("its layout");
    connection.close().await.expect("the database");
}

/// Bytes of what is handed out.
const CLIENT_PROFILE: usize = 310;
const PREKEY_PROFILE: usize = 250;
const PREKEY: usize = 457;

/// The same through the store.
async fn fill<S: Store>(store: S, identities: u32, each: u32) {
    let (now, later) = (prekey_server::now(), prekey_server::now().plus(1_000_000));
    let mut bytes = vec![0; 500];
    client::rng().fill_bytes(&mut bytes);
    let profile = |length: usize| StoredProfile { bytes: bytes[..length].to_vec(), expires: later };
    let names = store.names(None).await.expect("a new database");
    for n in 0..identities {
        let identity = names.of(&Identity::new(&name(n)).expect("legal"));
        store.register(&identity, None, now).await.expect("a store");
        let deposit = Deposit {
            device: prekey_server::store::Device { tag: 0x100 + n, identity_key: [7; 57] },
            client_profile: Some(profile(CLIENT_PROFILE)),
            prekey_profile: Some(profile(PREKEY_PROFILE)),
            prekeys: (0..each)
                .map(|id| {
                    let mut message = vec![0; PREKEY];
                    client::rng().fill_bytes(&mut message);
                    StoredPrekey { id, bytes: message }
                })
                .collect(),
        };
        store.publish(&identity, &deposit, now).await.expect("a store");
    }
    store.close().await;
}

fn quantiles(times: &mut [Duration]) -> [Duration; 2] {
    times.sort_unstable();
    [times[times.len() / 2], times[times.len() * 99 / 100]]
}

/// What the process has spent so far: fields 14 and 15 of its `stat`, in hundredths of a second.
fn cpu(server: &Process) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    let ticks: u64 =
        [11, 12].iter().map(|&field: &usize| fields[field].parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}

/// Its resident memory in KiB.
fn memory(server: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
