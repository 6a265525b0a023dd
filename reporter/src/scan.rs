//! `wiguard scan`: from what is named to a report and an exit status.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use wiguard_rules::trust::Trust;

use crate::cli::{Failure, Show};
use crate::clock;
use crate::collect::{Collected, Gap, Missing, Tie, Wanted, collect};
use crate::config::{Config, FailOn};
use crate::evaluate::{Controllers, evaluate};
use crate::place;
use crate::read::Root;
use crate::render::{self, Format, Output, RenderError};
use crate::report::{Report, is_complete, namespaces};
use crate::triage::Triage;
use wiguard_rules::finding::Severity;

/// The arguments of `scan`.
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  nothing at or above --fail-on
  1  findings at or above it
  2  wrong usage or configuration
  3  a source could not be read wholly; what was read is reported
  4  wiguard itself failed")]
pub struct Scan {
    /// Files, folders, or `-` for standard input; kubectl and az output in JSON or YAML, plain, gzip or zstd
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Write the report as FORMAT, to PATH if one is given: table, json, ndjson, csv (a folder); repeatable
    #[arg(short, long = "output", value_name = "FORMAT[=PATH]")]
    output: Vec<Output>,
    /// The severity from which findings make the exit status 1, or `never` [default: high]
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Report only objects of this namespace
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Report objects of all namespaces, which is the default
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Tie the dump at PATH to the cluster NAME; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = Tie::parse)]
    cluster: Vec<Tie>,
    /// Tie the credentials at PATH to the identity NAME; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = Tie::parse)]
    identity: Vec<Tie>,
    /// Do not evaluate this rule, by id or name; repeatable
    #[arg(long, value_name = "RULE")]
    ignore: Vec<String>,
    /// Take every kind of which something is given as given wholly, so that what is not there does not exist
    #[arg(long)]
    assume_complete: bool,
    /// Read the configuration from FILE [default: wiguard.toml or .wiguard.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use this many threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    #[command(flatten)]
    show: Show,
}

impl Scan {
    /// Runs it; the exit status.
    ///
    /// # Errors
    /// If what was typed or configured makes no sense, or a report cannot be written.
    pub fn run(self) -> Result<u8, Failure> {
        let mut config = Config::load(self.config.as_deref()).map_err(|error| Failure::Usage(error.into()))?;
        for rule in &self.ignore {
            if wiguard_rules::catalogue::Entry::find(rule).is_none() {
                return Err(Failure::Usage(anyhow!("there is no rule `{rule}`; `wiguard rules` lists them")));
            }
        }
        config.ignore.extend(self.ignore.iter().cloned());
        let outputs = outputs(&self.output)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads.unwrap_or(0)).build();
        let pool = pool.context("could not start the threads").map_err(Failure::Internal)?;
        pool.install(|| self.scan(&config, &outputs))
    }

    fn scan(&self, config: &Config, outputs: &[Output]) -> Result<u8, Failure> {
        let wanted = Wanted {
            roots: self
                .paths
                .iter()
                .map(|path| if path.as_os_str() == "-" { Root::Stdin } else { Root::Path(path.clone()) })
                .collect(),
            clusters: self.cluster.clone(),
            identities: self.identity.clone(),
            declared: config.declared(),
            assume_complete: self.assume_complete,
        };
        let progress = Progress::new();
        progress.say("reading");
        let mut collected = collect(&wanted, || Box::new(std::io::stdin()));
        progress.say("judging");
        if let Some(asked) = self
            .namespace
            .as_deref()
            .filter(|asked| namespaces(&collected.inventory).iter().all(|(_, name)| name != asked))
        {
            // A misspelt name must not pass for a clean namespace.
            collected.gaps.push(Gap {
                path: format!("namespace {asked}"),
                line: None,
                reason: "nothing that was read is in it; check the name given to -n".into(),
                extent: Missing::All,
            });
        }
        let worst = assess(&collected, config, self.namespace.as_deref(), |report| {
            place::refine(&mut report.findings);
            progress.say("");
            for output in outputs {
                let written = render::write(report, output, self.show.style()).map_err(|error| match error {
                    RenderError::File(..) => Failure::Usage(error.into()),
                    RenderError::Stdout(_) => Failure::Internal(error.into()),
                })?;
                if let Some(path) = written {
                    eprintln!("wrote {}", path.display());
                }
            }
            Ok(report.worst())
        })?;
        let fail_on = self.fail_on.or(config.fail_on).unwrap_or(FailOn::Severity(Severity::High));
        let failed = matches!((fail_on, worst), (FailOn::Severity(least), Some(worst)) if worst >= least);
        let status = match (is_complete(&collected.gaps), failed) {
            (false, _) => 3,
            (true, true) => 1,
            (true, false) => 0,
        };
        // The process ends here: freeing an estate object by object is time nobody needs spent.
        std::mem::forget(collected);
        Ok(status)
    }
}

/// One line on a terminal that says what is being done; nothing anywhere else.
struct Progress(bool);

impl Progress {
    fn new() -> Self {
        Self(std::io::stderr().is_terminal())
    }

    fn say(&self, what: &str) {
        if self.0 {
            let dots = if what.is_empty() { "" } else { " …" };
            eprint!("\r\u{1b}[K{what}{dots}");
        }
    }
}

/// Evaluates what was collected, and hands on the report.
pub fn assess<R>(
    collected: &Collected,
    config: &Config,
    namespace: Option<&str>,
    with: impl FnOnce(&mut Report<'_>) -> R,
) -> R {
    let trust = Trust::join(&collected.inventory, &config.parameters);
    let controllers = Controllers::of_all(&collected.inventory.workloads);
    let evaluation = evaluate(&collected.inventory, &trust, &controllers);
    let mut triage = Triage::new(&config.suppressions, &config.ignore, namespace, clock::today());
    with(&mut Report::new(collected, &trust, &controllers, evaluation, &mut triage))
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=1024).contains(count))
        .ok_or_else(|| "expected a number from 1 to 1024".into())
}

/// What to write where: a table on standard output unless something else is asked for.
fn outputs(asked: &[Output]) -> Result<Vec<Output>, Failure> {
    if asked.is_empty() {
        return Ok(vec![Output { format: Format::Table, path: None }]);
    }
    if asked.iter().filter(|output| output.path.is_none()).count() > 1 {
        return Err(Failure::Usage(anyhow!(
            "only one format can go to standard output; give the others a path: -o json=report.json"
        )));
    }
    Ok(asked.to_vec())
}
