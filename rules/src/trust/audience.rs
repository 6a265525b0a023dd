//! The audiences of the tokens that the webhook of a cluster asks for: that of its flag `--audience`
//! (azure-workload-identity, `cmd/webhook/main.go`), or those that running pods were given.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::{Key, Trust, Unknown};
use crate::inventory::Inventory;
use crate::model::{Audience, ClusterIx, DEFAULT_AUDIENCE, Platform, Value, Workload};
use crate::parameters::Parameters;
use crate::webhook::{RESERVED, TOKEN_VOLUME};

/// The clusters whose webhook was seen, or pods that it gave tokens, with the audiences of these tokens.
#[derive(Debug, Default)]
pub(super) struct Audiences(Vec<(ClusterIx, Result<Vec<Audience>, Unknown>)>);

impl Audiences {
    /// Of an inventory. Where the webhook was seen, it says more than pods, which may be older: of a cluster the
    /// first counts.
    pub(super) fn of(inventory: &Inventory, parameters: &Parameters) -> Self {
        let (mut asked, mut given) = (Self::default(), Self::default());
        for workload in &inventory.workloads {
            if workload.runs_webhook() && workload.replicas != Some(0) {
                asked.add(workload.cluster, flag(workload));
            } else if !workload.uses_identity_binding() {
                given_to(workload).for_each(|audience| given.add(workload.cluster, Ok(audience)));
            }
        }
        asked.0.extend(given.0);
        for audiences in asked.0.iter_mut().filter_map(|(_, audiences)| audiences.as_mut().ok()) {
            if audiences.iter().all(is_usual) {
                audiences.clone_from(&parameters.audiences);
            } else {
                audiences.extend(parameters.audiences.iter().filter(|it| !is_usual(it)).cloned());
            }
        }
        asked
    }

    fn get(&self, cluster: ClusterIx) -> Option<&Result<Vec<Audience>, Unknown>> {
        self.0.iter().find(|(of, _)| *of == cluster).map(|(_, audiences)| audiences)
    }

    fn add(&mut self, cluster: ClusterIx, audience: Result<Audience, Unknown>) {
        let Some((_, known)) = self.0.iter_mut().find(|(of, _)| *of == cluster) else {
            self.0.push((cluster, audience.map(|audience| vec![audience])));
            return;
        };
        match (known, audience) {
            (Ok(known), Ok(audience)) if !known.contains(&audience) => known.push(audience),
            (known @ Ok(_), Err(unknown)) => *known = Err(unknown),
            _ => {}
        }
    }
}

