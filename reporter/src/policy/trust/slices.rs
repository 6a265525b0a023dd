//! Slices: what Azure trusts of one cluster, cut so that an admission policy reads one small object
//! for the namespace it judges, and one more for a client id that the first does not know.

use std::collections::{BTreeMap, BTreeSet};

use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{ClusterIx, FederatedIdentityCredential, Identity, Issuer, Subject, Value, is_guid};
use wiguard_rules::near::edits_within;
use wiguard_rules::parameters::Parameters;
use wiguard_rules::trust::{Link, Trust};

use super::document::{Clients, Known, Map, OtherId, Slice, ascii};

/// The bytes of JSON that one object may hold. Kubernetes takes 1 MiB of data in a ConfigMap
/// (`pkg/apis/core/validation`, `MaxSecretSize`), and the rest of the object needs some room.
const LIMIT: usize = 900 << 10;

/// The cluster for which slices are cut, and what they are cut from.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'a> {
    /// Everything collected.
    pub inventory: &'a Inventory,
    /// The cluster's name, empty if it has none.
    pub cluster: &'a str,
    /// Its issuer.
    pub issuer: &'a Issuer,
    /// The clusters of the inventory that are this one.
    pub members: &'a [ClusterIx],
    /// Unix seconds of the oldest source.
    pub collected: u64,
    /// Whether every source could be read wholly.
    pub whole: bool,
    /// The bytes that one object may hold.
    pub limit: usize,
}

/// Everything to be published.
#[derive(Debug, PartialEq, Eq)]
pub struct Slices {
    /// The objects, by name.
    pub maps: Vec<Map>,
    /// Why some of them are not complete; empty if all are.
    pub reasons: BTreeSet<String>,
}

/// Why an identity is of interest to a namespace: the less, the sooner it is left out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Interest {
    /// It trusts this cluster's tokens of the namespace, or may.
    Trusts,
    /// A ServiceAccount or workload of the namespace names it.
    Named,
    /// One of its credentials nearly fits.
    Near,
}

/// Identities, by their index, and why they are of interest.
type Chosen = BTreeMap<usize, Interest>;

/// What is of interest to which namespace.
#[derive(Default)]
struct Interests {
    /// To all of them.
    everywhere: Chosen,
    by_namespace: BTreeMap<String, Chosen>,
}

// === impl Cut ===

impl<'a> Cut<'a> {
    /// Of a cluster of this inventory, with the usual limit.
    pub fn new(inventory: &'a Inventory, members: &'a [ClusterIx], issuer: &'a Issuer) -> Self {
        let cluster = members.first().and_then(|index| inventory.clusters.get(index.0 as usize));
        let cluster = cluster.map_or("", |cluster| &cluster.name);
        Self { inventory, cluster, issuer, members, collected: 0, whole: true, limit: LIMIT }
    }

    /// Cuts.
    pub fn slices(&self) -> Slices {
        let parameters = Parameters::default();
        let trust = Trust::join(self.inventory, &parameters);
        let mut reasons = self.reasons();
        let lost = self.lost(&trust, &mut reasons);
        let complete = reasons.is_empty() && self.whole;
        reasons.extend(lost.values().cloned());

        let mut namespaces = self.namespaces();
        let interests = self.interests(&trust, &namespaces);
        let trusted =
            interests.by_namespace.iter().filter(|(_, chosen)| chosen.values().any(|it| *it == Interest::Trusts));
        namespaces.extend(trusted.map(|(namespace, _)| namespace.as_str()));
        let mut maps = self.clients(&mut reasons);
        for namespace in namespaces.into_iter().filter(|name| is_label(name)) {
            let slice = Slice {
                schema: "wiguard.trust/v1",
                cluster: self.cluster,
                issuer: self.issuer,
                collected: self.collected,
                namespace,
                complete: complete && !lost.contains_key(namespace),
                identities: Vec::new(),
            };
            maps.push(self.fit(slice, &interests.of(namespace), &trust, &mut reasons));
        }
        maps.sort_by(|a, b| a.name.cmp(&b.name));
        Slices { maps, reasons }
    }

