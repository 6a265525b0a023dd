//! Who may do what in a cluster: bindings and their roles joined, and what of it lets somebody become
//! an identity.

use alloc::vec::Vec;

use super::{Key, Link, Trust, Unknown};
use crate::index::Name;
use crate::inventory::Extent;
use crate::model::{
    ClientId, ClusterIx, FederatedIdentityCredential, Identity, IdentityBinding, Power, Role, RoleBinding,
    ServiceAccount,
};

/// The credential that AKS makes, one for all bindings of an identity (Microsoft Learn, Identity bindings in AKS).
pub const CREDENTIAL_OF_BINDINGS: &str = "aks-identity-binding";

impl<'a> Trust<'a> {
    /// The role that is bound.
    pub fn role(&self, binding: &RoleBinding) -> Link<&'a Role> {
        let namespace = if binding.of_cluster_role { "" } else { binding.namespace.as_str() };
        let found = self.roles.get(&Name::within(binding.cluster, namespace, &binding.role)).last().copied();
        let extent = if binding.of_cluster_role {
            self.extent(binding.cluster, |coverage| &coverage.cluster_roles)
        } else {
            self.extent(binding.cluster, |coverage| &coverage.roles)
        };
        Link::look(found, extent.covers(namespace, &binding.role), || Key::Access(binding.cluster))
    }

    /// The bindings seen of a cluster: those of a namespace, or with an empty one the ClusterRoleBindings.
    pub fn bindings(&self, cluster: ClusterIx, namespace: &str) -> &[&'a RoleBinding] {
        self.bindings.get(&Name::within(cluster, namespace, ""))
    }

    /// The binding by which a ServiceAccount may use an identity through an identity binding of AKS.
    pub fn may_use(&self, account: &ServiceAccount, client_id: &ClientId) -> Link<&'a RoleBinding> {
        let (cluster, namespace) = (account.cluster, account.namespace.as_str());
        let mut all_known = self.knows_bindings(cluster, "") && self.knows_bindings(cluster, namespace);
        for binding in self.bindings(cluster, "").iter().chain(self.bindings(cluster, namespace)) {
            if !binding.subjects.iter().any(|subject| subject.includes(namespace, &account.name)) {
                continue;
            }
            match self.role(binding) {
                Link::Found(role) if lets_use(role, client_id) => return Link::Found(binding),
                Link::Found(role) => all_known &= !role.open,
                Link::Absent => {}
                Link::Unknown(_) => all_known = false,
            }
        }
        match Link::look(None, all_known, || Key::Access(cluster)) {
            // A role of the namespace that it will be installed in may let it.
            Link::Absent if account.unplaced => Link::Unknown(account.place()),
            link => link,
        }
    }

    /// The identity binding that ties an identity to a cluster of AKS.
    pub fn identity_binding(&self, cluster: ClusterIx, client_id: &ClientId) -> Link<&'a IdentityBinding> {
        let is_told = self.cluster(cluster).is_some_and(|cluster| !cluster.id.is_empty());
        let listed = self.inventory.coverage.of(cluster).is_some_and(|coverage| coverage.identity_bindings);
        let mut all_known = listed && is_told;
        for (binding, own) in self.identity_bindings(cluster) {
            match own {
                Some(own) if own.as_str().eq_ignore_ascii_case(client_id.as_str()) => return Link::Found(binding),
                Some(_) => {}
                None => all_known = false,
            }
        }
        Link::look(None, all_known, || Key::IdentityBindings(cluster))
    }

    /// The credential that AKS makes for all bindings of an identity, as AKS makes it: its issuer ends with the
    /// client id, without a slash.
    pub fn credential_of_bindings(&self, identity: &Identity) -> Link<&'a FederatedIdentityCredential> {
        let is_whole = |credential: &FederatedIdentityCredential| {
            let end = credential.issuer.as_str().rsplit('/').next().unwrap_or_default();
            credential.issuer.is_identity_binding() && end.eq_ignore_ascii_case(identity.client_id.as_str())
        };
        let found = self.credentials_seen(identity).iter().copied().find(|credential| is_whole(credential));
        Link::look(found, self.credentials(identity).is_ok(), || Key::Credentials(identity.name.clone()))
    }

    /// The identity bindings seen of a cluster of AKS, each with the client id that it ties, if that is known.
    pub fn identity_bindings(
        &self,
        cluster: ClusterIx,
    ) -> impl Iterator<Item = (&'a IdentityBinding, Option<&'a ClientId>)> {
        let id = self.cluster(cluster).map_or("", |cluster| cluster.id.as_str());
        let of_cluster = self.inventory.identity_bindings.iter().filter(|it| it.cluster().eq_ignore_ascii_case(id));
        of_cluster.filter(|_| !id.is_empty()).map(|binding| match binding.client_id.as_str() {
            "" => (binding, self.identity_by_id(&binding.identity).map(|identity| &identity.client_id)),
            _ => (binding, Some(&binding.client_id)),
        })
    }

    /// Whether all bindings of a namespace were seen, or with an empty one all ClusterRoleBindings.
    pub fn knows_bindings(&self, cluster: ClusterIx, namespace: &str) -> bool {
        if namespace.is_empty() {
            *self.extent(cluster, |coverage| &coverage.cluster_role_bindings) == Extent::Everything
        } else {
            self.extent(cluster, |coverage| &coverage.role_bindings).covers(namespace, "")
        }
    }

    /// The ServiceAccounts of a cluster that a credential trusts, of one namespace or of all: namespace,
    /// name and the credential. An error if none is seen and there may be some.
    pub fn trusted_accounts(
        &self,
        cluster: ClusterIx,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<(&'a str, &'a str, &'a FederatedIdentityCredential)>, Unknown> {
        self.issuer(cluster)?;
        let Some(described) = self.cluster(cluster) else { return Ok(Vec::new()) };
        let mut trusted = Vec::new();
        for credential in described.issuers().flat_map(|issuer| self.trusting(issuer)).copied() {
            if let Some((namespace, name)) = credential.service_account() {
                trusted.push((namespace, name, credential));
            } else if credential.expression.is_some() {
                let of_cluster = self.inventory.service_accounts.iter().filter(|account| account.cluster == cluster);
                let let_in = of_cluster.filter(|account| credential.admits(&account.subject()) == Some(true));
                trusted.extend(let_in.map(|account| (account.namespace.as_str(), account.name.as_str(), credential)));
            }
        }
        trusted.retain(|(namespace, name, _)| wanted(namespace, name));
        trusted.sort_by_key(|(namespace, name, credential)| (*namespace, *name, credential.name.as_str()));
        trusted.dedup_by_key(|(namespace, name, _)| (*namespace, *name));
        match described.issuers().find(|issuer| !self.knows_all_trusting(issuer)) {
            Some(issuer) if trusted.is_empty() && !self.knows_all_credentials => {
                Err(Unknown(Key::Trusting(issuer.clone())))
            }
            _ => Ok(trusted),
        }
    }
}

