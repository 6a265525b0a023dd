//! What is broken in the estate, one flaw after the other, each set apart from the rest. Every
//! flaw is written into the ledger at the place where it is made.

use serde_json::{Value, json};

use super::{
    Estate,
    azure::{Credential, subject},
    cast::{GITHUB, believe, federate, service},
    misuse,
    model::{CLIENT_ID, Cluster, EXPIRATION, Kind, SKIP, TENANT_ID, USE},
};

use Kind::Deployment;

/// An entry of the ledger: a finding of medium severity or higher that a right tool reports.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The rule's id, such as `AWI101`.
    pub rule: &'static str,
    /// The cluster of the object; none for objects of Azure.
    pub cluster: Option<String>,
    /// The object's kind.
    pub kind: &'static str,
    /// The object's namespace; none for objects that have none.
    pub namespace: Option<String>,
    /// The object's name; `identity/credential` for a federated credential.
    pub name: String,
    /// What is wrong, for a reader of the ledger.
    pub why: &'static str,
}

/// Breaks the estate.
pub(super) fn seed(estate: &mut Estate) {
    labels(estate);
    accounts(estate);
    broken_credentials(estate);
    stray_credentials(estate);
    sharing(estate);
    settings(estate);
    misuse::seed(estate);
    sandbox(estate);
    estate.ledger.sort();
}

// Faults 101 to 103 leave the account without client id, so that nothing else is wrong with
// them: the application reads it from a ConfigMap.
fn labels(estate: &mut Estate) {
    let Estate { azure, weu, ledger, .. } = estate;
    let mut unlabelled = |namespace: &str, name: &str| {
        believe(azure, weu, namespace, name, &format!("id-{name}"));
        service(Deployment, namespace, name).env_from(json!({"configMapRef": {"name": format!("{name}-azure")}}))
    };
    let notes = unlabelled("billing", "billing-credit-notes").label(USE, "true");
    let broker = unlabelled("customs", "customs-broker").pod_label(USE, "True");
    let hooks = unlabelled("tracking", "tracking-webhooks").pod_label("azure.workload-identity/use", "true");
    for (rule, namespace, workload, why) in [
        ("AWI101", "billing", notes, "the label stands on the Deployment, not on its pod template"),
        ("AWI102", "customs", broker, "the label's value is `True`"),
        ("AWI103", "tracking", hooks, "the label's key is misspelt"),
    ] {
        ledger.push(on_deployment(rule, weu, namespace, &workload.name, why));
        weu.run(namespace, workload);
    }

    federate(azure, weu, "fleet", "fleet-tachograph", "id-fleet-tachograph");
    weu.run("fleet", service(Deployment, "fleet", "fleet-tachograph"));
    ledger.push(on_deployment(
        "AWI104",
        weu,
        "fleet",
        "fleet-tachograph",
        "the account names a client, the pod does not opt in",
    ));

    let push = service(Deployment, "notifications", "notifications-push").account("default").opt_in();
    weu.run("notifications", push.env_from(json!({"configMapRef": {"name": "notifications-push-azure"}})));
    ledger.push(on_deployment(
        "AWI108",
        weu,
        "notifications",
        "notifications-push",
        "opts in under the `default` account",
    ));

    federate(azure, weu, "shipping", "shipping-rates", "id-shipping-rates");
    let rates = service(Deployment, "shipping", "shipping-rates").opt_in().sidecar("log-shipper");
    weu.run("shipping", rates.pod_annotation(SKIP, "log-shipper,metrics"));
    ledger.push(on_deployment("AWI111", weu, "shipping", "shipping-rates", "containers to skip are parted by a comma"));
}

