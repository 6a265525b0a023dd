//! The order of things: the policy judges a pod as everybody who changes it has left it, the
//! mutating webhook of Azure above all.

use serde_json::{Value, json};
use wiguard_tests::cluster::azure::USE;
use wiguard_tests::cluster::door::Door;
use wiguard_tests::cluster::hook::{Hook, add_sidecar, allow};
use wiguard_tests::cluster::{Cluster, eventually, wait};

use crate::beside::{INJECTED, azure_webhook};
use crate::shop::{account, good_deployment, good_pod, pod, program, trusting};

/// Registers a webhook of the test's own for pods that are made in one namespace.
async fn register(cluster: &Cluster, hook: &Hook, kind: &str, name: &str, namespace: &str) {
    let registration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}WebhookConfiguration"),
        "metadata": {"name": name},
        "webhooks": [{
            "name": "hook.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": hook.client_config,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
        }],
    });
    cluster.apply(&[registration]).await;
    eventually("the API server asks the test's webhook", || async {
        cluster.try_create(&pod(namespace, "probe", json!({}))).await.admitted();
        if hook.seen().is_empty() { Err("it does not".to_owned()) } else { Ok(()) }
    })
    .await;
}

fn variables(pod: &Value, container: usize) -> Vec<&str> {
    let all = pod["spec"]["containers"][container]["env"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|one| one["name"].as_str()).collect()
}

const ALL: [&str; 4] = ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"];

#[test]
fn a_validating_webhook_sees_the_injected_pod_and_ours_is_content_with_it() {
    wait(async {
        let cluster = Cluster::shared().await;
        azure_webhook(cluster).await;
        let shop = cluster.unused("injected-and-judged");
        let mut settings = trusting(&shop);
        settings["unknown"] = json!("deny");
        let door = Door::opened(cluster, program(), &settings).await;
        door.namespace_named(cluster, &shop, &[INJECTED]).await;
        cluster.apply(&[account(&shop)]).await;
        let witness = Hook::start(allow).await;
        register(cluster, &witness, "Validating", &cluster.unused("witness"), &shop).await;

        let made = cluster.create(&good_pod(&shop, "cart")).await.admitted();
        assert_eq!(made.warnings, [""; 0]);
        assert_eq!(variables(&made.object, 0), ALL);
        let seen = witness.seen().pop().unwrap();
        assert_eq!(seen["name"], "cart");
        assert_eq!(seen["object"]["spec"], made.object["spec"], "a webhook of our place sees what is stored");

        // What a controller makes of it is the same.
        cluster.apply(&[good_deployment(&shop)]).await;
        eventually("the pod of the Deployment is there", || async {
            let pods = cluster.list("v1", "Pod", &shop).await;
            if pods.len() == 2 { Ok(()) } else { Err(format!("{} pods", pods.len())) }
        })
        .await;
    });
}

#[test]
fn a_pod_that_the_webhook_of_azure_refuses_does_not_come_to_us() {
    wait(async {
        let cluster = Cluster::shared().await;
        azure_webhook(cluster).await;
        let door = Door::opened(cluster, program(), &json!({})).await;
        let shop = door.namespace(cluster, "refused-before", &[INJECTED]).await;
        cluster.apply(&[account(&shop)]).await;
        let mut wrong = good_pod(&shop, "cart");
        wrong["metadata"]["annotations"] = json!({"azure.workload.identity/service-account-token-expiration": "1h"});
        let message = cluster.create(&wrong).await.refused();
        assert!(message.contains("mutation.azure-workload-identity.io"), "{message}");
        // Its Deployment comes to us before that, and we say it in words that help.
        let mut deployment = good_deployment(&shop);
        deployment["spec"]["template"]["metadata"]["annotations"] = wrong["metadata"]["annotations"].clone();
        let message = cluster.create(&deployment).await.refused();
        assert!(message.contains("AWI501 invalid-token-expiration at spec.template.metadata.annotations"), "{message}");
    });
}

