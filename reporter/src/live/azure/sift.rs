//! Sifting: what of an answer is a fact, and a gap for what should be one and is not.

use serde_json::Value;
use wiguard_rules::model::{Cluster, FederatedIdentityCredential, Identity, Parent};

use super::client::Trouble;
use crate::collect::azure::{Unrecognised, recognise};
use crate::collect::{Gap, Missing, Resource};

/// A gap in a source.
pub(super) fn gap(source: &str, reason: String, extent: Missing) -> Gap {
    Gap { path: source.into(), line: None, reason, extent }
}

/// What is not known because of some trouble, and what to do.
pub(super) fn lack(source: &str, what: &str, trouble: &Trouble, permission: &str) -> Gap {
    let remedy = match trouble {
        Trouble::Denied(_) => format!("; grant {permission}, see `wiguard doctor`"),
        Trouble::Stopped => "; run it again to read it".into(),
        Trouble::Gone(_) | Trouble::Refused(..) => String::new(),
        Trouble::Broken(_) => "; run it again".into(),
        Trouble::Unknown(_) => "; see --credential and --tenant".into(),
    };
    gap(source, format!("{what}: {trouble}{remedy}"), Missing::Part)
}

/// What an item of a list is.
fn sift(value: &Value, gaps: &mut Vec<Gap>, source: &str) -> Option<Resource> {
    match recognise(value) {
        Ok(resource) => Some(resource),
        Err(Unrecognised::Useless(_)) => None,
        Err(Unrecognised::Strange(reason)) => {
            gaps.push(gap(source, format!("Azure answered what is not understood: {reason}"), Missing::Part));
            None
        }
    }
}

/// Managed identities, or app registrations.
pub(super) fn identities(items: &[Value], gaps: &mut Vec<Gap>, source: &str) -> Vec<Identity> {
    let sifted = items.iter().filter_map(|item| match sift(item, gaps, source)? {
        Resource::Identity(identity) => Some(identity),
        _ => None,
    });
    sifted.collect()
}

/// Clusters.
pub(super) fn clusters(items: &[Value], gaps: &mut Vec<Gap>, source: &str) -> Vec<Cluster> {
    let sifted = items.iter().filter_map(|item| match sift(item, gaps, source)? {
        Resource::Cluster(cluster) => Some(*cluster),
        _ => None,
    });
    sifted.collect()
}

/// Role assignments of what a managed identity or an app is in Entra; those of people and groups
/// are nobody's business here.
pub(super) fn roles(items: &[Value], gaps: &mut Vec<Gap>, source: &str) -> Vec<Resource> {
    let kind =
        |item: &Value| item.pointer("/properties/principalType").and_then(Value::as_str).map(str::to_ascii_lowercase);
    let own = items.iter().filter(|item| kind(item).is_none_or(|kind| kind == "serviceprincipal"));
    own.filter_map(|item| sift(item, gaps, source)).filter(|it| matches!(it, Resource::Role(_))).collect()
}

/// Identity bindings of one cluster; nothing if one of them is of another, or not understood.
pub(super) fn identity_bindings(items: &[Value], cluster: &str) -> Result<Vec<Resource>, Trouble> {
    let mut found = Vec::new();
    for item in items {
        match recognise(item) {
            Ok(Resource::Binding(binding)) if binding.cluster().eq_ignore_ascii_case(cluster) => {
                found.push(Resource::Binding(binding));
            }
            _ => return Err(Trouble::Broken("one of its identity bindings is not understood".into())),
        }
    }
    Ok(found)
}

/// The credentials of one identity; none if one of them is not understood, for then they are not all.
pub(super) fn credentials(items: &[Value], parent: &Parent) -> Result<Vec<FederatedIdentityCredential>, Trouble> {
    let mut found = Vec::new();
    for item in items {
        match recognise(item) {
            // Its identity is the one that was asked, whatever its own id says.
            Ok(Resource::Credential(credential)) => {
                found.push(FederatedIdentityCredential { parent: parent.clone(), ..credential });
            }
            _ => return Err(Trouble::Broken("one of its credentials is not understood".into())),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_credential_makes_the_list_unknown() {
        let parent = Parent::Id("app".into());
        let sound = json!({"id": "1", "name": "a", "issuer": "https://i/", "subject": "s", "audiences": ["x"]});
        let read = credentials(std::slice::from_ref(&sound), &parent).unwrap();
        assert_eq!(read.first().map(|it| &it.parent), Some(&parent));
        assert!(credentials(&[sound, json!({"name": "b"})], &parent).is_err());
    }

    #[test]
    fn what_is_not_understood_is_a_gap_and_the_rest_is_read() {
        let mut gaps = Vec::new();
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a";
        let items = [json!({"odd": 1}), json!({"id": id, "name": "a", "properties": {"clientId": "c"}}), json!(null)];
        assert_eq!(identities(&items, &mut gaps, "azure://s/identities").len(), 1);
        assert_eq!(gaps.len(), 2);
    }
}
