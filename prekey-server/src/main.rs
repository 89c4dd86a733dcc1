//! The prekey server as a program: what each command does, its log, its signals.

mod accounts;
mod arguments;
mod config;
mod healthcheck;
mod log;
mod reload;
mod stats;

use arguments::{Cli, Command, Database, LogFormat, Relay, Restore, Serve};
use clap::Parser;
use config::Config;
use prekey_server::store::{self, PostgresStore, SqliteStore, Store};
use prekey_server::xmpp::{self, XmppServer};
use prekey_server::{Registration, Server, key_file, oblivious};
use reload::Reload;
use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

type Done = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prekey-server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> Done {
    let config = Config::read(cli.config.as_deref())?;
    match cli.command {
        Command::Serve(options) => start(cli.config, &config, options).await,
        Command::CheckConfig(options) => config.check(&options, &mut std::io::stdout()),
        Command::Account { database, hash, key, command } => {
            let (database, hashed_by) = (config.database(&database)?, config.hashed_by(&hash, &key)?);
            let hashed_by = hashed_by.as_ref();
            match database {
                Database::File(path) => {
                    accounts::run(SqliteStore::existing(&path).await?, hashed_by, command).await
                }
                Database::Postgres(url) => {
                    accounts::run(PostgresStore::existing(&url).await?, hashed_by, command).await
                }
            }
        }
        Command::Migrate(database) => migrate(config.database(&database)?).await,
        Command::HashIdentities { database, key } => {
            hash_identities(config.database(&database)?, &config.key_file(&key)?).await
        }
        Command::Backup(options) => match config.database(&options.database)? {
            Database::File(path) => Ok(store::backup(&path, &options.to).await?),
            Database::Postgres(_) => {
                Err("PostgreSQL has pg_dump for that; see docs/server.md, \"Backup and restore\"".into())
            }
        },
        Command::Restore(options) => restore(config.database(&options.database)?, options).await,
        Command::Fingerprint(key) => fingerprint(&config.key_file(&key)?),
        Command::Healthcheck(listen) => Ok(healthcheck::ask(config.listen(&listen))?),
        Command::Stats(options) => match config.database(&options.database)? {
            Database::File(path) => stats::print(SqliteStore::existing(&path).await?, options.json).await,
            Database::Postgres(url) => stats::print(PostgresStore::existing(&url).await?, options.json).await,
        },
        Command::Relay(options) => {
            log::start(&options.log, LogFormat::Text)?;
            relay(options, Signals::hear()?).await
        }
    }
}

/// The signals that a running server hears.
struct Signals {
    term: Signal,
    int: Signal,
    hangup: Signal,
}

impl Signals {
    fn hear() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

async fn told_to_stop(mut term: Signal, mut int: Signal) {
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}

async fn start(path: Option<PathBuf>, config: &Config, options: Serve) -> Done {
    let chosen = config.serve(&options)?;
    let log = log::start(&chosen.log, chosen.log_format)?;
    // Before anything is made on disk: a signal must find somebody to hear it.
    let signals = Signals::hear()?;
    match chosen.database.clone() {
        Database::File(file) => {
            let server = make(SqliteStore::open(&file).await?, &chosen).await?;
            serve(Reload { path, options, chosen, log, server }, signals).await
        }
        Database::Postgres(url) => {
            let server = make(PostgresStore::open(&url).await?, &chosen).await?;
            serve(Reload { path, options, chosen, log, server }, signals).await
        }
    }
}

async fn make<S: Store>(store: S, chosen: &config::Chosen) -> Result<Server<S>, Box<dyn Error>> {
    let identity = key_file::load_or_create(&chosen.key_file, &chosen.identity)?;
    let names = store.names(chosen.hash_identities.then_some(&identity)).await?;
    Ok(Server::new(store, names, identity, chosen.rules.clone()))
}

async fn serve<S: Store>(reload: Reload<S>, signals: Signals) -> Done {
    let (server, chosen) = (reload.server.clone(), &reload.chosen);
    warn(chosen);
    let xmpp = xmpp_server(chosen)?;
    let listener = listen(chosen.listen).await?;
    let operator = match chosen.metrics_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };

    // For people and scripts alike; whoever started us may have gone already, so a closed pipe is no failure.
    let mut out = std::io::stdout();
    let _ = writeln!(out, "listening on http://{}", listener.local_addr()?);
    let _ = writeln!(out, "fingerprint {}", server.fingerprint());
    if let Some(operator) = &operator {
        let address = operator.local_addr()?;
        let _ = writeln!(out, "metrics on http://{address}/metrics");
        if !address.ip().is_loopback() {
            tracing::warn!(
                "metrics on {address}: whoever can reach it can read them, so let only the operator reach it"
            );
        }
    }
    let _ = out.flush();

