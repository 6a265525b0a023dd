//! `wiguard preview`: what a policy with its settings would do to everything that runs today, if it
//! were created now. The policy module itself judges, in the engine, and what it looks up comes
//! from the same sources.

mod ask;
mod json;
mod outcome;
mod settings;
mod sources;
mod table;

use std::fs::File;
use std::io::{self, BufWriter, Cursor, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use wiguard_rules::finding::Severity;

use crate::cli::{Failure, Show, When};
use crate::collect::{Collected, Gap, Missing, Tie, Wanted, collect, placing};
use crate::config::Config;
use crate::engine::{Engine, Limits, Policy};
use crate::evaluate::Controllers;
use crate::read::{Root, Stdin};
use crate::render::{Format, Output, Style};
use crate::report::{is_complete, namespaces};
use outcome::Outcome;
use settings::Settings;

/// Standard input is read twice, so that it must be kept meanwhile: bytes.
const LARGEST_INPUT: u64 = 1 << 30;

/// The arguments of `preview`.
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  nothing would be rejected
  1  something would be
  2  wrong usage, or settings that the policy does not accept
  3  a source could not be read wholly; what was read is judged
  4  the policy or wiguard itself failed, or the outcome could not be written")]
pub struct Preview {
    /// Files, folders, or `-` for standard input, as for scan
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The policy module [default: the one that this program embeds]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Its settings in YAML or JSON, or a ClusterAdmissionPolicy or AdmissionPolicy that has them [default: none]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Write it as FORMAT, to PATH if one is given: table, json; repeatable
    #[arg(short, long = "output", value_name = "FORMAT[=PATH]")]
    output: Vec<Output>,
    /// Judge only objects of this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Tie the dump at PATH to the cluster NAME; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = Tie::parse)]
    cluster: Vec<Tie>,
    /// Tie the credentials at PATH to the identity NAME; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = Tie::parse)]
    identity: Vec<Tie>,
    /// Say in which namespace objects of files belong that state none; of those at PATH alone if one is given; repeatable
    #[arg(long, value_name = "NAMESPACE[=PATH]", value_parser = placing::parse)]
    default_namespace: Vec<Tie>,
    /// Take every kind of which something is given as given wholly, for the trust inventory
    #[arg(long)]
    assume_complete: bool,
    /// Read the configuration from FILE [default: wiguard.toml or .wiguard.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    color: When,
}

/// What the sources are read from, twice.
struct Input {
    roots: Vec<Root>,
    stdin: Arc<[u8]>,
}

impl Preview {
    /// Runs it; the exit status.
    ///
    /// # Errors
    /// If what was typed makes no sense, the settings are not valid, or a report cannot be written.
    pub fn run(self) -> Result<u8, Failure> {
        let outputs = self.outputs()?;
        let config = Config::load(self.config.as_deref()).map_err(|error| Failure::Usage(error.into()))?;
        let settings = settings::read(self.settings.as_deref()).map_err(Failure::Usage)?;
        let policy = self.load()?;
        settings.check(&policy)?;
        let input = Input::open(&self.paths).map_err(Failure::Usage)?;

        let wanted = Wanted {
            roots: input.roots.clone(),
            clusters: self.cluster.clone(),
            identities: self.identity.clone(),
            images: Vec::new(),
            namespaces: config.namespaces(&self.default_namespace),
            declared: config.declared(),
            assume_complete: self.assume_complete,
            ..Wanted::default()
        };
        let mut collected = collect(&wanted, Vec::new(), || input.stdin());
        let outcome = self.judge(&mut collected, &wanted.namespaces, &input, &policy, &settings);
        for output in &outputs {
            self.write(&outcome, output)?;
        }
        let status = match &outcome {
            outcome if !outcome.failures.is_empty() => 4,
            outcome if !is_complete(&outcome.gaps) => 3,
            outcome if outcome.summary.rejected > 0 => 1,
            _ => 0,
        };
        // The process ends here: freeing an estate object by object is time nobody needs spent.
        std::mem::forget(collected);
        Ok(status)
    }

    fn judge(
        &self,
        collected: &mut Collected,
        stated: &[Tie],
        input: &Input,
        policy: &Policy,
        settings: &Settings,
    ) -> Outcome {
        let hosts = sources::hosts(&collected.inventory, settings.trust_namespace(), is_complete(&collected.gaps));
        let controllers = Controllers::of_all(&collected.inventory);
        let wanted = ask::Wanted::of(collected, stated, &controllers, self.namespace.as_deref());
        let judged = wanted.ask(input, policy, settings, &hosts);
        let outcome = Outcome::new(collected, &controllers, &wanted, judged);
        let mut gaps = collected.gaps.clone();
        if let Some(asked) = &self.namespace
            && namespaces(&collected.inventory).iter().all(|(_, name)| name != asked)
        {
            // A misspelt name must not pass for a namespace in which all is well.
            gaps.push(Gap {
                path: format!("namespace {asked}"),
                line: None,
                reason: "nothing that was read is in it; check the name given to -n".into(),
                extent: Missing::All,
            });
        }
        gaps.retain(|gap| gap.extent != Missing::Nothing);
        Outcome { gaps: gaps.into_iter().chain(outcome.gaps).collect(), ..outcome }
    }

    /// The policy, ready to be called from every thread at once.
    fn load(&self) -> Result<Policy, Failure> {
        let instances = u32::try_from(rayon::current_num_threads()).unwrap_or(u32::MAX).saturating_add(1);
        // Nobody waits at a prompt, and the machine may be busy.
        let limits = Limits { instances, deadline: std::time::Duration::from_secs(10), ..Limits::default() };
        let engine = Engine::new(limits).map_err(|error| Failure::Internal(error.into()))?;
        match &self.policy {
            None => engine.load(crate::POLICY).map_err(|error| Failure::Internal(error.into())),
            Some(path) => {
                let module = std::fs::read(path);
                let module = module.with_context(|| format!("could not read the policy `{}`", path.display()));
                let policy = engine.load(&module.map_err(Failure::Usage)?);
                policy
                    .with_context(|| format!("could not load the policy `{}`", path.display()))
                    .map_err(Failure::Usage)
            }
        }
    }

    fn outputs(&self) -> Result<Vec<Output>, Failure> {
        if let Some(other) = self.output.iter().find(|output| !matches!(output.format, Format::Table | Format::Json)) {
            return Err(Failure::Usage(anyhow!("a preview is written as table or json, not as {:?}", other.format)));
        }
        if self.output.iter().filter(|output| output.path.is_none()).count() > 1 {
            return Err(Failure::Usage(anyhow!(
                "only one format can go to standard output; give the other a path: -o json=preview.json"
            )));
        }
        self.output.iter().try_for_each(crate::scan::fits)?;
        Ok(if self.output.is_empty() {
            vec![Output { format: Format::Table, path: None }]
        } else {
            self.output.clone()
        })
    }

    fn write(&self, outcome: &Outcome, output: &Output) -> Result<(), Failure> {
        let policy = self.policy.as_deref().map_or_else(|| "embedded".into(), Path::to_string_lossy);
        let to = |out: &mut dyn Write, style: Style| -> io::Result<()> {
            match output.format {
                Format::Json => json::write(outcome, &policy, out),
                _ => table::write(outcome, out, style),
            }?;
            out.flush()
        };
        let Some(path) = &output.path else {
            let style = Show { color: self.color, min_severity: Severity::Info }.style();
            return match to(&mut BufWriter::new(io::stdout().lock()), style) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(Failure::Internal(anyhow!(error).context("could not write to standard output")))
                }
                _ => Ok(()),
            };
        };
        let written = || {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder)?;
            }
            to(&mut BufWriter::new(File::create(path)?), Style::PLAIN)
        };
        written()
            .with_context(|| format!("could not write `{}`", path.display()))
            .map_err(Failure::Internal)
            .inspect(|()| eprintln!("wrote {}", path.display()))
    }
}

// === impl Input ===

impl Input {
    fn open(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut stdin = Vec::new();
        for path in paths {
            if path.as_os_str() == "-" && stdin.is_empty() {
                let read = io::stdin().lock().take(LARGEST_INPUT + 1).read_to_end(&mut stdin);
                let read = read.context("could not read standard input")?;
                if read as u64 > LARGEST_INPUT {
                    anyhow::bail!(
                        "standard input holds more than 1 GiB, which preview would have to keep; write it to a file and name that"
                    );
                }
            } else if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
                anyhow::bail!(
                    "`{}` is neither a file nor a folder, and preview reads its sources twice; write it to a file, or give it on standard input as `-`",
                    path.display()
                );
            }
        }
        let root = |path: &PathBuf| if path.as_os_str() == "-" { Root::Stdin } else { Root::Path(path.clone()) };
        Ok(Self { roots: paths.iter().map(root).collect(), stdin: stdin.into() })
    }

    fn stdin(&self) -> Stdin {
        Box::new(Cursor::new(Arc::clone(&self.stdin)))
    }
}
