//! A reading: one cluster, from who it is to what it proves.
//!
//! ```text
//! issuer, uid ─▶ is it read already? ─▶ lists, kind beside kind ─▶ what was missed ─▶ proofs
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use tokio::task::JoinSet;
use wiguard_rules::model::{Issuer, PodBearing};

use super::claims::Claims;
use super::declared::{self, Groups};
use super::ends::Ends;
use super::kinds::{self, ISSUER_PATH, Kind, Which};
use super::seen::Seen;
use super::server::{METADATA, Server, WHOLE};
use super::trouble::Trouble;
use crate::collect::azure::signing::of_discovery;
use crate::collect::{Feed, Gap, Home, Missing, Resource};
use crate::live::{Session, now};
use crate::progress::Task;

/// The longest uid that is believed: bytes. Kubernetes gives UUIDs.
const LONGEST_UID: usize = 128;
/// Namespaces that are tried before a kind is taken as forbidden in all.
const PROBES: usize = 10;

/// A cluster that is being read.
pub(super) struct Reading {
    pub(super) server: Server,
    pub(super) session: Session,
    pub(super) home: Home,
    /// The only namespace that is read, if there is one.
    pub(super) namespace: Option<String>,
    /// The namespace of the context.
    pub(super) own_namespace: String,
    /// API groups and their versions, if they could be read.
    pub(super) groups: Result<Groups, Trouble>,
    /// The kinds that are read.
    pub(super) kinds: Vec<Kind>,
    pub(super) seen: Mutex<Seen>,
    pub(super) task: Task,
    pub(super) total: AtomicU64,
}

/// How reading a kind ended.
pub(super) enum Ended {
    /// It was read to its end.
    Wholly,
    /// Some objects could not be read, which was said.
    Partly,
    /// It was not.
    Not(Trouble),
}

/// What is to be read of every cluster.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The only namespace, if there is one.
    pub(super) namespace: Option<String>,
    /// The namespace of the context.
    pub(super) own_namespace: String,
    /// Whether Secrets are read.
    pub(super) secret_keys: bool,
    /// The kinds that are declared.
    pub(super) declared: Vec<&'static PodBearing>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

#[derive(Deserialize)]
struct Named {
    metadata: Uid,
}

#[derive(Deserialize)]
struct Uid {
    uid: String,
}

/// Reads a cluster, unless another context led to it before.
pub(super) async fn read(name: String, server: Server, session: Session, scope: Scope, claims: Claims) {
    let task = session.progress.task(&name, None);
    task.say("who it is");
    let (issuer, uid) = tokio::join!(
        server.ask(ISSUER_PATH, WHOLE, |json| {
            let document: Result<Discovery, _> = serde_json::from_slice(json);
            let signing = serde_json::from_slice(json).ok().and_then(|document| of_discovery(&document));
            document.map(|document| (document.issuer, signing)).map_err(|_| "it names no issuer".into())
        }),
        server.ask("/api/v1/namespaces/kube-system", METADATA, |json| {
            let named: Result<Named, _> = serde_json::from_slice(json);
            let uid = named.map(|named| named.metadata.uid).unwrap_or_default();
            if (1..=LONGEST_UID).contains(&uid.len()) { Ok(uid) } else { Err("it has no uid".into()) }
        })
    );
    let (issuer, signing) = match issuer {
        Ok((issuer, signing)) => (Ok(issuer), signing),
        Err(trouble) => (Err(trouble), None),
    };
    let lost = [issuer.as_ref().err(), uid.as_ref().err()].into_iter().flatten().find(|it| it.is_of_cluster());
    if let Some(trouble) = lost {
        claims.settle(None);
        let gap = Gap { path: root(&name), line: None, reason: trouble.to_string(), extent: Missing::All };
        send(&session, Feed { source: root(&name), at: now(), gaps: vec![gap], ..Feed::default() }).await;
        return;
    }
    let (uid, unknown) = match uid {
        Ok(uid) => (uid, None),
        Err(trouble) => (String::new(), Some(trouble)),
    };
    if let Some(first) = claims.taken(&uid, &name).await {
        let reason = format!("is the same cluster as context {first}, and is read there");
        let gap = Gap { path: root(&name), line: None, reason, extent: Missing::Nothing };
        send(&session, Feed { source: root(&name), at: now(), gaps: vec![gap], ..Feed::default() }).await;
        return;
    }
    let home = Home { name, uid, issuer: issuer.as_ref().ok().map(|issuer| Issuer::from(issuer.as_str())) };
    // What is as it should be need not be said.
    if let Some(signing) =
        signing.filter(|it| !it.algorithms.is_empty() && !it.algorithms.iter().any(|it| it == "RS256"))
    {
        let (source, cluster, resources) = (root(&home.name), Some(home.clone()), vec![Resource::Signing(signing)]);
        send(&session, Feed { source, cluster, at: now(), resources, ..Feed::default() }).await;
    }
    let groups = declared::groups(&server, &scope.declared).await;
    let mut kinds: Vec<Kind> = kinds::kinds().chain(Some(kinds::SECRETS).filter(|_| scope.secret_keys)).collect();
    let mut unknown_kinds = Vec::new();
    for bearing in scope.declared {
        match declared::find(&server, &groups, bearing).await {
            Ok(found) => kinds.extend(found),
            Err(trouble) => unknown_kinds.push((declared::likely(bearing), trouble)),
        }
    }
    let reading = Arc::new(Reading {
        server,
        session,
        home,
        namespace: scope.namespace.clone(),
        own_namespace: scope.own_namespace,
        groups,
        kinds,
        seen: Mutex::default(),
        task,
        total: AtomicU64::new(0),
    });
    if let Err(trouble) = issuer {
        reading.unknown_issuer(&trouble).await;
    }
    if let Some(trouble) = unknown {
        reading.unknown_cluster(&trouble).await;
    }
    for (kind, trouble) in unknown_kinds {
        reading.unknown_kind(&kind, &trouble).await;
    }
    reading.read().await;
}

