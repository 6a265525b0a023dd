//! Objects of Azure, told by their shape: what `az` prints (flattened), what Azure Resource
//! Manager and Microsoft Graph answer (nested), what Resource Graph lists.

pub(super) mod shape;
pub(crate) mod signing;
mod strange;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wiguard_rules::model::{
    Audience, ClientId, Cluster, FederatedIdentityCredential, Identity, IdentityBinding, IdentityKind, Issuer, Origin,
    OwnIdentity, Pair, Pairs, Parent, Platform, RoleAssignment,
};

pub use signing::Signing;

/// An object of Azure that bears on the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    /// A managed identity or an app registration.
    Identity(Identity),
    /// A federated credential.
    Credential(FederatedIdentityCredential),
    /// A cluster as Azure describes it.
    Cluster(Box<Cluster>),
    /// A role assignment.
    Role(RoleAssignment),
    /// An identity binding of AKS.
    Binding(IdentityBinding),
    /// A service principal, by the client id of its application, of whatever tenant.
    Principal(ClientId),
    /// One that may not sign in.
    Disabled(ClientId),
    /// An OpenID discovery document: the issuer an API server says it has.
    Discovery(Issuer),
    /// By which algorithms an API server says that it signs.
    Signing(Signing),
}

impl Resource {
    /// What puts objects of a source into an order.
    pub(super) fn key(&self) -> (u8, String, String) {
        match self {
            Self::Cluster(cluster) => (0, cluster.id.to_ascii_lowercase(), cluster.name.clone()),
            Self::Discovery(issuer) => (1, issuer.to_string(), String::new()),
            Self::Identity(identity) => (2, identity.id.to_ascii_lowercase(), identity.client_id.0.clone()),
            Self::Credential(credential) => {
                (3, format!("{:?}", credential.parent).to_ascii_lowercase(), credential.name.clone())
            }
            Self::Binding(binding) => (5, binding.id.to_ascii_lowercase(), String::new()),
            Self::Signing(signing) => {
                (6, signing.issuer.as_ref().map(Issuer::to_string).unwrap_or_default(), String::new())
            }
            Self::Role(role) => (4, role.id.to_ascii_lowercase(), role.principal_id.clone()),
            Self::Principal(client_id) => (7, client_id.folded(), String::new()),
            Self::Disabled(client_id) => (8, client_id.folded(), String::new()),
        }
    }
}

