//! A placeholder was never filled in.
//!
//! `${CLIENT_ID}`, `<client-id>`, `{{ … }}`, a GUID of zeros or `changeme` stands where a value of
//! workload identity belongs, as templates and guides leave it. Kubernetes and Azure store it as it
//! is, and what depends on it fails later and elsewhere. The audit reads the client
//! ids and tenants of custom resources too: of SecretProviderClasses, stores, triggers, issuers and volumes.
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
//! ```yaml
//! # what a driver is to ask with
//! apiVersion: secrets-store.csi.x-k8s.io/v1
//! kind: SecretProviderClass
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: azure, parameters: {clientID: "<client-id>", tenantID: 11111111-1111-1111-1111-111111111111, keyvaultName: kv-shop}}
//! ```
//!
//! ```yaml
//! # where an operator is to ask
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {azurekv: {authType: WorkloadIdentity, tenantId: "${TENANT_ID}", vaultUrl: "https://kv-shop.vault.azure.net", serviceAccountRef: {name: cart}}}}
//! ```
//!
//! ```yaml
//! # as whom KEDA is to ask
//! apiVersion: keda.sh/v1alpha1
//! kind: TriggerAuthentication
//! metadata: {name: bus, namespace: shop}
//! spec: {podIdentity: {provider: azure-workload, identityId: 00000000-0000-0000-0000-000000000000}}
//! ```
//!
//! ```yaml
//! # as whom cert-manager is to ask
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {hostedZoneName: example.com, managedIdentity: {clientID: "{{ .Values.clientId }}"}}}}]}}
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
//! ```yaml
//! # of another provider than Azure's
//! apiVersion: external-secrets.io/v1
//! kind: SecretStore
//! metadata: {name: vault, namespace: shop}
//! spec: {provider: {vault: {server: "https://<vault>"}}}
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
#[cfg(feature = "audit")]
use crate::model::{Body, Login};
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
    checks: &[
        Check::Workload(on_workload),
        Check::ServiceAccount(on_account),
        Check::Credential(on_credential),
        #[cfg(feature = "audit")]
        Check::Custom(on_custom),
    ],
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

/// What custom resources say of client ids and tenants.
#[cfg(feature = "audit")]
fn on_custom(custom: &Custom, trust: &Trust<'_>) -> Verdict {
    let values = match &custom.body {
        Body::ProviderClass(said) => vec![
            ("spec.parameters.clientID".to_owned(), said.client_id.as_str()),
            ("spec.parameters.tenantID".to_owned(), said.tenant_id.as_str()),
        ],
        Body::Store(store) if store.azure => {
            vec![("spec.provider.azurekv.tenantId".to_owned(), store.tenant_id.as_str())]
        }
        Body::Trigger(said) => vec![
            (format!("{}.identityId", said.path), said.identity_id.as_str()),
            (format!("{}.identityTenantId", said.path), said.tenant_id.as_str()),
        ],
        _ => custom.logins().iter().flat_map(of_login).collect(),
    };
    Ok(check(values, trust))
}

#[cfg(feature = "audit")]
fn of_login(login: &Login) -> [(String, &str); 2] {
    let (parent, _) = login.path.rsplit_once('.').unwrap_or_default();
    [(login.path.clone(), login.client_id.as_str()), (format!("{parent}.tenantID"), login.tenant_id.as_str())]
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
