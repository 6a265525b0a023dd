//! A piece of the published trust inventory: what Azure trusts of one namespace, or which client ids
//! there are, as a ConfigMap holds it. Apart from what is made of it, because it was written elsewhere
//! and may be of another cluster, half written, or somebody's own.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use wiguard_rules::json::{self, Fault, Json};
use wiguard_rules::model::{
    ClientId, FederatedIdentityCredential, Identity, IdentityKind, Issuer, Origin, Parent, Subject, is_guid,
};
use wiguard_rules::repair::resource_group;

/// Bytes of a ConfigMap: what the API server takes (1 MiB of data), with quotes escaped and metadata.
const LIMIT: usize = 2 << 20;

/// What Azure trusts of a namespace: `trust.json` of ConfigMap `trust.NAMESPACE`.
#[derive(Default)]
pub(crate) struct Slice {
    /// Whose tokens are trusted: the cluster's issuer.
    pub(crate) issuer: Option<Issuer>,
    /// The namespace.
    pub(crate) namespace: String,
    /// When Azure was asked, in seconds since 1970.
    pub(crate) collected: u64,
    /// Whether every credential that could trust a ServiceAccount of the namespace is here.
    pub(crate) complete: bool,
    /// The identities.
    pub(crate) identities: Vec<Identity>,
    /// Their credentials.
    pub(crate) credentials: Vec<FederatedIdentityCredential>,
}

/// What is known of one client id: `clients.json` of ConfigMap `clients.DIGIT`.
#[derive(Default)]
pub(crate) struct Clients {
    /// When Azure was asked, in seconds since 1970.
    pub(crate) collected: u64,
    /// Whether every client id with that first digit is here.
    pub(crate) complete: bool,
    /// Whether the one asked for is.
    pub(crate) found: bool,
    /// The tenants of all that are.
    pub(crate) tenants: Vec<String>,
    /// The identity of which it is another id.
    pub(crate) mistaken: Option<Identity>,
}

/// The text below `key` in the ConfigMap of this namespace and name.
pub(crate) fn text(config_map: &[u8], namespace: &str, name: &str, key: &str) -> Result<String, String> {
    if config_map.len() > LIMIT {
        return Err(format!("it has {} bytes, more than the {LIMIT} allowed", config_map.len()));
    }
    let (mut own_namespace, mut own_name, mut text) = (None, None, None);
    json::read(config_map, &mut |json| {
        json.object(&mut [
            ("metadata", &mut |json| {
                json.object(&mut [
                    ("namespace", &mut |json| json.text().map(|text| own_namespace = text)),
                    ("name", &mut |json| json.text().map(|text| own_name = text)),
                ])
            }),
            ("data", &mut |json| {
                json.members(&mut |member, json| {
                    if member == key {
                        text = json.text()?;
                    }
                    Ok(())
                })
            }),
        ])
    })
    .map_err(|error| error.to_string())?;
    if own_namespace.as_deref() != Some(namespace) || own_name.as_deref() != Some(name) {
        return Err("the host gave another object".into());
    }
    Ok(text.ok_or_else(|| format!("it has no `{key}`"))?.into_owned())
}

// === impl Slice ===

impl Slice {
    /// Reads `trust.json`.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut slice = Self::default();
        json::read(text.as_bytes(), &mut |json| {
            let (mut schema, mut collected) = (None, None);
            json.object(&mut [
                ("schema", &mut |json| json.text().map(|text| schema = text)),
                ("issuer", &mut |json| {
                    json.text().map(|text| slice.issuer = text.map(|text| Issuer(text.into_owned())))
                }),
                ("collected", &mut |json| json.integer().map(|number| collected = number)),
                ("namespace", &mut |json| json.string().map(|text| slice.namespace = text)),
                ("complete", &mut |json| json.boolean().map(|flag| slice.complete = flag == Some(true))),
                ("identities", &mut |json| {
                    json.elements(&mut |json| {
                        identity(json, &mut slice.credentials).map(|identity| slice.identities.push(identity))
                    })
                }),
            ])?;
            check_schema(schema.as_deref(), "wiguard.trust/v1")?;
            slice.collected = seconds(collected)?;
            if slice.issuer.is_none() { Err(Fault::missing_field("issuer")) } else { Ok(()) }
        })
        .map_err(|error| error.to_string())?;
        Ok(slice)
    }
}

/// An identity of which no more is known than its client id.
pub(crate) fn known_by(client_id: String) -> Identity {
    Identity {
        kind: IdentityKind::UserAssigned,
        name: client_id.clone(),
        client_id: ClientId(client_id),
        id: String::new(),
        principal_id: String::new(),
        tenant_id: String::new(),
        resource_group: String::new(),
        location: String::new(),
        credentials_complete: false,
        declared: None,
        origin: Origin::default(),
    }
}

