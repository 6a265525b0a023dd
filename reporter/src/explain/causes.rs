//! Causes: what of an estate leads to an error, most likely first. A finding counts for more if it is
//! about what the text names, then if it foresees the very code, then by how directly its rule leads
//! to the error, then by severity. One that foresees another code leads elsewhere.

use std::collections::BTreeSet;

use serde::Serialize;
use wiguard_rules::catalogue::{CATALOGUE, Entry};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{Identity, Subject};

use super::text::{Text, Values};
use crate::collect::Collected;
use crate::config::Config;
use crate::place;
use crate::report::Reported;
use crate::scan::assess;

/// How many causes are told; the others are counted.
const TOLD: usize = 20;

/// What of an estate leads to an error.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Causes {
    /// What the estate says of what the text names.
    pub(super) known: Vec<String>,
    /// What leads to the error, most likely first.
    pub(super) causes: Vec<Cause>,
    /// How many more there are.
    pub(super) more: usize,
    /// How many findings lead elsewhere.
    pub(super) others: usize,
    /// Sources that could not be read wholly: source and reason.
    pub(super) not_read: Vec<(String, String)>,
}

/// A finding that leads to the error.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cause {
    /// What of the text it is about: `subject`, `client id`; empty if its rule alone speaks for it.
    pub(super) about: Vec<&'static str>,
    /// The rule's id.
    pub(super) rule: &'static str,
    /// How bad it is.
    pub(super) severity: &'static str,
    /// The object's cluster; empty if it has none.
    pub(super) cluster: String,
    /// Its kind.
    pub(super) kind: &'static str,
    /// Its namespace and name.
    pub(super) object: String,
    /// What is wrong.
    pub(super) message: String,
    /// What to do.
    pub(super) fix: String,
    /// Where it was read: path and line; empty if it has none.
    pub(super) at: String,
}

/// Looks for them.
pub(super) fn of(text: &Text, collected: &Collected, config: &Config) -> Causes {
    let rules = rules(text);
    let inventory = &collected.inventory;
    let mut causes = Causes { known: known(&text.values, inventory), ..Causes::default() };
    let named = Named::of(&text.values, inventory);
    let codes: Vec<&str> = text.known().into_iter().filter_map(|(_, code)| code).collect();
    let mut found: Vec<(Vec<&'static str>, bool, usize, Reported)> = assess(collected, config, None, |report| {
        place::refine(&mut report.findings, collected);
        let leads = |found: Reported| {
            let rank = rules.iter().position(|rule| *rule == found.rule.id);
            let about = named.about(&found);
            // what the text names exactly may be at fault in a way the table does not foresee
            let certain = about.iter().any(|what| matches!(*what, "subject" | "client id"));
            let rank = rank.or_else(|| certain.then_some(rules.len()))?;
            let foreseen = answer(&found);
            // An older code says in general what those that begin with it say in particular.
            let asked = |code: &str| codes.iter().any(|asked| code.starts_with(asked));
            let other = foreseen.is_some_and(|code| !codes.is_empty() && !asked(code));
            if other && about.is_empty() {
                return None;
            }
            let otherwise = other || foreseen.is_none();
            Some((about, otherwise, rank, found))
        };
        let all = std::mem::take(&mut report.findings);
        causes.others = all.len();
        all.into_iter().filter_map(leads).collect()
    });
    causes.others -= found.len();
    // stable: what is alike stays in the report's order, the gravest first
    found.sort_by_key(|(about, otherwise, rank, _)| (std::cmp::Reverse(about.len()), *otherwise, *rank));
    if found.first().is_some_and(|(about, ..)| !about.is_empty()) {
        let all = found.len();
        found.retain(|(about, ..)| !about.is_empty());
        causes.more = all - found.len();
    }
    causes.more += found.len().saturating_sub(TOLD);
    causes.causes = found.into_iter().take(TOLD).map(|(about, _, _, found)| cause(about, found)).collect();
    causes.not_read = not_read(collected);
    causes
}

/// Looks for what a rule finds.
pub(super) fn of_rule(entry: &Entry, collected: &Collected, config: &Config) -> Causes {
    let mut found = assess(collected, config, None, |report| {
        report.findings.retain(|found| found.rule.id == entry.id);
        place::refine(&mut report.findings, collected);
        std::mem::take(&mut report.findings)
    });
    let more = found.len().saturating_sub(TOLD);
    found.truncate(TOLD);
    let causes = found.into_iter().map(|found| cause(Vec::new(), found)).collect();
    Causes { causes, more, not_read: not_read(collected), ..Causes::default() }
}

