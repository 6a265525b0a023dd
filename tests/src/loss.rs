//! Loss of evidence: what an inventory would be if less had been read. An object goes together
//! with the coverage that vouched for it, or a coverage goes alone; what never happens is that
//! something is missing and still taken for seen.

use std::collections::BTreeSet;

use wiguard_rules::inventory::{ClusterCoverage, Extent, Inventory, Tokens};
use wiguard_rules::model::{Cluster, ClusterIx, Identity, IdentityKind};
use wiguard_rules::parameters::Parameters;
use wiguard_rules::trust::Trust;

/// Something that was not read. Objects by their index in the inventory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// A ServiceAccount.
    Account(usize),
    /// A Secret.
    Secret(usize),
    /// A SecretProviderClass.
    ProviderClass(usize),
    /// A namespace.
    Namespace(usize),
    /// A resource by which an operator asks for tokens.
    Requester(usize),
    /// A Role or ClusterRole.
    Role(usize),
    /// A RoleBinding or ClusterRoleBinding.
    RoleBinding(usize),
    /// The registration of a webhook.
    Registration(usize),
    /// The ConfigMap of a webhook.
    WebhookSettings(usize),
    /// An identity binding of AKS.
    IdentityBinding(usize),
    /// A workload.
    Workload(usize),
    /// An identity.
    Identity(usize),
    /// A credential.
    Credential(usize),
    /// All that is known of a cluster.
    Cluster(usize),
    /// A cluster's issuer.
    IssuerOf(usize),
    /// That a kind was read wholly, in one cluster.
    Wholeness(ClusterIx, Kind),
    /// That an identity's credentials were all read.
    CredentialsOf(usize),
    /// That the managed identities were all read.
    ManagedIdentities,
    /// That the app registrations were all read.
    Applications,
    /// That the clusters were all read.
    Clusters,
    /// That whatever trusts some tokens was read.
    TrustOf(Tokens),
    /// That a client id was looked for.
    NoIdentity(String),
    /// That a tenant was seen.
    Tenant(String),
}

/// A kind of which a cluster's coverage speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Namespaces.
    Namespaces,
    /// ServiceAccounts.
    Accounts,
    /// Deployments.
    Deployments,
    /// Pods.
    Pods,
    /// Secrets.
    Secrets,
    /// SecretProviderClasses.
    ProviderClasses,
    /// Roles.
    Roles,
    /// ClusterRoles.
    ClusterRoles,
    /// RoleBindings.
    RoleBindings,
    /// ClusterRoleBindings.
    ClusterRoleBindings,
    /// MutatingWebhookConfigurations.
    Registrations,
    /// ConfigMaps of webhooks.
    WebhookSettings,
    /// Identity bindings of AKS.
    IdentityBindings,
    /// Resources of External Secrets.
    Requesters,
}

/// What is left, and which of the former objects those are: for each, its former index.
#[derive(Debug)]
pub struct Rest {
    /// What is still known.
    pub inventory: Inventory,
    /// Clusters that are as they were; they keep their index.
    pub clusters: BTreeSet<usize>,
    /// Identities.
    pub identities: Vec<usize>,
    /// Credentials.
    pub credentials: Vec<usize>,
    /// RoleBindings and ClusterRoleBindings.
    pub bindings: Vec<usize>,
    /// ServiceAccounts.
    pub accounts: Vec<usize>,
    /// Workloads.
    pub workloads: Vec<usize>,
}

