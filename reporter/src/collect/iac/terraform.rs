//! Terraform: `terraform show -json` of a state or a plan, and a state file itself. Of a plan, what
//! will be, and of credentials what will be gone; an attribute that is known after the apply, or that
//! is sensitive, is unknown.

mod resources;

use serde_json::Value;
use wiguard_rules::declared::{Coming, DeclaredCredential, Tool};
use wiguard_rules::model::{Audience, Cluster, Identity, IdentityKind, Origin, Platform};

use super::lines::Lines;
use super::references::Configuration;
use super::{Declaration, Declarations, DeclaredBinding, DeclaredIdentity, Key, Whose, filled, identity};
use resources::{CREDENTIALS, NAMES, Resource, is_marked};

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
    let resources = resources::of(document);
    for resource in &resources {
        let line = lines.of(&resource.address);
        match resource.kind {
            "azurerm_user_assigned_identity" => found.identities.push(resource.managed_identity(line)),
            "azuread_application" | "azuread_application_registration" => {
                found.identities.push(resource.application(line));
            }
            "azurerm_kubernetes_cluster" if resource.coming == Coming::Deleted => {
                found.leaving.push(resource.cluster(line));
            }
            "azurerm_kubernetes_cluster" => {
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

impl Resource<'_> {
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

/// azuread calls an application `/applications/OBJECT-ID`.
fn object_id(id: &str) -> String {
    id.strip_prefix("/applications/").unwrap_or(id).into()
}
