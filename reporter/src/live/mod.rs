//! Live: clusters and subscriptions as they are, read page by page and reduced to facts at once.
//!
//! ```text
//! kube  ─ pages ─┐
//!                ├─▶ Feed ─▶ collect, or a snapshot
//! azure ─ pages ─┘
//! ```

pub mod azure;
pub mod http;
pub mod kube;
pub mod pace;
mod shard;
mod stop;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Args;
use tokio::sync::mpsc;
use wiguard_rules::model::PodBearing;

pub(crate) use self::kube::IN_CLUSTER;
use crate::cli::Failure;
use crate::collect::Feed;
use crate::progress::Progress;
pub use shard::Shard;
pub use stop::Stop;

/// Feeds that may wait to be taken: what is read faster than it is used waits at its source.
const WAITING: usize = 64;

/// Threads that read: a credential plugin that renews a token holds one up until it ends.
const WORKERS: usize = 8;

/// The arguments of live sources.
#[derive(Debug, Args)]
pub struct Live {
    #[command(flatten)]
    pub(crate) kube: kube::Flags,
    #[command(flatten)]
    pub(crate) azure: azure::Flags,
    #[command(flatten)]
    shard: shard::Flags,
}

/// What every reader is handed.
#[derive(Clone, Debug)]
pub struct Session {
    /// Takes what was read.
    pub feeds: mpsc::Sender<Feed>,
    /// Says how far it is.
    pub progress: Progress,
    /// Says when to stop.
    pub stop: Stop,
    /// Says which clusters and subscriptions to read.
    pub shard: Shard,
    /// Takes down who reads what, as far as that is known.
    pub readers: Readers,
}

/// Who read what: `kube://CONTEXT as USER`.
#[derive(Clone, Debug, Default)]
pub struct Readers(Arc<Mutex<BTreeSet<String>>>);

impl Readers {
    /// Takes down one.
    pub fn note(&self, reader: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(reader);
    }
}

impl Live {
    /// Whether there is anything to read.
    pub const fn is_wanted(&self) -> bool {
        self.kube.is_wanted() || self.azure.is_wanted()
    }

    /// The part of the fleet that is wanted, if it is one.
    ///
    /// # Errors
    /// If there is no such part.
    pub fn shard(&self) -> Result<Option<Shard>, Failure> {
        self.shard.shard()
    }

    /// What is wanted, as it was typed.
    pub fn asked(&self) -> Vec<String> {
        [(self.kube.is_wanted(), "--kube"), (self.azure.is_wanted(), "--azure")]
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, flag)| flag.to_owned())
            .collect()
    }

    /// The same, where `--context` names the cluster to which something is applied.
    pub(crate) fn unless_applied(self, applied: bool) -> Self {
        Self { kube: self.kube.unless_applied(applied), ..self }
    }

    /// Reads everything that is wanted, and hands on each page's facts as they come, until the sink
    /// has no more use for them.
    ///
    /// What cannot be read is among them. The namespace is the only one that is read, if there is one;
    /// declared kinds are read beside those that are known.
    /// Returns who read what, as far as that is known.
    ///
    /// # Errors
    /// If what is wanted makes no sense: no such context, no such cloud.
    pub fn read(
        &self,
        namespace: Option<&str>,
        declared: &[&'static PodBearing],
        progress: &Progress,
        mut sink: impl FnMut(Feed) -> ControlFlow<()>,
    ) -> Result<Vec<String>, Failure> {
        if !self.is_wanted() {
            return Ok(Vec::new());
        }
        let readers = Readers::default();
        let shard = self.shard()?.unwrap_or_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
        let runtime = runtime.context("could not start the runtime").map_err(Failure::Internal)?;
        runtime.block_on(async {
            let (feeds, mut taken) = mpsc::channel(WAITING);
            let session = Session {
                feeds,
                progress: progress.clone(),
                stop: Stop::on_signal(progress).context("could not wait for Ctrl-C").map_err(Failure::Internal)?,
                shard,
                readers: readers.clone(),
            };
            let (kube, azure) =
                (self.kube.plan(namespace, declared, &session).await?, self.azure.plan(&session).await?);
            drop(session);
            let reading = async { tokio::join!(kube, azure) };
            let taking = async {
                while let Some(feed) = taken.recv().await {
                    if sink(feed).is_break() {
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            };
            tokio::pin!(reading, taking);
            tokio::select! {
                _ = &mut reading => { let _ = taking.await; }
                done = &mut taking => if done.is_continue() {
                    reading.await;
                },
            }
            Ok::<(), Failure>(())
        })?;
        Ok(std::mem::take(&mut *readers.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect())
    }
}

/// The time, in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
