//! How the mutating webhook is registered: what lists prove of it, and that redaction leaves what is
//! said of it.

use wiguard_tests::case::{collect_text, scanned};

use crate::program::Folder;
use crate::redact::unpacked;

/// A cluster of AKS, and a workload that opts in.
const SHOP: &str = r#"
{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {norvind.example/tier: till}}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
"#;

/// Another's configuration, of a cluster or as a manifest.
fn other(metadata: &str) -> String {
    format!(
        "{{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {{name: other{metadata}}}, webhooks: [{{name: other.example.com}}]}}"
    )
}

/// The webhook's own, which sees namespaces by a selector.
fn own(selector: &str) -> String {
    format!(
        r#"- apiVersion: admissionregistration.k8s.io/v1
  kind: MutatingWebhookConfiguration
  metadata: {{name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}}
  webhooks:
  - name: mutation.azure-workload-identity.io
    failurePolicy: Fail
    clientConfig: {{caBundle: QQ==, service: {{name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system}}}}
    objectSelector: {{matchLabels: {{azure.workload.identity/use: "true"}}}}
    namespaceSelector: {selector}
"#
    )
}

fn found(text: &str, complete: bool) -> Vec<String> {
    let findings = scanned(&collect_text(text, complete)).findings;
    let ids = findings.into_iter().map(|seen| seen.rule);
    ids.filter(|id| ["AWI702", "AWI703", "AWI706"].contains(&id.as_str())).collect()
}

#[test]
fn that_there_is_no_configuration_takes_a_whole_list_of_a_cluster() {
    let listed = |metadata: &str| format!("{SHOP}- {}\n", other(metadata));
    assert_eq!(found(&listed(", uid: 5f0c"), false), ["AWI702"]);
    assert_eq!(found(&listed(""), false), [""; 0], "what somebody installs is not all there is");
    let single = format!("{SHOP}---\n{}\n", other(", uid: 5f0c"));
    assert_eq!(found(&single, false), [""; 0], "one is no list");
    assert_eq!(found(&single, true), ["AWI702"]);
    assert_eq!(found(SHOP, true), [""; 0], "none was given");
}

#[test]
fn manifests_do_not_hold_what_azure_installs() {
    let with = |shop: &str, metadata: &str| found(&format!("{shop}- {}\n", other(metadata)), true);
    assert_eq!(with(SHOP, ""), [""; 0], "the add-on is in nobody's manifests");
    assert_eq!(with(SHOP, ", uid: 5f0c"), ["AWI702"]);
    let (_, rest) = SHOP.split_once("---\n").unwrap();
    let of = |issuer: &str| format!("{{issuer: \"{issuer}\", jwks_uri: \"{issuer}jwks\"}}\n---\n{rest}");
    let aks = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";
    assert_eq!(with(&of(aks), ""), [""; 0], "nobody says whether it has the add-on");
    assert_eq!(with(&of("https://oidc.example.com/prod/"), ""), ["AWI702"]);
}

#[test]
fn a_namespace_is_seen_or_not_by_its_labels() {
    let seen = |selector: &str| found(&format!("{SHOP}{}", own(selector)), false);
    assert_eq!(seen("{}"), [""; 0]);
    assert_eq!(seen("{matchLabels: {norvind.example/tier: till}}"), [""; 0]);
    assert_eq!(seen("{matchLabels: {norvind.example/tier: depot}}"), ["AWI706"]);
    assert_eq!(seen("{matchExpressions: [{key: norvind.example/tier, operator: DoesNotExist}]}"), ["AWI706"]);
    assert_eq!(
        seen("{matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}]}"),
        ["AWI706"]
    );
}

#[test]
fn labels_that_are_not_known_accuse_nobody() {
    let nameless = SHOP.replace(
        "- {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {norvind.example/tier: till}}}\n",
        "",
    );
    assert_ne!(nameless, SHOP);
    let text = format!("{nameless}{}", own("{matchLabels: {norvind.example/tier: depot}}"));
    assert_eq!(found(&text, false), [""; 0]);
}

