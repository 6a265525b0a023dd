#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::inventory::{Extent, Inventory};
use crate::manifest::{Manifest, read};
use crate::model::Origin;
use crate::model::registration::{CONFIGURATION, CONTROLLER};
use crate::parameters::Parameters;
use crate::sample::{OPTS_IN, cluster, pod, workload};

#[test]
fn a_graver_flaw_may_be_of_a_deployment_that_was_not_read() {
    let configuration = format!(
        r#"{{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{{"name":"{CONFIGURATION}"}},"webhooks":[{{"name":"mutation.azure-workload-identity.io","failurePolicy":"Fail","clientConfig":{{"caBundle":"QQ==","service":{{"name":"s","namespace":"n"}}}},"objectSelector":{{"matchLabels":{{"azure.workload.identity/use":"true"}}}}}}]}}"#
    );
    let configuration = read(configuration.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap();
    let Manifest::Registration(registration) = configuration.manifest else { panic!() };
    let verdict = |ready: u8, deployments: Extent| {
        let runner = workload(&format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{CONTROLLER}","namespace":"n","uid":"5f0d"}},"spec":{{"replicas":2,"template":{{"spec":{{"containers":[{{"name":"manager"}}]}}}}}},"status":{{"readyReplicas":{ready}}}}}"#
        ));
        let mut inventory = Inventory { workloads: vec![pod(OPTS_IN, ""), runner], ..cluster() };
        inventory.registrations.push(registration.clone());
        let of = inventory.coverage.cluster(ClusterIx(0));
        (of.registrations, of.deployments) = (Extent::Everything, deployments);
        let parameters = Parameters::default();
        let found = check(&inventory.clusters[0], &Trust::join(&inventory, &parameters));
        found.map(|found| found.map(|found| found.severity))
    };
    let unread = || Err(Unknown(Key::Deployments(ClusterIx(0))));
    assert_eq!(verdict(1, Extent::Everything), Ok(Some(Severity::Medium)));
    assert_eq!(verdict(1, Extent::Nothing), unread());
    assert_eq!(verdict(2, Extent::Nothing), unread());
    assert_eq!(verdict(0, Extent::Nothing), Ok(Some(Severity::High)));
}

#[test]
fn what_is_never_asked_breaks_the_chain_unless_another_is_asked() {
    let webhook = |members: &str| {
        format!(
            r#"{{"name":"mutation.azure-workload-identity.io","objectSelector":{{"matchLabels":{{"azure.workload.identity/use":"true"}}}}{members}}}"#
        )
    };
    let breaks = |webhooks: &[&str]| {
        let json = format!(
            r#"{{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{{"name":"{CONFIGURATION}"}},"webhooks":[{}]}}"#,
            webhooks.join(",")
        );
        let Manifest::Registration(registration) =
            read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest
        else {
            panic!()
        };
        let mut inventory = Inventory { workloads: vec![pod(OPTS_IN, "")], ..cluster() };
        inventory.registrations.push(registration);
        let parameters = Parameters::default();
        let found = check(&inventory.clusters[0], &Trust::join(&inventory, &parameters));
        found.unwrap().unwrap().breaks
    };
    for never in [
        r#","rules":[{"operations":["UPDATE"]}]"#,
        r#","matchConditions":[{"name":"always","expression":"true"},{"name":"never","expression":"false"}]"#,
    ] {
        let (never, asked) = (webhook(never), webhook(""));
        assert_eq!(breaks(&[&never]), Some(Hop::Webhook), "{never}");
        assert_eq!(breaks(&[&never, &asked]), None, "{never}");
        assert_eq!(breaks(&[&asked, &never]), None, "{never}");
    }
}

#[test]
fn more_replicas_are_asked_for_where_all_that_are_wanted_are_ready() {
    let fix = |namespace: &str, wanted: u8, ready: u8| {
        let runner = workload(&format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{CONTROLLER}","namespace":"{namespace}","uid":"5f0d"}},"spec":{{"replicas":{wanted},"template":{{"spec":{{"containers":[{{"name":"manager"}}]}}}}}},"status":{{"readyReplicas":{ready}}}}}"#
        ));
        let mut inventory = Inventory { workloads: vec![pod(OPTS_IN, ""), runner], ..cluster() };
        inventory.coverage.cluster(ClusterIx(0)).deployments = Extent::Everything;
        let parameters = Parameters::default();
        runners(ClusterIx(0), &Trust::join(&inventory, &parameters)).remove(0).fix
    };
    let scale = |namespace: &str| format!("kubectl scale deployment {CONTROLLER} -n {namespace} --replicas 2; ");
    for (namespace, wanted, ready, keeper) in
        [("own", 1, 1, "replicaCount"), ("own", 0, 0, "replicaCount"), ("kube-system", 1, 1, "Azure support")]
    {
        let said = fix(namespace, wanted, ready);
        assert!(said.starts_with(&scale(namespace)) && said.contains(keeper), "{said}");
    }
    for (wanted, ready) in [(1, 0), (2, 1), (3, 1), (2, 0)] {
        assert!(fix("own", wanted, ready).starts_with("see why"), "{wanted} wanted, {ready} ready");
    }
}

#[test]
fn a_flaw_is_where_what_has_it_was_read() {
    let at = |line: u32| Origin { source: 1, line };
    let registration = format!(
        r#"{{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{{"name":"{CONFIGURATION}"}},"webhooks":[{{"name":"mutation.azure-workload-identity.io","failurePolicy":"Ignore","objectSelector":{{"matchLabels":{{"azure.workload.identity/use":"true"}}}}}}]}}"#
    );
    let Manifest::Registration(registration) =
        read(registration.as_bytes(), None, ClusterIx(0), at(7)).unwrap().manifest
    else {
        panic!()
    };
    let runner = |namespace: &str, line: u32| Workload {
        origin: at(line),
        ..workload(&format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{CONTROLLER}","namespace":"{namespace}","uid":"{namespace}"}},"spec":{{"replicas":2,"template":{{"spec":{{"containers":[{{"name":"manager"}}]}}}}}},"status":{{"readyReplicas":{}}}}}"#,
            if line == 8 { 0 } else { 2 }
        ))
    };
    let origin = |registered: bool, runners: &[Workload]| {
        let workloads = [pod(OPTS_IN, "")].into_iter().chain(runners.iter().cloned()).collect();
        let mut inventory = Inventory { workloads, ..cluster() };
        inventory.registrations.extend(registered.then(|| registration.clone()));
        let of = inventory.coverage.cluster(ClusterIx(0));
        (of.registrations, of.deployments) = (Extent::Everything, Extent::Everything);
        let parameters = Parameters::default();
        check(&inventory.clusters[0], &Trust::join(&inventory, &parameters)).unwrap().unwrap().origin
    };
    assert_eq!(origin(true, &[]), Some(at(7)));
    assert_eq!(origin(false, &[]), None, "it was not read");
    let flaw = |runners: &[Workload]| {
        let workloads = runners.to_vec();
        let inventory = Inventory { workloads, ..cluster() };
        let parameters = Parameters::default();
        super::runners(ClusterIx(0), &Trust::join(&inventory, &parameters)).remove(0).origin
    };
    assert_eq!(flaw(&[runner("a", 8)]), Some(at(8)));
    assert_eq!(flaw(&[runner("a", 9), runner("b", 10)]), Some(at(9)));
}
