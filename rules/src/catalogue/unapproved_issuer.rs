//! A credential trusts an issuer that nobody approved.
//!
//! Whoever runs an issuer can become every identity that trusts it. Which issuers are yours to trust only
//! you know: name them in `allowedIssuers`, clusters and pipelines alike, and every other is reported.
//! Without that setting no issuer is, but for one kind: the tokens that Microsoft Entra gives to identities and
//! apps (`login.microsoftonline.com`, `sts.windows.net` and the like) no managed identity takes.
//!
//! Those that it signs for services of Microsoft's are others, and a managed identity takes them: their subject
//! begins with `/eid1/`, as that of a service connection of Azure DevOps,
//! `/eid1/c/pub/t/…/a/…/sc/ORGANIZATION/CONNECTION`, which has that issuer unless you say otherwise, or of a plugin
//! of Power Platform. For them the issuer is one like all others. An app registration may trust a managed identity, whose tokens Entra signs. The issuer of an identity
//! binding is set by AKS. A placeholder is not judged.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/entra, name: entra, issuer: "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0", subject: 55555555-5555-5555-5555-555555555555, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # no issuer is named in the settings
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/build, name: build, issuer: "https://gitlab.example.com", subject: "project_path:shop/cart:ref_type:branch:ref:main", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # an app registration trusts a managed identity
//! [{id: 77777777-7777-7777-7777-777777777777, appId: 5a1e2c3d-0002-4000-8000-000000000001, displayName: cart}]
//! ---
//! {"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#applications('77777777-7777-7777-7777-777777777777')/federatedIdentityCredentials", value: [{id: 88888888-8888-8888-8888-888888888888, name: identity, issuer: "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0", subject: 55555555-5555-5555-5555-555555555555, audiences: ["api://AzureADTokenExchange"]}]}
//! ```
//!
//! ```yaml
//! # a service connection of Azure DevOps
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/deploy/federatedIdentityCredentials/ado, name: ado, issuer: "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0", subject: /eid1/c/pub/t/W06OnsIdVk-OVUhHzp7xtA/a/EJEmmM-aEU2o8V6ZW3eZEQ/sc/66666666-6666-6666-6666-666666666666/77777777-7777-7777-7777-777777777777, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # an identity binding
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/aks-identity-binding, name: aks-identity-binding, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
use crate::model::{IdentityKind, Parent, is_placeholder};
use crate::parameters::any_glob;
use crate::prelude::*;
use crate::repair;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a credential trusts an issuer that nobody approved",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &["700222"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

/// Hosts under which Microsoft Entra issues tokens itself (Microsoft Entra, federated credential considerations).
const ENTRA: [&str; 4] = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"];

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let (issuer, allowed) = (&credential.issuer, trust.parameters().allowed_issuers());
    if is_placeholder(issuer.as_str()) || issuer.is_identity_binding() {
        return Ok(None);
    }
    let (message, remedy) = if is_entra(issuer) && !is_of_service(credential) {
        match kind(credential, trust) {
            Some(IdentityKind::Application) => return Ok(None),
            Some(IdentityKind::UserAssigned) => {}
            None => return Err(Unknown(Key::Parent(credential.name.clone()))),
        }
        let message = format!("trusts Microsoft Entra itself, `{issuer}`, whose tokens no managed identity takes");
        (message, "name the cluster's or the pipeline's own issuer".to_owned())
    } else if allowed.is_empty() || any_glob(allowed, issuer.as_str()) {
        return Ok(None);
    } else {
        let message = format!("trusts `{issuer}`, which is none of the approved issuers");
        (message, "add the issuer to `allowedIssuers`, if it is yours to trust".to_owned())
    };
    Ok(Some(
        Finding::new(RULE.severity, "issuer", message)
            .with("issuer", issuer.as_str())
            .with("allowedIssuers", allowed.to_vec())
            .fix(format!("{remedy}; else: {}", repair::removal(trust, credential))),
    ))
}

