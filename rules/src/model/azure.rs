//! Azure's half of the chain: identities, their federated credentials, and clusters as Azure
//! describes them.

use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

#[cfg(feature = "audit")]
use super::Pairs;
use super::{Audience, ClientId, Issuer, Origin, Subject};
use crate::expression;

/// A user-assigned managed identity or an app registration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Identity {
    /// Which of the two.
    pub kind: IdentityKind,
    /// Its name, or an app's display name.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub name: String,
    /// The client id (an app's application id).
    pub client_id: ClientId,
    /// The resource id of a managed identity, the object id of an app registration; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub id: String,
    /// The object id of its service principal; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub principal_id: String,
    /// Its tenant; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub tenant_id: String,
    /// Its resource group; empty if it has none.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub resource_group: String,
    /// Its region; empty if unknown, or if it has none.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub location: String,
    /// Whether all its credentials are in the inventory.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub credentials_complete: bool,
    /// The address under which infrastructure as code declares it, where only that says it exists.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub declared: Option<String>,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

/// What kind of object of Azure an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum IdentityKind {
    /// `Microsoft.ManagedIdentity/userAssignedIdentities`.
    UserAssigned,
    /// An application of Microsoft Graph.
    Application,
}

/// A role assignment: what somebody may do in Azure, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct RoleAssignment {
    /// Its resource id; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub id: String,
    /// The object id of whoever has the role: of a managed identity, its principal id.
    pub principal_id: String,
    /// The role definition's id: the last segment, a GUID.
    pub role: String,
    /// The resource, resource group, subscription or management group it reaches down from.
    pub scope: String,
}

/// An identity binding of AKS: an identity that pods of a cluster may use where Kubernetes lets them
/// (`Microsoft.ContainerService/managedClusters/identityBindings`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct IdentityBinding {
    /// Its resource id, which names the cluster.
    pub id: String,
    /// The resource id of the managed identity; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub identity: String,
    /// The client id of the managed identity; empty if unknown.
    pub client_id: ClientId,
}

/// A federated identity credential: whose tokens an identity trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct FederatedIdentityCredential {
    /// Its name.
    pub name: String,
    /// Its resource id or object id; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub id: String,
    /// The identity it belongs to.
    pub parent: Parent,
    /// The issuer it trusts.
    pub issuer: Issuer,
    /// The subject it trusts; `None` for a flexible credential.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub subject: Option<Subject>,
    /// The audiences it accepts: exactly one, where Azure validated it.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub audiences: Vec<Audience>,
    /// `claimsMatchingExpression.value` of a flexible credential.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub expression: Option<String>,
    /// The address under which infrastructure as code declares it, where only that says it exists.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub declared: Option<String>,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

/// How a credential names its identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Parent {
    /// Resource id of a managed identity; segments compare without regard to case.
    Resource(String),
    /// Object id, application id or resource id of an identity, as Graph or the user names it.
    Id(String),
    /// Client id, as policy settings name it.
    Client(ClientId),
    /// No source says.
    Unknown,
}

/// A cluster, as Azure describes it or as settings name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its resource id; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub id: String,
    /// Its resource group; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub resource_group: String,
    /// What runs it.
    #[cfg_attr(feature = "facts", serde(default))]
    pub platform: Platform,
    /// The issuer that signs its tokens.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub issuer: Option<Issuer>,
    /// What Azure says its issuer is, where its API server says otherwise.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub profile_issuer: Option<Issuer>,
    /// Further issuers it accepts or had, declared by the user.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub other_issuers: Vec<Issuer>,
    /// `oidcIssuerProfile.enabled`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub oidc_issuer_enabled: Option<bool>,
    /// `securityProfile.workloadIdentity.enabled`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub workload_identity_enabled: Option<bool>,
    /// Whether it is AKS Automatic, which has both always on.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub automatic: bool,
    /// `kubernetesVersion`; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub kubernetes_version: String,
    /// The tenant of its own identity; empty if unknown.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub tenant_id: String,
    /// `podIdentityProfile.enabled`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub pod_identity_enabled: Option<bool>,
    /// Whether its add-on for virtual nodes is enabled.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub virtual_nodes: Option<bool>,
    /// Whether pods without the host's network are kept from the node's metadata service
    /// (`networkProfile.podLinkLocalAccess`), where its description says.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub metadata_restricted: Option<bool>,
    /// Whether an add-on of it needs that service, so that it cannot be kept from pods.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub metadata_needed: bool,
    /// Whether its API server is in a virtual network (`apiServerAccessProfile.enableVnetIntegration`).
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub vnet_integration: bool,
    /// Whether a node pool of it runs Windows.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub windows_nodes: bool,
    /// The algorithms that its API server says its tokens are signed by; empty if that is not known. Only
    /// the audit reads them.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub signing: Vec<String>,
    /// Its tags. Only the audit reads them.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub tags: Pairs,
    /// The identities of its nodes, its control plane and its add-ons.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub own_identities: Vec<OwnIdentity>,
    /// The address under which infrastructure as code declares it, where only that says it exists.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub declared: Option<String>,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