/// Sources that could not be read wholly: source and reason.
fn not_read(collected: &Collected) -> Vec<(String, String)> {
    let gaps = collected.gaps.iter().filter(|gap| gap.extent != crate::collect::Missing::Nothing);
    gaps.map(|gap| (gap.path.clone(), gap.reason.clone())).collect()
}

/// The code with which Entra will answer, if the finding tells, digits only.
fn answer(found: &Reported) -> Option<&str> {
    found.finding.evidence.get("aadsts")?.as_str()?.strip_prefix("AADSTS")
}

/// The rules that lead to the errors of a text, likely ones first.
pub(super) fn rules(text: &Text) -> Vec<&'static str> {
    let mut rules = Vec::new();
    for (known, code) in text.known() {
        let of_catalogue = CATALOGUE.iter().filter(|entry| code.is_some_and(|code| entry.rule.aadsts.contains(&code)));
        for id in known.rules.iter().copied().chain(of_catalogue.map(|entry| entry.id)) {
            if !rules.contains(&id) {
                rules.push(id);
            }
        }
    }
    rules
}

fn cause(about: Vec<&'static str>, found: Reported) -> Cause {
    let object = found.address();
    let at = match (found.path.as_str(), found.line) {
        ("", _) => String::new(),
        (path, 0) => path.into(),
        (path, line) => format!("{path}:{line}"),
    };
    Cause {
        about,
        rule: found.rule.id,
        severity: found.finding.severity.as_str(),
        cluster: found.cluster,
        kind: found.kind,
        object,
        message: found.finding.message,
        fix: found.finding.fix,
        at,
    }
}

/// What a text names, and the objects of the estate that go by it.
struct Named<'t> {
    values: &'t Values,
    /// ServiceAccount and workloads of the subject: kind, namespace, name.
    of_subject: BTreeSet<(&'static str, &'t str, &'t str)>,
    /// Clusters of the issuer.
    of_issuer: BTreeSet<&'t str>,
    /// Ids and names of the identity of the client id.
    of_client: BTreeSet<&'t str>,
}

impl<'t> Named<'t> {
    fn of(values: &'t Values, inventory: &'t Inventory) -> Self {
        let mut named =
            Self { values, of_subject: BTreeSet::new(), of_issuer: BTreeSet::new(), of_client: BTreeSet::new() };
        if let Some((namespace, name)) = values.subject.as_deref().and_then(account) {
            named.of_subject.insert(("ServiceAccount", namespace, name));
            let under =
                inventory.workloads.iter().filter(|it| it.namespace == namespace && it.service_account() == name);
            named.of_subject.extend(under.map(|it| (it.kind.kind, it.namespace.as_str(), it.name.as_str())));
        }
        if let Some(issuer) = &values.issuer {
            let has = |it: &&wiguard_rules::model::Cluster| it.issuers().any(|own| own.as_str() == issuer);
            named.of_issuer.extend(inventory.clusters.iter().filter(has).map(|it| it.name.as_str()));
        }
        if let Some(client) = &values.client_id {
            named
                .of_client
                .extend(inventory.identities.iter().filter(|it| goes_by(it, client)).map(|it| it.id.as_str()));
            for account in &inventory.service_accounts {
                if account.client_id().is_some_and(|own| own.as_str().eq_ignore_ascii_case(client)) {
                    named.of_subject.insert(("ServiceAccount", &account.namespace, &account.name));
                    let under = inventory.workloads.iter().filter(|it| {
                        it.cluster == account.cluster
                            && it.namespace == account.namespace
                            && it.service_account() == account.name
                    });
                    named.of_subject.extend(under.map(|it| (it.kind.kind, it.namespace.as_str(), it.name.as_str())));
                }
            }
        }
        named
    }

    /// What of the text a finding is about.
    fn about(&self, found: &Reported) -> Vec<&'static str> {
        let evidence = serde_json::to_string(&found.finding.evidence).unwrap_or_default();
        let says = |value: &str| found.finding.message.contains(value) || evidence.contains(value);
        let mut about = Vec::new();
        for (name, value) in self.values.iter() {
            let object = match name {
                "subject" => self.of_subject.contains(&(found.kind, found.namespace.as_str(), found.name.as_str())),
                "issuer" => self.of_issuer.contains(found.cluster.as_str()) && !found.cluster.is_empty(),
                "client id" => {
                    !found.id.is_empty() && self.of_client.iter().any(|id| !id.is_empty() && found.id.starts_with(*id))
                        || self.values.subject.is_none()
                            && self.of_subject.contains(&(found.kind, found.namespace.as_str(), found.name.as_str()))
                }
                _ => false,
            };
            // what nearly all tokens have tells nothing
            let usual = name == "audience" && value == wiguard_rules::model::DEFAULT_AUDIENCE;
            if object || (!usual && name != "tenant" && says(value)) {
                about.push(name);
            }
        }
        // the issuer alone would be every object of its cluster
        if about == ["issuer"] && self.values.subject.is_some() {
            about.clear();
        }
        about
    }
}

