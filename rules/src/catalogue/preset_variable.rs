//! A manifest sets a variable to something else than the webhook would.
//!
//! The webhook adds a variable only where a container has none of that name, without a word. So what
//! the manifest says wins over the ServiceAccount's annotation, often a value that was copied long
//! ago: the pod asks for another identity or tenant, or looks for its token where none is.
//!
//! A client id that is no GUID, or that no managed identity and no app registration has, is of high
//! severity, as it is on a ServiceAccount (`client-id-unknown`): no token can be had for it. So it is
//! in a pod that brings a token of its own, of which tenant and cloud are judged besides and nothing else. A tenant that
//! is neither a GUID nor a domain is of high severity too, as Entra knows none such; any other is
//! compared with the annotation's, and whether it is the identity's is for `identity-of-another-tenant` to tell. The
//! authority is compared with the cloud of the identity, as its region tells. What is set to nothing stays so, as the
//! webhook sees that it is set: without a tenant no SDK asks. Of what is set twice the last value counts.
//!
//! A token of its own is one with an audience of Azure's exchange, or one in the volume in which a container looks for
//! its token; those for a mesh or a vault are none. At the webhook's own paths no file is right but the webhook's,
//! unless a volume is mounted there. An address that is none of Entra's breaks the chain where the identity's region
//! tells what is.
//!
//! What a variable is filled with from an annotation of the pods (`fieldRef`) is judged like what they set, in pods
//! that run too, as no webhook sets it so; where there is no such annotation, it is nothing. With a key that is not the
//! webhook's, one that a manifest lacks may still be put on the pods, and nothing is said of it.
//!
//! The same value is as it should be, and of one that is set from elsewhere nothing is said. So is a second identity on
//! purpose: one that trusts this workload. Of pods that run it is judged whether a tenant is one, the cloud, and whether
//! the token can be where a container looks for it, because there the variables are mostly the webhook's: a tenant that
//! the annotation says, or said, is for `tenant-id-malformed` and `outdated-injection` to tell. All mounts of such a pod are in its
//! manifest, so that where none holds the file there is none, unless the program writes it: at the webhook's own path, where
//! nobody else writes, that is of high severity. It comes from other webhooks, which copy the variables of a container and
//! not its mounts, or move these. `/run` and `/var/run` are one folder in most images, and Windows writes paths otherwise: what
//! may be the same is taken for it. The policy leaves it to the audit.
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
//! ```yaml
//! # nobody has this client id
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, location: westeurope, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0009-4000-8000-000000000009}]}]}
//! ```
//!
//! ```yaml
//! # another cloud than the identity's
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, location: westeurope, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_AUTHORITY_HOST, value: "https://login.microsoftonline.us/"}]}]}
//! ```
//!
//! ```yaml
//! # it runs, and the token is not where it was told
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers:
//!   - name: app
//!     env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/wi/token/azure-identity-token}]
//!     volumeMounts: [{name: azure-identity-token, mountPath: /elsewhere}]
//!   volumes: [{name: azure-identity-token, projected: {sources: [{serviceAccountToken: {path: azure-identity-token, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! ```yaml
//! # a space too many: Entra knows no such tenant
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: "11111111-1111-1111-1111-111111111111 "}]}]}
//! ```
//!
//! ```yaml
//! # it runs without a tenant, of which no annotation says anything
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: ""}]}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a domain names a tenant too
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: contoso.onmicrosoft.com}]}]}
//! ```
//!
//! ```yaml
//! # it runs with what the annotation says, which `tenant-id-malformed` tells
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/tenant-id: contoso}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: contoso}]}]}
//! ```
//!
//! ```yaml
//! # an identity of the tenant that the container names, which is not listed
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, location: westeurope, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0009-4000-8000-000000000009}, {name: AZURE_TENANT_ID, value: 99999999-9999-9999-9999-999999999999}]}]}
//! ```
//!
//! ```yaml
//! # the identity is of that cloud
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, location: usgovvirginia, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_AUTHORITY_HOST, value: "https://login.microsoftonline.us/"}]}]}
//! ```
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
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, location: westeurope, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
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
//! # it runs, and the token can be where it was told: `/run` is mostly `/var/run`
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers:
//!   - name: app
//!     env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/wi/token/azure-identity-token}]
//!     volumeMounts: [{name: token, mountPath: /run/secrets/azure/wi}]
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
use super::outdated_injection::is_injected;
use super::tenant_id_malformed::may_be_tenant;
use crate::exchange::{client_id, presented, tenant};
use crate::model::{is_guid, is_placeholder, may_lie_in};
use crate::prelude::*;
use crate::trust::{Key, Unknown};
use crate::webhook::{self, MOUNT_PATHS, TOKEN_FILE, Version};
use crate::whose::{Asked, whose};

