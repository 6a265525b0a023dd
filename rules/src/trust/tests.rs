#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use alloc::string::String;
use alloc::vec;

use super::*;
use crate::inventory::{Namespace, SecretProviderClass, Tokens};
use crate::model::{
    Operator, Origin, Pairs, Platform, Registration, Requirement, Selector, Software, Webhook, WebhookSettings,
};
use crate::sample::{CLIENT, ISSUER, OPTS_IN, account, cluster, custom, pod, workload};

pub(super) const HERE: ClusterIx = ClusterIx(0);
pub(super) const THERE: ClusterIx = ClusterIx(1);

/// Two clusters, of both of which everything is known.
pub(super) fn two() -> Inventory {
    let mut inventory = cluster();
    inventory.clusters.push(Cluster { name: "test".into(), ..Cluster::default() });
    inventory.coverage.clusters = true;
    for index in [HERE, THERE] {
        let of = inventory.coverage.cluster(index);
        of.service_accounts = Extent::Everything;
        of.secrets = Extent::Everything;
        of.provider_classes = Extent::Everything;
        of.namespaces = Extent::Everything;
        of.deployments = Extent::Everything;
    }
    inventory
}

/// Whether `look` finds something in the inventory.
pub(super) fn finds<'a, T>(inventory: &'a Inventory, look: impl Fn(&Trust<'a>) -> Link<T>) -> Option<bool> {
    static PARAMETERS: std::sync::OnceLock<Parameters> = std::sync::OnceLock::new();
    match look(&Trust::join(inventory, PARAMETERS.get_or_init(Parameters::default))) {
        Link::Found(_) => Some(true),
        Link::Absent => Some(false),
        Link::Unknown(_) => None,
    }
}

#[test]
fn what_a_workload_names_is_of_its_own_cluster_and_namespace() {
    let workload = pod(OPTS_IN, "");
    for (cluster, namespace, name, expected) in [
        (HERE, "shop", "it", true),
        (THERE, "shop", "it", false),
        (HERE, "till", "it", false),
        (HERE, "shop", "other", false),
    ] {
        let shown = format!("{cluster:?} {namespace}/{name}");
        let (namespace, name): (String, String) = (namespace.into(), name.into());
        let mut inventory = two();
        inventory.secrets.push(SecretKeys { cluster, namespace: namespace.clone(), name: name.clone(), keys: vec![] });
        inventory.provider_classes.push(SecretProviderClass {
            cluster,
            namespace: namespace.clone(),
            name: name.clone(),
            azure: None,
        });
        inventory.token_requesters.push(TokenRequester {
            cluster,
            namespace: namespace.clone(),
            service_account: if name == "it" { "cart".into() } else { name.clone() },
            by: "SecretStore/vault".into(),
        });
        assert_eq!(finds(&inventory, |trust| trust.secret(&workload, "it")), Some(expected), "{shown}");
        assert_eq!(finds(&inventory, |trust| trust.provider_class(&workload, "it")), Some(expected), "{shown}");
        assert_eq!(finds(&inventory, |trust| trust.token_requester(&workload)), Some(expected), "{shown}");
    }
}

#[test]
fn an_operator_without_its_resources_leaves_it_open_who_asks_for_tokens() {
    let mut inventory = two();
    let workload = pod(OPTS_IN, "");
    assert_eq!(finds(&inventory, |trust| trust.token_requester(&workload)), Some(false));
    inventory.coverage.cluster(HERE).token_requesters_missing = true;
    assert_eq!(finds(&inventory, |trust| trust.token_requester(&workload)), None);
}

#[test]
fn a_cluster_has_its_own_workloads_and_registrations() {
    let mut inventory = two();
    inventory.workloads.push(pod(OPTS_IN, ""));
    inventory.workloads.push(Workload { cluster: THERE, ..pod(OPTS_IN, "") });
    let parameters = Parameters::default();
    let trust = Trust::join(&inventory, &parameters);
    assert_eq!((trust.workloads(HERE).count(), trust.workloads(THERE).count()), (1, 1));
    assert_eq!(trust.workloads_of(HERE, "shop", "cart").len(), 1);
    inventory.registrations = vec![registration(THERE, "there"), registration(HERE, "here")];
    let trust = Trust::join(&inventory, &parameters);
    let names: Vec<&str> = trust.registrations(HERE).map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["here"]);
    assert!(!trust.azure_keeps_webhook(ClusterIx(2)), "of no cluster");
}

