//! `wiguard policy trust`: the trust inventory of a cluster, that is, what Azure trusts of it, as
//! ConfigMaps for the policy to read at admission. It reads what `scan` reads, and says of each
//! object whether anything can be missing from it.

#[cfg(feature = "kube")]
mod apply;
mod cluster;
mod document;
mod moment;
mod publish;
mod slices;

#[cfg(feature = "kube")]
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
#[cfg(feature = "kube")]
use wiguard_rules::inventory::Extent;
use wiguard_rules::model::Issuer;

use crate::cli::Failure;
use crate::collect::{Collected, Missing};
use crate::config::Config;
use crate::progress::Progress;
use crate::read::Stdin;
use crate::report::is_complete;
use crate::sources::Sources;
use cluster::Choice;
pub use document::Map;
pub use slices::{Cut, Slices};

/// The namespace that the policy looks in unless its settings name another.
pub const NAMESPACE: &str = "wiguard-system";

/// The arguments of `policy trust`.
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  every object is complete
  2  wrong usage or configuration
  3  some are not; why is said, and they are written
  4  wiguard itself failed, the objects could not be written, or the cluster refused")]
pub(super) struct Trust {
    #[command(flatten)]
    sources: Sources,
    /// For which cluster, by name; with =PATH, tie the dump at PATH to it [default: the only one there is]
    #[arg(long, value_name = "NAME[=PATH]", value_parser = Choice::parse, conflicts_with = "issuer")]
    cluster: Option<Choice>,
    /// For which cluster, by the issuer of its tokens
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// No workload of the cluster uses an app registration: the list of managed identities is all there is
    #[arg(long)]
    managed_identities_only: bool,
    /// When the sources were true [default: when the oldest file that describes Azure was last written]
    #[arg(long, value_name = "RFC3339", value_parser = moment::parse)]
    collected: Option<u64>,
    /// The namespace of the objects
    #[arg(short, long, value_name = "NAMESPACE", default_value = NAMESPACE, value_parser = label)]
    namespace: String,
    /// Write one file for each object to the folder DIR, not all to standard output
    #[arg(short, long = "output", value_name = "DIR")]
    output: Option<PathBuf>,
    /// Apply the objects to the cluster instead of writing them
    #[cfg(feature = "kube")]
    #[arg(long, conflicts_with = "output")]
    apply: bool,
    /// Delete the objects of namespaces that are gone; not done if anything was not read wholly
    #[cfg(feature = "kube")]
    #[arg(long, requires = "apply")]
    prune: bool,
    #[cfg(all(feature = "kube", not(feature = "live")))]
    #[command(flatten)]
    target: apply::Target,
    /// Read the configuration from FILE [default: wiguard.toml or .wiguard.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Trust {
    pub(super) fn run(self) -> Result<u8, Failure> {
        #[cfg(feature = "live")]
        let this = {
            let mut this = self;
            this.sources.how.live = this.sources.how.live.unless_applied(this.apply);
            this
        };
        #[cfg(not(feature = "live"))]
        let this = self;
        this.publish()
    }

    fn publish(self) -> Result<u8, Failure> {
        let config = Config::load(self.config.as_deref()).map_err(|error| Failure::Usage(error.into()))?;
        let mut collected = self.collect(&config)?;
        if self.managed_identities_only {
            collected.inventory.coverage.applications = true;
        }
        let name = self.cluster.as_ref().map(|choice| choice.name.as_str());
        let issuer = self.issuer.as_deref().map(Issuer::from);
        let Collected { inventory, homes, .. } = &mut collected;
        let (issuer, members) = cluster::choose(inventory, homes, name, issuer).map_err(Failure::Usage)?;

        let whole = is_complete(&collected.gaps);
        let cut = Cut::new(&collected.inventory, &members, &issuer);
        let at = self.collected.unwrap_or_else(|| moment::oldest(&collected));
        let slices = Cut { collected: at, whole, ..cut }.slices();
        tell(&collected);
        for reason in &slices.reasons {
            eprintln!("warning: {reason}");
        }
        let complete = whole && slices.reasons.is_empty();

        #[cfg(feature = "kube")]
        if self.apply {
            let listed = |member| {
                let coverage = collected.inventory.coverage.of(member);
                coverage.is_some_and(|coverage| coverage.namespaces == Extent::Everything)
            };
            let all = members.iter().any(|member| listed(*member));
            let prune = self.prune.then_some(complete && all);
            let wanted = apply::Wanted { namespace: &self.namespace, issuer: &issuer, maps: slices.maps, prune };
            #[cfg(feature = "live")]
            let done = apply::apply(&self.target()?, wanted)?;
            #[cfg(not(feature = "live"))]
            let done = apply::apply(&self.target, wanted)?;
            // A reader that went away is none of ours.
            let _ = writeln!(std::io::stdout(), "{done}");
            return Ok(if complete { 0 } else { 3 });
        }
        match &self.output {
            Some(folder) => {
                publish::folder(&slices.maps, &self.namespace, folder)
                    .map_err(|error| anyhow!(error).context(format!("could not write to `{}`", folder.display())))
                    .map_err(Failure::Internal)?;
                eprintln!("wrote {} files to {}", slices.maps.len(), folder.display());
            }
            None => publish::stdout(&slices.maps, &self.namespace)
                .map_err(|error| anyhow!(error).context("could not write to standard output"))
                .map_err(Failure::Internal)?,
        }
        Ok(if complete { 0 } else { 3 })
    }

    fn collect(&self, config: &Config) -> Result<Collected, Failure> {
        let clusters = self.cluster.iter().filter_map(Choice::tie).collect();
        let stdin = || -> Stdin { Box::new(std::io::stdin()) };
        self.sources.gather(clusters, None, config, &Progress::new(), stdin)
    }

    /// Which API server the objects go to.
    #[cfg(feature = "live")]
    fn target(&self) -> Result<apply::Target, Failure> {
        let (kubeconfig, context) = self.sources.how.live.kube.target()?;
        Ok(apply::Target { kubeconfig, context })
    }
}

/// Says what could not be read or put to use.
fn tell(collected: &Collected) {
    for gap in collected.gaps.iter().filter(|gap| gap.extent != Missing::Nothing) {
        let line = gap.line.map(|line| format!(":{line}")).unwrap_or_default();
        eprintln!("warning: {}{line}: {}", gap.path, gap.reason);
    }
}

fn label(text: &str) -> Result<String, String> {
    if slices::is_label(text) {
        Ok(text.into())
    } else {
        Err("expected the name of a namespace: lower-case letters, digits and `-`".into())
    }
}
