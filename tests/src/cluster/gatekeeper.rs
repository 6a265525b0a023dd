//! Gatekeeper's own process beside a cluster: with the rights of its ServiceAccount, the
//! certificates that it makes itself, and the registration of its own manifests.

#![allow(clippy::panic, reason = "a test without its Gatekeeper has nothing to go on with")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::base64::decode;
use super::objects::manifests;
use super::server::{Scratch, Server, built, free_port};
use super::{Cluster, eventually};
use crate::https::get;

/// Where it lives.
pub const HOME: &str = "gatekeeper-system";

/// The authority that it makes for itself, in its Secret's file.
const AUTHORITY: &str = "certs/ca.crt";

/// The running Gatekeeper.
pub struct Gatekeeper {
    server: Server,
    folder: Scratch,
}

impl Gatekeeper {
    /// Applies its manifests, starts it, and waits until it is ready.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start(cluster: &Cluster) -> Self {
        let (port, health) = (free_port(), free_port());
        cluster.apply(&installation(port)).await;
        let folder = Scratch::new();
        let kept = folder.path().join("audit");
        std::fs::create_dir(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
        let account = format!("system:serviceaccount:{HOME}:gatekeeper-admin");
        let mut command = Command::new(built("gatekeeper"));
        command.arg("--kubeconfig").arg(cluster.kubeconfig(&account, "system:serviceaccounts"));
        command.args(["--host=127.0.0.1".to_owned(), format!("--port={port}")]);
        command.args([format!("--health-addr=127.0.0.1:{health}"), format!("--prometheus-port={}", free_port())]);
        command.arg("--cert-dir").arg(folder.path().join("certs"));
        command.arg("--api-cache-dir").arg(kept);
        command.args(["--operation=webhook", "--operation=status", "--operation=generate", "--operation=audit"]);
        command.args(["--audit-interval=2", "--audit-match-kind-only", "--debug-use-fake-pod", "--logtostderr"]);
        command.arg("--disable-opa-builtin={http.send}");
        command.env("POD_NAMESPACE", HOME).env("NAMESPACE", HOME).env("POD_NAME", "gatekeeper-0");
        let mut gatekeeper = Self { server: Server::start("gatekeeper", command, &folder), folder };
        gatekeeper.mount_certificates(cluster).await;
        let address = SocketAddr::from(([127, 0, 0, 1], health));
        eventually("Gatekeeper is ready", || {
            gatekeeper.server.still_runs();
            async move {
                let reply = get(address, "/readyz").await.map_err(|error| error.to_string())?;
                if reply.status.is_success() { Ok(()) } else { Err(reply.text()) }
            }
        })
        .await;
        gatekeeper
    }

    /// The authority that signed the certificate it shows to providers, in PEM.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join(AUTHORITY)
    }

    /// Does what a kubelet does: writes the Secret that it made to where it looks for it.
    async fn mount_certificates(&mut self, cluster: &Cluster) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "gatekeeper-webhook-server-cert", "namespace": HOME},
        });
        let data = eventually("Gatekeeper has made its certificates", || {
            self.server.still_runs();
            async {
                let data = cluster.get(&secret).await.object["data"].clone();
                if data["tls.crt"].is_string() { Ok(data) } else { Err(data.to_string()) }
            }
        })
        .await;
        // It looks for the last of them.
        for name in ["ca.crt", "tls.key", "tls.crt"] {
            let file = format!("certs/{name}");
            self.folder.write(&file, decode(data[name].as_str().unwrap_or_default()));
        }
    }
}

/// Its manifests without its pods and what is for pods alone, and with a Service that leads here.
fn installation(port: u16) -> Vec<Value> {
    let path = built("gatekeeper-files").join("gatekeeper.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let absent = ["Deployment", "PodDisruptionBudget", "ResourceQuota", "MutatingWebhookConfiguration"];
    let mut objects = manifests(&text);
    objects.retain(|object| !absent.iter().any(|kind| object["kind"] == *kind));
    for object in &mut objects {
        match object["kind"].as_str() {
            Some("Service") => object["spec"] = here(),
            Some("ValidatingWebhookConfiguration") => {
                for hook in object["webhooks"].as_array_mut().into_iter().flatten() {
                    hook["clientConfig"]["service"]["port"] = json!(port);
                }
            }
            _ => {}
        }
    }
    objects
}

/// The `spec` of a Service that leads to this machine, whatever the port. The API server calls its
/// webhooks through it by the Service's name, for which their certificates are made.
#[must_use]
pub fn here() -> Value {
    json!({"type": "ExternalName", "externalName": "localhost"})
}
