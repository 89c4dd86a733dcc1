//! The server without a network: accounts, messages, the database. What carries requests to it (HTTP, XMPP) is outside.

use crate::account::{Identity, Token};
use crate::caller::{Caller, Source};
use crate::engine::{self, Engine, Query, Refused, Step};
use crate::limits::{Limit, Spent, Subjects};
use crate::metrics::{self, Metrics};
use crate::settings::{Registration, Settings};
use crate::store::{AnswerKey, Asked, Buckets, Names, Published, Registered, Store, StoreError};
use crate::system;
use crate::workers::{Failed, Workers};
use otrv4::prekey_server::{ServerIdentity, decode_text, encode_text};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use zeroize::Zeroizing;

#[derive(Debug)]
pub(crate) struct Service<S> {
    store: S,
    /// As which the store takes identities.
    names: Names,
    engine: Arc<Engine>,
    workers: Workers,
    settings: RwLock<Arc<Settings>>,
    subjects: Subjects,
    /// Who has sent how many requests to this process.
    requests: Buckets,
    metrics: Metrics,
    stopping: AtomicBool,
}

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The message is not one we answer.
    #[error("message refused")]
    Refused,
    /// No token, or not that of an account.
    #[error("not authenticated")]
    Unauthenticated,
    /// No trusted proxy says who it is.
    #[error("nobody vouches for the sender")]
    NotVouched,
    /// Accounts are not made over the network.
    #[error("registration is closed")]
    Closed,
    /// Accounts make themselves when a trusted proxy says whose they are.
    #[error("registration is not needed")]
    Needless,
    /// The requester, or all who ask for the same, will be served again after this time.
    #[error("past a limit")]
    Limited(Duration),
    /// The identity has an account already.
    #[error("identity taken")]
    Taken,
    /// More work than we can do.
    #[error("busy")]
    Busy,
    /// Our fault.
    #[error("internal error")]
    Internal,
}

impl<S: Store> Service<S> {
    pub(crate) fn new(store: S, names: Names, identity: ServerIdentity, settings: Settings) -> Self {
        Self {
            store,
            names,
            subjects: Subjects::of(&identity),
            requests: Buckets::default(),
            engine: Arc::new(Engine::new(identity)),
            workers: Workers::new(),
            settings: RwLock::new(Arc::new(settings)),
            metrics: Metrics::new(),
            stopping: AtomicBool::new(false),
        }
    }

    pub(crate) fn reload(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    pub(crate) const fn store(&self) -> &S {
        &self.store
    }

    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// All metrics as they are now, as text.
    pub(crate) fn metrics_text(&self) -> Result<String, std::fmt::Error> {
        self.metrics.text(self.workers.load())
    }

    /// No more requests are welcome; those that come are served.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn identity(&self) -> &ServerIdentity {
        self.engine.identity()
    }

    /// Counts a request, before anything is read of it or asked of the database.
    pub(crate) fn admit(&self, source: &Source) -> Result<(), Error> {
        let limit = match source {
            Source::Oblivious => Limit::ObliviousQueries,
            Source::Address(_) | Source::Member(_) | Source::Domain(_) => Limit::Requests,
        };
        let Some(bucket) = self.settings().limits.bucket(limit) else { return Ok(()) };
        let subject = self.subjects.subject(limit, &[&source.to_bytes()]);
        within(limit, self.requests.spend(subject, bucket, system::now_ms()))
    }

    /// Creates an account. The token is shown here and never again.
    pub(crate) async fn register(
        &self,
        caller: &Caller,
        identity: &Identity,
    ) -> Result<Zeroizing<String>, Error> {
        match self.settings().registration {
            Registration::Open => {}
            Registration::Closed => return Err(Error::Closed),
            Registration::Header => return Err(Error::Needless),
        }
        self.spend(Limit::Registrations, &[&caller.source.to_bytes()]).await?;
        let token = Token::generate(identity.clone(), &mut system::rng());
        let hash = token.hash();
        let name = self.names.of(identity);
        let registered = self.store.register(&name, Some(&hash), system::now());
        match self.metrics.database("register", registered).await? {
            Registered::Created => Ok(token.to_text()),
            Registered::Taken => Err(Error::Taken),
        }
    }

