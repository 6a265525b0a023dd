//! Identity bindings of AKS: what a cluster says of them is known, and where the preview is not served
//! nobody is accused for it.

use wiguard_tests::cloud::{Cluster, Credential, Estate, Identity, Options, Subscription, aks_issuer};

use super::{Site, findings};

/// A pod that asks for an identity binding, and may use the identity.
const POD: &str = r#"{apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: CLIENT}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: use-cart}, rules: [{verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: [CLIENT]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: use-cart}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-cart}, subjects: [{kind: ServiceAccount, name: cart, namespace: shop}]}
"#;

/// What is said of the pod, if the cluster binds its identity or not.
fn said(is_bound: bool, options: Options) -> Vec<String> {
    let mut estate = Estate::of_tenant("aaaaaaaa-1111-4111-8111-111111111111", "T");
    let id = "bbbbbbbb-2222-4222-8222-222222222222";
    let issuer = aks_issuer("westeurope", &estate.tenants[0].id, "cccccccc-3333-4333-8333-333333333333");
    let client = Identity::new("id-cart", "rg", Vec::new()).client_id;
    // As AKS makes it with the first binding, wherever that is.
    let signed = format!("https://ib.oic.prod-aks.azure.com/{}/{client}", estate.tenants[0].id);
    let made = Credential::new("aks-identity-binding", &signed, "system:serviceaccount:shop:cart");
    let made = Credential { audience: "api://AKSIdentityBinding".into(), ..made };
    let identity = Identity::new("id-cart", "rg", vec![made]);
    let mut cluster = Cluster::new(id, "prod", false, &issuer);
    cluster.bindings = if is_bound { vec![client.clone()] } else { Vec::new() };
    let (identities, clusters) = (vec![identity], vec![cluster]);
    estate.subscriptions.push(Subscription { id: id.into(), identities, clusters, ..Subscription::default() });
    let site = Site::new(estate, options);
    site.folder.write("pods.yaml", POD.replace("CLIENT", &client));
    let ran = site.scan(&["pods.yaml", "--cluster", "prod=pods.yaml"]);
    assert_ne!(ran.status, 3, "{ran:?}");
    findings(&ran).into_iter().filter(|it| it[0] == "AWI708").map(|it| it[4].clone()).collect()
}

#[test]
fn a_pod_whose_identity_is_not_bound_to_its_cluster_is_named() {
    assert_eq!(said(true, Options::default()), [""; 0]);
    let messages = said(false, Options::default());
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(message.contains("none ties client id") && message.contains("`prod`"), "{message}");
}

#[test]
fn where_the_preview_is_not_served_nobody_is_accused() {
    assert_eq!(said(false, Options { newest: "2025-01-01", ..Options::default() }), [""; 0]);
}
