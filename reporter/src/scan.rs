//! `wiguard scan`: from what is named to a report and an exit status.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use wiguard_rules::trust::Trust;

use crate::cli::{Failure, Show};
use crate::clock;
use crate::collect::{Collected, Gap, Missing, Tie};
use crate::config::{Config, FailOn};
use crate::evaluate::{Controllers, evaluate};
use crate::place;
use crate::progress::Progress;
use crate::read::Stdin;
use crate::render::{self, Format, Output};
use crate::report::{Report, is_complete, namespaces};
use crate::sources::Sources;
#[cfg(feature = "live")]
use crate::store::Place;
use crate::triage::Triage;
use wiguard_rules::finding::Severity;

/// The arguments of `scan`.
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  nothing at or above --fail-on
  1  findings at or above it
  2  wrong usage or configuration
  3  a source could not be read wholly; what was read is reported
  4  wiguard itself failed, or a report could not be written")]
pub struct Scan {
    /// Write the report as FORMAT, to PATH or a URL if one is given: table, json, ndjson, csv (a folder); repeatable
    #[arg(short, long = "output", value_name = "FORMAT[=PATH]")]
    output: Vec<Output>,
    /// Report only objects of this namespace, and read only it of live clusters
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Report objects of all namespaces, which is the default
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Tie the dump at PATH to the cluster NAME; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = Tie::parse)]
    cluster: Vec<Tie>,
    #[command(flatten)]
    judging: Judging,
    #[command(flatten)]
    sources: Sources,
}

/// How what was read is judged and shown.
#[derive(Debug, Args)]
pub struct Judging {
    /// The severity from which findings make the exit status 1, or `never` [default: high]
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Do not evaluate this rule, by id or name; repeatable
    #[arg(long, value_name = "RULE")]
    ignore: Vec<String>,
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
        self.judging.with_threads(|config| {
            let outputs = outputs(&self.output)?;
            let progress = self.sources.how.progress.show();
            let stdin = || -> Stdin { Box::new(std::io::stdin()) };
            let namespace = self.namespace.as_deref();
            let collected = self.sources.gather(self.cluster.clone(), namespace, config, &progress, stdin)?;
            self.judging.report(collected, config, &outputs, namespace, &progress)
        })
    }
}

impl Judging {
    /// Does something with the configuration, on as many threads as were asked for.
    ///
    /// # Errors
    /// If what was typed or configured makes no sense.
    pub fn with_threads(&self, work: impl FnOnce(&Config) -> Result<u8, Failure> + Send) -> Result<u8, Failure> {
        let mut config = Config::load(self.config.as_deref()).map_err(|error| Failure::Usage(error.into()))?;
        for rule in &self.ignore {
            if wiguard_rules::catalogue::Entry::find(rule).is_none() {
                return Err(Failure::Usage(anyhow!("there is no rule `{rule}`; `wiguard rules` lists them")));
            }
        }
        config.ignore.extend(self.ignore.iter().cloned());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads.unwrap_or(0)).build();
        let pool = pool.context("could not start the threads").map_err(Failure::Internal)?;
        pool.install(|| work(&config))
    }

    /// Judges what was collected and writes the reports; the exit status.
    ///
    /// # Errors
    /// If a report cannot be written.
    pub fn report(
        &self,
        mut collected: Collected,
        config: &Config,
        outputs: &[Output],
        namespace: Option<&str>,
        progress: &Progress,
    ) -> Result<u8, Failure> {
        let outputs = self::outputs(outputs)?;
        progress.say("judging");
        if let Some(asked) =
            namespace.filter(|asked| namespaces(&collected.inventory).iter().all(|(_, name)| name != asked))
        {
            // A misspelt name must not pass for a clean namespace.
            let unplaced = collected.inventory.workloads.iter().any(|workload| workload.unplaced);
            let reason = if unplaced {
                format!(
                    "no file says that anything is in it; if what states no namespace is, say --default-namespace {asked}"
                )
            } else {
                "nothing that was read is in it; check the name given to -n".into()
            };
            collected.gaps.push(Gap { path: format!("namespace {asked}"), line: None, reason, extent: Missing::All });
        }
        let worst = assess(&collected, config, namespace, |report| {
            place::refine(&mut report.findings, &collected);
            progress.say("");
            for output in &outputs {
                let written = render::write(report, output, self.show.style())
                    .map_err(|error| Failure::Internal(error.into()))?;
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

/// Evaluates what was collected, and hands on the report.
pub fn assess<R>(
    collected: &Collected,
    config: &Config,
    namespace: Option<&str>,
    with: impl FnOnce(&mut Report<'_>) -> R,
) -> R {
    let trust = Trust::join(&collected.inventory, &config.parameters);
    let controllers = Controllers::of_all(&collected.inventory);
    let mut triage = Triage::new(&config.suppressions, &config.ignore, namespace, clock::today());
    let evaluation = evaluate(&collected.inventory, &trust, &controllers, &triage.ignored());
    with(&mut Report::new(collected, &trust, &controllers, evaluation, &mut triage))
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=1024).contains(count))
        .ok_or_else(|| "expected a number from 1 to 1024".into())
}

/// What to write where: a table on standard output unless something else is asked for.
pub(crate) fn outputs(asked: &[Output]) -> Result<Vec<Output>, Failure> {
    if asked.is_empty() {
        return Ok(vec![Output { format: Format::Table, path: None }]);
    }
    asked.iter().try_for_each(fits)?;
    if asked.iter().filter(|output| output.path.is_none()).count() > 1 {
        return Err(Failure::Usage(anyhow!(
            "only one format can go to standard output; give the others a path: -o json=report.json"
        )));
    }
    Ok(asked.to_vec())
}

/// Fails where a folder is named and a file is needed, or the other way round. Whatever else keeps a report from being
/// written shows when it is.
pub(crate) fn fits(output: &Output) -> Result<(), Failure> {
    let Some(path) = &output.path else { return Ok(()) };
    #[cfg(feature = "live")]
    let Place::Path(path) = &Place::parse(path)? else { return Ok(()) };
    let why = match output.format {
        Format::Csv if path.is_file() => "it is a file, and csv is written to a folder; name another",
        Format::Table | Format::Json | Format::Ndjson if path.is_dir() => "it is a folder; name a file in it",
        _ => return Ok(()),
    };
    Err(Failure::Usage(anyhow!("could not write `{}`: {why}", path.display())))
}
