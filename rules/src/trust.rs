//! The join: the only place where two objects of the chain meet. Every hop is a [`Link`]: found,
//! absent, or unknown.

#[cfg(feature = "audit")]
mod access;
#[cfg(feature = "audit")]
mod asked;
#[cfg(feature = "audit")]
mod audience;
#[cfg(feature = "audit")]
mod coming;
#[cfg(feature = "audit")]
mod life;
mod mounted;
#[cfg(feature = "audit")]
mod need;
#[cfg(feature = "audit")]
mod registered;
#[cfg(feature = "audit")]
mod unplaced;
#[cfg(feature = "audit")]
pub use access::CREDENTIAL_OF_BINDINGS;
#[cfg(feature = "audit")]
pub use registered::{PassedOver, Unmet};
#[cfg(feature = "audit")]
pub use unplaced::may_mean;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::declared::Declared;
use crate::index::{Index, Name};
use crate::inventory::{ClusterCoverage, Extent, Inventory, Namespace, SecretKeys, TokenRequester, Tokens};
use crate::model::{
    ClientId, Cluster, ClusterIx, FederatedIdentityCredential, Identity, Issuer, Parent, RoleAssignment,
    ServiceAccount, Software, Subject, Workload,
};
#[cfg(feature = "audit")]
use crate::model::{Custom, Role, RoleBinding};
use crate::parameters::Parameters;

/// A hop of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link<T, K = Key> {
    /// It is there.
    Found(T),
    /// We looked, and it is not there.
    Absent,
    /// We could not look.
    Unknown(K),
}

/// What would have to be known to judge: the evidence that was missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown(pub Key);

/// A fact to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The issuer of a cluster.
    Issuer(ClusterIx),
    /// Whether a namespace exists.
    Namespace(ClusterIx, String),
    /// A ServiceAccount, by namespace and name.
    ServiceAccount(ClusterIx, String, String),
    /// The keys of a Secret, by namespace and name.
    Secret(ClusterIx, String, String),
    /// A SecretProviderClass, by namespace and name.
    SecretProviderClass(ClusterIx, String, String),
    /// The namespace of an object that states none, by kind and name.
    #[cfg(feature = "audit")]
    Place(&'static str, String),
    /// A PersistentVolumeClaim, by namespace and name.
    Claim(ClusterIx, String, String),
    /// The custom resources by which operators ask for tokens.
    TokenRequesters(ClusterIx),
    /// The Deployments of a cluster.
    Deployments(ClusterIx),
    /// The Roles and ClusterRoles of a cluster, and who they are bound to.
    #[cfg(feature = "audit")]
    Access(ClusterIx),
    /// The MutatingWebhookConfigurations of a cluster.
    #[cfg(feature = "audit")]
    Registrations(ClusterIx),
    /// The ConfigMap of the webhook in a namespace.
    #[cfg(feature = "audit")]
    WebhookSettings(ClusterIx, String),
    /// The identity bindings of a cluster of AKS.
    #[cfg(feature = "audit")]
    IdentityBindings(ClusterIx),
    /// The identity of a client id.
    Identity(String),
    /// All credentials of an identity, by its name or client id.
    Credentials(String),
    /// All credentials that trust an issuer, whatever their identity.
    Trusting(Issuer),
    /// Which identity a credential belongs to.
    Parent(String),
    /// All clusters that could have this issuer.
    Clusters(Issuer),
    /// How Azure describes a cluster.
    Description(ClusterIx),
    /// What made a pod or a Job that has ended.
    #[cfg(feature = "audit")]
    Maker(String),
    /// What has no kind of its own, in words: what an expression or a `valueFrom` evaluates to, or a list that was
    /// not read.
    Value(String),
}

