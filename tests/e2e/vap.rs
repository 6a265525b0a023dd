//! The rules that one object decides, as ValidatingAdmissionPolicies in a real API server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wiguard::policy::manifests::{Door as For, LEFT_OUT, files};
use wiguard_rules::catalogue::CATALOGUE;
use wiguard_tests::cluster::objects::{Answer, manifests};
use wiguard_tests::cluster::{Cluster, eventually, wait};

use crate::shop::{account, misplaced};
use crate::whole::{Judge, Said, name, objects, try_apply};

/// The ids of rules, from the names of policies that a text speaks of.
fn rules(text: &str) -> BTreeSet<&'static str> {
    let named = text
        .split("ValidatingAdmissionPolicy 'wiguard-")
        .skip(1)
        .chain(text.split("Validation failed for ValidatingAdmissionPolicy 'wiguard-").skip(1));
    let named = named.filter_map(|rest| rest.split('\'').next()).map(|name| name.trim_end_matches("-mild"));
    let ids: BTreeMap<String, &'static str> = CATALOGUE.iter().map(|entry| (entry.name(), entry.id)).collect();
    named.map(|name| ids.get(name).copied().unwrap_or_else(|| panic!("no rule `{name}`"))).collect()
}

/// What the policy says without the rules that CEL cannot state.
fn expected(list: &[(String, String)]) -> BTreeSet<&str> {
    let stated = |rule: &&str| !LEFT_OUT.iter().any(|(left_out, _)| left_out == rule);
    Said::rules(list).into_iter().filter(stated).collect()
}

/// How the API server's answer differs from what the policy says, if it does. It says no more than
/// the first reason to refuse.
fn difference(answer: &Answer, said: &Said) -> Option<String> {
    let message = answer.message();
    let (denied, warned) = (rules(&message), rules(&answer.warnings.join("\n")));
    let (deny, warn) = (expected(&said.deny), expected(&said.warn));
    let same = answer.is_admitted() == deny.is_empty() && denied.is_subset(&deny) && warned == warn;
    (!same).then(|| format!("the API server: {answer:?}\nthe policy: {deny:?} {warn:?}"))
}

#[test]
fn the_api_server_understands_them_and_judges_as_the_rules_do() {
    wait(async {
        let cluster = Cluster::start().await;
        let all = objects(&cluster).await;
        assert!(all.len() >= 300, "{} objects", all.len());
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
        let judge = Judge::new(&cluster, json!({"unknown": "allow"}), false).await;
        let (mut seen, mut differences) = (BTreeSet::new(), String::new());
        // A policy may be in force a moment later than its neighbour.
        let mut left = all;
        for attempt in 0..10 {
            let mut differing = Vec::new();
            for object in left {
                let said = judge.ask(&object);
                match difference(&try_apply(&cluster, &object).await, &said) {
                    Some(difference) if attempt == 9 => {
                        differences.push_str(&format!("{}: {difference}\n", name(&object)))
                    }
                    Some(_) => differing.push(object),
                    None => {
                        seen.extend(expected(&said.deny).into_iter().chain(expected(&said.warn)).map(str::to_owned))
                    }
                }
            }
            left = differing;
        }
        assert!(differences.is_empty(), "{differences}");
        let stated = files(For::Vap).len();
        assert!(seen.len() + 1 >= stated, "{} of {stated}: {seen:?}", seen.len());
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
