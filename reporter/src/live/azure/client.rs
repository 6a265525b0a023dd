//! The client: a request at its pace, repeated where that makes sense, and why there is no answer
//! where there is none.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Request, Url};
use serde_json::Value;

use super::credential::{Audience, Tokens};
use crate::live::Stop;
use crate::live::http::{self, Http, Reply};
use crate::live::pace::{Bucket, Pacer};

/// Tries of a request that fails for no known reason.
const TRIES: u32 = 5;
/// The first wait between them.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A request that was throttled for so long, or that is asked to wait longer, is given up.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The wait of those that throttle without saying for how long.
const UNSAID: Duration = Duration::from_secs(2);
/// The shortest wait of those that are throttled.
const SHORTEST: Duration = Duration::from_millis(50);
/// Items of one list, which is more than a tenant may have objects; whatever has more does not end.
const ITEMS: usize = 1_000_000;

/// What asks one cloud as one caller. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Azure {
    pub(super) http: Http,
    pub(super) tokens: Arc<Tokens>,
    pub(super) pacer: Pacer,
    pub(super) stop: Stop,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    url: Url,
    body: Option<Value>,
    audience: Audience,
    /// The tenant whose token it takes; none is the caller's own.
    tenant: Option<String>,
    /// The limits it falls under, the narrowest first.
    buckets: Vec<Bucket>,
    /// How long what is asked for must be left alone between two requests.
    rest: Duration,
    /// The most that its answer may have, in bytes.
    largest: usize,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It was time to stop.
    Stopped,
    /// The caller may not.
    Denied(String),
    /// What is asked for does not exist, as the server itself says: it was deleted.
    Gone(String),
    /// The server does not understand: its code, and what it said.
    Refused(u16, String, String),
    /// No answer, or none that is one.
    Broken(String),
    /// There is no token.
    Unknown(String),
}

/// A page of a list.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    pub(super) next: Option<Url>,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped before it was read"),
            Self::Denied(said) => write!(f, "access was denied: {said}"),
            Self::Gone(said) => write!(f, "it is not there: {said}"),
            Self::Refused(status, _, said) => write!(f, "it was refused with {status}: {said}"),
            Self::Broken(said) => f.write_str(said),
            Self::Unknown(said) => write!(f, "there is no token for it: {said}"),
        }
    }
}

// === impl Call ===

impl Call {
    pub(super) fn get(url: Url, audience: Audience, tenant: Option<&str>, buckets: &[Bucket]) -> Self {
        let tenant = tenant.map(String::from);
        let (buckets, largest) = (buckets.to_vec(), http::LARGEST);
        Self { method: Method::GET, url, body: None, audience, tenant, buckets, rest: Duration::ZERO, largest }
    }

    pub(super) fn post(self, body: Value) -> Self {
        Self { method: Method::POST, body: Some(body), ..self }
    }

    /// The same, of something that must be left alone so long between two requests.
    pub(super) fn resting(self, rest: Duration) -> Self {
        Self { rest, ..self }
    }

    /// The same, whose answer has so many bytes at most.
    pub(super) fn at_most(self, largest: usize) -> Self {
        Self { largest, ..self }
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// What is read at another address under the same limits.
    pub(super) fn reading(&self, url: Url) -> Self {
        Self { method: Method::GET, url, body: None, ..self.clone() }
    }

    /// The same of another address.
    pub(super) fn at(&self, url: Url) -> Self {
        Self { url, ..self.clone() }
    }

    fn request(&self, token: &str) -> Result<Request, String> {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| "the token holds what no header can")?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        if let Some(body) = &self.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        Ok(request)
    }
}

// === impl Azure ===

impl Azure {
    /// Asks, and reads JSON.
    pub(super) async fn json(&self, call: &Call) -> Result<(Value, HeaderMap), Trouble> {
        let reply = self.send(call).await?;
        Ok((parse(&reply.body)?, reply.headers))
    }

