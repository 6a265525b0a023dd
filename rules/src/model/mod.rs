//! The objects of the chain, reduced to the facts the rules read.

mod azure;
mod bearing;
#[cfg(feature = "audit")]
mod condition;
mod custom;
mod image;
#[cfg(feature = "audit")]
mod life;
mod name;
#[cfg(feature = "audit")]
mod own_token;
#[cfg(feature = "audit")]
mod path;
#[cfg(feature = "audit")]
pub mod rbac;
#[cfg(feature = "audit")]
pub mod registration;
#[cfg(feature = "audit")]
mod selector;
mod service_account;
mod software;
mod workload;

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use azure::{
    Cluster, FederatedIdentityCredential, Identity, IdentityBinding, IdentityKind, OwnIdentity, Parent, Platform,
    RoleAssignment,
};
#[cfg(feature = "audit")]
pub use bearing::{CUSTOM_BEARING, TemplatePath};
pub use bearing::{POD_BEARING, PodBearing, Shape};
#[cfg(feature = "audit")]
pub use condition::{Condition, Expression};
pub use custom::{AzureParameters, Body, CUSTOM, Custom, CustomKind, Login, Means, Store, Trigger};
#[cfg(feature = "audit")]
pub use custom::{BYSTANDERS, SCALERS};
pub use image::ImageReference;
#[cfg(feature = "audit")]
pub use image::OPERATORS;
#[cfg(feature = "audit")]
pub use life::{DOWNSCALED, IDLED, Life, QUEUED, is_past_revision};
pub use name::{Audience, ClientId, DEFAULT_AUDIENCE, Issuer, Subject, is_guid, is_placeholder};
#[cfg(feature = "audit")]
pub use own_token::is_whole;
#[cfg(feature = "audit")]
pub use path::may_lie_in;
#[cfg(feature = "audit")]
pub use rbac::{Grant, Power, Principal, Role, RoleBinding};
#[cfg(feature = "audit")]
pub use registration::{Registration, Webhook, WebhookSettings};
#[cfg(feature = "audit")]
pub use selector::{Operator, Requirement, Selector, is_set_by_controllers};
pub use service_account::ServiceAccount;
pub use software::{Ecosystem, Library, PACKAGES, Package, Part, Software};
pub use workload::{
    Container, Controller, EnvFrom, EnvVar, Mount, Place, Placement, PodTemplate, ProjectedToken, Token, TokenPath,
    TokenVolume, Value, VirtualNode, Volume, Workload,
};

/// Labels the chain reads.
pub mod label {
    /// The pod label that the mutating webhook selects; only the exact value `true` counts
    /// (azure-workload-identity, `deploy/azure-wi-webhook.yaml`, `objectSelector`).
    pub const USE: &str = "azure.workload.identity/use";
    /// The pod label of the retired AAD Pod Identity (aad-pod-identity, `pkg/apis/aadpodidentity/v1/types.go`).
    pub const AAD_POD_IDENTITY: &str = "aadpodidbinding";
}

/// Annotations the chain reads (azure-workload-identity, `pkg/webhook/consts.go`).
pub mod annotation {
    /// Client id of the identity, on the ServiceAccount.
    pub const CLIENT_ID: &str = "azure.workload.identity/client-id";
    /// Tenant of the identity, on the ServiceAccount.
    pub const TENANT_ID: &str = "azure.workload.identity/tenant-id";
    /// Lifetime of the projected token in seconds, on the pod or the ServiceAccount.
    pub const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";
    /// Containers passed over, separated by semicolons, on the pod.
    pub const SKIP_CONTAINERS: &str = "azure.workload.identity/skip-containers";
    /// Asks for the migration proxy; its value is ignored, on the pod.
    pub const INJECT_PROXY: &str = "azure.workload.identity/inject-proxy-sidecar";
    /// Port of the migration proxy, on the pod.
    pub const PROXY_PORT: &str = "azure.workload.identity/proxy-sidecar-port";
    /// Asks for an AKS identity binding instead of a federated credential, on the pod.
    pub const USE_IDENTITY_BINDING: &str = "azure.workload.identity/use-identity-binding";
    /// Client id of the identity by which kubelets pull images from Azure Container Registry, on the
    /// ServiceAccount (cloud-provider-azure, `pkg/credentialprovider/consts.go`). Only the audit reads it.
    pub const ACR_CLIENT_ID: &str = "kubernetes.azure.com/acr-client-id";
    /// The tenant of that identity, beside it.
    pub const ACR_TENANT_ID: &str = "kubernetes.azure.com/acr-tenant-id";
}

/// A member of `metadata.labels` or `metadata.annotations`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Pair {
    /// The key, verbatim.
    pub key: String,
    /// The value, verbatim.
    pub value: String,
    /// False if the manifest holds a bare `true` or `1`, which the API server refuses.
    #[cfg_attr(feature = "facts", serde(default = "yes", skip_serializing_if = "is_true"))]
    pub is_string: bool,
}

/// Labels or annotations, only those that bear on the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(transparent))]
pub struct Pairs(pub Vec<Pair>);

/// The index of a cluster in [`crate::inventory::Inventory::clusters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterIx(pub u32);

/// Where an object was read: opaque to rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Origin {
    /// An index into the reader's list of sources.
    pub source: u32,
    /// The line where the object starts, from 1; 0 if it has none.
    pub line: u32,
}

// === impl Pairs ===

impl Pairs {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value under exactly this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pair(key).map(|pair| pair.value.as_str())
    }

    /// The pair under exactly this key.
    pub fn pair(&self, key: &str) -> Option<&Pair> {
        self.0.iter().find(|pair| pair.key == key)
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.0.iter()
    }
}

/// What a snapshot leaves out, because it goes without saying.
#[cfg(feature = "facts")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_true(value: &bool) -> bool {
    *value
}

#[cfg(feature = "facts")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(crate) const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(feature = "facts")]
const fn yes() -> bool {
    true
}

/// Whether a label or annotation key bears on the chain: one of ours, or somebody's misspelling of one.
pub fn is_relevant_key(key: &str) -> bool {
    key == label::AAD_POD_IDENTITY
        || key.starts_with("aadpodid")
        || is_like_ours(key)
        || (cfg!(feature = "audit") && [annotation::ACR_CLIENT_ID, annotation::ACR_TENANT_ID].contains(&key))
}

/// Whether a key, without regard to case and punctuation, begins like `azure.workload.identity`.
pub fn is_like_ours(key: &str) -> bool {
    let mut wanted = "azureworkloadidentity".bytes();
    let mut letters = key.bytes().filter(|byte| byte.is_ascii_alphanumeric());
    wanted.all(|w| letters.next().is_some_and(|l| l.eq_ignore_ascii_case(&w)))
}
