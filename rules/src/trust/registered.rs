//! The webhook of a cluster: how it is registered, what runs it, and which namespaces it sees.

use alloc::format;
use alloc::string::String;

use super::{Key, Link, Trust, Unknown};
use crate::index::Name;
use crate::inventory::Extent;
use crate::model::registration::{NAME_LABEL, OF_AKS, SETTINGS, is_managed, label_of};
use crate::model::{
    ClusterIx, Condition, Pairs, Platform, Registration, Requirement, ServiceAccount, Webhook, WebhookSettings,
    Workload,
};
use crate::near::edits_within;
use crate::release::Release;
use crate::webhook::MOUNT_PATHS;

/// The namespace of the agents that connect a cluster to Arc (Microsoft Learn, "Azure Arc-enabled Kubernetes
/// agent overview").
const ARC_AGENTS: &str = "azure-arc";

/// How many ServiceAccounts of a namespace are looked through for a like name.
const COMPARED: usize = 256;
/// What comes after the newest version of the webhook that is modelled, and its patches.
const AFTER_THE_NEWEST: &str = "1.7.0-dev";

/// What keeps the webhook from being asked about pods.
#[derive(Clone, Copy, Debug)]
pub struct PassedOver<'a> {
    /// The registration.
    pub registration: &'a Registration,
    /// The webhook of it.
    pub webhook: &'a Webhook,
    /// What it wants of them.
    pub why: Unmet<'a>,
}

