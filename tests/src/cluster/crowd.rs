//! A crowd: thousands of objects of a cluster, made many at once, and what there is to find in them.

#![allow(clippy::panic, reason = "a test without its objects has nothing to go on with")]

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::objects::{Answer, namespace, send};
use super::{Cluster, eventually};

/// Requests that are under way at once.
const AT_ONCE: usize = 48;

/// The client id that ServiceAccounts of the namespace of this number name.
#[must_use]
pub fn client_id(number: usize) -> String {
    format!("33333333-3333-4333-8333-{number:012}")
}

/// The name of the namespace of this number.
#[must_use]
pub fn name(number: usize) -> String {
    format!("team-{number:03}")
}

impl Cluster {
    /// Does the same to many paths at once.
    ///
    /// # Panics
    /// Where one is refused that need not be.
    pub async fn send_all(&self, method: &'static str, requests: Vec<(String, Value)>) {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut under_way = JoinSet::new();
        for (path, object) in requests {
            let (client, turns) = (self.client.clone(), Arc::clone(&turns));
            under_way.spawn(async move {
                let _turn = turns.acquire().await;
                let body = if object.is_null() { Vec::new() } else { object.to_string().into_bytes() };
                let answer: Answer = send(&client, method, &path, "application/json", body).await;
                let done = answer.is_admitted() || matches!(answer.status, 404 | 409);
                assert!(done, "{method} {path}: {}: {}", answer.status, answer.message());
            });
        }
        while let Some(done) = under_way.join_next().await {
            done.unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Makes the namespaces of these numbers, with twenty pods in each, and waits until nothing
    /// changes any more.
    pub async fn crowd(&self, numbers: std::ops::Range<usize>) {
        let spaces = numbers.clone().map(|number| ("/api/v1/namespaces".into(), namespace(&name(number))));
        self.send_all("POST", spaces.collect()).await;
        let path = |number: usize, resource: &str| format!("/api/v1/namespaces/{}/{resource}", name(number));
        let accounts = numbers.clone().map(|number| (path(number, "serviceaccounts"), account(number)));
        self.send_all("POST", accounts.collect()).await;
        eventually("every namespace has its ServiceAccount `default`", || async {
            let accounts = self.list_all("v1", "ServiceAccount").await;
            let of_all = accounts.iter().filter(|account| account["metadata"]["name"] == "default").count();
            if of_all > numbers.len() { Ok(()) } else { Err(format!("{of_all}")) }
        })
        .await;
        let pods = numbers.clone().flat_map(|number| (0..20).map(move |index| (number, index)));
        self.send_all("POST", pods.map(|(number, index)| (path(number, "pods"), pod(number, index))).collect()).await;
        let deployments = numbers
            .clone()
            .map(|number| (format!("/apis/apps/v1/namespaces/{}/deployments", name(number)), deployment(number)));
        self.send_all("POST", deployments.collect()).await;
        eventually("every Deployment has its ReplicaSet", || async {
            let sets = self.list_all("apps/v1", "ReplicaSet").await.len();
            if sets >= numbers.end { Ok(()) } else { Err(format!("{sets}")) }
        })
        .await;
    }
}

fn account(number: usize) -> Value {
    let annotations = match number % 4 {
        3 => json!({"azure.workload.identity/clientid": client_id(number)}),
        _ => json!({"azure.workload.identity/client-id": client_id(number)}),
    };
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cart", "annotations": annotations}})
}

fn pod(number: usize, index: usize) -> Value {
    let (account, labels) = match (number + index) % 5 {
        0 => ("cart", json!({})),
        1 => ("cart", json!({"azure.workload.identity/use": "True"})),
        2 => ("default", json!({"azure.workload.identity/use": "true"})),
        _ => ("cart", json!({"azure.workload.identity/use": "true"})),
    };
    let env = match index {
        7 => {
            json!([{"name": "AZURE_CLIENT_SECRET", "valueFrom": {"secretKeyRef": {"name": "azure", "key": "password"}}}])
        }
        _ => json!([{"name": "MODE", "value": "fast"}]),
    };
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("cart-{index:02}"), "labels": labels},
        "spec": {"serviceAccountName": account, "containers": [{"name": "cart", "image": "cart", "env": env}]},
    })
}

fn deployment(number: usize) -> Value {
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"serviceAccountName": "cart", "containers": [{"name": "web", "image": "web"}]},
        }},
    });
    if number.is_multiple_of(2) {
        deployment["metadata"]["labels"] = json!({"azure.workload.identity/use": "true"});
    }
    if number.is_multiple_of(10) {
        // Nobody made this one.
        deployment["spec"]["template"]["spec"]["serviceAccountName"] = json!("basket");
    }
    deployment
}
