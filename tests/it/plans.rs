//! What is still to be applied, beside what is live: judged as it will be, at its own place; what it
//! mends and whom it cuts off is told, and what is known only later accuses nobody.

use serde_json::{Value, json};
use wiguard_rules::declared::{Coming, DeclaredCredential};
use wiguard_rules::finding::Severity::{self, Critical, High, Medium};
use wiguard_tests::case::{collect_text, rules_that_find, scan_text};

use crate::iac::{CART, CLIENT, ISSUER, collect, live_identity};
use crate::program::Folder;

const FIC: &str = "azurerm_federated_identity_credential";
const PIPELINE: &str = "https://token.actions.githubusercontent.com";

/// A credential as Terraform has it.
fn values(name: &str, issuer: &str, subject: &str) -> Value {
    json!({"name": name, "user_assigned_identity_id": CART, "issuer": issuer, "subject": subject,
        "audience": ["api://AzureADTokenExchange"]})
}

fn right() -> Value {
    values("prod", ISSUER, "system:serviceaccount:shop:cart")
}

fn slashless() -> Value {
    values("prod", ISSUER.trim_end_matches('/'), "system:serviceaccount:shop:cart")
}

/// The same as az lists it.
fn live(values: &Value) -> Value {
    let name = &values["name"];
    json!({"id": format!("{CART}/federatedIdentityCredentials/{}", name.as_str().unwrap()), "name": name,
        "issuer": values["issuer"], "subject": values["subject"], "audiences": values["audience"],
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"})
}

fn change(address: &str, actions: &[&str], before: &Value, after: &Value) -> Value {
    json!({"address": format!("{FIC}.{address}"), "mode": "managed", "type": FIC, "name": address,
        "change": {"actions": actions, "before": before, "after": after, "after_unknown": {}, "after_sensitive": false}})
}

fn plan(changes: Vec<Value>) -> Value {
    json!({"format_version": "1.2", "terraform_version": "1.9.8", "resource_changes": changes})
}

/// One Deployment that is to get tokens, its cluster and the identity, whose credentials are a
/// pipeline's and these.
fn estate(credentials: &[Value]) -> [(&'static str, Value); 4] {
    let mut all = vec![live(&values("pipeline", PIPELINE, "repo:shop/cart:ref:refs/heads/main"))];
    all.extend(credentials.iter().map(live));
    let opted_in = json!({"labels": {"app": "cart", "azure.workload.identity/use": "true"}});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cart", "namespace": "shop",
            "annotations": {"azure.workload.identity/client-id": CLIENT}}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "cart"}}, "template": {"metadata": opted_in,
                "spec": {"serviceAccountName": "cart", "containers": [{"name": "app", "image": "app"}]}}}}]});
    let cluster = json!({"id": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod",
        "name": "prod", "resourceGroup": "rg", "type": "Microsoft.ContainerService/ManagedClusters",
        "oidcIssuerProfile": {"enabled": true, "issuerUrl": ISSUER}, "securityProfile": {"workloadIdentity": {"enabled": true}}});
    [
        ("prod/aks.json", cluster),
        ("prod/objects.json", objects),
        ("azure/identities.json", json!([live_identity()])),
        ("azure/credentials.json", Value::Array(all)),
    ]
}

/// The estate with the right credential `prod`, and a plan that deletes it.
pub(crate) fn shop_with_a_plan_that_deletes() -> Vec<(&'static str, Value)> {
    let plan = plan(vec![change("prod", &["delete"], &right(), &Value::Null)]);
    estate(&[right()]).into_iter().chain([("plan.json", plan)]).collect()
}

/// What is found of credentials and of drift where these are live and this is declared beside them.
fn found(credentials: &[Value], declared: &[Value]) -> Vec<(String, Severity)> {
    let live = estate(credentials);
    let documents = live.iter().map(|(_, document)| document).chain(declared);
    let text = documents.map(Value::to_string).collect::<Vec<_>>().join("\n");
    let findings = scan_text(&text, true).findings.into_iter();
    let wanted = |rule: &str| rule.starts_with("AWI3") || ["AWI903", "AWI904", "AWI906"].contains(&rule);
    findings.filter(|it| wanted(&it.rule)).map(|it| (it.rule, it.severity)).collect()
}

fn expect(what: &str, credentials: &[Value], declared: &[Value], expected: &[(&str, Severity)]) {
    let found = found(credentials, declared);
    let found: Vec<(&str, Severity)> = found.iter().map(|(rule, severity)| (rule.as_str(), *severity)).collect();
    assert_eq!(found, expected, "{what}");
}

