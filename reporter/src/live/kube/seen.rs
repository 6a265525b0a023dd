//! Seen: the names of what was read of a cluster, and who points where. Lists are taken at different
//! moments, so that one may lack what another speaks of.

use std::collections::{BTreeMap, BTreeSet};

use wiguard_rules::manifest::Manifest;
use wiguard_rules::model::{EnvFrom, Value, Volume, Workload};

use super::ends::Ends;
use super::kinds::Which;

/// An object by kind, namespace and name.
pub(super) type Name = (Which, String, String);

/// An object by kind and name, within a namespace.
type Local = (Which, String);

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Objects that somebody may point to.
    there: BTreeSet<Name>,
    /// By namespace: objects and what they point to.
    pointers: BTreeMap<String, BTreeMap<Local, Vec<Local>>>,
}

impl Seen {
    /// Notes an object.
    pub(super) fn add(&mut self, manifest: &Manifest) {
        let Some((kind, namespace, name)) = manifest.id() else { return };
        let mut which = own(kind);
        let to = match manifest {
            Manifest::Workload(workload) => {
                if !workload.kind.at_admission() {
                    which.0 = workload.kind.group;
                }
                if which == own("Deployment") {
                    self.there.insert((which, namespace.into(), name.into()));
                }
                pointed(workload)
            }
            Manifest::RoleBinding(binding) => {
                vec![(own(if binding.of_cluster_role { "ClusterRole" } else { "Role" }), binding.role.clone())]
            }
            Manifest::Namespace(_) => {
                self.there.insert((which, String::new(), name.into()));
                return;
            }
            _ => {
                self.there.insert((which, namespace.into(), name.into()));
                Vec::new()
            }
        };
        self.pointers.entry(namespace.into()).or_default().insert((which, name.into()), to);
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&mut self, object: &Name) {
        self.there.remove(object);
        let (kind, namespace, name) = object;
        if let Some(within) = self.pointers.get_mut(namespace) {
            within.remove(&(*kind, name.clone()));
        }
    }

    /// Whether any object of a kind was read.
    pub(super) fn any(&self, kind: Which) -> bool {
        let of_kind = |within: &BTreeMap<Local, _>| within.keys().any(|(of, _)| *of == kind);
        self.there.iter().any(|(of, ..)| *of == kind) || self.pointers.values().any(of_kind)
    }

    /// The objects of a kind that were read: those of a namespace, or all.
    pub(super) fn of(&self, kind: Which, namespace: Option<&str>) -> BTreeSet<Name> {
        if kind == own("Namespace") {
            return self.there.iter().filter(|(of, ..)| *of == kind).cloned().collect();
        }
        let within = self.pointers.iter().filter(|(home, _)| namespace.is_none_or(|only| only == *home));
        let names =
            within.flat_map(|(home, objects)| objects.keys().map(move |(of, name)| (*of, home.clone(), name.clone())));
        names.filter(|(of, ..)| *of == kind).collect()
    }

    /// The namespaces that were read.
    pub(super) fn namespaces(&self) -> Vec<String> {
        self.there.iter().filter(|(kind, ..)| *kind == own("Namespace")).map(|(.., name)| name.clone()).collect()
    }

    /// What somebody points to and was not seen, among kinds that were read to their end, and who does.
    pub(super) fn missing(&self, ends: &Ends) -> BTreeMap<Name, Vec<Name>> {
        let mut missing: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        for (namespace, within) in &self.pointers {
            let home = (own("Namespace"), String::new(), namespace.clone());
            let is_one = !namespace.is_empty() && !within.is_empty();
            if is_one && ends.cover("Namespace", namespace) && !self.there.contains(&home) {
                let all = within.keys().map(|(kind, name)| (*kind, namespace.clone(), name.clone()));
                missing.insert(home, all.collect());
            }
            for ((kind, name), to) in within {
                for (wanted, target) in to.iter().filter(|(wanted, _)| ends.cover(wanted.1, namespace)) {
                    // A RoleBinding may bind what is in no namespace.
                    let home = if *wanted == own("ClusterRole") { String::new() } else { namespace.clone() };
                    let target = (*wanted, home, target.clone());
                    if !self.there.contains(&target) {
                        missing.entry(target).or_default().push((*kind, namespace.clone(), name.clone()));
                    }
                }
            }
        }
        missing
    }
}

/// A kind that is read of every cluster.
const fn own(kind: &'static str) -> Which {
    ("", kind)
}