pub(super) static RULE: Rule = Rule {
    summary: "a manifest sets a variable to something else than the webhook would",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Named,
    aadsts: &["700016"],
    frameworks: &[],
    yields_to: &["AWI207"],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

const CLIENT_ID: &str = "AZURE_CLIENT_ID";
const TENANT_ID: &str = "AZURE_TENANT_ID";
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";

/// Clouds by the hosts of their Entra, the one that SDKs prefer first (MSAL, `KnownMetadataProvider`), and how
/// the names of their regions begin (`az account list-locations`). The public one takes what is left.
const CLOUDS: [(&[&str], &[&str]); 4] = [
    (&["login.microsoftonline.us", "login.usgovcloudapi.net"], &["usgov", "usdod"]),
    (&["login.chinacloudapi.cn", "login.partner.microsoftonline.cn"], &["china"]),
    (&["login.sovcloud-identity.fr", "login.sovcloud-identity.de", "login.sovcloud-identity.sg"], &[]),
    (&["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"], &[""]),
];
/// Of clouds that are closed, or of which it is not published which authority or regions they have.
const OTHER_REGIONS: [&str; 7] = ["ussec", "usnat", "germanycentral", "germanynortheast", "bleu", "delos", "singapore"];

/// How much a value is wrong, why, and what is broken by it: a link, and what it needs.
type Wrong = (Severity, String, Option<(Hop, String)>);

/// What one container says of one variable.
struct Preset<'a> {
    severity: Severity,
    place: Place,
    variable: &'a str,
    value: &'a str,
    /// The annotation that says it, if one does.
    by: Option<&'a str>,
    said: String,
    breaks: Option<(Hop, String)>,
}

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let own_token = workload.brings_azure_token();
    if !(workload.opts_in() || own_token) {
        return Ok(None);
    }
    let injected = webhook::has_seen(&workload.template);
    let judged: &[&str] = match (injected, own_token) {
        (true, true) => &[TENANT_ID, AUTHORITY],
        (true, false) => &[TENANT_ID, TOKEN_FILE, AUTHORITY],
        (false, true) => &[CLIENT_ID, TENANT_ID, AUTHORITY],
        (false, false) => &[CLIENT_ID, TENANT_ID, TOKEN_FILE, AUTHORITY],
    };
    let (mut presets, mut unknown) = (Vec::new(), None);
    for (container, place) in workload.injected_containers().filter(|(container, _)| workload.presents_in(container)) {
        for variable in [CLIENT_ID, TENANT_ID, TOKEN_FILE, AUTHORITY] {
            let by = workload.handed_on(container, variable);
            // What an annotation says is never the webhook's.
            let is_own = by.is_some() && variable == CLIENT_ID;
            if !(is_own || judged.contains(&variable)) {
                continue;
            }
            let Some(value) = workload.told(container, variable) else {
                if variable == TOKEN_FILE && container.variable(variable).is_some() {
                    unknown = Some(Unknown(Key::Value(format!("variable {variable} of container {}", container.name))));
                }
                continue;
            };
            if is_placeholder(value) {
                continue;
            }
            match wrong(workload, container, (variable, value), trust) {
                Ok(Some((severity, why, breaks))) => {
                    let what = if value.is_empty() { "nothing".into() } else { format!("`{value}`") };
                    let by_it = by.map(|key| format!("what annotation `{key}` says, ")).unwrap_or_default();
                    let said = format!("container `{}` sets {variable} to {by_it}{what}, {why}", container.name);
                    presets.push(Preset { severity, place, variable, value, by, said, breaks });
                }
                Ok(None) => {}
                Err(lacking) => unknown = Some(lacking),
            }
        }
    }
    presets.sort_by_key(|preset| core::cmp::Reverse(preset.severity));
    let Some(first) = presets.first() else { return unknown.map_or(Ok(None), Err) };
    let said: Vec<&str> = presets.iter().map(|preset| preset.said.as_str()).collect();
    let finding = Finding::new(first.severity, format!("{}.env", first.place), said.join("; ")).with("presets", said);
    let broken = presets.iter().find_map(|preset| Some((preset, preset.breaks.as_ref()?)));
    let finding = match broken {
        Some((preset, (hop, expected))) => finding.breaks(*hop).expected(expected, Some(preset.value)),
        None => finding,
    };
    let says_who = presets.iter().any(|preset| matches!(preset.variable, CLIENT_ID | TENANT_ID));
    Ok(Some(finding.fix(match (own_token || injected, says_who) {
        (true, _) if first.variable == TOKEN_FILE => format!(
            "let nothing but the webhook set {TOKEN_FILE} and mount the token, and create pod {} anew",
            workload.name
        ),
        (true, _) if first.variable == TENANT_ID && first.by.is_none() && !own_token => {
            format!("let nothing but the webhook set {TENANT_ID}, and create pod {} anew", workload.name)
        }
        (true, _) => match first.by.map(|key| workload.annotation_path(key)) {
            Some(path) if workload.template.live => format!("set `{path}` to what is meant, and create pod {} anew", workload.name),
            Some(path) => format!("set `{path}` to what is meant"),
            None => format!("set {} to what is meant", first.variable),
        },
        (false, true) => "delete the variable, and annotate the ServiceAccount with what is meant".into(),
        (false, false) => "delete the variable: the webhook sets the right one".into(),
    })))
}

