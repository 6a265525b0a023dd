//! Azure Resource Graph: rows of resources over all subscriptions that the caller may read. Those
//! he may not read are left out without a word.
//!
//! Shapes: learn.microsoft.com/rest/api/azureresourcegraph/resourcegraph/resources/resources and
//! learn.microsoft.com/azure/governance/resource-graph/concepts/paging-results.

use std::time::Duration;

use serde_json::{Value, json};

use super::estate::Subscription;
use super::http::{Answer, Asked, Page, id};
use super::kusto::Query;
use super::manager::{managed, role};
use super::server::State;
use super::tokens::Grant;
use super::version::{QUERIES, versioned};

/// The most subscriptions that a query may name.
const SUBSCRIPTIONS: usize = 1000;

/// A row before it is made: subscription, and what in it.
#[derive(Clone, Copy)]
enum Row<'e> {
    Identity(&'e Subscription, usize),
    Cluster(&'e Subscription, usize),
    Role(&'e Subscription, usize),
    Subscription(&'e Subscription),
}

pub(super) fn answer(state: &State, asked: &Asked, grant: &Grant) -> Answer {
    let quota = state.throttle().query(grant.tenant);
    let quoted = |answer: Answer| {
        let seconds = quota.resets_after.as_secs_f64().ceil() as u64;
        let after = format!("00:{:02}:{:02}", seconds / 60, seconds % 60);
        answer.with("x-ms-user-quota-remaining", quota.remaining).with("x-ms-user-quota-resets-after", after)
    };
    if !quota.granted {
        let said = "Client application has been throttled and should not attempt to repeat the request until an amount of time has elapsed. Please see https://aka.ms/resourcegraph-throttling for help.";
        let seconds = quota.resets_after.max(Duration::from_secs(1)).as_secs_f64().ceil() as u64;
        return quoted(failed(429, "RateLimiting", "RateLimiting", said).with("retry-after", seconds));
    }
    if !state.options.queries {
        let said = "Access is denied to the requested resource. The user might not have enough permission.";
        return quoted(failed(403, "Forbidden", "AccessDenied", said));
    }
    quoted(versioned(state, asked, QUERIES, |_| rows(state, asked, grant).unwrap_or_else(|refusal| *refusal)))
}

fn rows(state: &State, asked: &Asked, grant: &Grant) -> Result<Answer, Box<Answer>> {
    let bad = |said: &str| Box::new(failed(400, "BadRequest", "InvalidQuery", said));
    let body: Value = serde_json::from_slice(&asked.body).map_err(|_| bad("The request body is no JSON."))?;
    let text = body["query"].as_str().ok_or_else(|| bad("Query is missing."))?;
    let query = Query::read(text).map_err(|what| {
        bad(&format!("Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before retrying: {what}"))
    })?;
    let options = &body["options"];
    if options.get("resultFormat").is_some_and(|it| it != "objectArray") {
        return Err(bad("The result format is not known here."));
    }
    let top = match options.get("$top").map(Value::as_u64) {
        None => 100,
        Some(Some(top @ 1..=1000)) => top as usize,
        Some(_) => return Err(bad("$top must be between 1 and 1000.")),
    };
    let scope = scope(state, grant, &body).map_err(|said| bad(&said))?;
    if !scope.is_empty() && scope.iter().all(|it| state.is_forbidden(&it.id)) {
        let said = "Access is denied to the requested resource. The user might not have enough permission.";
        return Err(Box::new(failed(403, "Forbidden", "AccessDenied", said)));
    }
    let readable = scope.into_iter().filter(|it| !state.is_forbidden(&it.id));
    let mut rows: Vec<Row<'_>> = readable.flat_map(|it| of(it, &query)).take(query.limit()).collect();
    if query.falls() {
        rows.reverse();
    }
    let size = top.min(state.options.rows);
    let page =
        Page::of(rows.len(), size, options["$skipToken"].as_str()).map_err(|()| bad("The skip token is invalid."))?;
    let shown = rows.get(page.from..page.to).unwrap_or_default();
    let data: Vec<Value> = shown.iter().map(|row| query.row(row.make(state))).collect();
    let mut body = json!({"totalRecords": rows.len(), "count": data.len(), "resultTruncated": "false", "facets": [], "data": data});
    match page.next {
        Some(next) if query.pages() => body["$skipToken"] = next.into(),
        // What has no id cannot be gone on with, and the rest is out of reach.
        Some(_) => body["resultTruncated"] = "true".into(),
        None => {}
    }
    Ok(Answer::ok(body))
}

/// The subscriptions that are meant: those named, those of management groups, or all of the tenant.
fn scope<'s>(state: &'s State, grant: &Grant, body: &Value) -> Result<Vec<&'s Subscription>, String> {
    let names =
        |name: &str| body[name].as_array().map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let own = |it: &&Subscription| it.tenant == grant.tenant && !state.is_hidden(&it.id);
    if let Some(subscriptions) = names("subscriptions").filter(|list| !list.is_empty()) {
        if subscriptions.len() > SUBSCRIPTIONS {
            return Err(format!("The number of subscriptions exceeds the limit of {SUBSCRIPTIONS}."));
        }
        return Ok(subscriptions.into_iter().filter_map(|id| state.estate.subscription(id)).filter(own).collect());
    }
    if let Some(groups) = names("managementGroups").filter(|list| !list.is_empty()) {
        return Ok(groups.into_iter().flat_map(|name| state.estate.below(name)).filter(own).collect());
    }
    Ok(state.estate.subscriptions.iter().filter(own).collect())
}

fn of<'e>(it: &'e Subscription, query: &Query) -> Vec<Row<'e>> {
    let mut rows = Vec::new();
    match query.table.as_str() {
        "resources" => {
            if query.wants("microsoft.managedidentity/userassignedidentities") {
                rows.extend((0..it.identities.len()).map(|at| Row::Identity(it, at)));
            }
            let wanted = |at: &usize| {
                it.clusters.get(*at).is_some_and(|cluster| {
                    query.wants(if cluster.arc {
                        "microsoft.kubernetes/connectedclusters"
                    } else {
                        "microsoft.containerservice/managedclusters"
                    })
                })
            };
            rows.extend((0..it.clusters.len()).filter(wanted).map(|at| Row::Cluster(it, at)));
        }
        "authorizationresources" if query.wants("microsoft.authorization/roleassignments") => {
            rows.extend((0..it.roles.len()).map(|at| Row::Role(it, at)));
        }
        "resourcecontainers" if query.wants("microsoft.resources/subscriptions") => rows.push(Row::Subscription(it)),
        _ => {}
    }
    rows
}

