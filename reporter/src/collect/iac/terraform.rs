//! Terraform: `terraform show -json` of a state or a plan, and a state file itself. Of a plan, what
//! will be, and of credentials what will be gone; an attribute that is known after the apply, or that
//! is sensitive, is unknown.

use serde_json::{Map, Value};
use wiguard_rules::declared::{Coming, DeclaredCredential, Tool};
use wiguard_rules::model::{Audience, Cluster, Identity, IdentityKind, Origin, Platform};

use super::lines::Lines;
use super::references::Configuration;
use super::{Declaration, Declarations, DeclaredBinding, DeclaredIdentity, Key, Whose, filled, identity};

/// A resource of any of the three, as it will be.
struct Resource<'a> {
    address: String,
    kind: &'a str,
    values: &'a Value,
    unknown: Option<&'a Value>,
    sensitive: Option<&'a Value>,
    coming: Coming,
}

/// Marks every attribute as unknown.
static UNKNOWN: Value = Value::Bool(true);

/// The resources that are a credential and nothing else.
const CREDENTIALS: [&str; 3] = [
    "azurerm_federated_identity_credential",
    "azuread_application_federated_identity_credential",
    "azuread_application_flexible_federated_identity_credential",
];

/// What tells the credentials of all identities apart.
const NAMES: [&str; 6] =
    ["name", "display_name", "user_assigned_identity_id", "parent_id", "application_id", "application_object_id"];

/// The attributes that are read as texts, of whatever resource.
const TEXTS: [&str; 17] = [
    "name",
    "display_name",
    "id",
    "object_id",
    "client_id",
    "principal_id",
    "tenant_id",
    "resource_group_name",
    "location",
    "issuer",
    "subject",
    "claims_matching_expression",
    "user_assigned_identity_id",
    "parent_id",
    "application_id",
    "oidc_issuer_url",
    "kubernetes_version",
];

/// Reads a document.
pub(super) fn read(document: &Value, lines: &mut Lines<'_>) -> Declarations {
    let configuration = Configuration::of(document);
    let mut found = Declarations::default();
    let resources = resources(document);
    for resource in &resources {
        let line = lines.of(&resource.address);
        match resource.kind {
            "azurerm_user_assigned_identity" => found.identities.push(resource.managed_identity(line)),
            "azuread_application" | "azuread_application_registration" => {
                found.identities.push(resource.application(line));
            }
            "azurerm_kubernetes_cluster" if resource.coming != Coming::Deleted => {
                let goes = |it: &Resource<'_>| it.coming == Coming::Deleted && it.address == resource.address;
                let is_new = resource.coming == Coming::Made && !resources.iter().any(goes);
                let clusters = if is_new { &mut found.made } else { &mut found.clusters };
                clusters.push(resource.cluster(line));
            }
            kind if CREDENTIALS.contains(&kind) => {
                found.credentials.push(resource.credential(line, &configuration));
            }
            "azapi_resource" => resource.azapi(line, &configuration, &mut found),
            _ => continue,
        }
        let wrong = TEXTS.iter().filter(|name| resource.get(name).is_some_and(|value| !value.is_string()));
        found.defects.extend(wrong.map(|name| {
            let address = &resource.address;
            (line, format!("`{name}` of {address} is no text, and was left out; write the document anew with `terraform show -json`"))
        }));
    }
    found
}

fn resources(document: &Value) -> Vec<Resource<'_>> {
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

