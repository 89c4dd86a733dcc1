//! The command line of `forge`, and what its `--help` says. Every example in it is run by a test.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use otrv4::Timestamp;
use otrv4::forge::Who;
use otrv4::wire::InstanceTag;

use super::input::{Source, time};
use crate::arguments::{PlaceArguments, client_tag};
use crate::system;

#[derive(Args)]
#[command(after_help = SOURCES)]
pub(crate) struct ForgeArguments {
    /// Say it in JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) operation: Operation,
}

const SOURCES: &str = "\
A message, key, profile, ensemble, script or recording is given as itself, as @FILE, or as - for
standard input: of a message or key its next line, of all others the whole of it. Others on this
machine can see arguments: give secrets as @FILE or -. Keys are hex digits. A recording is any text with lines of a
conversation in it, such as a log, or what `forge dake` prints. A message says itself whether it is
one of version 4 or 3.";

#[derive(Subcommand)]
pub(super) enum Operation {
    /// A guided story: a recording is changed, and a conversation invented, before honest eyes
    #[command(after_help = "Example:\n    client-demo forge play --auto")]
    Play {
        /// Go on without waiting for Enter
        #[arg(long)]
        auto: bool,
    },
    /// Take a line apart into its fields
    #[command(
        after_help = "Examples:\n    client-demo forge parse @message\n    client-demo forge parse '?OTRv4?' --json"
    )]
    Parse {
        /// The line
        #[arg(value_name = "LINE|@FILE|-")]
        line: Source,
    },
    /// Put a text in the place of another one that you guess to be there, with the MAC key of the message
    ///
    /// It takes no key that the two have kept for themselves: later messages reveal MAC keys. A wrong guess is not noticed; whoever
    /// reads the message then sees garbage at that place.
    #[command(after_help = "Examples:\n    \
        client-demo forge modify --recording @recording --old noon --new four --offset 11 @message\n    \
        client-demo forge modify --mac-key @mac.key --old noon --new four --offset 11 @message")]
    Modify(ModifyArguments),
    /// Read a message with its key, and write another one in its place
    #[command(after_help = "Examples:\n    \
        client-demo forge read --key @chain.key @message\n    \
        client-demo forge read --key @chain.key --new 'I shall not come.' @message")]
    Read {
        /// The chain key of the message or of one before it in its ratchet; in version 3 the AES key
        #[arg(long, value_name = "HEX|@FILE|-")]
        key: Source,
        /// What the message is to say
        #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
        new: Option<String>,
        /// The message
        #[arg(value_name = "LINE|@FILE|-")]
        line: Source,
    },
    /// Show the MAC key that comes from a message key, a chain key, or an AES key of version 3
    #[command(after_help = "Examples:\n    \
        client-demo forge mac-key --chain-key @chain.key\n    \
        client-demo forge mac-key --aes-key @aes.key")]
    MacKey(MacKeyArguments),
    /// Give a message the MAC that it has under a key, whatever the one it came with
    #[command(after_help = "Example:\n    client-demo forge remac --mac-key @mac.key @message")]
    Remac {
        /// The MAC key
        #[arg(long, value_name = "HEX|@FILE|-")]
        mac_key: Source,
        /// The message
        #[arg(value_name = "LINE|@FILE|-")]
        line: Source,
    },
    /// List the MAC keys that data messages reveal: each belongs to a message that came before
    #[command(after_help = "Example:\n    client-demo forge revealed @recording")]
    Revealed {
        /// The messages
        #[arg(value_name = "RECORDING|@FILE|-")]
        recording: Source,
    },
    /// Compute the session keys of version 3 from a secret exponent and the other side's public key
    #[command(
        after_help = "Example:\n    client-demo forge session-keys --secret @exponent --their-public 04"
    )]
    SessionKeys {
        /// Our secret exponent: 40 bytes
        #[arg(long, value_name = "HEX|@FILE|-")]
        secret: Source,
        /// Their public key
        #[arg(long, value_name = "HEX|@FILE|-")]
        their_public: Source,
    },
    /// Put a data message of version 3 together from its fields
    #[command(after_help = "Example:\n    \
        client-demo forge assemble --sender 00000100 --receiver 00000101 --counter 1 \\\n        \
        --sender-keyid 1 --recipient-keyid 1 --next-dh 04 --ciphertext 0a0b0c \\\n        \
        --mac-key @mac-3.key")]
    Assemble(AssembleArguments),
    /// Forge a key exchange between you and somebody who knows nothing of it
    #[command(after_help = "Examples:\n    \
        client-demo forge dake --home alice --with bob@example.org --profile @recording\n    \
        client-demo forge dake --home alice --with bob@example.org --offline --ensemble @ensemble")]
    Dake(DakeArguments),
    /// Check a recorded key exchange as honest clients do, without any secret
    #[command(after_help = "Example:\n    \
        client-demo forge check @recording alice@example.org bob@example.org")]
    Check(CheckArguments),
    /// Pose as somebody towards the owner of this home folder, whose forging key was kept
    ///
    /// Prints lines for the network, and what the owner answers. It asks for a conversation, or takes part in the owner's with --wait. Give it the owner's lines on standard input; any other line there is
    /// a text to send. With --ensemble, one of the owner, it writes without waiting for anybody.
    #[command(after_help = "Example:\n    \
        client-demo forge impersonate --home bob --pose-as alice@example.org --profile @recording \\\n        \
        --ensemble @ensemble --text 'It is me, Alice.'")]
    Impersonate(ImpersonateArguments),
    /// Make a false prekey ensemble: real profiles, and a prekey of which its owner knows nothing
    #[command(after_help = "Example:\n    client-demo forge ensemble --of @ensemble")]
    Ensemble {
        /// A real ensemble of theirs, in base64 or as a prekey server gives it
        #[arg(long, value_name = "BASE64|@FILE|-")]
        of: Source,
        #[command(flatten)]
        when: When,
    },
    /// Forge a whole conversation between you and somebody who knows nothing of it
    ///
    /// The script has lines such as `alice: Where were you?` and `+20 bob: At home.`: the name, or what stands before the @ in it, and
    /// before it the seconds that pass. Or JSON: [{"by": "alice", "text": "Where were you?", "after": 20}]. With --json, the chain key of
    /// each message is said, too: who has it can read the message. Your side is set as the home folder says (`client-demo policy`), theirs
    /// as this client is by itself.
    #[command(after_help = "Examples:\n    \
        client-demo forge transcript --home alice --with bob@example.org --profile @recording @script\n    \
        client-demo forge transcript --home alice --with bob@example.org --ensemble @ensemble \\\n        \
        --offline --end them @script --json")]
    Transcript(TranscriptArguments),
}

