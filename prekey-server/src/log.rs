//! The log on standard error: as text or as JSON, by a filter that can change while the server runs.

use crate::Done;
use crate::arguments::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// The running log.
#[derive(Debug)]
pub(crate) struct Log(reload::Handle<EnvFilter, Registry>);

/// Begins to log.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<Log, Box<dyn std::error::Error>> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(Log(handle))
}

impl Log {
    pub(crate) fn filter_by(&self, filter: &str) -> Done {
        Ok(self.0.reload(parse(filter)?)?)
    }
}

pub(crate) fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| {
        format!("log {filter:?}: {error}; it is error, warn, info, debug or trace, or filters such as \"info,sqlx=warn\"")
    })
}
