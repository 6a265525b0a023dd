//! Ignorance never accuses: what is said with less evidence would still be said with more.
//!
//! For each object that is still there, a rule that knows less says the same, or that it does not
//! know. The severity of a finding may only fall with what is learnt, unless it is a count's.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::thread;

use proptest::prelude::*;
use proptest::sample::Index;
use wiguard_rules::catalogue::CATALOGUE;
use wiguard_rules::finding::Severity;
use wiguard_rules::inventory::{Inventory, Tokens};
use wiguard_rules::judge::{Object, audit};
use wiguard_rules::parameters::Parameters;
use wiguard_rules::trust::{Trust, Unknown};
use wiguard_tests::case::{collect_path, collect_text, documents, examples, testdata};
use wiguard_tests::loss::{Loss, losses, without};

/// Which object, by its kind and former index.
type Id = (&'static str, usize);
/// What was said other than that all is right.
type Said = BTreeMap<(Id, &'static str), Result<Severity, Unknown>>;

struct Case {
    name: String,
    inventory: Inventory,
    losses: Vec<Loss>,
    said: Said,
}

/// Rules that count. What is seen is a lower bound: the more is seen, the graver the finding, and
/// the other way round it would be dropped where it is certain that an identity fills up. What the webhook's
/// ConfigMap says is graver than its version, a proxy that the namespace refuses than one that it admits, and
/// a path of the token is known to be wrong already only where the version is. A client id may come from a Secret
/// that was not read.
const COUNTING: [&str; 5] = ["AWI110", "AWI203", "AWI401", "AWI503", "AWI703"];

/// A rule that stays a finding either way: of the subjects that share an identity those that are not
/// seen may be the same ServiceAccount on another cluster, which is milder, or another.
const SHARING: &str = "AWI402";

/// Rules that the policy decides by what is published of Azure.
const OF_AZURE: [&str; 3] = ["AWI206", "AWI301", "AWI303"];

static PARAMETERS: LazyLock<Parameters> = LazyLock::new(Parameters::default);

/// The estate, first, then everything small: the documents, and the examples of the manual pages.
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let mut cases = vec![Case::new("estate".into(), collect_path(&testdata("estate"), false).inventory)];
    for path in documents().unwrap() {
        for complete in [false, true] {
            let name = format!("{}, {}", path.display(), if complete { "assumed to be complete" } else { "as it is" });
            cases.push(Case::new(name, collect_path(&path, complete).inventory));
        }
    }
    for entry in CATALOGUE {
        for section in ["Fails", "Passes"] {
            for (index, block) in examples(&entry.manual(), section).iter().enumerate() {
                let name = format!("{} {section}[{index}]", entry.id);
                let case = Case::new(name, collect_text(block, true).inventory);
                if OF_AZURE.contains(&entry.id) {
                    cases.push(Case::new(format!("{}, as published", case.name), as_published(&case.inventory)));
                }
                cases.push(case);
            }
        }
    }
    cases
});

/// What is known where Azure is known by what is published of it: not all identities, but whatever
/// trusts the namespaces that there are, and whether anybody has the client ids that are named.
fn as_published(inventory: &Inventory) -> Inventory {
    let mut published = inventory.clone();
    let coverage = &mut published.coverage;
    let all = coverage.managed_identities && coverage.applications;
    (coverage.managed_identities, coverage.applications) = (false, false);
    let trust_of = std::mem::take(&mut coverage.trust_of);
    let accounts = inventory.service_accounts.iter();
    for tokens in trust_of.iter() {
        let namespaces = accounts.clone().map(|account| Some(account.namespace.clone()));
        coverage.trust_of.extend(namespaces.map(|namespace| Tokens { namespace, ..tokens.clone() }));
    }
    let has = |client_id: &str| inventory.identities.iter().any(|identity| identity.client_id.folded() == client_id);
    let named = accounts.filter_map(|account| account.client_id()).map(|client_id| client_id.folded());
    coverage.no_identity.extend(named.filter(|client_id| all && !has(client_id)));
    coverage.tenants.extend(inventory.identities.iter().map(|identity| identity.tenant_id.to_lowercase()));
    // Every other identity is known by what it trusts here alone.
    for identity in published.identities.iter_mut().step_by(2) {
        identity.credentials_complete = false;
    }
    published
}