/// The joined chain.
pub struct Trust<'a> {
    inventory: &'a Inventory,
    parameters: &'a Parameters,
    service_accounts: Index<'a, &'a ServiceAccount>,
    accounts_naming: Index<'a, &'a ServiceAccount>,
    workloads_of: Index<'a, &'a Workload>,
    namespaces: Index<'a, &'a Namespace>,
    identities: Index<'a, usize>,
    identities_by_id: Index<'a, usize>,
    credentials_of: Index<'a, &'a FederatedIdentityCredential>,
    trusting: Index<'a, &'a FederatedIdentityCredential>,
    roles_of: Index<'a, &'a RoleAssignment>,
    #[cfg(feature = "audit")]
    roles: Index<'a, &'a Role>,
    #[cfg(feature = "audit")]
    bindings: Index<'a, &'a RoleBinding>,
    #[cfg(feature = "audit")]
    webhooks: Index<'a, &'a Workload>,
    #[cfg(feature = "audit")]
    audiences: audience::Audiences,
    #[cfg(feature = "audit")]
    accounts_by_name: Index<'a, &'a ServiceAccount>,
    #[cfg(feature = "audit")]
    workloads_by_name: Index<'a, &'a Workload>,
    /// Signs of KEDA, which scales workloads up from nothing.
    #[cfg(feature = "audit")]
    wakers: Index<'a, ()>,
    /// What says how many pods a workload has, by its own name and by that of the workload.
    #[cfg(feature = "audit")]
    scalers: Index<'a, &'a Custom>,
    /// Whether every identity was listed, with all its credentials.
    #[cfg(feature = "audit")]
    knows_all_credentials: bool,
    /// Whether only admission is judged.
    #[cfg(feature = "audit")]
    at_admission: bool,
}

// === impl Link ===

impl<T> Link<T> {
    /// What is there, if we could look. The whole three-valued logic is `.known()?`.
    pub fn known(self) -> Result<Option<T>, Unknown> {
        match self {
            Self::Found(found) => Ok(Some(found)),
            Self::Absent => Ok(None),
            Self::Unknown(key) => Err(Unknown(key)),
        }
    }

    fn look(found: Option<T>, covered: bool, key: impl FnOnce() -> Key) -> Self {
        match found {
            Some(found) => Self::Found(found),
            None if covered => Self::Absent,
            None => Self::Unknown(key()),
        }
    }
}

/// An index that rules of the audit alone look into; empty, and not linked, where only admission is judged.
fn audited<'a, T: Copy>(items: impl Iterator<Item = (Name<'a>, T)>) -> Index<'a, T> {
    if cfg!(feature = "audit") { Index::of(items) } else { Index::of([].into_iter()) }
}

// === impl Trust ===

