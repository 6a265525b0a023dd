//! The cluster itself: what it must do before anything can be said of what is tested with it.

use serde_json::json;
use wiguard_tests::cluster::objects::{How, Verb, manifests};
use wiguard_tests::cluster::{Cluster, ISSUER, eventually, wait};

#[test]
fn a_pod_is_admitted_and_has_the_token_that_every_pod_has() {
    wait(async {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("plain", &[]).await;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": namespace},
            "spec": {"containers": [{"name": "web", "image": "web"}]},
        });
        let admitted = cluster.create(&pod).await.admitted().object;
        assert_eq!(admitted["spec"]["serviceAccountName"], "default", "{admitted:#}");
        let sources = &admitted["spec"]["volumes"][0]["projected"]["sources"];
        assert!(sources[0]["serviceAccountToken"].is_object(), "{admitted:#}");
    });
}

#[test]
fn a_deployment_has_its_pods() {
    wait(async {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("deployed", &[]).await;
        let deployment = manifests(&format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: web}}]}}
"
        ));
        cluster.apply(&deployment).await;
        eventually("two pods of the Deployment are there", || async {
            let pods = cluster.list("v1", "Pod", &namespace).await;
            if pods.len() == 2 { Ok(()) } else { Err(format!("{} pods", pods.len())) }
        })
        .await;
    });
}

#[test]
fn tokens_are_of_the_given_issuer() {
    wait(async {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("token", &[]).await;
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": ["api://AzureADTokenExchange"]},
        });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default/token");
        let token = cluster.send("POST", &path, &request).await.admitted().object;
        let token = token["status"]["token"].as_str().unwrap().to_owned();
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": ["api://AzureADTokenExchange"]},
        });
        let review =
            cluster.send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", &review).await.admitted().object;
        let user = format!("system:serviceaccount:{namespace}:default");
        assert_eq!(review["status"]["user"]["username"], json!(user), "{review:#}");
        let discovery = cluster.fetch("/.well-known/openid-configuration").await.admitted().object;
        assert_eq!(discovery["issuer"], ISSUER, "{discovery:#}");
    });
}

#[test]
fn whoever_has_no_role_is_refused() {
    wait(async {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("roles", &[]).await;
        let nobody = cluster.client_of("nobody", "").await;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}});
        let answer = cluster.ask_as(&nobody, Verb::Get, &account, How::default()).await;
        assert_eq!(answer.status, 403, "{}", answer.refused());
    });
}

#[test]
fn manifests_are_validated_strictly() {
    wait(async {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace("strict", &[]).await;
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "strict", "namespace": namespace},
            "dataa": {},
        });
        let message = cluster.try_create(&object).await.refused();
        assert!(message.contains("unknown field \"dataa\""), "{message}");
    });
}
