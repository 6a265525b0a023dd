//! `wiguard serve`: the policy module behind HTTPS, for the API server's webhooks and for
//! Gatekeeper's external data.
//!
//! ```text
//! connection ▶ route ▶ gate ▶ review | provider ▶ judge (the module) ▶ lookup ▶ cluster, files
//!                                     reload ──────┘ swaps            status: metrics, readiness
//! ```
//! The verdicts are the module's. What is here carries requests to it, and must be impossible to
//! wear out: every wait, every buffer and every crowd has a bound.

mod cluster;
mod connection;
mod expiry;
mod flags;
mod gate;
mod judge;
mod log;
mod lookup;
mod metrics;
mod objects;
mod patch;
mod provider;
mod reload;
mod review;
mod route;
mod server;
mod span;
mod status;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

pub use flags::Serve;

use crate::cli::Failure;
use crate::engine::{Engine, Limits};
use cluster::Cluster;
use gate::Gate;
use judge::Settings;
use metrics::Metrics;
use reload::{Files, Start};
use server::{Server, Slot, Stage};

/// Threads that speak to clients: they hardly compute.
const TALKERS: usize = 2;

/// Threads for what blocks and is no judging, such as looking names up.
const SPARE: usize = 8;

/// The signals that end a program, and the exit status of one that they ended at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Serve {
    /// Runs it, until it is told to stop; the exit status.
    ///
    /// # Errors
    /// If a file cannot be used or an address not be taken, with what to do.
    pub fn run(self) -> Result<u8, Failure> {
        log::start(self.log_format, self.log_level);
        // The cluster's client takes the process's default, and two libraries offer one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(TALKERS)
            .max_blocking_threads(self.judging() + SPARE)
            .thread_name("serve")
            .enable_all()
            .build();
        let runtime = runtime.context("could not start the threads").map_err(Failure::Internal)?;
        let ended = runtime.block_on(self.serve());
        // Nobody waits for what is still being judged.
        runtime.shutdown_background();
        ended
    }

    async fn serve(self) -> Result<u8, Failure> {
        let usage = |reason: String| Failure::Usage(anyhow!(reason));
        let internal = |error: std::io::Error| Failure::Internal(error.into());
        let mut signals = Signals::new().map_err(internal)?;
        let judging = self.judging();
        let limits = Limits {
            memory: self.memory,
            deadline: self.deadline,
            // One more for settings that are judged meanwhile.
            instances: u32::try_from(judging + 1).unwrap_or(u32::MAX),
            ..Limits::default()
        };
        let (kubeconfig, context) = (self.kubeconfig.as_deref(), self.context.as_deref());
        let cluster = match self.no_kube {
            true => None,
            false => Some(Cluster::new(kubeconfig, context, self.lookup_timeout).await.map_err(usage)?),
        };
        let engine = Engine::new(limits).map_err(|error| Failure::Internal(error.into()))?;
        let (files, Start { judge, identity, trust }) = Files::open(&self, engine).map_err(usage)?;
        let (secure, secure_at) = bind(self.bind, "--bind").await.map_err(usage)?;
        let (plain, plain_at) = bind(self.status_bind, "--status-bind").await.map_err(usage)?;
        let server = Arc::new(Server {
            gate: Gate::new(self.max_requests, judging, self.max_body, self.max_wait),
            connections: Arc::new(Semaphore::new(self.max_connections)),
            wanted_trust: watch::Sender::new(None),
            judge: Slot::new(judge),
            identity: Slot::new(identity),
            trust: trust.map(Slot::new),
            cluster,
            metrics: Metrics::new(),
            stage: watch::Sender::new(Stage::Serving),
            flags: self,
        });
        server.want_trust(&server.judge.get().settings);
        follow(&server);
        files.watch(Arc::clone(&server)).map_err(internal)?;
        tokio::spawn(connection::listen(Arc::clone(&server), secure));
        tokio::spawn(status::listen(Arc::clone(&server), plain));
        let module = &server.judge.get().module.sha256;
        tracing::info!(address = %secure_at, status = %plain_at, module, version = env!("CARGO_PKG_VERSION"), "serving");
        let status = server.stop_when_told(&mut signals).await;
        Ok(status)
    }
}

impl Server {
    /// Has the cluster's trust inventory followed, if the settings ask for one and no file has it.
    fn want_trust(&self, settings: &Settings) {
        let wanted = settings.trust_namespace.clone().filter(|_| self.trust.is_none());
        self.wanted_trust.send_if_modified(|known| {
            let changed = *known != wanted;
            known.clone_from(&wanted);
            changed
        });
    }

    /// Waits to be told to stop, and does so: the exit status.
    async fn stop_when_told(&self, signals: &mut Signals) -> u8 {
        signals.next().await;
        let flags = &self.flags;
        tracing::info!(grace = ?flags.grace, "told to stop: not ready any more, still serving");
        self.stage.send_replace(Stage::Leaving);
        // Whoever sends requests here has to hear of it first.
        tokio::select! {
            () = sleep(flags.grace) => {}
            status = signals.next() => return status,
        }
        tracing::info!(timeout = ?flags.drain_timeout, "no new connections; finishing what is in flight");
        self.stage.send_replace(Stage::Stopping);
        let all = u32::try_from(flags.max_connections).unwrap_or(u32::MAX);
        tokio::select! {
            ended = timeout(flags.drain_timeout, self.connections.acquire_many(all)) => {
                let open = flags.max_connections.saturating_sub(self.connections.available_permits());
                match ended {
                    Ok(_) => tracing::info!("stopped"),
                    Err(_) => tracing::warn!(connections = open, "stopped before every connection had ended"),
                }
                0
            }
            status = signals.next() => status,
        }
    }
}

/// Starts the watches of the cluster, if there is one.
fn follow(server: &Arc<Server>) {
    let complain = |server: &Server, kind: &'static str, error: &str| {
        server.metrics.watch_error(kind);
        tracing::warn!(kind, error, "could not watch the cluster; trying again");
    };
    if server.cluster.is_none() {
        return;
    }
    let (accounts, trust) = (Arc::clone(server), Arc::clone(server));
    tokio::spawn(async move {
        if let Some(cluster) = &accounts.cluster {
            cluster.follow_accounts(|error| complain(&accounts, "ServiceAccount", error)).await;
        }
    });
    tokio::spawn(async move {
        if let Some(cluster) = &trust.cluster {
            let wanted = trust.wanted_trust.subscribe();
            cluster.follow_trust(wanted, |error| complain(&trust, "ConfigMap", error)).await;
        }
    });
}

/// Takes an address; the one it got, where the system chose the port.
async fn bind(address: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr), String> {
    let wrong = |error: std::io::Error| format!("could not listen on {address}: {error}; choose another with {flag}");
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    Ok((listener, address))
}

// === impl Signals ===

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one: the exit status it would give.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 128 + 15,
            _ = self.interrupt.recv() => 128 + 2,
        }
    }
}
