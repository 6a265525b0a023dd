//! Shapes: what an object of Azure lacks of what its whole record has, and what of it has a type that
//! Azure never gives. Both come of `--query` and of `project`, or of an editor, and neither may pass
//! for a value that is empty.

use serde_json::Value;

use super::{Resource, View};

/// Something of an object that cannot be taken at its word.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::collect) struct Fault {
    /// The member, by its path.
    pub(in crate::collect) path: String,
    /// What is wrong and what to do.
    pub(in crate::collect) reason: String,
}

/// What a member may be, beside `null`.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Switch,
    Object,
    List,
    /// `audiences`: a list of texts, or one that somebody took out of it.
    Texts,
}

use Type::{List, Object, Switch, Text, Texts};

const IDENTITY: &[(&str, Type)] = &[
    ("id", Text),
    ("name", Text),
    ("clientId", Text),
    ("principalId", Text),
    ("tenantId", Text),
    ("location", Text),
    ("resourceGroup", Text),
    ("appId", Text),
    ("displayName", Text),
];
const CREDENTIAL: &[(&str, Type)] = &[
    ("id", Text),
    ("name", Text),
    ("issuer", Text),
    ("subject", Text),
    ("audiences", Texts),
    ("claimsMatchingExpression", Object),
    ("claimsMatchingExpression.value", Text),
];
const CLUSTER: &[(&str, Type)] = &[
    ("id", Text),
    ("name", Text),
    ("kubernetesVersion", Text),
    ("oidcIssuerProfile", Object),
    ("oidcIssuerProfile.enabled", Switch),
    ("oidcIssuerProfile.issuerUrl", Text),
    ("oidcIssuerProfile.issuerURL", Text),
    ("oidcIssuerProfile.selfHostedIssuerUrl", Text),
    ("securityProfile", Object),
    ("securityProfile.workloadIdentity", Object),
    ("securityProfile.workloadIdentity.enabled", Switch),
    ("podIdentityProfile", Object),
    ("podIdentityProfile.enabled", Switch),
    ("addonProfiles", Object),
    ("identityProfile", Object),
    ("identity", Object),
    ("identity.tenantId", Text),
    ("networkProfile", Object),
    ("apiServerAccessProfile", Object),
    ("agentPoolProfiles", List),
    ("tags", Object),
];
const ROLE: &[(&str, Type)] = &[("id", Text), ("principalId", Text), ("roleDefinitionId", Text), ("scope", Text)];
const BINDING: &[(&str, Type)] = &[
    ("id", Text),
    ("managedIdentity", Object),
    ("managedIdentity.resourceId", Text),
    ("managedIdentity.clientId", Text),
];
const PRINCIPAL: &[(&str, Type)] = &[("appId", Text)];
const DISCOVERY: &[(&str, Type)] = &[("issuer", Text)];

/// What of an object cannot be taken at its word.
pub(in crate::collect) fn faults(value: &Value, resource: &Resource) -> Vec<Fault> {
    let view = View(value);
    let (what, members): (&str, &[(&str, Type)]) = match resource {
        Resource::Identity(_) => ("identity", IDENTITY),
        Resource::Credential(_) => ("federated credential", CREDENTIAL),
        Resource::Cluster(_) => ("cluster", CLUSTER),
        Resource::Role(_) => ("role assignment", ROLE),
        Resource::Binding(_) => ("identity binding", BINDING),
        Resource::Principal(_) | Resource::Disabled(_) => ("service principal", PRINCIPAL),
        Resource::Discovery(_) => ("discovery document", DISCOVERY),
        Resource::Signing(_) => return Vec::new(),
    };
    let name = ["name", "displayName", "id"].iter().map(|name| view.text(name)).find(|name| !name.is_empty());
    let what = name.map_or_else(|| what.to_owned(), |name| format!("{what} `{name}`"));
    let odd = members.iter().filter_map(|(path, wanted)| {
        let found = member(view, path).filter(|found| !wanted.admits(found))?;
        let reason = format!(
            "could not read {what}: `{path}` is {}, and not {}; export it again, without --query",
            name_of(found),
            wanted.name()
        );
        Some(Fault { path: (*path).into(), reason })
    });
    let missing = lacks(view, resource).map(|path| Fault {
        path: path.into(),
        reason: format!(
            "{what} lacks `{path}`, so that this is not all of it; give the whole output of az, without --query, or of the query without `project`"
        ),
    });
    odd.chain(missing).collect()
}

/// Whether enough of an object is there for rules to judge it.
pub(in crate::collect) fn is_fit(value: &Value, resource: &Resource) -> bool {
    let view = View(value);
    let sound = |members: &[(&str, Type)]| {
        members.iter().all(|(path, wanted)| member(view, path).is_none_or(|found| wanted.admits(found)))
    };
    match resource {
        Resource::Identity(_) | Resource::Cluster(_) => true,
        Resource::Principal(_) | Resource::Disabled(_) => sound(PRINCIPAL),
        Resource::Credential(_) => lacks(view, resource).is_none() && sound(CREDENTIAL),
        Resource::Role(_) => lacks(view, resource).is_none() && sound(ROLE),
        Resource::Binding(_) => lacks(view, resource).is_none() && sound(BINDING),
        Resource::Discovery(_) => sound(DISCOVERY),
        Resource::Signing(_) => true,
    }
}

/// The first member of a whole record that is not there.
fn lacks(view: View<'_>, resource: &Resource) -> Option<&'static str> {
    let absent = |name: &&&str| view.get(name).is_none();
    let first = |names: &'static [&'static str]| names.iter().find(absent).copied();
    match resource {
        Resource::Identity(identity) if identity.client_id.0.is_empty() => {
            first(&["clientId"]).filter(|_| view.get("appId").is_none())
        }
        Resource::Identity(_)
        | Resource::Discovery(_)
        | Resource::Signing(_)
        | Resource::Principal(_)
        | Resource::Disabled(_) => None,
        Resource::Credential(_) if view.get("claimsMatchingExpression").is_some() => first(&["issuer", "audiences"]),
        Resource::Credential(_) => first(&["issuer", "subject", "audiences"]),
        Resource::Role(_) => first(&["principalId", "roleDefinitionId", "scope"]),
        Resource::Binding(_) => first(&["managedIdentity"]),
        Resource::Cluster(_) => ["oidcIssuerProfile", "securityProfile"].into_iter().find(|name| !view.says(name)),
    }
}

/// A member by its path, unless it is `null`.
fn member<'a>(view: View<'a>, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.');
    let first = view.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name)).filter(|value| !value.is_null())
}

impl Type {
    fn admits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Switch => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::List => value.is_array(),
            Self::Texts => value.is_string() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Switch => "true or false",
            Self::Object => "an object",
            Self::List => "a list",
            Self::Texts => "a list of strings",
        }
    }
}

const fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list of something else",
        Value::Object(_) => "an object",
    }
}
