//! What is still to come of an identity's credentials: what is declared, and not applied yet.

use alloc::format;
use alloc::string::String;

use super::Trust;
use crate::declared::DeclaredCredential;
use crate::index::Name;
use crate::model::{FederatedIdentityCredential, Identity};

impl<'a> Trust<'a> {
    /// The identity whose credential is declared, if it was seen.
    pub fn identity_of(&self, declared: &DeclaredCredential) -> Option<&'a Identity> {
        let name = Name::folded(&declared.identity);
        let index = self.identities.first(&name).or_else(|| self.identities_by_id.first(&name));
        self.inventory.identities.get(index?).filter(|identity| !identity.is_mention())
    }

    /// What a declared credential is called: `IDENTITY/NAME`, as far as it is known.
    pub fn name_of(&self, declared: &DeclaredCredential) -> String {
        let whose = self.owner_name(declared);
        let name = if declared.name.is_empty() { &declared.address } else { &declared.name };
        if whose.is_empty() { name.clone() } else { format!("{whose}/{name}") }
    }

    /// The name of the identity of a declared credential, as far as it is known.
    pub fn owner_name<'d>(&self, declared: &'d DeclaredCredential) -> &'d str
    where
        'a: 'd,
    {
        match self.identity_of(declared) {
            Some(identity) => identity.name.as_str(),
            None => declared.identity.rsplit('/').next().unwrap_or_default(),
        }
    }

    /// The declarations of an identity's credentials that may still be applied.
    pub fn to_come(&self, identity: &Identity) -> impl Iterator<Item = &'a DeclaredCredential> {
        self.declared().of_identity(identity).iter().filter(|it| it.is_to_come())
    }

    /// Whether a credential is one that its document is still to make or change.
    pub fn is_to_come(&self, credential: &FederatedIdentityCredential) -> bool {
        let all = match self.parent(credential) {
            Some(identity) => self.declared().of_identity(identity),
            None => self.declared().all(),
        };
        let mut declared = all.iter().filter(|it| it.declares(credential)).peekable();
        declared.peek().is_some() && declared.all(DeclaredCredential::is_to_come)
    }

    /// The declaration of a credential that is declared and of which nothing says whose it is.
    pub fn of_nobody_yet(&self, credential: &FederatedIdentityCredential) -> Option<&'a DeclaredCredential> {
        self.declared().of_nobody().find(|it| it.declares(credential))
    }

    /// The declaration by which a credential that is there will be changed or deleted.
    pub fn coming_to(&self, credential: &FederatedIdentityCredential) -> Option<&'a DeclaredCredential> {
        let identity = self.parent(credential).filter(|_| credential.declared.is_none())?;
        let changes = |it: &&DeclaredCredential| it.is_deleted() || it.planned().is_some();
        self.to_come(identity).filter(|it| it.touches(credential)).find(changes)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::declared::{Coming, Declared};
    use crate::inventory::Inventory;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, cluster, credential, declared, identity};

    const HERS: &str = CLIENT;

    fn estate(all: Vec<DeclaredCredential>) -> Inventory {
        Inventory { identities: vec![identity()], declared: Declared::of(all, false), ..cluster() }
    }

    fn deleted(identity: &str, name: &str) -> DeclaredCredential {
        DeclaredCredential { coming: Coming::Deleted, ..declared(identity, name) }
    }

    #[test]
    fn what_names_no_identity_is_of_none() {
        let mut inventory = estate(vec![declared("", "fc"), declared(HERS, "fc"), declared("/a/b", "fc")]);
        inventory.identities.push(Identity { client_id: "".into(), id: "/other".into(), ..identity() });
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        let name = |identity: &str| trust.name_of(&declared(identity, "fc"));
        assert_eq!(trust.identity_of(&declared("", "fc")), None);
        assert_eq!(trust.identity_of(&declared(HERS, "fc")).map(|it| it.id.as_str()), Some("/id"));
        assert_eq!([name(""), name(HERS), name("/a/b")], ["fc", "id/fc", "b/fc"]);
        assert_eq!(trust.name_of(&DeclaredCredential { name: String::new(), ..declared(HERS, "at") }), "id/at");
    }

    #[test]
    fn what_comes_to_a_credential_is_what_touches_it() {
        let live = credential("shop", "cart");
        let coming = |all: Vec<DeclaredCredential>, live: &FederatedIdentityCredential| {
            let mut inventory = estate(all);
            inventory.credentials.push(live.clone());
            let parameters = Parameters::default();
            Trust::join(&inventory, &parameters).coming_to(live).map(|it| it.address.clone())
        };
        let (own, other) = (deleted(HERS, "shop-cart"), deleted(HERS, "other"));
        assert_eq!(coming(vec![other.clone(), own.clone()], &live).as_deref(), Some("shop-cart"));
        assert_eq!(coming(vec![other], &live), None, "another credential of the identity");
        assert_eq!(coming(vec![declared(HERS, "shop-cart")], &live), None, "nothing is to come of it");
        let as_it_is = DeclaredCredential { coming: Coming::Changed, ..declared(HERS, "shop-cart") };
        assert_eq!(coming(vec![as_it_is.clone()], &live), None, "it stays as it is");
        let changed = DeclaredCredential { planned: Some(live.clone()), ..as_it_is };
        assert_eq!(coming(vec![changed], &live).as_deref(), Some("shop-cart"));
        let planned = FederatedIdentityCredential { declared: Some("at".into()), ..live };
        assert_eq!(coming(vec![own], &planned), None, "it is not there yet");
    }

    #[test]
    fn a_declaration_of_nobody_is_known_by_what_it_declares() {
        let of = |name: &str| DeclaredCredential { name: name.into(), ..declared("", name) };
        let inventory = estate(vec![of("other"), of("shop-cart")]);
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        let planned = FederatedIdentityCredential { declared: Some("shop-cart".into()), ..credential("shop", "cart") };
        assert_eq!(trust.of_nobody_yet(&planned).map(|it| it.address.as_str()), Some("shop-cart"));
        assert_eq!(trust.of_nobody_yet(&credential("shop", "cart")), None);
    }
}
