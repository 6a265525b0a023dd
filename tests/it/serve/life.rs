//! The life of a server: changed files, and the end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wiguard_tests::https::{Authority, Client};
use wiguard_tests::serving::{Ground, Serving, review};

use super::bounds::HOSTILE;
use super::{account, deployment};
use crate::program::PROGRAM;

/// Clients that ask without end, each on a connection that it renews when it is told to.
struct Load {
    end: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: tokio::task::JoinSet<Result<(), String>>,
}

impl Load {
    fn on(serving: &Serving, ground: &Ground, bodies: &[Value]) -> Self {
        let (end, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut clients = tokio::task::JoinSet::new();
        for body in bodies {
            let (end, answered) = (Arc::clone(&end), Arc::clone(&answered));
            let (at, authority, body) = (serving.at, ground.authority.pem.clone(), body.to_string());
            clients.spawn(async move {
                let mut client = Client::connect(at, &authority, None).await.map_err(|error| error.to_string())?;
                while !end.load(Ordering::Relaxed) {
                    let reply = client.post("/validate", body.clone()).await.map_err(|error| error.to_string())?;
                    if reply.status != StatusCode::OK {
                        return Err(format!("{}: {}", reply.status, reply.text()));
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                    if reply.headers.get("connection").is_some_and(|value| value == "close") {
                        client = Client::connect(at, &authority, None).await.map_err(|error| error.to_string())?;
                    }
                }
                Ok(())
            });
        }
        Self { end, answered, clients }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends it: all requests, none of which may have failed.
    async fn end(self) -> u64 {
        self.end.store(true, Ordering::Relaxed);
        for ended in self.clients.join_all().await {
            assert_eq!(ended, Ok(()));
        }
        self.answered.load(Ordering::Relaxed)
    }
}

fn trust(collected: u64) -> String {
    let data = json!({"schema": "wiguard.trust/v1", "collected": collected, "namespace": "shop", "identities": []});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "wiguard-system", "name": "trust.shop"},
        "data": {"trust.json": data.to_string()}})
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_reloaded_and_no_request_is_lost() {
    let ground = Ground::new();
    let clients = Authority::new("first");
    ground.write("clients.pem", &clients.pem);
    ground.write("settings.yaml", "rules: {AWI101: warn}\n");
    ground.write("policy.wasm", wiguard::POLICY);
    std::fs::create_dir(ground.path().join("trust")).unwrap();
    ground.write("trust/shop.json", trust(1_795_478_400));
    let flags =
        ["--settings", "settings.yaml", "--policy", "policy.wasm", "--trust", "trust", "--client-ca", "clients.pem"];
    let serving = ground.serve(Path::new(PROGRAM), &flags);
    let bad = review("u", &deployment("cart", json!({"azure.workload.identity/use": "true"}), json!({})));
    let load = Load::on(&serving, &ground, &[bad.clone(), bad.clone(), review("v", &account("cart", "x"))]);
    let allowed = async || serving.post("/validate", &bad).await.json()["response"]["allowed"].clone();
    let reloads = async |what: &str, result: &str| {
        serving.metric(&format!("wiguard_reloads_total{{what=\"{what}\",result=\"{result}\"}}")).await
    };
    assert_eq!(allowed().await, json!(true));

    // Settings: bad ones are refused and the old ones stay, good ones are taken.
    ground.write("settings.yaml", "rules: {AWI101: perhaps}\n");
    serving.until("refuses settings", async || reloads("settings", "refused").await == 1.0).await;
    assert_eq!(allowed().await, json!(true));
    ground.write("settings.yaml", "rules: {AWI101: deny}\n");
    serving.until("takes settings", async || reloads("settings", "taken").await == 1.0).await;
    assert_eq!(allowed().await, json!(false));

    // The certificate: half a change is no change, or one that is refused.
    let before = serving.client().await.presented;
    let fresh = ground.authority.server();
    ground.write("tls.crt", &fresh.cert);
    serving.until("refuses half a pair", async || reloads("certificate", "refused").await == 1.0).await;
    assert_eq!(serving.client().await.presented, before);
    ground.write("tls.key", &fresh.key);
    serving.until("takes the pair", async || reloads("certificate", "taken").await == 1.0).await;
    assert_ne!(serving.client().await.presented, before);

    // The clients' authority.
    let other = Authority::new("second");
    let own = other.client();
    let keys =
        json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest", "request": {"keys": []}});
    let provides = async || {
        let mut client = Client::connect(serving.at, &ground.authority.pem, Some(&own)).await.ok()?;
        client.post("/gatekeeper/v1beta1", keys.to_string()).await.ok().map(|reply| reply.status)
    };
    assert_ne!(provides().await, Some(StatusCode::OK));
    ground.write("clients.pem", &other.pem);
    serving.until("takes the authority", async || reloads("certificate", "taken").await == 2.0).await;
    assert_eq!(provides().await, Some(StatusCode::OK));

    // The module: what is none is refused; another one, here with a mark at its end, is taken.
    ground.write("policy.wasm", b"none");
    serving.until("refuses a module", async || reloads("module", "refused").await == 1.0).await;
    let page = serving.status("/metrics").await.text();
    let built = |page: &str| page.lines().find(|line| line.starts_with("wiguard_build_info")).unwrap().to_owned();
    let mut module = wiguard::POLICY.to_vec();
    module.extend_from_slice(b"\0\x05\x04mark");
    ground.write("policy.wasm", module);
    serving.until("takes a module", async || reloads("module", "taken").await == 1.0).await;
    assert_ne!(built(&page), built(&serving.status("/metrics").await.text()));
    assert_eq!(allowed().await, json!(false));

    // The trust inventory.
    let collected = "wiguard_trust_collected_timestamp_seconds{source=\"files\"}";
    assert_eq!(serving.metric(collected).await, 1_795_478_400.0);
    ground.write("trust/shop.json", "kind: ConfigMap\n");
    serving.until("refuses trust", async || reloads("trust", "refused").await == 1.0).await;
    ground.write("trust/shop.json", trust(1_795_478_999));
    serving.until("takes trust", async || reloads("trust", "taken").await == 1.0).await;
    assert_eq!(serving.metric(collected).await, 1_795_478_999.0);

    assert!(load.end().await > 100);
    let logged = serving.logged("not reloaded; what was there stays in use");
    let whats: Vec<&Value> = logged.iter().map(|line| &line["what"]).collect();
    assert_eq!(whats, ["settings", "certificate", "module", "trust"]);
    assert!(logged[0]["reason"].as_str().unwrap().contains("`perhaps`"), "{}", logged[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sigterm_it_says_so_serves_on_and_finishes_what_it_has() {
    let ground = Ground::new();
    let mut serving = ground.serve(Path::new(PROGRAM), &["--grace", "1s", "--drain-timeout", "10s"]);
    let body = review("u", &Value::Null).to_string();
    let load = Load::on(&serving, &ground, &[review("v", &account("cart", "x"))]);
    let idle = serving.client().await;
    let mut slow = Client::secure(serving.at, &ground.authority.pem, None).await.unwrap();
    let head = format!(
        "POST /validate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (first, last) = body.split_at(20);
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(first.as_bytes()).await.unwrap();
    assert_eq!(serving.status("/readyz").await.status, StatusCode::OK);

    let begun = Instant::now();
    serving.signal("TERM");
    serving.until("unready", async || serving.status("/readyz").await.status == StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
    assert!(serving.status("/readyz").await.text().contains("told to stop"));
    assert_eq!(serving.status("/healthz").await.status, StatusCode::OK);
    let reply = serving.client().await.post("/validate", body.clone()).await.unwrap();
    assert_eq!((reply.status, reply.headers["connection"].to_str().unwrap()), (StatusCode::OK, "close"));
    // Nobody who asks in this time is turned away.
    let answered = load.answered();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(load.answered() > answered);
    load.end().await;

    serving.until("closed", async || TcpStream::connect(serving.at).await.is_err()).await;
    slow.write_all(last.as_bytes()).await.unwrap();
    let mut said = String::new();
    let _ = slow.read_to_string(&mut said).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("\"allowed\":true"), "{said}");
    assert_eq!(serving.ended().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(idle);
    assert_eq!(serving.logged("stopped").len(), 1, "{:?}", serving.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_is_cut_and_a_second_signal_ends_at_once() {
    let ground = Ground::new();
    ground.write("hostile.wasm", &*HOSTILE);
    let start = |flags: &[&str]| {
        let flags: Vec<&str> = ["--policy", "hostile.wasm", "--deadline", "1m"].iter().chain(flags).copied().collect();
        ground.serve(Path::new(PROGRAM), &flags)
    };
    let looping = {
        let object = json!({"metadata": {"annotations": {"act": "loop"}}});
        review("u", &object).to_string()
    };
    let mut serving = start(&["--grace", "0s", "--drain-timeout", "300ms"]);
    let mut client = serving.client().await;
    let body = looping.clone();
    let waiting = tokio::spawn(async move { client.post("/validate?timeout=20s", body).await });
    serving.until("busy", async || serving.metric("wiguard_requests_in_flight").await == 1.0).await;
    let begun = Instant::now();
    serving.signal("INT");
    assert_eq!(serving.ended().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(serving.logged("stopped before every connection had ended").len(), 1);
    assert!(waiting.await.unwrap().is_err());

    let mut serving = start(&["--grace", "1m"]);
    let begun = Instant::now();
    serving.signal("TERM");
    serving.until("told", async || !serving.logged("told to stop: not ready any more, still serving").is_empty()).await;
    serving.signal("TERM");
    assert_eq!(serving.ended().code(), Some(143));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