impl Case {
    fn new(name: String, mut inventory: Inventory) -> Self {
        // Where every identity is listed with all its credentials, whatever trusts an issuer is known.
        let all = inventory.coverage.managed_identities && inventory.coverage.applications;
        if all && inventory.identities.iter().all(|identity| identity.credentials_complete) {
            let issuers = inventory.clusters.iter().filter_map(|cluster| cluster.issuer.as_ref());
            inventory.coverage.trust_of.extend(issuers.map(Tokens::of));
        }
        let losses = losses(&inventory);
        let mut case = Self { name, inventory, losses, said: Said::new() };
        case.said = case.said_without(&[]);
        case
    }

    /// What is said of the objects that are left.
    fn said_without(&self, lost: &[Loss]) -> Said {
        let rest = without(&self.inventory, lost);
        let trust = Trust::join(&rest.inventory, &PARAMETERS);
        let mut said = Said::new();
        for (id, object) in objects(&rest) {
            audit(object, &trust, CATALOGUE.iter(), |judgement| {
                said.insert((id, judgement.rule.id), judgement.outcome.map(|finding| finding.severity));
            });
        }
        said
    }

    /// What is said with less and would not be said with all.
    fn accusations(&self, lost: &[Loss]) -> Vec<String> {
        let rest = without(&self.inventory, lost);
        let said = self.said_without(lost);
        let mut wrong = Vec::new();
        for (id, _) in objects(&rest) {
            for entry in CATALOGUE {
                let (less, more) = (said.get(&(id, entry.id)), self.said.get(&(id, entry.id)));
                let right = match (less, more) {
                    (Some(Err(_)), _) | (None, None) => true,
                    (Some(Ok(_)), Some(Ok(_))) if entry.id == SHARING => true,
                    (Some(Ok(less)), Some(Ok(more))) if COUNTING.contains(&entry.id) => less <= more,
                    (Some(Ok(less)), Some(Ok(more))) => less >= more,
                    _ => false,
                };
                if !right {
                    wrong.push(format!(
                        "{}: {} on {id:?}: {less:?} without {lost:?}, {more:?} with it",
                        self.name, entry.id
                    ));
                }
            }
        }
        wrong
    }
}

