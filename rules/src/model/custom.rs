//! Custom resources by which drivers and operators use identities, or used them once.

use alloc::string::String;
#[cfg(feature = "audit")]
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::{ClusterIx, Origin};
#[cfg(feature = "audit")]
use super::{Pairs, Workload};

/// A kind of custom resource.
#[derive(Debug, PartialEq, Eq)]
pub struct CustomKind {
    /// The API group.
    pub group: &'static str,
    /// The API version as written in manifests.
    pub api_version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The resource, as in a path.
    pub resource: &'static str,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// A custom resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Custom {
    /// Which kind it is.
    pub kind: &'static CustomKind,
    /// The cluster it lives in; one without a name if no source says.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its namespace; empty if its kind has none.
    pub namespace: String,
    /// Whether nothing states its namespace, so that `default` is a guess.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub unplaced: bool,
    /// Its name.
    pub name: String,
    /// What it says.
    pub body: Body,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

/// What a custom resource says of identities.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Body {
    /// AAD Pod Identity; whether it carries a service principal's secret or certificate.
    PodIdentity(bool),
    /// A SecretProviderClass.
    ProviderClass(AzureParameters),
    /// A store of External Secrets.
    Store(Store),
    /// What KEDA authenticates with.
    Trigger(Trigger),
    /// What other operators authenticate with, by place.
    #[cfg(feature = "audit")]
    Operator(Vec<Login>),
    /// No custom resource at all, but a bystander: labels and annotations like those of workload identity,
    /// on an object of which nothing reads them.
    #[cfg(feature = "audit")]
    Bystander(Pairs, Pairs),
    /// What says how many pods a workload of its namespace has: the kind and the name of that workload.
    #[cfg(feature = "audit")]
    Scaler(String, String),
}

/// How an operator is told to authenticate to Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Login {
    /// The path of what says so.
    pub path: String,
    /// By what.
    pub means: Means,
    /// The client id; empty if there is none.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub client_id: String,
    /// The ServiceAccount of its namespace whose tokens are to be used, if one is named.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub account: Option<String>,
    /// Namespace and name of the PersistentVolumeClaim through which pods mount it, each with its own token.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub claim: Option<(String, String)>,
    /// The tenant in which the identity is looked for; empty if it is not said.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub tenant_id: String,
}

/// What an operator authenticates by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Means {
    /// Workload identity.
    Workload,
    /// A secret that lasts.
    Secret,
    /// An identity of the node.
    Node,
}

/// What a store of External Secrets says of Azure Key Vault (`spec.provider.azurekv`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Store {
    /// Whether it is of Azure Key Vault at all.
    pub azure: bool,
    /// `authType`; empty if there is none.
    pub auth_type: String,
    /// `tenantId`; empty if there is none.
    pub tenant_id: String,
    /// Whether a Secret brings the client id (`authSecretRef.clientId`).
    pub client_id_in_secret: bool,
    /// `serviceAccountRef`: namespace, if one is named, and name.
    pub account: Option<(Option<String>, String)>,
    /// Whether it says which namespaces may use it (`spec.conditions`).
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub restricted: bool,
}

/// What a SecretProviderClass of the provider `azure` says (`spec.parameters`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct AzureParameters {
    /// `clientID`; empty if there is none.
    pub client_id: String,
    /// `tenantID`, or `tenantId` as it was spelt before; empty if there is neither.
    pub tenant_id: String,
    /// `usePodIdentity`.
    pub pod_identity: bool,
    /// `useVMManagedIdentity`.
    pub vm_identity: bool,
    /// Whether there is a `useWorkloadIdentity`, which the provider does not know.
    pub names_workload_identity: bool,
    /// `useAzureTokenProxy`: an identity binding of AKS takes the place of a credential.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub token_proxy: bool,
}

/// What a TriggerAuthentication of KEDA says of Azure, of the trigger or of a key vault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Trigger {
    /// The path of the `podIdentity`.
    pub path: String,
    /// `provider`.
    pub provider: String,
    /// `identityId`; empty if the operator's own is used.
    pub identity_id: String,
    /// `identityTenantId`; empty if the operator's own is used.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub tenant_id: String,
}

