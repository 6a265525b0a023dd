//! The model of the mutating webhook against the webhook itself: thousands of generated pods and
//! ServiceAccounts, each version asked over HTTPS as an API server asks it, and what comes of a pod
//! compared with what the model says of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod afterwards;
mod generate;
mod patch;

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use wiguard_rules::manifest::{Manifest, read};
use wiguard_rules::model::{ClusterIx, Origin, ServiceAccount, Workload, annotation};
use wiguard_rules::webhook::{Configuration, Injection, Outcome, PodName, TokenEndpoint, Version, admit};
use wiguard_tests::cluster::azure::{AzureWebhook, PATH, TENANT};
use wiguard_tests::cluster::{Cluster, wait};
use wiguard_tests::https::Client;

use generate::{ACCOUNTS, account, pod};

/// Pods that each webhook is asked about.
const PODS: u64 = 2_400;

/// Differences that are shown of each webhook.
const SHOWN: usize = 5;

/// Where the ServiceAccounts are.
const NAMESPACE: &str = "modelled";

/// The audience of AKS identity bindings.
const BINDING: &str = "api://AKSIdentityBinding";

#[test]
fn version_1_3_0() {
    agrees(&configuration(Version::V1_3_0), |_| {});
}

#[test]
fn version_1_5_1() {
    agrees(&configuration(Version::V1_5_1), |_| {});
}

#[test]
fn version_1_6_0() {
    agrees(&configuration(Version::V1_6_0), |_| {});
}

#[test]
fn version_1_6_0_with_identity_bindings() {
    let endpoint = TokenEndpoint {
        proxy: "https://proxy.example.com".into(),
        sni_name: "sni.example.com".into(),
        ca_config_map: "binding-ca".into(),
        ..binding()
    };
    agrees(&Configuration { endpoint: Some(endpoint), ..configuration(Version::V1_6_0) }, |command| {
        bind(command);
        command.env("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example.com");
        command.env("AZURE_KUBERNETES_SNI_NAME", "sni.example.com");
        command.env("AZURE_KUBERNETES_CA_CONFIGMAP_NAME", "binding-ca");
    });
}

#[test]
fn version_1_6_0_with_identity_bindings_by_certificate() {
    let endpoint = TokenEndpoint { ca_data: "bytes".into(), ..binding() };
    agrees(&Configuration { endpoint: Some(endpoint), ..configuration(Version::V1_6_0) }, |command| {
        bind(command);
        command.env("AZURE_KUBERNETES_CA_DATA", "bytes");
    });
}

fn configuration(version: Version) -> Configuration {
    Configuration { tenant_id: Some(TENANT.into()), ..Configuration::new(version) }
}

fn binding() -> TokenEndpoint {
    let annotation = annotation::USE_IDENTITY_BINDING.into();
    TokenEndpoint { annotation, audience: BINDING.into(), ..TokenEndpoint::default() }
}

fn bind(command: &mut Command) {
    command.arg("--custom-token-endpoint-annotation-suffix=identity-binding");
    command.arg(format!("--custom-token-endpoint-audience={BINDING}"));
}

/// Asks one webhook about every pod.
fn agrees(configuration: &Configuration, options: impl FnOnce(&mut Command)) {
    wait(async {
        let cluster = Cluster::shared().await;
        let accounts = accounts(cluster).await;
        let webhook = AzureWebhook::alone(cluster, configuration.version.as_str(), options).await;
        let mut client = webhook.connect().await;
        let (mut differences, mut seen) = (Vec::new(), BTreeMap::<&str, usize>::new());
        for number in 0..PODS {
            let pod = pod(NAMESPACE, number);
            let review = ask(&mut client, &pod).await;
            let (workload, account) = (workload(&pod), accounts.get(account_name(&pod)));
            let outcome = admit(&workload.template, name(&pod), account, configuration);
            for kind in kinds(&outcome) {
                *seen.entry(kind).or_default() += 1;
            }
            if let Some(difference) = difference(&pod, &review["response"], &outcome, configuration.version) {
                differences.push(format!("pod {number}: {difference}\n{pod:#}"));
            }
        }
        let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n\n");
        assert!(differences.is_empty(), "{} of {PODS} differ\n{shown}", differences.len());
        // What never comes up is not compared.
        for kind in ["injected", "proxied", "no ServiceAccount", "host network", "port", "lifetime", "out of range"] {
            let count = seen.get(kind).copied().unwrap_or_default();
            assert!(count >= 20, "only {count} of {PODS} are of the kind `{kind}`: {seen:?}");
        }
    });
}

