//! The kinds that hold pods, and where: one table, so that no rule and no door has a list of its own.

#[cfg(feature = "audit")]
use alloc::boxed::Box;
#[cfg(feature = "audit")]
use alloc::string::String;
#[cfg(feature = "audit")]
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

/// A pod-bearing kind.
#[derive(Debug, PartialEq, Eq)]
pub struct PodBearing {
    /// The API group, empty for the core group.
    pub group: &'static str,
    /// The API version as written in manifests.
    pub api_version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The resource, as in an admission rule.
    pub resource: &'static str,
    /// Where its pod template is.
    pub shape: Shape,
}

/// Where a kind keeps its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The object is the pod.
    Pod,
    /// `spec.template`.
    Template,
    /// `spec.jobTemplate.spec.template`.
    CronJob,
    /// A template elsewhere in `spec`, which an object need not have. Only the audit reads it.
    #[cfg(feature = "audit")]
    Under(&'static TemplatePath),
}

/// Where a custom kind keeps its pod template.
#[cfg(feature = "audit")]
#[derive(Debug, PartialEq, Eq)]
pub struct TemplatePath {
    /// The members from `spec` down to the template.
    pub members: &'static [&'static str],
    /// The path of the template's `metadata`.
    pub metadata: &'static str,
    /// The path of the template's `spec`.
    pub spec: &'static str,
}

/// The pod-bearing kinds of Kubernetes.
pub static POD_BEARING: [PodBearing; 8] = [
    PodBearing { group: "", api_version: "v1", kind: "Pod", resource: "pods", shape: Shape::Pod },
    PodBearing {
        group: "apps",
        api_version: "apps/v1",
        kind: "Deployment",
        resource: "deployments",
        shape: Shape::Template,
    },
    PodBearing {
        group: "apps",
        api_version: "apps/v1",
        kind: "StatefulSet",
        resource: "statefulsets",
        shape: Shape::Template,
    },
    PodBearing {
        group: "apps",
        api_version: "apps/v1",
        kind: "DaemonSet",
        resource: "daemonsets",
        shape: Shape::Template,
    },
    PodBearing {
        group: "apps",
        api_version: "apps/v1",
        kind: "ReplicaSet",
        resource: "replicasets",
        shape: Shape::Template,
    },
    PodBearing {
        group: "",
        api_version: "v1",
        kind: "ReplicationController",
        resource: "replicationcontrollers",
        shape: Shape::Template,
    },
    PodBearing { group: "batch", api_version: "batch/v1", kind: "Job", resource: "jobs", shape: Shape::Template },
    PodBearing {
        group: "batch",
        api_version: "batch/v1",
        kind: "CronJob",
        resource: "cronjobs",
        shape: Shape::CronJob,
    },
];

#[cfg(feature = "audit")]
static SPEC_TEMPLATE: TemplatePath =
    TemplatePath { members: &["template"], metadata: "spec.template.metadata", spec: "spec.template.spec" };

#[cfg(feature = "audit")]
static JOB_TARGET: TemplatePath = TemplatePath {
    members: &["jobTargetRef", "template"],
    metadata: "spec.jobTargetRef.template.metadata",
    spec: "spec.jobTargetRef.template.spec",
};

/// The pod-bearing kinds of others. Only the audit reads them: at admission their pods are judged. A
/// Rollout with `workloadRef` has no template of its own, and its Deployment is judged instead.
#[cfg(feature = "audit")]
pub static CUSTOM_BEARING: [PodBearing; 3] = [
    PodBearing {
        group: "argoproj.io",
        api_version: "argoproj.io/v1alpha1",
        kind: "Rollout",
        resource: "rollouts",
        shape: Shape::Under(&SPEC_TEMPLATE),
    },
    PodBearing {
        group: "keda.sh",
        api_version: "keda.sh/v1alpha1",
        kind: "ScaledJob",
        resource: "scaledjobs",
        shape: Shape::Under(&JOB_TARGET),
    },
    PodBearing {
        group: "serving.knative.dev",
        api_version: "serving.knative.dev/v1",
        kind: "Service",
        resource: "services",
        shape: Shape::Under(&SPEC_TEMPLATE),
    },
];

// === impl PodBearing ===

