//! On behalf: what drivers and operators present for others, which is the token of a ServiceAccount that
//! is not their own. Only the audit asks.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::exchange::{client_ids, expression_of, tenant, trusts_one_like};
use crate::finding::Hop;
use crate::model::{
    Body, ClientId, ClusterIx, Custom, Identity, Life, Means, ServiceAccount, Subject, Volume, Workload, annotation,
    label,
};
use crate::near::annotate;
use crate::trust::{Key, Trust, Unknown};

/// Whether an identity trusts a ServiceAccount of a cluster, for whatever audience.
///
/// # Errors
/// If the cluster's issuer or the identity's credentials are not known, or hang on more than is.
pub fn trusts(identity: &Identity, cluster: ClusterIx, subject: &Subject, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let issuer = trust.issuer(cluster)?;
    let mut open = None;
    for credential in trust.credentials_seen(identity).iter().filter(|credential| credential.issuer == *issuer) {
        match credential.admits(subject) {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => open = Some(expression_of(credential)),
        }
    }
    trust.credentials(identity)?;
    trust.placed((cluster, subject), issuer, trust.credentials_seen(identity))?;
    open.map_or(Ok(false), Err)
}

/// The image of the operator that acts by a custom resource, where it is known by that.
pub fn program(custom: &Custom) -> Option<&'static str> {
    match custom.kind.group {
        "cert-manager.io" => Some("cert-manager-controller"),
        "source.toolkit.fluxcd.io" => Some("source-controller"),
        "image.toolkit.fluxcd.io" => Some("image-reflector-controller"),
        "generators.external-secrets.io" | "external-secrets.io" => Some("external-secrets"),
        "keda.sh" => Some("keda"),
        _ => None,
    }
}

/// The client ids for which a custom resource of KEDA or of what else has [`Login`]s has its operator ask as itself; an empty
/// one where what the operator is told is meant.
pub fn as_itself(custom: &Custom) -> impl Iterator<Item = &str> {
    let said = match &custom.body {
        Body::Trigger(trigger) if trigger.provider == "azure-workload" => Some(trigger.identity_id.as_str()),
        _ => None,
    };
    let logins = custom.logins().iter().filter(|_| !custom.is_volume());
    let own = logins.filter(|login| login.means == Means::Workload && login.account.is_none());
    said.into_iter().chain(own.map(|login| login.client_id.as_str()))
}

/// Whether a workload runs the operator that acts by a custom resource; `None` if that is not told by an image.
pub fn runs_operator_of(workload: &Workload, custom: &Custom) -> Option<bool> {
    program(custom).map(|program| workload.running(program).is_some())
}

/// The workloads seen that run a program, by its image: under whose ServiceAccounts an operator asks.
pub fn running<'a>(program: &str, cluster: ClusterIx, trust: &Trust<'a>) -> impl Iterator<Item = &'a Workload> {
    trust.running_image(cluster, program).iter().copied()
}

/// Whether an identity trusts an operator: the ServiceAccount of a workload that runs its program, or one that
/// is like it by namespace and name.
///
/// # Errors
/// If the identity's credentials are not known, or the operator may run as anybody in a Deployment that was not read.
pub fn trusts_operator(
    identity: &Identity,
    (program, cluster): (&str, ClusterIx),
    trust: &Trust<'_>,
    is_like: impl Fn(&str, &str) -> bool,
) -> Result<bool, Unknown> {
    let its: Vec<&Workload> = running(program, cluster, trust).collect();
    let is_its =
        |namespace: &str, name: &str| its.iter().any(|it| it.namespace == namespace && it.service_account() == name);
    let trusted = trusts_one_like(identity, cluster, trust, |namespace, name| {
        is_like(namespace, name) || is_its(namespace, name)
    })?;
    if trusted || trust.knows_deployments(cluster) { Ok(trusted) } else { Err(Unknown(Key::Deployments(cluster))) }
}

/// The tenant in which an operator looks for identities, if its pods are told one, by a variable of their own or by their
/// ServiceAccount; else empty.
///
/// # Errors
/// If not all Deployments were read, any of which may be the operator's, or not what its pods are told.
pub fn tenant_of_operator(program: &str, cluster: ClusterIx, trust: &Trust<'_>) -> Result<String, Unknown> {
    for workload in running(program, cluster, trust).filter(|workload| !workload.has_ended()) {
        for (container, _) in workload.injected_containers() {
            if let Some(tenant) = tenant(workload, container, trust)? {
                return Ok(tenant);
            }
        }
    }
    if trust.knows_deployments(cluster) { Ok(String::new()) } else { Err(Unknown(Key::Deployments(cluster))) }
}

