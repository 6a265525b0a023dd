//! An inventory: what was collected, and a coverage: how far we looked. The audit's holds an
//! estate, an admission request is an inventory of one.

use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use crate::declared::Declared;
#[cfg(feature = "audit")]
use crate::model::Software;
use crate::model::{
    AzureParameters, Body, Cluster, ClusterIx, Custom, CustomKind, FederatedIdentityCredential, Identity, Issuer,
    Origin, RoleAssignment, ServiceAccount, Subject, Workload,
};
#[cfg(feature = "audit")]
use crate::model::{IdentityBinding, Pairs, Registration, Role, RoleBinding, WebhookSettings};

/// Everything known.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase", default))]
pub struct Inventory {
    /// Clusters; objects of Kubernetes refer to them by index. One without a name stands for
    /// objects that no source ties to a cluster.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub clusters: Vec<Cluster>,
    /// Namespaces.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub namespaces: Vec<Namespace>,
    /// Pods and everything that makes pods.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub workloads: Vec<Workload>,
    /// ServiceAccounts.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub service_accounts: Vec<ServiceAccount>,
    /// Secrets, by the names of their keys; never a value.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub secrets: Vec<SecretKeys>,
    /// SecretProviderClasses of the Secrets Store CSI driver.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub provider_classes: Vec<SecretProviderClass>,
    /// Custom resources that use a ServiceAccount's tokens without a pod of its own.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub token_requesters: Vec<TokenRequester>,
    /// Custom resources that are judged themselves.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub customs: Vec<Custom>,
    /// Roles and ClusterRoles.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub roles: Vec<Role>,
    /// RoleBindings and ClusterRoleBindings.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub role_bindings: Vec<RoleBinding>,
    /// MutatingWebhookConfigurations with a webhook of workload identity.
    #[cfg(feature = "audit")]
    pub registrations: Vec<Registration>,
    /// What the ConfigMaps of webhooks of workload identity say.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub webhook_settings: Vec<WebhookSettings>,
    /// Identity bindings of AKS.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub identity_bindings: Vec<IdentityBinding>,
    /// Managed identities and app registrations.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub identities: Vec<Identity>,
    /// Federated identity credentials.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub credentials: Vec<FederatedIdentityCredential>,
    /// What infrastructure as code declares of credentials, beside what is.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub declared: Declared,
    /// Role assignments, of whomever.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub role_assignments: Vec<RoleAssignment>,
    /// What bills of materials and lock files describe. Only the audit reads them.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub software: Vec<Software>,
    /// How far we looked.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub coverage: Coverage,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Namespace {
    /// Its cluster.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its name.
    pub name: String,
    /// Its labels. Only the audit reads them.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub labels: Pairs,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

/// A Secret, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct SecretKeys {
    /// Its cluster.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The names of its keys.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub keys: Vec<String>,
}

/// A SecretProviderClass.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct SecretProviderClass {
    /// Its cluster.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it says, if its provider is `azure`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub azure: Option<AzureParameters>,
}

/// A custom resource that has its operator ask for a ServiceAccount's tokens, such as a
/// SecretStore of External Secrets with `serviceAccountRef`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct TokenRequester {
    /// Its cluster.
    #[cfg_attr(feature = "facts", serde(skip))]
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
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase", default))]
pub struct Coverage {
    /// Whether every cluster that could issue tokens here is described.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub clusters: bool,
    /// Whether the managed identities are all listed.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub managed_identities: bool,
    /// Whether the app registrations are all listed.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub applications: bool,
    /// Tokens of which every credential that trusts them is listed, whatever its identity.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub trust_of: Set<Tokens>,
    /// Client ids, in lower case, that were asked for one by one and that no identity has.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub no_identity: Set<String>,
    /// Client ids, in lower case, that are somebody's: of their applications, perhaps another tenant's, a
    /// service principal was seen. Only the audit knows of any.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub principals: Set<String>,
    /// Those of them whose service principals may not sign in, wherever one was seen.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub disabled: Set<String>,
    /// Tenants, in lower case, whose identities were seen, beside those of the inventory's own.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub tenants: Set<String>,
    /// What was read of each cluster, where anything was.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub of_cluster: Vec<(ClusterIx, ClusterCoverage)>,
}

/// The tokens of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Tokens {
    /// Who signs them.
    pub issuer: Issuer,
    /// The namespace of their ServiceAccounts; any, and any subject at all, if there is none.
    pub namespace: Option<String>,
}

/// What was read of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase", default))]
pub struct ClusterCoverage {
    /// Namespaces.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub namespaces: Extent,
    /// ServiceAccounts.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub service_accounts: Extent,
    /// Deployments, by which an installed mutating webhook would be seen.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub deployments: Extent,
    /// Pods.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub pods: Extent,
    /// Secrets.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub secrets: Extent,
    /// SecretProviderClasses.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub provider_classes: Extent,
    /// Roles.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub roles: Extent,
    /// ClusterRoles.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub cluster_roles: Extent,
    /// RoleBindings.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub role_bindings: Extent,
    /// ClusterRoleBindings.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub cluster_role_bindings: Extent,
    /// MutatingWebhookConfigurations.
    #[cfg(feature = "audit")]
    pub registrations: Extent,
    /// ConfigMaps of webhooks of workload identity.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub webhook_settings: Extent,
    /// Whether its identity bindings are all listed.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub identity_bindings: bool,
    /// Whether External Secrets is installed while its stores were not read.
    #[cfg_attr(feature = "facts", serde(skip_serializing_if = "is_default"))]
    pub token_requesters_missing: bool,
}

