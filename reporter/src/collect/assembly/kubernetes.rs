//! The objects of Kubernetes, each once, and what the lists they stood in say.

use std::collections::BTreeMap;

use wiguard_rules::inventory::TokenRequester;
use wiguard_rules::manifest::Manifest;
use wiguard_rules::model::{ClusterIx, Custom, Origin};

use super::again::{Again, Reading};
use super::{Assembly, Sourced};

impl Assembly<'_> {
    /// The objects of Kubernetes, each once.
    pub(super) fn kubernetes(&mut self, sources: Vec<Sourced>, ties: &BTreeMap<u32, ClusterIx>) {
        let mut again = Again::default();
        for Sourced { index, source, facts, home, proofs } in sources {
            let tied = ties.get(&index).copied();
            self.lists.prove(tied, proofs);
            let Some(cluster) = tied else { continue };
            if home.is_some() {
                self.lists.home(cluster);
            }
            let sound = !self.broken.contains(&source.path);
            for read in facts.manifests {
                let origin = Origin { source: index, line: read.line };
                let whole = sound && facts.lists.iter().any(|ended| Some(ended.id) == read.list && ended.whole);
                let list = read.list.filter(|_| whole).map(|list| (index, list));
                let inventory = &mut self.collected.inventory;
                let unplaced = read.unplaced;
                let mut read_at = |group, kind, namespace: &str, name: &str, place| {
                    let id = (cluster, group, kind, namespace.to_owned(), name.to_owned());
                    again.read(id, origin, unplaced, place)
                };
                let mut first_of = |group, kind, namespace: &str, name: &str| {
                    matches!(read_at(group, kind, namespace, name, 0), Reading::First)
                };
                let mut first = |kind, namespace: &str, name: &str| first_of("", kind, namespace, name);
                match read.manifest {
                    Manifest::Workload(mut workload) => {
                        workload.cluster = cluster;
                        workload.origin = origin;
                        workload.unplaced = unplaced;
                        self.lists.workload(cluster, list, &workload, read.live);
                        let (kind, place) = (workload.kind, inventory.workloads.len());
                        let reading = if workload.name.is_empty() {
                            Reading::First
                        } else {
                            read_at(kind.group, kind.kind, &workload.namespace, &workload.name, place)
                        };
                        match reading {
                            Reading::First => inventory.workloads.push(workload),
                            Reading::Later(first) => {
                                let first = inventory.workloads.get(first);
                                if let Some(first) = first {
                                    again.workload(first, &workload, &self.collected.paths);
                                }
                            }
                            Reading::Doubtful => {}
                        }
                    }
                    Manifest::ServiceAccount(mut account) => {
                        account.cluster = cluster;
                        account.origin = origin;
                        account.unplaced = unplaced;
                        self.lists.account(cluster, list, &account.namespace, &account.name, read.live);
                        let place = inventory.service_accounts.len();
                        match read_at("", "ServiceAccount", &account.namespace, &account.name, place) {
                            Reading::First => inventory.service_accounts.push(account),
                            Reading::Later(first) => {
                                let first = inventory.service_accounts.get(first);
                                if let Some(first) = first {
                                    again.account(first, &account, &self.collected.paths);
                                }
                            }
                            Reading::Doubtful => {}
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
                        if first_of(custom.kind.group, custom.kind.kind, &custom.namespace, &custom.name) {
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
        }
        self.collected.gaps.extend(again.gaps(&self.collected.paths));
    }
}
