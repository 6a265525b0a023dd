//! The kinds that are read of a cluster: one table for whoever reads, and for whoever asks whether
//! it may.

use wiguard_rules::model::{CUSTOM as CUSTOMS, PodBearing, registration};

/// A kind that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The API group, empty for the core group.
    pub group: &'static str,
    /// The versions that can be read, the one to start with first.
    pub versions: &'static [&'static str],
    /// The resource, as in a path and in a role.
    pub resource: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// How much of an object is asked for.
    pub part: Part,
    /// Whether every cluster serves it; a cluster that does not has none of these objects.
    pub built_in: bool,
    /// Whether the chain is judged without it, as far as it is known then.
    pub optional: bool,
    /// The name of the one object of it that is asked for, where its list is not.
    pub only: Option<&'static str>,
    /// What of the chain is judged by it.
    pub serves: &'static str,
    /// Where it keeps pods, if it does.
    pub bearing: Option<&'static PodBearing>,
}

/// What tells a kind from the others that are read: its group, if it is no kind of Kubernetes, which others
/// may call theirs alike, and its name.
pub type Which = (&'static str, &'static str);

/// How much of an object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// Its metadata alone.
    Metadata,
}

/// The verbs that are needed on most kinds: `get` asks again for what was missed while the cluster changed.
const VERBS: [&str; 2] = ["get", "list"];

/// The path that names the issuer, which is no resource; the ClusterRole
/// `system:service-account-issuer-discovery` grants it.
pub const ISSUER_PATH: &str = "/.well-known/openid-configuration";

/// The kind that is read only if the names of keys are asked for.
pub const SECRETS: Kind = Kind {
    resource: "secrets",
    kind: "Secret",
    serves: "which keys pods take from Secrets; values are dropped where they are read",
    ..CORE
};

/// The ConfigMap of the webhook, where the webhook is seen.
pub const SETTINGS: Kind = Kind {
    resource: "configmaps",
    kind: "ConfigMap",
    optional: true,
    only: Some(registration::SETTINGS),
    serves: "of which tenant and which cloud the webhook tells pods",
    ..CORE
};

const CORE: Kind = Kind {
    group: "",
    versions: &["v1"],
    resource: "",
    kind: "",
    namespaced: true,
    part: Part::Whole,
    built_in: true,
    optional: false,
    only: None,
    serves: "",
    bearing: None,
};

const CUSTOM: Kind = Kind { built_in: false, optional: true, ..CORE };

const RBAC: Kind = Kind {
    group: "rbac.authorization.k8s.io",
    optional: true,
    serves: "who can become an identity: by creating pods, by asking for tokens, by an identity binding",
    ..CORE
};

/// The kinds beside those that bear pods.
const OTHERS: [Kind; 10] = [
    Kind {
        resource: "namespaces",
        kind: "Namespace",
        namespaced: false,
        part: Part::Metadata,
        serves: "which namespaces exist",
        ..CORE
    },
    Kind {
        resource: "serviceaccounts",
        kind: "ServiceAccount",
        part: Part::Metadata,
        serves: "which identity a ServiceAccount names, and which exist",
        ..CORE
    },
    Kind {
        group: "secrets-store.csi.x-k8s.io",
        versions: &["v1", "v1alpha1"],
        resource: "secretproviderclasses",
        kind: "SecretProviderClass",
        serves: "which pods take Azure secrets as files",
        ..CUSTOM
    },
    Kind {
        group: "external-secrets.io",
        versions: &["v1", "v1beta1", "v1alpha1"],
        resource: "secretstores",
        kind: "SecretStore",
        serves: "which ServiceAccounts External Secrets asks tokens of",
        ..CUSTOM
    },
    Kind {
        group: "external-secrets.io",
        versions: &["v1", "v1beta1", "v1alpha1"],
        resource: "clustersecretstores",
        kind: "ClusterSecretStore",
        namespaced: false,
        serves: "which ServiceAccounts External Secrets asks tokens of",
        ..CUSTOM
    },
    Kind { resource: "roles", kind: "Role", ..RBAC },
    Kind { resource: "rolebindings", kind: "RoleBinding", ..RBAC },
    Kind { resource: "clusterroles", kind: "ClusterRole", namespaced: false, ..RBAC },
    Kind { resource: "clusterrolebindings", kind: "ClusterRoleBinding", namespaced: false, ..RBAC },
    Kind {
        group: "admissionregistration.k8s.io",
        optional: true,
        resource: "mutatingwebhookconfigurations",
        kind: "MutatingWebhookConfiguration",
        namespaced: false,
        serves: "whether the webhook is asked about the pods that opt in",
        ..CORE
    },
];

