//! Clusters: every kind that bears on the chain, page by page.
//!
//! ```text
//! contexts ▶ server (pace, trouble) ▶ list ▶ page ▶ Feed
//!                                       └─ seen ▶ recheck
//! ```

mod claims;
mod contexts;
mod declared;
mod ends;
pub mod kinds;
mod list;
mod pace;
mod page;
mod reading;
mod recheck;
mod seen;
mod server;
mod settings;
mod trouble;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use kube::{Client, Config};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use wiguard_rules::model::PodBearing;

use super::{Session, now};
use crate::cli::Failure;
use crate::collect::{Feed, Gap, Missing};
use claims::Claims;
pub(crate) use contexts::IN_CLUSTER;
use contexts::{Asked, Target};
use kinds::Kind;
use pace::Pace;
use reading::{Scope, root};
use server::Server;
use trouble::{PLUGIN, Trouble, transport};

/// Clusters that are read at once, at most: each has pages in memory, and perhaps a credential plugin.
const AT_ONCE: usize = 16;

/// Which clusters, in kubectl's words.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live clusters")]
#[group(id = "kube-flags")]
pub struct Flags {
    /// Read the cluster of the current context, or the one this pod runs in
    #[arg(long)]
    kube: bool,
    /// Read the cluster of this context; repeatable, implies --kube
    #[arg(long, value_name = "NAME")]
    context: Vec<String>,
    /// Read the clusters of all contexts, implies --kube
    #[arg(long, conflicts_with = "context")]
    all_contexts: bool,
    /// The kubeconfig file [default: what kubectl would use, or the pod's own account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// What the cluster is called in the report [default: its context]
    #[arg(long, value_name = "NAME")]
    kube_name: Option<String>,
    /// Read Secrets as well, for the names of their keys; values are dropped at once
    #[arg(long)]
    secret_keys: bool,
    /// Requests to each API server in a second, at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    kube_qps: u32,
    /// Requests to each API server at once, at most
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    kube_parallel: u32,
    /// Whether the context is that of a cluster to which something is applied.
    #[arg(skip)]
    is_target: bool,
    /// How long a single request to an API server may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    request_timeout: u64,
}

impl Flags {
    /// Whether there is any.
    pub const fn is_wanted(&self) -> bool {
        self.kube || self.all_contexts || (!self.context.is_empty() && !self.is_target)
    }

    /// The kubeconfig and the context that objects are applied with.
    ///
    /// # Errors
    /// If more than one is named.
    pub fn target(&self) -> Result<(Option<PathBuf>, Option<String>), Failure> {
        match self.context.as_slice() {
            _ if self.all_contexts => Err(Failure::Usage(anyhow!("--apply goes to one cluster; name its --context"))),
            [] => Ok((self.kubeconfig.clone(), None)),
            [one] => Ok((self.kubeconfig.clone(), Some(one.clone()))),
            _ => Err(Failure::Usage(anyhow!("--apply goes to one cluster; name one --context"))),
        }
    }

    /// Where a context says what objects are applied to, only `--kube` has it read as well.
    pub(crate) const fn unless_applied(mut self, applied: bool) -> Self {
        self.is_target = applied;
        self
    }

