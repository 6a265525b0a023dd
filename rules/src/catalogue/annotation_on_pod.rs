//! A client id or tenant id is annotated on the pod, where nothing reads it.
//!
//! The webhook takes both from the ServiceAccount and never looks for them on the pod. The pods get
//! the ServiceAccount's identity, or none, whatever their own annotation says.
//!
//! If the ServiceAccount says the same, nothing breaks and the finding is low. That the annotation
//! is idle is certain from the pod alone, so it is a finding also where the ServiceAccount is not known.
//!
//! It is not idle where a variable of a container is filled with it (`fieldRef`), as some do that project a token
//! of their own: the application is told what it says. Of pods that get no token, neither by the label nor one of
//! their own, that is no excuse: what they are told is of no use to them. The policy does not look for
//! such variables.
//!
//! # Fails
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata:
//!       labels: {azure.workload.identity/use: "true"}
//!       annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}
//!     spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # the tenant differs, and is reported
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001, azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001, azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # the client id differs, and is reported
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001, azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0002-4000-8000-000000000002, azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # annotations that the webhook does read of pods
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/service-account-token-expiration: "7200"}
//! ```
//!
//! # As CEL
//!
//! The ServiceAccount is not seen, so that a finding is never a mere warning.
//!
//! ```cel
//! "azure.workload.identity/client-id" in variables.annotations
//!   || "azure.workload.identity/tenant-id" in variables.annotations
//! ```
use crate::near::annotate;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a client id or tenant id is annotated on the pod, where nothing reads it",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let annotated = [annotation::CLIENT_ID, annotation::TENANT_ID];
    let annotated = annotated.into_iter().filter_map(|key| Some((key, workload.template.annotations.get(key)?)));
    #[cfg(feature = "audit")]
    let gets_token = workload.opts_in() || workload.projects_azure_token();
    #[cfg(feature = "audit")]
    let annotated = annotated.filter(|(key, _)| !(gets_token && workload.hands_on(key)));
    let name = workload.service_account();
    // `None`: not known.
    let on_account = match trust.service_account(workload) {
        Link::Found(account) => Some(Some(account)),
        Link::Absent => Some(None),
        Link::Unknown(_) => None,
    };
    let mut finding: Option<Finding> = None;
    for (key, value) in annotated {
        let theirs = on_account.map(|account| account.and_then(|account| account.annotations.get(key)));
        let (severity, but) = match theirs {
            None => (RULE.severity, format!("; what ServiceAccount `{name}` says is not known")),
            Some(Some(theirs)) if theirs.eq_ignore_ascii_case(value) => {
                (Severity::Low, format!("; ServiceAccount `{name}` says the same"))
            }
            Some(Some(theirs)) => (RULE.severity, format!("; ServiceAccount `{name}` says `{theirs}`")),
            Some(None) => (RULE.severity, format!("; ServiceAccount `{name}` has no such annotation")),
        };
        if finding.as_ref().is_some_and(|finding| finding.severity >= severity) {
            continue;
        }
        let field = workload.annotation_path(key);
        let fix = match theirs {
            Some(Some(_)) => format!("remove `{field}`"),
            _ => format!("{}; then remove `{field}`", annotate(&workload.namespace, name, key, value)),
        };
        let message = format!("`{key}` is `{value}` on the pod, where nothing reads it{but}");
        #[cfg(feature = "audit")]
        let message = if workload.hands_on(key) {
            format!("`{key}` is `{value}` on the pod, where only a variable reads it, of pods that get no token{but}")
        } else {
            message
        };
        finding =
            Some(Finding::new(severity, field, message).with("value", value).with("serviceAccount", name).fix(fix));
    }
    Ok(finding)
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
    fn it_is_as_grave_as_the_service_account_lets_it_be() {
        let parse = |kind: &str, metadata: &str| {
            let json = format!(r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"default",{metadata}}}}}"#);
            read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest
        };
        let annotated = |id: &str| format!(r#""annotations":{{"azure.workload.identity/client-id":"{id}"}}"#);
        let Manifest::Workload(pod) = parse("Pod", &annotated("5a1e")) else { panic!() };
        for (account, expected) in [
            (None, Severity::High),
            (Some(annotated("5A1E")), Severity::Low),
            (Some(annotated("77ff")), Severity::High),
            (Some(r#""labels":{}"#.to_owned()), Severity::High),
        ] {
            let mut inventory = Inventory::default();
            if let Some(account) = &account {
                let Manifest::ServiceAccount(account) = parse("ServiceAccount", account) else { panic!() };
                inventory.service_accounts.push(account);
                inventory.coverage.cluster(ClusterIx(0)).service_accounts = Extent::Everything;
            }
            let parameters = Parameters::default();
            let finding = check(&pod, &Trust::join(&inventory, &parameters)).unwrap().unwrap();
            assert_eq!(finding.severity, expected, "{account:?}");
        }
    }
}