#[test]
fn what_a_plan_makes_is_judged_as_it_will_be() {
    let made = |after: &Value| [plan(vec![change("cart", &["create"], &Value::Null, after)])];
    let mut audience = right();
    audience["audience"] = json!(["api://x"]);
    let typo = values("prod", ISSUER, "system:serviceaccount:shop:carts");
    let half = values("prod", ISSUER, "system:serviceaccount:shop");
    expect("right", &[], &made(&right()), &[("AWI301", Medium)]);
    expect("slash", &[], &made(&slashless()), &[("AWI301", Critical), ("AWI304", High)]);
    expect("typo", &[], &made(&typo), &[("AWI301", Critical), ("AWI303", High)]);
    expect("half a subject", &[], &made(&half), &[("AWI301", Critical), ("AWI308", High)]);
    expect("audience", &[], &made(&audience), &[("AWI301", Critical), ("AWI307", High)]);
    expect("nothing", &[], &[], &[("AWI301", Critical)]);
}

#[test]
fn whose_a_credential_will_be_may_be_known_only_later() {
    let mut values = right();
    values.as_object_mut().unwrap().remove("user_assigned_identity_id");
    let mut later = plan(vec![change("cart", &["create"], &Value::Null, &values)]);
    later["resource_changes"][0]["change"]["after_unknown"] = json!({"user_assigned_identity_id": true});
    let documents = estate(&[]);
    let all = documents.iter().map(|(_, document)| document).chain([&later]);
    let text = all.map(Value::to_string).collect::<Vec<_>>().join("\n");
    let message = |found: &str| {
        let report =
            Folder::of(&[("all.json", found)]).run(&["scan", "all.json", "--assume-complete", "-o", "json"]).report();
        let findings = report["findings"].as_array().unwrap();
        findings.iter().find(|it| it["rule"] == "AWI301").unwrap()["message"].as_str().unwrap().to_owned()
    };
    let said = message(&text);
    assert!(said.contains(&format!("{FIC}.cart, whose identity is not known yet, may be it")), "{said}");
    assert!(!said.contains("another identity"), "{said}");
}

#[test]
fn what_is_still_to_come_shares_nothing_yet() {
    let other = values("later", ISSUER, "system:serviceaccount:shop:till");
    let planned = plan(vec![change("later", &["create"], &Value::Null, &other)]);
    let documents = estate(&[right()]);
    let all = documents.iter().map(|(_, document)| document).chain([&planned]);
    let text = all.map(Value::to_string).collect::<Vec<_>>().join("\n");
    for complete in [false, true] {
        assert!(!rules_that_find(&collect_text(&text, complete)).contains(&"AWI402"), "{complete}");
    }
}

#[test]
fn a_credential_without_its_name_may_be_the_one_that_is_declared() {
    let mut documents = estate(&[]);
    let mut nameless = live(&values("prod", ISSUER, "system:serviceaccount:shop:basket"));
    nameless.as_object_mut().unwrap().remove("name");
    let mut found = |row: &Value| {
        documents[3].1 = json!([row]);
        let all = documents.iter().map(|(_, document)| document.to_string());
        let text = all.chain([template(vec![("", right())], false).to_string()]).collect::<Vec<_>>().join("\n");
        rules_that_find(&collect_text(&text, true)).contains(&"AWI904")
    };
    assert!(!found(&nameless), "its id names it");
    nameless["id"] = json!(format!("{CART}/federatedIdentityCredentials/other"));
    assert!(found(&nameless));
}

#[test]
fn azure_comes_first_and_the_application_after_it() {
    let other = values("later", ISSUER, "system:serviceaccount:later:checkout");
    let planned = plan(vec![change("later", &["create"], &Value::Null, &other)]);
    expect("planned", &[right()], &[planned], &[]);
    expect("in a template", &[right()], &[template(vec![("", other.clone())], false)], &[("AWI904", Medium)]);
    expect("there", &[right(), other], &[], &[("AWI311", High)]);
}