    let Signals { term, int, hangup } = signals;
    let stop = told_to_stop(term, int);
    let watched = {
        let server = server.clone();
        async move {
            match operator {
                Some(listener) => prekey_server::serve_operator(listener, server).await,
                None => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        () = serve_both(listener, server, xmpp, stop) => {}
        () = watched => {}
        () = reload.at(hangup) => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// Over HTTP, and over XMPP if that is wanted. The last to stop is HTTP, which closes the database.
async fn serve_both<S: Store>(
    listener: TcpListener,
    server: Server<S>,
    xmpp: Option<XmppServer>,
    stop: impl Future<Output = ()> + Send,
) {
    let Some(component) = xmpp else { return prekey_server::serve(listener, server, stop).await };
    let (told, hears) = oneshot::channel();
    let component = xmpp::serve(server.clone(), component, async { hears.await.unwrap_or_default() });
    let running = tokio::spawn(component);
    let stop = async {
        stop.await;
        let _: Result<(), ()> = told.send(());
        let _ = running.await;
    };
    prekey_server::serve(listener, server, stop).await;
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Box<dyn Error>> {
    Ok(TcpListener::bind(address).await.map_err(|error| format!("listen on {address}: {error}"))?)
}

async fn relay(options: Relay, signals: Signals) -> Done {
    let relay = oblivious::relay::Relay::new(&options.gateway)
        .map_err(|error| format!("--gateway {}: {error}", options.gateway))?;
    let listener = listen(options.listen).await?;
    let mut out = std::io::stdout();
    let _ = writeln!(out, "listening on http://{}", listener.local_addr()?).and_then(|()| out.flush());
    let Signals { term, int, hangup: _ } = signals;
    oblivious::relay::serve(listener, relay, told_to_stop(term, int)).await;
    tracing::info!("stopped");
    Ok(())
}

/// To be told at the start and at each reload.
fn warn(chosen: &config::Chosen) {
    if chosen.xmpp.is_some() && chosen.rules.registration == Registration::Open {
        tracing::warn!(
            "registration over HTTP is open: a stranger can take the name of somebody who uses XMPP. Let the rules say \
             registration = \"closed\", or let nobody reach /v1/accounts"
        );
    }
}

fn xmpp_server(chosen: &config::Chosen) -> Result<Option<XmppServer>, Box<dyn Error>> {
    let Some((address, file)) = &chosen.xmpp else { return Ok(None) };
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = Zeroizing::new(text);
    let secret = Zeroizing::new(text.trim_end().to_owned());
    if secret.is_empty() {
        return Err(format!("{} holds no secret", file.display()).into());
    }
    Ok(Some(XmppServer { address: address.clone(), secret }))
}

async fn migrate(database: Database) -> Done {
    match database {
        Database::File(path) if !path.exists() => {
            return Err(format!("there is no database {}", path.display()).into());
        }
        Database::File(path) => SqliteStore::open(&path).await?.close().await,
        Database::Postgres(url) => PostgresStore::open(&url).await?.close().await,
    }
    Ok(())
}

async fn hash_identities(database: Database, key: &Path) -> Done {
    // The server's name does not enter the hashes.
    let server = key_file::load(key, "")?;
    let hashed = match &database {
        Database::File(path) => store::hash_identities(path, &server).await?,
        Database::Postgres(url) => PostgresStore::hash_identities(url, &server).await?,
    };
    eprintln!(
        "{hashed} identities are hashed now; from here on --hash-identities and this key file are needed"
    );
    if let Database::Postgres(_) = database {
        eprintln!(
            "PostgreSQL still has the old rows: docs/server.md, \"Identities as hashes\", says how they go. Backups of before \
             hold the names"
        );
    } else {
        eprintln!("backups of before, and databases that `restore` has kept, hold the names: delete them");
    }
    Ok(())
}

async fn restore(database: Database, options: Restore) -> Done {
    let burnt = match (database, options.from) {
        (Database::File(_), _) if options.burn => {
            return Err("a SQLite database is restored with --from FILE, which burns its prekeys".into());
        }
        (Database::File(path), Some(from)) => {
            let restored = store::restore(&path, &from).await?;
            if let Some(kept) = restored.kept {
                eprintln!("the database of before is {}", kept.display());
            }
            restored.burnt
        }
        (Database::File(_), None) => return Err("--from FILE says which backup".into()),
        (Database::Postgres(_), Some(_)) => {
            return Err("restore a dump with pg_restore, then run this command with --burn".into());
        }
        (Database::Postgres(url), None) => {
            let store = PostgresStore::open(&url).await?;
            let burnt = store.burn().await?;
            store.close().await;
            burnt
        }
    };
    eprintln!("{burnt} prekeys will not be handed out; clients publish new ones when they look next");
    Ok(())
}

fn fingerprint(key: &Path) -> Done {
    // The fingerprint is that of the key alone; the name does not enter it.
    let identity = key_file::load(key, "")?;
    writeln!(std::io::stdout(), "{}", identity.fingerprint())?;
    Ok(())
}
