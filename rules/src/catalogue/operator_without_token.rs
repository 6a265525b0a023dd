//! An operator that works with Azure gets no token, and lives by a secret or by its node.
//!
//! External-dns and Velero have workload identity from the webhook, as any pod: by the label, and the client
//! id of their ServiceAccount. Without a token, what is left to them is a secret in their configuration,
//! which lasts until somebody finds it, or an identity of the node, which is every pod's. Which of them it is
//! stands in a Secret, whose values are never read.
//!
//! They are known by their images: external-dns where its arguments name the provider `azure` or
//! `azure-private-dns`, Velero by its plugin for Azure. In `kube-system` and `app-routing-system` AKS runs an
//! external-dns of its own. A pod that opts out, and one that brings its own token, is not judged.
//!
//! Azure Service Operator projects its own token, and takes a client id from the Secret
//! `aso-controller-settings`, or from `aso-credential` in the namespace of an object. Where one of them has a
//! key `AZURE_CLIENT_SECRET` or `AZURE_CLIENT_CERTIFICATE`, that secret is what it uses. Keys of Secrets are
//! known where a source gives them (live, with `--secret-keys`). Secrets that objects name by the annotation
//! `serviceoperator.azure.com/credential-from` may have any name and are not looked at. The policy leaves it
//! to the audit.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: external-dns, namespace: dns}
//! spec: {template: {spec: {serviceAccountName: external-dns, containers: [{name: external-dns, image: "registry.k8s.io/external-dns/external-dns:v0.15.1", args: [--source=service, --provider=azure]}]}}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: velero, namespace: velero}
//! spec: {template: {spec: {serviceAccountName: velero, initContainers: [{name: plugin, image: "velero/velero-plugin-for-microsoft-azure:v1.11.0"}], containers: [{name: velero, image: "velero/velero:v1.15.0"}]}}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azureserviceoperator-controller-manager, namespace: azureserviceoperator-system}
//! spec: {template: {spec: {serviceAccountName: azureserviceoperator-default, volumes: [{name: token, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: azure-identity}}]}}], containers: [{name: manager, image: "mcr.microsoft.com/k8s/azureserviceoperator:v2.11.0"}]}}}
//! ---
//! {apiVersion: v1, kind: Secret, metadata: {name: aso-controller-settings, namespace: azureserviceoperator-system}, data: {AZURE_CLIENT_ID: eA==, AZURE_CLIENT_SECRET: eA==, AZURE_TENANT_ID: eA==}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azureserviceoperator-controller-manager, namespace: azureserviceoperator-system}
//! spec: {template: {spec: {serviceAccountName: azureserviceoperator-default, volumes: [{name: token, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: azure-identity}}]}}], containers: [{name: manager, image: "mcr.microsoft.com/k8s/azureserviceoperator:v2.11.0"}]}}}
//! ---
//! {apiVersion: v1, kind: Secret, metadata: {name: aso-controller-settings, namespace: azureserviceoperator-system}, data: {AZURE_CLIENT_ID: eA==, AZURE_TENANT_ID: eA==, USE_WORKLOAD_IDENTITY_AUTH: eA==}}
//! ---
//! {apiVersion: v1, kind: Secret, metadata: {name: aso-credential, namespace: shop}, data: {AZURE_CLIENT_CERTIFICATE: eA==, AZURE_CLIENT_ID: eA==}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # it opts in
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: external-dns, namespace: dns}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: external-dns, containers: [{name: external-dns, image: "registry.k8s.io/external-dns/external-dns:v0.15.1", args: [--source=service, --provider=azure]}]}}}
//! ```
//!
//! ```yaml
//! # another cloud's
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: external-dns, namespace: dns}
//! spec: {template: {spec: {serviceAccountName: external-dns, containers: [{name: external-dns, image: "registry.k8s.io/external-dns/external-dns:v0.15.1", args: [--source=service, --provider=aws]}]}}}
//! ```
//!
//! ```yaml
//! # AKS runs it
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: external-dns, namespace: app-routing-system}
//! spec: {template: {spec: {serviceAccountName: external-dns, containers: [{name: external-dns, image: "registry.k8s.io/external-dns/external-dns:v0.15.1", args: [--source=service, --provider=azure]}]}}}
//! ```
//!
//! ```yaml
//! # it opts out
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: external-dns, namespace: dns}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "false"}}, spec: {serviceAccountName: external-dns, containers: [{name: external-dns, image: "registry.k8s.io/external-dns/external-dns:v0.15.1", args: [--source=service, --provider=azure]}]}}}
//! ```
//!
//! ```yaml
//! # it brings its own token
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: external-dns, namespace: dns}
//! spec: {template: {spec: {serviceAccountName: external-dns, volumes: [{name: token, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: token}}]}}], containers: [{name: external-dns, image: "registry.k8s.io/external-dns/external-dns:v0.15.1", args: [--source=service, --provider=azure]}]}}}
//! ```
//!
//! ```yaml
//! # Velero with another cloud's plugin
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: velero, namespace: velero}
//! spec: {template: {spec: {serviceAccountName: velero, initContainers: [{name: plugin, image: "velero/velero-plugin-for-aws:v1.11.0"}], containers: [{name: velero, image: "velero/velero:v1.15.0"}]}}}
//! ```
//!
//! ```yaml
//! # Azure Service Operator without a secret
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azureserviceoperator-controller-manager, namespace: azureserviceoperator-system}
//! spec: {template: {spec: {serviceAccountName: azureserviceoperator-default, volumes: [{name: token, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: azure-identity}}]}}], containers: [{name: manager, image: "mcr.microsoft.com/k8s/azureserviceoperator:v2.11.0"}]}}}
//! ---
//! {apiVersion: v1, kind: Secret, metadata: {name: aso-controller-settings, namespace: azureserviceoperator-system}, data: {AZURE_CLIENT_ID: eA==, AZURE_TENANT_ID: eA==, USE_WORKLOAD_IDENTITY_AUTH: eA==}}
//! ```
use crate::model::Place;
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "an operator that works with Azure gets no token, and lives by a secret or by its node",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3", "MCSB IM-8"],
    yields_to: &["AWI101", "AWI102", "AWI103", "AWI104", "AWI601", "AWI606"],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