impl Reading {
    async fn read(self: &Arc<Self>) {
        let mut under_way = JoinSet::new();
        for kind in self.kinds.iter().copied() {
            let reading = Arc::clone(self);
            under_way.spawn(async move { (kind, reading.kind(&kind).await) });
        }
        let (mut ends, mut troubled) = (Ends::default(), Vec::new());
        let mut lost: BTreeMap<String, Vec<String>> = BTreeMap::new();
        while let Some(done) = under_way.join_next().await {
            match done {
                Ok((kind, Ended::Wholly)) => ends.add(&kind, self.namespace.as_deref()),
                Ok((_, Ended::Partly)) => {}
                Ok((kind, Ended::Not(trouble))) => troubled.push((kind, trouble)),
                // A task that panicked read nothing.
                Err(error) => lost.entry(format!("wiguard failed: {error}")).or_default().push("a kind".into()),
            }
        }
        for (kind, trouble) in troubled {
            match trouble {
                trouble if trouble.is_of_cluster() => {
                    lost.entry(trouble.to_string()).or_default().push(kind.full_name())
                }
                Trouble::Forbidden if kind.namespaced && self.namespace.is_none() => {
                    self.by_namespace(&kind, &mut ends).await;
                }
                trouble => self.unread(&kind, &trouble).await,
            }
        }
        let withheld = self.recheck(&ends).await;
        for kind in self.kinds.iter().filter(|kind| !kind.is_declared() && !withheld.contains(&kind.which())) {
            let proofs = ends.proofs(kind);
            if !proofs.is_empty() {
                self.feed(Feed { proofs, ..self.empty(kind) }).await;
            }
        }
        self.webhook_settings().await;
        for (why, mut kinds) in lost {
            kinds.sort();
            let reason = format!("{why}; not read to the end: {}", kinds.join(", "));
            self.gap(&root(&self.home.name), reason).await;
        }
    }

    /// Reads a kind namespace by namespace, for whoever may not read all at once.
    async fn by_namespace(&self, kind: &Kind, ends: &mut Ends) {
        let mut namespaces = self.seen(|seen| seen.namespaces());
        namespaces.sort_by_key(|name| *name != self.own_namespace);
        if namespaces.is_empty() {
            namespaces.push(self.own_namespace.clone());
        }
        let (mut read, mut forbidden, mut other) = (0, 0, None);
        for namespace in &namespaces {
            match self.list(kind, Some(namespace)).await {
                Ended::Wholly => {
                    read += 1;
                    ends.add(kind, Some(namespace));
                }
                Ended::Partly => read += 1,
                Ended::Not(Trouble::Forbidden) => forbidden += 1,
                // Nor will another namespace be answered.
                Ended::Not(trouble) if trouble.is_of_cluster() => return self.unread(kind, &trouble).await,
                Ended::Not(trouble) => {
                    other.get_or_insert((namespace, trouble));
                }
            }
            if read == 0 && forbidden == PROBES {
                break;
            }
        }
        let mut reason = Trouble::Forbidden.of(kind, None);
        if read > 0 {
            reason = format!("{reason}; read in {read} of {} namespaces", namespaces.len());
        }
        if let Some((namespace, trouble)) = other {
            reason = format!("{reason}; in namespace {namespace}: {}", trouble.of(kind, Some(namespace)));
        }
        let is_some_read = read > 0 || self.seen(|seen| seen.any(kind.which()));
        let extent = if is_some_read { Missing::Part } else { Missing::All };
        self.lack(&self.source(kind), reason, extent).await;
    }