fn accounts(estate: &mut Estate) {
    let Estate { azure, weu, neu, edge, ledger, .. } = estate;

    let client_id = believe(azure, weu, "warehouse", "warehouse-returns", "id-warehouse-returns");
    weu.namespace("warehouse").account("warehouse-returns").annotate("azure.workload-identity/client-id", &client_id);
    weu.run("warehouse", service(Deployment, "warehouse", "warehouse-returns").opt_in());
    ledger.push(on_account("AWI201", weu, "warehouse", "warehouse-returns", "the annotation's key is misspelt"));
    ledger.push(on_deployment(
        "AWI203",
        weu,
        "warehouse",
        "warehouse-returns",
        "its account's client id stands under a misspelt key",
    ));

    believe(azure, weu, "reporting", "reporting-export", "id-reporting-export");
    weu.namespace("reporting").account("reporting-export").annotate(CLIENT_ID, "id-reporting-export");
    ledger.push(on_account("AWI202", weu, "reporting", "reporting-export", "the client id is the identity's name"));

    believe(azure, weu, "routing", "routing-traffic", "id-routing-traffic");
    weu.run("routing", service(Deployment, "routing", "routing-traffic").opt_in());
    ledger.push(on_deployment("AWI203", weu, "routing", "routing-traffic", "its account names no client"));

    federate(azure, neu, "tracking", "tracking-alerts", "id-tracking-alerts");
    neu.namespace("tracking").account("tracking-alerts").annotate(TENANT_ID, "");
    neu.run("tracking", service(Deployment, "tracking", "tracking-alerts").opt_in());
    ledger.push(on_account("AWI204", neu, "tracking", "tracking-alerts", "the tenant id is empty"));

    let client_id = believe(azure, neu, "orders", "orders-refunds", "id-orders-refunds");
    neu.run("orders", service(Deployment, "orders", "orders-refunds").pod_annotation(CLIENT_ID, &client_id));
    ledger.push(on_deployment("AWI205", neu, "orders", "orders-refunds", "the client id is annotated on the pod"));

    believe(azure, neu, "billing", "billing-sync", "id-billing-sync");
    let principal_id = azure.identity("id-billing-sync").principal_id.clone();
    neu.namespace("billing").account("billing-sync").annotate(CLIENT_ID, &principal_id);
    ledger.push(on_account("AWI206", neu, "billing", "billing-sync", "the client id is the identity's principal id"));

    edge.namespace("gate").account("gate-vision").annotate(CLIENT_ID, "${CLIENT_ID}");
    ledger.push(on_account("AWI902", edge, "gate", "gate-vision", "the client id is a placeholder nobody filled"));
}

/// Credentials that miss their workload, which is then trusted by none.
fn broken_credentials(estate: &mut Estate) {
    let Estate { azure, weu, neu, ledger, .. } = estate;
    let client_id = azure.identity("id-customs-risk").client_id.clone();
    neu.namespace("customs").account("customs-risk").annotate(CLIENT_ID, &client_id);
    neu.run("customs", service(Deployment, "customs", "customs-risk").opt_in());
    ledger.push(on_deployment("AWI301", neu, "customs", "customs-risk", "its identity has no credential at all"));

    neu.namespace("shipping").account("shipping-return");
    let shouted = weu.issuer.replace("westeurope", "WestEurope");
    let bare = weu.issuer.trim_end_matches('/').to_owned();
    let north = neu.issuer.clone();
    let mut broken =
        |cluster: &mut Cluster, namespace: &str, name: &str, credential: Credential, rules: &[&'static str], why| {
            let identity = format!("id-{name}");
            ledger.push(on_deployment("AWI301", cluster, namespace, name, why));
            ledger.extend(rules.iter().map(|rule| match *rule {
                // The workload it misses is known, and is what is judged.
                "AWI303" => on_deployment(rule, cluster, namespace, name, why),
                _ => on_credential(rule, &identity, &credential.name, why),
            }));
            let client_id = azure.trust(&identity, credential);
            cluster.namespace(namespace).account(name).annotate(CLIENT_ID, &client_id);
            cluster.run(namespace, service(Deployment, namespace, name).opt_in());
        };
    let credential = Credential::new("prod-weu", &shouted, &subject("tracking", "tracking-eta"));
    broken(weu, "tracking", "tracking-eta", credential, &["AWI302"], "the issuer differs in upper and lower case");
    let credential = Credential::new("prod-neu", &north, &subject("shipping", "shipping-return"));
    broken(
        neu,
        "shipping",
        "shipping-returns",
        credential,
        &["AWI303"],
        "the subject names another account of the namespace",
    );
    let credential = Credential::new("prod-weu", &bare, &subject("warehouse", "warehouse-forecast"));
    broken(weu, "warehouse", "warehouse-forecast", credential, &["AWI304"], "the issuer lacks its trailing slash");
    let former = format!("https://westeurope.oic.prod-aks.azure.com/{}/{}/", weu.tenant, weu.random("former").guid());
    let credential = Credential::new("prod-weu-2024", &former, &subject("orders", "orders-allocation"));
    broken(
        weu,
        "orders",
        "orders-allocation",
        credential,
        &["AWI305"],
        "the issuer is that of the cluster before it was rebuilt",
    );
    let credential = Credential::new("prod-neu", &north, &subject("fleet", "fleet-geofence"))
        .audience("https://management.azure.com/");
    broken(neu, "fleet", "fleet-geofence", credential, &["AWI307"], "the audience is that of another service");
}

