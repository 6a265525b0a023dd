//! A tenant: which of its subscriptions are read, and what Resource Graph says of them at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use tokio::sync::mpsc;
use wiguard_rules::model::{Cluster, Identity};

use super::cache::Cache;
use super::client::{Azure, Call, Trouble};
use super::graph;
use super::place::{GROUP, Places, Scope, subscription_of};
use super::sift::{self, gap, lack};
use super::subscription;
use crate::collect::{Feed, Gap, Missing, Proof};
use crate::live::now;
use crate::progress::Progress;

/// Subscriptions that are read at a time.
const LANES: usize = 64;
/// Pages of one query; whatever has more does not end.
const PAGES: usize = 10_000;

const IDENTITIES: &str = "resources | where type =~ 'microsoft.managedidentity/userassignedidentities' | project id, name, type, resourceGroup, subscriptionId, tenantId, properties | order by id asc";
const CLUSTERS: &str = "resources | where type in~ ('microsoft.containerservice/managedclusters', 'microsoft.kubernetes/connectedclusters') | project id, name, type, resourceGroup, subscriptionId, sku, identity, tags, properties | order by id asc";
const ROLES: &str = "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' | project id, name, type, properties | order by id asc";
const SUBSCRIPTIONS: &str = "resourcecontainers | where type =~ 'microsoft.resources/subscriptions' | project id, name, type, subscriptionId, tenantId | order by id asc";

/// One tenant, and what it is read with.
#[derive(Clone, Debug)]
pub(super) struct Tenant {
    pub(super) azure: Azure,
    pub(super) places: Arc<Places>,
    pub(super) feeds: mpsc::Sender<Feed>,
    pub(super) progress: Progress,
    pub(super) cache: Option<Arc<Cache>>,
    /// What the report calls it: its id, if it is known.
    pub(super) name: String,
}

/// A subscription as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tenant: String,
}

/// What a tenant's token sees.
#[derive(Debug)]
pub(super) struct Visible {
    pub(super) subscriptions: Vec<Subscription>,
    /// Why that is not all.
    pub(super) trouble: Option<Trouble>,
}

/// What Resource Graph knows of some subscriptions, by subscription.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) identities: HashMap<String, Vec<Identity>>,
    pub(super) clusters: HashMap<String, Vec<Cluster>>,
    /// Whether all of it was read.
    pub(super) has_identities: bool,
    pub(super) has_clusters: bool,
    pub(super) has_roles: bool,
}

impl Tenant {
    /// The subscriptions that are visible with this tenant's token.
    pub(super) async fn visible(&self) -> Visible {
        let listed = match self.places.subscriptions() {
            Ok(call) => self.azure.pages(call).await,
            Err(trouble) => Err(trouble),
        };
        let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        match listed {
            Ok(items) => {
                let subscriptions = items.iter().filter(|item| text(item, "state") != "Deleted").map(|item| {
                    let (id, name, tenant) =
                        (text(item, "subscriptionId"), text(item, "displayName"), text(item, "tenantId"));
                    Subscription { id: id.to_ascii_lowercase(), name, tenant: tenant.to_ascii_lowercase() }
                });
                let sound = |it: &Subscription| super::place::is_object_id(&it.id);
                let mut subscriptions: Vec<_> = subscriptions.filter(sound).collect();
                subscriptions.sort();
                subscriptions.dedup_by(|one, other| one.id == other.id);
                Visible { subscriptions, trouble: None }
            }
            Err(trouble) => Visible { subscriptions: Vec::new(), trouble: Some(trouble) },
        }
    }

    /// The subscriptions below a management group.
    pub(super) async fn below(&self, group: &str) -> Result<BTreeSet<String>, Trouble> {
        let id = |row: &Value| row.get("subscriptionId").and_then(Value::as_str).map(str::to_ascii_lowercase);
        match self.query(&Scope::ManagementGroup(group), SUBSCRIPTIONS).await {
            // Resource Graph leaves out without a word what the caller may not see, groups too.
            Ok((rows, true)) if !rows.is_empty() => return Ok(rows.iter().filter_map(id).collect()),
            Err(Trouble::Stopped) => return Err(Trouble::Stopped),
            _ => {}
        }
        self.descendants(group).await
    }

