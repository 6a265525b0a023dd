//! How Azure describes a cluster: `az aks show` and `az connectedk8s show`.

use serde_json::{Value, json};

use super::{
    azure::Azure,
    model::{Cluster, Webhook},
    pod::put,
};

/// `az aks show`; workload identity is on where the cluster has the webhook.
pub(super) fn aks(cluster: &Cluster, azure: &Azure, environment: &str) -> Value {
    let name = cluster.name;
    let group = format!("rg-{name}");
    let nodes = format!("MC_{group}_{name}_{}", cluster.location);
    let subscription = &azure.subscription;
    let assigned = |identity: &str| match azure.identities.get(identity) {
        Some(found) => json!({
            "clientId": found.client_id, "objectId": found.principal_id,
            "resourceId": format!("/subscriptions/{subscription}/resourcegroups/{nodes}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}")}),
        None => Value::Null,
    };
    let mut chance = cluster.random("profile");
    let workload_identity = match cluster.webhook {
        Webhook::Missing => Value::Null,
        _ => json!({"enabled": true}),
    };
    let mut profile = json!({
        "aadProfile": {"adminGroupObjectIDs": [chance.guid()], "enableAzureRbac": true, "managed": true, "tenantId": cluster.tenant},
        "addonProfiles": {
            "azureKeyvaultSecretsProvider": {"config": {"enableSecretRotation": "true", "rotationPollInterval": "2m"}, "enabled": true,
                "identity": assigned(&format!("azurekeyvaultsecretsprovider-{name}"))},
            "aciConnectorLinux": {"config": {"SubnetName": "vnodes"}, "enabled": name == "prod-neu", "identity": null},
            "azurepolicy": {"config": null, "enabled": false, "identity": null}},
        "agentPoolProfiles": [{
            "availabilityZones": ["1", "2", "3"], "count": 6, "currentOrchestratorVersion": "1.33.2", "enableAutoScaling": true,
            "maxCount": 12, "maxPods": 110, "minCount": 3, "mode": "System", "name": "system", "osDiskSizeGb": 128, "osSku": "AzureLinux",
            "osType": "Linux", "powerState": {"code": "Running"}, "provisioningState": "Succeeded", "type": "VirtualMachineScaleSets",
            "vmSize": "Standard_D8s_v5"}],
        "apiServerAccessProfile": null,
        "autoUpgradeProfile": {"nodeOsUpgradeChannel": "NodeImage", "upgradeChannel": "patch"},
        "azureMonitorProfile": null,
        "azurePortalFqdn": format!("{name}-k2m9x4.portal.hcp.{}.azmk8s.io", cluster.location),
        "currentKubernetesVersion": "1.33.2",
        "disableLocalAccounts": true,
        "dnsPrefix": name,
        "enableRbac": true,
        "fqdn": format!("{name}-k2m9x4.hcp.{}.azmk8s.io", cluster.location),
        "id": format!("/subscriptions/{subscription}/resourcegroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}"),
        "identity": {"delegatedResources": null, "principalId": chance.guid(), "tenantId": cluster.tenant, "type": "SystemAssigned", "userAssignedIdentities": null},
        "identityProfile": {"kubeletidentity": assigned(&format!("{name}-agentpool"))},
        "kubernetesVersion": "1.33",
        "linuxProfile": null,
        "location": cluster.location,
        "maxAgentPools": 100,
        "name": name,
        "networkProfile": {"dnsServiceIp": "10.0.0.10", "ipFamilies": ["IPv4"], "loadBalancerSku": "standard", "networkDataplane": "cilium",
            "networkPlugin": "azure", "networkPluginMode": "overlay", "outboundType": "loadBalancer", "podCidr": "10.244.0.0/16", "serviceCidr": "10.0.0.0/16"},
        "nodeResourceGroup": nodes,
        "oidcIssuerProfile": {"enabled": true, "issuerUrl": cluster.issuer},
        "podIdentityProfile": null,
        "powerState": {"code": "Running"},
        "privateFqdn": null,
        "provisioningState": "Succeeded",
        "resourceGroup": group,
        "resourceUid": chance.hex(24),
        "securityProfile": {"azureKeyVaultKms": null, "customCaTrustCertificates": null, "defender": null,
            "imageCleaner": {"enabled": true, "intervalHours": 168}, "workloadIdentity": workload_identity},
        "servicePrincipalProfile": {"clientId": "msi", "secret": null},
        "sku": {"name": "Base", "tier": "Standard"},
        "supportPlan": "KubernetesOfficial",
        "systemData": null,
        "tags": {"environment": environment},
        "type": "Microsoft.ContainerService/ManagedClusters",
        "windowsProfile": null,
    });
    put(
        &mut profile,
        "workloadAutoScalerProfile",
        json!({"keda": {"enabled": workload_identity != Value::Null}, "verticalPodAutoscaler": null}),
    );
    profile
}

/// `az connectedk8s show` of a k3s cluster.
pub(super) fn connected(cluster: &Cluster, azure: &Azure) -> Value {
    let name = cluster.name;
    let mut chance = cluster.random("profile");
    json!({
        "aadProfile": {"adminGroupObjectIDs": null, "enableAzureRbac": false, "tenantId": cluster.tenant},
        "agentPublicKeyCertificate": chance.hex(64),
        "agentVersion": "1.28.4",
        "arcAgentProfile": {"agentAutoUpgrade": "Enabled", "agentErrors": [], "agentState": "Succeeded",
            "desiredAgentVersion": "1.28.4", "systemComponents": null},
        "arcAgentryConfigurations": null,
        "azureHybridBenefit": "NotApplicable",
        "connectivityStatus": "Connected",
        "distribution": "k3s",
        "distributionVersion": null,
        "gateway": {"enabled": false, "resourceId": ""},
        "id": format!("/subscriptions/{}/resourceGroups/rg-{name}/providers/Microsoft.Kubernetes/connectedClusters/{name}", azure.subscription),
        "identity": {"principalId": chance.guid(), "tenantId": cluster.tenant, "type": "SystemAssigned"},
        "infrastructure": "generic",
        "kind": null,
        "kubernetesVersion": "1.32.3+k3s1",
        "lastConnectivityTime": "2026-08-28T11:41:07.130000+00:00",
        "location": cluster.location,
        "managedIdentityCertificateExpirationTime": "2026-11-19T10:02:00+00:00",
        "miscellaneousProperties": null,
        "name": name,
        "offering": null,
        "oidcIssuerProfile": {"enabled": true, "issuerUrl": cluster.issuer, "selfHostedIssuerUrl": null},
        "privateLinkScopeResourceId": null,
        "privateLinkState": "Disabled",
        "provisioningState": "Succeeded",
        "resourceGroup": format!("rg-{name}"),
        "securityProfile": {"workloadIdentity": {"enabled": true}},
        "systemData": {"createdAt": "2026-01-13T08:20:51.117204+00:00", "createdBy": "platform@norvind.example", "createdByType": "User",
            "lastModifiedAt": "2026-08-28T11:41:07.130000+00:00", "lastModifiedBy": chance.guid(), "lastModifiedByType": "Application"},
        "tags": {"environment": "production"},
        "totalCoreCount": 24,
        "totalNodeCount": 3,
        "type": "microsoft.kubernetes/connectedclusters",
    })
}