    /// The kinds that are read.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + use<> {
        kinds::kinds().chain([kinds::SETTINGS]).chain(Some(kinds::SECRETS).filter(|_| self.secret_keys))
    }

    /// The declared kinds as they are served most likely.
    pub fn likely(&self, declared: &[&'static PodBearing]) -> Vec<Kind> {
        declared::each_once(declared).into_iter().map(declared::likely).collect()
    }

    /// The clusters that are meant, by name, and how to talk to each, or why nobody can.
    ///
    /// # Errors
    /// If a context is not there, or a kubeconfig cannot be read.
    pub async fn clients(&self, session: &Session) -> Result<Vec<(String, Result<Client, String>)>, Failure> {
        let mut clients = Vec::new();
        for Target { name, config, .. } in self.targets().await? {
            clients.push((name, connect(config, session).await.map(|(client, _)| client)));
        }
        Ok(clients)
    }

    /// The declared kinds under the resources by which a cluster serves them, as far as it says.
    pub async fn served(&self, client: &Client, declared: &[&'static PodBearing], session: &Session) -> Vec<Kind> {
        let timeout = Duration::from_secs(self.request_timeout);
        let pace = Pace::new(self.kube_qps, self.kube_parallel);
        let server = Server::new(client.clone(), pace, session.stop.clone(), timeout);
        let (mut kinds, groups) = (Vec::new(), declared::groups(&server, declared).await);
        for bearing in declared::each_once(declared) {
            let found = declared::find(&server, &groups, bearing).await;
            kinds.push(found.ok().flatten().unwrap_or_else(|| declared::likely(bearing)));
        }
        kinds
    }

    async fn targets(&self) -> Result<Vec<Target>, Failure> {
        let asked = Asked {
            kubeconfig: self.kubeconfig.as_deref(),
            contexts: &self.context,
            all: self.all_contexts,
            name: self.kube_name.as_deref(),
        };
        if self.is_wanted() { contexts::targets(&asked).await } else { Ok(Vec::new()) }
    }

    /// What is to be done: each cluster is read by itself, so that none waits for another.
    ///
    /// # Errors
    /// If a context is not there, or a kubeconfig cannot be read.
    pub async fn plan(
        &self,
        namespace: Option<&str>,
        declared: &[&'static PodBearing],
        session: &Session,
    ) -> Result<impl Future<Output = ()> + use<>, Failure> {
        let timeout = Duration::from_secs(self.request_timeout);
        if let Some(namespace) = namespace.filter(|name| self.is_wanted() && !is_label(name)) {
            return Err(Failure::Usage(anyhow!("`{namespace}` cannot be the name of a namespace")));
        }
        let mut targets = self.targets().await?;
        targets.retain(|target| session.shard.takes(&target.name));
        for Target { name, user, .. } in &targets {
            user.iter().for_each(|user| session.readers.note(format!("{} as {user}", root(name))));
        }
        let (qps, parallel, secret_keys) = (self.kube_qps, self.kube_parallel, self.secret_keys);
        let (namespace, session) = (namespace.map(String::from), session.clone());
        let declared = declared::each_once(declared);
        Ok(async move {
            let mut clusters = JoinSet::new();
            let (claims, turns) = (Claims::of(targets.len()), Arc::new(Semaphore::new(AT_ONCE)));
            for (Target { name, config, .. }, claims) in targets.into_iter().zip(claims) {
                // In their order: whoever waits for those before it waits for nobody who has not begun.
                let turn = Arc::clone(&turns).acquire_owned().await;
                let (session, namespace, declared) = (session.clone(), namespace.clone(), declared.clone());
                clusters.spawn(async move {
                    let _turn = turn;
                    let (client, own_namespace) = match connect(config, &session).await {
                        Ok(connected) => connected,
                        Err(why) => {
                            claims.settle(None);
                            return unreached(&name, why, &session).await;
                        }
                    };
                    let server = Server::new(client, Pace::new(qps, parallel), session.stop.clone(), timeout);
                    let scope = Scope { namespace, own_namespace, secret_keys, declared };
                    reading::read(name, server, session, scope, claims).await;
                });
            }
            drop(session);
            while let Some(done) = clusters.join_next().await {
                // A reader does not panic; if one does, what it read does not pass for all.
                if let Err(error) = done
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        })
    }
}

/// Why a request came to nothing, in words that repeat nothing secret.
pub fn told(error: &kube::Error) -> String {
    transport(error).to_string()
}

/// Whether a text is a DNS label, as names of namespaces are.
fn is_label(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(letter)
}

/// A client, and the namespace of its context. A credential plugin runs meanwhile, and may never end.
async fn connect(config: Result<Config, String>, session: &Session) -> Result<(Client, String), String> {
    let config = config?;
    let plugin = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
    let (runtime, (done, client)) = (Handle::current(), oneshot::channel());
    std::thread::spawn(move || {
        let _within = runtime.enter();
        let namespace = config.default_namespace.clone();
        // Nobody waits any more if it is time to stop.
        let _ = done.send(Client::try_from(config).map(|client| (client, namespace)));
    });
    let mut stop = session.stop.clone();
    tokio::select! {
        () = stop.wait() => Err(Trouble::Stopped.to_string()),
        client = client => match client {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => {
                let why = transport(&error).to_string();
                Err(plugin.map_or_else(|| why.clone(), |name| why.replace(PLUGIN, &format!("the credential plugin `{name}`"))))
            }
            Err(_) => Err("could not prepare the connection".into()),
        }
    }
}

async fn unreached(name: &str, reason: String, session: &Session) {
    let gap = Gap { path: root(name), line: None, reason, extent: Missing::All };
    reading::send(session, Feed { source: root(name), at: now(), gaps: vec![gap], ..Feed::default() }).await;
}
