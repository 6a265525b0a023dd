//! KEDA is told to authenticate by an identity that does not serve it.
//!
//! KEDA's operator asks for every token itself: whatever `identityId` a trigger names, that identity
//! must trust the operator's ServiceAccount, not the scaled workload's. `identityId` is a client id. The
//! provider `azure` stood for AAD Pod Identity, and KEDA 2.15 removed it.
//!
//! An `identityId` that no managed identity and no app registration has, or that is another id of an identity, such
//! as its principal id, is accused as on a ServiceAccount (`client-id-unknown`): if both are listed, and some of the tenant
//! in which KEDA looks, which is `identityTenantId`, else what the operator's ServiceAccount names.
//!
//! Without `identityId` the operator's own identity is used: if its ServiceAccount names none, it is of medium severity,
//! and so it is where no pod of KEDA gets a token. The operator is known by its image, `keda`, and may run under any ServiceAccount; one with `keda` in its name is
//! taken to be KEDA's too, and an identity that trusts such a one is right. Where not every Deployment was read,
//! one of the others may be KEDA's, and nothing is said. A placeholder is not judged.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure}}
//! ```
//!
//! ```yaml
//! apiVersion: keda.sh/v1alpha1
//! kind: ClusterTriggerAuthentication
//! metadata: {name: queue}
//! spec: {azureKeyVault: {vaultUri: "https://kv.vault.azure.net", podIdentity: {provider: azure-workload, identityId: id-cart}}}
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/cart, name: cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: keda-operator, namespace: keda}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: keda-operator, containers: [{name: keda-operator, image: "ghcr.io/kedacore/keda:2.16.0"}]}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! # the principal id of the identity
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: 5a1e2c3d-0001-4000-8000-000000000002}}
//! ```
//!
//! ```yaml
//! # nobody has this client id
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: keda-operator, namespace: keda}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: keda-operator, namespace: keda}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: keda-operator, containers: [{name: keda-operator, image: "ghcr.io/kedacore/keda:2.16.0"}]}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: 5a1e2c3d-0009-4000-8000-000000000009}}
//! ```
//!
//! ```yaml
//! # nothing says a client id
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: keda-operator, namespace: keda}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: keda-operator, namespace: keda}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: keda-operator, containers: [{name: app, image: "ghcr.io/kedacore/keda:2.16.0"}]}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload}}
//! ```
//!
//! ```yaml
//! # KEDA gets no token
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: keda-operator, namespace: keda, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: keda-operator, namespace: keda}, spec: {template: {spec: {serviceAccountName: keda-operator, containers: [{name: app, image: "ghcr.io/kedacore/keda:2.16.0"}]}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the operator's ServiceAccount names an identity
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: keda-operator, namespace: keda, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: keda-operator, namespace: keda}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: keda-operator, containers: [{name: app, image: "ghcr.io/kedacore/keda:2.16.0"}]}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload}}
//! ```
//!
//! ```yaml
//! # nothing is listed of the tenant
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: keda-operator, namespace: keda}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: keda-operator, namespace: keda}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: keda-operator, containers: [{name: keda-operator, image: "ghcr.io/kedacore/keda:2.16.0"}]}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: 5a1e2c3d-0009-4000-8000-000000000009, identityTenantId: 99999999-9999-9999-9999-999999999999}}
//! ```
//!
//! ```yaml
//! # nothing is listed of the operator's tenant
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: keda-operator, namespace: keda, annotations: {azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: keda-operator, namespace: keda}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: keda-operator, containers: [{name: keda-operator, image: "ghcr.io/kedacore/keda:2.16.0"}]}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: 5a1e2c3d-0009-4000-8000-000000000009}}
//! ```
//!
//! ```yaml
//! # the identity trusts the operator
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/keda, name: keda, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:kube-system:keda-operator", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! # the operator runs under another name
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/keda, name: keda, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:scaling:autoscaler", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: keda-operator, namespace: scaling}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: autoscaler, containers: [{name: keda-operator, image: "ghcr.io/kedacore/keda:2.16.0"}]}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! # the operator's own identity
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload}}
//! ```
//!
//! ```yaml
//! # a placeholder
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: "${CLIENT_ID}"}}
//! ```
//!
//! ```yaml
//! # another cloud's identity
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: aws, identityId: cart}}
//! ```
use crate::model::{Body, is_guid, is_placeholder};
use crate::on_behalf;
use crate::prelude::*;
use crate::whose::{Asked, right, whose};

pub(super) static RULE: Rule = Rule {
    summary: "KEDA is told to authenticate by an identity that does not serve it",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &["700213", "700016"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Custom(check)],
};

/// The image of KEDA's operator (kedacore/keda, `Dockerfile`); its metrics server and webhooks have others.
const OPERATOR: &str = "keda";

fn check(custom: &Custom, trust: &Trust<'_>) -> Verdict {
    let Body::Trigger(said) = &custom.body else { return Ok(None) };
    let id = said.identity_id.as_str();
    let found = |severity, member: &str, message: String, fix: String| {
        let finding = Finding::new(severity, format!("{}.{member}", said.path), message);
        Ok(Some(finding.with("provider", said.provider.as_str()).with("identityId", id).fix(fix)))
    };
    // Whether KEDA's pods have what it takes to ask.
    let unserved = |needs_id| {
        let member = if needs_id { "provider" } else { "identityId" };
        let flaw = on_behalf::unserved((OPERATOR, custom.cluster), needs_id, trust)?;
        let told = |it: on_behalf::Unserved| {
            found(Severity::Medium, member, it.message, it.fix).map(|found| found.map(|found| found.breaks(it.breaks)))
        };
        flaw.map_or(Ok(None), told)
    };
    let (member, message, fix) = match said.provider.as_str() {
        "azure" => {
            let message = "provider `azure` is AAD Pod Identity's, and KEDA has removed it".to_owned();
            ("provider", message, "set `provider` to `azure-workload`".to_owned())
        }
        "azure-workload" if is_placeholder(id) => return Ok(None),
        "azure-workload" if id.is_empty() => return unserved(true),
        "azure-workload" if !is_guid(id) => {
            let message = format!("`identityId` is `{id}`, which is no client id");
            ("identityId", message, "set `identityId` to the identity's client id, a GUID".to_owned())
        }
        "azure-workload" => {
            let tenant = || match said.tenant_id.as_str() {
                "" => on_behalf::tenant_of_operator(OPERATOR, custom.cluster, trust),
                said => Ok(said.to_owned()),
            };
            let identity = match whose(id, tenant, trust)? {
                Asked::Of(identity) => identity,
                Asked::Nobody(why, meant) => {
                    return found(RULE.severity, "identityId", why, format!("set `identityId` to {}", right(meant)));
                }
                Asked::Disabled(why, fix) => return found(RULE.severity, "identityId", why, fix),
            };
            let operator = (OPERATOR, custom.cluster);
            if on_behalf::trusts_operator(identity, operator, trust, |_, name| name.contains("keda"))? {
                return unserved(false);
            }
            let seen = on_behalf::running(OPERATOR, custom.cluster, trust).next().map(Workload::subject);
            let whom = seen.map_or_else(
                || "the ServiceAccount of KEDA's operator, such as system:serviceaccount:kube-system:keda-operator".to_owned(),
                |subject| format!("subject {subject}"),
            );
            let message = format!("identity `{}` does not trust KEDA's operator, which asks for its tokens", identity.name);
            let fix = format!("add a federated credential to identity `{}` for {whom}", identity.name);
            ("identityId", message, fix)
        }
        _ => return Ok(None),
    };
    found(RULE.severity, member, message, fix)
}