    /// Answers one message in its text form. `token` is what the sender showed, if anything; `key` names the answer to a
    /// query, should it have to be repeated.
    pub(crate) async fn answer(
        &self,
        caller: &Caller,
        token: Option<&str>,
        key: Option<&str>,
        text: &str,
    ) -> Result<String, Error> {
        let message = decode_text(text).map_err(|reason| refused(&Refused::Rejected(reason.into())));
        let kind = metrics::kind(message.as_deref().ok());
        let reply = match message {
            Ok(message) => self.reply(caller, token, key, message).await,
            Err(refused) => Err(refused),
        };
        self.metrics.message(kind, &reply);
        Ok(encode_text(&reply?))
    }

    async fn reply(
        &self,
        caller: &Caller,
        token: Option<&str>,
        key: Option<&str>,
        message: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        if engine::is_query(&message) {
            let query = Query::read(&message).map_err(|reason| refused(&reason))?;
            let key = key.map(|key| AnswerKey::new(key, &message));
            return self.hand_out(caller, token, query, key).await;
        }
        let sender = self.authenticate(caller, token).await?;
        self.spend(Limit::Messages, &[sender.as_str().as_bytes()]).await?;
        self.exchange(caller, sender, message).await
    }

    /// Whether the database can be read and written.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        Ok(self.store.ping().await?)
    }

    /// Finishes what runs.
    pub(crate) async fn close(&self) {
        self.store.close().await;
    }

    /// Takes one out of a bucket. The database knows no more than a keyed hash of the parts.
    async fn spend(&self, limit: Limit, parts: &[&[u8]]) -> Result<(), Error> {
        let Some(bucket) = self.settings().limits.bucket(limit) else { return Ok(()) };
        let subject = self.subjects.subject(limit, parts);
        within(
            limit,
            self.metrics.database("limit", self.store.spend(subject, bucket, system::now_ms())).await?,
        )
    }

    async fn give_back(&self, limit: Limit, parts: &[&[u8]]) -> Result<(), Error> {
        let Some(bucket) = self.settings().limits.bucket(limit) else { return Ok(()) };
        let subject = self.subjects.subject(limit, parts);
        Ok(self.metrics.database("limit", self.store.give_back(subject, bucket)).await?)
    }

    async fn authenticate(&self, caller: &Caller, token: Option<&str>) -> Result<Identity, Error> {
        let registration = self.settings().registration;
        if let Some(identity) = &caller.vouched {
            return match caller.source {
                // Their accounts are made by whoever wants one, as those over HTTP.
                Source::Domain(_) if registration != Registration::Open => Err(Error::Closed),
                _ => Ok(identity.clone()),
            };
        }
        if registration == Registration::Header {
            return Err(Error::NotVouched);
        }
        let token = token.and_then(Token::read).ok_or(Error::Unauthenticated)?;
        let (identity, shown) = (token.claimed_identity(), token.hash());
        let known = self.metrics.database("tokens", self.store.tokens(&self.names.of(identity))).await?;
        known.iter().any(|hash| hash.matches(&shown)).then(|| identity.clone()).ok_or(Error::Unauthenticated)
    }

    /// Nobody else has the name of somebody who is vouched for: the account is made when the first exchange begins.
    async fn exchange(&self, caller: &Caller, sender: Identity, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        // First of all: whoever is told to come back later must find his exchange then.
        let place = self.workers.admit()?;
        let name = self.names.of(&sender);
        // Whatever comes of the DAKE-3, its exchange has ended: nobody tries twice.
        let pending = match engine::dake3_sender(&message) {
            Some(tag) => {
                let taken = self.store.take_pending(&name, tag, system::now());
                self.metrics.database("take_pending", taken).await?
            }
            None => None,
        };
        let work = {
            let (engine, sender) = (Arc::clone(&self.engine), sender.clone());
            move || engine.exchange(&sender, &message, pending, system::now(), &mut system::rng())
        };
        match self.metrics.arithmetic(place.run(work)).await?.map_err(|reason| refused(&reason))? {
            Step::Reply(reply) => Ok(reply),
            Step::Begin { tag, exchange, dake2 } => {
                if caller.vouched.is_some() {
                    self.make_account(caller, &sender).await?;
                }
                let kept = self.store.keep_pending(&name, tag, exchange, system::now());
                self.metrics.database("keep_pending", kept).await?;
                Ok(dake2)
            }
            Step::Publish(deposit, reply) => {
                let prekeys = deposit.prekeys.len();
                // An error is no `failure`: that says nothing was stored, and nobody knows.
                let published = self.store.publish(&name, &deposit, system::now());
                let published = self.metrics.database("publish", published).await?;
                self.metrics.publication(published, prekeys);
                match published {
                    Published::Stored => {
                        tracing::info!(prekeys, "publication stored");
                        Ok(reply.success())
                    }
                    Published::Refused => {
                        tracing::info!(prekeys, "publication past a limit or with a used id");
                        Ok(reply.failure())
                    }
                }
            }
            Step::Count(device, reply) => {
                let count = self.metrics.database("count", self.store.count(&name, &device)).await?;
                Ok(reply.status(count))
            }
        }
    }

    async fn make_account(&self, caller: &Caller, identity: &Identity) -> Result<(), Error> {
        let name = self.names.of(identity);
        if let Source::Domain(_) = caller.source
            && !self.store.is_account(&name).await?
        {
            self.spend(Limit::Registrations, &[&caller.source.to_bytes()]).await?;
        }
        self.metrics.database("register", self.store.register(&name, None, system::now())).await?;
        Ok(())
    }

    /// What is refused here says nothing of the target: limits count names, whether they have an account or not
    /// (spec-notes/SN-045).
    async fn hand_out(
        &self,
        caller: &Caller,
        token: Option<&str>,
        query: Query,
        key: Option<AnswerKey>,
    ) -> Result<Vec<u8>, Error> {
        let target = query.target();
        if let (Some(target), Some(key)) = (&target, key)
            && let Some(ensembles) = self
                .metrics
                .database("answered", self.store.answered(&self.names.of(target), key, system::now()))
                .await?
        {
            tracing::info!(ensembles = ensembles.len(), "query answered again");
            return Ok(query.answer(ensembles));
        }
        let requester = self.requester(caller, token).await;
        // Who asks obliviously was counted by `admit`, with all others who do, and has no bucket for the pair: it would tell
        // them, and the relay, for whom the others asked.
        let is_known = caller.source != Source::Oblivious;
        if is_known {
            self.spend(Limit::Queries, &[&requester]).await?;
        }
        let Some(target) = target else {
            self.metrics.query(None, 0);
            return Ok(query.answer(Vec::new()));
        };
        // The target's own bucket comes last: a requester who asks too often for somebody takes nothing out of it, and
        // leaves it to others.
        let name = target.as_str().as_bytes();
        if is_known {
            self.spend(Limit::Pair, &[&requester, name]).await?;
        }
        let refused = self.spend(Limit::Target, &[name]).await;
        if is_known && let Err(Error::Limited(_)) = refused {
            // Others have emptied it: whoever waits for it and comes back has not had anything yet.
            self.give_back(Limit::Pair, &[&requester, name]).await?;
        }
        refused?;
        let asked = Asked { now: system::now(), reserve: self.settings().limits.reserve(), key };
        let ensembles =
            self.metrics.database("take", self.store.take(&self.names.of(&target), asked)).await?;
        self.metrics.query(Some(target), ensembles.len());
        tracing::info!(ensembles = ensembles.len(), "query answered");
        Ok(query.answer(ensembles))
    }

    /// Who asks, as the limits see it: an identity that somebody stands behind, or else a source. An account that whoever
    /// wants it has made says nothing; its owner may have many.
    async fn requester(&self, caller: &Caller, token: Option<&str>) -> Vec<u8> {
        let identity = match self.settings().registration {
            _ if matches!(caller.source, Source::Domain(_)) => None,
            _ if caller.vouched.is_some() => caller.vouched.clone(),
            Registration::Closed if token.is_some() => self.authenticate(caller, token).await.ok(),
            Registration::Open | Registration::Closed | Registration::Header => None,
        };
        match identity {
            Some(identity) => [&b"identity "[..], identity.as_str().as_bytes()].concat(),
            None => [&b"source "[..], &caller.source.to_bytes()].concat(),
        }
    }
}

fn within(limit: Limit, spent: Spent) -> Result<(), Error> {
    match spent {
        Spent::One => Ok(()),
        Spent::Wait(wait) => {
            tracing::info!(?limit, "past a limit");
            Err(Error::Limited(wait))
        }
    }
}

fn refused(reason: &Refused) -> Error {
    tracing::debug!(%reason, "message refused");
    Error::Refused
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::NoAccount) {
            return Self::Unauthenticated;
        }
        if error.is_busy() {
            tracing::warn!(%error, "busy");
            return Self::Busy;
        }
        tracing::error!(%error, "database");
        Self::Internal
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Busy => {
                tracing::warn!(%failed, "busy");
                Self::Busy
            }
            Failed::Panicked => {
                tracing::error!(%failed, "workers");
                Self::Internal
            }
        }
    }
}

#[cfg(test)]
mod tests;
