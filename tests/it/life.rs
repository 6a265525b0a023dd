//! What rests: workloads of which no pod runs, or is made until somebody changes that.

use crate::program::{Folder, Ran};
use crate::trace::{ACCOUNT, azure};

const TEMPLATE: &str = "template: {metadata: {labels: {azure.workload.identity/use: \"true\"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}";

fn job(name: &str, controller: &str, spec: &str, status: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: {name}, namespace: shop, uid: {name}{controller}}}, spec: {{{spec}{TEMPLATE}}}, status: {{{status}}}}}\n"
    )
}

fn cron_job(suspend: bool) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: cart, namespace: shop, uid: 5f0c}}, spec: {{schedule: \"0 3 * * *\", suspend: {suspend}, jobTemplate: {{spec: {{{TEMPLATE}}}}}}}}}\n"
    )
}

/// A pod of Job `cart-1` that was made when no webhook was there.
fn pod(phase: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: cart-x, namespace: shop, uid: 5f0d, labels: {{azure.workload.identity/use: \"true\"}}, ownerReferences: [{{kind: Job, name: cart-1, controller: true}}]}}, spec: {{serviceAccountName: cart, containers: [{{name: app}}]}}, status: {{phase: {phase}}}}}\n"
    )
}

const OF_CART: &str = ", ownerReferences: [{kind: CronJob, name: cart, controller: true}]";
const DONE: &str = "conditions: [{type: Complete, status: \"True\"}]";

/// An estate in which the identity trusts nobody of `shop`, and these.
fn estate(workloads: &[String]) -> Folder {
    let all = [&[ACCOUNT.to_owned(), azure("system:serviceaccount:staging:cart")], workloads].concat();
    Folder::of(&[("all.yaml", &all.join("---\n"))])
}

/// Severity, kind and name of what is found of untrusted workloads, and how many controlled objects go with it.
fn untrusted(ran: &Ran) -> Vec<String> {
    let report = ran.report();
    let all = report["findings"].as_array().unwrap().iter().filter(|found| found["rule"] == "AWI301");
    let text = |found: &serde_json::Value, pointer: &str| found.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let say = |it| format!("{} {}/{}", text(it, "/severity"), text(it, "/object/kind"), text(it, "/object/name"));
    all.map(say).collect()
}

fn scanned(workloads: &[String]) -> Vec<String> {
    untrusted(&estate(workloads).run(&["scan", "all.yaml", "--assume-complete", "-o", "json"]))
}

#[test]
fn what_is_suspended_does_not_stand_for_what_runs() {
    let runs = || job("cart-1", OF_CART, "", "active: 1");
    assert_eq!(scanned(&[cron_job(false), runs()]), ["critical CronJob/cart"]);
    assert_eq!(scanned(&[cron_job(true), runs()]), ["critical Job/cart-1", "low CronJob/cart"]);
    let suspended = job("cart-1", OF_CART, "suspend: true, ", "");
    assert_eq!(scanned(&[cron_job(true), suspended]), ["low CronJob/cart"]);
    assert_eq!(scanned(&[cron_job(true), job("cart-1", OF_CART, "", DONE)]), ["low CronJob/cart"]);
}

#[test]
fn what_is_milder_of_a_manifest_does_not_stand_for_what_runs() {
    let azure = azure("system:serviceaccount:staging:cart");
    let issuer = azure.split("issuerUrl: ").nth(1).unwrap().split('}').next().unwrap();
    let declared = format!(
        "{{$schema: \"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#\", contentVersion: 1.0.0.0, resources: [{{type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials, apiVersion: \"2024-11-30\", name: id-cart/shop, properties: {{issuer: {issuer}, subject: \"system:serviceaccount:shop:cart\", audiences: [\"api://AzureADTokenExchange\"]}}}}]}}\n"
    );
    let manifest = "metadata: {name: cart, namespace: shop}";
    let deployment = format!("{{apiVersion: apps/v1, kind: Deployment, {manifest}, spec: {{{TEMPLATE}}}}}\n");
    let set = format!(
        "{{apiVersion: apps/v1, kind: ReplicaSet, metadata: {{name: cart-5c4d, namespace: shop, uid: 5f10, ownerReferences: [{{kind: Deployment, name: cart, controller: true}}]}}, spec: {{replicas: 1, {TEMPLATE}}}}}\n"
    );
    let runs = pod("Running").replace("kind: Job, name: cart-1", "kind: ReplicaSet, name: cart-5c4d");
    let with = |deployment: &str| scanned(&[deployment.to_owned(), set.clone(), runs.clone(), declared.clone()]);
    assert_eq!(with(&deployment), ["critical ReplicaSet/cart-5c4d", "medium Deployment/cart"]);
    let is_there = deployment.replace(manifest, "metadata: {name: cart, namespace: shop, uid: 5f0e}");
    assert_eq!(with(&is_there), ["critical Deployment/cart"]);
    assert_eq!(scanned(&[deployment, declared.clone()]), ["medium Deployment/cart"]);

    let folder = estate(&[is_there, declared]);
    assert_eq!(folder.run(&["collect", "all.yaml", "-o", "all.gz"]).status, 0);
    let ran = folder.run(&["scan", "all.gz", "--assume-complete", "-o", "json"]);
    assert_eq!(untrusted(&ran), ["critical Deployment/cart"], "snapshots keep that it was read from a cluster");
}

#[test]
fn what_rests_is_so_in_snapshots_too() {
    let folder = estate(&[cron_job(true), job("done", "", "", DONE)]);
    assert_eq!(folder.run(&["collect", "all.yaml", "-o", "all.gz"]).status, 0);
    let ran = folder.run(&["scan", "all.gz", "--assume-complete", "-o", "json"]);
    assert_eq!(untrusted(&ran), ["low CronJob/cart"]);
}

#[test]
fn what_wakes_a_workload_is_kept_in_snapshots() {
    let deployment = || {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: cart, namespace: shop, uid: 5f0e}}, spec: {{replicas: 0, {TEMPLATE}}}}}\n"
        )
    };
    let rollout = "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: cart, namespace: shop, uid: 5f0f}, spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: cart}}}\n";
    let scaled = "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: cart, namespace: shop}, spec: {scaleTargetRef: {name: cart}}}\n";
    let set = format!(
        "{{apiVersion: apps/v1, kind: ReplicaSet, metadata: {{name: cart-5c4d, namespace: shop, uid: 5f10, ownerReferences: [{{kind: Rollout, name: cart, controller: true}}]}}, spec: {{replicas: 3, {TEMPLATE}}}}}\n"
    );
    for (more, expected) in [
        (vec![], "low Deployment/cart"),
        (vec![scaled.to_owned()], "critical Deployment/cart"),
        (vec![rollout.to_owned(), set], "critical Deployment/cart"),
    ] {
        let folder = estate(&[vec![deployment()], more].concat());
        let scan = |path: &str| untrusted(&folder.run(&["scan", path, "--assume-complete", "-o", "json"]));
        assert_eq!(scan("all.yaml"), [expected]);
        assert_eq!(folder.run(&["collect", "all.yaml", "-o", "all.gz"]).status, 0);
        assert_eq!(scan("all.gz"), [expected]);
    }
}

