//! An identity binding of AKS is used by a ServiceAccount that may not, or may be used by too many.
//!
//! An identity binding ties an identity to a whole cluster. Who in the cluster may use it is said by
//! Kubernetes alone: verb `use-managed-identity` on a resource that is the client id, in the API group
//! `cid.wi.aks.azure.com`. Without it the pods get no token. With `*` in place of the client id, or
//! granted to everybody (`system:serviceaccounts`, `system:authenticated`), any pod of the cluster is
//! the identity, and no credential shows it. A grant of what is not bound to the cluster gives no token either,
//! nor does an identity without the credential `aks-identity-binding`, which AKS makes with the first binding and
//! which nobody is to edit. A webhook from before v1.6.0 knows no identity bindings, and injects a token for Entra.
//!
//! Only AKS has identity bindings, and no cluster of it whose API server is integrated into a virtual
//! network. They are a preview: of a subscription that does not have it Azure tells no bindings, and it is
//! unknown whether there are any.
//!
//! Who is granted everything, as `cluster-admin` grants it, is an administrator and not judged here. The
//! group of one namespace's ServiceAccounts is as narrow as a namespace, and may have the role. A pod that
//! lacks what a binding takes is `inconsistent-identity-binding`'s, and a client id that is none is
//! `client-id-not-a-guid`'s. Roles that aggregate others count once the cluster has filled them in. The roles
//! `admin`, `edit` and `view` that Kubernetes comes with name no client id.
//!
//! The policy leaves it to the audit: it would have to read the roles of the cluster.
//!
//! # Fails
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-cart}, rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: [5a1e2c3d-0002-4000-8000-000000000002]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: use-cart}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-cart}, subjects: [{kind: ServiceAccount, name: cart, namespace: shop}]}
//! ```
//!
//! ```yaml
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-any}, rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: ["*"]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: use-any}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-any}, subjects: [{kind: ServiceAccount, name: cart, namespace: shop}]}
//! ```
//!
//! ```yaml
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-cart}, rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: [5a1e2c3d-0001-4000-8000-000000000001]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: use-cart}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-cart}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts"}]}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod/identityBindings/till, name: till, type: Microsoft.ContainerService/managedClusters/identityBindings, resourceGroup: rg, properties: {managedIdentity: {clientId: 5a1e2c3d-0002-4000-8000-000000000002, resourceId: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/till}, oidcIssuer: {oidcIssuerUrl: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/5a1e2c3d-0002-4000-8000-000000000002"}}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-cart}, rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: [5a1e2c3d-0001-4000-8000-000000000001]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: use-cart}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-cart}, subjects: [{kind: ServiceAccount, name: cart, namespace: shop}]}
//! ```
//!
//! ```yaml
//! issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
//! jwks_uri: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF/keys"
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, apiServerAccessProfile: {enableVnetIntegration: true}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod/identityBindings/cart, name: cart, type: Microsoft.ContainerService/managedClusters/identityBindings, resourceGroup: rg, properties: {managedIdentity: {clientId: 5a1e2c3d-0001-4000-8000-000000000001, resourceId: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart}, oidcIssuer: {oidcIssuerUrl: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/5a1e2c3d-0001-4000-8000-000000000001"}}}
//! ---
//! [{id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/prod, name: prod, type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-cart}, rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: [5a1e2c3d-0001-4000-8000-000000000001]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: use-cart}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-cart}, subjects: [{kind: ServiceAccount, name: cart, namespace: shop}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the ServiceAccount may use the client id it names
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod/identityBindings/cart, name: cart, type: Microsoft.ContainerService/managedClusters/identityBindings, resourceGroup: rg, properties: {managedIdentity: {clientId: 5a1e2c3d-0001-4000-8000-000000000001, resourceId: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart}, oidcIssuer: {oidcIssuerUrl: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/5a1e2c3d-0001-4000-8000-000000000001"}}}
//! ---
//! [{id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/aks-identity-binding, name: aks-identity-binding, type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/5a1e2c3d-0001-4000-8000-000000000001", subject: 5a1e2c3d-0001-4000-8000-000000000001, audiences: ["api://AKSIdentityBinding"]}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-cart}, rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: [5a1e2c3d-0001-4000-8000-000000000001]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: use-cart}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-cart}, subjects: [{kind: ServiceAccount, name: cart, namespace: shop}]}
//! ```
//!
//! ```yaml
//! # all ServiceAccounts of one namespace may
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod/identityBindings/cart, name: cart, type: Microsoft.ContainerService/managedClusters/identityBindings, resourceGroup: rg, properties: {managedIdentity: {clientId: 5a1e2c3d-0001-4000-8000-000000000001, resourceId: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart}, oidcIssuer: {oidcIssuerUrl: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/5a1e2c3d-0001-4000-8000-000000000001"}}}
//! ---
//! [{id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/aks-identity-binding, name: aks-identity-binding, type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/5a1e2c3d-0001-4000-8000-000000000001", subject: 5a1e2c3d-0001-4000-8000-000000000001, audiences: ["api://AKSIdentityBinding"]}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-cart}, rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: [5a1e2c3d-0001-4000-8000-000000000001]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: use-cart}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-cart}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:shop"}]}
//! ```
//!
//! ```yaml
//! # an administrator
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: cluster-admin}, rules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: cluster-admin}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:masters"}]}
//! ```
//!
//! ```yaml
//! # it is not known yet what the role aggregates
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-all}, aggregationRule: {clusterRoleSelectors: [{matchLabels: {example.com/aggregate-to-use-all: "true"}}]}, rules: []}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: use-all}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-all}, subjects: [{kind: ServiceAccount, name: cart, namespace: shop}]}
//! ```
//!
//! ```yaml
//! # a role without a client id, as Kubernetes comes with it
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: team, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: shop-team}]}
//! ```
//!
//! ```yaml
//! # a pod without the label, and a client id that is none
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: cart}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: till, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: till, namespace: shop, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: till}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: view}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: shop-team}]}
//! ```
//!
//! ```yaml
//! # a team that may use one client id
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-cart}, rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: [5a1e2c3d-0001-4000-8000-000000000001]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: team, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-cart}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: shop-team}]}
//! ```
//!
//! ```yaml
//! # the pod asks for no identity binding
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: view}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: shop-team}]}
//! ```
use crate::model::{IdentityKind, Platform, Power, Principal, RoleBinding, is_guid};
use crate::prelude::*;
use crate::repair;
use crate::trust::{CREDENTIAL_OF_BINDINGS, Key, Link, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "an identity binding of AKS is used by who may not, or may be used by too many",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &["MCSB PA-7", "NIST 800-53 AC-6"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(on_workload), Check::RoleBinding(on_binding)],
};

