//! Resources: those of a plan as they will be and as they will be gone, and those of a state as they are.

use serde_json::{Map, Value};
use wiguard_rules::declared::Coming;

use crate::collect::iac::filled;

/// A resource of any of the three, as it will be.
pub(super) struct Resource<'a> {
    pub(super) address: String,
    pub(super) kind: &'a str,
    pub(super) values: &'a Value,
    pub(super) unknown: Option<&'a Value>,
    pub(super) sensitive: Option<&'a Value>,
    pub(super) coming: Coming,
}

/// Marks every attribute as unknown.
static UNKNOWN: Value = Value::Bool(true);

/// The resources that are a credential and nothing else.
pub(super) const CREDENTIALS: [&str; 3] = [
    "azurerm_federated_identity_credential",
    "azuread_application_federated_identity_credential",
    "azuread_application_flexible_federated_identity_credential",
];

/// What tells the credentials of all identities apart.
pub(super) const NAMES: [&str; 6] =
    ["name", "display_name", "user_assigned_identity_id", "parent_id", "application_id", "application_object_id"];

/// The resources of a document.
pub(super) fn of(document: &Value) -> Vec<Resource<'_>> {
    let mut all = Vec::new();
    let list = |name: &str| document.get(name).and_then(Value::as_array);
    if let Some(changes) = list("resource_changes") {
        all.extend(changes.iter().flat_map(|it| change(it, None)));
        // what waits for a later plan is still to come, whatever it will be
        let deferred = list("deferred_changes").into_iter().flatten().filter_map(|it| it.get("resource_change"));
        all.extend(deferred.flat_map(|it| change(it, Some(&UNKNOWN))).filter(|it| it.coming != Coming::Deleted));
    } else if let Some(module) = document.pointer("/planned_values/root_module") {
        in_module(module, Coming::Changed, &mut all);
    } else if let Some(module) = document.pointer("/values/root_module") {
        in_module(module, Coming::Nothing, &mut all);
    } else {
        all.extend(list("resources").into_iter().flatten().flat_map(in_file));
    }
    all
}

/// What a plan will have made of a resource, and what it will have deleted for it: nothing, if it is only
/// read, or forgotten and left as it is. `unknown`: whatever is known only after the apply, if not what it says.
fn change<'a>(change: &'a Value, unknown: Option<&'a Value>) -> Vec<Resource<'a>> {
    let text = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(then) = change.get("change").filter(|_| text("mode") != "data") else { return Vec::new() };
    let actions = then.get("actions").and_then(Value::as_array);
    let does = |action: &str| actions.is_some_and(|actions| actions.iter().any(|it| it == action));
    let resource = |values: &str, unknown, sensitive: &str, coming| Resource {
        address: text("address").into(),
        kind: text("type"),
        values: then.get(values).unwrap_or(&Value::Null),
        unknown,
        sensitive: then.get(sensitive),
        coming,
    };
    // a deposed object is what an earlier replacement left behind, perhaps under the same name
    let deposed = !text("deposed").is_empty();
    let value = |of: &str, name: &str| then.get(of).and_then(|it| it.get(name));
    // a credential that is replaced under the same name of the same identity is changed
    let is_credential = CREDENTIALS.contains(&text("type"))
        || value("before", "type").and_then(Value::as_str).is_some_and(is_credential);
    let replaced = does("delete")
        && does("create")
        && is_credential
        && ["name", "display_name"].iter().any(|name| value("after", name).is_some())
        && NAMES.iter().all(|name| value("before", name) == value("after", name));
    let mut made = Vec::new();
    if does("delete") && !deposed && !replaced && then.get("before").is_some_and(Value::is_object) {
        made.push(resource("before", None, "before_sensitive", Coming::Deleted));
    }
    let ends = (does("delete") || does("forget")) && !does("create");
    if !ends && !deposed {
        let coming = match (does("create"), does("update")) {
            (true, _) if !replaced => Coming::Made,
            (false, false) => Coming::Nothing,
            _ => Coming::Changed,
        };
        made.push(resource("after", unknown.or_else(|| then.get("after_unknown")), "after_sensitive", coming));
    }
    made
}

fn in_module<'a>(module: &'a Value, coming: Coming, all: &mut Vec<Resource<'a>>) {
    let list = |name: &str| module.get(name).and_then(Value::as_array).into_iter().flatten();
    all.extend(list("resources").filter(|it| it.get("mode").is_none_or(|mode| mode != "data")).filter_map(|it| {
        Some(Resource {
            address: it.get("address")?.as_str()?.into(),
            kind: it.get("type")?.as_str()?,
            values: it.get("values").unwrap_or(&Value::Null),
            unknown: None,
            sensitive: it.get("sensitive_values"),
            coming,
        })
    }));
    list("child_modules").for_each(|child| in_module(child, coming, all));
}

/// The instances of a resource in a state file.
fn in_file(resource: &Value) -> Vec<Resource<'_>> {
    let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("mode") == "data" {
        return Vec::new();
    }
    let module = filled(resource.get("module")).map(|module| format!("{module}.")).unwrap_or_default();
    let instances = resource.get("instances").and_then(Value::as_array).into_iter().flatten();
    let address = |instance: &Value| {
        let index = match instance.get("index_key") {
            Some(Value::String(key)) => format!("[{key:?}]"),
            Some(Value::Number(key)) => format!("[{key}]"),
            _ => String::new(),
        };
        format!("{module}{}.{}{index}", text("type"), text("name"))
    };
    instances
        .map(|it| Resource {
            address: address(it),
            kind: text("type"),
            values: it.get("attributes").unwrap_or(&Value::Null),
            unknown: None,
            sensitive: it.get("sensitive_attributes"),
            coming: Coming::Nothing,
        })
        .collect()
}

// === impl Resource ===

impl Resource<'_> {
    /// An attribute that is known and no secret.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let marked = |marks: Option<&Value>| match marks {
            Some(Value::Bool(all)) => *all,
            Some(Value::Object(marks)) => marks.get(name).is_some_and(is_marked),
            // a state file lists the paths
            Some(Value::Array(paths)) => paths.iter().any(|path| path.pointer("/0/value").is_some_and(|it| it == name)),
            _ => false,
        };
        let known = !marked(self.unknown) && !marked(self.sensitive);
        self.values.get(name).filter(|value| known && !value.is_null())
    }

    /// Whether a plan says that an attribute is not set.
    pub(super) fn lacks(&self, name: &str) -> bool {
        let marked = |marks: &Value| marks.as_bool() == Some(true) || marks.get(name).is_some_and(is_marked);
        let said = self.unknown.is_some_and(|marks| !marked(marks));
        said && self.get(name).is_none_or(|value| value.as_array().is_some_and(Vec::is_empty))
    }

    /// An attribute that is a text; empty if it is none, or not known.
    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).and_then(Value::as_str).unwrap_or_default().into()
    }
}

/// Whether anything in it is marked as unknown or sensitive.
pub(super) fn is_marked(mark: &Value) -> bool {
    match mark {
        Value::Bool(marked) => *marked,
        Value::Array(list) => list.iter().any(is_marked),
        Value::Object(members) => Map::values(members).any(is_marked),
        _ => false,
    }
}

/// Whether a type of azapi is that of credentials.
fn is_credential(kind: &str) -> bool {
    kind.to_ascii_lowercase().contains("/federatedidentitycredentials")
}
