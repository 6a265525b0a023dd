//! Infrastructure as code as a source: what is declared is judged as declared, is one with what is
//! live, and differs from it loudly; what is known only later is unknown; secrets stay where they are.

use serde_json::{Value, json};
use wiguard::collect::{Collected, Missing};
use wiguard_rules::declared::{Coming, Tool};
use wiguard_tests::case::{collect_text, rules_that_find};

use crate::program::Folder;

pub(crate) const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";
pub(crate) const CLIENT: &str = "33333333-3333-3333-3333-333333333333";
pub(crate) const CART: &str =
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart";
/// What must never be seen again.
const SECRETS: [&str; 4] =
    ["p1anted-client-secret", "p1anted-kube-config", "p1anted-output", "p1anted-sensitive-issuer"];

fn credential(name: &str, account: &str) -> Value {
    json!({"name": name, "user_assigned_identity_id": CART, "issuer": ISSUER,
        "subject": format!("system:serviceaccount:shop:{account}"), "audience": ["api://AzureADTokenExchange"]})
}

pub(crate) fn resource(address: &str, values: &Value) -> Value {
    let kind = address.split('.').find(|step| step.contains('_')).unwrap();
    json!({"address": address, "mode": "managed", "type": kind, "name": "x",
        "provider_name": "registry.terraform.io/hashicorp/azurerm", "values": values, "sensitive_values": {}})
}

pub(crate) fn identity() -> Value {
    json!({"id": CART, "name": "id-cart", "client_id": CLIENT, "principal_id": "p", "tenant_id": "t",
        "resource_group_name": "rg", "location": "westeurope"})
}

/// A state as `terraform show -json` prints it, with what stands in a module.
pub(crate) fn state(root: Vec<Value>, module: Vec<Value>) -> Value {
    json!({"format_version": "1.0", "terraform_version": "1.9.8", "values": {"outputs": {"password": {"sensitive": true, "value": SECRETS[2]}},
        "root_module": {"resources": root, "child_modules": [{"address": "module.app", "resources": module}]}}})
}

