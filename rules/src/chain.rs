//! The chain of one workload: what the rules find that breaks a link of it, on whatever object of the
//! chain it stands. Apart from the rules, because a finding on a cluster or a ServiceAccount does not
//! concern every workload there.

use alloc::vec::Vec;

use crate::catalogue::{CATALOGUE, Entry};
use crate::exchange::client_ids;
use crate::finding::{Finding, Hop};
use crate::judge::{Object, judge};
use crate::model::{Custom, Workload, annotation};
use crate::on_behalf::runs_operator_of;
use crate::rule::Breaks;
use crate::trust::Trust;

/// A link that is broken.
#[derive(Clone, Debug)]
pub struct Broken<'a> {
    /// Which.
    pub hop: Hop,
    /// The rule that finds it.
    pub rule: &'static Entry,
    /// The object that is judged.
    pub object: Object<'a>,
    /// What is wrong with it.
    pub finding: Finding,
}

/// The links of a workload's chain that rules find broken, in the order of the chain. What is unknown to
/// a rule breaks nothing.
pub fn broken<'a>(workload: &'a Workload, trust: &Trust<'a>) -> Vec<Broken<'a>> {
    let mut all = Vec::new();
    for object in objects(workload, trust) {
        let rules = CATALOGUE.iter().filter(|entry| entry.rule.breaks == Breaks::Named);
        judge(object, trust, rules, |judgement| {
            let Ok(finding) = judgement.outcome else { return };
            if let Some(hop) = finding.breaks.filter(|hop| concerns(object, *hop, workload, trust)) {
                all.push(Broken { hop, rule: judgement.rule, object, finding });
            }
        });
    }
    all.sort_by_key(|broken| broken.hop);
    all
}

/// What a workload's chain hangs on, as far as it was seen. A cluster without a name is nowhere described, and
/// is not judged elsewhere either; of credentials the exchange tells whether one of them trusts the token.
fn objects<'a>(workload: &'a Workload, trust: &Trust<'a>) -> Vec<Object<'a>> {
    let cluster = workload.cluster;
    let described = trust.cluster(cluster).filter(|cluster| !cluster.name.is_empty());
    let mut objects: Vec<Object<'a>> = described.map(Object::Cluster).into_iter().collect();
    objects.extend(trust.webhooks(cluster).map(Object::Workload));
    objects.extend(trust.service_account(workload).known().ok().flatten().map(Object::ServiceAccount));
    let asked = client_ids(workload, trust).into_iter().filter_map(|client_id| client_id.ok().flatten());
    objects
        .extend(asked.filter_map(|client_id| trust.identity(&client_id).known().ok().flatten()).map(Object::Identity));
    objects.push(Object::Workload(workload));
    objects.extend(trust.run_by(workload).map(Object::Software));
    // What an operator of that image is told by, which asks as itself.
    let told_by = |custom: &&Custom| runs_operator_of(workload, custom) == Some(true);
    objects.extend(trust.customs(cluster).filter(told_by).map(Object::Custom));
    objects
}

/// Whether what breaks a link for some workload breaks it for this one.
fn concerns(object: Object<'_>, hop: Hop, workload: &Workload, trust: &Trust<'_>) -> bool {
    let is_own = matches!(object, Object::Workload(own) if core::ptr::eq(own, workload));
    let lacks = |name: &str| workload.injected_containers().any(|(container, _)| container.variable(name).is_none());
    // What it is told, the webhook tells it; a pod that runs has been told already.
    let is_told = |name: &str| workload.opts_in() && lacks(name);
    let account = || trust.service_account(workload).known().ok().flatten();
    let said_tenant = || account().and_then(|account| account.annotations.get(annotation::TENANT_ID));
    // Rules tell of what the pods say too at the annotation that says the same.
    let says_the_same = || {
        let own = workload.injected_containers().filter_map(|(it, _)| workload.told(it, "AZURE_TENANT_ID"));
        said_tenant().is_some_and(|said| own.into_iter().any(|own| own.eq_ignore_ascii_case(said)))
    };
    match (object, hop) {
        _ if is_own => true,
        (_, Hop::Webhook) => workload.opts_in() && !workload.brings_azure_token() && !workload.template.live,
        (Object::Workload(_), Hop::Tenant) => {
            is_told("AZURE_TENANT_ID") && account().is_some() && said_tenant().is_none()
        }
        (_, Hop::Tenant) => is_told("AZURE_TENANT_ID") || says_the_same(),
        (_, Hop::Authority) => is_told("AZURE_AUTHORITY_HOST"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use alloc::format;
    use alloc::vec;

    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::model::ClusterIx;
    use crate::parameters::Parameters;
    use crate::sample::{OPTS_IN, account, cluster, custom, pod};

    /// The links that are broken of a pod of this image, where KEDA is to ask as itself.
    fn links(labels: &str, image: &str, annotated: &str) -> Vec<(Hop, &'static str)> {
        let spec = format!(r#","containers":[{{"name":"app","image":"example.com/{image}:1"}}]"#);
        let mut inventory = Inventory { workloads: vec![pod(labels, &spec)], ..cluster() };
        inventory.service_accounts.push(account(annotated));
        inventory.customs.push(custom(
            r#"{"apiVersion":"keda.sh/v1alpha1","kind":"TriggerAuthentication","metadata":{"name":"bus","namespace":"till"},"spec":{"podIdentity":{"provider":"azure-workload"}}}"#,
        ));
        inventory.coverage.cluster(ClusterIx(0)).deployments = Extent::Everything;
        let parameters = Parameters::default();
        let trust = Trust::join(&inventory, &parameters);
        broken(inventory.workloads.first().unwrap(), &trust).iter().map(|it| (it.hop, it.rule.id)).collect()
    }

    #[test]
    fn what_an_operator_is_told_by_breaks_its_own_chain() {
        assert_eq!(links(OPTS_IN, "keda", ""), [(Hop::ClientId, "AWI805")]);
        assert_eq!(links("", "keda", ""), [(Hop::Label, "AWI805")]);
        assert_eq!(links(OPTS_IN, "keda", crate::sample::CLIENT), []);
        assert_eq!(links(OPTS_IN, "keda-of-another-name", ""), []);
    }
}
