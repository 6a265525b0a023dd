//! Live clusters, read as they are: ten thousand pods, with every right and with few, while they
//! change, and two clusters at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use wiguard_tests::cluster::crowd::{client_id, name};
use wiguard_tests::cluster::server::built;
use wiguard_tests::cluster::{Cluster, ISSUER, wait};

use crate::shop::PROGRAM;

/// The kinds that are read by default, as kubectl names them.
const KINDS: [&str; 15] = [
    "namespaces",
    "serviceaccounts",
    "pods",
    "deployments",
    "statefulsets",
    "daemonsets",
    "replicasets",
    "replicationcontrollers",
    "jobs",
    "cronjobs",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "mutatingwebhookconfigurations",
];

/// What came of a scan.
pub(crate) struct Scanned {
    pub(crate) status: i32,
    pub(crate) report: Value,
    pub(crate) out: String,
    pub(crate) err: String,
    /// The most memory it held: KiB.
    pub(crate) peak: u64,
}

impl Scanned {
    /// The findings, without where their objects were read.
    pub(crate) fn findings(&self) -> Vec<Value> {
        let mut findings = self.report["findings"].as_array().cloned().unwrap_or_default();
        findings.iter_mut().for_each(|found| {
            found.as_object_mut().unwrap().remove("source");
        });
        findings
    }

