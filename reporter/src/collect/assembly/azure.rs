//! Clusters, identities and credentials: each once, credentials tied to their identities, and what two
//! sources say against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wiguard_rules::model::{Cluster, FederatedIdentityCredential, Identity, IdentityKind, Origin, Parent};

use super::{Assembly, Sourced};
use crate::collect::contradiction::{contradict, contradiction, same_trust, two_issuers};
use crate::collect::ended::Ended;
use crate::collect::{Gap, Missing, Proof, Resource, tie};
use crate::read::{Source, Wrapper};

impl Assembly<'_> {
    /// Clusters, identities and credentials.
    pub(super) fn azure(&mut self, sources: &mut [Sourced]) {
        let inventory = &mut self.collected.inventory;
        inventory.clusters.extend(self.wanted.declared.iter().cloned());
        let mut seen_identities: BTreeMap<String, usize> = BTreeMap::new();
        let mut seen_credentials: BTreeMap<String, usize> = BTreeMap::new();
        let mut loose = Vec::new();
        let mut disabled: BTreeSet<String> = BTreeSet::new();
        for Sourced { index, source, facts, .. } in sources.iter_mut() {
            let whole = |list: Option<u32>| -> Option<&Ended> {
                let ended = facts.lists.iter().find(|ended| Some(ended.id) == list)?;
                (ended.whole && !self.broken.contains(&source.path)).then_some(ended)
            };
            let mut kept = Vec::new();
            for (line, list, resource) in std::mem::take(&mut facts.resources) {
                let origin = Origin { source: *index, line };
                match resource {
                    Resource::Cluster(cluster) => {
                        let cluster = Cluster { origin, ..*cluster };
                        match inventory.clusters.iter_mut().find(|known| same_cluster(known, &cluster)) {
                            Some(known) => {
                                if two_issuers(known, &cluster) {
                                    let what = format!("the issuer of cluster `{}`", cluster.name);
                                    self.collected.gaps.push(contradiction(&source.path, line, &what));
                                }
                                merge_cluster(known, &cluster);
                            }
                            None => inventory.clusters.push(cluster.clone()),
                        }
                        kept.push((line, list, Resource::Cluster(Box::new(cluster))));
                    }
                    Resource::Discovery(_) | Resource::Signing(_) => kept.push((line, list, resource)),
                    Resource::Principal(client_id) => {
                        inventory.coverage.principals.insert(client_id.folded());
                    }
                    Resource::Disabled(client_id) => {
                        disabled.insert(client_id.folded());
                    }
                    Resource::Role(role) => inventory.role_assignments.push(role),
                    Resource::Binding(binding) => {
                        self.lists.identity_binding(binding.cluster(), whole(list).is_some());
                        inventory.identity_bindings.push(binding);
                    }
                    Resource::Identity(identity) => {
                        self.lists.identity(identity.kind, whole(list));
                        let key = identity_key(&identity);
                        match seen_identities.entry(key) {
                            std::collections::btree_map::Entry::Vacant(slot) => {
                                slot.insert(inventory.identities.len());
                                inventory.identities.push(Identity { origin, ..identity });
                            }
                            std::collections::btree_map::Entry::Occupied(slot) => {
                                if let Some(known) = inventory.identities.get(*slot.get())
                                    && contradict(known, &identity)
                                {
                                    self.collected.gaps.push(contradiction(
                                        &source.path,
                                        line,
                                        &format!("identity `{}`", identity.name),
                                    ));
                                }
                            }
                        }
                    }
                    Resource::Credential(mut credential) => {
                        credential.origin = origin;
                        let context =
                            facts.lists.iter().find(|ended| Some(ended.id) == list).map(|ended| ended.context.as_str());
                        if let (Parent::Unknown, Some(parent)) =
                            (&credential.parent, context.and_then(parent_of_context))
                        {
                            credential.parent = Parent::Id(parent);
                        }
                        let complete = whole(list).is_some();
                        loose.push((source.clone(), complete, credential));
                    }
                }
            }
            facts.resources = kept;
        }
        let coverage = &mut inventory.coverage;
        // One application has a service principal in each tenant that it is used in.
        for client_id in disabled {
            if !coverage.principals.contains(client_id.as_str()) {
                coverage.disabled.insert(client_id.clone());
                coverage.principals.insert(client_id);
            }
        }
        // What is inherited is in the list of every subscription.
        once(&mut inventory.role_assignments, |role| &role.id);
        once(&mut inventory.identity_bindings, |binding| &binding.id);
        self.credentials(loose, &mut seen_credentials, sources);
    }

    /// Ties credentials to their identities, and notes whose are all there.
    fn credentials(
        &mut self,
        loose: Vec<(Arc<Source>, bool, FederatedIdentityCredential)>,
        seen: &mut BTreeMap<String, usize>,
        sources: &[Sourced],
    ) {
        let inventory = &mut self.collected.inventory;
        let (mut complete, mut contradicted): (BTreeSet<usize>, BTreeSet<usize>) = Default::default();
        let mut untied: BTreeMap<String, usize> = BTreeMap::new();
        let mut doubtful = BTreeSet::new();
        let owners = tie::Owners::of(&inventory.identities);
        for (source, whole, mut credential) in loose {
            if credential.parent == Parent::Unknown {
                match tie::identity_of_path(&source.path, &self.said.identities, &inventory.identities) {
                    Some(identity) => credential.parent = Parent::Id(tie::reference(identity)),
                    None => *untied.entry(source.path.clone()).or_default() += 1,
                }
            }
            let owner = owners.owner(&credential.parent);
            match (whole, owner, &credential.parent) {
                (true, Some(owner), _) => {
                    complete.insert(owner);
                }
                (true, None, Parent::Resource(id)) => {
                    self.whole.insert(id.to_ascii_lowercase());
                }
                _ => {}
            }
            let key =
                format!("{:?}\u{0}{}\u{0}{}", credential.parent, credential.id, credential.name).to_ascii_lowercase();
            match seen.get(&key).and_then(|index| inventory.credentials.get(*index)) {
                None => {
                    seen.insert(key, inventory.credentials.len());
                    inventory.credentials.push(credential);
                }
                Some(known) if !same_trust(known, &credential) => {
                    // Which of the two is true nobody can tell, so that not all of them are known.
                    contradicted.extend(owner);
                    if let Parent::Resource(id) = &credential.parent {
                        doubtful.insert(id.to_ascii_lowercase());
                    }
                    let what = format!("credential `{}`", credential.name);
                    self.collected.gaps.push(contradiction(&source.path, credential.origin.line, &what));
                }
                Some(_) => {}
            }
        }
        self.whole.retain(|id| !doubtful.contains(id));
        for (path, count) in untied {
            self.collected.gaps.push(Gap {
                path,
                line: None,
                reason: format!(
                    "{} no identity; name the file after the identity, or say --identity NAME=PATH",
                    if count == 1 {
                        "1 federated credential names".into()
                    } else {
                        format!("{count} federated credentials name")
                    }
                ),
                extent: Missing::Use,
            });
        }
        // An empty list names nobody: only the name of its file can.
        for Sourced { source, facts, .. } in sources {
            let empty = |ended: &Ended| ended.elements == 0 && ended.whole && ended.wrapper != Wrapper::Items;
            for ended in facts.lists.iter().filter(|ended| empty(ended)) {
                let named = parent_of_context(&ended.context)
                    .and_then(|parent| owners.owner(&Parent::Id(parent)))
                    .or_else(|| {
                        let identity =
                            tie::identity_of_path(&source.path, &self.said.identities, &inventory.identities)?;
                        inventory.identities.iter().position(|known| std::ptr::eq(known, identity))
                    });
                match named {
                    Some(owner) => {
                        complete.insert(owner);
                    }
                    None if is_applications(&ended.context) => {
                        if !self.broken.contains(&source.path) {
                            self.lists.identity(IdentityKind::Application, Some(ended));
                        }
                    }
                    None => self.collected.gaps.push(Gap {
                        path: source.path.clone(),
                        line: Some(ended.line.into()),
                        reason: "this list is empty and does not say what of; a file named after an identity is taken as its credentials, or say --identity NAME=PATH".into(),
                        extent: Missing::Use,
                    }),
                }
            }
        }
        for proof in sources.iter().flat_map(|it| &it.proofs) {
            if let Proof::Credentials { identity } = proof {
                complete.extend(owners.owner(&Parent::Id(identity.clone())));
            }
        }
        let any = !inventory.credentials.is_empty();
        for (index, identity) in inventory.identities.iter_mut().enumerate() {
            let listed = complete.contains(&index) || (self.wanted.assume_complete && any);
            identity.credentials_complete = listed && !contradicted.contains(&index);
        }
    }
}

