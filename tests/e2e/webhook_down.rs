//! Whom the API server asks, and what it does when nobody answers.

use serde_json::{Value, json};
use wiguard_tests::cluster::azure::USE;
use wiguard_tests::cluster::door::Door;
use wiguard_tests::cluster::{Cluster, eventually, wait};

use crate::shop::{account, misplaced, pod, program};

/// A server that was registered and is no more, and a namespace that it judged.
async fn dead(cluster: &Cluster, name: &str, edit: impl FnOnce(&mut Value)) -> (String, Door) {
    let mut door = Door::open(cluster, program(), &json!({}), &["--grace", "0s"]).await;
    let mut registration = door.registration();
    edit(&mut registration["webhooks"][0]);
    door.register(cluster, &registration).await;
    let shop = door.namespace(cluster, name, &[]).await;
    cluster.apply(&[account(&shop)]).await;
    assert!(cluster.try_create(&misplaced(&shop)).await.refused().contains("AWI101"));
    door.serving.signal("TERM");
    assert_eq!(door.serving.ended().code(), Some(0));
    (shop, door)
}

#[test]
fn with_fail_nothing_passes_while_nobody_answers() {
    wait(async {
        let cluster = Cluster::shared().await;
        let (shop, _door) = dead(cluster, "closed", |_| {}).await;
        let answer = cluster.create(&pod(&shop, "cart", json!({}))).await;
        assert_eq!(answer.status, 500, "{answer:?}");
        let message = answer.refused();
        assert!(message.contains("failed calling webhook \"validate.wiguard.io\""), "{message}");
    });
}

#[test]
fn with_ignore_everything_passes_while_nobody_answers() {
    wait(async {
        let cluster = Cluster::shared().await;
        let (shop, _door) = dead(cluster, "open", |hook| hook["failurePolicy"] = json!("Ignore")).await;
        cluster.create(&misplaced(&shop)).await.admitted();
    });
}

#[test]
fn a_namespace_that_is_exempt_is_not_sent() {
    wait(async {
        let cluster = Cluster::shared().await;
        // Dead, so that what is sent fails.
        let exempt = cluster.unused("exempt");
        let (shop, door) = dead(cluster, "not-exempt", |hook| {
            hook["namespaceSelector"]["matchExpressions"] =
                json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [exempt]}]);
        })
        .await;
        door.namespace_named(cluster, &exempt, &[]).await;
        cluster.apply(&[account(&exempt)]).await;
        cluster.create(&misplaced(&exempt)).await.admitted();
        assert_eq!(cluster.create(&misplaced(&shop)).await.status, 500);
    });
}

#[test]
fn a_namespace_that_the_settings_exempt_is_sent_and_passes() {
    wait(async {
        let cluster = Cluster::shared().await;
        let exempt = cluster.unused("exempt-by-settings");
        let settings = json!({"exempt": {"namespaces": [exempt]}});
        let door = Door::opened(cluster, program(), &settings).await;
        door.namespace_named(cluster, &exempt, &[]).await;
        let shop = door.namespace(cluster, "judged", &[]).await;
        cluster.apply(&[account(&exempt), account(&shop)]).await;
        assert_eq!(cluster.create(&misplaced(&exempt)).await.admitted().warnings, [""; 0]);
        assert!(cluster.create(&misplaced(&shop)).await.refused().contains("AWI101"));
    });
}

#[test]
fn conditions_keep_pods_away_that_have_nothing_to_do_with_it() {
    wait(async {
        let cluster = Cluster::shared().await;
        let (shop, _door) = dead(cluster, "conditions", |hook| {
            hook["matchConditions"] = json!([{
                "name": "involved",
                "expression": "object.kind != 'Pod' || object.metadata.?labels.orValue({}).exists(key, key.contains('workload'))",
            }]);
        })
        .await;
        // It is dead: what passes was not sent.
        cluster.create(&pod(&shop, "plain", json!({}))).await.admitted();
        assert_eq!(cluster.create(&pod(&shop, "cart", json!({USE: "true"}))).await.status, 500);
    });
}

#[test]
fn a_server_that_comes_back_is_asked_again() {
    wait(async {
        let cluster = Cluster::shared().await;
        let (shop, door) = dead(cluster, "back", |_| {}).await;
        let again = Door::open(cluster, program(), &json!({}), &[]).await;
        let mut registration = door.registration();
        registration["webhooks"][0]["clientConfig"] = again.client_config("/validate");
        cluster.apply(&[registration]).await;
        eventually("pods pass again", || async {
            let answer = cluster.try_create(&pod(&shop, "cart", json!({}))).await;
            if answer.is_admitted() { Ok(()) } else { Err(answer.message()) }
        })
        .await;
        assert!(cluster.create(&misplaced(&shop)).await.refused().contains("AWI101"));
    });
}
