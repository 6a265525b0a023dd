//! Extents: what a list proves absent. A list that lacks what other objects show to exist was
//! filtered, and proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use wiguard_rules::inventory::{Coverage, Extent, Inventory};
use wiguard_rules::model::{Cluster, ClusterIx, IdentityKind, Platform, Registration, Workload, is_guid};

use super::Gap;
use super::ended::Ended;
use super::feed::Proof;

/// The namespace in which pods of every cluster run that nobody made themselves: a live list of pods without
/// any there was filtered, and one of no others may have been.
const SYSTEM: &str = "kube-system";

/// A list, by source and number.
type ListId = (u32, u32);

/// What was seen of lists while objects were put together.
#[derive(Debug, Default)]
pub(super) struct Lists {
    accounts: BTreeMap<(ClusterIx, ListId), Accounts>,
    namespaces: BTreeSet<ClusterIx>,
    deployments: BTreeSet<ClusterIx>,
    /// The namespaces of live pods, by list.
    pods: BTreeMap<(ClusterIx, ListId), BTreeSet<String>>,
    secrets: BTreeMap<(ClusterIx, ListId), BTreeSet<String>>,
    provider_classes: BTreeSet<ClusterIx>,
    /// Roles and their bindings, by kind.
    access: BTreeMap<(ClusterIx, &'static str, ListId), Access>,
    /// Clusters of which MutatingWebhookConfigurations were given.
    registrations: BTreeMap<ClusterIx, Registrations>,
    /// ServiceAccounts that running pods use, and namespaces that live objects are in.
    used: BTreeSet<(ClusterIx, String, String)>,
    lived_in: BTreeSet<(ClusterIx, String)>,
    /// Deployments that live ReplicaSets name.
    deployers: BTreeSet<(ClusterIx, String, String)>,
    external_secrets: BTreeMap<ClusterIx, Seen>,
    managed_identities: Seen,
    applications: Seen,
    /// Clusters of AKS by resource id, in lower case, of which there are identity bindings, and whether
    /// they are all listed.
    identity_bindings: BTreeMap<String, bool>,
    /// Clusters that were read themselves.
    homes: BTreeSet<ClusterIx>,
    /// What live sources prove, by cluster where they are of one.
    proofs: BTreeSet<(Option<ClusterIx>, Proof)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    No,
    /// Something of the kind, but not all.
    Some,
    All,
}

/// What was seen of a cluster's MutatingWebhookConfigurations.
#[derive(Debug, Default)]
struct Registrations {
    /// Whether any was read from its API server.
    live: bool,
    /// Whether a list of such was.
    listed: bool,
}

/// What a list holds of a kind of roles or bindings.
#[derive(Debug, Default)]
struct Access {
    namespaces: BTreeSet<String>,
    live: bool,
    has_admin: bool,
}

#[derive(Debug, Default)]
struct Accounts {
    by_namespace: BTreeMap<String, Members>,
}

#[derive(Debug, Default)]
struct Members {
    live: bool,
    has_default: bool,
}

impl Lists {
    pub(super) fn identity(&mut self, kind: IdentityKind, list: Option<&Ended>) {
        let seen = match kind {
            IdentityKind::UserAssigned => &mut self.managed_identities,
            IdentityKind::Application => &mut self.applications,
        };
        // `az ad app list` stops after 100 unless told --all.
        let all = list.is_some_and(|list| kind == IdentityKind::UserAssigned || list.elements != 100);
        *seen = if all || *seen == Seen::All { Seen::All } else { Seen::Some };
    }

    pub(super) fn workload(&mut self, cluster: ClusterIx, list: Option<ListId>, workload: &Workload, live: bool) {
        // Others may call theirs alike.
        let kind = if workload.kind.at_admission() { workload.kind.kind } else { "" };
        if kind == "Deployment" {
            if list.is_some() {
                self.deployments.insert(cluster);
            }
            if workload.name == "external-secrets" {
                self.external_secrets.entry(cluster).or_insert(Seen::Some);
            }
        }
        if !live {
            return;
        }
        self.lived_in.insert((cluster, workload.namespace.clone()));
        match (kind, &workload.controller) {
            ("Pod", _) => {
                if let Some(list) = list {
                    self.pods.entry((cluster, list)).or_default().insert(workload.namespace.clone());
                }
                self.used.insert((cluster, workload.namespace.clone(), workload.service_account().into()));
            }
            ("ReplicaSet", Some(controller)) if controller.kind == "Deployment" => {
                self.deployers.insert((cluster, workload.namespace.clone(), controller.name.clone()));
            }
            _ => {}
        }
    }

