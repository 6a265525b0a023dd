//! The trust inventory as it is published for a cluster, made from an inventory: what the policy
//! reads when it cannot ask Azure. Written from the format's description alone, so that a policy and
//! a publisher that both err the same way still meet somebody who does not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{ClusterIx, FederatedIdentityCredential, Identity, IdentityKind, is_guid};
use wiguard_rules::parameters::Parameters;
use wiguard_rules::trust::Trust;

/// The namespace of the ConfigMaps.
pub const NAMESPACE: &str = "wiguard-system";

/// What each ConfigMap holds, by its name: `trust.NAMESPACE` and `clients.DIGIT`.
pub type Slices = BTreeMap<String, Value>;

/// All that is published for a cluster; nothing if its issuer is unknown.
#[must_use]
pub fn publish(inventory: &Inventory, cluster: ClusterIx, collected: u64) -> Slices {
    let mut slices = Slices::new();
    let Some(issuer) = inventory.clusters.get(cluster.0 as usize).and_then(|cluster| cluster.issuer.as_ref()) else {
        return slices;
    };
    let parameters = Parameters::default();
    let trust = Trust::join(inventory, &parameters);
    let complete = trust.knows_all_trusting(issuer);
    let of_workloads = inventory.workloads.iter().map(|it| (it.cluster, &it.namespace));
    let of_accounts = inventory.service_accounts.iter().map(|it| (it.cluster, &it.namespace));
    let namespaces: BTreeSet<&String> =
        of_workloads.chain(of_accounts).filter(|(of, _)| *of == cluster).map(|(_, namespace)| namespace).collect();
    for namespace in namespaces {
        let here = |credential: &&FederatedIdentityCredential| {
            let lives_here = |(of, _): (&str, &str)| of == namespace;
            credential.issuer == *issuer && credential.service_account().is_none_or(lives_here)
        };
        let named = |identity: &Identity| {
            let mut naming = trust.accounts_naming(&identity.client_id).iter();
            naming.any(|account| account.cluster == cluster && account.namespace == *namespace)
        };
        let matters = |identity: &&Identity| {
            is_guid(identity.client_id.as_str())
                && (trust.credentials_seen(identity).iter().any(here) || named(identity))
        };
        let identities: Vec<Value> =
            inventory.identities.iter().filter(matters).map(|identity| described(identity, &trust)).collect();
        let slice = json!({"schema": "wiguard.trust/v1", "cluster": "c", "issuer": issuer, "collected": collected,
            "namespace": namespace, "complete": complete, "identities": identities});
        slices.insert(format!("trust.{namespace}"), slice);
    }
    let listed = inventory.coverage.managed_identities && inventory.coverage.applications;
    let tenants: BTreeSet<&str> = inventory.identities.iter().map(|identity| identity.tenant_id.as_str()).collect();
    for digit in "0123456789abcdef".chars() {
        let ids = inventory.identities.iter().map(|identity| identity.client_id.folded());
        let ids: BTreeSet<String> = ids.filter(|id| id.starts_with(digit)).collect();
        let slice = json!({"schema": "wiguard.clients/v1", "collected": collected, "complete": listed,
            "clientIds": ids, "tenants": tenants});
        slices.insert(format!("clients.{digit}"), slice);
    }
    slices
}

fn described(identity: &Identity, trust: &Trust<'_>) -> Value {
    let credential = |credential: &&FederatedIdentityCredential| {
        let mut described =
            json!({"name": credential.name, "issuer": credential.issuer, "audiences": credential.audiences});
        if let Some(members) = described.as_object_mut() {
            members.extend(credential.subject.iter().map(|subject| ("subject".to_owned(), json!(subject))));
            members.extend(credential.expression.iter().map(|text| ("expression".to_owned(), json!(text))));
        }
        described
    };
    let kind = match identity.kind {
        IdentityKind::UserAssigned => "ManagedIdentity",
        IdentityKind::Application => "Application",
    };
    json!({"clientId": identity.client_id, "name": identity.name, "kind": kind, "tenantId": identity.tenant_id,
        "id": identity.id, "complete": identity.credentials_complete,
        "credentials": trust.credentials_seen(identity).iter().map(credential).collect::<Vec<_>>()})
}

/// The ConfigMaps: namespace, name and JSON.
#[must_use]
pub fn config_maps(slices: &Slices) -> Vec<(String, String, Vec<u8>)> {
    let map = |(name, slice): (&String, &Value)| {
        let key = if name.starts_with("trust.") { "trust.json" } else { "clients.json" };
        let labels = json!({"app.kubernetes.io/managed-by": "wiguard", "app.kubernetes.io/component": "trust"});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}, "data": {key: slice.to_string()}});
        (NAMESPACE.to_owned(), name.clone(), map.to_string().into_bytes())
    };
    slices.iter().map(map).collect()
}
