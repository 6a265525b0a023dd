//! Custom resources: what they say of identities. Only the audit reads them.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::operators;
use crate::json::{Fault, Json};
use crate::model::{AzureParameters, Body, CustomKind, Store, Trigger};

/// What an object of a kind says before its `spec` is read.
pub(super) fn empty(kind: &CustomKind) -> Body {
    match kind.group {
        "keda.sh" if kind.kind == "ScaledObject" => scaler(),
        "keda.sh" => Body::Trigger(Trigger::default()),
        "external-secrets.io" => Body::Store(Store::default()),
        group if operators::reads(group) => Body::Operator(Vec::new()),
        _ => Body::PodIdentity(false),
    }
}

/// What scales a Deployment, unless it says what else.
fn scaler() -> Body {
    Body::Scaler("Deployment".into(), String::new())
}

/// Reads a reference to the workload that is scaled: `scaleTargetRef`, or `workloadRef` of a Rollout.
pub(super) fn scaled(json: &mut dyn Json<'_>) -> Result<Body, Fault> {
    let mut body = scaler();
    if let Body::Scaler(kind, name) = &mut body {
        json.object(&mut [
            ("kind", &mut |json| json.loose().map(|text| *kind = text.text.into_owned())),
            ("name", &mut |json| json.loose().map(|text| *name = text.text.into_owned())),
        ])?;
    }
    Ok(body)
}

/// Reads a `spec`.
pub(super) fn read(kind: &CustomKind, body: &mut Body, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    match body {
        Body::PodIdentity(secret) => json.members(&mut |key, json| {
            // `type` is 0 for a managed identity, 1 and 2 for a service principal; old objects write it `Type`.
            if key.eq_ignore_ascii_case("type") {
                *secret = ["1", "2"].contains(&&*json.loose()?.text);
            }
            Ok(())
        }),
        Body::Trigger(trigger) => {
            let mut vault = Trigger::default();
            json.object(&mut [
                ("podIdentity", &mut |json| pod_identity(trigger, "spec.podIdentity", json)),
                ("azureKeyVault", &mut |json| {
                    json.object(&mut [("podIdentity", &mut |json| {
                        pod_identity(&mut vault, "spec.azureKeyVault.podIdentity", json)
                    })])
                }),
            ])?;
            if !trigger.provider.starts_with("azure") {
                *trigger = vault;
            }
            Ok(())
        }
        Body::Store(store) => {
            let mut restricted = false;
            json.object(&mut [
                ("conditions", &mut |json| {
                    json.elements(&mut |_| {
                        restricted = true;
                        Ok(())
                    })
                }),
                ("provider", &mut |json| json.object(&mut [("azurekv", &mut |json| key_vault(store, json))])),
            ])?;
            store.restricted = restricted;
            Ok(())
        }
        Body::Operator(logins) => operators::read(kind, logins, json),
        Body::Scaler(..) => json.object(&mut [("scaleTargetRef", &mut |json| scaled(json).map(|read| *body = read))]),
        Body::ProviderClass(_) | Body::Bystander(..) => Ok(()),
    }
}

fn key_vault(store: &mut Store, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    store.azure = json.object_if_any(&mut [
        ("authType", &mut |json| json.loose().map(|text| store.auth_type = text.text.into_owned())),
        ("tenantId", &mut |json| json.loose().map(|text| store.tenant_id = text.text.into_owned())),
        ("authSecretRef", &mut |json| {
            json.keys(&mut |key| store.client_id_in_secret |= key.eq_ignore_ascii_case("clientId"))
        }),
        ("serviceAccountRef", &mut |json| {
            let (mut namespace, mut name) = (None, None);
            json.object(&mut [
                ("namespace", &mut |json| json.text().map(|text| namespace = text.map(Cow::into_owned))),
                ("name", &mut |json| json.text().map(|text| name = text.map(Cow::into_owned))),
            ])?;
            store.account = Some((namespace, name.ok_or_else(|| Fault::missing_field("name"))?));
            Ok(())
        }),
    ])?;
    Ok(())
}

fn pod_identity(trigger: &mut Trigger, path: &str, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    trigger.path = path.into();
    json.object(&mut [
        ("provider", &mut |json| json.loose().map(|text| trigger.provider = text.text.into_owned())),
        ("identityId", &mut |json| json.loose().map(|text| trigger.identity_id = text.text.into_owned())),
        ("identityTenantId", &mut |json| json.loose().map(|text| trigger.tenant_id = text.text.into_owned())),
    ])
}

/// `spec` of a SecretProviderClass; nothing if its provider is another.
pub(super) fn provider_class(json: &mut dyn Json<'_>) -> Result<Option<AzureParameters>, Fault> {
    let (mut provider, mut said, mut tenant_id) = (String::new(), AzureParameters::default(), String::new());
    json.object(&mut [
        ("provider", &mut |json| json.loose().map(|text| provider = text.text.into_owned())),
        ("parameters", &mut |json| {
            json.object(&mut [
                ("clientID", &mut |json| json.loose().map(|text| said.client_id = text.text.into_owned())),
                ("tenantID", &mut |json| json.loose().map(|text| tenant_id = text.text.into_owned())),
                ("tenantId", &mut |json| json.loose().map(|text| said.tenant_id = text.text.into_owned())),
                ("usePodIdentity", &mut |json| json.loose().map(|text| said.pod_identity = is_true(&text.text))),
                ("useVMManagedIdentity", &mut |json| json.loose().map(|text| said.vm_identity = is_true(&text.text))),
                ("useAzureTokenProxy", &mut |json| json.loose().map(|text| said.token_proxy = is_true(&text.text))),
                ("useWorkloadIdentity", &mut |json| {
                    json.is_present().map(|there| said.names_workload_identity = there)
                }),
            ])
        }),
    ])?;
    // secrets-store-csi-driver-provider-azure, `pkg/provider/types/parameters.go`: `tenantID` comes first.
    if !tenant_id.is_empty() {
        said.tenant_id = tenant_id;
    }
    Ok((provider == "azure").then_some(said))
}

/// As Go's `ParseBool` reads it.
fn is_true(text: &str) -> bool {
    ["1", "t", "T", "true", "TRUE", "True"].contains(&text)
}