impl Resource<'_> {
    /// An attribute that is known and no secret.
    fn get(&self, name: &str) -> Option<&Value> {
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
    fn lacks(&self, name: &str) -> bool {
        let marked = |marks: &Value| marks.as_bool() == Some(true) || marks.get(name).is_some_and(is_marked);
        let said = self.unknown.is_some_and(|marks| !marked(marks));
        said && self.get(name).is_none_or(|value| value.as_array().is_some_and(Vec::is_empty))
    }

    fn text(&self, name: &str) -> String {
        self.get(name).and_then(Value::as_str).unwrap_or_default().into()
    }

    fn declared(&self, identity: Identity) -> DeclaredIdentity {
        let key = Key::Address(self.address.clone());
        DeclaredIdentity { identity, key, subscription: String::new(), coming: self.coming }
    }

    fn managed_identity(&self, line: u32) -> DeclaredIdentity {
        let mut made = identity(IdentityKind::UserAssigned, &self.text("name"), &self.address, line);
        made.client_id = self.text("client_id").into();
        made.id = self.text("id");
        made.principal_id = self.text("principal_id");
        made.tenant_id = self.text("tenant_id");
        made.resource_group = self.text("resource_group_name");
        made.location = self.text("location");
        self.declared(made)
    }

    fn application(&self, line: u32) -> DeclaredIdentity {
        let mut made = identity(IdentityKind::Application, &self.text("display_name"), &self.address, line);
        // `application_id` before azuread 3.0
        made.client_id = [self.text("client_id"), self.text("application_id")]
            .into_iter()
            .find(|id| !id.is_empty())
            .unwrap_or_default()
            .into();
        let ids = [self.text("object_id"), object_id(&self.text("id"))];
        made.id = ids.into_iter().find(|id| !id.is_empty()).unwrap_or_default();
        self.declared(made)
    }

    fn cluster(&self, line: u32) -> Cluster {
        Cluster {
            name: self.text("name"),
            id: self.text("id"),
            resource_group: self.text("resource_group_name"),
            platform: Platform::Aks,
            issuer: filled(self.get("oidc_issuer_url")).map(Into::into),
            oidc_issuer_enabled: self.get("oidc_issuer_enabled").and_then(Value::as_bool),
            workload_identity_enabled: self.get("workload_identity_enabled").and_then(Value::as_bool),
            kubernetes_version: self.text("kubernetes_version"),
            declared: Some(self.address.clone()),
            origin: Origin { source: 0, line },
            ..Cluster::default()
        }
    }

    fn credential(&self, line: u32, configuration: &Configuration<'_>) -> Declaration {
        // azurerm has `audience`, azuread `audiences`; the flexible one is a single text
        let audiences = self.get("audiences").or_else(|| self.get("audience")).and_then(texts);
        let names = if self.kind.starts_with("azuread") { ["display_name", "name"] } else { ["name", "display_name"] };
        let name = names.into_iter().map(|name| self.text(name)).find(|name| !name.is_empty());
        let [_, _, owners @ ..] = NAMES;
        let owner = owners.into_iter().find_map(|name| filled(self.get(name)));
        let parent = match owner {
            Some(id) => Whose::Id(object_id(id)),
            None => configuration
                .owner(&self.address, &owners)
                .map_or(Whose::Unknown, |it| Whose::Declared(Key::Address(it))),
        };
        let tool = self.tool(configuration);
        // who puts them in turn is of interest only where the provider does not
        let all_at_once = tool.is_below(3, 40) || self.kind == "azapi_resource" || configuration.has_azapi();
        let after = if all_at_once { configuration.before(&self.address) } else { Vec::new() };
        let credential = DeclaredCredential {
            address: self.address.clone(),
            identity: String::new(),
            name: name.unwrap_or_default(),
            issuer: filled(self.get("issuer")).map(Into::into),
            subject: filled(self.get("subject")).map(Into::into),
            expression: filled(self.get("claims_matching_expression")).map(Into::into),
            audiences,
            coming: self.coming,
            after,
            planned: None,
            tool,
            origin: Origin { source: 0, line },
        };
        Declaration { credential, parent }
    }

    fn tool(&self, configuration: &Configuration<'_>) -> Tool {
        let azurerm = self.kind.starts_with("azurerm_");
        Tool::Terraform {
            constraint: azurerm.then(|| configuration.constraint("azurerm")).flatten(),
            written: if azurerm { configuration.written(&self.address) } else { Vec::new() },
            at_once: self.kind == "azapi_resource" && self.lacks("locks"),
        }
    }

    /// A resource that azapi sends as it is, told by its `type`.
    fn azapi(&self, line: u32, configuration: &Configuration<'_>, found: &mut Declarations) {
        let kind = self.text("type").to_ascii_lowercase();
        let parsed = |name: &str| -> Value {
            match self.get(name) {
                // a text of JSON before azapi 2.0
                Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
                Some(value) => value.clone(),
                None => Value::Null,
            }
        };
        let (body, output) = (parsed("body"), parsed("output"));
        match kind.split('@').next().unwrap_or_default() {
            "microsoft.managedidentity/userassignedidentities" => {
                let mut made = self.managed_identity(line);
                let said = |name: &str| filled(output.pointer(&format!("/properties/{name}"))).unwrap_or_default();
                made.identity.client_id = said("clientId").into();
                made.identity.principal_id = said("principalId").into();
                made.identity.tenant_id = said("tenantId").into();
                found.identities.push(made);
            }
            "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials" => {
                let mut made = self.credential(line, configuration);
                let known = |name: &str| self.property(&body, name);
                made.credential.issuer = filled(known("issuer")).map(Into::into);
                made.credential.subject = filled(known("subject")).map(Into::into);
                made.credential.audiences = known("audiences").and_then(texts);
                let expression = known("claimsMatchingExpression").and_then(|it| it.get("value"));
                made.credential.expression = filled(expression).map(Into::into);
                found.credentials.push(made);
            }
            "microsoft.containerservice/managedclusters/identitybindings" if self.coming != Coming::Deleted => {
                found.bindings.push(self.binding(&body, &output, configuration));
            }
            _ => {}
        }
    }

    /// A property of the body that is known and no secret.
    fn property<'b>(&self, body: &'b Value, name: &str) -> Option<&'b Value> {
        let pointer = format!("/properties/{name}");
        let marks = [self.unknown, self.sensitive].into_iter().flatten().filter_map(|marks| marks.get("body"));
        let mut hidden =
            marks.filter(|marks| marks.as_bool() == Some(true) || marks.pointer(&pointer).is_some_and(is_marked));
        body.pointer(&pointer).filter(|_| hidden.next().is_none())
    }

    fn binding(&self, body: &Value, output: &Value, configuration: &Configuration<'_>) -> DeclaredBinding {
        let said = |value: Option<&Value>, name: &str| filled(value?.get(name)).map(String::from);
        let managed = self.property(body, "managedIdentity");
        let identity = match said(managed, "resourceId") {
            Some(id) => Whose::Id(id),
            None => configuration
                .owner(&self.address, &["body"])
                .map_or(Whose::Unknown, |it| Whose::Declared(Key::Address(it))),
        };
        let told = output.pointer("/properties/managedIdentity");
        let client_id = said(told, "clientId").or_else(|| said(managed, "clientId")).unwrap_or_default();
        DeclaredBinding {
            name: self.text("name"),
            cluster: filled(self.get("parent_id")).map_or(Whose::Unknown, |id| Whose::Id(id.into())),
            identity,
            client_id: client_id.into(),
        }
    }
}

/// A list of texts, or one text.
fn texts(value: &Value) -> Option<Vec<Audience>> {
    match value {
        Value::String(one) => Some(vec![one.as_str().into()]),
        // what is unknown in a list is null there
        Value::Array(list) => list.iter().map(|it| it.as_str().map(Audience::from)).collect(),
        _ => None,
    }
}

/// Whether anything in it is marked as unknown or sensitive.
fn is_marked(mark: &Value) -> bool {
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

/// azuread calls an application `/applications/OBJECT-ID`.
fn object_id(id: &str) -> String {
    id.strip_prefix("/applications/").unwrap_or(id).into()
}
