//! Seen: the names of what was read of a cluster, and who points where. Lists are taken at different
//! moments, so that one may lack what another speaks of.

use std::collections::{BTreeMap, BTreeSet};

use wiguard_rules::manifest::Manifest;
use wiguard_rules::model::{EnvFrom, Value, Volume, Workload};

use super::ends::Ends;

/// An object by kind, namespace and name.
pub(super) type Name = (&'static str, String, String);

/// An object by kind and name, within a namespace.
type Local = (&'static str, String);

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
        let to = match manifest {
            Manifest::Workload(workload) => {
                if kind == "Deployment" {
                    self.there.insert((kind, namespace.into(), name.into()));
                }
                pointed(workload)
            }
            Manifest::Namespace(_) => {
                self.there.insert((kind, String::new(), name.into()));
                return;
            }
            _ => {
                self.there.insert((kind, namespace.into(), name.into()));
                Vec::new()
            }
        };
        self.pointers.entry(namespace.into()).or_default().insert((kind, name.into()), to);
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&mut self, (kind, namespace, name): &Name) {
        if let Some(within) = self.pointers.get_mut(namespace) {
            within.remove(&(*kind, name.clone()));
        }
    }

    /// Whether any object of a kind was read.
    pub(super) fn any(&self, kind: &str) -> bool {
        let of_kind = |within: &BTreeMap<Local, _>| within.keys().any(|(of, _)| *of == kind);
        self.there.iter().any(|(of, ..)| *of == kind) || self.pointers.values().any(of_kind)
    }

    /// The namespaces that were read.
    pub(super) fn namespaces(&self) -> Vec<String> {
        self.there.iter().filter(|(kind, ..)| *kind == "Namespace").map(|(.., name)| name.clone()).collect()
    }

    /// What somebody points to and was not seen, among kinds that were read to their end, and who does.
    pub(super) fn missing(&self, ends: &Ends) -> BTreeMap<Name, Vec<Name>> {
        let mut missing: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        for (namespace, within) in &self.pointers {
            let home = ("Namespace", String::new(), namespace.clone());
            if ends.cover("Namespace", namespace) && !within.is_empty() && !self.there.contains(&home) {
                let all = within.keys().map(|(kind, name)| (*kind, namespace.clone(), name.clone()));
                missing.insert(home, all.collect());
            }
            for ((kind, name), to) in within {
                for (wanted, target) in to.iter().filter(|(wanted, _)| ends.cover(wanted, namespace)) {
                    let target = (*wanted, namespace.clone(), target.clone());
                    if !self.there.contains(&target) {
                        missing.entry(target).or_default().push((*kind, namespace.clone(), name.clone()));
                    }
                }
            }
        }
        missing
    }
}

/// What a workload points to, in its namespace.
fn pointed(workload: &Workload) -> Vec<Local> {
    let mut to = vec![("ServiceAccount", workload.service_account().to_string())];
    if let Some(controller) = workload.controller.as_ref().filter(|controller| controller.kind == "Deployment") {
        to.push(("Deployment", controller.name.clone()));
    }
    for volume in &workload.template.volumes {
        if let Volume::SecretsStore(class) = volume {
            to.push(("SecretProviderClass", class.clone()));
        }
    }
    for container in workload.template.init_containers.iter().chain(&workload.template.containers) {
        for variable in &container.env {
            if let Value::Secret(name, _) = &variable.value {
                to.push(("Secret", name.clone()));
            }
        }
        for from in &container.env_from {
            if let EnvFrom::Secret(name, _) = from {
                to.push(("Secret", name.clone()));
            }
        }
    }
    to
}