/// Why an object is none of those.
#[derive(Debug)]
pub enum Unrecognised {
    /// It is known, and no rule reads it: what it is.
    Useless(&'static str),
    /// It is not known: what was seen, and what to do.
    Strange(String),
}

/// Tells what an object is.
///
/// # Errors
/// If it is of no use, or nothing that is known.
pub fn recognise(value: &Value) -> Result<Resource, Unrecognised> {
    let view = View(value);
    let kind = view.text("type").to_ascii_lowercase();
    let id = view.text("id").to_ascii_lowercase();
    let is = |name: &str, segment: &str| {
        kind == name || kind.is_empty() && id.rsplit_once('/').is_some_and(|(parent, _)| parent.ends_with(segment))
    };
    if is(
        "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials",
        "/federatedidentitycredentials",
    ) {
        return Ok(Resource::Credential(credential(view)));
    }
    if is("microsoft.managedidentity/userassignedidentities", "/userassignedidentities") {
        return Ok(Resource::Identity(managed_identity(view)));
    }
    if is("microsoft.containerservice/managedclusters/identitybindings", "/identitybindings") {
        return Ok(Resource::Binding(identity_binding(view)));
    }
    if is("microsoft.containerservice/managedclusters", "/managedclusters") {
        return Ok(Resource::Cluster(Box::new(cluster(view, Platform::Aks))));
    }
    if is("microsoft.kubernetes/connectedclusters", "/connectedclusters") {
        return Ok(Resource::Cluster(Box::new(cluster(view, Platform::Arc))));
    }
    if is("microsoft.authorization/roleassignments", "/roleassignments") || view.has("roleDefinitionId") {
        return Ok(Resource::Role(role_assignment(view)));
    }
    // An API server signs in nobody, and has nowhere that gives tokens out (Kubernetes, "Service account
    // issuer discovery").
    if view.has("issuer") && view.has("jwks_uri") && view.has("token_endpoint") {
        return Err(Unrecognised::Useless("discovery document of a service that signs users in"));
    }
    if view.has("issuer") && view.has("jwks_uri") {
        return Ok(Resource::Discovery(view.text("issuer").into()));
    }
    if view.has("issuer") && view.has("audiences") {
        return Ok(Resource::Credential(credential(view)));
    }
    if view.has("appId") && view.has("displayName") {
        // What only a service principal has (Microsoft Graph v1.0, `servicePrincipal`).
        let is_principal = !view.text("servicePrincipalType").is_empty()
            || ["servicePrincipalNames", "appOwnerOrganizationId"].iter().any(|name| view.has(name));
        let is_disabled = view.get("accountEnabled").and_then(Value::as_bool) == Some(false);
        return Ok(match (is_principal, is_disabled) {
            (true, true) => Resource::Disabled(view.text("appId").into()),
            (true, false) => Resource::Principal(view.text("appId").into()),
            (false, _) => Resource::Identity(application(view)),
        });
    }
    if view.has("oidcIssuerProfile") && view.has("name") {
        let platform = if view.has("distribution") { Platform::Arc } else { Platform::Aks };
        return Ok(Resource::Cluster(Box::new(cluster(view, platform))));
    }
    if let Some(signing) = signing::of_keys(value) {
        return Ok(Resource::Signing(signing));
    }
    Err(strange::tell(view, &kind, &id))
}

fn managed_identity(view: View<'_>) -> Identity {
    Identity {
        kind: IdentityKind::UserAssigned,
        name: view.text("name").into(),
        client_id: ClientId(view.text("clientId").into()),
        id: view.text("id").into(),
        principal_id: view.text("principalId").into(),
        tenant_id: view.text("tenantId").into(),
        resource_group: resource_group(view),
        location: view.text("location").into(),
        credentials_complete: false,
        declared: None,
        origin: Origin::default(),
    }
}

fn application(view: View<'_>) -> Identity {
    Identity {
        kind: IdentityKind::Application,
        name: view.text("displayName").into(),
        client_id: ClientId(view.text("appId").into()),
        id: view.text("id").into(),
        principal_id: String::new(),
        tenant_id: String::new(),
        resource_group: String::new(),
        location: String::new(),
        credentials_complete: false,
        declared: None,
        origin: Origin::default(),
    }
}

fn role_assignment(view: View<'_>) -> RoleAssignment {
    RoleAssignment {
        id: view.text("id").into(),
        principal_id: view.text("principalId").into(),
        role: view.text("roleDefinitionId").rsplit('/').next().unwrap_or_default().to_ascii_lowercase(),
        scope: view.text("scope").into(),
    }
}

fn identity_binding(view: View<'_>) -> IdentityBinding {
    let managed = |name: &str| {
        let identity = view.get("managedIdentity")?;
        identity.get(name)?.as_str()
    };
    IdentityBinding {
        id: view.text("id").into(),
        identity: managed("resourceId").unwrap_or_default().into(),
        client_id: ClientId(managed("clientId").unwrap_or_default().into()),
    }
}

fn credential(view: View<'_>) -> FederatedIdentityCredential {
    let id = view.text("id");
    let audiences = match view.get("audiences") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(Audience::from).collect(),
        Some(Value::String(one)) => vec![Audience::from(one.as_str())],
        _ => Vec::new(),
    };
    let parent = Parent::of_credential_id(id);
    let last = id.rsplit('/').next().filter(|_| parent.is_some()).unwrap_or_default();
    FederatedIdentityCredential {
        name: Some(view.text("name")).filter(|name| !name.is_empty()).unwrap_or(last).into(),
        id: id.into(),
        parent: parent.unwrap_or(Parent::Unknown),
        issuer: view.text("issuer").into(),
        subject: view.get("subject").and_then(Value::as_str).map(Into::into),
        audiences,
        expression: view.get("claimsMatchingExpression").and_then(expression),
        declared: None,
        origin: Origin::default(),
    }
}