    /// Says that a kind was not read, and why.
    async fn unread(&self, kind: &Kind, trouble: &Trouble) {
        // Whoever may read one namespace alone need not see the cluster: what depends on it is undecided.
        if self.namespace.is_some() && !kind.namespaced && *trouble == Trouble::Forbidden {
            return;
        }
        let extent = if self.seen(|seen| seen.any(kind.which())) { Missing::Part } else { Missing::All };
        self.lack(&self.source(kind), trouble.of(kind, self.namespace.as_deref()), extent).await;
    }

    /// Says that the cluster cannot be told from others. Nothing is missing for it.
    async fn unknown_cluster(&self, trouble: &Trouble) {
        let hint = match trouble {
            Trouble::Forbidden => "have the verb `get` on namespaces granted".into(),
            other => other.to_string(),
        };
        let reason = format!(
            "the cluster is known by its name alone, and is read twice if another context leads to it: its namespace kube-system could not be read; {hint}"
        );
        self.lack(&root(&self.home.name), reason, Missing::Use).await;
    }

    /// Says that it is not known whether the cluster has a declared kind.
    async fn unknown_kind(&self, kind: &Kind, trouble: &Trouble) {
        let reason = match trouble {
            Trouble::Nowhere => trouble.to_string(),
            Trouble::Forbidden => format!(
                "may not see what the cluster serves, and whether {} is among it; bind the ClusterRole system:discovery",
                kind.kind
            ),
            other => format!("the cluster does not say whether it serves {}: {other}", kind.kind),
        };
        self.lack(&self.source(kind), reason, Missing::All).await;
    }

    async fn unknown_issuer(&self, trouble: &Trouble) {
        let reason = match trouble {
            Trouble::Forbidden => format!(
                "may not read {ISSUER_PATH}, so that the cluster's issuer is not known from itself; bind the ClusterRole system:service-account-issuer-discovery"
            ),
            other => format!("the cluster's issuer is not known from itself: {other}"),
        };
        self.lack(&format!("{}{ISSUER_PATH}", root(&self.home.name)), reason, Missing::All).await;
    }

    /// Says that something is missing from a source.
    pub(super) async fn gap(&self, source: &str, reason: String) {
        self.lack(source, reason, Missing::Part).await;
    }

    /// Says that something is missing from a source, and how much.
    pub(super) async fn lack(&self, source: &str, reason: String, extent: Missing) {
        let gap = Gap { path: source.into(), line: None, reason, extent };
        let feed = Feed { source: source.into(), cluster: Some(self.home.clone()), at: now(), ..Feed::default() };
        self.feed(Feed { gaps: vec![gap], ..feed }).await;
    }

    /// A feed of a kind, with nothing in it yet.
    pub(super) fn empty(&self, kind: &Kind) -> Feed {
        Feed { source: self.source(kind), cluster: Some(self.home.clone()), at: now(), ..Feed::default() }
    }

    /// Hands a feed on; whoever reads too fast waits here.
    pub(super) async fn feed(&self, feed: Feed) {
        send(&self.session, feed).await;
    }

    /// A kind that is read.
    pub(super) fn of(&self, which: Which) -> Option<Kind> {
        self.kinds.iter().find(|kind| kind.which() == which).copied()
    }

    /// What was seen so far.
    pub(super) fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn source(&self, kind: &Kind) -> String {
        format!("{}/{}", root(&self.home.name), kind.full_name())
    }
}

/// The source that stands for a whole cluster.
pub(super) fn root(name: &str) -> String {
    format!("kube://{name}")
}

pub(super) async fn send(session: &Session, feed: Feed) {
    // Nobody listens any more when the program ends.
    let _ = session.feeds.send(feed).await;
}