impl Trust<'_> {
    /// The audiences, of which any will do, of the tokens that the webhook gives the pods of a workload: of a pod
    /// that runs, those of the tokens that it was given.
    ///
    /// # Errors
    /// If the webhook takes its audience from elsewhere.
    pub fn audiences_of(&self, workload: &Workload) -> Result<Vec<Audience>, Unknown> {
        let given: Vec<Audience> = given_to(workload).collect();
        if given.is_empty() { self.audiences(workload.cluster).map(<[Audience]>::to_vec) } else { Ok(given) }
    }

    /// Whether the tokens that pods bring are told apart by where containers look: those of pods that run, and of
    /// workloads of a cluster that was read. Admission knows no mounts.
    pub fn tells_own_tokens(&self, workload: &Workload) -> bool {
        let is_of_cluster = || self.cluster(workload.cluster).is_some_and(|it| !it.name.is_empty());
        !self.at_admission && (workload.template.live || is_of_cluster())
    }

    /// Whether the pods of a workload bring their own token for Azure.
    ///
    /// # Errors
    /// If admission would say that they do, and of a cluster that was read it would be known that they do not.
    pub fn brings_azure_token(&self, workload: &Workload) -> Result<bool, Unknown> {
        let (brings, projects) = (workload.brings_azure_token(), workload.projects_azure_token());
        if brings == projects || self.tells_own_tokens(workload) {
            return Ok(brings);
        }
        if self.at_admission {
            return Ok(projects);
        }
        Err(Unknown(Key::Description(workload.cluster)))
    }

    /// The audiences, of which any will do, of the tokens that the webhook of a cluster gives.
    ///
    /// # Errors
    /// If the webhook takes its audience from elsewhere.
    pub fn audiences(&self, cluster: ClusterIx) -> Result<&[Audience], Unknown> {
        match self.audiences.get(cluster) {
            Some(Ok(audiences)) => Ok(audiences),
            Some(Err(unknown)) => Err(unknown.clone()),
            None => Ok(&self.parameters.audiences),
        }
    }

    /// The audiences of the tokens that the webhook of a cluster gives new pods: none where neither it was seen nor
    /// Azure keeps it, or where it takes them from elsewhere.
    pub fn given_now(&self, cluster: ClusterIx) -> Vec<Audience> {
        if self.webhooks(cluster).any(|it| it.replicas != Some(0)) {
            return self.audiences(cluster).unwrap_or_default().to_vec();
        }
        if self.azure_keeps_webhook(cluster) { vec![DEFAULT_AUDIENCE.into()] } else { Vec::new() }
    }

    /// What would have to be read to know the audiences of a cluster whose webhook its owner installed, unless they
    /// are declared. That of AKS and of Arc has the usual one; admission, whose cluster has no name, sees none.
    pub fn unread_audience(&self, cluster: ClusterIx) -> Option<Unknown> {
        let is_own = self.cluster(cluster).is_some_and(|it| it.platform == Platform::Other && !it.name.is_empty());
        let is_seen = self.audiences.get(cluster).is_some() || self.knows_deployments(cluster);
        let is_said = self.parameters.audiences.iter().any(|it| !is_usual(it));
        (is_own && !is_seen && !is_said).then_some(Unknown(Key::Deployments(cluster)))
    }

    /// The same of the tokens that the webhook gives the pods of a workload, if it does.
    pub fn unread_audience_of(&self, workload: &Workload) -> Option<Unknown> {
        let is_given = !workload.opts_in() || given_to(workload).next().is_some();
        if is_given { None } else { self.unread_audience(workload.cluster) }
    }
}

fn is_usual(audience: &Audience) -> bool {
    audience.as_str() == DEFAULT_AUDIENCE
}

/// What the container of a webhook asks for. An audience that is empty is the usual one.
fn flag(webhook: &Workload) -> Result<Audience, Unknown> {
    match webhook.containers().find_map(|(container, _)| container.audience.as_ref()) {
        None => Ok(DEFAULT_AUDIENCE.into()),
        Some(Value::Literal(Some(text))) if text.is_empty() => Ok(DEFAULT_AUDIENCE.into()),
        Some(Value::Literal(Some(text))) => Ok(text.as_str().into()),
        Some(_) => {
            let what = format!("argument --audience of Deployment {}/{}", webhook.namespace, webhook.name);
            Err(Unknown(Key::Value(what)))
        }
    }
}

