//! How the story looks: headings, who did what, facts beside it. Colours and a spinner on a terminal only.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use console::style;
use indicatif::{ProgressBar, ProgressStyle};

use crate::screen::say;
use crate::system::Stopwatch;

/// A chapter.
pub(crate) fn chapter(number: u32, title: &str) -> io::Result<()> {
    say("")?;
    say(style(format!("{number}. {title}")).bold())
}

/// Something that somebody did.
pub(crate) fn told(what: impl Display) -> io::Result<()> {
    say(format_args!("   {what}"))
}

/// A number or a name that goes with it.
pub(crate) fn fact(name: &str, value: impl Display) -> io::Result<()> {
    say(format_args!("     {} {}", style(format!("{name:<14}")).dim(), style(value).cyan()))
}

/// What somebody said.
pub(crate) fn quote(who: &str, text: &str) -> io::Result<()> {
    say(format_args!("     {} {}", style(format!("{who}:")).green(), text))
}

/// What somebody else has learned from it.
pub(crate) fn learned(who: &str, what: impl Display) -> io::Result<()> {
    say(format_args!("   {} {what}", style(format!("What {who} learned:")).yellow()))
}

/// A fingerprint: fourteen groups, in two lines.
pub(crate) fn fingerprint(name: &str, groups: &str) -> io::Result<()> {
    let middle = groups.char_indices().filter(|(_, c)| *c == ' ').nth(6).map_or(groups.len(), |(at, _)| at);
    let (first, second) = groups.split_at(middle);
    fact(name, first)?;
    fact("", second.trim_start())
}

/// Does something that takes a moment; how long it took.
pub(crate) fn timed<T>(what: &'static str, work: impl FnOnce() -> T) -> (T, Duration) {
    let spinner = ProgressBar::new_spinner().with_message(what);
    if let Ok(look) = ProgressStyle::with_template("   {spinner} {msg} …") {
        spinner.set_style(look);
    }
    spinner.enable_steady_tick(Duration::from_millis(80));
    let watch = Stopwatch::start();
    let done = work();
    let took = watch.read();
    spinner.finish_and_clear();
    (done, took)
}

/// Milliseconds, as a person reads them.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
