//! Finding the workload that is meant by what was typed.

use std::fmt;
use std::str::FromStr;

use anyhow::anyhow;
use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{PodBearing, Workload};
use wiguard_rules::near::edits_within;

/// kubectl's short forms (Kubernetes, `kubectl api-resources`).
const SHORT: [(&str, &str); 10] = [
    ("po", "Pod"),
    ("deploy", "Deployment"),
    ("sts", "StatefulSet"),
    ("ds", "DaemonSet"),
    ("rs", "ReplicaSet"),
    ("rc", "ReplicationController"),
    ("cj", "CronJob"),
    ("ro", "Rollout"),
    ("sj", "ScaledJob"),
    ("ksvc", "Service"),
];

/// A workload as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its cluster, if it is said.
    pub cluster: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// Its kind, as it is typed where only a declaration can tell.
    pub kind: String,
    /// The API group of its kind.
    pub group: String,
    /// Its name.
    pub name: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (cluster, rest) = match text.split_once(':') {
            Some((cluster, rest)) => (Some(cluster.to_owned()), rest),
            None => (None, text),
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let [namespace, kind, name] = parts.as_slice() else {
            return Err("expected NAMESPACE/KIND/NAME, such as shop/deploy/cart".into());
        };
        if [namespace, kind, name].iter().any(|part| part.is_empty()) || cluster.as_deref() == Some("") {
            return Err("a part of it is empty; expected NAMESPACE/KIND/NAME, such as shop/deploy/cart".into());
        }
        let (kind, group) = ((*kind).into(), String::new());
        Ok(Self { cluster, namespace: (*namespace).into(), kind, group, name: (*name).into() })
    }
}

/// The kind of that name, in singular, plural or short, among those that are known and those declared.
fn kind_called(typed: &str, declared: &[&'static PodBearing]) -> Option<&'static PodBearing> {
    // Groups may follow, as in `deployments.apps`.
    let (name, group) = typed.split_once('.').unwrap_or((typed, ""));
    let name = name.to_ascii_lowercase();
    let short = SHORT.iter().find(|(short, _)| *short == name).map(|(_, kind)| kind.to_ascii_lowercase());
    let name = short.unwrap_or(name);
    let all = PodBearing::all().chain(declared.iter().copied());
    let called: Vec<_> = all.filter(|kind| kind.kind.to_ascii_lowercase() == name || kind.resource == name).collect();
    called.iter().find(|kind| kind.group == group).or(called.first()).copied()
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cluster) = &self.cluster {
            write!(f, "{cluster}:")?;
        }
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl Target {
    /// The same, of the kind that is meant: one that is known, or one that is declared.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn among(self, declared: &[&'static PodBearing]) -> anyhow::Result<Self> {
        let Some(known) = kind_called(&self.kind, declared) else {
            let all: Vec<&str> = PodBearing::all().chain(declared.iter().copied()).map(|kind| kind.resource).collect();
            return Err(anyhow!(
                "`{}` is no kind that makes pods; expected one of {}, or one declared with --pod-bearing",
                self.kind,
                all.join(", ")
            ));
        };
        Ok(Self { kind: known.kind.into(), group: known.group.into(), ..self })
    }

    /// The workload that is meant, if it was read.
    ///
    /// # Errors
    /// If several clusters have one.
    pub fn find<'a>(&self, inventory: &'a Inventory) -> anyhow::Result<Option<&'a Workload>> {
        let cluster = |workload: &Workload| {
            inventory.clusters.get(workload.cluster.0 as usize).map(|cluster| cluster.name.as_str()).unwrap_or_default()
        };
        let is_meant = |workload: &&Workload| {
            self.is_like(workload)
                && workload.name == self.name
                && self.cluster.as_deref().is_none_or(|wanted| cluster(workload) == wanted)
        };
        let found: Vec<&Workload> = inventory.workloads.iter().filter(is_meant).collect();
        let mut clusters: Vec<&str> = found.iter().map(|workload| cluster(workload)).collect();
        clusters.sort_unstable();
        clusters.dedup();
        if clusters.len() > 1 {
            let named: Vec<&str> = clusters.into_iter().filter(|cluster| !cluster.is_empty()).collect();
            return Err(anyhow!(
                "several clusters have {self}: put the one you mean before it, as CLUSTER:{}/{}/{}; they are {}",
                self.namespace,
                self.kind.to_ascii_lowercase(),
                self.name,
                named.join(", ")
            ));
        }
        Ok(found.last().copied())
    }

    /// Why it was not found, with what may be meant.
    pub fn nowhere(&self, inventory: &Inventory) -> anyhow::Error {
        let near = |workload: &&Workload| self.is_like(workload) && edits_within(&workload.name, &self.name, 2);
        let same_name = |workload: &&Workload| workload.name == self.name;
        let mut meant: Vec<String> = inventory
            .workloads
            .iter()
            .filter(|workload| near(workload) || same_name(workload))
            .map(|workload| format!("{}/{}/{}", workload.namespace, workload.kind.kind, workload.name))
            .collect();
        meant.sort();
        meant.dedup();
        meant.truncate(5);
        let read = inventory.workloads.len();
        if meant.is_empty() {
            anyhow!("nothing that was read is {self}; {read} workloads were, none with a name like it")
        } else {
            let is_unplaced = |it: &Workload| {
                it.unplaced && it.name == self.name && it.kind.kind == self.kind && it.kind.group == self.group
            };
            let place = if inventory.workloads.iter().any(is_unplaced) {
                format!(
                    " No file says in which namespace {} is installed; --default-namespace {} says it",
                    self.name, self.namespace
                )
            } else {
                String::new()
            };
            anyhow!("nothing that was read is {self}; did you mean {}?{place}", meant.join(" or "))
        }
    }

    fn is_like(&self, workload: &Workload) -> bool {
        workload.namespace == self.namespace && workload.kind.kind == self.kind && workload.kind.group == self.group
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn kinds_are_called_as_in_kubectl() {
        let kruise = PodBearing::declared("apps.kruise.io/v1beta1/StatefulSet=spec.template").unwrap();
        let widget = PodBearing::declared("example.com/v1/Widget=spec.pods").unwrap();
        let target = |text: &str| text.parse::<Target>().ok()?.among(&[kruise, widget]).ok();
        let kind = |text: &str| target(text).map(|target| target.kind);
        for name in ["deploy", "deployment", "deployments", "Deployment", "deployments.apps", "DEPLOY"] {
            assert_eq!(kind(&format!("shop/{name}/cart")).as_deref(), Some("Deployment"), "{name}");
        }
        assert_eq!(kind("shop/po/cart").as_deref(), Some("Pod"));
        assert_eq!(kind("prod-weu:shop/cj/cart").as_deref(), Some("CronJob"));
        assert_eq!(kind("shop/widgets/cart").as_deref(), Some("Widget"));
        let group = |text: &str| target(text).map(|target| target.group);
        assert_eq!(group("shop/sts/cart").as_deref(), Some("apps"));
        assert_eq!(group("shop/statefulsets.apps.kruise.io/cart").as_deref(), Some("apps.kruise.io"));
        for wrong in ["", "cart", "shop/cart", "shop/svc/cart", "shop/deploy/", "/deploy/cart", ":shop/po/x", "a/b/c/d"]
        {
            assert_eq!(kind(wrong), None, "{wrong}");
        }
    }
}