fn lets_use(role: &Role, client_id: &ClientId) -> bool {
    let named = |name: &str| name == "*" || name.eq_ignore_ascii_case(client_id.as_str());
    role.grants_of(Power::UseIdentity).any(|grant| grant.names.is_empty() || grant.names.iter().any(|name| named(name)))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::inventory::Inventory;
    use crate::model::{Cluster, Grant, Origin, Pairs, Principal};
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT as SAMPLE, cluster as sample, credential, identity};

    const CLIENT: &str = "5a1e2c3d-0001-4000-8000-000000000001";
    const HERE: ClusterIx = ClusterIx(0);

    fn account() -> ServiceAccount {
        ServiceAccount {
            cluster: HERE,
            namespace: "shop".into(),
            unplaced: false,
            name: "cart".into(),
            labels: Pairs::default(),
            annotations: Pairs::default(),
            origin: Origin::default(),
        }
    }

    fn binding(namespace: &str, who: Principal) -> RoleBinding {
        RoleBinding {
            namespace: namespace.into(),
            name: "b".into(),
            of_cluster_role: true,
            role: "use".into(),
            subjects: vec![who],
            ..RoleBinding::default()
        }
    }

    /// A cluster whose one ClusterRole lets somebody use a client id, bound once, all of it read.
    fn cluster(client_id: &str, bound: RoleBinding) -> Inventory {
        let mut inventory = Inventory::default();
        let grants = vec![Grant { power: Power::UseIdentity, names: vec![client_id.into()] }];
        inventory.roles.push(Role { name: "use".into(), grants, ..Role::default() });
        inventory.role_bindings.push(bound);
        let of = inventory.coverage.cluster(HERE);
        (of.cluster_roles, of.cluster_role_bindings) = (Extent::Everything, Extent::Everything);
        of.role_bindings.add_namespace("shop");
        inventory
    }

    fn may_use(inventory: &Inventory) -> Link<(), ()> {
        may_use_by(inventory, &account())
    }

    fn may_use_by(inventory: &Inventory, account: &ServiceAccount) -> Link<(), ()> {
        let parameters = Parameters::default();
        match Trust::join(inventory, &parameters).may_use(account, &ClientId(CLIENT.into())) {
            Link::Found(_) => Link::Found(()),
            Link::Absent => Link::Absent,
            Link::Unknown(_) => Link::Unknown(()),
        }
    }

    #[test]
    fn who_may_use_an_identity_is_told_by_the_bindings_of_its_namespace_and_of_the_cluster() {
        let own = || Principal::ServiceAccount("shop".into(), "cart".into());
        let group = || Principal::Group("system:serviceaccounts:shop".into());
        for (bound, client_id, expected) in [
            (binding("", own()), CLIENT, Link::Found(())),
            (binding("shop", own()), CLIENT, Link::Found(())),
            (binding("", group()), CLIENT, Link::Found(())),
            (binding("", own()), "*", Link::Found(())),
            (binding("till", own()), CLIENT, Link::Absent),
            (binding("", Principal::User("cart".into())), CLIENT, Link::Absent),
            (binding("", own()), "another", Link::Absent),
        ] {
            let said = alloc::format!("{bound:?} {client_id}");
            assert_eq!(may_use(&cluster(client_id, bound)), expected, "{said}");
        }
    }

    #[test]
    fn what_was_not_read_may_grant_it() {
        let narrow = || cluster("another", binding("", Principal::ServiceAccount("shop".into(), "cart".into())));
        assert_eq!(may_use(&narrow()), Link::Absent);
        let lose: [fn(&mut Inventory); 4] = [
            |of| of.coverage.cluster(HERE).cluster_role_bindings = Extent::Nothing,
            |of| of.coverage.cluster(HERE).role_bindings = Extent::Nothing,
            |of| {
                of.roles.clear();
                of.coverage.cluster(HERE).cluster_roles = Extent::Nothing;
            },
            |of| of.roles.iter_mut().for_each(|role| role.open = true),
        ];
        for (which, lose) in lose.into_iter().enumerate() {
            let mut inventory = narrow();
            lose(&mut inventory);
            assert_eq!(may_use(&inventory), Link::Unknown(()), "{which}");
        }
        let own = RoleBinding {
            of_cluster_role: false,
            ..binding("shop", Principal::ServiceAccount("shop".into(), "cart".into()))
        };
        let mut unread = cluster("another", own);
        unread.coverage.cluster(HERE).role_bindings.add_namespace("shop");
        assert_eq!(may_use(&unread), Link::Unknown(()), "a Role of the namespace is no ClusterRole");
        let mut gone = narrow();
        gone.roles.clear();
        assert_eq!(may_use(&gone), Link::Absent, "a role that is not there grants nothing");
        let unplaced = ServiceAccount { unplaced: true, ..account() };
        assert_eq!(may_use_by(&narrow(), &unplaced), Link::Unknown(()), "its namespace is a guess");
    }

    #[test]
    fn the_credential_of_bindings_is_made_by_aks_for_this_identity() {
        let made = |issuer: &str| {
            let credential = FederatedIdentityCredential { issuer: issuer.into(), ..credential("shop", "cart") };
            let inventory = Inventory { identities: vec![identity()], credentials: vec![credential], ..sample() };
            let parameters = Parameters::default();
            matches!(Trust::join(&inventory, &parameters).credential_of_bindings(&identity()), Link::Found(_))
        };
        let of = |client_id: &str| {
            alloc::format!("https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/{client_id}")
        };
        assert!(made(&of(SAMPLE)));
        assert!(!made(&of(CLIENT)), "another identity's");
        assert!(!made(&alloc::format!("https://oidc.example.com/{SAMPLE}")), "not of AKS");
    }

    #[test]
    fn an_identity_binding_is_its_clusters_and_absent_where_all_are_listed() {
        let id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod";
        let look = |inventory: &Inventory| {
            let parameters = Parameters::default();
            match Trust::join(inventory, &parameters).identity_binding(HERE, &ClientId(CLIENT.into())) {
                Link::Found(_) => Link::Found(()),
                Link::Absent => Link::Absent,
                Link::Unknown(_) => Link::Unknown(()),
            }
        };
        let mut inventory = Inventory::default();
        inventory.clusters.push(Cluster { id: id.into(), ..Cluster::default() });
        assert_eq!(look(&inventory), Link::<(), ()>::Unknown(()));
        inventory.coverage.cluster(HERE).identity_bindings = true;
        assert_eq!(look(&inventory), Link::Absent);
        let of = |cluster: &str, client_id: &str| IdentityBinding {
            id: alloc::format!("{cluster}/identityBindings/b"),
            identity: "/subscriptions/s/cart".into(),
            client_id: ClientId(client_id.into()),
        };
        inventory.identity_bindings.push(of("/another", CLIENT));
        assert_eq!(look(&inventory), Link::Absent, "another cluster's");
        inventory.identity_bindings.push(of(id, ""));
        assert_eq!(look(&inventory), Link::Unknown(()), "whose client id nobody knows");
        inventory.identity_bindings.push(of(&id.to_ascii_lowercase(), CLIENT));
        assert_eq!(look(&inventory), Link::Found(()));
        // What is of no cluster that can be told is not of one whose id is not known.
        inventory.clusters.iter_mut().for_each(|cluster| cluster.id.clear());
        inventory.identity_bindings.push(of("", CLIENT));
        assert_eq!(look(&inventory), Link::Unknown(()));
        inventory.identity_bindings.clear();
        inventory.clusters.clear();
        assert_eq!(look(&inventory), Link::Unknown(()), "nothing is known of the cluster");
    }
}