/// The versions in which a group is read.
fn versions(group: &str) -> &'static [&'static str] {
    match group {
        "keda.sh" | "argoproj.io" | "generators.external-secrets.io" => &["v1alpha1"],
        "azure.upbound.io" | "azure.m.upbound.io" => &["v1beta1"],
        "source.toolkit.fluxcd.io" | "image.toolkit.fluxcd.io" => &["v1", "v1beta2"],
        _ => &["v1"],
    }
}

/// The kind of that name.
pub fn named(kind: &str) -> Option<Kind> {
    kinds().chain([SECRETS]).find(|known| known.kind == kind)
}

/// Every kind that is read by default, those that show what exists first.
pub fn kinds() -> impl Iterator<Item = Kind> {
    let bearing = PodBearing::all().map(|it| bearing(it, versions(it.group), it.resource));
    // A SecretProviderClass is evidence as well, and stands among the others.
    let customs = CUSTOMS.iter().filter(|custom| OTHERS.iter().all(|other| other.kind != custom.kind));
    let customs = customs.map(|custom| Kind {
        group: custom.group,
        versions: versions(custom.group),
        resource: custom.resource,
        kind: custom.kind,
        namespaced: custom.namespaced,
        built_in: custom.group.is_empty(),
        serves: "by which identities operators act, and what is left of AAD Pod Identity",
        ..CUSTOM
    });
    OTHERS.into_iter().chain(customs).chain(bearing)
}

/// A kind that bears pods, in these versions under this resource.
pub(super) fn bearing(bearing: &'static PodBearing, versions: &'static [&'static str], resource: &'static str) -> Kind {
    Kind {
        group: bearing.group,
        versions,
        resource,
        kind: bearing.kind,
        built_in: bearing.at_admission(),
        optional: !bearing.at_admission(),
        serves: "which pods run, as whom and with which labels",
        bearing: Some(bearing),
        ..CORE
    }
}

// === impl Kind ===

impl Kind {
    /// What tells it from the others.
    pub fn which(&self) -> Which {
        (self.custom_bearing().map_or("", |bearing| bearing.group), self.kind)
    }

    /// Where it keeps pods, if it does and is no kind of Kubernetes.
    pub fn custom_bearing(&self) -> Option<&'static PodBearing> {
        self.bearing.filter(|bearing| !bearing.at_admission())
    }

    /// Whether a user declared it.
    pub fn is_declared(&self) -> bool {
        self.bearing.is_some_and(|bearing| PodBearing::find(bearing.api_version, bearing.kind).is_none())
    }

    /// The verbs that are needed to read it, in all namespaces or in one alone.
    pub fn verbs(&self, one_namespace: bool) -> &'static [&'static str] {
        match self.kind {
            // The webhook is in a namespace of its own.
            _ if self.only.is_some() => {
                if one_namespace {
                    &[]
                } else {
                    &["get"]
                }
            }
            "Namespace" if one_namespace => &["get"],
            "Namespace" => &VERBS,
            // Nothing that points elsewhere, and nothing points to them.
            "SecretStore" | "ClusterSecretStore" | "MutatingWebhookConfiguration" => &["list"],
            _ => &VERBS,
        }
    }

    /// The path of its objects in a version: of a namespace, or of all.
    pub fn path(&self, version: &str, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api".into() } else { format!("/apis/{}", self.group) };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/{version}/namespaces/{namespace}/{}", self.resource),
            None => format!("{root}/{version}/{}", self.resource),
        }
    }

    /// Its API version, in a version of its group.
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.into() } else { format!("{}/{version}", self.group) }
    }

    /// The resource with its group, as errors and kubectl name it.
    pub fn full_name(&self) -> String {
        if self.group.is_empty() { self.resource.into() } else { format!("{}.{}", self.resource, self.group) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_version_of_every_kind_that_bears_pods_is_the_one_that_rules_know() {
        for bearing in PodBearing::all() {
            let kind = kinds().find(|kind| kind.kind == bearing.kind && kind.group == bearing.group).unwrap();
            let version = bearing.api_version.rsplit('/').next().unwrap();
            assert_eq!(kind.versions, [version], "{}", bearing.kind);
        }
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let path = |name: &str, namespace| kinds().find(|kind| kind.kind == name).unwrap().path("v1", namespace);
        assert_eq!(path("Pod", None), "/api/v1/pods");
        assert_eq!(path("Deployment", Some("shop")), "/apis/apps/v1/namespaces/shop/deployments");
        assert_eq!(path("Namespace", Some("shop")), "/api/v1/namespaces");
        assert_eq!(path("ClusterRole", Some("shop")), "/apis/rbac.authorization.k8s.io/v1/clusterroles");
    }
}
