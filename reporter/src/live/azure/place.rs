//! Places: the addresses of what is asked, the limits it falls under, and the versions that are
//! spoken.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;
use serde_json::{Value, json};

use super::client::{Call, Trouble};
use super::cloud::Cloud;
use super::credential::Audience;
use crate::live::pace::{Bucket, Pacer};

/// Versions in which federated credentials are listed, the best first: the first knows flexible
/// credentials (`claimsMatchingExpression`), the others are for clouds that do not have it yet.
const CREDENTIALS: [&str; 3] = ["2026-05-31", "2024-11-30", "2023-01-31"];
const IDENTITIES: &str = "2023-01-31";
const SUBSCRIPTIONS: &str = "2022-12-01";
const AKS: &str = "2024-09-01";
/// The issuers of connected clusters are in preview versions alone.
const ARC: &str = "2024-12-01-preview";
/// Identity bindings are in preview versions alone, and so is whether pods reach the metadata service of
/// their nodes.
const BINDINGS: &str = "2025-10-02-preview";
const ROLES: &str = "2022-04-01";
const PERMISSIONS: &str = "2022-04-01";
const RESOURCE_GRAPH: &str = "2022-10-01";
const MANAGEMENT_GROUPS: &str = "2020-05-01";

/// The most that a page of credentials may have, in bytes; an identity has twenty at most, unless told otherwise.
const LARGEST: usize = 1 << 20;

/// Subscriptions that one query of Resource Graph is about: fewer than 300, says its guidance.
pub(super) const GROUP: usize = 200;

/// Where one tenant is asked.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) cloud: Cloud,
    /// The tenant whose tokens are taken; none is the caller's own.
    pub(super) tenant: Option<String>,
    /// What tells its limits from those of other tenants.
    name: String,
    pacer: Pacer,
    /// Which of the versions is spoken.
    version: AtomicUsize,
}

impl Places {
    pub(super) fn new(cloud: Cloud, tenant: Option<String>, pacer: Pacer) -> Self {
        let name = tenant.clone().unwrap_or_default();
        Self { cloud, tenant, name, pacer, version: AtomicUsize::new(0) }
    }

    /// Reads of a subscription: 250, and 25 each second
    /// (learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling).
    fn reads(&self, subscription: &str) -> Bucket {
        self.pacer.bucket(&format!("reads {} {subscription}", self.name), 25.0, 200.0)
    }

    fn arm(&self, path: &str, buckets: &[Bucket]) -> Result<Call, Trouble> {
        Ok(Call::get(under(&self.cloud.arm, path)?, Audience::Arm, self.tenant.as_deref(), buckets))
    }

    pub(super) fn subscriptions(&self) -> Result<Call, Trouble> {
        self.arm(&format!("subscriptions?api-version={SUBSCRIPTIONS}"), &[self.reads("")])
    }

    pub(super) fn identities(&self, subscription: &str) -> Result<Call, Trouble> {
        self.list(subscription, "Microsoft.ManagedIdentity/userAssignedIdentities", IDENTITIES)
    }

    /// What the caller's roles in a subscription let it do.
    pub(super) fn permissions(&self, subscription: &str) -> Result<Call, Trouble> {
        self.list(subscription, "Microsoft.Authorization/permissions", PERMISSIONS)
    }

    /// Clusters of AKS, and those that are connected by Arc.
    pub(super) fn clusters(&self, subscription: &str) -> [Result<Call, Trouble>; 2] {
        [
            self.list(subscription, "Microsoft.ContainerService/managedClusters", AKS),
            self.list(subscription, "Microsoft.Kubernetes/connectedClusters", ARC),
        ]
    }

    /// Clusters of AKS, in a preview version.
    pub(super) fn previewed_clusters(&self, subscription: &str) -> Result<Call, Trouble> {
        self.list(subscription, "Microsoft.ContainerService/managedClusters", BINDINGS)
    }

    pub(super) fn roles(&self, subscription: &str) -> Result<Call, Trouble> {
        self.list(subscription, "Microsoft.Authorization/roleAssignments", ROLES)
    }

    /// The identity bindings of a cluster of AKS, which must be one by its id.
    pub(super) fn identity_bindings(&self, subscription: &str, cluster: &str) -> Result<Call, Trouble> {
        let path = format!("{}/identityBindings?api-version={BINDINGS}", cluster.trim_matches('/'));
        self.arm(&path, &[self.reads(subscription)])
    }

