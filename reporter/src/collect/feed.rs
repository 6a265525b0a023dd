//! A feed: what a source that is no file gave, already reduced to facts. A page of a live cluster
//! or of Azure is one, and so is a line of a snapshot, which keeps them.

use serde::{Deserialize, Serialize};
use wiguard_rules::manifest::Manifest;
use wiguard_rules::model::Issuer;

use super::Gap;
pub use super::azure::Resource;

/// What one source gave, or a part of it: feeds of the same source are put together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Feed {
    /// The source as the report names it: `kube://CONTEXT/pods`, `azure://SUBSCRIPTION/identities`.
    pub source: String,
    /// The cluster whose objects these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Home>,
    /// When it was read: seconds since 1970.
    pub at: u64,
    /// How many objects were read, those included that no rule reads.
    pub read: u64,
    /// Objects of this source that were given before and do not count any more, since they changed or
    /// went while the cluster was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Gone>,
    /// Objects of Kubernetes; the API server gave them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Manifest>,
    /// Objects of Azure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// What is known beyond what is shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<Proof>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// An object that was given before, by what tells it apart within its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Gone {
    /// Its namespace, empty if its kind has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A cluster that was read itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Home {
    /// The name of the context, or what the user calls it.
    pub name: String,
    /// The uid of its namespace `kube-system`, which tells clusters apart; empty if it could not be read.
    pub uid: String,
    /// The issuer that its API server names in `/.well-known/openid-configuration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
}

/// What was read to its end, so that what was not seen there does not exist. Where proofs of
/// several sources are put together, what they prove together is proven.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Proof {
    /// All objects of a kind, in a namespace or in the whole cluster; a kind that the cluster does
    /// not serve has none.
    Kind {
        /// The kind.
        kind: String,
        /// The namespace; the whole cluster if there is none.
        namespace: Option<String>,
    },
    /// One object that was asked for by name; it is not there unless it is among the manifests.
    Asked {
        /// The kind.
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The names of all subscriptions of a tenant, of which none is hidden from the caller.
    Subscriptions {
        /// The tenant, empty if unknown.
        tenant: String,
        /// Their ids.
        subscriptions: Vec<String>,
    },
    /// All managed identities of a subscription.
    ManagedIdentities {
        /// Its id.
        subscription: String,
    },
    /// All app registrations of a tenant.
    Applications {
        /// The tenant, empty if unknown.
        tenant: String,
    },
    /// All identity bindings of a cluster of AKS.
    IdentityBindings {
        /// Its resource id, in lower case.
        cluster: String,
    },
    /// All federated credentials of an identity.
    Credentials {
        /// The resource id of a managed identity, the object id of an app registration.
        identity: String,
    },
}
