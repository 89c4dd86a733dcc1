//! The service over XMPP: a component (XEP-0114) of somebody's XMPP server, which vouches for the senders of messages.
//! Spec: otrv4-prekey-server.md "A Prekey Server for OTRv4 over XMPP".
//!
//! | file | |
//! |---|---|
//! | `connection` | one stream: handshake, stanzas in and out, a peer that has gone, the end |
//! | `stream` | bytes of the stream to stanzas, within bounds |
//! | `component` | what a stanza means: discovery, a message, or nothing that is served |
//! | `fragments` | unfinished messages of all senders, within bounds |
//! | `stanzas` | the stanzas that we send |
//!
//! The XML is read by `rxml`. Not by `tokio-xmpp`, whose component ends its stream at the first stanza that it
//! cannot read: any stranger could send one. It also keeps stanzas of any size, and brings a parser for every
//! extension of XMPP, of which we need two.

mod component;
mod connection;
mod fragments;
mod stanzas;
mod stream;

use crate::server::Server;
use crate::store::Store;
use component::Component;
use connection::{Connection, End};
use std::fmt;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Where the XMPP server takes components, and what it wants to hear from this one.
#[derive(Clone)]
pub struct XmppServer {
    /// HOST:PORT
    pub address: String,
    /// The secret that both sides know.
    pub secret: Zeroizing<String>,
}

/// Answers over XMPP until `shutdown` is done; then finishes what runs, closes the stream and returns. The component's domain
/// is the server's identity. When the XMPP server is away, it is looked for again and again.
pub async fn serve<S: Store>(server: Server<S>, xmpp: XmppServer, shutdown: impl Future<Output = ()> + Send) {
    again_and_again(&mut Link { server, xmpp, component: None }, pin!(shutdown)).await;
}

/// What is done again when it has ended, or panicked.
trait Attempt {
    /// Breaks if it was told to stop.
    fn attempt<F: Future<Output = ()> + Send>(
        &mut self,
        shutdown: Pin<&mut F>,
    ) -> impl Future<Output = ControlFlow<()>> + Send;
}

/// Between the server and its XMPP server.
struct Link<S> {
    server: Server<S>,
    xmpp: XmppServer,
    /// Not there during an attempt: what was in the hands of one that panicked may be half changed, and is not put back.
    component: Option<Component>,
}

impl<S: Store> Attempt for Link<S> {
    /// One connection.
    async fn attempt<F: Future<Output = ()> + Send>(&mut self, mut shutdown: Pin<&mut F>) -> ControlFlow<()> {
        let service = self.server.service();
        let mut component = self.component.take().unwrap_or_else(|| Component::new(service.identity()));
        let opened = tokio::select! {
            opened = connection::open(&self.xmpp, component.domain()) => opened,
            () = &mut shutdown => return ControlFlow::Break(()),
        };
        match opened {
            Ok(stream) => {
                tracing::info!("connected to the XMPP server");
                match Connection::new(stream, service).run(&mut component, shutdown).await {
                    End::Told => return ControlFlow::Break(()),
                    End::Lost(reason) => tracing::warn!(%reason, "lost the XMPP server"),
                }
            }
            Err(reason) => tracing::warn!(%reason, "no connection to the XMPP server"),
        }
        self.component = Some(component);
        ControlFlow::Continue(())
    }
}

/// Makes attempts, with pauses between them, until one breaks or `shutdown` is done. One that panics is over like any other.
async fn again_and_again<F: Future<Output = ()> + Send>(work: &mut impl Attempt, mut shutdown: Pin<&mut F>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        match unless_it_panics(work.attempt(shutdown.as_mut())).await {
            Some(ControlFlow::Break(())) => return,
            Some(ControlFlow::Continue(())) => {}
            None => tracing::error!("the XMPP component panicked: it starts again"),
        }
        // One that takes us and lets go at once is no better than none.
        if begun.elapsed() > LAST_PAUSE {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut shutdown => return,
        }
        pause = (2 * pause).min(LAST_PAUSE);
    }
}

/// What it gives; `None` if it panics. Whoever calls this uses nothing again that it may have left half changed.
async fn unless_it_panics<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let guarded = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    });
    guarded.await
}

/// Before the first attempt to connect again; each attempt that fails doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LAST_PAUSE: Duration = Duration::from_secs(60);

impl fmt::Debug for XmppServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, secret: _ } = self;
        f.debug_struct("XmppServer").field("address", address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// So often; then it is done.
    struct Panics {
        most: usize,
        begun: Vec<Instant>,
    }

    impl Attempt for Panics {
        async fn attempt<F: Future<Output = ()> + Send>(&mut self, _: Pin<&mut F>) -> ControlFlow<()> {
            self.begun.push(Instant::now());
            tokio::task::yield_now().await;
            assert!(self.begun.len() > self.most, "on purpose");
            ControlFlow::Break(())
        }
    }

    #[tokio::test]
    async fn what_panics_is_logged_and_starts_again_after_a_pause() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _default = tracing::subscriber::set_default(subscriber);
        let mut panics_once = Panics { most: 1, begun: Vec::new() };
        again_and_again(&mut panics_once, pin!(std::future::pending())).await;
        let begun = panics_once.begun;
        assert!(matches!(*begun, [first, second] if second - first >= FIRST_PAUSE), "{begun:?}");
        let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
        assert!(log.contains("ERROR") && log.contains("the XMPP component panicked"), "{log}");
    }

    #[tokio::test]
    async fn in_a_pause_it_can_be_told_to_stop() {
        let mut panics = Panics { most: usize::MAX, begun: Vec::new() };
        again_and_again(&mut panics, pin!(tokio::time::sleep(Duration::from_millis(10)))).await;
        assert_eq!(panics.begun.len(), 1);
    }
}