/// The ServiceAccounts by name, made once for all webhooks.
async fn accounts(cluster: &Cluster) -> BTreeMap<String, ServiceAccount> {
    static MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let make = async || {
        cluster.namespace_named(NAMESPACE, &[]).await;
        for number in 0..ACCOUNTS {
            cluster.create(&account(NAMESPACE, number)).await.admitted();
        }
    };
    MADE.get_or_init(make).await;
    let bare =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}});
    let all = (0..ACCOUNTS).map(|number| account(NAMESPACE, number)).chain([bare]);
    let named = all.map(|object| match manifest(&object) {
        Manifest::ServiceAccount(account) => (account.name.clone(), account),
        other => panic!("{other:?}"),
    });
    named.collect()
}

async fn ask(client: &mut Client, pod: &Value) -> Value {
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "2c6a4b9c-8f0e-4d0e-9c68-6a9d2f4b1b35", "kind": kind, "resource": resource,
            "requestKind": kind, "requestResource": resource, "namespace": NAMESPACE, "operation": "CREATE",
            "userInfo": {"username": "admin"}, "object": pod, "oldObject": null, "dryRun": false,
        },
    });
    client.post(PATH, review.to_string()).await.unwrap().json()
}

/// How the webhook's answer differs from what the model says.
fn difference(pod: &Value, response: &Value, outcome: &Outcome, version: Version) -> Option<String> {
    let expected = match outcome {
        Outcome::Injected(injection) => afterwards::of(pod, NAMESPACE, injection, version),
        Outcome::Refused(refusal) => {
            let said = (response["allowed"].as_bool(), response["status"]["code"].as_u64());
            let message = response["status"]["message"].as_str().unwrap_or_default();
            let same = said == (Some(false), Some(400)) && message == refusal.to_string();
            return (!same).then(|| format!("the model refuses with\n  {refusal}\nand the webhook says\n  {response}"));
        }
        Outcome::PassedOver => return Some("the model passes it over".into()),
    };
    if response["allowed"] != true {
        return Some(format!("the webhook refuses it: {}", response["status"]));
    }
    let patched = patch::apply(pod, &response["patch"]);
    let (expected, patched) = (afterwards::plain(&expected), afterwards::plain(&patched));
    (expected != patched).then(|| format!("the model says\n{expected:#}\nand the webhook makes\n{patched:#}"))
}

/// What sort of case an outcome is.
fn kinds(outcome: &Outcome) -> Vec<&'static str> {
    use wiguard_rules::webhook::Refusal;
    match outcome {
        Outcome::PassedOver => vec!["passed over"],
        Outcome::Injected(Injection { proxy_port: None, .. }) => vec!["injected"],
        Outcome::Injected(_) => vec!["injected", "proxied"],
        Outcome::Refused(Refusal::NoServiceAccount(_)) => vec!["no ServiceAccount"],
        Outcome::Refused(Refusal::HostNetwork) => vec!["host network"],
        Outcome::Refused(Refusal::ProxyPort(_)) => vec!["port"],
        Outcome::Refused(Refusal::Lifetime(_)) => vec!["lifetime"],
        Outcome::Refused(Refusal::LifetimeOutOfRange(_)) => vec!["out of range"],
    }
}

fn account_name(pod: &Value) -> &str {
    pod["spec"]["serviceAccountName"].as_str().filter(|name| !name.is_empty()).unwrap_or("default")
}

fn name(pod: &Value) -> PodName<'_> {
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
    match text("name") {
        "" => PodName::Prefix(text("generateName")),
        name => PodName::Name(name),
    }
}

fn workload(pod: &Value) -> Workload {
    match manifest(pod) {
        Manifest::Workload(workload) => workload,
        other => panic!("{other:?}"),
    }
}

fn manifest(object: &Value) -> Manifest {
    let json = serde_json::to_vec(object).unwrap();
    read(&json, None, ClusterIx(0), Origin::default()).unwrap_or_else(|error| panic!("{error}: {object}")).manifest
}
