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
