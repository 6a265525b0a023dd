//! Names in what Azure tells, and in what infrastructure as code declares of it.

use wiguard_rules::model::{Cluster, FederatedIdentityCredential, Identity, Parent};

use super::Redactor;
use crate::collect::azure::signing::BY_NAME;
use crate::collect::iac::{Declaration, Declarations, DeclaredBinding, DeclaredIdentity, Key, Whose};
use crate::collect::{Proof, Resource};

impl Redactor {
    /// What Azure or an API server told.
    pub(super) fn resource(&mut self, resource: &mut Resource) {
        match resource {
            Resource::Identity(identity) => self.identity(identity),
            Resource::Credential(credential) => self.credential(credential),
            Resource::Cluster(cluster) => self.cluster(cluster),
            Resource::Principal(client_id) | Resource::Disabled(client_id) => self.text(&mut client_id.0),
            Resource::Discovery(issuer) => self.text(&mut issuer.0),
            Resource::Signing(signing) => {
                signing.issuer.iter_mut().for_each(|issuer| self.text(&mut issuer.0));
                if signing.key_set != BY_NAME {
                    self.text(&mut signing.key_set);
                }
                // Names of algorithms are everybody's.
                signing.algorithms.iter_mut().filter(|name| name.len() > 6).for_each(|name| self.text(name));
            }
            Resource::Binding(binding) => {
                for text in [&mut binding.id, &mut binding.identity, &mut binding.client_id.0] {
                    self.text(text);
                }
            }
            // What a role allows is known by its id, which is everybody's.
            Resource::Role(role) => {
                [&mut role.id, &mut role.principal_id, &mut role.scope].into_iter().for_each(|text| self.text(text));
            }
        }
    }

    /// What infrastructure as code declares.
    pub(super) fn declared(&mut self, declared: &mut Declarations) {
        for DeclaredIdentity { identity, key, subscription, .. } in &mut declared.identities {
            self.identity(identity);
            self.text(subscription);
            self.key(key);
        }
        let clusters = declared.clusters.iter_mut().chain(&mut declared.made).chain(&mut declared.leaving);
        clusters.for_each(|cluster| self.cluster(cluster));
        for Declaration { credential, parent } in &mut declared.credentials {
            for text in [&mut credential.address, &mut credential.identity, &mut credential.name] {
                self.text(text);
            }
            credential.after.iter_mut().for_each(|address| self.text(address));
            credential.issuer.iter_mut().for_each(|issuer| self.text(&mut issuer.0));
            credential.subject.iter_mut().for_each(|subject| self.text(&mut subject.0));
            credential.expression.iter_mut().for_each(|expression| self.text(expression));
            credential.audiences.iter_mut().flatten().for_each(|audience| self.text(&mut audience.0));
            self.whose(parent);
        }
        for DeclaredBinding { name, cluster, identity, client_id } in &mut declared.bindings {
            self.text(name);
            self.text(&mut client_id.0);
            self.whose(cluster);
            self.whose(identity);
        }
    }

    fn whose(&self, whose: &mut Whose) {
        match whose {
            Whose::Id(id) => self.text(id),
            Whose::Declared(key) => self.key(key),
            Whose::Name { name, resource_group, subscription } => {
                [name, resource_group, subscription].into_iter().for_each(|text| self.text(text));
            }
            Whose::Unknown => {}
        }
    }

    fn key(&self, key: &mut Key) {
        let (Key::Address(address) | Key::Object(address)) = key;
        self.text(address);
    }

    fn identity(&mut self, identity: &mut Identity) {
        identity.declared.iter_mut().for_each(|address| self.text(address));
        self.name(&mut identity.name);
        self.name(&mut identity.resource_group);
        for text in [&mut identity.client_id.0, &mut identity.id, &mut identity.principal_id, &mut identity.tenant_id] {
            self.text(text);
        }
    }

    fn credential(&self, credential: &mut FederatedIdentityCredential) {
        for text in [&mut credential.name, &mut credential.id, &mut credential.issuer.0] {
            self.text(text);
        }
        credential.declared.iter_mut().for_each(|address| self.text(address));
        match &mut credential.parent {
            Parent::Resource(text) | Parent::Id(text) => self.text(text),
            Parent::Client(client_id) => self.text(&mut client_id.0),
            Parent::Unknown => {}
        }
        credential.subject.iter_mut().for_each(|subject| self.text(&mut subject.0));
        credential.audiences.iter_mut().for_each(|audience| self.text(&mut audience.0));
        credential.expression.iter_mut().for_each(|expression| self.text(expression));
    }

    fn cluster(&mut self, cluster: &mut Cluster) {
        self.name(&mut cluster.name);
        self.name(&mut cluster.resource_group);
        self.text(&mut cluster.id);
        self.text(&mut cluster.tenant_id);
        for pair in &mut cluster.tags.0 {
            self.text(&mut pair.key);
            self.text(&mut pair.value);
        }
        cluster.own_identities.iter_mut().for_each(|own| self.text(&mut own.client_id.0));
        cluster.declared.iter_mut().for_each(|address| self.text(address));
        let said = cluster.issuer.iter_mut().chain(&mut cluster.profile_issuer);
        said.chain(&mut cluster.other_issuers).for_each(|issuer| self.text(&mut issuer.0));
    }

    /// What a list proves.
    pub(super) fn proof(&self, proof: &mut Proof) {
        match proof {
            // Kinds are everybody's.
            Proof::Kind { namespace, .. } => namespace.iter_mut().for_each(|name| self.text(name)),
            Proof::Asked { namespace, name, .. } => {
                self.text(namespace);
                self.text(name);
            }
            Proof::Subscriptions { tenant, subscriptions } => {
                self.text(tenant);
                subscriptions.iter_mut().for_each(|id| self.text(id));
            }
            Proof::ManagedIdentities { subscription } => self.text(subscription),
            Proof::Applications { tenant } => self.text(tenant),
            Proof::IdentityBindings { cluster } => self.text(cluster),
            Proof::Credentials { identity } => self.text(identity),
        }
    }
}
