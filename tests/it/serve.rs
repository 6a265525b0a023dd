//! The server as its clients meet it: a process of its own, real sockets, real certificates.

mod bounds;
mod cluster;
mod life;
mod openmetrics;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use wiguard_tests::case::testdata;
use wiguard_tests::https::{Authority, Client, Reply, post};
use wiguard_tests::serving::{Ground, Serving, refusal, review};

use crate::program::PROGRAM;

/// A server that several tests use while one of them runs.
pub(crate) struct Shared {
    pub(crate) serving: Serving,
    pub(crate) ground: Ground,
    pub(crate) clients: Authority,
}

/// The settings of the shared server.
const SETTINGS: &str = r#"
unknown: warn
issuer: https://issuer.example/
credentials:
  - clientId: 2f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a
    subject: system:serviceaccount:shop:cart
exempt:
  namespaces: [kube-system]
"#;

pub(crate) fn shared() -> Arc<Shared> {
    static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let (ground, clients) = (Ground::new(), Authority::new("gatekeeper-ca"));
        ground.write("settings.yaml", SETTINGS);
        ground.write("clients.pem", &clients.pem);
        let flags = ["--settings", "settings.yaml", "--client-ca", "clients.pem", "--max-body", "64KiB"];
        let serving = ground.serve(Path::new(PROGRAM), &flags);
        let fresh = Arc::new(Shared { serving, ground, clients });
        *shared = Arc::downgrade(&fresh);
        fresh
    })
}

impl Shared {
    async fn gatekeeper(&self) -> Client {
        let own = self.clients.client();
        Client::connect(self.serving.at, &self.ground.authority.pem, Some(&own)).await.unwrap()
    }
}

/// The policy's functions, called as they are, with one ServiceAccount to be had, or none.
struct Native<'a>(Option<&'a Value>);

impl wiguard_policy::Host for Native<'_> {
    fn call(&mut self, _: &str, _: &str, _: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let asked: Value = serde_json::from_slice(payload).unwrap();
        let is_it =
            |account: &&&Value| account["metadata"]["name"] == asked["name"] && asked["kind"] == "ServiceAccount";
        self.0.as_ref().filter(is_it).map(|account| account.to_string().into_bytes()).ok_or_else(|| "unknown".into())
    }
}

/// What the policy itself says of an object.
fn native(operation: &str, object: &Value, account: Option<&Value>) -> Value {
    let settings = json!({
        "unknown": "warn", "issuer": "https://issuer.example/",
        "credentials": [{"clientId": "2f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a", "subject": "system:serviceaccount:shop:cart"}],
        "exempt": {"namespaces": ["kube-system"]},
    });
    let mut request = review("native", object)["request"].take();
    if operation == "review" {
        request = json!({"object": object, "operation": null});
    }
    let payload = json!({"request": request, "settings": settings}).to_string();
    let said = wiguard_policy::call(operation, payload.as_bytes(), &mut Native(account)).unwrap();
    serde_json::from_slice(&said).unwrap()
}

pub(crate) fn account(name: &str, client: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop",
        "annotations": {"azure.workload.identity/client-id": client}}})
}

pub(crate) fn deployment(name: &str, own: Value, template: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": own},
        "spec": {"template": {"metadata": {"labels": template},
            "spec": {"serviceAccountName": "cart", "containers": [{"name": "cart", "image": "cart"}]}}}})
}

fn labelled() -> Value {
    json!({"azure.workload.identity/use": "true"})
}

