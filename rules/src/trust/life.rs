//! What wakes a workload that asks for no replicas.

use alloc::format;

use super::{Key, Trust, Unknown};
use crate::index::Name;
use crate::inventory::Inventory;
use crate::model::{Body, ClusterIx, Custom, Life, Workload};

impl<'a> Trust<'a> {
    /// What controls a workload, if it was read. Of what a Rollout with `workloadRef` controls, that is the workload
    /// whose pod template it has.
    pub fn maker(&self, workload: &Workload) -> Option<&'a Workload> {
        let maker = workload.controller.as_ref()?;
        self.workload_named(workload, &maker.kind, &maker.name).or_else(|| {
            let scalers = self.scalers_of(workload, &maker.name);
            let mut its = scalers.iter().filter(|it| it.name == maker.name && it.kind.kind == maker.kind);
            its.find_map(|it| match &it.body {
                Body::Scaler(kind, name) => self.workload_named(workload, kind, name),
                _ => None,
            })
        })
    }

    /// Whether pods of a workload run or are made. One scaled to nothing counts as one whose pods are made if a Rollout
    /// or KEDA is told to scale it, or unless it is known that no KEDA is there to scale it up as soon as there is
    /// work: Kubernetes itself never does (`HorizontalPodAutoscaler`: scaling is off at 0 replicas).
    pub fn life(&self, workload: &Workload) -> Life {
        let rests = workload.life == Life::Dormant && workload.replicas == Some(0);
        let is_woken = rests && (self.is_scaled(workload) || self.may_be_woken(workload.cluster));
        if is_woken { Life::Active } else { workload.life }
    }

    /// What made a pod or a Job that has ended, where that was not read: it may make others. A Job that nothing controls
    /// is not made again; of a pod that nothing controls nobody knows, such as those of Airflow.
    pub fn unread_maker(&self, workload: &Workload) -> Option<Unknown> {
        let is_made = matches!(workload.kind.kind, "Pod" | "Job");
        if !is_made || !workload.has_ended() || self.maker(workload).is_some() {
            return None;
        }
        let namespace = &workload.namespace;
        let what = match &workload.controller {
            Some(maker) => format!("{} {namespace}/{}", maker.kind, maker.name),
            None if workload.kind.kind == "Pod" => format!("the maker of Pod {namespace}/{}", workload.name),
            None => return None,
        };
        Some(Unknown(Key::Maker(what)))
    }

    /// Whether something that was read says how many pods a workload has.
    fn is_scaled(&self, workload: &Workload) -> bool {
        self.scalers_of(workload, &workload.name).iter().any(|it| it.scales(workload))
    }

    /// Whether something in a cluster may scale workloads up from nothing.
    fn may_be_woken(&self, cluster: ClusterIx) -> bool {
        !self.knows_deployments(cluster) || !self.wakers.get(&Name::within(cluster, "", "")).is_empty()
    }

    /// The scalers beside a workload that have this name, or scale what has.
    fn scalers_of(&self, beside: &Workload, name: &str) -> &[&'a Custom] {
        self.scalers.get(&Name::within(beside.cluster, &beside.namespace, name))
    }

    /// The workload beside another that has this kind and name.
    fn workload_named(&self, beside: &Workload, kind: &str, name: &str) -> Option<&'a Workload> {
        let named = self.workloads_by_name.get(&Name::within(beside.cluster, &beside.namespace, name));
        named.iter().copied().find(|it| it.kind.kind == kind)
    }
}

/// What shows that KEDA is in a cluster: itself, or what it is told, but for ScaledObjects, which name whom they wake.
pub(super) fn signs_of_keda(inventory: &Inventory) -> impl Iterator<Item = (Name<'_>, ())> {
    let workloads = inventory.workloads.iter().filter(|it| !it.has_ended() && it.is_of_keda()).map(|it| it.cluster);
    let customs = inventory.customs.iter().filter(|it| matches!(it.body, Body::Trigger(_))).map(|it| it.cluster);
    workloads.chain(customs).map(|cluster| (Name::within(cluster, "", ""), ()))
}

/// What says how many pods a workload has, by its own name and by that of the workload.
pub(super) fn scalers(inventory: &Inventory) -> impl Iterator<Item = (Name<'_>, &Custom)> {
    inventory.customs.iter().flat_map(|it| {
        let scaled = match &it.body {
            Body::Scaler(_, name) => Some(name),
            _ => None,
        };
        let named = scaled.map(|name| [&it.name, name]);
        named.into_iter().flatten().map(move |name| (Name::within(it.cluster, &it.namespace, name), it))
    })
}

#[cfg(test)]
mod tests;
