//! `wiguard trace` where the client id is not the webhook's to tell: operators that custom resources tell,
//! programs that know it themselves, and drivers that ask with the token of unlabelled pods.

use std::fs;

use wiguard::trace::{State, Walk, plain};
use wiguard_rules::parameters::Parameters;
use wiguard_rules::trust::Trust;
use wiguard_tests::case::{collect_path, collect_text, testdata};

use crate::trace::{ACCOUNT, LABELLED, azure, deployment};

const CLIENT: &str = "33333333-3333-3333-3333-333333333333";
const BARE: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: cart, namespace: shop}\n";
const TRUSTED: &str = "system:serviceaccount:shop:cart";
const OTHER: &str = "system:serviceaccount:shop:other";

/// What a walk of Deployment `shop/cart` comes to, with the link it ends at and the text.
fn traced(documents: &[&str]) -> (State, String, String) {
    let collected = collect_text(&documents.join("---\n"), true);
    let parameters = Parameters::default();
    let trust = Trust::join(&collected.inventory, &parameters);
    let workload = collected.inventory.workloads.iter().find(|workload| workload.name == "cart").unwrap();
    let walk = Walk::of(workload, &trust, &collected.paths);
    let link = walk.links.last().map(|step| step.link.to_owned()).unwrap();
    (walk.state, link, plain(&walk))
}

/// Deployment `shop/cart`, whose first container has this image.
fn running(image: &str) -> String {
    deployment(LABELLED, "").replace("{name: app}", &format!("{{name: app, image: \"{image}\"}}"))
}

fn issuer(client_id: &str) -> String {
    format!(
        "{{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {{name: letsencrypt}}, spec: {{acme: {{solvers: [{{dns01: {{azureDNS: {{managedIdentity: {{clientID: \"{client_id}\"}}}}}}}}]}}}}}}\n"
    )
}

fn trigger(provider: &str, client_id: &str) -> String {
    format!(
        "{{apiVersion: keda.sh/v1alpha1, kind: TriggerAuthentication, metadata: {{name: queue, namespace: orders}}, spec: {{podIdentity: {{provider: {provider}, identityId: \"{client_id}\"}}}}}}\n"
    )
}

#[test]
fn a_program_may_have_a_client_id_of_its_own() {
    let (state, link, text) = traced(&[&deployment(LABELLED, ""), BARE, &azure(TRUSTED)]);
    assert_eq!((state, link.as_str()), (State::Broken, "client id"), "what asks with the SDKs has none: {text}");
    assert!(text.contains("kubectl annotate serviceaccount cart --namespace shop"), "{text}");
    let token = ", volumes: [{name: own, projected: {sources: [{serviceAccountToken: {audience: \"api://AzureADTokenExchange\", path: token}}]}}]";
    let (state, _, text) = traced(&[&deployment("", token), BARE, &azure(TRUSTED)]);
    assert!(state == State::Unknown && text.contains("a program may have one of its own"), "{text}");
    for (image, place) in [
        ("mcr.microsoft.com/k8s/azureserviceoperator:v2.11.0", "aso-controller-settings"),
        ("registry.k8s.io/cluster-api-azure/cluster-api-azure-controller:v1.19.1", "AzureClusterIdentity"),
        ("quay.io/prometheus/prometheus:v3.0.0", "remote_write"),
        ("ghcr.io/kedacore/keda:2.16.0", "and none that was read names one"),
    ] {
        let (state, _, text) = traced(&[&running(image), BARE, &azure(TRUSTED)]);
        assert!(state == State::Unknown && text.contains(place), "{text}");
    }
    // A sidecar that is told none asks for none.
    let own = format!("{{name: app, env: [{{name: AZURE_CLIENT_ID, value: {CLIENT}}}]}}");
    let told = deployment(LABELLED, "").replace("{name: app}", &own);
    assert_eq!(traced(&[&told, BARE, &azure(TRUSTED)]).0, State::Holds);
}

