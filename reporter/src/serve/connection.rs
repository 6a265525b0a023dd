//! Connections: accepted while there is room, given up when nothing comes of them, ended politely
//! when the server stops.
//!
//! A client that says nothing, half of something, or never reads, holds one connection for a
//! bounded time and nothing else. hyper's own clock for headers also runs while a connection is
//! idle between two requests, so that the two are told apart here.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::route::{self, Body, Peer};
use super::server::{Server, Stage};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How long the head of a request may take to arrive; that of the first, counted from the handshake.
const HEAD: Duration = Duration::from_secs(10);

/// How long a connection may be idle: longer than clients written in Go keep theirs, so that it is
/// the client that ends it, and no request meets a connection that is being closed.
const IDLE: Duration = Duration::from_secs(120);

/// The same when connections are scarce.
const IDLE_IN_NEED: Duration = Duration::from_secs(5);

/// How often a connection looks whether it has outlived its time.
const LOOK: Duration = Duration::from_secs(2);

/// After this, a connection that does not end politely is cut.
const POLITENESS: Duration = Duration::from_secs(1);

const HEAD_BYTES: usize = 16 << 10;
const HEADERS: usize = 64;
const BUFFER: usize = 64 << 10;

/// What a connection is doing, and since when.
#[derive(Clone, Copy)]
enum Phase {
    Idle(Instant),
    Head(Instant),
    Request,
}

/// The phase, known to the stream, to the service and to who watches both.
#[derive(Clone)]
struct Activity(Arc<Mutex<Phase>>);

/// A stream that notices when something arrives.
struct Noticed<S> {
    stream: S,
    activity: Activity,
}

/// Accepts connections until the server stops.
pub(super) async fn listen(server: Arc<Server>, listener: TcpListener) {
    let mut stage = server.stage.subscribe();
    loop {
        // Room first: what cannot be served stays in the system's queue.
        let room = tokio::select! {
            room = Arc::clone(&server.connections).acquire_owned() => room,
            () = stopping(&mut stage) => break,
        };
        let Ok(room) = room else { return };
        tokio::select! {
            accepted = listener.accept() => take(&server, accepted, room).await,
            () = stopping(&mut stage) => break,
        }
    }
    // Whoever is in the queue was let in by the system, and expects an answer.
    while let Ok(room) = Arc::clone(&server.connections).try_acquire_owned() {
        match listener.accept().now_or_never() {
            Some(accepted @ Ok(_)) => take(&server, accepted, room).await,
            Some(Err(_)) | None => break,
        }
    }
}

async fn take(
    server: &Arc<Server>,
    accepted: io::Result<(TcpStream, std::net::SocketAddr)>,
    room: OwnedSemaphorePermit,
) {
    match accepted {
        Ok((stream, _)) => {
            // Answers are small and awaited; an error only means that it goes on without.
            let _ = stream.set_nodelay(true);
            tokio::spawn(secure(Arc::clone(server), stream, room));
        }
        Err(error) => {
            // Most likely the process has no file descriptors left; others are about to be freed.
            tracing::warn!(error = %error, "could not accept a connection");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn secure(server: Arc<Server>, stream: TcpStream, _room: OwnedSemaphorePermit) {
    let identity = server.identity.get();
    let handshake = TlsAcceptor::from(Arc::clone(&identity.config)).accept(stream);
    let stream = match timeout(HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(error = %error, "no TLS");
            return server.metrics.refused_connection("handshake");
        }
        Err(_) => return server.metrics.refused_connection("handshake-slow"),
    };
    let proven = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
    let peer = Peer { generation: identity.generation, proven };
    drop(identity);
    let stage = server.stage.subscribe();
    let in_need = || server.connections.available_permits() < server.flags.max_connections / 4;
    let shared = Arc::clone(&server);
    let answer = move |request| route::answer(Arc::clone(&shared), peer, request);
    if !converse(stream, stage, in_need, answer).await {
        server.metrics.refused_connection("head-slow");
    }
}

/// Speaks HTTP on a stream to its end; false if the head of a request did not arrive in time.
pub(super) async fn converse<S, A, F>(
    stream: S,
    mut stage: watch::Receiver<Stage>,
    in_need: impl Fn() -> bool,
    answer: A,
) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>>,
{
    let activity = Activity(Arc::new(Mutex::new(Phase::Head(Instant::now()))));
    let service = service_fn(|request| {
        activity.set(Phase::Request);
        let (answer, activity) = (answer(request), &activity);
        async move {
            let response = answer.await;
            activity.set(Phase::Idle(Instant::now()));
            Ok::<_, Infallible>(response)
        }
    });
    let stream = TokioIo::new(Noticed { stream, activity: activity.clone() });
    let mut server = http1::Builder::new();
    server.header_read_timeout(None).max_headers(HEADERS).max_header_size(HEAD_BYTES).max_buf_size(BUFFER);
    let mut connection = pin!(server.serve_connection(stream, service));
    let (mut stopped, mut ending) = (false, None);
    loop {
        let look = sleep_until(Instant::now() + LOOK.min(POLITENESS));
        tokio::select! {
            // Errors here are the client's: it went away, or does not speak HTTP and was told so.
            _ = connection.as_mut() => return true,
            () = stopping(&mut stage), if !stopped => {
                stopped = true;
                connection.as_mut().graceful_shutdown();
            }
            () = look => {}
        }
        match activity.get() {
            Phase::Request => ending = None,
            Phase::Head(since) if since.elapsed() > HEAD => return false,
            Phase::Head(_) => {}
            Phase::Idle(since) => {
                let idle = if in_need() { IDLE_IN_NEED } else { IDLE };
                if since.elapsed() > idle {
                    let asked = *ending.get_or_insert_with(|| {
                        connection.as_mut().graceful_shutdown();
                        Instant::now()
                    });
                    if asked.elapsed() > POLITENESS {
                        return true;
                    }
                }
            }
        }
    }
}

/// Ready when no new requests are to be taken.
async fn stopping(stage: &mut watch::Receiver<Stage>) {
    // The sender lives as long as the server.
    let _ = stage.wait_for(|stage| *stage >= Stage::Stopping).await;
}

// === impl Activity ===

impl Activity {
    fn get(&self) -> Phase {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn arrived(&self) {
        let mut phase = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*phase, Phase::Idle(_)) {
            *phase = Phase::Head(Instant::now());
        }
    }
}

// === impl Noticed ===

impl<S: AsyncRead + Unpin> AsyncRead for Noticed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.arrived();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noticed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
