//! A preview for programs, `wiguard.preview/v1`: structs of its own, so that a change inside never
//! changes what others parse.

use std::io::{self, Write};

use serde::Serialize;
use wiguard_rules::catalogue::Entry;

use super::outcome::{Judged, Outcome, Place};
use crate::collect::Missing;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: Tool,
    policy: &'a str,
    summary: Summary,
    namespaces: Vec<Row<'a>>,
    objects: Vec<Object<'a>>,
    failures: Vec<Failed<'a>>,
    coverage: Vec<Covered<'a>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Summary {
    objects: usize,
    rejected: usize,
    warned: usize,
    undecided: usize,
    passed: usize,
    failed: usize,
    controlled: usize,
    retired: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    cluster: &'a str,
    namespace: &'a str,
    rule: &'a str,
    name: String,
    rejected: usize,
    warned: usize,
    undecided: usize,
    controlled_objects: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    #[serde(flatten)]
    place: At<'a>,
    verdict: &'static str,
    reasons: Vec<Reason<'a>>,
    controlled_objects: usize,
}

#[derive(Serialize)]
struct At<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    cluster: &'a str,
    object: Name<'a>,
    source: Source<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Name<'a> {
    api_version: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Source<'a> {
    path: &'a str,
    line: u32,
}

#[derive(Serialize)]
struct Reason<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    rule: &'a str,
    verdict: &'static str,
    says: &'a str,
}

#[derive(Serialize)]
struct Failed<'a> {
    #[serde(flatten)]
    place: At<'a>,
    error: &'a str,
}

#[derive(Serialize)]
struct Covered<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    status: &'static str,
    reason: &'a str,
}

/// The whole preview.
pub(super) fn write(outcome: &Outcome, policy: &str, out: &mut dyn Write) -> io::Result<()> {
    let summary = &outcome.summary;
    let failed = outcome.failures.len();
    let caught = summary.rejected + summary.warned + summary.undecided + failed;
    let document = Document {
        schema: "wiguard.preview/v1",
        tool: Tool { name: "wiguard", version: env!("CARGO_PKG_VERSION") },
        policy,
        summary: Summary {
            objects: summary.objects,
            rejected: summary.rejected,
            warned: summary.warned,
            undecided: summary.undecided,
            passed: summary.objects.saturating_sub(caught),
            failed,
            controlled: summary.controlled,
            retired: summary.retired,
        },
        namespaces: outcome
            .rows
            .iter()
            .map(|((cluster, namespace, rule), row)| Row {
                cluster,
                namespace,
                rule,
                name: Entry::find(rule).map(Entry::name).unwrap_or_default(),
                rejected: row.rejected,
                warned: row.warned,
                undecided: row.undecided,
                controlled_objects: row.controlled,
            })
            .collect(),
        objects: outcome.objects.iter().map(object).collect(),
        failures: outcome.failures.iter().map(|(place, error)| Failed { place: at(place), error }).collect(),
        coverage: outcome
            .gaps
            .iter()
            .map(|gap| Covered {
                source: &gap.path,
                line: gap.line,
                status: if gap.extent == Missing::All { "missing" } else { "partial" },
                reason: &gap.reason,
            })
            .collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn object(judged: &Judged) -> Object<'_> {
    Object {
        place: at(&judged.place),
        verdict: judged.verdict.as_str(),
        reasons: judged
            .reasons
            .iter()
            .map(|it| Reason { rule: &it.rule, verdict: it.verdict.as_str(), says: &it.says })
            .collect(),
        controlled_objects: judged.controlled,
    }
}

fn at(place: &Place) -> At<'_> {
    At {
        cluster: &place.cluster,
        object: Name {
            api_version: place.api_version,
            kind: place.kind,
            namespace: &place.namespace,
            name: &place.name,
        },
        source: Source { path: &place.path, line: place.line },
    }
}
