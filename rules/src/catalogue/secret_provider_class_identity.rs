//! A SecretProviderClass does not say properly by which identity secrets are fetched.
//!
//! The Azure provider of the Secrets Store CSI driver takes one identity: workload identity, if
//! `clientID` is there, by the token of the ServiceAccount of each pod that mounts the class; the node's, with
//! `useVMManagedIdentity`; or AAD Pod Identity's, with `usePodIdentity`, which nobody maintains any longer. It
//! needs `tenantId`. It knows no parameter `useWorkloadIdentity` and passes it over.
//!
//! Without any of them only a service principal's secret is left, in the pods' `nodePublishSecretRef`:
//! a medium finding. `useWorkloadIdentity` beside a `clientID` is idle, a low one. The node's identity is allowed.
//! Placeholders are passed over, and so are classes of other providers.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {usePodIdentity: "true", tenantId: 11111111-1111-1111-1111-111111111111, keyvaultName: kv}}
//! ```
//!
//! ```yaml
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: id-cart, tenantId: 11111111-1111-1111-1111-111111111111, keyvaultName: kv}}
//! ```
//!
//! ```yaml
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec:
//!   provider: azure
//!   parameters:
//!     clientID: 5a1e2c3d-0001-4000-8000-000000000001
//!     useVMManagedIdentity: "true"
//!     tenantId: 11111111-1111-1111-1111-111111111111
//! ```
//!
//! ```yaml
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: 5a1e2c3d-0001-4000-8000-000000000001, keyvaultName: kv}}
//! ```
//!
//! ```yaml
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {useWorkloadIdentity: "true", tenantId: 11111111-1111-1111-1111-111111111111}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # workload identity, with all it takes
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec:
//!   provider: azure
//!   parameters:
//!     usePodIdentity: "false"
//!     useVMManagedIdentity: "false"
//!     clientID: 5a1e2c3d-0001-4000-8000-000000000001
//!     tenantId: 11111111-1111-1111-1111-111111111111
//!     keyvaultName: kv
//! ```
//!
//! ```yaml
//! # the node's identity
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec:
//!   provider: azure
//!   parameters: {useVMManagedIdentity: "true", userAssignedIdentityID: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111}
//! ```
//!
//! ```yaml
//! # placeholders
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: "${CLIENT_ID}", tenantId: "${TENANT_ID}"}}
//! ```
//!
//! ```yaml
//! # another provider
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: vault, parameters: {roleName: cart}}
//! ```
use crate::model::{Body, is_guid, is_placeholder};
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a SecretProviderClass does not say properly by which identity secrets are fetched",
    severity: Severity::High,
    confidence: Confidence::High,
    aadsts: &["700016"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Custom(check)],
};

fn check(custom: &Custom, _: &Trust<'_>) -> Verdict {
    let Body::ProviderClass(said) = &custom.body else { return Ok(None) };
    let client_id = said.client_id.as_str();
    let wrong_id = !client_id.is_empty() && !is_guid(client_id) && !is_placeholder(client_id);
    let modes = usize::from(!client_id.is_empty()) + usize::from(said.vm_identity) + usize::from(said.pod_identity);
    let high = RULE.severity;
    let (severity, parameter, message, fix) = if said.pod_identity {
        let message = "secrets are to be fetched by AAD Pod Identity, which is no longer maintained".to_owned();
        (high, "usePodIdentity", message, "set `clientID` to the identity's client id, and remove `usePodIdentity`")
    } else if modes > 1 {
        let message = "both `clientID` and `useVMManagedIdentity` are set, and only one of them counts".to_owned();
        (high, "useVMManagedIdentity", message, "remove `useVMManagedIdentity`, or `clientID`")
    } else if wrong_id {
        let message = format!("`clientID` is `{client_id}`, which is no client id");
        (high, "clientID", message, "set `clientID` to the identity's client id, a GUID")
    } else if modes == 0 && said.names_workload_identity {
        let message = "`useWorkloadIdentity` is no parameter of the provider, and nothing else says by which identity";
        (high, "useWorkloadIdentity", message.to_owned(), "set `clientID` to the identity's client id, and remove `useWorkloadIdentity`")
    } else if said.tenant_id.is_empty() {
        let message = "`tenantId` is missing, which the provider requires".to_owned();
        (high, "tenantId", message, "set `tenantId` to the tenant of the key vault")
    } else if modes == 0 {
        let message = "no identity is named, so only a service principal's secret in `nodePublishSecretRef` is left";
        (Severity::Medium, "clientID", message.to_owned(), "set `clientID` to the identity's client id")
    } else if said.names_workload_identity {
        let message = "`useWorkloadIdentity` is no parameter of the provider; `clientID` is what counts".to_owned();
        (Severity::Low, "useWorkloadIdentity", message, "remove `useWorkloadIdentity`")
    } else {
        return Ok(None);
    };
    let field = format!("spec.parameters.{parameter}");
    Ok(Some(Finding::new(severity, field, message).with("clientId", client_id).fix(fix)))
}
