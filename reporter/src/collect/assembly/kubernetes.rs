//! The objects of Kubernetes, each once, and what the lists they stood in say.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use wiguard_rules::inventory::TokenRequester;
use wiguard_rules::manifest::Manifest;
use wiguard_rules::model::{ClusterIx, Custom, Origin};

use super::again::Again;
use super::{Assembly, Gap, Missing, Sourced};

/// Of a file whose objects may be others than those that they are taken for.
const TWICE: &str = "holds objects that another file has by the same kind and name, and one of both states no namespace for them: they are taken for one; say --default-namespace NAMESPACE=PATH of each";

impl Assembly<'_> {
    /// The objects of Kubernetes, each once.
    pub(super) fn kubernetes(&mut self, sources: Vec<Sourced>, ties: &BTreeMap<u32, ClusterIx>) {
        let mut seen: BTreeMap<(ClusterIx, &'static str, &'static str, String, String), (u32, bool)> = BTreeMap::new();
        let mut again = Again::default();
        for Sourced { index, source, facts, home, proofs } in sources {
            let tied = ties.get(&index).copied();
            self.lists.prove(tied, proofs);
            let Some(cluster) = tied else { continue };
            if home.is_some() {
                self.lists.home(cluster);
            }
            let sound = !self.broken.contains(&source.path);
            let mut twice = false;
            for read in facts.manifests {
                let origin = Origin { source: index, line: read.line };
                let whole = sound && facts.lists.iter().any(|ended| Some(ended.id) == read.list && ended.whole);
                let list = read.list.filter(|_| whole).map(|list| (index, list));
                let inventory = &mut self.collected.inventory;
                let unplaced = read.unplaced;
                // Whether it is the first of its name; if not, whether it may be another than that one.
                let mut first_of = |group, kind, namespace: &str, name: &str| match seen.entry((
                    cluster,
                    group,
                    kind,
                    namespace.to_string(),
                    name.to_string(),
                )) {
                    Entry::Vacant(place) => {
                        place.insert((index, unplaced));
                        Ok(())
                    }
                    Entry::Occupied(place) => {
                        let (first, first_unplaced) = *place.get();
                        let doubtful = first != index && (unplaced || first_unplaced);
                        twice |= doubtful;
                        Err(doubtful)
                    }
                };
                let mut first = |kind, namespace: &str, name: &str| first_of("", kind, namespace, name).is_ok();
                match read.manifest {
                    Manifest::Workload(mut workload) => {
                        workload.cluster = cluster;
                        workload.origin = origin;
                        workload.unplaced = unplaced;
                        self.lists.workload(cluster, list, &workload, read.live);
                        let kind = workload.kind;
                        let is_new = if workload.name.is_empty() {
                            Ok(())
                        } else {
                            first_of(kind.group, kind.kind, &workload.namespace, &workload.name)
                        };
                        match is_new {
                            Ok(()) => inventory.workloads.push(workload),
                            Err(false) => again.workload(&source.path, workload),
                            Err(true) => {}
                        }
                    }
                    Manifest::ServiceAccount(mut account) => {
                        account.cluster = cluster;
                        account.origin = origin;
                        account.unplaced = unplaced;
                        self.lists.account(cluster, list, &account.namespace, &account.name, read.live);
                        match first_of("", "ServiceAccount", &account.namespace, &account.name) {
                            Ok(()) => inventory.service_accounts.push(account),
                            Err(false) => again.account(&source.path, account),
                            Err(true) => {}
                        }
                    }
                    Manifest::Namespace(mut namespace) => {
                        namespace.cluster = cluster;
                        namespace.origin = origin;
                        self.lists.namespace(cluster, list);
                        if first("Namespace", "", &namespace.name) {
                            inventory.namespaces.push(namespace);
                        }
                    }
                    Manifest::Secret(mut secret) => {
                        secret.cluster = cluster;
                        self.lists.secret(cluster, list, &secret.namespace);
                        if first("Secret", &secret.namespace, &secret.name) {
                            inventory.secrets.push(secret);
                        }
                    }
                    Manifest::SecretProviderClass(mut class) => {
                        class.cluster = cluster;
                        self.lists.provider_class(cluster, list);
                        if first("SecretProviderClass", &class.namespace, &class.name) {
                            let judged = class.judged(origin);
                            inventory.customs.extend(judged.map(|it| Custom { unplaced, ..it }));
                            inventory.provider_classes.push(class);
                        }
                    }
                    Manifest::Custom(mut custom) => {
                        custom.cluster = cluster;
                        custom.origin = origin;
                        custom.unplaced = unplaced;
                        if custom.kind.group == "external-secrets.io" {
                            self.lists.token_requesters(cluster);
                        }
                        if first_of(custom.kind.group, custom.kind.kind, &custom.namespace, &custom.name).is_ok() {
                            inventory.token_requesters.extend(TokenRequester::of(&custom));
                            inventory.customs.push(custom);
                        }
                    }
                    Manifest::Role(mut role) => {
                        role.cluster = cluster;
                        self.lists.access(cluster, list, role.kind(), &role.namespace, &role.name, read.live);
                        if first(role.kind(), &role.namespace, &role.name) {
                            inventory.roles.push(role);
                        }
                    }
                    Manifest::RoleBinding(mut binding) => {
                        binding.cluster = cluster;
                        binding.origin = origin;
                        let (kind, namespace, name) = (binding.kind(), &binding.namespace, &binding.name);
                        self.lists.access(cluster, list, kind, namespace, name, read.live);
                        if first(kind, namespace, name) {
                            inventory.role_bindings.push(binding);
                        }
                    }
                    Manifest::Registration(mut registration) => {
                        registration.cluster = cluster;
                        registration.origin = origin;
                        self.lists.registration(cluster, list, &registration);
                        let is_new = first("MutatingWebhookConfiguration", "", &registration.name);
                        if is_new && !registration.webhooks.is_empty() {
                            inventory.registrations.push(registration);
                        }
                    }
                    Manifest::WebhookSettings(mut settings) => {
                        settings.cluster = cluster;
                        if first("ConfigMap", &settings.namespace, "") {
                            inventory.webhook_settings.push(settings);
                        }
                    }
                    Manifest::List(_) | Manifest::Other { .. } => {}
                }
            }
            if twice {
                let (path, reason) = (source.path.clone(), TWICE.into());
                self.collected.gaps.push(Gap { path, line: None, reason, extent: Missing::Use });
            }
        }
        let contradictions = again.contradictions(&self.collected.inventory, &self.collected.paths);
        self.collected.gaps.extend(contradictions);
    }
}
