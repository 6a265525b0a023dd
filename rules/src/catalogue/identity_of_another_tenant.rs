//! A workload asks for its identity in another tenant than the identity's.
//!
//! The webhook tells the SDK a tenant: that of the ServiceAccount's annotation, or, without one, the
//! cluster's. A managed identity exists in one tenant alone, and any other answers that it knows no such
//! application.
//!
//! An annotation that names another tenant is found on the ServiceAccount. What the containers ask for
//! otherwise is found on the workload: a tenant that one sets itself, which wins over both, or the cluster's
//! where neither says anything else. A variable may be filled with an annotation of the pods (`fieldRef`), which is read;
//! of one that is set from elsewhere nothing is said. So a cluster may be in another tenant than its identities as long as
//! whoever uses them says so. A webhook of your own tells what its ConfigMap says instead of the cluster's.
//!
//! Beside an identity binding of AKS what annotation and containers say is judged, and not the cluster's: it is not
//! published whether AKS binds identities of other tenants.
//!
//! App registrations may serve many tenants and are not judged. Nor is a tenant that is given as a
//! domain, or a malformed one, which is for `tenant-id-malformed` and `preset-variable` to tell. The policy leaves it to the audit,
//! which sees the identities and the cluster.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999
//! ```
//!
//! ```yaml
//! # nobody says more, and the cluster is in another tenant
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, identity: {type: SystemAssigned, tenantId: 99999999-9999-9999-9999-999999999999}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/99999999-9999-9999-9999-999999999999/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # a container sets another tenant
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: 99999999-9999-9999-9999-999999999999}]}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the cluster is in another tenant, and the container says which it means
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, identity: {type: SystemAssigned, tenantId: 99999999-9999-9999-9999-999999999999}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/99999999-9999-9999-9999-999999999999/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}]}]}
//! ```
//!
//! ```yaml
//! # the annotation names the identity's tenant, the cluster is in another
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, identity: {type: SystemAssigned, tenantId: 99999999-9999-9999-9999-999999999999}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/99999999-9999-9999-9999-999999999999/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111
//! ```
//!
//! ```yaml
//! # an app registration
//! {appId: 5a1e2c3d-0001-4000-8000-000000000001, displayName: cart, id: 7a1e2c3d-0001-4000-8000-000000000001}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999
//! ```
//!
//! ```yaml
//! # a domain
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/tenant-id: contoso.onmicrosoft.com
//! ```
//!
//! ```yaml
//! # the client id is none
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: cart
//!     azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999
//! ```
//!
//! ```yaml
//! # the cluster's tenant is not known
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/99999999-9999-9999-9999-999999999999/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app}]}
//! ```
use crate::exchange::{client_id, tenant};
use crate::model::{ClusterIx, Value, is_guid};
use crate::near::annotate;
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a workload asks for its identity in another tenant than the identity's",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &["700016", "90002"],
    frameworks: &[],
    yields_to: &["AWI204"],
    since: "0.1.0",
    checks: &[Check::ServiceAccount(annotated), Check::Workload(asked)],
};

fn annotated(account: &ServiceAccount, trust: &Trust<'_>) -> Verdict {
    let annotations = &account.annotations;
    let Some(tenant) = annotations.get(annotation::TENANT_ID).filter(|tenant| is_guid(tenant)) else { return Ok(None) };
    let Some(client_id) = account.client_id() else { return Ok(None) };
    let Some(identity) = placed(&client_id, trust)?.filter(|identity| is_elsewhere(identity, tenant)) else {
        return Ok(None);
    };
    let field = format!("metadata.annotations[{}]", annotation::TENANT_ID);
    let fix = annotate(&account.namespace, &account.name, annotation::TENANT_ID, &identity.tenant_id);
    Ok(Some(finding(field, identity, "its annotation names", tenant).fix(fix)))
}

fn asked(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if !(workload.opts_in() || workload.brings_azure_token()) {
        return Ok(None);
    }
    let mut unknown = None;
    for (container, place) in workload.injected_containers().filter(|(container, _)| workload.presents_in(container)) {
        match by_container(workload, container, place, trust) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(lacking) => unknown = Some(lacking),
        }
    }
    unknown.map_or(Ok(None), Err)
}