#[test]
fn a_container_that_is_added_later_is_injected_too_and_the_pod_is_judged_once_more() {
    wait(async {
        let cluster = Cluster::shared().await;
        azure_webhook(cluster).await;
        let shop = cluster.unused("reinvoked");
        let door = Door::opened(cluster, program(), &trusting(&shop)).await;
        door.namespace_named(cluster, &shop, &[INJECTED]).await;
        cluster.apply(&[account(&shop)]).await;
        // Registrations are asked in the order of their names: this one after that of Azure.
        let later = Hook::start(add_sidecar).await;
        register(cluster, &later, "Mutating", &cluster.unused("zz-sidecar"), &shop).await;

        let made = cluster.create(&good_pod(&shop, "cart")).await.admitted();
        assert_eq!(made.warnings, [""; 0]);
        let seen = later.seen().into_iter().find(|seen| seen["name"] == "cart").unwrap();
        assert_eq!(variables(&seen["object"], 0), ALL, "it is asked after the webhook of Azure");
        assert_eq!(made.object["spec"]["containers"][1]["name"], "sidecar");
        assert_eq!(variables(&made.object, 1), ALL, "which is asked again");
    });
}

#[test]
fn a_label_that_the_cluster_adds_is_judged_as_if_it_had_been_written() {
    wait(async {
        let cluster = Cluster::shared().await;
        let door = Door::opened(cluster, program(), &json!({})).await;
        let shop = door.namespace(cluster, "labelled-by-policy", &[("adds-label", "yes")]).await;
        cluster.apply(&[account(&shop)]).await;
        let name = cluster.unused("adds-label");
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"adds-label": "yes"}},
                    "resourceRules": [{
                        "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"],
                    }],
                },
                "reinvocationPolicy": "Never",
                "mutations": [{
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {
                        "expression": format!("Object{{metadata: Object.metadata{{labels: {{'{USE}': 'True'}}}}}}"),
                    },
                }],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name},
        });
        cluster.apply(&[policy, binding]).await;
        let message = eventually("the policy of the cluster adds its label", || async {
            let answer = cluster.try_create(&pod(&shop, "cart", json!({}))).await;
            if answer.is_admitted() { Err(answer.object["metadata"].to_string()) } else { Ok(answer.message()) }
        })
        .await;
        assert!(message.contains("AWI102 label-value-not-true"), "{message}");
        let plain = cluster.namespace("not-labelled", &[]).await;
        cluster.apply(&[account(&plain)]).await;
        cluster.create(&pod(&plain, "cart", json!({}))).await.admitted();
    });
}

#[test]
fn a_moved_label_is_moved_before_anybody_judges() {
    wait(async {
        let cluster = Cluster::shared().await;
        let settings = json!({"moveLabel": true});
        let door = Door::open(cluster, program(), &settings, &[]).await;
        door.register(cluster, &door.registration()).await;
        let shop = door.namespace(cluster, "moved", &[]).await;
        cluster.apply(&[account(&shop)]).await;
        let mut registration = door.registration();
        registration["kind"] = json!("MutatingWebhookConfiguration");
        registration["webhooks"][0]["name"] = json!("mutate.wiguard.io");
        registration["webhooks"][0]["clientConfig"] = door.client_config("/mutate");
        cluster.apply(&[registration]).await;
        let moved = eventually("the label is moved", || async {
            let answer = cluster.try_create(&crate::shop::misplaced(&shop)).await;
            if answer.is_admitted() { Ok(answer) } else { Err(answer.message()) }
        })
        .await;
        assert_eq!(moved.object["spec"]["template"]["metadata"]["labels"][USE], "true", "{:#}", moved.object);
        assert!(moved.object["metadata"]["labels"].get(USE).is_none(), "{:#}", moved.object);
        assert!(moved.warnings.iter().any(|warning| warning.contains("moved label")), "{:?}", moved.warnings);
    });
}