/// An operator that cannot ask as itself.
pub struct Unserved {
    /// The link of its own chain that is broken.
    pub breaks: Hop,
    /// Why.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// Why an operator cannot ask as itself, and what to do: no pod of it gets a token, or, where the resource says no client
/// id, none that gets one is told whose. Of an operator that was not seen nothing is said.
///
/// # Errors
/// If not all Deployments were read, any of which may be the operator's, or not what its pods are told.
pub fn unserved(
    (program, cluster): (&str, ClusterIx),
    needs_id: bool,
    trust: &Trust<'_>,
) -> Result<Option<Unserved>, Unknown> {
    let all: Vec<&Workload> = running(program, cluster, trust).filter(|workload| !workload.has_ended()).collect();
    let gets_token = |workload: &&Workload| workload.opts_in() || workload.brings_azure_token();
    let with_token: Vec<&Workload> = all.iter().copied().filter(gets_token).collect();
    let is_tokenless = with_token.is_empty();
    let is_unserved = is_tokenless || (needs_id && is_told_nothing(&with_token, trust)?);
    if !is_unserved {
        return Ok(None);
    }
    if !trust.knows_deployments(cluster) {
        return Err(Unknown(Key::Deployments(cluster)));
    }
    let judged = if is_tokenless { all } else { with_token };
    // Its webhooks and the like may run the same image, under longer names.
    let Some(workload) = judged.into_iter().min_by_key(|it| (it.name.len(), it.name.as_str())) else { return Ok(None) };
    let (namespace, account) = (workload.namespace.as_str(), workload.service_account());
    if is_tokenless {
        let message = format!(
            "no pod of `{program}` has label `{}`, so that it gets no token, and at best has an identity of its node",
            label::USE
        );
        let fix = format!(
            "set `{}` of {} `{namespace}/{}` to \"true\", in quotes, and annotate ServiceAccount `{namespace}/{account}` with `{}`",
            workload.label_path(label::USE),
            workload.kind.kind,
            workload.name,
            annotation::CLIENT_ID
        );
        return Ok(Some(Unserved { breaks: Hop::Label, message, fix }));
    }
    let message = format!(
        "no client id is said, and ServiceAccount `{namespace}/{account}`, as which `{program}` asks, has no annotation `{}`",
        annotation::CLIENT_ID
    );
    let fix = annotate(namespace, account, annotation::CLIENT_ID, "CLIENT_ID");
    Ok(Some(Unserved { breaks: Hop::ClientId, message, fix }))
}

/// Whether none of an operator's pods is told a client id. A ServiceAccount that does not exist is another rule's.
fn is_told_nothing(all: &[&Workload], trust: &Trust<'_>) -> Result<bool, Unknown> {
    let mut unknown = None;
    for workload in all {
        if trust.service_account(workload).known()?.is_none() {
            return Ok(false);
        }
        for client_id in client_ids(workload, trust) {
            match client_id {
                Ok(Some(_)) => return Ok(false),
                Ok(None) => {}
                Err(missing) => unknown = Some(missing),
            }
        }
    }
    unknown.map_or(Ok(true), Err)
}

/// What has the tokens of a ServiceAccount presented to an identity: workloads by the volumes they mount, and
/// stores of External Secrets, by kind and name.
pub fn of(identity: &Identity, account: &ServiceAccount, trust: &Trust<'_>) -> Vec<String> {
    let asks = |client_id: &ClientId| client_id.folded() == identity.client_id.folded();
    let named = |kind: &str, name: &str| format!("{kind} {}/{name}", account.namespace);
    let mut all = Vec::new();
    if identity.client_id.as_str().is_empty() {
        return all;
    }
    for custom in trust.customs(account.cluster) {
        match &custom.body {
            Body::ProviderClass(said) if !said.token_proxy && asks(&said.client_id.as_str().into()) => {
                let is_it = |volume: &Volume| matches!(volume, Volume::SecretsStore(class) if *class == custom.name);
                let users = trust.workloads_of(account.cluster, &account.namespace, &account.name).iter();
                let mounts = |it: &&&Workload| {
                    custom.namespace == account.namespace
                        && it.controller.is_none()
                        && !it.has_ended()
                        && it.template.volumes.iter().any(is_it)
                };
                all.extend(users.filter(mounts).map(|it| named(it.kind.kind, &it.name)));
            }
            Body::Store(store) if store.azure && store.auth_type == "WorkloadIdentity" => {
                let is_its = custom.account() == Some((account.namespace.as_str(), account.name.as_str()));
                if is_its && account.client_id().is_some_and(|id| asks(&id)) {
                    let place =
                        if custom.namespace.is_empty() { String::new() } else { format!("{}/", custom.namespace) };
                    all.push(format!("{} {place}{}", custom.kind.kind, custom.name));
                }
            }
            _ => {}
        }
    }
    all
}

/// The subject of a workload that mounts a volume which a driver mounts by the pod's own token, while the
/// identity does not trust it, and the life of that workload: one that is active, if there is such a one. What has
/// ended mounts no more.
///
/// # Errors
/// If that is not known of one, or not who else mounts it.
pub fn distrusted_mounter(
    identity: &Identity,
    (cluster, namespace): (ClusterIx, &str),
    trust: &Trust<'_>,
    is_it: impl Fn(&Volume) -> bool,
) -> Result<Option<(Subject, Life)>, Unknown> {
    let mounts = |workload: &&Workload| {
        workload.namespace == namespace && !workload.has_ended() && workload.template.volumes.iter().any(&is_it)
    };
    let mut dormant = None;
    for workload in trust.workloads(cluster).filter(mounts) {
        let subject = workload.subject();
        if !trusts(identity, cluster, &subject, trust)? {
            match trust.life(workload) {
                Life::Active => return Ok(Some((subject, Life::Active))),
                life => dormant = dormant.or(Some((subject, life))),
            }
        }
    }
    if trust.knows_deployments(cluster) { Ok(dormant) } else { Err(Unknown(Key::Deployments(cluster))) }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::parameters::Parameters;
    use crate::sample::{OPTS_IN, account, cluster, pod};

    const HERE: ClusterIx = ClusterIx(0);
    const RUNS: &str = r#","containers":[{"name":"app","image":"example.com/operator:1"}]"#;

    #[test]
    fn of_those_that_run_the_operator_the_one_of_the_shortest_name_is_meant() {
        let named = |name: &str, metadata: &str| Workload { name: name.into(), ..pod(metadata, RUNS) };
        let mut inventory = cluster();
        inventory.coverage.cluster(HERE).deployments = Extent::Everything;
        inventory.service_accounts.push(account(""));
        let parameters = Parameters::default();
        let said = |inventory: &Inventory, needs_id| {
            let flaw = unserved(("operator", HERE), needs_id, &Trust::join(inventory, &parameters));
            flaw.map(|flaw| flaw.map(|flaw| format!("{:?}: {}", flaw.breaks, flaw.fix)))
        };
        assert_eq!(said(&inventory, true), Ok(None), "it was not seen");
        inventory.workloads = vec![named("operator-webhook", ""), named("operator", ""), named("operatos", "")];
        let fix = said(&inventory, false).ok().flatten().unwrap_or_default();
        assert!(fix.starts_with("Label: ") && fix.contains("Pod `shop/operator` to"), "{fix}");

        inventory.workloads.push(named("operator-with-a-token", OPTS_IN));
        assert_eq!(said(&inventory, false), Ok(None));
        let fix = said(&inventory, true).ok().flatten().unwrap_or_default();
        assert!(fix.starts_with("ClientId: kubectl annotate serviceaccount cart --namespace shop"), "{fix}");
        inventory.coverage.cluster(HERE).deployments = Extent::Nothing;
        assert_eq!(said(&inventory, true), Err(Unknown(Key::Deployments(HERE))));
        inventory.service_accounts.clear();
        assert!(matches!(said(&inventory, true), Err(Unknown(Key::ServiceAccount(..)))));
    }

    #[test]
    fn an_operator_looks_in_the_tenant_that_its_pods_are_told() {
        let mut inventory = cluster();
        let tenant = |inventory: &Inventory| {
            let parameters = Parameters::default();
            let trust = Trust::join(inventory, &parameters);
            tenant_of_operator("operator", HERE, &trust)
        };
        assert_eq!(tenant(&inventory), Err(Unknown(Key::Deployments(HERE))), "it was not seen");
        inventory.coverage.cluster(HERE).deployments = Extent::Everything;
        assert_eq!(tenant(&inventory), Ok(String::new()));
        let with = |variable: &str| {
            let env = format!(r#""env":[{{"name":"AZURE_TENANT_ID",{variable}}}]"#);
            let spec = RUNS.replace(r#""name":"app","#, &format!(r#""name":"app",{env},"#));
            Inventory { workloads: vec![pod(OPTS_IN, &spec)], ..inventory.clone() }
        };
        assert_eq!(tenant(&with(r#""value":"t""#)).as_deref(), Ok("t"));
        let elsewhere = tenant(&with(r#""valueFrom":{"configMapKeyRef":{"name":"a","key":"b"}}"#));
        assert!(elsewhere.is_err(), "{elsewhere:?}");
    }
}
