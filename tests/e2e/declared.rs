//! Kinds that users declare, of a real API server: found by discovery, read as files are, kept in
//! snapshots, asked about by doctor.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use wiguard_tests::cluster::objects::manifests;
use wiguard_tests::cluster::server::built;
use wiguard_tests::cluster::{Cluster, eventually, wait};

use crate::live::{Scanned, live, scan};
use crate::shop::PROGRAM;

/// Declared in a version that is not served, of a plural that nobody would guess.
const WIDGET: &str = "example.com/v1/Widget=spec.pods.template";
/// Called like a kind of Kubernetes.
const SET: &str = "apps.example.com/v1beta1/StatefulSet=spec.template";
/// Not installed.
const GADGET: &str = "gadgets.example.org/v1/Gadget=spec.template";
const DECLARED: [&str; 6] = ["--pod-bearing", WIDGET, "--pod-bearing", SET, "--pod-bearing", GADGET];

fn definition(group: &str, version: &str, plural: &str, kind: &str, scope: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": scope,
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}CollectionList")},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

/// An object whose label stands where nothing reads it.
fn object(version: &str, kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": version, "kind": kind, "spec": spec,
        "metadata": {"name": name, "namespace": namespace, "labels": {"azure.workload.identity/use": "true"}}})
}

/// Installs kinds, and objects of each in a new namespace.
async fn install(cluster: &Cluster) -> String {
    cluster
        .apply(&[
            definition("example.com", "v2", "widgetry", "Widget", "Namespaced"),
            definition("apps.example.com", "v1beta1", "statefulsets", "StatefulSet", "Namespaced"),
        ])
        .await;
    let namespace = cluster.namespace("declared", &[]).await;
    let template = json!({"metadata": {"labels": {"app": "cart"}}, "spec": {"serviceAccountName": "cart"}});
    let of = |version: &str, kind: &str, name: &str, spec: Value| object(version, kind, &namespace, name, &spec);
    cluster
        .apply(&[
            of("example.com/v2", "Widget", "cart", json!({"pods": {"template": template}})),
            of("example.com/v2", "Widget", "empty", json!({"pods": {}})),
            of("apps.example.com/v1beta1", "StatefulSet", "cart", json!({"template": template})),
        ])
        .await;
    namespace
}

/// API version, kind and name of the objects in a namespace whose label stands in the wrong place.
fn misplaced(scanned: &Scanned, namespace: &str) -> Vec<String> {
    let findings = scanned.report["findings"].as_array().unwrap_or_else(|| panic!("{}", scanned.err)).iter();
    let of = findings.filter(|found| found["rule"] == "AWI101" && found["object"]["namespace"] == *namespace);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut named: Vec<String> = of
        .map(|it| &it["object"])
        .map(|it| format!("{} {}/{}", text(&it["apiVersion"]), text(&it["kind"]), text(&it["name"])))
        .collect();
    named.sort();
    named
}

