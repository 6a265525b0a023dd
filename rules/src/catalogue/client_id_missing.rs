//! A pod opts in, but its ServiceAccount names no identity.
//!
//! The webhook injects a token and `AZURE_TENANT_ID`, and no `AZURE_CLIENT_ID`, which it takes from
//! the ServiceAccount's annotation. The Azure SDKs then find their workload identity incomplete and
//! go on to the next credential. An empty annotation is as good as none.
//!
//! A program may pass a client id of its own, which nothing here shows, so that the finding is medium.
//! A container that has `AZURE_CLIENT_ID`, from wherever, is content; one with `envFrom` may have it
//! from there, and the finding is for information, unless that names nothing but Secrets which were read and have no such
//! key. ConfigMaps are not read. The parameter `operators` names ServiceAccounts of operators,
//! which are told the client id by custom resources.
//!
//! # Fails
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: ""}]}]}
//! ```
//!
//! ```yaml
//! # the variable may come from a ConfigMap
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, envFrom: [{configMapRef: {name: cart}}]}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the ServiceAccount names an identity
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # a container has the client id from elsewhere
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, valueFrom: {configMapKeyRef: {name: cart, key: id}}}]}]
//! ```
//!
//! ```yaml
//! # an operator
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: keda-operator, namespace: keda}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: keda, namespace: keda, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: keda-operator}
//! ```
use crate::exchange::may_come;
use crate::model::Value;
use crate::near::annotate;
use crate::parameters::any_glob;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a pod opts in, but its ServiceAccount names no identity",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Modelled,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &["AWI707"],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let name = workload.service_account();
    let operator = || any_glob(&trust.parameters().operators, &format!("{}:{name}", workload.namespace));
    if !workload.opts_in() || workload.containers().any(|(container, _)| has_client_id(container)) || operator() {
        return Ok(None);
    }
    #[cfg(feature = "audit")]
    if workload.unplaced && trust.parameters().operators.iter().any(|it| is_called(it, name)) {
        return Err(crate::trust::Unknown(workload.place()));
    }
    let Some(account) = trust.service_account(workload).known()? else { return Ok(None) };
    if account.client_id().is_some() {
        return Ok(None);
    }
    let may_come = |container: &Container| may_come("AZURE_CLIENT_ID", workload, container, trust);
    let (severity, but) = if workload.containers().any(|(container, _)| may_come(container)) {
        (Severity::Info, "; `AZURE_CLIENT_ID` must come from `envFrom`")
    } else {
        (RULE.severity, ", so the pods get no `AZURE_CLIENT_ID`")
    };
    let message = format!("ServiceAccount `{name}` has no annotation `{}`{but}", annotation::CLIENT_ID);
    let field = format!("{}.serviceAccountName", workload.kind.spec_path());
    Ok(Some(Finding::new(severity, field, message).with("serviceAccount", name).fix(annotate(
        &account.namespace,
        name,
        annotation::CLIENT_ID,
        "CLIENT_ID",
    ))))
}

/// Whether an operator has that name, in whatever namespace.
#[cfg(feature = "audit")]
fn is_called(operator: &str, name: &str) -> bool {
    crate::parameters::glob(operator.rsplit_once(':').map_or(operator, |(_, pattern)| pattern), name)
}

fn has_client_id(container: &Container) -> bool {
    container.variable("AZURE_CLIENT_ID").is_some_and(|variable| variable.value != Value::Literal(Some(String::new())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::manifest::{Manifest, read};
    use crate::model::{ClusterIx, Origin};
    use crate::parameters::Parameters;

    #[test]
    fn env_from_may_bring_it() {
        let parse = |json: &str| read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest;
        let Manifest::ServiceAccount(account) =
            parse(r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"cart"}}"#)
        else {
            panic!()
        };
        let Manifest::Workload(pod) = parse(
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"cart","labels":{"azure.workload.identity/use":"true"}},
            "spec":{"serviceAccountName":"cart","containers":[{"name":"app","envFrom":[{"configMapRef":{"name":"cart"}}]}]}}"#,
        ) else {
            panic!()
        };
        let parameters = Parameters::default();
        let mut inventory = Inventory::default();
        assert!(check(&pod, &Trust::join(&inventory, &parameters)).is_err());
        inventory.service_accounts.push(account);
        let finding = check(&pod, &Trust::join(&inventory, &parameters)).unwrap().unwrap();
        assert_eq!(finding.severity, Severity::Info);
        inventory.service_accounts.clear();
        inventory.coverage.cluster(ClusterIx(0)).service_accounts = Extent::Everything;
        assert_eq!(check(&pod, &Trust::join(&inventory, &parameters)), Ok(None));
    }
}
