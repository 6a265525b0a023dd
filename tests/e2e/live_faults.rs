//! What can go wrong between the program and an API server: it asks again where that makes sense, and
//! says what it could not have.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use wiguard_tests::cluster::azure::USE;
use wiguard_tests::cluster::between::{ANEW, Between, Fault, expired};
use wiguard_tests::cluster::crowd::name;
use wiguard_tests::cluster::{Cluster, eventually, wait};

use crate::live::{Scanned, live, still};
use crate::shop::{self, PROGRAM};

const PODS: &str = "/api/v1/pods";

/// Scans through a server that spoils some answers.
async fn through(file: &str, decide: impl Fn(usize, &str) -> Fault + Send + Sync + 'static) -> (Scanned, Vec<String>) {
    let cluster = still().await;
    let between = Between::start(cluster, decide).await;
    let config: PathBuf = cluster.kubeconfig_at(file, &between.url, &json!({}));
    let scanned = live(&config, &["--kube-qps", "1000", "--request-timeout", "5"], &[]);
    (scanned, between.asked())
}

async fn untroubled() -> (Scanned, Vec<String>) {
    through("untroubled", |_, _| Fault::None).await
}

#[test]
fn what_fails_for_a_moment_changes_nothing() {
    wait(async {
        let (expected, asked) = untroubled().await;
        assert_eq!((expected.status, expected.gaps()), (1, vec![]), "{}", expected.err);
        let spoilt = std::sync::Arc::new(AtomicUsize::new(0));
        let count = spoilt.clone();
        let (scanned, again) = through("moment", move |before, asked| {
            let path = asked.split('?').next().unwrap();
            let fault = match (path, before) {
                (PODS, 0) => Fault::Status(429, Some(1), "{}".into()),
                (PODS, 1) => Fault::Cut,
                (PODS, 3) => Fault::Instead("{\"kind\":\"PodList\",\"items\":[{\"metadata\":".into()),
                (PODS, 4) => Fault::Late(Duration::from_secs(6)),
                ("/apis/apps/v1/deployments", 0) => Fault::Status(503, None, "<html>".into()),
                ("/apis/apps/v1/deployments", 1) => Fault::Status(500, None, "oops".into()),
                ("/api/v1/serviceaccounts", 0) => Fault::Instead("<html>sign in</html>".into()),
                ("/api/v1/namespaces", 0) => Fault::Cut,
                ("/api/v1/namespaces/kube-system", 0) => Fault::Status(502, None, String::new()),
                ("/.well-known/openid-configuration", 0) => Fault::Status(401, None, "{}".into()),
                _ => Fault::None,
            };
            if !matches!(fault, Fault::None) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            fault
        })
        .await;
        assert_eq!((scanned.status, scanned.gaps()), (1, vec![]), "{}", scanned.err);
        assert_eq!(scanned.findings(), expected.findings());
        assert_eq!(scanned.report["summary"], expected.report["summary"]);
        let spoilt = spoilt.load(Ordering::Relaxed);
        assert!(spoilt >= 10, "{spoilt}");
        // Slow answers make pages smaller, and so more; for the rest each fault costs one request.
        assert!(again.len() <= asked.len() + spoilt + 30, "{} after {}", again.len(), asked.len());
    });
}

#[test]
fn a_list_that_expires_goes_on_or_begins_anew_and_counts_nothing_twice() {
    wait(async {
        let (expected, _) = untroubled().await;
        let given = |scanned: &Scanned| {
            let rows = scanned.report["coverage"].as_array().unwrap();
            let mut row = rows.iter().find(|row| row["source"] == "kube://test/pods").unwrap().clone();
            assert!(row.as_object_mut().unwrap().remove("collected").is_some(), "{row}");
            row
        };
        for anew in [true, false] {
            let (scanned, asked) = through(&format!("expired-{anew}"), move |before, asked| {
                let token = asked.split_once("continue=").map(|(_, token)| token.to_owned());
                match token {
                    Some(token) if asked.starts_with(PODS) && before == 1 => {
                        Fault::Status(410, None, expired(if anew { &token } else { "" }))
                    }
                    _ => Fault::None,
                }
            })
            .await;
            assert_eq!((scanned.status, scanned.gaps()), (1, vec![]), "{}", scanned.err);
            assert_eq!(scanned.findings(), expected.findings());
            assert_eq!(scanned.report["summary"], expected.report["summary"]);
            assert_eq!(given(&scanned), given(&expected));
            let pods: Vec<&String> = asked.iter().filter(|asked| asked.starts_with(PODS)).collect();
            assert!(pods.len() <= 5, "{pods:?}");
            assert_eq!(pods.iter().any(|asked| asked.contains(ANEW)), anew, "{pods:?}");
        }
    });
}

