//! `wiguard serve` beside the cluster, as a pod of it would run: with the rights of its
//! ServiceAccount and no more, and registered for the namespaces that a test names.

use std::path::Path;

use serde_json::{Value, json};

use super::base64::encode;
use super::server::goes_with_us;
use super::{Cluster, eventually};
use crate::serving::{Ground, Serving};

/// The label of namespaces that tells which registration is for them.
pub const JUDGED: &str = "judged-by";

/// The namespace of the trust inventory, and of the ServiceAccount that the server runs as.
pub const HOME: &str = "wiguard-system";

/// A server and how it is reached.
pub struct Door {
    /// The server.
    pub serving: Serving,
    /// Its folder, and who signed its certificate.
    pub ground: Ground,
    name: String,
}

impl Door {
    /// Starts a server that judges by these settings.
    pub async fn open(cluster: &Cluster, program: &Path, settings: &Value, flags: &[&str]) -> Self {
        cluster.apply(&rights()).await;
        let ground = Ground::new();
        ground.write("settings.json", settings.to_string());
        let mut command = ground.command(program, &["--settings", "settings.json"]);
        let account = format!("system:serviceaccount:{HOME}:wiguard");
        command.arg("--kubeconfig").arg(cluster.kubeconfig(&account, "system:serviceaccounts")).args(flags);
        let serving = ground.start(command);
        goes_with_us(serving.id());
        Self { serving, ground, name: cluster.unused("door") }
    }

    /// Changes the settings of the running server.
    pub fn set(&self, settings: &Value) {
        self.ground.write("settings.json", settings.to_string());
    }

    /// A new namespace that it judges; its name starts like this one.
    pub async fn namespace(&self, cluster: &Cluster, name: &str, labels: &[(&str, &str)]) -> String {
        let name = cluster.unused(name);
        self.namespace_named(cluster, &name, labels).await;
        name
    }

    /// The namespace of this very name, which it judges, with further labels.
    pub async fn namespace_named(&self, cluster: &Cluster, name: &str, labels: &[(&str, &str)]) {
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([(JUDGED, self.name.as_str())]).collect();
        cluster.namespace_named(name, &labels).await;
    }

    /// For the `clientConfig` of a registration.
    #[must_use]
    pub fn client_config(&self, path: &str) -> Value {
        json!({
            "url": format!("https://{}{path}", self.serving.at),
            "caBundle": encode(self.ground.authority.pem.as_bytes()),
        })
    }

    /// A ValidatingWebhookConfiguration for it and the namespaces that it judges.
    #[must_use]
    pub fn registration(&self) -> Value {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": self.name},
            "webhooks": [{
                "name": "validate.wiguard.io",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 10,
                "clientConfig": self.client_config("/validate"),
                "namespaceSelector": {"matchLabels": {JUDGED: self.name}},
                "rules": rules(),
            }],
        })
    }

    /// Registers it, and waits until the API server asks it.
    pub async fn register(&self, cluster: &Cluster, registration: &Value) {
        cluster.apply(std::slice::from_ref(registration)).await;
        let namespace = self.namespace(cluster, "door-probe", &[]).await;
        let misplaced = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "probe", "namespace": namespace, "labels": {"azure.workload.identity/use": "true"}},
            "spec": {
                "selector": {"matchLabels": {"app": "probe"}},
                "template": {
                    "metadata": {"labels": {"app": "probe"}},
                    "spec": {"containers": [{"name": "probe", "image": "probe"}]},
                },
            },
        });
        eventually("the API server asks the webhook", || async {
            let answer = cluster.try_create(&misplaced).await;
            if answer.message().contains("AWI101") { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
    }

    /// Starts a server and registers it as it usually is.
    pub async fn opened(cluster: &Cluster, program: &Path, settings: &Value) -> Self {
        let door = Self::open(cluster, program, settings, &[]).await;
        door.register(cluster, &door.registration()).await;
        door
    }
}

/// What an API server is to send.
#[must_use]
pub fn rules() -> Value {
    let rule = |group: &str, resources: &[&str]| {
        json!({
            "apiGroups": [group], "apiVersions": ["v1"], "resources": resources,
            "operations": ["CREATE", "UPDATE"], "scope": "Namespaced",
        })
    };
    json!([
        rule("", &["pods", "serviceaccounts", "replicationcontrollers"]),
        rule("apps", &["deployments", "statefulsets", "daemonsets", "replicasets"]),
        rule("batch", &["jobs", "cronjobs"]),
    ])
}

/// The server's ServiceAccount, and what it may read.
fn rights() -> Vec<Value> {
    let group = "rbac.authorization.k8s.io";
    let version = "rbac.authorization.k8s.io/v1";
    let role = |kind: &str, namespace: Option<&str>, resource: &str| {
        let verbs = ["get", "list", "watch"];
        let metadata = json!({"name": "wiguard", "namespace": namespace});
        [
            json!({
                "apiVersion": version, "kind": kind, "metadata": metadata,
                "rules": [{"apiGroups": [""], "resources": [resource], "verbs": verbs}],
            }),
            json!({
                "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": metadata,
                "roleRef": {"apiGroup": group, "kind": kind, "name": "wiguard"},
                "subjects": [{"kind": "ServiceAccount", "name": "wiguard", "namespace": HOME}],
            }),
        ]
    };
    let mut rights = vec![super::objects::namespace(HOME)];
    rights.extend(role("ClusterRole", None, "serviceaccounts"));
    rights.extend(role("Role", Some(HOME), "configmaps"));
    rights
}
