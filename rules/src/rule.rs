//! A rule: plain data about a flaw, and the functions that see it.

#[cfg(feature = "audit")]
use crate::declared::DeclaredCredential;
use crate::finding::{Confidence, Finding, Severity};
#[cfg(feature = "audit")]
use crate::model::RoleBinding;
use crate::model::{Cluster, Custom, FederatedIdentityCredential, Identity, ServiceAccount, Software, Workload};
use crate::trust::{Trust, Unknown};

/// `Ok(None)`: the object is right. `Ok(Some)`: it is not. `Err`: what would have to be known to tell.
pub type Verdict = Result<Option<Finding>, Unknown>;

/// What a rule is. Its id stands in the catalogue, its name is its file's.
pub struct Rule {
    /// The flaw in one line, lower case, no full stop.
    pub summary: &'static str,
    /// The usual severity; a finding may say another.
    pub severity: Severity,
    /// How sure a finding is.
    pub confidence: Confidence,
    /// What its findings mean for the chain of a workload.
    pub breaks: Breaks,
    /// The error codes of Microsoft Entra that this flaw leads to, digits only.
    pub aadsts: &'static [&'static str],
    /// Where compliance frameworks ask for it: `MCSB IM-3`.
    pub frameworks: &'static [&'static str],
    /// Rules whose finding on the same object says the same and more; then this one is not shown.
    pub yields_to: &'static [&'static str],
    /// The version that brought the rule.
    pub since: &'static str,
    /// One function for each kind of object judged.
    pub checks: &'static [Check],
}

/// What the findings of a rule mean for the exchange of a workload's token. Every rule says it, so that
/// none is forgotten where the chain of one workload is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaks {
    /// Tokens are exchanged all the same, or the chain is none of a workload's.
    Nothing,
    /// Whether a link is broken by it is asked of each workload anyway: of the model of the webhook, the
    /// hops of [`Trust`], or the exchange.
    Modelled,
    /// The link that a finding names, if it names one: [`Finding::breaks`].
    Named,
}

/// A function that judges one kind of object.
#[derive(Clone, Copy)]
pub enum Check {
    /// A pod, or anything with a pod template.
    Workload(fn(&Workload, &Trust<'_>) -> Verdict),
    /// A ServiceAccount.
    ServiceAccount(fn(&ServiceAccount, &Trust<'_>) -> Verdict),
    /// A federated identity credential.
    Credential(fn(&FederatedIdentityCredential, &Trust<'_>) -> Verdict),
    /// A federated identity credential as it is declared, where the declaration may still be applied.
    #[cfg(feature = "audit")]
    Declared(fn(&DeclaredCredential, &Trust<'_>) -> Verdict),
    /// A managed identity or app registration.
    Identity(fn(&Identity, &Trust<'_>) -> Verdict),
    /// A custom resource.
    Custom(fn(&Custom, &Trust<'_>) -> Verdict),
    /// A RoleBinding or ClusterRoleBinding.
    #[cfg(feature = "audit")]
    RoleBinding(fn(&RoleBinding, &Trust<'_>) -> Verdict),
    /// A cluster, as Azure describes it.
    Cluster(fn(&Cluster, &Trust<'_>) -> Verdict),
    /// What a bill of materials or a lock file describes.
    Software(fn(&Software, &Trust<'_>) -> Verdict),
}

#[cfg(feature = "audit")]
impl Rule {
    /// Whether it is about credentials that lie where others may read them (MCSB IM-8: restrict the exposure of
    /// credentials and secrets), which they do whether or not anybody lives by them.
    pub fn is_about_exposure(&self) -> bool {
        self.frameworks.contains(&"MCSB IM-8")
    }

    /// Whether it tells of the chain by which pods get tokens, and of nothing that stays wrong while there are none.
    pub fn is_about_the_chain(&self) -> bool {
        self.breaks != Breaks::Nothing && !self.is_about_exposure()
    }
}

impl Check {
    /// What it judges, for people.
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Workload(_) => "workload",
            Self::ServiceAccount(_) => "service account",
            Self::Credential(_) => "credential",
            #[cfg(feature = "audit")]
            Self::Declared(_) => "declared credential",
            Self::Identity(_) => "identity",
            Self::Custom(_) => "custom resource",
            #[cfg(feature = "audit")]
            Self::RoleBinding(_) => "role binding",
            Self::Cluster(_) => "cluster",
            Self::Software(_) => "software",
        }
    }

    /// Whether an admission request can carry such an object.
    pub const fn at_admission(self) -> bool {
        matches!(self, Self::Workload(_) | Self::ServiceAccount(_))
    }
}