    pub(super) fn account(
        &mut self,
        cluster: ClusterIx,
        list: Option<ListId>,
        namespace: &str,
        name: &str,
        live: bool,
    ) {
        let Some(list) = list else { return };
        let members =
            self.accounts.entry((cluster, list)).or_default().by_namespace.entry(namespace.into()).or_default();
        members.live |= live;
        members.has_default |= name == "default";
    }

    pub(super) fn namespace(&mut self, cluster: ClusterIx, list: Option<ListId>) {
        if list.is_some() {
            self.namespaces.insert(cluster);
        }
    }

    pub(super) fn secret(&mut self, cluster: ClusterIx, list: Option<ListId>, namespace: &str) {
        if let Some(list) = list {
            self.secrets.entry((cluster, list)).or_default().insert(namespace.into());
        }
    }

    pub(super) fn provider_class(&mut self, cluster: ClusterIx, list: Option<ListId>) {
        if list.is_some() {
            self.provider_classes.insert(cluster);
        }
    }

    /// A Role or ClusterRole, or a binding.
    pub(super) fn access(
        &mut self,
        cluster: ClusterIx,
        list: Option<ListId>,
        kind: &'static str,
        namespace: &str,
        name: &str,
        live: bool,
    ) {
        let Some(list) = list else { return };
        let seen = self.access.entry((cluster, kind, list)).or_default();
        seen.namespaces.insert(namespace.into());
        seen.live |= live;
        seen.has_admin |= name == "cluster-admin";
    }

    /// A MutatingWebhookConfiguration, of whatever webhooks. A list of manifests tells what somebody
    /// installs, and nothing of the rest of the cluster.
    pub(super) fn registration(&mut self, cluster: ClusterIx, list: Option<ListId>, registration: &Registration) {
        let seen = self.registrations.entry(cluster).or_default();
        seen.live |= registration.live;
        seen.listed |= list.is_some() && registration.live;
    }

    pub(super) fn identity_binding(&mut self, cluster: &str, whole: bool) {
        *self.identity_bindings.entry(cluster.to_ascii_lowercase()).or_default() |= whole;
    }

    pub(super) fn home(&mut self, cluster: ClusterIx) {
        self.homes.insert(cluster);
    }

    pub(super) fn prove(&mut self, cluster: Option<ClusterIx>, proofs: Vec<Proof>) {
        self.proofs.extend(proofs.into_iter().map(|proof| (cluster, proof)));
    }

    /// Whether all app registrations are known, and all managed identities: those of every
    /// subscription that is named.
    fn azure(&self) -> (bool, bool) {
        let (mut named, mut tenants) = (BTreeSet::new(), BTreeSet::new());
        for (_, proof) in &self.proofs {
            if let Proof::Subscriptions { tenant, subscriptions } = proof {
                tenants.insert(tenant);
                named.extend(subscriptions);
            }
        }
        let proven = |proof: Proof| self.proofs.contains(&(None, proof));
        let identities = !tenants.is_empty()
            && named.into_iter().all(|it| proven(Proof::ManagedIdentities { subscription: it.clone() }));
        let applications =
            !tenants.is_empty() && tenants.into_iter().all(|it| proven(Proof::Applications { tenant: it.clone() }));
        (identities, applications)
    }

    fn proves_identity_bindings(&self, cluster: &str) -> bool {
        self.proofs.contains(&(None, Proof::IdentityBindings { cluster: cluster.to_ascii_lowercase() }))
    }

    /// The tenants whose subscriptions were named.
    fn tenants(&self) -> impl Iterator<Item = &str> {
        self.proofs.iter().filter_map(|(_, proof)| match proof {
            Proof::Subscriptions { tenant, .. } => Some(tenant.as_str()),
            _ => None,
        })
    }

    /// What is proven of a cluster.
    fn clusters(&self, coverage: &mut Coverage) {
        for (cluster, proof) in &self.proofs {
            let Some(of) = cluster.map(|cluster| coverage.cluster(cluster)) else { continue };
            let (Proof::Kind { kind, .. } | Proof::Asked { kind, .. }) = proof else { continue };
            let extent = match kind.as_str() {
                "Namespace" => &mut of.namespaces,
                "ServiceAccount" => &mut of.service_accounts,
                "Deployment" => &mut of.deployments,
                "Pod" => &mut of.pods,
                "Secret" => &mut of.secrets,
                "SecretProviderClass" => &mut of.provider_classes,
                "Role" => &mut of.roles,
                "ClusterRole" => &mut of.cluster_roles,
                "RoleBinding" => &mut of.role_bindings,
                "ClusterRoleBinding" => &mut of.cluster_role_bindings,
                "MutatingWebhookConfiguration" => &mut of.registrations,
                "ConfigMap" => &mut of.webhook_settings,
                _ => continue,
            };
            match proof {
                Proof::Kind { namespace: None, .. } => *extent = Extent::Everything,
                Proof::Kind { namespace: Some(namespace), .. } => extent.add_namespace(namespace),
                Proof::Asked { namespace, name, .. } => extent.ask(namespace, name),
                _ => {}
            }
        }
        for &cluster in &self.homes {
            let all = |kind: &str, namespace: Option<&str>| {
                let proof = Proof::Kind { kind: kind.into(), namespace: namespace.map(Into::into) };
                self.proofs.contains(&(Some(cluster), proof))
            };
            // A store serves its own namespace, so that those suffice in which something runs.
            let mut lived_in = self.lived_in.iter().filter(|(of, _)| *of == cluster);
            let stores = all("SecretStore", None) || lived_in.all(|(_, name)| all("SecretStore", Some(name)));
            coverage.cluster(cluster).token_requesters_missing = !(stores && all("ClusterSecretStore", None));
        }
    }

