//! A container lives by a static credential of Azure in place of workload identity.
//!
//! A client secret, certificate or password works from anywhere, for whoever has read it, until
//! somebody changes it; workload identity was made to do without. Written as a literal it stands in
//! the manifest, in version control and in the answers of the API server: then the finding is critical.
//!
//! An empty value counts as none, and so does a user name without password. Of a variable that is set twice the
//! last counts, as the container is started with it; a literal that it hides stands in the manifest all the same.
//! Containers into which the webhook
//! injects a token are for `static-credential-shadows` to judge, all but for `ARM_CLIENT_SECRET`: the Azure SDKs do not
//! know it, and Terraform's providers of Azure take it before any token. What a ConfigMap of `envFrom` holds is not read. A
//! variable from a key of a Secret with `optional: true` is none where the audit knows that the Secret has no such key.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, env: [{name: ARM_CLIENT_SECRET, valueFrom: {secretKeyRef: {name: sp, key: secret}}}]}]}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: Secret, metadata: {name: sp, namespace: shop}, data: {CLIENT_SECRET: eA==}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, envFrom: [{prefix: AZURE_, secretRef: {name: sp}}]}]}
//! ```
//!
//! ```yaml
//! # a literal, whatever another container may hold
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   containers:
//!   - {name: app, env: [{name: ARM_CLIENT_SECRET, value: "not-shown"}]}
//!   - {name: side, envFrom: [{secretRef: {name: side}}]}
//! ```
//!
//! ```yaml
//! # what is no secret is a literal
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   containers:
//!   - name: app
//!     env:
//!     - {name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}
//!     - {name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}
//!     - {name: AZURE_CLIENT_SECRET, valueFrom: {secretKeyRef: {name: sp, key: secret}}}
//! ```
//!
//! ```yaml
//! # of a variable that is set twice the last counts
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_SECRET, value: ""}, {name: AZURE_CLIENT_SECRET, value: x}]}]}
//! ```
//!
//! ```yaml
//! # Terraform goes on by it beside the token
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers:
//!   - {name: app}
//!   - {name: terraform, env: [{name: ARM_CLIENT_SECRET, valueFrom: {secretKeyRef: {name: sp, key: secret}}}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # empty, and a user name alone
//! {apiVersion: v1, kind: Secret, metadata: {name: cart, namespace: shop}, data: {DATABASE: eA==}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   containers:
//!   - name: app
//!     env: [{name: AZURE_CLIENT_SECRET, value: ""}, {name: AZURE_USERNAME, value: cart}]
//!     envFrom: [{secretRef: {name: cart}}]
//! ```
//!
//! ```yaml
//! # set twice, and to nothing at last
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_SECRET, value: x}, {name: AZURE_CLIENT_SECRET, value: ""}]}]}
//! ```
//!
//! ```yaml
//! # the webhook injects a token beside it
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_SECRET, value: x}]}]}
//! ```
//!
//! ```yaml
//! # the Secret has no such key
//! {apiVersion: v1, kind: Secret, metadata: {name: settings, namespace: shop}, data: {LOG_LEVEL: ""}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, envFrom: [{secretRef: {name: settings}}, {secretRef: {name: absent}}]}]}
//! ```
//!
//! # As CEL
//!
//! What a Secret of `envFrom` holds is not seen.
//!
//! ```cel
//! variables.containers.exists(c,
//!   [
//!     ["ARM_CLIENT_SECRET"],
//!     ["AZURE_CLIENT_SECRET"],
//!     ["AZURE_CLIENT_CERTIFICATE_PATH"],
//!     ["AZURE_PASSWORD", "AZURE_USERNAME"]
//!   ].exists(credential,
//!     (credential[0] == "ARM_CLIENT_SECRET" || !variables.optsIn || c.name in variables.skipped)
//!       && credential.all(name, [c.env.filter(e, e.name == name)].exists(own,
//!         own[?size(own) - 1].?filled.orValue(false)))))
//! ```
use crate::model::{EnvFrom, EnvVar, Value};
use crate::prelude::*;
use crate::trust::Unknown;

