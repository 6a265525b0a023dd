#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use super::super::tests::{HERE, finds, two};
use super::super::*;
use crate::model::{Parent, RoleAssignment};
use crate::sample::{CLIENT, cluster, credential, declared, identity};

#[test]
fn an_identity_without_a_principal_id_has_no_role_that_is_seen() {
    let role = RoleAssignment { id: String::new(), principal_id: String::new(), role: "r".into(), scope: "/".into() };
    let inventory = Inventory { role_assignments: vec![role], ..two() };
    let parameters = Parameters::default();
    assert!(Trust::join(&inventory, &parameters).roles_seen(&identity()).is_empty());
}

#[test]
fn an_identity_is_found_by_whatever_names_it_alone() {
    let mut inventory = cluster();
    inventory.identities.push(Identity { principal_id: "principal".into(), ..identity() });
    inventory.identities.push(Identity {
        name: "other".into(),
        client_id: "other".into(),
        id: "/other".into(),
        ..identity()
    });
    let parameters = Parameters::default();
    let trust = Trust::join(&inventory, &parameters);
    let name = |identity: Option<&Identity>| identity.map(|identity| identity.name.clone());
    assert_eq!(name(trust.identity_by_id("/ID")).as_deref(), Some("id"));
    assert_eq!(name(trust.identity_by_id("Principal")).as_deref(), Some("id"));
    assert_eq!(name(trust.identity_by_id("")), None, "one without a principal is not meant");
    assert_eq!(name(trust.identity_by_name("ID")).as_deref(), Some("id"));
    assert_eq!(name(trust.identity_by_name("none")), None);
    let mut both = inventory.clone();
    both.identities[1].name = "id".into();
    assert_eq!(name(Trust::join(&both, &parameters).identity_by_name("id")), None, "either may be meant");
}

#[test]
fn an_identity_that_credentials_alone_name_is_compared_with_nothing() {
    let mut inventory = cluster();
    inventory.credentials.push(credential("shop", "cart"));
    let unnamed = Identity { client_id: "".into(), ..identity() };
    for (declared_as, is_parent) in [(None, false), (Some("the template".to_string()), true)] {
        inventory.identities = vec![Identity { declared: declared_as, ..unnamed.clone() }];
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        assert_eq!(trust.credentials_seen(&inventory.identities[0]).len(), 1);
        assert_eq!(trust.parent(&inventory.credentials[0]).is_some(), is_parent);
        assert_eq!(trust.identity_of(&declared("/id", "fc")).is_some(), is_parent);
        assert!(trust.identity_by_id("/id").is_none() && trust.identity_by_name("id").is_none());
    }
}

#[test]
fn an_identity_is_absent_only_if_both_lists_were_read() {
    let id = ClientId(CLIENT.into());
    let look = |inventory: &Inventory| {
        finds(&inventory.clone(), |trust| match trust.identity(&id) {
            Link::Found(_) => Link::Found(()),
            Link::Absent => Link::Absent,
            Link::Unknown(key) => Link::Unknown(key),
        })
    };
    for (managed, applications, expected) in
        [(false, false, None), (true, false, None), (false, true, None), (true, true, Some(false))]
    {
        let mut inventory = cluster();
        inventory.coverage.managed_identities = managed;
        inventory.coverage.applications = applications;
        assert_eq!(look(&inventory), expected, "{managed} {applications}");
    }
    let mut asked = cluster();
    asked.coverage.no_identity.insert(CLIENT.into());
    assert_eq!(look(&asked), Some(false));
    #[cfg(feature = "audit")]
    {
        asked.coverage.principals.insert(CLIENT.into());
        assert_eq!(look(&asked), None, "its service principal was seen");
        asked.identities.push(identity());
        assert_eq!(look(&asked), Some(true));
    }
}

#[test]
fn only_what_is_live_is_compared_with_what_is_declared() {
    let declared = || declared(CLIENT, "a");
    let parameters = Parameters::default();
    let compared = |is_declared: bool, any: bool, owned: bool| {
        let mut inventory = cluster();
        inventory.identities.extend(owned.then(identity));
        inventory.credentials.push(credential("shop", "cart"));
        inventory.credentials[0].declared = is_declared.then(|| "a".to_string());
        inventory.declared = Declared::of(if any { vec![declared()] } else { vec![] }, false);
        let trust = Trust::join(&inventory, &parameters);
        trust.compared(&inventory.credentials[0]).map(|identity| identity.is_some())
    };
    assert_eq!(compared(false, true, true), Ok(true));
    assert!(compared(false, true, false).is_err(), "whose it is, is not known");
    assert_eq!(compared(true, true, true), Ok(false));
    assert_eq!(compared(true, true, false), Ok(false));
    assert_eq!(compared(false, false, true), Ok(false));
    assert_eq!(compared(false, false, false), Ok(false));
}

#[test]
fn a_tenant_is_seen_by_an_identity_or_because_it_was_asked() {
    let parameters = Parameters::default();
    let mut inventory = cluster();
    assert!(!Trust::join(&inventory, &parameters).sees_tenant("Home"));
    inventory.identities.push(Identity { tenant_id: "other".into(), ..identity() });
    inventory.identities.push(Identity { tenant_id: "home".into(), ..identity() });
    assert!(Trust::join(&inventory, &parameters).sees_tenant("Home"));
    inventory.identities.clear();
    inventory.coverage.tenants.insert("home".into());
    assert!(Trust::join(&inventory, &parameters).sees_tenant("Home"));
}

#[test]
fn a_credential_is_its_parents_however_that_is_named() {
    let parameters = Parameters::default();
    for (parent, expected) in [
        (Parent::Resource("/ID".into()), "id"),
        (Parent::Id("/id".into()), "id"),
        (Parent::Id(CLIENT.into()), "id"),
        (Parent::Client(CLIENT.into()), "id"),
        (Parent::Resource("/rg/gone".into()), "gone"),
        (Parent::Id("gone".into()), "gone"),
        (Parent::Client("gone".into()), "gone"),
        (Parent::Unknown, ""),
    ] {
        let shown = format!("{parent:?}");
        let mut inventory = Inventory { identities: vec![identity()], ..cluster() };
        inventory.credentials.push(FederatedIdentityCredential { parent, ..credential("shop", "cart") });
        let trust = Trust::join(&inventory, &parameters);
        assert_eq!(trust.parent_name(&inventory.credentials[0]), expected, "{shown}");
        assert_eq!(trust.credentials_seen(&inventory.identities[0]).len(), usize::from(expected == "id"), "{shown}");
    }
}

#[test]
fn no_trust_is_seen_for_certain_only_if_every_identity_is() {
    let parameters = Parameters::default();
    let reached = |open: bool| {
        let mut inventory = Inventory { identities: vec![identity(), identity()], ..two() };
        (inventory.coverage.managed_identities, inventory.coverage.applications) = (true, true);
        inventory.identities[1].credentials_complete = !open;
        let trust = Trust::join(&inventory, &parameters);
        trust.trusted_accounts(HERE, |_, _| true).map(|found| found.len())
    };
    assert_eq!(reached(false), Ok(0));
    assert!(reached(true).is_err());
}
