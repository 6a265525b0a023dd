//! Needs: everything that a scan must be allowed to do, from the tables that the readers read by,
//! and the roles that grant exactly that.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use crate::live::azure::actions::{ACTIONS, PERMISSIONS, ROOT};
use crate::live::kube::kinds::{ISSUER_PATH, Kind};

/// The name of the roles.
const NAME: &str = "wiguard";

/// The group of Kubernetes' roles.
const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// Something that must be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What.
    pub what: What,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether the chain is judged without it, as far as it is known then.
    pub optional: bool,
}

/// What must be allowed, by whom it is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A verb on a resource of Kubernetes.
    Resource {
        /// The verb.
        verb: &'static str,
        /// The API group, empty for the core group.
        group: &'static str,
        /// The resource.
        resource: &'static str,
        /// The namespace; all, or none of them, if there is none.
        namespace: Option<String>,
        /// The one object that it is needed on, if it is not all.
        name: Option<&'static str>,
    },
    /// To get a path of an API server that is no resource.
    Path(&'static str),
    /// An action of Azure.
    Action(&'static str),
    /// An application permission of Microsoft Graph.
    Permission(&'static str),
}

/// What is needed of a cluster, or of one namespace of it, to read these kinds.
pub fn of_cluster(kinds: impl Iterator<Item = Kind>, namespace: Option<&str>) -> Vec<Need> {
    let needs = kinds.flat_map(|kind| {
        kind.verbs(namespace.is_some()).iter().map(move |verb| Need {
            what: What::Resource {
                verb,
                group: kind.group,
                resource: kind.resource,
                namespace: namespace.filter(|_| kind.namespaced).map(str::to_owned),
                name: kind.only,
            },
            purpose: kind.serves,
            optional: kind.optional,
        })
    });
    let issuer =
        Need { what: What::Path(ISSUER_PATH), purpose: "which issuer the cluster's tokens name", optional: false };
    needs.chain([issuer]).collect()
}

/// What is needed of a subscription.
pub fn of_subscription() -> Vec<Need> {
    let need = |it: &crate::live::azure::actions::Action| Need {
        what: What::Action(it.name),
        purpose: it.purpose,
        optional: it.optional,
    };
    ACTIONS.iter().map(need).collect()
}

/// What is needed of a tenant.
pub fn of_tenant() -> Vec<Need> {
    let need = |it: &crate::live::azure::actions::Permission| Need {
        what: What::Permission(it.name),
        purpose: it.purpose,
        optional: it.optional,
    };
    let root = Need { what: What::Action(ROOT.name), purpose: ROOT.purpose, optional: ROOT.optional };
    PERMISSIONS.iter().map(need).chain([root]).collect()
}

/// The application permissions of Microsoft Graph among the needs.
pub fn permissions(needs: &[Need]) -> Vec<&'static str> {
    let permission = |need: &Need| match need.what {
        What::Permission(name) => Some(name),
        _ => None,
    };
    needs.iter().filter_map(permission).collect()
}

/// The roles of Kubernetes that grant the needs and nothing else: a ClusterRole, and a Role for
/// what is needed of a namespace alone.
pub fn roles(needs: &[Need]) -> Vec<Value> {
    let mut namespaces: BTreeMap<Option<&str>, Rules> = BTreeMap::new();
    for need in needs {
        match &need.what {
            What::Resource { verb, group, resource, namespace, name } => {
                let rules = namespaces.entry(namespace.as_deref()).or_default();
                rules.resource(verb, group, resource, *name);
            }
            What::Path(path) => namespaces.entry(None).or_default().path(path),
            What::Action(_) | What::Permission(_) => {}
        }
    }
    let role = |(namespace, rules): (Option<&str>, Rules)| match namespace {
        None => json!({"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": NAME}, "rules": rules.json()}),
        Some(namespace) => json!({
            "apiVersion": RBAC, "kind": "Role", "metadata": {"name": NAME, "namespace": namespace},
            "rules": rules.json(),
        }),
    };
    namespaces.into_iter().map(role).collect()
}

/// What `az role definition create` takes: a role that grants the needs and nothing else, for use
/// in these scopes.
pub fn role_definition(needs: &[Need], scopes: &[String]) -> Value {
    let action = |need: &Need| match need.what {
        What::Action(action) => Some(action),
        _ => None,
    };
    let unknown = || vec!["/subscriptions/00000000-0000-0000-0000-000000000000".to_owned()];
    json!({
        "Name": NAME,
        "IsCustom": true,
        "Description": "Reads what wiguard scans: managed identities, their federated credentials, and clusters",
        "Actions": needs.iter().filter_map(action).collect::<Vec<_>>(),
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": if scopes.is_empty() { unknown() } else { scopes.to_vec() },
    })
}

