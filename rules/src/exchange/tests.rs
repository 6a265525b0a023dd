#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use alloc::string::ToString;

use super::*;
use crate::inventory::{Inventory, SecretKeys, Tokens};
use crate::model::{Parent, ServiceAccount, Workload};
use crate::near;
use crate::parameters::Parameters;
use crate::sample::{AUDIENCE, CLIENT, ISSUER, OPTS_IN, account, cluster, credential, flexible, identity, pod};

const READABLE: &str = "claims['sub'] matches 'system:serviceaccount:shop:*'";
const UNREADABLE: &str = "claims['job'] eq 'x'";

fn own_token(audience: &str) -> String {
    format!(
        r#","volumes":[{{"name":"own","projected":{{"sources":[{{"serviceAccountToken":{{"path":"token","audience":"{audience}"}}}}]}}}}]"#
    )
}

/// The audiences that a pod presents.
fn audiences(metadata: &str, spec: &str) -> Option<Vec<String>> {
    let (inventory, parameters) = (cluster(), Parameters::default());
    let trust = Trust::join(&inventory, &parameters);
    let presented = presented(&pod(metadata, spec), &trust).unwrap();
    presented.map(|it| it.audiences.iter().map(ToString::to_string).collect())
}

#[test]
fn a_workload_presents_the_webhook_s_token_or_its_own() {
    let vault = own_token("vault");
    let usgov = own_token("api://AzureADTokenExchangeUSGov");
    let looking_for = |file: &str| {
        format!(
            r#","containers":[{{"name":"app","env":[{{"name":"AZURE_FEDERATED_TOKEN_FILE","value":"{file}"}}],"volumeMounts":[{{"name":"own","mountPath":"/own"}}]}}]"#
        )
    };
    let (named, elsewhere) = (looking_for("/own/token"), looking_for("/t"));
    let skipped = format!(r#"{OPTS_IN},"annotations":{{"azure.workload.identity/skip-containers":"app"}}"#);
    let bound = format!(r#"{OPTS_IN},"annotations":{{"azure.workload.identity/use-identity-binding":"true"}}"#);
    let (one, two) = (r#","containers":[{"name":"app"}]"#, r#","containers":[{"name":"app"},{"name":"log"}]"#);
    let some = |audiences: &[&str]| Some(audiences.iter().map(ToString::to_string).collect::<Vec<_>>());
    for (metadata, spec, expected) in [
        (OPTS_IN, String::new(), some(&[AUDIENCE])),
        ("", String::new(), None),
        ("", vault.clone(), None),
        ("", usgov.clone(), some(&["api://AzureADTokenExchangeUSGov"])),
        ("", format!("{named}{vault}"), some(&["vault"])),
        ("", format!("{elsewhere}{vault}"), None),
        (OPTS_IN, format!("{named}{vault}"), some(&["vault"])),
        (OPTS_IN, format!("{elsewhere}{vault}"), some(&[AUDIENCE])),
        (OPTS_IN, usgov, some(&[AUDIENCE, "api://AzureADTokenExchangeUSGov"])),
        (OPTS_IN, vault, some(&[AUDIENCE])),
        (&skipped, one.into(), None),
        (&skipped, two.into(), some(&[AUDIENCE])),
        (&skipped, String::new(), some(&[AUDIENCE])),
        (&bound, one.into(), None),
    ] {
        assert_eq!(audiences(metadata, &spec), expected, "{metadata} {spec}");
    }
}

#[test]
fn where_no_cluster_was_read_nothing_is_known_of_the_file_that_is_named() {
    let spec = format!(
        r#","containers":[{{"name":"app","env":[{{"name":"AZURE_FEDERATED_TOKEN_FILE","value":"/t"}}]}}]{}"#,
        own_token("vault")
    );
    let parameters = Parameters::default();
    let unnamed = || {
        let mut inventory = cluster();
        inventory.clusters[0].name.clear();
        inventory
    };
    for (inventory, metadata, brings) in
        [(cluster(), "", Some(false)), (unnamed(), "", None), (unnamed(), r#","uid":"5f0c""#, Some(false))]
    {
        let trust = Trust::join(&inventory, &parameters);
        let pod = pod(metadata, &spec);
        assert_eq!(presented(&pod, &trust).map(|it| it.is_some()).ok(), brings, "{metadata}");
        assert_eq!(trust.brings_azure_token(&pod).ok(), brings, "{metadata}");
    }
    let inventory = unnamed();
    let trust = Trust::join(&inventory, &parameters);
    assert_eq!(trust.brings_azure_token(&pod("", &own_token("vault"))), Ok(false));
    assert_eq!(trust.brings_azure_token(&pod("", &own_token(AUDIENCE))), Ok(true));
}

#[test]
fn without_any_audience_the_webhook_s_is_presented() {
    let (inventory, parameters) = (cluster(), Parameters { audiences: Vec::new(), ..Parameters::default() });
    let trust = Trust::join(&inventory, &parameters);
    let presented = presented(&pod(OPTS_IN, ""), &trust).unwrap().unwrap();
    assert_eq!(presented.audiences, [AUDIENCE.into()]);
}

#[test]
fn a_container_s_own_variable_comes_before_the_annotation() {
    let mut inventory = cluster();
    inventory.service_accounts.push(account(CLIENT));
    let parameters = Parameters::default();
    let asked = |containers: &str| {
        let trust = Trust::join(&inventory, &parameters);
        client_ids(&pod(OPTS_IN, containers), &trust)
            .into_iter()
            .map(|one| one.map_err(|_| ()).map(|id| id.map_or_else(|| "none".into(), |id| id.0)))
            .collect::<Vec<_>>()
    };
    let container =
        |name: &str, value: &str| format!(r#"{{"name":"{name}","env":[{{"name":"AZURE_CLIENT_ID","{value}}}]}}"#);
    let annotated = || Ok(CLIENT.into());
    assert_eq!(asked(""), [annotated()]);
    assert_eq!(asked(r#","containers":[{"name":"a"},{"name":"b"}]"#), [annotated()]);
    let (a, b, c) = (
        container("a", r#"value":"other""#),
        container("b", r#"valueFrom":{"configMapKeyRef":{"name":"c","key":"id"}}"#),
        container("c", r#"value":"""#),
    );
    assert_eq!(
        asked(&format!(r#","containers":[{a},{{"name":"x"}},{b},{c}]"#)),
        [Ok("other".into()), annotated(), Err(()), Ok("none".into())]
    );
    let referring = container("a", r#"value":"$(ID)""#);
    assert_eq!(asked(&format!(r#","containers":[{referring}]"#)), [Err(())]);
}

#[test]
fn a_config_map_may_bring_what_no_annotation_says() {
    let inventory = Inventory { service_accounts: vec![account("")], ..cluster() };
    let parameters = Parameters::default();
    let asked = |container: &str| {
        let trust = Trust::join(&inventory, &parameters);
        client_ids(&pod(OPTS_IN, &format!(r#","containers":[{container}]"#)), &trust)
    };
    assert_eq!(asked(r#"{"name":"a"}"#), [Ok(None)]);
    let open = asked(r#"{"name":"a","envFrom":[{"configMapRef":{"name":"c"}}]}"#);
    assert!(open[0].is_err(), "{open:?}");
}

#[test]
fn a_secret_may_bring_it_unless_it_was_read_and_does_not() {
    let may_come = |secrets: &[(&str, &str)], env_from: &str| {
        let secret = |(name, key): &(&str, &str)| SecretKeys {
            cluster: ClusterIx(0),
            namespace: "shop".into(),
            name: (*name).into(),
            keys: vec![(*key).into()],
        };
        let inventory = Inventory { secrets: secrets.iter().map(secret).collect(), ..cluster() };
        let parameters = Parameters::default();
        let pod = pod(OPTS_IN, &format!(r#","containers":[{{"name":"a","envFrom":[{env_from}]}}]"#));
        let (container, _) = pod.containers().next().unwrap();
        may_come("AZURE_CLIENT_ID", &pod, container, &Trust::join(&inventory, &parameters))
    };
    let (one, two) = (r#"{"secretRef":{"name":"one"}}"#, r#"{"prefix":"AZURE_","secretRef":{"name":"two"}}"#);
    let both = format!("{one},{two}");
    assert!(!may_come(&[], ""));
    assert!(may_come(&[], one), "nobody read it");
    assert!(may_come(&[("one", "AZURE_CLIENT_ID")], one));
    assert!(!may_come(&[("one", "OTHER")], one));
    assert!(may_come(&[("one", "OTHER")], &both), "nobody read the other");
    assert!(may_come(&[("one", "OTHER"), ("two", "CLIENT_ID")], &both));
    assert!(!may_come(&[("one", "OTHER"), ("two", "AZURE_CLIENT_ID")], &both), "by its prefix it is another");
    assert!(may_come(&[("one", "OTHER")], &format!(r#"{one},{{"configMapRef":{{"name":"c"}}}}"#)));
}

#[test]
fn a_container_may_be_told_what_an_annotation_of_the_pod_says() {
    let inventory = cluster();
    let parameters = Parameters::default();
    let trust = Trust::join(&inventory, &parameters);
    let told = |annotations: &str| {
        let env = |name: &str, key: &str| {
            format!(
                r#"{{"name":"{name}","valueFrom":{{"fieldRef":{{"fieldPath":"metadata.annotations['azure.workload.identity/{key}']"}}}}}}"#
            )
        };
        let (client, home) = (env("AZURE_CLIENT_ID", "client-id"), env("AZURE_TENANT_ID", "tenant-id"));
        let spec = format!(r#","containers":[{{"name":"app","env":[{client},{home}]}}]"#);
        let pod = pod(&format!(r#"{OPTS_IN},"annotations":{{{annotations}}}"#), &spec);
        let (container, _) = pod.containers().next().unwrap();
        (client_id(&pod, container, &trust), tenant(&pod, container, &trust))
    };
    let both = r#""azure.workload.identity/client-id":"one","azure.workload.identity/tenant-id":"two""#;
    assert_eq!(told(both), (Ok(Some("one".into())), Ok(Some("two".into()))));
    assert_eq!(told(r#""azure.workload.identity/client-id":"""#), (Ok(None), Ok(Some(String::new()))));
}

/// What the identity of `client_id` answers to pods of `shop/cart`: the refusal's name.
fn answer(inventory: &Inventory, client_id: &str) -> Result<Option<String>, Unknown> {
    let parameters = Parameters::default();
    let trust = Trust::join(inventory, &parameters);
    let presented = presented(&pod(OPTS_IN, ""), &trust).unwrap().unwrap();
    presented.answer(client_id.into(), &trust).map(|refusal| refusal.map(|it| it.name().into()))
}

fn with(identity: Option<Identity>, credentials: Vec<FederatedIdentityCredential>) -> Inventory {
    Inventory { identities: identity.into_iter().collect(), credentials, ..cluster() }
}

fn knows_trust(mut inventory: Inventory) -> Inventory {
    inventory.coverage.trust_of.insert(Tokens::of(&ISSUER.into()));
    inventory
}

fn open(of: Identity) -> Identity {
    Identity { credentials_complete: false, ..of }
}

#[test]
fn an_identity_answers_by_its_own_credentials() {
    let refused = || Ok(Some("id".into()));
    let expression = || Err(expression_of(&flexible(UNREADABLE)));
    let all = Err(Unknown(Key::Credentials("id".into())));
    for (credentials, complete, incomplete) in [
        (vec![], refused(), all.clone()),
        (vec![credential("shop", "cart")], Ok(None), Ok(None)),
        (vec![credential("shop", "till")], refused(), all.clone()),
        (vec![flexible(READABLE)], Ok(None), Ok(None)),
        (vec![flexible(UNREADABLE)], expression(), expression()),
        (vec![flexible(UNREADABLE), credential("shop", "cart")], Ok(None), Ok(None)),
        (
            vec![FederatedIdentityCredential { issuer: "https://x".into(), ..credential("shop", "cart") }],
            refused(),
            all,
        ),
    ] {
        let shown = format!("{credentials:?}");
        assert_eq!(answer(&with(Some(identity()), credentials.clone()), CLIENT), complete, "{shown}");
        let open = with(Some(open(identity())), credentials);
        assert_eq!(answer(&open, CLIENT), incomplete, "{shown}");
    }
}

#[test]
fn what_is_no_client_id_is_left_to_others() {
    for id in ["cart", "${CLIENT_ID}", "00000000-0000-0000-0000-000000000000", ""] {
        assert_eq!(answer(&cluster(), id), Ok(None), "{id}");
    }
}

#[test]
fn an_identity_that_is_not_known_is_judged_by_all_that_trust_the_cluster() {
    let unowned = || FederatedIdentityCredential { parent: Parent::Unknown, ..credential("shop", "cart") };
    let elsewhere = || FederatedIdentityCredential { parent: Parent::Unknown, ..credential("shop", "till") };
    let of_nobody = |name: &str| Err(Unknown(Key::Parent(name.into())));
    let refused = |name: &str| Ok(Some(name.into()));
    assert_eq!(answer(&cluster(), CLIENT), Err(Unknown(Key::Identity(CLIENT.into()))));
    assert_eq!(answer(&knows_trust(cluster()), CLIENT), refused(CLIENT));
    assert_eq!(answer(&knows_trust(with(None, vec![unowned()])), CLIENT), of_nobody("shop-cart"));
    assert_eq!(answer(&knows_trust(with(None, vec![elsewhere()])), CLIENT), refused(CLIENT));
    // An identity that is known to be gone, or whose credentials are not all known, may own it as well.
    let mut gone = with(None, vec![]);
    (gone.coverage.managed_identities, gone.coverage.applications) = (true, true);
    assert_eq!(answer(&gone, CLIENT), Err(Unknown(Key::Identity(CLIENT.into()))));
    assert_eq!(answer(&knows_trust(gone), CLIENT), refused(CLIENT));
    #[cfg(feature = "audit")]
    {
        // What another tenant's application trusts is known there.
        let mut theirs = knows_trust(cluster());
        theirs.coverage.principals.insert(CLIENT.into());
        assert_eq!(answer(&theirs, CLIENT), Err(Unknown(Key::Identity(CLIENT.into()))));
    }
    let incomplete = |credential| knows_trust(with(Some(open(identity())), vec![credential]));
    assert_eq!(answer(&incomplete(unowned()), CLIENT), of_nobody("shop-cart"));
    assert_eq!(answer(&incomplete(elsewhere()), CLIENT), refused("id"));
    // All of its own are known, so that the one that nobody owns is not among them.
    assert_eq!(answer(&knows_trust(with(Some(identity()), vec![unowned()])), CLIENT), refused("id"));
    // It is another identity's for certain.
    let other = Identity { id: "/other".into(), client_id: "other".into(), ..open(identity()) };
    let theirs =
        FederatedIdentityCredential { parent: Parent::Resource("/other".into()), ..credential("shop", "cart") };
    assert_eq!(answer(&knows_trust(with(Some(other), vec![theirs])), CLIENT), refused(CLIENT));
}

#[test]
fn nothing_in_azure_may_trust_a_token() {
    let parameters = Parameters::default();
    let none = |inventory: &Inventory| {
        let trust = Trust::join(inventory, &parameters);
        let presented = presented(&pod(OPTS_IN, ""), &trust).unwrap().unwrap();
        (presented.is_trusted_by_none(&trust), presented.trusted_by(&trust).map(|it| it.name.clone()))
    };
    let unknown = || Err(Unknown(Key::Trusting(ISSUER.into())));
    assert_eq!(none(&cluster()), (unknown(), None));
    assert_eq!(none(&knows_trust(cluster())), (Ok(true), None));
    let trusted = || (Ok(false), Some("shop-cart".into()));
    assert_eq!(none(&with(None, vec![credential("shop", "till"), credential("shop", "cart")])), trusted());
    assert_eq!(none(&with(None, vec![credential("shop", "till")])), (unknown(), None));
    let flexible = || flexible(UNREADABLE);
    assert_eq!(none(&knows_trust(with(None, vec![flexible()]))), (Err(expression_of(&flexible())), None));
    assert_eq!(none(&knows_trust(with(None, vec![flexible(), credential("shop", "cart")]))), trusted());
}

#[test]
fn any_audience_will_do() {
    let (inventory, parameters) = (cluster(), Parameters::default());
    let trust = Trust::join(&inventory, &parameters);
    let own = own_token("api://AzureADTokenExchangeUSGov");
    let presented = presented(&pod(OPTS_IN, &own), &trust).unwrap().unwrap();
    let of =
        |audience: &str| FederatedIdentityCredential { audiences: vec![audience.into()], ..credential("shop", "cart") };
    let usgov = of("api://AzureADTokenExchangeUSGov");
    assert_eq!(presented.is_trusted_by(&of(AUDIENCE)), Some(true));
    assert_eq!(presented.is_trusted_by(&usgov), Some(true));
    assert_eq!(presented.is_trusted_by(&of("api://x")), Some(false));
    let open = FederatedIdentityCredential { audiences: usgov.audiences.clone(), ..flexible(UNREADABLE) };
    assert_eq!(presented.is_trusted_by(&open), None);
    assert_eq!(presented.token(&[&of("api://x"), &usgov]).audience, usgov.audiences[0]);
    assert_eq!(presented.token(&[&of("api://x")]).audience.as_str(), AUDIENCE);
}

#[test]
fn a_token_s_audience_is_the_credential_s_own() {
    let of = |value: &str| format!("claims['aud'] eq '{value}' and {READABLE}");
    let admits = |it: &FederatedIdentityCredential| it.admits(&Subject::of("shop", "cart"));
    assert_eq!(admits(&flexible(&of(AUDIENCE))), Some(true));
    assert_eq!(admits(&flexible(&of("api://x"))), Some(false));
    let two = vec![AUDIENCE.into(), "api://x".into()];
    let either = FederatedIdentityCredential { audiences: two, ..flexible(&of(AUDIENCE)) };
    assert_eq!(admits(&either), None, "which of the two it is only its token says");
}

#[test]
#[cfg(feature = "audit")]
fn an_identity_that_takes_no_more_credentials_has_to_lose_some_first() {
    let fix = |used: usize, nearest: FederatedIdentityCredential| {
        let others = (1..used).map(|at| FederatedIdentityCredential {
            name: format!("other-{at}"),
            issuer: "https://token.actions.githubusercontent.com".into(),
            ..credential("of", "others")
        });
        let inventory = with(Some(identity()), others.chain([nearest]).collect());
        let parameters = Parameters { credential_limit: 3, ..Parameters::default() };
        let trust = Trust::join(&inventory, &parameters);
        let presented = presented(&pod(OPTS_IN, ""), &trust).unwrap().unwrap();
        let refusal = presented.answer(CLIENT.into(), &trust).unwrap().unwrap();
        let token = presented.token(&refusal.credentials);
        refusal.repair(&token, near::nearest(&token, &refusal.credentials).as_ref(), &trust)
    };
    let till = || credential("shop", "till");
    assert!(fix(2, till()).starts_with("az "), "there is room");
    for used in [3, 4] {
        let said = fix(used, till());
        assert!(said.starts_with(&format!("`id` has {used} credentials, and an identity takes 3: delete")), "{said}");
        assert!(said.contains(", then: az identity federated-credential create "), "{said}");
    }
    assert!(fix(3, credential("cart", "shop")).starts_with("az identity federated-credential update "));
}

#[test]
fn only_a_credential_that_nobody_lives_by_is_corrected() {
    let parameters = Parameters::default();
    let repair = |identity: Option<Identity>, credential: FederatedIdentityCredential, lives: bool| {
        let mut inventory = with(identity, vec![credential]);
        if lives {
            let (namespace, name) = inventory.credentials[0].service_account().unwrap();
            let of = ServiceAccount { namespace: namespace.into(), name: name.into(), ..account(CLIENT) };
            inventory.service_accounts.push(of);
        }
        let trust = Trust::join(&inventory, &parameters);
        let presented = presented(&pod(OPTS_IN, ""), &trust).unwrap().unwrap();
        let credentials: Vec<_> = inventory.credentials.iter().collect();
        let token = presented.token(&credentials);
        let refusal = Refusal {
            client_id: CLIENT.into(),
            identity: inventory.identities.first(),
            credentials: credentials.clone(),
        };
        refusal.repair(&token, near::nearest(&token, &credentials).as_ref(), &trust)
    };
    let swapped = || credential("cart", "shop");
    assert!(repair(Some(identity()), swapped(), false).contains(" update "));
    assert!(repair(Some(identity()), swapped(), true).contains(" create "));
    assert!(repair(Some(identity()), credential("shop", "till"), false).contains(" create "));
    let audience = FederatedIdentityCredential { audiences: vec!["api://x".into()], ..credential("shop", "cart") };
    assert!(repair(Some(identity()), audience.clone(), false).contains(" update "));
    assert!(repair(Some(identity()), audience, true).contains(" update "), "it lives by no other");
    assert!(repair(None, swapped(), false).contains(CLIENT));
    let planned = |it: FederatedIdentityCredential| FederatedIdentityCredential { declared: Some("at".into()), ..it };
    assert!(repair(Some(identity()), planned(credential("shop", "carts")), false).starts_with("at at set the subject"));
    assert!(repair(Some(identity()), planned(credential("shop", "till")), false).contains(" create "));
}

#[test]
fn an_identity_may_trust_one_that_is_like_what_is_asked_for() {
    let parameters = Parameters::default();
    let trusts = |inventory: &Inventory| {
        let trust = Trust::join(inventory, &parameters);
        trusts_one_like(&inventory.identities[0], ClusterIx(0), &trust, |namespace, name| {
            (namespace, name) == ("shop", "cart")
        })
    };
    let of = |credentials| with(Some(identity()), credentials);
    let elsewhere = |it: FederatedIdentityCredential| FederatedIdentityCredential {
        issuer: "https://other.example.com".into(),
        ..it
    };
    assert_eq!(trusts(&of(vec![credential("shop", "till"), credential("shop", "cart")])), Ok(true));
    assert_eq!(trusts(&of(vec![credential("shop", "till")])), Ok(false));
    assert_eq!(trusts(&of(vec![elsewhere(credential("shop", "cart"))])), Ok(false));
    assert_eq!(trusts(&of(vec![flexible(READABLE)])), Err(expression_of(&flexible(READABLE))));
    assert_eq!(trusts(&of(vec![elsewhere(flexible(READABLE))])), Ok(false));
    let open = with(Some(open(identity())), vec![]);
    assert_eq!(trusts(&open), Err(Unknown(Key::Credentials("id".into()))));
    let nameless = Inventory { clusters: Vec::new(), ..of(vec![]) };
    assert_eq!(trusts(&nameless), Err(Unknown(Key::Issuer(ClusterIx(0)))));
}

#[test]
fn all_of_an_issuer_are_known_by_the_identity_or_by_the_issuer() {
    let parameters = Parameters::default();
    let knows = |inventory: &Inventory| {
        let trust = Trust::join(inventory, &parameters);
        let refusal =
            Refusal { client_id: CLIENT.into(), identity: inventory.identities.first(), credentials: Vec::new() };
        refusal.knows_all_of(&ISSUER.into(), &trust)
    };
    assert!(knows(&with(Some(identity()), vec![])));
    assert!(!knows(&with(Some(open(identity())), vec![])));
    assert!(!knows(&cluster()));
    assert!(knows(&knows_trust(cluster())));
}

#[test]
fn what_is_refused_in_a_namespace_that_is_a_guess_may_be_trusted_in_another() {
    let parameters = Parameters::default();
    let unplaced = Workload { unplaced: true, ..pod(OPTS_IN, &own_token("api://AzureADTokenExchangeUSGov")) };
    let said = |identity: Identity, credentials: Vec<FederatedIdentityCredential>| {
        let mut inventory = with(Some(identity), credentials);
        inventory.coverage.trust_of.insert(Tokens { namespace: Some("shop".into()), ..Tokens::of(&ISSUER.into()) });
        let trust = Trust::join(&inventory, &parameters);
        let presented = presented(&unplaced, &trust).unwrap().unwrap();
        let all: Vec<_> = inventory.credentials.iter().collect();
        let answer = presented.answer(CLIENT.into(), &trust).map(|refusal| refusal.is_some());
        (answer, presented.may_be_meant_by(&all))
    };
    let place = || Err(Unknown(unplaced.place()));
    assert_eq!(said(identity(), vec![]), (Ok(true), false));
    assert_eq!(
        said(open(identity()), vec![]),
        (place(), false),
        "another credential of it may trust another namespace"
    );
    let other = || credential("till", "other");
    assert_eq!(said(identity(), vec![other()]), (Ok(true), false));
    assert_eq!(said(identity(), vec![other(), credential("till", "cart")]), (place(), true));
    let deaf = FederatedIdentityCredential { audiences: vec!["api://x".into()], ..credential("till", "cart") };
    assert_eq!(said(identity(), vec![deaf]), (Ok(true), true), "it hears neither audience");
}

#[test]
fn an_audience_that_was_not_read_may_be_all_that_lacks() {
    let parameters = Parameters::default();
    let unread = |credential: FederatedIdentityCredential| {
        let inventory = with(Some(identity()), vec![credential]);
        let trust = Trust::join(&inventory, &parameters);
        let presented = presented(&pod(OPTS_IN, ""), &trust).unwrap().unwrap();
        let credentials = inventory.credentials.iter().collect();
        let refusal = Refusal { client_id: CLIENT.into(), identity: None, credentials };
        presented.unread_audience(&refusal, &pod(OPTS_IN, ""), &trust)
    };
    let hears = |audiences: &[&str], name: &str| FederatedIdentityCredential {
        audiences: audiences.iter().map(|it| (*it).into()).collect(),
        ..credential("shop", name)
    };
    assert_eq!(unread(hears(&["api://own"], "cart")), Some(Unknown(Key::Deployments(ClusterIx(0)))));
    assert_eq!(unread(hears(&["api://own"], "till")), None, "it lacks more");
    assert_eq!(unread(hears(&[], "cart")), None, "it hears none at all");
}