#[test]
fn redaction_leaves_what_is_seen_and_tells_no_label() {
    for (selector, expected) in [("till", false), ("depot", true)] {
        let text = format!("{SHOP}{}", own(&format!("{{matchLabels: {{norvind.example/tier: {selector}}}}}")));
        let folder = Folder::of(&[("estate.yaml", text.as_str())]);
        assert_eq!(folder.run(&["collect", "estate.yaml", "--redact", "-o", "red.gz"]).status, 0);
        let ran = folder.run(&["scan", "red.gz", "-o", "json"]);
        let said = ran.report()["findings"].as_array().unwrap().iter().any(|found| found["rule"] == "AWI706");
        assert_eq!(said, expected, "{ran:?}");
        let redacted = unpacked(&folder, "red.gz");
        for name in ["norvind", "till", "depot", "tier"] {
            assert!(!redacted.contains(name), "{name}: {redacted}");
        }
    }
}

#[test]
fn redaction_leaves_which_pods_are_asked_about_and_tells_no_label() {
    const OPTS_IN: &str = "azure.workload.identity/use: \"true\"";
    let cart = SHOP.replacen(OPTS_IN, &format!("{OPTS_IN}, norvind.example/tier: till, pod-template-hash: a1"), 1);
    assert_ne!(cart, SHOP);
    for (more, condition, expected) in [
        (", norvind.example/tier: till", "request.namespace != 'depot'", [false, false]),
        (", norvind.example/tier: depot", "request.userInfo.username != 'norvind'", [true, false]),
        ("", "request.namespace != 'shop'", [false, true]),
    ] {
        let selector = format!("{{matchLabels: {{{OPTS_IN}}}}}");
        let wanted = format!("{{matchLabels: {{{OPTS_IN}{more}}}}}");
        let condition = format!("matchConditions: [{{name: norvind-only, expression: \"{condition}\"}}]");
        let own = own("{}").replace(&selector, &format!("{wanted}\n    {condition}"));
        let text = format!("{cart}{own}");
        let folder = Folder::of(&[("estate.yaml", text.as_str())]);
        assert_eq!(folder.run(&["collect", "estate.yaml", "--redact", "-o", "red.gz"]).status, 0);
        for source in ["estate.yaml", "red.gz"] {
            let ran = folder.run(&["scan", source, "-o", "json"]);
            let report = ran.report();
            let findings = report["findings"].as_array().unwrap();
            let said = ["AWI702", "AWI706"].map(|id| findings.iter().any(|found| found["rule"] == id));
            assert_eq!(said, expected, "{source}: {own}{ran:?}");
        }
        let redacted = unpacked(&folder, "red.gz");
        for name in ["norvind", "till", "depot", "tier", "shop"] {
            assert!(!redacted.contains(name), "{name}: {redacted}");
        }
    }
}

/// The webhook, and its ConfigMap as kubectl prints it.
fn set_up(tenant: &str) -> String {
    format!(
        r#"{SHOP}- {{apiVersion: apps/v1, kind: Deployment, metadata: {{name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}}, spec: {{replicas: 2, template: {{spec: {{containers: [{{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}}]}}}}}}}}
- {{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: shop}}}}
- {{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: azure-workload-identity-system}}}}
---
data: {{AZURE_ENVIRONMENT: AzurePublicCloud, AZURE_TENANT_ID: {tenant}}}
apiVersion: v1
kind: ConfigMap
metadata: {{name: azure-wi-webhook-config, namespace: azure-workload-identity-system}}
"#
    )
}

#[test]
fn the_webhook_tells_pods_of_the_tenant_of_their_cluster() {
    let own = "11111111-1111-1111-1111-111111111111";
    assert_eq!(found(&set_up(own), false), [""; 0]);
    let other = set_up("99999999-9999-9999-9999-999999999999");
    assert_eq!(found(&other, false), ["AWI703"]);
    let folder = Folder::of(&[("estate.yaml", other.as_str())]);
    assert_eq!(folder.run(&["collect", "estate.yaml", "--redact", "-o", "red.gz"]).status, 0);
    let ran = folder.run(&["scan", "red.gz", "-o", "json"]);
    assert!(ran.report()["findings"].as_array().unwrap().iter().any(|found| found["rule"] == "AWI703"), "{ran:?}");
    assert!(!unpacked(&folder, "red.gz").contains("99999999-9999"));
}