#[derive(Args)]
pub(super) struct When {
    /// When: seconds since 1970, or such as 2026-11-28T10:00:00Z; now, if not given
    #[arg(long, value_name = "TIME", value_parser = time, allow_negative_numbers = true)]
    at: Option<Timestamp>,
}

impl When {
    pub(super) fn or_now(&self) -> Timestamp {
        self.at.unwrap_or_else(system::now)
    }
}

#[derive(Args)]
pub(super) struct TranscriptArguments {
    #[command(flatten)]
    pub(super) pair: PairArguments,
    /// Who begins
    #[arg(long, value_enum, default_value_t = Side::Me)]
    pub(super) begins: Side,
    /// Whoever does not begin is away at first, until they say something
    #[arg(long)]
    pub(super) offline: bool,
    /// Who ends it, after the last text; without, the recording stops there
    #[arg(long, value_enum)]
    pub(super) end: Option<Side>,
    /// What was said
    #[arg(value_name = "SCRIPT|@FILE|-")]
    pub(super) script: Source,
}

#[derive(Args)]
pub(super) struct ModifyArguments {
    /// The MAC key of the message
    #[arg(
        long,
        value_name = "HEX|@FILE|-",
        required_unless_present = "recording",
        conflicts_with = "recording"
    )]
    pub(super) mac_key: Option<Source>,
    /// Try every MAC key that is revealed in this recording
    #[arg(long, value_name = "RECORDING|@FILE|-")]
    pub(super) recording: Option<Source>,
    /// The text that you guess
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) old: String,
    /// The text to put there: as many bytes
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) new: String,
    /// How many bytes of the message's text come before it
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(super) offset: usize,
    /// The message
    #[arg(value_name = "LINE|@FILE|-")]
    pub(super) line: Source,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct MacKeyArguments {
    /// A message key of version 4
    #[arg(long, value_name = "HEX|@FILE|-")]
    pub(super) message_key: Option<Source>,
    /// A chain key of version 4
    #[arg(long, value_name = "HEX|@FILE|-")]
    pub(super) chain_key: Option<Source>,
    /// An AES key of version 3
    #[arg(long, value_name = "HEX|@FILE|-")]
    pub(super) aes_key: Option<Source>,
}

