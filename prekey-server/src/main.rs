//! The prekey server as a program: its flags, its log, its signals.

mod healthcheck;

use clap::{Args, Parser, Subcommand};
use prekey_server::account::Identity;
use prekey_server::{Server, key_file};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// An untrusted prekey server for OTRv4.
///
/// It keeps profiles and one-time prekeys, so that people can start a conversation with somebody who is away. It
/// learns who publishes and who is asked for, and nothing of any conversation.
///
/// Every option can be given as an environment variable instead.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT.
    ///
    /// It speaks plain HTTP: put a proxy with TLS in front. At the first start it makes the database and the key
    /// file. Told to stop, it takes no more connections, finishes what runs (at most 30 seconds) and exits with 0.
    Serve(Serve),
    /// Print the fingerprint of the server's key: 112 hex digits.
    ///
    /// Publish it where your users can compare it, over another channel than the server itself.
    Fingerprint(KeyFile),
    /// Ask a running server whether it and its database work; exit with 0 if they do, with 1 if not.
    Healthcheck(Listen),
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    listen: Listen,

    /// The database, a SQLite file; made at the first start, readable by its owner only. One server at a time uses it.
    #[arg(long, env = "PREKEY_SERVER_DATABASE", value_name = "FILE")]
    database: PathBuf,

    /// The server's name in the protocol, such as prekey.example.org.
    ///
    /// It enters the handshake byte for byte: to clients that know the server under another name, this is another
    /// server.
    #[arg(long, env = "PREKEY_SERVER_IDENTITY", value_name = "NAME", value_parser = name)]
    identity: String,

    #[command(flatten)]
    key: KeyFile,

    /// What to log on standard error: error, warn, info, debug, trace, or filters such as
    /// "info,prekey_server=debug". Identities, tokens and messages are never logged.
    #[arg(long, env = "PREKEY_SERVER_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Debug, Args)]
struct Listen {
    /// Address and port of the server; port 0 takes any free port, and the first line of output names it.
    #[arg(long, env = "PREKEY_SERVER_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7448")]
    listen: SocketAddr,
}

#[derive(Debug, Args)]
struct KeyFile {
    /// The server's long-term key; `serve` makes it at the first start, with mode 0600. Whoever has it can pose as
    /// this server; without it, every client refuses the server. Keep a copy offline.
    #[arg(long = "key-file", env = "PREKEY_SERVER_KEY_FILE", value_name = "FILE")]
    path: PathBuf,
}

fn name(text: &str) -> Result<String, impl Error + use<>> {
    Identity::new(text).map(|identity| identity.as_str().to_owned())
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(options) => serve(options),
        Command::Fingerprint(key) => fingerprint(&key),
        Command::Healthcheck(listen) => healthcheck::ask(listen.listen).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prekey-server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(options: Serve) -> Result<(), Box<dyn Error>> {
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&options.log)?)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .init();

    // Before anything is made on disk: a signal must find somebody to hear it.
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    };
    let identity = key_file::load_or_create(&options.key.path, &options.identity)?;
    let server = Server::open(&options.database, identity).await?;
    let address = options.listen.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("listen on {address}: {error}"))?;

    // For people and scripts alike; whoever started us may have gone already, so a closed pipe is no failure.
    let mut out = std::io::stdout();
    let _ = writeln!(out, "listening on http://{}", listener.local_addr()?);
    let _ = writeln!(out, "fingerprint {}", server.fingerprint()).and_then(|()| out.flush());
    prekey_server::serve(listener, server, shutdown).await;
    tracing::info!("stopped");
    Ok(())
}

fn fingerprint(key: &KeyFile) -> Result<(), Box<dyn Error>> {
    // The fingerprint is that of the key alone; the name does not enter it.
    let identity = key_file::load(&key.path, "")?;
    writeln!(std::io::stdout(), "{}", identity.fingerprint())?;
    Ok(())
}
