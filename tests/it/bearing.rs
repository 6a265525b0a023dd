//! Kinds beside those of Kubernetes that hold pods: those that are known, and those that users declare.

use std::fs;

use serde_json::Value;

use crate::program::{Folder, Ran};

const KNOWN: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
spec: {template: {metadata: {labels: {app: cart}}, spec: {serviceAccountName: cart}}}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: by-reference, namespace: shop, labels: {azure.workload.identity/use: "true"}}
spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: cart}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: queue, namespace: shop, labels: {azure.workload.identity/use: "true"}}
spec: {jobTargetRef: {template: {metadata: {labels: {app: queue}}, spec: {serviceAccountName: queue}}}}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: web, namespace: shop, labels: {azure.workload.identity/use: "true"}}
spec: {template: {spec: {serviceAccountName: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: shop, labels: {app: web}}
spec: {selector: {app: web}}
"#;

const OWN: &str = r#"
apiVersion: example.com/v2
kind: Widget
metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
spec: {pods: {template: {metadata: {labels: {app: cart}}, spec: {serviceAccountName: cart}}}}
---
apiVersion: example.com/v2
kind: Widget
metadata: {name: empty, namespace: shop, labels: {azure.workload.identity/use: "true"}}
spec: {pods: {}}
"#;

const DECLARATION: &str = "example.com/v1/Widget=spec.pods.template";

/// Kind and name of the objects whose label stands in the wrong place.
fn misplaced(ran: &Ran) -> Vec<String> {
    let report = ran.report();
    let findings = report["findings"].as_array().unwrap().iter().filter(|found| found["rule"] == "AWI101");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut named: Vec<String> =
        findings.map(|it| format!("{}/{}", text(&it["object"]["kind"]), text(&it["object"]["name"]))).collect();
    named.sort();
    named
}

#[test]
fn known_kinds_are_judged_by_their_templates() {
    let folder = Folder::of(&[("known.yaml", KNOWN)]);
    let expected = ["Rollout/cart", "ScaledJob/queue", "Service/web"];
    assert_eq!(misplaced(&folder.run(&["scan", "known.yaml", "-o", "json"])), expected);
    assert_eq!(folder.run(&["collect", "known.yaml", "-o", "known.gz"]).status, 0);
    assert_eq!(misplaced(&folder.run(&["scan", "known.gz", "-o", "json"])), expected);
    let traced = folder.run(&["trace", "shop/ksvc/web", "known.yaml"]);
    assert!(traced.out.starts_with("Service shop/web\n"), "{traced:?}");
}

#[test]
fn a_declared_kind_is_judged_and_kept_in_snapshots() {
    let folder = Folder::of(&[("own.yaml", OWN)]);
    let scan = |flags: &[&str]| misplaced(&folder.run(&[&["scan", "own.yaml", "-o", "json"], flags].concat()));
    assert!(scan(&[]).is_empty());
    assert_eq!(scan(&["--pod-bearing", DECLARATION]), ["Widget/cart"]);
    fs::write(folder.path().join("declared.toml"), format!("podBearing = [\"{DECLARATION}\"]\n")).unwrap();
    assert_eq!(scan(&["--config", "declared.toml"]), ["Widget/cart"]);
    let collected = folder.run(&["collect", "own.yaml", "--pod-bearing", DECLARATION, "-o", "own.gz"]);
    assert_eq!(collected.status, 0, "{collected:?}");
    assert_eq!(misplaced(&folder.run(&["scan", "own.gz", "-o", "json"])), ["Widget/cart"]);
    assert_eq!(folder.run(&["collect", "own.yaml", "--config", "declared.toml", "-o", "configured.gz"]).status, 0);
    assert_eq!(misplaced(&folder.run(&["scan", "configured.gz", "-o", "json"])), ["Widget/cart"]);
    for kind in ["widget", "Widgets", "widgets.example.com"] {
        let workload = format!("shop/{kind}/cart");
        let traced = folder.run(&["trace", &workload, "own.gz", "--pod-bearing", DECLARATION]);
        assert!(traced.out.starts_with("Widget shop/cart\n"), "{traced:?}");
        let configured = folder.run(&["trace", &workload, "own.yaml", "--config", "declared.toml"]);
        assert!(configured.out.starts_with("Widget shop/cart\n"), "{configured:?}");
        let unheard = folder.run(&["trace", &workload, "own.yaml"]);
        assert!(unheard.status == 2 && unheard.err.contains("or one declared with --pod-bearing"), "{unheard:?}");
    }
    let redacted = folder.run(&["collect", "own.gz", "--redact", "-o", "red.gz"]);
    assert_eq!(redacted.status, 0, "{redacted:?}");
    let report = folder.run(&["scan", "red.gz", "-o", "json"]).report();
    let object = &report["findings"][0]["object"];
    assert_eq!(object["kind"], "Widget", "{report}");
    assert!(!object["apiVersion"].as_str().unwrap().contains("example"), "{report}");
}

#[test]
fn a_declared_kind_is_not_taken_for_another_of_its_name() {
    let set = |version: &str| {
        format!(
            "apiVersion: {version}\nkind: StatefulSet\nmetadata: {{name: cart, namespace: shop, labels: {{azure.workload.identity/use: \"true\"}}}}\nspec: {{template: {{metadata: {{labels: {{app: cart}}}}, spec: {{serviceAccountName: cart}}}}}}\n"
        )
    };
    let folder = Folder::of(&[("both.yaml", &format!("{}---\n{}", set("apps.kruise.io/v1beta1"), set("apps/v1")))]);
    let declaration = "apps.kruise.io/v1beta1/StatefulSet=spec.template";
    let ran = folder.run(&["scan", "both.yaml", "--pod-bearing", declaration, "-o", "json"]);
    assert_eq!(misplaced(&ran), ["StatefulSet/cart", "StatefulSet/cart"]);
    let traced = folder.run(&["trace", "shop/sts/cart", "both.yaml", "--pod-bearing", declaration]);
    assert!(traced.out.starts_with("StatefulSet shop/cart\n"), "{traced:?}");
}

#[test]
fn a_declaration_that_makes_no_sense_is_refused() {
    let folder = Folder::of(&[("own.yaml", OWN), ("wrong.toml", "podBearing = [\"Widget\"]\n")]);
    for wrong in ["Widget", "example.com/v1/Widget=template", "apps/v1/Deployment=spec.template"] {
        let ran = folder.run(&["scan", "own.yaml", "--pod-bearing", wrong]);
        assert!(ran.status == 2 && ran.err.contains("--pod-bearing"), "{ran:?}");
    }
    let ran = folder.run(&["scan", "own.yaml", "--config", "wrong.toml"]);
    assert!(ran.status == 2 && ran.err.contains("`Widget` declares no kind: it has no `=`"), "{ran:?}");
}
