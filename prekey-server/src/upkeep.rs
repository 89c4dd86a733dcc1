//! What a running server does by itself: it deletes what nobody can use any more, in small steps between the requests, and
//! finds out for the metrics why queries came back empty.

use crate::service::Service;
use crate::store::{Store, StoreError, StoredName};
use crate::system;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// Days for which a device is kept after its client profile has expired.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct RetentionDays(pub u16);

/// As a number: `check-config` shows it like this.
impl fmt::Debug for RetentionDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Default for RetentionDays {
    /// Whoever was away for a month is still found, and renews the profile.
    fn default() -> Self {
        Self(30)
    }
}

impl RetentionDays {
    fn seconds(self) -> i64 {
        i64::from(self.0) * 86_400
    }
}

/// Identities and exchanges in one step.
const STEP: u32 = 64;

/// Between two identities, so that requests come in between.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two rounds.
const INTERVAL: Duration = Duration::from_secs(60);

/// Works for ever.
pub(crate) async fn run<S: Store>(service: &Service<S>) {
    tokio::join!(sweep(service), explain(service));
}

async fn sweep<S: Store>(service: &Service<S>) {
    // Behind which name the next step looks for expired devices.
    let mut after = None;
    loop {
        match step(service, &mut after).await {
            Ok(true) => tokio::time::sleep(PAUSE).await,
            Ok(false) => tokio::time::sleep(INTERVAL).await,
            Err(error) => {
                tracing::warn!(%error, "sweeping");
                tokio::time::sleep(INTERVAL).await;
            }
        }
    }
}

/// One step; true if there may be more to do.
async fn step<S: Store>(service: &Service<S>, after: &mut Option<StoredName>) -> Result<bool, StoreError> {
    let (store, metrics, now) = (service.store(), service.metrics(), system::now());
    let exchanges = metrics.database("sweep", store.sweep_pending(now, STEP)).await?;
    metrics.swept("exchanges", exchanges);

    let answers = metrics.database("sweep", store.sweep_answers(now, STEP)).await?;
    metrics.swept("answers", answers);

    let ended = now.plus(-service.settings().retention_days.seconds());
    let expired = metrics.database("sweep", store.expired(ended, after.as_ref(), STEP)).await?;
    let is_whole = expired.len() >= STEP as usize;
    *after = expired.last().filter(|_| is_whole).cloned();
    let (mut devices, mut prekeys) = (0, 0);
    for name in &expired {
        match metrics.database("sweep", store.forget_expired(name, ended)).await {
            Ok(forgotten) => {
                devices += forgotten.devices;
                prekeys += forgotten.prekeys;
            }
            // A broken row of one identity keeps nobody else's.
            Err(error) => tracing::warn!(%error, "sweeping"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    metrics.swept("devices", devices);
    metrics.swept("prekeys", prekeys);
    if devices > 0 {
        tracing::info!(devices, prekeys, "expired devices deleted");
    }
    Ok(is_whole || exchanges.max(answers) >= u64::from(STEP))
}

async fn explain<S: Store>(service: &Service<S>) {
    loop {
        let name = service.names().of(&service.metrics().next_empty().await);
        service.metrics().empty(service.store().why_empty(&name, system::now()).await);
    }
}
