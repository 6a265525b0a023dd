#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::declared::{Coming, Declared, DeclaredCredential};
use crate::inventory::{Extent, Inventory};
use crate::model::{ClusterIx, Pairs};
use crate::parameters::Parameters;
use crate::sample::{self, CLIENT};

/// An identity with `used` credentials of GitHub and `needed` ServiceAccounts that wait.
fn estate(used: usize, needed: usize) -> Inventory {
    let mut inventory = sample::cluster();
    inventory.coverage.clusters = true;
    inventory.coverage.cluster(ClusterIx(0)).service_accounts = Extent::Everything;
    inventory.identities.push(sample::identity());
    inventory.credentials.extend((0..used).map(|index| FederatedIdentityCredential {
        name: format!("fc{index}"),
        issuer: "https://token.actions.githubusercontent.com".into(),
        subject: Some(format!("repo:{index}").into()),
        ..sample::credential("", "")
    }));
    inventory.service_accounts.extend(
        (0..needed).map(|index| ServiceAccount { name: format!("account-{index}"), ..sample::account(CLIENT) }),
    );
    inventory.workloads.extend((0..needed).map(|index| pod(index, false)));
    inventory
}

/// A pod that asks for the tokens of the ServiceAccount of that number.
fn pod(index: usize, binding: bool) -> Workload {
    sample::workload(&format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{index}","namespace":"shop","labels":{{"azure.workload.identity/use":"true"}},"annotations":{{"azure.workload.identity/use-identity-binding":"{binding}"}}}},"spec":{{"serviceAccountName":"account-{index}"}}}}"#
    ))
}

fn knows_pods(inventory: &mut Inventory) {
    let of = inventory.coverage.cluster(ClusterIx(0));
    (of.pods, of.deployments) = (Extent::Everything, Extent::Everything);
}

fn verdict(inventory: &Inventory) -> Verdict {
    let parameters = Parameters::default();
    check(inventory.identities.first().unwrap(), &Trust::join(inventory, &parameters))
}

#[test]
fn severity_follows_what_is_left() {
    for (used, needed, severity) in [
        (15, 0, None),
        (16, 0, Some(Severity::Medium)),
        (10, 6, Some(Severity::Medium)),
        (20, 0, Some(Severity::High)),
        (18, 2, Some(Severity::High)),
        (18, 3, Some(Severity::Critical)),
        (20, 1, Some(Severity::Critical)),
    ] {
        let found = verdict(&estate(used, needed)).unwrap().map(|finding| finding.severity);
        assert_eq!(found, severity, "{used} {needed}");
    }
}

#[test]
fn who_names_an_identity_that_is_not_described_is_not_known() {
    let mut inventory = estate(15, 6);
    assert!(verdict(&inventory).unwrap().is_some());
    inventory.identities.iter_mut().for_each(|identity| identity.client_id = "".into());
    assert_eq!(verdict(&inventory), Err(Unknown(Key::Identity("id".into()))));
    inventory.credentials.extend((15..20).map(|index| FederatedIdentityCredential {
        name: format!("fc{index}"),
        ..sample::credential("depot", &format!("account-{index}"))
    }));
    assert_eq!(verdict(&inventory).unwrap().map(|finding| finding.severity), Some(Severity::High), "it is full");
}

#[test]
fn a_need_of_a_namespace_that_is_a_guess_is_not_counted_if_it_may_be_met() {
    let mut inventory = estate(18, 3);
    inventory.service_accounts.iter_mut().for_each(|account| account.unplaced = true);
    let severity = |inventory: &Inventory| verdict(inventory).ok().flatten().map(|finding| finding.severity);
    assert_eq!(severity(&inventory), Some(Severity::Critical), "none of them is trusted in any namespace");
    *inventory.credentials.first_mut().unwrap() = sample::credential("depot", "account-0");
    assert_ne!(severity(&inventory), Some(Severity::Critical));
    inventory.service_accounts.iter_mut().for_each(|account| account.unplaced = false);
    assert_eq!(severity(&inventory), Some(Severity::Critical), "they are where they say");
}

