//! A cluster has its OIDC issuer or workload identity switched off.
//!
//! Without the issuer Entra finds no keys to check a token with; without the mutating webhook no pod
//! gets one. Both are needed, and Kubernetes 1.22 at least. On AKS the issuer is on by default only
//! in clusters made with 1.34 or later, and the webhook is not.
//!
//! An issuer that is off is enough, by what `az aks list` prints or Terraform declares (`oidc_issuer_enabled`):
//! nothing of the cluster can ever be trusted. It is of no weight, and said as a note, where the cluster was read
//! and nobody there presents a token to Entra: no pod that opts in or projects a token for Azure, no volume, store
//! or other resource that has its driver or operator ask for one, no ServiceAccount of pods by whose tokens kubelets
//! may pull images (`kubernetes.azure.com/acr-client-id`), no such pod that has ended and whose maker was not read. All pods of a cluster were read if a list of them
//! holds some of `kube-system`, as that of `kubectl get pods -A` does, and all Deployments too.
//!
//! Workload identity that is off (`workload_identity_enabled`) is not enough, and on AKS the default. It is missed
//! where a pod opts in and brings no token of its own; pods that do, Secrets Store CSI and operators such as
//! External Secrets ask without it. And a webhook of your own may serve instead, as the cluster's Deployments tell.
//! Until such a pod is seen and they are known, the verdict is open; where all pods were read and none needs the
//! webhook, nothing is said.
//!
//! On Arc too the webhook is an extension that may be off, and there most clusters do without. It is missed
//! alike, where none of the cluster's Deployments runs the webhook,
//! under whatever name; a list of them without those of Arc's own agents (namespace `azure-arc`) is not whole, and
//! nothing is said. That is of high severity: the webhook may still run as something else than a Deployment.
//! Of clusters that Azure does not know, `webhook-out-of-order` (AWI702) tells by their registrations. A discovery
//! document that such a cluster serves under a public issuer says that it is on, and of its version enough: what
//! workload identity needs of one is that. `kubernetes.default.svc` is no issuer that Entra reaches.
//!
//! Workload identity that is declared on with the issuer off is of medium severity, where the cluster is not there
//! yet: `az` and azurerm refuse that ("Enabling workload identity requires enabling OIDC issuer", "`oidc_issuer_enabled`
//! must be set to `true`"), and nothing of it comes about.
//!
//! What is on in Azure, and off in infrastructure as code, stays on until that is applied: the finding is of high
//! severity and names the declaration. A cluster of the same name in
//! another resource group is another one, and so is one that a plan is about to create.
//!
//! AKS Automatic has both always on. A self-installed webhook serves as well: its Deployment
//! `azure-wi-webhook-controller-manager`, any other that runs its image, `pod-identity-webhook` of OpenShift, or
//! your word for it (`selfManagedWebhook`). On Arc and elsewhere pods may project their tokens by hand.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: false, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.21.9", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {}}}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_kubernetes_cluster.prod
//!   mode: managed
//!   type: azurerm_kubernetes_cluster
//!   change: {actions: [update], before: {}, after: {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, resource_group_name: rg, oidc_issuer_enabled: true, workload_identity_enabled: false}, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # on Arc, and nobody else installed it
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: clusterconnect-agent, namespace: azure-arc}, spec: {template: {spec: {containers: [{name: agent}]}}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ```
//!
//! ```yaml
//! # declared as Azure refuses it
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_kubernetes_cluster.prod
//!   mode: managed
//!   type: azurerm_kubernetes_cluster
//!   change: {actions: [create], before: null, after: {name: prod, resource_group_name: rg, oidc_issuer_enabled: false, workload_identity_enabled: true, kubernetes_version: "1.33"}, after_unknown: {id: true, oidc_issuer_url: true}}
//! ```
//!
//! ```yaml
//! # a note: the issuer is off, and nobody there asks for a token of Azure
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.34", oidcIssuerProfile: {enabled: false, issuerUrl: null}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {serviceAccountName: web, containers: [{name: app}]}}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # both on
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ```
//!
//! ```yaml
//! # AKS Automatic
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: false, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}, sku: {name: Automatic, tier: Standard}}
//! ```
//!
//! ```yaml
//! # a webhook of one's own
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}, spec: {template: {spec: {serviceAccountName: azure-wi-webhook-admin}}}}
//! ```
//!
//! ```yaml
//! # Arc, where pods may project their tokens by hand
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/prod, name: prod, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ```
//!
//! ```yaml
//! # the oldest version that has it
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.22.0", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ```
//!
//! ```yaml
//! # on Arc, with a webhook of one's own
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: clusterconnect-agent, namespace: azure-arc}, spec: {template: {spec: {containers: [{name: agent}]}}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: team-webhook, namespace: identity}, spec: {template: {spec: {containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ```
//!
//! ```yaml
//! # on Arc, and pods bring their own tokens
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge, name: edge, type: Microsoft.Kubernetes/connectedClusters, resourceGroup: rg, distribution: k3s, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://europe.oic.prod-arc.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: clusterconnect-agent, namespace: azure-arc}, spec: {template: {spec: {containers: [{name: agent}]}}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}], volumes: [{name: azure, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: token}}]}}]}}}}
//! ```
//!
//! ```yaml
//! # declared on as it is
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {}}}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_kubernetes_cluster.prod
//!   mode: managed
//!   type: azurerm_kubernetes_cluster
//!   change: {actions: [no-op], before: {}, after: {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, resource_group_name: rg, oidc_issuer_enabled: true, workload_identity_enabled: true}, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # a webhook of one's own serves without it
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}, spec: {template: {spec: {serviceAccountName: azure-wi-webhook-admin}}}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_kubernetes_cluster.prod
//!   mode: managed
//!   type: azurerm_kubernetes_cluster
//!   change: {actions: [update], before: {}, after: {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, resource_group_name: rg, oidc_issuer_enabled: true, workload_identity_enabled: false}, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # no cluster of Azure, and it publishes its keys
//! {issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF", jwks_uri: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF/keys"}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ```
//!
//! ```yaml
//! # off as AKS has it by default, and no pod opts in
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.34", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {serviceAccountName: web, containers: [{name: app}]}}}}
//! ```
//!
//! ```yaml
//! # pods bring their own tokens
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.34", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}], volumes: [{name: azure, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: token}}]}}]}}}}
//! ```
//!
//! ```yaml
//! # External Secrets asks for the tokens of a ServiceAccount, without the webhook
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.34", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {serviceAccountName: web, containers: [{name: app}]}}}}
//! ---
//! {apiVersion: external-secrets.io/v1, kind: SecretStore, metadata: {name: vault, namespace: shop}, spec: {provider: {azurekv: {authType: WorkloadIdentity, vaultUrl: "https://shop.vault.azure.net", serviceAccountRef: {name: cart}}}}}
//! ```
//!
//! ```yaml
//! # the Job that needed it is done
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.34", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: batch/v1, kind: Job, metadata: {name: move, namespace: shop, uid: 5f0c}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}, status: {succeeded: 1, completionTime: "2026-01-01T00:00:00Z"}}
//! ```
use crate::model::{ClusterIx, Platform};
use crate::prelude::*;
use crate::repair::{shell, subscription};
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "the OIDC issuer or workload identity of a cluster is off",
    severity: Severity::Critical,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Cluster(check)],
};

