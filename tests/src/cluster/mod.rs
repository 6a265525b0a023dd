//! A cluster of real processes: etcd, kube-apiserver and kube-controller-manager, on this machine
//! alone. It has no nodes: what is admitted stays pending, which is all that admission is about.
//!
//! ```text
//! tests ──▶ kube-apiserver ──▶ etcd
//!             ▲      └──▶ webhooks under test, by URL on 127.0.0.1
//!             └── kube-controller-manager: ReplicaSets, pods, default ServiceAccounts
//! ```

#![allow(clippy::panic, reason = "a test without its cluster has nothing to go on with")]

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Request;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rcgen::KeyPair;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

pub mod azure;
pub mod base64;
pub mod between;
pub mod crowd;
pub mod door;
pub mod gatekeeper;
pub mod hook;
pub mod objects;
pub mod server;

use objects::{Resources, namespace};
use server::{Scratch, Server, built, free_port};

use crate::https::{Authority, Pair};

/// The issuer of the cluster's ServiceAccount tokens.
pub const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/bb15ef88-fd38-412e-bf7a-cf0206530c4e/0c1d1a5e-6f0e-4b8e-9a57-5d8f3c6b2e10/";

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A running cluster.
pub struct Cluster {
    /// Its administrator's client.
    pub client: Client,
    /// Who signed its certificates; it trusts the clients of the same.
    pub authority: Authority,
    url: String,
    resources: Mutex<Resources>,
    names: Mutex<BTreeMap<String, u32>>,
    kubeconfigs: Mutex<BTreeMap<(String, String), PathBuf>>,
    servers: Mutex<Vec<Server>>,
    // Last, so that it goes when nobody writes there any more.
    folder: Scratch,
}

/// Runs what a test does, on the one runtime that outlives all clients' connections.
pub fn wait<T>(work: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap_or_else(|error| panic!("{error}")));
    RUNTIME.block_on(work)
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none for too long.
pub async fn eventually<T, F: Future<Output = Result<T, String>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(why) => assert!(Instant::now() < deadline, "not after {} s: {what}: {why}", PATIENCE.as_secs()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Cluster {
    /// The one that all tests of a process share; what they make there is in namespaces of their own.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(Cluster::start).await
    }

    /// Starts one.
    ///
    /// # Panics
    /// Where it does not start, with the last words of its servers.
    pub async fn start() -> Self {
        let folder = Scratch::new();
        let authority = Authority::new("cluster");
        let (etcd, etcd_url) = etcd(&folder);
        let port = free_port();
        let url = format!("https://127.0.0.1:{port}");
        let mut servers = vec![etcd, api_server(&folder, &authority, port, &etcd_url)];
        let admin = kubeconfig(&folder, &authority, &url, "admin", "system:masters");
        let client = connect(&admin).await;
        let ready = || async {
            let request = Request::get("/readyz").body(Body::empty()).map_err(|error| error.to_string())?;
            let answer = client.send(request).await.map_err(|error| error.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        };
        eventually("kube-apiserver is ready", || {
            servers.iter_mut().for_each(Server::still_runs);
            ready()
        })
        .await;
        servers.push(controllers(&folder, &admin));
        let cluster = Self {
            client,
            authority,
            url,
            resources: Mutex::default(),
            names: Mutex::default(),
            kubeconfigs: Mutex::new(BTreeMap::from([(("admin".to_owned(), "system:masters".to_owned()), admin)])),
            servers: Mutex::new(servers),
            folder,
        };
        cluster.awaits_account("default").await;
        cluster
    }

    /// A folder of the cluster's for what belongs to it.
    #[must_use]
    pub fn folder(&self) -> &Scratch {
        &self.folder
    }

    /// A kubeconfig for somebody, signed in by certificate: a user, in a group if it is not empty.
    /// It is written once: tests that run side by side read it while others ask for it.
    #[must_use]
    pub fn kubeconfig(&self, user: &str, group: &str) -> PathBuf {
        let mut written = self.kubeconfigs.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || kubeconfig(&self.folder, &self.authority, &self.url, user, group);
        written.entry((user.to_owned(), group.to_owned())).or_insert_with(write).clone()
    }

    /// A kubeconfig of the context `test` that leads to another address, with these members of its user.
    #[must_use]
    pub fn kubeconfig_at(&self, file: &str, url: &str, user: &serde_json::Value) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": url}}],
            "users": [{"name": "test", "user": user}],
        });
        self.folder.write(file, config.to_string())
    }

    /// A client for somebody, as [`Self::kubeconfig`].
    pub async fn client_of(&self, user: &str, group: &str) -> Client {
        connect(&self.kubeconfig(user, group)).await
    }

    /// A new namespace with its ServiceAccount `default`; its name starts like this one.
    pub async fn namespace(&self, name: &str, labels: &[(&str, &str)]) -> String {
        let name = self.unused(name);
        self.namespace_named(&name, labels).await;
        name
    }

    /// The namespace of this very name, with its ServiceAccount `default`.
    pub async fn namespace_named(&self, name: &str, labels: &[(&str, &str)]) {
        let mut object = namespace(name);
        for (label, value) in labels {
            object["metadata"]["labels"][*label] = json!(value);
        }
        self.apply(&[object]).await;
        self.awaits_account(name).await;
    }

    /// A name that no test used yet, for what has no namespace.
    pub fn unused(&self, name: &str) -> String {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let count = names.entry(name.to_owned()).or_default();
        *count += 1;
        if *count == 1 { name.to_owned() } else { format!("{name}-{count}") }
    }

    /// Kills the first server of this kind, for tests of what comes then.
    pub fn kill(&self, name: &str) {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|server| server.name() != name);
    }

    async fn awaits_account(&self, namespace: &str) {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}});
        eventually("a namespace has its ServiceAccount `default`", || async {
            let answer = self.get(&account).await;
            if answer.status == 200 { Ok(()) } else { Err(answer.message()) }
        })
        .await;
    }
}