fn failed(status: u16, code: &str, detail: &str, said: &str) -> Answer {
    let message = format!(
        "Please provide below info when asking for support: timestamp = 2026-11-25T21:00:00.0000000Z, correlationId = {}.",
        id()
    );
    Answer::status(
        status,
        json!({"error": {"code": code, "message": message, "details": [{"code": detail, "message": said}]}}),
    )
}

// === impl Row ===

impl Row<'_> {
    fn make(self, state: &State) -> Value {
        let tenant = |it: &Subscription| state.estate.tenant_of(it).to_owned();
        let (of, mut row) = match self {
            Self::Identity(of, at) => {
                let identity = &of.identities[at];
                let mut row = identity.nested(&of.id, &tenant(of));
                // What Azure Resource Manager writes in lower case in its lists is not so here.
                row["id"] = identity.id_with("resourceGroups", &of.id).into();
                (of, row)
            }
            Self::Cluster(of, at) => (of, managed(of.clusters[at].nested(), "")),
            Self::Role(of, at) => {
                let mut row = role(of, at);
                let definition = format!("/providers/Microsoft.Authorization/RoleDefinitions/{}", of.roles[at].1);
                row["properties"]["roleDefinitionId"] = definition.into();
                (of, row)
            }
            Self::Subscription(of) => {
                let id = format!("/subscriptions/{}", of.id);
                let status = if of.disabled { "Disabled" } else { "Enabled" };
                (
                    of,
                    json!({"id": id, "name": of.name, "type": "microsoft.resources/subscriptions", "properties": {"state": status, "managementGroupAncestorsChain": of.group}}),
                )
            }
        };
        row["type"] = row["type"].as_str().unwrap_or_default().to_ascii_lowercase().into();
        row["subscriptionId"] = of.id.clone().into();
        row["tenantId"] = tenant(of).into();
        let group = row["id"].as_str().unwrap_or_default().split('/').nth(4).unwrap_or_default().to_ascii_lowercase();
        row["resourceGroup"] = group.into();
        for name in ["kind", "managedBy"] {
            row[name] = "".into();
        }
        row
    }
}
