//! The server beside an API server, here one that says what the test wants.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use wiguard_tests::serving::{Ground, Serving, review};

use super::{account, deployment, labelled};
use crate::program::PROGRAM;

/// An API server with ServiceAccounts and ConfigMaps.
#[derive(Clone, Default)]
struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Objects by path of their list, and name.
    objects: BTreeMap<(String, String), Value>,
    watches: Vec<(String, mpsc::UnboundedSender<Bytes>)>,
    /// Whether it answers at all.
    down: bool,
    /// Whether it takes questions for single objects and says nothing.
    mute: bool,
    asked: Vec<String>,
}

/// What is sent, and then nothing until there is more.
struct Stream(mpsc::UnboundedReceiver<Bytes>);

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

const ACCOUNTS: &str = "/api/v1/serviceaccounts";
const TRUST: &str = "/api/v1/namespaces/wiguard-system/configmaps";

impl ApiServer {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, server) = (listener.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = server.clone();
                let answer =
                    service_fn(move |request| std::future::ready(Ok::<_, Infallible>(server.answer(&request))));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        at
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Stream> {
        let mut state = self.0.lock().unwrap();
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        state.asked.push(format!("{path}?{query}"));
        let (sender, receiver) = mpsc::unbounded_channel();
        let send = |value: Value| sender.send(Bytes::from(value.to_string())).unwrap();
        let mut status = StatusCode::OK;
        if state.down {
            status = StatusCode::INTERNAL_SERVER_ERROR;
            send(
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "message": "down", "code": 500}),
            );
        } else if query.contains("watch=true") || (state.mute && path.contains("/serviceaccounts/")) {
            state.watches.push((path.into(), sender));
        } else if path == ACCOUNTS || path == TRUST {
            let kind = if path == ACCOUNTS {
                ("meta.k8s.io/v1", "PartialObjectMetadataList")
            } else {
                ("v1", "ConfigMapList")
            };
            let items: Vec<_> =
                state.objects.iter().filter(|((list, _), _)| list == path).map(|(_, item)| item).collect();
            send(json!({"kind": kind.1, "apiVersion": kind.0, "metadata": {"resourceVersion": "1"}, "items": items}));
        } else {
            let name = path.rsplit('/').next().unwrap_or_default();
            let found = path.contains("/serviceaccounts/").then(|| state.objects.get(&("late".into(), name.into())));
            match found.flatten() {
                Some(found) => send(found.clone()),
                None => {
                    status = StatusCode::NOT_FOUND;
                    send(
                        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": "not found", "code": 404}),
                    );
                }
            }
        }
        let mut response = Response::new(Stream(receiver));
        *response.status_mut() = status;
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        response
    }

    /// Puts an object where only a live question finds it.
    fn put(&self, list: &str, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.0.lock().unwrap().objects.insert((list.into(), name), object);
    }

    /// Tells those who watch.
    fn tell(&self, list: &str, change: &str, object: &Value) {
        let line = json!({"type": change, "object": object}).to_string() + "\n";
        self.0
            .lock()
            .unwrap()
            .watches
            .retain(|(path, sender)| path != list || sender.send(line.clone().into()).is_ok());
    }

    fn asked(&self, part: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| asked.contains(part)).count()
    }

    fn go_down(&self, down: bool) {
        let mut state = self.0.lock().unwrap();
        state.down = down;
        if down {
            state.watches.clear();
        }
    }
}

/// An account as the API server gives its metadata.
fn metadata(name: &str, client: &str, version: u32) -> Value {
    let mut account = account(name, client);
    account["apiVersion"] = "meta.k8s.io/v1".into();
    account["kind"] = "PartialObjectMetadata".into();
    account["metadata"]["resourceVersion"] = version.to_string().into();
    account["metadata"]["managedFields"] = json!([]);
    account
}

fn serve(ground: &Ground, at: SocketAddr, flags: &[&str]) -> Serving {
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": format!("http://{at}")}}],
        "users": [{"name": "test", "user": {"token": "do-not-log-this"}}]});
    ground.write("kubeconfig", config.to_string());
    let flags: Vec<&str> = ["--kubeconfig", "kubeconfig"].iter().chain(flags).copied().collect();
    ground.start(ground.command(Path::new(PROGRAM), &flags))
}

