//! The report: what was found, what it was found in, and how far it can be trusted. Every format
//! prints this and computes nothing.

use std::collections::{BTreeMap, BTreeSet};

use wiguard_rules::catalogue::Entry;
use wiguard_rules::finding::{Finding, Severity};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::judge::Object;
use wiguard_rules::model::{Identity, Workload};
use wiguard_rules::trust::Trust;

use crate::clock;
use crate::collect::{Collected, Gap, Missing};
use crate::evaluate::{Controllers, Evaluation};
use crate::triage::{Triage, Waiver};

/// A report.
#[derive(Debug)]
pub struct Report<'a> {
    /// Counts.
    pub summary: Summary,
    /// What is wrong: the gravest first, then by cluster, namespace, kind, name and rule.
    pub findings: Vec<Reported>,
    /// Every identity.
    pub identities: Vec<IdentityRow<'a>>,
    /// What was read, and what was not.
    pub coverage: Vec<Coverage>,
    /// Waivers that did nothing, or do nothing any more.
    pub waivers: Vec<Waiver>,
    /// What the rows of tables are made from.
    pub estate: Estate<'a>,
}

/// What a report is about.
#[derive(Debug)]
pub struct Estate<'a> {
    /// Everything collected.
    pub inventory: &'a Inventory,
    /// For each object (by index among [`Inventory::objects`]): findings by severity.
    pub verdicts: BTreeMap<u32, [u32; 5]>,
    /// Objects about which some rule could not decide.
    pub undecided: BTreeSet<u32>,
    /// Objects not listed: their controller stands for them.
    pub controlled: BTreeSet<u32>,
    /// Paths by source.
    pub paths: &'a [String],
}

/// Counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Clusters with a name.
    pub clusters: usize,
    /// Namespaces listed, or seen in an object.
    pub namespaces: usize,
    /// Workloads that stand for themselves.
    pub workloads: usize,
    /// ServiceAccounts.
    pub service_accounts: usize,
    /// Managed identities and app registrations.
    pub identities: usize,
    /// Federated identity credentials.
    pub credentials: usize,
    /// Findings by severity, info first.
    pub findings: [u32; 5],
    /// Findings that a waiver covers.
    pub suppressed: u32,
    /// Rules and objects that could not be decided.
    pub undecided: u32,
}

/// A finding with its object.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// The rule.
    pub rule: &'static Entry,
    /// What is wrong.
    pub finding: Finding,
    /// The cluster's name, empty if it belongs to none.
    pub cluster: String,
    /// API version, empty for objects of Azure.
    pub api_version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Namespace, empty for objects of Azure.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Resource or object id, empty for objects of Kubernetes.
    pub id: String,
    /// Objects it controls that have the same finding.
    pub controlled: u32,
    /// The file.
    pub path: String,
    /// The line of the field, or of the object; 0 if there is none.
    pub line: u32,
    /// The line of the object.
    pub object_line: u32,
    /// The same for the same flaw of the same object from one run to the next.
    pub fingerprint: String,
}

/// An identity and how full it is.
#[derive(Clone, Debug)]
pub struct IdentityRow<'a> {
    /// The identity.
    pub identity: &'a Identity,
    /// Credentials seen.
    pub credentials: usize,
    /// How many it can hold.
    pub limit: u32,
    /// Subjects of Kubernetes that share it: `CLUSTER:NAMESPACE/NAME`.
    pub shared_by: Vec<String>,
}

/// How much of a source was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The source: a path, or a kind of evidence.
    pub source: String,
    /// How much.
    pub status: Status,
    /// What is missing and what to do, empty if nothing is.
    pub reason: String,
    /// Rules that were not evaluated everywhere for want of it.
    pub rules_not_evaluated: Vec<&'static str>,
    /// When it was collected, where the source says so: RFC 3339, in UTC.
    pub collected: Option<String>,
}

/// How much of a source was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All.
    Complete,
    /// Some.
    Partial,
    /// Nothing.
    Missing,
}

impl Status {
    /// The name used in every format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Missing => "missing",
        }
    }
}

impl<'a> Report<'a> {
    /// Puts a report together.
    pub fn new(
        collected: &'a Collected,
        trust: &Trust<'a>,
        controllers: &Controllers<'a>,
        evaluation: Evaluation<'a>,
        triage: &mut Triage<'_>,
    ) -> Self {
        let inventory = &collected.inventory;
        let undecided = evaluation.undecided_objects.iter().copied().collect();
        let coverage = coverage(collected, &evaluation);
        let mut summary = Summary {
            clusters: inventory.clusters.iter().filter(|cluster| !cluster.name.is_empty()).count(),
            namespaces: namespaces(inventory).len(),
            workloads: evaluation.roots,
            service_accounts: inventory.service_accounts.len(),
            identities: inventory.identities.len(),
            credentials: inventory.credentials.len(),
            undecided: evaluation.undecided.values().map(|undecided| undecided.objects).sum(),
            ..Summary::default()
        };
        let mut findings: Vec<(u32, Reported)> = evaluation
            .findings
            .into_iter()
            .map(|found| (found.index, reported(found, trust, inventory, &collected.paths)))
            .collect();
        summary.suppressed = triage.apply(&mut findings);
        let mut verdicts: BTreeMap<u32, [u32; 5]> = BTreeMap::new();
        for (index, found) in &findings {
            for counts in [verdicts.entry(*index).or_default(), &mut summary.findings] {
                if let Some(count) = counts.get_mut(found.finding.severity as usize) {
                    *count += 1;
                }
            }
        }
        let mut findings: Vec<Reported> = findings.into_iter().map(|(_, found)| found).collect();
        findings.sort_by(|a, b| a.order().cmp(&b.order()));
        distinguish(&mut findings);
        let controlled = (0..)
            .zip(inventory.objects())
            .filter(|(_, object)| matches!(object, Object::Workload(workload) if controllers.of(workload).is_some()))
            .map(|(index, _): (u32, _)| index)
            .collect();
        Self {
            summary,
            findings,
            identities: identities(inventory, trust),
            coverage,
            waivers: triage.idle(),
            estate: Estate { inventory, verdicts, undecided, controlled, paths: &collected.paths },
        }
    }

