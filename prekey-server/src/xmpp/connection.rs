//! One stream to the XMPP server: the handshake of XEP-0114, stanzas in and out, and its end.

use super::XmppServer;
use super::component::{Ask, Component, Reaction};
use super::stanzas::{self, Condition};
use super::stream::{Incoming, Item, STREAMS, Stanza, Unreadable};
use crate::account::Identity;
use crate::caller::Caller;
use crate::service::{Error, Service};
use crate::store::Store;
use crate::system;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// Messages that are being answered; whoever comes then is told to come back. So is whoever comes from a domain that has as many
/// of them as are free: one domain has half of them at most, and several have less each.
const MAX_RUNNING: usize = 128;

/// Those of them that other domains than our own have together: whoever runs one has as many as he likes.
const MAX_OF_OTHERS: usize = MAX_RUNNING / 2;

/// How long the XMPP server may take to accept us.
const OPENING: Duration = Duration::from_secs(15);

/// How long it may take to take what we write.
const WRITING: Duration = Duration::from_secs(30);

/// After this silence we ask for a sign of life; after three times this one has gone.
const SILENCE: Duration = Duration::from_secs(30);

/// How long what runs may take to finish once we are told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A stream on which stanzas can flow.
pub(super) struct Stream<T> {
    io: T,
    incoming: Incoming,
    buffer: Box<[u8]>,
    /// What of the buffer has been read, and not yet looked at.
    unread: std::ops::Range<usize>,
}

/// Why there is no stream, or none any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The server's word for it (RFC 6120 "Defined Conditions"): "not-authorized" is a wrong secret.
    #[error("the server says {0:?}")]
    Condition(String),
    #[error("no handshake")]
    NoHandshake,
    #[error("the server closed the stream")]
    Closed,
    #[error("no sign of life")]
    Silent,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// We were told to stop.
    Told,
    Lost(Lost),
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// Connects and shows the secret.
pub(super) async fn open(xmpp: &XmppServer, domain: &str) -> Result<Stream<TcpStream>, Lost> {
    let opening = async {
        let io = TcpStream::connect(&xmpp.address).await?;
        io.set_nodelay(true)?;
        Stream::open(io, domain, &xmpp.secret).await
    };
    timeout(OPENING, opening).await.unwrap_or(Err(Lost::Silent))
}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream<T> {
    async fn open(io: T, domain: &str, secret: &str) -> Result<Self, Lost> {
        let buffer = vec![0; 16 << 10].into_boxed_slice();
        let mut stream = Self { io, incoming: Incoming::new(), buffer, unread: 0..0 };
        stream.write(&stanzas::open(domain)).await?;
        let Item::Opened(Some(id)) = stream.next().await? else { return Err(Lost::NoHandshake) };
        stream.write(&stanzas::handshake(&id, secret)).await?;
        match stream.next().await? {
            Item::Stanza(stanza) if stanza.name == "handshake" => Ok(stream),
            Item::Stanza(stanza) => Err(condition(&stanza).unwrap_or(Lost::NoHandshake)),
            Item::Closed => Err(Lost::Closed),
            Item::Opened(_) => Err(Lost::NoHandshake),
        }
    }

    /// The next item. Nothing is lost if this is dropped before it is ready.
    async fn next(&mut self) -> Result<Item, Lost> {
        loop {
            let mut unread = self.buffer.get(self.unread.clone()).unwrap_or_default();
            let item = self.incoming.next(&mut unread);
            self.unread.start = self.unread.end - unread.len();
            if let Some(item) = item? {
                return Ok(item);
            }
            let read = self.io.read(&mut self.buffer).await?;
            if read == 0 {
                return Err(Lost::Closed);
            }
            self.unread = 0..read;
        }
    }

    async fn write(&mut self, text: &str) -> Result<(), Lost> {
        let writing = async {
            self.io.write_all(text.as_bytes()).await?;
            self.io.flush().await
        };
        Ok(timeout(WRITING, writing).await.map_err(|_| Lost::Silent)??)
    }
}

/// What a stream error says; `None` for other stanzas.
fn condition(stanza: &Stanza) -> Option<Lost> {
    let is_error = stanza.name == "error" && stanza.namespace == STREAMS;
    let condition = stanza.children.first().map_or("nothing", |child| &child.name);
    is_error.then(|| Lost::Condition(condition.to_owned()))
}

/// A stream and the answers that are to leave on it.
pub(super) struct Connection<T, S> {
    stream: Stream<T>,
    service: Arc<Service<S>>,
    running: JoinSet<Vec<String>>,
    /// For whom each of them is: the sender's domain.
    domains: HashMap<task::Id, String>,
    clock: Interval,
    /// How often the clock has ticked since something came.
    silent: u32,
}

impl<T: AsyncRead + AsyncWrite + Unpin, S: Store> Connection<T, S> {
    pub(super) fn new(stream: Stream<T>, service: &Arc<Service<S>>) -> Self {
        let mut clock = interval(SILENCE);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (running, domains) = (JoinSet::new(), HashMap::new());
        Self { stream, service: Arc::clone(service), running, domains, clock, silent: 0 }
    }