/// A workload under this account, which opts in: only with the account can it be judged.
fn workload(account: &str) -> Value {
    let mut object = deployment(account, json!({}), labelled());
    object["spec"]["template"]["spec"]["serviceAccountName"] = account.into();
    review("u", &object)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_known_from_the_watch_and_else_asked_for() {
    let api = ApiServer::default();
    api.go_down(true);
    let at = api.start().await;
    let ground = Ground::new();
    ground.write("settings.yaml", "unknown: deny\nissuer: https://issuer.example/\ncredentials: []\n");
    let serving = serve(&ground, at, &["--settings", "settings.yaml"]);
    let ready = async || serving.status("/readyz").await.status == StatusCode::OK;
    serving.until("complains", async || serving.status("/readyz").await.text().contains("down")).await;
    assert!(!ready().await);
    let said = async |account: &str| {
        let said = serving.post("/validate", &workload(account)).await.json();
        said["response"]["status"]["message"].as_str().unwrap_or_default().to_owned()
    };
    assert!(said("cart").await.contains("is unknown"), "{}", said("cart").await);

    const CLIENT: &str = "2f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a";
    api.put(ACCOUNTS, metadata("cart", CLIENT, 1));
    api.put("late", metadata("late", "3f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a", 2));
    api.go_down(false);
    serving.until("ready", ready).await;
    assert!(said("cart").await.contains(CLIENT), "{}", said("cart").await);
    assert_eq!(api.asked("/serviceaccounts/cart"), 1, "asked for when nothing was known yet, and never again");
    assert!(said("late").await.contains("3f6c1a0b"), "{}", said("late").await);
    assert!(said("nobody").await.contains("is unknown"));
    assert_eq!((api.asked("/serviceaccounts/late"), api.asked("/serviceaccounts/nobody")), (1, 1));
    for (result, least) in [("mirrored", 1.0), ("live", 1.0), ("missing", 1.0), ("failed", 1.0)] {
        let sample = format!("wiguard_lookups_total{{kind=\"ServiceAccount\",result=\"{result}\"}}");
        assert!(serving.metric(&sample).await >= least, "{result}");
    }

    // The watch brings changes.
    serving.until("watching", async || api.asked("watch=true") > 0).await;
    api.tell(ACCOUNTS, "ADDED", &metadata("new", "4f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a", 3));
    let held = "wiguard_cache_objects{kind=\"ServiceAccount\"}";
    serving.until("told", async || serving.metric(held).await == 2.0).await;
    assert!(said("new").await.contains("4f6c1a0b"));
    assert_eq!(api.asked("/serviceaccounts/new"), 0);

    // It does not wait for an API server that hangs, or only once.
    api.0.lock().unwrap().mute = true;
    let begun = Instant::now();
    assert!(said("mute").await.contains("is unknown") && said("silent").await.contains("is unknown"));
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!((api.asked("/serviceaccounts/mute"), api.asked("/serviceaccounts/silent")), (1, 0));

    // When the API server goes away, what was known stays known.
    api.go_down(true);
    serving
        .until("troubled", async || serving.metric("wiguard_watch_errors_total{kind=\"ServiceAccount\"}").await > 1.0)
        .await;
    assert!(said("cart").await.contains(CLIENT) && ready().await);
    assert_eq!(serving.metric(held).await, 2.0);
    assert!(!format!("{:?}", serving.log()).contains("do-not-log-this"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trust_inventory_is_followed_only_when_it_is_wanted() {
    let api = ApiServer::default();
    let at = api.start().await;
    let data = json!({"collected": 1_795_478_400}).to_string();
    api.put(
        TRUST,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"trust.json": data},
        "metadata": {"namespace": "wiguard-system", "name": "trust.shop", "resourceVersion": "1"}}),
    );
    let ground = Ground::new();
    ground.write("hostile.wasm", &*super::bounds::HOSTILE);
    ground.write("settings.yaml", "{}");
    // A module that is content with any settings.
    let serving = serve(&ground, at, &["--settings", "settings.yaml", "--policy", "hostile.wasm"]);
    let ready = async || serving.status("/readyz").await.status == StatusCode::OK;
    serving.until("ready", ready).await;
    assert_eq!(api.asked("configmaps"), 0);
    ground.write("settings.yaml", "trust: {}");
    let collected = "wiguard_trust_collected_timestamp_seconds{source=\"cluster\"}";
    serving.until("following", async || serving.metric(collected).await == 1_795_478_400.0).await;
    assert!(api.asked("configmaps") > 0 && api.asked("labelSelector") > 0 && ready().await);
    ground.write("settings.yaml", "trust: {namespace: elsewhere}");
    serving.until("looking elsewhere", async || api.asked("/namespaces/elsewhere/configmaps") > 0).await;
    serving.until("forgotten", async || serving.metric(collected).await == 0.0).await;
    serving.until("unready", async || serving.status("/readyz").await.text().contains("the trust inventory")).await;
}
