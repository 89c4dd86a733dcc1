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
use std::pin::pin;
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
    let mut component = Component::new(server.service().identity());
    let mut shutdown = pin!(shutdown);
    let mut pause = FIRST_PAUSE;
    loop {
        let opened = tokio::select! {
            opened = connection::open(&xmpp, component.domain()) => opened,
            () = &mut shutdown => return,
        };
        match opened {
            Ok(stream) => {
                tracing::info!("connected to the XMPP server");
                let connected = Instant::now();
                let connection = Connection::new(stream, server.service());
                match connection.run(&mut component, shutdown.as_mut()).await {
                    End::Told => return,
                    End::Lost(reason) => tracing::warn!(%reason, "lost the XMPP server"),
                }
                // One that takes us and lets go at once is no better than none.
                if connected.elapsed() > LAST_PAUSE {
                    pause = FIRST_PAUSE;
                }
            }
            Err(reason) => tracing::warn!(%reason, "no connection to the XMPP server"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut shutdown => return,
        }
        pause = (2 * pause).min(LAST_PAUSE);
    }
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