    fn list(&self, subscription: &str, kind: &str, version: &str) -> Result<Call, Trouble> {
        let path = format!("subscriptions/{subscription}/providers/{kind}?api-version={version}");
        self.arm(&path, &[self.reads(subscription)])
    }

    /// The credentials of a managed identity: 15 requests a second in a tenant, 5 in a subscription,
    /// one in four seconds for an identity
    /// (learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations).
    pub(super) fn credentials(&self, subscription: &str, identity: &str) -> Result<(Call, usize), Trouble> {
        let version = self.version.load(Ordering::Relaxed);
        let spoken = CREDENTIALS.get(version).copied().unwrap_or_default();
        let path = format!("{}/federatedIdentityCredentials?api-version={spoken}", identity.trim_matches('/'));
        let buckets = [
            self.pacer.bucket(&format!("credentials {} {subscription}", self.name), 5.0, 1.0),
            self.pacer.bucket(&format!("credentials {}", self.name), 15.0, 1.0),
            self.reads(subscription),
        ];
        let call = self.arm(&path, &buckets)?.resting(self.pacer.interval(0.25)).at_most(LARGEST);
        Ok((call, version))
    }

    /// Takes the next version, where the cloud does not speak this one; whether there is one.
    pub(super) fn step_down(&self, version: usize, trouble: &Trouble) -> bool {
        if !is_unspoken(trouble) || version + 1 >= CREDENTIALS.len() {
            return false;
        }
        // Others may have found out already.
        let _ = self.version.compare_exchange(version, version + 1, Ordering::Relaxed, Ordering::Relaxed);
        true
    }

    /// A page of a query of Resource Graph: 15 requests in five seconds.
    pub(super) fn query(&self, scope: &Scope<'_>, query: &str, skip: Option<&str>) -> Result<Call, Trouble> {
        let bucket = self.pacer.bucket(&format!("resource graph {}", self.name), 2.6, 2.0);
        let path = format!("providers/Microsoft.ResourceGraph/resources?api-version={RESOURCE_GRAPH}");
        let mut options = json!({"resultFormat": "objectArray", "$top": 1000});
        if let (Some(options), Some(skip)) = (options.as_object_mut(), skip) {
            options.insert("$skipToken".into(), Value::from(skip));
        }
        let body = match scope {
            Scope::Subscriptions(ids) => json!({"subscriptions": ids, "query": query, "options": options}),
            Scope::ManagementGroup(id) => json!({"managementGroups": [id], "query": query, "options": options}),
        };
        Ok(self.arm(&path, &[bucket])?.post(body))
    }

    pub(super) fn descendants(&self, group: &str) -> Result<Call, Trouble> {
        let group = segment(group)?;
        let path = format!(
            "providers/Microsoft.Management/managementGroups/{group}/descendants?api-version={MANAGEMENT_GROUPS}"
        );
        self.arm(&path, &[self.reads("")])
    }

    /// Requests of Graph: its limits are by the size of the tenant and by what a request costs
    /// (learn.microsoft.com/graph/throttling-limits); this is what the smallest may do.
    fn graph(&self, path: &str) -> Result<Call, Trouble> {
        let bucket = self.pacer.bucket(&format!("graph {}", self.name), 8.0, 2.0);
        Ok(Call::get(under(&self.cloud.graph, path)?, Audience::Graph, self.tenant.as_deref(), &[bucket]))
    }

    /// The least that can be asked of app registrations.
    pub(super) fn an_application(&self) -> Result<Call, Trouble> {
        self.graph("v1.0/applications?$select=id&$top=1")
    }

    pub(super) fn applications(&self) -> Result<Call, Trouble> {
        self.graph("v1.0/applications?$select=id,appId,displayName&$top=999")
    }

    /// Several requests in one.
    pub(super) fn batch(&self, version: &str, requests: Value) -> Result<Call, Trouble> {
        Ok(self.graph(&format!("{version}/$batch"))?.post(json!({ "requests": requests })))
    }
}