pub(super) static RULE: Rule = Rule {
    summary: "a container lives by a static credential of Azure in place of workload identity",
    severity: Severity::High,
    confidence: Confidence::Medium,
    breaks: Breaks::Nothing,
    aadsts: &["7000215", "7000222"],
    frameworks: &["MCSB IM-3", "MCSB IM-8"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

/// The variables of which each set makes a credential (Azure Identity, `EnvironmentCredential`).
pub(super) const CREDENTIALS: [&[&str]; 3] =
    [&["AZURE_CLIENT_SECRET"], &["AZURE_CLIENT_CERTIFICATE_PATH"], &["AZURE_PASSWORD", "AZURE_USERNAME"]];

/// What Terraform's providers of Azure take first (go-azure-sdk, `auth.NewAuthorizerFromCredentials`).
const OF_TERRAFORM: &[&str] = &["ARM_CLIENT_SECRET"];

/// A variable with a static credential.
pub(super) struct Held {
    pub(super) field: String,
    pub(super) name: &'static str,
    pub(super) container: String,
    /// Where its value comes from, in words.
    pub(super) source: String,
    /// Whether it is secret and stands in the manifest.
    pub(super) bare: bool,
}

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let missed = |name: &str| !workload.opts_in() || workload.skipped().any(|skipped| skipped == name);
    let containers: Vec<_> = workload.containers().collect();
    let mut names = CREDENTIALS.to_vec();
    names.push(OF_TERRAFORM);
    let is_judged = |container: &Container, names: &[&str]| names == OF_TERRAFORM || missed(&container.name);
    let held = held(workload, &containers, &names, &is_judged, trust)?;
    let Some(worst) = held.iter().find(|held| held.bare).or_else(|| held.first()) else { return Ok(None) };
    let severity = if worst.bare { Severity::Critical } else { RULE.severity };
    let message =
        format!("container `{}` has `{}` from {}, a credential that lasts", worst.container, worst.name, worst.source);
    let revoke = if worst.bare { "revoke the credential, for it stands in the manifest; " } else { "" };
    let switch = if !missed(&worst.container) {
        "set `ARM_USE_AKS_WORKLOAD_IDENTITY` to \"true\" beside it".to_owned()
    } else if workload.opts_in() {
        format!("take `{}` out of `{}`", worst.container, workload.annotation_path(annotation::SKIP_CONTAINERS))
    } else {
        format!(
            "annotate ServiceAccount `{}` with `{}`, let a credential of the identity trust it, set `{}` to \"true\"",
            workload.service_account(),
            annotation::CLIENT_ID,
            workload.label_path(label::USE)
        )
    };
    let fix = format!("{revoke}{switch}, and remove `{}` from `{}`", worst.name, worst.field);
    Ok(Some(Finding::new(severity, worst.field.as_str(), message).with_made("variables", || evidence(&held)).fix(fix)))
}

/// The static credentials that these containers hold for certain, of those that are judged in them; unknown only if
/// there are none and a Secret that could hold one was not seen.
pub(super) fn held(
    workload: &Workload,
    containers: &[(&Container, Place)],
    credentials: &[&'static [&'static str]],
    is_judged: &dyn Fn(&Container, &[&str]) -> bool,
    trust: &Trust<'_>,
) -> Result<Vec<Held>, Unknown> {
    let mut all = Vec::new();
    let mut unknown = None;
    for (container, place) in containers {
        for names in credentials.iter().filter(|names| is_judged(container, names)) {
            let sources: Vec<_> = names.iter().map(|name| source(workload, container, *place, name, trust)).collect();
            if sources.iter().any(|source| matches!(source, Ok(None))) {
                continue;
            }
            match sources.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(found) => all.extend(found.into_iter().flatten()),
                Err(missing) => unknown = unknown.or(Some(missing)),
            }
        }
    }
    match unknown {
        Some(unknown) if all.is_empty() => Err(unknown),
        _ => Ok(all),
    }
}

