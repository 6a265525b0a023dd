//! Microsoft Graph: app registrations and their federated credentials.
//!
//! Shapes: learn.microsoft.com/graph/api/application-list,
//! learn.microsoft.com/graph/api/application-list-federatedidentitycredentials and
//! learn.microsoft.com/graph/json-batching.

use std::time::Instant;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Map, Value, json};

use super::estate::Application;
use super::fault::What;
use super::http::{Answer, Asked, Page, id};
use super::record::Service;
use super::server::State;
use super::throttle::Limit;
use super::tokens::Grant;

/// The most requests in a batch.
const BATCH: usize = 20;

pub(super) fn answer(state: &State, asked: &Asked) -> Answer {
    let grant = match admitted(state, asked) {
        Ok(grant) => grant,
        Err(refusal) => return *refusal,
    };
    let segments = asked.segments();
    let Some((version @ ("v1.0" | "beta"), rest)) = segments.split_first().map(|(first, rest)| (*first, rest)) else {
        return failed(400, "BadRequest", "Invalid version");
    };
    if rest == ["$batch"] {
        return if asked.method == Method::POST {
            batch(state, asked, version, &grant)
        } else {
            failed(405, "BadRequest", "Only POST is supported.")
        };
    }
    one(state, asked, version, &grant)
}

fn admitted(state: &State, asked: &Asked) -> Result<Grant, Box<Answer>> {
    let refuse = |said: &str| {
        let realm = "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"";
        Box::new(failed(401, "InvalidAuthenticationToken", said).with("www-authenticate", realm))
    };
    let token = asked.bearer().ok_or_else(|| refuse("Access token is empty."))?;
    let grant = state.grant(token).ok_or_else(|| refuse("IDX14100: JWT is not well formed, there are no dots (.)."))?;
    if grant.expires <= Instant::now() {
        return Err(refuse("Lifetime validation failed, the token is expired."));
    }
    if !state.is_audience_of(Service::Graph, &grant.audience) {
        return Err(refuse("Access token validation failure. Invalid audience."));
    }
    Ok(grant)
}

fn one(state: &State, asked: &Asked, version: &str, grant: &Grant) -> Answer {
    if let Err(wait) = state.throttle().take(&[Limit::Graph(grant.tenant)]) {
        let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
        return failed(429, "TooManyRequests", "Too many requests").with("retry-after", seconds);
    }
    if asked.method != Method::GET {
        return failed(405, "BadRequest", "Specified HTTP method is not allowed for the request target.");
    }
    let tenant = &state.estate.tenants[grant.tenant];
    let segments = asked.segments();
    let rest = segments.get(1..).unwrap_or_default();
    if rest == ["organization"] {
        let own = json!({"id": tenant.id, "displayName": tenant.name});
        return Answer::ok(json!({"@odata.context": context(version, "organization"), "value": [own]}));
    }
    if rest.first().is_none_or(|it| !it.starts_with("applications")) {
        return failed(400, "BadRequest", "Resource not found for the segment.");
    }
    if !state.callers[grant.caller].reads_applications {
        return failed(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    }
    let flexible = version == "beta";
    match rest {
        ["applications"] => {
            page(state, asked, version, "applications", &tenant.applications, |it| shown(asked, it, flexible))
        }
        [named, child @ ..] if child.len() <= 1 && *named != "applications" => {
            of_application(state, asked, version, tenant, named, child, "appId")
        }
        ["applications", named, child @ ..] if child.len() <= 1 => {
            of_application(state, asked, version, tenant, named, child, "id")
        }
        _ => failed(400, "BadRequest", "Resource not found for the segment."),
    }
}

/// `/applications/ID`, or `applications(appId='ID')`, and what is below it.
fn of_application(
    state: &State,
    asked: &Asked,
    version: &str,
    tenant: &super::Tenant,
    named: &str,
    child: &[&str],
    by: &str,
) -> Answer {
    let name = named.trim_start_matches("applications(appId='").trim_end_matches("')");
    let is = |it: &&Application| it.object[by].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name));
    let Some(application) = tenant.applications.iter().find(is) else {
        return failed(
            404,
            "Request_ResourceNotFound",
            &format!(
                "Resource '{name}' does not exist or one of its queried reference-property objects are not present."
            ),
        );
    };
    match child {
        [] => Answer::ok(shown(asked, application, version == "beta")),
        ["federatedIdentityCredentials"] => {
            let list = application.credentials(version == "beta");
            page(state, asked, version, &format!("applications('{name}')/federatedIdentityCredentials"), &list, |it| {
                selected(asked, it.clone())
            })
        }
        _ => failed(400, "BadRequest", "Resource not found for the segment."),
    }
}

