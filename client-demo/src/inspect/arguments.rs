//! The command line of `inspect`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(crate) struct InspectArguments {
    /// A file with lines as they were on the wire; `-` for stdin; or a folder that stands in for the messenger
    ///
    /// One line of the file is one line of the messenger: as it was, or `<alice> LINE`, or with a time before it,
    /// `2027-01-15T08:00:00Z <alice> LINE`; or an object of JSON, {"sender": "alice", "at": 1800000000, "line": "…"}.
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) source: PathBuf,
    /// Print it as JSON, with every byte
    #[arg(long, conflicts_with = "html")]
    pub(crate) json: bool,
    /// Write it as one page for a browser, which needs nothing else; `-` for stdout
    #[arg(long, value_name = "PAGE")]
    pub(crate) html: Option<PathBuf>,
}
