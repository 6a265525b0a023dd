//! Access of Kubernetes: Roles and their bindings, reduced to what lets somebody become an
//! identity. Only the audit reads them.

use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::{ClusterIx, Origin};
use crate::repair::shell;

/// The API group of identity bindings, in which a client id is a resource
/// (Microsoft Learn, Identity bindings in AKS).
pub const IDENTITY_GROUP: &str = "cid.wi.aks.azure.com";

/// The verb on a client id that lets a ServiceAccount use it.
pub const USE_IDENTITY: &str = "use-managed-identity";

/// A Role or ClusterRole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Role {
    /// Its cluster.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its namespace; empty for a ClusterRole.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it grants, each power once for each set of names.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub grants: Vec<Grant>,
    /// Whether it grants more than it says: it has an `aggregationRule`, and the rules of others were
    /// not written into it yet, as a controller of the cluster does.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub open: bool,
}

/// Something that a role grants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Grant {
    /// What.
    pub power: Power,
    /// The objects it is limited to, or the client ids; none if it is not.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub names: Vec<String>,
}

/// What lets somebody become an identity, or prepares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Power {
    /// Every verb on every resource of every group.
    Everything,
    /// To create pods, or to create or change what makes them.
    MakePods,
    /// To `create` `serviceaccounts/token`.
    RequestTokens,
    /// To change ServiceAccounts, and so their annotations.
    AnnotateAccounts,
    /// To create ServiceAccounts.
    CreateAccounts,
    /// To create namespaces.
    CreateNamespaces,
    /// To `escalate` or `bind` any role.
    GrantRoles,
    /// To `impersonate` any user or group.
    Impersonate,
    /// To use an identity through an identity binding of AKS; the names are client ids, or `*`. No
    /// names if the grant is of every API group.
    UseIdentity,
}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct RoleBinding {
    /// Its cluster.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its namespace; empty for a ClusterRoleBinding.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether the role it binds is a ClusterRole.
    pub of_cluster_role: bool,
    /// The name of that role.
    pub role: String,
    /// Who has the role.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub subjects: Vec<Principal>,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

/// Who a role is bound to: what Kubernetes calls the subject of a binding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Principal {
    /// A user, by name; one that is a ServiceAccount is read as that.
    User(String),
    /// A group, by name.
    Group(String),
    /// A ServiceAccount, by namespace and name.
    ServiceAccount(String, String),
}

/// Groups of Kubernetes' own that everybody is in (Kubernetes, `user.go` of the API server).
pub mod group {
    /// Whoever signed in, ServiceAccounts among them.
    pub const AUTHENTICATED: &str = "system:authenticated";
    /// Whoever did not.
    pub const UNAUTHENTICATED: &str = "system:unauthenticated";
    /// All ServiceAccounts.
    pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
    /// What stands before a namespace in the name of the group of its ServiceAccounts.
    pub const SERVICE_ACCOUNTS_OF: &str = "system:serviceaccounts:";
}

/// The user that stands for whoever did not sign in.
pub const ANONYMOUS: &str = "system:anonymous";

// === impl Role ===

impl Role {
    /// Its kind.
    pub const fn kind(&self) -> &'static str {
        if self.namespace.is_empty() { "ClusterRole" } else { "Role" }
    }

    /// What it grants of a power, which everything is a part of.
    pub fn grants_of(&self, power: Power) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(move |grant| [power, Power::Everything].contains(&grant.power))
    }

    /// Whether it grants a power over every object.
    pub fn grants_all(&self, power: Power) -> bool {
        self.grants_of(power).any(|grant| grant.names.is_empty())
    }

    /// Whether it grants everything there is.
    pub fn is_admin(&self) -> bool {
        self.grants_all(Power::Everything)
    }
}

// === impl RoleBinding ===

impl RoleBinding {
    /// Its kind.
    pub const fn kind(&self) -> &'static str {
        if self.is_of_cluster() { "ClusterRoleBinding" } else { "RoleBinding" }
    }

    /// Whether what it grants holds in every namespace, and outside them.
    pub const fn is_of_cluster(&self) -> bool {
        self.namespace.is_empty()
    }

    /// The role as `KIND/NAME`.
    pub fn role_name(&self) -> String {
        let kind = if self.of_cluster_role { "ClusterRole" } else { "Role" };
        alloc::format!("{kind}/{}", self.role)
    }

    /// As kubectl is told of it: `clusterrolebinding NAME`, `rolebinding NAME -n NAMESPACE`.
    pub fn for_kubectl(&self) -> String {
        let kind = self.kind().to_ascii_lowercase();
        let name = shell(&self.name);
        if self.is_of_cluster() {
            alloc::format!("{kind} {name}")
        } else {
            alloc::format!("{kind} {name} -n {}", shell(&self.namespace))
        }
    }
}

