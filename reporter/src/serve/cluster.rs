//! The cluster, as far as the module may ask for it: a mirror of ServiceAccounts (their metadata)
//! and of the trust inventory, kept by watches, and one live question where the mirror has no answer.

use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PartialObjectMeta;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::objects::{Object, Objects};

/// A connection to the cluster and what is mirrored of it.
pub(super) struct Cluster {
    client: Client,
    runtime: Handle,
    pub(super) accounts: Mirror,
    pub(super) trust: Mirror,
    /// Bounds the live questions: a crowd of unknown names is no reason to hurt the API server.
    questions: Semaphore,
    /// Until when there are none, because the last one got no answer in time: each would hold a
    /// thread that others wait for.
    pause: Mutex<Option<Instant>>,
    timeout: Duration,
}

/// What is known of one kind.
#[derive(Default)]
pub(super) struct Mirror {
    /// Nothing before all of them were read once.
    objects: RwLock<Option<Objects>>,
    trouble: Mutex<Option<Trouble>>,
}

/// A watch that fails.
struct Trouble {
    since: Instant,
    last: Instant,
    error: String,
}

/// What a question to the cluster came to.
pub(super) enum Answer {
    Mirrored(Arc<[u8]>),
    Live(Arc<[u8]>),
    Missing,
    Failed(String),
}

/// The trust inventory as it is published.
const TRUST_LABELS: &str = "app.kubernetes.io/managed-by=wiguard,app.kubernetes.io/component=trust";

/// An annotation that repeats the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

const QUESTIONS: usize = 16;

/// How long nothing is asked after a question without an answer.
const PAUSE: Duration = Duration::from_secs(1);

/// A watch that failed this long ago and not again has recovered: it tries again at least each
/// half minute, and says nothing when it succeeds.
const QUIET: Duration = Duration::from_secs(180);

/// Longer than a watch lasts, so that a connection that died silently is noticed.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

impl Cluster {
    /// Prepares to talk to the cluster of a kubeconfig, or to the one this pod runs in.
    ///
    /// # Errors
    /// Says which configuration cannot be used.
    pub(super) async fn new(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let options = KubeConfigOptions { context: context.map(Into::into), ..KubeConfigOptions::default() };
        let hint = "name one with --kubeconfig and --context, or pass --no-kube";
        let mut config = match (kubeconfig, context) {
            (Some(path), _) => {
                let shown = path.display();
                let read = Kubeconfig::read_from(path).map_err(|error| format!("could not read `{shown}`: {error}"))?;
                let config = Config::from_custom_kubeconfig(read, &options).await;
                config.map_err(|error| format!("could not use the kubeconfig `{shown}`: {error}"))?
            }
            (None, Some(_)) => Config::from_kubeconfig(&options)
                .await
                .map_err(|error| format!("could not use the kubeconfig: {error}; {hint}"))?,
            (None, None) => {
                Config::infer().await.map_err(|error| format!("there is no cluster to ask: {error}; {hint}"))?
            }
        };
        config.read_timeout = Some(READ_TIMEOUT);
        let client = Client::try_from(config).map_err(|error| format!("could not talk to the cluster: {error}"))?;
        Ok(Self {
            client,
            runtime: Handle::current(),
            accounts: Mirror::default(),
            trust: Mirror::default(),
            questions: Semaphore::new(QUESTIONS),
            pause: Mutex::default(),
            timeout,
        })
    }

    /// Mirrors all ServiceAccounts, for ever.
    pub(super) async fn follow_accounts(&self, on_error: impl Fn(&str)) {
        let api: Api<PartialObjectMeta<ServiceAccount>> = Api::all(self.client.clone());
        let keep = |account: PartialObjectMeta<ServiceAccount>| kept_account(account.metadata);
        follow(api, watcher::Config::default(), &self.accounts, keep, on_error).await;
    }

    /// Mirrors the trust inventory of the namespace that is wanted, if one is, for ever.
    pub(super) async fn follow_trust(&self, mut wanted: watch::Receiver<Option<String>>, on_error: impl Fn(&str)) {
        loop {
            let namespace = wanted.borrow_and_update().clone();
            let changed = wanted.changed();
            let Some(namespace) = namespace else {
                self.trust.forget();
                match changed.await {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            };
            let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
            let config = watcher::Config::default().labels(TRUST_LABELS);
            tokio::select! {
                () = follow(api, config, &self.trust, kept_trust, &on_error) => {}
                // What was mirrored of another namespace is not asked for any more.
                Ok(()) = changed => self.trust.forget(),
            }
        }
    }

    /// A ServiceAccount. Called from a thread that may wait.
    pub(super) fn account(&self, namespace: &str, name: &str) -> Answer {
        if let Some(account) = self.accounts.get(namespace, name) {
            return Answer::Mirrored(account);
        }
        let pause = *self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        if pause.is_some_and(|end| Instant::now() < end) {
            return Answer::Failed("the API server did not answer a moment ago".into());
        }
        // It may have been made a moment ago, just before its pod.
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let asked = async {
            let _turn = self.questions.acquire().await;
            api.get_metadata_opt(name).await
        };
        match self.runtime.block_on(async { tokio::time::timeout(self.timeout, asked).await }) {
            Ok(Ok(Some(account))) => match kept_account(account.metadata) {
                Some((_, _, account)) => Answer::Live(account.json()),
                None => Answer::Failed("the API server's answer has no name".into()),
            },
            Ok(Ok(None)) => Answer::Missing,
            Ok(Err(error)) => Answer::Failed(error.to_string()),
            Err(_) => {
                *self.pause.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + PAUSE);
                Answer::Failed(format!("the API server did not answer within {:?}", self.timeout))
            }
        }
    }

