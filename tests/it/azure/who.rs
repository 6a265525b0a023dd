//! Who asks, with which token, of whom: audiences, tenants, subscriptions, credentials.

use std::collections::BTreeSet;

use wiguard_tests::cloud::{Estate, ManagementGroup, Options, Service, Verdict};

use super::{SMALL, Site, assert_same, findings, identities};
use crate::program::run;

/// Every request but those for tokens bore a good token for the service that was asked.
fn assert_admitted(site: &Site) {
    let record = site.cloud.record();
    let bare: Vec<_> = record.0.iter().filter(|it| it.service != Service::Entra && !it.admitted).collect();
    assert!(bare.is_empty(), "{bare:?}");
    assert_eq!(record.0.iter().filter(|it| it.verdict == Verdict::Failed(401)).count(), 0);
}

#[test]
fn a_token_for_each_service_is_enough() {
    let site = Site::made();
    let live = site.scan(&[]);
    assert_same(&live, &site.printed());
    assert_admitted(&site);
    assert_eq!(site.cloud.issued(), 2, "one for Azure Resource Manager, one for Microsoft Graph");
}

#[test]
fn a_secret_and_a_managed_identity_will_do_as_well() {
    let site = Site::made();
    let printed = site.printed();
    let mut secret = site.command(&[]);
    site.cloud.secret(&mut secret);
    assert_same(&site.checked(run(secret)), &printed);
    let mut machine = site.command(&["--credential", "managed-identity"]);
    site.cloud.managed_identity(&mut machine);
    assert_same(&site.checked(run(machine)), &printed);
    assert_admitted(&site);
}

#[test]
fn a_wrong_secret_is_told_from_a_cloud_that_is_empty() {
    let site = Site::made();
    let mut wrong = site.command(&[]);
    site.cloud.secret(&mut wrong);
    wrong.env("AZURE_CLIENT_SECRET", "wrong-secret-that-nobody-may-see");
    let ran = site.checked(run(wrong));
    assert!(matches!(ran.status, 2 | 3), "{ran:?}");
    assert!((ran.err.clone() + &ran.out).contains("7000215"), "{ran:?}");
    assert!(!(ran.err + &ran.out).contains("wrong-secret-that-nobody-may-see"));
}

#[test]
fn each_tenant_is_asked_with_a_token_of_its_own() {
    let estate = Estate::made(7, SMALL).and(Estate::made(8, SMALL));
    let (one, other) = (estate.tenants[0].id.clone(), estate.tenants[1].id.clone());
    let site = Site::new(estate, Options::default());
    let live = site.scan(&["--tenant", &one, "--tenant", &other]);
    assert_same(&live, &site.printed());
    assert_admitted(&site);
    let tenants: BTreeSet<Option<String>> = site.lists().0.iter().map(|it| it.tenant.clone()).collect();
    assert_eq!(tenants, BTreeSet::from([Some(one), Some(other.clone())]));
    site.cloud.forget();
    let home = site.scan(&[]);
    assert_ne!(home.status, 3, "{home:?}");
    assert!(site.lists().0.iter().all(|it| it.tenant.as_deref() != Some(other.as_str())));
    assert_eq!(site.lists().count(Verdict::Served), SMALL.identities);
}

#[test]
fn subscriptions_and_management_groups_are_chosen() {
    let mut estate = Estate::made(7, SMALL);
    estate.groups.push(ManagementGroup { name: "platform".into(), tenant: 0, parent: None });
    estate.groups.push(ManagementGroup { name: "prod".into(), tenant: 0, parent: Some("platform".into()) });
    estate.subscriptions[1].group = Some("prod".into());
    estate.subscriptions[2].group = Some("platform".into());
    let subscriptions = estate.subscriptions.clone();
    let site = Site::new(estate, Options::default());
    let clients = |of: &[usize]| -> BTreeSet<String> {
        of.iter().flat_map(|at| &subscriptions[*at].identities).map(|it| it.client_id.clone()).collect()
    };
    for (arguments, of) in [
        (&["--subscription", subscriptions[3].id.as_str()][..], &[3][..]),
        (&["--subscription", "landing-zone-00"], &[0]),
        (&["--management-group", "platform"], &[1, 2]),
        (&["--management-group", "prod"], &[1]),
    ] {
        let live = site.scan(&[arguments, &["--no-graph"]].concat());
        let seen: BTreeSet<String> = identities(&live).into_iter().map(|it| it.0).collect();
        assert_eq!(seen, clients(of), "{arguments:?}");
        let expected: BTreeSet<_> = findings(&live);
        assert!(expected.iter().all(|it| it[0] != "AWI206"));
    }
    for nobody in [&["--subscription", "nobody"][..], &["--management-group", "nobody"]] {
        let ran = site.scan(nobody);
        assert!(
            matches!(ran.status, 2 | 3),
            "{nobody:?} must not pass for what is clean: {:?} {}",
            super::gaps(&ran),
            ran.report()["coverage"]
        );
        assert!((ran.err.clone() + &ran.out).contains("nobody"), "{ran:?}");
    }
    assert_admitted(&site);
}