#[test]
fn who_uses_an_identity_binding_needs_no_credential() {
    let mut inventory = estate(1, 30);
    inventory.workloads.clear();
    inventory.credentials.first_mut().unwrap().issuer = "https://ib.oic.prod-aks.azure.com/t/c".into();
    assert!(verdict(&inventory).is_err(), "nothing is known of their pods");
    inventory.workloads.extend((0..30).map(|index| pod(index, true)));
    assert_eq!(verdict(&inventory), Ok(None));
    // Those that do not opt in ask for no token.
    let idle = |index| {
        let mut idle = pod(index, false);
        idle.template.labels = Pairs::default();
        idle
    };
    inventory.workloads.extend((0..30).map(idle));
    assert_eq!(verdict(&inventory), Ok(None));
    inventory.workloads.extend((0..20).map(|index| pod(index, false)));
    assert_eq!(verdict(&inventory).unwrap().unwrap().severity, Severity::Critical);
    assert_eq!(verdict(&estate(1, 30)).unwrap().unwrap().severity, Severity::Critical, "no binding");
}

#[test]
fn whom_nobody_asks_for_needs_no_credential() {
    let of = |used, needed, asking: usize, known: bool| {
        let mut inventory = estate(used, needed);
        inventory.workloads.truncate(asking);
        if known {
            knows_pods(&mut inventory);
        }
        verdict(&inventory).map(|finding| finding.map(|finding| finding.severity)).ok()
    };
    assert_eq!(of(2, 22, 2, true), Some(None));
    assert_eq!(of(14, 22, 2, true), Some(Some(Severity::Medium)));
    assert_eq!(of(2, 22, 2, false), None, "it is not known of twenty");
    assert_eq!(of(2, 13, 2, false), Some(None), "too few to matter");
    assert_eq!(of(2, 14, 2, false), None);
    assert_eq!(of(16, 22, 2, false), Some(Some(Severity::Medium)), "those that are known");
}

/// Fifteen credentials, of which the first is `first`, and a ServiceAccount that may wait for the sixteenth.
fn beside(first: impl FnOnce(&mut FederatedIdentityCredential)) -> Result<Option<Severity>, Unknown> {
    let mut inventory = estate(15, 1);
    first(inventory.credentials.first_mut().unwrap());
    verdict(&inventory).map(|finding| finding.map(|finding| finding.severity))
}

#[test]
fn what_its_cluster_s_credentials_leave_is_needed() {
    let here = |subject: &'static str| {
        move |credential: &mut FederatedIdentityCredential| {
            credential.issuer = "https://oidc.example.com".into();
            credential.subject = Some(subject.into());
        }
    };
    let flexible = |issuer: &'static str, expression: &'static str| {
        move |credential: &mut FederatedIdentityCredential| {
            credential.issuer = issuer.into();
            credential.subject = None;
            credential.expression = Some(expression.into());
        }
    };
    let (own, other) = ("https://oidc.example.com", "https://other.example.com");
    let all = "claims['sub'] matches 'system:serviceaccount:shop:*'";
    assert_eq!(beside(|_| ()), Ok(Some(Severity::Medium)));
    assert_eq!(beside(here("system:serviceaccount:shop:account-0")), Ok(None));
    assert_eq!(beside(here("system:serviceaccount:shop:ACCOUNT-0")), Ok(None), "it will be corrected");
    assert_eq!(beside(here("system:serviceaccount:shop:till")), Ok(Some(Severity::Medium)));
    assert_eq!(beside(flexible(own, all)), Ok(None));
    assert_eq!(beside(flexible(other, all)), Ok(Some(Severity::Medium)));
    assert!(beside(flexible(own, "claims['job'] eq 'x'")).is_err());
    assert_eq!(verdict(&estate(0, 16)).unwrap().unwrap().severity, Severity::Medium, "none is near");
}

