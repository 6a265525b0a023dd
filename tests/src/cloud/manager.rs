//! Azure Resource Manager: tenants, subscriptions, management groups and the lists of resources.
//!
//! Shapes: the examples of github.com/Azure/azure-rest-api-specs, specification/{resources, msi,
//! containerservice, hybridkubernetes, authorization, managementgroups}.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use super::estate::{Estate, Subscription};
use super::groups::{group, groups};
use super::http::{Answer, Asked, Page, id};
use super::query;
use super::record::Service;
use super::server::State;
use super::throttle::Limit;
use super::tokens::Grant;
use super::version::{
    AKS, ARC, ARC_ISSUER_SINCE, BINDINGS, CREDENTIALS_SINCE, FLEXIBLE, GROUPS, IDENTITIES, ROLES, SUBSCRIPTIONS,
    versioned,
};

pub(super) fn answer(state: &State, asked: &Asked) -> Answer {
    let segments = asked.segments();
    let lower: Vec<String> = segments.iter().map(|it| it.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    if lower == ["metadata", "endpoints"] {
        return endpoints(asked);
    }
    let grant = match admitted(state, asked, Service::Manager) {
        Ok(grant) => grant,
        Err(refusal) => return refusal,
    };
    let ["subscriptions", _, rest @ ..] = lower.as_slice() else {
        return of_tenant(state, asked, &grant, &lower);
    };
    let own = segments.get(1).copied().unwrap_or_default();
    let Some(subscription) = state.estate.subscription(own) else {
        return Answer::error(404, "SubscriptionNotFound", &format!("The subscription '{own}' could not be found."));
    };
    if subscription.tenant != grant.tenant {
        return wrong_tenant(state, &grant, subscription);
    }
    let reads = Limit::ReadsOfSubscription(subscription.id.to_ascii_lowercase());
    let mut limits = vec![reads.clone()];
    if lower.last() == Some(&"federatedidentitycredentials") {
        let identity = lower.get(..lower.len() - 1).unwrap_or_default().join("/");
        limits.extend([
            Limit::ListsOfTenant(grant.tenant),
            Limit::ListsOfSubscription(subscription.id.to_ascii_lowercase()),
            Limit::ListsOfIdentity(identity),
        ]);
    }
    let (taken, left) = {
        let mut throttle = state.throttle();
        (throttle.take(&limits), throttle.left(&reads))
    };
    if let Err(wait) = taken {
        return throttled(
            wait,
            &format!("Number of 'read' requests for subscription '{own}' actor '{}' exceeded.", caller(state, &grant)),
        );
    }
    let answer = if state.is_hidden(&subscription.id) {
        forbidden(state, &grant, rest, &subscription.id)
    } else if rest.is_empty() {
        versioned(state, asked, SUBSCRIPTIONS, |_| Answer::ok(describe(&state.estate, subscription)))
    } else if state.is_forbidden(&subscription.id) {
        forbidden(state, &grant, rest, &subscription.id)
    } else {
        of_subscription(state, asked, subscription, rest)
    };
    answer.with("x-ms-ratelimit-remaining-subscription-reads", left)
}

/// Checks the token.
pub(super) fn admitted(state: &State, asked: &Asked, service: Service) -> Result<Grant, Answer> {
    let refuse = |code: &str, said: &str| {
        let authority = format!(
            "Bearer authorization_uri=\"https://login.windows.net/{}\", error=\"invalid_token\", error_description=\"{said}\"",
            state.estate.tenants[0].id
        );
        Answer::error(401, code, said).with("www-authenticate", authority)
    };
    let Some(token) = asked.bearer() else {
        return Err(refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."));
    };
    let Some(grant) = state.grant(token) else {
        return Err(refuse("InvalidAuthenticationToken", "The access token is invalid."));
    };
    if grant.expires <= Instant::now() {
        return Err(refuse(
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time is earlier than current UTC time.",
        ));
    }
    if !state.is_audience_of(service, &grant.audience) {
        let said = format!(
            "The access token has been obtained from wrong audience or resource '{}'. It should exactly match with one of the allowed audiences 'https://management.core.windows.net/','https://management.azure.com/'.",
            grant.audience
        );
        return Err(refuse("InvalidAuthenticationTokenAudience", &said));
    }
    Ok(grant)
}

pub(super) fn throttled(wait: Duration, said: &str) -> Answer {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    let said = format!("{said} Please try again after '{seconds}' seconds.");
    Answer::error(429, "SubscriptionRequestsThrottled", &said).with("retry-after", seconds)
}

fn of_tenant(state: &State, asked: &Asked, grant: &Grant, segments: &[&str]) -> Answer {
    if segments == ["providers", "microsoft.resourcegraph", "resources"] && asked.method == Method::POST {
        return query::answer(state, asked, grant);
    }
    let limit = Limit::ReadsOfTenant(grant.tenant);
    let (taken, left) = {
        let mut throttle = state.throttle();
        (throttle.take(std::slice::from_ref(&limit)), throttle.left(&limit))
    };
    if let Err(wait) = taken {
        return throttled(wait, "Number of 'read' requests for the tenant exceeded.");
    }
    let estate = &state.estate;
    let answer = match segments {
        ["tenants"] => versioned(state, asked, SUBSCRIPTIONS, |_| tenants(state, asked, grant)),
        ["subscriptions"] => versioned(state, asked, SUBSCRIPTIONS, |_| {
            let is = |it: &&Subscription| it.tenant == grant.tenant && !state.is_hidden(&it.id);
            let own: Vec<&Subscription> = estate.subscriptions.iter().filter(is).collect();
            list(asked, own.len(), state.options.page, |at| describe(estate, own[at]))
        }),
        ["providers", "microsoft.management", "managementgroups"] => versioned(state, asked, GROUPS, |_| {
            let own: Vec<_> = estate.groups.iter().filter(|it| it.tenant == grant.tenant).collect();
            list(asked, own.len(), state.options.page, |at| group(estate, &own[at].name))
        }),
        ["providers", "microsoft.management", "managementgroups", name, rest @ ..] => {
            versioned(state, asked, GROUPS, |_| groups(state, asked, grant, name, rest))
        }
        _ => Answer::error(404, "NotFound", "The resource could not be found."),
    };
    answer.with("x-ms-ratelimit-remaining-tenant-reads", left)
}

fn of_subscription(state: &State, asked: &Asked, of: &Subscription, rest: &[&str]) -> Answer {
    let (page, tenant) = (state.options.page, state.estate.tenant_of(of));
    match rest {
        ["providers", "microsoft.managedidentity", "userassignedidentities"] => {
            versioned(state, asked, IDENTITIES, |_| {
                list(asked, of.identities.len(), page, |at| of.identities[at].nested(&of.id, tenant))
            })
        }
        ["providers", "microsoft.containerservice", "managedclusters"] => versioned(state, asked, AKS, |version| {
            let own: Vec<_> = of.clusters.iter().filter(|it| !it.arc).collect();
            list(asked, own.len(), page, |at| managed(own[at].nested(), version))
        }),
        ["providers", "microsoft.kubernetes", "connectedclusters"] => versioned(state, asked, ARC, |version| {
            let own: Vec<_> = of.clusters.iter().filter(|it| it.arc).collect();
            list(asked, own.len(), page, |at| connected(own[at].nested(), version))
        }),
        ["providers", "microsoft.authorization", "permissions"] => {
            versioned(state, asked, ROLES, |_| Answer::ok(json!({"value": state.permissions()})))
        }
        ["providers", "microsoft.authorization", "roleassignments"] => {
            versioned(state, asked, ROLES, |_| list(asked, of.roles.len(), page, |at| role(of, at)))
        }
        [
            "resourcegroups",
            group,
            "providers",
            "microsoft.managedidentity",
            "userassignedidentities",
            name,
            child @ ..,
        ] => identity(state, asked, of, group, name, child),
        [
            "resourcegroups",
            _,
            "providers",
            "microsoft.containerservice",
            "managedclusters",
            name,
            "identitybindings",
        ] => {
            let cluster = of
                .clusters
                .iter()
                .find(|it| it.printed["name"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name)));
            let Some(cluster) = cluster else { return missing("Microsoft.ContainerService/managedClusters", name) };
            versioned(state, asked, BINDINGS, |_| {
                list(asked, cluster.bindings.len(), page, |at| {
                    let client = &cluster.bindings[at];
                    json!({"id": format!("{}/identityBindings/{client}", cluster.id()), "name": client,
                        "type": "Microsoft.ContainerService/managedClusters/identityBindings",
                        "properties": {"managedIdentity": {"clientId": client, "tenantId": tenant},
                            "oidcIssuer": {"oidcIssuerUrl": format!("https://ib.oic.prod-aks.azure.com/{tenant}/{client}")}}})
                })
            })
        }
        _ => Answer::error(404, "NotFound", "The resource could not be found."),
    }
}

fn identity(state: &State, asked: &Asked, of: &Subscription, group: &str, name: &str, child: &[&str]) -> Answer {
    let known = if child.is_empty() {
        IDENTITIES
    } else {
        IDENTITIES.split_at(IDENTITIES.iter().position(|it| *it == CREDENTIALS_SINCE).unwrap_or(0)).1
    };
    versioned(state, asked, known, |version| {
        let Some(identity) = of.identity(group, name) else {
            return if child.is_empty() {
                missing("Microsoft.ManagedIdentity/userAssignedIdentities", name)
            } else {
                Answer::error(
                    404,
                    "ParentResourceNotFound",
                    &format!(
                        "Failed to perform 'read' on resource(s) of type 'userAssignedIdentities/federatedIdentityCredentials', because the parent resource '/subscriptions/{}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}' could not be found.",
                        of.id
                    ),
                )
            };
        };
        match child {
            [] => Answer::ok(identity.nested(&of.id, state.estate.tenant_of(of))),
            ["federatedidentitycredentials"] => {
                let id = identity.id(&of.id);
                list(asked, identity.credentials.len(), state.options.page, |at| {
                    identity.credentials.get(at).nested(&id, version >= FLEXIBLE)
                })
            }
            _ => Answer::error(404, "NotFound", "The resource could not be found."),
        }
    })
}

/// A page of a list, and the link to the next.
pub(super) fn list(asked: &Asked, length: usize, size: usize, make: impl Fn(usize) -> Value) -> Answer {
    if asked.method != Method::GET {
        return Answer::error(405, "MethodNotAllowed", "The requested resource does not support this method.");
    }
    let size = asked.parameter("$top").and_then(|top| top.parse().ok()).map_or(size, |top: usize| top.min(size));
    let Ok(page) = Page::of(length, size, asked.parameter("$skiptoken")) else {
        return Answer::error(400, "InvalidSkipToken", "The skip token is invalid.");
    };
    let mut body = json!({"value": (page.from..page.to).map(make).collect::<Vec<Value>>()});
    if let Some(next) = page.next {
        body["nextLink"] = asked.link("$skiptoken", &next).into();
    }
    Answer::ok(body)
}

fn describe(estate: &Estate, of: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", of.id), "authorizationSource": "RoleBased", "managedByTenants": [],
        "subscriptionId": of.id, "tenantId": estate.tenant_of(of), "displayName": of.name,
        "state": if of.disabled { "Disabled" } else { "Enabled" },
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "EnterpriseAgreement_2014-09-01", "spendingLimit": "Off"}})
}

