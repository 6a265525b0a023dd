//! A manifest sets a variable to something else than the webhook would.
//!
//! The webhook adds a variable only where a container has none of that name, without a word. So what
//! the manifest says wins over the ServiceAccount's annotation, often a value that was copied long
//! ago: the pod asks for another identity or tenant, or looks for its token where none is.
//!
//! The same value, one that is set from elsewhere, and a pod that brings a token of its own are as
//! they should be. So is a second identity on purpose: one that trusts this workload. Pods that run
//! are not judged, because there the variables are mostly the webhook's.
//! The policy leaves it to the audit.
//!
//! # Fails
//!
//! ```yaml
//! # the token is elsewhere
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/tokens/azure}]}]}
//! ```
//!
//! ```yaml
//! # another tenant than the annotation's
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: 22222222-2222-2222-2222-222222222222}]}]}
//! ```
//!
//! ```yaml
//! # another identity than the annotation's, which does not trust this workload
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-two, name: id-two, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-two/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:checkout", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 33333333-3333-3333-3333-333333333333}]}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a second identity on purpose: it trusts this workload
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-two, name: id-two, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-two/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 33333333-3333-3333-3333-333333333333}]}]}
//! ```
//!
//! ```yaml
//! # the same value, and the path of a version of the webhook
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111, azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers:
//!   - name: app
//!     env:
//!     - {name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}
//!     - {name: AZURE_CLIENT_ID, value: 5A1E2C3D-0001-4000-8000-000000000001}
//!     - {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}
//!     - {name: AZURE_AUTHORITY_HOST, value: "https://login.microsoftonline.com"}
//! ```
//!
//! ```yaml
//! # set from elsewhere
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, valueFrom: {configMapKeyRef: {name: cart, key: file}}}]}]}
//! ```
//!
//! ```yaml
//! # a token of its own
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/tokens/azure}]}]
//!   volumes: [{name: azure, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: azure}}]}}]
//! ```
//!
//! ```yaml
//! # not labelled
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart}
//! spec: {containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/tokens/azure}]}]}
//! ```
//!
//! ```yaml
//! # it runs: the variable is the webhook's, or other rules tell
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: 22222222-2222-2222-2222-222222222222}]}]}
//! ```
//!
//! ```yaml
//! # the annotation is empty, and the webhook puts nothing in its place
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/tenant-id: ""}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}]}]}
//! ```
//!
//! ```yaml
//! # a placeholder
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_AUTHORITY_HOST, value: "${AUTHORITY}"}]}]}
//! ```
use crate::exchange::presented;
use crate::model::is_placeholder;
use crate::prelude::*;
use crate::trust::Unknown;
use crate::webhook::{self, MOUNT_PATHS, TOKEN_FILE};

pub(super) static RULE: Rule = Rule {
    summary: "a manifest sets a variable to something else than the webhook would",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

/// Authorities of the clouds that the webhook knows (go-autorest, `autorest/azure/environments.go`).
const AUTHORITIES: [&str; 3] =
    ["https://login.microsoftonline.com", "https://login.microsoftonline.us", "https://login.chinacloudapi.cn"];

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if !workload.opts_in() || workload.projects_azure_token() || webhook::has_seen(&workload.template) {
        return Ok(None);
    }
    let (mut presets, mut unknown) = (Vec::new(), None);
    for (container, place) in workload.injected_containers() {
        for variable in ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", TOKEN_FILE, "AZURE_AUTHORITY_HOST"] {
            let Some(value) = container.literal(variable).filter(|value| !is_placeholder(value)) else { continue };
            match instead(workload, variable, value, trust) {
                Ok(Some(instead)) => presets.push((place, container.name.as_str(), variable, value, instead)),
                Ok(None) => {}
                Err(lacking) => unknown = Some(lacking),
            }
        }
    }
    let Some((place, ..)) = presets.first() else { return unknown.map_or(Ok(None), Err) };
    let said: Vec<String> = presets
        .iter()
        .map(|(_, name, variable, value, instead)| {
            format!("container `{name}` sets {variable} to `{value}`, where the webhook would put {instead}")
        })
        .collect();
    let finding = Finding::new(RULE.severity, format!("{place}.env"), said.join("; ")).with("presets", said);
    Ok(Some(finding.fix("delete the variable, and annotate the ServiceAccount with what is meant")))
}

/// What the webhook would put in the place of a value, if it is something else.
fn instead(workload: &Workload, variable: &str, value: &str, trust: &Trust<'_>) -> Result<Option<String>, Unknown> {
    let annotated = |key: &str| -> Result<Option<String>, Unknown> {
        let account = trust.service_account(workload).known()?;
        let said = account.and_then(|account| account.annotations.get(key)).filter(|said| !said.is_empty());
        Ok(said.filter(|said| !said.eq_ignore_ascii_case(value)).map(|said| format!("`{said}`")))
    };
    Ok(match variable {
        "AZURE_CLIENT_ID" => {
            let said = annotated(annotation::CLIENT_ID)?;
            if said.is_some() && is_meant(workload, value, trust)? { None } else { said }
        }
        "AZURE_TENANT_ID" => annotated(annotation::TENANT_ID)?,
        TOKEN_FILE => {
            let is_the_webhooks = MOUNT_PATHS.iter().any(|path| value.starts_with(path));
            (!is_the_webhooks).then(|| "the path of the token".to_owned())
        }
        _ => (!AUTHORITIES.contains(&value.trim_end_matches('/'))).then(|| "the authority of its cloud".to_owned()),
    })
}

/// Whether a client id is of a second identity that trusts this workload.
fn is_meant(workload: &Workload, client_id: &str, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let Some(presented) = presented(workload, trust)? else { return Ok(false) };
    Ok(presented.answer(client_id.into(), trust)?.is_none())
}
