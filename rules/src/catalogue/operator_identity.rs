//! An operator is told to act by an identity that does not serve it, or by none.
//!
//! cert-manager, Flux, Velero, Crossplane, the provider of App Configuration, and External Secrets where it
//! makes tokens for a registry, ask Azure for tokens themselves, by what their custom resources say. The
//! identity that is named must trust the ServiceAccount whose token the operator presents: its own, or the
//! one that the resource names. A secret lasts until somebody finds it, and an identity of the node is every
//! pod's.
//!
//! The operator's ServiceAccount is known by its name or namespace (`cert-manager`, `appconfig`), or by the
//! setting `operators`; Crossplane's is made up by its packages, and any of the cluster will do. cert-manager,
//! Flux and External Secrets are known by their images too, whatever they run under: if none of their pods opts in, they get no
//! token and take the identity of their node. Where no client id is said, that of the operator's ServiceAccount is
//! used: if none of its pods that get a token is told one, nothing says which identity is meant. Flux may use `serviceAccountName` for the credentials of a registry alone, so
//! that a ServiceAccount without a client id is right there. A placeholder is not judged.
//!
//! A client id that no managed identity and no app registration has, or that is another id of an identity, such as its
//! principal id, is accused as on a ServiceAccount (`client-id-unknown`): if both are listed, and some of the tenant
//! that is named beside it or by the ServiceAccount.
//!
//! External-dns, Velero itself and Azure Service Operator are for `operator-without-token` to tell, what
//! kubelets pull images by for `image-pull-identity`, and what volumes are mounted by for `volume-identity`.
//! The client id in a Secret is not read, whose it may be: ask the operator's log, or `kubectl get secret`
//! yourself.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {clientID: 5a1e2c3d-0001-4000-8000-000000000001, clientSecretSecretRef: {name: sp, key: secret}}}}]}}
//! ```
//!
//! ```yaml
//! apiVersion: cert-manager.io/v1
//! kind: Issuer
//! metadata: {name: letsencrypt, namespace: shop}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {managedIdentity: {clientID: id-cart}}}}]}}
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns, name: dns, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns/federatedIdentityCredentials/cart, name: cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: cert-manager}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cert-manager, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0001-4000-8000-000000000001}}}}]}}
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart/federatedIdentityCredentials/cart, name: cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:other", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: source.toolkit.fluxcd.io/v1
//! kind: OCIRepository
//! metadata: {name: charts, namespace: shop}
//! spec: {provider: azure, url: "oci://shop.azurecr.io/charts", serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: other, namespace: shop}}
//! ---
//! apiVersion: azconfig.io/v1
//! kind: AzureAppConfigurationProvider
//! metadata: {name: settings, namespace: shop}
//! spec: {endpoint: "https://shop.azconfig.io", target: {configMapName: settings}, auth: {workloadIdentity: {serviceAccountName: cart}}}
//! ```
//!
//! ```yaml
//! apiVersion: velero.io/v1
//! kind: BackupStorageLocation
//! metadata: {name: default, namespace: velero}
//! spec: {provider: azure, config: {storageAccount: backups, storageAccountKeyEnvVar: AZURE_STORAGE_ACCOUNT_ACCESS_KEY}}
//! ```
//!
//! ```yaml
//! apiVersion: azure.upbound.io/v1beta1
//! kind: ProviderConfig
//! metadata: {name: default}
//! spec: {credentials: {source: Secret, secretRef: {name: azure, namespace: crossplane-system, key: creds}}}
//! ```
//!
//! ```yaml
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: cert-manager}, spec: {template: {spec: {serviceAccountName: cert-manager, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0001-4000-8000-000000000001}}}}]}}
//! ```
//!
//! ```yaml
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: source-controller, namespace: flux-system}, spec: {template: {spec: {serviceAccountName: source-controller, containers: [{name: app, image: "ghcr.io/fluxcd/source-controller:v1.4.1"}]}}}}
//! ---
//! apiVersion: source.toolkit.fluxcd.io/v1
//! kind: HelmRepository
//! metadata: {name: charts, namespace: shop}
//! spec: {type: oci, provider: azure, url: "oci://shop.azurecr.io/charts"}
//! ```
//!
//! ```yaml
//! apiVersion: velero.io/v1
//! kind: BackupStorageLocation
//! metadata: {name: default, namespace: velero}
//! spec: {provider: velero.io/azure, config: {storageAccount: backups, storageAccountSASTokenEnvVar: AZURE_STORAGE_ACCOUNT_ACCESS_KEY}}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: generators.external-secrets.io/v1alpha1
//! kind: ACRAccessToken
//! metadata: {name: registry, namespace: shop}
//! spec: {registry: shop.azurecr.io, auth: {workloadIdentity: {serviceAccountRef: {name: cart}}}}
//! ```
//!
//! ```yaml
//! # the principal id of the identity
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cert-manager, namespace: cert-manager}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: cert-manager}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cert-manager, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0001-4000-8000-000000000002}}}}]}}
//! ```
//!
//! ```yaml
//! # nobody has this client id
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cert-manager, namespace: cert-manager}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: cert-manager}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cert-manager, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0009-4000-8000-000000000009}}}}]}}
//! ```
//!
//! ```yaml
//! # nothing says a client id
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cert-manager, namespace: cert-manager}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: cert-manager}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cert-manager, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {hostedZoneName: example.com, resourceGroupName: dns}}}]}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the operator's ServiceAccount names an identity
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cert-manager, namespace: cert-manager, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: cert-manager}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cert-manager, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {hostedZoneName: example.com, resourceGroupName: dns}}}]}}
//! ```
//!
//! ```yaml
//! # nothing is listed of the tenant
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cert-manager, namespace: cert-manager}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: cert-manager}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cert-manager, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0009-4000-8000-000000000009, tenantID: 99999999-9999-9999-9999-999999999999}}}}]}}
//! ```
//!
//! ```yaml
//! # nothing is listed of the operator's tenant
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cert-manager, namespace: cert-manager, annotations: {azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: cert-manager}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cert-manager, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0009-4000-8000-000000000009}}}}]}}
//! ```
//!
//! ```yaml
//! # External Secrets makes tokens by its own ServiceAccount
//! apiVersion: generators.external-secrets.io/v1alpha1
//! kind: ACRAccessToken
//! metadata: {name: registry, namespace: shop}
//! spec: {registry: shop.azurecr.io, auth: {workloadIdentity: {}}}
//! ```
//!
//! ```yaml
//! # the operator opts in, and the identity trusts it
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: cert-manager}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cert-manager, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns, name: dns, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns/federatedIdentityCredentials/dns, name: dns, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:cert-manager:cert-manager", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0001-4000-8000-000000000001}}}}]}}
//! ```
//!
//! ```yaml
//! # the controller opts in
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: source-controller, namespace: flux-system}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: source-controller, containers: [{name: app, image: "ghcr.io/fluxcd/source-controller:v1.4.1"}]}}}}
//! ---
//! apiVersion: source.toolkit.fluxcd.io/v1
//! kind: HelmRepository
//! metadata: {name: charts, namespace: shop}
//! spec: {type: oci, provider: azure, url: "oci://shop.azurecr.io/charts"}
//! ```
//!
//! ```yaml
//! # a repository of charts that is no registry
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: source-controller, namespace: flux-system}, spec: {template: {spec: {serviceAccountName: source-controller, containers: [{name: app, image: "ghcr.io/fluxcd/source-controller:v1.4.1"}]}}}}
//! ---
//! apiVersion: source.toolkit.fluxcd.io/v1
//! kind: HelmRepository
//! metadata: {name: charts, namespace: shop}
//! spec: {provider: azure, url: "oci://shop.azurecr.io/charts"}
//! ```
//!
//! ```yaml
//! # the identity trusts the operator
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns, name: dns, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns/federatedIdentityCredentials/dns, name: dns, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:cert-manager:cert-manager", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{http01: {ingress: {}}}, {dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0001-4000-8000-000000000001}}}}]}}
//! ```
//!
//! ```yaml
//! # the operator's own identity
//! apiVersion: source.toolkit.fluxcd.io/v1
//! kind: OCIRepository
//! metadata: {name: charts, namespace: shop}
//! spec: {provider: azure, url: "oci://shop.azurecr.io/charts"}
//! ```
//!
//! ```yaml
//! # a ServiceAccount for the registry's credentials
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: pull, namespace: shop}}
//! ---
//! apiVersion: source.toolkit.fluxcd.io/v1
//! kind: OCIRepository
//! metadata: {name: charts, namespace: shop}
//! spec: {provider: azure, url: "oci://shop.azurecr.io/charts", serviceAccountName: pull}
//! ```
//!
//! ```yaml
//! # a placeholder
//! apiVersion: azconfig.io/v1
//! kind: AzureAppConfigurationProvider
//! metadata: {name: settings, namespace: shop}
//! spec: {endpoint: "https://shop.azconfig.io", auth: {workloadIdentity: {managedIdentityClientId: "${CLIENT_ID}"}}}
//! ```
//!
//! ```yaml
//! # another cloud's
//! apiVersion: velero.io/v1
//! kind: BackupStorageLocation
//! metadata: {name: default, namespace: velero}
//! spec: {provider: aws, config: {region: eu-west-1}}
//! ```
//!
//! ```yaml
//! # the operator under another name in its own namespace
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns, name: dns, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns/federatedIdentityCredentials/dns, name: dns, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:cert-manager:issuer", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{http01: {ingress: {}}}, {dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0001-4000-8000-000000000001}}}}]}}
//! ```
//!
//! ```yaml
//! # the operator by its image
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns, name: dns, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns/federatedIdentityCredentials/dns, name: dns, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:infra:issuer", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cert-manager, namespace: infra}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: issuer, containers: [{name: app, image: "quay.io/jetstack/cert-manager-controller:v1.16.2"}]}}}}
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{http01: {ingress: {}}}, {dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0001-4000-8000-000000000001}}}}]}}
//! ```
//!
//! ```yaml
//! # the operator in another namespace
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns, name: dns, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/dns/federatedIdentityCredentials/dns, name: dns, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:infra:cert-manager", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! apiVersion: cert-manager.io/v1
//! kind: ClusterIssuer
//! metadata: {name: letsencrypt}
//! spec: {acme: {solvers: [{http01: {ingress: {}}}, {dns01: {azureDNS: {managedIdentity: {clientID: 5a1e2c3d-0001-4000-8000-000000000001}}}}]}}
//! ```
use crate::exchange::trusts_one_like;
use crate::model::{Login, Means, is_guid, is_placeholder};
use crate::near::annotate;
use crate::on_behalf::{self, Unserved, program};
use crate::parameters::any_glob;
use crate::prelude::*;
use crate::trust::Unknown;
use crate::whose::{Asked, right, whose};

