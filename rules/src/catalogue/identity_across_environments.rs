//! One identity serves several environments.
//!
//! What runs in development can then do in production whatever the identity may do there, and is watched
//! far less.
//!
//! Which places belong to which environment is said in the setting `environments`: a name, and patterns of
//! `CLUSTER:NAMESPACE`, such as `prod-*:*`, or `labels`, such as `environment=prod*`, that namespaces have as
//! labels and clusters as tags. By default those namespaces count that say it themselves by their last word
//! (`shop-prod`, `shop-staging`, `shop-test`, `shop-dev`) or by a label `env` or `environment`, and what is
//! in a cluster with such a tag. Names of clusters do not, since everybody has his own; an empty list turns
//! the rule off. The label of a namespace counts before its name, which may end in `test` for another reason,
//! and its name before the tag of the cluster; where labels count and those of a namespace were not read, its
//! name decides nothing. A place that matches nothing is of no environment, and of several that it matches the
//! first is its own.
//!
//! Identity bindings and issuers other than Kubernetes are not counted, nor tags of identities and of
//! subscriptions, which say whose something is and not who uses it.
//!
//! # Fails
//!
//! ```yaml
//! {name: west, type: Microsoft.ContainerService/ManagedClusters, tags: {}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop-prod:cart", audiences: ["api://AzureADTokenExchange"]}
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/test, name: test, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop-test:cart", audiences: ["api://AzureADTokenExchange"]}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop-prod}}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop-test}}
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, tags: {}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/one, name: one, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/two, name: two, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:till:cart", audiences: ["api://AzureADTokenExchange"]}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {environment: production}}}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: till, labels: {environment: dev}}}
//! ```
//!
//! ```yaml
//! {name: west, type: Microsoft.ContainerService/ManagedClusters, tags: {Environment: Production}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/one, name: one, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/two, name: two, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop-test:cart", audiences: ["api://AzureADTokenExchange"]}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the label of a namespace counts before its name
//! {name: west, type: Microsoft.ContainerService/ManagedClusters, tags: {environment: prod}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/one, name: one, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/two, name: two, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:ab-test:cart", audiences: ["api://AzureADTokenExchange"]}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: ab-test, labels: {env: prod}}}
//! ```
//!
//! ```yaml
//! # the label of a namespace counts before the tag of its cluster
//! {name: west, type: Microsoft.ContainerService/ManagedClusters, tags: {Environment: Production}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/one, name: one, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/two, name: two, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:till:cart", audiences: ["api://AzureADTokenExchange"]}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {environment: test}}}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: till, labels: {environment: test}}}
//! ```
//!
//! ```yaml
//! # the name of a namespace and the tag of its cluster say the same
//! {name: west, type: Microsoft.ContainerService/ManagedClusters, tags: {env: prod}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/one, name: one, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/two, name: two, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop-prod:cart", audiences: ["api://AzureADTokenExchange"]}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop-prod}}
//! ```
//!
//! ```yaml
//! # one environment, as far as is known
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop-prod:cart", audiences: ["api://AzureADTokenExchange"]}
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/shop, name: shop, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # a pipeline beside it
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop-prod:cart", audiences: ["api://AzureADTokenExchange"]}
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/test, name: test, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/cart:environment:test", audiences: ["api://AzureADTokenExchange"]}
//! ```
use alloc::collections::{BTreeMap, BTreeSet};

use crate::model::{ClusterIx, Pairs};
use crate::parameters::{Environment, glob};
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "one identity serves several environments",
    severity: Severity::High,
    confidence: Confidence::Medium,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB PA-7", "NIST 800-53 AC-6"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Identity(check)],
};

fn check(identity: &Identity, trust: &Trust<'_>) -> Verdict {
    let environments = trust.parameters().environments();
    if environments.is_empty() {
        return Ok(None);
    }
    let mut served: BTreeMap<&str, String> = BTreeMap::new();
    let (mut places, mut unknown) = (BTreeSet::new(), None);
    for credential in trust.credentials_seen(identity) {
        let Some((namespace, name)) = credential.service_account() else { continue };
        // beside what is there, what is still to come does not count, whether or not all is known that is there
        #[cfg(feature = "audit")]
        if identity.declared.is_none() && trust.is_to_come(credential) {
            continue;
        }
        if credential.issuer.is_identity_binding() {
            continue;
        }
        places.insert((&credential.issuer, namespace));
        let cluster = trust.cluster_of(&credential.issuer);
        let place = cluster.map_or_else(String::new, |(_, cluster)| format!("{}:", cluster.name));
        let environment = match environment(environments, cluster, namespace, trust) {
            Ok(Some(environment)) => environment,
            Ok(None) => continue,
            Err(missing) => {
                unknown = unknown.or_else(|| Some(missing.unwrap_or_else(|| Unknown(Key::Clusters(credential.issuer.clone())))));
                continue;
            }
        };
        let workload = format!("{place}{namespace}/{name}");
        let first = served.entry(environment).or_insert_with(|| workload.clone());
        if workload < *first {
            *first = workload;
        }
    }
    if served.len() < 2 {
        trust.credentials(identity)?;
        return unknown.filter(|_| places.len() > 1).map_or(Ok(None), Err);
    }
    let listed: Vec<String> =
        served.iter().map(|(environment, workload)| format!("`{environment}` (`{workload}`)")).collect();
    let names: Vec<String> = served.keys().map(|&name| name.to_owned()).collect();
    Ok(Some(
        Finding::new(
            RULE.severity,
            "federatedIdentityCredentials",
            format!("serves {} environments: {}", served.len(), listed.join(", ")),
        )
        .with("environments", names)
        .with("clientId", identity.client_id.as_str())
        .fix("make an identity for each environment, with roles on that environment's resources alone, and move its credentials there"),
    ))
}

