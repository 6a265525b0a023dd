//! The report: what was found, what it was found in, and how far it can be trusted. Every format
//! prints this and computes nothing.

mod coverage;

use std::collections::{BTreeMap, BTreeSet};

use wiguard_rules::catalogue::Entry;
use wiguard_rules::finding::{Finding, Severity};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::judge::Object;
use wiguard_rules::model::{Identity, Workload};
use wiguard_rules::trust::Trust;

use self::coverage::{coverage, left_out};
use crate::collect::{Collected, Gap, Missing};
use crate::evaluate::{Controllers, Evaluation};
use crate::tally::Tallies;
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
    /// What was found of each object.
    pub tallies: Tallies,
    /// The namespace whose objects alone are reported, if one was asked for.
    pub namespace: Option<&'a str>,
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
        triage: &mut Triage<'a>,
    ) -> Self {
        let inventory = &collected.inventory;
        let coverage = coverage(collected, &evaluation).into_iter().chain(left_out(triage)).collect();
        let undecided = evaluation.undecided_objects;
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
        let suppressed = triage.apply(&mut findings);
        summary.suppressed = u32::try_from(suppressed.len()).unwrap_or(u32::MAX);
        for (_, found) in &findings {
            if let Some(count) = summary.findings.get_mut(found.finding.severity as usize) {
                *count += 1;
            }
        }
        let tallies = Tallies::new(inventory, trust, controllers, &findings, &suppressed, &undecided, triage);
        let mut findings: Vec<Reported> = findings.into_iter().map(|(_, found)| found).collect();
        findings.sort_by(|a, b| a.order().cmp(&b.order()));
        distinguish(&mut findings);
        Self {
            summary,
            findings,
            identities: identities(inventory, trust),
            coverage,
            waivers: triage.idle(),
            estate: Estate { inventory, tallies, namespace: triage.namespace(), paths: &collected.paths },
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
    // What was read live has no line, and neither has the object of which a cluster is accused then.
    let origin = found.finding.origin.filter(|origin| origin.line > 0).unwrap_or_else(|| object.origin());
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
    let customs = inventory.customs.iter().map(|custom| (custom.cluster.0, custom.namespace.as_str()));
    let bindings = inventory.role_bindings.iter().map(|binding| (binding.cluster.0, binding.namespace.as_str()));
    let within = customs.chain(bindings).filter(|(_, namespace)| !namespace.is_empty());
    listed.chain(workloads).chain(accounts).chain(within).collect()
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

/// Whether every source could be read wholly.
pub fn is_complete(gaps: &[Gap]) -> bool {
    !gaps.iter().any(|gap| matches!(gap.extent, Missing::All | Missing::Part))
}
