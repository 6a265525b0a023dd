//! The family of a kind: what its body is read as, and which of its labels are kept.

#[cfg(feature = "audit")]
use super::metadata::Kept;
#[cfg(feature = "audit")]
use super::{rbac, registration};
use crate::model::PodBearing;
#[cfg(feature = "audit")]
use crate::model::{CustomKind, Shape};

/// What a kind's body is read as.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Family {
    Pods(&'static PodBearing),
    ServiceAccount,
    Namespace,
    Secret,
    SecretProviderClass,
    #[cfg(feature = "audit")]
    Custom(&'static CustomKind),
    #[cfg(feature = "audit")]
    Role,
    #[cfg(feature = "audit")]
    RoleBinding,
    #[cfg(feature = "audit")]
    Registration,
    #[cfg(feature = "audit")]
    ConfigMap,
    List,
    Other,
}

// === impl Family ===

impl Family {
    pub(super) fn of(api_version: &str, kind: &str) -> Self {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        match (group, kind) {
            ("", "ServiceAccount") => Self::ServiceAccount,
            ("", "Namespace") => Self::Namespace,
            ("", "Secret") => Self::Secret,
            ("secrets-store.csi.x-k8s.io", "SecretProviderClass") => Self::SecretProviderClass,
            #[cfg(feature = "audit")]
            ("", "ConfigMap") => Self::ConfigMap,
            #[cfg(feature = "audit")]
            (rbac::GROUP, "Role" | "ClusterRole") => Self::Role,
            #[cfg(feature = "audit")]
            (rbac::GROUP, "RoleBinding" | "ClusterRoleBinding") => Self::RoleBinding,
            #[cfg(feature = "audit")]
            (registration::GROUP, "MutatingWebhookConfiguration") => Self::Registration,
            _ => match PodBearing::find(api_version, kind) {
                Some(kind) => Self::Pods(kind),
                #[cfg(feature = "audit")]
                None if CustomKind::find(api_version, kind).is_some() => {
                    CustomKind::find(api_version, kind).map_or(Self::Other, Self::Custom)
                }
                None if kind.ends_with("List") => Self::List,
                None => Self::Other,
            },
        }
    }
}

#[cfg(feature = "audit")]
impl Family {
    /// Which labels and annotations of its objects are kept.
    pub(super) fn keeps(self) -> Kept {
        match self {
            Self::Namespace | Self::Registration => Kept::All,
            Self::Pods(kind) if kind.shape == Shape::Pod => Kept::OfPods,
            _ => Kept::OfTheChain,
        }
    }
}
