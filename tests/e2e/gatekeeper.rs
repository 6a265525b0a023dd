//! Gatekeeper's own process with the manifests that wiguard makes for it: all rules through
//! `wiguard serve` as provider of external data, and some by itself, in CEL.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use wiguard::policy::manifests::{Door as For, files};
use wiguard_tests::cluster::base64::encode;
use wiguard_tests::cluster::door::Door;
use wiguard_tests::cluster::gatekeeper::Gatekeeper;
use wiguard_tests::cluster::objects::{Answer, How, Verb, manifests};
use wiguard_tests::cluster::{Cluster, eventually, wait};

use crate::shop::{account, account_of, good_deployment, misplaced, program, trusting};
use crate::whole::{Judge, Said, name, objects, try_apply};

/// What the API server puts before Gatekeeper's message.
const DENIED: &str = "admission webhook \"validation.gatekeeper.sh\" denied the request: ";

/// A cluster with Gatekeeper, and the provider that it asks.
struct Estate {
    cluster: Cluster,
    // It ends when this does.
    _gatekeeper: Gatekeeper,
    provider: Door,
}

/// The objects of a file that wiguard makes for Gatekeeper.
fn made(path: &str) -> Vec<Value> {
    let file = files(For::Gatekeeper).into_iter().find(|file| file.path == path);
    manifests(&file.unwrap_or_else(|| panic!("no `{path}`")).text)
}

impl Estate {
    async fn start(settings: &Value) -> Self {
        let cluster = Cluster::start().await;
        let gatekeeper = Gatekeeper::start(&cluster).await;
        let authority = gatekeeper.authority().display().to_string();
        let provider = Door::open(&cluster, program(), settings, &["--client-ca", &authority]).await;
        Self { cluster, _gatekeeper: gatekeeper, provider }
    }

    /// Applies the template and all that belongs to it, and waits until it denies.
    async fn enforce(&self) {
        let mut asked = made("external-data/provider.yaml");
        let config = self.provider.client_config("/gatekeeper/v1beta1");
        asked[0]["spec"]["url"] = config["url"].clone();
        asked[0]["spec"]["caBundle"] = json!(encode(self.provider.ground.authority.pem.as_bytes()));
        self.cluster.apply(&asked).await;
        for file in ["syncset", "template", "constraint"] {
            self.cluster.apply(&made(&format!("external-data/{file}.yaml"))).await;
        }
        let shop = self.cluster.namespace("enforced", &[]).await;
        eventually("Gatekeeper denies", || async {
            let answer = self.cluster.try_create(&misplaced(&shop)).await;
            if answer.message().contains("AWI101") { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
    }
}

/// The one that tests share.
async fn estate() -> &'static Estate {
    static SHARED: OnceCell<Estate> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let estate = Estate::start(&json!({"unknown": "warn"})).await;
            // What is there before anybody enforces is for the audit.
            estate.cluster.namespace_named("leftover", &[]).await;
            estate.cluster.apply(&[account("leftover"), misplaced("leftover")]).await;
            estate.enforce().await;
            estate
        })
        .await
}

/// The lines of Gatekeeper's message that a constraint is responsible for.
fn lines<'a>(text: &'a str, constraint: &str) -> BTreeSet<&'a str> {
    let prefix = format!("[{constraint}] ");
    text.split('\n').filter_map(|line| line.trim_start_matches(DENIED).strip_prefix(prefix.as_str())).collect()
}

/// How Gatekeeper's answer differs from what the policy says, if it does.
fn difference(answer: &Answer, said: &Said) -> Option<String> {
    let message = answer.message();
    let denied = lines(&message, "workload-identity-deny");
    let deny: BTreeSet<&str> = said.deny.iter().map(|(_, says)| says.as_str()).collect();
    let warned = answer.warnings.iter().filter_map(|text| text.strip_prefix("[workload-identity-warn] "));
    let warned: BTreeSet<&str> = warned.filter_map(|text| text.split(' ').next()).collect();
    let warn = Said::rules(&said.warn);
    let same = answer.is_admitted() == deny.is_empty() && denied == deny && warned == warn;
    (!same).then(|| format!("Gatekeeper: {answer:?}\nthe policy: {said:?}"))
}

#[test]
fn its_verdicts_are_those_of_the_policy() {
    wait(async {
        // Before anybody denies, so that nothing is missing.
        let estate = Estate::start(&json!({"unknown": "warn"})).await;
        let cluster = &estate.cluster;
        let all = objects(cluster).await;
        assert!(all.len() >= 200, "{} objects", all.len());
        estate.enforce().await;
        let judge = Judge::new(cluster, json!({"unknown": "warn"})).await;
        let (mut denied, mut warned) = (BTreeSet::new(), BTreeSet::new());
        // The constraints leave the system's namespaces out.
        let left_out = |object: &&Value| object["metadata"]["namespace"] != "kube-system";
        for object in all.iter().filter(left_out) {
            let said = judge.ask(object);
            // Gatekeeper mirrors ServiceAccounts, and the last one may not be there yet.
            eventually(&name(object), || async {
                let answer = try_apply(cluster, object).await;
                difference(&answer, &said).map_or(Ok(()), Err)
            })
            .await;
            denied.extend(said.deny.into_iter().map(|(rule, _)| rule));
            warned.extend(said.warn.into_iter().map(|(rule, _)| rule));
        }
        assert!(denied.len() >= 8 && warned.len() >= 4, "{denied:?} {warned:?}");
    });
}

