//! The rules that one object decides, as ValidatingAdmissionPolicies in a real API server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Value, json};
use wiguard::policy::manifests::{Door as For, files};
use wiguard_rules::catalogue::CATALOGUE;
use wiguard_rules::finding::Severity;
use wiguard_tests::cluster::objects::{Answer, manifests};
use wiguard_tests::cluster::{Cluster, PATIENCE, eventually, wait};
use wiguard_tests::objects::Case;

use crate::shop::{account, misplaced};
use crate::whole::{name, objects, try_apply};

/// The ids of rules.
type Rules = BTreeSet<&'static str>;

/// The rules whose policies a text speaks of.
fn rules(text: &str) -> Rules {
    let ids: BTreeMap<String, &'static str> = CATALOGUE.iter().map(|entry| (entry.name(), entry.id)).collect();
    let named = text.split("ValidatingAdmissionPolicy 'wiguard-").skip(1);
    let named = named.filter_map(|rest| rest.split('\'').next()).map(|name| name.trim_end_matches("-mild"));
    named.map(|name| ids.get(name).copied().unwrap_or_else(|| panic!("no rule `{name}`"))).collect()
}

/// What denies an object, and what deserves a warning, of the rules that CEL can state.
fn expected(object: &Value) -> (Rules, Rules) {
    let (mut deny, mut warn) = (Rules::new(), Rules::new());
    let case = Case { origin: String::new(), object: object.clone() };
    for (entry, finding) in case.findings() {
        if entry.cel().is_some() {
            let list = if finding.severity >= Severity::High { &mut deny } else { &mut warn };
            list.insert(entry.id);
        }
    }
    (deny, warn)
}

/// How the API server's answer differs from what the rules say, if it does. It names but the first
/// policy that denies.
fn difference(answer: &Answer, deny: &Rules, warn: &Rules) -> Option<String> {
    let (denied, warned) = (rules(&answer.message()), rules(&answer.warnings.join("\n")));
    let same = answer.is_admitted() == deny.is_empty() && denied.is_subset(deny) && warned == *warn;
    (!same).then(|| format!("the API server: {answer:?}\nthe rules: {deny:?} {warn:?}"))
}

#[test]
fn the_api_server_understands_them_and_judges_as_the_rules_do() {
    wait(async {
        let cluster = Cluster::start().await;
        let all = objects(&cluster).await;
        assert!(all.len() >= 200, "{} objects", all.len());
        let policies: Vec<Value> = files(For::Vap).iter().flat_map(|file| manifests(&file.text)).collect();
        cluster.apply(&policies).await;
        let mut misunderstood = String::new();
        for policy in policies.iter().filter(|object| object["kind"] == "ValidatingAdmissionPolicy") {
            let checked = cluster.until("a policy is type-checked", policy, |policy| {
                let same = policy["status"]["observedGeneration"] == policy["metadata"]["generation"];
                (same && policy["status"]["typeChecking"].is_object()).then(|| policy["status"]["typeChecking"].clone())
            });
            for warning in checked.await["expressionWarnings"].as_array().into_iter().flatten() {
                let field = warning["fieldRef"].as_str().unwrap_or_default();
                let text = warning["warning"].as_str().unwrap_or_default();
                misunderstood.push_str(&format!("{} {field}: {text}\n", policy["metadata"]["name"]));
            }
        }
        assert!(misunderstood.is_empty(), "{misunderstood}");
        eventually("they deny", || async {
            let answer = cluster.try_create(&misplaced("default")).await;
            if rules(&answer.message()).contains("AWI101") { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
        let (mut seen, mut left, mut differences) = (Rules::new(), all, Vec::new());
        // A policy may be in force a moment later than its neighbour.
        let deadline = Instant::now() + PATIENCE;
        while !left.is_empty() && Instant::now() < deadline {
            let mut differing = Vec::new();
            differences.clear();
            for object in left {
                let (deny, warn) = expected(&object);
                match difference(&try_apply(&cluster, &object).await, &deny, &warn) {
                    Some(difference) => {
                        differences.push(format!("{}: {difference}", name(&object)));
                        differing.push(object);
                    }
                    None => seen.extend(deny.into_iter().chain(warn)),
                }
            }
            left = differing;
        }
        assert!(left.is_empty(), "{}", differences.join("\n"));
        let stated = files(For::Vap).len();
        assert!(seen.len() + 2 >= stated, "{} of {stated}: {seen:?}", seen.len());
    });
}

#[test]
fn what_was_made_before_can_still_be_deleted() {
    wait(async {
        let cluster = Cluster::start().await;
        cluster.namespace_named("shop", &[]).await;
        cluster.apply(&[account("shop"), misplaced("shop")]).await;
        let policies: Vec<Value> = files(For::Vap).iter().flat_map(|file| manifests(&file.text)).collect();
        cluster.apply(&policies).await;
        let mut other = misplaced("shop");
        other["metadata"]["name"] = json!("other");
        eventually("they deny", || async {
            let answer = cluster.try_create(&other).await;
            if answer.is_admitted() { Err("they do not".to_owned()) } else { Ok(()) }
        })
        .await;
        cluster.delete(&misplaced("shop")).await.admitted();
        cluster.until("it is gone", &misplaced("shop"), |object| (object["code"] == 404).then_some(())).await;
    });
}