/// The application that Graph's `@odata.context` names: `…#applications('ID')/federatedIdentityCredentials`.
fn parent_of_context(context: &str) -> Option<String> {
    let (_, rest) = context.split_once("applications('").or_else(|| context.split_once("applications(appId='"))?;
    rest.split_once("')").map(|(id, _)| id.to_string())
}

/// Whether Graph's `@odata.context` is that of a list of applications: `…/$metadata#applications`, with
/// what was selected in brackets.
fn is_applications(context: &str) -> bool {
    let Some((_, rest)) = context.split_once("$metadata#applications") else { return false };
    rest.is_empty()
        || rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).is_some_and(|of| !of.contains('\''))
}

fn identity_key(identity: &Identity) -> String {
    let kind = match identity.kind {
        IdentityKind::UserAssigned => "m",
        IdentityKind::Application => "a",
    };
    let id = if identity.id.is_empty() { &identity.client_id.0 } else { &identity.id };
    format!("{kind}{}", id.to_ascii_lowercase())
}

pub(in crate::collect) fn same_cluster(known: &Cluster, read: &Cluster) -> bool {
    if known.id.is_empty() || read.id.is_empty() {
        let groups = [&known.resource_group, &read.resource_group];
        let apart = groups.iter().all(|group| !group.is_empty())
            && !known.resource_group.eq_ignore_ascii_case(&read.resource_group);
        known.name == read.name && !apart
    } else {
        known.id.eq_ignore_ascii_case(&read.id)
    }
}

/// Adds what a second description says to the first.
fn merge_cluster(known: &mut Cluster, read: &Cluster) {
    let declared = known.clone();
    *known = Cluster {
        issuer: declared.issuer.or_else(|| read.issuer.clone()),
        other_issuers: declared.other_issuers,
        oidc_issuer_enabled: read.oidc_issuer_enabled.or(declared.oidc_issuer_enabled),
        workload_identity_enabled: read.workload_identity_enabled.or(declared.workload_identity_enabled),
        ..read.clone()
    };
}

/// In the order of their ids, and none twice; what has no id is kept.
fn once<T>(list: &mut Vec<T>, id: impl Fn(&T) -> &str) {
    list.sort_by_cached_key(|it| id(it).to_ascii_lowercase());
    list.dedup_by(|one, other| !id(one).is_empty() && id(one).eq_ignore_ascii_case(id(other)));
}
