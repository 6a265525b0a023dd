//! Roles and their bindings: which of their rules let somebody become an identity. Only the audit
//! reads them.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json::{Fault, Json, Wanted};
use crate::model::rbac::{IDENTITY_GROUP, USE_IDENTITY};
use crate::model::{Grant, POD_BEARING, Power, Principal, Shape};

/// The API group of Roles and their bindings.
pub(super) const GROUP: &str = "rbac.authorization.k8s.io";

/// What a Role or a binding says, beside its metadata.
#[derive(Default)]
pub(super) struct Said {
    rules: Option<Vec<Grant>>,
    /// Whether there is any rule, also one that grants nothing of interest.
    has_rules: bool,
    subjects: Option<Vec<Principal>>,
    role: Option<(bool, String)>,
    aggregated: bool,
}

impl Said {
    /// Reads a member of the object.
    pub(super) fn member(&mut self, key: &'static str, json: &mut dyn Json<'_>) -> Result<(), Fault> {
        let twice = match key {
            "rules" => self.rules.is_some(),
            "subjects" => self.subjects.is_some(),
            "roleRef" => self.role.is_some(),
            _ => self.aggregated,
        };
        match key {
            _ if twice => Err(Fault::duplicate_field(key)),
            "rules" => {
                let mut grants = Vec::new();
                json.elements(&mut |json| {
                    self.has_rules = true;
                    rule(&mut grants, json)
                })?;
                grants.sort_unstable();
                grants.dedup();
                self.rules = Some(grants);
                Ok(())
            }
            "subjects" => {
                let subjects = self.subjects.insert(Vec::new());
                json.elements(&mut |json| {
                    subjects.extend(subject(json)?);
                    Ok(())
                })
            }
            "roleRef" => {
                let (mut kind, mut name) = (String::new(), String::new());
                json.object(&mut [
                    ("kind", &mut |json| json.string().map(|text| kind = text)),
                    ("name", &mut |json| json.string().map(|text| name = text)),
                ])?;
                self.role = Some((kind == "ClusterRole", name));
                Ok(())
            }
            _ => {
                self.aggregated = json.read(Wanted::Keys(&mut |_| {}))?;
                Ok(())
            }
        }
    }

    /// What a role grants, and whether that is not all of it: a controller of the cluster writes into
    /// a role what it aggregates, and until it did so there is nothing.
    pub(super) fn role(self, live: bool) -> (Vec<Grant>, bool) {
        (self.rules.unwrap_or_default(), self.aggregated && !(live && self.has_rules))
    }

    /// The role that is bound, whether it is a ClusterRole, and who has it. A ServiceAccount that names no
    /// namespace is one of the binding's.
    pub(super) fn binding(self, namespace: &str) -> ((bool, String), Vec<Principal>) {
        let mut subjects = self.subjects.unwrap_or_default();
        for subject in &mut subjects {
            if let Principal::ServiceAccount(of, _) = subject
                && of.is_empty()
            {
                *of = namespace.into();
            }
        }
        (self.role.unwrap_or_default(), subjects)
    }
}

/// Reads who has a role. A ServiceAccount may be named as the user that it is.
fn subject(json: &mut dyn Json<'_>) -> Result<Option<Principal>, Fault> {
    let (mut kind, mut name, mut namespace) = (None, String::new(), String::new());
    json.object(&mut [
        ("kind", &mut |json| json.text().map(|text| kind = text.map(Cow::into_owned))),
        ("name", &mut |json| json.string().map(|text| name = text)),
        ("namespace", &mut |json| json.string().map(|text| namespace = text)),
    ])?;
    Ok(match kind.as_deref() {
        Some("User") => {
            let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            match account {
                Some((namespace, name)) => Some(Principal::ServiceAccount(namespace.into(), name.into())),
                None => Some(Principal::User(name)),
            }
        }
        Some("Group") => Some(Principal::Group(name)),
        Some("ServiceAccount") => Some(Principal::ServiceAccount(namespace, name)),
        // The API server knows no others.
        _ => None,
    })
}

/// A rule of a role.
#[derive(Default)]
struct Rule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
}

fn rule(grants: &mut Vec<Grant>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let mut rule = Rule::default();
    json.object(&mut [
        ("verbs", &mut |json| json.texts(&mut rule.verbs)),
        ("apiGroups", &mut |json| json.texts(&mut rule.groups)),
        ("resources", &mut |json| json.texts(&mut rule.resources)),
        ("resourceNames", &mut |json| json.texts(&mut rule.names)),
    ])?;
    rule.names.sort_unstable();
    rule.grants(grants);
    Ok(())
}

