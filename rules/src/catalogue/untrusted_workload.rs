//! No federated identity credential trusts the workload.
//!
//! At the token exchange Entra compares issuer, subject and audience of the pod's token with the
//! credentials of the identity it asks for, byte for byte. If none agrees in all three, every
//! call to Azure fails with an AADSTS700… error that names the first claim without a match.
//!
//! A pod that speaks through an identity binding needs no credential of its own. Without a client
//! id (`client-id-missing`), or with one that no identity has (`client-id-unknown`), there is no
//! identity to ask. The expression of a flexible credential is evaluated; where it hangs on a claim
//! that is not known, nothing is accused.
//!
//! The audience of the pods' token is what the webhook asks for: of a pod that runs, that of the token it was
//! given; else the webhook's flag `--audience`, where its Deployment was read. Where nothing but the audience is
//! amiss, in a cluster that is not of AKS or Arc, the verdict is open until the Deployments are known. Admission
//! does not see them: declare such an audience for it (`audiences`).
//!
//! An identity holds no two credentials of one issuer and subject. So where other pods of the ServiceAccount live by
//! the credential with the audience that it accepts, the fix leaves it as it is, and says what to change at the
//! workload. So it does where a credential of the usual audience feeds what is not the programs in the pods: a
//! SecretProviderClass or a volume that a driver mounts for any of them, the workload itself among them, what a custom
//! resource tells to ask with the tokens of the ServiceAccount, an operator that one tells whose tokens to ask for, and
//! kubelets that pull images by it. A claim of which no PersistentVolume with a client id was read counts as none.
//! A running pod whose token is of before, and would be accepted now, is to be made anew.
//!
//! Where a Terraform plan or a template is still to make or correct the
//! credential, as far as that is known, the finding says what to apply; where it is
//! known only later whose credential that is, it is named, and nobody is said to be trusted by another identity.
//! It is of medium severity where a plan does so: a plan is made against what is there in order to be applied, and who
//! reads it has the remedy in hand. A template does not say whether it was deployed or ever is; it makes it medium for
//! manifests, of which nothing says that they are applied either, but not for what was read from a cluster: that is
//! refused now.
//!
//! A file that states no namespace is installed in `default` unless whoever installs it says otherwise. Where the
//! identity trusts the ServiceAccount of that name in another namespace, or may, nothing is accused: give
//! `--default-namespace`. Where it trusts none of that name, the workload is refused wherever it is installed.
//!
//! # Fails
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
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-other, name: id-other, clientId: 44444444-4444-4444-4444-444444444444, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-other/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
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
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'system:serviceaccount:shipping:*'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
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
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:checkout", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
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
//! # a credential agrees in issuer, subject and audience
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}}
//! ```
//!
//! ```yaml
//! # the pod speaks through an identity binding
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/aks-identity-binding, name: aks-identity-binding, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333", subject: "system:serviceaccount:shop:cart", audiences: ["api://AKSIdentityBinding"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use-identity-binding: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! # no client id: there is no identity to ask
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! # a client id that no identity has
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 44444444-4444-4444-4444-444444444444}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! # a flexible credential whose expression holds
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'system:serviceaccount:shop:*'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! ```yaml
//! # a flexible credential whose expression hangs on a claim that is not known
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'system:serviceaccount:shop:*' and claims['env'] eq 'prod'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
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
use crate::near::{self, Token};
use crate::prelude::*;
#[cfg(feature = "audit")]
use crate::remedy::remedy;
use crate::repair;

#[cfg(feature = "audit")]
mod beside;
#[cfg(feature = "audit")]
mod others;

pub(super) static RULE: Rule = Rule {
    summary: "no federated credential trusts this workload",
    severity: Severity::Critical,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &["70021", "700211", "700212", "700213", "7002138", "70025"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let Some(presented) = presented(workload, trust)? else { return Ok(None) };
    let field = format!("{}.serviceAccountName", workload.kind.spec_path());
    let answers = exchanges(workload, &presented, trust);
    if let Some(refusal) = answers.iter().find_map(|answer| answer.as_ref().ok()?.as_ref()) {
        #[cfg(feature = "audit")]
        if let Some(unread) = presented.unread_audience(refusal, workload, trust) {
            return Err(unread);
        }
        let finding = refused(field, &presented, refusal, trust);
        #[cfg(feature = "audit")]
        let finding = mended(finding, workload, &presented, refusal, trust);
        return Ok(Some(finding));
    }
    let unknown = answers.into_iter().find_map(Result::err);
    match (presented.is_trusted_by_none(trust), unknown) {
        // whatever the client id will turn out to be
        (Ok(true), _) => Ok(Some(untrusted(field, &presented))),
        (_, Some(unknown)) | (Err(unknown), None) => Err(unknown),
        (Ok(false), None) => Ok(None),
    }
}

/// The audience of the webhook's token, where that would be trusted, and the containers look for one of their own.
#[cfg(feature = "audit")]
fn would_be_accepted(
    workload: &Workload,
    presented: &Presented<'_>,
    refusal: &Refusal<'_>,
    trust: &Trust<'_>,
) -> Option<Audience> {
    let given = workload.opts_in().then(|| trust.audiences_of(workload).ok()).flatten()?;
    let trusted = |audience: &Audience| {
        let mut credentials = refusal.credentials.iter();
        credentials.any(|it| it.trusts(presented.issuer, &presented.subject, audience) == Some(true))
    };
    given.into_iter().find(|audience| !presented.audiences.contains(audience) && trusted(audience))
}

fn refused(field: String, presented: &Presented<'_>, refusal: &Refusal<'_>, trust: &Trust<'_>) -> Finding {
    let Refusal { client_id, credentials, .. } = refusal;
    let token = presented.token(credentials);
    let nearest = near::nearest(&token, credentials);
    // Of an identity known by what trusts this cluster alone, or less, Entra's answer cannot be told.
    let all_known = refusal.identity.is_some_and(|identity| identity.credentials_complete);
    let all_here = refusal.knows_all_of(presented.issuer, trust);
    // If none is near, all are flexible.
    let flexible = credentials.iter().find(|credential| nearest.is_none() && credential.issuer == token.issuer);
    let any = nearest.is_some() || flexible.is_some();
    let aadsts = (all_known || (all_here && any)).then(|| near::aadsts(&token, credentials));
    let mut message = match &nearest {
        Some(miss) => format!(
            "identity `{}` has no federated credential for `{}`; of the nearest, `{}`, the {}",
            refusal.name(),
            token.subject,
            miss.credential.name,
            miss.words()
        ),
        None => format!(
            "identity `{}` has no federated credential {}, so `{}` is refused",
            refusal.name(),
            match (flexible, all_known, all_here) {
                (Some(_), ..) => "whose expression and audience match",
                (_, true, _) if credentials.is_empty() => "at all",
                (_, false, false) => "for this namespace",
                _ => "for this cluster",
            },
            token.subject
        ),
    };
    if let Some(code) = aadsts {
        message.push_str(&format!("; Entra will answer {code}"));
    }
    let mut finding = stated(Finding::new(RULE.severity, field, message), &token)
        .with("clientId", client_id.as_str())
        .with("identity", refusal.name())
        .with("aadsts", aadsts)
        .fix(refusal.repair(&token, nearest.as_ref(), trust));
    if let Some(miss) = &nearest {
        finding = finding.with_made("nearest", || miss.evidence(trust));
    }
    if let Some(other) = presented.trusted_by(trust) {
        finding = elsewhere(finding, other, trust);
    }
    finding
}

/// The finding, with what is under way, and what mends it.
#[cfg(feature = "audit")]
fn mended(
    mut finding: Finding,
    workload: &Workload,
    presented: &Presented<'_>,
    refusal: &Refusal<'_>,
    trust: &Trust<'_>,
) -> Finding {
    if let Some(remedy) = remedy(refusal, presented, trust) {
        finding.message.push_str(&format!("; {}", remedy.words()));
        finding.severity = remedy.severity(finding.severity, workload, refusal);
        finding = finding.with("pending", remedy.address());
    }
    match mending(workload, presented, refusal, trust) {
        Some(said) => finding.fix(said),
        None => finding,
    }
}

/// What mends a refusal other than that the identity is given or corrected a credential: where the containers look,
/// what is under way, or what takes the credential from nobody who lives by it.
#[cfg(feature = "audit")]
pub fn mending(
    workload: &Workload,
    presented: &Presented<'_>,
    refusal: &Refusal<'_>,
    trust: &Trust<'_>,
) -> Option<String> {
    if let Some(given) = would_be_accepted(workload, presented, refusal, trust) {
        let own = presented.audiences.first().map_or("another system", Audience::as_str);
        return Some(format!(
            "delete `AZURE_FEDERATED_TOKEN_FILE` from the containers: it names a token for `{own}`, and that of the webhook, for `{given}`, is trusted"
        ));
    }
    if let Some(remedy) = remedy(refusal, presented, trust) {
        return Some(remedy.fix(presented));
    }
    let miss = near::nearest(&presented.token(&refusal.credentials), &refusal.credentials)?;
    beside::repair(workload, refusal, &miss, trust)
}

/// What trusts the token and is not known to be of the identity that is asked for.
fn elsewhere(mut finding: Finding, other: &FederatedIdentityCredential, trust: &Trust<'_>) -> Finding {
    #[cfg(feature = "audit")]
    if let Some(declared) = trust.of_nobody_yet(other) {
        let says = format!("; {}, whose identity is not known yet, may be it", declared.address);
        finding.message.push_str(&says);
        return finding.with("maybePending", declared.address.as_str());
    }
    finding.message.push_str("; another identity trusts it: does the client id name the wrong one?");
    finding.with_made("trustedBy", || {
        let named = trust.parent(other).map(|parent| parent.client_id.as_str());
        serde_json::json!({"name": trust.parent_name(other), "clientId": named})
    })
}

fn untrusted(field: String, presented: &Presented<'_>) -> Finding {
    let token = presented.token(&[]);
    let message = format!("no identity trusts `{}` of issuer `{}`", token.subject, token.issuer);
    stated(Finding::new(RULE.severity, field, message), &token).fix(repair::addition_to("the identity of this workload", &token))
}

fn stated(finding: Finding, token: &Token) -> Finding {
    finding
        .with("issuer", token.issuer.as_str())
        .with("subject", token.subject.as_str())
        .with("audience", token.audience.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::{Inventory, Tokens};
    use crate::model::Parent;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, ISSUER, OPTS_IN, account, cluster, credential, identity, pod};

    fn verdict(env: &str, trusted: Option<Subject>, complete: bool) -> Verdict {
        let pod = pod(OPTS_IN, &format!(r#","containers":[{{"name":"app","env":[{env}]}}]"#));
        let mut inventory = cluster();
        inventory.credentials.extend(trusted.map(|subject| FederatedIdentityCredential {
            parent: Parent::Unknown,
            subject: Some(subject),
            ..credential("", "")
        }));
        if complete {
            inventory.coverage.trust_of.insert(Tokens::of(&ISSUER.into()));
        }
        check(&pod, &Trust::join(&inventory, &Parameters::default()))
    }

    #[test]
    fn whoever_it_asks_for_nobody_trusts_it() {
        let other = || Some(Subject::of("shop", "checkout"));
        assert!(verdict("", other(), true).unwrap().is_some());
        assert!(verdict("", None, true).unwrap().is_some());
        assert!(verdict("", other(), false).is_err());
        // somebody trusts it, but the ServiceAccount that says who is asked is unknown
        assert!(verdict("", Some(Subject::of("shop", "cart")), true).is_err());
        // the manifest asks for nobody, which is another rule's finding
        let empty = r#"{"name":"AZURE_CLIENT_ID","value":""}"#;
        assert_eq!(verdict(empty, Some(Subject::of("shop", "cart")), true), Ok(None));
        assert!(verdict(empty, other(), false).is_err());
    }

    /// What is said of `shop/cart`, whose identity has these credentials, if all that trust its cluster are known.
    fn message(identity: Option<Identity>, credentials: Vec<FederatedIdentityCredential>) -> String {
        let identities = identity.into_iter().collect();
        let mut inventory = Inventory { identities, credentials, ..cluster() };
        inventory.service_accounts.push(account(CLIENT));
        inventory.coverage.trust_of.insert(Tokens::of(&ISSUER.into()));
        let parameters = Parameters::default();
        check(&pod(OPTS_IN, ""), &Trust::join(&inventory, &parameters)).unwrap().unwrap().message
    }

    #[test]
    #[cfg(feature = "audit")]
    fn a_token_of_another_system_is_mended_where_it_is_named() {
        let of = |labels: &str, trusted: FederatedIdentityCredential| {
            let spec = r#","containers":[{"name":"app","env":[{"name":"AZURE_FEDERATED_TOKEN_FILE","value":"/own/token"}],"volumeMounts":[{"name":"own","mountPath":"/own"}]}],"volumes":[{"name":"own","projected":{"sources":[{"serviceAccountToken":{"path":"token","audience":"vault"}}]}}]"#;
            let credentials = vec![credential("shop", "other"), trusted];
            let mut inventory = Inventory { identities: vec![identity()], credentials, ..cluster() };
            inventory.service_accounts.push(account(CLIENT));
            inventory.coverage.cluster(crate::model::ClusterIx(0)).deployments = crate::inventory::Extent::Everything;
            let parameters = Parameters::default();
            check(&pod(labels, spec), &Trust::join(&inventory, &parameters)).unwrap().unwrap().fix
        };
        let deletes = |fix: &str| fix.starts_with("delete `AZURE_FEDERATED_TOKEN_FILE`");
        assert!(deletes(&of(OPTS_IN, credential("shop", "cart"))));
        assert!(!deletes(&of("", credential("shop", "cart"))), "no webhook brings another");
        assert!(!deletes(&of(OPTS_IN, credential("shop", "till"))), "nor would the webhook's be trusted");
    }

    #[test]
    fn entra_s_code_is_told_only_if_it_is_known() {
        let incomplete = || Identity { credentials_complete: false, ..identity() };
        let till = || vec![credential("shop", "till")];
        let of_none = message(None, vec![]);
        assert!(of_none.contains("for this cluster") && !of_none.contains("AADSTS"), "{of_none}");
        let of_some = message(Some(incomplete()), vec![]);
        assert!(of_some.contains("for this cluster") && !of_some.contains("AADSTS"), "{of_some}");
        let all = message(Some(identity()), vec![]);
        assert!(all.contains("at all") && all.contains("AADSTS70025"), "{all}");
        for identity in [incomplete(), identity()] {
            let near = message(Some(identity), till());
            assert!(near.contains("AADSTS700213"), "{near}");
        }
    }
}
