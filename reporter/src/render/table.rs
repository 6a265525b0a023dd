//! The report for people at a terminal: what is wrong, where, and what to do, the gravest first.

use std::io::{self, Write};

use wiguard_rules::finding::Severity;

use crate::report::{Report, Reported, Status};

/// How text is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to use colour.
    pub colour: bool,
}

impl Style {
    /// Without colour.
    pub const PLAIN: Self = Self { colour: false };

    /// Text in an ANSI style.
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }

    fn severity(self, severity: Severity) -> String {
        let code = match severity {
            Severity::Critical => "1;31",
            Severity::High => "31",
            Severity::Medium => "33",
            Severity::Low => "36",
            Severity::Info => "2",
        };
        self.paint(code, &format!("{:<8}", severity.as_str()))
    }
}

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write, style: Style) -> io::Result<()> {
    for found in &report.findings {
        finding(found, out, style)?;
    }
    capacity(report, out, style)?;
    coverage(report, out, style)?;
    waivers(report, out)?;
    summary(report, out, style)
}

fn finding(found: &Reported, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let cluster = if found.cluster.is_empty() || found.kind == "Cluster" { String::new() } else { format!("  {}", found.cluster) };
    writeln!(
        out,
        "{}  {}  {}{}  {}",
        style.severity(found.finding.severity),
        found.rule.id,
        style.paint("1", &format!("{} {}", found.kind, printable(&found.address()))),
        printable(&cluster),
        style.paint("2", &found.rule.name()),
    )?;
    writeln!(out, "          {}", printable(&found.finding.message))?;
    if !found.finding.fix.is_empty() {
        writeln!(out, "          {} {}", style.paint("32", "fix:"), printable(&found.finding.fix))?;
    }
    let mut place = Vec::new();
    if !found.path.is_empty() {
        place.push(format!("{}:{}", found.path, found.line));
    }
    if !found.finding.field.is_empty() {
        place.push(found.finding.field.clone());
    }
    if found.controlled > 0 {
        place.push(format!("and {} it controls", objects(found.controlled)));
    }
    writeln!(out, "          {}\n", style.paint("2", &format!("at {}", printable(&place.join(", ")))))
}

fn objects(count: u32) -> String {
    if count == 1 { "1 object".into() } else { format!("{count} objects") }
}

fn capacity(report: &Report<'_>, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let near = |credentials: usize, limit: u32| credentials * 2 >= limit as usize;
    let full: Vec<_> = report.identities.iter().filter(|row| near(row.credentials, row.limit)).take(20).collect();
    if full.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", style.paint("1", "IDENTITIES FILLING UP"))?;
    for row in full {
        writeln!(
            out,
            "  {:>2} of {} credentials  {}  shared by {}",
            row.credentials,
            row.limit,
            printable(&row.identity.name),
            row.shared_by.len()
        )?;
    }
    writeln!(out)
}

fn coverage(report: &Report<'_>, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let gaps: Vec<_> = report.coverage.iter().filter(|row| row.status != Status::Complete).collect();
    if gaps.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", style.paint("1", "NOT READ OR NOT KNOWN"))?;
    for row in gaps {
        writeln!(out, "  {:<8}  {}: {}", row.status.as_str(), printable(&row.source), printable(&row.reason))?;
        if !row.rules_not_evaluated.is_empty() {
            writeln!(out, "            not evaluated everywhere: {}", row.rules_not_evaluated.join(", "))?;
        }
    }
    writeln!(out)
}

fn waivers(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for waiver in &report.waivers {
        writeln!(out, "the suppression of {} on `{}` {}", waiver.rule, printable(&waiver.object), waiver.why)?;
    }
    Ok(())
}

fn summary(report: &Report<'_>, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let summary = &report.summary;
    writeln!(
        out,
        "{} clusters, {} namespaces, {} workloads, {} service accounts, {} identities, {} credentials",
        summary.clusters, summary.namespaces, summary.workloads, summary.service_accounts, summary.identities, summary.credentials
    )?;
    let total: u32 = summary.findings.iter().sum();
    let counts: Vec<String> = Severity::ALL
        .iter()
        .zip(summary.findings)
        .rev()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {}", severity.as_str()))
        .collect();
    let line = match total {
        0 => style.paint("32", "no findings"),
        1 => format!("1 finding: {}", counts.join(", ")),
        _ => format!("{total} findings: {}", counts.join(", ")),
    };
    writeln!(out, "{line} ({} suppressed, {} verdicts undecided)", summary.suppressed, summary.undecided)
}

/// Text from a stranger, without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