pub(crate) fn live_identity() -> Value {
    json!({"id": CART, "name": "id-cart", "clientId": CLIENT, "resourceGroup": "rg",
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities"})
}

fn live(name: &str, account: &str) -> Value {
    json!({"id": format!("{CART}/federatedIdentityCredentials/{name}"), "name": name, "issuer": ISSUER,
        "subject": format!("system:serviceaccount:shop:{account}"), "audiences": ["api://AzureADTokenExchange"],
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"})
}

pub(crate) fn collect(documents: &[Value]) -> Collected {
    let text = documents.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    collect_text(&text, false)
}

/// Names of the credentials in the inventory, and whether they are only declared.
fn credentials(collected: &Collected) -> Vec<(&str, bool)> {
    let mut names: Vec<(&str, bool)> =
        collected.inventory.credentials.iter().map(|it| (it.name.as_str(), it.declared.is_some())).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_state_declares_identities_credentials_and_clusters() {
    let app = json!({"client_id": "44444444-4444-4444-4444-444444444444", "object_id": "aaaa", "id": "/applications/aaaa", "display_name": "app"});
    let of_app = json!({"application_id": "/applications/aaaa", "display_name": "k8s", "issuer": ISSUER,
        "subject": "system:serviceaccount:shop:till", "audiences": ["api://AzureADTokenExchange"]});
    let flexible = json!({"application_id": "/applications/aaaa", "display_name": "any", "issuer": ISSUER,
        "claims_matching_expression": "claims['sub'] matches 'system:serviceaccount:shop:*'", "audience": "api://AzureADTokenExchange"});
    let azapi = json!({"type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30",
        "name": "by-azapi", "parent_id": CART, "body": json!({"properties": {"issuer": ISSUER,
        "subject": "system:serviceaccount:shop:azapi", "audiences": ["api://AzureADTokenExchange"]}}).to_string()});
    let cluster = json!({"id": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks",
        "name": "aks", "resource_group_name": "rg", "oidc_issuer_enabled": true, "oidc_issuer_url": ISSUER,
        "workload_identity_enabled": false, "kubernetes_version": "1.33"});
    let collected = collect(&[state(
        vec![
            resource("azurerm_user_assigned_identity.cart", &identity()),
            resource("azuread_application.app", &app),
            resource("azuread_application_federated_identity_credential.k8s", &of_app),
            resource("azuread_application_flexible_federated_identity_credential.any", &flexible),
            resource("azapi_resource.fc", &azapi),
            resource("azurerm_kubernetes_cluster.aks", &cluster),
        ],
        vec![resource("module.app.azurerm_federated_identity_credential.cart[\"a.b\"]", &credential("cart", "cart"))],
    )]);
    assert_eq!(collected.gaps, [], "{:?}", collected.gaps);
    assert_eq!(credentials(&collected), [("any", true), ("by-azapi", true), ("cart", true), ("k8s", true)]);
    let inventory = &collected.inventory;
    let declared = |name: &str| inventory.credentials.iter().find(|it| it.name == name).unwrap();
    assert_eq!(
        declared("cart").declared.as_deref(),
        Some("module.app.azurerm_federated_identity_credential.cart[\"a.b\"]")
    );
    assert!(declared("any").subject.is_none() && declared("any").expression.is_some());
    assert_eq!(inventory.identities.len(), 2);
    assert!(inventory.identities.iter().all(|it| !it.credentials_complete), "a declaration proves no absence");
    let cluster = &inventory.clusters[0];
    assert_eq!(
        (cluster.workload_identity_enabled, cluster.issuer.as_ref().map(|it| it.as_str())),
        (Some(false), Some(ISSUER))
    );
    assert!(!inventory.coverage.managed_identities && !inventory.coverage.clusters);
}

#[test]
fn a_state_file_is_read_as_its_printed_form_is() {
    let file = json!({"version": 4, "terraform_version": "1.9.8", "serial": 3, "lineage": "x", "outputs": {}, "resources": [
        {"mode": "data", "type": "azurerm_federated_identity_credential", "name": "read", "instances": [{"attributes": credential("read", "read")}]},
        {"module": "module.app", "mode": "managed", "type": "azurerm_federated_identity_credential", "name": "cart",
         "instances": [{"index_key": "a", "attributes": credential("cart", "cart"),
             "sensitive_attributes": [[{"type": "get_attr", "value": "subject"}]]},
            {"index_key": 1, "attributes": credential("till", "till"), "sensitive_attributes": []}]}]});
    let collected = collect(&[file]);
    assert_eq!(credentials(&collected), [("till", true)], "one is read only, and of one the subject is a secret");
    assert_eq!(
        collected.inventory.credentials[0].declared.as_deref(),
        Some("module.app.azurerm_federated_identity_credential.cart[1]")
    );
}

#[test]
fn what_is_known_only_once_it_is_applied_is_unknown() {
    let after = json!({"name": "cart", "subject": "system:serviceaccount:shop:cart", "audience": ["api://AzureADTokenExchange"]});
    let change = |address: &str, kind: &str, actions: Value, after: &Value, unknown: Value| {
        json!({"address": address, "mode": "managed", "type": kind, "name": "cart", "change": {"actions": actions,
            "before": null, "after": after, "after_unknown": unknown, "after_sensitive": {}}})
    };
    let fic = "azurerm_federated_identity_credential";
    let plan = json!({"format_version": "1.2", "terraform_version": "1.9.8", "planned_values": {"root_module": {}},
        "resource_changes": [
            change("module.a.azurerm_user_assigned_identity.cart", "azurerm_user_assigned_identity", json!(["create"]),
                &json!({"name": "id-cart", "resource_group_name": "rg", "location": "westeurope"}), json!({"id": true, "client_id": true})),
            change(&format!("module.a.{fic}.cart"), fic, json!(["create"]), &after, json!({"id": true, "issuer": true, "user_assigned_identity_id": true, "audience": [false]})),
            change(&format!("{fic}.gone"), fic, json!(["delete"]), &Value::Null, json!({})),
            change(&format!("{fic}.replaced"), fic, json!(["delete", "create"]), &credential("new", "new"), json!({"id": true}))],
        "configuration": {"provider_config": {"azurerm": {"name": "azurerm", "version_constraint": "~> 4.20"}},
            "root_module": {"module_calls": {"a": {"module": {"resources": [{"address": format!("{fic}.cart"), "mode": "managed", "type": fic,
                "name": "cart", "expressions": {"name": {}, "user_assigned_identity_id": {"references": ["azurerm_user_assigned_identity.cart.id", "azurerm_user_assigned_identity.cart"]}}}]}}}}}});
    let collected = collect(&[plan]);
    assert_eq!(credentials(&collected), [("new", true)], "a credential without issuer is nothing to judge yet");
    let inventory = &collected.inventory;
    let identity = &inventory.identities[0];
    assert_eq!(
        (identity.client_id.as_str(), identity.id.as_str()),
        ("", "module.a.azurerm_user_assigned_identity.cart")
    );
    let [declared] = inventory.declared.of_identity(identity) else { panic!("{:?}", inventory.declared) };
    assert_eq!((declared.name.as_str(), &declared.issuer, declared.coming), ("cart", &None, Coming::Made));
    assert!(matches!(&declared.tool, Tool::Terraform { constraint: Some(version), .. } if version == "~> 4.20"));
    assert_eq!(rules_that_find(&collected), [""; 0], "nothing unknown is a flaw");
}

#[test]
fn declared_and_live_are_one() {
    let of_live: Vec<Value> = (0..20).map(|it| live(&format!("fc{it}"), &format!("a{it}"))).collect();
    let of_state: Vec<Value> = (0..20)
        .map(|it| {
            resource(
                &format!("azurerm_federated_identity_credential.fc{it}"),
                &credential(&format!("FC{it}"), &format!("a{it}")),
            )
        })
        .collect();
    let mut root = vec![resource("azurerm_user_assigned_identity.cart", &identity())];
    root.extend(of_state);
    let collected = collect(&[json!([live_identity()]), Value::Array(of_live), state(root, vec![])]);
    assert_eq!((collected.inventory.identities.len(), collected.inventory.credentials.len()), (1, 20));
    assert!(
        collected.inventory.identities[0].declared.is_none() && collected.inventory.identities[0].credentials_complete
    );
    let found = rules_that_find(&collected);
    assert!(found.contains(&"AWI401"), "20 of 20 are used: {found:?}");
    assert!(!found.iter().any(|rule| rule.starts_with("AWI90")), "{found:?}");
}

#[test]
fn drift_is_named_with_its_address() {
    let mut other = credential("cart", "cart");
    other["issuer"] = json!(ISSUER.trim_end_matches('/'));
    let folder = Folder::of(&[
        ("azure/identities.json", &json!([live_identity()]).to_string()),
        ("azure/id-cart.json", &json!([live("cart", "cart"), live("by-hand", "debug")]).to_string()),
        (
            "state.json",
            &serde_json::to_string_pretty(&state(
                vec![],
                vec![
                    resource("module.app.azurerm_federated_identity_credential.cart", &other),
                    resource("module.app.azurerm_federated_identity_credential.till", &credential("till", "till")),
                ],
            ))
            .unwrap(),
        ),
    ]);
    let ran = folder.run(&["scan", "azure", "state.json", "-o", "json", "--assume-complete"]);
    let report = ran.report();
    let found = |rule: &str| -> Value {
        let findings = report["findings"].as_array().unwrap();
        findings.iter().find(|it| it["rule"] == rule).unwrap_or_else(|| panic!("{rule}: {report:#}")).clone()
    };
    let differs = found("AWI903");
    assert_eq!(differs["evidence"]["declaredAs"], "module.app.azurerm_federated_identity_credential.cart");
    assert_eq!((&differs["evidence"]["actual"], &differs["field"]), (&json!(ISSUER), &json!("issuer")));
    let missing = found("AWI904");
    assert_eq!(missing["evidence"]["declaredAs"], json!(["module.app.azurerm_federated_identity_credential.till"]));
    assert_eq!(found("AWI905")["object"]["name"], "id-cart/by-hand");
    // without the user's word there may be more configuration elsewhere
    let doubtful = folder.run(&["scan", "azure", "state.json", "-o", "json"]).findings();
    assert!(doubtful.iter().all(|[rule, ..]| rule != "AWI905"), "{doubtful:?}");
}

#[test]
fn a_declared_flaw_has_the_address_and_the_line() {
    let mut wrong = credential("cart", "cart");
    wrong["subject"] = json!("system:serviceaccount:shop");
    let text = serde_json::to_string_pretty(&state(
        vec![],
        vec![resource("module.app.azurerm_federated_identity_credential.cart", &wrong)],
    ))
    .unwrap();
    let line = text.lines().position(|line| line.contains("\"address\": \"module.app.azurerm_fed")).unwrap() + 1;
    let folder = Folder::of(&[("state.json", &text)]);
    let report = folder.run(&["scan", "state.json", "-o", "json"]).report();
    let found = report["findings"].as_array().unwrap().iter().find(|it| it["rule"] == "AWI308").unwrap();
    assert_eq!(found["evidence"]["declaredAs"], "module.app.azurerm_federated_identity_credential.cart");
    assert!(found.to_string().contains(&format!("\"line\":{line}")), "line {line}: {found:#}");
}

#[test]
fn declarations_alone_prove_no_absence() {
    let manifests = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cart", "namespace": "shop", "annotations": {"azure.workload.identity/client-id": "99999999-9999-9999-9999-999999999999"}}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "till", "namespace": "shop", "annotations": {"azure.workload.identity/client-id": CLIENT}}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "till", "namespace": "shop", "labels": {"azure.workload.identity/use": "true"}}, "spec": {"serviceAccountName": "till", "containers": [{"name": "a", "image": "a"}]}}]});
    let collected = collect(&[
        manifests,
        state(
            vec![
                resource("azurerm_user_assigned_identity.cart", &identity()),
                resource("azurerm_federated_identity_credential.cart", &credential("cart", "cart")),
            ],
            vec![],
        ),
    ]);
    let found = rules_that_find(&collected);
    assert!(!found.contains(&"AWI206") && !found.contains(&"AWI301"), "{found:?}");
}

#[test]
fn a_credential_azure_is_known_not_to_have_trusts_nobody() {
    let documents = [
        json!([live_identity()]),
        json!([live("other", "other")]),
        state(vec![resource("azurerm_federated_identity_credential.cart", &credential("cart", "cart"))], vec![]),
    ];
    let collected = collect(&documents);
    assert_eq!(credentials(&collected), [("other", false)]);
    assert!(rules_that_find(&collected).contains(&"AWI904"));
}

#[test]
fn templates_are_read_as_bicep_prints_them() {
    let fic = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";
    let inner = json!({"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
        "parameters": {"name": {"type": "string"}, "key": {"type": "securestring", "defaultValue": SECRETS[0]}},
        "resources": [
            {"type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2024-11-30", "name": "[parameters('name')]", "location": "[resourceGroup().location]"},
            {"type": fic, "apiVersion": "2024-11-30", "name": "[format('{0}/{1}', parameters('name'), 'cart')]",
             "properties": {"issuer": ISSUER, "subject": "[format('system:serviceaccount:{0}:{1}', 'shop', 'cart')]", "audiences": ["api://AzureADTokenExchange"]}},
            {"type": fic, "apiVersion": "2024-11-30", "name": "[format('{0}/{1}', parameters('name'), 'later')]",
             "dependsOn": ["[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials', parameters('name'), 'cart')]"],
             "properties": {"issuer": "[reference('aks').oidcIssuerProfile.issuerURL]", "subject": "[parameters('key')]", "audiences": ["api://AzureADTokenExchange"]}}]});
    let template = json!({"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
        "metadata": {"_generator": {"name": "bicep"}}, "parameters": {"env": {"type": "string", "defaultValue": "cart"}},
        "resources": [{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "identities",
            "properties": {"expressionEvaluationOptions": {"scope": "inner"}, "mode": "Incremental",
                "parameters": {"name": {"value": "[format('id-{0}', parameters('env'))]"}}, "template": inner}}]});
    let collected = collect(&[template]);
    assert_eq!(collected.gaps, []);
    assert_eq!(credentials(&collected), [("cart", true)]);
    let inventory = &collected.inventory;
    assert_eq!(inventory.credentials[0].declared.as_deref(), Some("identities/id-cart/cart"));
    assert_eq!(inventory.credentials[0].subject.as_ref().unwrap().as_str(), "system:serviceaccount:shop:cart");
    let declared = inventory.declared.of_identity(&inventory.identities[0]);
    let later = declared.iter().find(|it| it.name == "later").unwrap();
    assert!(later.issuer.is_none() && later.subject.is_none());
    assert_eq!(rules_that_find(&collected), [""; 0]);
}

#[test]
fn operators_declare_with_objects_of_kubernetes() {
    let audiences = json!(["api://AzureADTokenExchange"]);
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "managedidentity.azure.com/v1api20230131", "kind": "UserAssignedIdentity", "metadata": {"name": "cart", "namespace": "shop"},
         "spec": {"azureName": "id-cart", "location": "westeurope", "owner": {"name": "rg"}}, "status": {"id": CART, "clientId": CLIENT}},
        {"apiVersion": "managedidentity.azure.com/v1api20230131", "kind": "FederatedIdentityCredential", "metadata": {"name": "aso", "namespace": "shop"},
         "spec": {"owner": {"name": "cart"}, "issuer": ISSUER, "subject": "system:serviceaccount:shop:cart", "audiences": audiences}},
        {"apiVersion": "managedidentity.azure.com/v1api20230131", "kind": "FederatedIdentityCredential", "metadata": {"name": "later", "namespace": "shop"},
         "spec": {"owner": {"name": "cart"}, "issuerFromConfig": {"name": "oidc", "key": "issuer"}, "subject": "system:serviceaccount:shop:till", "audiences": audiences}},
        {"apiVersion": "managedidentity.azure.com/v1api20230131", "kind": "FederatedIdentityCredential",
         "metadata": {"name": "left-alone", "namespace": "shop", "annotations": {"serviceoperator.azure.com/reconcile-policy": "skip"}},
         "spec": {"owner": {"name": "cart"}, "issuer": ISSUER, "subject": "system:serviceaccount:shop:x", "audiences": audiences}},
        {"apiVersion": "managedidentity.azure.upbound.io/v1beta1", "kind": "FederatedIdentityCredential",
         "metadata": {"name": "cross", "annotations": {"crossplane.io/external-name": "cross-in-azure"}},
         "spec": {"forProvider": {"parentId": CART, "issuer": ISSUER, "subject": "system:serviceaccount:shop:cross", "audience": audiences}}},
        {"apiVersion": "managedidentity.azure.upbound.io/v1beta1", "kind": "FederatedIdentityCredential", "metadata": {"name": "observed"},
         "spec": {"managementPolicies": ["Observe"], "forProvider": {"parentId": CART, "issuer": ISSUER, "subject": "system:serviceaccount:shop:o", "audience": audiences}}}]});
    let collected = collect(&[objects]);
    assert_eq!(credentials(&collected), [("aso", true), ("cross-in-azure", true)]);
    let inventory = &collected.inventory;
    assert_eq!(inventory.identities[0].client_id.as_str(), CLIENT);
    let addresses: Vec<&str> =
        inventory.declared.of_identity(&inventory.identities[0]).iter().map(|it| it.address.as_str()).collect();
    assert_eq!(
        addresses,
        [
            "managedidentity.azure.com/FederatedIdentityCredential/shop/aso",
            "managedidentity.azure.com/FederatedIdentityCredential/shop/later",
            "managedidentity.azure.upbound.io/FederatedIdentityCredential/cross"
        ]
    );
}

#[test]
fn secrets_of_a_state_are_never_shown() {
    let mut hidden = resource("azurerm_federated_identity_credential.hidden", &credential("hidden", "hidden"));
    hidden["values"]["issuer"] = json!(SECRETS[3]);
    hidden["sensitive_values"] = json!({"issuer": true});
    let cluster = json!({"name": "aks", "oidc_issuer_enabled": false, "kube_config_raw": SECRETS[1], "service_principal": [{"client_secret": SECRETS[0]}]});
    let mut wrong = credential("wrong", "wrong");
    wrong["issuer"] = json!("http://insecure.example.com");
    let document = state(
        vec![
            resource("azuread_application_password.secret", &json!({"value": SECRETS[0]})),
            resource("azurerm_kubernetes_cluster.aks", &cluster),
            resource("azurerm_federated_identity_credential.wrong", &wrong),
            hidden,
        ],
        vec![],
    );
    let folder = Folder::of(&[("state.json", &serde_json::to_string_pretty(&document).unwrap())]);
    for output in ["table", "json", "ndjson", "csv=csv"] {
        let ran = folder.run(&["scan", "state.json", "-o", output, "--min-severity", "info", "--fail-on", "never"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        for secret in SECRETS {
            assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{output}: {secret}");
        }
        assert!(
            output.contains("csv") || ran.out.contains("azurerm_federated_identity_credential.wrong"),
            "{output}: {ran:?}"
        );
    }
    for table in std::fs::read_dir(folder.path().join("csv")).unwrap() {
        let text = std::fs::read_to_string(table.unwrap().path()).unwrap();
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    let collected = collect(&[document]);
    assert!(rules_that_find(&collected).contains(&"AWI701"), "the issuer is declared off");
    let kept = format!("{:?}", collected.inventory);
    assert!(SECRETS.iter().all(|secret| !kept.contains(secret)), "{kept}");
}

#[test]
fn identities_of_two_plans_are_two() {
    let plan = |name: &str| {
        json!({"terraform_version": "1.9.8", "planned_values": {"root_module": {"resources": [
            resource("azurerm_user_assigned_identity.this", &json!({"name": name, "resource_group_name": "rg"}))]}}})
    };
    let collected = collect(&[plan("id-cart"), plan("id-till"), plan("id-cart")]);
    let ids: Vec<&str> = collected.inventory.identities.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["azurerm_user_assigned_identity.this", "azurerm_user_assigned_identity.this (2)"]);
}

#[test]
fn an_attribute_of_another_type_is_said_and_the_rest_is_read() {
    let mut broken = credential("fc", "cart");
    broken["issuer"] = json!([SECRETS[3]]);
    let kept = ["azurerm_federated_identity_credential.kept", "azurerm_federated_identity_credential.broken"];
    let document = state(
        vec![resource("azurerm_user_assigned_identity.cart", &identity()), resource(kept[1], &broken)],
        vec![resource(kept[0], &credential("kept", "basket"))],
    );
    let collected = collect(&[document]);
    assert_eq!(credentials(&collected), [("kept", true)]);
    let [gap] = collected.gaps.as_slice() else { panic!("{:?}", collected.gaps) };
    assert_eq!(gap.extent, Missing::Part);
    assert!(gap.reason.contains(&format!("`issuer` of {} is no text", kept[1])), "{}", gap.reason);
    assert!(!gap.reason.contains(SECRETS[3]), "{}", gap.reason);
}

#[test]
fn broken_documents_break_nothing() {
    let odd = [
        json!({"terraform_version": 1, "values": {"root_module": {"resources": [1, {"address": 1}, {"address": "a", "type": []}], "child_modules": {}}}}),
        json!({"terraform_version": "1", "resource_changes": [null, {"change": 1}, {"change": {"actions": "create", "after": []}, "type": "azapi_resource"}]}),
        json!({"terraform_version": "1", "resource_changes": {}, "planned_values": []}),
        json!({"terraform_version": "1", "resources": [{"type": "azurerm_federated_identity_credential", "instances": {"a": 1}}, 3]}),
        json!({"terraform_version": "1", "resource_changes": [{"type": "azurerm_federated_identity_credential", "address": "module.", "change": {"actions": ["create"], "after": {"name": 3, "audience": [null]}, "after_unknown": true}}], "configuration": []}),
        json!({"$schema": "deploymentTemplate.json", "resources": [1, {"type": 1}, {"type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials", "name": "[", "properties": []}, {"type": "Microsoft.Resources/deployments", "properties": {"template": 1}}]}),
        json!({"$schema": "deploymentTemplate.json", "resources": 1, "parameters": {"a": 1}, "variables": []}),
        json!({"apiVersion": "managedidentity.azure.com/v1", "kind": "FederatedIdentityCredential", "metadata": {"name": "a"}, "spec": 1}),
        json!({"apiVersion": "managedidentity.azure.com/v1", "kind": "UserAssignedIdentity", "spec": {"azureName": []}}),
    ];
    for document in odd {
        let collected = collect(std::slice::from_ref(&document));
        assert_eq!(credentials(&collected), [], "{document}");
        assert_eq!(rules_that_find(&collected), [""; 0], "{document}");
    }
}

#[test]
fn snapshots_keep_what_is_declared_and_redact_it() {
    let mut wrong = credential("cart", "cart");
    wrong["subject"] = json!("system:serviceaccount:shop");
    let documents = state(
        vec![resource("azurerm_user_assigned_identity.cart", &identity())],
        vec![resource("module.app.azurerm_federated_identity_credential.cart", &wrong)],
    );
    let folder = Folder::of(&[("state.json", &documents.to_string())]);
    assert_eq!(folder.run(&["collect", "state.json", "-o", "kept.gz"]).status, 0);
    let direct = folder.run(&["scan", "state.json", "-o", "json"]).findings();
    assert!(direct.iter().any(|[rule, ..]| rule == "AWI308"), "{direct:?}");
    assert_eq!(folder.run(&["scan", "kept.gz", "-o", "json"]).findings(), direct);
    assert_eq!(folder.run(&["collect", "state.json", "--redact", "-o", "redacted.gz"]).status, 0);
    let redacted = folder.run(&["scan", "redacted.gz", "-o", "json"]);
    assert_eq!(redacted.findings().len(), direct.len());
    assert!(!redacted.out.contains("id-cart") && !redacted.out.contains("module.app"), "{redacted:?}");
}

/// `terraform show -json` of no state at all prints its format's version alone.
#[test]
fn an_empty_state_is_read_and_declares_nothing() {
    let folder = Folder::of(&[("state.json", r#"{"format_version": "1.0"}"#)]);
    let run = folder.run(&["scan", "state.json", "-o", "json"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.findings().is_empty(), "{run:?}");
}