/// What a rule of a role is about: group, resource, and the one object, if it is not all.
type Granted = (&'static str, &'static str, Option<&'static str>);

/// The rules of a role as they come together: one for each API group and set of verbs.
#[derive(Default)]
struct Rules {
    /// The verbs on each resource, or on one object of it, in the order of needs.
    resources: Vec<(Granted, Vec<&'static str>)>,
    paths: Vec<&'static str>,
}

// === impl Rules ===

impl Rules {
    fn resource(
        &mut self,
        verb: &'static str,
        group: &'static str,
        resource: &'static str,
        name: Option<&'static str>,
    ) {
        match self.resources.iter_mut().find(|(known, _)| *known == (group, resource, name)) {
            Some((_, verbs)) if verbs.contains(&verb) => {}
            Some((_, verbs)) => verbs.push(verb),
            None => self.resources.push(((group, resource, name), vec![verb])),
        }
    }

    fn path(&mut self, path: &'static str) {
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }

    fn json(self) -> Value {
        let mut rules: Vec<(&str, Vec<&str>, Vec<&str>)> = Vec::new();
        let mut named = Vec::new();
        for ((group, resource, name), verbs) in self.resources {
            if let Some(name) = name {
                named.push(
                    json!({"apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": verbs}),
                );
                continue;
            }
            match rules.iter_mut().find(|(known, _, also)| *known == group && *also == verbs) {
                Some((_, resources, _)) => resources.push(resource),
                None => rules.push((group, vec![resource], verbs)),
            }
        }
        let mut rules: Vec<Value> = rules
            .into_iter()
            .map(|(group, resources, verbs)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs}))
            .chain(named)
            .collect();
        if !self.paths.is_empty() {
            rules.push(json!({"nonResourceURLs": self.paths, "verbs": ["get"]}));
        }
        rules.into()
    }
}

// === impl What ===

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource { verb, group, resource, namespace, name } => {
                write!(f, "{verb} {resource}")?;
                if !group.is_empty() {
                    write!(f, ".{group}")?;
                }
                if let Some(name) = name {
                    write!(f, "/{name}")?;
                }
                match namespace {
                    Some(namespace) => write!(f, " -n {namespace}"),
                    None => Ok(()),
                }
            }
            Self::Path(path) => write!(f, "get {path}"),
            Self::Action(name) | Self::Permission(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::live::kube::kinds::{self, Kind};

    fn kinds() -> impl Iterator<Item = Kind> {
        kinds::kinds().chain([kinds::SETTINGS])
    }

    /// Every single thing that roles grant, as needs are named.
    fn granted(roles: &[Value]) -> Vec<String> {
        let texts = |value: &Value| -> Vec<String> {
            let elements = value.as_array().into_iter().flatten();
            elements.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let mut granted = Vec::new();
        for role in roles {
            let within = role["metadata"]["namespace"].as_str().map(|name| format!(" -n {name}")).unwrap_or_default();
            for rule in role["rules"].as_array().unwrap() {
                for verb in texts(&rule["verbs"]) {
                    for path in texts(&rule["nonResourceURLs"]) {
                        granted.push(format!("{verb} {path}"));
                    }
                    for group in texts(&rule["apiGroups"]) {
                        let dot = if group.is_empty() { "" } else { "." };
                        let name = texts(&rule["resourceNames"]).first().map(|it| format!("/{it}")).unwrap_or_default();
                        for resource in texts(&rule["resources"]) {
                            granted.push(format!("{verb} {resource}{dot}{group}{name}{within}"));
                        }
                    }
                }
            }
        }
        granted
    }

    #[test]
    fn roles_grant_every_need_once_and_nothing_else() {
        for namespace in [None, Some("shop")] {
            let needs = of_cluster(kinds(), namespace);
            let granted = granted(&roles(&needs));
            let once: BTreeSet<&String> = granted.iter().collect();
            let needed: Vec<String> = needs.iter().map(|need| need.what.to_string()).collect();
            assert_eq!(once.len(), granted.len(), "{granted:?}");
            assert_eq!(once, needed.iter().collect::<BTreeSet<_>>());
        }
    }

    #[test]
    fn what_several_clusters_need_is_granted_once() {
        let needs = of_cluster(kinds(), None);
        assert_eq!(roles(&[needs.clone(), needs.clone()].concat()), roles(&needs));
    }

    #[test]
    fn one_namespace_takes_a_role_in_it_and_a_cluster_role_for_what_is_in_none() {
        let roles = roles(&of_cluster(kinds(), Some("shop")));
        let kinds: Vec<_> = roles.iter().map(|role| (&role["kind"], &role["metadata"]["namespace"])).collect();
        assert_eq!(kinds, [(&Value::from("ClusterRole"), &Value::Null), (&"Role".into(), &"shop".into())]);
        assert!(!roles[0]["rules"].to_string().contains("pods") && roles[1]["rules"].to_string().contains("pods"));
    }

    #[test]
    fn no_role_grants_a_star_or_anything_but_to_read() {
        let roles = roles(&of_cluster(kinds(), None));
        assert!(granted(&roles).iter().all(|grant| grant.starts_with("get ") || grant.starts_with("list ")));
        let definition = role_definition(&of_subscription(), &[]);
        assert!(!definition.to_string().contains('*') && !Value::from(roles).to_string().contains('*'));
        let actions = definition["Actions"].as_array().unwrap();
        assert_eq!(actions.len(), ACTIONS.len());
        assert!(actions.iter().all(|action| action.as_str().unwrap().ends_with("/read")));
    }

    #[test]
    fn a_role_definition_is_for_the_scopes_that_are_read() {
        let scopes = ["/subscriptions/a".to_owned(), "/providers/Microsoft.Management/managementGroups/g".to_owned()];
        assert_eq!(role_definition(&of_subscription(), &scopes)["AssignableScopes"], json!(scopes));
        assert_eq!(role_definition(&[], &[])["AssignableScopes"].as_array().unwrap().len(), 1, "az wants one");
    }
}
