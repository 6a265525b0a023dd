//! Whether anybody asks for the tokens of a ServiceAccount.

use alloc::format;

use super::{Key, Trust, Unknown};
use crate::model::{Custom, ServiceAccount, Workload};

impl Trust<'_> {
    /// Whether anybody asks for the tokens of a ServiceAccount: pods that run under it, a driver that mounts for
    /// them, or an operator that is told to.
    ///
    /// # Errors
    /// If nobody was seen who does, and not all were.
    pub fn is_asked_for(&self, account: &ServiceAccount) -> Result<bool, Unknown> {
        let (cluster, namespace, name) = (account.cluster, account.namespace.as_str(), account.name.as_str());
        let requested = self.requester(cluster, namespace, name).is_some();
        let named = |it: &Custom| it.account() == Some((namespace, name));
        if requested || self.customs(cluster).any(named) {
            return Ok(true);
        }
        let mut unknown = None;
        for workload in self.workloads_of(cluster, namespace, name).iter().filter(|it| !it.has_ended()) {
            match self.asks(workload) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(key) => unknown = unknown.or(Some(key)),
            }
        }
        let coverage = self.inventory.coverage.of(cluster);
        match unknown {
            Some(unknown) => Err(unknown),
            None if !self.knows_pods(cluster) => {
                Err(Unknown(Key::Value(format!("the pods of ServiceAccount `{namespace}/{name}`"))))
            }
            None if coverage.is_some_and(|of| of.token_requesters_missing) => {
                Err(Unknown(Key::TokenRequesters(cluster)))
            }
            None => Ok(false),
        }
    }

    /// Whether it is known that no credential admits the pods of a workload, whatever their audience.
    pub fn is_admitted_by_none(&self, workload: &Workload) -> bool {
        let (Ok(issuer), subject) = (self.issuer(workload.cluster), workload.subject()) else { return false };
        (self.knows_all_credentials || self.inventory.coverage.knows_trust_of(issuer, &subject))
            && self.trusting(issuer).iter().all(|credential| credential.admits(&subject) == Some(false))
    }

    /// Whether the pods of a workload ask for tokens of Azure, or a driver does that mounts for them.
    pub(super) fn asks(&self, workload: &Workload) -> Result<bool, Unknown> {
        if workload.opts_in() || workload.projects_azure_token() {
            Ok(true)
        } else {
            self.is_mounted_with_token(workload)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::inventory::{Extent, Inventory, TokenRequester, Tokens};
    use crate::model::ClusterIx;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, ISSUER, OPTS_IN, account, cluster, credential, custom, flexible, identity, pod};

    const HERE: ClusterIx = ClusterIx(0);

    fn estate(workloads: Vec<Workload>) -> Inventory {
        let mut inventory = Inventory { workloads, ..cluster() };
        let of = inventory.coverage.cluster(HERE);
        (of.pods, of.deployments) = (Extent::Everything, Extent::Everything);
        inventory
    }

    /// Whether somebody asks for the tokens of `shop/cart`; nothing where that is open.
    fn asked(inventory: &Inventory) -> Option<bool> {
        Trust::join(inventory, &Parameters::default()).is_asked_for(&account(CLIENT)).ok()
    }

    fn mounts(volume: &str) -> Workload {
        pod("", &format!(r#","volumes":[{volume}]"#))
    }

    #[test]
    fn its_pods_ask_and_what_mounts_for_them() {
        let csi = |driver: &str, attributes: &str| {
            mounts(&format!(r#"{{"name":"v","csi":{{"driver":"{driver}","volumeAttributes":{{{attributes}}}}}}}"#))
        };
        let own = r#"{"name":"own","projected":{"sources":[{"serviceAccountToken":{"path":"t","audience":"api://AzureADTokenExchange"}}]}}"#;
        let claim = r#"{"name":"v","persistentVolumeClaim":{"claimName":"files"}}"#;
        let class = || csi("secrets-store.csi.k8s.io", r#""secretProviderClass":"vault""#);
        let storage = || csi("file.csi.azure.com", r#""mountWithWorkloadIdentityToken":"true""#);
        for (workloads, expected) in [
            (vec![], Some(false)),
            (vec![pod("", "")], Some(false)),
            (vec![pod(OPTS_IN, "")], Some(true)),
            (vec![mounts(own)], Some(true)),
            (vec![storage()], Some(true)),
            (vec![mounts(claim)], None),
            (vec![mounts(claim), pod(OPTS_IN, "")], Some(true)),
            (vec![mounts(claim), pod("", "")], None),
            (vec![pod(OPTS_IN, &format!(r#","volumes":[{claim}]"#))], Some(true)),
            (vec![pod(OPTS_IN, r#"},"status":{"phase":"Succeeded""#)], Some(false)),
            (vec![class()], None),
            (vec![Workload { namespace: "till".into(), ..pod(OPTS_IN, "") }], Some(false)),
        ] {
            assert_eq!(asked(&estate(workloads.clone())), expected, "{workloads:?}");
        }
        let mut without = estate(vec![class()]);
        without.coverage.cluster(HERE).provider_classes = Extent::Everything;
        assert_eq!(asked(&without), Some(false), "the class is gone");
    }

    #[test]
    fn what_was_not_read_may_ask() {
        let open = |change: fn(&mut crate::inventory::ClusterCoverage)| {
            let mut inventory = estate(vec![]);
            change(inventory.coverage.cluster(HERE));
            asked(&inventory)
        };
        assert_eq!(open(|of| of.pods = Extent::Nothing), None);
        assert_eq!(open(|of| of.deployments = Extent::Nothing), None);
        assert_eq!(open(|of| of.token_requesters_missing = true), None);
        let mut none = estate(vec![]);
        none.coverage.of_cluster.clear();
        assert_eq!(asked(&none), None);
    }

    #[test]
    fn that_none_trusts_it_is_known_of_whole_lists() {
        let mut inventory = estate(vec![]);
        inventory.identities.push(identity());
        inventory.credentials.push(credential("shop", "till"));
        let none =
            |inventory: &Inventory| Trust::join(inventory, &Parameters::default()).is_admitted_by_none(&pod("", ""));
        assert!(!none(&inventory));
        inventory.coverage.trust_of.insert(Tokens::of(&ISSUER.into()));
        assert!(none(&inventory));
        inventory.coverage.trust_of = Default::default();
        (inventory.coverage.managed_identities, inventory.coverage.applications) = (true, true);
        assert!(none(&inventory));
        for change in [
            (|it| it.coverage.managed_identities = false) as fn(&mut Inventory),
            |it| it.coverage.applications = false,
            |it| it.identities.iter_mut().for_each(|identity| identity.credentials_complete = false),
            |it| it.clusters.clear(),
            |it| it.credentials.push(credential("shop", "cart")),
            |it| it.credentials.push(flexible("claims['job'] eq 'x'")),
        ] {
            let mut other = inventory.clone();
            change(&mut other);
            assert!(!none(&other), "{other:?}");
        }
    }

    #[test]
    fn an_operator_that_names_it_asks() {
        let store = |namespace: &str, name: &str| {
            custom(&format!(
                r#"{{"apiVersion":"external-secrets.io/v1","kind":"SecretStore","metadata":{{"name":"vault","namespace":"{namespace}"}},"spec":{{"provider":{{"azurekv":{{"authType":"WorkloadIdentity","serviceAccountRef":{{"name":"{name}"}}}}}}}}}}"#
            ))
        };
        let by = |store: Custom| asked(&Inventory { customs: vec![store], ..estate(vec![]) });
        assert_eq!(by(store("shop", "cart")), Some(true));
        assert_eq!(by(store("till", "cart")), Some(false));
        assert_eq!(by(store("shop", "till")), Some(false));
        assert_eq!(by(Custom { cluster: ClusterIx(1), ..store("shop", "cart") }), Some(false));
    }

    #[test]
    fn external_secrets_may_ask() {
        let by = |cluster, namespace: &str, name: &str| {
            let mut inventory = estate(vec![]);
            inventory.token_requesters.push(TokenRequester {
                cluster,
                namespace: namespace.into(),
                service_account: name.into(),
                by: String::new(),
            });
            asked(&inventory)
        };
        assert_eq!(by(HERE, "shop", "cart"), Some(true));
        assert_eq!(by(HERE, "till", "cart"), Some(false));
        assert_eq!(by(HERE, "shop", "till"), Some(false));
        assert_eq!(by(ClusterIx(1), "shop", "cart"), Some(false));
    }
}