    pub(super) fn token_requesters(&mut self, cluster: ClusterIx) {
        self.external_secrets.insert(cluster, Seen::All);
    }
}

/// The tenant of a cluster, as Azure describes it or its issuer names it.
fn tenant_of(cluster: &Cluster) -> Option<String> {
    let told = Some(cluster.tenant_id.as_str()).filter(|tenant| !tenant.is_empty());
    let named = || Some(cluster.issuer.as_ref()?.azure_home()?.1);
    told.or_else(named).map(str::to_ascii_lowercase)
}

/// Whether the webhook of a cluster is the add-on of AKS or the extension of Arc, for all that is known.
fn may_be_kept_by_azure(cluster: &Cluster) -> bool {
    let is_ones_own = || cluster.issuer.as_ref().is_some_and(|issuer| !issuer.is_azure_kubernetes());
    cluster.workload_identity_enabled.unwrap_or_else(|| cluster.platform != Platform::Other || !is_ones_own())
}

/// Writes into the inventory's coverage what the lists prove.
pub(super) fn settle(lists: &Lists, inventory: &mut Inventory, gaps: &[Gap], assume_complete: bool) {
    let described = super::iac::any_is_described(inventory);
    let coverage = &mut inventory.coverage;
    // Of clusters that Azure did not tell it is unknown which issuers they have.
    let untold = |gap: &Gap| {
        gap.path.contains("azure://") && ["/clusters", "/subscriptions"].iter().any(|part| gap.path.ends_with(part))
    };
    coverage.clusters = described && !gaps.iter().any(untold);
    let all = |seen: Seen| seen == Seen::All || (assume_complete && seen == Seen::Some);
    let tenants: BTreeSet<String> = lists.tenants().map(str::to_ascii_lowercase).collect();
    // The identities of a cluster's pods may be in its own tenant, wherever the others are. A tenant
    // that goes by a domain may be any.
    let elsewhere = tenants.iter().all(|tenant| is_guid(tenant))
        && inventory.clusters.iter().filter_map(tenant_of).any(|tenant| !tenants.contains(&tenant));
    let (identities, applications) = if elsewhere { (false, false) } else { lists.azure() };
    coverage.managed_identities = identities || all(lists.managed_identities);
    coverage.applications = applications || all(lists.applications);
    coverage.tenants.extend(tenants);

    let accounts: BTreeSet<(ClusterIx, &str, &str)> = inventory
        .service_accounts
        .iter()
        .map(|account| (account.cluster, account.namespace.as_str(), account.name.as_str()))
        .collect();
    for ((cluster, _), list) in &lists.accounts {
        let filtered = lists.used.iter().any(|(of, namespace, name)| {
            of == cluster && list.by_namespace.contains_key(namespace) && !accounts.contains(&(*of, namespace, name))
        });
        if filtered {
            continue;
        }
        let extent = &mut coverage.cluster(*cluster).service_accounts;
        // Every namespace has a ServiceAccount `default`: where a live list lacks it, it was filtered.
        let whole = |members: &Members| members.has_default || !members.live;
        if list.by_namespace.len() > 1 && list.by_namespace.values().all(whole) {
            *extent = Extent::Everything;
        }
        for (namespace, _) in list.by_namespace.iter().filter(|(_, members)| whole(members)) {
            extent.add_namespace(namespace);
        }
    }

    let namespaces: BTreeSet<(ClusterIx, &str)> =
        inventory.namespaces.iter().map(|namespace| (namespace.cluster, namespace.name.as_str())).collect();
    for cluster in &lists.namespaces {
        let filtered = lists.lived_in.iter().any(|(of, name)| of == cluster && !namespaces.contains(&(*of, name)));
        if !filtered {
            coverage.cluster(*cluster).namespaces = Extent::Everything;
        }
    }

    let deployments: BTreeSet<(ClusterIx, &str, &str)> = inventory
        .workloads
        .iter()
        .filter(|workload| workload.kind.at_admission() && workload.kind.kind == "Deployment")
        .map(|workload| (workload.cluster, workload.namespace.as_str(), workload.name.as_str()))
        .collect();
    for cluster in &lists.deployments {
        let filtered = lists
            .deployers
            .iter()
            .any(|(of, namespace, name)| of == cluster && !deployments.contains(&(*of, namespace, name)));
        if !filtered {
            coverage.cluster(*cluster).deployments = Extent::Everything;
        }
    }
    for ((cluster, _), of) in &lists.pods {
        if of.contains(SYSTEM) && of.len() > 1 {
            coverage.cluster(*cluster).pods = Extent::Everything;
        }
    }
    for ((cluster, _), of) in &lists.secrets {
        let extent = &mut coverage.cluster(*cluster).secrets;
        if of.len() > 1 {
            *extent = Extent::Everything;
        }
        of.iter().for_each(|namespace| extent.add_namespace(namespace));
    }
    for cluster in &lists.provider_classes {
        coverage.cluster(*cluster).provider_classes = Extent::Everything;
    }
    access(lists, coverage);
    for (cluster, seen) in &lists.registrations {
        // The one that Azure keeps is in nobody's manifests.
        let is_there = seen.live || inventory.registrations.iter().any(|it| it.cluster == *cluster);
        let told = is_there || !inventory.clusters.get(cluster.0 as usize).is_some_and(may_be_kept_by_azure);
        if seen.listed || (assume_complete && told) {
            coverage.cluster(*cluster).registrations = Extent::Everything;
        }
    }
    for (cluster, described) in (0..).map(ClusterIx).zip(&inventory.clusters) {
        let seen = lists.identity_bindings.get(&described.id.to_ascii_lowercase()).copied();
        let whole = seen.is_some_and(|whole| whole || assume_complete) || lists.proves_identity_bindings(&described.id);
        if whole && !described.id.is_empty() {
            coverage.cluster(cluster).identity_bindings = true;
        }
    }
    for (cluster, seen) in &lists.external_secrets {
        coverage.cluster(*cluster).token_requesters_missing = *seen == Seen::Some && !assume_complete;
    }
    lists.clusters(coverage);
    if assume_complete {
        assume(inventory);
    }
}

/// What lists prove of roles and their bindings.
fn access(lists: &Lists, coverage: &mut Coverage) {
    for ((cluster, kind, _), seen) in &lists.access {
        let of = coverage.cluster(*cluster);
        let extent = match *kind {
            "Role" => &mut of.roles,
            "RoleBinding" => &mut of.role_bindings,
            "ClusterRole" => &mut of.cluster_roles,
            _ => &mut of.cluster_role_bindings,
        };
        if kind.starts_with("Cluster") {
            // Every cluster has a ClusterRole `cluster-admin` and a binding of that name: where a live
            // list lacks it, it was filtered.
            if seen.has_admin || !seen.live {
                *extent = Extent::Everything;
            }
        } else if seen.namespaces.len() > 1 {
            *extent = Extent::Everything;
        } else {
            seen.namespaces.iter().for_each(|namespace| extent.add_namespace(namespace));
        }
    }
}

/// Takes every kind of which something is there as wholly there; of roles and bindings, all four.
fn assume(inventory: &mut Inventory) {
    let Inventory { service_accounts, namespaces, workloads, secrets, provider_classes, coverage, .. } = inventory;
    let (roles, bindings) = (inventory.roles.iter(), inventory.role_bindings.iter());
    for cluster in roles.map(|it| it.cluster).chain(bindings.map(|it| it.cluster)) {
        let of = coverage.cluster(cluster);
        (of.roles, of.cluster_roles) = (Extent::Everything, Extent::Everything);
        (of.role_bindings, of.cluster_role_bindings) = (Extent::Everything, Extent::Everything);
    }
    service_accounts.iter().for_each(|it| coverage.cluster(it.cluster).service_accounts = Extent::Everything);
    namespaces.iter().for_each(|it| coverage.cluster(it.cluster).namespaces = Extent::Everything);
    workloads.iter().for_each(|it| {
        let of = coverage.cluster(it.cluster);
        (of.deployments, of.pods) = (Extent::Everything, Extent::Everything);
    });
    secrets.iter().for_each(|it| coverage.cluster(it.cluster).secrets = Extent::Everything);
    provider_classes.iter().for_each(|it| coverage.cluster(it.cluster).provider_classes = Extent::Everything);
}