/// An identity by which a cluster itself acts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct OwnIdentity {
    /// What acts by it: `kubeletidentity`, or the name of an add-on.
    pub role: String,
    /// Its client id.
    pub client_id: ClientId,
}

/// What runs a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Platform {
    /// Azure Kubernetes Service.
    Aks,
    /// Azure Arc-enabled Kubernetes.
    Arc,
    /// Anything else, or unknown.
    #[default]
    Other,
}

// === impl Identity ===

impl Identity {
    /// Its client id; its id, where that is not known yet.
    pub fn reference(&self) -> &str {
        if self.client_id.0.is_empty() { &self.id } else { &self.client_id.0 }
    }

    /// Whether nothing describes it, and it is known by its credentials alone.
    #[cfg(feature = "audit")]
    pub fn is_mention(&self) -> bool {
        self.client_id.0.is_empty() && self.declared.is_none()
    }

    /// The kind as reports name it.
    pub const fn kind_name(&self) -> &'static str {
        match self.kind {
            IdentityKind::UserAssigned => "ManagedIdentity",
            IdentityKind::Application => "Application",
        }
    }
}

// === impl IdentityBinding ===

impl IdentityBinding {
    /// The resource id of its cluster.
    pub fn cluster(&self) -> &str {
        let at = self.id.to_ascii_lowercase().find("/identitybindings/");
        at.and_then(|at| self.id.get(..at)).unwrap_or_default()
    }
}

// === impl Cluster ===

impl Cluster {
    /// Its issuer and its further ones.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.issuer.iter().chain(&self.other_issuers)
    }
}

// === impl FederatedIdentityCredential ===

impl FederatedIdentityCredential {
    /// Whether it trusts this token, byte for byte; `None` if it is flexible and its expression
    /// hangs on more than is known, or is not understood.
    pub fn trusts(&self, issuer: &Issuer, subject: &Subject, audience: &Audience) -> Option<bool> {
        if self.issuer != *issuer || !self.audiences.contains(audience) {
            return Some(false);
        }
        self.admits(subject)
    }

    /// Whether it trusts tokens of this subject that its issuer signs for its audience; `None` as
    /// for [`Self::trusts`].
    pub fn admits(&self, subject: &Subject) -> Option<bool> {
        match (&self.subject, &self.expression) {
            (Some(own), _) => Some(own == subject),
            (None, Some(expression)) => expression::holds(expression, |claim| match claim {
                "iss" => Some(self.issuer.as_str()),
                "sub" => Some(subject.as_str()),
                // Azure takes exactly one, and a token of another audience does not come as far.
                "aud" => match self.audiences.as_slice() {
                    [audience] => Some(audience.as_str()),
                    _ => None,
                },
                _ => None,
            }),
            (None, None) => Some(false),
        }
    }

    /// The ServiceAccount it trusts, if its subject has that form.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        self.subject.as_ref()?.service_account()
    }
}

// === impl Parent ===

impl Parent {
    /// From the resource id of a credential: what comes before `/federatedIdentityCredentials/`.
    pub fn of_credential_id(id: &str) -> Option<Self> {
        let at = id.to_ascii_lowercase().find("/federatedidentitycredentials/")?;
        id.get(..at).map(|parent| Self::Resource(parent.into()))
    }
}
