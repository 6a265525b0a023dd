//! An estate of any size, made up from a seed: identities by the thousand over some subscriptions,
//! each with credentials that are made when they are asked for. A few are flawed, and it is known
//! which.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::estate::{
    Application, Cluster, Credential, Credentials, Estate, Identity, Subscription, Tenant, aks_issuer,
};
use crate::estate::random::Random;

const PIPELINES: &str = "https://token.actions.githubusercontent.com";
const CLUSTERS: usize = 12;
/// One identity of so many is flawed.
const FLAWED: u64 = 50;

/// How big an estate is to be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Subscriptions, over which the identities are spread evenly.
    pub subscriptions: usize,
    /// Managed identities.
    pub identities: usize,
    /// Credentials of each identity: one trusts a workload, the others pipelines.
    pub credentials: usize,
    /// App registrations.
    pub applications: usize,
}

/// How the credentials of a made-up identity come about.
#[derive(Clone, Debug)]
pub struct Recipe {
    issuer: Arc<str>,
    tenant_wide: usize,
    credentials: usize,
    flaw: Option<Flaw>,
}

/// What is wrong with a made-up identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    InnerIssuer,
    GroupOfAccounts,
    SharedAccount,
    NearlyFull,
}

/// A finding that a made-up estate must bring: rule, kind, name.
pub type Expected = (&'static str, &'static str, String);

impl Estate {
    /// Makes one up.
    #[must_use]
    pub fn made(seed: u64, size: Size) -> Self {
        let mut chance = Random::of(seed, "cloud");
        let mut estate = Self::of_tenant(&chance.guid(), "Norvind Freight");
        let tenant = estate.tenants[0].id.clone();
        let issuers: Vec<Arc<str>> = (0..CLUSTERS).map(|_| aks_issuer("westeurope", &tenant, &chance.guid())).collect();
        for number in 0..size.subscriptions {
            estate.subscriptions.push(Subscription {
                id: chance.guid(),
                name: format!("landing-zone-{number:02}"),
                ..Subscription::default()
            });
        }
        for (number, issuer) in issuers.iter().enumerate() {
            let at = number % size.subscriptions.max(1);
            let subscription = &mut estate.subscriptions[at];
            let cluster = Cluster::new(&subscription.id, &format!("aks-{number:02}"), false, issuer);
            subscription.clusters.push(cluster);
        }
        for number in 0..size.identities {
            let subscription = &mut estate.subscriptions[number % size.subscriptions];
            let place = subscription.identities.len();
            let flaw = Flaw::of(seed, number);
            let issuer = Arc::clone(&issuers[number % CLUSTERS]);
            let recipe = Recipe { issuer, tenant_wide: number, credentials: size.credentials, flaw };
            subscription.identities.push(Identity {
                name: format!("id-team-{:03}-{place:05}", number % 400),
                group: format!("rg-team-{:03}", number % 400),
                location: "westeurope".into(),
                client_id: chance.guid(),
                principal_id: chance.guid(),
                credentials: Credentials::Made(recipe),
            });
        }
        let applications = &mut estate.tenants[0].applications;
        for number in 0..size.applications {
            let credential =
                Credential::new("main", PIPELINES, &format!("repo:norvind/app-{number:05}:ref:refs/heads/main"));
            applications.push(application(&mut chance, &format!("app-{number:05}"), vec![credential]));
        }
        estate
    }

    /// A second tenant with as much in it as the first would have.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let shift = self.tenants.len();
        self.tenants.extend(other.tenants);
        self.subscriptions
            .extend(other.subscriptions.into_iter().map(|it| Subscription { tenant: it.tenant + shift, ..it }));
        self.groups.extend(other.groups.into_iter().map(|mut it| {
            it.tenant += shift;
            it
        }));
        self
    }

    /// What is wrong with its made-up identities, sorted.
    #[must_use]
    pub fn expected(&self) -> BTreeSet<Expected> {
        let identities = self.subscriptions.iter().flat_map(|it| &it.identities);
        identities.filter_map(|it| it.expected()).collect()
    }
}

/// An app registration with these credentials.
#[must_use]
pub(crate) fn application(chance: &mut Random, name: &str, credentials: Vec<Credential>) -> Application {
    let object = json!({
        "id": chance.guid(), "appId": chance.guid(), "displayName": name, "createdDateTime": chance.time(),
        "signInAudience": "AzureADMyOrg", "identifierUris": [], "keyCredentials": [], "passwordCredentials": []});
    Application { object, credentials: credentials.into_iter().map(|it| (chance.guid(), it)).collect() }
}

// === impl Tenant ===

impl Tenant {
    /// With an app registration of this name and these credentials.
    #[must_use]
    pub fn with_application(mut self, name: &str, credentials: Vec<Credential>) -> Self {
        let mut chance = Random::of(1, &format!("{}/{name}", self.id));
        self.applications.push(application(&mut chance, name, credentials));
        self
    }
}

// === impl Identity ===

impl Identity {
    /// An identity with these credentials; its ids follow from its name.
    #[must_use]
    pub fn new(name: &str, group: &str, credentials: Vec<Credential>) -> Self {
        let mut chance = Random::of(2, &format!("{group}/{name}"));
        Self {
            name: name.into(),
            group: group.into(),
            location: "westeurope".into(),
            client_id: chance.guid(),
            principal_id: chance.guid(),
            credentials: Credentials::Listed(credentials),
        }
    }

    fn expected(&self) -> Option<Expected> {
        let Credentials::Made(Recipe { flaw: Some(flaw), .. }) = &self.credentials else { return None };
        let credential = format!("{}/{}", self.name, self.credentials.get(0).name);
        Some(match flaw {
            Flaw::InnerIssuer => ("AWI306", "FederatedIdentityCredential", credential),
            Flaw::GroupOfAccounts => ("AWI308", "FederatedIdentityCredential", credential),
            Flaw::SharedAccount => ("AWI312", "FederatedIdentityCredential", credential),
            Flaw::NearlyFull => ("AWI401", "ManagedIdentity", self.name.clone()),
        })
    }
}

// === impl Recipe ===

impl Recipe {
    pub(super) fn count(&self) -> usize {
        if self.flaw == Some(Flaw::NearlyFull) { 18 } else { self.credentials }
    }

    pub(super) fn credential(&self, at: usize) -> Credential {
        let (team, number) = (self.tenant_wide % 400, self.tenant_wide);
        if at > 0 {
            let subject = format!("repo:norvind/service-{number:05}:environment:stage-{at}");
            return Credential::new(&format!("stage-{at}"), PIPELINES, &subject);
        }
        let (mut issuer, mut subject) =
            (&*self.issuer, format!("system:serviceaccount:team-{team:03}:service-{number:05}"));
        match self.flaw {
            Some(Flaw::InnerIssuer) => issuer = "https://kubernetes.default.svc.cluster.local",
            Some(Flaw::GroupOfAccounts) => subject = format!("system:serviceaccounts:team-{team:03}"),
            Some(Flaw::SharedAccount) => subject = format!("system:serviceaccount:team-{team:03}:default"),
            Some(Flaw::NearlyFull) | None => {}
        }
        Credential::new("workload", issuer, &subject)
    }
}

impl Flaw {
    fn of(seed: u64, number: usize) -> Option<Self> {
        let mut chance = Random::of(seed, &format!("flaw/{number}"));
        if chance.below(FLAWED) != 0 {
            return None;
        }
        Some(match chance.below(4) {
            0 => Self::InnerIssuer,
            1 => Self::GroupOfAccounts,
            2 => Self::SharedAccount,
            _ => Self::NearlyFull,
        })
    }
}
