//! The webhook behaves otherwise than is documented now, or sends pods to another tenant or cloud.
//!
//! What pods get differs by the version of `azure-wi-webhook-controller-manager`, which is the tag of its
//! image. Before v1.0.0 the labels of ServiceAccounts counted, and the webhook was registered with
//! `failurePolicy: Ignore`. Before v1.5.1 a ServiceAccount without client id got its pods an empty
//! `AZURE_CLIENT_ID`, before which `envFrom` yields. From v1.6.0 on the token is at another path, and what
//! names the path of before (`hard-coded-token-path`, AWI503) finds nothing there: the finding says who.
//!
//! Its ConfigMap `azure-wi-webhook-config` says which tenant and which cloud pods are told
//! (`AZURE_TENANT_ID`, `AZURE_ENVIRONMENT`). Of another tenant than the cluster's every pod asks in vain
//! whose ServiceAccount names no tenant itself, and in another cloud every pod does: the cluster's issuer tells its
//! cloud, and of a cluster of your own the regions of the identities that its ServiceAccounts name. Without a tenant
//! the webhook does not start.
//!
//! Nobody but Azure upgrades the webhook of the add-on of AKS, in `kube-system`, and of the extension of Arc,
//! in `arc-workload-identity`: of their versions it is only said. A tenant that is not the cluster's is right
//! where an identity that a ServiceAccount names is in it, and so is a cloud on a cluster of your own. A placeholder, a tenant that goes by its domain,
//! and a cluster that is in no tenant are not judged, nor a variable that the Deployment sets itself to what
//! is not written there. Where no source gives the ConfigMap, what it says is unknown. The policy leaves it
//! to the audit.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v0.15.0"}]}}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.3.0"}]}}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.3.0"}]}}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.6.0"}]}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app, args: [/var/run/secrets/azure/tokens/azure-identity-token]}]}}}}
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: azure-wi-webhook-config, namespace: azure-workload-identity-system}
//! data: {AZURE_TENANT_ID: 99999999-9999-9999-9999-999999999999, AZURE_ENVIRONMENT: AzurePublicCloud}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: azure-wi-webhook-config, namespace: azure-workload-identity-system}
//! data: {AZURE_TENANT_ID: 11111111-1111-1111-1111-111111111111, AZURE_ENVIRONMENT: AzureUSGovernmentCloud}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: azure-wi-webhook-config, namespace: azure-workload-identity-system}
//! data: {AZURE_TENANT_ID: "", AZURE_ENVIRONMENT: AzurePublicCloud}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # its tenant and its cloud are the cluster's
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: azure-wi-webhook-config, namespace: azure-workload-identity-system}
//! data: {AZURE_TENANT_ID: 11111111-1111-1111-1111-111111111111, AZURE_ENVIRONMENT: AzurePublicCloud}
//! ```
//!
//! ```yaml
//! # the identities are in another tenant, and the webhook says so
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: azure-wi-webhook-config, namespace: azure-workload-identity-system}
//! data: {AZURE_TENANT_ID: 99999999-9999-9999-9999-999999999999, AZURE_ENVIRONMENT: AzurePublicCloud}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 99999999-9999-9999-9999-999999999999, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ```
//!
//! ```yaml
//! # a placeholder
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: azure-wi-webhook-config, namespace: azure-workload-identity-system}
//! data: {AZURE_TENANT_ID: "${AZURE_TENANT_ID}", AZURE_ENVIRONMENT: "${AZURE_ENVIRONMENT}"}
//! ```
//!
//! ```yaml
//! # the tenant is set elsewhere
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, env: [{name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}], image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: azure-wi-webhook-config, namespace: azure-workload-identity-system}
//! data: {AZURE_TENANT_ID: 99999999-9999-9999-9999-999999999999, AZURE_ENVIRONMENT: AzurePublicCloud}
//! ```
//!
//! ```yaml
//! # the path is still that of before
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app, args: [/var/run/secrets/azure/tokens/azure-identity-token]}]}}}}
//! ```
//!
//! ```yaml
//! # nobody names the path of before
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.6.0"}]}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ```
//!
//! ```yaml
//! # another Deployment
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: webhook-of-old, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.3.0"}]}}}
//! ```
use super::{hard_coded_token_path, preset_variable};
use crate::model::registration::SETTINGS;
use crate::model::{Platform, Value, WebhookSettings, is_guid};
use crate::prelude::*;
use crate::release::Release;
use crate::trust::{Key, Unknown};
use crate::webhook::MOUNT_PATHS;

pub(super) static RULE: Rule = Rule {
    summary: "the webhook behaves otherwise than is documented now, or sends pods to another tenant or cloud",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &["700016", "90002"],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

/// Workloads that are named in a finding.
const NAMED: usize = 20;

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if !workload.is_webhook() {
        return Ok(None);
    }
    match settings(workload, trust) {
        Ok(Some(finding)) => Ok(Some(finding)),
        judged => of_version(workload, trust).and_then(|found| if found.is_some() { Ok(found) } else { judged }),
    }
}

