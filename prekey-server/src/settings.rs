//! What an operator chooses, and can change while the server runs.

use crate::upkeep::RetentionDays;
use serde::Deserialize;

/// The rules by which requests are served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who may make an account over the network.
    pub registration: Registration,
    /// How long a device is kept after its client profile has expired.
    pub retention_days: RetentionDays,
}

/// Who may make an account over the network. In every case the operator can add accounts by command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Whoever asks: a name goes to the first who wants it.
    #[default]
    Open,
    /// Nobody.
    Closed,
}