    /// The gravest severity found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|found| found.finding.severity).max()
    }
}

impl Reported {
    fn order(&self) -> (std::cmp::Reverse<Severity>, &str, &str, &str, &str, &str, &str, &str) {
        (
            std::cmp::Reverse(self.finding.severity),
            &self.cluster,
            &self.namespace,
            self.kind,
            &self.name,
            self.rule.id,
            &self.id,
            &self.fingerprint,
        )
    }

    /// `NAMESPACE/NAME`, or the name alone.
    pub fn address(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

fn reported(
    mut found: crate::evaluate::Found<'_>,
    trust: &Trust<'_>,
    inventory: &Inventory,
    paths: &[String],
) -> Reported {
    let object = found.object;
    if let Some(address) = object.declared() {
        found.finding.evidence.entry("declaredAs").or_insert_with(|| address.into());
    }
    let cluster = match object {
        Object::Cluster(cluster) => Some(cluster),
        _ => object.cluster().and_then(|index| inventory.clusters.get(index.0 as usize)),
    };
    let cluster = cluster.map(|cluster| cluster.name.clone()).unwrap_or_default();
    let (namespace, name, id) = (object.namespace().to_string(), object.name(trust), object.id());
    let origin = object.origin();
    let fingerprint =
        fingerprint(&[found.rule.id, &cluster, object.kind(), &namespace, &name, &id, &found.finding.field]);
    Reported {
        rule: found.rule,
        cluster,
        api_version: object.api_version(),
        kind: object.kind(),
        namespace,
        name,
        id,
        controlled: found.controlled,
        path: paths.get(origin.source as usize).filter(|_| origin.line > 0).cloned().unwrap_or_default(),
        line: origin.line,
        object_line: origin.line,
        fingerprint,
        finding: found.finding,
    }
}

/// FNV-1a with 128 bits: short, stable, and nobody's secret depends on it.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash ^= u128::from(byte);
            hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    format!("{hash:032x}")
}

/// Objects that nothing but their place tells apart, as in dumps of two unnamed clusters, get
/// fingerprints of their own.
fn distinguish(findings: &mut [Reported]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for found in findings {
        let count = seen.entry(found.fingerprint.clone()).or_default();
        if *count > 0 {
            found.fingerprint = fingerprint(&[&found.fingerprint, &count.to_string()]);
        }
        *count += 1;
    }
}

/// Every namespace listed, or seen in an object: cluster index and name.
pub(crate) fn namespaces(inventory: &Inventory) -> BTreeSet<(u32, &str)> {
    let listed = inventory.namespaces.iter().map(|namespace| (namespace.cluster.0, namespace.name.as_str()));
    let workloads =
        inventory.workloads.iter().map(|workload: &Workload| (workload.cluster.0, workload.namespace.as_str()));
    let accounts = inventory.service_accounts.iter().map(|account| (account.cluster.0, account.namespace.as_str()));
    listed.chain(workloads).chain(accounts).collect()
}

fn identities<'a>(inventory: &'a Inventory, trust: &Trust<'a>) -> Vec<IdentityRow<'a>> {
    let row = |identity: &'a Identity| {
        let credentials = trust.credentials_seen(identity);
        let shared_by: BTreeSet<String> = credentials
            .iter()
            .filter_map(|credential| {
                let (namespace, name) = credential.service_account()?;
                let cluster = trust
                    .cluster_of(&credential.issuer)
                    .map(|(_, cluster)| cluster.name.as_str())
                    .filter(|name| !name.is_empty());
                Some(format!("{}:{namespace}/{name}", cluster.unwrap_or(credential.issuer.as_str())))
            })
            .collect();
        IdentityRow {
            identity,
            credentials: credentials.len(),
            limit: trust.parameters().credential_limit,
            shared_by: shared_by.into_iter().collect(),
        }
    };
    let mut rows: Vec<IdentityRow<'a>> = inventory.identities.iter().map(row).collect();
    rows.sort_by(|a, b| {
        (b.credentials, &a.identity.name, &a.identity.id, &a.identity.client_id).cmp(&(
            a.credentials,
            &b.identity.name,
            &b.identity.id,
            &b.identity.client_id,
        ))
    });
    rows
}

fn coverage(collected: &Collected, evaluation: &Evaluation<'_>) -> Vec<Coverage> {
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

/// Whether every source could be read wholly.
pub fn is_complete(gaps: &[Gap]) -> bool {
    !gaps.iter().any(|gap| matches!(gap.extent, Missing::All | Missing::Part))
}