pub(super) static RULE: Rule = Rule {
    summary: "an operator is told to act by an identity that does not serve it, or by none",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Named,
    aadsts: &["700213", "700016"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Custom(check)],
};

/// What is wrong, and what to do.
type Flaw = (String, String);

/// The same, with the link of the operator's own chain that is broken by it.
type Broken = (Flaw, Option<Hop>);

fn check(custom: &Custom, trust: &Trust<'_>) -> Verdict {
    if custom.is_volume() {
        return Ok(None);
    }
    let mut unknown = None;
    for login in custom.logins() {
        match flaw(custom, login, trust) {
            Ok(None) => {}
            Ok(Some(((message, fix), breaks))) => {
                let finding = Finding::new(RULE.severity, login.path.as_str(), message);
                let account = login.account.as_deref().unwrap_or_default();
                let finding =
                    finding.with("clientId", login.client_id.as_str()).with("serviceAccount", account).fix(fix);
                return Ok(Some(match breaks {
                    Some(hop) => finding.breaks(hop),
                    None => finding,
                }));
            }
            Err(missing) => unknown = unknown.or(Some(missing)),
        }
    }
    unknown.map_or(Ok(None), Err)
}

fn flaw(custom: &Custom, login: &Login, trust: &Trust<'_>) -> Result<Option<Broken>, Unknown> {
    let id = login.client_id.as_str();
    if login.means != Means::Workload || login.account.is_some() || (!id.is_empty() && !is_guid(id)) {
        return said(custom, login, trust).map(|flaw| flaw.map(|flaw| (flaw, None)));
    }
    let trusted = if id.is_empty() { Ok(None) } else { of_operator(custom, login, trust) };
    match unserved(custom, id, trust) {
        Ok(None) => trusted.map(|flaw| flaw.map(|flaw| (flaw, None))),
        Ok(Some(it)) => Ok(Some(((it.message, it.fix), Some(it.breaks)))),
        Err(missing) => trusted.and_then(|flaw| flaw.map(|flaw| Some((flaw, None))).ok_or(missing)),
    }
}

