//! Operators that make objects of Azure from objects of Kubernetes: Azure Service Operator and
//! Crossplane. What they declare stands in `spec`; what Azure gave to it, in `status`.

use serde_json::Value;
use wiguard_rules::declared::{Coming, DeclaredCredential, Tool};
use wiguard_rules::model::{Audience, Cluster, IdentityKind, Origin, Platform};

use super::{Declaration, Declarations, DeclaredIdentity, Key, Whose, filled, identity};

/// Azure Service Operator's groups, and Crossplane's, of whole clusters and of namespaces.
const ASO: [&str; 2] = ["managedidentity.azure.com", "containerservice.azure.com"];
const CROSSPLANE: [&str; 4] = [
    "managedidentity.azure.upbound.io",
    "managedidentity.azure.m.upbound.io",
    "containerservice.azure.upbound.io",
    "containerservice.azure.m.upbound.io",
];
const KINDS: [&str; 4] = ["UserAssignedIdentity", "FederatedIdentityCredential", "ManagedCluster", "KubernetesCluster"];

/// Whether an object of Kubernetes declares one of Azure that rules read.
pub(in crate::collect) fn is_ours(api_version: &str, kind: &str) -> bool {
    let group = api_version.split('/').next().unwrap_or_default();
    (ASO.contains(&group) || CROSSPLANE.contains(&group)) && KINDS.contains(&kind)
}

/// Reads one; what it declares of Azure is nothing if its operator was told to leave Azure alone.
pub(in crate::collect) fn read(object: &Value, line: u32) -> Declarations {
    let view = View { object, line };
    let mut found = Declarations::default();
    if view.only_observes() {
        return found;
    }
    match view.text("/kind") {
        "UserAssignedIdentity" => found.identities.push(view.identity()),
        "FederatedIdentityCredential" => found.credentials.push(view.credential()),
        _ => found.clusters.push(view.cluster()),
    }
    found
}

struct View<'a> {
    object: &'a Value,
    line: u32,
}

impl<'a> View<'a> {
    fn get(&self, path: &str) -> Option<&'a Value> {
        self.object.pointer(path).filter(|value| !value.is_null())
    }

    fn text(&self, path: &str) -> &'a str {
        filled(self.get(path)).unwrap_or_default()
    }

    fn first(&self, paths: &[&str]) -> &'a str {
        paths.iter().map(|path| self.text(path)).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// Crossplane with `managementPolicies: [Observe]`, Azure Service Operator with
    /// `reconcile-policy: skip`.
    fn only_observes(&self) -> bool {
        let policies = self.get("/spec/managementPolicies").and_then(Value::as_array);
        let observes =
            policies.is_some_and(|policies| !policies.is_empty() && policies.iter().all(|it| it == "Observe"));
        observes || self.text("/metadata/annotations/serviceoperator.azure.com~1reconcile-policy") == "skip"
    }

    /// Its name in Azure.
    fn name(&self) -> &'a str {
        self.first(&["/spec/azureName", "/metadata/annotations/crossplane.io~1external-name", "/metadata/name"])
    }

    /// Its name among the objects of Kubernetes.
    fn address(&self, kind: &str, name: &str) -> String {
        let group = self.text("/apiVersion").split('/').next().unwrap_or_default();
        match self.text("/metadata/namespace") {
            "" => format!("{group}/{kind}/{name}"),
            namespace => format!("{group}/{kind}/{namespace}/{name}"),
        }
    }

    fn own_address(&self) -> String {
        self.address(self.text("/kind"), self.text("/metadata/name"))
    }

    fn identity(&self) -> DeclaredIdentity {
        let address = self.own_address();
        let mut made = identity(IdentityKind::UserAssigned, self.name(), &address, self.line);
        let given = |name: &str| self.first(&[&format!("/status/{name}"), &format!("/status/atProvider/{name}")]);
        made.client_id = given("clientId").into();
        made.principal_id = given("principalId").into();
        made.tenant_id = given("tenantId").into();
        made.id = given("id").into();
        made.resource_group = self.text("/spec/forProvider/resourceGroupName").into();
        made.location = self.first(&["/spec/location", "/spec/forProvider/location"]).into();
        DeclaredIdentity {
            identity: made,
            key: Key::Object(address),
            subscription: String::new(),
            coming: Coming::Nothing,
        }
    }

    fn credential(&self) -> Declaration {
        let spec =
            |name: &str| self.get(&format!("/spec/forProvider/{name}")).or_else(|| self.get(&format!("/spec/{name}")));
        let audiences = spec("audiences").or_else(|| spec("audience")).and_then(Value::as_array);
        let owner = self.first(&[
            "/spec/owner/armId",
            "/spec/forProvider/parentId",
            "/spec/forProvider/userAssignedIdentityId",
        ]);
        let named = self.first(&[
            "/spec/owner/name",
            "/spec/forProvider/parentIdRef/name",
            "/spec/forProvider/userAssignedIdentityIdRef/name",
        ]);
        let parent = match (owner, named) {
            ("", "") => Whose::Unknown,
            ("", name) => Whose::Declared(Key::Object(self.address("UserAssignedIdentity", name))),
            (id, _) => Whose::Id(id.into()),
        };
        let credential = DeclaredCredential {
            address: self.own_address(),
            identity: String::new(),
            name: self.name().into(),
            issuer: filled(spec("issuer")).map(Into::into),
            subject: filled(spec("subject")).map(Into::into),
            expression: filled(spec("claimsMatchingExpression").and_then(|it| it.get("value"))).map(Into::into),
            audiences: audiences.and_then(|list| list.iter().map(|it| it.as_str().map(Audience::from)).collect()),
            coming: Coming::Nothing,
            after: Vec::new(),
            planned: None,
            tool: Tool::Operator,
            origin: Origin { source: 0, line: self.line },
        };
        Declaration { credential, parent }
    }

    fn cluster(&self) -> Cluster {
        let switch = |paths: [&str; 2]| paths.into_iter().find_map(|path| self.get(path)?.as_bool());
        let issuer = self.first(&["/status/oidcIssuerProfile/issuerURL", "/status/atProvider/oidcIssuerUrl"]);
        Cluster {
            name: self.name().into(),
            id: self.first(&["/status/id", "/status/atProvider/id"]).into(),
            resource_group: self.text("/spec/forProvider/resourceGroupName").into(),
            platform: Platform::Aks,
            issuer: Some(issuer).filter(|issuer| !issuer.is_empty()).map(Into::into),
            oidc_issuer_enabled: switch(["/spec/oidcIssuerProfile/enabled", "/spec/forProvider/oidcIssuerEnabled"]),
            workload_identity_enabled: switch([
                "/spec/securityProfile/workloadIdentity/enabled",
                "/spec/forProvider/workloadIdentityEnabled",
            ]),
            kubernetes_version: self.first(&["/spec/kubernetesVersion", "/spec/forProvider/kubernetesVersion"]).into(),
            declared: Some(self.own_address()),
            origin: Origin { source: 0, line: self.line },
            ..Cluster::default()
        }
    }
}