#[derive(Args)]
pub(super) struct AssembleArguments {
    /// Instance tag of the sender
    #[arg(long, value_name = "TAG", value_parser = client_tag)]
    pub(super) sender: InstanceTag,
    /// Instance tag of the receiver
    #[arg(long, value_name = "TAG", value_parser = client_tag)]
    pub(super) receiver: InstanceTag,
    /// 1 if the receiver is not to complain when it cannot read the message
    #[arg(long, default_value_t = 0)]
    pub(super) flags: u8,
    /// Number of the sender's key
    #[arg(long, value_name = "N")]
    pub(super) sender_keyid: u32,
    /// Number of the receiver's key
    #[arg(long, value_name = "N")]
    pub(super) recipient_keyid: u32,
    /// The sender's next public key
    #[arg(long, value_name = "HEX|@FILE|-")]
    pub(super) next_dh: Source,
    /// Top half of the counter
    #[arg(long, value_name = "N")]
    pub(super) counter: u64,
    /// What is encrypted already
    #[arg(long, value_name = "HEX|@FILE|-")]
    pub(super) ciphertext: Source,
    /// A MAC key to reveal; may be given several times
    #[arg(long, value_name = "HEX|@FILE|-")]
    pub(super) revealed: Vec<Source>,
    /// The MAC key of the message
    #[arg(long, value_name = "HEX|@FILE|-")]
    pub(super) mac_key: Source,
}

/// You, somebody else, and when.
#[derive(Args)]
pub(super) struct PairArguments {
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    /// Which key of yours forges
    #[arg(long, value_enum, default_value_t = Which::LongTerm)]
    pub(super) key: Which,
    /// The account name of the other one
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) with: String,
    /// Their Client Profile: a recording in which they begin or answer, or base64
    #[arg(long, value_name = "RECORDING|@FILE|-", required_unless_present = "ensemble")]
    pub(super) profile: Option<Source>,
    /// A prekey ensemble of whoever receives, as a prekey server gave it out; if that is you, one is made up without
    #[arg(long, value_name = "BASE64|@FILE|-")]
    pub(super) ensemble: Option<Source>,
    /// Make up a prekey in the place of the one in the ensemble: either key of yours can forge with that
    #[arg(long, requires = "ensemble")]
    pub(super) false_prekey: bool,
    #[command(flatten)]
    pub(super) when: When,
}

#[derive(Args)]
pub(super) struct DakeArguments {
    #[command(flatten)]
    pub(super) pair: PairArguments,
    /// Who begins
    #[arg(long, value_enum, default_value_t = Side::Me)]
    pub(super) begins: Side,
    /// Whoever does not begin is away: a key exchange with prekeys
    #[arg(long)]
    pub(super) offline: bool,
}

#[derive(Args)]
pub(super) struct CheckArguments {
    /// The messages
    #[arg(value_name = "RECORDING|@FILE|-")]
    pub(super) recording: Source,
    /// The account name of one of the two
    #[arg(value_name = "NAME")]
    pub(super) one: String,
    /// The account name of the other one
    #[arg(value_name = "NAME")]
    pub(super) other: String,
    /// The prekey ensemble that the first message used, if the other one was away
    #[arg(long, value_name = "BASE64|@FILE|-")]
    pub(super) ensemble: Option<Source>,
    #[command(flatten)]
    pub(super) when: When,
}

#[derive(Args)]
pub(super) struct ImpersonateArguments {
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    /// The account name to pose as
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) pose_as: String,
    /// Their Client Profile: a recording in which they begin or answer, or base64
    #[arg(long, value_name = "RECORDING|@FILE|-")]
    pub(super) profile: Source,
    /// A prekey ensemble of the owner of the home folder
    #[arg(long, value_name = "BASE64|@FILE|-", requires = "text")]
    pub(super) ensemble: Option<Source>,
    /// Send nothing until the owner begins
    #[arg(long, conflicts_with = "ensemble")]
    pub(super) wait: bool,
    /// What to say as soon as it is encrypted
    #[arg(long, allow_hyphen_values = true)]
    pub(super) text: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Which {
    /// The one that signs for you
    LongTerm,
    /// The one that signs for the other side, if its secret was kept
    Forging,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Side {
    /// You, the owner of the home folder
    Me,
    /// The other one
    Them,
}

impl From<Side> for Who {
    fn from(side: Side) -> Self {
        match side {
            Side::Me => Self::Participant,
            Side::Them => Self::Other,
        }
    }
}