#[test]
fn pods_that_have_ended_leave_it_open_what_their_maker_makes() {
    let open = |workloads: &[String]| {
        let ran = estate(workloads).run(&["scan", "all.yaml", "--assume-complete", "-o", "json"]);
        assert!(untrusted(&ran).is_empty(), "{ran:?}");
        let report = ran.report();
        let gap = report["coverage"].as_array().unwrap().iter().find(|it| it["source"] == "makers of what has ended");
        gap.map(|gap| gap["reason"].as_str().unwrap().to_owned())
    };
    let reason = open(&[pod("Failed")]).unwrap();
    assert!(reason.contains("such as Job shop/cart-1; give the output of `kubectl get jobs,cronjobs"), "{reason}");
    assert_eq!(open(&[pod("Failed"), job("cart-1", "", "", DONE)]), None);
    assert!(open(&[pod("Failed"), job("cart-1", OF_CART, "", DONE)]).unwrap().contains("CronJob shop/cart;"));
}

#[test]
fn the_walk_of_a_pod_that_has_ended_ends_with_that() {
    let trace = |workload: &str, all: &[String]| estate(all).run(&["trace", workload, "all.yaml", "--assume-complete"]);
    let job = || job("cart-1", OF_CART, "", DONE);
    for phase in ["Succeeded", "Failed"] {
        let ran = trace("shop/pod/cart-x", &[job(), pod(phase)]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.out.contains("it has ended: it runs no more, and asks for no token"), "{ran:?}");
        assert!(ran.out.ends_with("there is no chain to walk\n"), "{ran:?}");
        assert!(ran.out.contains("what made it is Job shop/cart-1: trace that"), "{ran:?}");
    }
    let ran = trace("shop/pod/cart-x", &[job(), pod("Running")]);
    assert!(ran.status == 1 && !ran.out.contains("ended"), "{ran:?}");
    let ran = trace("shop/job/cart-1", &[job()]);
    assert!(ran.status == 1 && ran.out.contains("none: the Job has ended"), "{ran:?}");
    let ran = trace("shop/cj/cart", &[cron_job(true)]);
    assert!(ran.status == 1 && ran.out.contains("none, until it is resumed"), "{ran:?}");
}
