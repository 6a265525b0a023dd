//! The plain webhook: what whoever applies manifests is told by a real API server that asks it.

use serde_json::json;
use wiguard_tests::cluster::azure::USE;
use wiguard_tests::cluster::door::Door;
use wiguard_tests::cluster::objects::{How, Verb};
use wiguard_tests::cluster::{Cluster, eventually, wait};

use crate::shop::{
    account, account_of, deployment, good_deployment, good_pod, misplaced, pod, program, template, trusting,
};

/// What the API server puts before a webhook's message.
const DENIED: &str = "admission webhook \"validate.wiguard.io\" denied the request: ";

#[test]
fn a_bad_object_is_rejected_with_rule_place_and_fix() {
    wait(async {
        let cluster = Cluster::shared().await;
        let door = Door::opened(cluster, program(), &json!({})).await;
        let shop = door.namespace(cluster, "rejected", &[]).await;
        cluster.apply(&[account(&shop)]).await;
        let answer = cluster.create(&misplaced(&shop)).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        let message = answer.refused();
        let message = message.strip_prefix(DENIED).unwrap_or_else(|| panic!("{message}"));
        assert!(message.starts_with("AWI101 label-on-workload-metadata at metadata.labels"), "{message}");
        assert!(message.contains("; fix: "), "{message}");
        assert_eq!(cluster.get(&misplaced(&shop)).await.status, 404, "nothing was stored");
        // The same without storing, and for whoever applies on the server.
        assert_eq!(cluster.try_create(&misplaced(&shop)).await.refused(), format!("{DENIED}{message}"));
        let applied = cluster.ask(Verb::Apply, &misplaced(&shop), How::default()).await;
        assert_eq!(applied.refused(), format!("{DENIED}{message}"));
    });
}

#[test]
fn a_good_object_passes_without_a_word() {
    wait(async {
        let cluster = Cluster::shared().await;
        let shop = cluster.unused("good");
        let mut settings = trusting(&shop);
        settings["unknown"] = json!("deny");
        let door = Door::opened(cluster, program(), &settings).await;
        door.namespace_named(cluster, &shop, &[]).await;
        // One right after the other: a watch may not have seen the account yet.
        for object in [account(&shop), good_deployment(&shop), good_pod(&shop, "cart")] {
            let answer = cluster.create(&object).await.admitted();
            assert_eq!(answer.warnings, [""; 0], "{object}");
        }
    });
}

#[test]
fn what_is_less_grave_passes_with_a_warning() {
    wait(async {
        let cluster = Cluster::shared().await;
        let door = Door::opened(cluster, program(), &json!({})).await;
        let shop = door.namespace(cluster, "warned", &[]).await;
        cluster.apply(&[account_of(&shop, "cart", json!({}))]).await;
        let answer = cluster.create(&good_pod(&shop, "cart")).await.admitted();
        let warnings: Vec<&String> = answer.warnings.iter().filter(|text| text.starts_with("AWI203 ")).collect();
        assert_eq!(warnings.len(), 1, "{:?}", answer.warnings);
    });
}

#[test]
fn the_account_that_a_workload_names_decides() {
    wait(async {
        let cluster = Cluster::shared().await;
        let door = Door::opened(cluster, program(), &trusting("nobody")).await;
        let shop = door.namespace(cluster, "untrusted", &[]).await;
        // Whose identity nobody trusts from here.
        cluster.apply(&[account(&shop)]).await;
        let message = cluster.create(&good_deployment(&shop)).await.refused();
        assert!(message.contains("AWI301 untrusted-workload"), "{message}");
        assert!(message.contains(&format!("system:serviceaccount:{shop}:cart")), "{message}");
        // With the credential it passes, as soon as the server has read its settings again.
        door.set(&trusting(&shop));
        eventually("the settings are read again", || async {
            let answer = cluster.try_create(&good_deployment(&shop)).await;
            if answer.is_admitted() { Ok(()) } else { Err(answer.message()) }
        })
        .await;
        assert_eq!(cluster.create(&good_deployment(&shop)).await.admitted().warnings, [""; 0]);
    });
}

#[test]
fn an_update_is_judged_as_a_creation_is() {
    wait(async {
        let cluster = Cluster::shared().await;
        let door = Door::opened(cluster, program(), &json!({})).await;
        let shop = door.namespace(cluster, "updated", &[]).await;
        cluster.apply(&[account(&shop)]).await;
        let mut made = cluster.create(&pod(&shop, "cart", json!({}))).await.admitted().object;
        made["metadata"]["labels"][USE] = json!("True");
        let message = cluster.replace(&made).await.refused();
        assert!(message.starts_with(&format!("{DENIED}AWI102 label-value-not-true")), "{message}");
        cluster.create(&good_deployment(&shop)).await.admitted();
        let message = cluster.replace(&misplaced(&shop)).await.refused();
        assert!(message.starts_with(&format!("{DENIED}AWI101")), "{message}");
    });
}

