//! A placeholder was never filled in.
//!
//! `${CLIENT_ID}`, `<client-id>`, `{{ … }}`, a GUID of zeros or `changeme` stands where a value of
//! workload identity belongs, as templates and guides leave it. Kubernetes and Azure store it as it
//! is, and what depends on it fails later and elsewhere.
//!
//! With the parameter `templated` a later stage fills them in, and nothing is said. Names and
//! namespaces are not read, as they may be anything; nor is `$(NAME)` in a container's variable,
//! which Kubernetes fills in, nor a container that is really called `todo` and is to be skipped.
//!
//! # Fails
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: "${CLIENT_ID}"}}}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: "<tenant-id>"}]}]}
//! ```
//!
//! ```yaml
//! - id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc
//!   name: fc
//!   issuer: https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/22222222-2222-2222-2222-222222222222/
//!   subject: "system:serviceaccount:shop:cart"
//!   audiences: ["api://AzureADTokenExchange"]
//!   type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//! ```
//!
//! ```yaml
//! # of a variable that is set twice the last counts
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}, {name: AZURE_CLIENT_ID, value: "<client-id>"}]}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # names and namespaces are not read
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: "<name>", namespace: "${NAMESPACE}"}}
//! ```
//!
//! ```yaml
//! # Kubernetes fills it in
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: $(CART_CLIENT_ID)}]}]}
//! ```
//!
//! ```yaml
//! # of a variable that is set twice the last counts
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: "<client-id>"}, {name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]}
//! ```
//!
//! ```yaml
//! # a container of that name
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: todo, annotations: {azure.workload.identity/skip-containers: todo}}
//! spec: {containers: [{name: todo}, {name: app}]}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! !variables.templated
//!   && (object.kind == "ServiceAccount"
//!     ? [variables.clientId, variables.tenantId, variables.lifetime]
//!       .exists(value, value.matches(variables.placeholder))
//!     : type(variables.use) == string && variables.use.matches(variables.placeholder)
//!       || variables.known.exists(k,
//!         [variables.annotations[?k.key].orValue(null)]
//!           .exists(value, value != null && string(value).matches(variables.placeholder))
//!           && !(k.key == "azure.workload.identity/skip-containers" && variables.skip in variables.names))
//!       || variables.containers.exists(c, ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"].exists(name,
//!         [c.env.filter(e, e.name == name)]
//!           .map(own, own[?size(own) - 1].?literal.orValue(""))
//!           .exists(value, !value.contains("$(") && value.matches(variables.placeholder)))))
//! ```
use crate::model::{is_guid, is_placeholder};
use crate::prelude::*;
use crate::spelling::KEYS;

pub(super) static RULE: Rule = Rule {
    summary: "a placeholder was never filled in",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &["700016", "90002"],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(on_workload), Check::ServiceAccount(on_account), Check::Credential(on_credential)],
};

fn on_workload(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let template = &workload.template;
    let mut values = Vec::new();
    values.extend(template.labels.get(label::USE).map(|value| (workload.label_path(label::USE), value)));
    for key in KEYS {
        let value = template.annotations.get(key).filter(|value| {
            key != annotation::SKIP_CONTAINERS || !workload.containers().any(|(container, _)| container.name == *value)
        });
        values.extend(value.map(|value| (workload.annotation_path(key), value)));
    }
    for (container, path) in workload.containers() {
        for name in ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"] {
            let value = container.literal(name).filter(|value| !value.contains("$("));
            values.extend(value.map(|value| (format!("{path}.env[{name}]"), value)));
        }
    }
    Ok(check(values, trust))
}

fn on_account(account: &ServiceAccount, trust: &Trust<'_>) -> Verdict {
    let keys = [annotation::CLIENT_ID, annotation::TENANT_ID, annotation::EXPIRATION];
    let value = |key| Some((format!("metadata.annotations[{key}]"), account.annotations.get(key)?));
    Ok(check(keys.into_iter().filter_map(value).collect(), trust))
}

fn on_credential(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let mut values = vec![("issuer".to_owned(), credential.issuer.as_str())];
    values.extend(
        credential.issuer.segments().filter(|segment| is_guid(segment)).map(|segment| ("issuer".to_owned(), segment)),
    );
    values.extend(credential.subject.as_ref().map(|subject| ("subject".to_owned(), subject.as_str())));
    let audiences = credential.audiences.iter().enumerate();
    values.extend(audiences.map(|(index, audience)| (format!("audiences[{index}]"), audience.as_str())));
    Ok(check(values, trust))
}

fn check(values: Vec<(String, &str)>, trust: &Trust<'_>) -> Option<Finding> {
    if trust.parameters().templated {
        return None;
    }
    let mut left: Vec<_> = values.into_iter().filter(|(_, value)| is_placeholder(value)).collect();
    left.dedup_by(|a, b| a.0 == b.0);
    let (field, value) = left.first()?;
    let message = format!("`{value}` is a placeholder that nobody filled in");
    let fix =
        format!("fill in `{field}`; if a later stage does, scan what it puts out or set the parameter `templated`");
    let fields: Vec<&str> = left.iter().map(|(field, _)| field.as_str()).collect();
    let of_tenant = |field: &str| field.contains("TENANT_ID") || field.contains(annotation::TENANT_ID);
    let is_tenant = cfg!(feature = "audit") && fields.iter().any(|field| of_tenant(field));
    let finding = Finding::new(RULE.severity, field.as_str(), message).with("value", *value).with("fields", fields);
    // Of everything else the walk of a chain sees what comes of it.
    Some(finding.breaks_if(is_tenant, Hop::Tenant).fix(fix))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::manifest::{Manifest, read};
    use crate::model::{ClusterIx, Origin};
    use crate::parameters::Parameters;

    #[test]
    fn a_later_stage_may_fill_them_in() {
        let json = br#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"cart","annotations":{"azure.workload.identity/client-id":"${ID}"}}}"#;
        let Manifest::ServiceAccount(account) = read(json, None, ClusterIx(0), Origin::default()).unwrap().manifest
        else {
            panic!()
        };
        let inventory = Inventory::default();
        for templated in [false, true] {
            let parameters = Parameters { templated, ..Parameters::default() };
            let verdict = on_account(&account, &Trust::join(&inventory, &parameters)).unwrap();
            assert_eq!(verdict.is_some(), !templated);
        }
    }
}