fn tenants(state: &State, asked: &Asked, grant: &Grant) -> Answer {
    let own = &state.callers[grant.caller].tenants;
    list(asked, own.len(), state.options.page, |at| {
        let tenant = &state.estate.tenants[own[at]];
        json!({"id": format!("/tenants/{}", tenant.id), "tenantId": tenant.id, "displayName": tenant.name,
            "countryCode": "NO", "defaultDomain": "norvind.example", "domains": ["norvind.example"],
            "tenantCategory": "Home", "tenantType": "AAD"})
    })
}

/// Versions of Arc before the issuer's say nothing of it.
fn connected(mut nested: Value, version: &str) -> Value {
    if version < ARC_ISSUER_SINCE
        && let Some(properties) = nested["properties"].as_object_mut()
    {
        properties.remove("oidcIssuerProfile");
        properties.remove("securityProfile");
    }
    nested
}

/// A cluster of AKS, in a version: preview versions alone say whether pods reach the metadata service.
pub(super) fn managed(mut nested: Value, version: &str) -> Value {
    if !version.ends_with("-preview")
        && let Some(network) = nested.pointer_mut("/properties/networkProfile").and_then(Value::as_object_mut)
    {
        network.remove("podLinkLocalAccess");
    }
    nested
}

/// A role assignment.
pub(super) fn role(of: &Subscription, at: usize) -> Value {
    let (principal, definition) = &of.roles[at];
    let scope = format!("/subscriptions/{}", of.id);
    json!({"id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{at:08}"), "name": format!("{at:08}"),
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {"principalId": principal, "principalType": "ServicePrincipal", "scope": scope,
            "roleDefinitionId": format!("{scope}/providers/Microsoft.Authorization/roleDefinitions/{definition}")}})
}