impl PodBearing {
    /// The kind of that name in that API group; versions of a group are alike to us.
    pub fn find(api_version: &str, kind: &str) -> Option<&'static Self> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        Self::all().find(|known| known.kind == kind && known.group == group)
    }

    /// Every kind that is known.
    #[cfg(not(feature = "audit"))]
    fn all() -> impl Iterator<Item = &'static Self> {
        POD_BEARING.iter()
    }

    /// Every kind that is known.
    #[cfg(feature = "audit")]
    pub fn all() -> impl Iterator<Item = &'static Self> {
        POD_BEARING.iter().chain(&CUSTOM_BEARING)
    }

    /// A kind that users declare, as `API_VERSION/KIND=PATH`: `example.com/v1/Widget=spec.podTemplate`. It lives as
    /// long as the program, like the kinds that are known.
    ///
    /// # Errors
    /// Says what is not as it should be.
    #[cfg(feature = "audit")]
    pub fn declared(text: &str) -> Result<&'static Self, String> {
        let wrong = |why: &str| {
            Err(alloc::format!("{why}; write API_VERSION/KIND=PATH, such as example.com/v1/Widget=spec.podTemplate"))
        };
        let Some((kind, path)) = text.split_once('=') else { return wrong("it has no `=`") };
        let Some((api_version, kind)) = kind.rsplit_once('/') else { return wrong("it names no API version") };
        let parts: Vec<&str> = api_version.split('/').collect();
        let &[group, version] = parts.as_slice() else { return wrong("its API version is not GROUP/VERSION") };
        if [group, version, kind].iter().any(|part| part.is_empty()) {
            return wrong("a part of it is empty");
        }
        if Self::find(api_version, kind).is_some() {
            return Err(alloc::format!("{kind} of {group} is known already"));
        }
        let Some(members) = path.strip_prefix("spec.") else { return wrong("the path does not start with `spec.`") };
        if members.split('.').any(str::is_empty) {
            return wrong("a member of the path is empty");
        }
        let kept = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let path = TemplatePath {
            members: members.split('.').map(|member| kept(member.into())).collect::<Vec<_>>().leak(),
            metadata: kept(alloc::format!("{path}.metadata")),
            spec: kept(alloc::format!("{path}.spec")),
        };
        Ok(Box::leak(Box::new(Self {
            group: kept(group.into()),
            api_version: kept(api_version.into()),
            kind: kept(kind.into()),
            resource: kept(plural(kind)),
            shape: Shape::Under(Box::leak(Box::new(path))),
        })))
    }

    /// How it was declared, if it was.
    #[cfg(feature = "facts")]
    pub fn declaration(&self) -> Option<String> {
        let Shape::Under(path) = self.shape else { return None };
        let known = Self::find(self.api_version, self.kind).is_some();
        let template = path.spec.strip_suffix(".spec")?;
        (!known).then(|| alloc::format!("{}/{}={template}", self.api_version, self.kind))
    }

    /// Whether an object of that API version and kind is of this kind; versions of a group are alike to us.
    #[cfg(feature = "audit")]
    pub fn is(&self, api_version: &str, kind: &str) -> bool {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        self.kind == kind && self.group == group
    }

    /// Whether an admission request can carry it: a kind of Kubernetes itself.
    #[cfg(feature = "audit")]
    pub const fn at_admission(&self) -> bool {
        !matches!(self.shape, Shape::Under(_))
    }

    /// The path of the pod template's `metadata`.
    pub const fn metadata_path(&self) -> &'static str {
        match self.shape {
            Shape::Pod => "metadata",
            Shape::Template => "spec.template.metadata",
            Shape::CronJob => "spec.jobTemplate.spec.template.metadata",
            #[cfg(feature = "audit")]
            Shape::Under(path) => path.metadata,
        }
    }

    /// The path of the pod's `spec`.
    pub const fn spec_path(&self) -> &'static str {
        match self.shape {
            Shape::Pod => "spec",
            Shape::Template => "spec.template.spec",
            Shape::CronJob => "spec.jobTemplate.spec.template.spec",
            #[cfg(feature = "audit")]
            Shape::Under(path) => path.spec,
        }
    }
}

/// The resource of a kind as most name it; the discovery of a cluster knows better.
#[cfg(feature = "audit")]
fn plural(kind: &str) -> String {
    let mut plural = kind.to_ascii_lowercase();
    let is_hissed = ["s", "x", "z", "ch", "sh"].iter().any(|end| plural.ends_with(end));
    match plural.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => return alloc::format!("{stem}ies"),
        _ if is_hissed => plural.push_str("es"),
        _ => plural.push('s'),
    }
    plural
}

#[cfg(feature = "facts")]
impl Serialize for PodBearing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.declaration() {
            Some(declaration) => (self.api_version, self.kind, declaration).serialize(serializer),
            None => (self.api_version, self.kind).serialize(serializer),
        }
    }
}

#[cfg(feature = "facts")]
impl<'de> Deserialize<'de> for &'static PodBearing {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = Vec::<String>::deserialize(deserializer)?;
        match said.as_slice() {
            [api_version, kind] => PodBearing::find(api_version, kind)
                .ok_or_else(|| serde::de::Error::custom(alloc::format!("{kind} of {api_version} bears no pods"))),
            // A later version may know what an earlier one was told.
            [api_version, kind, declaration] => PodBearing::find(api_version, kind)
                .map_or_else(|| PodBearing::declared(declaration), Ok)
                .map_err(serde::de::Error::custom),
            _ => Err(serde::de::Error::custom("it is no API version and kind")),
        }
    }
}
