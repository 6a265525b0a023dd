#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use alloc::string::ToString;
use alloc::vec;

use super::super::tests::{HERE, THERE, two};
use super::super::*;
use crate::manifest::Manifest;
use crate::model::{Life, Origin};

#[test]
fn what_asks_for_no_pods_is_dormant_where_nothing_wakes_it() {
    let job = read(
        r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"job","namespace":"shop","uid":"1"},"spec":{"suspend":true}}"#,
    );
    let parameters = Parameters::default();
    let lives = |more: Option<Manifest>, everything: bool| {
        let mut inventory = two();
        for manifest in [deployment("cart", "cart", r#""replicas":0,"#), job.clone()].into_iter().chain(more) {
            match manifest {
                Manifest::Workload(workload) => inventory.workloads.push(workload),
                Manifest::Custom(custom) => inventory.customs.push(custom),
                _ => {}
            }
        }
        if !everything {
            inventory.coverage.cluster(HERE).deployments = Extent::Nothing;
        }
        let trust = Trust::join(&inventory, &parameters);
        [trust.life(&inventory.workloads[0]), trust.life(&inventory.workloads[1])]
    };
    let (rests, woken) = ([Life::Dormant, Life::Dormant], [Life::Active, Life::Dormant]);
    assert_eq!(lives(None, true), rests);
    assert_eq!(lives(None, false), woken, "a KEDA may be among what was not read");
    for (name, image, expected) in [
        ("web", "shop/web", rests),
        ("web", "kedacore/keda", woken),
        ("web", "bitnami/keda-operator", woken),
        ("web", "flat/kedacore-keda", woken),
        ("web", "shop/kedagogue", rests),
        ("web", "custom-metrics-autoscaler/custom-metrics-autoscaler-rhel9", woken),
        ("keda-operator", "shop/scaler", woken),
        ("release-keda-operator", "shop/scaler", woken),
        ("keda-operator-web", "shop/web", rests),
    ] {
        assert_eq!(lives(Some(deployment(name, image, "")), true), expected, "{name} {image}");
    }
    let Manifest::Workload(keda) = deployment("keda", "kedacore/keda", "") else { panic!() };
    let elsewhere = Workload { cluster: THERE, ..keda };
    assert_eq!(lives(Some(Manifest::Workload(elsewhere)), true), rests);
    let done = read(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"keda","uid":"1"},"spec":{"containers":[{"name":"a","image":"keda"}]},"status":{"phase":"Failed"}}"#,
    );
    assert_eq!(lives(Some(done), true), rests, "it runs no more");
    let scaled_job = read(
        r#"{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledJob","metadata":{"name":"job","namespace":"shop"},"spec":{"jobTargetRef":{"template":{"spec":{"containers":[]}}}}}"#,
    );
    assert_eq!(lives(Some(scaled_job), true), woken);
    let trigger = read(
        r#"{"apiVersion":"keda.sh/v1alpha1","kind":"TriggerAuthentication","metadata":{"name":"bus","namespace":"shop"},"spec":{}}"#,
    );
    assert_eq!(lives(Some(trigger), true), woken);
    for (namespace, target, expected) in [
        ("shop", r#""name":"cart""#, woken),
        ("shop", r#""kind":"Deployment","name":"cart""#, woken),
        ("shop", r#""kind":"StatefulSet","name":"cart""#, rests),
        ("shop", r#""name":"web""#, rests),
        ("till", r#""name":"cart""#, rests),
    ] {
        let object = alloc::format!(
            r#"{{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","metadata":{{"name":"cart","namespace":"{namespace}"}},"spec":{{"scaleTargetRef":{{{target}}}}}}}"#
        );
        assert_eq!(lives(Some(read(&object)), true), expected, "{namespace} {target}");
        let Manifest::Custom(custom) = read(&object) else { panic!() };
        let elsewhere = Manifest::Custom(Custom { cluster: THERE, ..custom });
        assert_eq!(lives(Some(elsewhere), true), rests);
    }
    for (replicas, expected) in [("", woken), (r#","replicas":3"#, woken), (r#","replicas":0"#, rests)] {
        assert_eq!(lives(Some(rollout("blue", replicas)), true), expected, "{replicas}");
    }
}

#[test]
fn what_a_rollout_controls_is_made_by_the_template_that_it_refers_to() {
    let set = |kind: &str, name: &str| {
        read(&alloc::format!(
            r#"{{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{{"name":"cart-5c4d","namespace":"shop","ownerReferences":[{{"kind":"{kind}","name":"{name}","controller":true}}]}},"spec":{{"template":{{"spec":{{"containers":[]}}}}}}}}"#
        ))
    };
    let parameters = Parameters::default();
    let maker = |controller: (&str, &str), rollout: Option<Manifest>| {
        let mut inventory = two();
        for manifest in [set(controller.0, controller.1), deployment("cart", "cart", "")] {
            let Manifest::Workload(workload) = manifest else { panic!() };
            inventory.workloads.push(workload);
        }
        let Some(Manifest::Custom(custom)) = rollout else { panic!() };
        inventory.customs.push(custom);
        let trust = Trust::join(&inventory, &parameters);
        trust.maker(&inventory.workloads[0]).map(|maker| (maker.kind.kind, maker.name.clone()))
    };
    let cart = Some(("Deployment", "cart".into()));
    assert_eq!(maker(("Deployment", "cart"), Some(rollout("blue", ""))), cart);
    assert_eq!(maker(("Rollout", "blue"), Some(rollout("blue", ""))), cart);
    assert_eq!(maker(("Rollout", "cart"), Some(rollout("cart", ""))), cart);
    assert_eq!(maker(("Rollout", "cart"), Some(rollout("blue", ""))), None, "one of another name");
    assert_eq!(maker(("StatefulSet", "blue"), Some(rollout("blue", ""))), None);
}

#[test]
fn what_has_ended_may_be_made_again_by_what_was_not_read() {
    let of = |owner: &str| match owner {
        "" => alloc::string::String::new(),
        owner => alloc::format!(r#","ownerReferences":[{{"kind":"{owner}","name":"cart","controller":true}}]"#),
    };
    let object = |version: &str, kind: &str, owner: &str, status: &str| {
        read(&alloc::format!(
            r#"{{"apiVersion":"{version}","kind":"{kind}","metadata":{{"name":"cart","namespace":"shop","uid":"1"{}}},"spec":{{"replicas":0}},"status":{{{status}}}}}"#,
            of(owner)
        ))
    };
    let pod = |owner: &str, phase: &str| object("v1", "Pod", owner, &alloc::format!(r#""phase":"{phase}""#));
    let job = |owner: &str| object("batch/v1", "Job", owner, r#""completionTime":"2026-11-01T08:00:00Z""#);
    let cron_job = || object("batch/v1", "CronJob", "", "");
    let set = || object("apps/v1", "ReplicaSet", "Deployment", "");
    let parameters = Parameters::default();
    for (workloads, expected) in [
        (vec![pod("", "Failed")], Some("the maker of Pod shop/cart")),
        (vec![pod("", "Running")], None),
        (vec![pod("Workflow", "Succeeded")], Some("Workflow shop/cart")),
        (vec![pod("Workflow", "Running")], None),
        (vec![pod("Job", "Failed")], Some("Job shop/cart")),
        (vec![pod("Job", "Failed"), job("")], None),
        (vec![job("")], None),
        (vec![job("CronJob")], Some("CronJob shop/cart")),
        (vec![job("CronJob"), cron_job()], None),
        (vec![set()], None),
    ] {
        let mut inventory = two();
        for manifest in workloads {
            let Manifest::Workload(workload) = manifest else { panic!() };
            inventory.workloads.push(workload);
        }
        let trust = Trust::join(&inventory, &parameters);
        let maker = trust.unread_maker(&inventory.workloads[0]).map(|Unknown(key)| key.to_string());
        assert_eq!(maker.as_deref(), expected, "{:?}", inventory.workloads);
    }
}

fn read(json: &str) -> Manifest {
    crate::manifest::read(json.as_bytes(), None, HERE, Origin::default()).unwrap().manifest
}

/// A Deployment of a cluster.
fn deployment(name: &str, image: &str, spec: &str) -> Manifest {
    read(&alloc::format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{name}","namespace":"shop","uid":"1"}},"spec":{{{spec}"template":{{"spec":{{"containers":[{{"name":"a","image":"ghcr.io/{image}:2.18"}}]}}}}}}}}"#
    ))
}

/// A Rollout by the template of Deployment `cart`.
fn rollout(name: &str, spec: &str) -> Manifest {
    read(&alloc::format!(
        r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","metadata":{{"name":"{name}","namespace":"shop","uid":"1"}},"spec":{{"workloadRef":{{"apiVersion":"apps/v1","kind":"Deployment","name":"cart"}}{spec}}}}}"#
    ))
}
