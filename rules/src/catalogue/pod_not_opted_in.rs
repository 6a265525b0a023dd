//! A pod runs under a ServiceAccount that names an identity, and does not opt in to it.
//!
//! The ServiceAccount's annotation says which identity is meant, but it is the pod's label that
//! makes the webhook inject a token. Without it the pod has no `AZURE_FEDERATED_TOKEN_FILE`, and
//! what it calls of Azure fails or is done as the node's identity.
//!
//! Whoever else brings the tokens needs no label, and such pods are left alone: those that project a
//! token themselves; those that mount a SecretProviderClass with a client id, or Azure storage with
//! a workload identity token, where the driver asks for the token; those under a ServiceAccount
//! whose tokens External Secrets asks for. A pod labelled `false` has opted out. A pod with a
//! claim is not judged: a PersistentVolume that is mounted with such a token serves it, and what is bound to other
//! claims is not read. Nor is a ReplicaSet that is left of a rollout, and what pods it has: what makes it was mended,
//! and replaces it. Where that was not read, it is not known. A Deployment that is paused, or whose rollout is past its
//! deadline (`ProgressDeadlineExceeded`), replaces nothing, and what it has left is judged.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {spec: {serviceAccountName: cart}}}
//! ```
//!
//! ```yaml
//! # the class of its volume is gone
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: secrets-store.csi.x-k8s.io/v1, kind: SecretProviderClass, metadata: {name: other, namespace: shop}, spec: {provider: azure, parameters: {clientID: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {serviceAccountName: cart, volumes: [{name: secrets, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: cart}}}]}
//! ```
//!
//! ```yaml
//! # the rollout that mends it is paused
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec: {paused: true, template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart-6b8f, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: cart, controller: true}]}
//! spec: {replicas: 1, template: {spec: {serviceAccountName: cart}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the pod opts out
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "false"}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # the ServiceAccount names no identity
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! # the pod projects its own token
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: token, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! ```yaml
//! # the Secrets Store driver asks for the token
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   volumes: [{name: vault, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: vault}}}]
//! ```
//!
//! ```yaml
//! # the storage driver asks for the token
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   volumes: [{name: files, csi: {driver: file.csi.azure.com, volumeAttributes: {mountWithWorkloadIdentityToken: "true"}}}]
//! ```
//!
//! ```yaml
//! # the claim's PersistentVolume may mount with a token
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {serviceAccountName: cart, volumes: [{name: files, persistentVolumeClaim: {claimName: files}}]}
//! ```
//!
//! ```yaml
//! # External Secrets uses the ServiceAccount
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: cart}}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! # the Deployment of an old ReplicaSet opts in by now
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart-6b8f, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: cart, controller: true}]}
//! spec: {replicas: 1, template: {spec: {serviceAccountName: cart}}}
//! ```
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a pod runs under a ServiceAccount that names an identity, and does not opt in to it",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Modelled,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &["AWI101", "AWI102", "AWI103"],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if workload.opts_in() || workload.opts_out() {
        return Ok(None);
    }
    let served = served_otherwise(workload, trust);
    if served == Ok(true) {
        return Ok(None);
    }
    let Some(account) = trust.service_account(workload).known()? else { return Ok(None) };
    let Some(client_id) = account.client_id() else { return Ok(None) };
    served?;
    if is_left_of_a_rollout(workload, trust)? {
        return Ok(None);
    }
    let field = workload.label_path(label::USE);
    let message = format!(
        "ServiceAccount `{}` names client id `{client_id}`, but the pods lack label `{}`, so they get no token for it",
        account.name,
        label::USE
    );
    let fix = format!("set `{field}` to \"true\", in quotes; to opt out, set it to \"false\"");
    #[cfg(feature = "audit")]
    let fix = stalled(workload, trust).map_or(fix, go_on);
    Ok(Some(
        Finding::new(RULE.severity, field, message)
            .with("serviceAccount", account.name.as_str())
            .with("clientId", client_id.as_str())
            .fix(fix),
    ))
}