/// The audiences of the tokens that the webhook gave a pod that runs.
fn given_to(pod: &Workload) -> impl Iterator<Item = Audience> + '_ {
    let is_webhooks = |name: &str| name == TOKEN_VOLUME || name.starts_with(RESERVED);
    let volumes = pod.template.token_volumes.iter().filter(move |it| is_webhooks(&it.name));
    let volumes = volumes.filter(|_| pod.template.live && pod.opts_in());
    volumes.flat_map(|it| &it.tokens).filter(|it| !it.audience.is_empty()).map(|it| it.audience.as_str().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use alloc::string::String;

    use super::*;
    use crate::inventory::Extent;
    use crate::sample::{OPTS_IN, cluster, pod, workload};

    fn webhook(name: &str, image: &str, more: &str, container: &str) -> Workload {
        workload(&format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{name}","namespace":"wi"}},"spec":{{{more}"template":{{"spec":{{"containers":[{{"name":"proxy"}},{{"name":"manager","image":"{image}"{container}}}]}}}}}}}}"#
        ))
    }

    fn usual(container: &str) -> Workload {
        webhook("azure-wi-webhook-controller-manager", "mirror/x", "", container)
    }

    /// A pod that runs, and was given a token of this audience.
    fn given(volume: &str, audience: &str) -> Workload {
        let metadata = r#","uid":"5f0c","labels":{"azure.workload.identity/use":"true"}"#;
        pod(metadata, &spec_of(volume, audience))
    }

    fn spec_of(volume: &str, audience: &str) -> String {
        format!(
            r#","volumes":[{{"name":"{volume}","projected":{{"sources":[{{"serviceAccountToken":{{"path":"azure-identity-token","audience":"{audience}"}}}}]}}}}]"#
        )
    }

    fn audiences(workloads: Vec<Workload>, declared: &[&str]) -> Result<Vec<String>, Unknown> {
        let inventory = Inventory { workloads, ..cluster() };
        let audiences = declared.iter().map(|it| Audience::from(*it)).collect();
        let parameters = Parameters { audiences, ..Parameters::default() };
        let trust = Trust::join(&inventory, &parameters);
        trust.audiences(ClusterIx(0)).map(|all| all.iter().map(|it| it.0.clone()).collect())
    }

    #[test]
    fn the_flag_of_the_webhook_s_container_says_its_audience() {
        for (container, audience) in [
            ("", DEFAULT_AUDIENCE),
            (r#","args":["--log-level=info","--audience=api://own"]"#, "api://own"),
            (r#","args":["--audience","api://own","--log-level","info"]"#, "api://own"),
            (r#","args":["-audience=api://own"]"#, "api://own"),
            (r#","command":["/manager","--audience=api://own"]"#, "api://own"),
            (r#","command":["/manager","--audience=a"],"args":["--audience=b","--audience=api://own"]"#, "api://own"),
            (r#","args":["--audience="]"#, DEFAULT_AUDIENCE),
            (r#","args":["--audience"]"#, DEFAULT_AUDIENCE),
            (
                r#","args":["--custom-token-endpoint-audience=api://own","--audiences=x","audience=x"]"#,
                DEFAULT_AUDIENCE,
            ),
        ] {
            assert_eq!(audiences(vec![usual(container)], &[DEFAULT_AUDIENCE]).unwrap(), [audience], "{container}");
        }
        for container in
            [r#","args":["--audience=$(AUDIENCE)"]"#, r#","command":["sh","-c","exec /manager --audience=api://own"]"#]
        {
            assert!(audiences(vec![usual(container)], &[]).is_err(), "{container}");
        }
    }

    #[test]
    fn of_several_webhooks_each_says_its_own() {
        let flag = |audience: &str| format!(r#","args":["--audience={audience}"]"#);
        let image = "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1";
        let (a, b) = (usual(&flag("a")), webhook("other", image, "", &flag("b")));
        assert_eq!(audiences(vec![a.clone(), b, a.clone()], &[]).unwrap(), ["a", "b"]);
        let retired = webhook("other", image, r#""replicas":0,"#, &flag("b"));
        assert_eq!(audiences(vec![a.clone(), retired], &[]).unwrap(), ["a"]);
        let none_of_it = webhook("other", "x", "", &flag("b"));
        assert_eq!(audiences(vec![a.clone(), none_of_it], &[]).unwrap(), ["a"]);
        assert!(audiences(vec![a.clone(), usual(&flag("$(A)")), a.clone()], &[]).is_err());
        assert_eq!(audiences(vec![a], &[DEFAULT_AUDIENCE, "declared"]).unwrap(), ["a", "declared"]);
        for undeclared in [vec![], vec![usual("")]] {
            assert_eq!(audiences(undeclared, &["declared"]).unwrap(), ["declared"]);
        }
    }

    #[test]
    fn a_pod_that_runs_says_what_it_was_given() {
        let all = |it: &Workload| {
            let inventory =
                Inventory { workloads: vec![it.clone(), usual(r#","args":["--audience=a"]"#)], ..cluster() };
            let parameters = Parameters::default();
            let all = Trust::join(&inventory, &parameters).audiences_of(it).unwrap();
            all.into_iter().map(|it| it.0).collect::<Vec<String>>()
        };
        for volume in ["azure-identity-token", "azure-workload-identity-reserved-0"] {
            assert_eq!(all(&given(volume, "before")), ["before"], "{volume}");
            assert_eq!(audiences(vec![given(volume, "before")], &[]).unwrap(), ["before"]);
        }
        assert_eq!(all(&given("own", "before")), ["a"]);
        assert_eq!(all(&pod("", "")), ["a"]);
        assert_eq!(
            audiences(vec![usual(""), given("azure-identity-token", "before")], &[DEFAULT_AUDIENCE]).unwrap(),
            [DEFAULT_AUDIENCE]
        );
        for says_nothing in [
            given("own", "before"),
            given("azure-identity-token", ""),
            pod(OPTS_IN, &spec_of("azure-identity-token", "before")),
            pod(r#","uid":"5f0c""#, &spec_of("azure-identity-token", "before")),
        ] {
            assert_eq!(audiences(vec![says_nothing.clone()], &["declared"]).unwrap(), ["declared"], "{says_nothing:?}");
        }
        let by_binding = r#","uid":"5f0c","labels":{"azure.workload.identity/use":"true"},"annotations":{"azure.workload.identity/use-identity-binding":"true"}"#;
        let bound = pod(by_binding, &spec_of("azure-identity-token", "before"));
        assert_eq!(
            audiences(vec![bound], &["declared"]).unwrap(),
            ["declared"],
            "of another issuer than the cluster's"
        );
    }

    #[test]
    fn admission_knows_no_mounts() {
        let env =
            r#","containers":[{"name":"app","env":[{"name":"AZURE_FEDERATED_TOKEN_FILE","value":"/elsewhere"}]}]"#;
        let beside_a_vault = pod("", &format!("{}{env}", spec_of("vault", "vault")));
        let (inventory, parameters) = (Inventory::default(), Parameters::default());
        let brings = |trust: Trust<'_>| trust.brings_azure_token(&beside_a_vault);
        assert!(brings(Trust::join(&inventory, &parameters)).is_err(), "a cluster that was read may tell");
        assert_eq!(brings(Trust::join(&inventory, &parameters).at_admission()), Ok(true));
    }

    #[test]
    fn each_cluster_has_its_own() {
        let elsewhere = |it: Workload| Workload { cluster: ClusterIx(1), ..it };
        let own = usual(r#","args":["--audience=a"]"#);
        assert_eq!(audiences(vec![elsewhere(own.clone())], &["declared"]).unwrap(), ["declared"]);
        let other = usual(r#","args":["--audience=b"]"#);
        assert_eq!(audiences(vec![elsewhere(other), own], &[]).unwrap(), ["a"]);
    }

    #[test]
    fn the_flag_of_a_webhook_that_was_not_seen_is_not_known() {
        let unread_if = |workloads: Vec<Workload>, deployments: Extent, platform: Platform, declared: &str| {
            let mut inventory = Inventory { workloads, ..cluster() };
            inventory.coverage.cluster(ClusterIx(0)).deployments = deployments;
            inventory.clusters.iter_mut().for_each(|it| it.platform = platform);
            let audiences = declared.split(' ').map(Audience::from).collect();
            let parameters = Parameters { audiences, ..Parameters::default() };
            let trust = Trust::join(&inventory, &parameters);
            let of = |it: &Workload| trust.unread_audience_of(it).is_some();
            let own = given("azure-identity-token", "before");
            assert!(!of(&own) && !of(&pod("", "")));
            assert_eq!(of(&pod(OPTS_IN, "")), trust.unread_audience(ClusterIx(0)).is_some());
            trust.unread_audience(ClusterIx(0)).is_some()
        };
        let unread = |workloads, deployments, platform| unread_if(workloads, deployments, platform, DEFAULT_AUDIENCE);
        assert!(unread(vec![], Extent::Nothing, Platform::Other));
        assert!(!unread(vec![], Extent::Nothing, Platform::Aks));
        assert!(!unread(vec![], Extent::Everything, Platform::Other));
        assert!(!unread(vec![usual("")], Extent::Nothing, Platform::Other));
        assert!(!unread_if(vec![], Extent::Nothing, Platform::Other, "declared"));
        assert!(!unread_if(vec![], Extent::Nothing, Platform::Other, "api://AzureADTokenExchange declared"));
    }
}
