//! A pod opts in under the ServiceAccount `default`.
//!
//! Every pod that names no ServiceAccount runs under `default`. A credential that trusts it trusts
//! them all, those to come included, so the identity belongs to whoever can start a pod in the namespace.
//!
//! A namespace named in the parameter `defaultAccountNamespaces` is left alone.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a ServiceAccount of its own
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # no identity is asked for
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop}}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! variables.optsIn
//!   && variables.serviceAccount == "default"
//!   && !variables.defaultAccountNamespaces.exists(pattern, variables.livesIn.matches(pattern))
//! ```
use crate::parameters::any_glob;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a pod opts in under the ServiceAccount `default`",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &["700213"],
    frameworks: &["CIS AKS 1.8 4.1.5", "NIST 800-53 AC-6"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let shared = workload.opts_in() && workload.service_account() == "default";
    if !shared || any_glob(&trust.parameters().default_account_namespaces, &workload.namespace) {
        return Ok(None);
    }
    let field = format!("{}.serviceAccountName", workload.kind.spec_path());
    let message = format!(
        "the pods opt in under ServiceAccount `default`, which every pod of namespace `{}` that names none runs under",
        workload.namespace
    );
    let fix = format!(
        "create a ServiceAccount for this workload, name it in `{field}`, and let a credential trust `system:serviceaccount:{}:NAME`",
        workload.namespace
    );
    Ok(Some(
        Finding::new(RULE.severity, field, message)
            .with("named", workload.template.service_account.is_some())
            .with("subject", workload.subject().as_str())
            .fix(fix),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::manifest::{Manifest, read};
    use crate::model::{ClusterIx, Origin};
    use crate::parameters::Parameters;

    #[test]
    fn a_namespace_may_be_excepted() {
        let json = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"cart","namespace":"tools-ci","labels":{"azure.workload.identity/use":"true"}}}"#;
        let Manifest::Workload(pod) = read(json, None, ClusterIx(0), Origin::default()).unwrap().manifest else {
            panic!()
        };
        let inventory = Inventory::default();
        for (namespaces, expected) in
            [(vec![], true), (vec!["tools-*".to_owned()], false), (vec!["shop".to_owned()], true)]
        {
            let parameters = Parameters { default_account_namespaces: namespaces, ..Parameters::default() };
            let verdict = check(&pod, &Trust::join(&inventory, &parameters));
            assert_eq!(verdict.unwrap().is_some(), expected, "{parameters:?}");
        }
    }
}
