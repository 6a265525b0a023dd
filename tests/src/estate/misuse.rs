//! What else is broken in the estate: workloads that get in their own way, and identities that are
//! not theirs.

use serde_json::json;

use super::{
    Estate,
    cast::{believe, federate, service, with_own_token},
    faults::{in_cluster, on_account, on_deployment},
    model::{CLIENT_ID, Kind, PROXY, TENANT_ID, USE, Workload},
};

use Kind::{DaemonSet, Deployment};

/// Breaks the estate further.
pub(super) fn seed(estate: &mut Estate) {
    proxies_and_places(estate);
    two_ways(estate);
    tokens(estate);
    strange_identities(estate);
    customs(estate);
}

/// What selectors, the migration proxy and the choice of a node do to workload identity.
fn proxies_and_places(estate: &mut Estate) {
    let Estate { azure, weu, neu, ledger, .. } = estate;

    federate(azure, weu, "routing", "routing-detours", "id-routing-detours");
    let mut detours = service(Deployment, "routing", "routing-detours").opt_in();
    detours.selected.insert(USE.to_owned(), "true".to_owned());
    weu.run("routing", detours);
    ledger.push(on_deployment("AWI106", weu, "routing", "routing-detours", "the label is part of its selector"));

    federate(azure, weu, "tracking", "tracking-beacons", "id-tracking-beacons");
    let beacons = service(Deployment, "tracking", "tracking-beacons").opt_in().pod_annotation(PROXY, "false");
    weu.run("tracking", beacons);
    for (rule, why) in [("AWI109", "the proxy is asked for by `false`"), ("AWI110", "the migration proxy is injected")]
    {
        ledger.push(on_deployment(rule, weu, "tracking", "tracking-beacons", why));
    }

    federate(azure, neu, "fleet", "fleet-obd-bridge", "id-fleet-obd-bridge");
    let mut bridge = service(Deployment, "fleet", "fleet-obd-bridge").opt_in().pod_annotation(PROXY, "true");
    bridge = bridge.place("hostNetwork", json!(true));
    bridge.admitted = false;
    neu.run("fleet", bridge);
    ledger.push(on_deployment(
        "AWI110",
        neu,
        "fleet",
        "fleet-obd-bridge",
        "the proxy is refused on the node's network",
    ));

    federate(azure, neu, "reporting", "reporting-burst", "id-reporting-burst");
    let burst = service(Deployment, "reporting", "reporting-burst")
        .opt_in()
        .place("nodeSelector", json!({"kubernetes.io/role": "agent", "type": "virtual-kubelet"}))
        .place("tolerations", json!([{"key": "virtual-kubelet.io/provider", "operator": "Exists"}]));
    neu.run("reporting", burst);
    ledger.push(on_deployment("AWI112", neu, "reporting", "reporting-burst", "it runs on virtual nodes"));
}

/// Two ways to the identity at once, and the way shut by the workload itself.
fn two_ways(estate: &mut Estate) {
    let Estate { azure, weu, neu, ledger, .. } = estate;

    federate(azure, weu, "customs", "customs-forms", "id-customs-forms");
    weu.run(
        "customs",
        service(Deployment, "customs", "customs-forms").opt_in().pod_label("aadpodidbinding", "customs"),
    );
    ledger.push(on_deployment("AWI603", weu, "customs", "customs-forms", "pod identity beside workload identity"));

    federate(azure, neu, "orders", "orders-preview", "id-orders-preview");
    let preview = service(Deployment, "orders", "orders-preview").opt_in();
    neu.run("orders", preview.env([json!({"name": "AZURE_TOKEN_CREDENTIALS", "value": "dev"})]));
    ledger.push(on_deployment(
        "AWI607",
        neu,
        "orders",
        "orders-preview",
        "the SDK is told to try a developer's logins",
    ));

    let quotes = service(Deployment, "shipping", "shipping-quotes").opt_in();
    weu.run("shipping", quotes.pod_annotation("azure.workload.identity/use-identity-binding", "true"));
    ledger.push(on_deployment("AWI707", weu, "shipping", "shipping-quotes", "an identity binding without client id"));
}