fn source(
    workload: &Workload,
    container: &Container,
    place: Place,
    name: &'static str,
    trust: &Trust<'_>,
) -> Result<Option<Held>, Unknown> {
    let held =
        |field: String, source: String, bare| Held { field, name, container: container.name.clone(), source, bare };
    // A variable of `env` wins over one of the same name from `envFrom`, even an empty one.
    if let Some(variable) = container.variable(name) {
        // A user's name and the path of a certificate are no secrets. A literal that another definition hides stands
        // in the manifest all the same; what it says was dropped.
        let is_bare = |it: &EnvVar| it.name == name && matches!(it.value, Value::Literal(None));
        let bare = (name.ends_with("SECRET") || name.ends_with("PASSWORD")) && container.env.iter().any(is_bare);
        let source = match &variable.value {
            Value::Literal(Some(_)) => return Ok(None),
            Value::Secret(secret, _) if !bare => format!("Secret `{secret}`"),
            #[cfg(feature = "audit")]
            Value::Optional(secret, key) if !bare => {
                let has = trust.secret(workload, secret).known()?.is_some_and(|it| it.keys.iter().any(|own| own == key));
                if !has {
                    return Ok(None);
                }
                format!("Secret `{secret}`")
            }
            #[cfg(feature = "audit")]
            Value::Annotation(_) if !bare => "`valueFrom`".to_owned(),
            Value::Elsewhere if !bare => "`valueFrom`".to_owned(),
            _ => "a literal".to_owned(),
        };
        return Ok(Some(held(format!("{place}.env[{name}]"), source, bare)));
    }
    let mut unknown = None;
    for (index, from) in container.env_from.iter().enumerate() {
        let EnvFrom::Secret(secret, prefix) = from else { continue };
        let Some(key) = name.strip_prefix(prefix.as_str()) else { continue };
        match trust.secret(workload, secret).known() {
            Ok(Some(keys)) if keys.keys.iter().any(|own| own == key) => {
                return Ok(Some(held(format!("{place}.envFrom[{index}]"), format!("Secret `{secret}`"), false)));
            }
            Ok(_) => {}
            Err(missing) => unknown = unknown.or(Some(missing)),
        }
    }
    unknown.map_or(Ok(None), Err)
}

/// As evidence.
pub(super) fn evidence(held: &[Held]) -> Vec<String> {
    held.iter().map(|held| format!("{}: {} from {}", held.container, held.name, held.source)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::inventory::{Inventory, SecretKeys};
    use crate::manifest::{Manifest, read};
    use crate::model::{ClusterIx, Origin};
    use crate::parameters::Parameters;

    fn judge(env: &str, keys: Option<&str>) -> Verdict {
        let json = format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"cart","namespace":"shop"}},"spec":{{"containers":[
            {{"name":"app","env":[{env}],"envFrom":[{{"secretRef":{{"name":"sp"}}}}]}}]}}}}"#
        );
        let Manifest::Workload(pod) = read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest
        else {
            panic!()
        };
        let secret = |key: &str| SecretKeys {
            cluster: ClusterIx(0),
            namespace: "shop".into(),
            name: "sp".into(),
            keys: vec![key.into()],
        };
        let inventory = Inventory { secrets: keys.map(secret).into_iter().collect(), ..Inventory::default() };
        let parameters = Parameters::default();
        check(&pod, &Trust::join(&inventory, &parameters))
    }

    #[test]
    fn an_unseen_secret_leaves_the_question_open() {
        assert!(judge("", None).is_err());
        assert!(judge(r#"{"name":"AZURE_USERNAME","value":"cart"}"#, None).is_err());
        assert!(judge("", Some("DATABASE")).unwrap().is_none());
        assert!(judge("", Some("AZURE_CLIENT_SECRET")).unwrap().is_some());
    }

    #[test]
    fn a_certain_credential_needs_no_secret_to_be_seen() {
        let elsewhere = r#"{"name":"AZURE_CLIENT_SECRET","valueFrom":{"secretKeyRef":{"name":"x","key":"y"}}}"#;
        assert_eq!(judge(elsewhere, None).unwrap().unwrap().severity, Severity::High);
        let path = r#"{"name":"AZURE_CLIENT_CERTIFICATE_PATH","value":"/c.pem"}"#;
        assert_eq!(judge(path, None).unwrap().unwrap().severity, Severity::High);
        let finding = judge(r#"{"name":"AZURE_CLIENT_SECRET","value":"hunter2"}"#, None).unwrap().unwrap();
        assert_eq!(finding.severity, Severity::Critical);
        assert!(!format!("{finding:?}").contains("hunter2"));
    }

    #[test]
    fn an_empty_variable_hides_the_secret_s() {
        for empty in [r#"{"name":"AZURE_CLIENT_SECRET","value":""}"#, r#"{"name":"AZURE_CLIENT_SECRET"}"#] {
            assert!(judge(empty, Some("AZURE_CLIENT_SECRET")).unwrap().is_none(), "{empty}");
        }
    }
}
