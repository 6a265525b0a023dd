//! The workload's identity trusts a subject that is almost the workload's.
//!
//! The identity has a credential of this cluster, but for the same ServiceAccount in another
//! namespace, for another one in the same namespace, with the two swapped, or with a slip of the
//! pen. Entra answers with AADSTS700213. This explains why `untrusted-workload` finds no match:
//! where a credential trusts the workload, no near miss is reported, whatever else stands beside it. What a
//! Terraform plan or a template is about to make is looked at too; if it trusts the workload, the near miss is of
//! medium severity, but where a template alone says so of a workload that a cluster has already. Where no file states the namespace of the workload (give `--default-namespace`), a credential for
//! its ServiceAccount in another is no near miss.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:cart:shop", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cartt", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:staging:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:default:cartt", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the right credential stands beside the near miss
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/staging, name: staging, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:staging:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! # nothing near: no credential of this cluster
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/cart:ref:refs/heads/main", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! # another in its case alone, which credential-differs-in-case says
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:Cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! # no file says in which namespace it is installed, and the identity trusts it in one
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}
//! ```
use crate::exchange::{Presented, Refusal, exchanges, presented};
use crate::near::{self, Field, How};
use crate::prelude::*;
#[cfg(feature = "audit")]
use crate::remedy::{Remedy, planned, remedy};
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "the identity trusts a subject that is almost the workload's",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &["700213"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let Some(presented) = presented(workload, trust)? else { return Ok(None) };
    let mut unknown = None;
    for answer in exchanges(workload, &presented, trust) {
        match answer {
            // A nearer one may be among those not seen.
            Ok(Some(refusal)) if !refusal.knows_all_of(presented.issuer, trust) => {
                unknown = unknown.or_else(|| Some(Unknown(Key::Credentials(refusal.name().to_owned()))));
            }
            #[cfg(feature = "audit")]
            Ok(Some(refusal)) if presented.may_be_meant_by(&refusal.credentials) => {
                unknown = unknown.or_else(|| presented.unplaced.clone().map(Unknown));
            }
            Ok(Some(refusal)) => {
                if let Some(finding) = near_miss(workload, &presented, &refusal, trust) {
                    return Ok(Some(finding));
                }
                unknown = unknown.or_else(|| unowned(&refusal, &presented, trust));
            }
            Ok(None) => {}
            Err(key) => unknown = unknown.or(Some(key)),
        }
    }
    unknown.map_or(Ok(None), Err)
}

/// A credential of the issuer that may be the identity's, since nothing says whose it is.
fn unowned(refusal: &Refusal<'_>, presented: &Presented<'_>, trust: &Trust<'_>) -> Option<Unknown> {
    if refusal.identity.is_some_and(|identity| identity.credentials_complete) {
        return None;
    }
    let may_be_theirs = trust.trusting(presented.issuer).iter().copied();
    #[cfg(feature = "audit")]
    let may_be_theirs = may_be_theirs.chain(
        trust.declared().to_come().filter_map(|it| it.planned()).filter(|it| it.issuer == *presented.issuer),
    );
    let mut may_be_theirs = may_be_theirs;
    let unowned = may_be_theirs.find(|credential| trust.parent(credential).is_none())?;
    Some(Unknown(Key::Parent(unowned.name.clone())))
}