/// Where AKS runs external-dns for its application routing (Azure/aks-app-routing-operator).
const OF_AKS: [&str; 2] = ["kube-system", "app-routing-system"];
/// The Secrets of Azure Service Operator: its own, and that of a namespace; and their keys that are secrets
/// (azure-service-operator, `v2/internal/identity/credential_provider.go`).
const OWN_SECRET: &str = "aso-controller-settings";
const NAMESPACE_SECRET: &str = "aso-credential";
const SECRET_KEYS: [&str; 2] = ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE"];

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if workload.running("azureserviceoperator").is_some() {
        return of_service_operator(workload, trust);
    }
    if workload.opts_in() || workload.opts_out() || workload.brings_azure_token() {
        return Ok(None);
    }
    let Some((program, place, then)) = program(workload) else { return Ok(None) };
    let message = format!(
        "{program} works with Azure, but its pods get no token: it lives by a secret, or by an identity of its node"
    );
    let fix = format!(
        "set `{}` to \"true\", in quotes, annotate ServiceAccount `{}/{}` with `{}`, and {then}",
        workload.label_path(label::USE),
        workload.namespace,
        workload.service_account(),
        annotation::CLIENT_ID
    );
    let finding = Finding::new(RULE.severity, format!("{place}.image"), message);
    Ok(Some(finding.with("serviceAccount", workload.service_account()).fix(fix)))
}

/// What runs in it that works with Azure, where, and what else is to be changed there.
fn program(workload: &Workload) -> Option<(&'static str, Place, &'static str)> {
    const PLUGIN: &str = "velero-plugin-for-microsoft-azure";
    let dns = workload.running("external-dns").filter(|(container, _)| container.for_azure);
    if let Some((_, place)) = dns.filter(|_| !OF_AKS.contains(&workload.namespace.as_str())) {
        return Some(("external-dns", place, "set `useWorkloadIdentityExtension` in its azure.json to true"));
    }
    let (_, place) = workload.running(PLUGIN)?;
    Some(("Velero", place, "leave `AZURE_CLIENT_SECRET` out of its credentials file"))
}

/// Whether Azure Service Operator is given a secret.
fn of_service_operator(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let holds = |keys: &[String]| keys.iter().any(|key| SECRET_KEYS.contains(&key.as_str()));
    let of_namespaces = trust.secrets(workload.cluster).filter(|it| it.name == NAMESPACE_SECRET && holds(&it.keys));
    let mut given: Vec<String> = of_namespaces.map(|it| format!("{}/{NAMESPACE_SECRET}", it.namespace)).collect();
    let own = trust.secret(workload, OWN_SECRET).known();
    if let Ok(Some(own)) = own
        && holds(&own.keys)
    {
        given.push(format!("{}/{OWN_SECRET}", own.namespace));
    }
    given.sort_unstable();
    let Some(first) = given.first() else {
        own?;
        let every = || Unknown(Key::Secret(workload.cluster, "*".into(), NAMESPACE_SECRET.into()));
        return if trust.knows_secrets(workload.cluster) { Ok(None) } else { Err(every()) };
    };
    let more = if given.len() > 1 { format!(" and {} more", given.len() - 1) } else { String::new() };
    let message = format!("Azure Service Operator is given a secret, by Secret `{first}`{more}");
    let fix = format!(
        "in each put `USE_WORKLOAD_IDENTITY_AUTH: \"true\"` in place of it, with the client id of an identity that trusts {}",
        workload.subject()
    );
    let field = format!("{}.serviceAccountName", workload.kind.spec_path());
    Ok(Some(Finding::new(RULE.severity, field, message).with("secrets", given).fix(fix)))
}
