//! What is found, absent or unknown, and what would have to be known.

use alloc::string::String;
use core::fmt;

use crate::model::{ClusterIx, Issuer};

/// A hop of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link<T, K = Key> {
    /// It is there.
    Found(T),
    /// We looked, and it is not there.
    Absent,
    /// We could not look.
    Unknown(K),
}

/// What would have to be known to judge: the evidence that was missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown(pub Key);

/// A fact to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The issuer of a cluster.
    Issuer(ClusterIx),
    /// Whether a namespace exists.
    Namespace(ClusterIx, String),
    /// A ServiceAccount, by namespace and name.
    ServiceAccount(ClusterIx, String, String),
    /// The keys of a Secret, by namespace and name.
    Secret(ClusterIx, String, String),
    /// A SecretProviderClass, by namespace and name.
    SecretProviderClass(ClusterIx, String, String),
    /// The namespace of an object that states none, by kind and name.
    #[cfg(feature = "audit")]
    Place(&'static str, String),
    /// A PersistentVolumeClaim, by namespace and name.
    Claim(ClusterIx, String, String),
    /// The custom resources by which operators ask for tokens.
    TokenRequesters(ClusterIx),
    /// The Deployments of a cluster.
    Deployments(ClusterIx),
    /// The Roles and ClusterRoles of a cluster, and who they are bound to.
    #[cfg(feature = "audit")]
    Access(ClusterIx),
    /// The MutatingWebhookConfigurations of a cluster.
    #[cfg(feature = "audit")]
    Registrations(ClusterIx),
    /// The ConfigMap of the webhook in a namespace.
    #[cfg(feature = "audit")]
    WebhookSettings(ClusterIx, String),
    /// The identity bindings of a cluster of AKS.
    #[cfg(feature = "audit")]
    IdentityBindings(ClusterIx),
    /// The identity of a client id.
    Identity(String),
    /// All credentials of an identity, by its name or client id.
    Credentials(String),
    /// All credentials that trust an issuer, whatever their identity.
    Trusting(Issuer),
    /// Which identity a credential belongs to.
    Parent(String),
    /// All clusters that could have this issuer.
    Clusters(Issuer),
    /// How Azure describes a cluster.
    Description(ClusterIx),
    /// What made a pod or a Job that has ended.
    #[cfg(feature = "audit")]
    Maker(String),
    /// What has no kind of its own, in words: what an expression or a `valueFrom` evaluates to, or a list that was
    /// not read.
    Value(String),
}

// === impl Link ===

impl<T> Link<T> {
    /// What is there, if we could look. The whole three-valued logic is `.known()?`.
    pub fn known(self) -> Result<Option<T>, Unknown> {
        match self {
            Self::Found(found) => Ok(Some(found)),
            Self::Absent => Ok(None),
            Self::Unknown(key) => Err(Unknown(key)),
        }
    }

    pub(super) fn look(found: Option<T>, covered: bool, key: impl FnOnce() -> Key) -> Self {
        match found {
            Some(found) => Self::Found(found),
            None if covered => Self::Absent,
            None => Self::Unknown(key()),
        }
    }
}

// === impl Key ===

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer(_) => f.write_str("the cluster's issuer"),
            Self::Namespace(_, name) => write!(f, "namespace {name}"),
            Self::ServiceAccount(_, namespace, name) => write!(f, "ServiceAccount {namespace}/{name}"),
            Self::Secret(_, namespace, name) => write!(f, "the keys of Secret {namespace}/{name}"),
            Self::SecretProviderClass(_, namespace, name) => write!(f, "SecretProviderClass {namespace}/{name}"),
            #[cfg(feature = "audit")]
            Self::Place(kind, name) => write!(f, "the namespace in which {kind} {name} is installed"),
            Self::Claim(_, namespace, name) => write!(f, "PersistentVolumeClaim {namespace}/{name}"),
            Self::TokenRequesters(_) => f.write_str("the stores of External Secrets"),
            Self::Deployments(_) => f.write_str("the cluster's Deployments"),
            #[cfg(feature = "audit")]
            Self::Access(_) => f.write_str("the cluster's roles and their bindings"),
            #[cfg(feature = "audit")]
            Self::Registrations(_) => f.write_str("the cluster's MutatingWebhookConfigurations"),
            #[cfg(feature = "audit")]
            Self::WebhookSettings(_, namespace) => {
                write!(f, "ConfigMap {namespace}/{}", crate::model::registration::SETTINGS)
            }
            #[cfg(feature = "audit")]
            Self::IdentityBindings(_) => f.write_str("the cluster's identity bindings"),
            Self::Identity(client_id) => write!(f, "the identity of client id {client_id}"),
            Self::Credentials(name) => write!(f, "all credentials of identity {name}"),
            Self::Trusting(issuer) => write!(f, "every credential that trusts issuer {issuer}"),
            Self::Parent(name) => write!(f, "the identity of credential {name}"),
            Self::Clusters(issuer) => write!(f, "the cluster of issuer {issuer}"),
            Self::Description(_) => f.write_str("the description of the cluster"),
            #[cfg(feature = "audit")]
            Self::Maker(what) => f.write_str(what),
            Self::Value(what) => f.write_str(what),
        }
    }
}

impl Key {
    /// What kind of evidence it is, for counting.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "issuer of the cluster",
            Self::Namespace(..) => "list of namespaces",
            Self::ServiceAccount(..) => "list of ServiceAccounts",
            Self::Secret(..) => "keys of Secrets",
            Self::SecretProviderClass(..) => "list of SecretProviderClasses",
            #[cfg(feature = "audit")]
            Self::Place(..) => "namespaces that no file states",
            Self::Claim(..) => "PersistentVolumeClaims",
            Self::TokenRequesters(_) => "stores of External Secrets",
            Self::Deployments(_) => "list of Deployments",
            #[cfg(feature = "audit")]
            Self::Access(_) => "roles and their bindings",
            #[cfg(feature = "audit")]
            Self::Registrations(_) => "list of MutatingWebhookConfigurations",
            #[cfg(feature = "audit")]
            Self::WebhookSettings(..) => "ConfigMap of the webhook",
            #[cfg(feature = "audit")]
            Self::IdentityBindings(_) => "identity bindings of a cluster",
            Self::Identity(_) => "lists of managed identities and app registrations",
            Self::Credentials(_) | Self::Trusting(_) => "federated credentials of an identity",
            Self::Parent(_) => "identity of a credential",
            Self::Clusters(_) => "list of clusters",
            Self::Description(_) => "description of the cluster",
            #[cfg(feature = "audit")]
            Self::Maker(_) => "makers of what has ended",
            Self::Value(_) => "values set elsewhere",
        }
    }
}
