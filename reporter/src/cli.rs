//! What can be typed.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use wiguard_rules::finding::Severity;

#[cfg(feature = "live")]
use crate::doctor::Doctor;
use crate::explain::Explain;
#[cfg(feature = "live")]
use crate::gather::Gather;
#[cfg(feature = "live")]
use crate::merge::Merge;
use crate::policy::Policy;
#[cfg(feature = "wasm")]
use crate::preview::Preview;
use crate::rules::Rules;
use crate::scan::Scan;
#[cfg(feature = "serve")]
use crate::serve::Serve;
use crate::trace::Trace;

/// Checks every link of the Azure Workload Identity trust chain: pod label, ServiceAccount,
/// managed identity, federated credential, Entra.
#[derive(Debug, Parser)]
#[command(name = "wiguard", bin_name = bin_name(), version, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read every source, join them, and report every broken link
    Scan(Box<Scan>),
    /// Write what was read to a snapshot, to scan or merge elsewhere
    #[cfg(feature = "live")]
    Collect(Box<Gather>),
    /// Join the snapshots of a fleet into one, or into one report
    #[cfg(feature = "live")]
    Merge(Box<Merge>),
    /// Say what a rule, an AADSTS code or a log line means, and how to mend it
    Explain(Box<Explain>),
    /// Walk one workload through the chain, up to the first link that is broken
    Trace(Box<Trace>),
    /// Say what enforcing the policy would reject among what runs today
    #[cfg(feature = "wasm")]
    Preview(Box<Preview>),
    /// Make what a cluster needs to enforce the rules
    Policy(Policy),
    /// Say what a live scan must be allowed to read, and whether it is
    #[cfg(feature = "live")]
    Doctor(Box<Doctor>),
    /// List the rules
    Rules(Rules),
    /// Answer admission requests and Gatekeeper's external data, over HTTPS
    #[cfg(feature = "serve")]
    Serve(Box<Serve>),
}

/// Flags of how things are shown.
#[derive(Clone, Copy, Debug, Args)]
pub struct Show {
    /// When to use colour
    #[arg(long, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    pub color: When,
    /// Show findings from this severity on in the table; the others are counted
    #[arg(long, value_name = "SEVERITY", default_value = "low", value_parser = severity)]
    pub min_severity: Severity,
}

/// When to do something that suits a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Why a command did not do its work.
#[derive(Debug)]
pub enum Failure {
    /// What was asked cannot be done as asked.
    Usage(anyhow::Error),
    /// wiguard itself failed.
    Internal(anyhow::Error),
}

impl Failure {
    /// The exit status.
    pub const fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Internal(_) => 4,
        }
    }
}

impl Show {
    /// How text is dressed on standard output.
    pub fn style(self) -> crate::render::Style {
        use std::io::IsTerminal as _;
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => !unwanted && std::io::stdout().is_terminal(),
        };
        crate::render::Style { colour, least: self.min_severity }
    }
}

/// Runs what was typed, and gives the exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and a reader that went away is none of ours.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Scan(args) => args.run(),
        #[cfg(feature = "live")]
        Command::Collect(args) => args.run(),
        #[cfg(feature = "live")]
        Command::Merge(args) => args.run(),
        Command::Explain(args) => args.run(),
        Command::Trace(args) => args.run(),
        #[cfg(feature = "wasm")]
        Command::Preview(args) => args.run(),
        Command::Policy(args) => args.run(),
        #[cfg(feature = "live")]
        Command::Doctor(args) => args.run(),
        Command::Rules(args) => args.run(),
        #[cfg(feature = "serve")]
        Command::Serve(args) => args.run(),
    };
    done.map_or_else(
        |failure| {
            let status = failure.status();
            let (Failure::Usage(error) | Failure::Internal(error)) = failure;
            eprintln!("error: {error:#}");
            ExitCode::from(status)
        },
        ExitCode::from,
    )
}

fn severity(text: &str) -> Result<Severity, String> {
    let known = Severity::ALL.into_iter().find(|severity| severity.as_str() == text);
    known.ok_or_else(|| format!("expected {}", Severity::ALL.map(Severity::as_str).join(", ")))
}

/// As a plugin of kubectl it goes by kubectl's name.
fn bin_name() -> &'static str {
    let called = std::env::args_os().next();
    let name = called.as_deref().map(std::path::Path::new).and_then(|path| path.file_stem()?.to_str());
    if name == Some("kubectl-wiguard") { "kubectl wiguard" } else { "wiguard" }
}