fn caller<'s>(state: &'s State, grant: &Grant) -> &'s str {
    &state.callers[grant.caller].client_id
}

fn forbidden(state: &State, grant: &Grant, rest: &[&str], subscription: &str) -> Answer {
    let action = rest.iter().skip_while(|it| **it != "providers").skip(1).copied().collect::<Vec<_>>().join("/");
    let (client, object) = (caller(state, grant), id());
    Answer::error(
        403,
        "AuthorizationFailed",
        &format!(
            "The client '{client}' with object id '{object}' does not have authorization to perform action '{action}/read' over scope '/subscriptions/{subscription}' or the scope is invalid. If access was recently granted, please refresh your credentials."
        ),
    )
}

fn wrong_tenant(state: &State, grant: &Grant, of: &Subscription) -> Answer {
    let (own, right) = (&state.estate.tenants[grant.tenant].id, state.estate.tenant_of(of));
    let said = format!(
        "The access token is from the wrong issuer 'https://sts.windows.net/{own}/'. It must match the tenant 'https://sts.windows.net/{right}/' associated with this subscription. Please use the authority (URL) 'https://login.windows.net/{right}' to get the token."
    );
    let authority = format!(
        "Bearer authorization_uri=\"https://login.windows.net/{right}\", error=\"invalid_token\", error_description=\"The access token is from the wrong tenant\""
    );
    Answer::error(401, "InvalidAuthenticationTokenTenant", &said).with("www-authenticate", authority)
}

fn missing(kind: &str, name: &str) -> Answer {
    Answer::error(
        404,
        "ResourceNotFound",
        &format!(
            "The Resource '{kind}/{name}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ),
    )
}

fn endpoints(asked: &Asked) -> Answer {
    let base = &asked.base;
    let one = json!({
        "name": "AzureCloud", "portal": "https://portal.azure.com", "resourceManager": format!("{base}/"),
        "authentication": {"loginEndpoint": "https://login.microsoftonline.com", "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"], "tenant": "common", "identityProvider": "AAD"},
        "graph": "https://graph.windows.net/", "graphAudience": "https://graph.windows.net/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/", "suffixes": {}});
    match asked.parameter("api-version") {
        Some("2022-09-01") => Answer::ok(one),
        Some("2019-05-01" | "2020-06-01") => Answer::ok(json!([one])),
        _ => Answer::error(
            400,
            "InvalidApiVersionParameter",
            "The api-version is invalid. The supported versions are '2022-09-01,2020-06-01,2019-05-01'.",
        ),
    }
}
