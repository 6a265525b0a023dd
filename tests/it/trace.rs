//! `wiguard trace`: the chain of one workload, read as somebody who looks for why a pod cannot
//! authenticate.

use crate::program::Folder;

const ISSUER: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";

const CLIENT: &str = "33333333-3333-3333-3333-333333333333";

pub(crate) const ACCOUNT: &str = "apiVersion: v1
kind: ServiceAccount
metadata:
  name: cart
  namespace: shop
  annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}
";

/// A Deployment with a template whose metadata and spec get these members.
pub(crate) fn deployment(metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: cart, namespace: shop}}
spec:
  template:
    metadata: {{{metadata}}}
    spec: {{serviceAccountName: cart, containers: [{{name: app}}, {{name: istio-proxy}}]{spec}}}
"
    )
}

pub(crate) const LABELLED: &str = "labels: {azure.workload.identity/use: \"true\"}";

/// A cluster, an identity with its one credential, and an app registration.
pub(crate) fn azure(subject: &str) -> String {
    let group = "/subscriptions/s/resourceGroups/rg/providers";
    let identity = format!("{group}/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart");
    format!(
        "{{id: {group}/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {{enabled: true, issuerUrl: \"{ISSUER}\"}}, securityProfile: {{workloadIdentity: {{enabled: true}}}}}}
---
- {{id: {identity}, name: id-cart, clientId: {CLIENT}, tenantId: 11111111-1111-1111-1111-111111111111, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}}
---
- {{id: {identity}/federatedIdentityCredentials/fc-cart, name: fc-cart, issuer: \"{ISSUER}\", subject: \"{subject}\", audiences: [\"api://AzureADTokenExchange\"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}}
---
- {{appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}}
"
    )
}

/// What is said of Deployment `shop/cart` of these documents, with the exit status.
fn traced(documents: &[&str]) -> String {
    let folder = Folder::of(&[("all.yaml", &documents.join("---\n"))]);
    let ran = folder.run(&["trace", "shop/deploy/cart", "--assume-complete", "all.yaml"]);
    assert_eq!(ran.err, "");
    format!("{}exit status {}\n", ran.out, ran.status)
}

#[test]
fn a_chain_that_holds() {
    let all = [&deployment(LABELLED, ""), ACCOUNT, &azure("system:serviceaccount:shop:cart")];
    insta::assert_snapshot!(traced(&all));
}

#[test]
fn the_version_that_the_cluster_runs_is_the_one_that_is_told() {
    let webhook = |namespace: &str, tag: &str| {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: azure-wi-webhook-controller-manager, namespace: {namespace}}}
spec: {{template: {{spec: {{containers: [{{name: manager, image: \"mcr.microsoft.com/oss/azure/workload-identity/webhook:{tag}\"}}]}}}}}}
"
        )
    };
    let told = |webhooks: &[String]| {
        let cart = [deployment(LABELLED, ""), ACCOUNT.into(), azure("system:serviceaccount:shop:cart")];
        let all: Vec<&str> = cart.iter().chain(webhooks).map(String::as_str).collect();
        let text = traced(&all);
        let mut lines = text.lines().map(str::trim).filter(|line| line.starts_with("version "));
        (lines.next().unwrap_or_default().to_owned(), lines.count())
    };
    let system = "kube-system";
    assert_eq!(told(&[webhook(system, "v1.5.1")]), ("version 1.5.1, which the cluster runs:".into(), 0));
    assert_eq!(told(&[webhook(system, "v1.6.0")]), ("version 1.6.0, which the cluster runs:".into(), 0));
    let all = ("version 1.3.0, 1.5.1:".into(), 1);
    for unclear in [&[][..], &[webhook(system, "v1.4.0")], &[webhook(system, "v1.5.1"), webhook("other", "v1.6.0")]] {
        assert_eq!(told(unclear), all, "{unclear:?}");
    }
}

#[test]
fn a_label_in_the_wrong_place() {
    let misplaced = deployment("", "")
        .replace("namespace: shop}", "namespace: shop, labels: {azure.workload.identity/use: \"true\"}}");
    insta::assert_snapshot!(traced(&[&misplaced, ACCOUNT, &azure("system:serviceaccount:shop:cart")]));
}

#[test]
fn pods_that_the_webhook_refuses() {
    let hour = format!("{LABELLED}, annotations: {{azure.workload.identity/service-account-token-expiration: 1h}}");
    insta::assert_snapshot!(traced(&[&deployment(&hour, ""), ACCOUNT, &azure("system:serviceaccount:shop:cart")]));
}

#[test]
fn a_service_account_that_does_not_exist() {
    let other = ACCOUNT.replace("name: cart", "name: checkout");
    insta::assert_snapshot!(traced(&[&deployment(LABELLED, ""), &other, &azure("system:serviceaccount:shop:cart")]));
}

#[test]
fn no_client_id() {
    let bare = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: cart, namespace: shop}\n";
    insta::assert_snapshot!(traced(&[&deployment(LABELLED, ""), bare, &azure("system:serviceaccount:shop:cart")]));
}

#[test]
fn an_identity_that_does_not_exist() {
    let stranger = ACCOUNT.replace(CLIENT, "44444444-4444-4444-4444-444444444444");
    insta::assert_snapshot!(traced(&[&deployment(LABELLED, ""), &stranger, &azure("system:serviceaccount:shop:cart")]));
}

#[test]
fn a_credential_for_somebody_else() {
    let skipping = format!("{LABELLED}, annotations: {{azure.workload.identity/skip-containers: istio-proxy}}");
    insta::assert_snapshot!(traced(&[&deployment(&skipping, ""), ACCOUNT, &azure("system:serviceaccount:shop:carts")]));
}

#[test]
fn what_was_not_read_is_named() {
    let folder = Folder::of(&[("k.yaml", &[&deployment(LABELLED, ""), ACCOUNT].join("---\n"))]);
    let ran = folder.run(&["trace", "shop/Deployment/cart", "k.yaml"]);
    insta::assert_snapshot!(format!("{}exit status {}\n", ran.out, ran.status));
}

#[test]
fn what_is_not_there_is_not_traced() {
    let folder = Folder::of(&[("k.yaml", &deployment(LABELLED, "")), ("broken.json", "{")]);
    let near = folder.run(&["trace", "shop/deploy/card", "k.yaml"]);
    assert!(near.status == 2 && near.err.contains("did you mean shop/Deployment/cart?"), "{near:?}");
    let unread = folder.run(&["trace", "shop/deploy/card", "k.yaml", "broken.json"]);
    assert!(unread.status == 3 && unread.err.contains("  broken.json: line 1: "), "{unread:?}");
    for wrong in [
        &["trace"][..],
        &["trace", "shop/cart", "k.yaml"],
        &["trace", "shop/svc/cart", "k.yaml"],
        &["trace", "shop/deploy/cart"],
    ] {
        let ran = folder.run(wrong);
        assert!(ran.status == 2 && ran.out.is_empty() && !ran.err.is_empty(), "{ran:?}");
    }
    let unheard = folder.run(&["trace", "shop/svc/cart", "k.yaml"]);
    assert!(unheard.err.contains("`svc` is no kind that makes pods; expected one of pods, "), "{unheard:?}");
}

#[test]
fn programs_read_the_same() {
    let folder = Folder::of(&[(
        "all.yaml",
        &[deployment(LABELLED, ""), ACCOUNT.into(), azure("system:serviceaccount:shop:carts")].join("---\n"),
    )]);
    let ran = folder.run(&["trace", "shop/deploy/cart", "all.yaml", "--assume-complete", "-o", "json"]);
    let walk = ran.report();
    assert_eq!((ran.status, &walk["schema"], &walk["state"]), (1, &"wiguard.trace/v1".into(), &"broken".into()));
    let links: Vec<&str> =
        walk["links"].as_array().unwrap().iter().map(|step| step["link"].as_str().unwrap()).collect();
    assert_eq!(links, ["pod label", "webhook", "ServiceAccount", "client id", "identity", "credential"]);
    let subject = walk["links"][5]["compared"]
        .as_array()
        .unwrap()
        .iter()
        .find(|side| side["field"] == "subject")
        .unwrap()
        .clone();
    assert_eq!(subject["expected"], "system:serviceaccount:shop:cart");
    assert_eq!(subject["actual"], "system:serviceaccount:shop:carts");
}

const BOUND: &str = "labels: {azure.workload.identity/use: \"true\"}, annotations: {azure.workload.identity/use-identity-binding: \"True\"}";

const CREDENTIAL: &str =
    "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333";

/// An identity binding of the cluster for this client id.
fn binding(client: &str) -> String {
    format!(
        "- {{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod/identityBindings/cart, name: cart, type: Microsoft.ContainerService/managedClusters/identityBindings, resourceGroup: rg, properties: {{managedIdentity: {{clientId: {client}}}}}}}\n"
    )
}

/// A role on this client id, for ServiceAccount `shop/cart`.
fn permission(client: &str) -> String {
    format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: use-cart}}, rules: [{{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: [{client}]}}]}}
---
{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: use-cart}}, roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-cart}}, subjects: [{{kind: ServiceAccount, name: cart, namespace: shop}}]}}
---
{{apiVersion: v1, kind: List, items: [{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: own, namespace: shop}}, roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: own}}, subjects: []}}, {{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: own, namespace: shop}}, rules: []}}]}}
"
    )
}