#[test]
fn who_was_meant_to_be_told_a_client_id_is_told_none() {
    let broken = |deployment: &str, account: &str| {
        let (state, link, text) = traced(&[deployment, account, &azure(TRUSTED)]);
        assert_eq!((state, link.as_str()), (State::Broken, "client id"), "{text}");
    };
    let labelled = deployment(LABELLED, "");
    broken(&labelled, &ACCOUNT.replace(CLIENT, "\"\""));
    broken(&labelled, &ACCOUNT.replace("identity/client-id", "identity/clientid"));
    let annotated = format!("{LABELLED}, annotations: {{azure.workload.identity/client-id: {CLIENT}}}");
    broken(&deployment(&annotated, ""), BARE);
}

#[test]
fn an_operator_asks_for_what_its_resources_name() {
    let cert_manager = running("quay.io/jetstack/cert-manager-controller:v1.16.2");
    let of = |subject: &str, named: &str| traced(&[&cert_manager, BARE, &azure(subject), &issuer(named)]);
    let (state, _, text) = of(TRUSTED, CLIENT);
    assert_eq!(state, State::Holds, "{text}");
    assert!(text.contains("named by ClusterIssuer letsencrypt"), "{text}");
    let (state, link, text) = of(OTHER, CLIENT);
    assert_eq!((state, link.as_str()), (State::Broken, "credential"), "{text}");
    assert_eq!(of(TRUSTED, "id-cart").1, "client id");
    assert_eq!(of(TRUSTED, "${CLIENT_ID}").0, State::Unknown);

    let keda = running("ghcr.io/kedacore/keda:2.16.0");
    let of = |subject: &str, provider: &str| {
        let named = trigger(provider, CLIENT);
        traced(&[&keda, BARE, &azure(subject), &named, &named.replace("name: queue", "name: second")])
    };
    let (state, _, text) = of(TRUSTED, "azure-workload");
    assert_eq!(state, State::Holds, "{text}");
    assert_eq!(text.matches("named by ").count(), 1, "{text}");
    assert_eq!(of(OTHER, "azure-workload").0, State::Broken);
    assert_eq!(of(TRUSTED, "aws").0, State::Unknown);
    // What another's resources say is not for this one.
    let both = [&keda, BARE, &azure(TRUSTED), &issuer(CLIENT)];
    assert_eq!(traced(&both).0, State::Unknown);
}

#[test]
fn an_operator_that_is_to_ask_as_itself_is_to_be_told_whose_tokens() {
    let store = "{apiVersion: external-secrets.io/v1, kind: ClusterSecretStore, metadata: {name: vault}, spec: {provider: {azurekv: {authType: WorkloadIdentity}}}}\n";
    let repository = "{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: fleet, namespace: flux-system}, spec: {provider: azure}}\n";
    let (issuer, trigger) = (issuer(""), trigger("azure-workload", ""));
    for (image, told_by, rule) in [
        ("ghcr.io/kedacore/keda:2.16.0", trigger.as_str(), "AWI805"),
        ("ghcr.io/external-secrets/external-secrets:v0.14.0", store, "AWI804"),
        ("quay.io/jetstack/cert-manager-controller:v1.16.2", issuer.as_str(), "AWI806"),
        ("ghcr.io/fluxcd/source-controller:v1.6.0", repository, "AWI806"),
    ] {
        let operator = running(image);
        let (state, link, text) = traced(&[&operator, BARE, &azure(TRUSTED), told_by]);
        assert_eq!((state, link.as_str()), (State::Broken, "client id"), "{image}: {text}");
        assert!(text.contains(&format!("wiguard explain {rule}")), "{text}");
        assert!(text.contains("kubectl annotate serviceaccount cart --namespace shop"), "{text}");
        assert_eq!(traced(&[&operator, ACCOUNT, &azure(TRUSTED), told_by]).0, State::Holds, "{image} is told");
        let (_, link, text) = traced(&[&operator.replace(LABELLED, ""), BARE, &azure(TRUSTED), told_by]);
        assert!(link == "pod label" && text.contains(&format!("wiguard explain {rule}")), "{text}");
        // What another operator is told by is not for this one.
        let another = running("ghcr.io/example/operator:1");
        let text = traced(&[&another, BARE, &azure(TRUSTED), told_by]).2;
        assert!(!text.contains("AWI80"), "{text}");
    }
    // Beside what names an identity, too.
    let named = trigger.replace("identityId: \"\"", &format!("identityId: {CLIENT}")).replace("name: queue", "name: a");
    let keda = running("ghcr.io/kedacore/keda:2.16.0");
    assert_eq!(traced(&[&keda, BARE, &azure(TRUSTED), &named, &trigger]).0, State::Broken);
}