const AAD: CustomKind = CustomKind {
    group: "aadpodidentity.k8s.io",
    api_version: "aadpodidentity.k8s.io/v1",
    kind: "",
    resource: "",
    namespaced: true,
};

const STORE: CustomKind = CustomKind {
    group: "external-secrets.io",
    api_version: "external-secrets.io/v1",
    kind: "SecretStore",
    resource: "secretstores",
    namespaced: true,
};

const CERT_MANAGER: CustomKind = CustomKind {
    group: "cert-manager.io",
    api_version: "cert-manager.io/v1",
    kind: "Issuer",
    resource: "issuers",
    namespaced: true,
};

const FLUX: CustomKind = CustomKind {
    group: "source.toolkit.fluxcd.io",
    api_version: "source.toolkit.fluxcd.io/v1",
    kind: "OCIRepository",
    resource: "ocirepositories",
    namespaced: true,
};

const CROSSPLANE: CustomKind = CustomKind {
    group: "azure.upbound.io",
    api_version: "azure.upbound.io/v1beta1",
    kind: "ProviderConfig",
    resource: "providerconfigs",
    namespaced: false,
};

/// The custom resources that are read.
pub static CUSTOM: [CustomKind; 24] = [
    CustomKind {
        group: "",
        api_version: "v1",
        kind: "PersistentVolume",
        resource: "persistentvolumes",
        namespaced: false,
    },
    CustomKind {
        group: "storage.k8s.io",
        api_version: "storage.k8s.io/v1",
        kind: "StorageClass",
        resource: "storageclasses",
        namespaced: false,
    },
    CERT_MANAGER,
    CustomKind { kind: "ClusterIssuer", resource: "clusterissuers", namespaced: false, ..CERT_MANAGER },
    FLUX,
    CustomKind { kind: "Bucket", resource: "buckets", ..FLUX },
    CustomKind { kind: "GitRepository", resource: "gitrepositories", ..FLUX },
    CustomKind { kind: "HelmRepository", resource: "helmrepositories", ..FLUX },
    CustomKind {
        group: "image.toolkit.fluxcd.io",
        api_version: "image.toolkit.fluxcd.io/v1",
        kind: "ImageRepository",
        resource: "imagerepositories",
        namespaced: true,
    },
    CustomKind {
        group: "azconfig.io",
        api_version: "azconfig.io/v1",
        kind: "AzureAppConfigurationProvider",
        resource: "azureappconfigurationproviders",
        namespaced: true,
    },
    CustomKind {
        group: "velero.io",
        api_version: "velero.io/v1",
        kind: "BackupStorageLocation",
        resource: "backupstoragelocations",
        namespaced: true,
    },
    CROSSPLANE,
    CustomKind {
        group: "azure.m.upbound.io",
        api_version: "azure.m.upbound.io/v1beta1",
        namespaced: true,
        ..CROSSPLANE
    },
    CustomKind {
        group: "azure.m.upbound.io",
        api_version: "azure.m.upbound.io/v1beta1",
        kind: "ClusterProviderConfig",
        resource: "clusterproviderconfigs",
        ..CROSSPLANE
    },
    CustomKind {
        group: "generators.external-secrets.io",
        api_version: "generators.external-secrets.io/v1alpha1",
        kind: "ACRAccessToken",
        resource: "acraccesstokens",
        namespaced: true,
    },
    STORE,
    CustomKind { kind: "ClusterSecretStore", resource: "clustersecretstores", namespaced: false, ..STORE },
    CustomKind { kind: "AzureIdentity", resource: "azureidentities", ..AAD },
    CustomKind { kind: "AzureIdentityBinding", resource: "azureidentitybindings", ..AAD },
    CustomKind { kind: "AzureAssignedIdentity", resource: "azureassignedidentities", ..AAD },
    CustomKind { kind: "AzurePodIdentityException", resource: "azurepodidentityexceptions", ..AAD },
    CustomKind {
        group: "keda.sh",
        api_version: "keda.sh/v1alpha1",
        kind: "TriggerAuthentication",
        resource: "triggerauthentications",
        namespaced: true,
    },
    CustomKind {
        group: "keda.sh",
        api_version: "keda.sh/v1alpha1",
        kind: "ClusterTriggerAuthentication",
        resource: "clustertriggerauthentications",
        namespaced: false,
    },
    CustomKind {
        group: "secrets-store.csi.x-k8s.io",
        api_version: "secrets-store.csi.x-k8s.io/v1",
        kind: "SecretProviderClass",
        resource: "secretproviderclasses",
        namespaced: true,
    },
];