/// What a query is about.
#[derive(Debug)]
pub(super) enum Scope<'a> {
    Subscriptions(&'a [String]),
    ManagementGroup(&'a str),
}

/// Whether it is that a cloud does not have what is asked, or not in this version.
pub(super) fn is_unspoken(trouble: &Trouble) -> bool {
    const CODES: [&str; 5] = [
        "InvalidApiVersionParameter",
        "NoRegisteredProviderFound",
        "InvalidResourceType",
        "UnsupportedApiVersion",
        "ApiVersionNotSupported",
    ];
    matches!(trouble, Trouble::Refused(400 | 404, code, _) if CODES.contains(&code.as_str()))
}

/// The address of a path on this server.
fn under(server: &Url, path: &str) -> Result<Url, Trouble> {
    let text = format!("{}/{path}", server.as_str().trim_end_matches('/'));
    text.parse().map_err(|_| Trouble::Broken(format!("`{path}` makes no address")))
}

/// A name that is one segment of a path, whatever is in it.
fn segment(name: &str) -> Result<&str, Trouble> {
    let plain = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
    let is = !name.is_empty() && name.chars().all(plain) && !name.chars().all(|c| c == '.');
    if is { Ok(name) } else { Err(Trouble::Broken(format!("`{name}` is no name that Azure gives"))) }
}

/// The subscription of a resource id, if it is one of a managed identity: the address that is asked
/// is made of it, so that it must be nothing else.
pub(super) fn subscription_of(identity: &str) -> Option<&str> {
    subscription_of_kind(identity, "Microsoft.ManagedIdentity", "userAssignedIdentities")
}

/// The subscription of a resource id, if it is one of a cluster of AKS.
pub(super) fn subscription_of_cluster(cluster: &str) -> Option<&str> {
    subscription_of_kind(cluster, "Microsoft.ContainerService", "managedClusters")
}

fn subscription_of_kind<'i>(id: &'i str, of: &str, resource: &str) -> Option<&'i str> {
    let mut segments = id.strip_prefix('/')?.split('/');
    let mut is = |name: &str| segments.next().is_some_and(|it| it.eq_ignore_ascii_case(name)).then_some(());
    is("subscriptions")?;
    let rest = id.get("/subscriptions/".len()..)?;
    let parts: Vec<&str> = rest.split('/').collect();
    let [subscription, groups, group, providers, provider, kind, name] = parts.as_slice() else { return None };
    let fixed = [(groups, "resourceGroups"), (providers, "providers"), (provider, of), (kind, resource)];
    let sound = fixed.iter().all(|(is, meant)| is.eq_ignore_ascii_case(meant))
        && [subscription, group, name].iter().all(|it| segment(it).is_ok());
    sound.then_some(*subscription)
}

/// Whether it is an object id of Graph.
pub(super) fn is_object_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn an_address_is_made_of_identities_alone() {
        let of = |group: &str, name: &str| {
            format!(
                "/subscriptions/S-1/resourcegroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
            )
        };
        let id = of("rg.1_(x)", "cart");
        assert_eq!(subscription_of(&id), Some("S-1"));
        for hostile in [
            of("..", "cart"),
            of("rg", "cart?api-version=1#"),
            of("rg", "../../x"),
            of("rg", ""),
            of("rg", "a b"),
            of("rg", "%2e%2e"),
            "/subscriptions/S".into(),
            "https://evil.example/".into(),
            format!("{id}/federatedIdentityCredentials/x"),
            format!("/{id}"),
        ] {
            assert_eq!(subscription_of(&hostile), None, "{hostile}");
        }
    }

    #[test]
    fn a_server_below_a_path_keeps_it() {
        let server: Url = "http://127.0.0.1:9/graph/".parse().unwrap();
        assert_eq!(under(&server, "v1.0/$batch").unwrap().as_str(), "http://127.0.0.1:9/graph/v1.0/$batch");
    }

    #[test]
    fn a_cloud_that_lags_is_asked_in_the_version_it_speaks() {
        let cloud = super::super::credential::tests::tokens().cloud().clone();
        let places = Places::new(cloud, None, Pacer::new(1.0));
        let unspoken = Trouble::Refused(400, "NoRegisteredProviderFound".into(), String::new());
        assert!(places.step_down(0, &unspoken) && places.step_down(0, &unspoken), "two found out at once");
        assert_eq!(places.version.load(Ordering::Relaxed), 1);
        let absent = Trouble::Refused(404, "InvalidResourceType".into(), String::new());
        assert!(places.step_down(1, &absent), "Azure Resource Manager calls it not found as well");
        assert!(!places.step_down(0, &Trouble::Refused(404, "SubscriptionNotFound".into(), String::new())));
        assert!(!places.step_down(0, &Trouble::Refused(400, "BadRequest".into(), String::new())));
        assert!(!places.step_down(2, &unspoken), "there is none below");
    }
}
