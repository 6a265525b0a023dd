//! The report for people at a terminal: what is wrong, where, and what to do, the gravest first.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::Value;
use wiguard_rules::finding::Severity;

use crate::report::{Report, Reported, Status};

/// How text is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to use colour.
    pub colour: bool,
    /// The least severity that is shown; the rest is counted.
    pub least: Severity,
}

impl Style {
    /// Without colour, and without mere information.
    pub const PLAIN: Self = Self { colour: false, least: Severity::Low };

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
    let (shown, left): (Vec<_>, Vec<_>) =
        report.findings.iter().partition(|found| found.finding.severity >= style.least);
    for found in shown {
        finding(found, out, style)?;
    }
    if !left.is_empty() {
        let more = count(left.len(), "milder finding is", "milder findings are");
        writeln!(out, "{more} not shown: --min-severity info shows all\n")?;
    }
    capacity(report, out, style)?;
    coverage(report, out, style)?;
    waivers(report, out)?;
    summary(report, out, style)
}

fn finding(found: &Reported, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let cluster = if found.cluster.is_empty() || found.kind == "Cluster" {
        String::new()
    } else {
        format!("  {}", found.cluster)
    };
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
    differences(found, out, style)?;
    if !found.finding.fix.is_empty() {
        writeln!(out, "          {} {}", style.paint("32", "fix:"), printable(&found.finding.fix))?;
    }
    let mut place = Vec::new();
    if !found.path.is_empty() {
        place.push(format!("{}:{}", found.path, found.line));
    }
    if let Some(address) = found.finding.evidence.get("declaredAs").and_then(Value::as_str) {
        place.push(format!("declared as {address}"));
    }
    if !found.finding.field.is_empty() {
        place.push(found.finding.field.clone());
    }
    if found.controlled > 0 {
        place.push(format!("and {} it controls", count(found.controlled as usize, "object", "objects")));
    }
    writeln!(out, "          {}\n", style.paint("2", &format!("at {}", printable(&place.join(", ")))))
}

/// Where a finding names the nearest credential: what differs, one value above the other.
fn differences(found: &Reported, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let differs =
        found.finding.evidence.get("nearest").and_then(|nearest| nearest.get("differs")).and_then(Value::as_array);
    for difference in differs.into_iter().flatten() {
        let text = |name: &str| printable(difference.get(name).and_then(Value::as_str).unwrap_or_default());
        writeln!(out, "            {:<9} presented  {}", text("field"), style.paint("32", &text("presented")))?;
        writeln!(out, "            {:<9} trusted    {}", "", style.paint("31", &text("trusted")))?;
    }
    Ok(())
}

/// `1 cluster`, `2 clusters`.
fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
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
            "  {:>2} of {} credentials  {}  used by {}",
            row.credentials,
            row.limit,
            printable(&row.identity.name),
            count(row.shared_by.len(), "ServiceAccount", "ServiceAccounts")
        )?;
    }
    writeln!(out)
}

fn coverage(report: &Report<'_>, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let moments = || report.coverage.iter().filter_map(|row| row.collected.as_deref());
    match (moments().min(), moments().max()) {
        (Some(first), Some(last)) if first == last => writeln!(out, "collected at {first}\n")?,
        (Some(first), Some(last)) => writeln!(out, "collected from {first} to {last}\n")?,
        _ => {}
    }
    let gaps: Vec<_> = report.coverage.iter().filter(|row| row.status != Status::Complete).collect();
    if gaps.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", style.paint("1", "NOT READ OR NOT KNOWN"))?;
    // A thousand manifests of one folder lack the same: it is said once.
    let mut told = BTreeMap::new();
    for row in &gaps {
        *told.entry((row.status, &row.reason)).or_insert(0_usize) += 1;
    }
    for row in gaps {
        let Some(alike) = told.remove(&(row.status, &row.reason)) else { continue };
        let more = if alike > 1 { format!(" and {} more", alike - 1) } else { String::new() };
        writeln!(out, "  {:<8}  {}{more}: {}", row.status.as_str(), printable(&row.source), printable(&row.reason))?;
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
        "{}, {}, {}, {}, {}, {}",
        count(summary.clusters, "cluster", "clusters"),
        count(summary.namespaces, "namespace", "namespaces"),
        count(summary.workloads, "workload", "workloads"),
        count(summary.service_accounts, "service account", "service accounts"),
        count(summary.identities, "identity", "identities"),
        count(summary.credentials, "credential", "credentials"),
    )?;
    let total: u32 = summary.findings.iter().sum();
    let counts: Vec<String> = Severity::ALL
        .iter()
        .zip(summary.findings)
        .rev()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {}", severity.as_str()))
        .collect();
    let whole = summary.undecided == 0 && report.coverage.iter().all(|row| row.status == Status::Complete);
    let line = match total {
        0 if whole => style.paint("32", "no findings"),
        0 => "no findings in what was read".into(),
        1 => format!("1 finding: {}", counts.join(", ")),
        _ => format!("{total} findings: {}", counts.join(", ")),
    };
    let suppressed =
        if summary.suppressed > 0 { format!("; {} suppressed", summary.suppressed) } else { Default::default() };
    let undecided = match summary.undecided {
        0 => String::new(),
        undecided => format!("; {} undecided", count(undecided as usize, "verdict", "verdicts")),
    };
    writeln!(out, "{line}{suppressed}{undecided}")
}

/// Text from a stranger, without what a terminal would obey: control characters, and those that
/// break lines or turn the direction of writing (Unicode Standard Annex 9).
pub(crate) fn printable(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
    };
    text.chars().map(|c| if obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