#[test]
fn a_full_identity_is_said_to_be_full() {
    let said = |used, needed| verdict(&estate(used, needed)).unwrap().unwrap().message;
    assert!(said(20, 0).starts_with("all 20 "), "{}", said(20, 0));
    assert!(said(18, 2).contains("the last"), "{}", said(18, 2));
}

#[test]
fn credentials_that_are_declared_need_their_place() {
    let declared = |name: &str, subject: Option<&str>| DeclaredCredential {
        issuer: Some("https://token.actions.githubusercontent.com".into()),
        subject: subject.map(Subject::from),
        coming: Coming::Made,
        ..sample::declared(CLIENT, name)
    };
    let total = |used: usize, declared: Vec<DeclaredCredential>| {
        let mut inventory = estate(used, 0);
        for it in &declared {
            assert_eq!(it.identity, inventory.identities.first().unwrap().reference());
        }
        inventory.declared = Declared::of(declared, false);
        verdict(&inventory).unwrap().map(|finding| finding.severity)
    };
    let two = || vec![declared("a", Some("repo:a")), declared("b", Some("repo:b"))];
    assert_eq!(total(14, two()), Some(Severity::Medium));
    assert_eq!(total(18, two()), Some(Severity::High));
    assert_eq!(total(19, two()), Some(Severity::Critical));
    assert_eq!(total(15, vec![declared("fc0", Some("repo:0"))]), None, "it is there");
    assert_eq!(total(15, vec![declared("FC3", None)]), None, "it is there, by its name");
    assert_eq!(total(15, vec![declared("", Some("repo:a"))]), None, "it may be one that is there");
    assert_eq!(total(15, vec![declared("a", None)]), Some(Severity::Medium), "known once it is applied");
    let unclear = || vec![declared("a", None), declared("b", None), declared("c", Some("repo:c"))];
    assert_eq!(total(12, unclear()), None);
    assert_eq!(total(13, unclear()), Some(Severity::Medium));
    assert_eq!(total(18, unclear()), Some(Severity::Critical));
    let same = || vec![declared("a", Some("repo:a")), declared("b", Some("repo:a")), declared("A", Some("repo:a"))];
    assert_eq!(total(13, same()), None, "a name that is declared twice is one");
    assert_eq!(total(14, same()), Some(Severity::Medium), "two names are two, whatever they trust");
    let renamed = || {
        let gone = DeclaredCredential { coming: Coming::Deleted, ..declared("fc0", Some("repo:0")) };
        vec![gone, declared("new", Some("repo:0"))]
    };
    assert_eq!(total(15, renamed()), None, "one goes, one comes");
    assert_eq!(total(20, renamed()), Some(Severity::High), "the last is the last");
    let mut both = estate(14, 1);
    both.declared = Declared::of(vec![declared("a", Some("repo:a"))], false);
    assert_eq!(verdict(&both).unwrap().unwrap().severity, Severity::Medium, "neither stands for the other");
}

#[test]
fn one_binding_serves_those_whose_pods_are_not_known() {
    let mut inventory = estate(15, 1);
    inventory.credentials.first_mut().unwrap().issuer = "https://ib.oic.prod-aks.azure.com/t/c".into();
    assert!(verdict(&inventory).unwrap().is_some(), "its pod uses none");
    inventory.workloads.clear();
    assert!(verdict(&inventory).is_err());
}

#[test]
fn what_was_not_seen_is_not_free() {
    let mut inventory = estate(3, 0);
    inventory.coverage.cluster(ClusterIx(0)).service_accounts = Extent::Nothing;
    assert!(verdict(&inventory).is_err());
    let mut inventory = estate(3, 0);
    inventory.coverage.clusters = false;
    assert!(verdict(&inventory).is_err());
    let mut inventory = estate(15, 0);
    inventory.identities.first_mut().unwrap().credentials_complete = false;
    assert!(verdict(&inventory).is_err());
    let mut inventory = estate(16, 0);
    inventory.identities.first_mut().unwrap().credentials_complete = false;
    assert!(verdict(&inventory).unwrap().is_some());
}
