//! What can go wrong between the program and an API server: it asks again where that makes sense, and
//! says what it could not have.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use wiguard_tests::cluster::between::{ANEW, Between, Fault, expired};
use wiguard_tests::cluster::wait;

use crate::live::{Scanned, live, still};

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
            if fault != Fault::None {
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
            rows.iter().find(|row| row["source"] == "kube://test/pods").cloned()
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
        let all = expected.findings();
        assert!(scanned.findings().iter().all(|found| all.contains(found)));
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