#[test]
fn what_a_plan_changes_or_deletes_is_missed_by_who_relies_on_it() {
    let (was, none) = (right(), Value::Null);
    let one = |actions: &[&str], after: &Value| [plan(vec![change("cart", actions, &was, after)])];
    let renamed = values("prod-2", ISSUER, "system:serviceaccount:shop:cart");
    let live = std::slice::from_ref(&was);
    expect("changed", live, &one(&["update"], &slashless()), &[("AWI304", High), ("AWI906", High)]);
    expect("replaced", live, &one(&["delete", "create"], &slashless()), &[("AWI304", High), ("AWI906", High)]);
    expect("deleted", live, &one(&["delete"], &none), &[("AWI906", High)]);
    let end = |actions: &[&str], after: &Value| {
        let mut end = change("cart", actions, &json!({"id": CART, "name": "id-cart", "client_id": CLIENT}), after);
        end["type"] = json!("azurerm_user_assigned_identity");
        [plan(vec![end])]
    };
    expect("deleted with its identity", live, &end(&["delete"], &none), &[("AWI906", High)]);
    expect("replaced with it", live, &end(&["delete", "create"], &json!({"name": "id-cart"})), &[("AWI906", High)]);
    expect("forgotten with it", live, &end(&["forget"], &none), &[]);
    expect("left", live, &one(&["no-op"], &was), &[]);
    expect("forgotten", live, &one(&["forget"], &none), &[]);
    expect("renamed", live, &one(&["create", "delete"], &renamed), &[]);
    expect("another beside it", live, &one(&["create", "forget"], &renamed), &[("AWI310", Medium)]);
    let two = vec![change("cart", &["delete"], &was, &none), change("new", &["create"], &none, &renamed)];
    expect("one goes, one comes", live, &[plan(two)], &[]);
    let mut cluster = change("prod", &["delete"], &json!({"name": "prod", "oidc_issuer_url": ISSUER}), &none);
    cluster["type"] = json!("azurerm_kubernetes_cluster");
    let gone = change("cart", &["delete"], &was, &none);
    expect("its cluster goes too", live, &[plan(vec![cluster, gone])], &[]);
    let mut later = plan(vec![change("cart", &["update"], &was, &right())]);
    later["resource_changes"][0]["change"]["after"].as_object_mut().unwrap().remove("issuer");
    later["resource_changes"][0]["change"]["after_unknown"] = json!({"issuer": true});
    expect("known once it is applied", live, &[later], &[]);
}

#[test]
fn what_a_plan_mends_is_milder_and_what_a_state_says_is_not() {
    let corrected = plan(vec![change("cart", &["update"], &slashless(), &right())]);
    expect("corrected", &[slashless()], &[corrected], &[("AWI301", Medium), ("AWI304", High)]);
    let state = |values: &Value| {
        json!({"format_version": "1.0", "terraform_version": "1.9.8", "values": {"root_module": {"resources": [
            {"address": format!("{FIC}.cart"), "mode": "managed", "type": FIC, "name": "cart", "values": values}]}}})
    };
    expect("a state", &[], &[state(&right())], &[("AWI301", Critical), ("AWI904", Medium)]);
    expect("a state beside", &[right()], &[state(&slashless())], &[("AWI903", Medium)]);
}

/// A template with these credentials, by symbolic name or one after the other.
fn template(credentials: Vec<(&str, Value)>, symbols: bool) -> Value {
    let resource = |values: &Value, on: &str| {
        json!({"type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
            "apiVersion": "2024-11-30", "name": format!("id-cart/{}", values["name"].as_str().unwrap()),
            "dependsOn": on.split(' ').filter(|on| !on.is_empty()).collect::<Vec<_>>(),
            "properties": {"issuer": values["issuer"], "subject": values["subject"], "audiences": values["audience"]}})
    };
    let identity = json!({"type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2024-11-30",
        "name": "id-cart", "location": "westeurope"});
    let all = credentials.iter().map(|(on, values)| resource(values, on));
    let resources = if symbols {
        let named = (0..).map(|index| format!("fic{index}")).zip(all);
        let named = named.chain([("cart".to_owned(), identity)]);
        Value::Object(named.collect())
    } else {
        all.chain([identity]).collect()
    };
    json!({"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0", "languageVersion": "2.0", "resources": resources})
}

#[test]
fn a_template_is_to_come_where_azure_is_otherwise() {
    for symbols in [false, true] {
        let one = |values: Value| [template(vec![("", values)], symbols)];
        expect("missing", &[], &one(right()), &[("AWI301", Medium), ("AWI904", Medium)]);
        expect("as it is", &[right()], &one(right()), &[]);
        let expected = [("AWI304", High), ("AWI903", Medium), ("AWI906", Medium)];
        expect("otherwise", &[right()], &one(slashless()), &expected);
        let other = values("other", ISSUER, "system:serviceaccount:shop:cart");
        expect("under another name", &[right()], &one(other), &[]);
    }
}