/// The text of an expression. One in another version of the language than the first says so, and so is none
/// that anybody evaluates.
fn expression(it: &Value) -> Option<String> {
    let text = it.get("value")?.as_str()?;
    let version = it.get("languageVersion").and_then(Value::as_i64).filter(|version| *version != 1);
    Some(version.map_or_else(|| text.into(), |version| format!("languageVersion {version}: {text}")))
}

fn cluster(view: View<'_>, platform: Platform) -> Cluster {
    let oidc = view.get("oidcIssuerProfile");
    // `az` prints `issuerUrl`, Azure Resource Manager `issuerURL`; a connected AKS, EKS or GKE keeps its own.
    let issuer = ["selfHostedIssuerUrl", "issuerUrl", "issuerURL"]
        .iter()
        .filter_map(|name| oidc?.get(name)?.as_str())
        .find(|issuer| !issuer.is_empty());
    let switch = |profile: Option<&Value>| -> Option<bool> {
        match profile {
            // `null` and an object without the member both mean off; a string means somebody's --query.
            None | Some(Value::Null) => Some(false),
            Some(Value::Object(members)) => match members.get("enabled") {
                None | Some(Value::Null) => Some(false),
                Some(enabled) => enabled.as_bool(),
            },
            Some(_) => None,
        }
    };
    // Of what was left out, nothing is known.
    let said = |name: &str, profile: Option<&Value>| view.says(name).then(|| switch(profile)).flatten();
    let security = view.get("securityProfile");
    Cluster {
        name: view.text("name").into(),
        id: view.text("id").into(),
        resource_group: resource_group(view),
        platform,
        issuer: issuer.map(Into::into),
        profile_issuer: None,
        other_issuers: Vec::new(),
        oidc_issuer_enabled: said("oidcIssuerProfile", oidc),
        workload_identity_enabled: match security {
            Some(Value::Object(profile)) => switch(profile.get("workloadIdentity")),
            _ => said("securityProfile", security),
        },
        automatic: view
            .get("sku")
            .and_then(|sku| sku.get("name"))
            .and_then(Value::as_str)
            .is_some_and(|name| name.eq_ignore_ascii_case("Automatic")),
        kubernetes_version: view.text("kubernetesVersion").into(),
        tenant_id: view
            .get("identity")
            .and_then(|it| it.get("tenantId"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .into(),
        pod_identity_enabled: (platform == Platform::Aks)
            .then(|| said("podIdentityProfile", view.get("podIdentityProfile")))
            .flatten(),
        virtual_nodes: (platform == Platform::Aks)
            .then(|| said("addonProfiles", addon(view, "aciConnectorLinux")))
            .flatten(),
        metadata_restricted: metadata_restricted(view),
        metadata_needed: NEEDS_METADATA.iter().any(|name| switch(addon(view, name)) == Some(true)),
        vnet_integration: view
            .get("apiServerAccessProfile")
            .and_then(|profile| profile.get("enableVnetIntegration"))
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        windows_nodes: windows_nodes(view),
        signing: Vec::new(),
        tags: tags(view),
        own_identities: own_identities(view),
        declared: None,
        origin: Origin::default(),
    }
}

/// An add-on's profile; their names vary in case.
fn addon<'a>(view: View<'a>, name: &str) -> Option<&'a Value> {
    let addons = view.get("addonProfiles")?.as_object()?;
    addons.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, profile)| profile)
}

/// Add-ons that need the metadata service, so that it cannot be restricted (Microsoft Learn, "Block pod
/// access to the Azure Instance Metadata Service endpoint").
const NEEDS_METADATA: [&str; 4] = ["ingressApplicationGateway", "omsagent", "aciConnectorLinux", "azurepolicy"];

