//! Entra's token endpoint, and the metadata service by which machines get tokens.
//!
//! Shapes: learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow and
//! learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::Method;
use serde_json::{Value, json};

use super::http::{Answer, Asked, decoded};
use super::server::State;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) fn answer(state: &State, asked: &Asked) -> Answer {
    let segments = asked.segments();
    match (&asked.method, segments.as_slice()) {
        (&Method::POST, [tenant, "oauth2", "v2.0", "token"]) => token(state, asked, tenant),
        (&Method::GET, ["metadata", "identity", "oauth2", "token"]) => machine(state, asked),
        (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            let base = &asked.base;
            Answer::ok(json!({
                "issuer": format!("{base}/{tenant}/v2.0"), "tenant_region_scope": "EU",
                "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
                "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token")}))
        }
        (&Method::GET, ["common", "discovery", "instance"]) => Answer::ok(
            json!({"tenant_discovery_endpoint": format!("{}/common/v2.0/.well-known/openid-configuration", asked.base),
                "api-version": "1.1", "metadata": []}),
        ),
        _ => Answer::status(404, json!({"error": "not_found"})),
    }
}

fn token(state: &State, asked: &Asked, tenant: &str) -> Answer {
    let Some(tenant) = state.estate.tenants.iter().position(|it| it.id.eq_ignore_ascii_case(tenant)) else {
        return refused(
            400,
            "invalid_request",
            90002,
            &format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
            ),
        );
    };
    let form: Vec<(String, String)> = String::from_utf8_lossy(&asked.body)
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(&value.replace('+', " "))))
        .collect();
    let field = |name: &str| form.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value.as_str());
    if field("grant_type") != "client_credentials" {
        return refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.");
    }
    let client = field("client_id");
    let known =
        |caller: &super::Caller| caller.client_id.eq_ignore_ascii_case(client) && caller.tenants.contains(&tenant);
    let Some(number) = state.callers.iter().position(known) else {
        return refused(
            400,
            "unauthorized_client",
            700_016,
            &format!(
                "Application with identifier '{client}' was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant."
            ),
        );
    };
    let caller = &state.callers[number];
    let (secret, assertion) = (field("client_secret"), field("client_assertion"));
    if !assertion.is_empty() || field("client_assertion_type") == ASSERTION {
        if field("client_assertion_type") != ASSERTION || assertion != caller.assertion {
            return refused(
                401,
                "invalid_client",
                700_213,
                "No matching federated identity record found for presented assertion subject.",
            );
        }
    } else if secret != caller.secret {
        return refused(
            401,
            "invalid_client",
            7_000_215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.",
        );
    }
    let scope = field("scope");
    let Some(audience) = scope.strip_suffix("/.default") else {
        return refused(
            400,
            "invalid_scope",
            70011,
            &format!(
                "The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
            ),
        );
    };
    if !state.is_audience(audience) {
        return refused(
            400,
            "invalid_resource",
            500_011,
            &format!("The resource principal named {audience} was not found in the tenant."),
        );
    }
    let token = state.issue(tenant, audience, number);
    let lifetime = state.options.lifetime.as_secs();
    Answer::ok(
        json!({"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}),
    )
}

fn machine(state: &State, asked: &Asked) -> Answer {
    let number = state.callers.len() - 1;
    let caller = &state.callers[number];
    let of_service = asked.header("x-identity-header").is_some_and(|own| own == caller.secret);
    if asked.header("metadata") != Some("true") && !of_service {
        let said = "Required metadata header not specified or not correct";
        return Answer::status(400, json!({"error": "invalid_request", "error_description": said}));
    }
    let resource = asked.parameter("resource").unwrap_or_default().to_owned();
    let client = asked.parameter("client_id");
    if client.is_some_and(|client| client != caller.client_id) {
        return Answer::status(400, json!({"error": "invalid_request", "error_description": "Identity not found"}));
    }
    if !state.is_audience(&resource) {
        let said = format!("AADSTS500011: The resource principal named {resource} was not found in the tenant.");
        return Answer::status(400, json!({"error": "invalid_resource", "error_description": said}));
    }
    let token = state.issue(caller.tenants[0], &resource, number);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let lifetime = state.options.lifetime.as_secs();
    // Numbers are strings here, unlike those of the token endpoint.
    Answer::ok(json!({
        "access_token": token, "client_id": caller.client_id, "expires_in": lifetime.to_string(),
        "expires_on": (now + lifetime).to_string(), "ext_expires_in": lifetime.to_string(),
        "not_before": now.to_string(), "resource": resource, "token_type": "Bearer"}))
}

fn refused(status: u16, error: &str, code: u32, said: &str) -> Answer {
    let ids = ["trace_id", "correlation_id"].map(|name| (name, super::http::id()));
    let mut body = json!({
        "error": error, "error_codes": [code], "timestamp": "2026-11-25 21:00:00Z",
        "error_description": format!("AADSTS{code}: {said} Trace ID: {} Correlation ID: {} Timestamp: 2026-11-25 21:00:00Z", ids[0].1, ids[1].1),
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}")});
    if let Some(members) = body.as_object_mut() {
        members.extend(ids.map(|(name, id)| (name.to_owned(), Value::from(id))));
    }
    Answer::status(status, body)
}