    /// What the coverage says of sources that were not read wholly.
    pub(crate) fn gaps(&self) -> Vec<(String, String)> {
        let rows = self.report["coverage"].as_array().unwrap();
        let gaps =
            rows.iter().filter(|row| row["status"] != "complete" && row["source"].as_str().unwrap().contains("://"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        gaps.map(|row| (text(&row["source"]), text(&row["reason"]))).collect()
    }
}

/// Runs `scan` and waits for it.
pub(crate) fn scan(arguments: &[&str], paths: &[&Path]) -> Scanned {
    let mut command = Command::new(PROGRAM);
    command.args(["scan", "-o", "json"]).args(arguments).args(paths);
    command.env_remove("KUBECONFIG").env_remove("HTTPS_PROXY").env_remove("https_proxy");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (status, process) = (format!("/proc/{}/status", child.id()), child.id());
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |pipe: &mut dyn std::io::Read| {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    };
    let out = std::thread::spawn(move || read(&mut out));
    let err = std::thread::spawn(move || read(&mut err));
    let mut peak = 0;
    let status = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        peak = line.trim().trim_end_matches(" kB").parse().unwrap_or(0).max(peak);
        match child.try_wait().unwrap() {
            Some(status) => break status.code().unwrap_or_else(|| panic!("{process} was killed")),
            None => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    let report = serde_json::from_str(&out).unwrap_or_default();
    Scanned { status, report, out, err, peak }
}

/// What `scan` finds of the cluster of a kubeconfig.
pub(crate) fn live(kubeconfig: &Path, arguments: &[&str], paths: &[&Path]) -> Scanned {
    scan(&[&["--kube", "--kubeconfig", kubeconfig.to_str().unwrap()], arguments].concat(), paths)
}

/// A cluster of a thousand pods that nobody changes.
pub(crate) async fn still() -> &'static Cluster {
    static STILL: OnceCell<Cluster> = OnceCell::const_new();
    STILL
        .get_or_init(|| async {
            let cluster = Cluster::start().await;
            cluster.crowd(0..50).await;
            cluster.kill("kube-controller-manager");
            cluster
        })
        .await
}

/// Azure as az shows it: an identity for each third namespace, some of which trust its `cart`.
pub(crate) fn azure(folder: &Path, namespaces: usize) -> PathBuf {
    let azure = folder.join("azure");
    std::fs::create_dir_all(&azure).unwrap();
    let mut identities = Vec::new();
    for number in (0..namespaces).step_by(3) {
        let named = format!("id-{number:03}");
        let kind = "Microsoft.ManagedIdentity/userAssignedIdentities";
        let id = format!("/subscriptions/s/resourcegroups/rg/providers/{kind}/{named}");
        identities
            .push(json!({"id": id, "name": named, "clientId": client_id(number), "resourceGroup": "rg", "type": kind}));
        let subject =
            format!("system:serviceaccount:{}:{}", name(number), if number % 2 == 0 { "cart" } else { "basket" });
        let credential = json!({"id": format!("{id}/federatedIdentityCredentials/fc"), "name": "fc", "issuer": ISSUER,
            "subject": subject, "audiences": ["api://AzureADTokenExchange"],
            "type": format!("{kind}/federatedIdentityCredentials")});
        std::fs::write(azure.join(format!("{named}.json")), json!([credential]).to_string()).unwrap();
    }
    std::fs::write(azure.join("identities.json"), json!(identities).to_string()).unwrap();
    azure
}

/// What kubectl prints of a cluster, in a folder that bears the name of its context.
fn dump(kubeconfig: &Path, folder: &Path) -> PathBuf {
    let dumped = folder.join("test");
    std::fs::create_dir_all(&dumped).unwrap();
    let kubectl = |file: &str, arguments: &[&str]| {
        let mut command = Command::new(built("kubectl"));
        let output = command.arg("--kubeconfig").arg(kubeconfig).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(dumped.join(file), output.stdout).unwrap();
    };
    for kind in KINDS {
        kubectl(&format!("{kind}.json"), &["get", kind, "-A", "-o", "json"]);
    }
    kubectl("openid-configuration.json", &["get", "--raw", "/.well-known/openid-configuration"]);
    dumped
}

/// What the program said beside how far it is.
fn complaints(err: &str) -> Vec<&str> {
    let progress = |line: &&str| *line == "test: started" || (line.starts_with("test: ") && line.contains(" objects "));
    err.lines().filter(|line| !progress(line)).collect()
}

fn kinds_of(findings: &[Value]) -> BTreeSet<&str> {
    findings.iter().map(|found| found["rule"].as_str().unwrap()).collect()
}

#[test]
fn ten_thousand_pods_are_judged_as_kubectl_shows_them_and_while_they_go() {
    wait(async {
        let cluster = Cluster::start().await;
        let folder = tempfile::tempdir().unwrap();
        let azure = azure(folder.path(), 500);
        // Of a kind of which there is nothing, what kubectl prints does not say that it was listed.
        let other = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "another"}, "webhooks": []});
        cluster.apply(&[other]).await;
        let admin = cluster.kubeconfig("admin", "system:masters");
        cluster.crowd(0..50).await;
        let thousand = live(&admin, &[], &[]);
        cluster.crowd(50..500).await;
        cluster.kill("kube-controller-manager");

        let start = std::time::Instant::now();
        let read = live(&admin, &[], &[&azure]);
        let took = start.elapsed();
        assert_eq!((read.status, complaints(&read.err)), (1, vec![]), "{:?}", read.gaps());
        assert_eq!(read.gaps(), []);
        let (few, many) = (thousand.peak, live(&admin, &[], &[]).peak);
        println!("peak memory: {few} KiB at 1,000 pods, {many} KiB at 10,000; read and judged in {took:?}");
        assert!(many < few * 5, "{few} KiB, {many} KiB");

        let dumped = dump(&admin, folder.path());
        let files = scan(&[], &[&dumped, &azure]);
        assert_eq!(read.report["summary"], files.report["summary"]);
        let (live_findings, findings) = (read.findings(), files.findings());
        assert!(findings.len() > 2000 && kinds_of(&findings).len() >= 6, "{:?}", kinds_of(&findings));
        assert_eq!(live_findings.len(), findings.len());
        for (live, file) in live_findings.iter().zip(&findings) {
            assert_eq!(live, file);
        }

        // Everything of half the namespaces goes, the ServiceAccounts first, while it is read again.
        let accused = |scanned: &Scanned| -> BTreeSet<String> {
            let of = |found: &Value| format!("{} {}", found["rule"], found["object"]);
            scanned.findings().iter().map(of).collect()
        };
        let before = accused(&read);
        let (cluster, config) = (std::sync::Arc::new(cluster), admin.clone());
        let reading = tokio::task::spawn_blocking(move || live(&config, &[], &[&azure]));
        for resource in ["serviceaccounts", "pods"] {
            let gone =
                (0..250).map(|number| (format!("/api/v1/namespaces/{}/{resource}", name(number * 2)), Value::Null));
            cluster.send_all("DELETE", gone.collect()).await;
        }
        let during = reading.await.unwrap();
        assert!(during.status == 1 || during.status == 3, "{}: {}", during.status, during.err);
        // Deployments and credentials are left that point to accounts that are gone: those are accused
        // rightly. No pod is, since those that are left have their accounts.
        let new: Vec<String> =
            accused(&during).difference(&before).filter(|it| it.contains("\"Pod\"")).cloned().collect();
        assert_eq!(new, [""; 0]);
    });
}