#[test]
fn a_cluster_has_its_own_of_everything() {
    let mut inventory = two();
    let store = r#"{"apiVersion":"external-secrets.io/v1","kind":"SecretStore","metadata":{"name":"it","namespace":"shop"},"spec":{}}"#;
    inventory.customs.push(custom(store));
    inventory.service_accounts.push(account(CLIENT));
    inventory.secrets.push(SecretKeys { cluster: HERE, namespace: "shop".into(), name: "it".into(), keys: vec![] });
    for (cluster, namespace) in [(THERE, "wi"), (HERE, "shop"), (HERE, "wi")] {
        let tenant_id = alloc::format!("{cluster:?}/{namespace}");
        let namespace = namespace.into();
        inventory.webhook_settings.push(WebhookSettings { cluster, namespace, tenant_id, environment: String::new() });
    }
    let parameters = Parameters::default();
    let trust = Trust::join(&inventory, &parameters);
    let counts =
        |cluster| (trust.customs(cluster).count(), trust.accounts(cluster).count(), trust.secrets(cluster).count());
    assert_eq!((counts(HERE), counts(THERE)), ((1, 1, 1), (0, 0, 0)));
    let Link::Found(settings) = trust.webhook_settings(HERE, "wi") else { panic!("they are not found") };
    assert_eq!(settings.tenant_id, "ClusterIx(0)/wi");
    assert_eq!(finds(&inventory, |trust| trust.webhook_settings(HERE, "till")), None);
}

#[test]
fn software_is_that_of_the_workloads_that_run_it() {
    let software = |image: &str| Software { images: vec![image.into()], ..Software::default() };
    let inventory = Inventory { software: vec![software("web:1"), software("cart:1")], ..two() };
    let parameters = Parameters::default();
    let trust = Trust::join(&inventory, &parameters);
    let runs = pod("", r#","containers":[{"name":"app","image":"cart:1"}]"#);
    let images: Vec<_> = trust.run_by(&runs).flat_map(|it| &it.images).collect();
    assert_eq!(images, ["cart:1"]);
}

#[test]
fn a_namespace_is_out_of_sight_by_the_first_requirement_that_it_does_not_meet() {
    let requirement = |operator, value: &str| Requirement {
        key: "kubernetes.io/metadata.name".into(),
        operator,
        values: vec![value.into()],
    };
    let of = |all: Vec<Requirement>| Webhook { namespaces: Selector(all), ..Webhook::default() };
    let webhook = of(vec![requirement(Operator::NotIn, "kube-system"), requirement(Operator::In, "shop")]);
    let inventory = two();
    let parameters = Parameters::default();
    let trust = Trust::join(&inventory, &parameters);
    let unmet = |namespace: &str| trust.out_of_sight(HERE, namespace, &webhook).map(|it| it.map(|it| it.operator));
    assert_eq!(unmet("shop"), Ok(None));
    assert_eq!(unmet("till"), Ok(Some(Operator::In)));
    assert_eq!(unmet("kube-system"), Ok(Some(Operator::NotIn)));
}

#[test]
fn a_cluster_that_azure_does_not_know_is_told_by_its_registrations() {
    let unregistered = |change: fn(&mut Inventory)| {
        let mut inventory = two();
        change(&mut inventory);
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        (trust.unregistered(HERE), trust.lacks_webhook(HERE, None))
    };
    let (registrations, none) = (Some(Unknown(Key::Registrations(HERE))), (None, Ok(false)));
    assert_eq!(unregistered(|_| {}), (registrations, Ok(false)));
    assert_eq!(unregistered(|it| it.registrations.push(registration(HERE, "own"))), none);
    assert_eq!(unregistered(|it| it.coverage.cluster(HERE).registrations = Extent::Everything), none);
    assert_eq!(unregistered(|it| it.coverage.cluster(HERE).deployments = Extent::Nothing), none);
    let image = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"own","namespace":"it"},"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x/workload-identity/webhook:v1.5.1"}]}}}}"#;
    let mut seen = two();
    seen.workloads.push(workload(image));
    let parameters = Parameters::default();
    assert_eq!(Trust::join(&seen, &parameters).unregistered(HERE), None);
    let own = Parameters { self_managed_webhook: true, ..Parameters::default() };
    assert_eq!(Trust::join(&two(), &own).unregistered(HERE), None);
    let unsaid = Err(Unknown(Key::Value("whether the cluster's workload identity is enabled".into())));
    let aks = |it: &mut Inventory| it.clusters[0].platform = Platform::Aks;
    assert_eq!(unregistered(aks), (None, unsaid));
}

fn registration(cluster: ClusterIx, name: &str) -> Registration {
    Registration { cluster, name: name.into(), ..Registration::default() }
}

#[test]
fn every_cluster_that_may_hold_a_service_account_has_to_be_read() {
    let parameters = Parameters::default();
    let unread = |inventory: &Inventory| Trust::join(inventory, &parameters).unread_accounts().is_some();
    assert!(!unread(&two()));
    let mut unlisted = two();
    unlisted.coverage.clusters = false;
    assert!(unread(&unlisted));
    let with = |change: fn(&mut Cluster)| {
        let mut inventory = two();
        inventory.coverage.cluster(THERE).service_accounts = Extent::Nothing;
        change(&mut inventory.clusters[1]);
        inventory
    };
    assert!(unread(&with(|_| ())));
    // One without a name, or that is merely declared, counts only if it has workloads.
    for change in [|it: &mut Cluster| it.name.clear(), |it: &mut Cluster| it.declared = Some("a".into())] {
        let mut inventory = with(change);
        assert!(!unread(&inventory));
        inventory.workloads.push(Workload { cluster: THERE, ..pod("", "") });
        assert!(unread(&inventory));
    }
}

