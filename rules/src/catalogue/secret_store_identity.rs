//! A store of External Secrets does not reach its key vault by workload identity.
//!
//! With `authType: WorkloadIdentity` the operator asks for a token of the ServiceAccount in
//! `serviceAccountRef`, which must exist, name an identity that trusts it, and, for a ClusterSecretStore,
//! be given with its namespace. The operator wants the tenant from one place: `tenantId` beside the
//! ServiceAccount's annotation is an error to it.
//!
//! The other kinds of `authType` work, and the finding is medium: `ServicePrincipal`, which is the default,
//! lives on a secret in the cluster, and `ManagedIdentity` is the node's for everybody on it. Without
//! `serviceAccountRef` the operator's own ServiceAccount is used: if it names no identity, or no pod of the operator
//! gets a token, it is of medium severity. A client id out of a Secret is not known. Stores of other providers are not judged.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authSecretRef: {clientId: {name: sp, key: id}, clientSecret: {name: sp, key: secret}}}}}
//! ```
//!
//! ```yaml
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: ManagedIdentity, identityId: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ```
//!
//! ```yaml
//! apiVersion: external-secrets.io/v1
//! kind: ClusterSecretStore
//! metadata: {name: vault}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: cart}}}}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: other, namespace: shop}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: cart}}}}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: cart}}}}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001, azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, tenantId: 11111111-1111-1111-1111-111111111111, serviceAccountRef: {name: cart}}}}
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/cart, name: cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:other", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: cart}}}}
//! ```
//!
//! ```yaml
//! # nothing says a client id
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: external-secrets, namespace: external-secrets}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: external-secrets, namespace: external-secrets}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: external-secrets, containers: [{name: app, image: "ghcr.io/external-secrets/external-secrets:v0.17.0"}]}}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: ClusterSecretStore
//! metadata: {name: vault}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, vaultUrl: "https://kv.vault.azure.net", tenantId: 11111111-1111-1111-1111-111111111111}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the operator's ServiceAccount names an identity, and its webhook needs none
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: external-secrets, namespace: external-secrets, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: external-secrets, namespace: external-secrets}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: external-secrets, containers: [{name: app, image: "ghcr.io/external-secrets/external-secrets:v0.17.0"}]}}}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: external-secrets-webhook, namespace: external-secrets}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: external-secrets-webhook, namespace: external-secrets}, spec: {template: {spec: {serviceAccountName: external-secrets-webhook, containers: [{name: app, image: "ghcr.io/external-secrets/external-secrets:v0.17.0"}]}}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: ClusterSecretStore
//! metadata: {name: vault}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, vaultUrl: "https://kv.vault.azure.net", tenantId: 11111111-1111-1111-1111-111111111111}}}
//! ```
//!
//! ```yaml
//! # the identity trusts the ServiceAccount
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/cart, name: cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: cart}}}}
//! ```
//!
//! ```yaml
//! # the operator's own ServiceAccount
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity}}}
//! ```
//!
//! ```yaml
//! # the client id is in a Secret
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, authSecretRef: {clientId: {name: cart, key: id}}, serviceAccountRef: {name: cart}}}}
//! ```
//!
//! ```yaml
//! # another provider
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {vault: {server: "https://vault.example.com"}}}
//! ```
use crate::exchange::expression_of;
use crate::model::{Body, Store};
use crate::near::annotate;
use crate::on_behalf;
use crate::prelude::*;
use crate::trust::Unknown;

pub(super) static RULE: Rule = Rule {
    summary: "a store of External Secrets does not reach its key vault by workload identity",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &["700213"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Custom(check)],
};

/// The image of the operator, of its webhook and of its certificate controller.
const OPERATOR: &str = "external-secrets";

const REFERENCE: &str = "spec.provider.azurekv.serviceAccountRef";

fn check(custom: &Custom, trust: &Trust<'_>) -> Verdict {
    let Body::Store(store) = &custom.body else { return Ok(None) };
    if !store.azure {
        return Ok(None);
    }
    if store.auth_type != "WorkloadIdentity" {
        return Ok(other_kind(store));
    }
    let Some((namespace, name)) = custom.account() else { return as_itself(custom, trust) };
    let found = |message: String, fix: String| {
        Ok(Some(Finding::new(RULE.severity, REFERENCE, message).with("namespace", namespace).with("name", name).fix(fix)))
    };
    if !custom.kind.namespaced && matches!(&store.account, Some((None, _))) {
        let message = format!("ServiceAccount `{name}` is named without its namespace, which a {} must say", custom.kind.kind);
        return found(message, format!("set `{REFERENCE}.namespace`"));
    }
    let Some(account) = trust.account_for(custom, namespace, name).known()? else {
        let message = format!("ServiceAccount `{namespace}/{name}` does not exist");
        return found(message, format!("create it, or name another in `{REFERENCE}`"));
    };
    let Some(client_id) = account.client_id() else {
        if store.client_id_in_secret {
            return Ok(None);
        }
        let message = format!("ServiceAccount `{namespace}/{name}` has no annotation `{}`", annotation::CLIENT_ID);
        return found(message, annotate(namespace, name, annotation::CLIENT_ID, "CLIENT_ID"));
    };
    let tenant = account.annotations.get(annotation::TENANT_ID).unwrap_or_default();
    if !tenant.is_empty() && !store.tenant_id.is_empty() {
        let message = format!("the tenant is named twice, here and by ServiceAccount `{namespace}/{name}`");
        return found(message, "remove `spec.provider.azurekv.tenantId`".to_owned());
    }
    let Some(identity) = trust.identity(&client_id).known()? else { return Ok(None) };
    if trusts(identity, account, trust)? {
        return Ok(None);
    }
    let subject = account.subject();
    let message = format!("identity `{}` does not trust `{subject}`, as which the store asks for it", identity.name);
    found(message, format!("add a federated credential to identity `{}` for subject {subject}", identity.name))
}

/// A store that names no ServiceAccount: External Secrets asks as itself.
fn as_itself(custom: &Custom, trust: &Trust<'_>) -> Verdict {
    let flaw = on_behalf::unserved((OPERATOR, custom.cluster), true, trust)?;
    Ok(flaw.map(|it| Finding::new(Severity::Medium, REFERENCE, it.message).fix(it.fix).breaks(it.breaks)))
}

fn other_kind(store: &Store) -> Option<Finding> {
    let by = match store.auth_type.as_str() {
        "" | "ServicePrincipal" => "a service principal's secret, which lasts",
        "ManagedIdentity" => "an identity of the node, which every pod on it may use",
        _ => return None,
    };
    let fix = "set `authType` to `WorkloadIdentity`, and name in `serviceAccountRef` a ServiceAccount that the identity trusts";
    let finding = Finding::new(Severity::Medium, "spec.provider.azurekv.authType", format!("the key vault is reached by {by}"));
    Some(finding.with("authType", store.auth_type.as_str()).fix(fix))
}

fn trusts(identity: &Identity, account: &ServiceAccount, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let (issuer, subject) = (trust.issuer(account.cluster)?, account.subject());
    let mut open = None;
    for credential in trust.credentials_seen(identity) {
        for audience in &trust.parameters().audiences {
            match credential.trusts(issuer, &subject, audience) {
                Some(true) => return Ok(true),
                Some(false) => {}
                None => open = Some(expression_of(credential)),
            }
        }
    }
    trust.credentials(identity)?;
    trust.placed((account.cluster, &subject), issuer, trust.credentials_seen(identity))?;
    open.map_or(Ok(false), Err)
}
