//! Accepts connections and speaks HTTP/1.1 on them. Refuses: clients that do not finish their headers, more
//! connections than fit, and peers of another user on the socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections open at once, on one door.
const CONNECTIONS_MAX: usize = 512;
/// A client that takes longer to send its headers, or idles longer between requests, is closed.
const HEADERS_S_MAX: u64 = 15;
/// Bytes of headers and of read buffer per connection.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What answers may still take to be written out when the daemon stops; by then they are over or cut off.
const GRACE_S_MAX: u64 = 5;
/// Rest after a failed accept; most often the process is out of descriptors.
const ACCEPT_RETRY_MS: u64 = 100;
/// The user that may do everything anyway.
const ROOT_UID: u32 = 0;

/// Serves `router` on `listener` until `shutdown`, then lets open answers be written out for at most 5 s.
///
/// # Errors
/// None yet: a failing accept is logged and tried again.
pub async fn serve_tcp(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    serve(listener, router, shutdown).await;
    Ok(())
}

/// Serves `router` on the socket until `shutdown`. Peers must run as this very user or as root.
///
/// # Errors
/// When this process's own user cannot be found out. A failing accept is logged and tried again.
pub async fn serve_unix(listener: UnixListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    // Both ends of a pair belong to this process, so its peer is the user we run as.
    let uid = UnixStream::pair()?.0.peer_cred()?.uid();
    serve(OwnSocket { listener, uid }, router, shutdown).await;
    Ok(())
}

/// Something connections come from.
trait Accept {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection; `None` for one that was turned away.
    fn accept(&self) -> impl Future<Output = io::Result<Option<Self::Stream>>> + Send;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<Option<TcpStream>> {
        let (stream, _) = TcpListener::accept(self).await?;
        // Tokens are small and wanted at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        Ok(Some(stream))
    }
}

/// The socket with the user its peers must be.
struct OwnSocket {
    listener: UnixListener,
    uid: u32,
}

impl Accept for OwnSocket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<Option<UnixStream>> {
        let (stream, _) = self.listener.accept().await?;
        Ok(is_ours(&stream, self.uid).then_some(stream))
    }
}

/// Whether the peer of a socket connection is this user or root.
fn is_ours(stream: &UnixStream, uid: u32) -> bool {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == uid || peer.uid() == ROOT_UID => true,
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), "a process of another user was turned away from the socket");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "a peer of the socket could not be identified");
            false
        }
    }
}

async fn serve(door: impl Accept, router: Router, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, door.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            next = next => next,
        };
        match accepted {
            Ok(Some(stream)) => {
                let service = router.clone();
                let connection = builder()
                    .serve_connection_with_upgrades(
                        TokioIo::new(stream),
                        service_fn(move |request: hyper::Request<Incoming>| {
                            service.clone().oneshot(request.map(Body::new))
                        }),
                    )
                    .into_owned();
                let connection = graceful.watch(connection);
                connections.spawn(async move {
                    let _place = place;
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection ended early");
                    }
                });
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            }
        }
    }
    if tokio::time::timeout(Duration::from_secs(GRACE_S_MAX), graceful.shutdown()).await.is_err() {
        tracing::info!("answers that were still running are cut off");
    }
    connections.shutdown().await;
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADERS_S_MAX))
        .max_buf_size(READ_BUFFER_BYTES_MAX);
    builder
}