#[test]
fn each_kind_of_evidence_is_counted_apart() {
    let name = || String::from("a");
    let keys = [
        Key::Issuer(HERE),
        Key::Namespace(HERE, name()),
        Key::ServiceAccount(HERE, name(), name()),
        Key::Secret(HERE, name(), name()),
        Key::SecretProviderClass(HERE, name(), name()),
        Key::Place("Pod", name()),
        Key::Deployments(HERE),
        Key::Identity(name()),
        Key::Credentials(name()),
        Key::Parent(name()),
        Key::Clusters(ISSUER.into()),
        Key::Description(HERE),
        Key::Value(name()),
    ];
    let mut kinds: Vec<&str> = keys.iter().map(Key::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), keys.len());
    assert_eq!(Key::Trusting(ISSUER.into()).kind(), Key::Credentials(name()).kind());
}

#[test]
fn an_expression_lets_in_the_service_accounts_of_its_own_cluster() {
    let parameters = Parameters::default();
    let mut inventory = two();
    let all = "claims['sub'] matches 'system:serviceaccount:shop:*'";
    inventory.credentials.push(crate::sample::flexible(all));
    let of = |cluster, namespace: &str| ServiceAccount { cluster, namespace: namespace.into(), ..account(CLIENT) };
    inventory.service_accounts.extend([of(THERE, "shop"), of(HERE, "till")]);
    inventory.coverage.trust_of.insert(Tokens::of(&ISSUER.into()));
    let reached = |inventory: &Inventory| {
        let trust = Trust::join(inventory, &parameters);
        trust.trusted_accounts(HERE, |_, _| true).map(|found| found.len())
    };
    assert_eq!(reached(&inventory), Ok(0));
    inventory.service_accounts.push(of(HERE, "shop"));
    assert_eq!(reached(&inventory), Ok(1));
}

#[test]
fn a_namespace_is_there_or_was_looked_for() {
    let mut inventory = two();
    inventory.namespaces.push(Namespace {
        cluster: THERE,
        name: "shop".into(),
        labels: Pairs::default(),
        origin: Origin::default(),
    });
    assert_eq!(finds(&inventory, |trust| trust.namespace(HERE, "shop")), Some(false));
    assert_eq!(finds(&inventory, |trust| trust.namespace(THERE, "shop")), Some(true));
    inventory.coverage.cluster(HERE).namespaces = Extent::Nothing;
    assert_eq!(finds(&inventory, |trust| trust.namespace(HERE, "shop")), None);
}

#[test]
fn a_webhook_is_kept_up_by_azure_where_azure_installs_it() {
    let of = |namespaces: &[&str], change: fn(&mut Inventory)| {
        let mut inventory = two();
        let called =
            |namespace: &&str| Webhook { service: Some(((*namespace).into(), "x".into())), ..Webhook::default() };
        let webhooks = namespaces.iter().map(called).collect();
        inventory.registrations.push(Registration { webhooks, ..registration(HERE, "own") });
        change(&mut inventory);
        let parameters = Parameters::default();
        Trust::join(&inventory, &parameters).calls_managed(HERE)
    };
    let aks = |it: &mut Inventory| it.clusters[0].platform = Platform::Aks;
    let off = |it: &mut Inventory| {
        it.clusters[0].platform = Platform::Aks;
        it.clusters[0].workload_identity_enabled = Some(false);
    };
    let arc = |it: &mut Inventory| it.clusters[0].platform = Platform::Arc;
    let own = |it: &mut Inventory| it.clusters[0].issuer = Some("https://oidc.example.com".into());
    let azures = |it: &mut Inventory| {
        it.clusters[0].issuer = Some("https://westeurope.oic.prod-aks.azure.com/1/2/".into());
    };
    let unread = |it: &mut Inventory| it.clusters[0].issuer = None;
    let unknown = Err(Unknown(Key::Description(HERE)));
    let system = &["kube-system"];
    for (change, expected) in [
        (aks as fn(&mut Inventory), Ok(true)),
        (off, Ok(false)),
        (arc, Ok(true)),
        (own, Ok(false)),
        (azures, unknown.clone()),
        (unread, unknown),
    ] {
        assert_eq!(of(system, change), expected);
    }
    assert_eq!(of(&["arc-workload-identity"], own), Ok(true));
    assert_eq!(of(&["kube-system", "arc-workload-identity"], unread), Ok(true));
    assert_eq!(of(&["azure-workload-identity-system"], aks), Ok(false));
    assert_eq!(of(&[], aks), Ok(false));
}