#[test]
fn two_of_one_document_are_two() {
    let again = values("again", ISSUER, "system:serviceaccount:shop:cart");
    let twice = template(vec![("", right()), ("fic0", again.clone())], true);
    assert_eq!(collect(std::slice::from_ref(&twice)).inventory.credentials.len(), 2);
    assert!(rules_that_find(&collect(&[twice])).contains(&"AWI310"));
    let made = |address: &str, values: &Value| change(address, &["create"], &Value::Null, values);
    let both = plan(vec![made("cart", &right()), made("again", &again)]);
    expect("planned", &[], &[both], &[("AWI301", Medium), ("AWI310", Medium)]);
    let apart = [plan(vec![made("cart", &right())]), plan(vec![made("again", &again)])];
    assert_eq!(collect(&apart).inventory.credentials.len(), 1, "of two documents one may be older");
}

#[test]
fn credentials_collide_by_whatever_name_they_wait_for_others() {
    let other = || values("other", PIPELINE, "repo:shop/other");
    let collides = |second: &str| {
        let document = template(vec![("cart", right()), (second, other())], true);
        rules_that_find(&collect(&[document])).contains(&"AWI406")
    };
    assert!(collides("cart") && collides(""));
    assert!(!collides("cart fic0") && !collides("elsewhere"));
    let third = |on: &str| {
        let third = values("third", PIPELINE, "repo:shop/third");
        let document = template(vec![("cart", right()), ("cart fic0", other()), (on, third)], true);
        rules_that_find(&collect(&[document])).contains(&"AWI406")
    };
    assert!(third("cart fic0"), "two that wait for the same one do not wait for each other");
    assert!(!third("fic1") && !third("cart fic0 fic1"));
    // an identity that no document describes
    let made = |name: &str, actions: &[&str]| change(name, actions, &Value::Null, &values(name, PIPELINE, name));
    let below = |actions: &[&str]| {
        let mut document = plan(vec![made("one", &["create"]), made("two", actions)]);
        document["configuration"] = json!({"provider_config": {"azurerm": {"version_constraint": "3.31.0"}}});
        rules_that_find(&collect(&[document])).contains(&"AWI406")
    };
    assert!(below(&["create"]) && !below(&["no-op"]));
}

#[test]
fn modules_are_written_in_turn_if_they_wait_for_each_other() {
    let module = |name: &str, credentials: &[&str], on: &[&str]| {
        let made = credentials.iter().map(|name| ("", values(name, PIPELINE, name))).collect();
        let on: Vec<String> =
            on.iter().map(|name| format!("[resourceId('Microsoft.Resources/deployments', '{name}')]")).collect();
        json!({"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": name, "dependsOn": on,
            "properties": {"mode": "Incremental", "template": template(made, false)}})
    };
    let collides = |modules: Vec<Value>| {
        let mut document = template(vec![], false);
        document["resources"].as_array_mut().unwrap().extend(modules);
        rules_that_find(&collect(&[document])).contains(&"AWI406")
    };
    let first = || module("first", &["aaa"], &[]);
    assert!(collides(vec![first(), module("second", &["bbb"], &[])]));
    assert!(!collides(vec![first(), module("second", &["bbb"], &["first"])]));
    assert!(
        collides(vec![first(), module("second", &["bbb", "ccc"], &["first"])]),
        "these two wait for the first alone"
    );
    assert!(collides(vec![module("first", &[], &[]), module("second", &["bbb", "ccc"], &["first"])]));
    let looped = |copy: Value| {
        let mut module = first();
        module["copy"] = copy;
        collides(vec![module])
    };
    assert!(looped(json!({"name": "all", "count": 3})));
    assert!(!looped(json!({"name": "all", "count": 3, "mode": "serial", "batchSize": 1})));
}

