//! One request: which door it knocks at, whether it is let in, and its answer. Whatever is refused
//! is refused in words, with a status that tells the caller whose fault it is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};

use super::flags::duration;
use super::gate::{Held, Turn};
use super::judge::{Failure, Mode};
use super::lookup::Lookup;
use super::provider;
use super::review::Asked;
use super::server::Server;

/// What a connection proved when it was made.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    /// Under which of the server's identities.
    pub(super) generation: u64,
    /// Whether it showed a certificate that was accepted.
    pub(super) proven: bool,
}

/// A body of an answer.
pub(super) type Body = Full<Bytes>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Validate,
    Mutate,
    Provider,
}

/// An answer that is not a verdict.
struct Refusal {
    status: StatusCode,
    outcome: &'static str,
    text: String,
    /// Whether to come back soon.
    again: bool,
    /// Whether some of the request was left unread.
    unread: bool,
}

/// How long the caller waits if it does not say so (Kubernetes' default for webhooks), and at most.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_PATIENCE: Duration = Duration::from_secs(30);

/// How long a body may take to arrive.
const BODY: Duration = Duration::from_secs(10);

/// How much of a body that is too large is read all the same, so that its sender gets to read why.
const DISCARD: usize = 32 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(2);

const SECONDS_TO_COME_BACK: HeaderValue = HeaderValue::from_static("1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Counts a request when it is over, also if its client went away meanwhile.
struct Counted<'s> {
    server: &'s Server,
    path: &'static str,
    outcome: &'static str,
    since: Instant,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.server.metrics.request(self.path, self.outcome, self.since.elapsed().as_secs_f64());
    }
}