fn page<T>(state: &State, asked: &Asked, version: &str, of: &str, all: &[T], make: impl Fn(&T) -> Value) -> Answer {
    for name in ["$filter", "$search", "$skip"] {
        if asked.parameter(name).is_some() {
            return failed(400, "Request_UnsupportedQuery", &format!("Unsupported Query: {name}"));
        }
    }
    let size = match asked.parameter("$top").map(str::parse) {
        None => 100,
        Some(Ok(top @ 1..=999)) => top,
        Some(_) => {
            return failed(
                400,
                "Request_BadRequest",
                "Invalid page size specified. Must be between 1 and 999 inclusive.",
            );
        }
    };
    let Ok(page) = Page::of(all.len(), size.min(state.options.applications), asked.parameter("$skiptoken")) else {
        return failed(
            400,
            "Directory_ExpiredPageToken",
            "The specified page token value has expired and can no longer be included in your request.",
        );
    };
    let value: Vec<Value> = all.get(page.from..page.to).unwrap_or_default().iter().map(make).collect();
    let mut body = json!({"@odata.context": context(version, of), "value": value});
    if let Some(next) = page.next {
        body["@odata.nextLink"] = asked.link("$skiptoken", &next).into();
    }
    Answer::ok(body)
}

/// An app registration with what was selected, and its credentials if they were asked for.
fn shown(asked: &Asked, application: &Application, flexible: bool) -> Value {
    let mut object = selected(asked, application.object.clone());
    let expand = asked.parameter("$expand").unwrap_or_default();
    if expand.split('(').next() == Some("federatedIdentityCredentials") {
        object["federatedIdentityCredentials"] = application.credentials(flexible).into();
    }
    object
}

fn selected(asked: &Asked, object: Value) -> Value {
    let Some(names) = asked.parameter("$select") else { return object };
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    match object {
        Value::Object(members) => {
            Value::Object(members.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// Answers come in another order than requests, as they may.
fn batch(state: &State, asked: &Asked, version: &str, grant: &Grant) -> Answer {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let Some(requests) = body["requests"].as_array() else {
        return failed(400, "BadRequest", "Invalid batch payload format.");
    };
    if requests.len() > BATCH {
        return failed(
            400,
            "BadRequest",
            &format!("Number of batch request steps exceeds the maximum value of {BATCH}."),
        );
    }
    let responses: Vec<Value> = requests
        .iter()
        .rev()
        .map(|part| {
            let (path, number) = (part["url"].as_str().unwrap_or_default(), &part["id"]);
            let slash = if path.starts_with('/') { "" } else { "/" };
            let method = part["method"].as_str().and_then(|it| it.parse().ok()).unwrap_or(Method::GET);
            let inner = Asked::new(
                method,
                &format!("/{version}{slash}{path}"),
                asked.headers.clone(),
                Bytes::new(),
                asked.base.clone(),
            );
            let mut answer = one(state, &inner, version, grant);
            let fault = if answer.status == 200 { state.fault(Service::Graph, &inner.raw) } else { None };
            match &fault {
                Some(What::Status(status)) => {
                    answer = failed(*status, "ServiceUnavailable", "The service is unavailable.")
                }
                Some(What::Busy(seconds)) => {
                    answer = failed(429, "TooManyRequests", "Too many requests").with("retry-after", seconds)
                }
                Some(What::Gone) => answer = failed(404, "Request_ResourceNotFound", "Resource does not exist."),
                _ => {}
            }
            state.note(Service::Graph, &inner, &answer, fault.is_some());
            let mut headers = Map::new();
            headers.insert("Content-Type".into(), "application/json".into());
            headers.extend(
                answer
                    .headers
                    .iter()
                    .filter(|(name, _)| *name == "retry-after")
                    .map(|(_, value)| ("Retry-After".to_owned(), Value::from(value.clone()))),
            );
            json!({"id": number, "status": answer.status, "headers": headers, "body": answer.body})
        })
        .collect();
    Answer::ok(json!({"responses": responses}))
}

fn context(version: &str, of: &str) -> String {
    format!("https://graph.microsoft.com/{version}/$metadata#{of}")
}

fn failed(status: u16, code: &str, said: &str) -> Answer {
    let request = id();
    let inner = json!({"date": "2026-11-25T21:00:00", "request-id": request, "client-request-id": request});
    Answer::status(status, json!({"error": {"code": code, "message": said, "innerError": inner}}))
}
