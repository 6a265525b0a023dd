//! Judging: every rule on every object it is about.

use alloc::string::{String, ToString};

use crate::catalogue::Entry;
#[cfg(feature = "audit")]
use crate::declared::DeclaredCredential;
use crate::finding::Finding;
#[cfg(feature = "audit")]
use crate::finding::Severity;
use crate::inventory::Inventory;
use crate::model::{
    Cluster, ClusterIx, Custom, FederatedIdentityCredential, Identity, Origin, ServiceAccount, Workload,
};
#[cfg(feature = "audit")]
use crate::model::{Life, RoleBinding, Software};
#[cfg(feature = "audit")]
use crate::rule::Rule;
use crate::rule::{Check, Verdict};
#[cfg(feature = "audit")]
use crate::trust::Key;
use crate::trust::{Trust, Unknown};

/// The judged thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Object<'a> {
    /// A workload.
    Workload(&'a Workload),
    /// A ServiceAccount.
    ServiceAccount(&'a ServiceAccount),
    /// A credential.
    Credential(&'a FederatedIdentityCredential),
    /// A credential as it is declared, where the declaration may still be applied.
    #[cfg(feature = "audit")]
    Declared(&'a DeclaredCredential),
    /// An identity.
    Identity(&'a Identity),
    /// A custom resource.
    Custom(&'a Custom),
    /// A RoleBinding or ClusterRoleBinding.
    #[cfg(feature = "audit")]
    RoleBinding(&'a RoleBinding),
    /// A cluster.
    Cluster(&'a Cluster),
    /// What a bill of materials or a lock file describes.
    #[cfg(feature = "audit")]
    Software(&'a Software),
}

/// What a rule has to say about an object, other than that it is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The rule.
    pub rule: &'static Entry,
    /// A finding, or what would have to be known.
    pub outcome: Result<Finding, Unknown>,
}

/// Judges one object by rules of the catalogue, in their order.
pub fn judge(
    object: Object<'_>,
    trust: &Trust<'_>,
    rules: impl Iterator<Item = &'static Entry>,
    mut each: impl FnMut(Judgement),
) {
    for entry in rules {
        let verdicts = entry.rule.checks.iter().filter_map(|check| verdict(*check, object, trust));
        for verdict in verdicts {
            let outcome = match verdict {
                Ok(None) => continue,
                Ok(Some(finding)) => Ok(finding),
                Err(unknown) => Err(unknown),
            };
            each(Judgement { rule: entry, outcome });
        }
    }
}

/// Judges one object as an estate is audited: of what rests ([`Life`]), what a rule says of the chain is said of what
/// may come. What has ended is judged only by rules about credentials that lie open: those can be used by whoever
/// reads them. If what made it was not read, what is wrong with its chain is undecided: it may make others like it.
/// Where no pod is made until somebody changes that, a chain that is broken is of low severity.
#[cfg(feature = "audit")]
pub fn audit(
    object: Object<'_>,
    trust: &Trust<'_>,
    rules: impl Iterator<Item = &'static Entry>,
    mut each: impl FnMut(Judgement),
) {
    let resting = match object {
        Object::Workload(workload) => Some((workload, trust.life(workload))).filter(|(_, life)| *life != Life::Active),
        _ => None,
    };
    let Some((workload, life)) = resting else { return judge(object, trust, rules, each) };
    let maker = trust.unread_maker(workload);
    let is_judged =
        |rule: &Rule| life != Life::Ended || rule.is_about_exposure() || (maker.is_some() && rule.is_about_the_chain());
    judge(object, trust, rules.filter(|entry| is_judged(entry.rule)), |mut judgement| {
        if let Ok(finding) = &mut judgement.outcome
            && judgement.rule.rule.is_about_the_chain()
        {
            finding.severity = finding.severity.min(Severity::Low);
            let until = if workload.replicas == Some(0) { "it is scaled up" } else { "it is resumed" };
            finding.message.push_str(&alloc::format!("; it makes no pods until {until}"));
            if let Some(maker) = &maker {
                judgement.outcome = Err(maker.clone());
            }
        }
        each(judgement);
    });
}

fn verdict(check: Check, object: Object<'_>, trust: &Trust<'_>) -> Option<Verdict> {
    match (check, object) {
        (Check::Workload(check), Object::Workload(workload)) => Some(check(workload, trust)),
        (Check::ServiceAccount(check), Object::ServiceAccount(account)) => Some(check(account, trust)),
        (Check::Credential(check), Object::Credential(credential)) => Some(check(credential, trust)),
        #[cfg(feature = "audit")]
        (Check::Credential(check), Object::Declared(declared)) => to_come(check, declared, trust),
        #[cfg(feature = "audit")]
        (Check::Declared(check), Object::Declared(declared)) => Some(check(declared, trust)),
        (Check::Identity(check), Object::Identity(identity)) => Some(check(identity, trust)),
        (Check::Custom(check), Object::Custom(custom)) => Some(check(custom, trust)),
        #[cfg(feature = "audit")]
        (Check::RoleBinding(check), Object::RoleBinding(binding)) => Some(check(binding, trust)),
        (Check::Cluster(check), Object::Cluster(cluster)) => Some(check(cluster, trust)),
        #[cfg(feature = "audit")]
        (Check::Software(check), Object::Software(software)) => Some(check(software, trust)),
        _ => None,
    }
}

/// What a rule says of a credential as it will be; not what it says of it already as it is.
#[cfg(feature = "audit")]
fn to_come(
    check: fn(&FederatedIdentityCredential, &Trust<'_>) -> Verdict,
    declared: &DeclaredCredential,
    trust: &Trust<'_>,
) -> Option<Verdict> {
    let verdict = check(declared.planned.as_ref()?, trust);
    let Ok(Some(found)) = &verdict else { return Some(verdict) };
    let Some(identity) = trust.identity_of(declared) else {
        return Some(Err(Unknown(Key::Parent(declared.address.clone()))));
    };
    let now = trust.credentials_seen(identity).iter().find(|credential| declared.touches(credential));
    let told = match now {
        Some(now) => check(now, trust).is_ok_and(|now| now.is_some_and(|now| now.message == found.message)),
        None => match trust.credentials(identity) {
            Ok(_) => false,
            Err(unknown) => return Some(Err(unknown)),
        },
    };
    Some(if told { Ok(None) } else { verdict })
}

impl Inventory {
    /// Every object that can be judged: clusters, identities, credentials, what is declared of them and
    /// may still be applied, custom resources, bindings of roles, ServiceAccounts, workloads, software.
    pub fn objects(&self) -> impl Iterator<Item = Object<'_>> {
        let clusters = self.clusters.iter().filter(|cluster| !cluster.name.is_empty()).map(Object::Cluster);
        let objects = clusters
            .chain(self.identities.iter().map(Object::Identity))
            .chain(self.credentials.iter().map(Object::Credential));
        #[cfg(feature = "audit")]
        let objects = objects.chain(self.declared.to_come().map(Object::Declared));
        let objects = objects.chain(self.customs.iter().map(Object::Custom));
        #[cfg(feature = "audit")]
        let objects = objects.chain(self.role_bindings.iter().map(Object::RoleBinding));
        let objects = objects
            .chain(self.service_accounts.iter().map(Object::ServiceAccount))
            .chain(self.workloads.iter().map(Object::Workload));
        #[cfg(feature = "audit")]
        let objects = objects.chain(self.software.iter().map(Object::Software));
        objects
    }
}

impl Inventory {
    /// The object an admission request carries: the workload, else the ServiceAccount read first.
    /// What is fetched later only adds behind it.
    pub fn under_review(&self) -> impl Iterator<Item = Object<'_>> {
        let workload = self.workloads.first().map(Object::Workload);
        workload.or_else(|| self.service_accounts.first().map(Object::ServiceAccount)).into_iter()
    }
}

// === impl Object ===

impl Object<'_> {
    /// Its API version, empty for objects of Azure.
    pub const fn api_version(&self) -> &'static str {
        match self {
            Self::Workload(workload) => workload.kind.api_version,
            Self::Custom(custom) => custom.kind.api_version,
            Self::ServiceAccount(_) => "v1",
            #[cfg(feature = "audit")]
            Self::RoleBinding(_) => "rbac.authorization.k8s.io/v1",
            Self::Credential(_) | Self::Identity(_) | Self::Cluster(_) => "",
            #[cfg(feature = "audit")]
            Self::Declared(_) | Self::Software(_) => "",
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Workload(workload) => workload.kind.kind,
            Self::Custom(custom) => custom.kind.kind,
            Self::ServiceAccount(_) => "ServiceAccount",
            #[cfg(feature = "audit")]
            Self::RoleBinding(binding) => binding.kind(),
            Self::Credential(_) => "FederatedIdentityCredential",
            #[cfg(feature = "audit")]
            Self::Declared(_) => "FederatedIdentityCredential",
            Self::Identity(identity) => identity.kind_name(),
            Self::Cluster(_) => "Cluster",
            #[cfg(feature = "audit")]
            Self::Software(_) => "Software",
        }
    }

    /// Its namespace, empty for objects of Azure.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Workload(workload) => &workload.namespace,
            Self::ServiceAccount(account) => &account.namespace,
            Self::Custom(custom) => &custom.namespace,
            #[cfg(feature = "audit")]
            Self::RoleBinding(binding) => &binding.namespace,
            _ => "",
        }
    }

    /// Its name; a credential's is `IDENTITY/NAME`.
    pub fn name(&self, trust: &Trust<'_>) -> String {
        match self {
            Self::Workload(workload) => workload.name.clone(),
            Self::ServiceAccount(account) => account.name.clone(),
            Self::Custom(custom) => custom.name.clone(),
            #[cfg(feature = "audit")]
            Self::RoleBinding(binding) => binding.name.clone(),
            Self::Credential(credential) => match trust.parent_name(credential).as_str() {
                "" => credential.name.clone(),
                parent => alloc::format!("{parent}/{}", credential.name),
            },
            #[cfg(feature = "audit")]
            Self::Declared(declared) => trust.name_of(declared),
            Self::Identity(identity) => identity.name.clone(),
            Self::Cluster(cluster) => cluster.name.clone(),
            #[cfg(feature = "audit")]
            Self::Software(software) => software.name.clone(),
        }
    }

    /// Whether a rule has something to say about it.
    #[cfg(feature = "audit")]
    pub fn is_judged_by(&self, rule: &Rule) -> bool {
        rule.checks.iter().any(|check| match check {
            Check::Workload(_) => matches!(self, Self::Workload(_)),
            Check::ServiceAccount(_) => matches!(self, Self::ServiceAccount(_)),
            Check::Credential(_) => matches!(self, Self::Credential(_) | Self::Declared(_)),
            Check::Declared(_) => matches!(self, Self::Declared(_)),
            Check::Identity(_) => matches!(self, Self::Identity(_)),
            Check::Custom(_) => matches!(self, Self::Custom(_)),
            Check::RoleBinding(_) => matches!(self, Self::RoleBinding(_)),
            Check::Cluster(_) => matches!(self, Self::Cluster(_)),
            Check::Software(_) => matches!(self, Self::Software(_)),
        })
    }

    /// Its resource or object id, empty for objects of Kubernetes.
    pub fn id(&self) -> String {
        match self {
            Self::Credential(credential) => credential.id.clone(),
            Self::Identity(identity) => identity.id.to_string(),
            Self::Cluster(cluster) => cluster.id.clone(),
            _ => String::new(),
        }
    }

    /// The address under which infrastructure as code declares it, where only that says it exists.
    pub fn declared(&self) -> Option<&str> {
        match self {
            Self::Credential(credential) => credential.declared.as_deref(),
            Self::Identity(identity) => identity.declared.as_deref(),
            Self::Cluster(cluster) => cluster.declared.as_deref(),
            #[cfg(feature = "audit")]
            Self::Declared(declared) => Some(&declared.address),
            Self::Workload(_) | Self::ServiceAccount(_) | Self::Custom(_) => None,
            #[cfg(feature = "audit")]
            Self::RoleBinding(_) | Self::Software(_) => None,
        }
    }

    /// The cluster it lives in.
    pub const fn cluster(&self) -> Option<ClusterIx> {
        match self {
            Self::Workload(workload) => Some(workload.cluster),
            Self::ServiceAccount(account) => Some(account.cluster),
            Self::Custom(custom) => Some(custom.cluster),
            #[cfg(feature = "audit")]
            Self::RoleBinding(binding) => Some(binding.cluster),
            _ => None,
        }
    }

    /// Where it was read.
    pub const fn origin(&self) -> Origin {
        match self {
            Self::Workload(workload) => workload.origin,
            Self::ServiceAccount(account) => account.origin,
            Self::Custom(custom) => custom.origin,
            #[cfg(feature = "audit")]
            Self::RoleBinding(binding) => binding.origin,
            Self::Credential(credential) => credential.origin,
            #[cfg(feature = "audit")]
            Self::Declared(declared) => declared.origin,
            Self::Identity(identity) => identity.origin,
            Self::Cluster(cluster) => cluster.origin,
            #[cfg(feature = "audit")]
            Self::Software(software) => software.origin,
        }
    }
}

#[cfg(all(test, feature = "audit"))]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::catalogue::CATALOGUE;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, OPTS_IN, account, cluster, credential, custom, declared, identity, pod};

    #[test]
    fn a_rule_judges_what_it_has_a_check_for() {
        let inventory = cluster();
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        let (pod, account, credential, identity) =
            (pod(OPTS_IN, ""), account(CLIENT), credential("a", "b"), identity());
        let custom = custom(
            r#"{"apiVersion":"keda.sh/v1alpha1","kind":"TriggerAuthentication","metadata":{"name":"a","namespace":"b"},"spec":{"podIdentity":{"provider":"azure-workload"}}}"#,
        );
        let (binding, software) = (RoleBinding::default(), Software::default());
        let clusters: Vec<Object<'_>> = inventory.clusters.iter().map(Object::Cluster).collect();
        let others = [
            Object::Workload(&pod),
            Object::ServiceAccount(&account),
            Object::Credential(&credential),
            Object::Identity(&identity),
            Object::Custom(&custom),
            Object::RoleBinding(&binding),
            Object::Software(&software),
        ];
        for object in clusters.into_iter().chain(others) {
            for entry in CATALOGUE {
                let checked = entry.rule.checks.iter().any(|check| verdict(*check, object, &trust).is_some());
                assert_eq!(object.is_judged_by(entry.rule), checked, "{} of a {}", entry.id, object.kind());
            }
        }
        let declared = declared("i", "c");
        let judged = |id: &str| Entry::find(id).is_some_and(|it| Object::Declared(&declared).is_judged_by(it.rule));
        assert_eq!(["AWI406", "AWI308", "AWI101"].map(judged), [true, true, false]);
    }
}
