//! What the emulated cloud holds: tenants with app registrations, management groups, and
//! subscriptions with managed identities, their credentials, clusters and role assignments.

use std::sync::Arc;

use serde_json::{Map, Value, json};

/// The audience that Entra expects of a federated token.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Everything there is.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// Management groups.
    pub groups: Vec<ManagementGroup>,
    /// Subscriptions.
    pub subscriptions: Vec<Subscription>,
}

/// A directory of Entra.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its app registrations.
    pub applications: Vec<Application>,
}

/// A management group.
#[derive(Clone, Debug)]
pub struct ManagementGroup {
    /// The last segment of its id.
    pub name: String,
    /// The index of its tenant.
    pub tenant: usize,
    /// The group above it.
    pub parent: Option<String>,
}

/// A subscription.
#[derive(Clone, Debug, Default)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The index of its tenant.
    pub tenant: usize,
    /// Whether it is `Disabled`, which can still be read.
    pub disabled: bool,
    /// The management group it is in; that of the whole tenant if there is none.
    pub group: Option<String>,
    /// Its managed identities.
    pub identities: Vec<Identity>,
    /// Its clusters.
    pub clusters: Vec<Cluster>,
    /// Its role assignments: principal id and role definition id.
    pub roles: Vec<(String, String)>,
}

/// A user-assigned managed identity.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its resource group.
    pub group: String,
    /// Its region.
    pub location: String,
    /// Its client id.
    pub client_id: String,
    /// Its principal id.
    pub principal_id: String,
    /// Its federated credentials.
    pub credentials: Credentials,
}

/// Federated credentials: those of big estates are made when they are asked for.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// These.
    Listed(Vec<Credential>),
    /// Those of a made-up identity.
    Made(super::made::Recipe),
}

/// A federated credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    /// Its name.
    pub name: String,
    /// The issuer.
    pub issuer: String,
    /// The subject, unless it is a flexible credential.
    pub subject: Option<String>,
    /// The expression of a flexible credential.
    pub expression: Option<String>,
    /// The audience.
    pub audience: String,
}

/// A cluster as Azure knows it.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Whether it is connected by Azure Arc, else it is AKS.
    pub arc: bool,
    /// The object as `az` prints it: flattened.
    pub printed: Value,
    /// The identities that it binds, by client id.
    pub bindings: Vec<String>,
}

/// An app registration.
#[derive(Clone, Debug)]
pub struct Application {
    /// The object as Microsoft Graph answers it, without its credentials.
    pub object: Value,
    /// Its credentials with their ids.
    pub credentials: Vec<(String, Credential)>,
}

// === impl Estate ===

impl Estate {
    /// An estate of one tenant without anything.
    #[must_use]
    pub fn of_tenant(id: &str, name: &str) -> Self {
        Self { tenants: vec![Tenant { id: id.into(), name: name.into(), ..Tenant::default() }], ..Self::default() }
    }

    /// The subscription of this id.
    #[must_use]
    pub fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|it| it.id.eq_ignore_ascii_case(id))
    }

    /// The id of a subscription's tenant.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn tenant_of(&self, subscription: &Subscription) -> &str {
        &self.tenants[subscription.tenant].id
    }

    /// The ids of the subscriptions in a management group and those below it.
    #[must_use]
    pub fn below(&self, group: &str) -> Vec<&Subscription> {
        let own = |it: &&Subscription| it.group.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(group));
        let mut found: Vec<&Subscription> = self.subscriptions.iter().filter(own).collect();
        let is_child = |it: &&ManagementGroup| it.parent.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(group));
        for child in self.groups.iter().filter(is_child) {
            found.extend(self.below(&child.name));
        }
        found
    }

    /// How many managed identities there are, and how many credentials they have.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let identities = self.subscriptions.iter().flat_map(|it| &it.identities);
        identities.fold((0, 0), |(count, credentials), it| (count + 1, credentials + it.credentials.len()))
    }
}

// === impl Subscription ===

impl Subscription {
    /// The identity of this name in this resource group.
    #[must_use]
    pub fn identity(&self, group: &str, name: &str) -> Option<&Identity> {
        let is = |it: &&Identity| it.name.eq_ignore_ascii_case(name) && it.group.eq_ignore_ascii_case(group);
        // A hint first: the names of made-up identities end in their place in the list.
        let hinted = name.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
        let hinted = hinted.and_then(|at| self.identities.get(at)).filter(|it| is(it));
        hinted.or_else(|| self.identities.iter().find(is))
    }
}

// === impl Identity ===

impl Identity {
    /// Its resource id, the way Azure Resource Manager writes it in lists: with `resourcegroups`.
    #[must_use]
    pub fn id(&self, subscription: &str) -> String {
        self.id_with("resourcegroups", subscription)
    }