/// What is wrong with what is said, where it is not the operator itself that asks.
fn said(custom: &Custom, login: &Login, trust: &Trust<'_>) -> Result<Option<Flaw>, Unknown> {
    let instead = "use workload identity, by a client id whose identity trusts the operator's ServiceAccount";
    let id = login.client_id.as_str();
    match login.means {
        Means::Secret => Ok(Some(("authenticates by a secret, which lasts".to_owned(), instead.to_owned()))),
        Means::Node => {
            let message = "authenticates by an identity of the node, which every pod on it may use".to_owned();
            Ok(Some((message, instead.to_owned())))
        }
        Means::Workload if is_placeholder(id) => Ok(None),
        Means::Workload => match &login.account {
            Some(name) => of_account(custom, name, id, trust),
            None => {
                let fix = "give the identity's client id, a GUID".to_owned();
                Ok(Some((format!("`{id}` is no client id"), fix)))
            }
        },
    }
}

/// An operator that is known by its image and gets no token, or, where none is said here, no client id: it takes
/// what its node has, or nothing.
fn unserved(custom: &Custom, id: &str, trust: &Trust<'_>) -> Result<Option<Unserved>, Unknown> {
    let Some(program) = program(custom) else { return Ok(None) };
    on_behalf::unserved((program, custom.cluster), id.is_empty(), trust)
}

