//! What is known of Azure: identities, their credentials and roles, and whom they trust.

use alloc::string::String;

use super::{Key, Link, Trust, Unknown};
use crate::index::Name;
use crate::inventory::Tokens;
use crate::model::{ClientId, FederatedIdentityCredential, Identity, Issuer, Parent, RoleAssignment, Subject};

impl<'a> Trust<'a> {
    /// The identity of a client id. It is absent only if managed identities and app
    /// registrations were both searched: either could have it.
    pub fn identity(&self, client_id: &ClientId) -> Link<&'a Identity> {
        let index = self.identities.first(&Name::folded(client_id.as_str()));
        let found = index.and_then(|index| self.inventory.identities.get(index));
        let coverage = &self.inventory.coverage;
        let covered = (coverage.managed_identities && coverage.applications)
            || coverage.no_identity.contains(client_id.folded().as_str());
        Link::look(found, covered && !self.is_principal(client_id), || Key::Identity(client_id.0.clone()))
    }

    /// Whether a service principal of that client id was seen: it exists, whoever else was not listed.
    #[cfg(feature = "audit")]
    pub fn is_principal(&self, client_id: &ClientId) -> bool {
        self.inventory.coverage.principals.contains(client_id.folded().as_str())
    }

    /// Whether the service principal of an identity that was seen may not sign in, wherever one was seen, and a tenant
    /// that is asked for, if any is named, is the identity's own.
    #[cfg(feature = "audit")]
    pub fn is_disabled(&self, client_id: &ClientId, tenant: &str) -> bool {
        let is_asked = |identity: &Identity| tenant.is_empty() || identity.tenant_id.eq_ignore_ascii_case(tenant);
        let identity = self.identity(client_id).known().ok().flatten();
        identity.is_some_and(is_asked) && self.inventory.coverage.disabled.contains(client_id.folded().as_str())
    }

    /// Never, where only admission is judged.
    #[cfg(not(feature = "audit"))]
    pub const fn is_principal(&self, _: &ClientId) -> bool {
        false
    }

    /// The identity that has this resource id, object id or principal id.
    pub fn identity_by_id(&self, id: &str) -> Option<&'a Identity> {
        let index = self.identities_by_id.first(&Name::folded(id))?;
        self.inventory.identities.get(index).filter(|identity| !identity.client_id.0.is_empty())
    }

    /// The managed identity or app registration of that name, if only one has it.
    pub fn identity_by_name(&self, name: &str) -> Option<&'a Identity> {
        let mut named = self.inventory.identities.iter().filter(|identity| identity.name.eq_ignore_ascii_case(name));
        named.next().filter(|identity| named.next().is_none() && !identity.client_id.0.is_empty())
    }

    /// The identity a credential belongs to, if a source describes it.
    pub fn parent(&self, credential: &FederatedIdentityCredential) -> Option<&'a Identity> {
        let parent = self.inventory.identities.get(self.parent_index(credential)?);
        #[cfg(feature = "audit")]
        let parent = parent.filter(|identity| !identity.is_mention());
        parent
    }

    /// The identity of a credential that is in Azure, if anything is declared to compare it with.
    pub fn compared(&self, credential: &FederatedIdentityCredential) -> Result<Option<&'a Identity>, Unknown> {
        if credential.declared.is_some() || self.declared().is_empty() {
            return Ok(None);
        }
        self.parent(credential).map(Some).ok_or_else(|| Unknown(Key::Identity(self.parent_name(credential))))
    }

    /// The name of the identity a credential belongs to, as far as it is known.
    pub fn parent_name(&self, credential: &FederatedIdentityCredential) -> String {
        match (self.parent(credential), &credential.parent) {
            (Some(identity), _) => identity.name.clone(),
            (None, Parent::Resource(id)) => id.rsplit('/').next().unwrap_or_default().into(),
            (None, Parent::Id(id)) => id.clone(),
            (None, Parent::Client(client_id)) => client_id.0.clone(),
            (None, Parent::Unknown) => String::new(),
        }
    }

    /// The credentials seen of an identity: perhaps not all.
    pub fn credentials_seen(&self, identity: &Identity) -> &[&'a FederatedIdentityCredential] {
        let index = self.identities.first(&Name::folded(identity.reference()));
        index.map_or(&[], |index| self.credentials_of.get(&Name::number(index)))
    }

    /// The role assignments seen of an identity.
    pub fn roles_seen(&self, identity: &Identity) -> &[&'a RoleAssignment] {
        if identity.principal_id.is_empty() { &[] } else { self.roles_of.get(&Name::folded(&identity.principal_id)) }
    }

    /// All credentials of an identity.
    pub fn credentials(&self, identity: &Identity) -> Result<&[&'a FederatedIdentityCredential], Unknown> {
        if identity.credentials_complete {
            Ok(self.credentials_seen(identity))
        } else {
            Err(Unknown(Key::Credentials(identity.name.clone())))
        }
    }

    /// The credentials that trust an issuer, whatever their identity, if all are known that trust
    /// it and could trust this subject.
    pub fn all_trusting(&self, issuer: &Issuer, subject: &Subject) -> Option<&[&'a FederatedIdentityCredential]> {
        self.inventory.coverage.knows_trust_of(issuer, subject).then(|| self.trusting(issuer))
    }

    /// Whether all credentials that trust an issuer are known, whatever they trust of it.
    pub fn knows_all_trusting(&self, issuer: &Issuer) -> bool {
        self.inventory.coverage.trust_of.contains(&Tokens::of(issuer))
    }

    /// The credentials seen that trust an issuer.
    pub fn trusting(&self, issuer: &Issuer) -> &[&'a FederatedIdentityCredential] {
        self.trusting.get(&Name::exact(issuer.as_str()))
    }

    /// Whether an identity of that tenant was seen, so that its lists reach there.
    pub fn sees_tenant(&self, tenant_id: &str) -> bool {
        let here = |identity: &Identity| identity.tenant_id.eq_ignore_ascii_case(tenant_id);
        self.inventory.identities.iter().any(here)
            || self.inventory.coverage.tenants.contains(tenant_id.to_ascii_lowercase().as_str())
    }

    pub(super) fn parent_index(&self, credential: &FederatedIdentityCredential) -> Option<usize> {
        match &credential.parent {
            Parent::Resource(id) => self.identities_by_id.first(&Name::folded(id)),
            Parent::Id(id) => {
                let id = Name::folded(id);
                self.identities_by_id.first(&id).or_else(|| self.identities.first(&id))
            }
            Parent::Client(client_id) => self.identities.first(&Name::folded(client_id.as_str())),
            Parent::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;