impl<'a> Trust<'a> {
    /// Joins an inventory.
    pub fn join(inventory: &'a Inventory, parameters: &'a Parameters) -> Self {
        let accounts = || inventory.service_accounts.iter();
        let identities = || inventory.identities.iter().zip(0..);
        let ids = |(identity, index): (&'a Identity, usize)| {
            let ids = [&identity.id, &identity.principal_id].into_iter().filter(|id| !id.is_empty());
            ids.map(move |id| (Name::folded(id), index))
        };
        let mut trust = Self {
            inventory,
            parameters,
            service_accounts: Index::of(
                accounts().map(|account| (Name::within(account.cluster, &account.namespace, &account.name), account)),
            ),
            accounts_naming: audited(
                accounts().filter_map(|account| Some((Name::owned(account.client_id()?.folded()), account))),
            ),
            workloads_of: audited(inventory.workloads.iter().map(|workload| {
                (Name::within(workload.cluster, &workload.namespace, workload.service_account()), workload)
            })),
            namespaces: audited(inventory.namespaces.iter().map(|it| (Name::within(it.cluster, &it.name, ""), it))),
            identities: Index::of(identities().map(|(identity, index)| (Name::folded(identity.reference()), index))),
            identities_by_id: Index::of(identities().flat_map(ids)),
            credentials_of: Index::of([].into_iter()),
            trusting: Index::of(
                inventory.credentials.iter().map(|credential| (Name::exact(credential.issuer.as_str()), credential)),
            ),
            roles_of: audited(inventory.role_assignments.iter().map(|role| (Name::folded(&role.principal_id), role))),
            #[cfg(feature = "audit")]
            roles: Index::of(
                inventory.roles.iter().map(|role| (Name::within(role.cluster, &role.namespace, &role.name), role)),
            ),
            #[cfg(feature = "audit")]
            bindings: Index::of(
                inventory.role_bindings.iter().map(|it| (Name::within(it.cluster, &it.namespace, ""), it)),
            ),
            #[cfg(feature = "audit")]
            webhooks: Index::of(
                inventory
                    .workloads
                    .iter()
                    .filter(|it| it.is_webhook())
                    .map(|it| (Name::within(it.cluster, "", ""), it)),
            ),
            #[cfg(feature = "audit")]
            audiences: audience::Audiences::of(inventory, parameters),
            #[cfg(feature = "audit")]
            accounts_by_name: Index::of(accounts().map(|it| (Name::within(it.cluster, &it.name, ""), it))),
            #[cfg(feature = "audit")]
            workloads_by_name: Index::of(
                inventory.workloads.iter().map(|it| (Name::within(it.cluster, &it.namespace, &it.name), it)),
            ),
            #[cfg(feature = "audit")]
            wakers: Index::of(life::signs_of_keda(inventory)),
            #[cfg(feature = "audit")]
            scalers: Index::of(life::scalers(inventory)),
            #[cfg(feature = "audit")]
            knows_all_credentials: inventory.coverage.managed_identities
                && inventory.coverage.applications
                && inventory.identities.iter().all(|identity| identity.credentials_complete),
            #[cfg(feature = "audit")]
            at_admission: false,
        };
        trust.credentials_of = Index::of(
            inventory
                .credentials
                .iter()
                .filter_map(|credential| Some((Name::number(trust.parent_index(credential)?), credential))),
        );
        trust
    }

    /// The same, where only admission is judged: what the policy module cannot see, nobody sees.
    #[must_use]
    pub fn at_admission(self) -> Self {
        #[cfg(feature = "audit")]
        return Self { at_admission: true, ..self };
        #[cfg(not(feature = "audit"))]
        self
    }

