//! One corpus through every door: what a request comes to must not depend on how it is asked.
//!
//! | door | how |
//! |---|---|
//! | native | the policy's functions, called |
//! | engine | the module in the program's own host |
//! | waPC | the module in the host that Kubewarden is built on |
//! | webhook | `wiguard serve` over HTTPS, with a real cluster to look things up in |
//! | provider | the same as Gatekeeper's provider, with a client's certificate |
//! | CEL | what Gatekeeper's engine makes of the templates, for the rules that have one (`gator.rs`) |

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use wiguard_rules::catalogue::CATALOGUE;
use wiguard_tests::cluster::objects::{How, Verb, manifests};
use wiguard_tests::cluster::{Cluster, wait};
use wiguard_tests::doors::{ApiServer, Doors};
use wiguard_tests::https::{Client, post};
use wiguard_tests::requests::{Case, Corpus, is_name};
use wiguard_tests::serving::{Ground, Serving};

/// What a request came to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Verdict {
    allowed: bool,
    code: Option<u64>,
    message: Option<String>,
    warnings: Vec<String>,
    annotations: Value,
}

/// The rules that said something, by level.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    deny: Vec<(String, String)>,
    warn: Vec<(String, String)>,
    unreadable: bool,
}

/// How many requests a rule had something to say on, at each door.
type Table = BTreeMap<String, BTreeMap<&'static str, usize>>;

const DOORS: [&str; 5] = ["native", "engine", "waPC", "webhook", "provider"];

impl Verdict {
    /// Of a policy's response.
    fn of_policy(answer: &Value) -> Self {
        Self {
            allowed: answer["accepted"].as_bool().unwrap(),
            code: answer["code"].as_u64(),
            message: answer["message"].as_str().map(ToOwned::to_owned),
            warnings: texts(&answer["warnings"]),
            annotations: object(&answer["audit_annotations"]),
        }
    }

    /// Of an AdmissionReview.
    fn of_review(review: &Value, uid: &Value) -> Self {
        let response = &review["response"];
        assert_eq!(response["uid"], *uid, "{review}");
        let allowed = response["allowed"].as_bool().unwrap();
        Self {
            allowed,
            code: if allowed { None } else { response["status"]["code"].as_u64() },
            message: if allowed { None } else { response["status"]["message"].as_str().map(ToOwned::to_owned) },
            warnings: texts(&response["warnings"]),
            annotations: object(&response["auditAnnotations"]),
        }
    }

    /// The ids of the rules that found something.
    fn rules(&self) -> BTreeSet<String> {
        let findings = self.annotations["findings"].as_str().unwrap_or_default();
        findings.split(',').filter_map(|one| one.split_once('=')).map(|(rule, _)| rule.to_owned()).collect()
    }
}

impl Said {
    /// Of the policy's own findings.
    fn of_policy(reviewed: &Value) -> Self {
        let mut said = Self { unreadable: reviewed["unreadable"].is_string(), ..Self::default() };
        for found in list(&reviewed["findings"]).iter().chain(list(&reviewed["unknown"])) {
            let one = (text(&found["rule"]), text(&found["says"]));
            match found["level"].as_str() {
                Some("deny") => said.deny.push(one),
                Some("warn") => said.warn.push(one),
                _ => {}
            }
        }
        said
    }

    /// Of a value of the provider.
    fn of_value(value: &Value) -> Self {
        let pairs = |value: &Value| list(value).iter().map(|one| (text(&one["rule"]), text(&one["says"]))).collect();
        Self { deny: pairs(&value["deny"]), warn: pairs(&value["warn"]), unreadable: value["unreadable"].is_string() }
    }

