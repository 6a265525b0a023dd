//! The published trust inventory at the doors of the policy: what it lets the policy decide, what it
//! does not when it is broken, somebody else's or old, and that to know less of it accuses nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use wiguard_policy::{Level, Reviewed};
use wiguard_rules::finding::Severity;
use wiguard_rules::inventory::Tokens;
use wiguard_rules::model::ClusterIx;
use wiguard_tests::case::{collect_path, testdata};
use wiguard_tests::doors::{ApiServer, Clock, Doors};
use wiguard_tests::slices::{NAMESPACE, Slices, config_maps, publish};

static DOORS: LazyLock<Doors> = LazyLock::new(Doors::open);

const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";
const OTHER_ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333/";
const CART: &str = "5a1e2c3d-0001-4000-8000-000000000001";
const ABSENT: &str = "5a1e2c3d-0009-4000-8000-000000000009";
/// 2026-11-24T00:00:00Z
const COLLECTED: u64 = 1_795_478_400;
const HOUR: u64 = 3_600;

fn account(name: &str, client_id: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop",
        "annotations": {"azure.workload.identity/client-id": client_id}}})
}

fn pod(account: &str, label: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "cart", "namespace": "shop", "labels": {"azure.workload.identity/use": label}},
        "spec": {"serviceAccountName": account, "containers": [{"name": "app", "image": "app"}]}})
}

/// An identity that trusts one subject of this issuer.
fn identity(subject: &str) -> Value {
    json!({"clientId": CART, "name": "id-cart", "kind": "ManagedIdentity", "tenantId": "t", "complete": true,
        "id": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart",
        "credentials": [{"name": "prod", "issuer": ISSUER, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}]})
}

/// What is published for namespace `shop`, where one identity trusts this subject.
fn slices(subject: &str) -> Slices {
    let clients =
        json!({"schema": "wiguard.clients/v1", "collected": COLLECTED, "complete": true, "clientIds": [CART]});
    let trust = json!({"schema": "wiguard.trust/v1", "cluster": "prod", "issuer": ISSUER, "collected": COLLECTED,
        "namespace": "shop", "complete": true, "identities": [identity(subject)]});
    Slices::from([("trust.shop".to_owned(), trust), ("clients.5".to_owned(), clients)])
}

fn trusted() -> Slices {
    slices("system:serviceaccount:shop:cart")
}

fn untrusted() -> Slices {
    slices("system:serviceaccount:shop:carts")
}

/// The cluster with the ServiceAccount `cart` of that client id, an hour after Azure was asked.
fn server(slices: &Slices, client_id: &str) -> ApiServer {
    let account = account("cart", client_id).to_string().into_bytes();
    ApiServer::with([("shop".to_owned(), "cart".to_owned(), account)])
        .and_config_maps(config_maps(slices))
        .at(Clock::At(COLLECTED + HOUR))
}

fn payload(object: &Value, settings: &Value) -> Vec<u8> {
    let kind = json!({"group": "", "version": "v1", "kind": object["kind"]});
    let request = json!({"uid": "1", "kind": kind, "namespace": "shop", "operation": "CREATE", "object": object});
    json!({"request": request, "settings": settings}).to_string().into_bytes()
}

fn validate(object: &Value, settings: &Value, server: ApiServer) -> Value {
    DOORS.call("validate", &payload(object, settings), &Arc::new(server)).json()
}

fn on() -> Value {
    json!({"trust": {}})
}

fn findings(answer: &Value) -> &str {
    answer["audit_annotations"]["findings"].as_str().unwrap_or_default()
}

#[test]
fn a_workload_that_azure_trusts_passes_without_a_word() {
    let server = Arc::new(server(&trusted(), CART));
    let answered = DOORS.call("validate", &payload(&pod("cart", "true"), &on()), &server);
    assert_eq!(answered.json(), json!({"accepted": true}));
    let asked: Vec<&str> = answered.asked.iter().map(|asked| asked.split_once("name\":\"").unwrap().1).collect();
    assert_eq!(asked.len(), 2, "one ConfigMap and one ServiceAccount: {asked:?}");
    for object in [r#"trust.shop","namespace":"wiguard-system""#, r#"cart","namespace":"shop""#] {
        assert!(asked.iter().any(|asked| asked.starts_with(object)), "{asked:?}");
    }
}