/// Tokens that are looked for where they may not be, or are not as Entra wants them.
fn tokens(estate: &mut Estate) {
    let Estate { azure, weu, neu, ledger, .. } = estate;

    federate(azure, weu, "fleet", "fleet-emissions", "id-fleet-emissions");
    let emissions = service(Deployment, "fleet", "fleet-emissions").opt_in();
    let path = "/var/run/secrets/azure/tokens/azure-identity-token";
    weu.run("fleet", emissions.env([json!({"name": "TOKEN_FILE", "value": path})]));
    ledger.push(on_deployment("AWI503", weu, "fleet", "fleet-emissions", "the path of the token is written down"));

    federate(azure, neu, "warehouse", "warehouse-customs-link", "id-warehouse-customs-link");
    let client_id = azure.identity("id-warehouse-customs-link").client_id.clone();
    let link = with_own_token(
        service(Deployment, "warehouse", "warehouse-customs-link"),
        &azure.tenant,
        json!({"value": client_id}),
    );
    neu.run("warehouse", with_lifetime(link, 172_800));
    ledger.push(on_deployment("AWI505", neu, "warehouse", "warehouse-customs-link", "the token is to last two days"));
}

/// The workload, its own tokens to last so long.
fn with_lifetime(mut workload: Workload, seconds: u64) -> Workload {
    for (volume, _) in &mut workload.volumes {
        let token = "/projected/sources/0/serviceAccountToken/expirationSeconds";
        if let Some(lifetime) = volume.pointer_mut(token) {
            *lifetime = json!(seconds);
        }
    }
    workload
}

/// Identities that are not the workload's to use, or not where they are asked for; and AAD Pod Identity.
fn strange_identities(estate: &mut Estate) {
    let Estate { azure, weu, neu, ledger, .. } = estate;

    federate(azure, neu, "billing", "billing-vat", "id-billing-vat");
    let elsewhere = neu.random("tenant/elsewhere").guid();
    neu.namespace("billing").account("billing-vat").annotate(TENANT_ID, &elsewhere);
    neu.run("billing", service(Deployment, "billing", "billing-vat").opt_in());
    ledger.push(on_account("AWI207", neu, "billing", "billing-vat", "the tenant is another than the identity's"));

    let nodes = format!("{}-agentpool", weu.name);
    let client_id = believe(azure, weu, "routing", "routing-cache", &nodes);
    weu.namespace("routing").account("routing-cache").annotate(CLIENT_ID, &client_id);
    weu.run("routing", service(Deployment, "routing", "routing-cache").opt_in());
    ledger.push(on_account("AWI404", weu, "routing", "routing-cache", "the client id is that of the nodes"));

    let mut nmi = Workload::new(DaemonSet, "nmi", "oss/azure/aad-pod-identity/nmi:v1.8.17");
    nmi = nmi.place("hostNetwork", json!(true));
    weu.run("kube-system", nmi);
    ledger.push(in_cluster("AWI604", weu, "DaemonSet", "kube-system", "nmi", "pod identity still runs"));
}

/// Custom resources that name identities.
fn customs(estate: &mut Estate) {
    let Estate { azure, weu, ledger, .. } = estate;
    let client_id = believe(azure, weu, "orders", "orders-queue", "id-orders-queue");
    let old = json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
        "metadata": {"name": "customs-forms", "namespace": "customs"},
        "spec": {"type": 0, "clientID": azure.identity("id-customs-forms").client_id,
            "resourceID": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-customs-forms"}});
    weu.namespace("customs").customs.push(old);
    ledger.push(in_cluster("AWI602", weu, "AzureIdentity", "customs", "customs-forms", "pod identity's own resource"));

    let class = json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
        "metadata": {"name": "billing-keys", "namespace": "billing"},
        "spec": {"provider": "azure", "parameters": {"clientID": "id-billing-keys", "keyvaultName": "kv-norvind-billing", "tenantId": azure.tenant}}});
    weu.namespace("billing").customs.push(class);
    ledger.push(in_cluster("AWI803", weu, "SecretProviderClass", "billing", "billing-keys", "the client id is a name"));

    let store = json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": "fleet-vault", "namespace": "fleet"},
        "spec": {"provider": {"azurekv": {"authType": "WorkloadIdentity", "serviceAccountRef": {"name": "fleet-secrets"},
            "vaultUrl": "https://kv-norvind-fleet.vault.azure.net"}}}});
    weu.namespace("fleet").customs.push(store);
    ledger.push(in_cluster("AWI804", weu, "SecretStore", "fleet", "fleet-vault", "its ServiceAccount does not exist"));

    let trigger = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
        "metadata": {"name": "orders-queue", "namespace": "orders"},
        "spec": {"podIdentity": {"provider": "azure-workload", "identityId": client_id}}});
    weu.namespace("orders").customs.push(trigger);
    weu.run("orders", service(Deployment, "orders", "orders-queue"));
    ledger.push(in_cluster(
        "AWI805",
        weu,
        "TriggerAuthentication",
        "orders",
        "orders-queue",
        "it trusts the workload, not KEDA",
    ));
}
