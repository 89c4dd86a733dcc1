//! The prekey server as a program: what each command does, its log, its signals.

mod accounts;
mod arguments;
mod healthcheck;

use arguments::{Cli, Command, Database, KeyFile, Restore, Serve, Xmpp};
use clap::Parser;
use prekey_server::store::{self, PostgresStore, SqliteStore, Store};
use prekey_server::xmpp::{self, XmppServer};
use prekey_server::{Server, Settings, key_file};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

type Done = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prekey-server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(command: Command) -> Done {
    match command {
        Command::Serve(options) => {
            start_log(&options.log)?;
            // Before anything is made on disk: a signal must find somebody to hear it.
            let stop = stop_signal()?;
            match options.database.location.clone() {
                Database::File(path) => serve(SqliteStore::open(&path).await?, options, stop).await,
                Database::Postgres(url) => serve(PostgresStore::open(&url).await?, options, stop).await,
            }
        }
        Command::Account { database, command } => match database.location {
            Database::File(path) => accounts::run(SqliteStore::existing(&path).await?, command).await,
            Database::Postgres(url) => accounts::run(PostgresStore::existing(&url).await?, command).await,
        },
        Command::Migrate(database) => migrate(database.location).await,
        Command::Backup(options) => match options.database.location {
            Database::File(path) => Ok(store::backup(&path, &options.to).await?),
            Database::Postgres(_) => {
                Err("PostgreSQL has pg_dump for that; see docs/server.md, \"Backup and restore\"".into())
            }
        },
        Command::Restore(options) => restore(options).await,
        Command::Fingerprint(key) => fingerprint(&key),
        Command::Healthcheck(listen) => Ok(healthcheck::ask(listen.listen)?),
    }
}

fn start_log(filter: &str) -> Done {
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .init();
    Ok(())
}

fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    })
}

async fn serve<S: Store>(store: S, options: Serve, stop: impl Future<Output = ()> + Send) -> Done {
    let component = xmpp_server(options.xmpp)?;
    let identity = key_file::load_or_create(&options.key.path, &options.identity)?;
    let server = Server::new(store, identity, Settings::default());
    let address = options.listen.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("listen on {address}: {error}"))?;

    // For people and scripts alike; whoever started us may have gone already, so a closed pipe is no failure.
    let mut out = std::io::stdout();
    let _ = writeln!(out, "listening on http://{}", listener.local_addr()?);
    let _ = writeln!(out, "fingerprint {}", server.fingerprint()).and_then(|()| out.flush());
    match component {
        Some(component) => {
            let (told, hears) = oneshot::channel();
            let running = tokio::spawn(xmpp::serve(server.clone(), component, async {
                hears.await.unwrap_or_default()
            }));
            // The last to stop is HTTP, which closes the database.
            let stop = async {
                stop.await;
                let _: Result<(), ()> = told.send(());
                let _ = running.await;
            };
            prekey_server::serve(listener, server, stop).await;
        }
        None => prekey_server::serve(listener, server, stop).await,
    }
    tracing::info!("stopped");
    Ok(())
}

fn xmpp_server(options: Xmpp) -> Result<Option<XmppServer>, Box<dyn Error>> {
    let (Some(address), Some(file)) = (options.component, options.secret_file) else { return Ok(None) };
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = Zeroizing::new(text);
    let secret = Zeroizing::new(text.trim_end().to_owned());
    if secret.is_empty() {
        return Err(format!("{} holds no secret", file.display()).into());
    }
    Ok(Some(XmppServer { address, secret }))
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

async fn restore(options: Restore) -> Done {
    let burnt = match (options.database.location, options.from) {
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

fn fingerprint(key: &KeyFile) -> Done {
    // The fingerprint is that of the key alone; the name does not enter it.
    let identity = key_file::load(&key.path, "")?;
    writeln!(std::io::stdout(), "{}", identity.fingerprint())?;
    Ok(())
}
