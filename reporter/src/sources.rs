//! Sources: what is to be read, as it is typed for every command that reads an estate.

#[cfg(feature = "live")]
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use wiguard_rules::model::PodBearing;

use crate::cli::Failure;
use crate::collect::{Collected, Tie, Wanted, collect, placing};
use crate::config::Config;
#[cfg(feature = "live")]
use crate::live::Live;
use crate::place::Kept;
use crate::progress::{self, Progress};
use crate::read::{Root, Stdin};

/// The arguments of whatever reads an estate.
#[derive(Debug, Args)]
pub struct Sources {
    /// Files, folders, or `-` for standard input; kubectl and az output in JSON or YAML, bills of materials, lock files, and snapshots; plain, gzip or zstd; also az://CONTAINER/PREFIX and s3://BUCKET/PREFIX
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How they are read, and what else is.
    #[command(flatten)]
    pub how: How,
}

/// How sources are read, and the live ones among them.
#[derive(Debug, Args)]
pub struct How {
    /// Tie the credentials at PATH to the identity NAME; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = Tie::parse)]
    pub identity: Vec<Tie>,
    /// Read the objects of this kind too, whose pod template is at PATH: example.com/v1/Widget=spec.podTemplate; repeatable
    #[arg(long = "pod-bearing", value_name = "API_VERSION/KIND=PATH", value_parser = PodBearing::declared)]
    pub bearing: Vec<&'static PodBearing>,
    /// Say that what the lock file or bill of materials at PATH describes is in the image IMAGE; repeatable
    #[arg(long, value_name = "IMAGE=PATH", value_parser = Tie::parse)]
    pub image: Vec<Tie>,
    /// Say in which namespace objects of files belong that state none, as `helm install -n` does; of those at PATH alone if one is given; repeatable
    #[arg(long, value_name = "NAMESPACE[=PATH]", value_parser = placing::parse)]
    pub default_namespace: Vec<Tie>,
    /// Take every kind of which something is given as given wholly, so that what is not there does not exist
    #[arg(long)]
    pub assume_complete: bool,
    /// How progress is shown.
    #[command(flatten)]
    pub progress: progress::Flags,
    /// Clusters and subscriptions as they are.
    #[cfg(feature = "live")]
    #[command(flatten)]
    pub live: Live,
}

impl Sources {
    /// Reads everything. `namespace` is the only one that is read of live clusters.
    ///
    /// # Errors
    /// If nothing is named, or what is named makes no sense.
    pub fn gather(
        &self,
        clusters: Vec<Tie>,
        namespace: Option<&str>,
        config: &Config,
        progress: &Progress,
        stdin: impl FnOnce() -> Stdin,
    ) -> Result<Collected, Failure> {
        self.check()?;
        #[cfg(not(feature = "live"))]
        let feeds = {
            let _ = (namespace, progress);
            Vec::new()
        };
        #[cfg(feature = "live")]
        let feeds = {
            let mut feeds = Vec::new();
            self.how.live.read(namespace, &self.how.bearing(config), progress, |feed| {
                feeds.push(feed);
                ControlFlow::Continue(())
            })?;
            // Which source was faster is chance; what one source gave stays in its order.
            feeds.sort_by(|a, b| (&a.source, &a.cluster).cmp(&(&b.source, &b.cluster)));
            feeds
        };
        progress.say("reading");
        let wanted = Wanted {
            roots: self.roots()?,
            clusters,
            identities: self.how.identity.clone(),
            images: self.how.image.clone(),
            namespaces: config.namespaces(&self.how.default_namespace),
            declared: config.declared(),
            assume_complete: self.how.assume_complete,
            bearing: self.how.bearing(config),
        };
        let kept = Kept::default();
        let mut collected = collect(&wanted, feeds, || kept.keep(stdin()));
        collected.stdin = kept.take();
        Ok(collected)
    }

    /// Whether anything is named.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> Result<(), Failure> {
        #[cfg(feature = "live")]
        let live = self.how.live.is_wanted();
        #[cfg(not(feature = "live"))]
        let live = false;
        if self.paths.is_empty() && !live {
            let live = if cfg!(feature = "live") { ", or --kube or --azure" } else { "" };
            return Err(Failure::Usage(anyhow!(
                "nothing to read: name files or folders, `-` for standard input{live}; --help says more"
            )));
        }
        Ok(())
    }

    /// The files and folders, and what was fetched of object storage.
    ///
    /// # Errors
    /// If a URL makes no sense.
    pub fn roots(&self) -> Result<Vec<Root>, Failure> {
        #[cfg(feature = "live")]
        return crate::store::roots(&self.paths);
        #[cfg(not(feature = "live"))]
        {
            let root = |path: &PathBuf| if path.as_os_str() == "-" { Root::Stdin } else { Root::Path(path.clone()) };
            Ok(self.paths.iter().map(root).collect())
        }
    }

    /// What was asked for, as it was typed.
    #[cfg(feature = "live")]
    pub fn asked(&self) -> Vec<String> {
        self.how.live.asked().into_iter().chain(self.paths.iter().map(|path| path.display().to_string())).collect()
    }
}

impl How {
    /// The kinds with a pod template that are declared: typed, or in the configuration.
    pub fn bearing(&self, config: &Config) -> Vec<&'static PodBearing> {
        self.bearing.iter().copied().chain(config.bearing()).collect()
    }
}
