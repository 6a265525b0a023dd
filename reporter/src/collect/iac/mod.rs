//! Infrastructure as code: what Terraform, templates of Azure Resource Manager and operators of
//! Kubernetes declare. One document becomes declarations; what it says only once it is applied stays
//! unknown, and nothing is kept but the attributes that rules read.

mod arm;
mod assemble;
mod beside;
mod expression;
mod lines;
mod operators;
mod references;
mod symbols;
mod terraform;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wiguard_rules::declared::{Coming, DeclaredCredential};
use wiguard_rules::model::{ClientId, Cluster, Identity};

pub(super) use assemble::{add, any_is_described, take};
pub(super) use operators::{is_ours, read as operator};

/// What one document declares.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Declarations {
    pub(crate) identities: Vec<DeclaredIdentity>,
    pub(crate) credentials: Vec<Declaration>,
    pub(crate) clusters: Vec<Cluster>,
    /// Clusters that are about to be made, and are none of those that are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) made: Vec<Cluster>,
    /// Clusters that are about to be deleted, as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaving: Vec<Cluster>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) bindings: Vec<DeclaredBinding>,
    /// What of it could not be read: line and reason.
    #[serde(skip)]
    pub(super) defects: Vec<(u32, String)>,
}

/// An identity as it is declared. Its id is empty if it is known only once it is applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeclaredIdentity {
    pub(crate) identity: Identity,
    /// How credentials of the same document name it.
    pub(crate) key: Key,
    /// The subscription it is deployed to; empty if unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) subscription: String,
    /// What is still to come of it: nothing, or its end. One that is replaced is declared twice.
    #[serde(default)]
    pub(crate) coming: Coming,
}

/// A credential as it is declared, and whose it is said to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Declaration {
    pub(crate) credential: DeclaredCredential,
    pub(crate) parent: Whose,
}

/// An identity binding of AKS as it is declared.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeclaredBinding {
    pub(crate) name: String,
    /// The cluster, by resource id or by name.
    pub(crate) cluster: Whose,
    pub(crate) identity: Whose,
    /// The client id of the identity; empty if unknown.
    pub(crate) client_id: ClientId,
}

/// What tells declared identities apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Key {
    /// An address within its document.
    Address(String),
    /// An object of Kubernetes, whatever file it is in.
    Object(String),
}

/// How a declaration names the identity of a credential or of a binding.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Whose {
    /// By resource id or object id.
    Id(String),
    /// By the identity's own declaration.
    Declared(Key),
    /// By name, and by where it is, as far as that is known.
    Name {
        name: String,
        resource_group: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        subscription: String,
    },
    /// It is known only once it is applied.
    Unknown,
}

/// Reads a document; `None` if it is none of infrastructure as code. `text` is how it was written,
/// from `line` on.
pub(super) fn read(value: &Value, text: &[u8], line: u32) -> Option<Declarations> {
    let mut lines = lines::Lines::new(text, line);
    if value.get("terraform_version").is_some() || value.get("planned_values").is_some() || is_empty_state(value) {
        return Some(terraform::read(value, &mut lines));
    }
    let schema = value.get("$schema").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    if schema.contains("deploymenttemplate.json") && value.get("resources").is_some() {
        return Some(arm::read(value, &mut lines));
    }
    None
}

/// Whether `terraform show -json` was given no state: it prints the format's version and nothing else.
fn is_empty_state(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|members| members.len() == 1 && members.get("format_version").is_some_and(Value::is_string))
}

impl Declarations {
    /// Whether it declares nothing that rules read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.identities.is_empty()
            && self.credentials.is_empty()
            && self.clusters.is_empty()
            && self.made.is_empty()
            && self.leaving.is_empty()
            && self.bindings.is_empty()
    }
}

/// A text that is not empty.
fn filled(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// An identity of which nothing is known but its kind, its name and its declaration.
fn identity(kind: wiguard_rules::model::IdentityKind, name: &str, address: &str, line: u32) -> Identity {
    let origin = wiguard_rules::model::Origin { source: 0, line };
    Identity { kind, declared: Some(address.into()), ..super::mentioned::named(name, "", origin) }
}
