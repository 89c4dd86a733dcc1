//! The server without a network: accounts, messages, the database. What carries requests to it (HTTP, XMPP) is outside.

use crate::account::{Identity, Token};
use crate::engine::{self, Engine, Query, Refused, Step};
use crate::settings::{Registration, Settings};
use crate::store::{Published, Registered, Store, StoreError};
use crate::system;
use crate::workers::{Failed, Workers};
use otrv4::prekey_server::{ServerIdentity, decode_text, encode_text};
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

#[derive(Debug)]
pub(crate) struct Service<S> {
    store: S,
    engine: Arc<Engine>,
    workers: Workers,
    settings: RwLock<Arc<Settings>>,
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
    /// Accounts are not made over the network.
    #[error("registration is closed")]
    Closed,
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
    pub(crate) fn new(store: S, identity: ServerIdentity, settings: Settings) -> Self {
        Self {
            store,
            engine: Arc::new(Engine::new(identity)),
            workers: Workers::new(),
            settings: RwLock::new(Arc::new(settings)),
        }
    }

    pub(crate) fn reload(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn identity(&self) -> &ServerIdentity {
        self.engine.identity()
    }

    /// Creates an account. The token is shown here and never again.
    pub(crate) async fn register(&self, identity: &Identity) -> Result<Zeroizing<String>, Error> {
        if self.settings().registration == Registration::Closed {
            return Err(Error::Closed);
        }
        let token = Token::generate(identity.clone(), &mut system::rng());
        match self.store.register(identity, Some(&token.hash()), system::now()).await? {
            Registered::Created => Ok(token.to_text()),
            Registered::Taken => Err(Error::Taken),
        }
    }

    /// Answers one message in its text form. `token` is what the sender showed, if anything.
    pub(crate) async fn answer(&self, token: Option<&str>, text: &str) -> Result<String, Error> {
        let message = read(text)?;
        let reply = if engine::is_query(&message) {
            self.hand_out(&message).await?
        } else {
            let sender = self.authenticate(token).await?;
            self.exchange(sender, Account::Exists, message).await?
        };
        Ok(encode_text(&reply))
    }

    /// Answers one message of somebody for whom the network vouches. Nobody else can have that name there, so the account
    /// is made when the first exchange begins, whatever the rules are for those who come without a network.
    pub(crate) async fn answer_vouched(&self, sender: Identity, text: &str) -> Result<String, Error> {
        let message = read(text)?;
        let reply = if engine::is_query(&message) {
            self.hand_out(&message).await?
        } else {
            self.exchange(sender, Account::IsMade, message).await?
        };
        Ok(encode_text(&reply))
    }

    /// Whether the database can be read and written.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        Ok(self.store.ping().await?)
    }

    /// Finishes what runs.
    pub(crate) async fn close(&self) {
        self.store.close().await;
    }

    async fn authenticate(&self, token: Option<&str>) -> Result<Identity, Error> {
        let token = token.and_then(Token::read).ok_or(Error::Unauthenticated)?;
        let (identity, shown) = (token.claimed_identity(), token.hash());
        let known = self.store.tokens(identity).await?;
        known.iter().any(|hash| hash.matches(&shown)).then(|| identity.clone()).ok_or(Error::Unauthenticated)
    }

    async fn exchange(&self, sender: Identity, account: Account, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        // First of all: whoever is told to come back later must find his exchange then.
        let place = self.workers.admit()?;
        // Whatever comes of the DAKE-3, its exchange has ended: nobody tries twice.
        let pending = match engine::dake3_sender(&message) {
            Some(tag) => self.store.take_pending(&sender, tag, system::now()).await?,
            None => None,
        };
        let work = {
            let (engine, sender) = (Arc::clone(&self.engine), sender.clone());
            move || engine.exchange(&sender, &message, pending, system::now(), &mut system::rng())
        };
        match place.run(work).await?.map_err(|reason| refused(&reason))? {
            Step::Reply(reply) => Ok(reply),
            Step::Begin { tag, exchange, dake2 } => {
                if account == Account::IsMade {
                    self.store.register(&sender, None, system::now()).await?;
                }
                self.store.keep_pending(&sender, tag, exchange, system::now()).await?;
                Ok(dake2)
            }
            Step::Publish(deposit, reply) => {
                let prekeys = deposit.prekeys.len();
                // An error is no `failure`: that says nothing was stored, and nobody knows.
                match self.store.publish(&sender, &deposit, system::now()).await? {
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
            Step::Count(device, reply) => Ok(reply.status(self.store.count(&sender, &device).await?)),
        }
    }

    async fn hand_out(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let query = Query::read(message).map_err(|reason| refused(&reason))?;
        let ensembles = match query.target() {
            Some(identity) => self.store.take(&identity, system::now()).await?,
            None => Vec::new(),
        };
        tracing::info!(ensembles = ensembles.len(), "query answered");
        Ok(query.answer(ensembles))
    }
}

/// Where a publisher's account comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    /// He has shown its token.
    Exists,
    /// From us, without a token, when an exchange begins.
    IsMade,
}

fn read(text: &str) -> Result<Vec<u8>, Error> {
    decode_text(text).map_err(|reason| refused(&Refused::Rejected(reason.into())))
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
mod tests {
    use super::*;
    use crate::store::SqliteStore;
    use otrv4::client_profile::ClientProfile;
    use otrv4::keys::{ForgingKey, ForgingSecret, LongTermKey};
    use otrv4::prekey_server::{PublishRequest, Publisher, ServerKey, ServerReply};
    use otrv4::wire::InstanceTag;
    use system::rng;

    const BOB: &str = "bob@example.org";

    #[tokio::test]
    async fn an_exchange_is_still_there_for_whoever_was_told_to_come_back_later() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = SqliteStore::open(&folder.path().join("prekeys.sqlite")).await.expect("a new database");
        let service = Service::new(
            store,
            ServerIdentity::generate("prekey.example.org", &mut rng()),
            Settings::default(),
        );
        let token = service.register(&Identity::new(BOB).expect("legal")).await.expect("an account");
        let ask = async |message: &[u8]| {
            let answer = service.answer(Some(token.as_str()), &encode_text(message)).await?;
            Ok::<_, Error>(decode_text(&answer).expect("a message"))
        };

        let key = LongTermKey::generate(&mut rng());
        let forging = ForgingKey::generate(ForgingSecret::Destroy, &mut rng());
        let tag = InstanceTag::random(&mut rng());
        let profile = ClientProfile::sign(&key, forging.public(), tag, system::now().plus(1000), None);
        let (publisher, dake1) = Publisher::start(&profile, BOB, &mut rng());
        let dake2 = ask(&dake1).await.expect("DAKE-2");
        let server = ServerKey::new("prekey.example.org", service.identity().fingerprint());
        let request = PublishRequest::StorageInformation;
        let (awaits, dake3) =
            publisher.receive_dake2(&dake2, &server, &key, request, &mut rng()).expect("a valid DAKE-2");

        let places: Vec<_> = std::iter::from_fn(|| service.workers.admit().ok()).collect();
        assert!(matches!(ask(&dake3).await, Err(Error::Busy)));
        drop(places);
        let reply = ask(&dake3).await.expect("an answer");
        assert_eq!(awaits.receive(&reply), Ok(ServerReply::Status(0)));
        assert!(matches!(ask(&dake3).await, Err(Error::Refused)), "it serves once");
    }
}
