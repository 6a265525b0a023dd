//! A subscription: its managed identities, their federated credentials, and its clusters.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream;
use wiguard_rules::model::{Cluster, Identity, Parent, Platform};

use super::cache::Held;
use super::client::{List, Trouble};
use super::place::{is_unspoken, subscription_of, subscription_of_cluster};
use super::sift::{self, lack};
use super::tenant::{Subscription, Tenant};
use crate::collect::{Feed, Gap, Missing, Proof, Resource};
use crate::live::now;

/// Identities whose credentials are asked for at a time: what answers within two seconds keeps pace.
const LANES: usize = 32;
/// Credentials that are handed on at once.
const BATCH: usize = 500;

const MAY_LIST: &str = "`Microsoft.ManagedIdentity/userAssignedIdentities/read` on the subscription";
const MAY_LIST_ROLES: &str = "`Microsoft.Authorization/roleAssignments/read` on the subscription";
const MAY_LIST_BINDINGS: &str = "`Microsoft.ContainerService/managedClusters/identityBindings/read` on it";
const MAY_READ: &str = "`Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read` on it";

/// Clusters whose identity bindings are asked for at a time.
const AT_ONCE: usize = 8;

/// What a subscription says of itself where it never had anything of a service.
const UNREGISTERED: [&str; 2] = ["MissingSubscriptionRegistration", "SubscriptionNotRegistered"];

/// An identity, and what became of the question for its credentials: none, if it is gone.
type Answer = (Identity, Result<Option<Held>, Trouble>);

/// Reads one. What Resource Graph knows of it is given, if it could be asked.
pub(super) async fn read(
    tenant: &Tenant,
    subscription: Subscription,
    identities: Option<Vec<Identity>>,
    clusters: Option<Vec<Cluster>>,
    has_roles: bool,
) {
    let task = tenant.progress.task(&title(&subscription), None);
    task.say("clusters");
    let reader = Reader { tenant, id: &subscription.id };
    reader.clusters(clusters).await;
    if !has_roles {
        reader.roles().await;
    }
    task.say("identities");
    let (identities, proof) = reader.identities(identities).await;
    task.say("credentials");
    task.total(identities.len() as u64);
    let answers = stream::iter(identities).map(|identity| reader.ask(identity)).buffer_unordered(LANES);
    let mut batch = Batch::new(&reader);
    let mut answers = std::pin::pin!(answers);
    while let Some(answer) = answers.next().await {
        task.add(1);
        batch.take(answer);
        if batch.is_full() {
            batch.send(tenant).await;
        }
    }
    batch.end(proof);
    batch.send(tenant).await;
}

/// What progress calls it: names are not its alone.
fn title(subscription: &Subscription) -> String {
    let id = subscription.id.as_str();
    match subscription.name.as_str() {
        "" => id.into(),
        name => format!("{name} ({})", id.get(..8).unwrap_or(id)),
    }
}

/// Whether the cluster is gone, or its subscription never had what is asked for.
fn is_absent(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Gone(_) => true,
        Trouble::Refused(_, code, _) => UNREGISTERED.contains(&code.as_str()) || code == "FeatureNotRegistered",
        _ => false,
    }
}

#[derive(Debug)]
struct Reader<'a> {
    tenant: &'a Tenant,
    id: &'a str,
}