/// An identity whose tokens the operator asks for as itself.
fn of_operator(custom: &Custom, login: &Login, trust: &Trust<'_>) -> Result<Option<Flaw>, Unknown> {
    let tenant = || match (login.tenant_id.as_str(), program(custom)) {
        ("", Some(program)) => on_behalf::tenant_of_operator(program, custom.cluster, trust),
        (said, _) => Ok(said.to_owned()),
    };
    let identity = match whose(&login.client_id, tenant, trust)? {
        Asked::Of(identity) => identity,
        Asked::Nobody(why, meant) => return Ok(Some(nobodys(why, meant))),
        Asked::Disabled(why, fix) => return Ok(Some((why, fix))),
    };
    let hint = match custom.kind.group {
        "cert-manager.io" => "cert-manager",
        "azconfig.io" => "appconfig",
        _ => "",
    };
    let operators = &trust.parameters().operators;
    let is_like = |namespace: &str, name: &str| {
        namespace.contains(hint) || name.contains(hint) || any_glob(operators, &format!("{namespace}:{name}"))
    };
    let trusted = match program(custom) {
        Some(program) => on_behalf::trusts_operator(identity, (program, custom.cluster), trust, is_like)?,
        None => trusts_one_like(identity, custom.cluster, trust, is_like)?,
    };
    if trusted {
        return Ok(None);
    }
    let message = format!("identity `{}` does not trust the operator, which asks for its tokens", identity.name);
    let fix = format!(
        "add a federated credential to identity `{}` for the ServiceAccount under which the operator of {} runs",
        identity.name, custom.kind.group
    );
    Ok(Some((message, fix)))
}

/// A ServiceAccount of the resource's namespace, whose tokens the operator asks for.
fn of_account(custom: &Custom, name: &str, id: &str, trust: &Trust<'_>) -> Result<Option<Flaw>, Unknown> {
    let namespace = custom.namespace.as_str();
    let Some(account) = trust.account_for(custom, namespace, name).known()? else {
        let message = format!("ServiceAccount `{namespace}/{name}` does not exist");
        return Ok(Some((message, "create it, or name another".to_owned())));
    };
    let own = account.client_id();
    // The annotation is for `client-id-unknown` to tell.
    let says_it = own.is_none();
    let Some(client_id) = own.or_else(|| is_guid(id).then(|| id.into())) else {
        let has_no_other = ["azconfig.io", "generators.external-secrets.io"].contains(&custom.kind.group);
        if !has_no_other || !id.is_empty() {
            return Ok(None);
        }
        let message = format!("ServiceAccount `{namespace}/{name}` has no annotation `{}`", annotation::CLIENT_ID);
        return Ok(Some((message, annotate(namespace, name, annotation::CLIENT_ID, "CLIENT_ID"))));
    };
    let tenant = || Ok(account.annotations.get(annotation::TENANT_ID).unwrap_or_default());
    let identity = match whose(client_id.as_str(), tenant, trust)? {
        Asked::Of(identity) => identity,
        Asked::Nobody(why, meant) => return Ok(says_it.then(|| nobodys(why, meant))),
        Asked::Disabled(why, fix) => return Ok(says_it.then_some((why, fix))),
    };
    let subject = account.subject();
    let is_trusted = on_behalf::trusts(identity, custom.cluster, &subject, trust)?;
    Ok((!is_trusted).then(|| untrusted(identity, &subject, "whose tokens the operator asks for")))
}

fn nobodys(why: String, meant: Option<&Identity>) -> Flaw {
    (why, format!("give {}", right(meant)))
}

fn untrusted(identity: &Identity, subject: &Subject, what: &str) -> Flaw {
    let message = format!("identity `{}` does not trust `{subject}`, {what}", identity.name);
    let fix = format!("add a federated credential to identity `{}` for subject {subject}", identity.name);
    (message, fix)
}