/// Everything that can be lost of an inventory.
#[must_use]
pub fn losses(of: &Inventory) -> Vec<Loss> {
    let mut all = vec![Loss::ManagedIdentities, Loss::Applications, Loss::Clusters];
    all.extend((0..of.service_accounts.len()).map(Loss::Account));
    all.extend((0..of.secrets.len()).map(Loss::Secret));
    all.extend((0..of.provider_classes.len()).map(Loss::ProviderClass));
    all.extend((0..of.namespaces.len()).map(Loss::Namespace));
    all.extend((0..of.token_requesters.len()).map(Loss::Requester));
    all.extend((0..of.roles.len()).map(Loss::Role));
    all.extend((0..of.role_bindings.len()).map(Loss::RoleBinding));
    all.extend((0..of.registrations.len()).map(Loss::Registration));
    all.extend((0..of.webhook_settings.len()).map(Loss::WebhookSettings));
    all.extend((0..of.identity_bindings.len()).map(Loss::IdentityBinding));
    all.extend((0..of.workloads.len()).map(Loss::Workload));
    all.extend((0..of.identities.len()).flat_map(|index| [Loss::Identity(index), Loss::CredentialsOf(index)]));
    all.extend((0..of.credentials.len()).map(Loss::Credential));
    all.extend((0..of.clusters.len()).flat_map(|index| [Loss::Cluster(index), Loss::IssuerOf(index)]));
    for (cluster, coverage) in &of.coverage.of_cluster {
        let read = [
            (Kind::Namespaces, &coverage.namespaces),
            (Kind::Accounts, &coverage.service_accounts),
            (Kind::Deployments, &coverage.deployments),
            (Kind::Pods, &coverage.pods),
            (Kind::Secrets, &coverage.secrets),
            (Kind::ProviderClasses, &coverage.provider_classes),
            (Kind::Roles, &coverage.roles),
            (Kind::ClusterRoles, &coverage.cluster_roles),
            (Kind::RoleBindings, &coverage.role_bindings),
            (Kind::ClusterRoleBindings, &coverage.cluster_role_bindings),
            (Kind::Registrations, &coverage.registrations),
            (Kind::WebhookSettings, &coverage.webhook_settings),
        ];
        let read = read.into_iter().filter(|(_, extent)| **extent != Extent::Nothing);
        all.extend(read.map(|(kind, _)| Loss::Wholeness(*cluster, kind)));
        all.extend(coverage.identity_bindings.then_some(Loss::Wholeness(*cluster, Kind::IdentityBindings)));
        all.push(Loss::Wholeness(*cluster, Kind::Requesters));
    }
    all.extend(of.coverage.trust_of.iter().cloned().map(Loss::TrustOf));
    all.extend(of.coverage.no_identity.iter().cloned().map(Loss::NoIdentity));
    all.extend(of.coverage.tenants.iter().cloned().map(Loss::Tenant));
    all
}

/// The inventory without what was lost.
#[must_use]
pub fn without(of: &Inventory, lost: &[Loss]) -> Rest {
    let mut left = of.clone();
    let touched = |index: &usize| lost.contains(&Loss::Cluster(*index)) || lost.contains(&Loss::IssuerOf(*index));
    for loss in lost {
        uncover(&mut left, of, loss);
    }
    Rest {
        clusters: (0..of.clusters.len()).filter(|index| !touched(index)).collect(),
        identities: keep(&mut left.identities, |index| !lost.contains(&Loss::Identity(index))),
        credentials: keep(&mut left.credentials, |index| !lost.contains(&Loss::Credential(index))),
        bindings: keep(&mut left.role_bindings, |index| !lost.contains(&Loss::RoleBinding(index))),
        accounts: keep(&mut left.service_accounts, |index| !lost.contains(&Loss::Account(index))),
        workloads: keep(&mut left.workloads, |index| !lost.contains(&Loss::Workload(index))),
        inventory: {
            keep(&mut left.secrets, |index| !lost.contains(&Loss::Secret(index)));
            keep(&mut left.provider_classes, |index| !lost.contains(&Loss::ProviderClass(index)));
            keep(&mut left.namespaces, |index| !lost.contains(&Loss::Namespace(index)));
            keep(&mut left.roles, |index| !lost.contains(&Loss::Role(index)));
            keep(&mut left.registrations, |index| !lost.contains(&Loss::Registration(index)));
            keep(&mut left.webhook_settings, |index| !lost.contains(&Loss::WebhookSettings(index)));
            keep(&mut left.identity_bindings, |index| !lost.contains(&Loss::IdentityBinding(index)));
            keep(&mut left.token_requesters, |index| !lost.contains(&Loss::Requester(index)));
            left
        },
    }
}