/// Objects that get each kind of verdict.
fn objects() -> Vec<Value> {
    let request: Value =
        serde_json::from_slice(&std::fs::read(testdata("admission/deployment.json")).unwrap()).unwrap();
    let mut exempt = deployment("proxy", labelled(), json!({}));
    exempt["metadata"]["namespace"] = "kube-system".into();
    vec![
        request["object"].clone(),
        deployment("cart", labelled(), json!({})),
        deployment("cart", json!({}), labelled()),
        deployment("cart", json!({}), json!({})),
        deployment("cart", json!({}), json!({"azure.workload.identity/use": true})),
        exempt,
        account("cart", "2f6c1a0b-83d4-4c5e-9a76-1b0e5d4f3c2a"),
        account("cart", "not-a-guid"),
        account("cart", "{2F6C1A0B-83D4-4C5E-9A76-1B0E5D4F3C2A}"),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {"containers": "none"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}}),
        Value::Null,
    ]
}

#[tokio::test]
async fn verdicts_are_the_policys_own() {
    let shared = shared();
    let mut client = shared.serving.client().await;
    let (mut denied, mut allowed, mut warned) = (0, 0, 0);
    for (index, object) in objects().iter().enumerate() {
        let uid = format!("0b4c2f5e-{index}");
        let reply = client.post("/validate", review(&uid, object).to_string()).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert_eq!(reply.headers["content-type"], "application/json");
        let said = reply.json();
        assert_eq!((&said["apiVersion"], &said["kind"]), (&json!("admission.k8s.io/v1"), &json!("AdmissionReview")));
        let (said, expected) = (&said["response"], native("validate", object, None));
        let none = json!([]);
        assert_eq!(said["uid"], uid);
        assert_eq!(said["allowed"], expected["accepted"], "{object}");
        assert_eq!(said["status"]["message"], expected["message"]);
        assert_eq!(said["status"]["code"], expected["code"]);
        assert_eq!(said.get("warnings").unwrap_or(&none), expected.get("warnings").unwrap_or(&none));
        assert_eq!(said.get("auditAnnotations"), expected.get("audit_annotations"));
        if said["allowed"] == json!(false) {
            let reason = if said["status"]["code"] == 400 { "BadRequest" } else { "Forbidden" };
            assert_eq!((&said["status"]["reason"], &said["status"]["status"]), (&json!(reason), &json!("Failure")));
        }
        denied += usize::from(said["allowed"] == json!(false));
        allowed += usize::from(said["allowed"] == json!(true));
        warned += usize::from(said.get("warnings").is_some());
    }
    assert!(denied >= 3 && allowed >= 3 && warned >= 1, "{denied} {allowed} {warned}");
    let rejected = shared.serving.logged("rejected");
    let of = |uid: &str| rejected.iter().find(|line| line["uid"] == uid).unwrap().clone();
    let line = of("0b4c2f5e-1");
    assert_eq!(
        [&line["namespace"], &line["kind"], &line["name"], &line["rules"], &line["level"]],
        ["shop", "Deployment", "cart", "AWI101", "info"]
    );
}

