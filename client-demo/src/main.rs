//! A client of the library `otrv4`: a story to watch, everyday commands, and a line protocol for other programs.

mod demo;
mod everyday;
mod keep;
mod network;
mod passphrase;
mod perform;
mod pipe;
mod prekeys;
mod screen;
mod system;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use everyday::{Choice, Place};
use network::Network;
use otrv4::Timestamp;
use otrv4::keys::{Fingerprint, ForgingSecret};
use otrv4::wire::Versions;

/// Talk off the record: OTR version 4 at work.
///
/// `demo` tells the whole story and needs nothing else. The everyday commands keep an account in an encrypted home
/// folder and put their lines into a folder that stands in for the messenger. `pipe` is for other programs.
#[derive(Parser)]
#[command(version, about, long_about, max_term_width = 100, after_help = PASSPHRASE)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const PASSPHRASE: &str = "\
The passphrase of the home folder comes from --passphrase-file, from the environment variable
CLIENT_DEMO_PASSPHRASE, or is asked for. The tool `age` opens the folder without this program:
    age -d -i HOME/identity.age HOME/state.age";

#[derive(Subcommand)]
enum Command {
    /// Watch it: Alice writes to Bob while he is away, through a server that neither trusts
    Demo,
    /// Make a new account in a new home folder
    Init {
        #[command(flatten)]
        place: PlaceArguments,
        /// Your name at the messenger, such as bob@example.org; others must know you by exactly this name
        #[arg(long, env = "CLIENT_DEMO_ACCOUNT", value_parser = NonEmptyStringValueParser::new())]
        account: String,
        /// What happens to the forging key's secret; asked for if not given
        #[arg(long, env = "CLIENT_DEMO_FORGING_KEY")]
        forging_key: Option<Forging>,
    },
    /// Put keys on a prekey server, so that others can write to you while you are away
    Publish {
        #[command(flatten)]
        place: PlaceArguments,
        #[command(flatten)]
        server: ServerArguments,
        /// How many prekeys to make; each serves one conversation
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(0..=1000))]
        count: u16,
    },
    /// Show the account, its keys here and on the server, and what waits on the network
    Status {
        #[command(flatten)]
        place: PlaceArguments,
        /// The folder that stands in for the messenger; nothing is said about it, without
        #[arg(long, value_name = "DIR", env = "CLIENT_DEMO_NETWORK")]
        network: Option<PathBuf>,
    },
    /// Send a text, encrypted; without a conversation, start one with the keys that the contact has published
    Send {
        #[command(flatten)]
        place: PlaceArguments,
        #[command(flatten)]
        server: ServerArguments,
        #[command(flatten)]
        network: NetworkArgument,
        /// The contact's name at the messenger
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        contact: String,
        /// What to say
        text: String,
    },
    /// Read what has come
    Receive {
        #[command(flatten)]
        place: PlaceArguments,
        #[command(flatten)]
        network: NetworkArgument,
        /// Take the lines in a random order, as a bad network would deliver them
        #[arg(long)]
        shuffle: bool,
    },
    /// List the people you have conversations with
    Contacts {
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Show your fingerprint, and a contact's: compare them over another channel
    Fingerprint {
        #[command(flatten)]
        place: PlaceArguments,
        /// The contact
        contact: Option<String>,
    },
    /// Hold a conversation over stdin and stdout, for other programs
    Pipe(PipeArguments),
}

