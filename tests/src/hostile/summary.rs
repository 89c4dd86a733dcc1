//! What happened in a run, in numbers. Used by [`super::run`] and shown by the program.

use std::collections::BTreeMap;
use std::fmt;

use super::action::Deed;

/// The sum over schedules.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Actions by kind.
    pub actions: BTreeMap<Deed, u64>,
    /// Schedules.
    pub schedules: u64,
    /// Messages and other lines that left a client.
    pub lines: u64,
    /// Texts that were encrypted, once for each client that they went to.
    pub texts_sent: u64,
    /// Those that were shown.
    pub texts_shown: u64,
    /// Of them those that the model had to see shown: what comes in a conversation that can be read must be.
    pub texts_owed: u64,
    /// Texts that left in clear, as they were allowed to.
    pub clear_texts: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// Lines that arrived as they were sent.
    pub delivered: u64,
    /// Lines that arrived damaged, made up or forged.
    pub false_lines: u64,
    /// Lines that were lost.
    pub lost: u64,
    /// Key exchanges that a side completed.
    pub handshakes: u64,
    /// Conversations that ended otherwise than by the clock.
    pub ends: u64,
    /// Conversations that expired.
    pub expiries: u64,
    /// Clients that were closed and opened.
    pub restarts: u64,
    /// Clients that died in the middle of something.
    pub crashes: u64,
    /// Runs of SMP that a side saw the result of.
    pub smp_runs: u64,
    /// Revealed MAC keys that were matched with their message.
    pub keys_revealed: u64,
    /// Pairs of clients that talked again when Mallory was gone.
    pub reunions: u64,
    /// What must not be.
    pub violations: u64,
}

impl Summary {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        other.actions.iter().for_each(|(deed, count)| *self.actions.entry(*deed).or_default() += count);
        for ((_, sum), (_, count)) in self.numbers().into_iter().zip(other.clone().numbers()) {
            *sum += *count;
        }
    }

    /// How many actions there were.
    pub fn count(&self) -> u64 {
        self.actions.values().sum()
    }

    fn numbers(&mut self) -> [(&'static str, &mut u64); 18] {
        [
            ("schedules", &mut self.schedules),
            ("messages and lines sent", &mut self.lines),
            ("texts encrypted", &mut self.texts_sent),
            ("texts shown", &mut self.texts_shown),
            ("texts that had to be shown", &mut self.texts_owed),
            ("texts in clear, as allowed", &mut self.clear_texts),
            ("lines delivered as sent", &mut self.delivered),
            ("lines damaged, made up or forged", &mut self.false_lines),
            ("lines lost", &mut self.lost),
            ("lines refused", &mut self.refused),
            ("key exchanges completed, by side", &mut self.handshakes),
            ("conversations ended by users", &mut self.ends),
            ("conversations expired", &mut self.expiries),
            ("restarts", &mut self.restarts),
            ("crashes", &mut self.crashes),
            ("results of SMP", &mut self.smp_runs),
            ("revealed MAC keys matched", &mut self.keys_revealed),
            ("pairs that talked again at the end", &mut self.reunions),
        ]
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>10}  actions", self.count())?;
        for (deed, count) in &self.actions {
            writeln!(f, "{count:>10}    {deed:?}")?;
        }
        for (name, count) in self.clone().numbers() {
            writeln!(f, "{count:>10}  {name}")?;
        }
        writeln!(f, "{:>10}  VIOLATIONS", self.violations)
    }
}
