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
        let index = || self.identities.first(&name).or_else(|| self.identities_by_id.first(&name));
        if declared.identity.is_empty() { None } else { self.inventory.identities.get(index()?) }
    }

    /// What a declared credential is called: `IDENTITY/NAME`, as far as it is known.
    pub fn name_of(&self, declared: &DeclaredCredential) -> String {
        let whose = match self.identity_of(declared) {
            Some(identity) => identity.name.as_str(),
            None => declared.identity.rsplit('/').next().unwrap_or_default(),
        };
        let name = if declared.name.is_empty() { &declared.address } else { &declared.name };
        if whose.is_empty() { name.clone() } else { format!("{whose}/{name}") }
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