fn near_miss(
    workload: &Workload,
    presented: &Presented<'_>,
    refusal: &Refusal<'_>,
    trust: &Trust<'_>,
) -> Option<Finding> {
    let mut credentials = refusal.credentials.clone();
    #[cfg(feature = "audit")]
    let (remedy, to_come) = (remedy(refusal, presented, trust), planned(refusal, trust));
    #[cfg(feature = "audit")]
    if !matches!(remedy, Some(Remedy::Mends(_))) {
        credentials.extend(&to_come);
    }
    credentials.retain(|credential| credential.issuer == *presented.issuer);
    let token = presented.token(&credentials);
    let miss = near::nearest(&token, &credentials)?;
    let subject = miss.difference(Field::Subject)?;
    if !matches!(subject.how, How::Namespace | How::Name | How::Typo | How::Swapped | How::Space) {
        return None;
    }
    let message = format!(
        "credential `{}` of identity `{}` trusts `{}`, which {}; this workload is `{}`",
        miss.credential.name,
        refusal.name(),
        subject.trusted,
        subject.how.words(),
        subject.presented,
    );
    let fix = format!(
        "if this ServiceAccount is meant: {}; else set the right namespace and ServiceAccount on the workload",
        refusal.repair(&token, Some(&miss), trust)
    );
    let field = format!("{}.serviceAccountName", workload.kind.spec_path());
    let finding = Finding::new(RULE.severity, field, message)
        .with("clientId", refusal.client_id.as_str())
        .with("how", subject.how.as_str())
        .with_made("nearest", || miss.evidence(trust))
        .fix(fix);
    #[cfg(feature = "audit")]
    let finding = match (&remedy, &miss.credential.declared) {
        (Some(mends @ Remedy::Mends(_)), _) => {
            let message = format!("{}; {}", finding.message, mends.words());
            let severity = mends.severity(finding.severity, workload, refusal);
            let finding = Finding { severity, message, ..finding };
            finding.with("pending", mends.address()).fix(mends.fix(presented))
        }
        (_, Some(address)) if to_come.contains(&miss.credential) => Finding {
            message: format!("{}; {address} declares it so and is still to be applied", finding.message),
            ..finding
        },
        _ => finding,
    };
    Some(finding)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::declared::{Coming, Declared, DeclaredCredential};
    use crate::inventory::{Inventory, Tokens};
    use crate::model::Parent;
    use crate::parameters::Parameters;
    use crate::sample::{self, CLIENT, ISSUER, OPTS_IN, cluster, credential, pod};

    /// A pod that asks for an identity, and a credential for `shop/cartt`, whose owner nothing says.
    fn estate() -> Inventory {
        let env = format!(r#","containers":[{{"name":"app","env":[{{"name":"AZURE_CLIENT_ID","value":"{CLIENT}"}}]}}]"#);
        let unowned = FederatedIdentityCredential { parent: Parent::Unknown, ..credential("shop", "cartt") };
        let mut inventory = Inventory { workloads: vec![pod(OPTS_IN, &env)], credentials: vec![unowned], ..cluster() };
        inventory.coverage.trust_of.insert(Tokens::of(&ISSUER.into()));
        inventory
    }

    fn identity(id: &str, client_id: &str, credentials_complete: bool) -> Identity {
        Identity { name: id.into(), client_id: client_id.into(), id: id.into(), credentials_complete, ..sample::identity() }
    }

    fn verdict(inventory: &Inventory) -> Verdict {
        let parameters = Parameters::default();
        check(inventory.workloads.first().unwrap(), &Trust::join(inventory, &parameters))
    }

    #[test]
    fn one_that_is_still_to_be_made_may_be_it_too() {
        let verdict_of = |issuer: &str| {
            let planned = FederatedIdentityCredential {
                issuer: issuer.into(),
                parent: Parent::Unknown,
                ..credential("shop", "cartt")
            };
            let to_come =
                DeclaredCredential { coming: Coming::Made, planned: Some(planned), ..sample::declared("", "at") };
            let declared = Declared::of(vec![to_come], false);
            verdict(&Inventory { credentials: Vec::new(), declared, ..estate() })
        };
        assert_eq!(verdict_of(ISSUER), Err(Unknown(Key::Parent("shop-cartt".into()))));
        assert_eq!(verdict_of("https://other.example.com"), Ok(None), "of another cluster");
    }

    #[test]
    fn a_credential_that_nobody_is_known_to_own_may_be_the_near_miss() {
        let of_nobody = Err(Unknown(Key::Parent("shop-cartt".into())));
        let mut inventory = estate();
        assert_eq!(verdict(&inventory), of_nobody, "the identity is not known");
        inventory.identities.push(identity("/id", CLIENT, false));
        assert_eq!(verdict(&inventory), of_nobody, "not all of its credentials are known");
        inventory.identities.first_mut().unwrap().credentials_complete = true;
        assert_eq!(verdict(&inventory), Ok(None), "it is none of the identity's");
        let mut inventory = estate();
        inventory.identities.push(identity("/other", "44444444-4444-4444-4444-444444444444", false));
        inventory.credentials.first_mut().unwrap().parent = Parent::Resource("/other".into());
        assert_eq!(verdict(&inventory), Ok(None), "it is another identity's");
    }

    #[test]
    fn a_nearer_one_may_be_among_those_not_seen() {
        let mut inventory = estate();
        inventory.identities.push(identity("/id", CLIENT, false));
        inventory.credentials.first_mut().unwrap().parent = Parent::Resource("/id".into());
        assert!(verdict(&inventory).unwrap().is_some());
        // Of one namespace alone it is known what is trusted.
        inventory.coverage.trust_of = Default::default();
        inventory.coverage.trust_of.insert(Tokens { namespace: Some("shop".into()), issuer: ISSUER.into() });
        assert_eq!(verdict(&inventory), Err(Unknown(Key::Credentials("/id".into()))));
    }
}