    /// Whether no subscription is hidden from the caller. The root management group, whose name is the
    /// tenant's id, has all of them below it, and names them only to whom it grants that
    /// (learn.microsoft.com/azure/governance/management-groups/overview). A list that lacks what is
    /// visible was filtered.
    pub(super) async fn sees_all(&self, root: &str, visible: &[Subscription]) -> bool {
        if root.is_empty() {
            return false;
        }
        let Ok(below) = self.descendants(root).await else { return false };
        let mut own = visible.iter().filter(|it| it.tenant.eq_ignore_ascii_case(root));
        below.iter().all(|id| visible.iter().any(|it| it.id == *id)) && own.all(|it| below.contains(&it.id))
    }

    /// The subscriptions that a management group itself names as below it.
    pub(super) async fn descendants(&self, group: &str) -> Result<BTreeSet<String>, Trouble> {
        let items = self.azure.pages(self.places.descendants(group)?).await?;
        let is = |item: &&Value| {
            item.get("type")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.to_ascii_lowercase().ends_with("/subscriptions"))
        };
        let name = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_ascii_lowercase);
        Ok(items.iter().filter(is).filter_map(name).collect())
    }

    /// Reads these subscriptions. All are those that there are, or none if that is not known.
    pub(super) async fn read(self, wanted: Vec<Subscription>, all: Option<Vec<String>>, applications: bool) {
        if let Some(subscriptions) = all {
            let proof = Proof::Subscriptions { tenant: self.name.clone(), subscriptions };
            self.feed(Feed { source: self.source("subscriptions"), proofs: vec![proof], ..Feed::default() }).await;
        }
        let managed = async {
            let groups = wanted.chunks(GROUP).map(|group| {
                let tenant = &self;
                async move {
                    let mut known = tenant.known(group).await;
                    let parts = group.iter().map(|it| {
                        let lower = it.id.as_str();
                        let identities =
                            known.has_identities.then(|| known.identities.remove(lower).unwrap_or_default());
                        let clusters = known.has_clusters.then(|| known.clusters.remove(lower).unwrap_or_default());
                        (it.clone(), identities, clusters, known.has_roles)
                    });
                    parts.collect::<Vec<_>>()
                }
            });
            let parts = stream::iter(groups).then(|group| group).flat_map(stream::iter);
            let read = parts.map(|(it, identities, clusters, has_roles)| {
                subscription::read(&self, it, identities, clusters, has_roles)
            });
            read.buffer_unordered(LANES).collect::<()>().await;
        };
        let registered = async {
            if applications {
                graph::read(&self).await;
            }
        };
        tokio::join!(managed, registered);
        if let Some(cache) = self.cache.as_ref().filter(|_| !self.azure.stop.is_set()) {
            cache.end();
        }
        if let Some(reason) = self.cache.as_ref().and_then(|cache| cache.flush()) {
            // What was read is in the report; only the next scan has more to ask.
            self.progress.note(&format!("azure: {reason}"));
        }
    }

    /// What Resource Graph knows of these subscriptions. It may know less than they hold, for it
    /// shows only what the caller may see, and lags: what it does not know is asked for elsewhere.
    async fn known(&self, group: &[Subscription]) -> Known {
        let ids: Vec<String> = group.iter().map(|it| it.id.clone()).collect();
        let scope = Scope::Subscriptions(&ids);
        let mut known = Known::default();
        let mut gaps = Vec::new();
        if let Ok((rows, true)) = self.query(&scope, IDENTITIES).await {
            let source = self.source("identities");
            for identity in sift::identities(&rows, &mut gaps, &source) {
                let of = subscription_of(&identity.id).map(str::to_ascii_lowercase);
                known.identities.entry(of.unwrap_or_default()).or_default().push(identity);
            }
            known.has_identities = true;
        } else {
            // Without it, everything is asked of each subscription, clusters too.
            return known;
        }
        if let Ok((rows, true)) = self.query(&scope, CLUSTERS).await {
            for cluster in sift::clusters(&rows, &mut gaps, &self.source("clusters")) {
                let of = cluster.id.split('/').nth(2).unwrap_or_default().to_ascii_lowercase();
                known.clusters.entry(of).or_default().push(cluster);
            }
            known.has_clusters = true;
        }
        if let Ok((rows, true)) = self.query(&scope, ROLES).await {
            let source = self.source("roles");
            let resources = sift::roles(&rows, &mut gaps, &source);
            let read = resources.len() as u64;
            self.feed(Feed { source, read, resources, ..Feed::default() }).await;
            known.has_roles = true;
        }
        self.feed_gaps("identities", gaps).await;
        known
    }

    /// All rows of a query, and whether they are all.
    async fn query(&self, scope: &Scope<'_>, query: &str) -> Result<(Vec<Value>, bool), Trouble> {
        let (mut rows, mut skip): (Vec<Value>, Option<String>) = (Vec::new(), None);
        let mut seen = BTreeSet::new();
        for _ in 0..PAGES {
            let call: Call = self.places.query(scope, query, skip.as_deref())?;
            let (value, _) = self.azure.json(&call).await?;
            let Value::Object(mut members) = value else {
                return Err(Trouble::Broken("Resource Graph's answer is no table".into()));
            };
            let Some(Value::Array(data)) = members.remove("data") else {
                return Err(Trouble::Broken("Resource Graph's answer is no table: it has no `data`".into()));
            };
            rows.extend(data);
            let next = members.get("$skipToken").and_then(Value::as_str).filter(|token| !token.is_empty());
            match next {
                // A table that comes back to where it was does not end.
                Some(token) if !seen.insert(token.to_string()) => return Ok((rows, false)),
                Some(token) => skip = Some(token.into()),
                None => {
                    // What is cut off without a way to go on is not all there is.
                    let cut = members.get("resultTruncated").is_some_and(|it| it == "true" || *it == Value::Bool(true));
                    let more =
                        members.get("totalRecords").and_then(Value::as_u64).is_some_and(|all| all > rows.len() as u64);
                    return Ok((rows, !cut && !more));
                }
            }
        }
        Ok((rows, false))
    }

    /// The name of a source of this tenant.
    pub(super) fn source(&self, part: &str) -> String {
        format!("azure://{}/{part}", if self.name.is_empty() { "home" } else { &self.name })
    }

    /// Hands on what was read; nobody takes it any more when the scan is over.
    pub(super) async fn feed(&self, feed: Feed) {
        let at = if feed.at == 0 { now() } else { feed.at };
        let _ = self.feeds.send(Feed { at, ..feed }).await;
    }

    pub(super) async fn feed_gaps(&self, part: &str, gaps: Vec<Gap>) {
        if !gaps.is_empty() {
            self.feed(Feed { source: self.source(part), gaps, ..Feed::default() }).await;
        }
    }
}

