//! What wakes a workload that asks for no replicas.

use super::Trust;
use crate::index::Name;
use crate::model::{ClusterIx, Life, Workload};

impl<'a> Trust<'a> {
    /// What controls a workload, if it was read.
    pub fn maker(&self, workload: &Workload) -> Option<&'a Workload> {
        let maker = workload.controller.as_ref()?;
        let named = self.workloads_by_name.get(&Name::within(workload.cluster, &workload.namespace, &maker.name));
        named.iter().copied().find(|it| it.kind.kind == maker.kind)
    }

    /// Whether pods of a workload run or are made. One scaled to nothing counts as one whose pods are made, unless
    /// it is known that no KEDA is there to scale it up as soon as there is work: Kubernetes itself never does
    /// (`HorizontalPodAutoscaler`: scaling is off at 0 replicas).
    pub fn life(&self, workload: &Workload) -> Life {
        let is_scaled = workload.life == Life::Dormant && workload.replicas == Some(0);
        if is_scaled && self.may_be_woken(workload.cluster) { Life::Active } else { workload.life }
    }

    /// Whether something in a cluster may scale workloads up from nothing.
    fn may_be_woken(&self, cluster: ClusterIx) -> bool {
        !self.knows_deployments(cluster) || !self.wakers.get(&Name::within(cluster, "", "")).is_empty()
    }
}