#[test]
fn what_a_user_may_not_read_is_named_and_nobody_is_accused_for_it() {
    wait(async {
        let cluster = still().await;
        let folder = tempfile::tempdir().unwrap();
        let azure = azure(folder.path(), 50);
        let rules = json!([{"apiGroups": ["", "apps", "batch"], "verbs": ["get", "list"],
            "resources": ["pods", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs"]}]);
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "some"}, "rules": rules});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "some"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "some"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "some"}]});
        cluster.apply(&[role, binding]).await;
        let scanned = live(&cluster.kubeconfig("some", ""), &[], &[&azure]);
        assert_eq!(scanned.status, 3, "{}", scanned.err);
        let gaps = scanned.gaps();
        let of = |source: &str| gaps.iter().find(|(path, _)| path == source).map(|(_, reason)| reason.as_str());
        assert_eq!(
            of("kube://test/namespaces"),
            Some("may not list namespaces in the cluster; have the verb `list` granted")
        );
        assert!(
            of("kube://test/serviceaccounts").unwrap().starts_with("may not list serviceaccounts in all namespaces")
        );
        assert!(of("kube://test/replicationcontrollers").is_some());
        assert!(
            of("kube://test/.well-known/openid-configuration")
                .unwrap()
                .contains("system:service-account-issuer-discovery")
        );
        assert!(of("kube://test").unwrap().contains("have the verb `get` on namespaces granted"), "{gaps:?}");
        let roles = "may not list clusterroles.rbac.authorization.k8s.io in the cluster; have the verb `list` granted";
        assert_eq!(of("kube://test/clusterroles.rbac.authorization.k8s.io"), Some(roles));
        assert_eq!(gaps.len(), 12, "{gaps:?}");
        let all = live(&cluster.kubeconfig("admin", "system:masters"), &[], &[&azure]);
        assert_eq!((all.status, all.gaps()), (1, vec![]));
        let (seen, all) = (scanned.findings(), all.findings());
        let key = |found: &Value| format!("{} {}", found["rule"], found["object"]);
        let all: BTreeSet<String> = all.iter().map(key).collect();
        assert!(!seen.is_empty());
        for found in &seen {
            assert!(all.contains(&key(found)), "{found:#}");
        }
    });
}

#[test]
fn who_may_read_one_namespace_reads_that_one() {
    wait(async {
        let cluster = still().await;
        let grant = |kind: &str, more: Value| {
            let mut object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
                "metadata": {"name": "one", "namespace": name(7)}});
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            object
        };
        let role =
            grant("Role", json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]}));
        let binding = grant(
            "RoleBinding",
            json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "one"}]}),
        );
        cluster.apply(&[role, binding]).await;
        let namespace = name(7);
        let scanned = live(&cluster.kubeconfig("one", ""), &["-n", &namespace], &[]);
        let sources: BTreeSet<String> = scanned.gaps().into_iter().map(|(source, _)| source).collect();
        let expected = ["kube://test", "kube://test/.well-known/openid-configuration"].map(String::from);
        assert_eq!((scanned.status, sources), (3, BTreeSet::from(expected)));
        let summary = &scanned.report["summary"];
        assert_eq!((&summary["namespaces"], &summary["workloads"]), (&json!(1), &json!(21)), "{summary}");
        let admin = live(&cluster.kubeconfig("admin", "system:masters"), &[], &[]);
        let of = |found: &Value| found["object"]["namespace"] == json!(namespace);
        let expected: Vec<Value> = admin.findings().into_iter().filter(of).collect();
        assert!(!expected.is_empty());
        assert_eq!(scanned.findings(), expected);
    });
}

