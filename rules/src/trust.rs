//! The join: the only place where two objects of the chain meet. Every hop is a [`Link`]: found,
//! absent, or unknown.

#[cfg(feature = "audit")]
mod access;
#[cfg(feature = "audit")]
mod asked;
#[cfg(feature = "audit")]
mod audience;
mod azure;
#[cfg(feature = "audit")]
mod coming;
mod key;
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
pub use key::{Key, Link, Unknown};
#[cfg(feature = "audit")]
pub use registered::{PassedOver, Unmet};
#[cfg(feature = "audit")]
pub use unplaced::may_mean;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::vec::Vec;

use crate::declared::Declared;
use crate::index::{Index, Name};
use crate::inventory::{ClusterCoverage, Extent, Inventory, Namespace, SecretKeys, TokenRequester};
use crate::model::{
    ClientId, Cluster, ClusterIx, FederatedIdentityCredential, Identity, Issuer, RoleAssignment, ServiceAccount,
    Software, Subject, Workload,
};
#[cfg(feature = "audit")]
use crate::model::{Custom, Login, Role, RoleBinding};
use crate::parameters::Parameters;

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
    /// What is mounted with a token, by the claim that it is bound to.
    #[cfg(feature = "audit")]
    volumes: Index<'a, (&'a Custom, &'a Login)>,
    /// Workloads by the name of an image that they run.
    #[cfg(feature = "audit")]
    running: Index<'a, &'a Workload>,
    /// Whether every identity was listed, with all its credentials.
    #[cfg(feature = "audit")]
    knows_all_credentials: bool,
    /// Whether only admission is judged.
    #[cfg(feature = "audit")]
    at_admission: bool,
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
            volumes: Index::of(mounted::by_claim(inventory)),
            #[cfg(feature = "audit")]
            running: Index::of(mounted::by_image(inventory)),
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

    /// The ServiceAccount a credential trusts, and its cluster, if both are known to exist.
    pub fn trusted_account(&self, cluster: ClusterIx, subject: &Subject) -> Option<&'a ServiceAccount> {
        let (namespace, name) = subject.service_account()?;
        self.service_accounts.get(&Name::within(cluster, namespace, name)).last().copied()
    }

    fn extent(&self, cluster: ClusterIx, kind: fn(&ClusterCoverage) -> &Extent) -> &Extent {
        self.inventory.coverage.of(cluster).map_or(&Extent::Nothing, kind)
    }
}
