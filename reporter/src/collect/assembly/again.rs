//! Objects of Kubernetes that were read before: what a later source says otherwise of them. The first is
//! believed, and the user is told, or a manifest beside the dump of its cluster would count for nothing
//! without a word.

use std::collections::BTreeMap;

use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{ClusterIx, Origin, Pairs, ServiceAccount, Shape, Workload};

use super::{Gap, Missing};

/// Objects that were read before, in the order they were read again: the file, and what it says.
#[derive(Default)]
pub(super) struct Again {
    workloads: Vec<(String, Workload)>,
    accounts: Vec<(String, ServiceAccount)>,
}

/// Cluster, kind with its group, namespace and name.
type Id<'a> = (ClusterIx, &'a str, &'a str, &'a str, &'a str);

/// Values, and whether they are text, by key.
type ByKey<'a> = BTreeMap<&'a str, (&'a str, bool)>;

impl Again {
    /// One more workload. Pods come and go, and are as they are made.
    pub(super) fn workload(&mut self, path: &str, workload: Workload) {
        if workload.kind.shape != Shape::Pod {
            self.workloads.push((path.to_owned(), workload));
        }
    }

    /// One more ServiceAccount.
    pub(super) fn account(&mut self, path: &str, account: ServiceAccount) {
        self.accounts.push((path.to_owned(), account));
    }

    /// What contradicts what was read first, file by file.
    pub(super) fn contradictions(&self, inventory: &Inventory, paths: &[String]) -> Vec<Gap> {
        if self.workloads.is_empty() && self.accounts.is_empty() {
            return Vec::new();
        }
        let workloads: BTreeMap<Id<'_>, &Workload> = inventory.workloads.iter().map(|it| (id(it), it)).collect();
        let accounts: BTreeMap<Id<'_>, &ServiceAccount> =
            inventory.service_accounts.iter().map(|it| (account_id(it), it)).collect();
        let mut files: BTreeMap<&str, (u32, String, usize)> = BTreeMap::new();
        let mut differs = |path, own: Origin, first: Origin, kind: &str, namespace: &str, name: &str| {
            let known = paths.get(first.source as usize).map_or("a source", String::as_str);
            let first = || (own.line, format!("{kind} {namespace}/{name} than {known}, which is believed"), 0);
            files.entry(path).and_modify(|(.., more)| *more += 1).or_insert_with(first);
        };
        for (path, it) in &self.workloads {
            if let Some(known) = workloads.get(&id(it)).filter(|known| said(known) != said(it)) {
                differs(path, it.origin, known.origin, it.kind.kind, &it.namespace, &it.name);
            }
        }
        for (path, it) in &self.accounts {
            let known = accounts.get(&account_id(it));
            if let Some(known) = known.filter(|known| by_key(&known.annotations) != by_key(&it.annotations)) {
                differs(path, it.origin, known.origin, "ServiceAccount", &it.namespace, &it.name);
            }
        }
        files.into_iter().map(|(path, (line, what, more))| gap(path, line, &what, more)).collect()
    }
}

fn gap(path: &str, line: u32, what: &str, more: usize) -> Gap {
    let more = if more == 0 { String::new() } else { format!(", and of {more} more") };
    let reason = format!("says otherwise of {what}{more}; scan the two apart, or leave out the one that is not meant");
    Gap { path: path.into(), line: Some(line.into()), reason, extent: Missing::Use }
}

/// What the chain starts with.
fn said(workload: &Workload) -> (ByKey<'_>, ByKey<'_>, &str) {
    let template = &workload.template;
    (by_key(&template.labels), by_key(&template.annotations), workload.service_account())
}

/// In whatever order they were written.
fn by_key(pairs: &Pairs) -> ByKey<'_> {
    pairs.iter().map(|pair| (pair.key.as_str(), (pair.value.as_str(), pair.is_string))).collect()
}

fn id(workload: &Workload) -> Id<'_> {
    let Workload { cluster, kind, namespace, name, .. } = workload;
    (*cluster, kind.group, kind.kind, namespace, name)
}

fn account_id(account: &ServiceAccount) -> Id<'_> {
    (account.cluster, "", "ServiceAccount", &account.namespace, &account.name)
}