    /// What of Azure was not listed, so that nothing is known to be absent.
    fn reasons(&self) -> BTreeSet<String> {
        let Inventory { coverage, identities, .. } = self.inventory;
        let mut reasons = BTreeSet::new();
        if !coverage.managed_identities {
            reasons.insert("not all managed identities were listed: give the output of `az identity list`".into());
        }
        if !coverage.applications {
            reasons.insert("not all app registrations were listed: give the output of `az ad app list --all`, or say --managed-identities-only if no workload uses one".into());
        }
        let mut unlisted = identities.iter().filter(|identity| !identity.credentials_complete);
        if let Some(first) = unlisted.next() {
            let more = match unlisted.count() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            reasons.insert(format!("not all credentials were listed of identity `{}`{more}", first.name));
        }
        let mut owners: BTreeMap<String, &Identity> = BTreeMap::new();
        for identity in identities.iter().filter(|identity| is_guid(identity.client_id.as_str())) {
            if let Some(other) = owners.insert(identity.client_id.folded(), identity) {
                let id = &identity.client_id;
                reasons.insert(format!(
                    "identities `{}` and `{}` have the same client id {id}",
                    other.name, identity.name
                ));
            }
        }
        reasons
    }

    /// Namespaces that a credential trusts of which nobody knows whose it is, so that it cannot be
    /// published, or that name an application of which only the service principal was read; and that reason.
    fn lost(&self, trust: &Trust<'_>, reasons: &mut BTreeSet<String>) -> BTreeMap<String, String> {
        let mut lost = BTreeMap::new();
        let is_nobodys = |credential: &&&FederatedIdentityCredential| {
            trust.parent(credential).is_none_or(|identity| !is_guid(identity.client_id.as_str()))
        };
        for credential in trust.trusting(self.issuer).iter().filter(is_nobodys) {
            let reason = format!("no source says for which client id credential `{}` is", credential.name);
            match credential.service_account() {
                Some((namespace, _)) => {
                    lost.insert(namespace.to_string(), reason);
                }
                None if credential.expression.is_some() => {
                    reasons.insert(reason);
                }
                None => {}
            }
        }
        for account in self.inventory.service_accounts.iter().filter(|account| self.is_ours(account.cluster)) {
            let Some(client_id) = account.client_id().filter(|client_id| trust.is_principal(client_id)) else {
                continue;
            };
            if matches!(trust.identity(&client_id), Link::Unknown(_)) {
                let reason =
                    format!("of client id {client_id} only the service principal was read, not what it trusts");
                lost.insert(account.namespace.clone(), reason);
            }
        }
        lost
    }

    fn is_ours(&self, cluster: ClusterIx) -> bool {
        self.members.contains(&cluster)
    }

    /// The namespaces of the cluster's objects.
    fn namespaces(&self) -> BTreeSet<&str> {
        let Inventory { namespaces, service_accounts, workloads, .. } = self.inventory;
        let listed = namespaces.iter().filter(|it| self.is_ours(it.cluster)).map(|it| it.name.as_str());
        let accounts = service_accounts.iter().filter(|it| self.is_ours(it.cluster)).map(|it| it.namespace.as_str());
        let workloads = workloads.iter().filter(|it| self.is_ours(it.cluster)).map(|it| it.namespace.as_str());
        listed.chain(accounts).chain(workloads).collect()
    }

