//! Putting declarations beside what is: a declared thing that Azure was seen to have is that thing,
//! and is not counted twice; one that Azure was not asked about is taken as declared; one that Azure
//! was seen not to have, or to have otherwise, stays a declaration, and is nothing that tokens are
//! exchanged with. What it will be once it is applied is kept beside it.

use std::collections::{BTreeMap, BTreeSet};

use wiguard_rules::declared::{Coming, Declared, DeclaredCredential, Tool};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{
    Cluster, ClusterIx, FederatedIdentityCredential, Identity, IdentityBinding, IdentityKind, Parent,
};

use super::beside::Beside;
use super::{Declaration, Declarations, DeclaredBinding, DeclaredIdentity, Key, Whose};
use crate::collect::{Resource, Sourced, mentioned, same_cluster};

/// Declarations by the source they were read from.
pub(in crate::collect) type Sources = Vec<(u32, Declarations)>;

/// Takes the declarations out of the sources, and the clusters among them into the inventory. Those
/// are described in their folders like others.
pub(in crate::collect) fn take(sources: &mut [Sourced], inventory: &mut Inventory) -> Sources {
    let mut taken = Vec::new();
    for Sourced { index, facts, .. } in sources.iter_mut() {
        for mut declarations in std::mem::take(&mut facts.declared) {
            for mut cluster in std::mem::take(&mut declarations.clusters) {
                cluster.origin.source = *index;
                let known = inventory.clusters.iter().find(|known| same_cluster(known, &cluster));
                match known.map(|known| known.declared.is_none()) {
                    None => inventory.clusters.push(cluster.clone()),
                    Some(true) if is_off(&cluster) => inventory.declared.clusters.push(cluster.clone()),
                    Some(_) => {}
                }
                // without an issuer it tells nothing of the objects beside it
                if cluster.issuer.is_some() {
                    facts.resources.push((cluster.origin.line, None, Resource::Cluster(Box::new(cluster))));
                }
            }
            for mut cluster in std::mem::take(&mut declarations.made) {
                cluster.origin.source = *index;
                if !inventory.clusters.iter().any(|known| same_cluster(known, &cluster)) {
                    inventory.clusters.push(cluster);
                }
            }
            for mut cluster in std::mem::take(&mut declarations.leaving) {
                cluster.origin.source = *index;
                inventory.declared.leaving.push(cluster);
            }
            taken.push((*index, declarations));
        }
    }
    taken
}

/// Whether a cluster is declared with something off that workload identity needs.
fn is_off(cluster: &Cluster) -> bool {
    [cluster.oidc_issuer_enabled, cluster.workload_identity_enabled].contains(&Some(false))
}

/// Adds identities and credentials to an inventory whose own are settled. `assume_complete`: what is
/// given is all there is.
pub(in crate::collect) fn add(sources: Sources, inventory: &mut Inventory, assume_complete: bool) {
    let (mut identities, mut credentials, mut bindings) = (Vec::new(), Vec::new(), Vec::new());
    for (document, (source, declarations)) in (0..).zip(sources) {
        for mut it in declarations.identities {
            it.identity.origin.source = source;
            identities.push((document, it));
        }
        for mut it in declarations.credentials {
            it.credential.origin.source = source;
            credentials.push((document, it));
        }
        bindings.extend(declarations.bindings.into_iter().map(|it| (document, it)));
    }
    if identities.is_empty() && credentials.is_empty() && bindings.is_empty() {
        return;
    }
    let none_is_live = inventory.credentials.is_empty();
    let mut owners = Owners::new(inventory);
    let (ends, identities): (Vec<_>, Vec<_>) =
        identities.into_iter().partition(|(_, declared)| declared.coming == Coming::Deleted);
    let ending: BTreeSet<(u32, &Key)> = ends.iter().map(|(document, end)| (*document, &end.key)).collect();
    for (document, declared) in identities {
        let replaced = ending.contains(&(document, &declared.key));
        owners.identity(document, declared, replaced, inventory);
    }
    owners.bindings(bindings, inventory, assume_complete);
    for (document, declaration) in &credentials {
        owners.mentioned(*document, declaration, inventory);
    }
    let mut beside = Beside::new(&owners, inventory);
    let mut all = Vec::new();
    for (document, declaration) in credentials {
        all.push(beside.credential(document, declaration, &owners, inventory));
    }
    let lost = owners.lost(ends.iter().map(|(_, end)| &end.identity), inventory);
    let gone: BTreeSet<_> = lost.iter().map(named).collect();
    all.retain(|it| !it.is_deleted() || !gone.contains(&named(it)));
    all.extend(lost);
    let Declared { clusters, leaving, .. } = std::mem::take(&mut inventory.declared);
    inventory.declared = Declared::of(all, assume_complete);
    (inventory.declared.clusters, inventory.declared.leaving) = (clusters, leaving);
    if assume_complete && !inventory.credentials.is_empty() {
        for identity in
            inventory.identities.iter_mut().filter(|it| none_is_live || it.declared.is_some() || it.is_mention())
        {
            identity.credentials_complete = true;
        }
    }
}

