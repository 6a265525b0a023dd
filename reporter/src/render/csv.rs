//! CSV for spreadsheets and auditors: RFC 4180, a header, columns only ever added at the end, and
//! no cell that a spreadsheet would run as a formula (OWASP ASVS 5.0, 1.2.10).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::judge::Object;
use wiguard_rules::model::{Audience, Cluster, ClusterIx, Issuer, Subject};

use crate::report::{Report, namespaces};
use crate::tally::Tally;

type Table = fn(&Report<'_>, &mut dyn Write) -> io::Result<()>;

/// Every table, by the name of its file.
pub(super) const TABLES: [(&str, Table); 7] = [
    ("findings.csv", findings),
    ("namespaces.csv", namespace_table),
    ("workloads.csv", workloads),
    ("service-accounts.csv", service_accounts),
    ("identities.csv", identities),
    ("credentials.csv", credentials),
    ("coverage.csv", coverage),
];

/// Writes every table into a folder.
pub(super) fn folder(report: &Report<'_>, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, table) in TABLES {
        let mut file = BufWriter::new(File::create(folder.join(name))?);
        table(report, &mut file)?;
        file.flush()?;
    }
    Ok(())
}

/// A table under way.
struct Sheet<'w>(Writer<&'w mut dyn Write>);

impl<'w> Sheet<'w> {
    fn new(out: &'w mut dyn Write, header: &[&str]) -> io::Result<Self> {
        let mut sheet =
            Self(WriterBuilder::new().terminator(Terminator::CRLF).quote_style(QuoteStyle::Necessary).from_writer(out));
        sheet.row(header.iter().copied())?;
        Ok(sheet)
    }

    fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> io::Result<()> {
        for cell in cells {
            self.0.write_field(harmless(cell).as_ref()).map_err(plain)?;
        }
        self.0.write_record(None::<&[u8]>).map_err(plain)
    }

    fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The error beneath: whether a reader went away is told by its kind.
fn plain(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A cell that no spreadsheet takes for a formula: those that begin like one, after white space
/// too, get an apostrophe in front.
pub(super) fn harmless(cell: &str) -> std::borrow::Cow<'_, str> {
    const TRIGGERS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let begins = |text: &str| text.starts_with(TRIGGERS);
    if cell.starts_with(['\t', '\r', '\n', '\0']) || begins(cell) || begins(cell.trim_start()) {
        format!("'{cell}").into()
    } else {
        cell.into()
    }
}

/// `findings.csv`
pub(super) fn findings(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut sheet = Sheet::new(
        out,
        &[
            "rule",
            "name",
            "severity",
            "confidence",
            "cluster",
            "apiVersion",
            "kind",
            "namespace",
            "object",
            "id",
            "field",
            "message",
            "fix",
            "evidence",
            "controlledObjects",
            "path",
            "line",
            "frameworks",
            "fingerprint",
        ],
    )?;
    for found in &report.findings {
        let (name, controlled, line) = (found.rule.name(), found.controlled.to_string(), found.line.to_string());
        let evidence = serde_json::to_string(&found.finding.evidence)?;
        let frameworks = found.rule.rule.frameworks.join("; ");
        sheet.row([
            found.rule.id,
            &name,
            found.finding.severity.as_str(),
            found.rule.rule.confidence.as_str(),
            &found.cluster,
            found.api_version,
            found.kind,
            &found.namespace,
            &found.name,
            &found.id,
            &found.finding.field,
            &found.finding.message,
            &found.finding.fix,
            &evidence,
            &controlled,
            &found.path,
            if found.path.is_empty() { "" } else { &line },
            &frameworks,
            &found.fingerprint,
        ])?;
    }
    sheet.finish()
}

const COUNTS: [&str; 7] = ["verdict", "critical", "high", "medium", "low", "info", "suppressed"];

/// The last cells of a row.
fn counts(tally: Tally) -> [String; 7] {
    let [info, low, medium, high, critical] = tally.findings.map(|count| count.to_string());
    [tally.verdict().into(), critical, high, medium, low, info, tally.suppressed.to_string()]
}

fn header(own: &[&'static str]) -> Vec<&'static str> {
    own.iter().copied().chain(COUNTS).collect()
}

fn cluster_name(inventory: &Inventory, cluster: ClusterIx) -> &str {
    inventory.clusters.get(cluster.0 as usize).map_or("", |cluster: &Cluster| &cluster.name)
}

/// Objects that are reported and have a row of their own.
fn judged<'a>(report: &'a Report<'_>) -> impl Iterator<Item = (Object<'a>, Tally)> {
    let estate = &report.estate;
    (0..).zip(estate.inventory.objects()).filter_map(|(index, object): (u32, Object<'a>)| {
        let left_out =
            estate.namespace.is_some_and(|asked| !object.namespace().is_empty() && object.namespace() != asked);
        (!left_out && !estate.tallies.is_hosted(index)).then(|| (object, estate.tallies.of(index)))
    })
}

/// `namespaces.csv`
fn namespace_table(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Default)]
    struct Sum {
        workloads: u32,
        opted_in: u32,
        accounts: u32,
        annotated: u32,
        tally: Tally,
    }
    let inventory = report.estate.inventory;
    let mut sums: BTreeMap<(&str, &str), Sum> = namespaces(inventory)
        .into_iter()
        .filter(|(_, name)| report.estate.namespace.is_none_or(|asked| asked == *name))
        .map(|(cluster, name)| ((cluster_name(inventory, ClusterIx(cluster)), name), Sum::default()))
        .collect();
    for (object, tally) in judged(report) {
        let (cluster, namespace) = match object {
            Object::Workload(it) => (it.cluster, &it.namespace),
            Object::ServiceAccount(it) => (it.cluster, &it.namespace),
            Object::Custom(it) => (it.cluster, &it.namespace),
            Object::RoleBinding(it) => (it.cluster, &it.namespace),
            _ => continue,
        };
        let Some(sum) = sums.get_mut(&(cluster_name(inventory, cluster), namespace.as_str())) else { continue };
        match object {
            Object::Workload(workload) => {
                sum.workloads += 1;
                sum.opted_in += u32::from(workload.opts_in());
            }
            Object::ServiceAccount(account) => {
                sum.accounts += 1;
                sum.annotated += u32::from(account.client_id().is_some());
            }
            _ => {}
        }
        sum.tally.add(tally);
    }
    let mut sheet = Sheet::new(
        out,
        &header(&[
            "cluster",
            "namespace",
            "workloads",
            "workloadsOptedIn",
            "serviceAccounts",
            "serviceAccountsAnnotated",
        ]),
    )?;
    for ((cluster, namespace), sum) in sums {
        let numbers = [sum.workloads, sum.opted_in, sum.accounts, sum.annotated].map(|number| number.to_string());
        let verdict = counts(sum.tally);
        sheet.row(
            [cluster, namespace]
                .into_iter()
                .chain(numbers.iter().map(String::as_str))
                .chain(verdict.iter().map(String::as_str)),
        )?;
    }
    sheet.finish()
}

/// `workloads.csv`
fn workloads(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let inventory = report.estate.inventory;
    let mut sheet = Sheet::new(
        out,
        &header(&["cluster", "namespace", "kind", "name", "serviceAccount", "optsIn", "subject", "path", "line"]),
    )?;
    for (object, tally) in judged(report) {
        let Object::Workload(workload) = object else { continue };
        let (subject, line) = (workload.subject(), workload.origin.line.to_string());
        let own = [
            cluster_name(inventory, workload.cluster),
            &workload.namespace,
            workload.kind.kind,
            &workload.name,
            workload.service_account(),
            if workload.opts_in() { "yes" } else { "no" },
            subject.as_str(),
            report.estate.paths.get(workload.origin.source as usize).map_or("", String::as_str),
            &line,
        ];
        let verdict = counts(tally);
        sheet.row(own.into_iter().chain(verdict.iter().map(String::as_str)))?;
    }
    sheet.finish()
}

