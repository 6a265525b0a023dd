//! Admission requests without end: starts `wiguard serve`, sends it AdmissionReviews over HTTPS on
//! kept connections, and says how many it answered, how fast, and what memory it took.
//!
//! `load PROGRAM [--connections N] [--seconds S] [--chaos] [-- FLAGS OF SERVE]`. With `--chaos`
//! others send garbage, half-open connections and bodies of 10 MB meanwhile, and certificate and
//! settings change every other second.

#![allow(clippy::panic, reason = "a measurement that cannot go on has nobody to hand its error to")]

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use wiguard_tests::case::testdata;
use wiguard_tests::https::{Client, post};
use wiguard_tests::serving::{Ground, Serving, review};

/// What is asked for on the command line.
struct Plan {
    program: String,
    connections: usize,
    time: Duration,
    chaos: bool,
    flags: Vec<String>,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    micros: Vec<u32>,
    errors: Vec<String>,
    reconnected: u64,
}

const SETTINGS: [&str; 2] =
    ["unknown: allow\nissuer: https://issuer.example/\ncredentials: []\n", "unknown: warn\nrules: {AWI101: warn}\n"];

fn main() -> ExitCode {
    let plan = match Plan::read(env::args().skip(1)) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let ground = Ground::new();
    ground.write("settings.yaml", SETTINGS[0]);
    let flags: Vec<&str> =
        ["--settings", "settings.yaml"].into_iter().chain(plan.flags.iter().map(String::as_str)).collect();
    let serving = ground.serve(Path::new(&plan.program), &flags);
    let errors = runtime.block_on(measure(&plan, &ground, &serving));
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Plan {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments;
        let program = arguments.next().ok_or("expected `load PROGRAM [--connections N] [--seconds S] [--chaos]`")?;
        let time = Duration::from_secs(60);
        let mut plan = Self { program, connections: 16, time, chaos: false, flags: Vec::new() };
        while let Some(flag) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse::<u32>().ok()).ok_or("expected a number");
            match flag.as_str() {
                "--connections" => plan.connections = number()? as usize,
                "--seconds" => plan.time = Duration::from_secs(number()?.into()),
                "--chaos" => plan.chaos = true,
                "--" => plan.flags = arguments.by_ref().collect(),
                _ => return Err(format!("there is no `{flag}`")),
            }
        }
        Ok(plan)
    }
}

/// Runs the plan and prints what came of it: the number of errors.
async fn measure(plan: &Plan, ground: &Ground, serving: &Serving) -> usize {
    let bodies: Arc<Vec<Bytes>> = Arc::new(bodies());
    let (at, authority) = (serving.at, ground.authority.pem.clone());
    // Warm, so that the memory at the start is that of a server at work.
    drop(ask(at, authority.clone(), Arc::clone(&bodies), 0, Duration::from_secs(1)).await);
    let before = memory(serving.id());
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for first in 0..plan.connections {
        clients.spawn(ask(at, authority.clone(), Arc::clone(&bodies), first, plan.time));
    }
    let mut pests = JoinSet::new();
    if plan.chaos {
        for pest in 0..4 {
            pests.spawn(pester(at, authority.clone(), pest));
        }
        let mut turn = 0;
        while begun.elapsed() + Duration::from_secs(2) < plan.time {
            sleep(Duration::from_secs(2)).await;
            turn += 1;
            if turn % 2 == 0 {
                ground.certify(&ground.authority.server());
            } else if let Some(settings) = SETTINGS.get(turn / 2 % 2) {
                ground.write("settings.yaml", format!("{settings}# {turn}\n"));
            }
        }
    }
    let seen = clients.join_all().await;
    let took = begun.elapsed();
    let pestered: u64 = {
        pests.abort_all();
        serving.metric("wiguard_requests_total{path=\"/validate\",outcome=\"too-large\"}").await as u64
    };
    let after = memory(serving.id());
    let mut micros: Vec<u32> = seen.iter().flat_map(|seen| seen.micros.iter().copied()).collect();
    micros.sort_unstable();
    let at = |share: f64| {
        let index = (micros.len().saturating_sub(1) as f64 * share) as usize;
        f64::from(micros.get(index).copied().unwrap_or_default()) / 1_000.0
    };
    let errors: Vec<&String> = seen.iter().flat_map(|seen| &seen.errors).collect();
    println!(
        "{} connections, {:.1} s{}",
        plan.connections,
        took.as_secs_f64(),
        if plan.chaos { ", chaos" } else { "" }
    );
    println!("requests      {} ({:.0} a second)", micros.len(), micros.len() as f64 / took.as_secs_f64());
    println!("p50 p90 p99   {:.2} ms  {:.2} ms  {:.2} ms", at(0.5), at(0.9), at(0.99));
    println!("slowest       {:.2} ms", at(1.0));
    println!("reconnected   {}", seen.iter().map(|seen| seen.reconnected).sum::<u64>());
    println!("memory        {} MiB at the start, {} MiB at the end, {} MiB at most", before.0, after.0, after.1);
    if plan.chaos {
        let reloads = async |what: &str, result: &str| {
            serving.metric(&format!("wiguard_reloads_total{{what=\"{what}\",result=\"{result}\"}}")).await
        };
        println!(
            "reloads       {} certificates, {} settings",
            reloads("certificate", "taken").await,
            reloads("settings", "taken").await
        );
        println!("too large     {pestered} bodies of 10 MB");
    }
    println!("errors        {}", errors.len());
    for error in errors.iter().take(5) {
        println!("              {error}");
    }
    errors.len()
}