    /// Asks for a page of a list, whose next is on the same server.
    pub(super) async fn page(&self, call: &Call) -> Result<Page, Trouble> {
        let (value, _) = self.json(call).await?;
        page(value, &call.url)
    }

    /// Asks for every page of a list.
    pub(super) async fn pages(&self, call: Call) -> Result<Vec<Value>, Trouble> {
        let mut items = Vec::new();
        let mut list = List::new(call);
        while let Some(page) = list.next(self).await? {
            items.extend(page);
        }
        Ok(items)
    }

    /// Asks until there is an answer, or a reason why there is none.
    async fn send(&self, call: &Call) -> Result<Reply, Trouble> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.wait() => Err(Trouble::Stopped),
            sent = self.insist(call) => sent,
        }
    }

    async fn insist(&self, call: &Call) -> Result<Reply, Trouble> {
        let (mut failed, mut refused) = (0, None);
        let mut throttled: Option<Instant> = None;
        loop {
            self.pacer.acquire(&call.buckets).await;
            let token = self.tokens.get(call.tenant.as_deref(), call.audience, refused.as_ref()).await;
            let token = match token {
                Ok(token) => token,
                // Entra may be back in a moment, and so much hangs on it.
                Err(reason) => {
                    self.again(call, &mut failed, String::new()).await.map_err(|_| Trouble::Unknown(reason))?;
                    continue;
                }
            };
            let request = call.request(token.secret()).map_err(Trouble::Unknown)?;
            let reply = match self.http.send_within(request, call.largest).await {
                Ok(reply) => reply,
                Err(reason) => {
                    self.again(call, &mut failed, reason).await?;
                    continue;
                }
            };
            self.observe(call, &reply.headers);
            let wait = http::retry_after(&reply.headers, SystemTime::now());
            match reply.status {
                200..=299 => return Ok(reply),
                429 | 503 if reply.status == 429 || wait.is_some() => {
                    let wait = wait.unwrap_or(UNSAID).max(SHORTEST);
                    let since = throttled.get_or_insert_with(Instant::now).elapsed();
                    if since + wait > PATIENCE {
                        let said = format!("it is throttled, and asks to wait {} s more", wait.as_secs());
                        return Err(Trouble::Broken(said));
                    }
                    self.pacer.pause(&call.buckets, wait);
                    if call.buckets.is_empty() {
                        tokio::time::sleep(wait).await;
                    }
                }
                401 if refused.is_none() => refused = Some(token),
                408 | 500..=599 => self.again(call, &mut failed, self.said(&reply).1).await?,
                _ => return Err(self.trouble(&reply)),
            }
        }
    }

    /// Waits before the next try, if there is to be one.
    async fn again(&self, call: &Call, failed: &mut u32, reason: String) -> Result<(), Trouble> {
        *failed += 1;
        if *failed >= TRIES {
            return Err(Trouble::Broken(format!("no answer after {TRIES} tries: {}", self.tokens.scrub(&reason))));
        }
        tokio::time::sleep(http::backoff(*failed, FIRST_WAIT).max(call.rest)).await;
        Ok(())
    }

    /// Leaves something alone for so long, unless it is time to stop.
    async fn rest(&self, rest: Duration) -> Result<(), Trouble> {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = stop.wait() => Err(Trouble::Stopped),
            () = tokio::time::sleep(rest) => Ok(()),
        }
    }

    /// Lets nobody through under the limits of this request for so long, and waits.
    pub(super) async fn throttle(&self, call: &Call, wait: Duration) {
        self.pacer.pause(&call.buckets, wait);
        // Whoever stops meanwhile says so with the next request.
        let _ = self.rest(wait).await;
    }

    /// What is left of quotas, where the server says so.
    fn observe(&self, call: &Call, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
        let left = ["x-ms-ratelimit-remaining-subscription-reads", "x-ms-ratelimit-remaining-tenant-reads"];
        if let (Some(left), Some(bucket)) = (left.into_iter().find_map(number), call.buckets.last()) {
            self.pacer.remaining(*bucket, left);
        }
        // Resource Graph: learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
        if number("x-ms-user-quota-remaining").is_some_and(|left| left < 1.0) {
            let after = headers.get("x-ms-user-quota-resets-after").and_then(|value| http::span(value.to_str().ok()?));
            self.pacer.pause(&call.buckets, after.unwrap_or(UNSAID).min(PATIENCE));
        }
    }

    fn trouble(&self, reply: &Reply) -> Trouble {
        let (code, said) = self.said(reply);
        match reply.status {
            401 | 403 => Trouble::Denied(said),
            404 | 410 if is_deletion(&code) => Trouble::Gone(said),
            status => Trouble::Refused(status, code, said),
        }
    }

    /// The code and the message of an error, fit to be shown.
    pub(super) fn said(&self, reply: &Reply) -> (String, String) {
        let value: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let (code, message) = error_of(&value);
        let said = match (code, message) {
            ("", "") => format!("it answered {}", reply.status),
            ("", message) => message.to_string(),
            (code, message) => format!("{code}: {message}"),
        };
        (self.tokens.scrub(code), self.tokens.scrub(&said))
    }
}

