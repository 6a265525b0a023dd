//! What drivers mount for the pods of a workload, some of them by a token of the ServiceAccount's.

#[cfg(feature = "audit")]
use alloc::vec::Vec;

use super::{Key, Link, Trust, Unknown};
#[cfg(feature = "audit")]
use crate::index::Name;
#[cfg(feature = "audit")]
use crate::inventory::Inventory;
use crate::inventory::SecretProviderClass;
#[cfg(feature = "audit")]
use crate::model::{ClusterIx, Custom, ImageReference, Login};
use crate::model::{Volume, Workload};

impl<'a> Trust<'a> {
    /// A SecretProviderClass in the namespace of a workload.
    pub fn provider_class(&self, workload: &Workload, name: &str) -> Link<&'a SecretProviderClass> {
        let (cluster, namespace) = (workload.cluster, workload.namespace.as_str());
        let found = self
            .inventory
            .provider_classes
            .iter()
            .find(|class| class.cluster == cluster && class.namespace == namespace && class.name == name);
        let covered = self.extent(cluster, |coverage| &coverage.provider_classes).covers(namespace, name);
        let link = Link::look(found, covered, || Key::SecretProviderClass(cluster, namespace.into(), name.into()));
        #[cfg(feature = "audit")]
        let link = link.beside(workload);
        link
    }

    /// Whether a driver asks for a token of Azure to mount a volume of a workload. One that does settles it,
    /// whatever is unknown beside it.
    ///
    /// # Errors
    /// If none is known to, and one may.
    pub fn is_mounted_with_token(&self, workload: &Workload) -> Result<bool, Unknown> {
        let mut answer = Ok(false);
        for volume in &workload.template.volumes {
            match self.mounts_with_token(workload, volume) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                unknown => answer = unknown,
            }
        }
        answer
    }

    fn mounts_with_token(&self, workload: &Workload, volume: &Volume) -> Result<bool, Unknown> {
        match volume {
            Volume::Token(_) => Ok(false),
            Volume::AzureStorage => Ok(true),
            #[cfg(feature = "audit")]
            Volume::Claim(name) if self.volume_of(workload, name).is_some() => Ok(true),
            Volume::Claim(name) => Err(Unknown(Key::Claim(workload.cluster, workload.namespace.clone(), name.clone()))),
            Volume::SecretsStore(class) => {
                let class = self.provider_class(workload, class).known();
                class.map(|class| class.is_some_and(|class| class.client_id().is_some()))
            }
        }
    }

    /// The PersistentVolume that a claim in the namespace of a workload is bound to, and by what it is mounted, if
    /// one was seen that a driver mounts with a token.
    #[cfg(feature = "audit")]
    pub fn volume_of(&self, workload: &Workload, claim: &str) -> Option<(&'a Custom, &'a Login)> {
        self.volumes.get(&Name::within(workload.cluster, &workload.namespace, claim)).first().copied()
    }

    /// The workloads seen of a cluster that run an image of that name, such as those of an operator.
    #[cfg(feature = "audit")]
    pub fn running_image(&self, cluster: ClusterIx, name: &str) -> &[&'a Workload] {
        self.running.get(&Name::within(cluster, name, ""))
    }
}

#[cfg(feature = "audit")]
pub(super) fn by_claim(inventory: &Inventory) -> impl Iterator<Item = (Name<'_>, (&Custom, &Login))> {
    inventory.customs.iter().flat_map(|custom| {
        let claims = custom.logins().iter().filter_map(|login| Some((login.claim.as_ref()?, login)));
        claims.map(move |((namespace, claim), login)| (Name::within(custom.cluster, namespace, claim), (custom, login)))
    })
}

#[cfg(feature = "audit")]
pub(super) fn by_image(inventory: &Inventory) -> impl Iterator<Item = (Name<'_>, &Workload)> {
    inventory.workloads.iter().flat_map(|workload| {
        let mut names: Vec<&str> =
            workload.containers().filter_map(|(it, _)| Some(ImageReference::of(it.image.as_deref()?).name())).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(move |name| (Name::within(workload.cluster, name, ""), workload))
    })
}