    /// What the user told the rules.
    pub fn parameters(&self) -> &'a Parameters {
        self.parameters
    }

    /// What infrastructure as code declares of credentials.
    pub fn declared(&self) -> &'a Declared {
        &self.inventory.declared
    }

    /// A cluster.
    pub fn cluster(&self, cluster: ClusterIx) -> Option<&'a Cluster> {
        self.inventory.clusters.get(cluster.0 as usize)
    }

    /// All clusters that have a name or an issuer.
    pub fn clusters(&self) -> impl Iterator<Item = (ClusterIx, &'a Cluster)> {
        (0..).map(ClusterIx).zip(&self.inventory.clusters)
    }

    /// The issuer of a cluster.
    pub fn issuer(&self, cluster: ClusterIx) -> Result<&'a Issuer, Unknown> {
        self.cluster(cluster).and_then(|cluster| cluster.issuer.as_ref()).ok_or(Unknown(Key::Issuer(cluster)))
    }

    /// The cluster that has this issuer, byte for byte.
    pub fn cluster_of(&self, issuer: &Issuer) -> Option<(ClusterIx, &'a Cluster)> {
        self.clusters()
            .find(|(_, cluster)| cluster.issuer.as_ref() == Some(issuer) || cluster.other_issuers.contains(issuer))
    }

    /// Whether any cluster could have an issuer that no source describes.
    pub fn knows_all_clusters(&self) -> bool {
        self.inventory.coverage.clusters
    }

    /// Whether a namespace exists.
    pub fn namespace(&self, cluster: ClusterIx, name: &str) -> Link<()> {
        let found = self.namespaces.first(&Name::within(cluster, name, "")).map(drop);
        Link::look(found, self.extent(cluster, |coverage| &coverage.namespaces).covers(name, name), || {
            Key::Namespace(cluster, name.into())
        })
    }

    /// The ServiceAccount of a workload.
    pub fn service_account(&self, workload: &Workload) -> Link<&'a ServiceAccount> {
        let link = self.service_account_named(workload.cluster, &workload.namespace, workload.service_account());
        #[cfg(feature = "audit")]
        let link = self.account_of(workload, link);
        link
    }

    /// The ServiceAccount of that namespace and name.
    pub fn service_account_named(&self, cluster: ClusterIx, namespace: &str, name: &str) -> Link<&'a ServiceAccount> {
        let found = self.service_accounts.get(&Name::within(cluster, namespace, name)).last().copied();
        let covered = self.extent(cluster, |coverage| &coverage.service_accounts).covers(namespace, name);
        let link = Link::look(found, covered, || Key::ServiceAccount(cluster, namespace.into(), name.into()));
        #[cfg(feature = "audit")]
        if link == Link::Absent {
            return self.unplaced_account(cluster, name).map_or(link, Link::Unknown);
        }
        link
    }

    /// The ServiceAccounts seen that name this client id.
    pub fn accounts_naming(&self, client_id: &ClientId) -> &[&'a ServiceAccount] {
        self.accounts_naming.get(&Name::folded(client_id.as_str()))
    }

    /// The workloads seen that run under a ServiceAccount.
    pub fn workloads_of<'s>(
        &'s self,
        cluster: ClusterIx,
        namespace: &'s str,
        service_account: &'s str,
    ) -> &'s [&'a Workload] {
        self.workloads_of.get(&Name::within(cluster, namespace, service_account))
    }

    /// All custom resources seen of a cluster.
    #[cfg(feature = "audit")]
    pub fn customs(&self, cluster: ClusterIx) -> impl Iterator<Item = &'a Custom> {
        self.inventory.customs.iter().filter(move |custom| custom.cluster == cluster)
    }

    /// All workloads seen of a cluster.
    pub fn workloads(&self, cluster: ClusterIx) -> impl Iterator<Item = &'a Workload> {
        self.inventory.workloads.iter().filter(move |workload| workload.cluster == cluster)
    }

    /// The workloads seen, of whatever cluster, that run this software. What has ended runs it no more.
    pub fn running(&self, software: &Software) -> Vec<&'a Workload> {
        let all = self.inventory.workloads.iter();
        #[cfg(feature = "audit")]
        let all = all.filter(|workload| !workload.has_ended());
        all.filter(|workload| software.is_run_by(workload)).collect()
    }

    /// The software seen that a workload runs.
    #[cfg(feature = "audit")]
    pub fn run_by(&self, workload: &Workload) -> impl Iterator<Item = &'a Software> {
        self.inventory.software.iter().filter(|software| software.is_run_by(workload))
    }

    /// Whether all Deployments of a cluster were seen.
    pub fn knows_deployments(&self, cluster: ClusterIx) -> bool {
        *self.extent(cluster, |coverage| &coverage.deployments) == Extent::Everything
    }

    /// Whether all ServiceAccounts of a cluster were seen.
    pub fn knows_service_accounts(&self, cluster: ClusterIx) -> bool {
        *self.extent(cluster, |coverage| &coverage.service_accounts) == Extent::Everything
    }

    /// The keys of a Secret.
    pub fn secret(&self, workload: &Workload, name: &str) -> Link<&'a SecretKeys> {
        let (cluster, namespace) = (workload.cluster, workload.namespace.as_str());
        let found = self
            .inventory
            .secrets
            .iter()
            .find(|secret| secret.cluster == cluster && secret.namespace == namespace && secret.name == name);
        let covered = self.extent(cluster, |coverage| &coverage.secrets).covers(namespace, name);
        let link = Link::look(found, covered, || Key::Secret(cluster, namespace.into(), name.into()));
        #[cfg(feature = "audit")]
        let link = link.beside(workload);
        link
    }

    /// All Secrets seen of a cluster.
    #[cfg(feature = "audit")]
    pub fn secrets(&self, cluster: ClusterIx) -> impl Iterator<Item = &'a SecretKeys> {
        self.inventory.secrets.iter().filter(move |secret| secret.cluster == cluster)
    }

    /// Whether all Secrets of a cluster were seen.
    #[cfg(feature = "audit")]
    pub fn knows_secrets(&self, cluster: ClusterIx) -> bool {
        *self.extent(cluster, |coverage| &coverage.secrets) == Extent::Everything
    }

    /// A custom resource through which an operator asks for the tokens of a workload's
    /// ServiceAccount. Absent unless such an operator was seen without its resources.
    pub fn token_requester(&self, workload: &Workload) -> Link<&'a TokenRequester> {
        let found = self.requester(workload.cluster, &workload.namespace, workload.service_account());
        let missing =
            self.inventory.coverage.of(workload.cluster).is_some_and(|coverage| coverage.token_requesters_missing);
        Link::look(found, !missing, || Key::TokenRequesters(workload.cluster))
    }

    fn requester(&self, cluster: ClusterIx, namespace: &str, account: &str) -> Option<&'a TokenRequester> {
        let mut all = self.inventory.token_requesters.iter();
        all.find(|it| it.cluster == cluster && it.namespace == namespace && it.service_account == account)
    }

    /// The identity of a client id. It is absent only if managed identities and app
    /// registrations were both searched: either could have it.
    pub fn identity(&self, client_id: &ClientId) -> Link<&'a Identity> {
        let index = self.identities.first(&Name::folded(client_id.as_str()));
        let found = index.and_then(|index| self.inventory.identities.get(index));
        let coverage = &self.inventory.coverage;
        let covered = (coverage.managed_identities && coverage.applications)
            || coverage.no_identity.contains(client_id.folded().as_str());
        Link::look(found, covered && !self.is_principal(client_id), || Key::Identity(client_id.0.clone()))
    }

    /// Whether a service principal of that client id was seen: it exists, whoever else was not listed.
    #[cfg(feature = "audit")]
    pub fn is_principal(&self, client_id: &ClientId) -> bool {
        self.inventory.coverage.principals.contains(client_id.folded().as_str())
    }

    /// Never, where only admission is judged.
    #[cfg(not(feature = "audit"))]
    pub const fn is_principal(&self, _: &ClientId) -> bool {
        false
    }

    /// The identity that has this resource id, object id or principal id.
    pub fn identity_by_id(&self, id: &str) -> Option<&'a Identity> {
        self.identities_by_id.first(&Name::folded(id)).and_then(|index| self.inventory.identities.get(index))
    }

    /// The managed identity or app registration of that name, if only one has it.
    pub fn identity_by_name(&self, name: &str) -> Option<&'a Identity> {
        let mut named = self.inventory.identities.iter().filter(|identity| identity.name.eq_ignore_ascii_case(name));
        named.next().filter(|_| named.next().is_none())
    }

    /// The identity a credential belongs to.
    pub fn parent(&self, credential: &FederatedIdentityCredential) -> Option<&'a Identity> {
        self.parent_index(credential).and_then(|index| self.inventory.identities.get(index))
    }

    /// The identity of a credential that is in Azure, if anything is declared to compare it with.
    pub fn compared(&self, credential: &FederatedIdentityCredential) -> Result<Option<&'a Identity>, Unknown> {
        if credential.declared.is_some() || self.declared().is_empty() {
            return Ok(None);
        }
        self.parent(credential).map(Some).ok_or_else(|| Unknown(Key::Identity(self.parent_name(credential))))
    }

    /// The name of the identity a credential belongs to, as far as it is known.
    pub fn parent_name(&self, credential: &FederatedIdentityCredential) -> String {
        match (self.parent(credential), &credential.parent) {
            (Some(identity), _) => identity.name.clone(),
            (None, Parent::Resource(id)) => id.rsplit('/').next().unwrap_or_default().into(),
            (None, Parent::Id(id)) => id.clone(),
            (None, Parent::Client(client_id)) => client_id.0.clone(),
            (None, Parent::Unknown) => String::new(),
        }
    }

    /// The credentials seen of an identity: perhaps not all.
    pub fn credentials_seen(&self, identity: &Identity) -> &[&'a FederatedIdentityCredential] {
        let index = self.identities.first(&Name::folded(identity.reference()));
        index.map_or(&[], |index| self.credentials_of.get(&Name::number(index)))
    }

    /// What would have to be read to know every ServiceAccount that could name an identity.
    pub fn unread_accounts(&self) -> Option<Unknown> {
        // The nameless cluster, of objects that nothing ties to one, counts only if there are such objects,
        // and so does one that is merely declared.
        let told = |cluster: &Cluster| !cluster.name.is_empty() && cluster.declared.is_none();
        let matters = |index, cluster: &Cluster| told(cluster) || self.workloads(index).next().is_some();
        let unread = self
            .clusters()
            .find(|(index, cluster)| matters(*index, cluster) && !self.knows_service_accounts(*index))
            .map(|(_, cluster)| Unknown(Key::Value(format!("every ServiceAccount of cluster `{}`", cluster.name))));
        let unlisted = || {
            let what = "the clusters whose ServiceAccounts may name it";
            (!self.knows_all_clusters()).then(|| Unknown(Key::Value(what.into())))
        };
        unread.or_else(unlisted)
    }

    /// The role assignments seen of an identity.
    pub fn roles_seen(&self, identity: &Identity) -> &[&'a RoleAssignment] {
        if identity.principal_id.is_empty() { &[] } else { self.roles_of.get(&Name::folded(&identity.principal_id)) }
    }

    /// All credentials of an identity.
    pub fn credentials(&self, identity: &Identity) -> Result<&[&'a FederatedIdentityCredential], Unknown> {
        if identity.credentials_complete {
            Ok(self.credentials_seen(identity))
        } else {
            Err(Unknown(Key::Credentials(identity.name.clone())))
        }
    }

    /// The credentials that trust an issuer, whatever their identity, if all are known that trust
    /// it and could trust this subject.
    pub fn all_trusting(&self, issuer: &Issuer, subject: &Subject) -> Option<&[&'a FederatedIdentityCredential]> {
        self.inventory.coverage.knows_trust_of(issuer, subject).then(|| self.trusting(issuer))
    }

    /// Whether all credentials that trust an issuer are known, whatever they trust of it.
    pub fn knows_all_trusting(&self, issuer: &Issuer) -> bool {
        self.inventory.coverage.trust_of.contains(&Tokens::of(issuer))
    }

    /// The credentials seen that trust an issuer.
    pub fn trusting(&self, issuer: &Issuer) -> &[&'a FederatedIdentityCredential] {
        self.trusting.get(&Name::exact(issuer.as_str()))
    }

    /// Whether an identity of that tenant was seen, so that its lists reach there.
    pub fn sees_tenant(&self, tenant_id: &str) -> bool {
        let here = |identity: &Identity| identity.tenant_id.eq_ignore_ascii_case(tenant_id);
        self.inventory.identities.iter().any(here)
            || self.inventory.coverage.tenants.contains(tenant_id.to_ascii_lowercase().as_str())
    }

    /// The ServiceAccount a credential trusts, and its cluster, if both are known to exist.
    pub fn trusted_account(&self, cluster: ClusterIx, subject: &Subject) -> Option<&'a ServiceAccount> {
        let (namespace, name) = subject.service_account()?;
        self.service_accounts.get(&Name::within(cluster, namespace, name)).last().copied()
    }

    fn parent_index(&self, credential: &FederatedIdentityCredential) -> Option<usize> {
        match &credential.parent {
            Parent::Resource(id) => self.identities_by_id.first(&Name::folded(id)),
            Parent::Id(id) => {
                let id = Name::folded(id);
                self.identities_by_id.first(&id).or_else(|| self.identities.first(&id))
            }
            Parent::Client(client_id) => self.identities.first(&Name::folded(client_id.as_str())),
            Parent::Unknown => None,
        }
    }

    fn extent(&self, cluster: ClusterIx, kind: fn(&ClusterCoverage) -> &Extent) -> &Extent {
        self.inventory.coverage.of(cluster).map_or(&Extent::Nothing, kind)
    }
}

