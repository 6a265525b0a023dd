//! `wiguard doctor` against a real API server: the role that it prints is enough for a scan, without
//! any one thing of it exactly that lacks, and nothing in it is for nothing.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wiguard_tests::cluster::objects::manifests;
use wiguard_tests::cluster::{Cluster, eventually, wait};

/// Runs the program: status, standard output, standard error.
fn run(arguments: &[&str], kubeconfig: Option<&Path>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wiguard-under-test"));
    command.args(arguments);
    if let Some(kubeconfig) = kubeconfig {
        command.args(["--kube", "-q", "-o", "json", "--kubeconfig"]).arg(kubeconfig);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What lacks, as `verb group/resource` or the path; and the exit status.
fn lacking(arguments: &[&str], kubeconfig: &Path) -> (i32, Vec<String>) {
    let (status, out, err) = run(&[&["doctor"][..], arguments].concat(), Some(kubeconfig));
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let needs = report["places"][0]["needs"].as_array().unwrap();
    let named = |need: &Value| match need["path"].as_str() {
        Some(path) => path.to_owned(),
        None => {
            let text = |name: &str| need[name].as_str().unwrap().to_owned();
            format!("{} {}/{}", text("verb"), text("group"), text("resource"))
        }
    };
    (status, needs.iter().filter(|need| need["answer"] == "lacks").map(named).collect())
}

/// The roles that it prints, under another name, bound to a user.
fn roles(name: &str, user: &str, arguments: &[&str]) -> Vec<Value> {
    let (status, out, err) = run(&[&["doctor", "--cluster-role"][..], arguments].concat(), None);
    assert_eq!((status, err.as_str()), (0, ""));
    let mut objects = Vec::new();
    for mut role in manifests(&out) {
        role["metadata"]["name"] = json!(name);
        let kind = role["kind"].as_str().unwrap().to_owned();
        let binding = json!({
            "apiVersion": role["apiVersion"], "kind": format!("{kind}Binding"), "metadata": role["metadata"],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        objects.extend([role, binding]);
    }
    objects
}

/// A role for each single thing that a role grants, without which it is, and what that is.
fn each_without_one(role: &Value) -> Vec<(String, Value)> {
    let mut single: Vec<(String, Value)> = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        let texts = |name: &str| -> Vec<String> {
            let all = rule[name].as_array().into_iter().flatten();
            all.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        for verb in texts("verbs") {
            for path in texts("nonResourceURLs") {
                single.push((path.clone(), json!({"nonResourceURLs": [path], "verbs": [verb]})));
            }
            for group in texts("apiGroups") {
                for resource in texts("resources") {
                    let rule = json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
                    single.push((format!("{verb} {group}/{resource}"), rule));
                }
            }
        }
    }
    let without = |index: usize| {
        let mut role = role.clone();
        let others = single.iter().enumerate().filter(|(other, _)| *other != index);
        role["rules"] = others.map(|(_, (_, rule))| rule.clone()).collect();
        role
    };
    single.iter().enumerate().map(|(index, (name, _))| (name.clone(), without(index))).collect()
}

/// Waits until exactly this lacks.
async fn lacks(arguments: &[&str], kubeconfig: &Path, expected: &[&str]) {
    eventually(&format!("{expected:?} lacks"), || async {
        let (status, lacking) = lacking(arguments, kubeconfig);
        let same = status == i32::from(!expected.is_empty()) && lacking == expected;
        if same { Ok(()) } else { Err(format!("{status} {lacking:?}")) }
    })
    .await;
}

/// Whether a scan reads everything, and what it says of what it does not.
fn scan(arguments: &[&str], kubeconfig: &Path) -> (bool, Value) {
    let (status, out, err) = run(&[&["scan"][..], arguments].concat(), Some(kubeconfig));
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (status != 3, report["coverage"].clone())
}

#[test]
fn the_printed_role_is_enough_and_without_any_one_thing_of_it_exactly_that_lacks() {
    wait(async {
        let cluster = Cluster::start().await;
        let kubeconfig = cluster.kubeconfig("doctor", "nobodies");
        let (status, none) = lacking(&[], &kubeconfig);
        assert!(status == 1 && none.len() > 20, "a user without rights lacks everything: {none:?}");

        let objects = roles("wiguard-doctor", "doctor", &[]);
        cluster.apply(&objects).await;
        lacks(&[], &kubeconfig, &[]).await;
        let (wholly, coverage) = scan(&[], &kubeconfig);
        assert!(wholly, "{coverage:#}");

        let without = each_without_one(&objects[0]);
        assert_eq!(without.len(), none.len());
        for (dropped, role) in without {
            cluster.apply(&[role]).await;
            lacks(&[], &kubeconfig, &[&dropped]).await;
            // A kind that is not served has no objects; what is asked again is asked rarely.
            let built_in = ["/", "apps/", "batch/", "rbac.authorization.k8s.io/", "admissionregistration.k8s.io/"];
            let served = dropped.strip_prefix("list ").is_some_and(|it| built_in.iter().any(|of| it.starts_with(of)));
            if served || dropped.starts_with('/') {
                let (wholly, coverage) = scan(&[], &kubeconfig);
                assert!(!wholly, "a scan does not need `{dropped}`: {coverage:#}");
            }
        }
    });
}

#[test]
fn one_namespace_takes_a_role_in_it() {
    wait(async {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("patient", &[]).await;
        let user = cluster.unused("doctor-of-one");
        let kubeconfig = cluster.kubeconfig(&user, "nobodies");
        let arguments = ["-n", namespace.as_str()];
        let objects = roles(&user, &user, &arguments);
        cluster.apply(&objects).await;
        lacks(&arguments, &kubeconfig, &[]).await;
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace},
            "spec": {"containers": [{"name": "c", "image": "i"}]}});
        cluster.create(&pod).await.admitted();
        let (wholly, coverage) = scan(&arguments, &kubeconfig);
        assert!(wholly, "{coverage:#}");
        assert_eq!(lacking(&[], &kubeconfig).0, 1, "it is not enough for all namespaces");
    });
}

#[test]
fn what_cannot_be_asked_is_unknown_and_lacks_not() {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "gone",
        "contexts": [{"name": "gone", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "planted-token"}}],
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, config.to_string()).unwrap();
    assert_eq!(lacking(&[], &path), (3, Vec::new()));
    let (_, out, err) = run(&["doctor"], Some(&path));
    assert!(out.contains("could not talk to the API server") && !(out + &err).contains("planted-token"));
}