#[test]
fn a_status_a_scale_and_a_deletion_pass() {
    wait(async {
        let cluster = Cluster::shared().await;
        // Made before anybody judges, as everything that runs already was.
        let door = Door::open(cluster, program(), &json!({}), &[]).await;
        let shop = door.namespace(cluster, "leftover", &[]).await;
        cluster.apply(&[account(&shop)]).await;
        let mut bad = cluster.create(&pod(&shop, "bad", json!({USE: "True"}))).await.admitted().object;
        let made = cluster.create(&misplaced(&shop)).await.admitted().object;
        door.register(cluster, &door.registration()).await;
        assert!(cluster.try_create(&pod(&shop, "worse", json!({USE: "True"}))).await.refused().contains("AWI102"));

        let sub = |subresource| How { subresource: Some(subresource), ..How::default() };
        bad["status"]["message"] = json!("still pending");
        let answer = cluster.ask(Verb::Replace, &bad, sub("status")).await.admitted();
        bad = answer.object;
        assert_eq!(bad["status"]["message"], "still pending");
        let scale = json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale",
            "metadata": {"name": "cart", "namespace": shop}, "spec": {"replicas": 2},
        });
        let path = format!("/apis/apps/v1/namespaces/{shop}/deployments/cart/scale");
        cluster.send("PUT", &path, &scale).await.admitted();
        cluster.delete(&bad).await.admitted();
        cluster.delete(&made).await.admitted();
        eventually("both are gone", || async {
            let left = cluster.list("apps/v1", "Deployment", &shop).await.len();
            let gone = cluster.get(&bad).await.status == 404 && left == 0;
            if gone { Ok(()) } else { Err("they are there".to_owned()) }
        })
        .await;
    });
}

#[test]
fn an_ephemeral_container_passes() {
    wait(async {
        let cluster = Cluster::shared().await;
        let door = Door::open(cluster, program(), &json!({}), &[]).await;
        let shop = door.namespace(cluster, "debugged", &[]).await;
        cluster.apply(&[account(&shop)]).await;
        let mut bad = cluster.create(&pod(&shop, "cart", json!({USE: "True"}))).await.admitted().object;
        let mut registration = door.registration();
        let resources = registration["webhooks"][0]["rules"][0]["resources"].as_array_mut().unwrap();
        // What no registration of ours asks for, but somebody's `pods/*` would.
        resources.push(json!("pods/ephemeralcontainers"));
        door.register(cluster, &registration).await;
        bad["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "busybox"}]);
        let how = How { subresource: Some("ephemeralcontainers"), ..How::default() };
        let answer = cluster.ask(Verb::Replace, &bad, how).await.admitted();
        assert_eq!(answer.object["spec"]["ephemeralContainers"][0]["name"], "debug");
        assert_eq!(answer.warnings, [""; 0]);
    });
}

#[test]
fn every_kind_that_makes_pods_is_judged() {
    wait(async {
        let cluster = Cluster::shared().await;
        let door = Door::opened(cluster, program(), &json!({})).await;
        let shop = door.namespace(cluster, "kinds", &[]).await;
        cluster.apply(&[account(&shop)]).await;
        let selector = json!({"matchLabels": {"app": "cart"}});
        let wrong = || template("cart", json!({USE: "True"}));
        let mut once = wrong();
        once["spec"]["restartPolicy"] = json!("Never");
        let objects = [
            ("apps/v1", "Deployment", json!({"selector": selector, "template": wrong()})),
            ("apps/v1", "StatefulSet", json!({"selector": selector, "serviceName": "cart", "template": wrong()})),
            ("apps/v1", "DaemonSet", json!({"selector": selector, "template": wrong()})),
            ("apps/v1", "ReplicaSet", json!({"selector": selector, "template": wrong()})),
            ("v1", "ReplicationController", json!({"selector": {"app": "cart"}, "template": wrong()})),
            ("batch/v1", "Job", json!({"template": once})),
            ("batch/v1", "CronJob", json!({"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": once}}})),
        ];
        for (version, kind, spec) in objects {
            let metadata = json!({"name": "cart", "namespace": shop});
            let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
            let message = cluster.try_create(&object).await.refused();
            assert!(message.starts_with(&format!("{DENIED}AWI102")), "{kind}: {message}");
        }
        let wrong = account_of(&shop, "wrong", json!({"azure.workload.identity/client-id": "cart"}));
        let message = cluster.try_create(&wrong).await.refused();
        assert!(message.starts_with(&format!("{DENIED}AWI202")), "{message}");
    });
}

#[test]
fn a_controller_says_why_it_has_no_pods() {
    wait(async {
        let cluster = Cluster::shared().await;
        let door = Door::open(cluster, program(), &json!({}), &[]).await;
        let shop = door.namespace(cluster, "controlled", &[]).await;
        cluster.apply(&[account(&shop)]).await;
        let mut registration = door.registration();
        registration["webhooks"][0]["rules"] = json!([{
            "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"],
        }, {
            "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"],
        }]);
        // Its template was admitted when nobody judged it; its pods come when somebody does.
        let mut paused = deployment(&shop, template("cart", json!({USE: "True"})));
        paused["spec"]["replicas"] = json!(0);
        let made = cluster.create(&paused).await.admitted().object;
        door.register(cluster, &registration).await;
        let scale = json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale",
            "metadata": {"name": "cart", "namespace": shop}, "spec": {"replicas": 1},
        });
        let path = format!("/apis/apps/v1/namespaces/{shop}/deployments/cart/scale");
        cluster.send("PUT", &path, &scale).await.admitted();
        let told = eventually("the Deployment says why", || async {
            let now = cluster.get(&made).await.object;
            let conditions = now["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let failure = conditions.iter().find(|condition| condition["type"] == "ReplicaFailure");
            failure.map(|failure| failure["message"].to_string()).ok_or_else(|| now["status"].to_string())
        })
        .await;
        assert!(told.contains("AWI102"), "{told}");
        assert_eq!(cluster.list("v1", "Pod", &shop).await.len(), 0);
    });
}
