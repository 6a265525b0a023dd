//! Coverage: what was read, what was not, and what was left out.

use std::collections::BTreeMap;

use super::{Coverage, Status};
use crate::clock;
use crate::collect::{Collected, Gap, Missing};
use crate::evaluate::Evaluation;
use crate::triage::Triage;

/// What was read, what was not, and what could not be decided for want of it.
pub(super) fn coverage(collected: &Collected, evaluation: &Evaluation<'_>) -> Vec<Coverage> {
    let mut rows: BTreeMap<String, Coverage> = BTreeMap::new();
    for (path, _) in &collected.sources {
        rows.insert(
            path.clone(),
            Coverage {
                source: path.clone(),
                status: Status::Complete,
                reason: String::new(),
                rules_not_evaluated: Vec::new(),
                collected: None,
            },
        );
    }
    for (index, at) in &collected.moments {
        let row = collected.paths.get(*index as usize).and_then(|path| rows.get_mut(path));
        if let Some(row) = row {
            row.collected = Some(clock::written(*at));
        }
    }
    // The same reason on many lines is said once.
    let mut reasons: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for Gap { path, line, reason, extent } in &collected.gaps {
        let row = rows.entry(path.clone()).or_insert_with(|| Coverage {
            source: path.clone(),
            status: Status::Missing,
            reason: String::new(),
            rules_not_evaluated: Vec::new(),
            collected: None,
        });
        row.status = match extent {
            Missing::All | Missing::Nothing => Status::Missing,
            Missing::Part | Missing::Use => row.status.max(Status::Partial),
        };
        reasons.entry((path, reason)).or_default().extend(line);
    }
    for ((path, reason), lines) in reasons {
        if let Some(row) = rows.get_mut(path) {
            if !row.reason.is_empty() {
                row.reason.push_str("; ");
            }
            row.reason.push_str(&places(&lines));
            row.reason.push_str(reason);
        }
    }
    let mut rows: Vec<Coverage> = rows.into_values().collect();
    let mut missing: BTreeMap<&str, (Vec<&'static str>, u32, &str)> = BTreeMap::new();
    for ((rule, kind), undecided) in &evaluation.undecided {
        let entry = missing.entry(kind).or_insert((Vec::new(), 0, &undecided.example));
        entry.0.push(rule);
        entry.1 += undecided.objects;
    }
    for (kind, (rules, objects, example)) in missing {
        rows.push(Coverage {
            source: kind.to_string(),
            status: Status::Missing,
            reason: crate::remedy::missing(kind, objects, example),
            rules_not_evaluated: rules,
            collected: None,
        });
    }
    rows
}

/// What was left out because it was asked for.
pub(super) fn left_out(triage: &Triage<'_>) -> impl Iterator<Item = Coverage> {
    let row = |source: &str, reason: String, rules_not_evaluated| Coverage {
        source: source.into(),
        status: Status::Missing,
        reason,
        rules_not_evaluated,
        collected: None,
    };
    let ignored = triage.ignored();
    let rules = (!ignored.is_empty()).then(|| {
        row("ignored rules", "not evaluated: --ignore or `ignore` of the configuration leaves them out".into(), ignored)
    });
    let namespaces = triage.namespace().map(|asked| {
        let reason = format!("not reported: -n {asked} leaves out whatever is not in this namespace");
        row("other namespaces and Azure", reason, Vec::new())
    });
    rules.into_iter().chain(namespaces)
}

/// `line 7: `, `lines 7, 9: `, or nothing.
fn places(lines: &[u64]) -> String {
    const SHOWN: usize = 5;
    let shown = lines.iter().take(SHOWN).map(u64::to_string).collect::<Vec<_>>().join(", ");
    match lines {
        [] => String::new(),
        [_] => format!("line {shown}: "),
        _ if lines.len() > SHOWN => format!("lines {shown} and {} more: ", lines.len() - SHOWN),
        _ => format!("lines {shown}: "),
    }
}
