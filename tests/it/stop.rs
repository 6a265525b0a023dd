//! Ctrl-C while a cluster is read: what was read is reported, what was not is said, and a second one
//! ends the process at once. And what a log says of it all.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};

use crate::program::{PROGRAM, respond};

/// An API server with two pods, which never gives the second page of them if it is slow.
struct ApiServer {
    folder: tempfile::TempDir,
    /// Hears of every request for what is never given.
    asked: Receiver<()>,
}

impl ApiServer {
    fn start(slow: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                std::thread::spawn(move || converse(stream, slow, &tell));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "prod",
            "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "planted-token"}}],
        });
        std::fs::write(folder.path().join("config"), config.to_string()).unwrap();
        Self { folder, asked }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    fn scan(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(PROGRAM);
        command.args(["scan", "--kube", "-o", "json", "--kubeconfig"]).arg(self.config()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("NO_PROXY", "127.0.0.1");
        command.spawn().unwrap()
    }
}

/// Answers requests of a connection until it ends.
fn converse(stream: TcpStream, slow: bool, tell: &Sender<()>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut stream = stream;
    while let Some(Ok(request)) = lines.next() {
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let Some((status, body)) = answer(&target, slow) else {
            let _ = tell.send(());
            // Nothing more comes, until the other side has had enough.
            let _ = lines.next();
            return;
        };
        if respond(&mut stream, status, &body).is_err() {
            return;
        }
    }
}

/// What is answered; nothing, where it is never given.
fn answer(target: &str, slow: bool) -> Option<(u16, Value)> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pod = |name: &str| {
        json!({"metadata": {"name": name, "namespace": "shop"},
            "spec": {"serviceAccountName": "default", "containers": [{"name": "c", "image": "i"}]}})
    };
    let list = |kind: &str, token: &str, items: Value| json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {"continue": token}, "items": items});
    let named = |name: &str, namespace: &str| json!({"metadata": {"name": name, "namespace": namespace}});
    Some((
        200,
        match path {
            "/.well-known/openid-configuration" => json!({"issuer": "https://issuer.example/"}),
            "/apis" => json!({"kind": "APIGroupList", "groups": []}),
            "/api/v1/namespaces/kube-system" => json!({"metadata": {"name": "kube-system", "uid": "u-1"}}),
            "/api/v1/namespaces" => list("Namespace", "", json!([{"metadata": {"name": "shop"}}])),
            "/api/v1/serviceaccounts" => list("ServiceAccount", "", json!([named("default", "shop")])),
            "/api/v1/pods" if query.contains("continue=") && slow => return None,
            "/api/v1/pods" if query.contains("continue=") => list("Pod", "", json!([pod("two")])),
            "/api/v1/pods" => list("Pod", "next", json!([pod("one")])),
            "/api/v1/replicationcontrollers" => list("ReplicationController", "", json!([])),
            "/apis/apps/v1/deployments" => list("Deployment", "", json!([])),
            "/apis/apps/v1/statefulsets" => list("StatefulSet", "", json!([])),
            "/apis/apps/v1/daemonsets" => list("DaemonSet", "", json!([])),
            "/apis/apps/v1/replicasets" => list("ReplicaSet", "", json!([])),
            "/apis/batch/v1/jobs" => list("Job", "", json!([])),
            "/apis/batch/v1/cronjobs" => list("CronJob", "", json!([])),
            "/api/v1/persistentvolumes" => list("PersistentVolume", "", json!([])),
            "/apis/rbac.authorization.k8s.io/v1/roles" => list("Role", "", json!([])),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles" => list("ClusterRole", "", json!([])),
            "/apis/rbac.authorization.k8s.io/v1/rolebindings" => list("RoleBinding", "", json!([])),
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings" => list("ClusterRoleBinding", "", json!([])),
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations" => {
                list("MutatingWebhookConfiguration", "", json!([]))
            }
            _ => return Some((404, json!({"kind": "Status", "code": 404}))),
        },
    ))
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits for its end, with nothing more on standard input: status, standard output, standard error.
fn ended(mut child: Child) -> (Option<i32>, String, String) {
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_first_signal_has_what_was_read_reported_and_what_was_not_said() {
    for name in ["INT", "TERM"] {
        let server = ApiServer::start(true);
        let child = server.scan(&[]);
        server.asked.recv().unwrap();
        signal(&child, name);
        let (status, out, err) = ended(child);
        assert_eq!(status, Some(3), "{name}: {out}{err}");
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        assert_eq!(report["summary"]["workloads"], 1, "{name}: the first page counts: {report:#}");
        let coverage = report["coverage"].as_array().unwrap();
        let stopped = |row: &&Value| row["reason"].as_str().is_some_and(|reason| reason.contains("stopped"));
        let rows: Vec<&Value> = coverage.iter().filter(stopped).collect();
        assert!(rows.iter().any(|row| row.to_string().contains("pods")), "{name}: {coverage:#?}");
        assert_eq!(err.matches("stopping: ").count(), 1, "{name}: {err}");
        assert!(!out.contains("planted-token") && !err.contains("planted-token"));
    }
}

#[test]
fn the_second_signal_ends_at_once_and_so_does_the_first_once_nothing_live_is_read() {
    // Standard input is read after the cluster and does not end.
    let server = ApiServer::start(true);
    let mut child = server.scan(&["-"]);
    server.asked.recv().unwrap();
    signal(&child, "INT");
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("stopping: ") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "it said nothing of stopping");
    }
    signal(&child, "INT");
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!((child.wait().unwrap().code(), out.as_str()), (Some(130), ""));
}

#[test]
fn a_log_says_when_a_cluster_is_begun_and_done_and_the_report_does_not_change() {
    let server = ApiServer::start(false);
    let (status, out, err) = ended(server.scan(&[]));
    assert_eq!(status, Some(0), "{out}{err}");
    let out = timeless(&out);
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.first(), Some(&"prod: started"), "{err}");
    assert!(lines.last().is_some_and(|line| line.starts_with("prod: ended, 4 objects in ")), "{err}");
    assert!(!err.contains('\u{1b}') && !err.contains('\r'), "{err:?}");
    for quiet in [&["-q"][..], &["--quiet"], &["--progress", "none"]] {
        let (status, said, err) = ended(server.scan(quiet));
        assert_eq!((status, timeless(&said), err), (Some(0), out.clone(), String::new()), "{quiet:?}");
    }
}

/// A report without when its sources were read.
fn timeless(report: &str) -> Value {
    let mut report: Value = serde_json::from_str(report).unwrap();
    for source in report["coverage"].as_array_mut().unwrap() {
        source.as_object_mut().unwrap().remove("collected");
    }
    report
}