/// Asks without a pause, on one connection as long as it lasts.
async fn ask(at: SocketAddr, authority: String, bodies: Arc<Vec<Bytes>>, first: usize, time: Duration) -> Seen {
    let mut seen = Seen::default();
    let begun = Instant::now();
    let mut client = None;
    for body in bodies.iter().cycle().skip(first) {
        if begun.elapsed() > time {
            break;
        }
        let open = match client.take() {
            Some(open) => Ok(open),
            None => {
                seen.reconnected += 1;
                Client::connect(at, &authority, None).await
            }
        };
        let sent = Instant::now();
        let answered = match open {
            Ok(mut open) => open.send(post("/validate?timeout=10s", body.clone())).await.map(|reply| (open, reply)),
            Err(error) => Err(error),
        };
        match answered {
            Ok((open, reply)) if reply.status == StatusCode::OK => {
                seen.micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                client = reply.headers.get("connection").is_none_or(|value| value != "close").then_some(open);
            }
            Ok((_, reply)) => seen.errors.push(format!("{} {}", reply.status, reply.text())),
            Err(error) => {
                seen.errors.push(error.to_string());
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
    seen.reconnected = seen.reconnected.saturating_sub(1);
    seen
}

/// Does what no client should, again and again.
async fn pester(at: SocketAddr, authority: String, how: usize) {
    let mut held = Vec::new();
    loop {
        match how {
            // Not TLS.
            0 => {
                if let Ok(mut stream) = TcpStream::connect(at).await {
                    let _ = stream.write_all(&[0xa5; 600]).await;
                    let _ = timeout(Duration::from_millis(200), stream.read_u8()).await;
                }
            }
            // Silent connections, up to a hundred at once.
            1 => {
                held.extend(TcpStream::connect(at).await);
                if held.len() > 100 {
                    held.remove(0);
                }
                sleep(Duration::from_millis(50)).await;
            }
            // Half a head, or half a body.
            2 => {
                if let Ok(mut stream) = Client::secure(at, &authority, None).await {
                    let _ = stream
                        .write_all(b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n")
                        .await;
                    let _ = stream.write_all(b"content-length: 1000\r\n\r\n{\"request\":").await;
                    tokio::spawn(async move {
                        sleep(Duration::from_secs(3)).await;
                        drop(stream);
                    });
                }
                sleep(Duration::from_millis(100)).await;
            }
            // Ten megabytes.
            _ => {
                if let Ok(mut client) = Client::connect(at, &authority, None).await {
                    let _ = client.post("/validate", vec![b'['; 10_000_000]).await;
                }
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Requests of different size and verdict.
fn bodies() -> Vec<Bytes> {
    let request = std::fs::read(testdata("admission/deployment.json")).unwrap_or_else(|error| panic!("{error}"));
    let request: Value = serde_json::from_slice(&request).unwrap_or_else(|error| panic!("{error}"));
    let whole = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let label = json!({"azure.workload.identity/use": "true"});
    let pod = |name: &str, labels: &Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": labels},
            "spec": {"serviceAccountName": name, "containers": [{"name": "main", "image": "main"}]}})
    };
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cart", "namespace": "shop",
        "annotations": {"azure.workload.identity/client-id": "not-a-guid"}}});
    let mut update = review("update", &pod("orders", &label));
    if let Some(request) = update.get_mut("request").and_then(Value::as_object_mut) {
        let object = request.get("object").cloned();
        request.extend(object.map(|object| ("oldObject".into(), object)));
    }
    let reviews = [
        whole.clone(),
        review("a", &pod("cart", &label)),
        whole.clone(),
        review("b", &pod("plain", &json!({}))),
        review("c", &account),
        update,
    ];
    reviews.iter().map(|review| Bytes::from(review.to_string())).collect()
}

/// Memory in use and the most that ever was, in MiB.
fn memory(process: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() >> 10
    };
    (field("VmRSS:"), field("VmHWM:"))
}