    fn rules(&self) -> BTreeSet<String> {
        self.deny.iter().chain(&self.warn).map(|(rule, _)| rule.clone()).collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

fn object(value: &Value) -> Value {
    if value.is_null() { json!({}) } else { value.clone() }
}

/// The key that the template makes of a request's object.
fn key(request: &Value, accounts: &BTreeMap<(String, String), Value>) -> String {
    let mut object = request["object"].clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for name in ["managedFields", "uid", "resourceVersion", "generation", "creationTimestamp"] {
            metadata.remove(name);
        }
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    let mut key = json!({"v": 1, "object": object});
    let template = match object["kind"].as_str() {
        Some("Pod") => &object["spec"],
        Some("CronJob") => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        _ => &object["spec"]["template"]["spec"],
    };
    let named = ["serviceAccountName", "serviceAccount"].into_iter().find_map(|name| template[name].as_str());
    let named = named.filter(|name| !name.is_empty()).unwrap_or("default");
    if object["kind"] != "ServiceAccount"
        && let Some(account) = accounts.get(&(text(&request["namespace"]), named.to_owned()))
    {
        key["serviceAccount"] = account.clone();
    }
    key.to_string()
}

/// Whether Gatekeeper would ask: it matches kinds, and neither deletions nor subresources.
fn is_for_gatekeeper(request: &Value) -> bool {
    let plain = request["subResource"].is_null() && request["operation"] != "DELETE";
    // It hands objects on, and no word of what they should have been.
    plain && request["object"]["kind"] == request["kind"]["kind"] && request["object"]["metadata"]["name"].is_string()
}

struct Served {
    serving: Serving,
    webhook: Client,
    provider: Client,
}

impl Served {
    async fn start(ground: &Ground, cluster: &Cluster, settings: &Value) -> Self {
        ground.write("settings.json", settings.to_string());
        ground.write("ca.crt", &ground.authority.pem);
        let kubeconfig = cluster.kubeconfig("wiguard-doors", "system:masters");
        let program = Path::new(env!("CARGO_BIN_EXE_wiguard-under-test"));
        let flags =
            ["--settings", "settings.json", "--client-ca", "ca.crt", "--kubeconfig", kubeconfig.to_str().unwrap()];
        let command: Command = ground.command(program, &flags);
        let serving = ground.start(command);
        serving.until("ready", || async { serving.status("/readyz").await.status == 200 }).await;
        let own = ground.authority.client();
        let webhook = Client::connect(serving.at, &ground.authority.pem, None).await.unwrap();
        let provider = Client::connect(serving.at, &ground.authority.pem, Some(&own)).await.unwrap();
        Self { serving, webhook, provider }
    }

    async fn review(&mut self, request: &Value) -> Verdict {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        let reply = self.webhook.send(post("/validate", review.to_string())).await.unwrap();
        assert_eq!(reply.status, 200, "{}: {:?}", reply.text(), self.serving.log());
        Verdict::of_review(&serde_json::from_slice(&reply.body).unwrap(), &request["uid"])
    }

    async fn provide(&mut self, keys: &[String]) -> Vec<Said> {
        let request = json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest",
            "request": {"keys": keys}});
        let reply = self.provider.send(post("/gatekeeper/v1beta1", request.to_string())).await.unwrap();
        assert_eq!(reply.status, 200, "{}: {:?}", reply.text(), self.serving.log());
        let response: Value = serde_json::from_slice(&reply.body).unwrap();
        let items = list(&response["response"]["items"]);
        assert!(items.iter().zip(keys).all(|(item, key)| item["key"] == *key && item["error"].is_null()), "{response}");
        assert_eq!(items.len(), keys.len(), "{response}");
        items.iter().map(|item| Said::of_value(&item["value"])).collect()
    }
}

#[test]
fn every_request_of_the_corpus_comes_to_the_same_at_every_door() {
    wait(async {
        let cluster = Cluster::shared().await;
        let corpus = Corpus::new();
        assert!(corpus.cases.len() >= 500, "{} requests", corpus.cases.len());
        let accounts = populate(cluster, &corpus).await;
        let published = publish(cluster).await;
        let server = ApiServer::with(
            accounts
                .iter()
                .map(|((namespace, name), json)| (namespace.clone(), name.clone(), json.to_string().into_bytes())),
        )
        .and_config_maps(published);
        let server = Arc::new(server);
        let (doors, ground, mut table) = (Doors::open(), Ground::new(), Table::new());
        for settings in all_settings() {
            let mut served = Served::start(&ground, cluster, &settings).await;
            for case in &corpus.cases {
                compare(case, &settings, &doors, &server, &accounts, &mut served, &mut table).await;
            }
        }
        let rules = |door: &str| table.values().filter(|counts| counts.contains_key(door)).count();
        assert!(rules("native") >= 18, "{table:?}");
        let page = page(&table, corpus.cases.len(), all_settings().len());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verdicts.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == page, "docs/verdicts.md is stale: run this test once with UPDATE_DOCS=1\n{page}");
    });
}

/// What the estate's own cluster trusts, in the settings and as it is published in the cluster; and
/// settings that know nothing and take that badly.
fn all_settings() -> [Value; 3] {
    let folder = wiguard_tests::case::testdata("estate");
    let collected = wiguard_tests::case::collect_path(&folder, false);
    let cluster = collected.inventory.clusters.iter().find(|cluster| cluster.name == "prod-weu").unwrap();
    let issuer = cluster.issuer.as_ref().unwrap();
    let parameters = Default::default();
    let trust = wiguard_rules::trust::Trust::join(&collected.inventory, &parameters);
    let credentials: Vec<Value> = trust
        .trusting(issuer)
        .iter()
        .filter_map(|credential| {
            let parent = trust.parent(credential)?;
            Some(json!({"clientId": parent.client_id, "issuer": credential.issuer, "subject": credential.subject.as_ref()?,
                "audience": credential.audiences.first()?, "name": credential.name, "identity": parent.name}))
        })
        .collect();
    assert!(credentials.len() > 30, "{} credentials", credentials.len());
    [
        json!({"issuer": issuer, "credentials": credentials}),
        json!({"trust": {}, "unknown": "warn"}),
        json!({"unknown": "deny", "rules": {"AWI108": "deny", "AWI102": "warn"}}),
    ]
}