/// Whether what has this code is not there any more. Other codes of 404 speak of the place that was
/// asked: `InvalidResourceType` of a version that is not spoken, `SubscriptionNotFound` of a
/// subscription that is out of sight, and what is no error of the service at all of a proxy.
pub(super) fn is_deletion(code: &str) -> bool {
    ["ResourceNotFound", "ParentResourceNotFound", "NotFound", "Request_ResourceNotFound"].contains(&code)
}

/// The code and the message in the body of an error, of Azure Resource Manager or of Graph.
pub(super) fn error_of(value: &Value) -> (&str, &str) {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let code = text("/error/code").or_else(|| text("/code")).or_else(|| text("/error")).unwrap_or_default();
    let message = text("/error/message").or_else(|| text("/message")).or_else(|| text("/error_description"));
    (code, message.unwrap_or_default())
}

fn parse(body: &[u8]) -> Result<Value, Trouble> {
    serde_json::from_slice(body).map_err(|error| {
        Trouble::Broken(format!(
            "its answer is not JSON, at line {} column {}: {}",
            error.line(),
            error.column(),
            if error.is_eof() { "it ends too early" } else { "it is malformed" }
        ))
    })
}

/// Reads a page that `from` answered.
pub(super) fn page(value: Value, from: &Url) -> Result<Page, Trouble> {
    let Value::Object(mut members) = value else {
        return Err(Trouble::Broken("its answer is no list".into()));
    };
    let next = ["nextLink", "@odata.nextLink"].iter().find_map(|name| members.get(*name)?.as_str());
    let next = match next.filter(|link| !link.is_empty()) {
        Some(link) => Some(follow(from, link)?),
        None => None,
    };
    match members.remove("value") {
        Some(Value::Array(items)) => Ok(Page { items, next }),
        _ => Err(Trouble::Broken("its answer is no list: it has no `value`".into())),
    }
}

/// The address of the next page, which must be on the server that named it: the token goes along.
pub(super) fn follow(from: &Url, link: &str) -> Result<Url, Trouble> {
    let next = from.join(link).ok().filter(|next| http::is_same_server(from, next));
    next.ok_or_else(|| {
        Trouble::Broken(
            "its list goes on at another server, to which the token is not shown; what follows is not read".into(),
        )
    })
}

/// A list, page by page.
#[derive(Debug)]
pub(super) struct List {
    call: Option<Call>,
    begun: bool,
    /// What was on its pages, as hashes: a list that only repeats itself does not end.
    seen: HashSet<u64>,
    hash: RandomState,
}

impl List {
    pub(super) fn new(call: Call) -> Self {
        Self { call: Some(call), begun: false, seen: HashSet::new(), hash: RandomState::new() }
    }