/// Roles of Kubernetes that name no client id (Kubernetes, Using RBAC Authorization, user-facing roles).
const USER_FACING: [&str; 3] = ["admin", "edit", "view"];

fn on_workload(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if !workload.uses_identity_binding() || !workload.opts_in() {
        return Ok(None);
    }
    let Some(account) = trust.service_account(workload).known()? else { return Ok(None) };
    let Some(client_id) = account.client_id().filter(|id| is_guid(id.as_str())) else { return Ok(None) };
    if let Some(why) = unavailable(workload, trust) {
        let message = format!("the pods ask for an identity binding, and {why}, so they get no token");
        let fix = format!(
            "remove annotation `{}` and add a federated credential for {} to the identity",
            annotation::USE_IDENTITY_BINDING,
            account.subject()
        );
        let field = workload.annotation_path(annotation::USE_IDENTITY_BINDING);
        let finding = Finding::new(RULE.severity, field, message).with("clientId", client_id.as_str());
        return Ok(Some(finding.breaks(Hop::Binding).fix(fix)));
    }
    if let Some(version) = trust.before_bindings(workload.cluster).filter(|_| !workload.template.live) {
        return Ok(Some(too_old(workload, &client_id, version)));
    }
    // One of these is enough, whatever is not known of the others.
    let permission = trust.may_use(account, &client_id);
    let binding = trust.identity_binding(workload.cluster, &client_id);
    if matches!(permission, Link::Absent) {
        return Ok(Some(not_permitted(workload, account, &client_id)));
    }
    if matches!(binding, Link::Absent) {
        return Ok(Some(unbound(workload, &client_id, trust)));
    }
    let identity = trust.identity(&client_id).known();
    let managed = identity.clone().ok().flatten().filter(|identity| identity.kind != IdentityKind::Application);
    let credential = managed.map(|identity| (identity, trust.credential_of_bindings(identity)));
    if let Some((identity, Link::Absent)) = credential {
        return Ok(Some(without_credential(workload, identity, &client_id, trust)));
    }
    permission.known()?;
    binding.known()?;
    identity?;
    credential.map_or(Ok(None), |(_, credential)| credential.known().map(|_| None))
}