    /// A ConfigMap of the trust inventory.
    pub(super) fn trust(&self, namespace: &str, name: &str) -> Answer {
        match self.trust.get(namespace, name) {
            Some(found) => Answer::Mirrored(found),
            None if self.trust.is_synced() => Answer::Missing,
            None => Answer::Failed("the trust inventory has not been read yet".into()),
        }
    }
}

// === impl Mirror ===

impl Mirror {
    fn get(&self, namespace: &str, name: &str) -> Option<Arc<[u8]>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(namespace, name)
    }

    pub(super) fn is_synced(&self) -> bool {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, Objects::len)
    }

    /// When the oldest content was collected.
    pub(super) fn collected(&self) -> Option<i64> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.collected()
    }

    /// Why it should not be relied upon, if so.
    pub(super) fn unready(&self, what: &str, patience: Duration) -> Option<String> {
        let synced = self.is_synced();
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &*trouble {
            None if synced => None,
            None => Some(format!("{what}: not read yet")),
            Some(trouble) if !synced => Some(format!("{what}: not read yet: {}", trouble.error)),
            Some(trouble) => {
                let failing = trouble.last.elapsed() < QUIET && trouble.last.duration_since(trouble.since) > patience;
                let minutes = trouble.since.elapsed().as_secs() / 60;
                failing.then(|| format!("{what}: not up to date for {minutes} minutes: {}", trouble.error))
            }
        }
    }

    fn forget(&self) {
        drop(self.objects.write().unwrap_or_else(PoisonError::into_inner).take());
        drop(self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn change(&self, change: impl FnOnce(&mut Option<Objects>)) {
        change(&mut self.objects.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn failed(&self, error: String) {
        let now = Instant::now();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let since =
            trouble.as_ref().filter(|trouble| trouble.last.elapsed() < QUIET).map_or(now, |trouble| trouble.since);
        *trouble = Some(Trouble { since, last: now, error });
    }

    fn recovered(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Keeps a mirror up to date. A list replaces what there was at once when it is complete: at no
/// time is there less than was known.
async fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    mirror: &Mirror,
    keep: impl Fn(K) -> Option<(String, String, Object)>,
    on_error: impl Fn(&str),
) where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut fresh = Objects::default();
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let reason = reasons(&error);
                on_error(&reason);
                mirror.failed(reason);
                continue;
            }
        };
        match event {
            // The beginning of a list proves nothing yet.
            Event::Init => {
                fresh = Objects::default();
                continue;
            }
            Event::InitApply(object) => {
                if let Some((namespace, name, object)) = keep(object) {
                    fresh.put(&namespace, &name, object);
                }
                continue;
            }
            Event::InitDone => mirror.change(|objects| *objects = Some(std::mem::take(&mut fresh))),
            Event::Apply(object) => {
                if let Some((namespace, name, object)) = keep(object) {
                    mirror.change(|objects| {
                        if let Some(objects) = objects {
                            objects.put(&namespace, &name, object);
                        }
                    });
                }
            }
            Event::Delete(object) => {
                let (namespace, name) = (object.meta().namespace.as_deref(), object.meta().name.as_deref());
                mirror.change(|objects| {
                    if let (Some(objects), Some(name)) = (objects, name) {
                        objects.remove(namespace.unwrap_or_default(), name);
                    }
                });
            }
        }
        mirror.recovered();
    }
}

/// A ServiceAccount as it is kept: what has no bearing on anything, and most of the bytes, go.
fn kept_account(mut metadata: ObjectMeta) -> Option<(String, String, Object)> {
    let (namespace, name) = (metadata.namespace.clone()?, metadata.name.clone()?);
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
    let object = serde_json::json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
    Some((namespace, name, Object::new(object.to_string().into_bytes())))
}

fn kept_trust(mut map: ConfigMap) -> Option<(String, String, Object)> {
    let (namespace, name) = (map.metadata.namespace.clone()?, map.metadata.name.clone()?);
    map.metadata.managed_fields = None;
    if let Some(annotations) = &mut map.metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
    let json = serde_json::to_vec(&map).ok()?;
    Some((namespace, name, Object::trust(json, map.data.iter().flat_map(|data| data.values()))))
}

/// An error with its causes.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
