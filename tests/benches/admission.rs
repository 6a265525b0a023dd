//! What one admission costs in the policy module, beside what it would cost in a policy written
//! with Kubewarden's own kit that reads the same request and judges nothing, and in one that does
//! not even read. Each call has a fresh instance, as an admission controller gives it; the
//! modules take turns, so that a busy moment of the machine falls on all alike.
//!
//! `cargo bench --bench admission [-- CALLS]`, of each module; 5000 if not said.

#![allow(clippy::panic, reason = "a benchmark that cannot run has nobody to hand its error to")]

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use wiguard::engine::{Engine, Host, Limits, Policy};
use wiguard_tests::modules;

/// The policy's settings, as in the `settings` of its ClusterAdmissionPolicy.
const SETTINGS: &str = r#"{
    "issuer": "https://westeurope.oic.prod-aks.azure.com/9f1d3c5e-0b7a-4c2d-8e6f-5a4b3c2d1e0f/4b8e6d2c-1a3f-4e5d-9c7b-8a6f5e4d3c2b/",
    "unknown": "warn",
    "exempt": { "namespaces": ["kube-*"] },
    "credentials": [
        { "clientId": "2f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a", "subject": "system:serviceaccount:shop:checkout", "name": "prod-weu-checkout", "identity": "id-checkout" },
        { "clientId": "5d8b7c6a-1e2f-4a3b-9c4d-7e6f5a4b3c2d", "subject": "system:serviceaccount:shop:cart", "name": "prod-weu-cart", "identity": "id-cart" },
        { "clientId": "8a7b6c5d-4e3f-4d2c-8b1a-0f9e8d7c6b5a", "subject": "system:serviceaccount:shop:orders", "name": "prod-weu-orders", "identity": "id-orders" },
        { "clientId": "1c2d3e4f-5a6b-4c7d-9e8f-0a1b2c3d4e5f", "subject": "system:serviceaccount:platform:external-dns", "name": "prod-weu-dns", "identity": "id-dns" },
        { "clientId": "7f6e5d4c-3b2a-4190-8f7e-6d5c4b3a2918", "subject": "system:serviceaccount:observability:collector", "name": "prod-weu-collector", "identity": "id-collector" }
    ]
}"#;

const REQUEST: &str = include_str!("../../testdata/admission/deployment.json");

/// Gives every policy the same service account, at once.
struct Cluster(Vec<u8>);

impl Host for Cluster {
    fn call(&self, _: &str, namespace: &str, operation: &str, _: &[u8]) -> Result<Vec<u8>, String> {
        match (namespace, operation) {
            ("kubernetes", "get_resource") => Ok(self.0.clone()),
            ("tracing", "log") => Ok(Vec::new()),
            _ => Err(format!("`{namespace}/{operation}` is not available")),
        }
    }

    fn log(&self, message: &str) {
        eprintln!("{message}");
    }
}

struct Contender {
    name: &'static str,
    bytes: usize,
    gzip: usize,
    compiled: Duration,
    policy: Policy,
    answer: String,
    validate: Vec<Duration>,
    version: Vec<Duration>,
}

impl Contender {
    fn new(name: &'static str, wasm: &[u8], engine: &Engine) -> Self {
        let start = Instant::now();
        let policy = engine.load(wasm).unwrap_or_else(|error| panic!("{name}: {error}"));
        let compiled = start.elapsed();
        Self {
            name,
            bytes: wasm.len(),
            gzip: gzip(wasm),
            compiled,
            policy,
            answer: String::new(),
            validate: Vec::new(),
            version: Vec::new(),
        }
    }

    fn call(&self, operation: &str, payload: &[u8], host: &Arc<dyn Host>) -> (Duration, Vec<u8>) {
        let start = Instant::now();
        let answer = self.policy.call(operation, black_box(payload), host);
        let took = start.elapsed();
        (took, answer.unwrap_or_else(|error| panic!("{} `{operation}`: {error}", self.name)))
    }
}

fn main() {
    let calls = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5_000);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let guests = target.join("guests");
    let engine = Engine::new(Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    let mut contenders = [
        Contender::new("wiguard", &modules::policy(&target.join("policy")), &engine),
        Contender::new("kit, reads", &modules::guest("sdk", &guests), &engine),
        Contender::new("kit, empty", &modules::guest("empty", &guests), &engine),
    ];
    let payload = payload();
    let host: Arc<dyn Host> = Arc::new(Cluster(service_account()));

    for contender in &mut contenders {
        for _ in 0..(calls / 10).max(1) {
            let (_, answer) = contender.call("validate", &payload, &host);
            contender.answer = String::from_utf8_lossy(&answer).into_owned();
        }
    }
    for _ in 0..calls {
        for contender in &mut contenders {
            let (took, _) = contender.call("validate", &payload, &host);
            contender.validate.push(took);
            let (took, _) = contender.call("protocol_version", b"", &host);
            contender.version.push(took);
        }
    }
    print(&mut contenders, payload.len(), calls, engine.pooled());
}

/// What the host hands the policy: the request and the settings, without a space.
fn payload() -> Vec<u8> {
    let read = |text| serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}"));
    json!({ "request": read(REQUEST), "settings": read(SETTINGS) }).to_string().into_bytes()
}

/// The account the request's pods run as.
fn service_account() -> Vec<u8> {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": "checkout",
            "namespace": "shop",
            "uid": "6e0a5a4d-4a5f-4bb5-8c39-f7d5f2d0b1e3",
            "resourceVersion": "48211907",
            "creationTimestamp": "2026-03-02T08:15:40Z",
            "labels": { "app.kubernetes.io/name": "checkout" },
            "annotations": { "azure.workload.identity/client-id": "2f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a" },
        },
    })
    .to_string()
    .into_bytes()
}

fn gzip(bytes: &[u8]) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map_or(0, |packed| packed.len())
}

fn print(contenders: &mut [Contender], payload: usize, calls: usize, pooled: bool) {
    let allocation = if pooled { "pooled" } else { "on demand" };
    println!("{calls} calls each, a fresh instance ({allocation}) for each, {payload} bytes of request\n");
    println!(
        "{:12} {:>9} {:>9} {:>10} {:>11} {:>11} {:>11} {:>7}",
        "module", "bytes", "gzip", "compile ms", "start us", "validate us", "p99 us", "ratio"
    );
    for contender in contenders.iter_mut() {
        contender.validate.sort_unstable();
        contender.version.sort_unstable();
    }
    let ours = contenders.first().map_or(0.0, |ours| at(&ours.validate, 50));
    for contender in contenders.iter() {
        let median = at(&contender.validate, 50);
        println!(
            "{:12} {:>9} {:>9} {:>10.0} {:>11.1} {:>11.1} {:>11.1} {:>7.2}",
            contender.name,
            contender.bytes,
            contender.gzip,
            contender.compiled.as_secs_f64() * 1e3,
            at(&contender.version, 50),
            median,
            at(&contender.validate, 99),
            median / ours,
        );
    }
    println!("\nstart is the median of `protocol_version`, which reads nothing; ratio is to wiguard\n");
    for contender in contenders.iter() {
        println!("{:12} {}", contender.name, contender.answer);
    }
}

/// Microseconds at a percentile of sorted times.
fn at(times: &[Duration], percentile: usize) -> f64 {
    let place = times.len().saturating_sub(1) * percentile / 100;
    times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}