/// The version that injects knows no identity bindings.
fn too_old(workload: &Workload, client_id: &ClientId, version: &str) -> Finding {
    let message = format!(
        "the pods ask for an identity binding, and the webhook of the cluster is `{version}`, which knows none: they get a token for Entra"
    );
    Finding::new(RULE.severity, workload.annotation_path(annotation::USE_IDENTITY_BINDING), message)
        .with("clientId", client_id.as_str())
        .with("version", version)
        .breaks(Hop::Webhook)
        .fix("have AKS run v1.6.0 or later: az feature register --namespace Microsoft.ContainerService --name IdentityBindingPreview, or upgrade the chart")
}

/// AKS makes the credential with the first binding, and writes it anew with another.
fn without_credential(workload: &Workload, identity: &Identity, client_id: &ClientId, trust: &Trust<'_>) -> Finding {
    let name = &identity.name;
    let seen = trust.credentials_seen(identity);
    let message = if seen.iter().any(|it| it.name == CREDENTIAL_OF_BINDINGS) {
        format!(
            "the pods ask for an identity binding, and credential `{CREDENTIAL_OF_BINDINGS}` of identity `{name}` is not as AKS made it, so they get no token"
        )
    } else {
        format!(
            "the pods ask for an identity binding, and identity `{name}` lacks the credential `{CREDENTIAL_OF_BINDINGS}`, which AKS makes with the first binding, so they get no token"
        )
    };
    Finding::new(RULE.severity, workload.annotation_path(annotation::USE_IDENTITY_BINDING), message)
        .with("clientId", client_id.as_str())
        .with("identity", name.as_str())
        .breaks(Hop::Binding)
        .fix(format!(
            "delete the identity binding, if there is one, and make it anew, so that AKS writes the credential: {}",
            repair::binding(trust.cluster(workload.cluster), Some(identity), client_id)
        ))
}

/// No role lets the ServiceAccount use the identity.
fn not_permitted(workload: &Workload, account: &ServiceAccount, client_id: &ClientId) -> Finding {
    let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
    let message = format!(
        "the pods ask for an identity binding, but no role lets ServiceAccount `{namespace}/{name}` use client id `{client_id}`, so they get no token"
    );
    Finding::new(RULE.severity, workload.annotation_path(annotation::USE_IDENTITY_BINDING), message)
        .with("serviceAccount", name)
        .with("clientId", client_id.as_str())
        .breaks(Hop::Binding)
        .fix(repair::permission(namespace, name, client_id))
}