#[derive(Args)]
struct PlaceArguments {
    /// The folder that keeps the account, encrypted
    #[arg(long, value_name = "DIR", env = "CLIENT_DEMO_HOME")]
    home: PathBuf,
    /// A file whose first line is the passphrase of the home folder
    #[arg(long, value_name = "FILE", env = "CLIENT_DEMO_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
struct ServerArguments {
    /// Address of the prekey server, such as `https://prekey.example.org`; remembered from the first use on
    #[arg(long, value_name = "URL", env = "CLIENT_DEMO_SERVER")]
    server: Option<String>,
    /// Fingerprint of the prekey server, as its operator shows it: 112 hex digits
    #[arg(long, value_name = "HEX", env = "CLIENT_DEMO_SERVER_FINGERPRINT")]
    fingerprint: Option<Fingerprint>,
}

#[derive(Args)]
struct NetworkArgument {
    /// The folder that stands in for the messenger: one maildir for each account
    #[arg(long, value_name = "DIR", env = "CLIENT_DEMO_NETWORK")]
    network: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Forging {
    /// Keep it: you could forge conversations in your own name, so nobody can prove by them what others wrote to you
    Keep,
    /// Destroy it: a thief of your keys cannot use it to pose as others towards you
    Destroy,
}

#[derive(Args)]
struct PipeArguments {
    /// Our account id
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    account: String,
    /// The correspondent's account id
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    contact: String,
    /// Versions of OTR to speak: 3, 4 or 34; only version 4 is there yet, and of 34 the 4
    #[arg(long, default_value = "34", value_parser = versions)]
    versions: Versions,
    /// Longest line on the network, in characters; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    mtu: usize,
    /// The folder that keeps account and conversation; in memory only, without
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// A file whose first line is the passphrase of the home folder; without any passphrase, a key file in the folder
    #[arg(long, value_name = "FILE", env = "CLIENT_DEMO_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Stop the clock at this time; the command `time` moves it
    #[arg(long, value_name = "UNIX", allow_negative_numbers = true)]
    now: Option<i64>,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Demo => demo::run()?,
        Command::Init { place, account, forging_key } => {
            everyday::init(&place.into(), &account, forging_key.map(ForgingSecret::from))?;
        }
        Command::Publish { place, server, count } => {
            everyday::publish(&place.into(), &server.into(), usize::from(count))?;
        }
        Command::Status { place, network } => {
            everyday::status(&place.into(), network.as_deref().map(Network::new).as_ref())?;
        }
        Command::Send { place, server, network, contact, text } => {
            everyday::send(&place.into(), &network.open(), &server.into(), &contact, &text)?;
        }
        Command::Receive { place, network, shuffle } => {
            everyday::receive(&place.into(), &network.open(), shuffle)?;
        }
        Command::Contacts { place } => everyday::contacts(&place.into())?,
        Command::Fingerprint { place, contact } => everyday::fingerprint(&place.into(), contact.as_deref())?,
        Command::Pipe(arguments) => {
            let passphrase = passphrase::given(arguments.passphrase_file.as_deref())?;
            pipe::run(pipe::Options {
                account: arguments.account,
                contact: arguments.contact,
                versions: arguments.versions,
                mtu: Some(arguments.mtu).filter(|limit| *limit > 0),
                home: arguments.home,
                passphrase,
                now: arguments.now.map(Timestamp::from_unix),
            })?;
        }
    }
    Ok(())
}

impl From<PlaceArguments> for Place {
    fn from(PlaceArguments { home, passphrase_file }: PlaceArguments) -> Self {
        Self { home, passphrase_file }
    }
}

impl From<ServerArguments> for Choice {
    fn from(ServerArguments { server: url, fingerprint }: ServerArguments) -> Self {
        Self { url, fingerprint }
    }
}

impl From<Forging> for ForgingSecret {
    fn from(forging: Forging) -> Self {
        match forging {
            Forging::Keep => Self::Keep,
            Forging::Destroy => Self::Destroy,
        }
    }
}

impl NetworkArgument {
    fn open(&self) -> Network {
        Network::new(&self.network)
    }
}

/// What of the wished versions is there.
fn versions(digits: &str) -> Result<Versions, String> {
    if digits.is_empty() || digits.chars().any(|digit| !matches!(digit, '2'..='4')) {
        return Err("give 3, 4 or 34".to_owned());
    }
    match digits.contains('4') {
        true => Ok(Versions::V4),
        false => Err("only version 4 is available in this version of the client: give 4 or 34".to_owned()),
    }
}