/// `service-accounts.csv`
fn service_accounts(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let inventory = report.estate.inventory;
    let mut sheet = Sheet::new(out, &header(&["cluster", "namespace", "name", "clientId", "subject", "path", "line"]))?;
    for (object, tally) in judged(report) {
        let Object::ServiceAccount(account) = object else { continue };
        let (client_id, subject, line) = (account.client_id(), account.subject(), account.origin.line.to_string());
        let own = [
            cluster_name(inventory, account.cluster),
            &account.namespace,
            &account.name,
            client_id.as_ref().map_or("", |id| id.as_str()),
            subject.as_str(),
            report.estate.paths.get(account.origin.source as usize).map_or("", String::as_str),
            &line,
        ];
        let verdict = counts(tally);
        sheet.row(own.into_iter().chain(verdict.iter().map(String::as_str)))?;
    }
    sheet.finish()
}

/// `identities.csv`
fn identities(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let tallies: BTreeMap<usize, Tally> = judged(report)
        .filter_map(|(object, tally)| match object {
            Object::Identity(identity) => Some((std::ptr::from_ref(identity) as usize, tally)),
            _ => None,
        })
        .collect();
    let mut sheet = Sheet::new(
        out,
        &header(&[
            "kind",
            "name",
            "clientId",
            "id",
            "tenantId",
            "credentials",
            "credentialsComplete",
            "limit",
            "left",
            "sharedBy",
        ]),
    )?;
    for row in &report.identities {
        let identity = row.identity;
        let left = (row.limit as usize).saturating_sub(row.credentials).to_string();
        let (credentials, limit, shared_by) =
            (row.credentials.to_string(), row.limit.to_string(), row.shared_by.join("; "));
        let own = [
            identity.kind_name(),
            &identity.name,
            identity.client_id.as_str(),
            &identity.id,
            &identity.tenant_id,
            &credentials,
            if identity.credentials_complete { "yes" } else { "no" },
            &limit,
            if identity.credentials_complete { &left } else { "" },
            &shared_by,
        ];
        let tally = tallies.get(&(std::ptr::from_ref(identity) as usize)).copied().unwrap_or_default();
        let verdict = counts(tally);
        sheet.row(own.into_iter().chain(verdict.iter().map(String::as_str)))?;
    }
    sheet.finish()
}

/// `credentials.csv`
fn credentials(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let inventory = report.estate.inventory;
    let mut sheet = Sheet::new(
        out,
        &header(&["identity", "name", "issuer", "subject", "audiences", "cluster", "claimsMatchingExpression", "id"]),
    )?;
    let parameters = wiguard_rules::parameters::Parameters::default();
    let trust = wiguard_rules::trust::Trust::join(inventory, &parameters);
    let listed = |audiences: &[Audience]| audiences.iter().map(Audience::as_str).collect::<Vec<_>>().join("; ");
    for (object, tally) in judged(report) {
        let (identity, name, issuer, subject, audiences, expression) = match object {
            Object::Credential(it) => (
                trust.parent_name(it),
                it.name.as_str(),
                Some(&it.issuer),
                it.subject.as_ref(),
                listed(&it.audiences),
                &it.expression,
            ),
            Object::Declared(it) => (
                trust.owner_name(it).to_owned(),
                it.name.as_str(),
                it.issuer.as_ref(),
                it.subject.as_ref(),
                it.audiences.as_deref().map(listed).unwrap_or_default(),
                &it.expression,
            ),
            _ => continue,
        };
        let id = object.id();
        let own = [
            identity.as_str(),
            name,
            issuer.map_or("", Issuer::as_str),
            subject.map_or("", Subject::as_str),
            &audiences,
            issuer.and_then(|issuer| trust.cluster_of(issuer)).map_or("", |(_, cluster)| &cluster.name),
            expression.as_deref().unwrap_or_default(),
            &id,
        ];
        let verdict = counts(tally);
        sheet.row(own.into_iter().chain(verdict.iter().map(String::as_str)))?;
    }
    sheet.finish()
}

/// `coverage.csv`
fn coverage(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut sheet = Sheet::new(out, &["source", "status", "reason", "rulesNotEvaluated", "collected"])?;
    for row in &report.coverage {
        let rules = row.rules_not_evaluated.join("; ");
        let collected = row.collected.as_deref().unwrap_or_default();
        sheet.row([row.source.as_str(), row.status.as_str(), &row.reason, &rules, collected])?;
    }
    sheet.finish()
}