/// Azure, with the credential that AKS makes under this name and issuer instead of another.
fn azure_with(name: &str, issuer: &str) -> String {
    azure("system:serviceaccount:aks:binding")
        .replace("fc-cart", name)
        .replace(&format!("issuer: \"{ISSUER}\""), &format!("issuer: \"{issuer}\""))
}

fn links(text: &str) -> Vec<(&str, &str)> {
    let links = text.lines().filter(|line| ["ok ", "BROKEN ", "unknown "].iter().any(|mark| line.starts_with(mark)));
    links.filter_map(|line| Some((line.get(..7)?.trim(), line.get(9..23)?.trim()))).collect()
}

#[test]
fn a_service_principal_that_is_disabled_breaks_the_chain() {
    let of = |enabled: &str| {
        let principal = format!(
            "- {{appId: {CLIENT}, id: 5a1e2c3d-0001-4000-8000-000000000005, displayName: id-cart, servicePrincipalType: ManagedIdentity, accountEnabled: {enabled}}}\n"
        );
        traced(&[&deployment(LABELLED, ""), ACCOUNT, &azure("system:serviceaccount:shop:cart"), &principal])
    };
    let text = of("false");
    assert_eq!(links(&text).last(), Some(&("BROKEN", "identity")), "{text}");
    assert!(text.contains(&format!("az ad sp update --id {CLIENT} --set accountEnabled=true")), "{text}");
    let text = of("true");
    assert!(links(&text).iter().all(|(state, _)| *state != "BROKEN"), "{text}");
}