    fn interests(&self, trust: &Trust<'_>, namespaces: &BTreeSet<&str>) -> Interests {
        let Inventory { identities, service_accounts, workloads, credentials, .. } = self.inventory;
        let issuers: BTreeSet<&Issuer> = credentials.iter().map(|credential| &credential.issuer).collect();
        let alike: BTreeSet<&Issuer> = issuers.into_iter().filter(|issuer| self.is_like_ours(issuer)).collect();
        let mut interests = Interests::default();
        let mut by_client: BTreeMap<String, usize> = BTreeMap::new();
        for (index, identity) in identities.iter().enumerate() {
            if !is_guid(identity.client_id.as_str()) {
                continue;
            }
            by_client.entry(identity.client_id.folded()).or_insert(index);
            for credential in trust.credentials_seen(identity) {
                if !alike.contains(&credential.issuer) {
                    continue;
                }
                let ours = credential.issuer == *self.issuer;
                if ours && credential.subject.is_none() && credential.expression.is_some() {
                    interests.everywhere.insert(index, Interest::Trusts);
                }
                match credential.service_account() {
                    Some((namespace, _)) if ours => interests.note(namespace, index, Interest::Trusts),
                    _ => {}
                }
                for namespace in credential.subject.iter().flat_map(|subject| meant(subject, namespaces)) {
                    interests.note(&namespace, index, Interest::Near);
                }
            }
        }
        for account in service_accounts.iter().filter(|account| self.is_ours(account.cluster)) {
            if let Some(index) = account.client_id().and_then(|id| by_client.get(&id.folded())) {
                interests.note(&account.namespace, *index, Interest::Named);
            }
        }
        for workload in workloads.iter().filter(|workload| self.is_ours(workload.cluster)) {
            for (container, _) in workload.containers() {
                let variable = container.variable("AZURE_CLIENT_ID").map(|variable| &variable.value);
                let Some(Value::Literal(Some(id))) = variable else { continue };
                if let Some(index) = by_client.get(&id.to_ascii_lowercase()) {
                    interests.note(&workload.namespace, *index, Interest::Named);
                }
            }
        }
        interests
    }

    /// Whether an issuer is this cluster's, or a misspelling of it.
    fn is_like_ours(&self, issuer: &Issuer) -> bool {
        issuer == self.issuer
            || issuer.differs_by_case(self.issuer)
            || issuer.as_str().trim() == self.issuer.as_str().trim()
            || edits_within(issuer.as_str(), self.issuer.as_str(), 2)
    }

    /// One namespace's object, made to fit: what says least of the namespace is left out.
    fn fit<'s>(
        &'s self,
        mut slice: Slice<'s>,
        chosen: &Chosen,
        trust: &Trust<'s>,
        reasons: &mut BTreeSet<String>,
    ) -> Map {
        let identities = &self.inventory.identities;
        let mut rows: Vec<(Interest, &'s Identity)> =
            chosen.iter().filter_map(|(index, interest)| Some((*interest, identities.get(*index)?))).collect();
        rows.sort_by_cached_key(|(_, identity)| (identity.client_id.folded(), identity.id.clone()));
        let name = format!("trust.{}", slice.namespace);
        let row = |identity: &'s Identity, keep: &dyn Fn(&FederatedIdentityCredential) -> bool| {
            Known::of(identity, trust.credentials_seen(identity), keep)
        };
        slice.identities = rows.iter().map(|(_, identity)| row(identity, &|_| true)).collect();
        let whole = ascii(&slice);
        if whole.len() <= self.limit {
            return Map { name, key: "trust.json", json: whole };
        }
        slice.complete = false;
        slice.identities = Vec::new();
        rows.sort_by_key(|(interest, _)| *interest);
        let mut room = self.limit.saturating_sub(ascii(&slice).len());
        for (_, identity) in &rows {
            let known = row(identity, &|credential| self.is_like_ours(&credential.issuer));
            let Some(rest) = room.checked_sub(ascii(&known).len() + 1) else { break };
            room = rest;
            slice.identities.push(known);
        }
        reasons.insert(format!(
            "`{name}` would be larger than an object may be: it lacks {} of {} identities, and the credentials that trust other clusters",
            rows.len() - slice.identities.len(),
            rows.len(),
        ));
        Map { name, key: "trust.json", json: ascii(&slice) }
    }

    /// Every client id there is, in sixteen objects by its first digit.
    fn clients(&self, reasons: &mut BTreeSet<String>) -> Vec<Map> {
        let coverage = &self.inventory.coverage;
        let complete = coverage.managed_identities && coverage.applications && self.whole;
        let folded = self.inventory.identities.iter().map(|identity| identity.client_id.folded());
        let all = folded.chain(coverage.principals.iter().cloned());
        let ids: BTreeSet<String> = all.filter(|id| is_guid(id)).collect();
        let tenants: BTreeSet<&str> = self.inventory.identities.iter().map(|identity| &*identity.tenant_id).collect();
        let tenants: Vec<&str> = tenants.into_iter().filter(|tenant| is_guid(tenant)).take(100).collect();
        // A GUID in quotes, and a comma.
        let most = (self.limit.saturating_sub(256) / 39).saturating_sub(tenants.len());
        let of_digit = |digit: char| {
            let name = format!("clients.{digit}");
            let mut client_ids: Vec<&str> = ids.iter().map(String::as_str).filter(|id| id.starts_with(digit)).collect();
            let fits = client_ids.len() <= most;
            if !fits {
                reasons.insert(format!(
                    "`{name}` would be larger than an object may be: it lacks {} of {} client ids",
                    client_ids.len() - most,
                    client_ids.len()
                ));
                client_ids.truncate(most);
            }
            let mut clients = Clients {
                schema: "wiguard.clients/v1",
                collected: self.collected,
                complete: complete && fits,
                client_ids: &client_ids,
                tenants: &tenants,
                other_ids: self.other_ids(digit),
            };
            let mut json = ascii(&clients);
            if json.len() > self.limit {
                // They make a message clearer, no more.
                clients.other_ids = Vec::new();
                json = ascii(&clients);
            }
            Map { name, key: "clients.json", json }
        };
        "0123456789abcdef".chars().map(of_digit).collect()
    }
}

