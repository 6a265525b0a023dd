//! Unplaced objects: those of files that state no namespace. They are taken for `default`, as kubectl takes
//! them, but what `default` lacks may be in the namespace that they will be installed in. Only the audit
//! reads files.

use super::{Key, Link, Trust, Unknown};
use crate::index::Name;
use crate::model::{ClusterIx, Custom, FederatedIdentityCredential, Issuer, ServiceAccount, Subject, Workload};

/// Whether a credential would trust a ServiceAccount of that issuer and name, or may, if it were in the right
/// namespace.
pub fn may_mean(credential: &FederatedIdentityCredential, issuer: &Issuer, subject: &Subject) -> bool {
    let is_named = |other: &Subject| match (other.service_account(), subject.service_account()) {
        (Some((_, other)), Some((_, name))) => other == name,
        _ => false,
    };
    credential.issuer == *issuer && credential.subject.as_ref().is_none_or(is_named)
}

impl<'a> Trust<'a> {
    /// The ServiceAccount of that name that a custom resource names in its own namespace, or in another.
    pub fn account_for(&self, custom: &Custom, namespace: &str, name: &str) -> Link<&'a ServiceAccount> {
        let link = self.service_account_named(custom.cluster, namespace, name);
        let own = custom.unplaced && custom.namespace == namespace;
        self.unless(link, own, custom.cluster, name, || custom.place())
    }

    /// What would have to be known of a ServiceAccount whose namespace is a guess, by its subject.
    pub fn unplaced(&self, cluster: ClusterIx, subject: &Subject) -> Option<Key> {
        let (namespace, name) = subject.service_account()?;
        let mut named = self.accounts_named(cluster, name).iter();
        let account = named.find(|it| it.unplaced && it.namespace == namespace).map(|it| it.place());
        let run = || self.workloads_of(cluster, namespace, name).iter().find(|it| it.unplaced).map(|it| it.place());
        account.or_else(run)
    }

    /// Whether none of these credentials means a ServiceAccount whose namespace is a guess.
    ///
    /// # Errors
    /// If one does, or may, were it in another namespace.
    pub fn placed(
        &self,
        (cluster, subject): (ClusterIx, &Subject),
        issuer: &Issuer,
        credentials: &[&FederatedIdentityCredential],
    ) -> Result<(), Unknown> {
        match self.unplaced(cluster, subject) {
            Some(place) if credentials.iter().any(|it| may_mean(it, issuer, subject)) => Err(Unknown(place)),
            _ => Ok(()),
        }
    }

    /// The ServiceAccount of a workload, which is not known to be absent from a namespace that is a guess, unless
    /// no namespace has one of that name.
    pub(super) fn account_of(&self, workload: &Workload, link: Link<&'a ServiceAccount>) -> Link<&'a ServiceAccount> {
        self.unless(link, workload.unplaced, workload.cluster, workload.service_account(), || workload.place())
    }

    /// An unplaced ServiceAccount of that name, which may be the one that a namespace lacks.
    pub(super) fn unplaced_account(&self, cluster: ClusterIx, name: &str) -> Option<Key> {
        self.accounts_named(cluster, name).iter().find(|it| it.unplaced).map(|it| it.place())
    }

    /// Those of a cluster that have a name, in whatever namespace.
    fn accounts_named(&self, cluster: ClusterIx, name: &str) -> &[&'a ServiceAccount] {
        self.accounts_by_name.get(&Name::within(cluster, name, ""))
    }

    fn unless(
        &self,
        link: Link<&'a ServiceAccount>,
        is_guess: bool,
        cluster: ClusterIx,
        name: &str,
        place: impl FnOnce() -> Key,
    ) -> Link<&'a ServiceAccount> {
        if !is_guess || link != Link::Absent {
            return link;
        }
        let nowhere = self.knows_service_accounts(cluster) && self.accounts_named(cluster, name).is_empty();
        if nowhere { link } else { Link::Unknown(place()) }
    }
}

// === what would have to be known ===

impl Workload {
    /// Where it is to be.
    pub fn place(&self) -> Key {
        Key::Place(self.kind.kind, self.name.clone())
    }
}

impl ServiceAccount {
    /// Where it is to be.
    pub fn place(&self) -> Key {
        Key::Place("ServiceAccount", self.name.clone())
    }
}

impl Custom {
    /// Where it is to be.
    pub fn place(&self) -> Key {
        Key::Place(self.kind.kind, self.name.clone())
    }
}

