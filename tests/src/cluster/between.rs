//! Between: a server that stands between the program and the API server, passes on what it is asked,
//! and spoils what the test tells it to. It counts.

#![allow(clippy::panic, reason = "a test without its server has nothing to go on with")]

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Cluster;

/// What is done to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// This status, with these seconds to wait if any, and this body.
    Status(u16, Option<u64>, String),
    /// The answer breaks off in the middle.
    Cut,
    /// The answer comes that much later.
    Late(Duration),
    /// The question waits until this is true.
    Held(watch::Receiver<bool>),
    /// This comes instead of the answer.
    Instead(String),
}

/// Decides by the number of requests of this path so far, and by the path with its query.
pub type Decide = dyn Fn(usize, &str) -> Fault + Send + Sync;

/// The running server.
pub struct Between {
    /// Where it listens.
    pub url: String,
    seen: Arc<Seen>,
}

/// What went by.
#[derive(Default)]
struct Seen {
    asked: Mutex<Vec<String>>,
    answered: Mutex<Vec<String>>,
}

/// A body that ends early if it is told to.
struct Part {
    bytes: Option<Bytes>,
    breaks: bool,
}

/// A token that stands for the one in a page, so that it can be taken back and given anew.
pub const ANEW: &str = "given-anew";

impl Between {
    /// Starts one before a cluster.
    ///
    /// # Panics
    /// Where it cannot listen.
    pub async fn start(cluster: &Cluster, decide: impl Fn(usize, &str) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let all: Arc<Seen> = Arc::default();
        let (client, seen, decide) = (cluster.client.clone(), Arc::clone(&all), Arc::new(decide));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (client, seen, decide) = (client.clone(), Arc::clone(&seen), Arc::clone(&decide));
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(request, &client, &seen, &*decide));
                    // How it ends is what is tested.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { url: format!("http://{address}"), seen: all }
    }

    /// What was asked so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.seen.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the API server has answered so far, in order.
    pub fn answered(&self) -> Vec<String> {
        self.seen.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    client: &Client,
    seen: &Seen,
    decide: &Decide,
) -> Result<Response<Part>, hyper::Error> {
    let asked = request.uri().to_string();
    let path = request.uri().path().to_owned();
    let before = {
        let mut all = seen.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.iter().filter(|uri| uri.split('?').next() == Some(path.as_str())).count();
        all.push(asked.clone());
        before
    };
    let respond = |status: u16, wait: Option<u64>, bytes: Bytes, breaks: bool| {
        let mut response = Response::builder().status(status).header("content-type", "application/json");
        if breaks {
            response = response.header("content-length", bytes.len() * 2);
        }
        if let Some(seconds) = wait {
            response = response.header("retry-after", seconds);
        }
        response.body(Part { bytes: Some(bytes), breaks }).unwrap_or_else(|error| panic!("{error}"))
    };
    let fault = decide(before, &asked);
    let breaks = matches!(fault, Fault::Cut);
    match fault {
        Fault::Status(status, wait, body) => return Ok(respond(status, wait, body.into(), false)),
        Fault::Instead(body) => return Ok(respond(200, None, body.into(), false)),
        Fault::Late(time) => tokio::time::sleep(time).await,
        Fault::Held(mut until) => drop(until.wait_for(|go| *go).await),
        Fault::None | Fault::Cut => {}
    }
    // A token that was given anew stands for the one that expired.
    let target = match asked.split_once(&format!("continue={ANEW}.")) {
        Some((start, token)) => format!("{start}continue={token}"),
        None => asked.clone(),
    };
    let forwarded = Request::get(target).header("accept", "application/json");
    let accept = request.headers().get("accept").cloned();
    let mut forwarded = forwarded.body(kube::client::Body::empty()).unwrap_or_else(|error| panic!("{error}"));
    if let Some(accept) = accept {
        forwarded.headers_mut().insert("accept", accept);
    }
    let answer = client.send(forwarded).await.unwrap_or_else(|error| panic!("{error}"));
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect_bytes().await.unwrap_or_else(|error| panic!("{error}"));
    seen.answered.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let bytes = if breaks { bytes.slice(..bytes.len() / 2) } else { bytes };
    Ok(respond(status, None, bytes, breaks))
}

/// The `Status` of a list that expired, with a token to go on with.
#[must_use]
pub fn expired(token: &str) -> String {
    let metadata = if token.is_empty() { json!({}) } else { json!({"continue": format!("{ANEW}.{token}")}) };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure", "reason": "Expired", "code": 410})
        .to_string()
}

impl Body for Part {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match (self.bytes.take(), self.breaks) {
            (Some(bytes), _) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (None, true) => Poll::Ready(Some(Err(io::Error::other("broken on purpose")))),
            (None, false) => Poll::Ready(None),
        }
    }
}
