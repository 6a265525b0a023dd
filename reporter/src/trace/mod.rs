//! `wiguard trace`: one workload through the chain, link by link, up to the first that is broken.

mod binding;
mod catalogued;
mod client_id;
mod credential;
mod find;
mod others;
mod text;
mod walk;
mod webhook;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use wiguard_rules::trust::Trust;

use crate::cli::{Failure, When};
use crate::collect::{Collected, Tie};
use crate::config::Config;
use crate::progress::Progress;
use crate::read::Stdin;
use crate::render::Style;
use crate::report::is_complete;
use crate::sources::Sources;
pub use find::Target;
pub use walk::{Compared, State, Step, Walk};

/// The arguments of `trace`.
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  every link holds
  1  a link is broken
  2  wrong usage, or nothing that was read is this workload
  3  a link could not be seen: what would have to be read is named
  4  wiguard itself failed

EXAMPLES:
  wiguard trace shop/deploy/cart --kube --azure
  wiguard trace shop/pod/cart-7d9f manifests/ identities.json")]
pub struct Trace {
    /// The workload, kinds also in kubectl's short forms; with CLUSTER: before it where several clusters have one
    #[arg(value_name = "NAMESPACE/KIND/NAME")]
    workload: Target,
    /// How to write it
    #[arg(short, long = "output", value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Tie the dump at PATH to the cluster NAME; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = Tie::parse)]
    cluster: Vec<Tie>,
    /// Read the configuration from FILE [default: wiguard.toml or .wiguard.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    color: When,
    #[command(flatten)]
    sources: Sources,
}

/// How a walk is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Trace {
    /// Runs it; the exit status.
    ///
    /// # Errors
    /// If what was typed makes no sense, or the workload is nowhere.
    pub fn run(self) -> Result<u8, Failure> {
        let config = Config::load(self.config.as_deref()).map_err(|error| Failure::Usage(error.into()))?;
        let workload = self.workload.clone().among(&self.sources.how.bearing(&config)).map_err(Failure::Usage)?;
        let progress = Progress::new();
        let stdin = || -> Stdin { Box::new(io::stdin()) };
        let namespace = Some(workload.namespace.as_str());
        let collected = self.sources.gather(self.cluster.clone(), namespace, &config, &progress, stdin)?;
        progress.say("");
        let Some(walk) = walk(&workload, &collected, &config).map_err(Failure::Usage)? else {
            return nowhere(&workload, &collected);
        };
        let shown = match self.output {
            Format::Text => text::of(&walk, self.style()),
            Format::Json => json(&walk).map_err(Failure::Internal)?,
        };
        match io::stdout().lock().write_all(shown.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::Internal(anyhow!(error).context("could not write to standard output")))
            }
            _ => Ok(walk.status()),
        }
    }

    fn style(&self) -> Style {
        let least = wiguard_rules::finding::Severity::Info;
        crate::cli::Show { color: self.color, min_severity: least }.style()
    }
}

/// The workload is in nothing that was read: perhaps because something was not.
fn nowhere(workload: &Target, collected: &Collected) -> Result<u8, Failure> {
    let unread: Vec<_> = collected.gaps.iter().filter(|gap| !is_complete(std::slice::from_ref(gap))).collect();
    if unread.is_empty() {
        return Err(Failure::Usage(workload.nowhere(&collected.inventory)));
    }
    eprintln!("nothing that was read is {workload}, but not everything could be read:");
    for gap in unread {
        let line = gap.line.map_or_else(String::new, |line| format!("line {line}: "));
        eprintln!("  {}: {line}{}", crate::render::printable(&gap.path), crate::render::printable(&gap.reason));
    }
    Ok(3)
}

/// Walks the chain of a workload; `None` if it was not read.
///
/// # Errors
/// If several clusters have it.
pub fn walk(target: &Target, collected: &Collected, config: &Config) -> anyhow::Result<Option<Walk>> {
    let trust = Trust::join(&collected.inventory, &config.parameters);
    let Some(workload) = target.find(&collected.inventory)? else { return Ok(None) };
    Ok(Some(Walk::of(workload, &trust, &collected.paths)))
}

/// A walk as text for a terminal without colour.
pub fn plain(walk: &Walk) -> String {
    text::of(walk, Style::PLAIN)
}

fn json(walk: &Walk) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(walk).context("could not write the walk as JSON")?;
    text.push('\n');
    Ok(text)
}