#[test]
fn what_fails_for_good_is_named_and_asked_no_more_than_a_few_times() {
    wait(async {
        let (expected, _) = untroubled().await;
        let (scanned, asked) = through("good", |_, asked| match asked.split('?').next().unwrap() {
            PODS if asked.contains("continue=") => Fault::Status(500, None, "{}".into()),
            "/apis/apps/v1/deployments" => Fault::Instead("[]".into()),
            "/api/v1/namespaces" => Fault::Status(429, Some(3600), "{}".into()),
            "/apis/batch/v1/jobs" => Fault::Status(410, None, expired("")),
            "/apis/batch/v1/cronjobs" => Fault::Instead(
                "{\"kind\":\"CronJobList\",\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"},\"spec\":7}]}"
                    .into(),
            ),
            _ => Fault::None,
        })
        .await;
        assert_eq!(scanned.status, 3, "{}", scanned.err);
        let gaps = scanned.gaps();
        let of = |kind: &str| {
            let source = format!("kube://test/{kind}");
            gaps.iter().find(|(path, _)| *path == source).map(|(_, reason)| reason.as_str()).unwrap_or_default()
        };
        for (kind, expected) in [
            ("pods", "the API server failed, again and again (500)"),
            ("deployments.apps", "the answer is not what was asked for: it is no JSON at byte 0"),
            ("namespaces", "the API server asks to wait"),
            ("jobs.batch", "expired while it was read, again and again (410)"),
            ("cronjobs.batch", "could not read CronJob b/a: "),
        ] {
            assert!(of(kind).starts_with(expected), "{kind}: {gaps:?}");
        }
        assert_eq!(gaps.len(), 5, "{gaps:?}");
        // Without their Deployments, ReplicaSets stand for themselves. Nobody else is accused anew.
        let key = |found: &Value| format!("{} {}", found["rule"], found["object"]);
        let all: BTreeSet<String> = expected.findings().iter().map(key).collect();
        for found in scanned.findings().iter().filter(|found| found["object"]["kind"] != "ReplicaSet") {
            assert!(all.contains(&key(found)), "{found:#}");
        }
        for path in [PODS, "/apis/apps/v1/deployments", "/api/v1/namespaces", "/apis/batch/v1/jobs"] {
            let times = asked.iter().filter(|asked| asked.split('?').next() == Some(path)).count();
            assert!((1..=7).contains(&times), "{path}: {times}");
        }
    });
}

#[test]
fn a_token_is_repeated_nowhere_even_if_the_server_does() {
    const TOKEN: &str = "planted-eyJhbGciOiJSUzI1NiJ9.bearer";
    wait(async {
        let cluster = still().await;
        for status in [401, 403, 404, 410, 418, 429, 500] {
            let says = json!({"kind": "Status", "reason": TOKEN, "message": format!("Bearer {TOKEN} is wrong"),
                "metadata": {"continue": TOKEN}});
            let wait = (status == 429).then_some(3600);
            let between = Between::start(cluster, move |_, asked| match asked {
                // With the first status nothing is read, with the others everything else.
                _ if status == 401 || asked.starts_with(PODS) => Fault::Status(status, wait, says.to_string()),
                _ => Fault::None,
            })
            .await;
            let config = cluster.kubeconfig_at(&format!("token-{status}"), &between.url, &json!({"token": TOKEN}));
            let scanned = live(&config, &["--kube-qps", "1000"], &[]);
            assert_eq!(scanned.status, 3, "{status}: {}", scanned.err);
            assert!(!scanned.gaps().is_empty());
            let said = format!("{}{}", scanned.out, scanned.err);
            assert!(!said.contains("planted") && !said.contains("Bearer"), "{status}: {said}");
            if status == 401 {
                assert!(between.asked().len() <= 8, "{:?}", between.asked());
                assert!(said.contains("does not accept the credentials (401)"), "{said}");
            }
        }
    });
}

