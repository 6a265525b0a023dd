//! Whether anything in a cluster asks for tokens of Azure, and needs the webhook for them.

use alloc::format;

use super::{Key, Trust, Unknown};
use crate::inventory::Extent;
use crate::model::{Body, ClusterIx, Means, Workload, annotation};

impl Trust<'_> {
    /// Whether a pod of a cluster gets its token from the webhook alone: it opts in, and brings none of its own.
    ///
    /// # Errors
    /// If none was seen that does, and not all pods were, nor what made one that has ended.
    pub fn needs_webhook(&self, index: ClusterIx) -> Result<bool, Unknown> {
        if self.workloads(index).any(Workload::needs_webhook) {
            return Ok(true);
        }
        let ended = self.workloads(index).filter(|it| it.opts_in() && !it.brings_azure_token());
        match ended.filter_map(|it| self.unread_maker(it)).next() {
            Some(maker) => Err(maker),
            None if self.knows_pods(index) => Ok(false),
            None => Err(unsaid("whether a pod of the cluster opts in")),
        }
    }

    /// Whether anybody presents a token of a cluster to Entra: its pods, a driver that mounts for them, or an
    /// operator that asks for the tokens of a ServiceAccount.
    ///
    /// # Errors
    /// If nobody was seen who does, and not all were, nor what made a pod that has ended, or if kubelets may.
    pub fn needs_issuer(&self, index: ClusterIx) -> Result<bool, Unknown> {
        let asked_for = self.inventory.token_requesters.iter().any(|it| it.cluster == index);
        if asked_for || self.customs(index).any(|it| asks(&it.body)) {
            return Ok(true);
        }
        let mut unknown = None;
        for workload in self.workloads(index) {
            match self.asks(workload) {
                Ok(false) => {}
                _ if workload.has_ended() => unknown = unknown.or_else(|| self.unread_maker(workload)),
                Ok(true) => return Ok(true),
                Err(key) => unknown = unknown.or(Some(key)),
            }
        }
        let unread = self.inventory.coverage.of(index).is_none_or(|of| of.token_requesters_missing);
        match unknown.or_else(|| self.pulls_images(index)) {
            Some(unknown) => Err(unknown),
            None if unread => Err(Unknown(Key::TokenRequesters(index))),
            None if self.knows_pods(index) => Ok(false),
            None => Err(unsaid("whether a pod of the cluster asks for tokens of Azure")),
        }
    }

    /// The ServiceAccount of pods by whose tokens kubelets may pull images: whether they do is in files of the nodes.
    fn pulls_images(&self, index: ClusterIx) -> Option<Unknown> {
        let accounts = self.inventory.service_accounts.iter().filter(|it| it.cluster == index);
        let mut pulling = accounts.filter(|it| {
            it.annotations.get(annotation::ACR_CLIENT_ID).is_some()
                && self.workloads_of(index, &it.namespace, &it.name).iter().any(|pods| !pods.has_ended())
        });
        let it = pulling.next()?;
        Some(unsaid(&format!(
            "whether kubelets pull images by the tokens of ServiceAccount {}/{}",
            it.namespace, it.name
        )))
    }

    /// Whether all pods of a cluster were seen, and all Deployments, which may have none just now.
    pub(super) fn knows_pods(&self, index: ClusterIx) -> bool {
        *self.extent(index, |coverage| &coverage.pods) == Extent::Everything && self.knows_deployments(index)
    }
}

/// Whether an operator is told to ask with a token of the cluster's.
fn asks(body: &Body) -> bool {
    match body {
        Body::Operator(logins) => logins.iter().any(|login| login.means == Means::Workload),
        _ => false,
    }
}