/// `IMDS` lets pods reach the metadata service, `None` does not; a node pool may say otherwise than the
/// cluster. Versions of the API without the member say nothing of it.
fn metadata_restricted(view: View<'_>) -> Option<bool> {
    let access = |network: &Value| match network.get("podLinkLocalAccess")?.as_str()? {
        "IMDS" => Some(false),
        "None" => Some(true),
        _ => None,
    };
    let own = view.get("networkProfile").and_then(access);
    let pools = pools(view).iter().map(|pool| pool.get("networkProfile").and_then(access).or(own));
    let said = |reached: bool| pools.clone().any(|it| it == Some(reached));
    match (pools.clone().next(), said(false), said(true)) {
        (None, ..) => own,
        (_, true, _) => Some(false),
        (_, _, true) if pools.clone().all(|it| it == Some(true)) => Some(true),
        _ => None,
    }
}

/// Tags, which an object has at its top.
fn tags(view: View<'_>) -> Pairs {
    let tags = view.0.get("tags").and_then(Value::as_object).into_iter().flatten();
    let pair = |(key, value): (&String, &Value)| {
        Some(Pair { key: key.clone(), value: value.as_str()?.into(), is_string: true })
    };
    Pairs(tags.filter_map(pair).collect())
}

fn pools(view: View<'_>) -> &[Value] {
    view.get("agentPoolProfiles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn windows_nodes(view: View<'_>) -> bool {
    let system = |pool: &Value| pool.get("osType").and_then(Value::as_str).map(str::to_owned);
    pools(view).iter().filter_map(system).any(|system| system.eq_ignore_ascii_case("Windows"))
}

/// The identities of the nodes and of add-ons. A cluster's own user-assigned identities are named by
/// client id as well; a system-assigned one has none that its description tells.
fn own_identities(view: View<'_>) -> Vec<OwnIdentity> {
    let members = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let profile = members(view.get("identityProfile")).into_iter();
    let addons = members(view.get("addonProfiles")).into_iter();
    let addons = addons.filter_map(|(name, addon)| Some((name, addon.get("identity")?.clone())));
    let control_plane = members(view.get("identity").and_then(|it| it.get("userAssignedIdentities"))).into_iter();
    let control_plane = control_plane.map(|(_, identity)| ("control plane".to_owned(), identity));
    let named = |(role, identity): (String, Value)| {
        let client_id = identity.get("clientId")?.as_str().filter(|id| !id.is_empty())?;
        Some(OwnIdentity { role, client_id: ClientId(client_id.into()) })
    };
    profile.chain(addons).chain(control_plane).filter_map(named).collect()
}

fn resource_group(view: View<'_>) -> String {
    let named = view.text("resourceGroup");
    if !named.is_empty() {
        return named.into();
    }
    let id = view.text("id");
    let mut segments = id.split('/');
    segments.find(|segment| segment.eq_ignore_ascii_case("resourceGroups"));
    segments.next().unwrap_or_default().into()
}

/// An object whose members stand at the top or, as Azure Resource Manager nests them, in `properties`.
#[derive(Clone, Copy)]
struct View<'a>(&'a Value);

impl<'a> View<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        let top = self.0.get(name).filter(|value| !value.is_null());
        top.or_else(|| self.0.get("properties")?.get(name).filter(|value| !value.is_null()))
    }

    fn text(self, name: &str) -> &'a str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it says something of a member, be it that there is none: `az` prints what is `null`, and
    /// Azure Resource Manager leaves it out of `properties`.
    fn says(self, name: &str) -> bool {
        self.has(name) || self.0.get("properties").is_some_and(Value::is_object)
    }

    fn has(self, name: &str) -> bool {
        self.0.get(name).is_some() || self.0.get("properties").is_some_and(|properties| properties.get(name).is_some())
    }
}