/// Things that are there or not: a sorted list, which costs the policy module a fraction of what a
/// tree would.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(transparent))]
pub struct Set<T>(Vec<T>);

/// How much of a kind was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Extent {
    /// Only what is in the inventory.
    #[default]
    Nothing,
    /// These objects were asked for one by one, by namespace and name.
    Asked(Set<(String, String)>),
    /// All of these namespaces.
    Namespaces(Set<String>),
    /// All of the cluster.
    Everything,
}

// === impl TokenRequester ===

impl TokenRequester {
    /// What a custom resource asks for, if it asks for the tokens of a ServiceAccount.
    pub fn of(custom: &Custom) -> Option<Self> {
        let (namespace, service_account) = custom.account()?;
        let by = alloc::format!("{}/{}", custom.kind.kind, custom.name);
        Some(Self { cluster: custom.cluster, namespace: namespace.into(), service_account: service_account.into(), by })
    }
}

// === impl SecretProviderClass ===

impl SecretProviderClass {
    /// `clientID` of the provider `azure`: then the driver asks for the tokens of the pod's
    /// ServiceAccount, and the pod needs no label.
    pub fn client_id(&self) -> Option<&str> {
        self.azure.as_ref().map(|azure| azure.client_id.as_str()).filter(|id| !id.is_empty())
    }

    /// As something that is judged, if its provider is `azure`.
    pub fn judged(&self, origin: Origin) -> Option<Custom> {
        let kind = CustomKind::find("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass")?;
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        let body = Body::ProviderClass(self.azure.clone()?);
        Some(Custom {
            kind,
            cluster: self.cluster,
            namespace,
            #[cfg(feature = "audit")]
            unplaced: false,
            name,
            body,
            origin,
        })
    }
}

// === impl Coverage ===

impl Coverage {
    /// What was read of a cluster, to be widened.
    pub fn cluster(&mut self, cluster: ClusterIx) -> &mut ClusterCoverage {
        let place = self.of_cluster.partition_point(|(of, _)| *of < cluster);
        if self.of_cluster.get(place).is_none_or(|(of, _)| *of != cluster) {
            self.of_cluster.insert(place, (cluster, ClusterCoverage::default()));
        }
        #[expect(clippy::indexing_slicing, reason = "it is there now")]
        &mut self.of_cluster[place].1
    }

    /// Whether every credential that trusts a token of this issuer and subject is listed.
    pub fn knows_trust_of(&self, issuer: &Issuer, subject: &Subject) -> bool {
        self.trust_of.iter().any(|tokens| tokens.include(issuer, subject))
    }

    /// What was read of a cluster, if anything.
    pub fn of(&self, cluster: ClusterIx) -> Option<&ClusterCoverage> {
        self.of_cluster.iter().find(|(of, _)| *of == cluster).map(|(_, coverage)| coverage)
    }
}

// === impl Tokens ===

impl Tokens {
    /// All tokens of an issuer.
    pub fn of(issuer: &Issuer) -> Self {
        Self { issuer: issuer.clone(), namespace: None }
    }

    fn include(&self, issuer: &Issuer, subject: &Subject) -> bool {
        let lives_in = |namespace: &String| subject.service_account().is_some_and(|(of, _)| of == namespace);
        self.issuer == *issuer && self.namespace.as_ref().is_none_or(lives_in)
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
            Self::Nothing => *self = Self::Asked([(namespace.into(), name.into())].into_iter().collect()),
            Self::Namespaces(_) | Self::Everything => {}
        }
    }

    /// Notes that a whole namespace was read.
    pub fn add_namespace(&mut self, namespace: &str) {
        match self {
            Self::Namespaces(namespaces) => {
                namespaces.insert(namespace.into());
            }
            Self::Nothing | Self::Asked(_) => *self = Self::Namespaces([namespace.into()].into_iter().collect()),
            Self::Everything => {}
        }
    }
}

// === impl Set ===

impl<T: Ord> Set<T> {
    /// Adds a thing, once.
    pub fn insert(&mut self, thing: T) {
        if let Err(place) = self.0.binary_search(&thing) {
            self.0.insert(place, thing);
        }
    }

    /// Takes a thing out.
    pub fn remove(&mut self, thing: &T) {
        self.retain(|kept| kept != thing);
    }

    /// Keeps the things that are wanted.
    pub fn retain(&mut self, wanted: impl FnMut(&T) -> bool) {
        self.0.retain(wanted);
    }

    /// Whether a thing is there.
    pub fn contains<Q: Ord + ?Sized>(&self, thing: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.binary_search_by(|kept| kept.borrow().cmp(thing)).is_ok()
    }

    /// All things, in order.
    pub fn iter(&self) -> core::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, things: I) {
        things.into_iter().for_each(|thing| self.insert(thing));
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        let mut things: Vec<T> = things.into_iter().collect();
        things.sort_unstable();
        things.dedup();
        Self(things)
    }
}

/// What a case leaves out, because it goes without saying.
#[cfg(feature = "facts")]
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
