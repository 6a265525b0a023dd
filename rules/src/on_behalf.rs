//! On behalf: what drivers and operators present for others, which is the token of a ServiceAccount that
//! is not their own. Only the audit asks.

use crate::exchange::expression_of;
use crate::model::{ClusterIx, Identity, Subject, Volume, Workload};
use crate::trust::{Key, Trust, Unknown};

/// Whether an identity trusts a ServiceAccount of a cluster, for whatever audience.
///
/// # Errors
/// If the cluster's issuer or the identity's credentials are not known, or hang on more than is.
pub fn trusts(identity: &Identity, cluster: ClusterIx, subject: &Subject, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let issuer = trust.issuer(cluster)?;
    let mut open = None;
    for credential in trust.credentials_seen(identity).iter().filter(|credential| credential.issuer == *issuer) {
        match credential.admits(subject) {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => open = Some(expression_of(credential)),
        }
    }
    trust.credentials(identity)?;
    open.map_or(Ok(false), Err)
}

/// The subject of a workload that mounts a volume which a driver mounts by the pod's own token, while the
/// identity does not trust it. A ReplicaSet scaled to nothing mounts no more.
///
/// # Errors
/// If that is not known of one, or not who else mounts it.
pub fn distrusted_mounter(
    identity: &Identity,
    (cluster, namespace): (ClusterIx, &str),
    trust: &Trust<'_>,
    is_it: impl Fn(&Volume) -> bool,
) -> Result<Option<Subject>, Unknown> {
    let retired = |workload: &Workload| workload.kind.kind == "ReplicaSet" && workload.replicas == Some(0);
    let mounts = |workload: &&Workload| {
        workload.namespace == namespace && !retired(workload) && workload.template.volumes.iter().any(&is_it)
    };
    for workload in trust.workloads(cluster).filter(mounts) {
        let subject = workload.subject();
        if !trusts(identity, cluster, &subject, trust)? {
            return Ok(Some(subject));
        }
    }
    if trust.knows_deployments(cluster) { Ok(None) } else { Err(Unknown(Key::Deployments(cluster))) }
}
