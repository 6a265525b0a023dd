//! The mutating webhook of Azure Workload Identity as it really is: what it does to pods, on which
//! the tests of the policy rest.

use serde_json::{Value, json};
use wiguard_tests::cluster::azure::{TENANT, USE};
use wiguard_tests::cluster::{Cluster, eventually, wait};

use crate::beside::{INJECTED, azure_webhook};
use crate::shop::{CLIENT, account, good_deployment, good_pod, pod};

/// The variables of the first container.
fn variables(pod: &Value) -> Vec<(&str, &str)> {
    let all = pod["spec"]["containers"][0]["env"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|one| (one["name"].as_str().unwrap(), one["value"].as_str().unwrap_or_default())).collect()
}

/// The audience, lifetime and path of the projected tokens that are not the cluster's own.
fn tokens(pod: &Value) -> Vec<(&str, i64, &str)> {
    let volumes = pod["spec"]["volumes"].as_array().unwrap().iter();
    let sources = volumes.flat_map(|volume| volume["projected"]["sources"].as_array().into_iter().flatten());
    let tokens = sources.filter_map(|source| source.get("serviceAccountToken"));
    let shown = tokens.map(|token| {
        let audience = token["audience"].as_str().unwrap_or_default();
        (audience, token["expirationSeconds"].as_i64().unwrap(), token["path"].as_str().unwrap())
    });
    shown.filter(|(audience, ..)| !audience.is_empty()).collect()
}

#[test]
fn a_labelled_pod_has_variables_and_a_token() {
    wait(async {
        let cluster = Cluster::shared().await;
        azure_webhook(cluster).await;
        let namespace = cluster.namespace("injected", &[INJECTED]).await;
        cluster.apply(&[account(&namespace)]).await;
        let made = cluster.create(&good_pod(&namespace, "cart")).await.admitted().object;
        let file = "/var/run/secrets/azure/wi/token/azure-identity-token";
        let expected = [
            ("AZURE_CLIENT_ID", CLIENT),
            ("AZURE_TENANT_ID", TENANT),
            ("AZURE_FEDERATED_TOKEN_FILE", file),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
        ];
        assert_eq!(variables(&made), expected, "{made:#}");
        assert_eq!(tokens(&made), [("api://AzureADTokenExchange", 3600, "token/azure-identity-token")], "{made:#}");
    });
}

#[test]
fn only_the_value_true_is_seen() {
    wait(async {
        let cluster = Cluster::shared().await;
        azure_webhook(cluster).await;
        let namespace = cluster.namespace("passed-over", &[INJECTED]).await;
        cluster.apply(&[account(&namespace)]).await;
        for (name, labels) in [("unlabelled", json!({})), ("capital", json!({USE: "True"}))] {
            let made = cluster.create(&pod(&namespace, name, labels)).await.admitted().object;
            assert_eq!((variables(&made), tokens(&made)), (vec![], vec![]), "{made:#}");
        }
    });
}

#[test]
fn an_update_is_not_seen() {
    wait(async {
        let cluster = Cluster::shared().await;
        azure_webhook(cluster).await;
        let namespace = cluster.namespace("labelled-late", &[INJECTED]).await;
        cluster.apply(&[account(&namespace)]).await;
        let mut made = cluster.create(&pod(&namespace, "cart", json!({}))).await.admitted().object;
        made["metadata"]["labels"] = json!({USE: "true"});
        let updated = cluster.replace(&made).await.admitted().object;
        assert_eq!(updated["metadata"]["labels"][USE], "true");
        assert_eq!(variables(&updated), [], "{updated:#}");
    });
}

#[test]
fn a_deployment_gets_it_through_its_pods_alone() {
    wait(async {
        let cluster = Cluster::shared().await;
        azure_webhook(cluster).await;
        let namespace = cluster.namespace("deployed-injected", &[INJECTED]).await;
        let deployment = good_deployment(&namespace);
        cluster.apply(&[account(&namespace), deployment.clone()]).await;
        let stored = cluster.get(&deployment).await.admitted().object;
        assert!(stored["spec"]["template"]["spec"]["containers"][0].get("env").is_none(), "{stored:#}");
        let pod = eventually("the pod of the Deployment is there", || async {
            cluster.list("v1", "Pod", &namespace).await.pop().ok_or_else(|| "no pod".to_owned())
        })
        .await;
        assert_eq!(variables(&pod).first(), Some(&("AZURE_CLIENT_ID", CLIENT)), "{pod:#}");
    });
}

#[test]
fn an_annotation_that_it_cannot_read_refuses_the_pod() {
    wait(async {
        let cluster = Cluster::shared().await;
        azure_webhook(cluster).await;
        let namespace = cluster.namespace("refused", &[INJECTED]).await;
        cluster.apply(&[account(&namespace)]).await;
        let mut wrong = good_pod(&namespace, "cart");
        wrong["metadata"]["annotations"] = json!({"azure.workload.identity/service-account-token-expiration": "1h"});
        let message = cluster.create(&wrong).await.refused();
        assert!(message.contains("mutation.azure-workload-identity.io"), "{message}");
        assert!(message.contains("strconv.ParseInt"), "{message}");
    });
}