fn etcd(folder: &Scratch) -> (Server, String) {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let (clients, peers) = (url(free_port()), url(free_port()));
    let mut command = Command::new(built("etcd"));
    command.arg("--data-dir").arg(folder.path().join("etcd"));
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    command.arg(format!("--initial-cluster=default={peers}"));
    // Nothing of it is to survive the machine.
    command.args(["--unsafe-no-fsync", "--log-level", "error"]);
    (Server::start("etcd", command, folder), clients)
}

fn api_server(folder: &Scratch, authority: &Authority, port: u16, etcd: &str) -> Server {
    let serving = authority.server_of(&["localhost", "127.0.0.1", "kubernetes.default.svc", "10.0.0.1"]);
    let ca = folder.write("ca.pem", &authority.pem);
    let accounts = KeyPair::generate().unwrap_or_else(|error| panic!("{error}"));
    let (certificate, key) = write_pair(folder, "apiserver", &serving);
    let mut command = Command::new(built("kube-apiserver"));
    command.arg(format!("--etcd-servers={etcd}")).arg(format!("--secure-port={port}"));
    command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
    command.args(["--service-cluster-ip-range=10.0.0.0/16", "--authorization-mode=RBAC", "--allow-privileged=true"]);
    command.arg("--tls-cert-file").arg(certificate).arg("--tls-private-key-file").arg(key);
    command.arg("--client-ca-file").arg(ca);
    command.arg(format!("--service-account-issuer={ISSUER}"));
    command.arg("--service-account-signing-key-file").arg(folder.write("accounts.key", accounts.serialize_pem()));
    command.arg("--service-account-key-file").arg(folder.write("accounts.pem", accounts.public_key_pem()));
    Server::start("kube-apiserver", command, folder)
}

fn controllers(folder: &Scratch, kubeconfig: &Path) -> Server {
    let mut command = Command::new(built("kube-controller-manager"));
    command.arg("--kubeconfig").arg(kubeconfig).args(["--leader-elect=false", "--secure-port=0"]);
    command.arg("--service-account-private-key-file").arg(folder.path().join("accounts.key"));
    command.arg("--root-ca-file").arg(folder.path().join("ca.pem"));
    Server::start("kube-controller-manager", command, folder)
}

fn kubeconfig(folder: &Scratch, authority: &Authority, url: &str, user: &str, group: &str) -> PathBuf {
    // A colon would part the paths of KUBECONFIG.
    let name = format!("{user}@{group}").replace(':', ".");
    let (certificate, key) = write_pair(folder, &name, &authority.client_of(user, group));
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": folder.path().join("ca.pem")}}],
        "users": [{"name": "test", "user": {"client-certificate": certificate, "client-key": key}}],
    });
    folder.write(&format!("{name}.kubeconfig"), config.to_string())
}

fn write_pair(folder: &Scratch, name: &str, pair: &Pair) -> (PathBuf, PathBuf) {
    (folder.write(&format!("{name}.pem"), &pair.cert), folder.write(&format!("{name}.key"), &pair.key))
}

async fn connect(kubeconfig: &Path) -> Client {
    let read = Kubeconfig::read_from(kubeconfig).unwrap_or_else(|error| panic!("{error}"));
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    Client::try_from(config).unwrap_or_else(|error| panic!("{error}"))
}