/// Publishes in the cluster what Azure trusts of the estate's own, and gives the ConfigMaps.
async fn publish(cluster: &Cluster) -> Vec<(String, String, Vec<u8>)> {
    let program = Command::new(env!("CARGO_BIN_EXE_wiguard-under-test"))
        .args(["policy", "trust", "--cluster", "prod-weu"])
        .arg(wiguard_tests::case::testdata("estate"))
        .output()
        .unwrap();
    let maps = manifests(&String::from_utf8(program.stdout).unwrap());
    assert!(maps.len() > 30, "{} ConfigMaps: {}", maps.len(), String::from_utf8_lossy(&program.stderr));
    cluster.apply(&[wiguard_tests::cluster::objects::namespace("wiguard-system")]).await;
    cluster.apply(&maps).await;
    let named = |map: &Value| (text(&map["metadata"]["namespace"]), text(&map["metadata"]["name"]), map.to_string());
    maps.iter().map(named).map(|(namespace, name, json)| (namespace, name, json.into_bytes())).collect()
}

/// Creates the ServiceAccounts of the corpus, and gives those that there are.
async fn populate(cluster: &Cluster, corpus: &Corpus) -> BTreeMap<(String, String), Value> {
    let mut accounts = BTreeMap::new();
    for namespace in corpus.namespaces().into_iter().filter(|name| is_name(name)) {
        let object = wiguard_tests::cluster::objects::namespace(&namespace);
        if !cluster.ask(Verb::Apply, &object, How::default()).await.is_admitted() {
            continue;
        }
        // The controller makes it, sooner or later; to be sure of it, make it here.
        let default = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}});
        accounts.insert((namespace.clone(), "default".to_owned()), default);
    }
    for (name, account) in corpus.accounts.iter().filter(|((namespace, name), _)| is_name(namespace) && is_name(name)) {
        accounts.insert(name.clone(), account.clone());
    }
    let mut created = BTreeMap::new();
    for (name, account) in accounts {
        let mut plain = account.clone();
        for member in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
            plain["metadata"].as_object_mut().unwrap().remove(member);
        }
        if cluster.ask(Verb::Apply, &plain, How::default()).await.is_admitted() {
            created.insert(name, account);
        }
    }
    created
}

async fn compare(
    case: &Case,
    settings: &Value,
    doors: &Doors,
    server: &Arc<ApiServer>,
    accounts: &BTreeMap<(String, String), Value>,
    served: &mut Served,
    table: &mut Table,
) {
    let payload = json!({"request": case.request, "settings": settings}).to_string();
    // Compares the three with one another, to the byte.
    let verdict = Verdict::of_policy(&doors.call("validate", payload.as_bytes(), server).json());
    let reviewed = doors.call("review", payload.as_bytes(), server).json();
    let mut count = |door: &'static str, rules: &BTreeSet<String>| {
        for rule in rules {
            *table.entry(rule.clone()).or_default().entry(door).or_default() += 1;
        }
    };
    for door in ["native", "engine", "waPC"] {
        count(door, &verdict.rules());
    }
    let webhook = served.review(&case.request).await;
    assert_eq!(webhook, verdict, "{}: the webhook says otherwise", case.name);
    count("webhook", &webhook.rules());
    if is_for_gatekeeper(&case.request) {
        let said = served.provide(&[key(&case.request, accounts)]).await.remove(0);
        assert_eq!(said, Said::of_policy(&reviewed), "{}: the provider says otherwise", case.name);
        count("provider", &said.rules().intersection(&verdict.rules()).cloned().collect());
    }
}

/// The table for people.
fn page(table: &Table, requests: usize, settings: usize) -> String {
    let mut page = format!(
        "# The same verdict at every door\n\n\
        {requests} admission requests (everything in testdata and on the pages of the rules, and odd ones made for the \
        purpose) under {settings} settings, at every door of the policy: the functions called as they are, the module in \
        wiguard's own host, the module in the waPC host that Kubewarden is built on, `wiguard serve` as a webhook over \
        HTTPS beside a real API server, and the same as Gatekeeper's provider. The test that writes this table compares \
        the whole answers: verdict, code, message, warnings and audit annotations. The numbers are how often a rule \
        had something to say; Gatekeeper asks neither about deletions and subresources nor about what has no name.\n\n\
        What CEL makes of the rules that one object decides is compared in the same way, with Gatekeeper's own \
        engine: [gatekeeper.md](gatekeeper.md).\n\n| rule | | {} |\n|---|---|{}\n",
        DOORS.join(" | "),
        "--:|".repeat(DOORS.len()),
    );
    for entry in CATALOGUE {
        if let Some(counts) = table.get(entry.id) {
            let cells = DOORS.map(|door| counts.get(door).copied().unwrap_or_default().to_string());
            page += &format!("| [{0}](rules/{0}.md) | {1} | {2} |\n", entry.id, entry.name(), cells.join(" | "));
        }
    }
    page
}
