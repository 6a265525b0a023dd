//! The healthy estate: what Norvind Freight runs, before anything is broken. The names stand in
//! tables; an entry marked `TRUSTED` gets the whole chain, from pod label to credential.

use serde_json::{Value, json};

use super::{
    Estate,
    azure::{AUDIENCE, Application, Azure, Credential, subject},
    model::{CLIENT_ID, Cluster, EXPIRATION, Kind, USE, Workload},
};

use Kind::{CronJob, DaemonSet, Deployment, Job, StatefulSet};

const TRUSTED: bool = true;
const PLAIN: bool = false;

/// A team's namespace and its services, named without the namespace's prefix.
type Team = (&'static str, &'static [(&'static str, Kind, bool)]);
/// Namespace, name, kind, image, replicas, and whether it talks to Azure.
type Tool = (&'static str, &'static str, Kind, &'static str, u64, bool);

const TEAMS: &[Team] = &[
    (
        "orders",
        &[
            ("api", Deployment, TRUSTED),
            ("worker", Deployment, TRUSTED),
            ("cache", StatefulSet, PLAIN),
            ("cleanup", CronJob, TRUSTED),
        ],
    ),
    (
        "shipping",
        &[("api", Deployment, TRUSTED), ("labels", Deployment, TRUSTED), ("manifest-export", CronJob, TRUSTED)],
    ),
    (
        "customs",
        &[
            ("api", Deployment, PLAIN),
            ("declarations", Deployment, TRUSTED),
            ("tariff-sync", CronJob, TRUSTED),
            ("archive-db", StatefulSet, PLAIN),
        ],
    ),
    ("tracking", &[("api", Deployment, TRUSTED), ("ingest", Deployment, TRUSTED), ("stream", StatefulSet, PLAIN)]),
    (
        "billing",
        &[
            ("api", Deployment, TRUSTED),
            ("invoices", Deployment, TRUSTED),
            ("ledger", StatefulSet, TRUSTED),
            ("dunning", CronJob, PLAIN),
        ],
    ),
    ("warehouse", &[("api", Deployment, TRUSTED), ("picker", Deployment, TRUSTED), ("migrate", Job, TRUSTED)]),
    ("fleet", &[("api", Deployment, PLAIN), ("telematics", Deployment, TRUSTED), ("fuel-import", CronJob, TRUSTED)]),
    ("routing", &[("api", Deployment, TRUSTED), ("planner", Deployment, TRUSTED), ("tiles", StatefulSet, PLAIN)]),
    (
        "notifications",
        &[
            ("api", Deployment, PLAIN),
            ("mailer", Deployment, TRUSTED),
            ("sms", Deployment, TRUSTED),
            ("digest", CronJob, PLAIN),
        ],
    ),
    ("reporting", &[("api", Deployment, TRUSTED), ("load", CronJob, TRUSTED), ("dashboards", Deployment, PLAIN)]),
];

const DEPOT: &[Team] = &[
    (
        "depot",
        &[
            ("api", Deployment, TRUSTED),
            ("sync", Deployment, TRUSTED),
            ("db", StatefulSet, PLAIN),
            ("backup", CronJob, TRUSTED),
        ],
    ),
    ("scanner", &[("gateway", Deployment, TRUSTED), ("firmware", Deployment, PLAIN), ("ocr", DaemonSet, TRUSTED)]),
    ("telemetry", &[("collector", DaemonSet, TRUSTED), ("buffer", StatefulSet, PLAIN)]),
    ("gate", &[("api", Deployment, TRUSTED), ("barrier", Deployment, PLAIN)]),
    ("yard", &[("planner", Deployment, TRUSTED), ("cranes", Deployment, PLAIN)]),
];

const ANYWHERE: &[Tool] = &[
    ("kube-system", "coredns", Deployment, "mirror/coredns:1.12.1", 1, PLAIN),
    ("kube-system", "metrics-server", Deployment, "mirror/metrics-server:0.7.2", 1, PLAIN),
    ("cert-manager", "cert-manager", Deployment, "mirror/cert-manager-controller:1.18.2", 1, TRUSTED),
    ("external-secrets", "external-secrets", Deployment, "mirror/external-secrets:2.9.0", 1, TRUSTED),
    ("ci-runners", "release-runner", Deployment, "platform/release-runner:3.1.0", 1, TRUSTED),
];

const ON_AKS: &[Tool] = &[
    (
        "kube-system",
        "azure-wi-webhook-controller-manager",
        Deployment,
        "mirror/azure/workload-identity/webhook:v1.5.1",
        2,
        PLAIN,
    ),
    ("kube-system", "kube-proxy", DaemonSet, "mirror/kube-proxy:1.33.2", 1, PLAIN),
    ("kube-system", "csi-azuredisk-node", DaemonSet, "mirror/azuredisk-csi:1.33.2", 1, PLAIN),
    ("external-dns", "external-dns", Deployment, "mirror/external-dns:0.19.0", 1, TRUSTED),
    ("ingress-nginx", "ingress-nginx-controller", Deployment, "mirror/ingress-nginx-controller:1.13.0", 1, PLAIN),
    ("monitoring", "prometheus", StatefulSet, "mirror/prometheus:3.5.0", 1, PLAIN),
    ("monitoring", "node-exporter", DaemonSet, "mirror/node-exporter:1.9.1", 1, PLAIN),
];

const ON_ARC: &[Tool] = &[
    (
        "arc-workload-identity",
        "azure-wi-webhook-controller-manager",
        Deployment,
        "mirror/azure/workload-identity/webhook:v1.6.0",
        2,
        PLAIN,
    ),
    ("azure-arc", "clusterconnect-agent", Deployment, "mirror/azurearck8s/clusterconnect-agent:1.28.4", 1, PLAIN),
    ("azure-arc", "config-agent", Deployment, "mirror/azurearck8s/config-agent:1.28.4", 1, PLAIN),
    ("azure-arc", "extension-manager", Deployment, "mirror/azurearck8s/extension-manager:1.28.4", 1, PLAIN),
    ("azure-arc", "kube-aad-proxy", Deployment, "mirror/azurearck8s/kube-aad-proxy:1.28.4", 1, PLAIN),
    ("kube-system", "local-path-provisioner", Deployment, "mirror/local-path-provisioner:0.0.31", 1, PLAIN),
    ("kube-system", "traefik", Deployment, "mirror/traefik:3.5.0", 1, PLAIN),
];

const WEST_ONLY: &[Tool] =
    &[("gatekeeper-system", "gatekeeper-controller-manager", Deployment, "mirror/gatekeeper:3.20.0", 2, PLAIN)];

const NORTH_ONLY: &[Tool] = &[
    ("kubewarden", "kubewarden-controller", Deployment, "mirror/kubewarden-controller:1.28.0", 1, PLAIN),
    ("kubewarden", "policy-server-default", Deployment, "mirror/policy-server:1.28.0", 2, PLAIN),
];

/// How many of the teams the northern cluster serves as well.
const TEAMS_IN_NORTH: usize = 8;

/// Fills the clusters and Azure with what is in order.
pub(super) fn settle(estate: &mut Estate) {
    let Estate { azure, weu, neu, edge, dev, .. } = estate;
    for cluster in [&mut *weu, &mut *neu, &mut *edge, &mut *dev] {
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            cluster.namespace(name);
        }
    }
    for (cluster, tools) in [
        (&mut *weu, [ANYWHERE, ON_AKS, WEST_ONLY]),
        (&mut *neu, [ANYWHERE, ON_AKS, NORTH_ONLY]),
        (&mut *edge, [ANYWHERE, ON_ARC, &[]]),
    ] {
        for tool in tools.concat() {
            install(azure, cluster, tool);
        }
    }
    for team in TEAMS {
        house(azure, weu, team);
    }
    for team in TEAMS.iter().take(TEAMS_IN_NORTH) {
        house(azure, neu, team);
    }
    for team in DEPOT {
        house(azure, edge, team);
    }
    for cluster in [weu, neu] {
        node_identities(azure, cluster);
        keda(azure, cluster);
    }
    node_identities(azure, dev);
    look_alikes(estate);
}

/// Gives an account the whole chain: an identity, its credential for the cluster, the annotation.
pub(super) fn federate(azure: &mut Azure, cluster: &mut Cluster, namespace: &str, account: &str, identity: &str) {
    let client_id = believe(azure, cluster, namespace, account, identity);
    cluster.namespace(namespace).account(account).annotate(CLIENT_ID, &client_id);
}

/// The Azure half of `federate`: an identity and its credential for the account.
pub(super) fn believe(azure: &mut Azure, cluster: &Cluster, namespace: &str, account: &str, identity: &str) -> String {
    let name = format!("{}-{namespace}-{account}", cluster.name);
    let home = azure.identity(identity);
    if home.credentials.is_empty() {
        home.location = cluster.location;
    }
    azure.trust(identity, Credential::new(&name, &cluster.issuer, &subject(namespace, account)))
}

/// A service of a team, with its account, in the image of the team.
pub(super) fn service(kind: Kind, namespace: &str, name: &str) -> Workload {
    Workload::new(kind, name, &format!("{namespace}/{name}:1.14.0"))
}

fn house(azure: &mut Azure, cluster: &mut Cluster, (namespace, services): &Team) {
    for (short, kind, trusted) in *services {
        let name = format!("{namespace}-{short}");
        let mut workload = service(*kind, namespace, &name);
        if matches!(name.as_str(), "orders-api" | "tracking-api" | "depot-api") {
            workload = workload.replicas(2);
        }
        if *trusted {
            federate(azure, cluster, namespace, &name, &format!("id-{name}"));
            workload = workload.opt_in();
        }
        cluster.run(namespace, workload);
    }
}

fn install(azure: &mut Azure, cluster: &mut Cluster, (namespace, name, kind, image, replicas, trusted): Tool) {
    let mut workload = Workload::new(kind, name, image).replicas(replicas);
    if trusted {
        federate(azure, cluster, namespace, name, &format!("id-{name}"));
        workload = workload.opt_in();
    }
    if name.starts_with("azure-wi-webhook") {
        workload = workload.account("azure-wi-webhook-admin").pod_label("azure-workload-identity.io/system", "true");
    }
    cluster.run(namespace, workload);
}

/// The identities that AKS itself makes for nodes and add-ons: no credential trusts anybody.
fn node_identities(azure: &mut Azure, cluster: &Cluster) {
    for name in [format!("{}-agentpool", cluster.name), format!("azurekeyvaultsecretsprovider-{}", cluster.name)] {
        let identity = azure.identity(&name);
        identity.location = cluster.location;
        identity.resource_group = format!("MC_rg-{0}_{0}_{1}", cluster.name, cluster.location);
    }
}

/// The KEDA add-on: its operator asks tokens for identities that its triggers name, so that its
/// account carries no client id and workers' identities trust the operator beside the worker.
fn keda(azure: &mut Azure, cluster: &mut Cluster) {
    cluster.run("kube-system", Workload::new(Deployment, "keda-operator", "mirror/keda:2.17.2").opt_in());
    for identity in ["id-keda", "id-orders-worker"] {
        believe(azure, cluster, "kube-system", "keda-operator", identity);
    }
}

/// What looks wrong and is not.
fn look_alikes(estate: &mut Estate) {
    let Estate { azure, weu, neu, edge, .. } = estate;

    // Opted out on purpose.
    federate(azure, weu, "reporting", "reporting-preview", "id-reporting-preview");
    weu.run("reporting", service(Deployment, "reporting", "reporting-preview").pod_label(USE, "false"));

    // Projects its own token and sets the variables itself.
    federate(azure, neu, "routing", "routing-depot-link", "id-routing-depot-link");
    let client_id = azure.identity("id-routing-depot-link").client_id.clone();
    neu.run(
        "routing",
        with_own_token(
            service(Deployment, "routing", "routing-depot-link"),
            &azure.tenant,
            json!({"value": client_id}),
        ),
    );

    // An operator that does the same with a client id out of a Secret.
    believe(azure, weu, "azureserviceoperator-system", "azureserviceoperator-default", "id-service-operator");
    let operator =
        Workload::new(Deployment, "azureserviceoperator-controller-manager", "mirror/azureserviceoperator:2.15.0")
            .account("azureserviceoperator-default")
            .env([json!({"name": "USE_WORKLOAD_IDENTITY_AUTH", "value": "true"})]);
    let from_secret =
        json!({"valueFrom": {"secretKeyRef": {"key": "AZURE_CLIENT_ID", "name": "aso-controller-settings"}}});
    weu.run("azureserviceoperator-system", with_own_token(operator, &azure.tenant, from_secret));

    // An app registration in the place of a managed identity.
    let gateway = azure.application("norvind-partner-gateway");
    let app_id = gateway.app_id.clone();
    trust_application(gateway, "prod-weu", &weu.issuer, &subject("partners", "partners-gateway"));
    weu.namespace("partners").account("partners-gateway").annotate(CLIENT_ID, &app_id);
    weu.run("partners", service(Deployment, "partners", "partners-gateway").opt_in());
    weu.run("partners", service(Deployment, "partners", "partners-portal").account("default"));

    // Pipelines: issuers that are no clusters, with subjects and audiences of their own.
    let release = azure.application("norvind-release-pipeline");
    trust_application(release, "infra-main", GITHUB, "repo:norvind-freight/Infra:ref:refs/heads/main");
    trust_application(
        release,
        "tfc-apply",
        "https://app.terraform.io",
        "organization:norvind:project:core:workspace:network:run_phase:apply",
    );
    azure.trust(
        "id-docs-publish",
        Credential::new("gitlab-docs", "https://gitlab.com", "project_path:norvind/docs:ref_type:branch:ref:main")
            .audience("https://gitlab.norvind.example"),
    );
    azure
        .trust("id-docs-publish", Credential::new("github-charts", GITHUB, "repo:norvind-freight/Charts:pull_request"));

    // The label where older webhooks read it, and where a chart puts it on everything.
    weu.namespace("orders").account("orders-api").labels.insert(USE.to_owned(), "true".to_owned());
    if let Some(api) = weu.namespace("tracking").workloads.get_mut("tracking-api") {
        api.labels.insert(USE.to_owned(), "true".to_owned());
    }
    weu.namespace("billing").account("billing-invoices").annotate(EXPIRATION, "7200");

    store(azure, weu);

    // Reads its secrets through the Secrets Store driver, which needs no label.
    federate(azure, edge, "gate", "gate-camera", "id-gate-camera");
    let client_id = azure.identity("id-gate-camera").client_id.clone();
    let volume = json!({"csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"secretProviderClass": "gate-camera"}}, "name": "secrets"});
    edge.run("gate", service(Deployment, "gate", "gate-camera").volume(volume, "/mnt/secrets"));
    edge.namespace("gate").customs.push(json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "gate-camera", "namespace": "gate"},
        "spec": {"provider": "azure", "parameters": {"clientID": client_id, "keyvaultName": "kv-norvind-edge",
            "objects": "array:\n  - |\n    objectName: camera-password\n    objectType: secret\n", "tenantId": azure.tenant}}}));
}

/// An account whose tokens External Secrets asks for, beside a workload that needs no label for it.
fn store(azure: &mut Azure, cluster: &mut Cluster) {
    federate(azure, cluster, "partners", "partners-feed", "id-partners-feed");
    cluster.run("partners", service(Deployment, "partners", "partners-feed"));
    cluster.namespace("partners").customs.push(json!({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "partners-feed", "namespace": "partners"},
        "spec": {"provider": {"azurekv": {"authType": "WorkloadIdentity", "serviceAccountRef": {"name": "partners-feed"},
            "vaultUrl": "https://kv-norvind-partners.vault.azure.net"}}}}));
}

/// The issuer of GitHub Actions' tokens.
pub(super) const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn trust_application(application: &mut Application, name: &str, issuer: &str, subject: &str) {
    application.credentials.push(Credential::new(name, issuer, subject));
}

pub(super) fn with_own_token(workload: Workload, tenant: &str, client_id: Value) -> Workload {
    let mut client = json!({"name": "AZURE_CLIENT_ID"});
    if let (Some(entry), Some(source)) = (client.as_object_mut(), client_id.as_object()) {
        entry.extend(source.clone());
    }
    let token = json!({"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": 3600, "path": "token"}});
    workload
        .env([
            client,
            json!({"name": "AZURE_TENANT_ID", "value": tenant}),
            json!({"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/entra/token"}),
        ])
        .volume(json!({"name": "entra-token", "projected": {"defaultMode": 420, "sources": [token]}}), "/var/run/entra")
}