/// Namespace and name of the ServiceAccount a subject names.
fn account(subject: &str) -> Option<(&str, &str)> {
    subject.strip_prefix("system:serviceaccount:")?.split_once(':')
}

fn goes_by(identity: &Identity, client: &str) -> bool {
    [identity.client_id.as_str(), &identity.id, &identity.name, &identity.principal_id]
        .into_iter()
        .any(|own| !own.is_empty() && own.eq_ignore_ascii_case(client))
}

/// What the estate says of what a text names.
fn known(values: &Values, inventory: &Inventory) -> Vec<String> {
    let mut known = Vec::new();
    if let Some(issuer) = &values.issuer {
        let own = inventory.clusters.iter().find(|it| it.issuers().any(|own| own.as_str() == issuer));
        let alike = |it: &&wiguard_rules::model::Cluster| {
            it.issuers()
                .any(|own| own.as_str().trim_end_matches('/').eq_ignore_ascii_case(issuer.trim_end_matches('/')))
        };
        known.push(match (own, inventory.clusters.iter().find(alike)) {
            (Some(cluster), _) => format!("the issuer is that of cluster `{}`", cluster.name),
            (None, Some(cluster)) => format!("the issuer is nearly that of cluster `{}`, and not quite", cluster.name),
            (None, None) => "the issuer is of no cluster that was read".into(),
        });
    }
    if let Some(subject) = &values.subject {
        known.push(match account(subject) {
            Some((namespace, name)) => of_account(namespace, name, inventory),
            None => "the subject is no ServiceAccount of Kubernetes".into(),
        });
        let subject = Subject(subject.clone());
        let trusting = inventory.credentials.iter().filter(|it| it.admits(&subject) == Some(true)).count();
        known.push(match trusting {
            0 => "no credential that was read trusts this subject".into(),
            1 => "1 credential that was read trusts this subject".into(),
            count => format!("{count} credentials that were read trust this subject"),
        });
    }
    if let Some(client) = &values.client_id {
        let identity = inventory.identities.iter().find(|it| goes_by(it, client));
        known.push(match identity {
            Some(it) if it.client_id.as_str().eq_ignore_ascii_case(client) => {
                format!("the client id is that of `{}`", it.name)
            }
            Some(it) if it.client_id.as_str().is_empty() => {
                format!("`{client}` is no client id: it names `{}`, whose client id no source says", it.name)
            }
            Some(it) => {
                format!("`{client}` is no client id: it names `{}`, whose client id is {}", it.name, it.client_id)
            }
            None => "the client id is of no identity that was read".into(),
        });
    }
    known
}

fn of_account(namespace: &str, name: &str, inventory: &Inventory) -> String {
    let accounts = inventory.service_accounts.iter().filter(|it| it.namespace == namespace && it.name == name);
    let clusters: BTreeSet<&str> = accounts
        .filter_map(|it| inventory.clusters.get(it.cluster.0 as usize))
        .map(|it| if it.name.is_empty() { "without name" } else { it.name.as_str() })
        .collect();
    let under = inventory
        .workloads
        .iter()
        .filter(|it| it.namespace == namespace && it.service_account() == name && it.controller.is_none());
    let workloads: BTreeSet<String> = under.map(|it| format!("{} {}", it.kind.kind, it.name)).collect();
    let runs = if workloads.is_empty() {
        "no workload that was read runs under it".into()
    } else {
        let shown = workloads.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = workloads.len().saturating_sub(5);
        if more > 0 { format!("{shown} and {more} more run under it") } else { format!("under it: {shown}") }
    };
    if clusters.is_empty() {
        let unplaced = inventory.service_accounts.iter().any(|it| it.unplaced && it.name == name);
        let may_be = if unplaced {
            format!("; one of that name states no namespace: if it is meant, say --default-namespace {namespace}")
        } else {
            String::new()
        };
        format!("ServiceAccount {namespace}/{name} was not read{may_be}; {runs}")
    } else {
        let clusters = clusters.into_iter().collect::<Vec<_>>().join(", ");
        format!("ServiceAccount {namespace}/{name} is in cluster {clusters}; {runs}")
    }
}