const MOUNTS: &str = ", volumes: [{name: vault, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: vault}}}]";

fn class(parameters: &str) -> String {
    format!(
        "{{apiVersion: secrets-store.csi.x-k8s.io/v1, kind: SecretProviderClass, metadata: {{name: vault, namespace: shop}}, spec: {{provider: azure, parameters: {{tenantID: 11111111-1111-1111-1111-111111111111, {parameters}}}}}}}\n"
    )
}

#[test]
fn the_secrets_store_asks_with_the_token_of_unlabelled_pods() {
    let mounting = deployment("", MOUNTS);
    let of = |subject: &str, parameters: &str| traced(&[&mounting, BARE, &azure(subject), &class(parameters)]);
    let own = format!("clientID: {CLIENT}");
    let (state, _, text) = of(TRUSTED, &own);
    assert_eq!(state, State::Holds, "{text}");
    assert!(text.contains("by SecretProviderClass vault") && text.contains("trusts this token"), "{text}");
    assert!(text.contains("the programs in the pods get no token of their own"), "{text}");
    let (state, link, text) = of(OTHER, &own);
    assert_eq!((state, link.as_str()), (State::Broken, "credential"), "{text}");
    assert_eq!(of(TRUSTED, &format!("{own}, useAzureTokenProxy: \"true\"")).0, State::Unknown);
    let (state, _, text) = of(TRUSTED, "useVMManagedIdentity: \"true\"");
    assert!(state == State::Unknown && text.contains("as an identity of the node"), "{text}");

    // The driver asks beside labelled pods, too.
    let both = |client_id: &str| {
        let class = class(&format!("clientID: {client_id}"));
        traced(&[&deployment(LABELLED, MOUNTS), ACCOUNT, &azure(TRUSTED), &class])
    };
    let (state, _, text) = both(CLIENT);
    assert!(state == State::Holds && !text.contains("asked for by"), "{text}");
    let (state, link, text) = both("44444444-4444-4444-4444-444444444444");
    assert_eq!((state, link.as_str()), (State::Broken, "identity"), "{text}");

    // A class that has nobody ask, and one that is not there.
    assert_eq!(of(TRUSTED, "keyvaultName: kv").1, "pod label");
    let (state, link, _) =
        traced(&[&mounting, BARE, &azure(TRUSTED), &class(&own).replace("{name: vault", "{name: v")]);
    assert_eq!((state, link.as_str()), (State::Broken, "pod label"));
    // Pods that were meant to get a token are judged as such.
    let misplaced =
        mounting.replace("namespace: shop}", "namespace: shop, labels: {azure.workload.identity/use: \"true\"}}");
    assert_eq!(traced(&[&misplaced, BARE, &azure(TRUSTED), &class(&own)]).0, State::Broken);
    let node = class("useVMManagedIdentity: \"true\"");
    assert_eq!(traced(&[&mounting, ACCOUNT, &azure(TRUSTED), &node]).0, State::Broken);
}