/// Takes back what vouched for something lost. Objects go later: here they still have their places.
fn uncover(left: &mut Inventory, of: &Inventory, loss: &Loss) {
    match loss {
        Loss::Account(index) => {
            let Some(lost) = of.service_accounts.get(*index) else { return };
            narrow(left, of, lost.cluster, &lost.namespace, |coverage| &mut coverage.service_accounts);
        }
        Loss::Secret(index) => {
            let Some(lost) = of.secrets.get(*index) else { return };
            narrow(left, of, lost.cluster, &lost.namespace, |coverage| &mut coverage.secrets);
        }
        Loss::ProviderClass(index) => {
            let Some(lost) = of.provider_classes.get(*index) else { return };
            narrow(left, of, lost.cluster, &lost.namespace, |coverage| &mut coverage.provider_classes);
        }
        Loss::Namespace(index) => {
            let Some(lost) = of.namespaces.get(*index) else { return };
            narrow(left, of, lost.cluster, &lost.name, |coverage| &mut coverage.namespaces);
        }
        Loss::Requester(index) => {
            let Some(lost) = of.token_requesters.get(*index) else { return };
            left.coverage.cluster(lost.cluster).token_requesters_missing = true;
        }
        Loss::Role(index) => {
            let Some(lost) = of.roles.get(*index) else { return };
            let coverage = left.coverage.cluster(lost.cluster);
            *(if lost.namespace.is_empty() { &mut coverage.cluster_roles } else { &mut coverage.roles }) =
                Extent::Nothing;
        }
        Loss::RoleBinding(index) => {
            let Some(lost) = of.role_bindings.get(*index) else { return };
            let coverage = left.coverage.cluster(lost.cluster);
            let of_cluster = lost.is_of_cluster();
            *(if of_cluster { &mut coverage.cluster_role_bindings } else { &mut coverage.role_bindings }) =
                Extent::Nothing;
        }
        Loss::Registration(index) => {
            let Some(lost) = of.registrations.get(*index) else { return };
            left.coverage.cluster(lost.cluster).registrations = Extent::Nothing;
        }
        Loss::WebhookSettings(index) => {
            let Some(lost) = of.webhook_settings.get(*index) else { return };
            left.coverage.cluster(lost.cluster).webhook_settings = Extent::Nothing;
        }
        Loss::IdentityBinding(index) => {
            let Some(lost) = of.identity_bindings.get(*index) else { return };
            let of_cluster = |cluster: &ClusterIx| {
                let id = of.clusters.get(cluster.0 as usize).map(|cluster| cluster.id.as_str());
                id.is_some_and(|id| id.eq_ignore_ascii_case(lost.cluster()))
            };
            let clusters = left.coverage.of_cluster.iter_mut().filter(|(cluster, _)| of_cluster(cluster));
            clusters.for_each(|(_, coverage)| coverage.identity_bindings = false);
        }
        Loss::Workload(index) => {
            let Some(lost) = of.workloads.get(*index) else { return };
            let coverage = left.coverage.cluster(lost.cluster);
            // Whatever makes pods, they go with it.
            coverage.pods = Extent::Nothing;
            if lost.kind.kind == "Deployment" {
                coverage.deployments = Extent::Nothing;
            }
        }
        Loss::Identity(index) => match of.identities.get(*index).map(|identity| identity.kind) {
            Some(IdentityKind::UserAssigned) => left.coverage.managed_identities = false,
            Some(IdentityKind::Application) => left.coverage.applications = false,
            None => {}
        },
        Loss::Credential(index) => {
            let Some(lost) = of.credentials.get(*index) else { return };
            left.coverage.trust_of.retain(|tokens| tokens.issuer != lost.issuer);
            let parameters = Parameters::default();
            let trust = Trust::join(of, &parameters);
            let has_it = |it: &Identity| trust.credentials_seen(it).iter().any(|own| std::ptr::eq(*own, lost));
            let owner = of.identities.iter().position(has_it);
            if let Some(identity) = owner.and_then(|index| left.identities.get_mut(index)) {
                identity.credentials_complete = false;
            }
        }
        Loss::Cluster(index) => {
            left.coverage.clusters = false;
            if let Some(cluster) = left.clusters.get_mut(*index) {
                *cluster = Cluster::default();
            }
        }
        Loss::IssuerOf(index) => {
            left.coverage.clusters = false;
            if let Some(cluster) = left.clusters.get_mut(*index) {
                (cluster.issuer, cluster.other_issuers) = (None, Vec::new());
            }
        }
        Loss::Wholeness(cluster, kind) => {
            let coverage = left.coverage.cluster(*cluster);
            match kind {
                Kind::Namespaces => coverage.namespaces = Extent::Nothing,
                Kind::Accounts => coverage.service_accounts = Extent::Nothing,
                Kind::Deployments => coverage.deployments = Extent::Nothing,
                Kind::Pods => coverage.pods = Extent::Nothing,
                Kind::Secrets => coverage.secrets = Extent::Nothing,
                Kind::ProviderClasses => coverage.provider_classes = Extent::Nothing,
                Kind::Roles => coverage.roles = Extent::Nothing,
                Kind::ClusterRoles => coverage.cluster_roles = Extent::Nothing,
                Kind::RoleBindings => coverage.role_bindings = Extent::Nothing,
                Kind::ClusterRoleBindings => coverage.cluster_role_bindings = Extent::Nothing,
                Kind::Registrations => coverage.registrations = Extent::Nothing,
                Kind::WebhookSettings => coverage.webhook_settings = Extent::Nothing,
                Kind::IdentityBindings => coverage.identity_bindings = false,
                Kind::Requesters => coverage.token_requesters_missing = true,
            }
        }
        Loss::CredentialsOf(index) => {
            if let Some(identity) = left.identities.get_mut(*index) {
                identity.credentials_complete = false;
            }
        }
        Loss::ManagedIdentities => left.coverage.managed_identities = false,
        Loss::Applications => left.coverage.applications = false,
        Loss::Clusters => left.coverage.clusters = false,
        Loss::TrustOf(tokens) => left.coverage.trust_of.remove(tokens),
        Loss::NoIdentity(client_id) => left.coverage.no_identity.remove(client_id),
        Loss::Tenant(tenant) => left.coverage.tenants.remove(tenant),
    }
}

