//! What every connection and every thread of the server share, and in what stage of its life it is.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::cluster::Cluster;
use super::flags::Serve;
use super::gate::Gate;
use super::judge::Judge;
use super::metrics::{Metrics, Now};
use super::objects::Objects;
use super::tls::Identity;

/// The server.
pub(super) struct Server {
    pub(super) flags: Serve,
    pub(super) judge: Slot<Judge>,
    pub(super) identity: Slot<Identity>,
    /// The trust inventory, if it was given as files.
    pub(super) trust: Option<Slot<Objects>>,
    pub(super) cluster: Option<Cluster>,
    /// The namespace of the cluster's trust inventory, while it is to be followed.
    pub(super) wanted_trust: watch::Sender<Option<String>>,
    pub(super) gate: Gate,
    pub(super) connections: Arc<Semaphore>,
    pub(super) metrics: Metrics,
    pub(super) stage: watch::Sender<Stage>,
}

/// The stages of the server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Serving,
    /// Told to stop: not ready any more, but those who have not heard of it are served.
    Leaving,
    /// No new connections; what is in flight is answered.
    Stopping,
}

/// Something that is replaced while it is used: whoever holds the old one keeps it.
pub(super) struct Slot<T>(RwLock<Arc<T>>);

/// How long the cluster may fail to answer before readiness says so. What was read from it holds
/// on meanwhile; long before that, metrics tell.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

impl<T> Slot<T> {
    pub(super) fn new(content: T) -> Self {
        Self(RwLock::new(Arc::new(content)))
    }

    pub(super) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, content: T) {
        let content = Arc::new(content);
        let old = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), content);
        // Taken out of the lock before it is freed.
        drop(old);
    }
}

impl Server {
    pub(super) fn is_leaving(&self) -> bool {
        *self.stage.borrow() > Stage::Serving
    }

    /// Why requests should not be sent here; nothing if they may be.
    pub(super) fn unready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.is_leaving() {
            reasons.push("told to stop".to_owned());
        }
        if let Some(cluster) = &self.cluster {
            reasons.extend(cluster.accounts.unready("ServiceAccounts", PATIENCE));
            if self.trust.is_none() && self.judge.get().settings.trust_namespace.is_some() {
                reasons.extend(cluster.trust.unready("the trust inventory", PATIENCE));
            }
        }
        reasons
    }

    /// What is true now.
    pub(super) fn now(&self) -> Now {
        let most = self.flags.max_connections;
        let mut now = Now {
            ready: self.unready().is_empty(),
            connections: most.saturating_sub(self.connections.available_permits()),
            certificates: self.identity.get().expiry.clone(),
            module: self.judge.get().module.sha256.clone(),
            ..Now::default()
        };
        if let Some(cluster) = &self.cluster {
            now.caches.push(("ServiceAccount", cluster.accounts.len(), cluster.accounts.is_synced()));
            now.caches.push(("ConfigMap", cluster.trust.len(), cluster.trust.is_synced()));
            now.trust_collected = cluster.trust.collected().map(|time| ("cluster", time));
        }
        if let Some(trust) = &self.trust {
            now.trust_collected = trust.get().collected().map(|time| ("files", time));
        }
        now
    }
}
