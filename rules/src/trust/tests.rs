#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use alloc::string::{String, ToString};
use alloc::vec;

use super::*;
use crate::inventory::{Namespace, SecretProviderClass, Tokens};
use crate::manifest::Manifest;
use crate::model::{
    Custom, Life, Operator, Origin, Pairs, Parent, Platform, Registration, Requirement, RoleAssignment, Selector,
    Software, Webhook, WebhookSettings,
};
use crate::sample::{CLIENT, ISSUER, OPTS_IN, account, cluster, credential, custom, declared, identity, pod, workload};

const HERE: ClusterIx = ClusterIx(0);
const THERE: ClusterIx = ClusterIx(1);

/// Two clusters, of both of which everything is known.
fn two() -> Inventory {
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
fn finds<'a, T>(inventory: &'a Inventory, look: impl Fn(&Trust<'a>) -> Link<T>) -> Option<bool> {
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
fn an_identity_without_a_principal_id_has_no_role_that_is_seen() {
    let role = RoleAssignment { id: String::new(), principal_id: String::new(), role: "r".into(), scope: "/".into() };
    let inventory = Inventory { role_assignments: vec![role], ..two() };
    let parameters = Parameters::default();
    assert!(Trust::join(&inventory, &parameters).roles_seen(&identity()).is_empty());
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
fn what_asks_for_no_pods_is_dormant_where_nothing_wakes_it() {
    let job = read(
        r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"job","namespace":"shop","uid":"1"},"spec":{"suspend":true}}"#,
    );
    let parameters = Parameters::default();
    let lives = |more: Option<Manifest>, everything: bool| {
        let mut inventory = two();
        for manifest in [deployment("cart", "cart", r#""replicas":0,"#), job.clone()].into_iter().chain(more) {
            match manifest {
                Manifest::Workload(workload) => inventory.workloads.push(workload),
                Manifest::Custom(custom) => inventory.customs.push(custom),
                _ => {}
            }
        }
        if !everything {
            inventory.coverage.cluster(HERE).deployments = Extent::Nothing;
        }
        let trust = Trust::join(&inventory, &parameters);
        [trust.life(&inventory.workloads[0]), trust.life(&inventory.workloads[1])]
    };
    let (rests, woken) = ([Life::Dormant, Life::Dormant], [Life::Active, Life::Dormant]);
    assert_eq!(lives(None, true), rests);
    assert_eq!(lives(None, false), woken, "a KEDA may be among what was not read");
    for (name, image, expected) in [
        ("web", "shop/web", rests),
        ("web", "kedacore/keda", woken),
        ("web", "bitnami/keda-operator", woken),
        ("web", "flat/kedacore-keda", woken),
        ("web", "shop/kedagogue", rests),
        ("web", "custom-metrics-autoscaler/custom-metrics-autoscaler-rhel9", woken),
        ("keda-operator", "shop/scaler", woken),
        ("release-keda-operator", "shop/scaler", woken),
        ("keda-operator-web", "shop/web", rests),
    ] {
        assert_eq!(lives(Some(deployment(name, image, "")), true), expected, "{name} {image}");
    }
    let Manifest::Workload(keda) = deployment("keda", "kedacore/keda", "") else { panic!() };
    let elsewhere = Workload { cluster: THERE, ..keda };
    assert_eq!(lives(Some(Manifest::Workload(elsewhere)), true), rests);
    let done = read(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"keda","uid":"1"},"spec":{"containers":[{"name":"a","image":"keda"}]},"status":{"phase":"Failed"}}"#,
    );
    assert_eq!(lives(Some(done), true), rests, "it runs no more");
    let scaled_job = read(
        r#"{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledJob","metadata":{"name":"job","namespace":"shop"},"spec":{"jobTargetRef":{"template":{"spec":{"containers":[]}}}}}"#,
    );
    assert_eq!(lives(Some(scaled_job), true), woken);
    let trigger = read(
        r#"{"apiVersion":"keda.sh/v1alpha1","kind":"TriggerAuthentication","metadata":{"name":"bus","namespace":"shop"},"spec":{}}"#,
    );
    assert_eq!(lives(Some(trigger), true), woken);
    for (namespace, target, expected) in [
        ("shop", r#""name":"cart""#, woken),
        ("shop", r#""kind":"Deployment","name":"cart""#, woken),
        ("shop", r#""kind":"StatefulSet","name":"cart""#, rests),
        ("shop", r#""name":"web""#, rests),
        ("till", r#""name":"cart""#, rests),
    ] {
        let object = alloc::format!(
            r#"{{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","metadata":{{"name":"cart","namespace":"{namespace}"}},"spec":{{"scaleTargetRef":{{{target}}}}}}}"#
        );
        assert_eq!(lives(Some(read(&object)), true), expected, "{namespace} {target}");
        let Manifest::Custom(custom) = read(&object) else { panic!() };
        let elsewhere = Manifest::Custom(Custom { cluster: THERE, ..custom });
        assert_eq!(lives(Some(elsewhere), true), rests);
    }
    for (replicas, expected) in [("", woken), (r#","replicas":3"#, woken), (r#","replicas":0"#, rests)] {
        assert_eq!(lives(Some(rollout("blue", replicas)), true), expected, "{replicas}");
    }
}

#[test]
fn what_a_rollout_controls_is_made_by_the_template_that_it_refers_to() {
    let set = |kind: &str, name: &str| {
        read(&alloc::format!(
            r#"{{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{{"name":"cart-5c4d","namespace":"shop","ownerReferences":[{{"kind":"{kind}","name":"{name}","controller":true}}]}},"spec":{{"template":{{"spec":{{"containers":[]}}}}}}}}"#
        ))
    };
    let parameters = Parameters::default();
    let maker = |controller: (&str, &str), rollout: Option<Manifest>| {
        let mut inventory = two();
        for manifest in [set(controller.0, controller.1), deployment("cart", "cart", "")] {
            let Manifest::Workload(workload) = manifest else { panic!() };
            inventory.workloads.push(workload);
        }
        let Some(Manifest::Custom(custom)) = rollout else { panic!() };
        inventory.customs.push(custom);
        let trust = Trust::join(&inventory, &parameters);
        trust.maker(&inventory.workloads[0]).map(|maker| (maker.kind.kind, maker.name.clone()))
    };
    let cart = Some(("Deployment", "cart".into()));
    assert_eq!(maker(("Deployment", "cart"), Some(rollout("blue", ""))), cart);
    assert_eq!(maker(("Rollout", "blue"), Some(rollout("blue", ""))), cart);
    assert_eq!(maker(("Rollout", "cart"), Some(rollout("cart", ""))), cart);
    assert_eq!(maker(("Rollout", "cart"), Some(rollout("blue", ""))), None, "one of another name");
    assert_eq!(maker(("StatefulSet", "blue"), Some(rollout("blue", ""))), None);
}

#[test]
fn what_has_ended_may_be_made_again_by_what_was_not_read() {
    let of = |owner: &str| match owner {
        "" => alloc::string::String::new(),
        owner => alloc::format!(r#","ownerReferences":[{{"kind":"{owner}","name":"cart","controller":true}}]"#),
    };
    let object = |version: &str, kind: &str, owner: &str, status: &str| {
        read(&alloc::format!(
            r#"{{"apiVersion":"{version}","kind":"{kind}","metadata":{{"name":"cart","namespace":"shop","uid":"1"{}}},"spec":{{"replicas":0}},"status":{{{status}}}}}"#,
            of(owner)
        ))
    };
    let pod = |owner: &str, phase: &str| object("v1", "Pod", owner, &alloc::format!(r#""phase":"{phase}""#));
    let job = |owner: &str| object("batch/v1", "Job", owner, r#""completionTime":"2026-11-01T08:00:00Z""#);
    let cron_job = || object("batch/v1", "CronJob", "", "");
    let set = || object("apps/v1", "ReplicaSet", "Deployment", "");
    let parameters = Parameters::default();
    for (workloads, expected) in [
        (vec![pod("", "Failed")], Some("the maker of Pod shop/cart")),
        (vec![pod("", "Running")], None),
        (vec![pod("Workflow", "Succeeded")], Some("Workflow shop/cart")),
        (vec![pod("Workflow", "Running")], None),
        (vec![pod("Job", "Failed")], Some("Job shop/cart")),
        (vec![pod("Job", "Failed"), job("")], None),
        (vec![job("")], None),
        (vec![job("CronJob")], Some("CronJob shop/cart")),
        (vec![job("CronJob"), cron_job()], None),
        (vec![set()], None),
    ] {
        let mut inventory = two();
        for manifest in workloads {
            let Manifest::Workload(workload) = manifest else { panic!() };
            inventory.workloads.push(workload);
        }
        let trust = Trust::join(&inventory, &parameters);
        let maker = trust.unread_maker(&inventory.workloads[0]).map(|Unknown(key)| key.to_string());
        assert_eq!(maker.as_deref(), expected, "{:?}", inventory.workloads);
    }
}

fn read(json: &str) -> Manifest {
    crate::manifest::read(json.as_bytes(), None, HERE, Origin::default()).unwrap().manifest
}

/// A Deployment of a cluster.
fn deployment(name: &str, image: &str, spec: &str) -> Manifest {
    read(&alloc::format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{name}","namespace":"shop","uid":"1"}},"spec":{{{spec}"template":{{"spec":{{"containers":[{{"name":"a","image":"ghcr.io/{image}:2.18"}}]}}}}}}}}"#
    ))
}

/// A Rollout by the template of Deployment `cart`.
fn rollout(name: &str, spec: &str) -> Manifest {
    read(&alloc::format!(
        r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","metadata":{{"name":"{name}","namespace":"shop","uid":"1"}},"spec":{{"workloadRef":{{"apiVersion":"apps/v1","kind":"Deployment","name":"cart"}}{spec}}}}}"#
    ))
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