#[test]
fn the_account_comes_from_its_mirror() {
    wait(async {
        let Estate { cluster, .. } = estate().await;
        let shop = cluster.namespace("mirrored", &[]).await;
        let nameless = account_of(&shop, "cart", json!({}));
        cluster.apply(&[nameless]).await;
        let warned = |answer: &Answer| answer.warnings.iter().any(|text| text.contains("AWI203 client-id-missing"));
        eventually("the account without a client id is mirrored", || async {
            let answer = cluster.try_create(&good_deployment(&shop)).await;
            if warned(&answer) { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
        cluster.apply(&[account(&shop)]).await;
        eventually("its client id is mirrored", || async {
            let answer = cluster.try_create(&good_deployment(&shop)).await;
            if warned(&answer) { Err(format!("{answer:?}")) } else { Ok(()) }
        })
        .await;
        assert!(cluster.create(&good_deployment(&shop)).await.is_admitted());
    });
}

#[test]
fn nobody_but_gatekeeper_is_answered() {
    wait(async {
        let Estate { provider, .. } = estate().await;
        let request = json!({
            "apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest", "request": {"keys": []},
        });
        let reply = provider.serving.post("/gatekeeper/v1beta1", &request).await;
        assert!(reply.status.is_client_error(), "{}", reply.status);
        assert!(reply.text().contains("client certificate"), "{}", reply.text());
    });
}

#[test]
fn its_audit_finds_what_was_there_before() {
    wait(async {
        let Estate { cluster, .. } = estate().await;
        let constraint = &made("external-data/constraint.yaml")[0];
        let found = cluster.until("the audit finds it", constraint, |constraint| {
            let violations = constraint["status"]["violations"].as_array()?;
            violations.iter().find(|found| found["namespace"] == "leftover" && found["kind"] == "Deployment").cloned()
        });
        let message = found.await["message"].to_string();
        assert!(message.contains("AWI101 label-on-workload-metadata"), "{message}");
    });
}

#[test]
fn without_its_provider_one_constraint_denies_and_the_other_says_nothing() {
    wait(async {
        let mut estate = Estate::start(&trusting("nobody")).await;
        estate.enforce().await;
        let cluster = &estate.cluster;
        let shop = cluster.namespace("unanswered", &[]).await;
        cluster.apply(&[account(&shop)]).await;
        estate.provider.serving.signal("TERM");
        assert_eq!(estate.provider.serving.ended().code(), Some(0));
        let message = cluster.try_create(&good_deployment(&shop)).await.refused();
        let denied = lines(&message, "workload-identity-deny");
        assert_eq!(denied.len(), 1, "{message}");
        assert!(denied.iter().all(|line| line.starts_with("provider wiguard gave no verdict: ")), "{message}");
        assert!(lines(&message, "workload-identity-warn").is_empty(), "{message}");
        // Where it is not to deny either, everything passes.
        let mut constraint = made("external-data/constraint.yaml").remove(0);
        constraint["spec"]["parameters"]["onProviderError"] = json!("ignore");
        cluster.apply(&[constraint]).await;
        let answer = eventually("nobody denies", || async {
            let answer = cluster.try_create(&misplaced(&shop)).await;
            if answer.is_admitted() { Ok(answer) } else { Err(answer.message()) }
        })
        .await;
        assert_eq!(answer.warnings, [""; 0]);
    });
}

#[test]
fn its_own_templates_are_understood_and_deny() {
    wait(async {
        let cluster = Cluster::start().await;
        let _gatekeeper = Gatekeeper::start(&cluster).await;
        let all = files(For::Gatekeeper);
        let of = |name: &str| {
            let wanted = all.iter().filter(|file| file.path.starts_with("cel/") && file.path.ends_with(name));
            let wanted = wanted.filter(|file| !file.path.contains("/samples/"));
            wanted.flat_map(|file| manifests(&file.text)).collect::<Vec<Value>>()
        };
        let (templates, constraints) = (of("/template.yaml"), of("/constraint.yaml"));
        cluster.apply(&templates).await;
        for template in &templates {
            let status = cluster.until("a template is understood", template, |template| {
                let status = &template["status"];
                let pods = status["byPod"].as_array()?;
                (status["created"] == true && !pods.is_empty()).then(|| status.clone())
            });
            let status = status.await;
            let errors = |pod: &Value| pod["errors"].as_array().is_some_and(|errors| !errors.is_empty());
            assert!(!status["byPod"].as_array().unwrap().iter().any(errors), "{template}: {status:#}");
        }
        cluster.apply(&constraints).await;
        let shop = cluster.namespace("by-itself", &[]).await;
        cluster.apply(&[account(&shop)]).await;
        let message = eventually("Gatekeeper denies", || async {
            let answer = cluster.try_create(&misplaced(&shop)).await;
            let denied = answer.message().contains(DENIED);
            if denied { Ok(answer.message()) } else { Err(format!("{answer:?}")) }
        })
        .await;
        assert!(message.contains("[label-on-workload-metadata] "), "{message}");
        cluster.create(&good_deployment(&shop)).await.admitted();
        let how = How { dry_run: true, ..How::default() };
        let plain = cluster.ask(Verb::Apply, &good_deployment(&shop), how).await;
        assert_eq!(plain.admitted().warnings, [""; 0]);
    });
}