    /// The next page's items; none after the last.
    pub(super) async fn next(&mut self, azure: &Azure) -> Result<Option<Vec<Value>>, Trouble> {
        let Some(call) = self.call.take() else { return Ok(None) };
        if std::mem::replace(&mut self.begun, true) && !call.rest.is_zero() {
            azure.rest(call.rest).await?;
        }
        let page = azure.page(&call).await?;
        self.call = page.next.map(|next| call.at(next));
        if self.is_new(&page.items) || self.call.is_none() {
            return Ok(Some(page.items));
        }
        Err(Trouble::Broken("its list does not end: a page brings nothing new, and names a next one".into()))
    }

    /// Whether something on a page was not on those before. Pages may be empty, but not for ever.
    fn is_new(&mut self, items: &[Value]) -> bool {
        let before = self.seen.len();
        let name = |item: &Value| item.get("id").map_or_else(|| item.to_string(), Value::to_string);
        if items.is_empty() {
            let address = self.call.as_ref().map_or_else(String::new, |call| call.url.to_string());
            self.seen.insert(self.hash.hash_one(address));
        }
        self.seen.extend(items.iter().map(|item| self.hash.hash_one(name(item))));
        self.seen.len() > before && self.seen.len() <= ITEMS
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_goes_on_at_its_own_server_alone() {
        let from: Url = "https://management.azure.com/subscriptions?api-version=2022-12-01".parse().unwrap();
        let next = |link: &str| page(json!({"value": [1], "nextLink": link}), &from).map(|page| page.next);
        let more = "https://management.azure.com/subscriptions?api-version=2022-12-01&$skiptoken=2";
        assert_eq!(next(more).unwrap().unwrap().as_str(), more);
        assert_eq!(next("/subscriptions?p=2").unwrap().unwrap().host_str(), from.host_str());
        assert_eq!(next("").unwrap(), None);
        for hostile in [
            "https://evil.example/",
            "//evil.example/",
            "http://management.azure.com/",
            "https://a@management.azure.com/",
        ] {
            assert!(matches!(next(hostile), Err(Trouble::Broken(_))), "{hostile}");
        }
    }

    #[test]
    fn what_is_no_list_is_said() {
        let from: Url = "https://management.azure.com/".parse().unwrap();
        assert!(page(json!([]), &from).is_err());
        assert!(page(json!({"value": {}}), &from).is_err());
        let Err(Trouble::Broken(said)) = parse(b"{\"value\":\n [") else { panic!("it is malformed") };
        assert_eq!(said, "its answer is not JSON, at line 2 column 2: it ends too early");
    }

    #[test]
    fn a_list_that_repeats_itself_has_ended() {
        let url: Url = "https://management.azure.com/".parse().unwrap();
        let mut list = List::new(Call::get(url, Audience::Arm, None, &[]));
        assert!(list.is_new(&[json!({"id": 1}), json!({"id": 2})]));
        assert!(list.is_new(&[json!({"id": 2}), json!({"id": 3})]));
        assert!(list.is_new(&[]), "an empty page with another behind it is one of Graph's habits");
        assert!(!list.is_new(&[]), "the same address once more");
        assert!(!list.is_new(&[json!({"id": 1, "changed": true})]));
    }

    #[test]
    fn what_is_not_found_is_deleted_only_where_the_service_says_so() {
        assert!(is_deletion("ParentResourceNotFound") && is_deletion("Request_ResourceNotFound"));
        for other in ["", "InvalidResourceType", "SubscriptionNotFound", "ResourceGroupNotFound"] {
            assert!(!is_deletion(other), "{other}");
        }
    }

    #[test]
    fn errors_are_read_in_both_shapes() {
        assert_eq!(error_of(&json!({"error": {"code": "A", "message": "b"}})), ("A", "b"));
        assert_eq!(
            error_of(&json!({"error": "invalid_client", "error_description": "AADSTS7000215"})),
            ("invalid_client", "AADSTS7000215")
        );
        assert_eq!(error_of(&json!(null)), ("", ""));
    }
}