/// Of what was read, a namespace was not.
fn narrow(
    left: &mut Inventory,
    of: &Inventory,
    cluster: ClusterIx,
    namespace: &str,
    extent: fn(&mut ClusterCoverage) -> &mut Extent,
) {
    let extent = extent(left.coverage.cluster(cluster));
    match extent {
        Extent::Nothing => {}
        Extent::Asked(names) => names.retain(|(of, _)| of != namespace),
        Extent::Namespaces(namespaces) => {
            namespaces.retain(|read| read != namespace);
        }
        Extent::Everything => {
            let listed = of.namespaces.iter().map(|it| (it.cluster, &it.name));
            let workloads = of.workloads.iter().map(|it| (it.cluster, &it.namespace));
            let accounts = of.service_accounts.iter().map(|it| (it.cluster, &it.namespace));
            let others =
                listed.chain(workloads).chain(accounts).filter(|(of, name)| *of == cluster && *name != namespace);
            *extent = Extent::Namespaces(others.map(|(_, name)| name.clone()).collect());
        }
    }
}

/// Keeps what is wanted, and says by former index what that is.
fn keep<T>(list: &mut Vec<T>, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    let kept: Vec<usize> = (0..list.len()).filter(|index| wanted(*index)).collect();
    let mut index = 0..;
    list.retain(|_| index.next().is_some_and(&wanted));
    kept
}
