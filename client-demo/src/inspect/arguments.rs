//! The command line of `inspect`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArguments {
    /// A file with lines as they were on the wire; `-` for stdin; or a folder that stands in for the messenger
    ///
    /// Messages of versions 4, 3 and 2 and of the prekey server are taken apart. One line of the file is one line of the messenger: as it
    /// was, or `<alice> LINE`, or with a time before it, `2027-01-15T08:00:00Z <alice> LINE`; or an object of JSON, {"sender": "alice",
    /// "at": 1800000000, "line": "…"}, or one list of those. What is encrypted is found in any line of a log.
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) source: PathBuf,
    /// Print it as JSON, with every byte
    #[arg(long, conflicts_with = "html")]
    pub(crate) json: bool,
    /// Write it as one page for a browser, which needs nothing else; `-` for stdout. A file that exists is left alone
    #[arg(long, value_name = "PAGE")]
    pub(crate) html: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
    client-demo inspect talk.jsonl
    client-demo inspect talk.jsonl --html talk.html
    echo '?OTRv34?' | client-demo inspect --json";