impl<T> Link<T> {
    /// What is absent from the namespace of a workload, unless that is a guess.
    pub(super) fn beside(self, workload: &Workload) -> Self {
        match self {
            Self::Absent if workload.unplaced => Self::Unknown(workload.place()),
            link => link,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, OPTS_IN, account, cluster, custom, pod};

    const HERE: ClusterIx = ClusterIx(0);

    fn pod_of(namespace: &str, unplaced: bool) -> Workload {
        Workload { namespace: namespace.into(), unplaced, ..pod(OPTS_IN, "") }
    }

    /// All ServiceAccounts of the cluster, of which `cart` is in a namespace.
    fn estate(namespace: &str, unplaced: bool) -> Inventory {
        let mut inventory = cluster();
        inventory.coverage.cluster(HERE).service_accounts = Extent::Everything;
        inventory.service_accounts.push(ServiceAccount { namespace: namespace.into(), unplaced, ..account(CLIENT) });
        inventory
    }

    #[test]
    fn a_guess_does_not_prove_absence() {
        let (inventory, parameters) = (estate("shop", false), Parameters::default());
        let trust = Trust::join(&inventory, &parameters);
        assert_eq!(trust.service_account(&pod_of("default", false)), Link::Absent, "it states its namespace");
        let unplaced = pod_of("default", true);
        assert_eq!(trust.service_account(&unplaced), Link::Unknown(unplaced.place()));
        let other = Workload { namespace: "default".into(), unplaced: true, ..pod_named("other") };
        assert_eq!(trust.service_account(&other), Link::Absent, "no namespace has one of that name");
        let mut fewer = inventory.clone();
        fewer.coverage.cluster(HERE).service_accounts = Extent::Namespaces(["default".into()].into_iter().collect());
        let trust = Trust::join(&fewer, &parameters);
        assert_eq!(trust.service_account(&other), Link::Unknown(other.place()), "one that was not read may");
    }

    fn pod_named(account: &str) -> Workload {
        let mut pod = pod(OPTS_IN, "");
        pod.template.service_account = Some(account.into());
        pod
    }

    #[test]
    fn an_unplaced_account_may_be_the_one_that_a_namespace_lacks() {
        let (inventory, parameters) = (estate("default", true), Parameters::default());
        let trust = Trust::join(&inventory, &parameters);
        let place = Key::Place("ServiceAccount", "cart".into());
        assert_eq!(trust.service_account(&pod_of("shop", false)), Link::Unknown(place.clone()));
        assert_eq!(trust.service_account_named(HERE, "shop", "cartt"), Link::Absent, "it has another name");
        assert_eq!(trust.service_account_named(ClusterIx(1), "shop", "cart").known().ok(), None);
        assert_eq!(trust.unplaced(HERE, &Subject::of("default", "cart")), Some(place));
        assert_eq!(trust.unplaced(HERE, &Subject::of("shop", "cart")), None);
        assert_eq!(trust.unplaced(ClusterIx(1), &Subject::of("default", "cart")), None);
        assert_eq!(trust.unplaced(HERE, &Subject::of("default", "other")), None);
    }

    #[test]
    fn what_a_guess_lacks_it_may_have_elsewhere() {
        let (mut inventory, parameters) = (estate("till", false), Parameters::default());
        inventory.coverage.cluster(HERE).secrets = Extent::Everything;
        let trust = Trust::join(&inventory, &parameters);
        assert_eq!(trust.secret(&pod_of("shop", false), "it"), Link::Absent);
        let unplaced = pod_of("default", true);
        assert_eq!(trust.secret(&unplaced, "it"), Link::Unknown(unplaced.place()));
        let store = |unplaced| Custom {
            unplaced,
            ..custom(
                r#"{"apiVersion":"external-secrets.io/v1","kind":"SecretStore","metadata":{"name":"vault","namespace":"shop"},"spec":{}}"#,
            )
        };
        assert_eq!(trust.account_for(&store(false), "shop", "cart"), Link::Absent);
        assert_eq!(trust.account_for(&store(true), "shop", "cart"), Link::Unknown(store(true).place()));
        assert_eq!(trust.account_for(&store(true), "other", "cart"), Link::Absent, "it names that one");
    }

    #[test]
    fn an_account_is_unplaced_with_its_workloads() {
        let (mut inventory, parameters) = (estate("default", false), Parameters::default());
        inventory.workloads.push(pod_of("default", false));
        let subject = Subject::of("default", "cart");
        assert_eq!(Trust::join(&inventory, &parameters).unplaced(HERE, &subject), None);
        inventory.workloads.push(pod_of("default", true));
        let place = Key::Place("Pod", "cart".into());
        assert_eq!(Trust::join(&inventory, &parameters).unplaced(HERE, &subject), Some(place));
    }
}