// === impl Key ===

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer(_) => f.write_str("the cluster's issuer"),
            Self::Namespace(_, name) => write!(f, "namespace {name}"),
            Self::ServiceAccount(_, namespace, name) => write!(f, "ServiceAccount {namespace}/{name}"),
            Self::Secret(_, namespace, name) => write!(f, "the keys of Secret {namespace}/{name}"),
            Self::SecretProviderClass(_, namespace, name) => write!(f, "SecretProviderClass {namespace}/{name}"),
            #[cfg(feature = "audit")]
            Self::Place(kind, name) => write!(f, "the namespace in which {kind} {name} is installed"),
            Self::Claim(_, namespace, name) => write!(f, "PersistentVolumeClaim {namespace}/{name}"),
            Self::TokenRequesters(_) => f.write_str("the stores of External Secrets"),
            Self::Deployments(_) => f.write_str("the cluster's Deployments"),
            #[cfg(feature = "audit")]
            Self::Access(_) => f.write_str("the cluster's roles and their bindings"),
            #[cfg(feature = "audit")]
            Self::Registrations(_) => f.write_str("the cluster's MutatingWebhookConfigurations"),
            #[cfg(feature = "audit")]
            Self::WebhookSettings(_, namespace) => {
                write!(f, "ConfigMap {namespace}/{}", crate::model::registration::SETTINGS)
            }
            #[cfg(feature = "audit")]
            Self::IdentityBindings(_) => f.write_str("the cluster's identity bindings"),
            Self::Identity(client_id) => write!(f, "the identity of client id {client_id}"),
            Self::Credentials(name) => write!(f, "all credentials of identity {name}"),
            Self::Trusting(issuer) => write!(f, "every credential that trusts issuer {issuer}"),
            Self::Parent(name) => write!(f, "the identity of credential {name}"),
            Self::Clusters(issuer) => write!(f, "the cluster of issuer {issuer}"),
            Self::Description(_) => f.write_str("the description of the cluster"),
            #[cfg(feature = "audit")]
            Self::Maker(what) => f.write_str(what),
            Self::Value(what) => f.write_str(what),
        }
    }
}