impl Reader<'_> {
    fn source(&self, part: &str) -> String {
        format!("azure://{}/{part}", self.id)
    }

    async fn clusters(&self, known: Option<Vec<Cluster>>) {
        let source = self.source("clusters");
        let mut gaps = Vec::new();
        let mut found = match known {
            Some(known) => known,
            None => {
                let mut found = Vec::new();
                let permissions = [
                    "`Microsoft.ContainerService/managedClusters/read`",
                    "`Microsoft.Kubernetes/connectedClusters/read`",
                ];
                for (call, permission) in self.tenant.places.clusters(self.id).into_iter().zip(permissions) {
                    let listed = match call {
                        Ok(call) => self.tenant.azure.pages(call).await,
                        Err(trouble) => Err(trouble),
                    };
                    match listed {
                        Ok(items) => found.extend(sift::clusters(&items, &mut gaps, &source)),
                        // A subscription that was never meant to have such clusters does not know them.
                        Err(Trouble::Refused(400 | 404 | 409, code, _)) if UNREGISTERED.contains(&code.as_str()) => {}
                        Err(trouble) => {
                            gaps.push(lack(&source, "its clusters could not be listed", &trouble, permission));
                        }
                    }
                }
                found
            }
        };
        self.metadata_service(&mut found, &mut gaps, &source).await;
        let read = found.len() as u64;
        let aks = found.iter().filter(|cluster| cluster.platform == Platform::Aks).map(|cluster| cluster.id.clone());
        let aks: Vec<String> = aks.collect();
        let resources = found.into_iter().map(|cluster| Resource::Cluster(Box::new(cluster))).collect();
        self.tenant.feed(Feed { source, read, resources, gaps, ..Feed::default() }).await;
        self.identity_bindings(aks).await;
    }

    /// Whether pods reach the metadata service of their nodes, which preview versions alone say. Where they
    /// say nothing, pods do: that is the default (`networkProfile.podLinkLocalAccess`).
    async fn metadata_service(&self, clusters: &mut [Cluster], gaps: &mut Vec<Gap>, source: &str) {
        let unsaid = |it: &Cluster| it.platform == Platform::Aks && it.metadata_restricted.is_none();
        if !clusters.iter().any(unsaid) {
            return;
        }
        let listed = match self.tenant.places.previewed_clusters(self.id) {
            Ok(call) => self.tenant.azure.pages(call).await,
            Err(trouble) => Err(trouble),
        };
        match listed {
            Ok(items) => {
                for told in sift::clusters(&items, &mut Vec::new(), source) {
                    let same = |it: &&mut Cluster| unsaid(it) && it.id.eq_ignore_ascii_case(&told.id);
                    if let Some(cluster) = clusters.iter_mut().find(same) {
                        cluster.metadata_restricted = Some(told.metadata_restricted.unwrap_or(false));
                    }
                }
            }
            Err(trouble) if is_unspoken(&trouble) || is_absent(&trouble) => {}
            Err(trouble) => {
                let what =
                    "whether pods of its AKS clusters reach the metadata service of their nodes could not be read";
                gaps.push(lack(source, what, &trouble, "`Microsoft.ContainerService/managedClusters/read`"));
            }
        }
    }

    /// The identity bindings of clusters of AKS. They are a preview: a cloud or a subscription that does
    /// not have it says so, and then nothing is known of them.
    async fn identity_bindings(&self, clusters: Vec<String>) {
        let own = |id: &String| subscription_of_cluster(id).is_some_and(|of| of.eq_ignore_ascii_case(self.id));
        let asked = clusters.into_iter().filter(own).map(|cluster| async move {
            let listed = match self.tenant.places.identity_bindings(self.id, &cluster) {
                Ok(call) => self.tenant.azure.pages(call).await,
                Err(trouble) => Err(trouble),
            };
            let read = listed.and_then(|items| sift::identity_bindings(&items, &cluster));
            (cluster, read)
        });
        let mut feed = Feed { source: self.source("identity-bindings"), ..Feed::default() };
        let mut answers = std::pin::pin!(stream::iter(asked).buffered(AT_ONCE));
        while let Some((cluster, read)) = answers.next().await {
            match read {
                Ok(found) => {
                    feed.read += found.len() as u64;
                    feed.resources.extend(found);
                    feed.proofs.push(Proof::IdentityBindings { cluster: cluster.to_ascii_lowercase() });
                }
                Err(trouble) if is_unspoken(&trouble) || is_absent(&trouble) => {}
                Err(trouble) => {
                    let name = cluster.rsplit('/').next().unwrap_or_default();
                    let what = format!("the identity bindings of cluster `{name}` could not be listed");
                    feed.gaps.push(lack(&feed.source, &what, &trouble, MAY_LIST_BINDINGS));
                }
            }
        }
        if !feed.proofs.is_empty() || !feed.gaps.is_empty() {
            self.tenant.feed(feed).await;
        }
    }

    async fn roles(&self) {
        let source = self.source("roles");
        let mut gaps = Vec::new();
        let listed = match self.tenant.places.roles(self.id) {
            Ok(call) => self.tenant.azure.pages(call).await,
            Err(trouble) => Err(trouble),
        };
        let resources = listed.map(|items| sift::roles(&items, &mut gaps, &source)).unwrap_or_else(|trouble| {
            gaps.push(lack(&source, "its role assignments could not be listed", &trouble, MAY_LIST_ROLES));
            Vec::new()
        });
        let read = resources.len() as u64;
        self.tenant.feed(Feed { source, read, resources, gaps, ..Feed::default() }).await;
    }

    /// The managed identities. The subscription's own list counts, for it is either all of them or
    /// refused; what Resource Graph knows is taken where it is refused, and proves nothing.
    async fn identities(&self, known: Option<Vec<Identity>>) -> (Vec<Identity>, Option<Proof>) {
        let source = self.source("identities");
        let mut gaps = Vec::new();
        let listed = match self.tenant.places.identities(self.id) {
            Ok(call) => self.tenant.azure.pages(call).await,
            Err(trouble) => Err(trouble),
        };
        let (mut found, proof) = match listed {
            Ok(items) => {
                let found = sift::identities(&items, &mut gaps, &source);
                let proof = Proof::ManagedIdentities { subscription: self.id.into() };
                let whole = gaps.is_empty();
                (found, whole.then_some(proof))
            }
            Err(trouble) => {
                let what = match known.as_ref().map_or(0, Vec::len) {
                    0 => "its managed identities could not be listed".to_string(),
                    some => {
                        format!("beyond {some} managed identities that Resource Graph shows, it could not be listed")
                    }
                };
                gaps.push(lack(&source, &what, &trouble, MAY_LIST));
                (known.unwrap_or_default(), None)
            }
        };
        found.retain(|identity| {
            let own = subscription_of(&identity.id).is_some_and(|of| of.eq_ignore_ascii_case(self.id));
            if !own {
                let reason = format!("Azure answered an identity of another place, `{}`", identity.name);
                gaps.push(sift::gap(&source, self.tenant.azure.tokens.scrub(&reason), Missing::Part));
            }
            own
        });
        found.sort_by_cached_key(|identity| identity.id.to_ascii_lowercase());
        found.dedup_by(|one, other| one.id.eq_ignore_ascii_case(&other.id));
        self.tenant.feed(Feed { source, gaps, ..Feed::default() }).await;
        (found, proof)
    }

    async fn ask(&self, identity: Identity) -> Answer {
        let cache = self.tenant.cache.as_ref();
        if let Some(known) = cache.and_then(|cache| cache.get(&identity.id, &identity.client_id.0)) {
            return (identity, Ok(Some(known)));
        }
        let asked = self.credentials(&identity.id).await;
        if let (Some(cache), Ok(Some(held))) = (cache, &asked) {
            cache.put(&identity.id, &identity.client_id.0, held);
        }
        (identity, asked)
    }

    async fn credentials(&self, identity: &str) -> Result<Option<Held>, Trouble> {
        let parent = Parent::Resource(identity.into());
        loop {
            let (call, version) = self.tenant.places.credentials(self.id, identity)?;
            let mut list = List::new(call);
            let mut items = Vec::new();
            let read = loop {
                match list.next(&self.tenant.azure).await {
                    Ok(Some(page)) => items.extend(page),
                    Ok(None) => break Ok(()),
                    Err(trouble) => break Err(trouble),
                }
            };
            return match read {
                Ok(()) => Ok(Some(Held::read(now(), sift::credentials(&items, &parent)?))),
                // It was deleted since it was listed.
                Err(Trouble::Gone(_)) => Ok(None),
                Err(trouble) if self.tenant.places.step_down(version, &trouble) => continue,
                Err(trouble) => Err(trouble),
            };
        }
    }
}

