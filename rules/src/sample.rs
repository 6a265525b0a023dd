//! Samples: the objects that tests of more than one rule start from.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use alloc::format;
use alloc::string::String;
use alloc::vec;

use crate::declared::{Coming, DeclaredCredential, Tool};
use crate::inventory::Inventory;
use crate::manifest::{Manifest, read};
use crate::model::{
    Cluster, ClusterIx, Custom, FederatedIdentityCredential, Identity, IdentityKind, Origin, Parent, ServiceAccount,
    Subject, Workload,
};

/// The issuer of the cluster.
pub(crate) const ISSUER: &str = "https://oidc.example.com";
/// The client id of the identity.
pub(crate) const CLIENT: &str = "33333333-3333-3333-3333-333333333333";
/// The audience of every token.
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";

/// A cluster with an issuer, and nothing in it.
pub(crate) fn cluster() -> Inventory {
    let mut inventory = Inventory::default();
    inventory.clusters.push(Cluster { name: "prod".into(), issuer: Some(ISSUER.into()), ..Cluster::default() });
    inventory
}

/// The identity, all of whose credentials are known.
pub(crate) fn identity() -> Identity {
    Identity {
        kind: IdentityKind::UserAssigned,
        name: "id".into(),
        client_id: CLIENT.into(),
        id: "/id".into(),
        principal_id: String::new(),
        tenant_id: String::new(),
        resource_group: "rg".into(),
        location: String::new(),
        credentials_complete: true,
        declared: None,
        origin: Origin::default(),
    }
}

/// The identity's credential for a ServiceAccount of the cluster.
pub(crate) fn credential(namespace: &str, name: &str) -> FederatedIdentityCredential {
    FederatedIdentityCredential {
        name: format!("{namespace}-{name}"),
        id: String::new(),
        parent: Parent::Resource("/id".into()),
        issuer: ISSUER.into(),
        subject: Some(Subject::of(namespace, name)),
        audiences: vec![AUDIENCE.into()],
        expression: None,
        declared: None,
        origin: Origin::default(),
    }
}

/// The identity's credential for whoever an expression lets in.
pub(crate) fn flexible(expression: &str) -> FederatedIdentityCredential {
    FederatedIdentityCredential {
        name: "flexible".into(),
        subject: None,
        expression: Some(expression.into()),
        ..credential("", "")
    }
}

/// What is declared of an identity's credential, by its name alone.
pub(crate) fn declared(identity: &str, name: &str) -> DeclaredCredential {
    DeclaredCredential {
        address: name.into(),
        identity: identity.into(),
        name: name.into(),
        issuer: None,
        subject: None,
        expression: None,
        audiences: None,
        coming: Coming::Nothing,
        #[cfg(feature = "audit")]
        after: alloc::vec::Vec::new(),
        #[cfg(feature = "audit")]
        planned: None,
        tool: Tool::Operator,
        origin: Origin::default(),
    }
}

/// A workload of the cluster, from its JSON.
pub(crate) fn workload(json: &str) -> Workload {
    match read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest {
        Manifest::Workload(workload) => workload,
        other => panic!("{other:?}"),
    }
}

/// A pod of ServiceAccount `shop/cart`: what its metadata and its spec hold beside names.
pub(crate) fn pod(metadata: &str, spec: &str) -> Workload {
    workload(&format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"cart","namespace":"shop"{metadata}}},"spec":{{"serviceAccountName":"cart"{spec}}}}}"#
    ))
}

/// A custom resource of the cluster, from its JSON.
pub(crate) fn custom(json: &str) -> Custom {
    match read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest {
        Manifest::Custom(custom) => custom,
        other => panic!("{other:?}"),
    }
}

/// What a pod's metadata holds if it opts in.
pub(crate) const OPTS_IN: &str = r#","labels":{"azure.workload.identity/use":"true"}"#;

/// ServiceAccount `shop/cart`, with that client id.
pub(crate) fn account(client_id: &str) -> ServiceAccount {
    let json = format!(
        r#"{{"apiVersion":"v1","kind":"ServiceAccount","metadata":{{"name":"cart","namespace":"shop","annotations":{{"azure.workload.identity/client-id":"{client_id}"}}}}}}"#
    );
    match read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest {
        Manifest::ServiceAccount(account) => account,
        other => panic!("{other:?}"),
    }
}
