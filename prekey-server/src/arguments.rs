//! The commands and their options; each option can be an environment variable, or a line of the config file, instead.

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use prekey_server::account::{Identity, IllegalIdentity};
use prekey_server::store::StoredName;
use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// An untrusted prekey server for OTRv4.
///
/// It keeps profiles and one-time prekeys, so that people can start a conversation with somebody who is away. It
/// learns who publishes and who is asked for, and nothing of any conversation.
///
/// Every option can be given as an environment variable or in a config file instead. An option beats the variable, and
/// both beat the file.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    /// A TOML file with options and rules; prekey-server.example.toml shows all it can hold. `serve` reads it again when
    /// it gets SIGHUP.
    #[arg(long, env = "PREKEY_SERVER_CONFIG", value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server until SIGTERM or SIGINT.
    ///
    /// It speaks plain HTTP: put a proxy with TLS in front. At the first start it makes the database and the key
    /// file. Told to stop, it takes no more connections, finishes what runs (at most 30 seconds) and exits with 0. At
    /// SIGHUP it reads its config file again: rules and log filter change, and connections stay.
    Serve(Serve),
    /// Read options, environment and config file as `serve` would, and print what holds; exit with 1 if `serve` would
    /// refuse it.
    ///
    /// Nothing is made, opened or changed. A password in the database's URL is not printed.
    CheckConfig(Serve),
    /// Add, list and remove accounts, and give them new tokens; also while a server runs.
    Account {
        #[command(flatten)]
        database: DatabaseOption,
        #[command(flatten)]
        hash: HashIdentities,
        #[command(flatten)]
        key: KeyFile,
        #[command(subcommand)]
        command: Account,
    },
    /// Bring the database to the layout of this program, as `serve` does when it starts.
    Migrate(DatabaseOption),
    /// Write a keyed hash of each identity in its place, once and for ever: the way to --hash-identities for a database that
    /// has accounts. There is no way back.
    ///
    /// Stop all servers first. Afterwards every server and every `account` command needs --hash-identities and the same key
    /// file. Of a SQLite file no plain identity is left; what was interrupted is finished by a second run. PostgreSQL keeps
    /// old rows for a while: docs/server.md, "Identities as hashes", says what to do. Backups of before hold the names.
    HashIdentities {
        #[command(flatten)]
        database: DatabaseOption,
        #[command(flatten)]
        key: KeyFile,
    },
    /// Copy a SQLite database to a new file, also while a server runs on it.
    ///
    /// The copy has all accounts and profiles. It holds no prekey that could be handed out: whoever restores it cannot
    /// know which have been since.
    Backup(Backup),
    /// Go back to a backup: put it in the place of a SQLite database, and burn the prekeys in it.
    ///
    /// Stop the server first. The database of before stays, under the name that is printed. Every waiting prekey is
    /// marked as handed out, so that none goes to two people; clients publish new ones when they look next. Of a
    /// PostgreSQL database that pg_restore has brought back it burns the prekeys: run it before any server starts.
    Restore(Restore),
    /// Print the fingerprint of the server's key: 112 hex digits.
    ///
    /// Publish it where your users can compare it, over another channel than the server itself.
    Fingerprint(KeyFile),
    /// Carry oblivious requests to somebody else's prekey server, until SIGTERM or SIGINT.
    ///
    /// People who ask through a relay hide who they are from the server, and for whom they ask from the relay, as long as
    /// the two do not work together: so a relay is of no use to a server that the same people run. It knows neither keys
    /// nor accounts, has no database, and logs no addresses. It speaks plain HTTP: put a proxy with TLS in front, and let
    /// that log no addresses either.
    Relay(Relay),
    /// Ask a running server whether it and its database work; exit with 0 if they do, with 1 if not.
    Healthcheck(Listen),
    /// Print what the database holds: accounts, devices, prekeys; also while a server runs.
    Stats(Stats),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) listen: Listen,

    #[command(flatten)]
    pub(crate) database: DatabaseOption,

    /// The server's name in the protocol, such as prekey.example.org.
    ///
    /// It enters the handshake byte for byte: to clients that know the server under another name, this is another
    /// server.
    #[arg(long, env = "PREKEY_SERVER_IDENTITY", value_name = "NAME", value_parser = name)]
    pub(crate) identity: Option<String>,

    #[command(flatten)]
    pub(crate) key: KeyFile,

    #[command(flatten)]
    pub(crate) hash: HashIdentities,

    /// Serve whoever asks as much as he asks for: among friends, or where a proxy knows better limits.
    #[arg(long, env = "PREKEY_SERVER_NO_LIMITS")]
    pub(crate) no_limits: bool,

    /// Addresses and networks of proxies that are believed when they say who asks, instead of those in the config file;
    /// for containers, which see their proxy at the address of a gateway.
    #[arg(long, env = "PREKEY_SERVER_TRUSTED_PROXIES", value_name = "ADDRESS,...", value_delimiter = ',', value_parser = network)]
    pub(crate) trusted_proxies: Option<Vec<IpNet>>,

    #[command(flatten)]
    pub(crate) xmpp: Xmpp,

    /// What to log on standard error: error, warn, info, debug, trace, or filters such as
    /// "info,prekey_server=debug". Identities, tokens and messages are never logged. [default: info]
    #[arg(long, env = "PREKEY_SERVER_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// How a line of the log looks: text for people, json for programs. [default: text]
    #[arg(long, env = "PREKEY_SERVER_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    /// Address and port of the listener for the operator alone: /metrics, /livez, /readyz. None unless this is given; it
    /// asks for no password, so it belongs on the loopback address, such as 127.0.0.1:7449.
    #[arg(long, env = "PREKEY_SERVER_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Relay {
    /// Address of the prekey server, such as https://prekey.example.org.
    #[arg(long, env = "PREKEY_RELAY_GATEWAY", value_name = "URL")]
    pub(crate) gateway: String,

    /// Address and port of the relay; port 0 takes any free port, and the first line of output names it.
    #[arg(long, env = "PREKEY_RELAY_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7450")]
    pub(crate) listen: SocketAddr,

    /// What to log on standard error, as in `serve`. Neither addresses nor requests are ever logged.
    #[arg(long, env = "PREKEY_RELAY_LOG", value_name = "FILTER", default_value = "info")]
    pub(crate) log: String,
}

