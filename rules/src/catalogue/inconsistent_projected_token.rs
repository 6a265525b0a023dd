//! A token that the pods project for Azure cannot be exchanged, or is not where it is looked for.
//!
//! Who projects a token by hand says three things that must agree: for whom it is, how long it lasts,
//! and where it lies. Entra compares the audience byte for byte. The API server grants no lifetime below
//! 600 seconds, and a token of more than a day is refused or cut short. `AZURE_FEDERATED_TOKEN_FILE` is
//! where the SDK looks.
//!
//! An odd audience is none to tell of if a credential of the identity accepts it, or if the pods name no identity.
//! Tokens for other systems, such as a vault, are not judged, but where a container looks for one of them though the
//! pods project one for Azure, and no credential of the identity accepts it. Nor is the file judged where something
//! else is mounted that may bring it, where its path is relative, leads upwards or is filled in later, or of a pod that
//! opts in, whose token the webhook brings. The policy leaves it to the audit, which sees the credentials.
//!
//! # Fails
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/cart, name: cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]
//!   volumes: [{name: entra, projected: {sources: [{serviceAccountToken: {path: token, audience: "api://AzureAdTokenExchange"}}]}}]
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   volumes: [{name: entra, projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 599, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   containers:
//!   - name: app
//!     env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/entra/azure-token}]
//!     volumeMounts: [{name: entra, mountPath: /var/run/entra}]
//!   volumes: [{name: entra, projected: {sources: [{serviceAccountToken: {path: token, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! ```yaml
//! # its sidecar alone mounts the token
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   containers:
//!   - name: app
//!     env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/entra/token}]
//!   - name: sidecar
//!     volumeMounts: [{name: entra, mountPath: /var/run/entra}]
//!   volumes: [{name: entra, projected: {sources: [{serviceAccountToken: {path: token, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # all agrees, in a sovereign cloud too
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   containers:
//!   - name: app
//!     env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/entra/token}]
//!     volumeMounts: [{name: entra, mountPath: /var/run/entra/}]
//!   volumes: [{name: entra, projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 86400, audience: "api://AzureADTokenExchangeUSGov"}}]}}]
//! ```
//!
//! ```yaml
//! # for another system
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   containers:
//!   - name: app
//!     env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/entra/token}]
//!     volumeMounts: [{name: vault, mountPath: /var/run/vault}]
//!   volumes: [{name: vault, projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 172800, audience: vault}}]}}]
//! ```
//!
//! ```yaml
//! # the webhook brings the token that is looked for
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers:
//!   - name: app
//!     env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}]
//!     volumeMounts: [{name: entra, mountPath: /var/run/entra}]
//!   volumes: [{name: entra, projected: {sources: [{serviceAccountToken: {path: token, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! ```yaml
//! # a credential accepts the audience
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/cart, name: cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureAdTokenExchange"]}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]
//!   volumes: [{name: entra, projected: {sources: [{serviceAccountToken: {path: token, audience: "api://AzureAdTokenExchange"}}]}}]
//! ```
use crate::model::{DEFAULT_AUDIENCE, Mount, Token, is_whole};
use crate::prelude::*;
use crate::trust::Unknown;

pub(super) static RULE: Rule = Rule {
    summary: "a token that the pods project for Azure cannot be exchanged, or is not where it is looked for",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &["700212"],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

const VARIABLE: &str = "AZURE_FEDERATED_TOKEN_FILE";

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let tokens: Vec<&Token> = workload.own_tokens().filter(|token| is_for_azure(token.audience.as_str())).collect();
    let misplaced = misplaced(workload, &tokens, trust);
    if let Some(found) = misplaced.clone().ok().flatten().or_else(|| short_or_long(workload, &tokens)) {
        return Ok(Some(found));
    }
    misplaced?;
    for token in tokens {
        if is_known(&token.audience, trust) || is_accepted(workload, &token.audience, trust)? {
            continue;
        }
        let field = volume(workload, token);
        let message = format!("the projected token is for `{}`, which no credential of the identity accepts", token.audience);
        let fix = format!("set the audience in `{field}` to `{DEFAULT_AUDIENCE}`, or to that of the credential");
        let finding = Finding::new(RULE.severity, field, message).with("audience", token.audience.as_str()).fix(fix);
        let expected = finding.breaks(Hop::Credential).expected(DEFAULT_AUDIENCE, Some(token.audience.as_str()));
        return Ok(Some(expected));
    }
    Ok(None)
}

fn is_for_azure(audience: &str) -> bool {
    audience.to_ascii_lowercase().contains("azureadtokenexchange")
}

/// Those of Azure's clouds (Microsoft Entra, a managed identity as a federated credential), and those declared.
fn is_known(audience: &Audience, trust: &Trust<'_>) -> bool {
    let cloud = audience.as_str().strip_prefix(DEFAULT_AUDIENCE);
    trust.parameters().audiences.contains(audience)
        || cloud.is_some_and(|cloud| ["", "USGov", "China", "USNat", "USSec"].contains(&cloud))
}

/// Whether a credential of the identity that the pods name accepts it; so it is where they name none.
fn is_accepted(workload: &Workload, audience: &Audience, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let literal = workload.containers().find_map(|(container, _)| container.literal("AZURE_CLIENT_ID"));
    let client_id = match literal {
        Some(text) => Some(text.into()),
        None => trust.service_account(workload).known()?.and_then(ServiceAccount::client_id),
    };
    let Some(client_id) = client_id else { return Ok(true) };
    let Some(identity) = trust.identity(&client_id).known()? else { return Ok(true) };
    let accepts = |credential: &&FederatedIdentityCredential| credential.audiences.contains(audience);
    if trust.credentials_seen(identity).iter().any(accepts) {
        return Ok(true);
    }
    trust.credentials(identity).map(|_| false)
}

fn short_or_long(workload: &Workload, tokens: &[&Token]) -> Option<Finding> {
    tokens.iter().find_map(|token| {
        let seconds = token.lifetime.filter(|seconds| !(600..=86400).contains(seconds))?;
        let field = volume(workload, token);
        let message = format!("the projected token is to last {seconds} seconds, which is not from 600 to 86400");
        let fix = format!("set `expirationSeconds` in `{field}` to 3600");
        let finding = Finding::new(RULE.severity, field, message).with("seconds", seconds).fix(fix);
        // One of more than a day may be cut short.
        let finding = finding.breaks_if(seconds < 600, Hop::Token);
        Some(finding.expected("from 600 to 86400", Some(&seconds.to_string())))
    })
}

/// A container that looks for the token where none is, or where that of another system is.
fn misplaced(workload: &Workload, tokens: &[&Token], trust: &Trust<'_>) -> Verdict {
    if workload.opts_in() || tokens.is_empty() {
        return Ok(None);
    }
    let mut unknown = None;
    for (container, place) in workload.containers() {
        let Some(named) = container.literal(VARIABLE) else { continue };
        let is_token = |mount: &Mount| workload.own_tokens().any(|token| token.volume == mount.volume);
        // What else is mounted there may bring it.
        let may_be = container.mounts.iter().any(|mount| mount.may_hold(named) && !is_token(mount));
        if !is_whole(named) || may_be || tokens.iter().any(|token| container.finds(token)) {
            continue;
        }
        // It may be meant for Entra whatever its audience.
        let accepted = match workload.own_tokens().find(|token| container.finds(token)) {
            Some(other) => is_accepted(workload, &other.audience, trust).map(|accepted| (accepted, Some(other))),
            None => Ok((false, None)),
        };
        match accepted {
            Ok((true, _)) => {}
            Ok((false, other)) => {
                if let Some(found) = looks_wrong(workload, (container, place), named, tokens, other) {
                    return Ok(Some(found));
                }
            }
            Err(lacking) => unknown = Some(lacking),
        }
    }
    unknown.map_or(Ok(None), Err)
}

/// What is wrong with the file that a container names: `other` is the token it is of, if it is one's.
fn looks_wrong(
    workload: &Workload,
    (container, place): (&Container, Place),
    named: &str,
    tokens: &[&Token],
    other: Option<&Token>,
) -> Option<Finding> {
    let field = format!("{place}.env[{VARIABLE}]");
    let what = other.map_or_else(
        || "where none is mounted".into(),
        |other| format!("which is one for `{}`, and no credential of the identity accepts that", other.audience),
    );
    let message = format!("container `{}` looks for the token at `{named}`, {what}", container.name);
    let mut mounted = tokens.iter().filter_map(|token| {
        let mount = container.mounts.iter().find(|mount| mount.volume == token.volume)?;
        Some((*token, format!("{}/{}", mount.path.trim_end_matches('/'), token.path)))
    });
    let (token, file, fix) = match (mounted.next(), tokens.first()) {
        (Some((token, file)), _) => {
            let fix = format!("set `{field}` to `{file}`");
            (token, file, fix)
        }
        (None, Some(token)) => {
            let fix = format!(
                "mount `{}` in container `{}`, and set `{field}` to the path of file `{}` there",
                volume(workload, token),
                container.name,
                token.path
            );
            (*token, format!("file `{}` of volume `{}`, mounted", token.path, token.volume), fix)
        }
        (None, None) => return None,
    };
    let finding = Finding::new(RULE.severity, field, message).with("volume", token.volume.as_str());
    let finding = finding.breaks(Hop::Token).expected(&file, Some(named));
    Some(finding.with("file", file.as_str()).fix(fix))
}

fn volume(workload: &Workload, token: &Token) -> String {
    format!("{}.volumes[{}]", workload.kind.spec_path(), token.volume)
}