/// What pods do not meet.
#[derive(Clone, Copy, Debug)]
pub enum Unmet<'a> {
    /// A requirement of `objectSelector`.
    Label(&'a Requirement),
    /// A member of `matchConditions`.
    Condition(&'a Condition),
}

impl<'a> Trust<'a> {
    /// The registrations seen of a cluster's webhook: one, as a rule.
    pub fn registrations(&self, cluster: ClusterIx) -> impl Iterator<Item = &'a Registration> {
        self.inventory.registrations.iter().filter(move |it| it.cluster == cluster)
    }

    /// The registration of a cluster's webhook.
    pub fn registration(&self, cluster: ClusterIx) -> Link<&'a Registration> {
        let found = self.registrations(cluster).next();
        Link::look(found, self.knows_registrations(cluster), || Key::Registrations(cluster))
    }

    /// Whether all MutatingWebhookConfigurations of a cluster were seen.
    pub fn knows_registrations(&self, cluster: ClusterIx) -> bool {
        *self.extent(cluster, |coverage| &coverage.registrations) == Extent::Everything
    }

    /// The Deployments seen of a cluster that run the webhook; one scaled to nothing is kept.
    pub fn webhooks(&self, cluster: ClusterIx) -> impl Iterator<Item = &'a Workload> {
        self.webhooks.get(&Name::within(cluster, "", "")).iter().copied()
    }

    /// Whether nobody installed the mutating webhook in a cluster: Azure, if its add-on or extension is enabled
    /// as is said, or you. Of a cluster that Azure does not know that is for its registrations to tell.
    ///
    /// # Errors
    /// If Azure does not say, or a Deployment that was not seen may be the webhook's.
    pub fn lacks_webhook(&self, index: ClusterIx, enabled: Option<bool>) -> Result<bool, Unknown> {
        let platform = self.cluster(index).map_or(Platform::Other, |cluster| cluster.platform);
        if platform == Platform::Other || enabled == Some(true) || self.has_webhook(index) {
            return Ok(false);
        }
        if enabled.is_none() {
            return Err(Unknown(Key::Value("whether the cluster's workload identity is enabled".into())));
        }
        // The agents of Arc are Deployments: a list without them is not of the whole cluster.
        let is_agent = |it: &Workload| it.kind.kind == "Deployment" && it.namespace == ARC_AGENTS;
        let whole = platform == Platform::Aks || self.workloads(index).any(is_agent);
        if whole && self.knows_deployments(index) { Ok(true) } else { Err(Unknown(Key::Deployments(index))) }
    }

    /// What would have to be read to know that a webhook is registered in a cluster that Azure does not know,
    /// none of whose Deployments runs it.
    pub fn unregistered(&self, index: ClusterIx) -> Option<Unknown> {
        let is_other = self.cluster(index).is_none_or(|cluster| cluster.platform == Platform::Other);
        let may_lack = is_other
            && self.knows_deployments(index)
            && !self.has_webhook(index)
            && !self.knows_registrations(index)
            && self.registrations(index).next().is_none();
        may_lack.then_some(Unknown(Key::Registrations(index)))
    }

    /// Whether a Deployment of a cluster runs the webhook, or you say that one is installed. The one that Azure
    /// keeps while workload identity is on goes with it.
    fn has_webhook(&self, index: ClusterIx) -> bool {
        let goes = |it: &Workload| self.azure_keeps_webhook(index) && it.is_managed_webhook();
        self.parameters.self_managed_webhook || self.workloads(index).any(|it| it.runs_webhook() && !goes(it))
    }

    /// Whether Azure says that it runs the webhook of a cluster.
    pub fn azure_keeps_webhook(&self, cluster: ClusterIx) -> bool {
        self.cluster(cluster).is_some_and(|cluster| cluster.workload_identity_enabled == Some(true))
    }

    /// Whether a webhook that is called in a namespace is one that Azure keeps up: the add-on of AKS in
    /// `kube-system`, the extension of Arc in a namespace of its own.
    ///
    /// # Errors
    /// If it is not known whether the cluster is of AKS.
    pub fn is_managed(&self, index: ClusterIx, namespace: &str) -> Result<bool, Unknown> {
        if namespace != OF_AKS {
            return Ok(is_managed(namespace));
        }
        let Some(cluster) = self.cluster(index) else { return Err(Unknown(Key::Description(index))) };
        match (cluster.platform, cluster.workload_identity_enabled, &cluster.issuer) {
            (Platform::Aks, Some(false), _) => Ok(false),
            (Platform::Aks | Platform::Arc, ..) => Ok(true),
            // What is not of AKS has an issuer of its own; one of AKS says so itself.
            (Platform::Other, _, Some(issuer)) if !issuer.is_azure_kubernetes() => Ok(false),
            (Platform::Other, ..) => Err(Unknown(Key::Description(index))),
        }
    }

    /// Whether a registration of a cluster calls a webhook that Azure keeps up.
    ///
    /// # Errors
    /// If none is known to, and it is not known of one.
    pub fn calls_managed(&self, cluster: ClusterIx) -> Result<bool, Unknown> {
        let mut unknown = None;
        let webhooks = self.registrations(cluster).flat_map(|it| &it.webhooks);
        for (namespace, _) in webhooks.filter_map(|webhook| webhook.service.as_ref()) {
            match self.is_managed(cluster, namespace) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(why) => unknown = unknown.or(Some(why)),
            }
        }
        unknown.map_or(Ok(false), Err)
    }

    /// The ConfigMap of the webhook in a namespace.
    pub fn webhook_settings(&self, cluster: ClusterIx, namespace: &str) -> Link<&'a WebhookSettings> {
        let found =
            self.inventory.webhook_settings.iter().find(|it| it.cluster == cluster && it.namespace == namespace);
        let covered = self.extent(cluster, |coverage| &coverage.webhook_settings).covers(namespace, SETTINGS);
        Link::look(found, covered, || Key::WebhookSettings(cluster, namespace.into()))
    }

    /// Why the webhook is not asked about the pods of a workload that opts in, of the registration seen
    /// first; none if another asks. An error if what is required of them is not known.
    pub fn passed_over(&self, workload: &Workload) -> Result<Option<PassedOver<'a>>, Unknown> {
        let (mut first, mut unknown) = (None, None);
        let all = self.registrations(workload.cluster);
        let all = all.flat_map(|it| it.webhooks.iter().map(move |webhook| (it, webhook)));
        // One that is not asked about pods that are made is none, and a rule of the catalogue says so.
        for (registration, webhook) in all.filter(|(_, webhook)| !webhook.is_never_asked()) {
            match missed(workload, webhook) {
                Ok(None) => return Ok(None),
                Ok(Some(why)) => first = first.or(Some(PassedOver { registration, webhook, why })),
                Err(why) => unknown = unknown.or(Some(why)),
            }
        }
        unknown.map_or(Ok(first), Err)
    }

    /// The labels of a namespace.
    pub fn namespace_labels(&self, cluster: ClusterIx, name: &str) -> Link<&'a Pairs> {
        let found = self.namespaces.first(&Name::within(cluster, name, ""));
        let covered = self.extent(cluster, |coverage| &coverage.namespaces).covers(name, name);
        Link::look(found.map(|it| &it.labels), covered, || Key::Namespace(cluster, name.into()))
    }

    /// The ServiceAccount of a namespace whose name comes nearest to one that is not there, if it is near.
    pub fn account_like(&self, cluster: ClusterIx, namespace: &str, name: &str) -> Option<&'a ServiceAccount> {
        let all = self.service_accounts.under(&Name::within(cluster, namespace, ""));
        let near = all.iter().copied().take(COMPARED).filter(|account| account.name != "default");
        let within = |edits| near.clone().find(|account| edits_within(&account.name, name, edits));
        within(2).and_then(|near| within(1).or(Some(near)))
    }

    /// All ServiceAccounts seen of a cluster.
    pub fn accounts(&self, cluster: ClusterIx) -> impl Iterator<Item = &'a ServiceAccount> {
        self.inventory.service_accounts.iter().filter(move |account| account.cluster == cluster)
    }

    /// Where the webhook of a cluster mounts its token, by the version that runs: nothing, unless every
    /// Deployment of the cluster was seen, and those that run it say so.
    pub fn mount_path(&self, cluster: ClusterIx) -> Option<&'static str> {
        let [old, new] = MOUNT_PATHS;
        let path = |webhook: &Workload| {
            let is_old = Release::is_below(webhook.webhook_version()?, "1.6.0-alpha")?;
            Some(if is_old { old } else { new })
        };
        let mut paths = self.webhooks(cluster).map(path);
        let first = paths.next()??;
        (self.knows_deployments(cluster) && paths.all(|other| other == Some(first))).then_some(first)
    }

    /// The version of a cluster's webhook, where it comes after all that are modelled here.
    pub fn newer_webhook(&self, cluster: ClusterIx) -> Option<&'a str> {
        let mut versions = self.webhooks(cluster).filter_map(Workload::webhook_version);
        versions.find(|version| Release::is_below(version, AFTER_THE_NEWEST) == Some(false))
    }

    /// The version of a cluster's webhook, where it is known to come before identity bindings of AKS.
    pub fn before_bindings(&self, cluster: ClusterIx) -> Option<&'a str> {
        let is_old = self.mount_path(cluster) == MOUNT_PATHS.first().copied();
        self.webhooks(cluster).next().filter(|_| is_old)?.webhook_version()
    }

    /// By which requirement a namespace is out of a webhook's sight; none if it is not. An error if the
    /// labels that are asked for are not known.
    pub fn out_of_sight(
        &self,
        cluster: ClusterIx,
        namespace: &str,
        webhook: &'a Webhook,
    ) -> Result<Option<&'a Requirement>, Unknown> {
        // What hangs on the name alone needs nothing else.
        let named = |requirement: &&Requirement| requirement.key == NAME_LABEL;
        if let Some(unmet) = webhook.namespaces.0.iter().filter(named).find(|it| !it.holds(Some(namespace))) {
            return Ok(Some(unmet));
        }
        if webhook.namespaces.0.iter().all(|it| named(&it)) {
            return Ok(None);
        }
        let described = self.inventory.namespaces.iter().find(|it| it.cluster == cluster && it.name == namespace);
        match described {
            Some(it) => Ok(webhook.namespaces.unmet(|key| label_of(&it.name, &it.labels, key))),
            None => Err(Unknown(Key::Namespace(cluster, namespace.into()))),
        }
    }
}

/// What of a webhook's wants the pods of a workload that opts in do not meet; none if they meet all of it.
fn missed<'a>(workload: &Workload, webhook: &'a Webhook) -> Result<Option<Unmet<'a>>, Unknown> {
    if let Some(unmet) = webhook.unmet_by(workload) {
        return Ok(Some(Unmet::Label(unmet)));
    }
    let unheld = webhook.unheld(&workload.namespace);
    if let Some((condition, Some(_))) = unheld {
        return Ok(Some(Unmet::Condition(condition)));
    }
    let unknown = |what: String| Err(Unknown(Key::Value(what)));
    let is_unclear = |it: &&Requirement| workload.template.meets(workload.kind, it).is_none();
    if let Some(unclear) = webhook.pods.0.iter().find(is_unclear) {
        return unknown(format!("whether the pods of {} are with label {unclear}", workload.name));
    }
    match unheld {
        Some((Condition { name, .. }, _)) => {
            unknown(format!("whether matchCondition {name} of the webhook holds of the pods of {}", workload.name))
        }
        None => Ok(None),
    }
}