/// The environment that a place belongs to: by the labels of the namespace, else by its name, else by the
/// tags of the cluster. An error without a key if that takes to know the cluster.
fn environment<'e>(
    environments: &'e [Environment],
    cluster: Option<(ClusterIx, &Cluster)>,
    namespace: &str,
    trust: &Trust<'_>,
) -> Result<Option<&'e str>, Option<Unknown>> {
    let by_name = match named(environments, cluster.map(|(_, cluster)| cluster.name.as_str()), namespace) {
        Some(Some(name)) => Some(name),
        Some(None) => return Err(None),
        None => None,
    };
    if environments.iter().all(|known| known.labels.is_empty()) {
        return Ok(by_name);
    }
    let Some((index, cluster)) = cluster else {
        return if trust.knows_all_clusters() { Ok(by_name) } else { Err(None) };
    };
    let labels = trust.namespace_labels(index, namespace).known().map_err(Some)?;
    let by_label = labels.and_then(|labels| labelled(environments, labels));
    Ok(by_label.or(by_name).or_else(|| labelled(environments, &cluster.tags)))
}

/// The first environment whose patterns name a place; nothing within, if it is not of every cluster and the
/// cluster is not known.
fn named<'e>(environments: &'e [Environment], cluster: Option<&str>, namespace: &str) -> Option<Option<&'e str>> {
    let holds = |place: &String| {
        place.split_once(':').is_some_and(|(of, within)| {
            glob(within, namespace) && cluster.is_none_or(|cluster| glob(of, cluster))
        })
    };
    let of_any = |place: &String| holds(place) && (cluster.is_some() || place.starts_with("*:"));
    let first = environments.iter().find(|known| known.places.iter().any(holds))?;
    Some(first.places.iter().any(of_any).then_some(first.name.as_str()))
}