fn wrong(
    workload: &Workload,
    container: &Container,
    (variable, value): (&str, &str),
    trust: &Trust<'_>,
) -> Result<Option<Wrong>, Unknown> {
    let instead = |what: &str| (RULE.severity, format!("where the webhook would put {what}"), None);
    Ok(match variable {
        CLIENT_ID => {
            let said = annotated(annotation::CLIENT_ID, workload, trust)?.filter(|said| !said.is_empty());
            if said.is_some_and(|said| said.eq_ignore_ascii_case(value)) {
                return Ok(None);
            }
            if value.is_empty() {
                // The walk of a chain finds that no identity is meant.
                let unsaid = || (RULE.severity, "and nothing else says which identity is meant".to_owned(), None);
                let handed_on = workload.handed_on(container, variable);
                return Ok(said.map(|said| instead(&format!("`{said}`"))).or_else(|| handed_on.map(|_| unsaid())));
            }
            if let Some(why) = of_nobody(workload, container, value, trust)? {
                // The walk of a chain asks for the identity of each client id.
                return Ok(Some((Severity::High, why, None)));
            }
            let said = said.filter(|_| !workload.brings_azure_token());
            let is_other = said.is_some() && !is_meant(workload, value, trust)?;
            said.filter(|_| is_other).map(|said| instead(&format!("`{said}`")))
        }
        TENANT_ID => wrong_tenant(workload, container, value, trust)?,
        TOKEN_FILE if !value.is_empty() && webhook::has_seen(&workload.template) => nowhere(container, value),
        TOKEN_FILE => {
            let mut files = [Version::V1_5_1, Version::V1_6_0].into_iter().map(Version::token_file);
            // What is mounted there may bring it; at the webhook's own paths other rules tell.
            let is_mounted = container.mounts.iter().any(|mount| mount.may_hold(value));
            if files.clone().any(|file| file == *value) || (is_mounted && is_the_webhooks_own(value)) {
                return Ok(None);
            }
            let may_be = is_mounted || files.any(|file| may_lie_in(value, &file) && may_lie_in(&file, value));
            let breaks = (!may_be).then(|| (Hop::Token, "the path of the token, or a volume at this one".into()));
            let (severity, why, _) = instead("the path of the token");
            Some((severity, why, breaks))
        }
        // The SDKs take an empty one for none, and ask the public cloud.
        _ if value.is_empty() => None,
        _ => {
            let host = value.strip_prefix("https://").unwrap_or(value).trim_end_matches('/');
            if !CLOUDS.iter().any(|(hosts, _)| hosts.contains(&host)) {
                let right = authorities(workload, container, trust).ok().flatten().and_then(<[_]>::first);
                let breaks = right.map(|right| (Hop::Authority, format!("https://{right}/")));
                let (severity, why, _) = instead("the authority of its cloud");
                return Ok((!workload.brings_azure_token()).then_some((severity, why, breaks)));
            }
            let right = authorities(workload, container, trust)?.filter(|hosts| !hosts.contains(&host));
            right.and_then(|hosts| hosts.first()).map(|right| {
                let right = format!("https://{right}/");
                let why = format!("but its identity is of the cloud of `{right}`");
                (RULE.severity, why, Some((Hop::Authority, right)))
            })
        }
    })
}

