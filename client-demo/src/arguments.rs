//! The command line: what can be asked for, and what `--help` says.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};
use otrv4::account::ContactKey;
use otrv4::keys::{Fingerprint, FingerprintV3, ForgingSecret};
use otrv4::wire::InstanceTag;

use crate::everyday::{Choice, LibotrClient, Place, Which};
use crate::forge::ForgeArguments;
use crate::inspect::arguments::InspectArguments;
use crate::keep::{Chosen, SETTINGS, Setting, versions};
use crate::network::Network;
use crate::pipe::words::tag;

/// Talk off the record: OTR version 4 at work, and 3 or 2 with older clients.
///
/// `demo` tells the whole story and needs nothing else. The everyday commands keep an account in an encrypted home
/// folder and put their lines into a folder that stands in for the messenger. `pipe` is for other programs.
#[derive(Parser)]
#[command(version, about, long_about, max_term_width = 100, after_help = PASSPHRASE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const PASSPHRASE: &str = "\
The passphrase of the home folder comes from --passphrase-file, from the environment variable
CLIENT_DEMO_PASSPHRASE, or is asked for. The tool `age` opens the folder without this program:
    age -d -i HOME/identity.age HOME/state.age";

#[derive(Subcommand)]
pub(crate) enum Command {
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
        /// How many prekeys to make, each for one conversation; as many as the server lacks, if not given
        #[arg(long, value_parser = clap::value_parser!(u16).range(0..=1000))]
        count: Option<u16>,
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
    ///
    /// What else may happen without a conversation, `client-demo policy` says.
    Send {
        #[command(flatten)]
        place: PlaceArguments,
        #[command(flatten)]
        server: ServerArguments,
        /// Ask for their keys through the relay at this address, so that the prekey server does not learn who asks, and
        /// the relay not for whom; the server's key must be known or given with --fingerprint
        #[arg(long, value_name = "RELAY_URL", env = "CLIENT_DEMO_OBLIVIOUS")]
        oblivious: Option<String>,
        #[command(flatten)]
        network: NetworkArgument,
        /// The contact's name at the messenger
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        contact: String,
        /// Only to this client of theirs, now and until another one is named
        #[arg(long, value_name = "TAG", value_parser = client_tag)]
        client: Option<InstanceTag>,
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
    /// Find out whether a contact is who they say: compare fingerprints, or ask what only they can answer
    ///
    /// Without more, it shows both fingerprints, yours as a QR code too, and what is known of theirs.
    Verify(VerifyArguments),
    /// List whom you know by which keys, and how each was verified
    Trust(TrustArguments),
    /// Show and set what is allowed and wished for, with everybody or with one contact
    ///
    /// What is set for a contact counts more than what is set for everybody.
    Policy(PolicyArguments),
    /// Take over the key of versions 3 and 2, and whom you know, from Pidgin, irssi or Profanity
    ///
    /// People who know you from there see the same fingerprint, and who was verified there is verified here. Importing
    /// twice changes nothing. The instance tag is not taken: it names the other client, not you.
    ImportLibotr(ImportArguments),
    /// Write the key of versions 3 and 2, and whom you know by that version, into files for Pidgin, irssi or Profanity
    ///
    /// The files are not encrypted: whoever reads them can pose as you. Files that are there are kept.
    ExportLibotr(ExportArguments),
    /// Make up what was never said; `forge play` shows what a recording of a conversation is worth
    Forge(ForgeArguments),
    /// Take lines of OTR, of versions 4, 3 and 2, apart: every field explained, and who could forge it by now
    Inspect(InspectArguments),
    /// Hold a conversation over stdin and stdout, for other programs
    Pipe(PipeArguments),
}

#[derive(Args)]
pub(crate) struct PlaceArguments {
    /// The folder that keeps the account, encrypted
    #[arg(long, value_name = "DIR", env = "CLIENT_DEMO_HOME")]
    home: PathBuf,
    /// A file whose first line is the passphrase of the home folder
    #[arg(long, value_name = "FILE", env = "CLIENT_DEMO_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ServerArguments {
    /// Address of the prekey server, such as `https://prekey.example.org`; remembered from the first use on
    #[arg(long, value_name = "URL", env = "CLIENT_DEMO_SERVER")]
    server: Option<String>,
    /// Fingerprint of the prekey server, as its operator shows it: 112 hex digits
    #[arg(long, value_name = "HEX", env = "CLIENT_DEMO_SERVER_FINGERPRINT")]
    fingerprint: Option<Fingerprint>,
}

#[derive(Args)]
pub(crate) struct NetworkArgument {
    /// The folder that stands in for the messenger: one maildir for each account
    #[arg(long, value_name = "DIR", env = "CLIENT_DEMO_NETWORK")]
    network: PathBuf,
}

#[derive(Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// The contact's name at the messenger
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) contact: String,
    /// Only this client of theirs, by its tag
    #[arg(long, value_name = "TAG", value_parser = client_tag)]
    pub(crate) client: Option<InstanceTag>,
    /// You have compared the fingerprint outside of this chat, and it is the same
    #[arg(long, group = STEP)]
    pub(crate) by_hand: bool,
    /// With --by-hand: the one that you have compared, or have from a business card; then nothing is asked
    #[arg(long, value_name = "HEX", requires = "by_hand", value_parser = contact_key)]
    pub(crate) fingerprint: Option<ContactKey>,
    /// With --fingerprint: it is of a client of theirs that has not been seen here yet
    #[arg(long, requires = "fingerprint")]
    pub(crate) unseen: bool,
    /// Ask them a question that only they can answer, and say what you expect; the answer is not sent
    #[arg(long, value_name = "QUESTION", group = STEP, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) ask: Option<String>,
    /// The same without a question, where both know which secret is meant
    #[arg(long, group = STEP)]
    pub(crate) shared_secret: bool,
    /// Answer what they have asked
    #[arg(long, group = STEP)]
    pub(crate) answer: bool,
    /// Stop what was asked, or decline to answer
    #[arg(long, group = STEP)]
    pub(crate) abort: bool,
    /// A file whose first line is the secret; asked for on the terminal, without
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The folder that stands in for the messenger; needed to ask and to answer
    #[arg(long, value_name = "DIR", env = "CLIENT_DEMO_NETWORK")]
    pub(crate) network: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct TrustArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// The contact; everybody, if not given
    pub(crate) contact: Option<String>,
    /// Forget this fingerprint of theirs; it will be new when it is seen again
    #[arg(long, value_name = "HEX", requires = "contact", value_parser = contact_key)]
    pub(crate) forget: Option<ContactKey>,
    /// Take back that this fingerprint of theirs is verified
    #[arg(long, value_name = "HEX", requires = "contact", value_parser = contact_key)]
    pub(crate) distrust: Option<ContactKey>,
    /// Count their failed verifications from zero again
    #[arg(long, requires = "contact")]
    pub(crate) reset_failed: bool,
}

