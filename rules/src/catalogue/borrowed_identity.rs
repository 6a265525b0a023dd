//! A custom resource acts by the identity of a workload elsewhere.
//!
//! Whoever may use the resource can do what that workload can, without a pod in its namespace and
//! without asking its owners: a ClusterSecretStore hands a workload's ServiceAccount to every namespace, and
//! `identityId` of KEDA takes whatever identity the operator can become.
//!
//! A resource may use a ServiceAccount of its own namespace, and one under which nothing runs is taken to be
//! made for it. Subjects in the setting `operators` serve others by design. A ClusterSecretStore that says which
//! namespaces may use it (`conditions`) has been thought about.
//!
//! # Fails
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: ClusterSecretStore
//! metadata: {name: vault}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: cart, namespace: shop}}}}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: stock}
//! spec: {podIdentity: {provider: azure-workload, identityId: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a ServiceAccount made for the store
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: vault, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: ClusterSecretStore
//! metadata: {name: vault}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: vault, namespace: shop}}}}
//! ```
//!
//! ```yaml
//! # a store for some namespaces
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: ClusterSecretStore
//! metadata: {name: vault}
//! spec: {conditions: [{namespaces: [shop]}], provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: cart, namespace: shop}}}}
//! ```
//!
//! ```yaml
//! # the operator's own ServiceAccount
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: external-secrets, namespace: external-secrets}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: external-secrets}}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: ClusterSecretStore
//! metadata: {name: vault}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: external-secrets, namespace: external-secrets}}}}
//! ```
//!
//! ```yaml
//! # the identity of a workload in the same namespace
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}}
//! ---
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: queue, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
use crate::model::{Body, ClusterIx, is_guid};
use crate::parameters::any_glob;
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a custom resource acts by the identity of a workload elsewhere",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB PA-7", "NIST 800-53 AC-6"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Custom(check)],
};

fn check(custom: &Custom, trust: &Trust<'_>) -> Verdict {
    match &custom.body {
        Body::Store(store) if !custom.kind.namespaced && !store.restricted => {
            let Some((namespace, name)) = custom.account() else { return Ok(None) };
            if store.auth_type != "WorkloadIdentity" || !is_of_workload(trust, custom.cluster, namespace, name)? {
                return Ok(None);
            }
            let field = "spec.provider.azurekv.serviceAccountRef";
            let whom = "every namespace may use it";
            Ok(Some(finding(custom, field.into(), namespace, name, whom)))
        }
        Body::Trigger(said) if said.provider == "azure-workload" && is_guid(&said.identity_id) => {
            let named = trust.accounts_naming(&said.identity_id.as_str().into()).iter();
            let mut here: Vec<&ServiceAccount> =
                named.filter(|account| account.cluster == custom.cluster).copied().collect();
            here.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
            if here.iter().any(|account| account.namespace == custom.namespace) {
                return Ok(None);
            }
            let mut other = None;
            for account in here {
                if other.is_none() && is_of_workload(trust, custom.cluster, &account.namespace, &account.name)? {
                    other = Some(account);
                }
            }
            match other {
                // One of its own namespace could still name the identity as well.
                Some(_) if custom.kind.namespaced && !trust.knows_service_accounts(custom.cluster) => Err(unread()),
                #[cfg(feature = "audit")]
                Some(_) if custom.unplaced => Err(Unknown(custom.place())),
                #[cfg(feature = "audit")]
                Some(account) if account.unplaced => Err(Unknown(account.place())),
                Some(account) => {
                    let whom = "KEDA's operator becomes it for the trigger";
                    let field = format!("{}.identityId", said.path);
                    Ok(Some(finding(custom, field, &account.namespace, &account.name, whom)))
                }
                None if trust.knows_service_accounts(custom.cluster) => Ok(None),
                None => Err(unread()),
            }
        }
        _ => Ok(None),
    }
}

fn unread() -> Unknown {
    Unknown(Key::Value("every ServiceAccount of the cluster".into()))
}

/// Whether workloads run under a ServiceAccount to use its identity, and it is no operator's.
fn is_of_workload(trust: &Trust<'_>, cluster: ClusterIx, namespace: &str, name: &str) -> Result<bool, Unknown> {
    if any_glob(&trust.parameters().operators, &format!("{namespace}:{name}")) {
        return Ok(false);
    }
    if trust.workloads_of(cluster, namespace, name).iter().any(|workload| workload.opts_in()) {
        return Ok(true);
    }
    if trust.knows_deployments(cluster) { Ok(false) } else { Err(Unknown(Key::Deployments(cluster))) }
}

fn finding(custom: &Custom, field: String, namespace: &str, name: &str, whom: &str) -> Finding {
    let message = format!("acts by the identity of `{namespace}/{name}`, under which workloads run, and {whom}");
    let kind = custom.kind.kind;
    Finding::new(RULE.severity, field, message).with("namespace", namespace).with("name", name).fix(format!(
        "give the {kind} an identity of its own with the roles it needs, or, if the sharing is meant, add `{namespace}:{name}` to `operators`"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::manifest::{Manifest, read};
    use crate::model::Origin;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, OPTS_IN, account, cluster, pod};

    #[test]
    fn a_service_account_of_another_cluster_lends_nothing() {
        let json = format!(
            r#"{{"apiVersion":"keda.sh/v1alpha1","kind":"TriggerAuthentication","metadata":{{"name":"queue","namespace":"till"}},"spec":{{"podIdentity":{{"provider":"azure-workload","identityId":"{CLIENT}"}}}}}}"#
        );
        let Manifest::Custom(trigger) = read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest
        else {
            panic!()
        };
        let found = |of: ClusterIx| {
            let mut inventory = Inventory { workloads: vec![pod(OPTS_IN, "")], ..cluster() };
            inventory.clusters.push(Cluster { name: "test".into(), ..Cluster::default() });
            inventory.service_accounts.push(ServiceAccount { cluster: of, ..account(CLIENT) });
            for cluster in [ClusterIx(0), ClusterIx(1)] {
                inventory.coverage.cluster(cluster).service_accounts = Extent::Everything;
            }
            let parameters = Parameters::default();
            check(&trigger, &Trust::join(&inventory, &parameters)).unwrap().is_some()
        };
        assert!(found(ClusterIx(0)));
        assert!(!found(ClusterIx(1)));
    }
}