#[test]
fn whom_azure_does_not_trust_is_rejected_with_the_nearest() {
    let answer = validate(&pod("cart", "true"), &on(), server(&untrusted(), CART));
    assert_eq!(findings(&answer), "AWI301=deny,AWI303=deny", "{answer}");
    let message = answer["message"].as_str().unwrap();
    for part in [
        "identity `id-cart` has no federated credential for `system:serviceaccount:shop:cart`",
        "of the nearest, `prod`, the subject differs in one or two characters; Entra will answer AADSTS700213",
        "az identity federated-credential create --identity-name id-cart --resource-group rg --subscription s",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("trust inventory"), "one that is fresh needs no word: {message}");
}

#[test]
fn a_client_id_that_nobody_has_is_rejected() {
    let answer = validate(&account("web", ABSENT), &on(), server(&trusted(), CART));
    assert_eq!(findings(&answer), "AWI206=deny", "{answer}");
    // Somebody of another namespace has it.
    let mut known = trusted();
    known.get_mut("clients.5").unwrap()["clientIds"] = json!([CART, ABSENT.to_uppercase()]);
    assert_eq!(validate(&account("web", ABSENT), &on(), server(&known, CART)), json!({"accepted": true}));
    // In capitals it is the same id.
    assert_eq!(validate(&account("web", &CART.to_uppercase()), &on(), server(&known, CART)), json!({"accepted": true}));
    // A tenant that none of the identities is of may have it.
    let mut elsewhere = account("web", ABSENT);
    elsewhere["metadata"]["annotations"]["azure.workload.identity/tenant-id"] =
        json!("11111111-1111-4111-8111-111111111111");
    let answer = validate(&elsewhere, &on(), server(&trusted(), CART));
    assert!(answer["audit_annotations"]["undecided"].as_str().unwrap().starts_with("AWI206: "), "{answer}");
    known = trusted();
    known.get_mut("clients.5").unwrap()["tenants"] = json!(["11111111-1111-4111-8111-111111111111"]);
    assert_eq!(findings(&validate(&elsewhere, &on(), server(&known, CART))), "AWI206=deny");
}