/// Credentials that no workload waits for.
fn stray_credentials(estate: &mut Estate) {
    let Estate { azure, weu, neu, edge, ledger, .. } = estate;
    edge.run("depot", service(Deployment, "depot", "depot-label-printer"));
    for (rule, identity, credential, why) in [
        (
            "AWI306",
            "id-depot-label-printer",
            Credential::new(
                "edge-fra",
                "https://kubernetes.default.svc.cluster.local",
                &subject("depot", "depot-label-printer"),
            ),
            "the issuer is the cluster's inner name",
        ),
        (
            "AWI308",
            "id-reporting-shared",
            Credential::new("all-of-reporting", &weu.issuer, "system:serviceaccounts:reporting"),
            "the subject names a group of accounts",
        ),
        (
            "AWI311",
            "id-loyalty-api",
            Credential::new("prod-neu", &neu.issuer, &subject("loyalty", "loyalty-api")),
            "the namespace is gone",
        ),
        (
            "AWI312",
            "id-fleet-maintenance",
            Credential::new("prod-neu", &neu.issuer, &subject("fleet", "default")),
            "the subject is a namespace's default account",
        ),
    ] {
        ledger.push(on_credential(rule, identity, &credential.name, why));
        azure.trust(identity, credential);
    }
}

fn sharing(estate: &mut Estate) {
    let Estate { azure, weu, neu, ledger, .. } = estate;
    for (namespace, name) in
        [("billing", "billing-archive"), ("customs", "customs-archive"), ("warehouse", "warehouse-archive")]
    {
        federate(azure, weu, namespace, name, "id-shared-archive");
        weu.run(namespace, service(Deployment, namespace, name).opt_in());
    }
    ledger.push(on_identity("AWI402", "id-shared-archive", "three applications share it"));

    let namespaces =
        ["orders", "shipping", "customs", "tracking", "billing", "warehouse", "fleet", "routing", "reporting"];
    for (cluster, count) in [(weu, 9), (neu, 8)] {
        for namespace in namespaces.iter().take(count) {
            federate(azure, cluster, namespace, "telemetry-export", "id-telemetry-export");
            cluster.run(namespace, service(Deployment, namespace, "telemetry-export").opt_in());
        }
    }
    ledger.push(on_identity("AWI401", "id-telemetry-export", "17 of 20 credentials are used"));
    ledger.push(on_identity("AWI402", "id-telemetry-export", "nine namespaces share it"));

    let repositories = [
        "billing",
        "charts",
        "customs",
        "depot",
        "docs",
        "fleet",
        "gate",
        "infra",
        "notifications",
        "orders",
        "partners",
        "reporting",
        "routing",
        "shipping",
        "tracking",
        "warehouse",
        "yard",
    ];
    for repository in repositories {
        let subject = format!("repo:norvind-freight/{repository}:environment:production");
        azure.trust("id-release-runner", Credential::new(&format!("github-{repository}"), GITHUB, &subject));
    }
    ledger.push(on_identity("AWI401", "id-release-runner", "20 of 20 credentials are used"));
}