#[test]
fn what_is_to_come_has_its_place_and_names_who_relies_on_it() {
    let documents = estate(&[right()]);
    let text = serde_json::to_string_pretty(&plan(vec![change("cart", &["update"], &right(), &slashless())])).unwrap();
    let line = text.lines().position(|line| line.contains("\"address\"")).unwrap() + 1;
    let mut files: Vec<(&str, String)> = documents.iter().map(|(path, it)| (*path, it.to_string())).collect();
    files.push(("tf/plan.json", text));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let folder = Folder::of(&files);
    let scan = ["scan", "azure", "prod", "tf", "--assume-complete", "-o", "json"];
    let report = folder.run(&scan).report();
    for rule in ["AWI304", "AWI906"] {
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|it| it["rule"] == rule).unwrap_or_else(|| panic!("{rule}: {report:#}"));
        assert_eq!(found["evidence"]["declaredAs"], format!("{FIC}.cart"), "{rule}");
        assert!(found.to_string().contains("tf/plan.json"), "{found:#}");
        assert!(found.to_string().contains(&format!("\"line\":{line}")), "line {line}: {found:#}");
        assert!(found["fix"].as_str().unwrap().contains(&format!("{FIC}.cart")), "{found:#}");
        if rule == "AWI906" {
            assert_eq!(found["evidence"]["workloads"], json!(["Deployment shop/cart"]));
            assert_eq!(found["evidence"]["aadsts"], "AADSTS700211");
        }
    }
    assert_eq!(report["summary"]["credentials"], 2, "what is planned is not there");
    let direct = folder.run(&scan).findings();
    assert_eq!(folder.run(&["collect", "azure", "prod", "tf", "-o", "kept.gz"]).status, 0);
    assert_eq!(folder.run(&["scan", "kept.gz", "--assume-complete", "-o", "json"]).findings(), direct);
}

#[test]
fn a_cluster_that_another_plan_deletes_is_there_until_then() {
    let none = Value::Null;
    let gone = change("cart", &["delete"], &right(), &none);
    let mut cluster = change("prod", &["delete"], &json!({"name": "prod", "oidc_issuer_url": ISSUER}), &none);
    cluster["type"] = json!("azurerm_kubernetes_cluster");
    let found = |plans: &[(&str, Value)]| {
        let documents = estate(&[right()]);
        let files: Vec<(&str, String)> =
            documents.iter().chain(plans).map(|(path, it)| (*path, it.to_string())).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let folder = Folder::of(&files);
        let found = folder.run(&["scan", "azure", "prod", "tf", "--assume-complete", "-o", "json"]).findings();
        assert_eq!(folder.run(&["collect", "azure", "prod", "tf", "-o", "kept.gz"]).status, 0);
        assert_eq!(folder.run(&["scan", "kept.gz", "--assume-complete", "-o", "json"]).findings(), found);
        found.iter().any(|[rule, ..]| rule == "AWI906")
    };
    let together = plan(vec![gone.clone(), cluster.clone()]);
    assert!(!found(&[("tf/plan.json", together)]));
    assert!(found(&[("tf/trust.json", plan(vec![gone])), ("tf/cluster.json", plan(vec![cluster]))]));
}

#[test]
fn what_is_to_come_is_read_from_the_actions_of_a_plan() {
    let coming = |document: Value| -> Vec<(String, Coming)> {
        let collected = collect_text(&document.to_string(), false);
        let all = collected.inventory.declared.to_come();
        all.map(|it: &DeclaredCredential| (it.name.clone(), it.coming)).collect()
    };
    let (was, none) = (right(), Value::Null);
    let other = values("prod-2", ISSUER, "system:serviceaccount:shop:cart");
    let one =
        |actions: &[&str], before: &Value, after: &Value| coming(plan(vec![change("cart", actions, before, after)]));
    let named = |name: &str, coming: Coming| (name.to_owned(), coming);
    assert_eq!(one(&["create"], &none, &was), [named("prod", Coming::Made)]);
    assert_eq!(one(&["update"], &was, &slashless()), [named("prod", Coming::Changed)]);
    assert_eq!(one(&["delete", "create"], &was, &slashless()), [named("prod", Coming::Changed)]);
    assert_eq!(one(&["delete"], &was, &none), [named("prod", Coming::Deleted)]);
    assert_eq!(
        one(&["create", "delete"], &was, &other),
        [named("prod", Coming::Deleted), named("prod-2", Coming::Made)]
    );
    for nothing in [&["no-op"][..], &["forget"], &["read"], &[]] {
        assert_eq!(one(nothing, &was, &was), [], "{nothing:?}");
    }
    let mut deposed = change("cart", &["delete"], &was, &none);
    deposed["deposed"] = json!("0a1b2c3d");
    assert_eq!(coming(plan(vec![deposed])), []);
    let mut deferred = plan(vec![]);
    let later = change("later", &["create"], &none, &was);
    deferred["deferred_changes"] = json!([{"reason": "provider_config_unknown", "resource_change": later}, 1, {}]);
    assert_eq!(coming(deferred), [named("", Coming::Made)], "nothing of it is known");
}
