//! The Helm chart: linted, rendered with every switch, validated by the API server, installed,
//! upgraded and removed again.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use wiguard_tests::cluster::objects::{How, Verb, manifests};
use wiguard_tests::cluster::server::built;
use wiguard_tests::cluster::{Cluster, eventually, wait};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/deploy/chart");
const JOBS: &str = "collect.azure.clientId=5a1e2c3d-0001-4000-8000-000000000001";

/// Value sets that render, each a comma-separated list.
const SETS: [&str; 12] = [
    "webhook.replicas=1",
    "webhook.enabled=false",
    "webhook.mutating.enabled=true,settings.moveLabel=true",
    "webhook.autoscaling.enabled=true,webhook.networkPolicy.enabled=false,webhook.podDisruptionBudget.enabled=false",
    "webhook.tls.mode=secret,webhook.tls.secretName=mine,webhook.tls.caBundle=pem,webhook.clientCA.secretName=theirs",
    "webhook.tls.mode=cert-manager",
    "gatekeeper.enabled=true,gatekeeper.enforcementAction=dryrun",
    "kubewarden.enabled=true,kubewarden.module=registry://registry.example.com/wiguard:v0.1.0,webhook.enabled=false",
    "vap.enabled=true",
    "trust.enabled=true,trust.namespace=default",
    "audit.enabled=true,audit.persistence.enabled=true",
    "audit.enabled=true,audit.args={--pod-bearing=example.com/v1/Widget=spec.pods},collect.rules[0].apiGroups={example.com},collect.rules[0].resources={widgets},collect.rules[0].verbs={get,list}",
];

/// Kinds that no plain API server knows.
const CUSTOM: [&str; 4] = ["externaldata.gatekeeper.sh", "policies.kubewarden.io", "cert-manager.io", "gatekeeper.sh"];

fn helm(arguments: &[&str]) -> Result<String, String> {
    let output =
        Command::new(built("helm")).args(arguments).env("HELM_CACHE_HOME", std::env::temp_dir()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn render(set: &str) -> Result<Vec<Value>, String> {
    let rendered = helm(&[
        "template",
        "guard",
        CHART,
        "-n",
        "wiguard-system",
        "--kube-version",
        "1.36.0",
        "--set",
        JOBS,
        "--set",
        set,
    ])?;
    Ok(if rendered.trim().is_empty() { Vec::new() } else { manifests(&rendered) })
}

#[test]
fn it_lints_and_renders_with_every_switch() {
    for set in SETS {
        helm(&["lint", "--strict", CHART, "--kube-version", "1.36.0", "--set", JOBS, "--set", set])
            .unwrap_or_else(|error| panic!("{set}: {error}"));
        let objects = render(set).unwrap_or_else(|error| panic!("{set}: {error}"));
        assert_eq!(objects.is_empty(), set == "webhook.enabled=false", "{set}");
    }
    for (set, says) in [
        ("webhook.tls.mode=secret", "needs webhook.tls.secretName"),
        ("gatekeeper.enabled=true,webhook.enabled=false", "needs webhook.enabled"),
        ("gatekeeper.enabled=true,webhook.tls.mode=cert-manager", "set webhook.tls.caBundle"),
        ("kubewarden.enabled=true", "kubewarden.module"),
        ("webhok.enabled=true", "additional properties 'webhok' not allowed"),
        ("webhook.failurePolicy=ignore", "/webhook/failurePolicy"),
        ("trust.enabled=true,collect.azure.clientId=", "collect.azure.clientId"),
        (
            "audit.enabled=true,collect.rules[0].apiGroups={a},collect.rules[0].resources={b},collect.rules[0].verbs={create}",
            "/collect/rules/0/verbs/0",
        ),
    ] {
        let refused = render(set).unwrap_err();
        assert!(refused.contains(says), "{set}: {refused}");
    }
}

#[test]
fn every_pod_is_restricted_and_every_role_is_small() {
    let all = format!("{},{},{},{}", SETS[2], SETS[6], SETS[9], SETS[10]);
    let objects = render(&all).unwrap();
    let mut pods = 0;
    for object in &objects {
        let template = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"]
            .iter()
            .find_map(|path| object.pointer(path));
        if let Some(spec) = template {
            pods += 1;
            assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{object:#}");
            let lists = ["initContainers", "containers"].iter().filter_map(|list| spec[*list].as_array());
            for container in lists.flatten() {
                let security = &container["securityContext"];
                assert_eq!(
                    (&security["readOnlyRootFilesystem"], &security["allowPrivilegeEscalation"]),
                    (&json!(true), &json!(false))
                );
                assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
                assert!(container["resources"]["limits"]["memory"].is_string(), "{container:#}");
            }
        }
        for rule in object["rules"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|_| object["kind"].as_str().unwrap().ends_with("Role"))
        {
            let has = |list: &str, word: &str| rule[list].as_array().is_some_and(|it| it.iter().any(|it| it == word));
            assert!(!has("verbs", "*") && !has("resources", "*") && !has("resources", "secrets"), "{rule}");
            let writes = ["create", "update", "patch", "delete"].iter().any(|verb| has("verbs", verb));
            assert!(!writes || object["kind"] == "Role" && rule["resources"] == json!(["configmaps"]), "{rule}");
            let one = rule["resourceNames"] == json!(["azure-wi-webhook-config"]) && rule["verbs"] == json!(["get"]);
            assert!(object["kind"] != "ClusterRole" || one || !has("resources", "configmaps"), "{rule}");
        }
    }
    assert_eq!(pods, 3);
}

#[test]
fn the_api_server_accepts_what_it_renders() {
    wait(async {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("chart", &[]).await;
        for set in SETS {
            for mut object in render(set).unwrap() {
                let group = object["apiVersion"].as_str().unwrap().split('/').next().unwrap().to_owned();
                if CUSTOM.iter().any(|custom| group.ends_with(custom)) {
                    continue;
                }
                if object["metadata"]["namespace"].is_string() {
                    object["metadata"]["namespace"] = json!(namespace);
                }
                let answer = cluster.ask(Verb::Apply, &object, How { dry_run: true, ..How::default() }).await;
                assert!(answer.is_admitted(), "{set}: {}\n{object:#}", answer.message());
            }
        }
    });
}

/// Runs helm on a cluster.
struct Installed<'a> {
    kubeconfig: PathBuf,
    cluster: &'a Cluster,
}

impl Installed<'_> {
    fn helm(&self, arguments: &[&str]) -> String {
        let kubeconfig = self.kubeconfig.display().to_string();
        let common = ["--kubeconfig", &kubeconfig, "-n", "wiguard-system"];
        helm(&[arguments, &common].concat()).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    async fn secret(&self) -> Value {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "guard-wiguard-tls", "namespace": "wiguard-system"}});
        self.cluster.get(&secret).await.admitted().object["data"].clone()
    }
}

