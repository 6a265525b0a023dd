//! A SecretProviderClass does not say properly by which identity secrets are fetched.
//!
//! The Azure provider of the Secrets Store CSI driver takes one identity: workload identity, if
//! `clientID` is there, by the token of the ServiceAccount of each pod that mounts the class; the node's, with
//! `useVMManagedIdentity`; or AAD Pod Identity's, with `usePodIdentity`, which nobody maintains any longer. It
//! needs `tenantID`, and takes the older spelling `tenantId` too. It knows no parameter `useWorkloadIdentity`
//! and passes it over.
//!
//! A `clientID` that no managed identity and no app registration has, or that is another id of an identity, such as
//! its principal id, is accused as on a ServiceAccount (`client-id-unknown`): if both are listed, and some of the tenant
//! that the class names.
//!
//! The identity of the `clientID` must trust the ServiceAccount of every pod that mounts the class: else the
//! pod stays in `ContainerCreating`, with AADSTS700213 in its events. With `useAzureTokenProxy` an identity
//! binding of AKS takes the place of the credential, and nothing is said of trust. What has ended mounts no more;
//! where only workloads mount it of which no pod is made now (dormant), it is of low severity.
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
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/vault, name: vault, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/vault/federatedIdentityCredentials/vault, name: vault, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:other", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {spec: {serviceAccountName: cart, volumes: [{name: vault, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: vault}}}], containers: [{name: app}]}}}}
//! ---
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, keyvaultName: kv}}
//! ```
//!
//! ```yaml
//! # the principal id of the identity
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, keyvaultName: kv}}
//! ```
//!
//! ```yaml
//! # nobody has this client id
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: 5a1e2c3d-0009-4000-8000-000000000009, tenantId: 11111111-1111-1111-1111-111111111111, keyvaultName: kv}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # nothing is listed of the tenant
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: 5a1e2c3d-0009-4000-8000-000000000009, tenantId: 99999999-9999-9999-9999-999999999999, keyvaultName: kv}}
//! ```
//!
//! ```yaml
//! # the identity trusts the pods that mount it; a ReplicaSet of before mounts no more
//! {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: cart-1, namespace: shop, ownerReferences: [{kind: Deployment, name: cart, controller: true}]}, spec: {replicas: 0, template: {spec: {serviceAccountName: old, volumes: [{name: vault, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: vault}}}], containers: [{name: app}]}}}}
//! ---
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/vault, name: vault, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/vault/federatedIdentityCredentials/vault, name: vault, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {spec: {serviceAccountName: cart, volumes: [{name: vault, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: vault}}}], containers: [{name: app}]}}}}
//! ---
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, keyvaultName: kv}}
//! ```
//!
//! ```yaml
//! # an identity binding takes the place of the credential
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/vault, name: vault, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/vault/federatedIdentityCredentials/vault, name: vault, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:other", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {spec: {serviceAccountName: cart, volumes: [{name: vault, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: vault}}}], containers: [{name: app}]}}}}
//! ---
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {useAzureTokenProxy: "true", clientID: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, keyvaultName: kv}}
//! ```
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
//! # the tenant in the newer spelling
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: 5a1e2c3d-0001-4000-8000-000000000001, tenantID: 11111111-1111-1111-1111-111111111111, keyvaultName: kv}}
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
use crate::model::{AzureParameters, Body, DEFAULT_AUDIENCE, Life, Volume, is_guid, is_placeholder};
use crate::near::Token;
use crate::on_behalf;
use crate::prelude::*;
use crate::repair;
use crate::whose::{Asked, right, whose};

pub(super) static RULE: Rule = Rule {
    summary: "a SecretProviderClass does not say properly by which identity secrets are fetched",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &["700016", "700213"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Custom(check)],
};

fn check(custom: &Custom, trust: &Trust<'_>) -> Verdict {
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
        let message = "`tenantID` is missing, which the provider requires".to_owned();
        (high, "tenantID", message, "set `tenantID` to the tenant of the key vault")
    } else if modes == 0 {
        let message = "no identity is named, so only a service principal's secret in `nodePublishSecretRef` is left";
        (Severity::Medium, "clientID", message.to_owned(), "set `clientID` to the identity's client id")
    } else if said.names_workload_identity {
        let message = "`useWorkloadIdentity` is no parameter of the provider; `clientID` is what counts".to_owned();
        (Severity::Low, "useWorkloadIdentity", message, "remove `useWorkloadIdentity`")
    } else {
        return untrusted(custom, said, trust);
    };
    let field = format!("spec.parameters.{parameter}");
    Ok(Some(Finding::new(severity, field, message).with("clientId", client_id).fix(fix)))
}

/// Whether the identity trusts the pods that mount the class.
fn untrusted(custom: &Custom, said: &AzureParameters, trust: &Trust<'_>) -> Verdict {
    let client_id = said.client_id.as_str();
    if client_id.is_empty() || is_placeholder(client_id) {
        return Ok(None);
    }
    let field = "spec.parameters.clientID";
    let identity = match whose(client_id, || Ok(&said.tenant_id), trust)? {
        Asked::Of(identity) => identity,
        Asked::Nobody(why, meant) => {
            let fix = format!("set `clientID` to {}", right(meant));
            return Ok(Some(Finding::new(RULE.severity, field, why).with("clientId", client_id).fix(fix)));
        }
        Asked::Disabled(why, fix) => {
            return Ok(Some(Finding::new(RULE.severity, field, why).with("clientId", client_id).fix(fix)));
        }
    };
    if said.token_proxy {
        return Ok(None);
    }
    let place = (custom.cluster, custom.namespace.as_str());
    let is_it = |volume: &Volume| matches!(volume, Volume::SecretsStore(class) if *class == custom.name);
    let Some((subject, life)) = on_behalf::distrusted_mounter(identity, place, trust, is_it)? else { return Ok(None) };
    let (severity, mount) = match life {
        Life::Active => (RULE.severity, "mount"),
        _ => (Severity::Low, "will mount"),
    };
    let message = format!("identity `{}` does not trust `{subject}`, as which pods {mount} the class", identity.name);
    let token = Token { issuer: trust.issuer(custom.cluster)?.clone(), subject, audience: DEFAULT_AUDIENCE.into() };
    Ok(Some(
        Finding::new(severity, field, message)
            .with("clientId", client_id)
            .with("subject", token.subject.as_str())
            .fix(repair::create(identity, &token, trust)),
    ))
}
