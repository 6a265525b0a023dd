//! Bytes on the wire: connections, plain or TLS as their first byte says, and what faults make of
//! answers.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::fault::What;
use super::http::{Answer, Asked, id};
use super::record::Service;
use super::server::{State, good};
use super::{entra, graph, manager};

/// A body, which may break off.
enum Flow {
    Whole(Option<Bytes>),
    Broken(Option<Bytes>),
}

// === impl Flow ===

impl Body for Flow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match &mut *self {
            Self::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Self::Broken(bytes) => Some(match bytes.take() {
                Some(bytes) => Ok(Frame::data(bytes)),
                None => Err(io::Error::other("the connection breaks")),
            }),
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Broken(_) => SizeHint::default(),
        }
    }
}

pub(super) async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>, service: Service) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut first = [0];
            match stream.peek(&mut first).await {
                // A TLS handshake begins with this byte, no method does.
                Ok(1) if first == [0x16] => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(stream, state, service, "https").await;
                    }
                }
                Ok(1) => connection::<TcpStream>(stream, state, service, "http").await,
                _ => {}
            }
        });
    }
}

async fn connection<S>(stream: S, state: Arc<State>, service: Service, scheme: &'static str)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answered = service_fn(|request: hyper::Request<Incoming>| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(handle(&state, service, scheme, request).await) }
    });
    // How a connection ends is the client's affair.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answered).await;
}

async fn handle(
    state: &State,
    service: Service,
    scheme: &str,
    request: hyper::Request<Incoming>,
) -> hyper::Response<Flow> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let host = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let base = format!("{scheme}://{host}");
    let raw = head.uri.path_and_query().map_or("/", |own| own.as_str());
    let asked = Asked::new(head.method, raw, head.headers.clone(), body, base);
    let queried = asked.raw.to_ascii_lowercase().contains("/microsoft.resourcegraph/");
    let service = if service == Service::Manager && queried { Service::Query } else { service };
    let mut answer = match service {
        Service::Entra => entra::answer(state, &asked),
        Service::Manager | Service::Query => manager::answer(state, &asked),
        Service::Graph => graph::answer(state, &asked),
        Service::Elsewhere => Answer::ok(json!({"value": []})),
    };
    let fault = if answer.status == 200 { state.fault(service, &asked.raw) } else { None };
    state.note(service, &asked, &answer, fault.as_ref().is_some_and(|it| !matches!(it, What::Late(_))));
    let elsewhere = state.elsewhere();
    let mut kind = "application/json; charset=utf-8";
    let mut bytes = None;
    match fault {
        None => {}
        Some(What::Status(status)) => answer = failure(service, status),
        Some(What::Busy(seconds)) => answer = failure(service, 429).with("retry-after", seconds),
        Some(What::Gone) => answer = failure(service, 404),
        Some(What::NoType) => {
            answer =
                Answer::error(404, "InvalidResourceType", "The resource type could not be found in the namespace.");
        }
        Some(What::Refused) => {
            answer = failure(service, 401).with("www-authenticate", "Bearer error=\"invalid_token\"")
        }
        Some(What::Late(by)) => tokio::time::sleep(by).await,
        Some(What::Silence) => std::future::pending().await,
        Some(What::HostileNext) => next(&mut answer.body, service, &format!("{elsewhere}{}", asked.raw)),
        Some(What::Cycle) => next(&mut answer.body, service, &format!("{}{}", asked.base, asked.raw)),
        Some(What::Endless) => next(&mut answer.body, service, &asked.link("$skiptoken", "cGFnZTo0")),
        Some(What::Redirect) => {
            answer = Answer::status(307, Value::Null).with("location", format!("{elsewhere}{}", asked.raw));
        }
        Some(What::Html) => {
            kind = "text/html";
            bytes = Some(Bytes::from_static(
                b"<!DOCTYPE html><html><title>Sign in</title><body>Sign in to your proxy</body></html>",
            ));
        }
        Some(What::WrongType) => kind = "text/plain",
        Some(What::Empty) => bytes = Some(Bytes::new()),
        Some(What::Garbage) => bytes = Some(Bytes::from_static(b"{\"value\": [}{\x00\xff ]")),
        Some(What::Halved) => {
            let whole = Bytes::from(answer.body.to_string());
            bytes = Some(whole.slice(..whole.len() / 2));
        }
        Some(What::Cut) => {
            let whole = Bytes::from(answer.body.to_string());
            return response(&answer, kind, Flow::Broken(Some(whole.slice(..whole.len() / 2))));
        }
    }
    let bytes = bytes.unwrap_or_else(|| Bytes::from(answer.body.to_string()));
    response(&answer, kind, Flow::Whole(Some(bytes)))
}

fn response(answer: &Answer, kind: &str, flow: Flow) -> hyper::Response<Flow> {
    let mut builder = hyper::Response::builder().status(answer.status).header("content-type", kind);
    builder = builder.header("x-ms-request-id", id()).header("x-ms-correlation-request-id", id());
    for (name, value) in &answer.headers {
        builder = builder.header(*name, value);
    }
    good(builder.body(flow))
}

/// Puts a link to the next page where the service puts it.
fn next(body: &mut Value, service: Service, link: &str) {
    let name = match service {
        Service::Graph => "@odata.nextLink",
        Service::Query => "$skipToken",
        _ => "nextLink",
    };
    // Resource Graph has tokens for links, and always gives the same one here.
    let link = if service == Service::Query { "cGFnZTo0" } else { link };
    body[name] = json!(link);
}

/// An error as the service writes it.
fn failure(service: Service, status: u16) -> Answer {
    let (code, message) = match status {
        401 => ("InvalidAuthenticationToken", "The access token is invalid."),
        403 => {
            ("AuthorizationFailed", "The client does not have authorization to perform this action over this scope.")
        }
        404 => ("ResourceNotFound", "The resource was not found."),
        429 => ("TooManyRequests", "The request was throttled."),
        500 => ("InternalServerError", "Encountered internal server error."),
        503 => ("ServerTimeout", "The request timed out."),
        _ => ("ServiceUnavailable", "The service is unavailable."),
    };
    let code = match (service, status) {
        (Service::Graph, 403) => "Authorization_RequestDenied",
        (Service::Graph, 404) => "Request_ResourceNotFound",
        _ => code,
    };
    if status == 502 {
        // A gateway answers for the service, in its own words.
        return Answer::status(status, Value::Null);
    }
    Answer::error(status, code, message)
}