/// Which identity is meant.
pub(super) struct Owners {
    by_id: BTreeMap<String, usize>,
    by_name: BTreeMap<(IdentityKind, String), Vec<usize>>,
    by_declaration: BTreeMap<(u32, Key), Option<usize>>,
}

impl Owners {
    fn new(inventory: &Inventory) -> Self {
        let mut owners = Self { by_id: BTreeMap::new(), by_name: BTreeMap::new(), by_declaration: BTreeMap::new() };
        for (index, identity) in inventory.identities.iter().enumerate() {
            owners.note(index, identity);
        }
        owners
    }

    fn note(&mut self, index: usize, identity: &Identity) {
        for id in [&identity.id, &identity.client_id.0].into_iter().filter(|id| !id.is_empty()) {
            self.by_id.entry(id.to_ascii_lowercase()).or_insert(index);
        }
        let name = (identity.kind, identity.name.to_ascii_lowercase());
        self.by_name.entry(name).or_default().push(index);
    }

    pub(super) fn of_id(&self, id: &str) -> Option<usize> {
        self.by_id.get(&id.to_ascii_lowercase()).copied()
    }

    /// The managed identities or applications of a name, in a resource group and a subscription if those
    /// are said.
    pub(super) fn named(
        &self,
        kind: IdentityKind,
        name: &str,
        [group, subscription]: [&str; 2],
        inventory: &Inventory,
    ) -> Vec<usize> {
        let named = self.by_name.get(&(kind, name.to_ascii_lowercase())).into_iter().flatten().copied();
        let may_be = |of: &str, said: &str| said.is_empty() || of.is_empty() || of.eq_ignore_ascii_case(said);
        let within = |identity: &Identity| {
            may_be(&identity.resource_group, group) && may_be(subscription_of(&identity.id), subscription)
        };
        named.filter(|index| inventory.identities.get(*index).is_some_and(within)).collect()
    }

    /// An identity that is declared: the one that is, or one more. One that is replaced gets another
    /// client id, whatever its name.
    fn identity(&mut self, document: u32, declared: DeclaredIdentity, replaced: bool, inventory: &mut Inventory) {
        let DeclaredIdentity { mut identity, key, subscription, .. } = declared;
        let key = scoped(document, key);
        let mut known = [identity.id.as_str(), identity.client_id.as_str()]
            .into_iter()
            .filter(|id| !id.is_empty())
            .find_map(|id| self.of_id(id));
        let mut certain = true;
        if known.is_none() && identity.id.is_empty() && !identity.name.is_empty() && !replaced {
            let named = self.named(identity.kind, &identity.name, [&identity.resource_group, &subscription], inventory);
            certain = named.len() < 2;
            known = named.first().copied().filter(|_| certain);
        }
        // What credentials named and nothing described is as it is declared.
        if let Some(mention) = known.and_then(|index| inventory.identities.get_mut(index)).filter(|it| it.is_mention())
        {
            let Identity { id, resource_group, credentials_complete, .. } = mention.clone();
            let resource_group =
                if identity.resource_group.is_empty() { resource_group } else { identity.resource_group };
            *mention = Identity { id, resource_group, credentials_complete, ..identity };
            let client_id = mention.client_id.0.to_ascii_lowercase();
            if let (Some(index), false) = (known, client_id.is_empty()) {
                self.by_id.entry(client_id).or_insert(index);
            }
            self.by_declaration.insert(key, known);
            return;
        }
        let searched = match identity.kind {
            IdentityKind::UserAssigned => inventory.coverage.managed_identities,
            IdentityKind::Application => inventory.coverage.applications,
        };
        // what has an id was made; where all are listed and it is not among them, it is gone
        let gone = searched && !identity.id.is_empty();
        if known.is_none() && certain && !gone {
            if identity.id.is_empty() {
                identity.id = self.free_id(identity.declared.as_deref().unwrap_or_default());
            }
            let index = inventory.identities.len();
            self.note(index, &identity);
            inventory.identities.push(identity);
            known = Some(index);
        }
        self.by_declaration.insert(key, known);
    }