/// What the webhook's ConfigMap says of the tenant and the cloud.
fn settings(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let Some(said) = trust.webhook_settings(workload.cluster, &workload.namespace).known()? else { return Ok(None) };
    let cluster = trust.cluster(workload.cluster);
    let issuer = cluster.and_then(|cluster| cluster.issuer.as_ref()).filter(|issuer| issuer.is_azure_kubernetes());
    let domain = issuer.and_then(|issuer| issuer.host().rsplit('.').next());
    let sets = |name: &str| workload.variable(name).is_some();
    if let (Some(own), Some(cloud)) = (domain, said.cloud_domain())
        && own != cloud
        && !sets("AZURE_ENVIRONMENT")
    {
        let message = format!(
            "the webhook sends pods to the cloud of `{}`, but the cluster's issuer is in that of `azure.{own}`",
            if said.environment.is_empty() { "AzurePublicCloud" } else { &said.environment }
        );
        return Ok(Some(of_settings(said, "AZURE_ENVIRONMENT", message).with("environment", said.environment.as_str())
            .breaks(Hop::Authority)
            .expected(&format!("the cloud of azure.{own}"), Some(said.environment.as_str()))));
    }
    match tenant(workload, said, trust)? {
        None => cloud(workload, said, trust),
        found => Ok(found),
    }
}

/// Whether the webhook of a cluster whose issuer is in no cloud sends pods to another than that of all identities
/// that ServiceAccounts name.
fn cloud(workload: &Workload, said: &WebhookSettings, trust: &Trust<'_>) -> Verdict {
    if trust.issuer(workload.cluster)?.is_azure_kubernetes() || workload.variable("AZURE_ENVIRONMENT").is_some() {
        return Ok(None);
    }
    let Some(told) = said.cloud_domain() else { return Ok(None) };
    let (mut elsewhere, mut unsaid, mut unknown) = (None, None, None);
    for account in trust.accounts(workload.cluster) {
        let Some(client_id) = account.client_id().filter(|id| is_guid(id.as_str())) else { continue };
        let identity = match trust.identity(&client_id).known() {
            Ok(Some(identity)) => identity,
            Ok(None) => continue,
            Err(missing) => {
                unknown = Some(missing);
                continue;
            }
        };
        let host = preset_variable::hosts_of(identity).and_then(|hosts| hosts.first());
        match host.and_then(|host| host.rsplit('.').next()) {
            Some(own) if own == told => return Ok(None),
            Some(own) => elsewhere = elsewhere.or(Some((identity, own))),
            None => unsaid = Some(Unknown(Key::Value(format!("the region of identity {}", identity.name)))),
        }
    }
    if !trust.knows_service_accounts(workload.cluster) {
        unknown = unknown.or(Some(Unknown(Key::Value("every ServiceAccount of the cluster".into()))));
    }
    if let Some(missing) = unknown {
        return Err(missing);
    }
    let Some((identity, own)) = elsewhere else { return Ok(None) };
    if let Some(missing) = unsaid {
        return Err(missing);
    }
    let environment = if said.environment.is_empty() { "AzurePublicCloud" } else { &said.environment };
    let (name, location) = (&identity.name, &identity.location);
    let message =
        format!("the webhook sends pods to the cloud of `{environment}`, but identity `{name}` is in `{location}`");
    let finding = of_settings(said, "AZURE_ENVIRONMENT", message).with("environment", environment).with("identity", name.as_str());
    Ok(Some(finding.breaks(Hop::Authority).expected(&format!("the cloud of azure.{own}"), Some(environment))))
}

/// Whether the webhook tells pods of a tenant in which they find their identities.
fn tenant(workload: &Workload, said: &WebhookSettings, trust: &Trust<'_>) -> Verdict {
    const NAME: &str = "AZURE_TENANT_ID";
    let told = match workload.variable(NAME).map(|variable| &variable.value) {
        None => said.tenant_id.as_str(),
        Some(Value::Literal(Some(text))) => text,
        Some(_) => return Err(Unknown(Key::Value("variable AZURE_TENANT_ID of the webhook".into()))),
    };
    if told.is_empty() {
        let message = "the webhook is told no tenant, without which it does not start".to_owned();
        let finding = of_settings(said, NAME, message);
        return Ok(Some(finding.breaks(Hop::Webhook).expected("the tenant of the identities", None)));
    }
    if !is_guid(told) {
        return Ok(None);
    }
    let Some(cluster) = trust.cluster(workload.cluster) else { return Ok(None) };
    let named = cluster.issuer.as_ref().and_then(|issuer| issuer.azure_home()).map(|(_, tenant)| tenant);
    let Some(own) = Some(cluster.tenant_id.as_str()).filter(|tenant| !tenant.is_empty()).or(named) else {
        let elsewhere = cluster.platform == Platform::Other && cluster.issuer.is_some();
        return if elsewhere { Ok(None) } else { Err(Unknown(Key::Description(workload.cluster))) };
    };
    if told.eq_ignore_ascii_case(own) || is_meant(told, workload, trust)? {
        return Ok(None);
    }
    let message = format!("the webhook tells pods of tenant `{told}`, but the cluster is in tenant `{own}`");
    let finding = of_settings(said, NAME, message).with("tenantId", told).with("clusterTenantId", own);
    Ok(Some(finding.breaks(Hop::Tenant).expected(own, Some(told))))
}

