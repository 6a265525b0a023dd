//! What clients and modules may do to the server: nothing that lasts.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wiguard_tests::https::{Client, post};
use wiguard_tests::modules;
use wiguard_tests::serving::{Ground, Serving, review};

use super::shared;
use crate::program::PROGRAM;

pub(super) static HOSTILE: LazyLock<Vec<u8>> =
    LazyLock::new(|| modules::guest("hostile", &Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests")));

/// A server with a module that does what a request says.
fn hostile(flags: &[&str]) -> (Ground, Serving) {
    let ground = Ground::new();
    ground.write("hostile.wasm", &*HOSTILE);
    let flags: Vec<&str> = ["--policy", "hostile.wasm"].iter().chain(flags).copied().collect();
    let serving = ground.serve(Path::new(PROGRAM), &flags);
    (ground, serving)
}

fn act(act: &str) -> Value {
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "annotations": {"act": act}}});
    review("u", &object)
}

#[tokio::test]
async fn a_module_that_fails_gives_no_verdict_and_does_no_harm() {
    let (_ground, serving) = hostile(&["--deadline", "100ms", "--memory", "4MiB"]);
    let mut client = serving.client().await;
    for (does, kind, words) in [
        ("loop", "deadline", "did not answer within 100ms"),
        ("trap", "trap", "crashed"),
        ("recurse", "trap", "crashed"),
        ("grow", "memory", "4194304 bytes"),
        ("echo", "nonsense", "makes no sense"),
        ("refuse", "error", "\"act\":\"refuse\""),
        ("unsettle", "error", "code 500: not myself"),
        ("mutate", "nonsense", "only /mutate can do that"),
        ("silent", "protocol", "gave no answer"),
        ("pointer-beyond", "protocol", "outside its memory"),
        ("pester", "protocol", "more than 1000 times"),
    ] {
        let sample = format!("wiguard_module_failures_total{{kind=\"{kind}\"}}");
        let before = serving.metric(&sample).await;
        let reply = client.post("/validate", act(does).to_string()).await.unwrap();
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR, "{does}: {}", reply.text());
        assert!(
            reply.text().contains(&format!("({kind})")) && reply.text().contains(words),
            "{does}: {}",
            reply.text()
        );
        assert_eq!(reply.headers.get("retry-after"), None);

        if ["unsettle", "mutate"].contains(&does) {
            continue;
        }
        let keys = [json!({"v": 1, "object": act(does)["request"]["object"]}).to_string()];
        let request = json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest", "request": {"keys": keys}});
        let reply = client.post("/gatekeeper/v1beta1", request.to_string()).await.unwrap();
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        let said = reply.json();
        assert!(said["response"]["systemError"].as_str().unwrap().contains(words), "{does}: {said}");
        assert_eq!(said["response"]["items"], json!([]), "what went wrong here must not be kept there");
        assert_eq!(serving.metric(&sample).await - before, 2.0, "{does}");
    }
    let logged = serving.logged("not judged");
    assert_eq!(logged.len(), 11);
    assert_eq!(
        (&logged[0]["failure"], &logged[0]["uid"], &logged[0]["level"]),
        (&json!("deadline"), &json!("u"), &json!("error"))
    );
    assert_eq!(serving.status("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_a_module_changes_becomes_a_patch() {
    let (_ground, serving) = hostile(&[]);
    let said = serving.post("/mutate", &act("mutate")).await.json();
    assert_eq!(said["response"]["allowed"], true);
    assert_eq!(said["response"]["patchType"], "JSONPatch");
    let patch: ByteString = serde_json::from_value(said["response"]["patch"].clone()).unwrap();
    let patch: Value = serde_json::from_slice(&patch.0).unwrap();
    assert_eq!(
        patch,
        json!([
            {"op": "remove", "path": "/apiVersion"},
            {"op": "remove", "path": "/metadata/annotations"},
            {"op": "replace", "path": "/metadata/name", "value": "q"},
            {"op": "remove", "path": "/metadata/namespace"},
        ])
    );
    let nothing = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "u", "object": null, "oldObject": {"act": "mutate"}}});
    let reply = serving.post("/mutate", &nothing).await;
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(reply.text().contains("something of nothing"), "{}", reply.text());
}

