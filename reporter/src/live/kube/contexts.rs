//! Contexts: which clusters are meant, in kubectl's words, and how to reach them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::cli::Failure;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// What the cluster of this pod is called unless the user gives it a name.
pub(crate) const IN_CLUSTER: &str = "in-cluster";

/// A cluster to read.
pub(super) struct Target {
    /// What it is called: the name of the context.
    pub(super) name: String,
    /// Who reads it, as the kubeconfig names them.
    pub(super) user: Option<String>,
    /// How to reach it, or why nobody can.
    pub(super) config: Result<Config, String>,
}

/// What was typed.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) kubeconfig: Option<&'a Path>,
    pub(super) contexts: &'a [String],
    pub(super) all: bool,
    /// What the cluster is to be called.
    pub(super) name: Option<&'a str>,
}

/// The clusters that are meant, each context once, in the order they were typed.
pub(super) async fn targets(asked: &Asked<'_>) -> Result<Vec<Target>, Failure> {
    let Some((kubeconfig, shown)) = kubeconfig(asked.kubeconfig).map_err(usage)? else {
        return Ok(vec![in_cluster(asked)?]);
    };
    let names = names(&kubeconfig, &shown, asked).map_err(usage)?;
    if asked.name.is_some() && names.len() != 1 {
        return Err(usage(format!("--kube-name names one cluster, and {} contexts are to be read", names.len())));
    }
    let mut targets = Vec::new();
    for context in names {
        let proxied = names_proxy(&kubeconfig, &context);
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await;
        let config = config.map_err(|error| format!("could not use the context: {}", said(&error)));
        let user = user(&kubeconfig, &context);
        let config = config.map(|config| tuned(if proxied { config } else { direct(config) }));
        targets.push(Target { user, name: asked.name.map_or(context, Into::into), config });
    }
    if let [Target { name, config: Err(why), .. }] = targets.as_slice() {
        return Err(usage(format!("`{name}` of {shown}: {why}")));
    }
    Ok(targets)
}

/// The kubeconfig that kubectl would use, and where it is, if there is one.
fn kubeconfig(named: Option<&Path>) -> Result<Option<(Kubeconfig, String)>, String> {
    let (read, shown) = match named {
        Some(path) => (Kubeconfig::read_from(path), format!("the kubeconfig `{}`", path.display())),
        None => {
            let paths = std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty());
            let default = std::env::home_dir().map(|home| home.join(".kube").join("config"));
            match (paths, default.filter(|path| path.exists())) {
                (Some(paths), _) => {
                    let missing: Vec<PathBuf> = std::env::split_paths(&paths).filter(|path| !path.exists()).collect();
                    if let [first, ..] = missing.as_slice() {
                        return Err(format!("KUBECONFIG names `{}`, which is not there", first.display()));
                    }
                    (Kubeconfig::read(), "the kubeconfig that KUBECONFIG names".into())
                }
                (None, Some(path)) => (Kubeconfig::read_from(&path), format!("the kubeconfig `{}`", path.display())),
                (None, None) => return Ok(None),
            }
        }
    };
    match read {
        Ok(kubeconfig) => Ok(Some((kubeconfig, shown))),
        Err(error) => Err(format!("could not read {shown}: {}", said(&error))),
    }
}

fn user(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    kubeconfig.contexts.iter().find(|it| it.name == context)?.context.as_ref()?.user.clone()
}

fn names(kubeconfig: &Kubeconfig, shown: &str, asked: &Asked<'_>) -> Result<Vec<String>, String> {
    let there: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let these = || {
        if there.is_empty() {
            "it has no context at all, perhaps it is empty: say --kubeconfig FILE".into()
        } else {
            format!("it has {}", there.join(", "))
        }
    };
    let mut names = Vec::new();
    if asked.all {
        names.extend(there.iter().map(ToString::to_string));
    } else if asked.contexts.is_empty() {
        let current = kubeconfig.current_context.as_deref().filter(|name| !name.is_empty());
        let current = current.ok_or_else(|| match there.is_empty() {
            true => format!("{shown} has no current context; {}", these()),
            false => format!("{shown} has no current context; name one with --context: {}", these()),
        })?;
        names.push(current.to_string());
    }
    for name in asked.contexts {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if let Some(missing) = names.iter().find(|name| !there.contains(&name.as_str())) {
        return Err(format!("{shown} has no context `{missing}`; {}", these()));
    }
    if names.is_empty() {
        return Err(format!("{shown} has no context"));
    }
    Ok(names)
}

/// The cluster this pod runs in.
fn in_cluster(asked: &Asked<'_>) -> Result<Target, Failure> {
    if asked.all || !asked.contexts.is_empty() {
        return Err(usage("there is no kubeconfig whose contexts could be read; name one with --kubeconfig".into()));
    }
    let config = Config::incluster().map_err(|_| {
        usage("there is no kubeconfig, and this is no pod of a cluster; name a kubeconfig with --kubeconfig".into())
    })?;
    let name = asked.name.unwrap_or(IN_CLUSTER).into();
    Ok(Target { name, user: None, config: Ok(tuned(config)) })
}

/// Whether a context names a proxy itself.
fn names_proxy(kubeconfig: &Kubeconfig, context: &str) -> bool {
    let named = kubeconfig.contexts.iter().find(|it| it.name == context);
    let cluster = named.and_then(|it| it.context.as_ref()).map(|it| it.cluster.as_str());
    let named = kubeconfig.clusters.iter().find(|it| Some(it.name.as_str()) == cluster);
    named.and_then(|it| it.cluster.as_ref()).is_some_and(|it| it.proxy_url.is_some())
}

/// A proxy of the environment is for the way out, and clusters are seldom there.
fn direct(mut config: Config) -> Config {
    config.proxy_url = None;
    config
}

/// How long to wait and whether to try again is decided for each request.
fn tuned(mut config: Config) -> Config {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config
}

/// What is wrong with a kubeconfig, without a word of its content.
fn said(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(_) => "it is no kubeconfig in YAML; `kubectl config view` says where".into(),
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::LoadClusterOfContext(name) => format!("there is no cluster `{name}`"),
        KubeconfigError::ParseClusterUrl(_) | KubeconfigError::ParseProxyUrl(_) => {
            "the address of its server or proxy is no URL".into()
        }
        other => other.to_string(),
    }
}

fn usage(message: String) -> Failure {
    Failure::Usage(anyhow!(message))
}
