//! One identity serves several workloads.
//!
//! Roles are granted to the identity, so that each workload that shares it may do whatever any of
//! them needs, and Azure's logs cannot tell them apart. It also fills the identity's twenty places.
//!
//! The same namespace and name on several clusters is most often one application: that is mere
//! information, until you declare it. Several issuers of one cluster, as you declare them (`otherIssuers`), are one. Groups of subjects that you declare for an identity count as one (the same application on many
//! clusters, say), and operators that serve others by design do not count. Pipelines and other
//! issuers are no workloads of Kubernetes, nor are identity bindings. Of an identity that is there, credentials
//! that a plan or a template is still to make do not count yet.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/checkout, name: checkout, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:checkout", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/north, name: north, issuer: "https://northeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # two of three have one name
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/checkout, name: checkout, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:checkout", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/edge, name: edge, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # one workload
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a pipeline beside it
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/github, name: github, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/cart:ref:refs/heads/main", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # an operator beside it
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/keda, name: keda, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:kube-system:keda-operator", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # an identity binding beside it
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/aks-identity-binding, name: aks-identity-binding, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a misspelt issuer is no other cluster
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/slip, name: slip, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
use crate::parameters::{any_glob, glob};
use crate::prelude::*;
use alloc::collections::BTreeMap;

pub(super) static RULE: Rule = Rule {
    summary: "one identity serves several workloads",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB PA-7", "NIST 800-53 AC-6"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Identity(check)],
};

fn check(identity: &Identity, trust: &Trust<'_>) -> Verdict {
    let parameters = trust.parameters();
    let declared = |group: &&crate::parameters::SharedIdentity| {
        [identity.name.as_str(), identity.client_id.as_str()].into_iter().any(|name| glob(&group.identity, name))
    };
    let groups: Vec<_> = parameters.shared_identities.iter().filter(declared).collect();
    let mut users = BTreeMap::new();
    for credential in trust.credentials_seen(identity) {
        let Some((namespace, name)) = credential.service_account() else { continue };
        // beside what is there, what is still to come does not count, whether or not all is known that is there
        #[cfg(feature = "audit")]
        if identity.declared.is_none() && trust.is_to_come(credential) {
            continue;
        }
        let subject = format!("{namespace}:{name}");
        if credential.issuer.is_identity_binding() || any_glob(&parameters.operators, &subject) {
            continue;
        }
        let group = groups.iter().position(|group| any_glob(&group.subjects, &subject));
        // a cluster may have had several issuers, and what differs in case or slash alone is one, misspelt
        let of_cluster = trust.cluster_of(&credential.issuer).and_then(|(_, cluster)| cluster.issuers().next());
        let issuer = of_cluster.unwrap_or(&credential.issuer).as_str().trim_end_matches('/').to_ascii_lowercase();
        let user = group.map_or_else(
            || (None, issuer, subject.to_ascii_lowercase()),
            |group| (Some(group), String::new(), String::new()),
        );
        users.entry(user).or_insert((credential, namespace, name));
    }
    if users.len() < 2 {
        trust.credentials(identity)?;
        return Ok(None);
    }
    let place = |issuer: &Issuer| {
        trust.cluster_of(issuer).map_or_else(|| issuer.to_string(), |(_, cluster)| cluster.name.clone())
    };
    let mut shared_by: Vec<String> = users
        .values()
        .map(|(credential, namespace, name)| format!("{}:{namespace}/{name}", place(&credential.issuer)))
        .collect();
    shared_by.sort();
    let mut names = users.values().map(|(_, namespace, name)| (namespace, name));
    let first = names.next();
    let (severity, message) = match first.filter(|first| names.all(|name| name == *first)) {
        Some((namespace, name)) => (
            Severity::Info,
            format!(
                "`{namespace}/{name}` of {} clusters shares this identity; declare the group if they are one application",
                users.len()
            ),
        ),
        None => (
            RULE.severity,
            format!("{} workloads share this identity, each with the roles of all: {}", users.len(), shown(&shared_by)),
        ),
    };
    Ok(Some(
        Finding::new(severity, "federatedIdentityCredentials", message)
            .with("sharedBy", shared_by)
            .with("clientId", identity.client_id.as_str())
            .fix("give each workload an identity of its own with the roles it needs, or declare the group in `sharedIdentities`"),
    ))
}

fn shown(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::model::Parent;
    use crate::parameters::{Parameters, SharedIdentity};
    use crate::sample;

    #[test]
    fn a_cluster_that_had_another_issuer_is_one() {
        let mut inventory = sample::cluster();
        inventory.identities.push(sample::identity());
        let former = "https://former.example.com/";
        for (name, issuer) in [("now", sample::ISSUER), ("then", former)] {
            inventory.credentials.push(FederatedIdentityCredential {
                name: name.into(),
                issuer: issuer.into(),
                ..sample::credential("shop", "cart")
            });
        }
        let parameters = Parameters::default();
        let found = |inventory: &Inventory| {
            let trust = Trust::join(inventory, &parameters);
            check(inventory.identities.first().unwrap(), &trust).unwrap().map(|found| found.severity)
        };
        assert_eq!(found(&inventory), Some(Severity::Info));
        inventory.clusters.first_mut().unwrap().other_issuers.push(former.into());
        assert_eq!(found(&inventory), None);
    }

    #[test]
    fn a_declared_group_counts_as_one() {
        let mut inventory = Inventory::default();
        inventory.identities.push(Identity { name: "id-cart".into(), ..sample::identity() });
        for issuer in ["https://a.example.com", "https://b.example.com"] {
            inventory.credentials.push(FederatedIdentityCredential {
                name: issuer.into(),
                parent: Parent::Resource("/ID".into()),
                issuer: issuer.into(),
                ..sample::credential("shop", "cart")
            });
        }
        let group = |identity: &str, subject: &str| Parameters {
            shared_identities: vec![SharedIdentity {
                identity: identity.into(),
                subjects: vec![subject.into()],
                reason: "one application on two clusters".into(),
            }],
            ..Parameters::default()
        };
        for (parameters, found) in [
            (Parameters::default(), true),
            (group("id-cart", "shop:*"), false),
            (group("33333333-*", "shop:cart"), false),
            (group("id-other", "shop:*"), true),
            (group("id-cart", "other:*"), true),
        ] {
            let trust = Trust::join(&inventory, &parameters);
            assert_eq!(
                check(inventory.identities.first().unwrap(), &trust).unwrap().is_some(),
                found,
                "{parameters:?}"
            );
        }
        inventory.identities.first_mut().unwrap().credentials_complete = false;
        let parameters = group("id-cart", "shop:*");
        assert!(check(inventory.identities.first().unwrap(), &Trust::join(&inventory, &parameters)).is_err());
    }
}
