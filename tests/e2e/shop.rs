//! The objects that tests apply: a shop with one application, right or wrong in one place.

use std::path::Path;

use serde_json::{Value, json};
use wiguard_tests::cluster::ISSUER;
use wiguard_tests::cluster::azure::USE;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_wiguard-under-test");

/// The client id of the application's identity.
pub(crate) const CLIENT: &str = "33333333-3333-3333-3333-333333333333";

pub(crate) fn program() -> &'static Path {
    Path::new(PROGRAM)
}

/// The ServiceAccount `cart`, which names its identity.
pub(crate) fn account(namespace: &str) -> Value {
    account_of(namespace, "cart", json!({"azure.workload.identity/client-id": CLIENT}))
}

/// A ServiceAccount with annotations.
pub(crate) fn account_of(namespace: &str, name: &str, annotations: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
    })
}

/// What a pod of the application is made from, with these labels besides its own.
pub(crate) fn template(account: &str, labels: Value) -> Value {
    let mut template = json!({
        "metadata": {"labels": {"app": "cart"}},
        "spec": {"serviceAccountName": account, "containers": [{"name": "cart", "image": "cart"}]},
    });
    for (label, value) in labels.as_object().unwrap() {
        template["metadata"]["labels"][label] = value.clone();
    }
    template
}

/// A pod that runs as `cart`.
pub(crate) fn pod(namespace: &str, name: &str, labels: Value) -> Value {
    let mut pod = template("cart", labels);
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["namespace"] = json!(namespace);
    pod
}

/// A pod that opts in.
pub(crate) fn good_pod(namespace: &str, name: &str) -> Value {
    pod(namespace, name, json!({USE: "true"}))
}

/// The Deployment `cart` of a template.
pub(crate) fn deployment(namespace: &str, template: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": "cart"}}, "template": template},
    })
}

/// A Deployment that opts in.
pub(crate) fn good_deployment(namespace: &str) -> Value {
    deployment(namespace, template("cart", json!({USE: "true"})))
}

/// One that opts in where nobody looks: on itself.
pub(crate) fn misplaced(namespace: &str) -> Value {
    let mut deployment = deployment(namespace, template("cart", json!({})));
    deployment["metadata"]["labels"] = json!({USE: "true"});
    deployment
}

/// Settings under which `system:serviceaccount:NAMESPACE:cart` is trusted, and nobody else.
pub(crate) fn trusting(namespace: &str) -> Value {
    json!({
        "issuer": ISSUER,
        "credentials": [{
            "clientId": CLIENT, "subject": format!("system:serviceaccount:{namespace}:cart"),
            "name": "prod-weu", "identity": "id-cart",
        }],
    })
}