impl Rule {
    fn grants(self, grants: &mut Vec<Grant>) {
        let all = |list: &[String]| list.iter().any(|word| word == "*");
        let whole = self.names.is_empty();
        if whole && all(&self.verbs) && all(&self.groups) && all(&self.resources) {
            grants.push(Grant { power: Power::Everything, names: Vec::new() });
            return;
        }
        // To create something is never limited to names, but for what is created below a named object:
        // a request to create has no name yet (Kubernetes, Using RBAC Authorization).
        let unnamed = [
            (Power::MakePods, self.makes_pods()),
            (Power::CreateAccounts, self.allows(&["create"], "", "serviceaccounts")),
            (Power::CreateNamespaces, self.allows(&["create"], "", "namespaces")),
            (
                Power::GrantRoles,
                ["roles", "clusterroles"].iter().any(|roles| self.allows(&["escalate", "bind"], GROUP, roles)),
            ),
            (Power::Impersonate, ["users", "groups"].iter().any(|whom| self.allows(&["impersonate"], "", whom))),
        ];
        let named = [
            (Power::RequestTokens, self.allows(&["create"], "", "serviceaccounts/token")),
            (Power::AnnotateAccounts, self.allows(&["patch", "update"], "", "serviceaccounts")),
        ];
        let unnamed = unnamed.into_iter().filter(|(_, allows)| *allows && whole);
        grants.extend(unnamed.map(|(power, _)| Grant { power, names: Vec::new() }));
        let named = named.into_iter().filter(|(_, allows)| *allows);
        grants.extend(named.map(|(power, _)| Grant { power, names: self.names.clone() }));
        grants.extend(self.identities().map(|names| Grant { power: Power::UseIdentity, names }));
    }

    /// Whether pods can be made by it: pods themselves, or what makes them, also by changing it.
    fn makes_pods(&self) -> bool {
        POD_BEARING.iter().any(|kind| {
            let verbs: &[&str] = if kind.shape == Shape::Pod { &["create"] } else { &["create", "patch", "update"] };
            self.allows(verbs, kind.group, kind.resource)
        })
    }

    /// The client ids that it lets somebody use. A rule on every API group does so without being meant
    /// to: it names none.
    fn identities(mut self) -> Option<Vec<String>> {
        let is = |list: &[String], what: &str| list.iter().any(|word| word == what);
        if !is(&self.verbs, USE_IDENTITY) && !is(&self.verbs, "*") {
            return None;
        }
        self.resources.sort_unstable();
        match (is(&self.groups, IDENTITY_GROUP), is(&self.groups, "*"), is(&self.resources, "*")) {
            (true, ..) | (_, true, false) => Some(self.resources),
            (_, true, true) => Some(Vec::new()),
            _ => None,
        }
    }

