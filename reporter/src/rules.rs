//! `wiguard rules`: the catalogue, computed from the rules themselves.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;
use wiguard_rules::catalogue::{CATALOGUE, Entry};

use crate::cli::Failure;

/// The arguments of `rules`.
#[derive(Debug, Args)]
pub struct Rules {
    /// How to print them
    #[arg(short, long = "output", value_enum, default_value_t = As::Table, value_name = "FORMAT")]
    output: As,
}

/// How rules are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum As {
    /// One line each
    Table,
    /// For programs
    Json,
    /// For documents
    Markdown,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: &'static str,
    name: String,
    summary: &'static str,
    severity: &'static str,
    confidence: &'static str,
    judges: Vec<&'static str>,
    at_admission: bool,
    aadsts: Vec<String>,
    frameworks: &'static [&'static str],
    since: &'static str,
}

impl Rules {
    /// Runs it.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn run(self) -> Result<u8, Failure> {
        let mut out = io::stdout().lock();
        let written = match self.output {
            As::Table => table(&mut out),
            As::Json => json(&mut out),
            As::Markdown => markdown(&mut out),
        };
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::Internal(anyhow::anyhow!(error).context("could not write to standard output")))
            }
            _ => Ok(0),
        }
    }
}

fn row(entry: &Entry) -> Row {
    Row {
        id: entry.id,
        name: entry.name(),
        summary: entry.rule.summary,
        severity: entry.rule.severity.as_str(),
        confidence: entry.rule.confidence.as_str(),
        judges: entry.rule.checks.iter().map(|check| check.subject()).collect(),
        at_admission: entry.at_admission(),
        aadsts: entry.rule.aadsts.iter().map(|code| format!("AADSTS{code}")).collect(),
        frameworks: entry.rule.frameworks,
        since: entry.rule.since,
    }
}

fn table(out: &mut dyn Write) -> io::Result<()> {
    let widest = CATALOGUE.iter().map(|entry| entry.name().len()).max().unwrap_or_default();
    writeln!(out, "{:<7}  {:<8}  {:<9}  {:<widest$}  FLAW", "ID", "SEVERITY", "ADMISSION", "NAME")?;
    for entry in CATALOGUE {
        let admission = if entry.at_admission() { "yes" } else { "no" };
        writeln!(
            out,
            "{:<7}  {:<8}  {admission:<9}  {:<widest$}  {}",
            entry.id,
            entry.rule.severity.as_str(),
            entry.name(),
            entry.rule.summary
        )?;
    }
    Ok(())
}

fn json(out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Row> = CATALOGUE.iter().map(row).collect();
    serde_json::to_writer_pretty(&mut *out, &rows)?;
    writeln!(out)
}

/// The catalogue as a Markdown table.
///
/// # Errors
/// Those of the writer.
pub fn markdown(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| id | name | severity | at admission | flaw |\n|---|---|---|---|---|")?;
    for entry in CATALOGUE {
        let admission = if entry.at_admission() { "yes" } else { "no" };
        writeln!(
            out,
            "| {} | `{}` | {} | {admission} | {} |",
            entry.id,
            entry.name(),
            entry.rule.severity.as_str(),
            entry.rule.summary
        )?;
    }
    Ok(())
}