#[test]
fn whoever_stops_it_gets_what_was_read_and_the_names_of_what_was_not() {
    wait(async {
        let cluster = still().await;
        let between = Between::start(cluster, |_, asked| match asked.starts_with(PODS) {
            true => Fault::Late(Duration::from_secs(600)),
            false => Fault::None,
        })
        .await;
        let config = cluster.kubeconfig_at("stopped", &between.url, &json!({}));
        let mut command = Command::new(PROGRAM);
        command.args([
            "scan",
            "--kube",
            "-o",
            "json",
            "--kube-qps",
            "1000",
            "--request-timeout",
            "600",
            "--kubeconfig",
        ]);
        let child = command.arg(config).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        eventually("everything was asked for", || async {
            let asked = between.asked().len();
            if asked >= 13 { Ok(()) } else { Err(asked.to_string()) }
        })
        .await;
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let rows = report["coverage"].as_array().unwrap();
        let gap =
            rows.iter().find(|row| row["source"] == "kube://test").unwrap()["reason"].as_str().unwrap().to_owned();
        assert!(gap.starts_with("stopped before it was read; not read to the end: ") && gap.contains("pods"), "{gap}");
    });
}

#[test]
fn what_comes_and_goes_while_it_is_read_is_asked_for_again() {
    wait(async {
        let cluster = Cluster::shared().await;
        let (going, coming) = (cluster.namespace("going", &[]).await, cluster.unused("coming"));
        let (account, pod) = (shop::account(&going), shop::pod(&going, "web", json!({USE: "True"})));
        cluster.create(&account).await.admitted();
        cluster.create(&pod).await.admitted();
        cluster.delete(&account).await.admitted();
        let (lists, pods) = (watch::Sender::new(false), watch::Sender::new(false));
        let (deployments, again) = (lists.subscribe(), pods.subscribe());
        let path = format!("/api/v1/namespaces/{going}/pods/web");
        let held = path.clone();
        let between = Between::start(cluster, move |_, asked| match asked.split('?').next().unwrap() {
            "/apis/apps/v1/deployments" => Fault::Held(deployments.clone()),
            path if path == held => Fault::Held(again.clone()),
            _ => Fault::None,
        })
        .await;
        let config = cluster.kubeconfig_at("changing", &between.url, &json!({}));
        let scanning = tokio::task::spawn_blocking(move || live(&config, &["--kube-qps", "1000"], &[]));

        // What a list lacks that was read before the others, though it is there.
        let has = async |answered: bool, wanted: &str| {
            eventually(wanted, || async {
                let all = if answered { between.answered() } else { between.asked() };
                if all.iter().any(|path| path.split('?').next() == Some(wanted)) {
                    Ok(())
                } else {
                    Err(format!("{all:?}"))
                }
            })
            .await;
        };
        has(true, "/api/v1/namespaces").await;
        has(true, "/api/v1/serviceaccounts").await;
        cluster.namespace_named(&coming, &[]).await;
        cluster.create(&shop::account(&coming)).await.admitted();
        cluster.create(&shop::misplaced(&coming)).await.admitted();
        lists.send_replace(true);
        // And what is gone once somebody looks again.
        has(false, &path).await;
        cluster.delete(&pod).await.admitted();
        pods.send_replace(true);

        let scanned = scanning.await.unwrap();
        assert_eq!(scanned.gaps(), [], "{}", scanned.err);
        for wanted in
            [format!("/api/v1/namespaces/{coming}"), format!("/api/v1/namespaces/{coming}/serviceaccounts/cart")]
        {
            assert_eq!(between.asked().iter().filter(|path| **path == wanted).count(), 1, "{wanted}");
        }
        let found = scanned.findings();
        let of =
            |namespace: &String| found.iter().filter(|found| found["object"]["namespace"] == json!(namespace)).count();
        assert!(of(&coming) > 0 && of(&going) == 0, "{found:#?}");
    });
}

const CLASSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses";

/// What a server says that serves SecretProviderClasses and nothing else beside the built-in kinds.
fn groups() -> String {
    let version = json!({"groupVersion": "secrets-store.csi.x-k8s.io/v1", "version": "v1"});
    json!({"kind": "APIGroupList", "apiVersion": "v1",
        "groups": [{"name": "secrets-store.csi.x-k8s.io", "versions": [version]}]})
    .to_string()
}

