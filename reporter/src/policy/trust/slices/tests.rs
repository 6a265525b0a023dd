#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value as Json;
use wiguard_rules::inventory::Namespace;
use wiguard_rules::model::{Cluster, IdentityKind, Origin, Pair, Pairs, Parent, Platform, ServiceAccount, annotation};

use super::*;

const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";
const OTHER: &str = "https://northeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333/";

/// A cluster of this issuer with the namespaces `shop` and `depot`, and nothing in Azure, listed.
fn inventory() -> Inventory {
    let mut inventory = Inventory::default();
    let cluster =
        Cluster { name: "prod".into(), issuer: Some(ISSUER.into()), platform: Platform::Aks, ..Cluster::default() };
    inventory.clusters.push(cluster);
    for name in ["shop", "depot"] {
        inventory.namespaces.push(Namespace {
            cluster: ClusterIx(0),
            name: name.into(),
            labels: Pairs::default(),
            origin: Origin::default(),
        });
    }
    inventory.coverage.managed_identities = true;
    inventory.coverage.applications = true;
    inventory
}

fn id(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

/// Adds identity `id-NUMBER` with a credential for each issuer and subject.
fn identity(inventory: &mut Inventory, number: usize, credentials: &[(&str, &str)]) {
    let client_id = id(number);
    inventory.identities.push(Identity {
        kind: IdentityKind::UserAssigned,
        name: format!("id-{number}"),
        client_id: client_id.as_str().into(),
        id: format!("/id/{number}"),
        principal_id: String::new(),
        tenant_id: String::new(),
        resource_group: String::new(),
        location: String::new(),
        credentials_complete: true,
        declared: None,
        origin: Origin::default(),
    });
    for (index, (issuer, subject)) in credentials.iter().enumerate() {
        inventory.credentials.push(FederatedIdentityCredential {
            name: format!("fc-{index}"),
            id: String::new(),
            parent: Parent::Client(client_id.as_str().into()),
            issuer: (*issuer).into(),
            subject: (!subject.contains('*')).then(|| (*subject).into()),
            audiences: vec!["api://AzureADTokenExchange".into()],
            expression: subject.contains('*').then(|| (*subject).into()),
            declared: None,
            origin: Origin::default(),
        });
    }
}

fn account(inventory: &mut Inventory, namespace: &str, client_id: &str) {
    let pair = Pair { key: annotation::CLIENT_ID.into(), value: client_id.into(), is_string: true };
    inventory.service_accounts.push(ServiceAccount {
        cluster: ClusterIx(0),
        namespace: namespace.into(),
        unplaced: false,
        name: "cart".into(),
        labels: Pairs::default(),
        annotations: Pairs(vec![pair]),
        origin: Origin::default(),
    });
}

fn cut(inventory: &Inventory, limit: usize) -> Slices {
    let issuer: Issuer = ISSUER.into();
    Cut { limit, collected: 7, ..Cut::new(inventory, &[ClusterIx(0)], &issuer) }.slices()
}

fn slices(inventory: &Inventory) -> Slices {
    cut(inventory, LIMIT)
}

fn read(slices: &Slices, name: &str) -> Json {
    let map = slices.maps.iter().find(|map| map.name == name).unwrap();
    serde_json::from_str(&map.json).unwrap()
}

/// The names of the identities in a namespace's slice.
fn identities(slices: &Slices, namespace: &str) -> Vec<String> {
    let slice = read(slices, &format!("trust.{namespace}"));
    slice["identities"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_namespace_has_the_identities_that_bear_on_it() {
    let mut inventory = inventory();
    identity(
        &mut inventory,
        1,
        &[(ISSUER, "system:serviceaccount:shop:cart"), (OTHER, "system:serviceaccount:shop:cart")],
    );
    identity(&mut inventory, 2, &[(ISSUER, "system:serviceaccount:depot:gate")]);
    identity(&mut inventory, 3, &[(OTHER, "system:serviceaccount:shop:cart")]);
    identity(&mut inventory, 4, &[(ISSUER.trim_end_matches('/'), "system:serviceaccount:shop:cart")]);
    identity(&mut inventory, 5, &[(ISSUER, "system:serviceaccount:Shop:cart")]);
    identity(&mut inventory, 6, &[(ISSUER, "system:serviceaccount:cart:shop")]);
    identity(&mut inventory, 7, &[(ISSUER, "claims['sub'] matches 'system:serviceaccount:*:cart'")]);
    identity(&mut inventory, 8, &[]);
    account(&mut inventory, "depot", &id(8).to_uppercase());
    let slices = slices(&inventory);
    assert_eq!(identities(&slices, "shop"), ["id-1", "id-4", "id-5", "id-6", "id-7"]);
    assert_eq!(identities(&slices, "depot"), ["id-2", "id-7", "id-8"]);
    // A namespace that Azure trusts and nobody has made yet; but none that cannot be made.
    assert_eq!(identities(&slices, "cart"), ["id-6", "id-7"]);
    assert_eq!(slices.maps.len(), 16 + 3);
    let shop = read(&slices, "trust.shop");
    assert_eq!(shop["identities"][0]["credentials"].as_array().unwrap().len(), 2, "those of other clusters too");
    assert_eq!(shop["identities"][0]["complete"], true);
    assert_eq!((&shop["complete"], &shop["collected"], &shop["cluster"]), (&true.into(), &7.into(), &"prod".into()));
    assert!(shop["identities"][4]["credentials"][0].get("subject").is_none());
    assert_eq!(slices.reasons, BTreeSet::new());
}

#[test]
fn client_ids_are_sorted_by_their_first_digit() {
    let mut inventory = inventory();
    for number in [0xb000_0002, 0xb000_0001, 0x0000_0001] {
        identity(&mut inventory, number, &[]);
    }
    inventory.identities[0].client_id = "B0000002-0000-4000-8000-000000000000".into();
    let slices = slices(&inventory);
    let b = read(&slices, "clients.b");
    assert_eq!(b["clientIds"], serde_json::json!([id(0xb000_0001), id(0xb000_0002)]));
    assert_eq!((&b["schema"], &b["complete"]), (&"wiguard.clients/v1".into(), &true.into()));
    assert_eq!(read(&slices, "clients.0")["clientIds"].as_array().unwrap().len(), 1);
    assert_eq!(read(&slices, "clients.f")["clientIds"].as_array().unwrap().len(), 0);
}

#[test]
fn what_was_not_listed_makes_it_incomplete() {
    let with = |change: &dyn Fn(&mut Inventory)| {
        let mut inventory = inventory();
        identity(&mut inventory, 1, &[(ISSUER, "system:serviceaccount:shop:cart")]);
        change(&mut inventory);
        let slices = slices(&inventory);
        let said = slices.reasons.iter().cloned().collect::<Vec<_>>().join("\n");
        let complete = |name: &str| read(&slices, name)["complete"].as_bool().unwrap();
        (complete("trust.shop"), complete("trust.depot"), complete("clients.0"), said)
    };
    assert_eq!(with(&|_| {}), (true, true, true, String::new()));
    let (shop, depot, clients, said) = with(&|inventory| inventory.coverage.applications = false);
    assert!(!shop && !depot && !clients && said.contains("--managed-identities-only"), "{said}");
    let (shop, _, clients, said) = with(&|inventory| inventory.coverage.managed_identities = false);
    assert!(!shop && !clients && said.contains("az identity list"), "{said}");
    let (shop, depot, clients, said) = with(&|inventory| inventory.identities[0].credentials_complete = false);
    assert!(!shop && !depot && clients && said.contains("of identity `id-1`"), "{said}");
    let (shop, depot, clients, said) = with(&|inventory| inventory.credentials[0].parent = Parent::Unknown);
    assert!(!shop && depot && clients && said.contains("for which client id credential `fc-0` is"), "{said}");
    let (shop, depot, _, said) = with(&|inventory| identity(inventory, 1, &[]));
    assert!(!shop && !depot && said.contains("`id-1` and `id-1` have the same client id"), "{said}");

    let vendors = |inventory: &mut Inventory| {
        inventory.coverage.principals.insert(id(2));
        account(inventory, "depot", &id(2));
    };
    let (shop, depot, clients, said) = with(&vendors);
    assert!(shop && !depot && clients && said.contains("only the service principal was read"), "{said}");
    let mut named = self::inventory();
    vendors(&mut named);
    assert_eq!(read(&slices(&named), "clients.0")["clientIds"], serde_json::json!([id(2)]));
    identity(&mut named, 2, &[]);
    assert!(slices(&named).reasons.is_empty(), "it is an identity that was listed");

    let inventory = inventory();
    let issuer: Issuer = ISSUER.into();
    let slices = Cut { whole: false, ..Cut::new(&inventory, &[ClusterIx(0)], &issuer) }.slices();
    assert!(slices.maps.iter().all(|map| map.json.contains("\"complete\":false")), "{slices:?}");
}

#[test]
fn what_a_reader_would_refuse_is_not_written() {
    let mut inventory = inventory();
    identity(&mut inventory, 1, &[(ISSUER, "system:serviceaccount:shop:cart"), (ISSUER, "x")]);
    identity(&mut inventory, 2, &[(ISSUER, "system:serviceaccount:depot:gate")]);
    inventory.credentials[1].subject = None;
    inventory.identities[0].tenant_id = id(9);
    let whole = slices(&inventory);
    let shop = read(&whole, "trust.shop");
    assert_eq!(shop["identities"][0]["credentials"].as_array().unwrap().len(), 1, "one that trusts nothing is none");
    assert_eq!((&shop["complete"], &shop["identities"][0]["complete"]), (&true.into(), &true.into()));
    assert_eq!(read(&whole, "clients.f")["tenants"], serde_json::json!([id(9)]));
    // Whoever trusts a namespace and has no client id that could be named.
    inventory.identities[1].client_id = "id-2".into();
    inventory.credentials[2].parent = Parent::Id("/id/2".into());
    let slices = slices(&inventory);
    assert_eq!(identities(&slices, "depot"), [""; 0]);
    assert_eq!(read(&slices, "trust.depot")["complete"], false);
    assert_eq!(read(&slices, "trust.shop")["complete"], true);
}

#[test]
fn what_does_not_fit_is_left_out_and_said() {
    let mut inventory = inventory();
    for number in 0..20 {
        // The near ones come first by client id.
        let subject = if number < 10 { "system:serviceaccount:SHOP:cart" } else { "system:serviceaccount:shop:cart" };
        identity(&mut inventory, number, &[(ISSUER, subject), (OTHER, subject)]);
    }
    let limit = 8_000;
    let cut = cut(&inventory, limit);
    let shop = cut.maps.iter().find(|map| map.name == "trust.shop").unwrap();
    assert!(shop.json.len() <= limit && shop.json.len() > limit - 1_000, "{} bytes", shop.json.len());
    let kept = identities(&cut, "shop");
    assert!((0..10).all(|number| kept.contains(&format!("id-{}", number + 10))), "those that trust stay: {kept:?}");
    let slice = read(&cut, "trust.shop");
    assert_eq!((&slice["complete"], &slice["identities"][0]["complete"]), (&false.into(), &false.into()));
    assert_eq!(slice["identities"][0]["credentials"].as_array().unwrap().len(), 1);
    assert_eq!(read(&cut, "trust.depot")["complete"], true);
    let lacking = 20 - kept.len();
    assert_eq!(
        cut.reasons.iter().collect::<Vec<_>>(),
        [&format!(
            "`trust.shop` would be larger than an object may be: it lacks {lacking} of 20 identities, and the credentials that trust other clusters"
        )]
    );
}

#[test]
fn too_many_client_ids_are_said() {
    let mut inventory = inventory();
    (0..100).for_each(|number| identity(&mut inventory, number, &[]));
    let slices = cut(&inventory, 1_000);
    let clients = read(&slices, "clients.0");
    assert!(clients.to_string().len() <= 1_000 && clients["complete"] == false);
    assert_eq!(read(&slices, "clients.1")["complete"], true);
    assert!(
        slices.reasons.iter().any(|reason| reason.starts_with("`clients.0` would be larger")),
        "{:?}",
        slices.reasons
    );
}

#[test]
fn the_order_of_sources_does_not_matter() {
    let mut inventory = inventory();
    for number in 0..20 {
        identity(&mut inventory, number, &[(ISSUER, "system:serviceaccount:shop:cart"), (OTHER, "x")]);
    }
    let forth = slices(&inventory);
    inventory.identities.reverse();
    inventory.credentials.reverse();
    inventory.namespaces.reverse();
    assert_eq!(forth, slices(&inventory));
}

#[test]
fn strange_names_are_written_in_ascii() {
    let mut inventory = inventory();
    identity(&mut inventory, 1, &[(ISSUER, "system:serviceaccount:shop:cart")]);
    let strange = "a\u{7f}\u{85}\u{2028}é\u{1f600}\"\\\n";
    inventory.identities[0].name = strange.into();
    let slices = slices(&inventory);
    let map = slices.maps.iter().find(|map| map.name == "trust.shop").unwrap();
    assert!(map.json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", map.json);
    assert_eq!(identities(&slices, "shop"), [strange]);
}
