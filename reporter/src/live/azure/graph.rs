//! Microsoft Graph: app registrations and their federated credentials, twenty applications a
//! request (learn.microsoft.com/graph/json-batching).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};
use wiguard_rules::model::{Identity, Parent};

use super::cache::Held;
use super::client::{Call, List, Trouble, error_of, is_deletion, page};
use super::place::is_object_id;
use super::sift::{self, lack};
use super::tenant::Tenant;
use crate::collect::{Feed, Missing, Proof, Resource};
use crate::live::http::backoff;
use crate::live::now;

/// Requests in one: the most that Graph takes.
const BATCH: usize = 20;
/// Batches under way at a time.
const LANES: usize = 8;
/// Tries of a part that fails for no known reason.
const TRIES: u32 = 5;
/// How often a part may be throttled.
const THROTTLED: u32 = 100;
/// Flexible credentials show their `claimsMatchingExpression` in beta alone
/// (learn.microsoft.com/graph/api/resources/federatedidentitycredential).
const VERSIONS: [&str; 2] = ["beta", "v1.0"];

const MAY: &str = "the application permission `Application.Read.All` of Microsoft Graph";

/// Applications, each with what became of the question for its credentials: none, if it is gone.
type Answers = Vec<(Identity, Result<Option<Held>, Trouble>)>;

/// Reads all app registrations of a tenant.
pub(super) async fn read(tenant: &Tenant) {
    let source = tenant.source("applications");
    let task = tenant.progress.task("app registrations", None);
    let reader = Reader { tenant, version: AtomicUsize::new(0) };
    let mut list = match tenant.places.applications() {
        Ok(call) => List::new(call),
        Err(_) => return,
    };
    let (mut seen, mut whole) = (0, true);
    loop {
        let items = match list.next(&tenant.azure).await {
            Ok(Some(items)) => items,
            Ok(None) => break,
            Err(trouble) => {
                let what = match seen {
                    0 => "the app registrations could not be listed".to_string(),
                    seen => format!("the app registrations could not be listed beyond the first {seen}"),
                };
                let mut gap = lack(&source, &what, &trouble, MAY);
                gap.extent = if seen == 0 { Missing::All } else { Missing::Part };
                tenant.feed_gaps("applications", vec![gap]).await;
                return;
            }
        };
        let mut gaps = Vec::new();
        let mut applications = sift::identities(&items, &mut gaps, &source);
        applications.retain(|it| is_object_id(&it.id));
        whole &= gaps.is_empty() && applications.len() == items.len();
        tenant.feed_gaps("applications", gaps).await;
        seen += applications.len();
        task.total(seen as u64);
        let batches: Vec<Vec<Identity>> = applications.chunks(BATCH).map(<[Identity]>::to_vec).collect();
        let answers = stream::iter(batches).map(|batch| reader.ask(batch)).buffer_unordered(LANES);
        let mut answers = std::pin::pin!(answers);
        while let Some(answers) = answers.next().await {
            task.add(answers.len() as u64);
            tenant.feed(feed(&source, answers)).await;
        }
    }
    let proofs = Vec::from_iter(whole.then(|| Proof::Applications { tenant: tenant.name.clone() }));
    tenant.feed(Feed { source, proofs, ..Feed::default() }).await;
}

/// What a batch of applications came to.
fn feed(source: &str, answers: Answers) -> Feed {
    let mut feed = Feed { source: source.into(), ..Feed::default() };
    let mut troubles: BTreeMap<String, (Trouble, String, usize)> = BTreeMap::new();
    for (application, answer) in answers {
        match answer {
            Ok(None) => continue,
            Ok(Some(held)) => held.give(&mut feed, &application.id),
            Err(trouble) => {
                let of = || (trouble.clone(), application.name.clone(), 0);
                troubles.entry(trouble.to_string()).or_insert_with(of).2 += 1;
            }
        }
        feed.read += 1;
        feed.resources.push(Resource::Identity(application));
    }
    for (trouble, name, count) in troubles.into_values() {
        let what = match count {
            1 => format!("the credentials of app `{name}` could not be read"),
            _ => format!("the credentials of app `{name}` and {} more could not be read", count - 1),
        };
        feed.gaps.push(lack(source, &what, &trouble, MAY));
    }
    feed
}

#[derive(Debug)]
struct Reader<'a> {
    tenant: &'a Tenant,
    version: AtomicUsize,
}

/// What a part of a batch answered.
enum Part {
    Done(Result<Option<Vec<Value>>, Trouble>),
    /// To be asked again, after so long if it was throttled.
    Again(Option<Duration>, String),
}