fn check(cluster: &Cluster, trust: &Trust<'_>) -> Verdict {
    if cluster.automatic {
        return Ok(None);
    }
    let version = version(&cluster.kubernetes_version);
    let old = version.map(|version| version < (1, 22));
    if let Some(found) = refused(cluster) {
        return Ok(Some(found));
    }
    let (hop, field, message) = if cluster.oidc_issuer_enabled == Some(false) {
        (
            Hop::Cluster,
            "oidcIssuerProfile.enabled",
            "the OIDC issuer is off, so that Entra can check no token of this cluster".to_owned(),
        )
    } else if old == Some(true) {
        (
            Hop::Cluster,
            "kubernetesVersion",
            format!("kubernetes `{}` is older than 1.22, which workload identity needs", cluster.kubernetes_version),
        )
    } else if without_webhook(cluster, cluster.workload_identity_enabled, trust)? && misses_webhook(cluster, trust)? {
        (
            Hop::Webhook,
            "securityProfile.workloadIdentity.enabled",
            "workload identity is off and no webhook of your own is installed, so that no pod gets a token".to_owned(),
        )
    } else if let Some(found) = declared_off(cluster, trust)? {
        return Ok(Some(found));
    } else if cluster.oidc_issuer_enabled.is_none() {
        return Err(unsaid("whether the cluster's OIDC issuer is enabled"));
    } else if old.is_none() && !publishes(cluster) {
        return Err(unsaid("the cluster's Kubernetes version"));
    } else {
        return Ok(None);
    };
    let (expected, actual, fix) = if old == Some(true) && field == "kubernetesVersion" {
        let fix = "upgrade the cluster to a supported version of Kubernetes".into();
        ("1.22 or later", cluster.kubernetes_version.as_str(), fix)
    } else {
        ("true", "false", enable(cluster))
    };
    let severity = match (hop, cluster.platform) {
        // The webhook may run as something else than a Deployment.
        (Hop::Webhook, Platform::Arc) => Severity::High,
        _ if needs_issuer(cluster, trust) => RULE.severity,
        _ => Severity::Info,
    };
    Ok(Some(
        Finding::new(severity, field, message)
            .with("oidcIssuerEnabled", cluster.oidc_issuer_enabled)
            .with("workloadIdentityEnabled", cluster.workload_identity_enabled)
            .with("kubernetesVersion", cluster.kubernetes_version.as_str())
            .breaks(hop)
            .expected(expected, Some(actual))
            .fix(fix),
    ))
}

