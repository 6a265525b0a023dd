//! The published objects as they are written: structs of their own, so that a change inside never
//! changes what a policy reads.

use serde::Serialize;
use wiguard_rules::model::{Audience, FederatedIdentityCredential, Identity, Issuer, Subject};

/// A ConfigMap with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Its name.
    pub name: String,
    /// The key.
    pub key: &'static str,
    /// JSON, in printable ASCII alone.
    pub json: String,
}

/// What bears on one namespace.
#[derive(Serialize)]
pub(super) struct Slice<'a> {
    pub(super) schema: &'static str,
    pub(super) cluster: &'a str,
    pub(super) issuer: &'a Issuer,
    pub(super) collected: u64,
    pub(super) namespace: &'a str,
    pub(super) complete: bool,
    pub(super) identities: Vec<Known<'a>>,
}

/// An identity.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Known<'a> {
    client_id: &'a str,
    name: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tenant_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    complete: bool,
    credentials: Vec<Credential<'a>>,
}

#[derive(Serialize)]
struct Credential<'a> {
    name: &'a str,
    issuer: &'a Issuer,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Subject>,
    audiences: &'a [Audience],
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<&'a str>,
}

/// The client ids that begin with one digit.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Clients<'a> {
    pub(super) schema: &'static str,
    pub(super) collected: u64,
    pub(super) complete: bool,
    pub(super) client_ids: &'a [&'a str],
    /// Of all identities, whatever their client id: what is of another tenant cannot be told here.
    pub(super) tenants: &'a [&'a str],
    /// Ids that are easily taken for client ids, and begin with the digit too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) other_ids: Vec<OtherId<'a>>,
}

/// An id of an identity that is not its client id.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtherId<'a> {
    pub(super) id: &'a str,
    /// Whether it is the id of its service principal, or of itself.
    pub(super) principal: bool,
    pub(super) name: &'a str,
    pub(super) client_id: &'a str,
}

// === impl Known ===

impl<'a> Known<'a> {
    /// An identity with all its credentials (`seen`), or with those of them that are kept.
    pub(super) fn of(
        identity: &'a Identity,
        seen: &[&'a FederatedIdentityCredential],
        keep: &dyn Fn(&FederatedIdentityCredential) -> bool,
    ) -> Self {
        // What names neither trusts nothing.
        let trusts = |it: &&FederatedIdentityCredential| it.subject.is_some() || it.expression.is_some();
        let seen: Vec<&FederatedIdentityCredential> = seen.iter().copied().filter(trusts).collect();
        let mut kept: Vec<&FederatedIdentityCredential> = seen.iter().copied().filter(|it| keep(it)).collect();
        kept.sort_by_key(|credential| (&credential.name, &credential.id));
        Self {
            client_id: identity.client_id.as_str(),
            name: &identity.name,
            kind: identity.kind_name(),
            tenant_id: &identity.tenant_id,
            id: &identity.id,
            complete: identity.credentials_complete && kept.len() == seen.len(),
            credentials: kept
                .into_iter()
                .map(|credential| Credential {
                    name: &credential.name,
                    issuer: &credential.issuer,
                    subject: credential.subject.as_ref(),
                    audiences: &credential.audiences,
                    expression: credential.expression.as_deref(),
                })
                .collect(),
        }
    }
}

/// As JSON of printable ASCII, which every other notation takes as it is.
pub(super) fn ascii<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    if json.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for letter in json.chars() {
        if (' '..='~').contains(&letter) {
            out.push(letter);
        } else {
            // Outside of strings JSON is ASCII.
            for unit in letter.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}
