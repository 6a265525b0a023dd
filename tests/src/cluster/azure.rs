//! The mutating webhook of Azure Workload Identity beside the cluster, registered by the
//! configuration that its own manifests hold.

#![allow(clippy::panic, reason = "a test without its webhook has nothing to go on with")]

use std::fs::File;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::base64::encode;
use super::objects::manifests;
use super::server::{Scratch, Server, built, free_port};
use super::{Cluster, eventually};
use crate::https::{self, Authority, Client};

/// The label of pods that it changes.
pub const USE: &str = "azure.workload.identity/use";

/// The tenant it is told of.
pub const TENANT: &str = "bb15ef88-fd38-412e-bf7a-cf0206530c4e";

/// It listens on this port, whatever it is told.
const PORT: u16 = 9443;

/// Where it answers admission reviews.
pub const PATH: &str = "/mutate-v1-pod";

/// The running webhook.
pub struct AzureWebhook {
    server: Server,
    folder: Scratch,
    authority: String,
    // Held while it runs, by one process of this machine at a time.
    _port: File,
}

impl AzureWebhook {
    /// Starts a version of it and registers it with the cluster, for namespaces with a label.
    ///
    /// # Panics
    /// Where it does not start, or pods are not changed.
    pub async fn start(cluster: &Cluster, version: &str, namespaces: (&str, &str)) -> Self {
        let (mut webhook, _) = Self::run(cluster, version, |_| {});
        let mut registration = registration(&format!("azure-webhook-{version}"));
        for hook in registration["webhooks"].as_array_mut().into_iter().flatten() {
            hook["clientConfig"] = json!({
                "url": format!("https://127.0.0.1:{PORT}{PATH}"),
                "caBundle": encode(webhook.authority.as_bytes()),
            });
            hook["namespaceSelector"] = json!({"matchLabels": {namespaces.0: namespaces.1}});
        }
        cluster.apply(&[registration]).await;
        webhook.changes_pods(cluster, namespaces).await;
        webhook
    }

    /// Starts a version of it that the cluster does not ask, and waits until it answers.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn alone(cluster: &Cluster, version: &str, options: impl FnOnce(&mut Command)) -> Self {
        let (mut webhook, health) = Self::run(cluster, version, options);
        eventually("the webhook of Azure is ready", || {
            webhook.server.still_runs();
            async move {
                let answer = https::get(([127, 0, 0, 1], health).into(), "/readyz").await;
                let answer = answer.map_err(|error| error.to_string())?;
                if answer.status.is_success() { Ok(()) } else { Err(answer.text()) }
            }
        })
        .await;
        webhook
    }

    /// A connection to it.
    ///
    /// # Panics
    /// Where it does not answer.
    pub async fn connect(&self) -> Client {
        let client = Client::connect(([127, 0, 0, 1], PORT).into(), &self.authority, None).await;
        client.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts it; the webhook, and the port at which it tells of its health.
    fn run(cluster: &Cluster, version: &str, options: impl FnOnce(&mut Command)) -> (Self, u16) {
        let port = only_user_of_the_port();
        let name = format!("azure-webhook-{version}");
        let authority = Authority::new("azure-wi-webhook");
        let folder = Scratch::new();
        let pair = authority.server();
        folder.write("certs/tls.crt", &pair.cert);
        folder.write("certs/tls.key", &pair.key);
        let mut command = Command::new(built(&name));
        command.arg("--webhook-cert-dir").arg(folder.path().join("certs")).arg("--disable-cert-rotation");
        let health = free_port();
        command.arg(format!("--health-addr=127.0.0.1:{health}"));
        command.arg(format!("--metrics-addr=127.0.0.1:{}", free_port()));
        command.arg("--log-level=info");
        command.env("KUBECONFIG", cluster.kubeconfig("azure-wi-webhook", "system:masters"));
        command.env("AZURE_ENVIRONMENT", "AzurePublicCloud").env("AZURE_TENANT_ID", TENANT);
        options(&mut command);
        let server = Server::start(&name, command, &folder);
        (Self { server, folder, authority: authority.pem, _port: port }, health)
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn changes_pods(&mut self, cluster: &Cluster, namespaces: (&str, &str)) {
        let namespace = cluster.namespace("azure-webhook", &[namespaces]).await;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "probe", "namespace": namespace, "labels": {USE: "true"}},
            "spec": {"containers": [{"name": "probe", "image": "probe"}]},
        });
        eventually("the webhook of Azure changes pods", || {
            self.server.still_runs();
            async {
                let answer = cluster.try_create(&pod).await;
                let changed = answer.object["spec"]["containers"][0]["env"].is_array();
                if changed { Ok(()) } else { Err(answer.object.to_string()) }
            }
        })
        .await;
    }
}

/// The MutatingWebhookConfiguration of its manifests.
fn registration(name: &str) -> Value {
    let path = built(&format!("{name}-files")).join("azure-wi-webhook.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let found = manifests(&text).into_iter().find(|object| object["kind"] == "MutatingWebhookConfiguration");
    found.unwrap_or_else(|| panic!("{}: no MutatingWebhookConfiguration", path.display()))
}

/// Waits until no other test process of this machine runs it.
fn only_user_of_the_port() -> File {
    let path = std::env::temp_dir().join("wiguard-e2e-9443.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.lock().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file
}