    /// The managed identity that a credential names and nothing describes, unless all are listed.
    fn mentioned(&mut self, document: u32, declaration: &Declaration, inventory: &mut Inventory) {
        let Declaration { credential, parent } = declaration;
        if inventory.coverage.managed_identities || self.owner(document, parent, inventory).is_some() {
            return;
        }
        let mentioned = match parent {
            Whose::Id(id) => mentioned::of_id(id, credential.origin),
            Whose::Name { name, resource_group, .. } => self
                .unnamed(parent, inventory)
                .map(|id| Identity { id, ..mentioned::named(name, resource_group, credential.origin) }),
            Whose::Declared(_) | Whose::Unknown => None,
        };
        let Some(identity) = mentioned else { return };
        self.note(inventory.identities.len(), &identity);
        inventory.identities.push(identity);
    }

    /// What stands for the id of an identity that is named and that no source describes; none if it may be one of
    /// several.
    pub(super) fn unnamed(&self, whose: &Whose, inventory: &Inventory) -> Option<String> {
        let Whose::Name { name, resource_group, subscription } = whose else { return None };
        let known = self.named(IdentityKind::UserAssigned, name, [resource_group, subscription], inventory);
        let place = [subscription, resource_group, name].map(String::as_str).into_iter().filter(|it| !it.is_empty());
        known.is_empty().then(|| place.collect::<Vec<_>>().join("/"))
    }

    /// What stands for the id of an identity that has none yet: its address, which another document
    /// may have too.
    fn free_id(&self, address: &str) -> String {
        let numbered = (2_u32..).map(|number| format!("{address} ({number})"));
        let mut ids = std::iter::once(address.to_owned()).chain(numbered);
        ids.find(|id| self.of_id(id).is_none()).unwrap_or_default()
    }

    /// Identity bindings that are declared, beside those that are. Of a cluster whose bindings Azure
    /// listed, those that it has not are declarations alone.
    fn bindings(&self, declared: Vec<(u32, DeclaredBinding)>, inventory: &mut Inventory, assume_complete: bool) {
        let mut made = Vec::new();
        for (document, DeclaredBinding { name, cluster, identity, client_id }) in declared {
            let Some((cluster, of)) = cluster_of(&cluster, inventory).filter(|_| !name.is_empty()) else { continue };
            let listed = inventory.coverage.of(cluster).is_some_and(|coverage| coverage.identity_bindings);
            if listed {
                continue;
            }
            let owner = self.owner(document, &identity, inventory).and_then(|index| inventory.identities.get(index));
            let (identity, known) = match (owner, identity) {
                (Some(owner), _) => (owner.id.clone(), owner.client_id.clone()),
                (None, Whose::Id(id)) => (id, "".into()),
                (None, _) => (String::new(), "".into()),
            };
            let client_id = if client_id.as_str().is_empty() { known } else { client_id };
            made.push((cluster, IdentityBinding { id: format!("{of}/identityBindings/{name}"), identity, client_id }));
        }
        for (cluster, binding) in made {
            if assume_complete {
                inventory.coverage.cluster(cluster).identity_bindings = true;
            }
            if !inventory.identity_bindings.iter().any(|known| known.id.eq_ignore_ascii_case(&binding.id)) {
                inventory.identity_bindings.push(binding);
            }
        }
    }