fn by_container(workload: &Workload, container: &Container, place: Place, trust: &Trust<'_>) -> Verdict {
    if workload.uses_identity_binding() && container.variable("AZURE_TENANT_ID").is_none() {
        return Ok(None);
    }
    let Some(client_id) = client_id(workload, container, trust)? else { return Ok(None) };
    let Some(identity) = placed(&client_id, trust)? else { return Ok(None) };
    let annotate = annotate(&workload.namespace, workload.service_account(), annotation::TENANT_ID, &identity.tenant_id);
    let account = trust.service_account(workload).known()?;
    let annotated = account.and_then(|account| account.annotations.get(annotation::TENANT_ID));
    if container.variable("AZURE_TENANT_ID").is_some() {
        let own = tenant(workload, container, trust)?;
        // What the webhook put into a pod that runs is what the annotation says.
        let own = own.as_deref().filter(|tenant| annotated != Some(tenant));
        let Some(tenant) = own.filter(|tenant| is_elsewhere(identity, tenant)) else { return Ok(None) };
        let whose = format!("container `{}` asks in", container.name);
        let right = &identity.tenant_id;
        let handed_on = workload.handed_on(container, "AZURE_TENANT_ID").map(|key| workload.annotation_path(key));
        let fix = match (handed_on, workload.opts_in(), workload.template.live) {
            (Some(path), _, false) => format!("set `{path}` to {right}"),
            (Some(path), _, true) => format!("set `{path}` to {right}; then make the pod anew"),
            (None, false, _) => format!("set AZURE_TENANT_ID of container {} to {right}", container.name),
            (None, true, false) => format!("delete AZURE_TENANT_ID of container {}; {annotate}", container.name),
            (None, true, true) if annotated == Some(right) => "make the pod anew".into(),
            (None, true, true) => format!("{annotate}; then make the pod anew"),
        };
        return Ok(Some(finding(format!("{place}.env"), identity, &whose, tenant).fix(fix)));
    }
    // A token of the pods' own comes with no tenant.
    if !workload.opts_in() || annotated.is_some() {
        return Ok(None);
    }
    let Some((tenant, whose)) = told(workload.cluster, trust)? else { return Ok(None) };
    let field = format!("{}.serviceAccountName", workload.kind.spec_path());
    let found = || finding(field, identity, whose, tenant).fix(annotate);
    Ok(is_elsewhere(identity, tenant).then(found))
}

/// The tenant that the webhook tells whoever says no other: the cluster's where Azure runs it, else what its
/// own settings say. `None` if there is no webhook.
fn told<'a>(cluster: ClusterIx, trust: &Trust<'a>) -> Result<Option<(&'a str, &'static str)>, Unknown> {
    let description = trust.cluster(cluster);
    let is_azures = description.is_some_and(|it| it.workload_identity_enabled == Some(true));
    let (mut own, mut unknown) = (None, None);
    for webhook in trust.webhooks(cluster).filter(|_| !is_azures) {
        match webhook.is_managed_webhook().then(|| trust.is_managed(cluster, &webhook.namespace)) {
            None | Some(Ok(false)) => own = own.or(Some(webhook)),
            Some(Ok(true)) => {}
            Some(Err(missing)) => unknown = Some(missing),
        }
    }
    if let Some(webhook) = own {
        const TELLS: &str = "the webhook tells pods of";
        match webhook.variable("AZURE_TENANT_ID").map(|variable| &variable.value) {
            Some(Value::Literal(Some(own))) => return Ok(Some((own, TELLS))),
            Some(_) => return Err(Unknown(Key::Value("variable AZURE_TENANT_ID of the webhook".into()))),
            None => {}
        }
        let unknown = || Unknown(Key::WebhookSettings(cluster, webhook.namespace.clone()));
        let settings = trust.webhook_settings(cluster, &webhook.namespace).known()?.ok_or_else(unknown)?;
        return Ok(Some((&settings.tenant_id, TELLS)));
    }
    if let Some(missing) = unknown {
        return Err(missing);
    }
    if !is_azures && trust.webhooks(cluster).next().is_none() {
        return match description.and_then(|it| it.workload_identity_enabled) {
            Some(_) if trust.knows_deployments(cluster) => Ok(None),
            Some(_) => Err(Unknown(Key::Deployments(cluster))),
            None => Err(Unknown(Key::Description(cluster))),
        };
    }
    let own = description.map(|it| it.tenant_id.as_str()).filter(|tenant| !tenant.is_empty());
    own.map(|own| Some((own, "the cluster is in"))).ok_or(Unknown(Key::Description(cluster)))
}

/// The identity of a client id, if it is in one tenant alone.
fn placed<'a>(client_id: &ClientId, trust: &Trust<'a>) -> Result<Option<&'a Identity>, Unknown> {
    if !is_guid(client_id.as_str()) {
        return Ok(None);
    }
    Ok(trust.identity(client_id).known()?.filter(|identity| is_guid(&identity.tenant_id)))
}

fn is_elsewhere(identity: &Identity, tenant: &str) -> bool {
    is_guid(tenant) && !tenant.eq_ignore_ascii_case(&identity.tenant_id)
}

fn finding(field: String, identity: &Identity, whose: &str, tenant: &str) -> Finding {
    let message =
        format!("identity `{}` is in tenant `{}`, but {whose} tenant `{tenant}`", identity.name, identity.tenant_id);
    let finding =
        Finding::new(RULE.severity, field, message).with("asked", tenant).with("tenantId", identity.tenant_id.as_str());
    finding.breaks(Hop::Tenant).expected(&identity.tenant_id, Some(tenant))
}