#[test]
fn an_identity_of_which_nothing_is_published_trusts_nothing_here() {
    let mut others = trusted();
    others.get_mut("clients.5").unwrap()["clientIds"] = json!([CART, ABSENT]);
    let answer = validate(&pod("cart", "true"), &on(), server(&others, ABSENT));
    assert_eq!(findings(&answer), "AWI301=deny", "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("has no federated credential for this namespace, so"), "{message}");
    assert!(message.contains("another identity trusts it"), "{message}");
    // What is near to it is not known.
    assert!(
        answer["audit_annotations"]["undecided"].as_str().unwrap().starts_with("AWI303: all credentials"),
        "{answer}"
    );
}

#[test]
fn a_flexible_credential_is_evaluated() {
    let judged = |expression: &str| {
        let mut flexible = untrusted();
        flexible.get_mut("trust.shop").unwrap()["identities"][0]["credentials"][0] = json!({"name": "flex", "issuer": ISSUER, "audiences": ["api://AzureADTokenExchange"], "expression": expression});
        validate(&pod("cart", "true"), &on(), server(&flexible, CART))
    };
    let holds = judged("claims['sub'] matches 'system:serviceaccount:shop:*'");
    assert_eq!((&holds["accepted"], &holds["audit_annotations"]["undecided"]), (&json!(true), &Value::Null), "{holds}");
    let refuses = judged("claims['sub'] matches 'system:serviceaccount:other:*'");
    assert_eq!(refuses["accepted"], false, "{refuses}");
    let unknown = judged("claims['sub'] matches 'system:serviceaccount:shop:*' and claims['env'] eq 'prod'");
    assert_eq!(unknown["accepted"], true, "{unknown}");
    let undecided = unknown["audit_annotations"]["undecided"].as_str().unwrap();
    assert!(undecided.contains("the expression of flexible credential flex"), "{unknown}");
}

#[test]
fn what_cannot_be_used_is_unknown_and_the_audit_log_says_why() {
    let change = |what: fn(&mut Value)| {
        let mut slices = untrusted();
        what(slices.get_mut("trust.shop").unwrap());
        slices
    };
    let mut missing = untrusted();
    missing.remove("trust.shop");
    for (slices, why) in [
        (missing, "trust.shop: could not be read: Cannot find v1/ConfigMap named"),
        (change(|slice| slice["issuer"] = json!(OTHER_ISSUER)), "it is for the cluster of issuer"),
        (change(|slice| slice["issuer"] = json!(ISSUER.trim_end_matches('/'))), "it is for the cluster of issuer"),
        (change(|slice| slice["issuer"] = json!(null)), "missing field `issuer`"),
        (change(|slice| slice["namespace"] = json!("shop2")), "it is for namespace `shop2`"),
        (change(|slice| slice["schema"] = json!("wiguard.trust/v2")), "unknown schema `wiguard.trust/v2`"),
        (change(|slice| slice["collected"] = json!(null)), "missing field `collected`"),
        (change(|slice| slice["collected"] = json!(-1)), "missing field `collected`"),
        (change(|slice| slice["collected"] = json!("now")), "invalid type: string, expected an integer"),
        (change(|slice| slice["identities"] = json!({})), "invalid type: object, expected an array"),
        (change(|slice| slice["identities"][0]["clientId"] = json!("id-cart")), "clientId `id-cart` is not a GUID"),
        (change(|slice| slice["identities"][0]["kind"] = json!("Robot")), "unknown kind `Robot`"),
        (
            change(|slice| slice["identities"][0]["credentials"][0]["subject"] = json!(null)),
            "credential `prod` has neither subject nor expression",
        ),
        (change(|slice| slice["complete"] = json!(false)), "it does not list every credential"),
        (change(|slice| slice["complete"] = json!(null)), "it does not list every credential"),
        (change(|slice| slice["junk"] = json!("x".repeat(2 << 20))), "more than the 2097152 allowed"),
    ] {
        // Otherwise the one identity would be known well enough.
        let mut slices = slices;
        if let Some(identity) = slices.get_mut("trust.shop").and_then(|slice| slice.pointer_mut("/identities/0")) {
            identity["complete"] = json!(false);
        }
        let settings = json!({"trust": {}, "issuer": ISSUER});
        let answer = validate(&pod("cart", "true"), &settings, server(&slices, CART));
        assert_eq!((&answer["accepted"], findings(&answer)), (&json!(true), ""), "{why}: {answer}");
        let said = answer["audit_annotations"]["trust"].as_str().unwrap();
        assert!(said.starts_with("ConfigMap wiguard-system/trust.shop: ") && said.contains(why), "{said}, not {why}");
        assert!(answer["audit_annotations"]["undecided"].as_str().unwrap().contains("AWI301: "), "{answer}");
    }
    for odd in [
        "",
        "null",
        "[]",
        "{",
        "\u{0}",
        "{\"data\":{\"trust.json\":7}}",
        &json!({"metadata":
        {"name": "trust.shop", "namespace": "other"}, "data": {"trust.json": untrusted()["trust.shop"].to_string()}})
        .to_string(),
    ] {
        let map = (NAMESPACE.to_owned(), "trust.shop".to_owned(), odd.as_bytes().to_vec());
        let answer = validate(&pod("cart", "true"), &on(), server(&Slices::new(), CART).and_config_maps([map]));
        assert_eq!((&answer["accepted"], findings(&answer)), (&json!(true), ""), "{odd}: {answer}");
        assert!(answer["audit_annotations"]["trust"].is_string(), "{odd}: {answer}");
    }
    // Of client ids, likewise.
    let mut some = trusted();
    some.get_mut("clients.5").unwrap()["complete"] = json!(false);
    let answer = validate(&account("web", ABSENT), &on(), server(&some, CART));
    assert_eq!(answer["accepted"], true, "{answer}");
    let said = answer["audit_annotations"]["trust"].as_str().unwrap();
    assert_eq!(said, "ConfigMap wiguard-system/clients.5: it does not list every client id");
}

#[test]
fn the_settings_say_where_and_for_how_long() {
    let moved = config_maps(&untrusted()).into_iter().map(|(_, name, json)| {
        let json = String::from_utf8(json).unwrap().replace("\"wiguard-system\"", "\"azure\"");
        ("azure".to_owned(), name, json.into_bytes())
    });
    let server = server(&Slices::new(), CART).and_config_maps(moved);
    let settings = json!({"trust": {"namespace": "azure", "maxAge": "60m"}});
    assert_eq!(findings(&validate(&pod("cart", "true"), &settings, server)), "AWI301=deny,AWI303=deny");
    for (settings, said) in [
        (json!({"trust": {}, "credentials": []}), "trust and credentials both say what Azure trusts"),
        (json!({"trust": {"maxAge": "a day"}}), "maxAge `a day` is not a number of s, m, h or d"),
        (json!({"trust": {"namespace": ""}}), "trust.namespace: `` is not the name of a namespace"),
        (json!({"trust": {"url": "x"}}), "unknown field `url`"),
        (json!({"trust": true}), "expected an object"),
    ] {
        let answer = DOORS.call("validate_settings", settings.to_string().as_bytes(), &ApiServer::of([])).json();
        assert_eq!(answer["valid"], false, "{settings}");
        assert!(answer["message"].as_str().unwrap().contains(said), "{answer}");
    }
    for settings in [on(), json!({"trust": null}), json!({"trust": {"maxAge": null}, "issuer": ISSUER})] {
        let answer = DOORS.call("validate_settings", settings.to_string().as_bytes(), &ApiServer::of([])).json();
        assert_eq!(answer, json!({"valid": true}), "{settings}");
    }
}

#[test]
fn without_the_setting_nothing_is_asked() {
    let server = Arc::new(server(&untrusted(), CART));
    let answered = DOORS.call("validate", &payload(&pod("cart", "true"), &json!({"issuer": ISSUER})), &server);
    assert_eq!(answered.json()["accepted"], true);
    assert!(answered.asked.iter().all(|asked| asked.contains("ServiceAccount")), "{answered:?}");
}

#[test]
fn what_is_old_warns_and_says_how_old() {
    let at = |clock| validate(&pod("cart", "true"), &on(), server(&untrusted(), CART).at(clock));
    for (clock, age) in [
        (Clock::At(COLLECTED + 40 * HOUR), "40h old"),
        (Clock::At(COLLECTED + 26 * HOUR + 1), "26h old"),
        (Clock::At(COLLECTED + 30 * 24 * HOUR), "30d old"),
        (Clock::Missing, "of unknown age"),
        (Clock::At(0), "of unknown age"),
        // From the future.
        (Clock::At(COLLECTED - 301), "of unknown age"),
    ] {
        let answer = at(clock);
        assert_eq!((&answer["accepted"], findings(&answer)), (&json!(true), "AWI301=warn,AWI303=warn"), "{answer}");
        let note = format!("the trust inventory of 2026-11-24T00:00Z, {age}");
        assert_eq!(answer["audit_annotations"]["trust"], note.as_str());
        for (warning, id) in answer["warnings"].as_array().unwrap().iter().zip(["AWI301", "AWI303"]) {
            let warning = warning.as_str().unwrap();
            assert!(warning.starts_with(id) && warning.contains(&format!("(by {note}): ")), "{warning}");
        }
    }
    for clock in [COLLECTED + 26 * HOUR, COLLECTED, COLLECTED - 300] {
        assert_eq!(findings(&at(Clock::At(clock))), "AWI301=deny,AWI303=deny");
    }
    // The older of two pieces counts.
    let mut old = trusted();
    old.get_mut("clients.5").unwrap()["collected"] = json!(COLLECTED - 40 * HOUR);
    let answer = validate(&account("web", ABSENT), &on(), server(&old, CART));
    assert_eq!(findings(&answer), "AWI206=warn", "{answer}");
    assert!(answer["warnings"][0].as_str().unwrap().contains("(by the trust inventory of 2026-11-22T08:00Z, 41h old)"));
    // At the doors that have a clock of their own, it is the same.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut old = untrusted();
    old.get_mut("trust.shop").unwrap()["collected"] = json!(now - 50 * HOUR - 1_800);
    let answer = validate(&pod("cart", "true"), &on(), server(&old, CART).at(Clock::Real));
    assert_eq!(findings(&answer), "AWI301=warn,AWI303=warn");
    old.get_mut("trust.shop").unwrap()["collected"] = json!(now - 2 * HOUR);
    let answer = validate(&pod("cart", "true"), &on(), server(&old, CART).at(Clock::Real));
    assert_eq!(findings(&answer), "AWI301=deny,AWI303=deny");
}

#[test]
fn what_needs_no_inventory_rejects_whatever_its_age() {
    let mut both = pod("cart", "true");
    both["spec"]["containers"][0]["env"] =
        json!([{"name": "AZURE_CLIENT_ID", "value": "${CLIENT_ID}"}, {"name": "AZURE_TENANT_ID", "value": "x"}]);
    let mut skipped = pod("cart", "True");
    skipped["metadata"]["name"] = json!("b");
    let fresh = validate(&skipped, &on(), server(&untrusted(), CART));
    let old = validate(&skipped, &on(), server(&untrusted(), CART).at(Clock::At(COLLECTED + 40 * HOUR)));
    assert_eq!(findings(&fresh), "AWI102=deny", "{fresh}");
    assert_eq!(fresh, old);
    let rules = json!({"trust": {}, "rules": {"AWI902": "deny"}});
    let mut account = account("web", ABSENT);
    account["metadata"]["annotations"]["azure.workload.identity/tenant-id"] = json!("${TENANT}");
    let mut known = trusted();
    known.get_mut("clients.5").unwrap()["tenants"] = json!(["${tenant}"]);
    let old = server(&known, CART).at(Clock::At(COLLECTED + 40 * HOUR));
    let answer = validate(&account, &rules, old);
    assert_eq!(findings(&answer), "AWI206=warn,AWI902=deny", "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.starts_with("AWI902 ") && !message.contains("trust inventory"), "{message}");
    let answer = DOORS.call("review", &payload(&account, &rules), &Arc::new(server(&known, CART).at(Clock::Missing)));
    let reviewed: Reviewed = serde_json::from_slice(answer.answer.as_ref().unwrap()).unwrap();
    let levels: Vec<_> = reviewed.findings.iter().map(|found| (found.rule.as_str(), found.level)).collect();
    assert_eq!(levels, [("AWI206", Level::Warn), ("AWI902", Level::Deny)]);
    assert!(reviewed.findings[0].says.contains("of unknown age): client id"), "{:?}", reviewed.findings[0]);
}

#[test]
fn nobody_is_rejected_while_the_api_server_is_in_trouble() {
    for trouble in [
        "Cannot find v1/ConfigMap named 'trust.shop' inside of namespace 'wiguard-system'",
        "ApiError: Internal error occurred: etcdserver: request timed out",
        "no available capacity",
        "",
        &"\u{1F525}\n".repeat(5_000),
    ] {
        for object in [pod("cart", "true"), account("cart", ABSENT)] {
            let answer = validate(&object, &on(), server(&untrusted(), CART).in_trouble(trouble));
            assert_eq!((&answer["accepted"], findings(&answer)), (&json!(true), ""), "{trouble}: {answer}");
            let said = answer["audit_annotations"]["trust"].as_str().unwrap();
            assert!(said.contains("could not be read: ") && said.len() < 1_000, "{said}");
        }
    }
}

/// What is said of an object by the native policy, which needs no instance.
fn said(payload: &[u8], server: &ApiServer) -> BTreeMap<String, Option<Severity>> {
    let answer = server.native("review", payload).unwrap();
    let reviewed: Reviewed = serde_json::from_slice(&answer).unwrap();
    let findings = reviewed.findings.into_iter().map(|found| (found.rule, Some(found.severity)));
    findings.chain(reviewed.unknown.into_iter().map(|unknown| (unknown.rule, None))).collect()
}

#[test]
fn knowing_less_of_what_is_published_accuses_nobody() {
    let mut inventory = collect_path(&testdata("estate"), false).inventory;
    let issuers: Vec<_> =
        inventory.clusters.iter().filter_map(|cluster| cluster.issuer.as_ref()).map(Tokens::of).collect();
    inventory.coverage.trust_of.extend(issuers);
    inventory.identities.iter_mut().for_each(|identity| identity.credentials_complete = true);
    (inventory.coverage.managed_identities, inventory.coverage.applications) = (true, true);
    type Loss = fn(&str, &mut Slices);
    let losses: [(&str, Loss); 10] = [
        ("nothing is published", |_, slices| slices.clear()),
        ("not of the namespace", |name, slices| drop(slices.remove(name))),
        ("not of client ids", |_, slices| slices.retain(|name, _| name.starts_with("trust."))),
        ("not all credentials", |name, slices| slices.get_mut(name).unwrap()["complete"] = json!(false)),
        ("not all of an identity", |name, slices| {
            for identity in slices.get_mut(name).unwrap()["identities"].as_array_mut().unwrap() {
                identity["complete"] = json!(false);
            }
        }),
        ("no credentials", |name, slices| {
            let slice = slices.get_mut(name).unwrap();
            slice["complete"] = json!(false);
            for identity in slice["identities"].as_array_mut().unwrap() {
                (identity["complete"], identity["credentials"]) = (json!(false), json!([]));
            }
        }),
        ("half of the identities", |name, slices| {
            let slice = slices.get_mut(name).unwrap();
            slice["complete"] = json!(false);
            let mut index = 0;
            slice["identities"].as_array_mut().unwrap().retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }),
        ("not all client ids", |_, slices| {
            for slice in slices.iter_mut().filter(|(name, _)| name.starts_with("clients.")).map(|(_, slice)| slice) {
                (slice["complete"], slice["clientIds"]) = (json!(false), json!([]));
            }
        }),
        ("another cluster's", |name, slices| slices.get_mut(name).unwrap()["issuer"] = json!(OTHER_ISSUER)),
        ("another schema", |name, slices| slices.get_mut(name).unwrap()["schema"] = json!("wiguard.trust/v9")),
    ];
    let (mut found, mut lost, mut wrong) = (0, 0, Vec::new());
    for cluster in (0..u32::try_from(inventory.clusters.len()).unwrap()).map(ClusterIx) {
        let issuer = &inventory.clusters[cluster.0 as usize].issuer;
        let settings = json!({"trust": {}, "issuer": issuer});
        let all = publish(&inventory, cluster, COLLECTED);
        let accounts = inventory.service_accounts.iter().filter(|account| account.cluster == cluster);
        // As it is, as it was never trusted, and with a client id that nobody has.
        let accounts =
            accounts.filter_map(|account| Some((account, account.client_id()?.0))).flat_map(|(account, id)| {
                let own = account.name.clone();
                [
                    (account, own.clone(), id.clone()),
                    (account, format!("{own}s"), id),
                    (account, own, ABSENT.to_owned()),
                ]
            });
        for (account, own_name, client_id) in accounts {
            let name = format!("trust.{}", account.namespace);
            let json = |kind: Value| {
                let mut object = json!({"apiVersion": "v1", "kind": kind,
                    "metadata": {"name": own_name, "namespace": account.namespace}});
                if object["kind"] == "ServiceAccount" {
                    object["metadata"]["annotations"] = json!({"azure.workload.identity/client-id": client_id});
                } else {
                    object["metadata"]["labels"] = json!({"azure.workload.identity/use": "true"});
                    object["spec"] = json!({"serviceAccountName": own_name, "containers": [{"name": "app"}]});
                }
                object
            };
            let sees = |slices: &Slices, object: &Value| {
                let own = json(json!("ServiceAccount")).to_string().into_bytes();
                let server = ApiServer::with([(account.namespace.clone(), own_name.clone(), own)])
                    .and_config_maps(config_maps(slices))
                    .at(Clock::At(COLLECTED));
                said(&json!({"request": {"object": object}, "settings": settings}).to_string().into_bytes(), &server)
            };
            for object in [json(json!("Pod")), json(json!("ServiceAccount"))] {
                let more = sees(&all, &object);
                found += more.values().filter(|severity| severity.is_some()).count();
                for (how, lose) in losses {
                    let mut less = all.clone();
                    if less.contains_key(&name) {
                        lose(&name, &mut less);
                    }
                    for (rule, severity) in sees(&less, &object) {
                        let before = more.get(&rule).copied().flatten();
                        match severity {
                            None => lost += usize::from(before.is_some()),
                            Some(severity) if before.is_some_and(|before| severity >= before) => {}
                            Some(severity) => {
                                wrong.push(format!("{how}: {rule} {severity:?}, not {before:?}, on {object}"))
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} accusations, such as\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
    assert!(found > 100 && lost > 400, "{found} findings, {lost} lost");
}