fn is_entra(issuer: &Issuer) -> bool {
    let host = issuer.host().to_ascii_lowercase();
    let under = |known: &&str| host.strip_suffix(*known).is_some_and(|head| head.is_empty() || head.ends_with('.'));
    ENTRA.iter().any(under)
}

/// Whether it trusts a service of Microsoft's (Microsoft Learn, "Convert service connections to use the Microsoft
/// Entra issuer", and "Set up managed identity for Dataverse plug-ins").
fn is_of_service(credential: &FederatedIdentityCredential) -> bool {
    credential.subject.as_ref().is_some_and(|subject| subject.as_str().starts_with("/eid1/"))
}

fn kind(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Option<IdentityKind> {
    match (trust.parent(credential), &credential.parent) {
        (Some(identity), _) => Some(identity.kind),
        (None, Parent::Resource(_)) => Some(IdentityKind::UserAssigned),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;
    use crate::model::Origin;
    use crate::parameters::Parameters;

    fn credential(issuer: &str, parent: Parent) -> FederatedIdentityCredential {
        FederatedIdentityCredential {
            name: "fc".into(),
            id: String::new(),
            parent,
            issuer: issuer.into(),
            subject: Some(Subject::of("shop", "cart")),
            audiences: Vec::new(),
            expression: None,
            declared: None,
            origin: Origin::default(),
        }
    }

    #[test]
    fn what_is_not_allowed_is_found_once_something_is() {
        let inventory = Inventory::default();
        let of = || Parent::Resource("/id".into());
        for (allowed, issuer, found) in [
            (vec![], "https://gitlab.example.com", false),
            (vec!["https://gitlab.example.com".to_owned()], "https://gitlab.example.com", false),
            (vec!["https://*.oic.prod-aks.azure.com/*".to_owned()], "https://gitlab.example.com", true),
            (vec!["https://gitlab.example.com".to_owned()], "https://gitlab.example.com/", true),
            (vec!["*".to_owned()], "https://sts.windows.net/tenant/", true),
            (vec!["https://a".to_owned()], "${ISSUER}", false),
        ] {
            let parameters = Parameters { allowed_issuers: allowed, ..Parameters::default() };
            let verdict = check(&credential(issuer, of()), &Trust::join(&inventory, &parameters));
            assert_eq!(verdict.map(|finding| finding.is_some()), Ok(found), "{parameters:?} on {issuer}");
        }
    }

    #[test]
    fn what_entra_signs_for_a_service_is_like_any_other_issuer_s() {
        let inventory = Inventory::default();
        let (connection, issuer) =
            ("/eid1/c/pub/t/t/a/a/sc/org/connection", "https://login.microsoftonline.com/t/v2.0");
        for (subject, allowed, found) in [
            (connection, None, false),
            (connection, Some("https://login.microsoftonline.com/*"), false),
            (connection, Some("https://gitlab.example.com"), true),
            ("/eid1/c/pub/t/t/a/a/n/plugin/e/e/h/h", None, false),
            ("sc://org/sc/connection", None, true),
        ] {
            let parameters = Parameters {
                allowed_issuers: allowed.map(Into::into).into_iter().collect(),
                ..Parameters::default()
            };
            let it = FederatedIdentityCredential {
                subject: Some(subject.into()),
                ..credential(issuer, Parent::Resource("/id".into()))
            };
            let verdict = check(&it, &Trust::join(&inventory, &parameters));
            assert_eq!(verdict.map(|finding| finding.is_some()), Ok(found), "{subject}, {allowed:?}");
        }
    }

    #[test]
    fn whose_credential_it_is_must_be_known_to_blame_entra() {
        let (inventory, parameters) = (Inventory::default(), Parameters::default());
        let lost = credential("https://login.microsoftonline.com/tenant/v2.0", Parent::Unknown);
        assert!(check(&lost, &Trust::join(&inventory, &parameters)).is_err());
        assert!(!is_entra(&"https://notsts.windows.net/".into()));
    }
}