/// Whether a cluster that Azure does not describe has an issuer of its own: what older versions lack.
fn publishes(cluster: &Cluster) -> bool {
    cluster.platform == Platform::Other && cluster.issuer.as_ref().is_some_and(Issuer::is_ones_own)
}

/// What is declared of a cluster that is not there, and refused.
fn refused(cluster: &Cluster) -> Option<Finding> {
    let address = cluster.declared.as_deref()?;
    let asks = cluster.workload_identity_enabled == Some(true) && cluster.oidc_issuer_enabled == Some(false);
    let message = format!("{address} declares workload identity on and the OIDC issuer off, which is refused");
    asks.then(|| {
        Finding::new(Severity::Medium, "oidcIssuerProfile.enabled", message)
            .with("declaredAs", address)
            .breaks(Hop::Cluster)
            .expected("true", Some("false"))
            .fix(enable(cluster))
    })
}

/// What is on, and declared to be off.
fn declared_off(cluster: &Cluster, trust: &Trust<'_>) -> Verdict {
    let is_it = |it: &&Cluster| match it.id.as_str() {
        "" => {
            let group = &it.resource_group;
            it.name == cluster.name && (group.is_empty() || group.eq_ignore_ascii_case(&cluster.resource_group))
        }
        id => id.eq_ignore_ascii_case(&cluster.id),
    };
    for it in trust.declared().clusters.iter().filter(is_it) {
        let off = |now: Option<bool>, then: Option<bool>| now == Some(true) && then == Some(false);
        let (field, what) = if off(cluster.oidc_issuer_enabled, it.oidc_issuer_enabled) {
            ("oidcIssuerProfile.enabled", "the OIDC issuer")
        } else if off(cluster.workload_identity_enabled, it.workload_identity_enabled)
            && without_webhook(cluster, Some(false), trust)?
        {
            ("securityProfile.workloadIdentity.enabled", "workload identity")
        } else {
            continue;
        };
        let address = it.declared.as_deref().unwrap_or_default();
        let message = format!(
            "{what} is on and {address} declares it off: once that is applied, no pod gets a token that Entra takes"
        );
        return Ok(Some(
            Finding::new(Severity::High, field, message)
                .with("declaredAs", address)
                .fix(format!("at {address} declare {what} on")),
        ));
    }
    Ok(None)
}

/// Whether no webhook is there, if workload identity is enabled as is said.
fn without_webhook(cluster: &Cluster, enabled: Option<bool>, trust: &Trust<'_>) -> Result<bool, Unknown> {
    index_of(cluster, trust).map_or(Ok(false), |index| trust.lacks_webhook(index, enabled))
}

/// Whether there is a pod that only the webhook gets a token for.
fn misses_webhook(cluster: &Cluster, trust: &Trust<'_>) -> Result<bool, Unknown> {
    index_of(cluster, trust).map_or(Ok(false), |index| trust.needs_webhook(index))
}

/// Whether somebody presents tokens of the cluster to Entra, or may.
fn needs_issuer(cluster: &Cluster, trust: &Trust<'_>) -> bool {
    index_of(cluster, trust).map_or(Ok(true), |index| trust.needs_issuer(index)).unwrap_or(true)
}

fn index_of(cluster: &Cluster, trust: &Trust<'_>) -> Option<ClusterIx> {
    trust.clusters().find(|(_, known)| core::ptr::eq(*known, cluster)).map(|(index, _)| index)
}

fn unsaid(what: &str) -> Unknown {
    Unknown(Key::Value(what.into()))
}