#[test]
fn it_is_installed_upgraded_and_removed() {
    wait(async {
        // One of its own: a webhook that nobody serves would be asked by all other tests.
        let cluster = &Cluster::start().await;
        let installed = Installed { kubeconfig: cluster.kubeconfig("admin", "system:masters"), cluster };
        let mut namespace = wiguard_tests::cluster::objects::namespace("wiguard-system");
        // What the namespace demands of its pods is checked by the API server itself.
        namespace["metadata"]["labels"] = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        cluster.apply(&[namespace]).await;
        let all = format!("{},{},vap.enabled=true,trust.enabled=true,{JOBS}", SETS[2], SETS[10]);
        let said = installed.helm(&["install", "guard", CHART, "--set", &all]);
        assert!(said.contains("create job --from=cronjob/guard-wiguard-trust"), "{said}");
        eventually("the pods of the webhook are there", || async {
            let pods = cluster.list("v1", "Pod", "wiguard-system").await;
            if pods.len() == 2 { Ok(()) } else { Err(format!("{} pods", pods.len())) }
        })
        .await;
        for job in ["audit", "trust"] {
            let at = |kind: &str, api: &str| json!({"apiVersion": api, "kind": kind, "metadata": {"name": format!("guard-wiguard-{job}"), "namespace": "wiguard-system"}});
            let template =
                cluster.get(&at("CronJob", "batch/v1")).await.admitted().object["spec"]["jobTemplate"].clone();
            let mut once = at("Job", "batch/v1");
            once["spec"] = template["spec"].clone();
            assert!(cluster.create(&once).await.is_admitted(), "{once:#}");
            eventually("the job has its pod", || async {
                let pods = cluster.list("v1", "Pod", "wiguard-system").await;
                let of =
                    |pod: &&Value| pod["metadata"]["labels"]["job-name"] == format!("guard-wiguard-{job}").as_str();
                pods.iter().find(of).map(drop).ok_or_else(|| "it has none".to_owned())
            })
            .await;
        }
        // The namespace whose webhook it is, and kube-system, are never sent; others are let pass while nobody answers.
        let certificate = installed.secret().await;
        let hooks = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "guard-wiguard"}});
        let hooks = cluster.get(&hooks).await.admitted().object;
        assert_eq!(hooks["webhooks"][0]["clientConfig"]["caBundle"], certificate["ca.crt"]);
        installed.helm(&["upgrade", "guard", CHART, "--set", &all, "--set", "webhook.replicas=1"]);
        assert_eq!(installed.secret().await, certificate, "an upgrade keeps the certificate");
        installed.helm(&["uninstall", "guard"]);
        let claims = cluster.list("v1", "PersistentVolumeClaim", "wiguard-system").await;
        assert_eq!(claims.len(), 1, "evidence stays");
        let left = cluster.list("v1", "ConfigMap", "wiguard-system").await;
        let left: Vec<&Value> =
            left.iter().map(|map| &map["metadata"]["name"]).filter(|name| **name != "kube-root-ca.crt").collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn the_plain_manifests_are_accepted() {
    wait(async {
        let cluster = Cluster::start().await;
        for folder in ["reporter/deploy", "policy/deploy/trust"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
            let output = Command::new(built("kubectl")).arg("kustomize").arg(&folder).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let objects = manifests(&String::from_utf8(output.stdout).unwrap());
            for kind in ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "CronJob"] {
                assert!(objects.iter().any(|object| object["kind"] == kind), "{}: no {kind}", folder.display());
            }
            cluster.apply(&objects).await;
        }
    });
}