#[test]
fn a_chain_through_an_identity_binding() {
    let azure = azure_with("aks-identity-binding", CREDENTIAL);
    let text = traced(&[&deployment(BOUND, ""), ACCOUNT, &azure, &binding(CLIENT), &permission(CLIENT)]);
    let expected = [
        "pod label",
        "pod annotation",
        "webhook",
        "ServiceAccount",
        "client id",
        "identity",
        "binding",
        "permission",
        "credential",
    ];
    assert_eq!(links(&text), expected.map(|link| ("ok", link)), "{text}");
    for part in [
        "azure.workload.identity/use-identity-binding: \"True\"",
        "AZURE_KUBERNETES_TOKEN_PROXY, AZURE_KUBERNETES_SNI_NAME, AZURE_KUBERNETES_CA_FILE",
        "with audience api://AKSIdentityBinding",
        "cart ties the identity to cluster prod",
        "ClusterRoleBinding use-cart lets shop/cart `use-managed-identity`",
        "aks-identity-binding trusts the tokens that AKS exchanges",
        "exit status 0",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_first_broken_link_of_an_identity_binding_is_the_last_that_is_told() {
    const OTHER: &str = "44444444-4444-4444-4444-444444444444";
    let whole = || azure_with("aks-identity-binding", CREDENTIAL);
    let end = |metadata: &str, azure: &str, bound: &str, permitted: &str| {
        let text = traced(&[&deployment(metadata, ""), ACCOUNT, azure, &binding(bound), &permission(permitted)]);
        let last = links(&text).last().map(|(state, link)| format!("{state} {link}"));
        (last.unwrap_or_default(), text)
    };
    let sides = |text: &str, expected: &str, actual: &str| {
        assert!(text.contains(&format!("expected  {expected}\n")), "{text}");
        assert!(text.contains(&format!("actual    {actual}\n")), "{text}");
    };

    let (link, text) = end(&BOUND.replace("True", "yes"), &whole(), CLIENT, CLIENT);
    assert_eq!(link, "BROKEN pod annotation", "{text}");
    sides(&text, "true", "yes");

    let (link, text) = end(BOUND, &whole(), OTHER, CLIENT);
    assert_eq!(link, "BROKEN binding", "{text}");
    sides(&text, CLIENT, OTHER);
    assert!(text.contains("to mend it: az aks identity-binding create --cluster-name prod"), "{text}");

    let (link, text) = end(BOUND, &whole(), CLIENT, OTHER);
    assert_eq!(link, "BROKEN permission", "{text}");
    sides(&text, CLIENT, OTHER);
    assert!(text.contains(&format!("kubectl create clusterrolebinding use-mi-{CLIENT}-shop-cart")), "{text}");

    let (link, text) = end(BOUND, &azure("system:serviceaccount:shop:cart"), CLIENT, CLIENT);
    assert_eq!(link, "BROKEN credential", "{text}");
    assert!(text.contains("id-cart lacks the credential aks-identity-binding"), "{text}");
    sides(&text, CREDENTIAL, "(none)");

    for altered in [format!("{CREDENTIAL}/"), CREDENTIAL.replace(CLIENT, OTHER), "https://example.com".into()] {
        let (link, text) = end(BOUND, &azure_with("aks-identity-binding", &altered), CLIENT, CLIENT);
        assert_eq!(link, "BROKEN credential", "{text}");
        assert!(text.contains("aks-identity-binding of id-cart is not as AKS made it"), "{text}");
        sides(&text, CREDENTIAL, &altered);
    }
}

#[test]
fn what_was_not_read_of_an_identity_binding_is_named() {
    let folder = Folder::of(&[("k.yaml", &[&deployment(BOUND, ""), ACCOUNT].join("---\n"))]);
    let ran = folder.run(&["trace", "shop/deploy/cart", "k.yaml"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    for link in ["identity", "binding", "permission"] {
        assert!(links(&ran.out).contains(&("unknown", link)), "{ran:?}");
    }
    assert!(ran.out.contains("no source gave the cluster's identity bindings"), "{ran:?}");
}

#[test]
fn a_webhook_from_before_identity_bindings_breaks_the_chain() {
    let webhook = |tag: &str| {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: azure-wi-webhook-controller-manager, namespace: kube-system}}
spec: {{template: {{spec: {{containers: [{{name: manager, image: \"mcr.microsoft.com/oss/azure/workload-identity/webhook:{tag}\"}}]}}}}}}
"
        )
    };
    let told = |tag: &str| {
        let azure = azure_with("aks-identity-binding", CREDENTIAL);
        let all = [&deployment(BOUND, ""), ACCOUNT, &azure, &binding(CLIENT), &permission(CLIENT), &webhook(tag)];
        traced(&all)
    };
    let old = told("v1.5.1");
    assert_eq!(links(&old).last(), Some(&("BROKEN", "webhook")), "{old}");
    assert!(old.contains("expected  1.6.0 or later\n") && old.contains("actual    1.5.1\n"), "{old}");
    assert!(told("v1.6.0").contains("every link holds"), "{}", told("v1.6.0"));
}
