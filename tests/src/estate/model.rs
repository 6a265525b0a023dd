//! What the estate consists of before it is printed: clusters with namespaces, accounts and
//! workloads. Everything Kubernetes would fill in by itself is left to the printing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::random::Random;

pub(super) const USE: &str = "azure.workload.identity/use";
pub(super) const CLIENT_ID: &str = "azure.workload.identity/client-id";
pub(super) const TENANT_ID: &str = "azure.workload.identity/tenant-id";
pub(super) const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";
pub(super) const SKIP: &str = "azure.workload.identity/skip-containers";
pub(super) const PROXY: &str = "azure.workload.identity/inject-proxy-sidecar";

/// Labels, annotations: names to values.
pub(super) type Notes = BTreeMap<String, String>;

pub(super) struct Cluster {
    pub(super) seed: u64,
    pub(super) name: &'static str,
    pub(super) location: &'static str,
    pub(super) tenant: String,
    pub(super) issuer: String,
    pub(super) webhook: Webhook,
    pub(super) namespaces: BTreeMap<String, Namespace>,
}

/// The release of the mutating webhook that a cluster runs, as far as its marks on pods differ.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Webhook {
    Missing,
    V1_5_1,
    V1_6_0,
}

#[derive(Default)]
pub(super) struct Namespace {
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) workloads: BTreeMap<String, Workload>,
    /// Custom resources, which only manifests hold.
    pub(super) customs: Vec<Value>,
}

#[derive(Default)]
pub(super) struct Account {
    pub(super) labels: Notes,
    pub(super) annotations: Notes,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    CronJob,
    Job,
}

#[derive(Clone)]
pub(super) struct Workload {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) account: String,
    pub(super) image: String,
    pub(super) replicas: u64,
    /// Labels of the workload beyond those of its chart.
    pub(super) labels: Notes,
    pub(super) pod_labels: Notes,
    pub(super) pod_annotations: Notes,
    pub(super) env: Vec<Value>,
    pub(super) env_from: Vec<Value>,
    pub(super) volumes: Vec<(Value, String)>,
    pub(super) sidecar: Option<&'static str>,
    /// Labels by which its pods are selected, beyond those of its chart.
    pub(super) selected: Notes,
    /// Members of the pod's `spec` that say where it runs.
    pub(super) placed: Vec<(&'static str, Value)>,
    /// Whether the cluster lets its pods in.
    pub(super) admitted: bool,
}

// === impl

impl Cluster {
    pub(super) fn random(&self, thing: &str) -> Random {
        Random::of(self.seed, &format!("{}/{thing}", self.name))
    }

    pub(super) fn namespace(&mut self, name: &str) -> &mut Namespace {
        let namespace = self.namespaces.entry(name.to_owned()).or_default();
        namespace.account("default");
        namespace
    }

    pub(super) fn run(&mut self, namespace: &str, workload: Workload) {
        let namespace = self.namespace(namespace);
        namespace.account(&workload.account);
        namespace.workloads.insert(workload.name.clone(), workload);
    }
}

impl Namespace {
    pub(super) fn account(&mut self, name: &str) -> &mut Account {
        self.accounts.entry(name.to_owned()).or_default()
    }
}

impl Account {
    pub(super) fn annotate(&mut self, key: &str, value: &str) -> &mut Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::CronJob => "CronJob",
            Self::Job => "Job",
        }
    }

    pub(super) fn api_version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => "apps/v1",
            Self::CronJob | Self::Job => "batch/v1",
        }
    }

    /// Whether its pods end by themselves.
    pub(super) fn ends(self) -> bool {
        matches!(self, Self::CronJob | Self::Job)
    }
}

impl Workload {
    /// A workload that runs under a ServiceAccount of its own name.
    pub(super) fn new(kind: Kind, name: &str, image: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            account: name.to_owned(),
            image: format!("images.norvind.example/{image}"),
            replicas: 1,
            labels: Notes::new(),
            pod_labels: Notes::new(),
            pod_annotations: Notes::new(),
            env: Vec::new(),
            env_from: Vec::new(),
            volumes: Vec::new(),
            sidecar: None,
            selected: Notes::new(),
            placed: Vec::new(),
            admitted: true,
        }
    }

    pub(super) fn account(mut self, name: &str) -> Self {
        self.account = name.to_owned();
        self
    }

    pub(super) fn replicas(mut self, count: u64) -> Self {
        self.replicas = count;
        self
    }

    /// Opts in to workload identity.
    pub(super) fn opt_in(self) -> Self {
        self.pod_label(USE, "true")
    }

    pub(super) fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(super) fn pod_label(mut self, key: &str, value: &str) -> Self {
        self.pod_labels.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(super) fn pod_annotation(mut self, key: &str, value: &str) -> Self {
        self.pod_annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets a member of the pod's `spec`.
    pub(super) fn place(mut self, member: &'static str, value: Value) -> Self {
        self.placed.push((member, value));
        self
    }

    pub(super) fn env(mut self, entries: impl IntoIterator<Item = Value>) -> Self {
        self.env.extend(entries);
        self
    }

    pub(super) fn env_from(mut self, source: Value) -> Self {
        self.env_from.push(source);
        self
    }

    pub(super) fn volume(mut self, volume: Value, mount_path: &str) -> Self {
        self.volumes.push((volume, mount_path.to_owned()));
        self
    }

    pub(super) fn sidecar(mut self, name: &'static str) -> Self {
        self.sidecar = Some(name);
        self
    }
}