fn identity(json: &mut dyn Json<'_>, into: &mut Vec<FederatedIdentityCredential>) -> Result<Identity, Fault> {
    let mut identity = known_by(String::new());
    let first = into.len();
    json.object(&mut [
        ("clientId", &mut |json| json.string().map(|text| identity.client_id.0 = text)),
        ("name", &mut |json| json.string().map(|text| identity.name = text)),
        ("kind", &mut |json| {
            identity.kind = match json.text()?.as_deref() {
                Some("ManagedIdentity") => IdentityKind::UserAssigned,
                Some("Application") => IdentityKind::Application,
                other => {
                    return Err(Fault::unknown("kind", other.unwrap_or_default(), &["ManagedIdentity", "Application"]));
                }
            };
            Ok(())
        }),
        ("tenantId", &mut |json| json.string().map(|text| identity.tenant_id = text)),
        ("id", &mut |json| json.string().map(|text| identity.id = text)),
        ("complete", &mut |json| json.boolean().map(|flag| identity.credentials_complete = flag == Some(true))),
        ("credentials", &mut |json| {
            json.elements(&mut |json| credential(json).map(|credential| into.push(credential)))
        }),
    ])?;
    if !is_guid(identity.client_id.as_str()) {
        return Err(Fault::Said(format!("clientId `{}` is not a GUID", identity.client_id)));
    }
    if identity.kind == IdentityKind::UserAssigned {
        identity.resource_group = resource_group(&identity.id).unwrap_or_default().into();
    }
    for credential in into.iter_mut().skip(first) {
        credential.parent = Parent::Client(identity.client_id.clone());
    }
    Ok(identity)
}

fn credential(json: &mut dyn Json<'_>) -> Result<FederatedIdentityCredential, Fault> {
    let (mut name, mut issuer, mut audiences) = (String::new(), None, Vec::new());
    let (mut subject, mut expression) = (None, None);
    json.object(&mut [
        ("name", &mut |json| json.string().map(|text| name = text)),
        ("issuer", &mut |json| json.text().map(|text| issuer = text)),
        ("subject", &mut |json| json.text().map(|text| subject = text)),
        ("audiences", &mut |json| json.texts(&mut audiences)),
        ("expression", &mut |json| json.text().map(|text| expression = text)),
    ])?;
    if subject.is_none() && expression.is_none() {
        return Err(Fault::Said(format!("credential `{name}` has neither subject nor expression")));
    }
    Ok(FederatedIdentityCredential {
        name,
        id: String::new(),
        parent: Parent::Unknown,
        issuer: Issuer(issuer.ok_or_else(|| Fault::missing_field("issuer"))?.into_owned()),
        subject: subject.map(|text| Subject(text.into_owned())),
        audiences,
        expression: expression.map(alloc::borrow::Cow::into_owned),
        declared: None,
        origin: Origin::default(),
    })
}

// === impl Clients ===

impl Clients {
    /// Reads `clients.json`, as far as it concerns a client id.
    pub(crate) fn read(text: &str, client_id: &str) -> Result<Self, String> {
        let mut clients = Self::default();
        json::read(text.as_bytes(), &mut |json| {
            let (mut schema, mut collected) = (None, None);
            json.object(&mut [
                ("schema", &mut |json| json.text().map(|text| schema = text)),
                ("collected", &mut |json| json.integer().map(|number| collected = number)),
                ("complete", &mut |json| json.boolean().map(|flag| clients.complete = flag == Some(true))),
                ("clientIds", &mut |json| {
                    json.elements(&mut |json| {
                        clients.found |= json.text()?.is_some_and(|id| id.eq_ignore_ascii_case(client_id));
                        Ok(())
                    })
                }),
                ("tenants", &mut |json| json.texts(&mut clients.tenants)),
                ("otherIds", &mut |json| {
                    json.elements(&mut |json| {
                        let other = other_id(json, client_id)?;
                        clients.mistaken = clients.mistaken.take().or(other);
                        Ok(())
                    })
                }),
            ])?;
            check_schema(schema.as_deref(), "wiguard.clients/v1")?;
            clients.collected = seconds(collected)?;
            Ok(())
        })
        .map_err(|error| error.to_string())?;
        Ok(clients)
    }
}

/// The identity of an id that is not its client id, if it is this one.
fn other_id(json: &mut dyn Json<'_>, wanted: &str) -> Result<Option<Identity>, Fault> {
    let (mut id, mut name, mut client_id, mut is_principals) = (None, String::new(), String::new(), false);
    json.object(&mut [
        ("id", &mut |json| json.text().map(|text| id = text)),
        ("principal", &mut |json| json.boolean().map(|flag| is_principals = flag == Some(true))),
        ("name", &mut |json| json.string().map(|text| name = text)),
        ("clientId", &mut |json| json.string().map(|text| client_id = text)),
    ])?;
    let Some(id) = id.filter(|id| id.eq_ignore_ascii_case(wanted)) else { return Ok(None) };
    let mut identity = Identity { name, ..known_by(client_id) };
    *if is_principals { &mut identity.principal_id } else { &mut identity.id } = id.into_owned();
    Ok(Some(identity))
}

fn check_schema(schema: Option<&str>, expected: &str) -> Result<(), Fault> {
    match schema {
        Some(schema) if schema == expected => Ok(()),
        other => Err(Fault::unknown("schema", other.unwrap_or_default(), &[expected])),
    }
}

fn seconds(collected: Option<i64>) -> Result<u64, Fault> {
    collected.and_then(|number| u64::try_from(number).ok()).ok_or_else(|| Fault::missing_field("collected"))
}