#[cfg(feature = "audit")]
const CORE: CustomKind =
    CustomKind { group: "core", api_version: "v1", kind: "Service", resource: "services", namespaced: true };

/// Kinds on which labels and annotations of workload identity end up. Their group goes by what Kubernetes
/// calls it, so that they are told from the same objects read for what they are.
#[cfg(feature = "audit")]
pub static BYSTANDERS: [CustomKind; 4] = [
    CORE,
    CustomKind { kind: "Namespace", resource: "namespaces", namespaced: false, ..CORE },
    CustomKind { kind: "Secret", resource: "secrets", ..CORE },
    CustomKind { kind: "ConfigMap", resource: "configmaps", ..CORE },
];

/// Kinds that say how many pods a workload has: a ScaledObject of KEDA, and a Rollout with `workloadRef`, which has no
/// pod template of its own.
#[cfg(feature = "audit")]
pub static SCALERS: [CustomKind; 2] = [
    CustomKind {
        group: "keda.sh",
        api_version: "keda.sh/v1alpha1",
        kind: "ScaledObject",
        resource: "scaledobjects",
        namespaced: true,
    },
    CustomKind {
        group: "argoproj.io",
        api_version: "argoproj.io/v1alpha1",
        kind: "Rollout",
        resource: "rollouts",
        namespaced: true,
    },
];

// === impl Custom ===

impl Custom {
    /// How it tells its operator to authenticate to Azure; nothing of the kinds that have a body of their own.
    pub fn logins(&self) -> &[Login] {
        match &self.body {
            #[cfg(feature = "audit")]
            Body::Operator(logins) => logins,
            _ => &[],
        }
    }

    /// Whether it says how many pods a workload has.
    #[cfg(feature = "audit")]
    pub fn scales(&self, workload: &Workload) -> bool {
        let named = |kind: &str, name: &str| workload.kind.kind == kind && workload.name == name;
        matches!(&self.body, Body::Scaler(kind, name) if named(kind, name))
            && (self.cluster, &self.namespace) == (workload.cluster, &workload.namespace)
    }

    /// Whether it is a volume of Azure, or a class of them, which a driver mounts by the tokens of pods.
    pub fn is_volume(&self) -> bool {
        ["", "storage.k8s.io"].contains(&self.kind.group)
    }

    /// Namespace and name of the ServiceAccount whose tokens its operator asks for, if it names one. A
    /// namespaced store's is its own namespace; another that names none is taken to mean `default`.
    pub fn account(&self) -> Option<(&str, &str)> {
        if let Some(named) = self.logins().iter().find_map(|login| login.account.as_deref()) {
            return Some((&self.namespace, named));
        }
        let Body::Store(Store { account: Some((namespace, name)), .. }) = &self.body else { return None };
        let own = Some(self.namespace.as_str()).filter(|own| !own.is_empty());
        Some((own.or(namespace.as_deref()).unwrap_or("default"), name))
    }
}

// === impl CustomKind ===

impl CustomKind {
    /// The kind of that name in that API group; versions of a group are alike to us.
    pub fn find(api_version: &str, kind: &str) -> Option<&'static Self> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let all = CUSTOM.iter();
        #[cfg(feature = "audit")]
        let all = all.chain(&SCALERS);
        let mut all = all;
        all.find(|known| known.kind == kind && known.group == group)
    }
}

#[cfg(feature = "facts")]
impl Serialize for CustomKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.api_version, self.kind).serialize(serializer)
    }
}

#[cfg(feature = "facts")]
impl<'de> Deserialize<'de> for &'static CustomKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (api_version, kind) = <(String, String)>::deserialize(deserializer)?;
        let bystander = || BYSTANDERS.iter().find(|known| known.kind == kind && known.api_version == api_version);
        CustomKind::find(&api_version, &kind)
            .or_else(bystander)
            .ok_or_else(|| serde::de::Error::custom(alloc::format!("{kind} of {api_version} is no kind that is read")))
    }
}