/// Major and minor of `1.33`, `v1.33.2` or `1.32.3+k3s1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim_start_matches('v').split(['.', '+', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn enable(cluster: &Cluster) -> String {
    if let Some(address) = &cluster.declared {
        return format!("at {address} declare the OIDC issuer and workload identity on");
    }
    let group = if cluster.resource_group.is_empty() { "RESOURCE_GROUP" } else { &cluster.resource_group };
    let command = match cluster.platform {
        Platform::Aks => "aks",
        Platform::Arc => "connectedk8s",
        Platform::Other => return "set --service-account-issuer of the API server to a public https URL and install the azure-workload-identity webhook".into(),
    };
    let subscription =
        subscription(&cluster.id).map_or_else(String::new, |id| format!(" --subscription {}", shell(id)));
    format!(
        "az {command} update --name {} --resource-group {}{subscription} --enable-oidc-issuer --enable-workload-identity",
        shell(&cluster.name),
        shell(group)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::parameters::Parameters;
    use crate::sample::{OPTS_IN, pod};

    #[test]
    fn versions_are_read_as_clusters_state_them() {
        for (text, expected) in [
            ("1.33", Some((1, 33))),
            ("v1.9.2", Some((1, 9))),
            ("1.32.3+k3s1", Some((1, 32))),
            ("", None),
            ("latest", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn what_the_cluster_does_not_say_is_not_known() {
        let whole = || Cluster {
            name: "prod".into(),
            platform: Platform::Aks,
            oidc_issuer_enabled: Some(true),
            workload_identity_enabled: Some(true),
            kubernetes_version: "1.33".into(),
            ..Cluster::default()
        };
        let of = |cluster: Cluster, labelled: bool, pods: Extent| {
            let mut inventory = Inventory::default();
            inventory.clusters.push(cluster);
            // All Deployments are known, and none of them is the webhook.
            let of = inventory.coverage.cluster(ClusterIx(0));
            (of.deployments, of.pods) = (Extent::Everything, pods);
            inventory.workloads.extend(labelled.then(|| pod(OPTS_IN, "")));
            let parameters = Parameters::default();
            let trust = Trust::join(&inventory, &parameters);
            trust.clusters().map(|(_, cluster)| check(cluster, &trust).map(|found| found.map(|found| found.field))).next()
        };
        let verdict = |cluster| of(cluster, true, Extent::Nothing);
        let unsaid = |what: &str| Some(Err(super::unsaid(what)));
        assert_eq!(verdict(whole()), Some(Ok(None)));
        let off = || Cluster { workload_identity_enabled: Some(false), ..whole() };
        let found = Some(Ok(Some("securityProfile.workloadIdentity.enabled".into())));
        assert_eq!(verdict(off()), found);
        assert_eq!(of(off(), true, Extent::Everything), found);
        assert_eq!(of(off(), false, Extent::Nothing), unsaid("whether a pod of the cluster opts in"));
        assert_eq!(of(off(), false, Extent::Everything), Some(Ok(None)));
        assert_eq!(
            verdict(Cluster { workload_identity_enabled: None, ..whole() }),
            unsaid("whether the cluster's workload identity is enabled")
        );
        assert_eq!(
            verdict(Cluster { oidc_issuer_enabled: None, ..whole() }),
            unsaid("whether the cluster's OIDC issuer is enabled")
        );
        assert_eq!(
            verdict(Cluster { kubernetes_version: String::new(), ..whole() }),
            unsaid("the cluster's Kubernetes version")
        );
    }

    #[test]
    fn of_a_cluster_elsewhere_a_served_issuer_says_enough() {
        let verdict = |platform: Platform, issuer: &str, enabled: Option<bool>| {
            let mut inventory = Inventory::default();
            inventory.clusters.push(Cluster {
                name: "prod".into(),
                platform,
                issuer: Some(issuer.into()),
                oidc_issuer_enabled: enabled,
                workload_identity_enabled: Some(true),
                ..Cluster::default()
            });
            let parameters = Parameters::default();
            let trust = Trust::join(&inventory, &parameters);
            trust.clusters().map(|(_, cluster)| check(cluster, &trust)).next()
        };
        let own = "https://oidc.example.com/prod";
        let version = || Some(Err(unsaid("the cluster's Kubernetes version")));
        assert_eq!(verdict(Platform::Other, own, Some(true)), Some(Ok(None)));
        assert_eq!(verdict(Platform::Other, own, None), Some(Err(unsaid("whether the cluster's OIDC issuer is enabled"))));
        assert_eq!(verdict(Platform::Arc, own, Some(true)), version());
        assert_eq!(verdict(Platform::Other, "https://a.oic.prod-aks.azure.com/t/u/", Some(true)), version());
    }

    #[test]
    fn ones_word_for_a_webhook_counts() {
        let mut inventory = Inventory::default();
        inventory.clusters.push(Cluster {
            name: "prod".into(),
            platform: Platform::Aks,
            oidc_issuer_enabled: Some(true),
            workload_identity_enabled: Some(false),
            kubernetes_version: "1.33".into(),
            ..Cluster::default()
        });
        let verdict = |parameters: &Parameters| {
            let trust = Trust::join(&inventory, parameters);
            trust.clusters().map(|(_, cluster)| check(cluster, &trust)).next()
        };
        assert!(matches!(verdict(&Parameters::default()), Some(Err(Unknown(Key::Deployments(_))))));
        assert_eq!(verdict(&Parameters { self_managed_webhook: true, ..Parameters::default() }), Some(Ok(None)));
    }
}
