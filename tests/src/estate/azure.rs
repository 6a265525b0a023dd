//! The Azure side of the estate: managed identities and app registrations, each with its
//! federated credentials, in the shapes that az prints.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::random::Random;

/// The audience that Entra expects of a federated token.
pub(super) const AUDIENCE: &str = "api://AzureADTokenExchange";

pub(super) struct Azure {
    pub(super) seed: u64,
    pub(super) tenant: String,
    pub(super) subscription: String,
    pub(super) identities: BTreeMap<String, Identity>,
    pub(super) applications: BTreeMap<String, Application>,
}

pub(super) struct Identity {
    pub(super) client_id: String,
    pub(super) principal_id: String,
    pub(super) location: &'static str,
    pub(super) resource_group: String,
    pub(super) credentials: Vec<Credential>,
}

pub(super) struct Application {
    pub(super) app_id: String,
    pub(super) object_id: String,
    pub(super) credentials: Vec<Credential>,
}

pub(super) struct Credential {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audience: String,
}

/// What a cluster's issuer says in a token of the account.
pub(super) fn subject(namespace: &str, account: &str) -> String {
    format!("system:serviceaccount:{namespace}:{account}")
}

// === impl

impl Credential {
    pub(super) fn new(name: &str, issuer: &str, subject: &str) -> Self {
        Self {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: AUDIENCE.to_owned(),
        }
    }

    pub(super) fn audience(mut self, audience: &str) -> Self {
        self.audience = audience.to_owned();
        self
    }
}

impl Azure {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            tenant: Random::of(seed, "tenant").guid(),
            subscription: Random::of(seed, "subscription").guid(),
            identities: BTreeMap::new(),
            applications: BTreeMap::new(),
        }
    }

    /// The identity of that name, created when it is new.
    pub(super) fn identity(&mut self, name: &str) -> &mut Identity {
        let mut chance = Random::of(self.seed, &format!("identity/{name}"));
        self.identities.entry(name.to_owned()).or_insert_with(|| Identity {
            client_id: chance.guid(),
            principal_id: chance.guid(),
            location: "westeurope",
            resource_group: "rg-workload-identities".to_owned(),
            credentials: Vec::new(),
        })
    }

    /// The app registration of that name, created when it is new.
    pub(super) fn application(&mut self, name: &str) -> &mut Application {
        let mut chance = Random::of(self.seed, &format!("application/{name}"));
        self.applications.entry(name.to_owned()).or_insert_with(|| Application {
            app_id: chance.guid(),
            object_id: chance.guid(),
            credentials: Vec::new(),
        })
    }

    /// An identity's credential, added; returns the identity's client id.
    pub(super) fn trust(&mut self, identity: &str, credential: Credential) -> String {
        let identity = self.identity(identity);
        identity.credentials.push(credential);
        identity.client_id.clone()
    }

    /// `az identity list`.
    pub(super) fn identity_list(&self) -> Value {
        self.identities
            .iter()
            .map(|(name, identity)| {
                json!({
                    "clientId": identity.client_id, "id": self.resource_id(name, identity), "isolationScope": "None",
                    "location": identity.location, "name": name, "principalId": identity.principal_id,
                    "resourceGroup": identity.resource_group, "systemData": null,
                    "tags": {"owner": "platform@norvind.example"}, "tenantId": self.tenant,
                    "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
                })
            })
            .collect()
    }

    /// `az identity federated-credential list` of the identity called `name`.
    pub(super) fn credential_list(&self, name: &str, identity: &Identity) -> Value {
        let parent = self.resource_id(name, identity);
        identity
            .credentials
            .iter()
            .map(|credential| {
                json!({
                    "audiences": [credential.audience],
                    "id": format!("{parent}/federatedIdentityCredentials/{}", credential.name),
                    "issuer": credential.issuer, "name": credential.name, "resourceGroup": identity.resource_group,
                    "subject": credential.subject, "systemData": null,
                    "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
                })
            })
            .collect()
    }

    /// `az ad app list`.
    pub(super) fn application_list(&self) -> Value {
        self.applications
            .iter()
            .map(|(name, application)| {
                json!({
                    "addIns": [], "api": {"acceptMappedClaims": null, "knownClientApplications": [], "oauth2PermissionScopes": [],
                        "preAuthorizedApplications": [], "requestedAccessTokenVersion": null},
                    "appId": application.app_id, "appRoles": [], "applicationTemplateId": null, "certification": null,
                    "createdDateTime": Random::of(self.seed, name).time(), "defaultRedirectUri": null, "deletedDateTime": null,
                    "description": null, "disabledByMicrosoftStatus": null, "displayName": name, "groupMembershipClaims": null,
                    "id": application.object_id, "identifierUris": [format!("api://{}", application.app_id)],
                    "info": {"logoUrl": null, "marketingUrl": null, "privacyStatementUrl": null, "supportUrl": null, "termsOfServiceUrl": null},
                    "isDeviceOnlyAuthSupported": null, "isFallbackPublicClient": null, "keyCredentials": [], "notes": null,
                    "passwordCredentials": [], "publisherDomain": "norvind.example", "requiredResourceAccess": [],
                    "signInAudience": "AzureADMyOrg", "tags": [], "tokenEncryptionKeyId": null, "uniqueName": null,
                    "web": {"homePageUrl": null, "logoutUrl": null, "redirectUriSettings": [], "redirectUris": []},
                })
            })
            .collect()
    }

    /// `az ad app federated-credential list`, which does not name the app registration.
    pub(super) fn application_credential_list(&self, application: &Application) -> Value {
        application
            .credentials
            .iter()
            .map(|credential| {
                let id = Random::of(self.seed, &format!("{}/{}", application.object_id, credential.name)).guid();
                json!({"audiences": [credential.audience], "description": null, "id": id, "issuer": credential.issuer,
                    "name": credential.name, "subject": credential.subject})
            })
            .collect()
    }

    // Azure prints `resourcegroups` in the ids of managed identities.
    fn resource_id(&self, name: &str, identity: &Identity) -> String {
        format!(
            "/subscriptions/{}/resourcegroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
            self.subscription, identity.resource_group
        )
    }
}