/// What is wrong with the tenant that a container is told.
fn wrong_tenant(
    workload: &Workload,
    container: &Container,
    value: &str,
    trust: &Trust<'_>,
) -> Result<Option<Wrong>, Unknown> {
    let own_token = workload.brings_azure_token();
    let runs = webhook::has_seen(&workload.template) && workload.handed_on(container, TENANT_ID).is_none();
    if may_be_tenant(value) {
        let said = if own_token || runs { None } else { annotated(annotation::TENANT_ID, workload, trust)? };
        let other = said.filter(|said| !said.is_empty() && !said.eq_ignore_ascii_case(value));
        return Ok(other.map(|said| (RULE.severity, format!("where the webhook would put `{said}`"), None)));
    }
    if runs && !own_token && is_of_annotation(workload, value, trust)? {
        return Ok(None);
    }
    let why = match (value.is_empty(), workload.opts_in()) {
        (false, _) => "which is neither a GUID nor a domain, so that Entra knows no such tenant",
        (true, true) => "where the webhook would put a tenant",
        (true, false) => "and nothing else says a tenant",
    };
    Ok(Some((Severity::High, why.into(), Some((Hop::Tenant, "the tenant of the identity".into())))))
}

/// Whether a pod that runs has its tenant from the annotation as it is, or as it was once, which other rules tell.
fn is_of_annotation(workload: &Workload, value: &str, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let Some(said) = annotated(annotation::TENANT_ID, workload, trust)? else { return Ok(false) };
    if said.eq_ignore_ascii_case(value) {
        return Ok(true);
    }
    Ok(!said.is_empty() && workload.template.live && is_injected(workload, TENANT_ID, trust)?)
}

/// What an annotation of the ServiceAccount says.
fn annotated<'a>(key: &str, workload: &Workload, trust: &Trust<'a>) -> Result<Option<&'a str>, Unknown> {
    Ok(trust.service_account(workload).known()?.and_then(|account| account.annotations.get(key)))
}

/// Where a container looks for the token, if there can be none.
fn nowhere(container: &Container, file: &str) -> Option<Wrong> {
    // Others hang on the folder in which the program starts, or are Windows'.
    let is_whole = file.starts_with('/') && !file.split('/').any(|step| step == "..");
    if !is_whole || container.mounts.iter().any(|mount| mount.may_hold(file)) {
        return None;
    }
    let severity = if is_the_webhooks_own(file) { Severity::High } else { RULE.severity };
    Some((severity, "where no volume is mounted".into(), Some((Hop::Token, "a file of a mounted volume".into()))))
}

/// Whether a path may be one at which the webhook mounts the token.
fn is_the_webhooks_own(file: &str) -> bool {
    MOUNT_PATHS.iter().any(|path| may_lie_in(file, path))
}

/// Why no token can be had for a client id, if that is so.
fn of_nobody(
    workload: &Workload,
    container: &Container,
    client_id: &str,
    trust: &Trust<'_>,
) -> Result<Option<String>, Unknown> {
    if !is_guid(client_id) {
        return Ok(Some("which is no client id".into()));
    }
    let tenant = || Ok(tenant(workload, container, trust)?.unwrap_or_default());
    Ok(match whose(client_id, tenant, trust)? {
        Asked::Of(_) => None,
        Asked::Nobody(_, Some(meant)) => {
            let (name, right) = (&meant.name, &meant.client_id);
            Some(format!("which is another id of identity `{name}` than its client id `{right}`"))
        }
        Asked::Disabled(_, fix) => Some(format!("whose service principal is disabled ({fix})")),
        Asked::Nobody(_, None) => Some("which none of the managed identities and app registrations listed has".into()),
    })
}

/// The hosts of Entra in the cloud of the identity that a container asks for, if its region tells.
fn authorities(
    workload: &Workload,
    container: &Container,
    trust: &Trust<'_>,
) -> Result<Option<&'static [&'static str]>, Unknown> {
    let Some(client_id) = client_id(workload, container, trust)?.filter(|id| is_guid(id.as_str())) else {
        return Ok(None);
    };
    Ok(trust.identity(&client_id).known()?.and_then(hosts_of))
}

/// The hosts of Entra in the cloud of an identity, if its region tells.
pub(super) fn hosts_of(identity: &Identity) -> Option<&'static [&'static str]> {
    let region: String = identity.location.to_ascii_lowercase().split_whitespace().collect();
    let begins = |names: &[&str]| names.iter().any(|name| region.starts_with(name));
    if region.is_empty() || begins(&OTHER_REGIONS) {
        return None;
    }
    CLOUDS.iter().find(|(_, regions)| begins(regions)).map(|(hosts, _)| *hosts)
}

/// Whether a client id is of a second identity that trusts this workload.
fn is_meant(workload: &Workload, client_id: &str, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let Some(presented) = presented(workload, trust)? else { return Ok(false) };
    Ok(presented.answer(client_id.into(), trust)?.is_none())
}