#[test]
fn a_404_of_a_proxy_proves_no_absence() {
    wait(async {
        let cluster = still().await;
        let namespace = name(7);
        let config = cluster.kubeconfig("admin", "system:masters");
        let expected = live(&config, &["-n", &namespace], &[]);
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        let between = Between::start(cluster, move |_, asked| match asked.split('?').next().unwrap() {
            "/apis" => Fault::Instead(groups()),
            path if path == accounts => {
                Fault::Instead(json!({"kind": "ServiceAccountList", "metadata": {}, "items": []}).to_string())
            }
            path if path.starts_with(&accounts) || path.ends_with("/secretproviderclasses") => {
                Fault::Status(404, None, "<html>".into())
            }
            _ => Fault::None,
        })
        .await;
        let config = cluster.kubeconfig_at("proxy-404", &between.url, &json!({}));
        let scanned = live(&config, &["-n", &namespace, "--kube-qps", "1000"], &[]);
        assert_eq!(scanned.status, 3, "{}", scanned.err);
        let sources: BTreeSet<String> = scanned.gaps().into_iter().map(|(source, _)| source).collect();
        for kind in ["serviceaccounts", "secretproviderclasses.secrets-store.csi.x-k8s.io"] {
            assert!(sources.contains(&format!("kube://test/{kind}")), "{sources:?}");
        }
        let key = |found: &Value| format!("{} {}", found["rule"], found["object"]);
        let all: BTreeSet<String> = expected.findings().iter().map(key).collect();
        for found in scanned.findings() {
            assert!(all.contains(&key(&found)), "{found:#}");
        }
    });
}

#[test]
fn a_kind_that_is_withdrawn_in_the_middle_of_its_list_was_not_read_wholly() {
    wait(async {
        let (scanned, _) = through("withdrawn", |_, asked| match asked.split('?').next().unwrap() {
            "/apis" => Fault::Instead(groups()),
            CLASSES if asked.contains("continue=") => Fault::Status(404, None, "404 page not found\n".into()),
            CLASSES => Fault::Instead(
                json!({"kind": "SecretProviderClassList", "metadata": {"continue": "next"}, "items": []}).to_string(),
            ),
            _ => Fault::None,
        })
        .await;
        assert_eq!(scanned.status, 3, "{}", scanned.err);
        let [(source, reason)] = scanned.gaps().try_into().unwrap();
        assert_eq!(source, "kube://test/secretproviderclasses.secrets-store.csi.x-k8s.io");
        assert!(reason.starts_with("was withdrawn while it was read (404)"), "{reason}");
    });
}

#[test]
fn tokens_that_expire_in_turn_are_not_followed_for_ever() {
    wait(async {
        let (scanned, asked) = through("in-turn", |before, asked| match asked.contains("continue=") {
            true if asked.starts_with(PODS) => {
                Fault::Status(410, None, expired(if before.is_multiple_of(2) { "even" } else { "odd" }))
            }
            _ => Fault::None,
        })
        .await;
        assert_eq!(scanned.status, 3, "{}", scanned.err);
        let [(source, reason)] = scanned.gaps().try_into().unwrap();
        assert!(source == "kube://test/pods" && reason.starts_with("expired while it was read"), "{source}: {reason}");
        let pods = asked.iter().filter(|asked| asked.starts_with(PODS)).count();
        assert!((5..=20).contains(&pods), "{pods}");
    });
}

#[test]
fn what_a_list_begun_anew_lacks_is_not_judged() {
    wait(async {
        let (expected, _) = untroubled().await;
        let ghost = json!({"metadata": {"name": "ghost", "namespace": name(7), "labels": {USE: "true"}},
            "spec": {"serviceAccountName": "nobody", "containers": [{"name": "web"}]}});
        let page = json!({"kind": "PodList", "metadata": {"continue": "next"}, "items": [ghost]}).to_string();
        let (scanned, asked) = through("anew", move |before, asked| match (asked.split('?').next().unwrap(), before) {
            (PODS, 0) => Fault::Instead(page.clone()),
            (PODS, 1) => Fault::Status(410, None, expired("")),
            _ => Fault::None,
        })
        .await;
        assert!(asked.iter().any(|asked| asked.contains("continue=next")), "{asked:?}");
        assert_eq!((scanned.status, scanned.gaps()), (1, vec![]), "{}", scanned.err);
        assert!(!scanned.out.contains("ghost"), "{}", scanned.out);
        assert_eq!(scanned.findings(), expected.findings());
        assert_eq!(scanned.report["summary"], expected.report["summary"]);
    });
}
