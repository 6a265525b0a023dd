//! Applying: the objects go to the API server of the very cluster they are about, and to no other.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
#[cfg(not(feature = "live"))]
use clap::Args;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, GetParams, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Error};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use wiguard_rules::model::Issuer;

use super::document::Map;
use super::publish::{COMPONENT, MANAGED_BY};
use crate::cli::Failure;

/// Requests that are under way at once: enough to hide the way there and back.
const AT_ONCE: usize = 8;

/// Which cluster, in kubectl's words.
#[derive(Debug)]
#[cfg_attr(not(feature = "live"), derive(Args))]
pub(super) struct Target {
    /// The kubeconfig file [default: what kubectl would use, or the pod's own account]
    #[cfg_attr(not(feature = "live"), arg(long, value_name = "FILE", requires = "apply"))]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[cfg_attr(not(feature = "live"), arg(long, value_name = "NAME", requires = "apply"))]
    pub(super) context: Option<String>,
}

/// What is to be there.
pub(super) struct Wanted<'a> {
    pub(super) namespace: &'a str,
    pub(super) issuer: &'a Issuer,
    pub(super) maps: Vec<Map>,
    /// Whether to delete what is not wanted any more: if that was asked for, and whether enough is
    /// known for it.
    pub(super) prune: Option<bool>,
}

/// What was done.
pub(super) struct Done {
    namespace: String,
    applied: usize,
    deleted: usize,
    /// Whether nothing was deleted for want of knowledge.
    spared: bool,
}

/// Applies the objects.
pub(super) fn apply(target: &Target, wanted: Wanted<'_>) -> Result<Done, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("could not start the runtime").map_err(Failure::Internal)?;
    runtime.block_on(async {
        let client = target.connect().await.map_err(Failure::Usage)?;
        is_issuer(&client, wanted.issuer).await?;
        publish(client, wanted).await.map_err(Failure::Internal)
    })
}

/// Whether the API server issues the tokens that the inventory is about.
async fn is_issuer(client: &Client, issuer: &Issuer) -> Result<(), Failure> {
    let get = kube::core::Request::new("/.well-known").get("openid-configuration", &GetParams::default());
    let said = match get {
        Ok(request) => client.request::<Value>(request).await,
        Err(error) => Err(Error::BuildRequest(error)),
    };
    match said {
        Ok(document) => match document.get("issuer").and_then(Value::as_str) {
            Some(own) if own == issuer.as_str() => Ok(()),
            own => Err(Failure::Usage(anyhow!(
                "this inventory is for the cluster of issuer {issuer}, and the API server says that its own is {}; choose the right cluster with --cluster, or the right API server with --context",
                own.unwrap_or("none")
            ))),
        },
        Err(Error::Api(status)) if matches!(status.code, 401 | 403 | 404) => {
            eprintln!(
                "warning: could not ask the API server for its issuer ({}): is it the right one?",
                status.message
            );
            Ok(())
        }
        Err(error) => Err(Failure::Internal(anyhow!(error).context("could not ask the API server for its issuer"))),
    }
}

async fn publish(client: Client, wanted: Wanted<'_>) -> anyhow::Result<Done> {
    let Wanted { namespace, maps, prune, .. } = wanted;
    let api: Api<ConfigMap> = Api::namespaced(client, namespace);
    let names: BTreeSet<String> = maps.iter().map(|map| map.name.clone()).collect();
    let mut done = Done { namespace: namespace.into(), applied: 0, deleted: 0, spared: prune == Some(false) };
    let mut under_way = JoinSet::new();
    let mut left = maps.into_iter();
    loop {
        while under_way.len() < AT_ONCE
            && let Some(map) = left.next()
        {
            let (api, namespace) = (api.clone(), namespace.to_string());
            under_way.spawn(async move {
                let parameters = PatchParams::apply("wiguard").force();
                let object = object(&map, &namespace);
                let applied = api.patch(&map.name, &parameters, &Patch::Apply(&object)).await;
                applied.with_context(|| format!("could not apply ConfigMap `{}` in namespace `{namespace}`", map.name))
            });
        }
        let Some(applied) = under_way.join_next().await else { break };
        applied.context("could not wait for a request")??;
        done.applied += 1;
    }
    if prune == Some(true) {
        for name in unwanted(&api, &names).await? {
            match api.delete(&name, &DeleteParams::default()).await {
                Ok(_) => done.deleted += 1,
                Err(Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(anyhow!(error).context(format!("could not delete ConfigMap `{name}`"))),
            }
        }
    }
    Ok(done)
}

/// The names of our objects that are not wanted any more.
async fn unwanted(api: &Api<ConfigMap>, wanted: &BTreeSet<String>) -> anyhow::Result<Vec<String>> {
    let ((component, trust), (managed_by, wiguard)) = (COMPONENT, MANAGED_BY);
    let mut page = ListParams::default().labels(&format!("{component}={trust},{managed_by}={wiguard}")).limit(500);
    let mut unwanted = Vec::new();
    loop {
        let list = api.list_metadata(&page).await.context("could not list the objects that are there")?;
        let names = list.items.into_iter().filter_map(|object| object.metadata.name);
        unwanted.extend(names.filter(|name| !wanted.contains(name)));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(unwanted),
        }
    }
}

fn object(map: &Map, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": map.name,
            "namespace": namespace,
            "labels": { COMPONENT.0: COMPONENT.1, MANAGED_BY.0: MANAGED_BY.1 },
        },
        "data": { map.key: map.json },
    })
}

// === impl Target ===

impl Target {
    async fn connect(&self) -> anyhow::Result<Client> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path)
                    .with_context(|| format!("could not read the kubeconfig `{}`", path.display()))?;
                Config::from_custom_kubeconfig(file, &options).await.map_err(anyhow::Error::from)
            }
            None if self.context.is_some() => Config::from_kubeconfig(&options).await.map_err(anyhow::Error::from),
            None => Config::infer().await.map_err(anyhow::Error::from),
        };
        let config = config.context("could not tell which API server to talk to; give --kubeconfig or --context")?;
        Client::try_from(config).context("could not prepare to talk to the API server")
    }
}

// === impl Done ===

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "applied {} ConfigMaps to namespace {}", self.applied, self.namespace)?;
        match (self.deleted, self.spared) {
            (_, true) => f.write_str("; deleted none: not everything is known of this cluster's namespaces"),
            (0, _) => Ok(()),
            (deleted, _) => write!(f, "; deleted {deleted}"),
        }
    }
}