    /// Answers until the stream is lost or `shutdown` is done.
    pub(super) async fn run(
        mut self,
        component: &mut Component,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> End {
        let end = loop {
            if let Err(end) = self.step(component, shutdown.as_mut()).await {
                break end;
            }
        };
        if let End::Told = end {
            // Whoever is still there gets the answers; an error means that nobody is.
            let _ = timeout(GRACE, self.finish()).await;
        }
        end
    }

    /// Waits for one thing to happen, then does what follows from it to the end: half a stanza must not leave.
    async fn step(
        &mut self,
        component: &mut Component,
        shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<(), End> {
        tokio::select! {
            () = shutdown => return Err(End::Told),
            item = self.stream.next() => {
                self.silent = 0;
                self.take(item?, component).await?;
            }
            Some(done) = self.running.join_next_with_id() => self.send_done(done).await?,
            _ = self.clock.tick() => self.listen(component.domain()).await?,
        }
        Ok(())
    }

    async fn take(&mut self, item: Item, component: &mut Component) -> Result<(), Lost> {
        match item {
            Item::Stanza(stanza) => match condition(&stanza) {
                Some(error) => Err(error),
                None => self.react(component.receive(stanza, system::now())).await,
            },
            Item::Closed => {
                self.stream.write(stanzas::CLOSE).await?;
                Err(Lost::Closed)
            }
            Item::Opened(_) => Ok(()),
        }
    }

    /// Once every [`SILENCE`].
    async fn listen(&mut self, domain: &str) -> Result<(), Lost> {
        self.silent += 1;
        match self.silent {
            1 => Ok(()),
            2 | 3 => self.stream.write(&stanzas::ping(domain)).await,
            _ => Err(Lost::Silent),
        }
    }

    async fn react(&mut self, reaction: Reaction) -> Result<(), Lost> {
        match reaction {
            Reaction::Nothing => Ok(()),
            Reaction::Send(stanza) => self.stream.write(&stanza).await,
            Reaction::Ask(ask) => {
                let domain = domain(&ask.sender);
                if !self.has_room(domain) {
                    let error = stanzas::error(&ask.request, Condition::ResourceConstraint);
                    return self.stream.write(&error).await;
                }
                let domain = domain.to_owned();
                self.start(domain, answer(Arc::clone(&self.service), *ask));
                Ok(())
            }
        }
    }

    fn has_room(&self, domain: &str) -> bool {
        let settings = self.service.settings();
        let is_own = |domain: &str| settings.is_own_domain(domain, self.service.identity().name());
        let of_this = self.domains.values().filter(|other| *other == domain).count();
        let of_others = self.domains.values().filter(|other| !is_own(other)).count();
        of_this < MAX_RUNNING.saturating_sub(self.running.len())
            && (is_own(domain) || of_others < MAX_OF_OTHERS)
    }

    fn start(&mut self, domain: String, answer: impl Future<Output = Vec<String>> + Send + 'static) {
        let id = self.running.spawn(answer).id();
        self.domains.insert(id, domain);
    }

    async fn send_done(&mut self, done: Result<(task::Id, Vec<String>), JoinError>) -> Result<(), Lost> {
        let (id, stanzas) = done.unwrap_or_else(|error| {
            tracing::error!("an answer over XMPP panicked");
            (error.id(), Vec::new())
        });
        self.domains.remove(&id);
        for stanza in stanzas {
            self.stream.write(&stanza).await?;
        }
        Ok(())
    }

    /// Sends the answers that are being made, and closes the stream.
    async fn finish(&mut self) -> Result<(), Lost> {
        while let Some(done) = self.running.join_next_with_id().await {
            self.send_done(done).await?;
        }
        self.stream.write(stanzas::CLOSE).await?;
        self.stream.io.shutdown().await?;
        // To let go with something unread may undo what was sent.
        while self.stream.io.read(&mut self.stream.buffer).await? > 0 {}
        Ok(())
    }
}

/// A sender who has gone, or a panic of ours, does not stop what runs between a commit and its consequences.
impl<T, S> Drop for Connection<T, S> {
    fn drop(&mut self) {
        self.running.detach_all();
    }
}

fn domain(sender: &Identity) -> &str {
    sender.as_str().rsplit_once('@').map_or(sender.as_str(), |(_, domain)| domain)
}

/// The stanzas that answer a message.
async fn answer<S: Store>(service: Arc<Service<S>>, ask: Ask) -> Vec<String> {
    let Ask { sender, text, request } = ask;
    let caller = Caller::over_xmpp(sender, service.identity().name(), &service.settings());
    let answered = match service.admit(&caller.source) {
        Ok(()) => service.answer(&caller, None, None, &text).await,
        Err(limited) => Err(limited),
    };
    let condition = match answered {
        Ok(answer) => {
            let (domain, to) = (service.identity().name(), request.from.as_deref().unwrap_or_default());
            match stanzas::messages(domain, to, &answer, &mut system::rng()) {
                Ok(messages) => return messages,
                Err(error) => {
                    tracing::error!(%error, "an answer that cannot be sent");
                    Condition::InternalServerError
                }
            }
        }
        Err(Error::Refused) => Condition::BadRequest,
        Err(Error::Busy | Error::Limited(_)) => Condition::ResourceConstraint,
        Err(Error::Unauthenticated | Error::NotVouched | Error::Closed | Error::Needless | Error::Taken) => {
            Condition::NotAllowed
        }
        Err(Error::Internal) => Condition::InternalServerError,
    };
    vec![stanzas::error(&request, condition)]
}

#[cfg(test)]
mod tests;