#[tokio::test]
async fn a_crowd_is_told_to_come_back_while_health_is_answered() {
    let flags = ["--deadline", "1500ms", "--threads", "1", "--max-requests", "3", "--max-wait", "100ms"];
    let (_ground, serving) = hostile(&flags);
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let mut client = serving.client().await;
        crowd.spawn(async move { client.post("/validate", act("loop").to_string()).await.unwrap() });
    }
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(serving.status(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(serving.metric("wiguard_requests_in_flight").await, 1.0);
    assert!(begun.elapsed() < Duration::from_millis(1_300), "{:?}", begun.elapsed());
    let replies = crowd.join_all().await;
    let busy: Vec<_> = replies.iter().filter(|reply| reply.status == StatusCode::SERVICE_UNAVAILABLE).collect();
    assert_eq!(busy.len(), 5, "{replies:?}");
    for reply in busy {
        assert_eq!(reply.headers["retry-after"], "1");
        assert!(reply.text().contains("try again"), "{}", reply.text());
    }
    assert_eq!(serving.metric("wiguard_requests_total{path=\"/validate\",outcome=\"busy\"}").await, 5.0);
}

#[tokio::test]
async fn it_gives_up_before_its_caller_does() {
    let (_ground, serving) = hostile(&["--deadline", "30s"]);
    let mut client = serving.client().await;
    let begun = Instant::now();
    let reply = client.send(post("/validate?timeout=2s", act("loop").to_string())).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.text().contains("time limit"), "{}", reply.text());
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let shared = shared();
    let large = vec![b' '; 10 << 20];
    let reply = shared.serving.client().await.post("/validate", large).await.unwrap();
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);

    // Announced and never sent; announced as endless.
    for head in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut stream = Client::secure(shared.serving.at, &shared.ground.authority.pem, None).await.unwrap();
        let head = format!(
            "POST /validate?timeout=500ms HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{head}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let mut said = String::new();
        // It may end without a farewell.
        let _ = stream.read_to_string(&mut said).await;
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
        assert!(said.contains("connection: close") && said.contains("did not arrive in time"), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }

    let mut stream = Client::secure(shared.serving.at, &shared.ground.authority.pem, None).await.unwrap();
    let head = "POST /validate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    for _ in 0..3 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
}

#[tokio::test]
async fn garbage_is_no_request() {
    let shared = shared();
    let mut plain = TcpStream::connect(shared.serving.at).await.unwrap();
    plain.write_all(b"POST /validate HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    let mut stream = Client::secure(shared.serving.at, &shared.ground.authority.pem, None).await.unwrap();
    stream.write_all(b"\x00\x01\x02 garbage\r\n\r\n").await.unwrap();
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    // A body that another reader would end elsewhere.
    let mut stream = Client::secure(shared.serving.at, &shared.ground.authority.pem, None).await.unwrap();
    let head = "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{}xxx";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said).await;
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
}

#[tokio::test]
async fn half_open_connections_make_room() {
    let ground = Ground::new();
    let serving = ground.serve(Path::new(PROGRAM), &["--max-connections", "4"]);
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(serving.at).await.unwrap());
    }
    // All places are taken: this one waits in the queue until the silent ones are given up.
    let begun = Instant::now();
    let mut waiting = serving.client().await;
    let reply = waiting.post("/validate", review("u", &Value::Null).to_string()).await.unwrap();
    assert_eq!(reply.status, StatusCode::OK);
    assert!(begun.elapsed() > Duration::from_secs(4), "{:?}: they were not in the way", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    assert!(serving.metric("wiguard_refused_connections_total{reason=\"handshake-slow\"}").await >= 4.0);
}