impl Reader<'_> {
    /// Asks for the credentials of up to twenty applications.
    async fn ask(&self, applications: Vec<Identity>) -> Answers {
        let cache = self.tenant.cache.as_ref();
        let (mut answers, mut open): (Answers, Vec<Identity>) = (Vec::new(), Vec::new());
        for application in applications {
            match cache.and_then(|cache| cache.get(&application.id, &application.client_id.0)) {
                Some(known) => answers.push((application, Ok(Some(known)))),
                None => open.push(application),
            }
        }
        let (mut failed, mut throttled) = (0, 0);
        while !open.is_empty() {
            let (parts, call) = match self.batch(&open).await {
                Ok(parts) => parts,
                Err(trouble) => {
                    answers.extend(open.drain(..).map(|application| (application, Err(trouble.clone()))));
                    break;
                }
            };
            let mut wait: Option<Duration> = None;
            let mut again = Vec::new();
            for (application, part) in std::mem::take(&mut open).into_iter().zip(parts) {
                let answer = match part {
                    Part::Done(Ok(Some(items))) => self.settle(&application, &items),
                    Part::Done(Ok(None)) => Ok(None),
                    Part::Done(Err(trouble)) => Err(trouble),
                    Part::Again(after, said) => {
                        wait = wait.max(after);
                        again.push((application, said));
                        continue;
                    }
                };
                answers.push((application, answer));
            }
            if again.is_empty() {
                break;
            }
            match wait {
                Some(_) => throttled += 1,
                None => failed += 1,
            }
            if failed >= TRIES || throttled >= THROTTLED {
                let trouble = |said| Trouble::Broken(format!("no answer after many tries: {said}"));
                answers.extend(again.into_iter().map(|(application, said)| (application, Err(trouble(said)))));
                break;
            }
            open = again.into_iter().map(|(application, _)| application).collect();
            let wait = wait.unwrap_or_else(|| backoff(failed, Duration::from_millis(500)));
            self.tenant.azure.throttle(&call, wait).await;
        }
        answers
    }

    fn settle(&self, application: &Identity, items: &[Value]) -> Result<Option<Held>, Trouble> {
        let held = Held::read(now(), sift::credentials(items, &Parent::Id(application.id.clone()))?);
        if let Some(cache) = &self.tenant.cache {
            cache.put(&application.id, &application.client_id.0, &held);
        }
        Ok(Some(held))
    }

    /// One batch; what each of its parts answered, in their order.
    async fn batch(&self, applications: &[Identity]) -> Result<(Vec<Part>, Call), Trouble> {
        let requests: Vec<Value> = applications
            .iter()
            .enumerate()
            .map(|(index, it)| {
                json!({"id": index.to_string(), "method": "GET", "url": format!("/applications/{}/federatedIdentityCredentials", it.id)})
            })
            .collect();
        loop {
            let version = self.version.load(Ordering::Relaxed);
            let spoken = VERSIONS.get(version).copied().unwrap_or_default();
            let call = self.tenant.places.batch(spoken, Value::Array(requests.clone()))?;
            let answered = match self.tenant.azure.json(&call).await {
                Ok((answered, _)) => answered,
                // Clouds and permissions may know the stable version alone.
                Err(Trouble::Gone(_) | Trouble::Denied(_) | Trouble::Refused(..)) if self.step_down(version) => {
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            let Some(Value::Array(responses)) = answered.get("responses") else {
                return Err(Trouble::Broken("the answer is no batch: it has no `responses`".into()));
            };
            // An endpoint that a version lacks is told within the batch.
            if !responses.is_empty() && responses.iter().all(is_unspoken) && self.step_down(version) {
                continue;
            }
            let mut by_id: BTreeMap<usize, &Value> = BTreeMap::new();
            for response in responses {
                let id = response.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
                by_id.extend(id.map(|id: usize| (id, response)));
            }
            let mut parts = Vec::new();
            for index in 0..applications.len() {
                parts.push(match by_id.get(&index) {
                    Some(response) => self.part(response, &call).await,
                    None => Part::Again(None, "the batch leaves it out".into()),
                });
            }
            return Ok((parts, call));
        }
    }

    /// Takes the stable version instead of this one; whether there is one.
    fn step_down(&self, version: usize) -> bool {
        let is = version + 1 < VERSIONS.len();
        if is {
            // Others may have found out already.
            let _ = self.version.compare_exchange(version, version + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
        is
    }

    async fn part(&self, response: &Value, call: &Call) -> Part {
        let body = response.get("body").cloned().unwrap_or_default();
        let (code, message) = error_of(&body);
        let said = self.tenant.azure.tokens.scrub(&format!("{code}: {message}"));
        match response.get("status").and_then(Value::as_u64) {
            Some(200) => Part::Done(self.items(body, call).await),
            Some(404) if is_deletion(code) => Part::Done(Ok(None)),
            Some(401 | 403) => Part::Done(Err(Trouble::Denied(said))),
            Some(429) => {
                let wait = response.get("headers").and_then(Value::as_object).and_then(|headers| {
                    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
                    value.as_str().map_or_else(|| value.as_u64(), |text| text.trim().parse().ok())
                });
                Part::Again(Some(Duration::from_secs(wait.unwrap_or(2).min(900))), said)
            }
            Some(408 | 500..=599) => Part::Again(None, said),
            Some(status) => {
                let status = u16::try_from(status).unwrap_or_default();
                Part::Done(Err(Trouble::Refused(status, code.to_string(), said)))
            }
            None => Part::Again(None, "it has no status".into()),
        }
    }

    /// The items of a part, and those of its further pages.
    async fn items(&self, body: Value, call: &Call) -> Result<Option<Vec<Value>>, Trouble> {
        let first = page(body, call.url())?;
        let mut items = first.items;
        if let Some(next) = first.next {
            items.extend(self.tenant.azure.pages(call.reading(next)).await?);
        }
        Ok(Some(items))
    }
}

/// Whether a part of a batch says that it is not understood in this version.
fn is_unspoken(response: &Value) -> bool {
    let code = response.get("body").map_or("", |body| error_of(body).0);
    match response.get("status").and_then(Value::as_u64) {
        Some(400) => ["BadRequest", "Request_BadRequest"].contains(&code),
        Some(404) => !is_deletion(code),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_a_version_lacks_is_no_app_that_is_gone() {
        let of = |status: u16, code: &str| json!({"status": status, "body": {"error": {"code": code, "message": "m"}}});
        assert!(is_unspoken(&of(400, "BadRequest")) && is_unspoken(&of(404, "UnknownError")));
        assert!(!is_unspoken(&of(404, "Request_ResourceNotFound")) && !is_unspoken(&of(403, "BadRequest")));
    }
}
