//! A server: the API server of one cluster, asked at its pace, and again where that makes sense.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::Request;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;

use super::pace::Pace;
use super::trouble::{Trouble, transport};
use crate::live::Stop;
use crate::live::http::backoff;

/// The most that one answer may take: bytes.
const LARGEST_ANSWER: usize = 64 << 20;

/// How often something is tried.
const TRIES: u32 = 5;
/// How often a server is tried that never answered.
const FIRST_TRIES: u32 = 2;
/// How often a server is asked again that asks for patience.
const PATIENCE: u32 = 10;
/// How long to wait before the second try.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest that a server may have us wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Requests that may fail in a row for want of a connection before the cluster is given up.
const FAILURES: u32 = 3;

/// Whole objects, or lists of them.
pub(super) const WHOLE: &str = "application/json";
/// Metadata alone, from servers that can.
pub(super) const LIST_OF_METADATA: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// Metadata of one object alone, from servers that can.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// The API server of a cluster.
pub(super) struct Server {
    client: Client,
    pace: Pace,
    stop: Stop,
    timeout: Duration,
    /// Why nobody asks any more.
    closed: OnceLock<Trouble>,
    answered: AtomicBool,
    failures: AtomicU32,
}

/// A request that came to nothing.
struct Failed {
    trouble: Trouble,
    /// How long the server wants us to wait.
    wait: Option<Duration>,
    /// How often to try in all.
    tries: u32,
}

/// What a `Status` says that bears on what to do.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    kind: String,
    reason: String,
    details: Option<Details>,
    metadata: StatusMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusMetadata {
    r#continue: String,
}

impl Server {
    pub(super) fn new(client: Client, pace: Pace, stop: Stop, timeout: Duration) -> Self {
        Self {
            client,
            pace,
            stop,
            timeout,
            closed: OnceLock::new(),
            answered: AtomicBool::new(false),
            failures: AtomicU32::new(0),
        }
    }