/// Answers a request.
pub(super) async fn answer(server: Arc<Server>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
    let door = Door::of(request.uri().path());
    let path = door.map_or("other", Door::path);
    let mut counted = Counted { server: &server, path, outcome: "abandoned", since: Instant::now() };
    let _in_flight = server.metrics.in_flight();
    let answered = match door {
        Some(door) => knock(&server, peer, door, request).await,
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "there are /validate, /mutate and /gatekeeper/v1beta1",
        )),
    };
    let mut response = match answered {
        Ok((body, outcome, status)) => {
            counted.outcome = outcome;
            let mut response = Response::new(Full::new(Bytes::from(body)));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            response
        }
        Err(refusal) => {
            counted.outcome = refusal.outcome;
            refusal.response(door)
        }
    };
    // The client opens a new connection: to another server, or to this one with its new certificate.
    if server.is_leaving() || server.identity.get().generation != peer.generation {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

type Answered = Result<(Vec<u8>, &'static str, StatusCode), Refusal>;

async fn knock(server: &Arc<Server>, peer: Peer, door: Door, request: Request<Incoming>) -> Answered {
    if request.method() != Method::POST {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "bad-method", "send a POST"));
    }
    if door == Door::Provider && !peer.proven && server.identity.get().asks_clients {
        let text = "this path needs a client certificate signed by an authority of --client-ca";
        return Err(Refusal { unread: true, ..Refusal::new(StatusCode::FORBIDDEN, "no-certificate", text) });
    }
    let json = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(is_json);
    if !json || request.headers().contains_key(CONTENT_ENCODING) {
        let text = "send application/json, not compressed";
        return Err(Refusal { unread: true, ..Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad-type", text) });
    }
    let give_up = Instant::now() + patience(request.uri().query());
    let (body, held) = read(server, request, give_up).await?;
    // Not before: who sends slowly must not stand in the way.
    let Some(_place) = server.gate.enter() else {
        return Err(Refusal::busy("too many requests at once"));
    };
    match door {
        Door::Validate => review(server, body, held, Mode::Validating, give_up).await,
        Door::Mutate => review(server, body, held, Mode::Mutating, give_up).await,
        Door::Provider => provide(server, body, held, give_up).await,
    }
}

async fn review(server: &Arc<Server>, body: Vec<u8>, held: Held, mode: Mode, give_up: Instant) -> Answered {
    let turn = turn(server, give_up).await?;
    let given = work(server, turn, give_up, move |server| {
        let _held = held;
        let asked = Asked::read(&body).map_err(Refusal::bad)?;
        let given = asked.judged(&server.judge.get(), mode, Lookup::host(server, None));
        given.map_err(|failure| {
            asked.log(&failure);
            Refusal::failed(server, &failure)
        })
    });
    let given = given.await??;
    for (rule, level) in &given.findings {
        server.metrics.finding(rule, level);
    }
    Ok((given.body, given.outcome, StatusCode::OK))
}

/// Judges all keys, as many at once as there are turns to be had: each waits for its own, so that a
/// request with many keys does not shut others out.
async fn provide(server: &Arc<Server>, body: Vec<u8>, held: Held, give_up: Instant) -> Answered {
    let first = turn(server, give_up).await?;
    let keys = work(server, first, give_up, move |_| provider::keys(&body)).await?.map_err(Refusal::bad)?;
    let mut judging = tokio::task::JoinSet::new();
    let (mut items, mut failed) = (Vec::new(), None);
    let mut keep = |judged: Option<Result<Result<_, _>, _>>| match judged {
        Some(Ok(Ok(Ok(item)))) => items.push(item),
        Some(Ok(Ok(Err(refusal)) | Err(refusal))) => failed = Some(refusal),
        Some(Err(_)) | None => {}
    };
    for (index, key) in keys.into_iter().enumerate() {
        // While the last ones are being judged, the next one waits for its turn.
        let turn = match turn(server, give_up).await {
            Ok(turn) => turn,
            Err(refusal) => {
                keep(Some(Ok(Err(refusal))));
                break;
            }
        };
        let server = Arc::clone(server);
        judging.spawn(async move {
            work(&server, turn, give_up, move |server| {
                provider::judged(key, server).map(|item| (index, item)).map_err(|failure| {
                    tracing::error!(failure = failure.kind, reason = failure.text, "key not judged");
                    Refusal::failed(server, &failure)
                })
            })
            .await
        });
        while let Some(judged) = judging.try_join_next() {
            keep(Some(judged));
        }
    }
    while let Some(judged) = judging.join_next().await {
        keep(Some(judged));
    }
    drop(held);
    items.sort_by_key(|(index, _)| *index);
    let items: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
    Ok(match failed {
        None => (provider::response(&items, ""), "answered", StatusCode::OK),
        Some(refusal) => (provider::response(&items, &refusal.text), refusal.outcome, refusal.status),
    })
}

async fn turn(server: &Server, give_up: Instant) -> Result<Turn, Refusal> {
    server.gate.turn(give_up).await.ok_or_else(|| Refusal::busy("too many requests wait to be judged"))
}

/// Does what takes processor time, or waits, on a thread of its own; it keeps its turn to the end,
/// also if nobody waits for it any more.
async fn work<T: Send + 'static>(
    server: &Arc<Server>,
    turn: Turn,
    give_up: Instant,
    work: impl FnOnce(&Arc<Server>) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let shared = Arc::clone(server);
    let task = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(&shared)
    });
    match timeout_at(give_up, task).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => {
            let failure = Failure { kind: "panic", text: "the server has a bug; please report it".into() };
            Err(Refusal::failed(server, &failure))
        }
        Err(_) => {
            server.metrics.failure("late");
            let text = "no verdict before the caller's own time limit";
            Err(Refusal { again: true, ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "late", text) })
        }
    }
}

