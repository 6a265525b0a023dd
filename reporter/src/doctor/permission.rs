//! Permissions of Azure: what the roles that the caller has at a scope let it do.

use serde::Deserialize;

/// What one role grants (learn.microsoft.com/rest/api/authorization/permissions).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Permission {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

/// Whether any of the roles grants an action. What one role leaves out, another may still grant
/// (learn.microsoft.com/azure/role-based-access-control/role-definitions#notactions).
pub(super) fn grant(permissions: &[Permission], action: &str) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
    permissions.iter().any(|role| any(&role.actions) && !any(&role.not_actions))
}

/// Whether an action is among those that a pattern names: `*` stands for any text, slashes
/// included, and case does not matter.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| action.strip_prefix(head)) else { return false };
    let Some(tail) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value, json};

    use super::{Permission, grant, matches};

    const CREDENTIALS: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read";

    fn roles(answer: &Value) -> Vec<Permission> {
        serde_json::from_value(answer.clone()).unwrap()
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for pattern in [
            "*",
            "**",
            "*/read",
            "Microsoft.ManagedIdentity/*",
            "Microsoft.ManagedIdentity/*/read",
            "microsoft.managedidentity/USERASSIGNEDIDENTITIES/*",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.*/federatedIdentityCredentials/*",
            CREDENTIALS,
            "*Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read*",
        ] {
            assert!(matches(pattern, CREDENTIALS), "{pattern}");
        }
        for pattern in [
            "",
            "*/write",
            "*/rea",
            "read",
            "Microsoft.ManagedIdentity",
            "Microsoft.ManagedIdentity/userAssignedIdentities/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read/*",
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read/*read",
            "Microsoft.ContainerService/*/read",
            "*/assign/*",
        ] {
            assert!(!matches(pattern, CREDENTIALS), "{pattern}");
        }
        assert!(!matches("a*a", "a"), "the two may not share a letter");
        assert!(!matches("ab*ba", "aba"));
    }

    #[test]
    fn what_one_role_leaves_out_another_may_grant() {
        let contributor = json!({"actions": ["*"], "notActions": ["Microsoft.Authorization/*/write"]});
        let write = "Microsoft.Authorization/roleAssignments/write";
        let all = roles(&json!([contributor]));
        assert!(grant(&all, CREDENTIALS) && !grant(&all, write));
        let both = roles(&json!([contributor, {"actions": ["microsoft.authorization/roleassignments/*"]}]));
        assert!(grant(&both, write));
    }

    #[test]
    fn what_a_role_leaves_out_is_left_out_in_whatever_case() {
        let but = roles(&json!([{
            "actions": ["*/read"],
            "notActions": ["MICROSOFT.MANAGEDIDENTITY/*/FEDERATEDIDENTITYCREDENTIALS/*"],
        }]));
        assert!(!grant(&but, CREDENTIALS));
        assert!(grant(&but, "Microsoft.ManagedIdentity/userAssignedIdentities/read"));
    }

    #[test]
    fn data_actions_and_nothing_grant_nothing() {
        assert!(!grant(&[], CREDENTIALS));
        assert!(!grant(&roles(&json!([{"dataActions": ["*"]}, {"actions": []}])), CREDENTIALS));
    }
}
