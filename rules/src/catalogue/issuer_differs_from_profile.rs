//! The API server signs tokens under another issuer than Azure says, or by keys that Entra does not take.
//!
//! Credentials are made from what Azure says (`oidcIssuerProfile.issuerUrl`), but Entra reads the
//! `iss` of the token, which the API server writes as its `--service-account-issuer` says. On
//! Arc-enabled clusters somebody has to set that flag by hand. Until the two are equal, byte for byte,
//! every credential made from Azure's word trusts nobody (AADSTS700211).
//!
//! Nothing is said unless both are known: the API server's word is its own discovery document,
//! `/.well-known/openid-configuration`. Where you declare Azure's word among the issuers of the cluster, one
//! is on the way to the other, on purpose, and nothing is said.
//!
//! Entra takes no token that is signed with an elliptic curve (AADSTS5002738). An API server whose keys are of
//! curves alone says so in the same document, and in its key set, `/openid/v1/jwks`: none of its tokens can be
//! exchanged. Beside RSA keys they do no harm that can be told: which of them signs is not said. Of RSA,
//! Microsoft supports RS256 and has not tested the other algorithms, of which nothing is said here. A key set
//! names no issuer, and one that merely lies beside a cluster's description may be another service's: it is
//! the cluster's if it stands in one file with the description or the discovery document, if that document lies
//! beside it and its `jwks_uri` ends in the name of its file (`jwks`), if its file is called `openid-v1-jwks.json`,
//! or by your word, `--cluster NAME=FILE`. Whether
//! Entra can fetch the keys takes the network that Entra asks from, and is not tried.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {issuer: "https://kubernetes.default.svc.cluster.local", jwks_uri: "https://10.0.0.1:6443/openid/v1/jwks", id_token_signing_alg_values_supported: [RS256]}
//! ```
//!
//! ```yaml
//! # keys of an elliptic curve
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {issuer: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", jwks_uri: "https://10.0.0.1:6443/openid/v1/jwks", id_token_signing_alg_values_supported: [ES256]}
//! ```
//!
//! ```yaml
//! # the key set alone
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {keys: [{use: sig, kty: EC, kid: a, crv: P-256, alg: ES256, x: a, y: b}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # an RSA algorithm that Microsoft has not tested
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {keys: [{use: sig, kty: RSA, kid: a, alg: RS512, n: a, e: AQAB}]}
//! ```
//!
//! ```yaml
//! # one of the keys is of RS256
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {keys: [{use: sig, kty: EC, kid: a, crv: P-256, alg: ES256, x: a, y: b}, {use: sig, kty: RSA, kid: b, n: a, e: AQAB}]}
//! ```
//!
//! ```yaml
//! # they agree
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {issuer: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", jwks_uri: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/openid/v1/jwks"}
//! ```
//!
//! ```yaml
//! # only Azure was asked
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ```
use crate::model::Platform;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "the API server's issuer is not what Azure says it is, or its keys are none that Entra takes",
    severity: Severity::Critical,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &["700211", "5002738", "900612"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Cluster(check)],
};

/// What Microsoft supports (Learn, considerations of federated credentials, supported signing algorithms).
#[cfg(feature = "audit")]
const RS256: &str = "RS256";

fn check(cluster: &Cluster, _: &Trust<'_>) -> Verdict {
    let profile = cluster.profile_issuer.as_ref().filter(|profile| !cluster.other_issuers.contains(profile));
    let (Some(own), Some(profile)) = (&cluster.issuer, profile) else { return Ok(signed_otherwise(cluster)) };
    let fix = match cluster.platform {
        Platform::Arc => format!(
            "set `--service-account-issuer={profile}` first among those of the API server, then restart the pods that use workload identity"
        ),
        Platform::Aks | Platform::Other => {
            format!("describe the cluster anew; if Azure still says so, make its credentials with issuer {own}")
        }
    };
    Ok(Some(
        Finding::new(
            RULE.severity,
            "oidcIssuerProfile.issuerUrl",
            format!("its API server signs tokens as `{own}`, while Azure says that its issuer is `{profile}`; credentials made from the latter trust none of its pods"),
        )
        .with("issuer", own.as_str())
        .with("profileIssuer", profile.as_str())
        .fix(fix),
    ))
}

#[cfg(not(feature = "audit"))]
fn signed_otherwise(_: &Cluster) -> Option<Finding> {
    None
}

/// Whether all keys of the cluster are of elliptic curves, whose algorithms are `ES…` (RFC 7518).
#[cfg(feature = "audit")]
fn signed_otherwise(cluster: &Cluster) -> Option<Finding> {
    if cluster.signing.is_empty() || cluster.signing.iter().any(|algorithm| !algorithm.starts_with("ES")) {
        return None;
    }
    let algorithms = cluster.signing.join(", ");
    Some(
        Finding::new(
            RULE.severity,
            "id_token_signing_alg_values_supported",
            format!("its API server signs tokens by {algorithms}, which Entra does not take: no token of this cluster can be exchanged"),
        )
        .breaks(Hop::Cluster)
        .expected(RS256, Some(&algorithms))
        .with("algorithms", algorithms)
        .fix("give the API server an RSA key (--service-account-signing-key-file) and publish it, then make the pods anew"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;
    use crate::parameters::Parameters;

    #[test]
    fn an_issuer_that_is_declared_as_well_is_on_its_way() {
        let (inventory, parameters) = (Inventory::default(), Parameters::default());
        let mut cluster = Cluster {
            issuer: Some("https://new.example.com".into()),
            profile_issuer: Some("https://old.example.com".into()),
            ..Cluster::default()
        };
        let found = |cluster: &Cluster| check(cluster, &Trust::join(&inventory, &parameters)).map(|it| it.is_some());
        assert_eq!(found(&cluster), Ok(true));
        cluster.other_issuers.push("https://old.example.com".into());
        assert_eq!(found(&cluster), Ok(false));
    }
}