    /// Its resource id with that word for the segment of the resource group.
    #[must_use]
    pub fn id_with(&self, word: &str, subscription: &str) -> String {
        let Self { group, name, .. } = self;
        format!(
            "/subscriptions/{subscription}/{word}/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        )
    }

    /// As Azure Resource Manager answers it.
    #[must_use]
    pub fn nested(&self, subscription: &str, tenant: &str) -> Value {
        json!({
            "id": self.id(subscription), "name": self.name, "location": self.location,
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities", "tags": {"owner": "platform@norvind.example"},
            "properties": {"tenantId": tenant, "principalId": self.principal_id, "clientId": self.client_id,
                "isolationScope": "None"}})
    }
}

// === impl Credentials ===

impl Credentials {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Listed(list) => list.len(),
            Self::Made(recipe) => recipe.count(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That at a place.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn get(&self, at: usize) -> Credential {
        match self {
            Self::Listed(list) => list[at].clone(),
            Self::Made(recipe) => recipe.credential(at),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Credential> + '_ {
        (0..self.len()).map(|at| self.get(at))
    }
}

// === impl Credential ===

impl Credential {
    /// A credential for the usual audience.
    #[must_use]
    pub fn new(name: &str, issuer: &str, subject: &str) -> Self {
        let subject = Some(subject.into());
        Self { name: name.into(), issuer: issuer.into(), subject, expression: None, audience: AUDIENCE.into() }
    }

    /// A flexible credential.
    #[must_use]
    pub fn flexible(name: &str, issuer: &str, expression: &str) -> Self {
        Self { subject: None, expression: Some(expression.into()), ..Self::new(name, issuer, "") }
    }

    /// Its members, as they stand in `properties` and, flattened, in what `az` prints.
    #[must_use]
    pub fn members(&self, flexible: bool) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("issuer".into(), json!(self.issuer));
        members.insert("audiences".into(), json!([self.audience]));
        if let Some(subject) = &self.subject {
            members.insert("subject".into(), json!(subject));
        }
        if let Some(expression) = self.expression.as_ref().filter(|_| flexible) {
            members.insert("claimsMatchingExpression".into(), json!({"languageVersion": 1, "value": expression}));
        }
        members
    }

    /// As Azure Resource Manager answers it; older versions know nothing of flexible ones.
    #[must_use]
    pub fn nested(&self, identity: &str, flexible: bool) -> Value {
        json!({
            "id": format!("{identity}/federatedIdentityCredentials/{}", self.name), "name": self.name,
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
            "properties": self.members(flexible)})
    }
}

// === impl Cluster ===

impl Cluster {
    /// A cluster with workload identity.
    #[must_use]
    pub fn new(subscription: &str, name: &str, arc: bool, issuer: &str) -> Self {
        let group = format!("rg-{name}");
        let (kind, provider) = if arc {
            ("microsoft.kubernetes/connectedclusters", "Microsoft.Kubernetes/connectedClusters")
        } else {
            ("Microsoft.ContainerService/ManagedClusters", "Microsoft.ContainerService/managedClusters")
        };
        let word = if arc { "resourceGroups" } else { "resourcegroups" };
        let mut printed = json!({
            "id": format!("/subscriptions/{subscription}/{word}/{group}/providers/{provider}/{name}"),
            "name": name, "type": kind, "location": "westeurope", "resourceGroup": group, "tags": {},
            "identity": {"type": "SystemAssigned"}, "kubernetesVersion": "1.33", "provisioningState": "Succeeded",
            "oidcIssuerProfile": {"enabled": true, "issuerUrl": issuer},
            "securityProfile": {"workloadIdentity": {"enabled": true}}});
        if let (Some(members), true) = (printed.as_object_mut(), arc) {
            members.insert("distribution".into(), json!("k3s"));
        }
        Self { arc, printed, bindings: Vec::new() }
    }

    /// Its resource id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.printed["id"].as_str().unwrap_or_default()
    }

    /// As Azure Resource Manager answers it: nested, and AKS spells its issuer `issuerURL`.
    #[must_use]
    pub fn nested(&self) -> Value {
        const OUTSIDE: [&str; 8] = ["id", "name", "type", "location", "tags", "identity", "sku", "systemData"];
        let (mut top, mut properties) = (Map::new(), Map::new());
        for (name, value) in self.printed.as_object().into_iter().flatten().filter(|(name, _)| *name != "resourceGroup")
        {
            let to = if OUTSIDE.contains(&name.as_str()) { &mut top } else { &mut properties };
            to.insert(name.clone(), value.clone());
        }
        if let (Some(Value::Object(profile)), false) = (properties.get_mut("oidcIssuerProfile"), self.arc)
            && let Some(issuer) = profile.remove("issuerUrl")
        {
            profile.insert("issuerURL".into(), issuer);
        }
        top.insert("properties".into(), Value::Object(properties));
        Value::Object(top)
    }
}

// === impl Application ===

impl Application {
    /// Its object id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.object["id"].as_str().unwrap_or_default()
    }

    /// Its credentials as Microsoft Graph answers them.
    #[must_use]
    pub fn credentials(&self, flexible: bool) -> Vec<Value> {
        let answered = |(id, credential): &(String, Credential)| {
            let mut members = credential.members(flexible);
            members.insert("id".into(), json!(id));
            members.insert("name".into(), json!(credential.name));
            members.insert("description".into(), Value::Null);
            Value::Object(members)
        };
        self.credentials.iter().map(answered).collect()
    }
}

/// An issuer of AKS.
#[must_use]
pub fn aks_issuer(region: &str, tenant: &str, cluster: &str) -> Arc<str> {
    format!("https://{region}.oic.prod-aks.azure.com/{tenant}/{cluster}/").into()
}