    /// The live credentials that are deleted with these identities.
    fn lost<'i>(&self, ends: impl Iterator<Item = &'i Identity>, inventory: &Inventory) -> Vec<DeclaredCredential> {
        let of_end = |end: &'i Identity| {
            let place = [end.id.as_str(), end.client_id.as_str()].into_iter().find_map(|id| self.of_id(id))?;
            let identity = inventory.identities.get(place).filter(|it| it.declared.is_none())?;
            Some((place, (end, identity)))
        };
        let mut ending: BTreeMap<usize, Vec<(&Identity, &Identity)>> = BTreeMap::new();
        for (place, pair) in ends.filter_map(of_end) {
            ending.entry(place).or_default().push(pair);
        }
        let of_credential = |it: &FederatedIdentityCredential| {
            let (Parent::Resource(id) | Parent::Id(id)) = &it.parent else { return None };
            ending.get(&self.of_id(id)?)
        };
        let live = inventory.credentials.iter().filter(|it| it.declared.is_none() && !ending.is_empty());
        let pairs = live.flat_map(|it| of_credential(it).into_iter().flatten().map(move |pair| (it, pair)));
        pairs.map(|(it, (end, identity))| deleted_with(end, identity, it)).collect()
    }

    pub(super) fn owner(&self, document: u32, whose: &Whose, inventory: &Inventory) -> Option<usize> {
        match whose {
            Whose::Id(id) => self.of_id(id),
            Whose::Declared(key) => self.by_declaration.get(&scoped(document, key.clone())).copied().flatten(),
            Whose::Name { name, resource_group, subscription } => {
                match *self.named(IdentityKind::UserAssigned, name, [resource_group, subscription], inventory) {
                    [one] => Some(one),
                    _ => None,
                }
            }
            Whose::Unknown => None,
        }
    }
}

/// A live credential of an identity whose declaration says that it ends.
fn deleted_with(end: &Identity, identity: &Identity, it: &FederatedIdentityCredential) -> DeclaredCredential {
    DeclaredCredential {
        address: end.declared.clone().unwrap_or_default(),
        identity: identity.reference().into(),
        name: it.name.clone(),
        issuer: Some(it.issuer.clone()),
        subject: it.subject.clone(),
        expression: it.expression.clone(),
        audiences: Some(it.audiences.clone()),
        coming: Coming::DeletedWithIdentity,
        after: Vec::new(),
        planned: None,
        tool: Tool::Terraform { constraint: None, written: Vec::new(), at_once: false },
        origin: end.origin,
    }
}

/// What tells the credentials of one source apart.
fn named(it: &DeclaredCredential) -> (u32, String, String) {
    (it.origin.source, it.identity.to_ascii_lowercase(), it.name.to_ascii_lowercase())
}

/// The one cluster that is meant, with its resource id.
fn cluster_of(whose: &Whose, inventory: &Inventory) -> Option<(ClusterIx, String)> {
    let is_meant = |cluster: &Cluster| match whose {
        Whose::Id(id) => cluster.id.eq_ignore_ascii_case(id),
        Whose::Name { name, resource_group, subscription } => {
            let is = |own: &str, said: &str| said.is_empty() || own.eq_ignore_ascii_case(said);
            !cluster.id.is_empty()
                && cluster.name.eq_ignore_ascii_case(name)
                && is(&cluster.resource_group, resource_group)
                && is(subscription_of(&cluster.id), subscription)
        }
        Whose::Declared(_) | Whose::Unknown => false,
    };
    let mut meant = (0..).map(ClusterIx).zip(&inventory.clusters).filter(|(_, cluster)| is_meant(cluster));
    let (index, cluster) = meant.next()?;
    meant.next().is_none().then(|| (index, cluster.id.clone()))
}

/// The subscription of a resource id; empty if it has none.
fn subscription_of(id: &str) -> &str {
    wiguard_rules::repair::subscription(id).unwrap_or_default()
}

/// Objects of Kubernetes name each other across files.
fn scoped(document: u32, key: Key) -> (u32, Key) {
    (if matches!(key, Key::Object(_)) { u32::MAX } else { document }, key)
}

/// Whether any cluster is described that is not merely declared.
pub(in crate::collect) fn any_is_described(inventory: &Inventory) -> bool {
    inventory.clusters.iter().any(|cluster| cluster.issuer.is_some() && cluster.declared.is_none())
}
