//! Identity bindings of AKS that infrastructure as code declares: the same facts as those that az shows.

use std::fs::File;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use wiguard::collect::Collected;

use crate::iac::{CART, CLIENT, ISSUER, collect, identity, live_identity, resource, state};
use crate::program::Folder;

const AKS: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks";

fn live_cluster() -> Value {
    json!({"id": AKS, "name": "aks", "resourceGroup": "rg", "type": "Microsoft.ContainerService/ManagedClusters",
        "oidcIssuerProfile": {"enabled": true, "issuerUrl": ISSUER},
        "securityProfile": {"workloadIdentity": {"enabled": true}}})
}

/// Id, identity and client id of the identity bindings in the inventory.
fn bindings(collected: &Collected) -> Vec<[&str; 3]> {
    let bindings = collected.inventory.identity_bindings.iter();
    bindings.map(|it| [it.id.as_str(), it.identity.as_str(), it.client_id.as_str()]).collect()
}

/// An identity binding as azapi has it in a state.
fn bound(identity: &Value) -> Value {
    let kind = "Microsoft.ContainerService/managedClusters/identityBindings@2025-10-02-preview";
    resource(
        "azapi_resource.binding",
        &json!({"type": kind, "name": "cart", "parent_id": AKS, "body": {"properties": {"managedIdentity": identity}}}),
    )
}

#[test]
fn identity_bindings_that_are_declared_are_those_that_az_shows() {
    let id = format!("{AKS}/identityBindings/cart");
    let shown = json!([{"id": id, "name": "cart", "type": "Microsoft.ContainerService/managedClusters/identityBindings",
        "properties": {"managedIdentity": {"resourceId": CART, "clientId": CLIENT}}}]);
    let live = [live_cluster(), live_identity(), shown];
    let expected = [[id.as_str(), CART, CLIENT]];
    assert_eq!(bindings(&collect(&live)), expected);

    let declared = resource("azurerm_user_assigned_identity.cart", &identity());
    let state = state(vec![declared, bound(&json!({"resourceId": CART}))], vec![]);
    assert_eq!(bindings(&collect(&[live_cluster(), state.clone()])), expected);
    assert_eq!(bindings(&collect(&[&live[..], std::slice::from_ref(&state)].concat())), expected, "the two are one");

    let template = |body: Value| {
        json!({"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
            "contentVersion": "1.0.0.0", "resources": [
                {"type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2024-11-30", "name": "id-cart"},
                body]})
    };
    let managed = json!({"managedIdentity":
        {"resourceId": "[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'id-cart')]"}});
    let kind = "Microsoft.ContainerService/managedClusters";
    let alone = json!({"type": format!("{kind}/identityBindings"), "apiVersion": "2025-10-02-preview",
        "name": "[format('{0}/{1}', 'aks', 'cart')]", "properties": managed});
    let nested = json!({"type": kind, "apiVersion": "2025-10-02-preview", "name": "aks", "resources": [
        {"type": "identityBindings", "apiVersion": "2025-10-02-preview", "name": "cart", "properties": managed}]});
    for body in [alone, nested] {
        assert_eq!(bindings(&collect(&[live_cluster(), live_identity(), template(body)])), expected);
    }
    let unnamed = json!({"type": format!("{kind}/identityBindings"), "apiVersion": "2025-10-02-preview",
        "name": "[format('{0}/{1}', parameters('cluster'), 'cart')]", "properties": managed});
    let none = collect(&[live_cluster(), live_identity(), template(unnamed)]);
    assert!(bindings(&none).is_empty() && none.gaps.is_empty(), "of which cluster is known later: {:?}", none.gaps);
}

#[test]
fn an_identity_binding_names_an_identity_of_its_plan_and_none_that_is_hidden() {
    let identity = json!({"name": "id-cart", "resource_group_name": "rg"});
    let kind = "Microsoft.ContainerService/managedClusters/identityBindings@2025-10-02-preview";
    let change = |address: &str, after: &Value, unknown: &Value| {
        json!({"address": address, "mode": "managed", "type": address.split('.').next(), "change":
            {"actions": ["create"], "before": null, "after": after, "after_unknown": unknown, "after_sensitive": {}}})
    };
    let after =
        json!({"type": kind, "name": "cart", "parent_id": AKS, "body": {"properties": {"managedIdentity": {}}}});
    let plan = json!({"format_version": "1.2", "terraform_version": "1.9.8", "planned_values": {"root_module": {}},
        "resource_changes": [
            change("azurerm_user_assigned_identity.cart", &identity, &json!({"id": true, "client_id": true})),
            change("azapi_resource.binding", &after,
                &json!({"body": {"properties": {"managedIdentity": {"resourceId": true}}}}))],
        "configuration": {"root_module": {"resources": [{"address": "azapi_resource.binding",
            "expressions": {"body": {"references": ["azurerm_user_assigned_identity.cart.id", "azurerm_user_assigned_identity.cart"]}}}]}}});
    let id = format!("{AKS}/identityBindings/cart");
    assert_eq!(bindings(&collect(&[live_cluster(), live_identity(), plan])), [[id.as_str(), CART, CLIENT]]);

    let mut hidden = bound(&json!({"resourceId": CART, "clientId": CLIENT}));
    hidden["sensitive_values"] = json!({"body": {"properties": {"managedIdentity": true}}});
    let read = collect(&[live_cluster(), live_identity(), state(vec![hidden], vec![])]);
    assert_eq!(bindings(&read), [[id.as_str(), "", ""]]);
}

#[test]
fn an_identity_binding_that_azure_is_known_not_to_have_is_a_declaration_alone() {
    let kind = "Microsoft.ContainerService/managedClusters/identityBindings";
    let other = json!([{"id": format!("{AKS}/identityBindings/till"), "name": "till", "type": kind,
        "properties": {"managedIdentity": {"clientId": "44444444-4444-4444-4444-444444444444"}}}]);
    let state = state(vec![bound(&json!({"resourceId": CART}))], vec![]);
    let listed = collect(&[live_cluster(), live_identity(), other, state]);
    assert_eq!(bindings(&listed).len(), 1, "{:?}", bindings(&listed));
}

#[test]
fn a_snapshot_keeps_an_identity_binding_that_is_declared_and_redacts_it() {
    let bound = state(vec![bound(&json!({"resourceId": CART}))], vec![]);
    let folder = Folder::of(&[("state.json", &bound.to_string())]);
    assert_eq!(folder.run(&["collect", "state.json", "--redact", "-o", "redacted.gz"]).status, 0);
    let mut text = String::new();
    MultiGzDecoder::new(File::open(folder.path().join("redacted.gz")).unwrap()).read_to_string(&mut text).unwrap();
    assert!(text.contains("\"bindings\"") && !text.contains("id-cart"), "{text}");
}
