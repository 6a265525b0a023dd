//! The life of a workload: whether pods of it run or are made. What was read of one object alone; what else
//! of a cluster may wake it, [`crate::trust::Trust::life`] knows.

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::Workload;

/// Whether pods of a workload run or are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Life {
    /// They run, or are made when they are wanted. A manifest too that is no cluster's yet, whatever replicas it
    /// asks for: autoscalers and people say otherwise later.
    #[default]
    Active,
    /// None is made until somebody changes it: a Job or CronJob with `suspend`, or no replicas in a cluster, of
    /// what nothing else controls and nothing marked as its own to wake.
    Dormant,
    /// None of it runs or will: a Job that is done or has failed, a pod of phase `Succeeded` or `Failed`, a past
    /// revision.
    Ended,
}

/// The label, and once annotation, by which Kueue queues a Job: it suspends the Job, and resumes it as soon as there
/// is quota.
pub const QUEUED: &str = "kueue.x-k8s.io/queue-name";
/// The annotation of what `oc idle` scaled to nothing: the next request to its Service scales it up again.
pub const IDLED: &str = "idling.alpha.openshift.io/idled-at";
/// The annotation of what kube-downscaler scaled to nothing: it has as many replicas again when its hours begin
/// (py-kube-downscaler, `scaler.py`; GoKubeDownscaler, `scalable`).
pub const DOWNSCALED: &str = "downscaler/original-replicas";

// === impl Life ===

#[cfg(feature = "facts")]
impl Life {
    /// Whether pods run or are made, which goes without saying.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(crate) const fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }
}

// === impl Workload ===

impl Workload {
    /// Whether no pod of it runs or will, whoever changes what.
    pub fn has_ended(&self) -> bool {
        self.life == Life::Ended
    }

    /// Whether it was read from a cluster, which runs it or makes pods by it now. Nothing says of a manifest that it is
    /// applied.
    pub const fn is_live(&self) -> bool {
        self.live || self.template.live
    }

    /// Whether it is of KEDA, or a Job that only KEDA makes pods of. Mirrors and builds of others call its image
    /// `keda-operator` or `kedacore-keda`, Red Hat's is the Custom Metrics Autoscaler; its charts name the
    /// Deployment `keda-operator`, perhaps behind the release.
    pub fn is_of_keda(&self) -> bool {
        let is_it = |image: &str| {
            let name = crate::model::ImageReference::of(image).name();
            name.split(['-', '_', '.']).any(|word| word == "keda") || name.starts_with("custom-metrics-autoscaler")
        };
        self.kind.group == "keda.sh"
            || self.name.ends_with("keda-operator")
            || self.containers().any(|(container, _)| container.image.as_deref().is_some_and(is_it))
    }

    /// Whether its pods get their token from the webhook alone: they opt in, and bring none of their own.
    pub fn needs_webhook(&self) -> bool {
        !self.has_ended() && self.opts_in() && !self.brings_azure_token()
    }
}

/// Whether it is a past revision: what a Deployment, a DeploymentConfig or the like has scaled to nothing for
/// another of its own.
pub fn is_past_revision(kind: &str, replicas: Option<i64>, is_controlled: bool) -> bool {
    matches!(kind, "ReplicaSet" | "ReplicationController") && replicas == Some(0) && is_controlled
}