#[tokio::test]
async fn a_request_is_read_as_it_stands() {
    // Members in another order, numbers that no parser keeps, white space, escapes.
    let body = r#"{ "request" : {"object":{"spec":{"replicas":1e0,"x":123456789012345678901234567890},"kind":"ServiceAccount",
        "apiVersion":"v1","metadata":{"name":"cart","namespace":"shop","annotations":{"azure.workload.identity/client-id":"2f6c\u0031a0b"}}},
        "uid":"a\"b\\c\u00e9","unknown":[{"a":[]}]}, "apiVersion":"admission.k8s.io\/v1", "kind":"AdmissionReview" }"#;
    let reply = shared().serving.client().await.post("/validate", body).await.unwrap();
    let said = reply.json();
    assert_eq!(said["response"]["uid"], "a\"b\\cé");
    assert_eq!(said["response"]["allowed"], false);
    assert!(said["response"]["status"]["message"].as_str().unwrap().contains("`2f6c1a0b`"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_judged_is_refused_in_words() {
    let shared = shared();
    let whole = review("u", &account("cart", "x"));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut review = whole.clone();
        change(&mut review);
        review.to_string()
    };
    let cases = [
        (String::new(), 400, "not a JSON object"),
        ("\u{1}garbage".into(), 400, "not a JSON object"),
        (whole.to_string().replace("\"uid\"", "uid"), 400, "key must be a string"),
        (whole.to_string() + "}", 400, "something follows"),
        (
            with(&|review| review["apiVersion"] = "admission.k8s.io/v1beta1".into()),
            400,
            "admissionReviewVersions: [v1]",
        ),
        (with(&|review| review["request"] = Value::Null), 400, "it has no request"),
        (with(&|review| review["request"]["uid"] = "".into()), 400, "no uid"),
        ("[".repeat(60_000), 400, "not a JSON object"),
        (format!("{{\"apiVersion\":{}", "[".repeat(60_000)), 400, "EOF"),
        (" ".repeat(70_000), 413, "--max-body"),
    ];
    for (body, status, words) in cases {
        let shown = body.chars().take(80).collect::<String>();
        let reply = shared.serving.client().await.post("/validate", body).await.unwrap();
        assert_eq!(reply.status, status, "{shown}: {}", reply.text());
        assert!(reply.text().contains(words), "{shown}: {}", reply.text());
    }
    let send = async |request| shared.serving.client().await.send(request).await.unwrap();
    let mut typed = post("/validate", whole.to_string());
    typed.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(send(typed).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let mut packed = post("/validate", whole.to_string());
    packed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(send(packed).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(send(post("/", "{}")).await.status, StatusCode::NOT_FOUND);
    let read = send(Request::builder().method(Method::GET).uri("/validate").body(Default::default()).unwrap()).await;
    assert_eq!((read.status, read.headers["allow"].to_str().unwrap()), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    let mut long = post("/validate", whole.to_string());
    long.headers_mut().insert("x-long", "x".repeat(20_000).parse().unwrap());
    assert_eq!(send(long).await.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn values_of_keys_are_the_policys_own() {
    let shared = shared();
    let carried = account("cart", "8a7b6c5d-4e3f-4d2c-8b1a-0f9e8d7c6b5a");
    let mut keys = Vec::new();
    for object in objects() {
        keys.push(json!({"v": 1, "object": object}).to_string());
        keys.push(json!({"object": object, "serviceAccount": carried, "v": 1}).to_string());
    }
    let request = |keys: &[String]| json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest", "request": {"keys": keys}});
    let mut client = shared.gatekeeper().await;
    let reply = client.post("/gatekeeper/v1beta1", request(&keys).to_string()).await.unwrap();
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let said = reply.json();
    assert_eq!(
        (&said["apiVersion"], &said["kind"]),
        (&json!("externaldata.gatekeeper.sh/v1beta1"), &json!("ProviderResponse"))
    );
    assert_eq!((&said["response"]["idempotent"], said["response"].get("systemError")), (&json!(true), None));
    let items = said["response"]["items"].as_array().unwrap();
    assert_eq!(items.len(), keys.len());
    let mut ids = 0;
    for (index, (item, object)) in items.iter().zip(objects().iter().flat_map(|object| [object, object])).enumerate() {
        assert_eq!((&item["key"], item.get("error")), (&json!(keys[index]), None));
        let expected = native("review", object, (index % 2 == 1).then_some(&carried));
        for level in ["deny", "warn"] {
            let said: Vec<&Value> = item["value"][level].as_array().unwrap().iter().map(|said| &said["rule"]).collect();
            let found = expected["findings"].as_array().unwrap().iter().chain(expected["unknown"].as_array().unwrap());
            let expected: Vec<&Value> =
                found.filter(|found| found["level"] == level).map(|found| &found["rule"]).collect();
            assert_eq!(said, expected, "{level} of {object}");
            ids += said.len();
        }
        assert_eq!(item["value"].get("unreadable"), expected.get("unreadable"));
    }
    assert!(ids > 5, "{said}");

    let odd = ["", "{}", r#"{"v":2,"object":{}}"#, r#"{"v":1}"#, "[1]"].map(String::from);
    let said = client.post("/gatekeeper/v1beta1", request(&odd).to_string()).await.unwrap().json();
    for item in said["response"]["items"].as_array().unwrap() {
        assert!(item.get("value").is_none() && item["error"].is_string(), "{item}");
    }
    let reply = client.post("/gatekeeper/v1beta1", request(&[]).to_string()).await.unwrap();
    assert_eq!((reply.status, &reply.json()["response"]["items"]), (StatusCode::OK, &json!([])));
    let reply: Reply = client.post("/gatekeeper/v1beta1", "{}").await.unwrap();
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.json()["response"]["systemError"].as_str().unwrap().contains("ProviderRequest"));
}

#[tokio::test]
async fn only_gatekeeper_must_prove_itself() {
    let shared = shared();
    let request =
        json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest", "request": {"keys": []}});
    let mut nobody = shared.serving.client().await;
    let reply = nobody.post("/gatekeeper/v1beta1", request.to_string()).await.unwrap();
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(reply.json()["response"]["systemError"].as_str().unwrap().contains("client certificate"));
    let good = shared.serving.post("/validate", &review("u", &Value::Null)).await;
    assert_eq!(good.status, StatusCode::OK);
    let mut gatekeeper = shared.gatekeeper().await;
    for (path, body) in [("/gatekeeper/v1beta1", &request), ("/validate", &review("u", &Value::Null))] {
        assert_eq!(gatekeeper.post(path, body.to_string()).await.unwrap().status, StatusCode::OK, "{path}");
    }
    // Signed by somebody else: not even a connection, or one that says nothing.
    let stranger = Authority::new("gatekeeper-ca").client();
    let stranger = Client::connect(shared.serving.at, &shared.ground.authority.pem, Some(&stranger)).await;
    if let Ok(mut client) = stranger {
        assert!(client.post("/validate", review("u", &Value::Null).to_string()).await.is_err());
    }
}

#[test]
fn what_it_cannot_start_with_is_named() {
    let ground = Ground::new();
    let program = Path::new(PROGRAM);
    let refused = |flags: &[&str]| {
        let (status, words) = refusal(ground.command(program, flags));
        assert_eq!(status, Some(2), "{words}");
        words
    };
    ground.write("odd.yaml", "rules: {AWI999: deny}\n");
    ground.write("list.yaml", "- a: b\n");
    ground.write("text.wasm", "no module");
    ground.write("empty.pem", "");
    ground.write("other.key", Authority::new("other").server().key);
    ground.write("half.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    for (flags, words) in [
        (&["--no-kube", "--settings", "gone.yaml"][..], &["`gone.yaml`", "No such file"][..]),
        (&["--no-kube", "--settings", "odd.yaml"], &["`odd.yaml`", "there is no rule `AWI999`"]),
        (&["--no-kube", "--settings", "list.yaml"], &["`list.yaml`", "`{}` sets nothing"]),
        (&["--no-kube", "--policy", "text.wasm"], &["`text.wasm`", "compile"]),
        (&["--no-kube", "--client-ca", "empty.pem"], &["`empty.pem`", "no certificate"]),
        (&["--no-kube", "--trust", "half.yaml"], &["`half.yaml`", "namespace"]),
        (&["--kubeconfig", "gone"], &["`gone`"]),
        (&[], &["--no-kube"]),
    ] {
        let said = refused(flags);
        assert!(words.iter().all(|word| said.contains(word)), "{flags:?}: {said}");
    }
    std::fs::rename(ground.path().join("other.key"), ground.path().join("tls.key")).unwrap();
    let said = refused(&["--no-kube"]);
    assert!(said.contains("`tls.crt`") && said.contains("belong together"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ground = Ground::new();
    let at = taken.local_addr().unwrap().to_string();
    let (status, said) = refusal(ground.command(program, &["--no-kube", "--bind", &at]));
    assert!(status == Some(2) && said.contains(&at) && said.contains("--bind"), "{said}");
}
