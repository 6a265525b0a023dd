//! A preview for people at a terminal: by namespace and rule first, then object by object.

use std::collections::BTreeMap;
use std::io::{self, Write};

use wiguard_rules::catalogue::Entry;

use super::outcome::{Judged, Outcome, Verdict};
use crate::collect::Missing;
use crate::render::{Style, printable};

/// Writes the preview.
pub(super) fn write(outcome: &Outcome, out: &mut dyn Write, style: Style) -> io::Result<()> {
    rows(outcome, out, style)?;
    for judged in outcome.objects.iter().filter(|judged| judged.verdict > Verdict::Undecided) {
        object(judged, out, style)?;
    }
    undecided(outcome, out, style)?;
    failures(outcome, out, style)?;
    gaps(outcome, out, style)?;
    summary(outcome, out, style)
}

/// Three numbers of objects for each namespace and rule.
fn rows(outcome: &Outcome, out: &mut dyn Write, style: Style) -> io::Result<()> {
    if outcome.rows.is_empty() {
        return Ok(());
    }
    let place = |cluster: &str, namespace: &str| match cluster {
        "" => printable(namespace),
        _ => printable(&format!("{cluster} {namespace}")),
    };
    let named = |rule: &str| match Entry::find(rule) {
        Some(entry) => format!("{} {}", entry.id, entry.name()),
        None if rule.is_empty() => "(cannot be read)".into(),
        None => printable(rule),
    };
    let lines: Vec<(String, String, &super::outcome::Row)> = outcome
        .rows
        .iter()
        .map(|((cluster, namespace, rule), row)| (place(cluster, namespace), named(rule), row))
        .collect();
    let width = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let first = width(&mut lines.iter().map(|line| &line.0)).max("NAMESPACE".len());
    let second = width(&mut lines.iter().map(|line| &line.1)).max("RULE".len());
    let head = format!("{:<first$}  {:<second$}  REJECTED  WARNED  UNDECIDED", "NAMESPACE", "RULE");
    writeln!(out, "{}", style.paint("1", &head))?;
    for (place, rule, row) in &lines {
        let number = |number: usize| if number == 0 { "-".to_string() } else { number.to_string() };
        writeln!(
            out,
            "{place:<first$}  {rule:<second$}  {:>8}  {:>6}  {:>9}",
            number(row.rejected),
            number(row.warned),
            number(row.undecided)
        )?;
    }
    writeln!(out)
}

fn object(judged: &Judged, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let place = &judged.place;
    let code = if judged.verdict == Verdict::Rejected { "31" } else { "33" };
    let cluster = if place.cluster.is_empty() { String::new() } else { format!("  {}", place.cluster) };
    writeln!(
        out,
        "{}  {}{}",
        style.paint(code, &format!("{:<8}", judged.verdict.as_str())),
        style.paint("1", &printable(&format!("{} {}/{}", place.kind, place.namespace, place.name))),
        printable(&cluster),
    )?;
    for reason in judged.reasons.iter().filter(|reason| reason.verdict > Verdict::Undecided) {
        let first = reason.says.lines().next().unwrap_or_default();
        let milder = if reason.verdict < judged.verdict { "(warning) " } else { "" };
        writeln!(out, "          {milder}{}", printable(first))?;
    }
    let mut at = format!("{}:{}", place.path, place.line);
    if judged.controlled > 0 {
        at.push_str(&format!(", and {} it controls", count(judged.controlled, "object", "objects")));
    }
    writeln!(out, "          {}\n", style.paint("2", &format!("at {}", printable(&at))))
}

/// What rules could not decide: an example for each.
fn undecided(outcome: &Outcome, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let mut rules: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for judged in &outcome.objects {
        for reason in judged.reasons.iter().filter(|reason| reason.verdict == Verdict::Undecided) {
            rules.entry(&reason.rule).or_insert((0, &reason.says)).0 += 1;
        }
    }
    if rules.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", style.paint("1", "UNDECIDED"))?;
    for (objects, says) in rules.values() {
        let more = if *objects > 1 {
            format!(" (and on {} more)", count(objects - 1, "object", "objects"))
        } else {
            String::new()
        };
        writeln!(out, "  {}{more}", printable(says))?;
    }
    writeln!(out)
}

fn failures(outcome: &Outcome, out: &mut dyn Write, style: Style) -> io::Result<()> {
    const SHOWN: usize = 20;
    if outcome.failures.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", style.paint("1;31", "THE POLICY FAILED"))?;
    for (place, error) in outcome.failures.iter().take(SHOWN) {
        let object = format!("{} {}/{}: {error}", place.kind, place.namespace, place.name);
        writeln!(out, "  {}", printable(&object))?;
    }
    match outcome.failures.len().saturating_sub(SHOWN) {
        0 => writeln!(out),
        more => writeln!(out, "  and on {}\n", count(more, "more object", "more objects")),
    }
}

fn gaps(outcome: &Outcome, out: &mut dyn Write, style: Style) -> io::Result<()> {
    if outcome.gaps.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", style.paint("1", "NOT READ"))?;
    for gap in &outcome.gaps {
        let line = gap.line.map(|line| format!(":{line}")).unwrap_or_default();
        let status = if gap.extent == Missing::All { "missing" } else { "partial" };
        writeln!(out, "  {status:<8}  {}{line}: {}", printable(&gap.path), printable(&gap.reason))?;
    }
    writeln!(out)
}

fn summary(outcome: &Outcome, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let summary = &outcome.summary;
    let judged = count(summary.objects, "object", "objects");
    let rejected = format!("{} would be rejected", summary.rejected);
    let rejected = if summary.rejected > 0 { style.paint("31", &rejected) } else { style.paint("32", &rejected) };
    write!(out, "{judged}: {rejected}, {} warned of, {} undecided", summary.warned, summary.undecided)?;
    if summary.controlled > 0 {
        write!(out, "; {} of these are controlled by another of them", summary.controlled)?;
    }
    if summary.retired > 0 {
        write!(out, "; {} not judged", count(summary.retired, "past revision", "past revisions"))?;
    }
    if !outcome.failures.is_empty() {
        write!(out, "; the policy failed on {}", outcome.failures.len())?;
    }
    writeln!(out)
}

/// `1 object`, `2 objects`.
fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}
