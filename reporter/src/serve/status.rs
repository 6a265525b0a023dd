//! What the kubelet and Prometheus ask, on an address of its own and in plain HTTP: it answers
//! however busy the server is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use super::connection::converse;
use super::metrics::CONTENT_TYPE as OPEN_METRICS;
use super::route::Body;
use super::server::{Server, Stage};

/// Connections at once.
const CONNECTIONS: usize = 64;

/// Accepts connections as long as the process lives: it is asked to the end whether it is ready.
pub(super) async fn listen(server: Arc<Server>, listener: TcpListener) {
    let rooms = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(room) = Arc::clone(&rooms).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (server, rooms) = (Arc::clone(&server), Arc::clone(&rooms));
        tokio::spawn(async move {
            let (_stage, serving) = watch::channel(Stage::Serving);
            let in_need = || rooms.available_permits() < CONNECTIONS / 4;
            converse(stream, serving, in_need, |request| std::future::ready(answer(&server, &request))).await;
            drop(room);
        });
    }
}

fn answer(server: &Server, request: &Request<Incoming>) -> Response<Body> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if request.method() != Method::GET {
        return respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "send a GET\n".into());
    }
    match request.uri().path() {
        "/healthz" => respond(StatusCode::OK, TEXT, "alive\n".into()),
        "/readyz" => match server.unready() {
            reasons if reasons.is_empty() => respond(StatusCode::OK, TEXT, "ready\n".into()),
            reasons => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready\n{}\n", reasons.join("\n"))),
        },
        "/metrics" => respond(StatusCode::OK, OPEN_METRICS, server.metrics.page(&server.now())),
        _ => respond(StatusCode::NOT_FOUND, TEXT, "there are /metrics, /healthz and /readyz\n".into()),
    }
}

fn respond(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