#[derive(Debug, Args)]
pub(crate) struct Xmpp {
    /// Where an XMPP server takes components (XEP-0114): be one, beside HTTP. The component's domain is the --identity.
    #[arg(long = "xmpp-component", env = "PREKEY_SERVER_XMPP_COMPONENT", value_name = "HOST:PORT")]
    pub(crate) component: Option<String>,

    /// A file with the secret that the XMPP server has for this component.
    #[arg(long = "xmpp-secret-file", env = "PREKEY_SERVER_XMPP_SECRET_FILE", value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Address and port of the server; port 0 takes any free port, and the first line of output names it.
    /// [default: 127.0.0.1:7448]
    #[arg(long, env = "PREKEY_SERVER_LISTEN", value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct DatabaseOption {
    /// The database: a SQLite file, made by `serve` at the first start and readable by its owner only, for one server
    /// process; or postgres://USER:PASSWORD@HOST/NAME, which several can share. A password is better given in the
    /// environment variable, or in a config file that nobody else can read: other users of the machine can see options.
    #[arg(
        long = "database",
        env = "PREKEY_SERVER_DATABASE",
        value_name = "FILE|URL",
        hide_env_values = true,
        value_parser = OsStringValueParser::new().try_map(Database::from_argument)
    )]
    pub(crate) location: Option<Database>,
}

/// Where accounts and prekeys are kept.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Database {
    File(PathBuf),
    Postgres(String),
}

impl Database {
    fn from_argument(argument: OsString) -> Result<Self, &'static str> {
        let url = argument
            .to_str()
            .filter(|text| ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)));
        match url {
            _ if argument.is_empty() => Err("the name of a file, or a URL that begins with postgres://"),
            Some(url) => Ok(Self::Postgres(url.into())),
            None => Ok(Self::File(argument.into())),
        }
    }
}

impl TryFrom<String> for Database {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_argument(text.into())
    }
}

/// As it may be shown: without the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => match url.parse::<PgConnectOptions>() {
                Ok(url) => {
                    let (user, host, port) = (url.get_username(), url.get_host(), url.get_port());
                    write!(f, "postgres://{user}@{host}:{port}/{}", url.get_database().unwrap_or(user))
                }
                Err(_) => f.write_str("a postgres:// URL that cannot be read"),
            },
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

#[derive(Debug, Args)]
pub(crate) struct KeyFile {
    /// The server's long-term key; `serve` makes it at the first start, with mode 0600. Whoever has it can pose as
    /// this server; without it, every client refuses the server. Keep a copy offline.
    #[arg(long = "key-file", env = "PREKEY_SERVER_KEY_FILE", value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct HashIdentities {
    /// Keep keyed hashes of identities in the database instead of the names: whoever gets hold of it without the key file
    /// cannot read who has an account. From the first start on; for a database that has accounts, see `hash-identities`.
    #[arg(long = "hash-identities", env = "PREKEY_SERVER_HASH_IDENTITIES")]
    pub(crate) on: bool,
}

/// Whose account it is: for one whose name the database does not hold, and nobody remembers, its hash.
#[derive(Clone, Debug)]
pub(crate) enum Whose {
    Identity(Identity),
    Hash(StoredName),
}

impl Whose {
    fn new(text: &str) -> Result<Self, IllegalIdentity> {
        match StoredName::from_hash(text) {
            Some(hash) => Ok(Self::Hash(hash)),
            None => Identity::new(text).map(Self::Identity),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Make an account and print its token, once.
    Add {
        /// Whose it is on the network, such as bob@example.org.
        #[arg(value_parser = Identity::new)]
        identity: Identity,
    },
    /// Print all accounts: name (or its hash), when it was made, tokens, clients and waiting prekeys, separated by tabs.
    List,
    /// Remove an account and all that it has published. Its name is free then.
    Remove {
        /// Whose it is on the network, or the hash of that as `list` prints it.
        #[arg(value_parser = Whose::new)]
        account: Whose,
    },
    /// Print a new token for an account. The old ones end, as they must when one was lost or stolen.
    Token {
        /// Whose it is on the network.
        #[arg(value_parser = Identity::new)]
        identity: Identity,
        /// For one more client: the old ones stay.
        #[arg(long)]
        keep: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) database: DatabaseOption,
    /// The new file; nothing is overwritten.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    pub(crate) database: DatabaseOption,
    /// The backup of a SQLite database.
    #[arg(long, value_name = "FILE", required_unless_present = "burn")]
    pub(crate) from: Option<PathBuf>,
    /// pg_restore has brought a PostgreSQL database back: burn its prekeys.
    #[arg(long, conflicts_with = "from")]
    pub(crate) burn: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) database: DatabaseOption,
    /// As one JSON object, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

fn name(text: &str) -> Result<String, IllegalIdentity> {
    Identity::new(text).map(|identity| identity.as_str().to_owned())
}

/// `192.0.2.7` and `192.0.2.0/24` alike.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "an address, or a network such as 192.0.2.0/24, is expected")
}