/// What a workload points to, in its namespace.
fn pointed(workload: &Workload) -> Vec<Local> {
    let mut to = vec![(own("ServiceAccount"), workload.service_account().to_string())];
    if let Some(controller) = workload.controller.as_ref().filter(|controller| controller.kind == "Deployment") {
        to.push((own("Deployment"), controller.name.clone()));
    }
    for volume in &workload.template.volumes {
        if let Volume::SecretsStore(class) = volume {
            to.push((own("SecretProviderClass"), class.clone()));
        }
    }
    for container in workload.template.init_containers.iter().chain(&workload.template.containers) {
        for variable in &container.env {
            if let Value::Secret(name, _) | Value::Optional(name, _) = &variable.value {
                to.push((own("Secret"), name.clone()));
            }
        }
        for from in &container.env_from {
            if let EnvFrom::Secret(name, _) = from {
                to.push((own("Secret"), name.clone()));
            }
        }
    }
    to
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use wiguard_rules::model::PodBearing;

    use super::*;
    use crate::live::kube::{declared, kinds, page};

    fn object(kind: &str, json: &str) -> Manifest {
        page::object(&kinds::named(kind).unwrap(), "v1", json.as_bytes()).unwrap().unwrap()
    }

    fn name(kind: &'static str, namespace: &str, name: &str) -> Name {
        (own(kind), namespace.into(), name.into())
    }

    #[test]
    fn what_is_pointed_to_and_was_not_seen_is_missing_where_its_kind_was_read_to_the_end() {
        let (mut seen, mut ends) = (Seen::default(), Ends::default());
        seen.add(&object("Namespace", r#"{"metadata":{"name":"shop"}}"#));
        seen.add(&object("ServiceAccount", r#"{"metadata":{"name":"cart","namespace":"shop"}}"#));
        let pod = r#"{"metadata":{"name":"web","namespace":"shop"},"spec":{"serviceAccountName":"basket"}}"#;
        seen.add(&object("Pod", pod));
        seen.add(&object(
            "Pod",
            r#"{"metadata":{"name":"lost","namespace":"gone"},"spec":{"serviceAccountName":"x"}}"#,
        ));
        assert_eq!(seen.missing(&ends), BTreeMap::new());
        ends.add(&kinds::named("ServiceAccount").unwrap(), Some("shop"));
        assert_eq!(seen.of(own("Pod"), Some("shop")), BTreeSet::from([name("Pod", "shop", "web")]));
        assert_eq!(seen.of(own("Pod"), None).len(), 2);
        assert_eq!(seen.of(own("Namespace"), None), BTreeSet::from([name("Namespace", "", "shop")]));
        let basket = name("ServiceAccount", "shop", "basket");
        assert_eq!(seen.missing(&ends), BTreeMap::from([(basket, vec![name("Pod", "shop", "web")])]));
        ends.add(&kinds::named("Namespace").unwrap(), None);
        let lost = vec![name("Pod", "gone", "lost")];
        assert_eq!(seen.missing(&ends).remove(&name("Namespace", "", "gone")), Some(lost));
        seen.forget(&name("Pod", "gone", "lost"));
        seen.add(&object(
            "Pod",
            r#"{"metadata":{"name":"web","namespace":"shop"},"spec":{"serviceAccountName":"cart"}}"#,
        ));
        assert_eq!(seen.missing(&ends), BTreeMap::new());
    }

    #[test]
    fn a_declared_kind_is_not_taken_for_another_of_its_name() {
        let (mut seen, mut ends) = (Seen::default(), Ends::default());
        let bearing = PodBearing::declared("example.com/v1/Deployment=spec.template").unwrap();
        let kind = declared::likely(bearing);
        let json = r#"{"metadata":{"name":"web","namespace":"shop"},"spec":{"template":{"spec":{}}}}"#;
        seen.add(&page::object(&kind, "v1", json.as_bytes()).unwrap().unwrap());
        assert!(seen.any(kind.which()) && !seen.any(own("Deployment")));
        let set = r#"{"metadata":{"name":"web-1","namespace":"shop","ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","controller":true}]}}"#;
        seen.add(&object("ReplicaSet", set));
        ends.add(&kind, None);
        assert_eq!(seen.missing(&ends), BTreeMap::new(), "that it was read shows nothing of the other");
        ends.add(&kinds::named("Deployment").unwrap(), None);
        assert_eq!(seen.missing(&ends).into_keys().collect::<Vec<_>>(), [name("Deployment", "shop", "web")]);
    }

    #[test]
    fn a_binding_points_to_its_role_wherever_that_is() {
        let (mut seen, mut ends) = (Seen::default(), Ends::default());
        let bound = |kind: &str, role: &str| {
            format!(
                r#"{{"metadata":{{"name":"b-{role}","namespace":"shop"}},"roleRef":{{"kind":"{kind}","name":"{role}"}}}}"#
            )
        };
        seen.add(&object("RoleBinding", &bound("Role", "own")));
        seen.add(&object("RoleBinding", &bound("ClusterRole", "edit")));
        let of_cluster = r#"{"metadata":{"name":"all"},"roleRef":{"kind":"ClusterRole","name":"edit"}}"#;
        seen.add(&object("ClusterRoleBinding", of_cluster));
        for kind in ["Role", "ClusterRole", "Namespace"] {
            ends.add(&kinds::named(kind).unwrap(), None);
        }
        seen.add(&object("Namespace", r#"{"metadata":{"name":"shop"}}"#));
        let edit = vec![name("ClusterRoleBinding", "", "all"), name("RoleBinding", "shop", "b-edit")];
        let own = vec![name("RoleBinding", "shop", "b-own")];
        let missing = [(name("ClusterRole", "", "edit"), edit), (name("Role", "shop", "own"), own)];
        assert_eq!(seen.missing(&ends), BTreeMap::from(missing));
        seen.add(&object("ClusterRole", r#"{"metadata":{"name":"edit"},"rules":[]}"#));
        seen.add(&object("Role", r#"{"metadata":{"name":"own","namespace":"shop"},"rules":null}"#));
        assert_eq!(seen.missing(&ends), BTreeMap::new());
    }

    #[test]
    fn a_deployment_that_is_gone_is_missing_to_its_replica_sets() {
        let (mut seen, mut ends) = (Seen::default(), Ends::default());
        seen.add(&object("Deployment", r#"{"metadata":{"name":"web","namespace":"shop"}}"#));
        let set = r#"{"metadata":{"name":"web-1","namespace":"shop","ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","controller":true}]}}"#;
        seen.add(&object("ReplicaSet", set));
        ends.add(&kinds::named("Deployment").unwrap(), None);
        assert_eq!(seen.missing(&ends), BTreeMap::new());
        seen.forget(&name("Deployment", "shop", "web"));
        let set = vec![name("ReplicaSet", "shop", "web-1")];
        assert_eq!(seen.missing(&ends), BTreeMap::from([(name("Deployment", "shop", "web"), set)]));
    }
}