/// Whether a ServiceAccount without a tenant of its own names an identity of that tenant.
fn is_meant(tenant: &str, workload: &Workload, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let mut unknown = None;
    let unsaid = |account: &&ServiceAccount| account.annotations.get(annotation::TENANT_ID).is_none();
    for account in trust.accounts(workload.cluster).filter(unsaid) {
        let Some(client_id) = account.client_id().filter(|id| is_guid(id.as_str())) else { continue };
        match trust.identity(&client_id).known() {
            Ok(Some(identity)) if identity.tenant_id.eq_ignore_ascii_case(tenant) => return Ok(true),
            Ok(Some(identity)) if identity.tenant_id.is_empty() => {
                unknown = Some(Unknown(Key::Value(format!("the tenant of identity {}", identity.name))));
            }
            Ok(_) => {}
            Err(missing) => unknown = Some(missing),
        }
    }
    match unknown {
        Some(missing) => Err(missing),
        None if trust.knows_service_accounts(workload.cluster) => Ok(false),
        None => Err(Unknown(Key::Value("every ServiceAccount of the cluster".into()))),
    }
}

fn of_settings(said: &WebhookSettings, key: &str, message: String) -> Finding {
    let namespace = &said.namespace;
    let fix = format!(
        "set azureTenantID and azureEnvironment of the Helm chart (`data.{key}` of ConfigMap `{namespace}/{SETTINGS}`) to those of the cluster, then restart the webhook and the pods that it injected into"
    );
    Finding::new(Severity::High, format!("ConfigMap/{SETTINGS} data.{key}"), message).fix(fix)
}

fn of_version(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let below = |least: &str| workload.webhook_version().and_then(|version| Release::is_below(version, least));
    let unsaid = || Unknown(Key::Value("the version of the webhook".into()));
    // The path came with the first of the versions before 1.6.0, in which AKS tried identity bindings.
    let (ancient, old) = (below("1.0.0-alpha").ok_or_else(unsaid)?, below("1.5.1").ok_or_else(unsaid)?);
    let moved = !below("1.6.0-alpha").ok_or_else(unsaid)?;
    let version = workload.webhook_version().unwrap_or_default();
    let (severity, message) = if ancient {
        (
            Severity::High,
            format!(
                "the webhook is `{version}`: before v1.0.0 it went by the labels of ServiceAccounts too, and pods were made without a token while it did not answer"
            ),
        )
    } else if old {
        (
            Severity::Low,
            format!(
                "the webhook is `{version}`: before v1.5.1 it sets `AZURE_CLIENT_ID` to nothing where a ServiceAccount names no client id, and hides what `envFrom` sets"
            ),
        )
    } else if moved {
        return paths(workload, version, trust);
    } else {
        return Ok(None);
    };
    let (severity, fix) = if workload.is_managed_webhook() {
        (Severity::Info, "keep the cluster up to date: Azure upgrades this webhook, and nobody else can")
    } else {
        (severity, "upgrade the webhook to v1.5.1 or later; from v1.6.0 on the token has another path")
    };
    Ok(Some(finding(workload, severity, message, version).fix(fix)))
}

/// Who names the path of before, where the webhook has the new one.
fn paths(workload: &Workload, version: &str, trust: &Trust<'_>) -> Verdict {
    let [old, new] = MOUNT_PATHS;
    let names_old = |it: &&Workload| {
        hard_coded_token_path::named(it).is_some_and(|(.., named)| named.path.starts_with(old))
    };
    let mut hit: Vec<String> = trust
        .workloads(workload.cluster)
        .filter(names_old)
        .map(|it| format!("{}/{}/{}", it.namespace, it.kind.kind, it.name))
        .collect();
    if hit.is_empty() {
        let all_known = trust.knows_deployments(workload.cluster);
        return if all_known { Ok(None) } else { Err(Unknown(Key::Deployments(workload.cluster))) };
    }
    hit.sort_unstable();
    let whose = match hit.as_slice() {
        [one] => format!("`{one}` names"),
        [one, others @ ..] => format!("`{one}` and {} more name", others.len()),
        [] => return Ok(None),
    };
    let message = format!("the webhook is `{version}`, which mounts the token at `{new}`: {whose} `{old}`");
    let count = hit.len();
    hit.truncate(NAMED);
    let fix = "have each take the path from the variable `AZURE_FEDERATED_TOKEN_FILE`, and make its pods anew";
    let finding = finding(workload, Severity::Info, message, version).with("workloads", hit);
    Ok(Some(finding.with("workloadCount", count).fix(fix)))
}

fn finding(workload: &Workload, severity: Severity, message: String, version: &str) -> Finding {
    let at = workload.containers().find(|(container, _)| container.webhook_image().is_some());
    let field = at.map_or_else(|| "spec.template.spec.containers".to_owned(), |(_, place)| format!("{place}.image"));
    Finding::new(severity, field, message).with("version", version)
}
