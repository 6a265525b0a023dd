//! An inventory: what was collected, and a coverage: how far we looked. The audit's holds an
//! estate, an admission request is an inventory of one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::model::{
    Cluster, ClusterIx, FederatedIdentityCredential, Identity, Issuer, Origin, ServiceAccount, Workload,
};

/// Everything known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Clusters; objects of Kubernetes refer to them by index. One without a name stands for
    /// objects that no source ties to a cluster.
    pub clusters: Vec<Cluster>,
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// Pods and everything that makes pods.
    pub workloads: Vec<Workload>,
    /// ServiceAccounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// Secrets, by the names of their keys; never a value.
    pub secrets: Vec<SecretKeys>,
    /// SecretProviderClasses of the Secrets Store CSI driver.
    pub provider_classes: Vec<SecretProviderClass>,
    /// Custom resources that use a ServiceAccount's tokens without a pod of its own.
    pub token_requesters: Vec<TokenRequester>,
    /// Managed identities and app registrations.
    pub identities: Vec<Identity>,
    /// Federated identity credentials.
    pub credentials: Vec<FederatedIdentityCredential>,
    /// How far we looked.
    pub coverage: Coverage,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its cluster.
    pub cluster: ClusterIx,
    /// Its name.
    pub name: String,
    /// Where it was read.
    pub origin: Origin,
}

/// A Secret, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKeys {
    /// Its cluster.
    pub cluster: ClusterIx,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The names of its keys.
    pub keys: Vec<String>,
}

/// A SecretProviderClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretProviderClass {
    /// Its cluster.
    pub cluster: ClusterIx,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec.parameters.clientID` of the provider `azure`: then the driver asks for the tokens
    /// of the pod's ServiceAccount, and the pod needs no label.
    pub client_id: Option<String>,
}

/// A custom resource that has its operator ask for a ServiceAccount's tokens, such as a
/// SecretStore of External Secrets with `serviceAccountRef`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequester {
    /// Its cluster.
    pub cluster: ClusterIx,
    /// The ServiceAccount's namespace.
    pub namespace: String,
    /// The ServiceAccount's name.
    pub service_account: String,
    /// The custom resource, `KIND/NAME`.
    pub by: String,
}

/// How far we looked. What it does not cover is unknown, never absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Whether every cluster that could issue tokens here is described.
    pub clusters: bool,
    /// Whether the managed identities are all listed.
    pub managed_identities: bool,
    /// Whether the app registrations are all listed.
    pub applications: bool,
    /// Issuers of which every credential that trusts them is listed, whatever its identity.
    pub trust_of: BTreeSet<Issuer>,
    /// What was read of each cluster.
    pub of_cluster: BTreeMap<ClusterIx, ClusterCoverage>,
}

/// What was read of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterCoverage {
    /// Namespaces.
    pub namespaces: Extent,
    /// ServiceAccounts.
    pub service_accounts: Extent,
    /// Deployments, by which an installed mutating webhook would be seen.
    pub deployments: Extent,
    /// Secrets.
    pub secrets: Extent,
    /// SecretProviderClasses.
    pub provider_classes: Extent,
    /// Whether External Secrets is installed while its stores were not read.
    pub token_requesters_missing: bool,
}

/// How much of a kind was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Only what is in the inventory.
    #[default]
    Nothing,
    /// These objects were asked for one by one, by namespace and name.
    Asked(BTreeSet<(String, String)>),
    /// All of these namespaces.
    Namespaces(BTreeSet<String>),
    /// All of the cluster.
    Everything,
}

// === impl Coverage ===

impl Coverage {
    /// What was read of a cluster, to be widened.
    pub fn cluster(&mut self, cluster: ClusterIx) -> &mut ClusterCoverage {
        self.of_cluster.entry(cluster).or_default()
    }
}

// === impl Extent ===

impl Extent {
    /// Whether an object of that namespace and name would be in the inventory if it existed.
    pub fn covers(&self, namespace: &str, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Asked(names) => names.iter().any(|(ns, n)| ns == namespace && n == name),
            Self::Namespaces(namespaces) => namespaces.contains(namespace),
            Self::Everything => true,
        }
    }

    /// Notes that one object was asked for.
    pub fn ask(&mut self, namespace: &str, name: &str) {
        match self {
            Self::Asked(names) => {
                names.insert((namespace.into(), name.into()));
            }
            Self::Nothing => *self = Self::Asked(BTreeSet::from([(namespace.into(), name.into())])),
            Self::Namespaces(_) | Self::Everything => {}
        }
    }

    /// Notes that a whole namespace was read.
    pub fn add_namespace(&mut self, namespace: &str) {
        match self {
            Self::Namespaces(namespaces) => {
                namespaces.insert(namespace.into());
            }
            Self::Nothing | Self::Asked(_) => *self = Self::Namespaces(BTreeSet::from([namespace.into()])),
            Self::Everything => {}
        }
    }
}