fn settings(estate: &mut Estate) {
    let Estate { azure, weu, neu, ledger, .. } = estate;

    federate(azure, neu, "orders", "orders-import", "id-orders-import");
    let mut import = service(Deployment, "orders", "orders-import").opt_in().pod_annotation(EXPIRATION, "1h");
    import.admitted = false;
    neu.run("orders", import);
    ledger.push(on_deployment("AWI501", neu, "orders", "orders-import", "the token's lifetime is `1h`, not seconds"));

    weu.run(
        "customs",
        service(Deployment, "customs", "customs-legacy-rates").pod_label("aadpodidbinding", "customs-rates"),
    );
    ledger.push(on_deployment("AWI601", weu, "customs", "customs-legacy-rates", "still bound by pod identity"));

    federate(azure, weu, "billing", "billing-statements", "id-billing-statements");
    let secret = secret_env("billing-statements-sp", &["AZURE_CLIENT_SECRET"]);
    weu.run("billing", service(Deployment, "billing", "billing-statements").opt_in().env(secret));
    ledger.push(on_deployment("AWI605", weu, "billing", "billing-statements", "a client secret wins over its token"));

    let secret = secret_env("warehouse-edi-sp", &["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"]);
    neu.run("warehouse", service(Deployment, "warehouse", "warehouse-edi").env(secret));
    ledger.push(on_deployment("AWI606", neu, "warehouse", "warehouse-edi", "lives on a service principal's secret"));
}

/// A cluster with an issuer and without the webhook.
fn sandbox(estate: &mut Estate) {
    let Estate { azure, dev, ledger, .. } = estate;
    federate(azure, dev, "playground", "playground-api", "id-playground-api");
    dev.run("playground", service(Deployment, "playground", "playground-api").opt_in());
    dev.run("playground", service(Deployment, "playground", "playground-web"));
    ledger.push(Fault {
        rule: "AWI701",
        cluster: Some(dev.name.to_owned()),
        kind: "Cluster",
        namespace: None,
        name: dev.name.to_owned(),
        why: "workload identity is off, a workload opts in",
    });
}

fn secret_env(secret: &str, names: &[&str]) -> Vec<Value> {
    names
        .iter()
        .map(|name| json!({"name": name, "valueFrom": {"secretKeyRef": {"key": name, "name": secret}}}))
        .collect()
}

pub(super) fn on_deployment(
    rule: &'static str,
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    why: &'static str,
) -> Fault {
    in_cluster(rule, cluster, "Deployment", namespace, name, why)
}

pub(super) fn on_account(
    rule: &'static str,
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    why: &'static str,
) -> Fault {
    in_cluster(rule, cluster, "ServiceAccount", namespace, name, why)
}

pub(super) fn in_cluster(
    rule: &'static str,
    cluster: &Cluster,
    kind: &'static str,
    namespace: &str,
    name: &str,
    why: &'static str,
) -> Fault {
    let cluster = Some(cluster.name.to_owned());
    Fault { rule, cluster, kind, namespace: Some(namespace.to_owned()), name: name.to_owned(), why }
}

fn on_identity(rule: &'static str, name: &str, why: &'static str) -> Fault {
    Fault { rule, cluster: None, kind: "ManagedIdentity", namespace: None, name: name.to_owned(), why }
}

fn on_credential(rule: &'static str, identity: &str, credential: &str, why: &'static str) -> Fault {
    let name = format!("{identity}/{credential}");
    Fault { rule, cluster: None, kind: "FederatedIdentityCredential", namespace: None, name, why }
}