/// The first environment that a label or a tag says.
fn labelled<'e>(environments: &'e [Environment], pairs: &Pairs) -> Option<&'e str> {
    let lower = str::to_ascii_lowercase;
    let says = |pattern: &String| {
        pattern.split_once('=').is_some_and(|(key, value)| {
            let (key, value) = (lower(key), lower(value));
            pairs.iter().any(|pair| glob(&key, &lower(&pair.key)) && glob(&value, &lower(&pair.value)))
        })
    };
    environments.iter().find(|known| known.labels.iter().any(says)).map(|known| known.name.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::inventory::{Extent, Inventory, Namespace};
    use crate::model::Origin;
    use crate::parameters::Parameters;
    use crate::sample;

    fn inventory(namespaces: [&str; 2]) -> Inventory {
        let mut inventory = sample::cluster();
        inventory.clusters[0].name = "west".into();
        inventory.identities.push(sample::identity());
        inventory.credentials.extend(namespaces.map(|namespace| sample::credential(namespace, "cart")));
        inventory
    }

    #[test]
    fn a_cluster_that_is_not_known_may_be_any() {
        let known = |name: &str, place: &str| Environment {
            name: name.into(),
            places: vec![place.into()],
            labels: Vec::new(),
        };
        let of = |environments: &[Environment], cluster| named(environments, cluster, "a-test").flatten().map(str::to_owned);
        let both = [known("production", "west:*"), known("test", "*:*-test")];
        assert_eq!(of(&both, Some("west")).as_deref(), Some("production"));
        assert_eq!(of(&both, Some("east")).as_deref(), Some("test"));
        assert_eq!(of(&both, None), None);
        assert_eq!(of(&both[1..], None).as_deref(), Some("test"));
    }

    #[test]
    fn a_label_that_was_not_read_may_overrule_a_name() {
        let parameters = Parameters::default();
        let verdict = |inventory: &Inventory| {
            check(inventory.identities.first().unwrap(), &Trust::join(inventory, &parameters)).map(|it| it.is_some())
        };
        let mut all = inventory(["shop-prod", "shop-test"]);
        assert!(verdict(&all).is_err());
        all.coverage.cluster(ClusterIx(0)).namespaces = Extent::Everything;
        assert_eq!(verdict(&all), Ok(true), "there are none");
        all.namespaces.push(Namespace {
            cluster: ClusterIx(0),
            name: "shop-test".into(),
            labels: Pairs(vec![crate::model::Pair { key: "env".into(), value: "prod".into(), is_string: true }]),
            origin: Origin::default(),
        });
        assert_eq!(verdict(&all), Ok(false));
        all.namespaces.clear();
        all.credentials.iter_mut().for_each(|credential| credential.issuer = "https://other.example.com".into());
        assert!(verdict(&all).is_err(), "a cluster that was not seen");
        all.coverage.clusters = true;
        assert_eq!(verdict(&all), Ok(true), "a cluster that is gone");
    }

    #[test]
    fn what_is_no_place_holds_nowhere() {
        let known = [Environment { name: "test".into(), places: vec!["west".into()], labels: Vec::new() }];
        assert_eq!(named(&known, Some("west"), "west"), None);
        let bare = [Environment { name: "test".into(), places: Vec::new(), labels: vec!["env".into()] }];
        let pair = crate::model::Pair { key: "env".into(), value: "prod".into(), is_string: true };
        assert_eq!(labelled(&bare, &Pairs(vec![pair])), None, "nor is what is no label");
    }

    #[test]
    fn one_environment_with_labels_is_enough_to_overrule_a_name() {
        let environment = |name: &str, place: &str, labels: &[&str]| Environment {
            name: name.into(),
            places: vec![place.into()],
            labels: labels.iter().map(|it| (*it).into()).collect(),
        };
        let environments =
            vec![environment("production", "*:*-prod", &["env=prod"]), environment("test", "*:*-test", &[])];
        let parameters = Parameters { environments, ..Parameters::default() };
        let inventory = inventory(["shop-prod", "shop-test"]);
        let verdict = check(inventory.identities.first().unwrap(), &Trust::join(&inventory, &parameters));
        assert!(verdict.is_err(), "{verdict:?}");
    }

    #[test]
    fn the_first_workload_of_each_environment_is_named() {
        let environment = |name: &str, place: &str| Environment {
            name: name.into(),
            places: vec![place.into()],
            labels: Vec::new(),
        };
        let environments = vec![environment("production", "west:*-prod"), environment("test", "west:*-test")];
        let parameters = Parameters { environments, ..Parameters::default() };
        let mut inventory = inventory(["b-prod", "b-test"]);
        for namespace in ["a-prod", "c-prod"] {
            let mut other = inventory.credentials[0].clone();
            other.subject = Some(Subject::of(namespace, "cart"));
            inventory.credentials.push(other);
        }
        let verdict = |inventory: &Inventory| {
            check(inventory.identities.first().unwrap(), &Trust::join(inventory, &parameters)).unwrap()
        };
        let message = verdict(&inventory).unwrap().message;
        assert_eq!(message, "serves 2 environments: `production` (`west:a-prod/cart`), `test` (`west:b-test/cart`)");
        // A binding is of no cluster's own issuer, whatever a cluster is said to have.
        let binding: Issuer = "https://ib.oic.prod-aks.azure.com/t/c".into();
        inventory.clusters[0].other_issuers.push(binding.clone());
        inventory.credentials[1].issuer = binding;
        assert_eq!(verdict(&inventory), None);
    }

    #[test]
    fn only_declared_environments_count() {
        let environment = |name: &str, place: &str| Environment {
            name: name.into(),
            places: vec![place.into()],
            labels: Vec::new(),
        };
        let two = || vec![environment("production", "west:*-prod"), environment("test", "*:*-test")];
        for (environments, namespaces, found) in [
            (two(), ["shop-prod", "shop-test"], true),
            (two(), ["shop-prod", "other-prod"], false),
            (two(), ["shop-prod", "shop"], false),
            (vec![], ["shop-prod", "shop-test"], false),
            (vec![environment("all", "we?t:*"), environment("test", "*:*-test")], ["shop-prod", "shop-test"], false),
            (vec![environment("all", "*:*"), environment("test", "*:*-test")], ["shop-prod", "shop-test"], false),
        ] {
            let parameters = Parameters { environments, ..Parameters::default() };
            let mut inventory = inventory(namespaces);
            let verdict = |inventory: &Inventory| {
                check(inventory.identities.first().unwrap(), &Trust::join(inventory, &parameters)).map(|it| it.is_some())
            };
            assert_eq!(verdict(&inventory), Ok(found), "{parameters:?}");
            inventory.identities.first_mut().unwrap().credentials_complete = false;
            assert_eq!(verdict(&inventory).is_ok(), found || parameters.environments.is_empty());
        }
    }
}