/// Shares out subscriptions: each is read once, with the token of its own tenant if there is one.
pub(super) fn share(visible: &[(String, Visible)]) -> Vec<Vec<Subscription>> {
    let mut reader: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, (tenant, seen)) in visible.iter().enumerate() {
        for subscription in &seen.subscriptions {
            let own = subscription.tenant.eq_ignore_ascii_case(tenant);
            let known = reader.entry(&subscription.id).or_insert(index);
            if own {
                *known = index;
            }
        }
    }
    let mine = |index: usize, seen: &Visible| {
        seen.subscriptions.iter().filter(|it| reader.get(it.id.as_str()) == Some(&index)).cloned().collect()
    };
    visible.iter().enumerate().map(|(index, (_, seen))| mine(index, seen)).collect()
}

/// What is not known of a tenant whose subscriptions could not be listed.
pub(super) fn unlisted(tenant: &Tenant, trouble: &Trouble) -> Gap {
    let source = tenant.source("subscriptions");
    let lacks =
        lack(&source, "its subscriptions could not be listed", trouble, "`Microsoft.Resources/subscriptions/read`");
    Gap { extent: Missing::All, ..lacks }
}

/// A management group that was asked for and has nothing below it.
pub(super) fn empty(group: &str) -> Gap {
    gap(
        &format!("azure://{group}"),
        format!(
            "no subscription below management group `{group}` is visible; check its id, and that the caller has a role in them"
        ),
        Missing::All,
    )
}

/// A subscription that was asked for and is not there.
pub(super) fn missing(name: &str) -> Gap {
    gap(
        &format!("azure://{name}"),
        format!(
            "no subscription `{name}` is visible; check its name, and that the caller has a role in it (`az account list`)"
        ),
        Missing::All,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_once_by_its_own_tenant() {
        let of = |id: &str, tenant: &str| Subscription { id: id.into(), name: id.into(), tenant: tenant.into() };
        let seen = |subscriptions| Visible { subscriptions, trouble: None };
        let visible = [
            ("a".to_string(), seen(vec![of("1", "a"), of("2", "b"), of("3", "c")])),
            ("b".to_string(), seen(vec![of("2", "b"), of("3", "c")])),
        ];
        let shared = share(&visible);
        assert_eq!(shared, [vec![of("1", "a"), of("3", "c")], vec![of("2", "b")]]);
    }
}