impl<'a> Cut<'a> {
    /// The object and principal ids that begin with a digit, in their order.
    fn other_ids(&self, digit: char) -> Vec<OtherId<'a>> {
        let of = |identity: &'a Identity| {
            [(&identity.principal_id, true), (&identity.id, false)].map(|(id, principal)| OtherId {
                id,
                principal,
                name: &identity.name,
                client_id: identity.client_id.as_str(),
            })
        };
        let begins = |id: &str| id.chars().next().is_some_and(|first| first.eq_ignore_ascii_case(&digit));
        let all = self.inventory.identities.iter().filter(|identity| is_guid(identity.client_id.as_str())).flat_map(of);
        let mut ids: Vec<OtherId<'a>> = all.filter(|other| is_guid(other.id) && begins(other.id)).collect();
        ids.sort_by_key(|other| (other.id, other.client_id));
        ids
    }
}

// === impl Interests ===

impl Interests {
    fn note(&mut self, namespace: &str, index: usize, interest: Interest) {
        let chosen = self.by_namespace.entry(namespace.to_string()).or_default();
        let known = chosen.entry(index).or_insert(interest);
        *known = (*known).min(interest);
    }

    fn of(&self, namespace: &str) -> Chosen {
        let mut chosen = self.by_namespace.get(namespace).cloned().unwrap_or_default();
        chosen.extend(&self.everywhere);
        chosen
    }
}

/// The namespaces that a subject may mean, however it is written: in capitals, with white space,
/// with namespace and name swapped.
fn meant(subject: &Subject, namespaces: &BTreeSet<&str>) -> Vec<String> {
    let dense: String = subject.as_str().chars().filter(|letter| !letter.is_whitespace()).collect();
    let dense = dense.to_lowercase();
    let mut parts = dense.split(':').skip(2);
    match (parts.next(), parts.next()) {
        (Some(namespace), Some(name)) if !namespaces.contains(namespace) => vec![namespace.into(), name.into()],
        (Some(namespace), _) => vec![namespace.into()],
        _ => Vec::new(),
    }
}

/// Whether a namespace can be called so (RFC 1123, a label).
pub(super) fn is_label(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| plain(byte) || byte == b'-')
        && name.bytes().next().is_some_and(plain)
        && name.bytes().last().is_some_and(plain)
}

#[cfg(test)]
mod tests;