/// What is handed on at once.
#[derive(Debug)]
struct Batch {
    identities: Feed,
    credentials: Feed,
    /// Identities by the trouble they had: the first of their names, and how many.
    troubles: BTreeMap<String, (Trouble, Vec<String>, usize)>,
    /// How many were asked about, and how many of them are gone.
    asked: usize,
    gone: usize,
}

impl Batch {
    fn new(reader: &Reader<'_>) -> Self {
        let empty = |part| Feed { source: reader.source(part), ..Feed::default() };
        let (identities, credentials) = (empty("identities"), empty("credentials"));
        Self { identities, credentials, troubles: BTreeMap::new(), asked: 0, gone: 0 }
    }

    fn take(&mut self, (identity, answer): Answer) {
        self.asked += 1;
        match answer {
            Ok(None) => {
                self.gone += 1;
                return;
            }
            Ok(Some(held)) => held.give(&mut self.credentials, &identity.id),
            Err(trouble) => {
                // What Azure says names the identity: its code alone tells troubles apart.
                let kind = trouble.to_string();
                let kind = match &trouble {
                    Trouble::Denied(said) | Trouble::Gone(said) => said.split(':').next().unwrap_or_default(),
                    Trouble::Refused(_, code, _) if !code.is_empty() => code,
                    _ => &kind,
                };
                let (_, names, count) =
                    self.troubles.entry(kind.into()).or_insert_with(|| (trouble.clone(), Vec::new(), 0));
                names.push(identity.name.clone());
                names.sort();
                names.truncate(3);
                *count += 1;
            }
        }
        self.identities.read += 1;
        self.identities.resources.push(Resource::Identity(identity));
    }

    fn is_full(&self) -> bool {
        self.credentials.resources.len() >= BATCH || self.identities.resources.len() >= BATCH
    }

    /// Says what had trouble. That all identities are there is proven by their list, unless every
    /// one of them was gone when it was asked about: then something is wrong with the asking.
    fn end(&mut self, proof: Option<Proof>) {
        let source = self.credentials.source.clone();
        if self.asked > 0 && self.gone == self.asked {
            let reason = format!(
                "its list has {} managed identities, and Azure says of each that it is not there; run it again",
                self.asked
            );
            self.credentials.gaps.push(sift::gap(&source, reason, Missing::Part));
        } else {
            self.identities.proofs.extend(proof);
        }
        let gap = |(trouble, names, count): (Trouble, Vec<String>, usize)| -> Gap {
            let named = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let what = match count.saturating_sub(names.len()) {
                0 => format!("the credentials of {named} could not be read"),
                more => format!("the credentials of {named} and {more} more identities could not be read"),
            };
            lack(&source, &what, &trouble, MAY_READ)
        };
        self.credentials.gaps.extend(std::mem::take(&mut self.troubles).into_values().map(gap));
    }

    async fn send(&mut self, tenant: &Tenant) {
        for feed in [&mut self.identities, &mut self.credentials] {
            let empty = Feed { source: feed.source.clone(), ..Feed::default() };
            let full = std::mem::replace(feed, empty);
            if full.read > 0 || !full.proofs.is_empty() || !full.gaps.is_empty() {
                tenant.feed(full).await;
            }
        }
    }
}
