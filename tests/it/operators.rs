//! What is read of operators and of the webhook: live, the ConfigMap of the webhook by its name and no
//! other; and what redaction leaves of operators that are known by their images.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::program::{Folder, PROGRAM, respond};
use crate::redact::unpacked;

const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";

/// What is answered for the ConfigMap of the webhook.
#[derive(Clone, Copy)]
enum Settings {
    Another,
    Absent,
    Forbidden,
}

/// What is answered to a path: a cluster with the webhook, and nothing else in it.
fn answer(path: &str, settings: Settings) -> (u16, Value) {
    let list = |kind: &str, items: Value| json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {}, "items": items});
    let named = |name: &str| json!({"metadata": {"name": name, "namespace": "wi"}});
    let webhook = json!({"metadata": {"name": "azure-wi-webhook-controller-manager", "namespace": "wi", "uid": "1"},
        "spec": {"template": {"spec": {"containers": [
            {"name": "manager", "image": "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}});
    let refused =
        |status: u16, reason: &str| (status, json!({"kind": "Status", "reason": reason, "details": {"name": "it"}}));
    let body = match (path, settings) {
        ("/.well-known/openid-configuration", _) => json!({"issuer": ISSUER}),
        ("/apis", _) => json!({"kind": "APIGroupList", "groups": []}),
        ("/api/v1/namespaces/kube-system", _) => json!({"metadata": {"name": "kube-system", "uid": "u-1"}}),
        ("/api/v1/namespaces", _) => list("Namespace", json!([{"metadata": {"name": "wi"}}])),
        ("/api/v1/serviceaccounts", _) => list("ServiceAccount", json!([named("default")])),
        ("/apis/apps/v1/deployments", _) => list("Deployment", json!([webhook])),
        ("/api/v1/namespaces/wi/configmaps/azure-wi-webhook-config", Settings::Another) => json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "azure-wi-webhook-config", "namespace": "wi"},
            "data": {"AZURE_TENANT_ID": "99999999-9999-9999-9999-999999999999", "OTHER": "planted-word"},
        }),
        ("/api/v1/namespaces/wi/configmaps/azure-wi-webhook-config", Settings::Absent) => {
            return refused(404, "NotFound");
        }
        ("/api/v1/namespaces/wi/configmaps/azure-wi-webhook-config", Settings::Forbidden) => {
            return refused(403, "Forbidden");
        }
        _ => {
            let built_in = [
                ("/api/v1/pods", "Pod"),
                ("/api/v1/replicationcontrollers", "ReplicationController"),
                ("/api/v1/persistentvolumes", "PersistentVolume"),
                ("/apis/apps/v1/statefulsets", "StatefulSet"),
                ("/apis/apps/v1/daemonsets", "DaemonSet"),
                ("/apis/apps/v1/replicasets", "ReplicaSet"),
                ("/apis/batch/v1/jobs", "Job"),
                ("/apis/batch/v1/cronjobs", "CronJob"),
                ("/apis/rbac.authorization.k8s.io/v1/roles", "Role"),
                ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRole"),
                ("/apis/rbac.authorization.k8s.io/v1/rolebindings", "RoleBinding"),
                ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "ClusterRoleBinding"),
                ("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
            ];
            match built_in.iter().find(|(known, _)| *known == path) {
                Some((_, kind)) => list(kind, json!([])),
                None => return (404, json!({"kind": "Status", "code": 404})),
            }
        }
    };
    (200, body)
}

/// Answers requests of a connection until it ends, and notes their paths.
fn converse(stream: TcpStream, settings: Settings, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut stream = stream;
    while let Some(Ok(request)) = lines.next() {
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let target = request.split(' ').nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let (status, body) = answer(&path, settings);
        asked.lock().unwrap().push(path);
        if respond(&mut stream, status, &body).is_err() {
            return;
        }
    }
}

/// A scan of such a cluster: its report, and what was asked of ConfigMaps.
fn live(settings: Settings) -> (Value, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || converse(stream, settings, &heard));
        }
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "planted-token"}}],
    });
    let config = config.to_string();
    let folder = Folder::of(&[("config", config.as_str())]);
    let mut command = Command::new(PROGRAM);
    command.args(["scan", "--kube", "-q", "-o", "json", "--kubeconfig"]).arg(folder.path().join("config"));
    let output = command.env("NO_PROXY", "127.0.0.1").output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(!out.contains("planted"), "{out}");
    let maps = asked.lock().unwrap().iter().filter(|path| path.contains("configmaps")).cloned().collect();
    (serde_json::from_str(&out).unwrap(), maps)
}

fn rules(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().filter_map(|found| found["rule"].as_str()).collect()
}

#[test]
fn the_config_map_of_the_webhook_is_asked_for_by_its_name() {
    let (report, maps) = live(Settings::Another);
    assert_eq!(rules(&report), ["AWI703"], "{report:#}");
    assert_eq!(maps, ["/api/v1/namespaces/wi/configmaps/azure-wi-webhook-config"]);
    let undecided = |report: &Value| report["coverage"].to_string().contains("AWI703");
    let (report, _) = live(Settings::Absent);
    assert!(rules(&report).is_empty() && !undecided(&report), "{report:#}");
    let (report, _) = live(Settings::Forbidden);
    assert!(rules(&report).is_empty() && undecided(&report), "{report:#}");
    let coverage = report["coverage"].to_string();
    assert!(coverage.contains("may not get configmaps/azure-wi-webhook-config in namespace wi"), "{coverage}");
}

#[test]
fn an_operator_is_known_in_a_redacted_snapshot() {
    let dns = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: names, namespace: norvind}\nspec: {template: {spec: {serviceAccountName: names, containers: [{name: dns, image: \"registry.norvind.example/mirror/external-dns:v0.15.1\", args: [--provider=azure]}]}}}\n";
    let folder = Folder::of(&[("dns.yaml", dns)]);
    assert_eq!(folder.run(&["collect", "dns.yaml", "--redact", "-o", "red.gz"]).status, 0);
    for path in ["dns.yaml", "red.gz"] {
        let ran = folder.run(&["scan", path, "-o", "json"]);
        assert_eq!(rules(&ran.report()), ["AWI808"], "{path}: {ran:?}");
    }
    assert!(!unpacked(&folder, "red.gz").contains("norvind"));
}
