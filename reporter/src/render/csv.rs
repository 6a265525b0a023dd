//! CSV for spreadsheets and auditors: RFC 4180, a header, columns only ever added at the end, and
//! no cell that a spreadsheet would run as a formula (OWASP ASVS 5.0, 1.2.10).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::judge::Object;
use wiguard_rules::model::{Cluster, ClusterIx};

use crate::report::{Report, namespaces};

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
    if folder.is_file() {
        return Err(io::Error::other("it is a file, and csv is written to a folder; name another"));
    }
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

const COUNTS: [&str; 6] = ["verdict", "critical", "high", "medium", "low", "info"];

/// The verdict on a row, and its findings from critical to info.
fn verdict(counts: [u32; 5], undecided: bool) -> [String; 6] {
    let [info, low, medium, high, critical] = counts;
    let word = match (counts.iter().sum::<u32>(), undecided) {
        (0, false) => "compliant",
        (0, true) => "not evaluated wholly",
        _ => "findings",
    };
    [word.to_string(), critical.to_string(), high.to_string(), medium.to_string(), low.to_string(), info.to_string()]
}

fn header(own: &[&'static str]) -> Vec<&'static str> {
    own.iter().copied().chain(COUNTS).collect()
}

fn cluster_name(inventory: &Inventory, cluster: ClusterIx) -> &str {
    inventory.clusters.get(cluster.0 as usize).map_or("", |cluster: &Cluster| &cluster.name)
}

/// Objects with their verdicts.
fn judged<'a>(report: &'a Report<'_>) -> impl Iterator<Item = (u32, Object<'a>, [u32; 5], bool)> {
    let estate = &report.estate;
    (0..).zip(estate.inventory.objects()).map(|(index, object): (u32, Object<'a>)| {
        let counts = estate.verdicts.get(&index).copied().unwrap_or_default();
        (index, object, counts, estate.undecided.contains(&index))
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
        counts: [u32; 5],
        undecided: bool,
    }
    let inventory = report.estate.inventory;
    let mut sums: BTreeMap<(&str, &str), Sum> = namespaces(inventory)
        .into_iter()
        .map(|(cluster, name)| ((cluster_name(inventory, ClusterIx(cluster)), name), Sum::default()))
        .collect();
    for (index, object, counts, undecided) in judged(report) {
        let (cluster, namespace) = match object {
            Object::Workload(workload) => (workload.cluster, workload.namespace.as_str()),
            Object::ServiceAccount(account) => (account.cluster, account.namespace.as_str()),
            _ => continue,
        };
        let sum = sums.entry((cluster_name(inventory, cluster), namespace)).or_default();
        match object {
            Object::Workload(workload) if !report.estate.controlled.contains(&index) => {
                sum.workloads += 1;
                sum.opted_in += u32::from(workload.opts_in());
            }
            Object::ServiceAccount(account) => {
                sum.accounts += 1;
                sum.annotated += u32::from(account.client_id().is_some());
            }
            _ => {}
        }
        sum.undecided |= undecided;
        for (total, count) in sum.counts.iter_mut().zip(counts) {
            *total += count;
        }
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
        let verdict = verdict(sum.counts, sum.undecided);
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
    for (index, object, counts, undecided) in judged(report) {
        let Object::Workload(workload) = object else { continue };
        if report.estate.controlled.contains(&index) {
            continue;
        }
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
        let verdict = verdict(counts, undecided);
        sheet.row(own.into_iter().chain(verdict.iter().map(String::as_str)))?;
    }
    sheet.finish()
}

/// `service-accounts.csv`
fn service_accounts(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let inventory = report.estate.inventory;
    let mut sheet = Sheet::new(out, &header(&["cluster", "namespace", "name", "clientId", "subject", "path", "line"]))?;
    for (_, object, counts, undecided) in judged(report) {
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
        let verdict = verdict(counts, undecided);
        sheet.row(own.into_iter().chain(verdict.iter().map(String::as_str)))?;
    }
    sheet.finish()
}

/// `identities.csv`
fn identities(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let verdicts: BTreeMap<usize, ([u32; 5], bool)> = judged(report)
        .filter_map(|(_, object, counts, undecided)| match object {
            Object::Identity(identity) => Some((std::ptr::from_ref(identity) as usize, (counts, undecided))),
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
        let (counts, undecided) = verdicts.get(&(std::ptr::from_ref(identity) as usize)).copied().unwrap_or_default();
        let verdict = verdict(counts, undecided);
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
    for (_, object, counts, undecided) in judged(report) {
        let Object::Credential(credential) = object else { continue };
        let (identity, audiences) = (
            trust.parent_name(credential),
            credential.audiences.iter().map(|audience| audience.as_str()).collect::<Vec<_>>().join("; "),
        );
        let own = [
            identity.as_str(),
            &credential.name,
            credential.issuer.as_str(),
            credential.subject.as_ref().map_or("", |subject| subject.as_str()),
            &audiences,
            trust.cluster_of(&credential.issuer).map_or("", |(_, cluster)| &cluster.name),
            credential.expression.as_deref().unwrap_or_default(),
            &credential.id,
        ];
        let verdict = verdict(counts, undecided);
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