#[derive(Args)]
pub(crate) struct PolicyArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// The contact; everybody, if not given
    pub(crate) contact: Option<String>,
    /// First forget all that is set for them
    #[arg(long)]
    pub(crate) reset: bool,
    #[command(flatten)]
    pub(crate) set: SettingArguments,
}

#[derive(Args)]
pub(crate) struct WhichArguments {
    /// The account's name in the files, if it is not the one of this home folder; for irssi the name of the network
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    account: Option<String>,
    /// The account's protocol in the files, such as prpl-jabber, IRC or xmpp
    #[arg(long, value_name = "PROTOCOL", value_parser = NonEmptyStringValueParser::new())]
    protocol: Option<String>,
}

#[derive(Args)]
pub(crate) struct ImportArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// The folder with the files: ~/.purple, ~/.irssi/otr, ~/.local/share/profanity/otr/USER_at_HOST
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Whose files to take, if there are those of several clients
    #[arg(long)]
    pub(crate) client: Option<LibotrClient>,
    #[command(flatten)]
    pub(crate) which: WhichArguments,
    /// The key takes the place of another one that this account has; that one is deleted
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// The folder to put the files into; it is made if it is not there
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Who shall read the files
    #[arg(long, default_value = "pidgin")]
    pub(crate) client: LibotrClient,
    #[command(flatten)]
    pub(crate) which: WhichArguments,
    /// Also the instance tag; only if this home folder will not be used any more, for two clients with one tag disturb
    /// each other
    #[arg(long)]
    pub(crate) instance_tag: bool,
    /// Replace files that are there already; the keys of all accounts in them are lost
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// The settings that are given, checked. One argument for each of the table.
pub(crate) struct SettingArguments(pub(crate) Vec<(&'static Setting, String)>);

impl FromArgMatches for SettingArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given =
            |setting: &'static Setting| Some((setting, matches.get_one::<String>(setting.name)?.clone()));
        Ok(Self(SETTINGS.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for SettingArguments {
    fn augment_args(command: clap::Command) -> clap::Command {
        SETTINGS.iter().fold(command, |command, setting| {
            let argument =
                Arg::new(setting.name).long(setting.name).value_name(setting.values).help(setting.means);
            command.arg(argument.value_parser(|value: &str| setting.check(value)))
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Forging {
    /// Keep it: who has it can pose as others towards you, so that nobody who makes you help while you talk can be sure of them
    Keep,
    /// Destroy it: a thief of your keys finds no such secret
    Destroy,
}

#[derive(Args)]
pub(crate) struct PipeArguments {
    /// Our account id
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) account: String,
    /// The correspondent's account id
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) contact: String,
    /// Versions of OTR to speak: the digits of those from 2 to 4, such as 3, 34 or 234
    #[arg(long, default_value = "34", value_parser = versions)]
    pub(crate) versions: Chosen,
    /// Longest line on the network, in characters; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) mtu: usize,
    /// The folder that keeps account and conversation; in memory only, without
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// A file whose first line is the passphrase of the home folder; without any passphrase, a key file in the folder
    #[arg(long, value_name = "FILE", env = "CLIENT_DEMO_PASSPHRASE_FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Stop the clock at this time; the command `time` moves it
    #[arg(long, value_name = "UNIX", allow_negative_numbers = true)]
    pub(crate) now: Option<i64>,
}

impl From<PlaceArguments> for Place {
    fn from(PlaceArguments { home, passphrase_file }: PlaceArguments) -> Self {
        Self { home, passphrase_file }
    }
}

impl From<WhichArguments> for Which {
    fn from(WhichArguments { account: name, protocol }: WhichArguments) -> Self {
        Self { name, protocol }
    }
}

impl From<ServerArguments> for Choice {
    fn from(ServerArguments { server: url, fingerprint }: ServerArguments) -> Self {
        Self { url, fingerprint, relay: None }
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
    /// The network in that folder.
    pub(crate) fn open(&self) -> Network {
        Network::new(&self.network)
    }
}

/// A fingerprint of either version.
fn contact_key(text: &str) -> Result<ContactKey, String> {
    let v4 = text.parse::<Fingerprint>().map(ContactKey::V4);
    let either = v4.or_else(|_| text.parse::<FingerprintV3>().map(ContactKey::V3));
    either.map_err(|_| "not a fingerprint: 112 hex digits, or 40 of version 3".to_owned())
}

pub(crate) fn client_tag(text: &str) -> Result<InstanceTag, String> {
    tag(text).ok_or_else(|| "not the tag of a client: 8 hex digits".to_owned())
}

/// Arguments of `verify` of which one is given at a time.
const STEP: &str = "step";
