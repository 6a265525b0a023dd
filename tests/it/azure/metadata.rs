//! Whether pods reach the metadata service of their nodes: preview versions alone say it, and where they
//! are not served nobody is accused for it.

use serde_json::json;
use wiguard_tests::cloud::{Cluster, Estate, Identity, Options, Subscription, aks_issuer};

use super::{Site, findings};

/// Storage Blob Data Contributor.
const ROLE: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";

/// What is said of a cluster whose nodes have a role, by what it says of access to the metadata service.
fn said(access: Option<&str>, options: Options) -> Vec<String> {
    let mut estate = Estate::of_tenant("aaaaaaaa-1111-4111-8111-111111111111", "T");
    let id = "bbbbbbbb-2222-4222-8222-222222222222";
    let issuer = aks_issuer("westeurope", &estate.tenants[0].id, "cccccccc-3333-4333-8333-333333333333");
    let nodes = Identity::new("prod-agentpool", "rg", Vec::new());
    let mut cluster = Cluster::new(id, "prod", false, &issuer);
    cluster.printed["identityProfile"] = json!({"kubeletidentity": {"clientId": nodes.client_id}});
    if let Some(access) = access {
        cluster.printed["networkProfile"] = json!({"podLinkLocalAccess": access});
    }
    let roles = vec![(nodes.principal_id.clone(), ROLE.to_owned())];
    let (identities, clusters) = (vec![nodes], vec![cluster]);
    estate.subscriptions.push(Subscription { id: id.into(), identities, clusters, roles, ..Subscription::default() });
    let site = Site::new(estate, options);
    let ran = site.scan(&[]);
    assert_ne!(ran.status, 3, "{ran:?}");
    findings(&ran).into_iter().filter(|it| it[0] == "AWI705").map(|it| it[4].clone()).collect()
}

#[test]
fn what_a_preview_version_says_decides() {
    for access in [Some("IMDS"), None] {
        let messages = said(access, Options::default());
        let [message] = messages.as_slice() else { panic!("{access:?}: {messages:?}") };
        assert!(message.contains("`prod-agentpool` has 1 role assignment"), "{message}");
    }
    assert_eq!(said(Some("None"), Options::default()), [""; 0]);
}

#[test]
fn where_no_preview_is_served_nobody_is_accused() {
    assert_eq!(said(Some("IMDS"), Options { newest: "2025-01-01", ..Options::default() }), [""; 0]);
}