/// Why the cluster has no identity bindings, if it is known to have none (Microsoft Learn, "Identity bindings
/// in AKS", limitations).
fn unavailable(workload: &Workload, trust: &Trust<'_>) -> Option<&'static str> {
    let cluster = trust.cluster(workload.cluster)?;
    let of_others = cluster.issuer.as_ref().is_some_and(|issuer| !issuer.is_azure_kubernetes());
    match cluster.platform {
        Platform::Aks if cluster.vnet_integration => Some("its API server is integrated into a virtual network"),
        Platform::Arc => Some("the cluster is no AKS"),
        Platform::Other if of_others => Some("the cluster is no AKS"),
        _ => None,
    }
}

/// The pods may use an identity that is not bound to their cluster.
fn unbound(workload: &Workload, client_id: &ClientId, trust: &Trust<'_>) -> Finding {
    let cluster = trust.cluster(workload.cluster);
    let name = cluster.map_or("CLUSTER", |cluster| cluster.name.as_str());
    let message = format!(
        "the pods ask for an identity binding, and none ties client id `{client_id}` to cluster `{name}`, so they get no token"
    );
    Finding::new(RULE.severity, workload.annotation_path(annotation::USE_IDENTITY_BINDING), message)
        .with("clientId", client_id.as_str())
        .with("cluster", name)
        .breaks(Hop::Binding)
        .fix(repair::binding(cluster, trust.identity(client_id).known().ok().flatten(), client_id))
}

fn on_binding(binding: &RoleBinding, trust: &Trust<'_>) -> Verdict {
    if binding.of_cluster_role && USER_FACING.contains(&binding.role.as_str()) {
        return Ok(None);
    }
    let Some(principal) = worst(&binding.subjects) else { return Ok(None) };
    let Some(role) = trust.role(binding).known()? else { return Ok(None) };
    // A grant of all API groups is meant for whatever there is, and is not of identities.
    let names: Vec<&str> =
        role.grants_of(Power::UseIdentity).flat_map(|grant| &grant.names).map(String::as_str).collect();
    let any = names.contains(&"*");
    if !any && (names.is_empty() || !principal.is_everybody()) {
        return if role.open { Err(Unknown(Key::Access(binding.cluster))) } else { Ok(None) };
    }
    let what = if any {
        "every identity that is bound to the cluster".to_owned()
    } else {
        format!("client id `{}`", names.join("`, `"))
    };
    let whom = if principal.is_everybody() { "any pod of the cluster can be it" } else { "it gets what is bound later as well" };
    let message = format!("lets {principal} use {what} by {}, so that {whom}", binding.role_name());
    let fix = format!(
        "name the client id in `resources` of the role, and the ServiceAccounts that need it in `subjects`, then: kubectl delete {}",
        binding.for_kubectl()
    );
    Ok(Some(
        Finding::new(RULE.severity, if principal.is_everybody() { "subjects" } else { "roleRef.name" }, message)
            .with("role", binding.role_name())
            .with("clientIds", names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>())
            .with("subject", principal.to_string().replace('`', ""))
            .fix(fix),
    ))
}

/// The widest of those who have a role, beside administrators.
fn worst(subjects: &[Principal]) -> Option<&Principal> {
    let everybody = subjects.iter().find(|subject| subject.is_everybody());
    everybody.or_else(|| subjects.iter().find(|subject| !subject.is_built_in()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, cluster, identity, pod};

    #[test]
    fn an_identity_is_bound_by_its_resource_id_if_that_is_known() {
        let parameters = Parameters::default();
        let fix = |id: &str| {
            let inventory = Inventory { identities: vec![Identity { id: id.into(), ..identity() }], ..cluster() };
            unbound(&pod("", ""), &CLIENT.into(), &Trust::join(&inventory, &parameters)).fix
        };
        assert!(fix("/subscriptions/s/id").ends_with(" --managed-identity-resource-id /subscriptions/s/id"));
        assert!(fix("").ends_with(" --managed-identity-resource-id IDENTITY_RESOURCE_ID"));
    }
}
