//! What happened in a run, in numbers. Used by [`super::run`] and shown by the program.

use std::collections::BTreeMap;
use std::fmt;

use super::action::Deed;

/// The sum over schedules.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Actions by kind.
    pub actions: BTreeMap<Deed, u64>,
    /// Of them those that came to something: who is not there cannot be written to, and what is not there cannot be lost.
    pub effective: BTreeMap<Deed, u64>,
    /// What else has kinds, such as settings and conversations: by the name of the group, and by kind.
    pub kinds: BTreeMap<(&'static str, String), u64>,
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
    /// Lines that arrived as they were sent.
    pub delivered: u64,
    /// Lines that arrived damaged, made up or forged.
    pub false_lines: u64,
    /// Lines that were lost.
    pub lost: u64,
    /// Key exchanges that a side completed.
    pub handshakes: u64,
    /// Of them those whose session id was compared with that of the other side.
    pub same_ssid: u64,
    /// Messages that had to bring a key exchange on.
    pub handshakes_due: u64,
    /// Lines that came to another client than they are for.
    pub for_others: u64,
    /// Conversations that expired.
    pub expiries: u64,
    /// Clients that were closed and opened.
    pub restarts: u64,
    /// Clients that died in the middle of something.
    pub crashes: u64,
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
        add_all(&mut self.actions, &other.actions);
        add_all(&mut self.effective, &other.effective);
        add_all(&mut self.kinds, &other.kinds);
        for ((_, sum), (_, count)) in self.numbers().into_iter().zip(other.clone().numbers()) {
            *sum += *count;
        }
    }

    /// How many actions there were.
    pub fn count(&self) -> u64 {
        self.actions.values().sum()
    }

    /// The least of it, while a run goes on.
    pub fn in_one_line(&self) -> String {
        let Self { schedules, lines, texts_shown, violations, .. } = self;
        let actions = self.count();
        format!(
            "{schedules} schedules, {actions} actions, {lines} lines, {texts_shown} texts shown, {violations} violations"
        )
    }

    /// One more of a kind.
    pub(crate) fn note(&mut self, group: &'static str, kind: impl Into<String>) {
        *self.kinds.entry((group, kind.into())).or_default() += 1;
    }

    fn numbers(&mut self) -> [(&'static str, &mut u64); 19] {
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
            ("key exchanges completed, by side", &mut self.handshakes),
            ("session ids that were compared", &mut self.same_ssid),
            ("messages that had to bring a key exchange on", &mut self.handshakes_due),
            ("lines for another client", &mut self.for_others),
            ("conversations expired", &mut self.expiries),
            ("restarts", &mut self.restarts),
            ("crashes", &mut self.crashes),
            ("revealed MAC keys matched", &mut self.keys_revealed),
            ("pairs that talked again at the end", &mut self.reunions),
            // Last, as the one to look at.
            ("VIOLATIONS", &mut self.violations),
        ]
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>10}  actions, and how many came to something", self.count())?;
        for (deed, count) in &self.actions {
            let effective = self.effective.get(deed).copied().unwrap_or(0);
            writeln!(f, "{count:>10}    {deed:?}: {effective}")?;
        }
        let mut before = "";
        for ((group, kind), count) in &self.kinds {
            if *group != before {
                writeln!(f, "{:>10}  {group}", "")?;
                before = group;
            }
            writeln!(f, "{count:>10}    {kind}")?;
        }
        for (name, count) in self.clone().numbers() {
            writeln!(f, "{count:>10}  {name}")?;
        }
        Ok(())
    }
}

fn add_all<K: Ord + Clone>(sum: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    other.iter().for_each(|(kind, count)| *sum.entry(kind.clone()).or_default() += count);
}