    fn allows(&self, verbs: &[&str], group: &str, resource: &str) -> bool {
        let any_of = |list: &[String], wanted: &str| list.iter().any(|word| word == "*" || word == wanted);
        let subresource = resource.split_once('/').map(|(_, sub)| sub);
        let covers = |word: &String| {
            word == "*" || word == resource || subresource.is_some_and(|sub| word.strip_prefix("*/") == Some(sub))
        };
        verbs.iter().any(|verb| any_of(&self.verbs, verb))
            && any_of(&self.groups, group)
            && self.resources.iter().any(covers)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec;

    use super::super::{Manifest, read};
    use super::*;
    use crate::model::{ClusterIx, Origin, Role};

    fn role_of(json: &str) -> Role {
        match read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest {
            Manifest::Role(role) => role,
            other => panic!("{other:?}"),
        }
    }

    fn grants(rules: &str) -> Vec<Grant> {
        role_of(&format!(r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","rules":[{rules}]}}"#))
            .grants
    }

    fn grant(power: Power, names: &[&str]) -> Grant {
        Grant { power, names: names.iter().map(ToString::to_string).collect() }
    }

    fn rule(group: &str, resource: &str, verb: &str, names: &str) -> String {
        format!(r#"{{"apiGroups":["{group}"],"resources":["{resource}"],"verbs":["{verb}"]{names}}}"#)
    }

    #[test]
    fn a_rule_grants_what_leads_to_an_identity() {
        let named = r#","resourceNames":["cart"]"#;
        for (group, resource, verb, names, expected) in [
            ("", "pods", "create", "", vec![grant(Power::MakePods, &[])]),
            ("", "pods", "patch", "", vec![]),
            ("", "pods", "create", named, vec![]),
            ("", "pods/exec", "create", "", vec![]),
            ("apps", "deployments", "patch", "", vec![grant(Power::MakePods, &[])]),
            ("batch", "*", "create", "", vec![grant(Power::MakePods, &[])]),
            ("apps", "deployments", "get", "", vec![]),
            ("", "serviceaccounts/token", "create", named, vec![grant(Power::RequestTokens, &["cart"])]),
            ("", "*/token", "create", "", vec![grant(Power::RequestTokens, &[])]),
            ("", "serviceaccounts", "create", "", vec![grant(Power::CreateAccounts, &[])]),
            ("", "serviceaccounts", "update", named, vec![grant(Power::AnnotateAccounts, &["cart"])]),
            ("", "namespaces", "create", "", vec![grant(Power::CreateNamespaces, &[])]),
            (GROUP, "clusterroles", "escalate", "", vec![grant(Power::GrantRoles, &[])]),
            (GROUP, "clusterroles", "bind", r#","resourceNames":["edit"]"#, vec![]),
            ("", "groups", "impersonate", "", vec![grant(Power::Impersonate, &[])]),
            ("", "serviceaccounts", "impersonate", "", vec![]),
            ("*", "*", "*", "", vec![grant(Power::Everything, &[])]),
            (IDENTITY_GROUP, "a-b", USE_IDENTITY, "", vec![grant(Power::UseIdentity, &["a-b"])]),
            (IDENTITY_GROUP, "*", "*", "", vec![grant(Power::UseIdentity, &["*"])]),
            ("*", "*", USE_IDENTITY, "", vec![grant(Power::UseIdentity, &[])]),
            ("*", "*", "get", "", vec![]),
        ] {
            assert_eq!(grants(&rule(group, resource, verb, names)), expected, "{verb} {resource}.{group}{names}");
        }
        let twice = format!("{0},{0}", rule("", "pods", "create", ""));
        assert_eq!(grants(&twice), [grant(Power::MakePods, &[])]);
    }

    #[test]
    fn everything_includes_each_thing() {
        let role = Role { grants: vec![grant(Power::Everything, &[])], ..Role::default() };
        assert!(role.is_admin() && role.grants_all(Power::CreateNamespaces));
    }

    #[test]
    fn members_may_come_in_any_order() {
        let json = r#"{"aggregationRule":{"clusterRoleSelectors":[]},"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["create"]}],
            "apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"a"}}"#;
        let role = role_of(json);
        assert_eq!((role.grants, role.open), (vec![grant(Power::MakePods, &[])], true));
        for (rules, open) in [("null", true), ("[]", true), (r#"[{"verbs":["get"]}]"#, false)] {
            let live = format!(
                r#"{{"aggregationRule":{{}},"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{{"name":"a","uid":"1"}},"rules":{rules}}}"#
            );
            assert_eq!(role_of(&live).open, open, "{rules}");
        }
    }

    #[test]
    fn a_binding_says_who_has_which_role() {
        let json = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"b","namespace":"shop"},
            "roleRef":{"kind":"ClusterRole","name":"edit"},"subjects":[{"kind":"ServiceAccount","name":"cart"},
            {"kind":"User","name":"system:serviceaccount:ci:build"},{"kind":"Group","name":"team"},{"kind":"User","name":"ann"},{"kind":"Robot","name":"x"}]}"#;
        let read = read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest;
        let Manifest::RoleBinding(binding) = read else { panic!("{read:?}") };
        assert_eq!((binding.kind(), binding.role_name().as_str()), ("RoleBinding", "ClusterRole/edit"));
        let account = |namespace: &str, name: &str| Principal::ServiceAccount(namespace.into(), name.into());
        let expected = [
            account("shop", "cart"),
            account("ci", "build"),
            Principal::Group("team".into()),
            Principal::User("ann".into()),
        ];
        assert_eq!(binding.subjects, expected);
    }

    #[test]
    fn what_is_no_role_is_named() {
        let json = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"a","namespace":"shop"},"rules":{}}"#;
        let error = read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap_err();
        assert!(error.to_string().starts_with("Role shop/a: "), "{error}");
        // Other kinds have such members as well.
        let other = r#"{"subjects":7,"apiVersion":"example.com/v1","kind":"Exam","rules":"none"}"#;
        assert!(read(other.as_bytes(), None, ClusterIx(0), Origin::default()).is_ok());
    }
}