    /// Asks for a path until its answer can be read, or it makes no sense to go on.
    pub(super) async fn ask<T>(
        &self,
        path: &str,
        accept: &'static str,
        mut read: impl FnMut(&[u8]) -> Result<T, String>,
    ) -> Result<T, Trouble> {
        let mut tried = 0;
        loop {
            if let Some(trouble) = self.closed.get() {
                return Err(trouble.clone());
            }
            let failed = match self.once(path, accept).await {
                Ok(answer) => match read(&answer) {
                    Ok(read) => return Ok(read),
                    Err(why) => Failed { trouble: Trouble::Strange(why), wait: None, tries: 3 },
                },
                Err(failed) => failed,
            };
            tried += 1;
            let wait = failed.wait.unwrap_or_else(|| backoff(tried, FIRST_WAIT));
            if tried >= failed.tries || wait > LONGEST_WAIT {
                return Err(self.give_up(failed.trouble));
            }
            if failed.trouble == Trouble::Throttled {
                self.pace.pause(wait);
            }
            let mut stop = self.stop.clone();
            tokio::select! {
                () = stop.wait() => return Err(Trouble::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Nobody asks a server again that accepts nobody, or that nobody reaches.
    fn give_up(&self, trouble: Trouble) -> Trouble {
        let hopeless = match trouble {
            Trouble::Unauthenticated | Trouble::NoCredentials(_) => true,
            Trouble::Unreachable(_) => {
                !self.answered.load(Ordering::Relaxed) || self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES
            }
            _ => false,
        };
        if hopeless {
            return self.closed.get_or_init(|| trouble).clone();
        }
        trouble
    }

    async fn once(&self, path: &str, accept: &'static str) -> Result<Bytes, Failed> {
        let mut stop = self.stop.clone();
        let asked = async {
            let _turn = self.pace.turn().await;
            match tokio::time::timeout(self.timeout, self.send(path, accept)).await {
                Ok(answer) => answer,
                Err(_) => Err(Failed { trouble: Trouble::Slow(self.timeout.as_secs()), wait: None, tries: 3 }),
            }
        };
        tokio::select! {
            biased;
            () = stop.wait() => Err(Failed { trouble: Trouble::Stopped, wait: None, tries: 0 }),
            answer = asked => answer,
        }
    }

    async fn send(&self, path: &str, accept: &'static str) -> Result<Bytes, Failed> {
        let request = Request::get(path).header("accept", accept).header("user-agent", "wiguard").body(Body::empty());
        let request = request.map_err(|error| Failed {
            trouble: Trouble::Strange(format!("`{path}` is no path: {error}")),
            wait: None,
            tries: 0,
        })?;
        let answer = self.client.send(request).await.map_err(|error| self.broken(&error))?;
        self.answered.store(true, Ordering::Relaxed);
        let status = answer.status().as_u16();
        let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        match (status, body) {
            (200, Ok(body)) => {
                self.failures.store(0, Ordering::Relaxed);
                Ok(body.to_bytes())
            }
            (200, Err(error)) if error.is::<LengthLimitError>() => {
                Err(Failed { trouble: Trouble::TooLarge(LARGEST_ANSWER), wait: None, tries: 0 })
            }
            (200, Err(error)) => Err(match error.downcast_ref() {
                Some(error) => self.broken(error),
                None => {
                    Failed { trouble: Trouble::Unreachable("the answer broke off".into()), wait: None, tries: TRIES }
                }
            }),
            (_, body) => {
                let body = body.map(|body| body.to_bytes()).unwrap_or_default();
                Err(refusal(status, &body, wait.map(Duration::from_secs)))
            }
        }
    }

    fn broken(&self, error: &kube::Error) -> Failed {
        let tries = if self.answered.load(Ordering::Relaxed) { TRIES } else { FIRST_TRIES };
        let trouble = transport(error);
        let hopeless = match &trouble {
            Trouble::Unreachable(why) => why.contains("certificate"),
            _ => true,
        };
        Failed { trouble, wait: None, tries: if hopeless { 0 } else { tries } }
    }
}

/// What a status other than 200 means.
fn refusal(status: u16, body: &[u8], wait: Option<Duration>) -> Failed {
    let (trouble, tries) = match status {
        // Whoever checks tokens may be out for a moment.
        401 => (Trouble::Unauthenticated, 2),
        403 => (Trouble::Forbidden, 0),
        404 => match absence(body) {
            Some(trouble) => (trouble, 0),
            // A proxy or a load balancer says nothing of what the cluster has.
            None => (Trouble::Strange("it is a 404, and not one of an API server".into()), 3),
        },
        410 => {
            let status: Status = serde_json::from_slice(body).unwrap_or_default();
            (Trouble::Expired(Some(status.metadata.r#continue).filter(|token| !token.is_empty())), 0)
        }
        429 => (Trouble::Throttled, PATIENCE),
        408 | 500..=599 => (Trouble::Failing(status), TRIES),
        _ => (Trouble::Refused(status), 0),
    };
    Failed { trouble, wait, tries }
}

/// What a 404 proves, if an API server said it: that it has no object of a name, with a `Status`, or that
/// it serves no such path, with the text of Go's `http.NotFound`.
fn absence(body: &[u8]) -> Option<Trouble> {
    if body.trim_ascii() == b"404 page not found" {
        return Some(Trouble::NotServed);
    }
    let status: Status = serde_json::from_slice(body).ok()?;
    if status.kind != "Status" || status.reason != "NotFound" {
        return None;
    }
    let is_named = status.details.is_some_and(|details| !details.name.is_empty());
    Some(if is_named { Trouble::Absent } else { Trouble::NotServed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expired_says_how_to_go_on() {
        let trouble = |body: &str| refusal(410, body.as_bytes(), None).trouble;
        assert_eq!(trouble(r#"{"kind":"Status","metadata":{"continue":"abc"}}"#), Trouble::Expired(Some("abc".into())));
        assert_eq!(trouble(r#"{"kind":"Status","metadata":{}}"#), Trouble::Expired(None));
        assert_eq!(trouble("<html>"), Trouble::Expired(None));
    }

    #[test]
    fn only_a_404_of_an_api_server_proves_an_absence() {
        let trouble = |body: &str| refusal(404, body.as_bytes(), None).trouble;
        let named = r#"{"kind":"Status","reason":"NotFound","details":{"name":"cart","kind":"serviceaccounts"}}"#;
        assert_eq!(trouble(named), Trouble::Absent);
        assert_eq!(trouble(r#"{"kind":"Status","reason":"NotFound","details":null}"#), Trouble::NotServed);
        assert_eq!(trouble("404 page not found\n"), Trouble::NotServed);
        for other in ["", "{}", "<html>404 page not found</html>", r#"{"kind":"Status","reason":"Expired"}"#] {
            assert!(matches!(trouble(other), Trouble::Strange(_)), "{other}");
        }
    }

    #[test]
    fn what_the_server_asks_for_is_waited() {
        let failed = refusal(429, b"", Some(Duration::from_secs(7)));
        assert_eq!(
            (failed.trouble, failed.wait, failed.tries),
            (Trouble::Throttled, Some(Duration::from_secs(7)), PATIENCE)
        );
    }
}