#[test]
fn the_drivers_of_storage_ask_with_the_token_of_unlabelled_pods() {
    let claiming = deployment("", ", volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]");
    let volume = format!(
        "{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: pv-data}}, spec: {{claimRef: {{namespace: shop, name: data}}, csi: {{driver: blob.csi.azure.com, volumeHandle: data, volumeAttributes: {{clientID: {CLIENT}, mountWithWorkloadIdentityToken: \"true\"}}}}}}}}\n"
    );
    let (state, _, text) = traced(&[&claiming, BARE, &azure(TRUSTED), &volume]);
    assert_eq!(state, State::Holds, "{text}");
    assert!(text.contains("the driver of PersistentVolume pv-data"), "{text}");
    assert_eq!(traced(&[&claiming, BARE, &azure(OTHER), &volume]).1, "credential");
    for another in
        [volume.replace("name: data}, csi", "name: other}, csi"), volume.replace("namespace: shop", "namespace: web")]
    {
        let (state, _, text) = traced(&[&claiming, BARE, &azure(TRUSTED), &another]);
        assert!(state == State::Unknown && text.contains("PersistentVolumeClaim"), "{text}");
    }
    let inline = deployment(
        "",
        ", volumes: [{name: files, csi: {driver: file.csi.azure.com, volumeAttributes: {mountWithWorkloadIdentityToken: \"true\"}}}]",
    );
    assert_eq!(traced(&[&inline, BARE, &azure(TRUSTED)]).0, State::Unknown);
}

#[test]
fn external_secrets_asks_with_the_token_of_the_service_account() {
    let store = "{apiVersion: external-secrets.io/v1, kind: SecretStore, metadata: {name: vault, namespace: shop}, spec: {provider: {azurekv: {authType: WorkloadIdentity, serviceAccountRef: {name: cart}}}}}\n";
    let of = |account: &str, subject: &str| traced(&[&deployment("", ""), account, &azure(subject), store]);
    let (state, _, text) = of(ACCOUNT, TRUSTED);
    assert_eq!(state, State::Holds, "{text}");
    assert!(text.contains("the operator of SecretStore/vault"), "{text}");
    assert_eq!(of(ACCOUNT, OTHER).1, "credential");
    assert_eq!(of(BARE, TRUSTED).0, State::Unknown);
}

#[test]
fn an_application_of_another_tenant_is_not_nobodys() {
    let vendors = ACCOUNT.replace(CLIENT, "44444444-4444-4444-4444-444444444444");
    let principal =
        "- {appId: 44444444-4444-4444-4444-444444444444, displayName: vendor, servicePrincipalType: Application}\n";
    let labelled = deployment(LABELLED, "");
    let (state, link, text) = traced(&[&labelled, &vendors, &azure(TRUSTED)]);
    assert_eq!((state, link.as_str()), (State::Broken, "identity"), "{text}");
    for principal in [principal, &principal.replace("servicePrincipalType: Application", "servicePrincipalNames: []")] {
        let (state, _, text) = traced(&[&labelled, &vendors, &azure(TRUSTED), principal]);
        assert_eq!(state, State::Unknown, "{text}");
        assert!(text.contains("only its service principal was read"), "{text}");
        assert!(text.contains("az ad app federated-credential list --id 44444444"), "{text}");
    }
}

#[test]
fn no_chain_of_a_healthy_estate_is_broken() {
    let mut seen = 0;
    for file in fs::read_dir(testdata("healthy")).unwrap() {
        let path = file.unwrap().path();
        let collected = collect_path(&path, true);
        let parameters = Parameters::default();
        let trust = Trust::join(&collected.inventory, &parameters);
        // Of the others none asks for a token of Azure.
        let asks = collected
            .inventory
            .workloads
            .iter()
            .filter(|it| it.opts_in() || it.projects_azure_token() || !it.template.volumes.is_empty());
        for workload in asks {
            seen += 1;
            let walk = Walk::of(workload, &trust, &collected.paths);
            assert!(walk.state != State::Broken, "{}: {}", path.display(), plain(&walk));
        }
    }
    assert!(seen > 25, "{seen} workloads");
}