/// The objects that are left as they were.
fn objects(rest: &wiguard_tests::loss::Rest) -> Vec<(Id, Object<'_>)> {
    let inventory = &rest.inventory;
    let named = |index: &usize| !inventory.clusters[*index].name.is_empty();
    let clusters = rest.clusters.iter().copied().filter(named);
    let mut all: Vec<(Id, Object<'_>)> =
        clusters.map(|index| (("cluster", index), Object::Cluster(&inventory.clusters[index]))).collect();
    let with = |name: &'static str, indexes: &[usize]| indexes.iter().map(|index| (name, *index)).collect::<Vec<Id>>();
    let identities = inventory.identities.iter().map(Object::Identity);
    all.extend(with("identity", &rest.identities).into_iter().zip(identities));
    let credentials = inventory.credentials.iter().map(Object::Credential);
    all.extend(with("credential", &rest.credentials).into_iter().zip(credentials));
    let declared = inventory.declared.to_come().map(Object::Declared).enumerate();
    all.extend(declared.map(|(index, declared)| (("declared", index), declared)));
    let accounts = inventory.service_accounts.iter().map(Object::ServiceAccount);
    let customs = inventory.customs.iter().map(Object::Custom).enumerate();
    all.extend(customs.map(|(index, custom)| (("custom", index), custom)));
    let bindings = inventory.role_bindings.iter().map(Object::RoleBinding);
    all.extend(with("binding", &rest.bindings).into_iter().zip(bindings));
    all.extend(with("account", &rest.accounts).into_iter().zip(accounts));
    all.extend(with("workload", &rest.workloads).into_iter().zip(inventory.workloads.iter().map(Object::Workload)));
    all
}

/// At most a few for each rule.
fn fail(mut wrong: Vec<String>) {
    let count = wrong.len();
    wrong.truncate(30);
    assert!(wrong.is_empty(), "{count} accusations, such as\n{}", wrong.join("\n"));
}

#[test]
fn losing_one_thing_of_a_small_estate_accuses_nobody() {
    let wrong =
        |case: &Case| case.losses.iter().flat_map(|loss| case.accusations(std::slice::from_ref(loss))).collect();
    fail(CASES.iter().skip(1).flat_map(|case| -> Vec<String> { wrong(case) }).collect());
}

#[test]
fn losing_one_thing_of_azure_accuses_nobody_in_the_estate() {
    let case = CASES.first().unwrap();
    let azure = |loss: &&Loss| !matches!(loss, Loss::Workload(_) | Loss::Account(_) | Loss::Namespace(_));
    let losses: Vec<&Loss> = case.losses.iter().filter(azure).collect();
    let wrong = thread::scope(|scope| {
        let judge = |share: &[&Loss]| -> Vec<String> {
            share.iter().flat_map(|loss| case.accusations(std::slice::from_ref(*loss))).collect()
        };
        let shares: Vec<_> =
            losses.chunks(losses.len() / 4 + 1).map(|share| scope.spawn(move || judge(share))).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    });
    fail(wrong);
}

#[test]
fn losing_two_things_of_a_small_estate_accuses_nobody() {
    let mut wrong = Vec::new();
    for case in CASES.iter().skip(1).filter(|case| case.losses.len() <= 24) {
        for (index, one) in case.losses.iter().enumerate() {
            for other in case.losses.iter().skip(index + 1) {
                wrong.extend(case.accusations(&[one.clone(), other.clone()]));
            }
        }
    }
    fail(wrong);
}

#[test]
fn there_is_something_to_lose() {
    assert!(CASES.len() > 200, "{} cases", CASES.len());
    let found = |case: &Case| case.said.values().filter(|said| said.is_ok()).count();
    let findings: usize = CASES.iter().map(found).sum();
    assert!(findings > 300, "{findings} findings");
    // All that is known of the estate, but the objects themselves.
    let estate = CASES.first().unwrap();
    let coverage = |loss: &&Loss| {
        matches!(loss, Loss::Wholeness(..) | Loss::CredentialsOf(_) | Loss::IssuerOf(_) | Loss::TrustOf(_))
            || matches!(loss, Loss::ManagedIdentities | Loss::Applications | Loss::Clusters)
    };
    let all: Vec<Loss> = estate.losses.iter().filter(coverage).cloned().collect();
    fail(estate.accusations(&all));
    let left = estate.said_without(&all);
    let unknown = |said: &Said| said.values().filter(|said| said.is_err()).count();
    assert!(unknown(&left) > unknown(&estate.said) + 100, "losing all coverage makes nothing unknown");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn losing_much_of_the_estate_accuses_nobody(indexes in prop::collection::vec(any::<Index>(), 1..200)) {
        let case = CASES.first().unwrap();
        let lost: Vec<Loss> = indexes.iter().map(|index| index.get(&case.losses).clone()).collect();
        let wrong = case.accusations(&lost);
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn losing_much_of_a_small_estate_accuses_nobody(which in any::<Index>(), indexes in prop::collection::vec(any::<Index>(), 1..12)) {
        let case = which.get(CASES.get(1..).unwrap_or_default());
        let lost: Vec<Loss> = indexes.iter().map(|index| index.get(&case.losses).clone()).collect();
        let wrong = case.accusations(&lost);
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