#[test]
fn two_clusters_are_read_at_once_and_a_dead_one_hides_neither() {
    wait(async {
        let (first, second) = (still().await, Cluster::shared().await);
        let configs = [("first", first), ("second", second)].map(|(context, cluster)| {
            let text = std::fs::read_to_string(cluster.kubeconfig("admin", "system:masters")).unwrap();
            (context, serde_json::from_str::<Value>(&text).unwrap())
        });
        let mut merged = json!({"apiVersion": "v1", "kind": "Config", "contexts": [], "clusters": [], "users": []});
        let mut add = |list: &str, member: Value| merged[list].as_array_mut().unwrap().push(member);
        for (context, config) in &configs {
            add("contexts", json!({"name": context, "context": {"cluster": context, "user": context}}));
            add("clusters", json!({"name": context, "cluster": config["clusters"][0]["cluster"]}));
            add("users", json!({"name": context, "user": config["users"][0]["user"]}));
        }
        add("contexts", json!({"name": "again", "context": {"cluster": "first", "user": "first"}}));
        add("contexts", json!({"name": "dead", "context": {"cluster": "dead", "user": "first"}}));
        add("clusters", json!({"name": "dead", "cluster": {"server": "https://127.0.0.1:1"}}));
        let path = first.folder().write("merged.kubeconfig", merged.to_string());
        let path = path.to_str().unwrap();
        let alone = scan(&["--kubeconfig", path, "--context", "first"], &[]);
        let both = scan(&["--kubeconfig", path, "--all-contexts"], &[]);
        assert_eq!((alone.status, both.status), (1, 3), "{}", both.err);
        assert_eq!(both.report["summary"]["clusters"], 2);
        let of = |found: &Value| found["cluster"] == "first";
        let first: Vec<Value> = both.findings().into_iter().filter(of).collect();
        assert_eq!(first, alone.findings());
        let gaps = both.gaps();
        let of = |source: &str| gaps.iter().find(|(path, _)| path == source).map(|(_, reason)| reason.as_str());
        assert!(of("kube://dead").unwrap().contains("could not talk to the API server: "), "{gaps:?}");
        assert!(of("kube://again").unwrap().contains("is the same cluster as context first"), "{gaps:?}");
    });
}

#[test]
fn the_trust_inventory_of_a_live_cluster_is_that_of_its_dump() {
    wait(async {
        let cluster = still().await;
        let folder = tempfile::tempdir().unwrap();
        let admin = cluster.kubeconfig("admin", "system:masters");
        let (azure, dumped) = (azure(folder.path(), 50), dump(&admin, folder.path()));
        let trust = |arguments: &[&str]| {
            let mut command = Command::new(PROGRAM);
            command.args(["policy", "trust", "--managed-identities-only", "--collected=2026-11-24T03:00:00Z"]);
            let output = command.arg("--cluster=test").arg(&azure).args(arguments).output().unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
        };
        let quietly = |(status, out, err): (i32, String, String)| {
            let complaints: Vec<String> = complaints(&err).into_iter().map(str::to_owned).collect();
            (status, out, complaints)
        };
        let live = trust(&["--kube", "--kubeconfig", admin.to_str().unwrap()]);
        assert!(live.1.contains("name: trust.team-003"), "{}{}", live.1, live.2);
        assert_eq!(quietly(live), quietly(trust(&[dumped.to_str().unwrap()])));
    });
}

#[test]
fn what_is_typed_wrong_is_said_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let config = json!({"contexts": [{"name": "prod", "context": {"cluster": "none", "user": "none"}}],
        "users": [{"name": "none", "user": {"token": "PLANTED"}}]});
    let config = write("config", &config.to_string());
    let broken = write("broken", "users: [{name: a, user: {token: PLANTED, ]\n");
    let (config, broken) = (config.to_str().unwrap(), broken.to_str().unwrap());
    for (arguments, expected) in [
        (["--kubeconfig", "nowhere", "--kube"], "could not read the kubeconfig `nowhere`: No such file"),
        (["--kubeconfig", broken, "--kube"], "it is no kubeconfig in YAML"),
        (["--kubeconfig", config, "--kube"], "has no current context; name one with --context: it has prod"),
        (["--kubeconfig", config, "--context=test"], "has no context `test`; it has prod"),
        (["--kubeconfig", config, "--context=prod"], "there is no cluster `none`"),
    ] {
        let scanned = scan(&arguments, &[]);
        assert_eq!((scanned.status, scanned.out.as_str()), (2, ""), "{arguments:?}: {}", scanned.err);
        assert!(scanned.err.contains(expected), "{arguments:?}: {}", scanned.err);
        assert!(!scanned.err.contains("PLANTED"), "{}", scanned.err);
    }
}
