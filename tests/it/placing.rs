//! Objects of files that state no namespace: who says where they belong, and what is made of them where
//! nobody does.

use serde_json::Value;

use crate::program::{Folder, Ran};

const AZURE: &str = r#"
{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
---
- {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
---
- {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
"#;

/// As `helm template` prints it, with a document of nothing, a hook, and a list.
const CHART: &str = r#"---
# Source: cart/templates/service-account.yaml
apiVersion: v1
kind: ServiceAccount
metadata:
  name: cart
  annotations:
    azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333
---
# Source: cart/templates/ingress.yaml
---
# Source: cart/templates/all.yaml
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: cart
  spec:
    template:
      metadata:
        labels:
          azure.workload.identity/use: "true"
      spec:
        serviceAccountName: cart
        containers: [{name: cart, image: cart}]
---
# Source: cart/templates/migrate.yaml
apiVersion: batch/v1
kind: Job
metadata:
  name: cart-migrate
  annotations:
    "helm.sh/hook": pre-install
spec:
  template:
    metadata:
      labels:
        azure.workload.identity/use: "true"
    spec:
      serviceAccountName: cart
      restartPolicy: Never
      containers: [{name: cart, image: cart}]
"#;

fn folder() -> Folder {
    Folder::of(&[("azure.yaml", AZURE), ("chart.yaml", CHART)])
}

/// What [`said`] gives if nothing is.
fn nothing() -> (Vec<String>, Vec<String>) {
    Default::default()
}

/// Rules that found something grave, and those that could not decide for want of a namespace.
fn said(ran: &Ran) -> (Vec<String>, Vec<String>) {
    let report = ran.report();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let grave = |found: &&Value| ["critical", "high"].contains(&found["severity"].as_str().unwrap());
    let mut found: Vec<String> =
        report["findings"].as_array().unwrap().iter().filter(grave).map(|found| text(&found["rule"])).collect();
    found.sort();
    found.dedup();
    let rows = report["coverage"].as_array().unwrap();
    let row = rows.iter().find(|row| row["source"] == "namespaces that no file states");
    let undecided = row.and_then(|row| row["rulesNotEvaluated"].as_array()).into_iter().flatten().map(text).collect();
    (found, undecided)
}

#[test]
fn a_guess_accuses_nobody_and_says_what_to_give() {
    let folder = folder();
    let scan = |flags: &[&str]| {
        let arguments = [&["scan", "-", "azure.yaml", "--cluster", "prod=-", "-o", "json"], flags].concat();
        folder.pipe(&arguments, CHART.as_bytes())
    };
    let ran = scan(&[]);
    let (found, undecided) = said(&ran);
    assert!(ran.status == 0 && found.is_empty(), "{ran:?}");
    assert!(undecided.contains(&"AWI301".into()) && undecided.contains(&"AWI303".into()), "{undecided:?}");
    let (_, reason) = ran.coverage("namespaces that no file states");
    assert!(
        reason.contains("in which Deployment cart is installed") && reason.contains("--default-namespace"),
        "{reason}"
    );

    let ran = scan(&["--default-namespace", "shop"]);
    assert_eq!((ran.status, said(&ran)), (0, nothing()), "{ran:?}");
    assert_eq!(said(&scan(&["--default-namespace", "shop=-"])), nothing());
    let wrong = scan(&["--default-namespace", "other"]);
    assert_eq!((wrong.status, said(&wrong).0), (1, vec!["AWI301".into(), "AWI303".into()]), "{wrong:?}");
    // What is typed goes before what is configured, and the longer path before the shorter.
    folder.write("wiguard.toml", "defaultNamespace = \"shop\"\n");
    assert_eq!(said(&scan(&[])), nothing());
    assert_eq!(said(&scan(&["--default-namespace", "other"])).0.len(), 2);
    assert_eq!(said(&scan(&["--default-namespace", "shop=-", "--default-namespace", "other"])), nothing());
}

#[test]
fn what_states_its_namespace_stays_there() {
    let folder = folder();
    folder.write("stated.yaml", "{apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: depot, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: depot, labels: {azure.workload.identity/use: \"true\"}}, spec: {serviceAccountName: cart, containers: [{name: cart}]}}\n");
    let sources = ["scan", "stated.yaml", "azure.yaml", "--cluster", "prod=stated.yaml", "-o", "json"];
    for flags in [&[][..], &["--default-namespace", "shop"]] {
        let ran = folder.run(&[&sources, flags].concat());
        let untrusted = ["AWI301", "Pod", "depot", "cart"].map(str::to_owned);
        assert!(ran.findings().contains(&untrusted), "{flags:?}: {ran:?}");
    }
}

#[test]
fn a_walk_says_the_same() {
    let folder = folder();
    let trace = |of: &str, flags: &[&str]| {
        let arguments = [&["trace", of, "chart.yaml", "azure.yaml", "--cluster", "prod=chart.yaml"], flags].concat();
        folder.run(&arguments)
    };
    let ran = trace("default/deploy/cart", &[]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.out.contains("the namespace in which Deployment cart is installed"), "{}", ran.out);
    let ran = trace("shop/deploy/cart", &[]);
    assert!(ran.status == 2 && ran.err.contains("--default-namespace shop"), "{ran:?}");
    assert_eq!(trace("shop/deploy/cart", &["--default-namespace", "shop"]).status, 0);
    assert_eq!(trace("other/deploy/cart", &["--default-namespace", "other"]).status, 1);
}

#[test]
fn an_error_is_explained_with_what_may_be_meant() {
    let folder = folder();
    let log = "AADSTS700213: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:cart'.";
    let ran = folder.run(&["explain", log, "--from", "chart.yaml", "--from", "azure.yaml"]);
    assert!(ran.out.contains("states no namespace: if it is meant, say --default-namespace shop"), "{ran:?}");
    let ran = folder.run(&["explain", log, "--from", "chart.yaml", "--default-namespace", "shop"]);
    assert!(ran.out.contains("under it: Deployment cart, Job cart-migrate"), "{ran:?}");
}

#[test]
fn a_snapshot_keeps_that_nothing_states_it() {
    let folder = folder();
    let collect = |flags: &[&str], to: &str| {
        let arguments = ["collect", "chart.yaml", "azure.yaml", "--cluster", "prod=chart.yaml", "-o", to];
        assert_eq!(folder.run(&[&arguments, flags].concat()).status, 0, "{to}");
    };
    let scan = |of: &str, flags: &[&str]| said(&folder.run(&[&["scan", of, "-o", "json"], flags].concat()));
    collect(&[], "open.gz");
    collect(&["--default-namespace", "shop"], "placed.gz");
    collect(&["--redact"], "red.gz");
    assert!(scan("open.gz", &[]).1.contains(&"AWI301".into()));
    assert!(scan("red.gz", &[]).1.contains(&"AWI301".into()));
    assert_eq!(scan("open.gz", &["--default-namespace", "shop"]), nothing());
    assert_eq!(scan("placed.gz", &["--default-namespace", "other"]), nothing(), "it is placed already");
}

#[test]
fn two_that_may_be_two_are_not_taken_for_one_without_a_word() {
    let folder = Folder::of(&[("apps/a.yaml", CHART), ("apps/b.yaml", CHART)]);
    let scan = |flags: &[&str]| folder.run(&[&["scan", "apps", "-o", "json"], flags].concat());
    let ran = scan(&[]);
    let (status, reason) = ran.coverage("apps/b.yaml");
    assert!(ran.status == 0 && status == "partial" && reason.contains("taken for one"), "{status}: {reason}");
    let told = |ran: &Ran| ran.out.contains("taken for one");
    assert!(!told(&scan(&["--default-namespace", "shop"])), "it is said that they are one");
    let apart = scan(&["--default-namespace", "a=apps/a.yaml", "--default-namespace", "b=apps/b.yaml"]);
    assert_eq!((told(&apart), &apart.report()["summary"]["workloads"]), (false, &4.into()), "{apart:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = folder();
    for wrong in ["Shop", "", "shop=", "=chart.yaml", "a.b"] {
        let ran = folder.run(&["scan", "chart.yaml", "--default-namespace", wrong]);
        assert!(ran.status == 2 && ran.err.contains("--default-namespace"), "{wrong}: {ran:?}");
    }
    let ran = folder.run(&["scan", "chart.yaml", "--default-namespace", "shop=nowhere", "-o", "json"]);
    assert!(ran.status == 3 && ran.coverage("nowhere").1.contains("--default-namespace shop="), "{ran:?}");
    let ran = folder.run(&["scan", "chart.yaml", "-n", "shop", "-o", "json"]);
    assert!(ran.status == 3 && ran.coverage("namespace shop").1.contains("--default-namespace shop"), "{ran:?}");
    folder.write("wiguard.toml", "defaultNamespace = \"Shop\"\n");
    let ran = folder.run(&["scan", "chart.yaml"]);
    assert!(ran.status == 2 && ran.err.contains("`defaultNamespace`"), "{ran:?}");
}

#[test]
fn its_own_configuration_is_no_source() {
    // YAML takes the first line for a list in a list.
    let clusters = "[[clusters]]\nname = \"onp\"\nissuer = \"https://oidc.example.com/onp/\"\n";
    let folder = folder();
    for (name, text) in
        [("wiguard.toml", clusters), ("deep/wiguard.toml", "failOn = \"high\"\n"), ("book.toml", clusters)]
    {
        folder.write(name, text);
    }
    let ran = folder.run(&["scan", ".", "--default-namespace", "shop", "-o", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let report = ran.report();
    let rows = report["coverage"].as_array().unwrap().iter().filter_map(|row| row["source"].as_str());
    let told: Vec<&str> = rows.filter(|source| source.ends_with(".toml")).collect();
    assert_eq!(told, ["./book.toml"]);
    assert!(ran.coverage("./book.toml").1.contains("is TOML"), "{ran:?}");
    let ran = folder.run(&["scan", "wiguard.toml", "-o", "json"]);
    assert!(ran.status == 3 && ran.coverage("wiguard.toml").1.contains("is TOML"), "{ran:?}");
    let ran = folder.run(&["scan", "deep"]);
    assert!(ran.status == 3 && ran.out.contains("holds no file to read"), "{ran:?}");
}

#[test]
fn a_chart_that_was_not_rendered_is_no_manifest() {
    let folder = Folder::of(&[
        (
            "chart/templates/a.yaml",
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: \"{{ .Values.name }}\"\n  annotations:\n    azure.workload.identity/client-id: \"{{ .Values.id }}\"\n",
        ),
        (
            "chart/templates/b.yaml",
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: cart\n  namespace: '{{ .Release.Namespace }}'\n",
        ),
        (
            "chart/values.schema.json",
            r#"{"$schema": "http://json-schema.org/schema#", "type": "object", "properties": {}}"#,
        ),
        ("chart/crds/c.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: cart}\n"),
    ]);
    let ran = folder.run(&["scan", "chart", "-o", "json"]);
    assert!(ran.status == 3 && ran.findings().is_empty(), "{ran:?}");
    for name in ["a", "b"] {
        let (_, reason) = ran.coverage(&format!("chart/templates/{name}.yaml"));
        assert!(reason.contains("was not rendered"), "{name}: {reason}");
    }
    for name in ["a", "b"] {
        std::fs::remove_file(folder.path().join(format!("chart/templates/{name}.yaml"))).unwrap();
    }
    assert_eq!(folder.run(&["scan", "chart"]).status, 0, "the schema of values is no manifest that is missed");
    // A name that another tool fills in is for the parameter `templated` to excuse.
    folder.write("other.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: '{{ env }}-cart'}\n");
    assert_eq!(folder.run(&["scan", "other.yaml"]).status, 0);
}