impl Key {
    /// What kind of evidence it is, for counting.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "issuer of the cluster",
            Self::Namespace(..) => "list of namespaces",
            Self::ServiceAccount(..) => "list of ServiceAccounts",
            Self::Secret(..) => "keys of Secrets",
            Self::SecretProviderClass(..) => "list of SecretProviderClasses",
            #[cfg(feature = "audit")]
            Self::Place(..) => "namespaces that no file states",
            Self::Claim(..) => "PersistentVolumeClaims",
            Self::TokenRequesters(_) => "stores of External Secrets",
            Self::Deployments(_) => "list of Deployments",
            #[cfg(feature = "audit")]
            Self::Access(_) => "roles and their bindings",
            #[cfg(feature = "audit")]
            Self::Registrations(_) => "list of MutatingWebhookConfigurations",
            #[cfg(feature = "audit")]
            Self::WebhookSettings(..) => "ConfigMap of the webhook",
            #[cfg(feature = "audit")]
            Self::IdentityBindings(_) => "identity bindings of a cluster",
            Self::Identity(_) => "lists of managed identities and app registrations",
            Self::Credentials(_) | Self::Trusting(_) => "federated credentials of an identity",
            Self::Parent(_) => "identity of a credential",
            Self::Clusters(_) => "list of clusters",
            Self::Description(_) => "description of the cluster",
            #[cfg(feature = "audit")]
            Self::Maker(_) => "makers of what has ended",
            Self::Value(_) => "values set elsewhere",
        }
    }
}
