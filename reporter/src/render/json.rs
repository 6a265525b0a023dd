//! JSON, `wiguard.report/v1`: structs of its own, so that a change inside never changes what
//! others parse.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::report::{Coverage, IdentityRow, Report, Reported};

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: Tool,
    summary: Summary,
    findings: Vec<Finding<'a>>,
    identities: Vec<Identity<'a>>,
    coverage: Vec<Covered<'a>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    clusters: usize,
    namespaces: usize,
    workloads: usize,
    service_accounts: usize,
    identities: usize,
    credentials: usize,
    findings: Counts,
    suppressed: u32,
    undecided: u32,
}

#[derive(Serialize)]
struct Counts {
    critical: u32,
    high: u32,
    medium: u32,
    low: u32,
    info: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    rule: &'a str,
    name: String,
    severity: &'static str,
    confidence: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cluster: &'a str,
    object: Object<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
    message: &'a str,
    evidence: &'a Map<String, Value>,
    fix: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    controlled_objects: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source<'a>>,
    fingerprint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
}

#[derive(Serialize)]
struct Source<'a> {
    path: &'a str,
    line: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    client_id: &'a str,
    name: &'a str,
    kind: &'a str,
    resource_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tenant_id: &'a str,
    credentials: usize,
    credentials_complete: bool,
    limit: u32,
    shared_by: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Covered<'a> {
    source: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    rules_not_evaluated: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    collected: Option<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The whole report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let [info, low, medium, high, critical] = report.summary.findings;
    let document = Document {
        schema: "wiguard.report/v1",
        tool: Tool { name: "wiguard", version: env!("CARGO_PKG_VERSION") },
        summary: Summary {
            clusters: report.summary.clusters,
            namespaces: report.summary.namespaces,
            workloads: report.summary.workloads,
            service_accounts: report.summary.service_accounts,
            identities: report.summary.identities,
            credentials: report.summary.credentials,
            findings: Counts { critical, high, medium, low, info },
            suppressed: report.summary.suppressed,
            undecided: report.summary.undecided,
        },
        findings: report.findings.iter().map(finding).collect(),
        identities: report.identities.iter().map(identity).collect(),
        coverage: report.coverage.iter().map(covered).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// The findings alone, one a line.
pub(super) fn write_lines(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for found in &report.findings {
        serde_json::to_writer(&mut *out, &finding(found))?;
        writeln!(out)?;
    }
    Ok(())
}

fn finding(found: &Reported) -> Finding<'_> {
    Finding {
        rule: found.rule.id,
        name: found.rule.name(),
        severity: found.finding.severity.as_str(),
        confidence: found.rule.rule.confidence.as_str(),
        cluster: &found.cluster,
        object: Object {
            api_version: found.api_version,
            kind: found.kind,
            namespace: &found.namespace,
            name: &found.name,
            id: &found.id,
        },
        field: &found.finding.field,
        message: &found.finding.message,
        evidence: &found.finding.evidence,
        fix: &found.finding.fix,
        controlled_objects: found.controlled,
        source: (!found.path.is_empty()).then_some(Source { path: &found.path, line: found.line }),
        fingerprint: &found.fingerprint,
    }
}

fn identity<'a>(row: &'a IdentityRow<'_>) -> Identity<'a> {
    Identity {
        client_id: row.identity.client_id.as_str(),
        name: &row.identity.name,
        kind: row.identity.kind_name(),
        resource_id: &row.identity.id,
        tenant_id: &row.identity.tenant_id,
        credentials: row.credentials,
        credentials_complete: row.identity.credentials_complete,
        limit: row.limit,
        shared_by: &row.shared_by,
    }
}

fn covered(row: &Coverage) -> Covered<'_> {
    Covered {
        source: &row.source,
        status: row.status.as_str(),
        reason: &row.reason,
        rules_not_evaluated: &row.rules_not_evaluated,
        collected: row.collected.as_deref(),
    }
}