// === impl Principal ===

impl Principal {
    /// Whether a ServiceAccount is meant by it: by name, or by a group it is in.
    pub fn includes(&self, namespace: &str, name: &str) -> bool {
        match self {
            Self::ServiceAccount(of, own) => of == namespace && own == name,
            Self::User(_) => false,
            Self::Group(group) => match group.strip_prefix(group::SERVICE_ACCOUNTS_OF) {
                Some(of) => of == namespace,
                None => [group::AUTHENTICATED, group::SERVICE_ACCOUNTS].contains(&group.as_str()),
            },
        }
    }

    /// Whether whole clusters are meant by it: everybody, or every ServiceAccount.
    pub fn is_everybody(&self) -> bool {
        match self {
            Self::Group(group) => {
                [group::AUTHENTICATED, group::UNAUTHENTICATED, group::SERVICE_ACCOUNTS].contains(&group.as_str())
            }
            Self::User(user) => user == ANONYMOUS,
            Self::ServiceAccount(..) => false,
        }
    }

    /// Whether it is open to whoever does not sign in.
    pub fn is_anonymous(&self) -> bool {
        match self {
            Self::Group(group) => group == group::UNAUTHENTICATED,
            Self::User(user) => user == ANONYMOUS,
            Self::ServiceAccount(..) => false,
        }
    }

    /// The namespace whose pods it stands for, as a rule: the group of a namespace's ServiceAccounts,
    /// or its ServiceAccount `default`, under which pods run that name none.
    pub fn any_pod_of(&self) -> Option<&str> {
        match self {
            Self::Group(group) => group.strip_prefix(group::SERVICE_ACCOUNTS_OF),
            Self::ServiceAccount(namespace, name) if name == "default" => Some(namespace),
            Self::ServiceAccount(..) | Self::User(_) => None,
        }
    }

    /// Whether it is of Kubernetes' or AKS's own: its components, nodes and administrators.
    pub fn is_built_in(&self) -> bool {
        match self {
            Self::User(name) | Self::Group(name) => {
                !self.is_everybody()
                    && self.any_pod_of().is_none_or(|namespace| namespace == "kube-system")
                    && (name.starts_with("system:") || name.starts_with("kubeadm:") || name == "aks-support")
            }
            Self::ServiceAccount(namespace, _) => namespace == "kube-system",
        }
    }
}

impl core::fmt::Display for Principal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::User(name) => write!(f, "user `{name}`"),
            Self::Group(name) => write!(f, "group `{name}`"),
            Self::ServiceAccount(namespace, name) => write!(f, "ServiceAccount `{namespace}/{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_includes_those_it_stands_for() {
        let account = Principal::ServiceAccount("shop".into(), "cart".into());
        let group = |name: &str| Principal::Group(name.into());
        for (principal, expected) in [
            (account, true),
            (Principal::ServiceAccount("shop".into(), "till".into()), false),
            (group("system:serviceaccounts:shop"), true),
            (group("system:serviceaccounts:shops"), false),
            (group("system:serviceaccounts"), true),
            (group("system:authenticated"), true),
            (group("system:unauthenticated"), false),
            (group("shop"), false),
            (Principal::User("shop".into()), false),
        ] {
            assert_eq!(principal.includes("shop", "cart"), expected, "{principal}");
        }
    }

    #[test]
    fn components_are_told_from_everybody_and_from_teams() {
        let group = |name: &str| Principal::Group(name.into());
        assert!(group("system:masters").is_built_in() && group("system:serviceaccounts:kube-system").is_built_in());
        assert!(!group("system:authenticated").is_built_in() && group("system:authenticated").is_everybody());
        assert!(!group("system:serviceaccounts:ci").is_built_in() && !group("team").is_built_in());
        assert!(Principal::ServiceAccount("kube-system".into(), "default".into()).is_built_in());
        assert!(Principal::User(ANONYMOUS.into()).is_anonymous() && !Principal::User(ANONYMOUS.into()).is_built_in());
        assert_eq!(Principal::ServiceAccount("ci".into(), "default".into()).any_pod_of(), Some("ci"));
    }
}