/// Whether it is a ReplicaSet, or a pod of one, whose maker is right by now, so that the next takes its place.
///
/// # Errors
/// If the maker was not read and may be there, as at admission.
#[cfg_attr(not(feature = "audit"), expect(unused_variables, reason = "the audit's alone"))]
fn is_left_of_a_rollout(workload: &Workload, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let Some(named) = &workload.controller else { return Ok(false) };
    let is_set = workload.kind.kind == "ReplicaSet";
    let is_of_set = workload.kind.kind == "Pod" && named.kind == "ReplicaSet";
    if !is_set && !is_of_set {
        return Ok(false);
    }
    #[cfg(feature = "audit")]
    // A ReplicaSet that names another as its owner, or itself, is none of a rollout's.
    match trust.maker(workload).filter(|maker| !is_set || maker.kind.kind != "ReplicaSet") {
        Some(maker) if is_set && maker.stalled => return Ok(false),
        Some(maker) if is_set => return Ok(check(maker, trust)?.is_none()),
        Some(maker) => return Ok(!maker.opts_in() && is_left_of_a_rollout(maker, trust)?),
        None if named.kind == "Deployment" && trust.knows_deployments(workload.cluster) => return Ok(false),
        None => {}
    }
    Err(Unknown(Key::Value(format!("{} {}/{}", named.kind, workload.namespace, named.name))))
}

/// The Deployment of a ReplicaSet, or of a pod of one, that opts in by now, and whose rollout does not go on.
#[cfg(feature = "audit")]
fn stalled<'a>(workload: &Workload, trust: &Trust<'a>) -> Option<&'a Workload> {
    let maker = trust.maker(workload)?;
    let maker = if workload.kind.kind == "Pod" { trust.maker(maker)? } else { maker };
    (maker.stalled && maker.opts_in()).then_some(maker)
}

#[cfg(feature = "audit")]
fn go_on(deployment: &Workload) -> String {
    let (namespace, name) = (deployment.namespace.as_str(), deployment.name.as_str());
    format!(
        "Deployment `{name}` opts in by now, but its rollout does not go on: `kubectl rollout resume -n {namespace} \
         deployment/{name}` if it is paused; else `kubectl rollout status` says what its new pods wait for"
    )
}

/// Whether the pods get tokens for Azure by other means than the webhook: one that is known
/// settles it, whatever is unknown beside it.
fn served_otherwise(workload: &Workload, trust: &Trust<'_>) -> Result<bool, Unknown> {
    #[cfg(feature = "audit")]
    let own = trust.brings_azure_token(workload);
    #[cfg(not(feature = "audit"))]
    let own = Ok::<_, Unknown>(workload.projects_azure_token());
    let mounted = trust.is_mounted_with_token(workload);
    if own == Ok(true) || mounted == Ok(true) {
        return Ok(true);
    }
    let requested = trust.token_requester(workload).known().map(|requester| requester.is_some());
    if requested != Ok(true) {
        own?;
    }
    if requested == Ok(false) { mounted } else { requested }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, account, cluster, workload};

    #[test]
    fn replica_sets_that_own_each_other_are_no_rollout() {
        let set = |name: &str, owner: &str| {
            workload(&format!(
                r#"{{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{{"name":"{name}","namespace":"shop","ownerReferences":[{{"kind":"ReplicaSet","name":"{owner}","controller":true}}]}},"spec":{{"template":{{"spec":{{"serviceAccountName":"cart"}}}}}}}}"#
            ))
        };
        for workloads in [vec![set("a", "a")], vec![set("a", "b"), set("b", "a")]] {
            let inventory = Inventory { workloads, service_accounts: vec![account(CLIENT)], ..cluster() };
            let parameters = Parameters::default();
            let unknown = Unknown(Key::Value(format!("ReplicaSet shop/{}", inventory.workloads.last().unwrap().name)));
            let verdict = check(&inventory.workloads[0], &Trust::join(&inventory, &parameters));
            assert_eq!(verdict, Err(unknown));
        }
    }
}