fn unsaid(what: &str) -> Unknown {
    Unknown(Key::Value(what.into()))
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::inventory::Inventory;
    use crate::model::{Controller, Life, Login, Pair, ServiceAccount};
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, OPTS_IN, account, cluster, pod};

    const HERE: ClusterIx = ClusterIx(0);
    const MOUNTS: &str = r#","volumes":[{"name":"v","csi":{"driver":"secrets-store.csi.k8s.io","volumeAttributes":{"secretProviderClass":"vault"}}}]"#;
    const OWN: &str = r#","volumes":[{"name":"own","projected":{"sources":[{"serviceAccountToken":{"path":"token","audience":"api://AzureADTokenExchange"}}]}}]"#;

    /// Whether the webhook is needed, and the issuer; nothing where that is open.
    fn needs(workloads: Vec<Workload>, pods: Extent, deployments: Extent) -> [Option<bool>; 2] {
        let mut inventory = Inventory { workloads, ..cluster() };
        let of = inventory.coverage.cluster(HERE);
        (of.pods, of.deployments) = (pods, deployments);
        of_inventory(&inventory)
    }

    fn of_inventory(inventory: &Inventory) -> [Option<bool>; 2] {
        let parameters = Parameters::default();
        let trust = Trust::join(inventory, &parameters);
        [trust.needs_webhook(HERE).ok(), trust.needs_issuer(HERE).ok()]
    }

    #[test]
    fn who_needs_nothing_is_known_where_all_pods_and_deployments_are() {
        let all = || Extent::Everything;
        let some = || Extent::Namespaces(["shop".into()].into_iter().collect());
        let idle = || vec![pod("", "")];
        assert_eq!(needs(idle(), all(), all()), [Some(false); 2]);
        for (pods, deployments) in
            [(all(), Extent::Nothing), (Extent::Nothing, all()), (some(), all()), (all(), some())]
        {
            assert_eq!(needs(idle(), pods.clone(), deployments.clone()), [None; 2], "{pods:?}, {deployments:?}");
        }
        let done = |kind: &str, more: &str| Workload {
            life: Life::Ended,
            controller: Some(Controller { kind: kind.into(), name: "cart".into() }),
            ..pod(OPTS_IN, more)
        };
        let job = || {
            let json = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"cart","namespace":"shop"},"spec":{},"status":{"completionTime":"2026-11-01T08:00:00Z"}}"#;
            crate::sample::workload(json)
        };
        assert_eq!(needs(vec![done("Job", ""), job()], all(), all()), [Some(false); 2]);
        assert_eq!(needs(vec![done("Workflow", ""), job()], all(), all()), [None; 2], "it may make others");
        assert_eq!(needs(vec![done("Workflow", OWN), job()], all(), all()), [Some(false), None]);
        let mut idle_once = done("Workflow", "");
        idle_once.template.labels.0.clear();
        assert_eq!(needs(vec![idle_once], all(), all()), [Some(false); 2], "it asked for nothing");
        assert_eq!(needs(vec![done("Workflow", ""), pod(OPTS_IN, "")], all(), all()), [Some(true); 2]);
    }

    #[test]
    fn one_that_needs_it_is_enough() {
        let seen = |workload| needs(vec![pod("", ""), workload], Extent::Nothing, Extent::Nothing);
        assert_eq!(seen(pod(OPTS_IN, "")), [Some(true); 2]);
        assert_eq!(seen(pod(OPTS_IN, OWN)), [None, Some(true)]);
        assert_eq!(seen(pod("", OWN)), [None, Some(true)]);
    }

    #[test]
    fn kubelets_may_ask_with_the_tokens_of_pods() {
        let all = || Extent::Everything;
        let seen = |account: ServiceAccount, life| {
            let workloads = vec![Workload { life, ..pod("", "") }];
            let mut inventory = Inventory { workloads, service_accounts: vec![account], ..cluster() };
            let of = inventory.coverage.cluster(HERE);
            (of.pods, of.deployments) = (all(), all());
            of_inventory(&inventory)
        };
        let pulling = || {
            let mut account = account(CLIENT);
            let pair = Pair { key: annotation::ACR_CLIENT_ID.into(), value: CLIENT.into(), is_string: true };
            account.annotations.0.push(pair);
            account
        };
        assert_eq!(seen(account(CLIENT), Life::Active), [Some(false); 2]);
        assert_eq!(seen(pulling(), Life::Active), [Some(false), None]);
        assert_eq!(seen(pulling(), Life::Ended), [Some(false); 2], "none of its pods runs");
        let elsewhere = ServiceAccount { cluster: ClusterIx(1), ..pulling() };
        assert_eq!(seen(elsewhere, Life::Active), [Some(false); 2]);
        let of_nobody = ServiceAccount { name: "web".into(), ..pulling() };
        assert_eq!(seen(of_nobody, Life::Active), [Some(false); 2]);
    }

    #[test]
    fn an_operator_that_asks_with_a_token_is_enough() {
        let login = |means| Login {
            path: String::new(),
            means,
            client_id: String::new(),
            account: None,
            claim: None,
            tenant_id: String::new(),
        };
        let asks = |means: &[Means]| asks(&Body::Operator(means.iter().map(|it| login(*it)).collect()));
        assert!(asks(&[Means::Secret, Means::Workload]));
        assert!(!asks(&[Means::Secret, Means::Node]));
    }

    #[test]
    fn a_claim_may_be_for_a_volume_that_asks_for_tokens() {
        let claim = r#","volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"data"}}]"#;
        let all = || Extent::Everything;
        assert_eq!(needs(vec![pod("", claim)], all(), all()), [Some(false), None]);
    }

    #[test]
    fn what_was_not_read_may_ask_for_tokens() {
        let mut inventory = Inventory { workloads: vec![pod("", MOUNTS)], ..cluster() };
        let of = inventory.coverage.cluster(HERE);
        (of.pods, of.deployments) = (Extent::Everything, Extent::Everything);
        assert_eq!(of_inventory(&inventory), [Some(false), None], "its class");
        inventory.coverage.cluster(HERE).provider_classes = Extent::Everything;
        assert_eq!(of_inventory(&inventory), [Some(false); 2]);
        inventory.coverage.cluster(HERE).token_requesters_missing = true;
        assert_eq!(of_inventory(&inventory), [Some(false), None], "the stores of External Secrets");
        inventory.coverage.of_cluster.clear();
        assert_eq!(of_inventory(&inventory), [None; 2]);
        let parameters = Parameters::default();
        let asked = Trust::join(&inventory, &parameters).needs_issuer(HERE);
        assert_eq!(asked, Err(Unknown(Key::SecretProviderClass(HERE, "shop".into(), "vault".into()))));
    }
}
