//! A credential has a name or a claim that Azure does not take.
//!
//! A name has 3 to 120 letters, digits, `-` and `_`, and begins with a letter or a digit; subject and
//! audience have at most 600 characters (Azure Resource Manager, `federatedIdentityCredentials`). The
//! deployment that creates such a credential fails, and what it was to trust is trusted by nobody.
//!
//! Descriptions are not read, and how names should be made up in your house is not asked.
//! The issuer is `malformed-issuer`'s. A name that a later stage fills in is `unresolved-placeholder`'s,
//! and one that no source states is not judged.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/a, name: a, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/shop.cart, name: shop.cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/-cart, name: -cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # letters, digits, `-` and `_`
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod-weu_shop-cart, name: prod-weu_shop-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # of an identity binding
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/aks-identity-binding, name: aks-identity-binding, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a placeholder
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/x, name: "${NAME}", issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
use crate::model::is_placeholder;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a credential has a name or a claim that Azure does not take",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

/// Microsoft Entra, federated credential considerations.
const MAX_LENGTH: usize = 600;

fn check(credential: &FederatedIdentityCredential, _: &Trust<'_>) -> Verdict {
    let name = credential.name.as_str();
    let subject = credential.subject.as_ref().map_or("", Subject::as_str);
    let long = |text: &str| text.chars().count() > MAX_LENGTH;
    let (field, message) = if !name.is_empty() && !is_placeholder(name) && !is_name(name) {
        ("name", format!("name `{name}` is not 3 to 120 letters, digits, `-` and `_`, the first a letter or a digit"))
    } else if long(subject) {
        ("subject", format!("the subject has more than {MAX_LENGTH} characters"))
    } else if credential.audiences.iter().any(|audience| long(audience.as_str())) {
        ("audiences", format!("the audience has more than {MAX_LENGTH} characters"))
    } else {
        return Ok(None);
    };
    let fix = match field {
        "name" => "name the credential after its cluster and ServiceAccount, such as prod-weu-shop-cart",
        _ => "shorten it; a ServiceAccount's subject never has so many",
    };
    Ok(Some(Finding::new(RULE.severity, field, message).with("name", name).fix(fix)))
}

/// Whether Azure Resource Manager takes the name (`federatedIdentityCredentials`, `^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$`).
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (3..=120).contains(&name.len())
        && name.bytes().all(fits)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::model::{Origin, Parent};
    use crate::parameters::Parameters;

    #[test]
    fn names_are_those_that_azure_takes() {
        for (name, taken) in [("abc", true), ("ab", false), ("a-_", true), ("_ab", false), ("a b", false), ("äbc", false)] {
            assert_eq!(is_name(name), taken, "{name}");
        }
        assert!(is_name(&"a".repeat(120)) && !is_name(&"a".repeat(121)));
    }

    #[test]
    fn claims_have_six_hundred_characters_at_most() {
        let inventory = Inventory::default();
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        let judged = |subject: usize, audience: usize| {
            let credential = FederatedIdentityCredential {
                name: "prod".into(),
                id: String::new(),
                parent: Parent::Unknown,
                issuer: "https://issuer.example/".into(),
                subject: Some("s".repeat(subject).into()),
                audiences: vec!["a".repeat(audience).into()],
                expression: None,
                declared: None,
                origin: Origin::default(),
            };
            check(&credential, &trust).unwrap().map(|finding| finding.field)
        };
        assert_eq!(judged(600, 600), None);
        assert_eq!(judged(601, 1).as_deref(), Some("subject"));
        assert_eq!(judged(1, 601).as_deref(), Some("audiences"));
    }
}