/// Reads a body within its bounds.
async fn read(server: &Server, request: Request<Incoming>, give_up: Instant) -> Result<(Vec<u8>, Held), Refusal> {
    let most = server.flags.max_body;
    let (head, mut body) = request.into_parts();
    let large = || {
        let text = format!("the body is larger than {most} bytes; --max-body allows more");
        Refusal { unread: true, ..Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", text) }
    };
    let announced = body.size_hint().lower();
    if announced > most as u64 {
        // Who asked before sending has sent nothing yet.
        if !head.headers.contains_key(EXPECT) && announced <= DISCARD as u64 {
            discard(&mut body).await;
        }
        return Err(large());
    }
    let mut held = server.gate.body();
    let mut content = Vec::with_capacity(usize::try_from(announced).unwrap_or(most).min(64 << 10));
    let until = give_up.min(Instant::now() + BODY);
    loop {
        let frame = match timeout_at(until, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok((content, held)),
            Ok(Some(Err(error))) => {
                let text = format!("could not read the body: {error}");
                return Err(Refusal { unread: true, ..Refusal::new(StatusCode::BAD_REQUEST, "broken", text) });
            }
            Err(_) => {
                let text = "the body did not arrive in time";
                return Err(Refusal { unread: true, ..Refusal::new(StatusCode::REQUEST_TIMEOUT, "slow", text) });
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        if content.len() + data.len() > most {
            discard(&mut body).await;
            return Err(large());
        }
        if !held.grow(content.len() + data.len()) {
            return Err(Refusal { unread: true, ..Refusal::busy("too many large requests at once") });
        }
        content.extend_from_slice(&data);
    }
}

async fn discard(body: &mut Incoming) {
    let mut left = DISCARD;
    let all = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(DISCARD_TIME, all).await;
}

fn is_json(kind: &str) -> bool {
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// How long the caller will wait, less what the way back takes. The API server says it as `timeout=10s`.
fn patience(query: Option<&str>) -> Duration {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let said = pairs.find(|(name, _)| *name == "timeout").and_then(|(_, time)| duration(time).ok());
    let said = said.filter(|time| !time.is_zero());
    let patience = said.unwrap_or(PATIENCE).min(MOST_PATIENCE);
    patience - (patience / 5).min(Duration::from_millis(250))
}

// === impl Door ===

impl Door {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/validate" => Some(Self::Validate),
            "/mutate" => Some(Self::Mutate),
            "/gatekeeper/v1beta1" => Some(Self::Provider),
            _ => None,
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Validate => "/validate",
            Self::Mutate => "/mutate",
            Self::Provider => "/gatekeeper/v1beta1",
        }
    }
}

// === impl Refusal ===

impl Refusal {
    fn new(status: StatusCode, outcome: &'static str, text: impl Into<String>) -> Self {
        Self { status, outcome, text: text.into(), again: false, unread: false }
    }

    fn bad(reason: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", reason)
    }

    fn busy(reason: &str) -> Self {
        let text = format!("{reason}; try again");
        Self { again: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text) }
    }

    /// No verdict: what then happens is for the caller's failure policy to say.
    fn failed(server: &Server, failure: &Failure) -> Self {
        server.metrics.failure(failure.kind);
        match failure.kind {
            "busy" => Self::busy(&failure.to_string()),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", failure.to_string()),
        }
    }

    fn response(self, door: Option<Door>) -> Response<Body> {
        let (body, kind) = match door {
            // Gatekeeper shows what it finds in its own format, and nothing else.
            Some(Door::Provider) => (provider::response(&[], &self.text), JSON),
            _ => (format!("{}\n", self.text).into_bytes(), HeaderValue::from_static("text/plain; charset=utf-8")),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, kind);
        if self.again {
            headers.insert(RETRY_AFTER, SECONDS_TO_COME_BACK);
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.unread {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, is_json, patience};

    #[test]
    fn the_callers_patience_is_respected() {
        for (query, millis) in [
            (None, 9_750),
            (Some("timeout=10s"), 9_750),
            (Some("a=b&timeout=1s"), 800),
            (Some("timeout=1m0s"), 29_750),
            (Some("timeout=x"), 9_750),
            (Some("timeout=0s"), 9_750),
        ] {
            assert_eq!(patience(query), Duration::from_millis(millis), "{query:?}");
        }
    }

    #[test]
    fn json_is_json() {
        assert!(is_json("application/json") && is_json("Application/JSON; charset=utf-8"));
        assert!(!is_json("application/jsonx") && !is_json("text/plain") && !is_json(""));
    }
}