fn run(arguments: &[&str], kubeconfig: &Path) -> (i32, String, String) {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).args(["--kube", "-q", "--kubeconfig"]).arg(kubeconfig);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What kubectl prints of them, in a folder that bears the name of the context.
fn dump(kubeconfig: &Path, namespace: &str, folder: &Path) -> PathBuf {
    let dumped = folder.join("test");
    std::fs::create_dir_all(&dumped).unwrap();
    for resource in ["widgetry.example.com", "statefulsets.apps.example.com"] {
        let mut command = Command::new(built("kubectl"));
        command.arg("--kubeconfig").arg(kubeconfig).args(["get", resource, "-n", namespace, "-o", "json"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{resource}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(dumped.join(format!("{resource}.json")), output.stdout).unwrap();
    }
    dumped
}

#[test]
fn what_is_declared_is_read_live_as_of_files() {
    wait(async {
        let cluster = Cluster::start().await;
        let namespace = install(&cluster).await;
        let folder = tempfile::tempdir().unwrap();
        let admin = cluster.kubeconfig("admin", "system:masters");
        assert!(misplaced(&live(&admin, &[], &[]), &namespace).is_empty(), "nobody declared them");

        let read = live(&admin, &DECLARED, &[]);
        let expected = ["apps.example.com/v1beta1 StatefulSet/cart", "example.com/v1 Widget/cart"];
        assert_eq!(misplaced(&read, &namespace), expected, "{}", read.report);
        assert_eq!(read.gaps(), []);
        let dumped = dump(&admin, &namespace, folder.path());
        assert_eq!(misplaced(&scan(&DECLARED, &[&dumped]), &namespace), expected);
        let one = live(&admin, &[&DECLARED[..], &["-n", namespace.as_str()]].concat(), &[]);
        assert_eq!(misplaced(&one, &namespace), expected);

        let kept = folder.path().join("kept.gz");
        let collect = [&["collect", "-o", kept.to_str().unwrap()][..], &DECLARED].concat();
        let (status, _, err) = run(&collect, &admin);
        assert_eq!(status, 0, "{err}");
        assert_eq!(misplaced(&scan(&[], &[&kept]), &namespace), expected);
        let redacted = folder.path().join("redacted.gz");
        let collect = [&["collect", "--redact", "-o", redacted.to_str().unwrap()][..], &DECLARED].concat();
        assert_eq!(run(&collect, &admin).0, 0);
        let report = scan(&[], &[&redacted]).report;
        let hidden = report["findings"].as_array().unwrap().iter().filter(|found| found["rule"] == "AWI101");
        assert!(hidden.count() >= 2 && !report.to_string().contains("widgetry"), "{report:#}");

        let workload = format!("{namespace}/widget/cart");
        let (_, out, err) = run(&[&["trace", workload.as_str()][..], &DECLARED].concat(), &admin);
        assert!(out.starts_with(&format!("Widget {namespace}/cart on cluster ")), "{out}{err}");
    });
}

#[test]
fn doctor_says_what_they_need_and_without_it_they_are_a_gap() {
    wait(async {
        let cluster = Cluster::start().await;
        let namespace = install(&cluster).await;
        let kubeconfig = cluster.kubeconfig("reader", "nobodies");
        let grant = |role: &Value| {
            let mut role = role.clone();
            role["metadata"]["name"] = json!("reader");
            let binding = json!({"apiVersion": role["apiVersion"], "kind": "ClusterRoleBinding",
                "metadata": {"name": "reader"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}]});
            [role, binding]
        };
        // The role without them: what nobody asked says nothing of the plural.
        let printed = Command::new(PROGRAM).args(["doctor", "--cluster-role"]).output().unwrap();
        let plain = manifests(&String::from_utf8(printed.stdout).unwrap()).remove(0);
        cluster.apply(&grant(&plain)).await;
        let arguments = [&["doctor", "-o", "json"][..], &DECLARED].concat();
        let lacking = eventually("only they lack", || async {
            let (_, out, err) = run(&arguments, &kubeconfig);
            let report: Value = serde_json::from_str(&out).map_err(|error| format!("{error}: {err}"))?;
            let needs = report["places"][0]["needs"].as_array().unwrap().clone();
            let lacks = needs.into_iter().filter(|need| need["answer"] == "lacks");
            let lacks: Vec<String> =
                lacks.map(|it| format!("{} {}", it["verb"], it["resource"]).replace('"', "")).collect();
            if lacks.len() == 6 { Ok((lacks, report)) } else { Err(format!("{lacks:?}")) }
        });
        let (lacks, report) = lacking.await;
        let expected = ["get widgetry", "list widgetry", "get statefulsets", "list statefulsets"];
        assert!(expected.iter().all(|need| lacks.iter().any(|it| it == need)), "{lacks:?}");
        assert!(lacks.contains(&"list gadgets".to_owned()), "what is not installed may be some day: {lacks:?}");

        let scanned = live(&kubeconfig, &DECLARED, &[]);
        let gaps = scanned.gaps();
        let of = |source: &str| gaps.iter().find(|(path, _)| path == source).map(|(_, reason)| reason.as_str());
        let forbidden = of("kube://test/widgetry.example.com").unwrap_or_else(|| panic!("{gaps:?}"));
        assert!(forbidden.starts_with("may not list widgetry.example.com in all namespaces"), "{forbidden}");
        assert!(of("kube://test/statefulsets.apps.example.com").is_some(), "{gaps:?}");
        assert_eq!((gaps.len(), scanned.status), (2, 3), "{gaps:?}");

        cluster.apply(&grant(&report["roles"][0])).await;
        eventually("nothing lacks", || async {
            let (status, out, err) = run(&arguments, &kubeconfig);
            if status == 0 { Ok(()) } else { Err(out + &err) }
        })
        .await;
        let scanned = live(&kubeconfig, &DECLARED, &[]);
        assert_eq!((misplaced(&scanned, &namespace).len(), scanned.gaps()), (2, vec![]));
    });
}

#[test]
fn whose_pods_may_be_anywhere_is_not_read() {
    wait(async {
        let cluster = Cluster::start().await;
        cluster.apply(&[definition("example.com", "v1", "fleets", "Fleet", "Cluster")]).await;
        let admin = cluster.kubeconfig("admin", "system:masters");
        let (source, reason) = eventually("it is served", || async {
            let scanned = live(&admin, &["--pod-bearing", "example.com/v1/Fleet=spec.template"], &[]);
            scanned.gaps().into_iter().next().ok_or(scanned.out)
        })
        .await;
        assert_eq!(source, "kube://test/fleets.example.com");
        assert!(reason.contains("in no namespace") && reason.contains("take back its declaration"), "{reason}");
    });
}
