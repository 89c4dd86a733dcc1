//! SIGHUP: the config file is read again while the server runs.

use crate::Done;
use crate::arguments::Serve;
use crate::config::{Chosen, Config};
use crate::log::{self, Log};
use prekey_server::Server;
use prekey_server::store::Store;
use std::path::PathBuf;
use tokio::signal::unix::Signal;

/// What a running server was started with.
pub(crate) struct Reload<S> {
    pub(crate) path: Option<PathBuf>,
    pub(crate) options: Serve,
    pub(crate) chosen: Chosen,
    pub(crate) log: Log,
    pub(crate) server: Server<S>,
}

impl<S: Store> Reload<S> {
    /// At each signal, for ever. What cannot be read leaves what was.
    pub(crate) async fn at(mut self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            if self.path.is_none() {
                tracing::warn!("SIGHUP, and no config file to read: start with --config FILE");
            } else if let Err(error) = self.again() {
                tracing::error!("config not reloaded, all stays as it was: {error}");
            }
        }
        // No more signals come: whoever waits for the server goes on waiting.
        std::future::pending().await
    }

    fn again(&mut self) -> Done {
        let new = Config::read(self.path.as_deref())?.serve(&self.options)?;
        // Both or neither.
        log::parse(&new.log)?;
        self.log.filter_by(&new.log)?;
        self.server.reload(new.rules.clone());
        for option in self.chosen.needs_restart(&new) {
            tracing::warn!("{option} has changed in the config file: that needs a restart");
        }
        crate::warn(&new);
        tracing::info!("config reloaded");
        Ok(())
    }
}
