//! Custom resources of operators that say little of identities: how each tells its operator to
//! authenticate to Azure. Only the audit reads them.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json::{Fault, Json};
use crate::model::{CustomKind, Login, Means};

const CERT_MANAGER: &str = "cert-manager.io";
const APP_CONFIGURATION: &str = "azconfig.io";
const VELERO: &str = "velero.io";
const GENERATORS: &str = "generators.external-secrets.io";
const STORAGE: &str = "storage.k8s.io";
/// The drivers of Azure Files and Blob, which take a pod's own token.
const DRIVERS: [&str; 2] = ["file.csi.azure.com", "blob.csi.azure.com"];
const FLUX: [&str; 2] = ["source.toolkit.fluxcd.io", "image.toolkit.fluxcd.io"];
const CROSSPLANE: [&str; 2] = ["azure.upbound.io", "azure.m.upbound.io"];

/// Whether a group is read here.
pub(super) fn reads(group: &str) -> bool {
    ["", STORAGE, CERT_MANAGER, APP_CONFIGURATION, VELERO, GENERATORS].contains(&group)
        || FLUX.contains(&group)
        || CROSSPLANE.contains(&group)
}

/// Reads a `spec`.
pub(super) fn read(kind: &CustomKind, logins: &mut Vec<Login>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    match kind.group {
        CERT_MANAGER => json.object(&mut [("acme", &mut |json| {
            json.object(&mut [("solvers", &mut |json| {
                let mut index = 0_usize;
                json.elements(&mut |json| {
                    let path = format!("spec.acme.solvers[{index}].dns01.azureDNS");
                    index += 1;
                    solver(path, logins, json)
                })
            })])
        })]),
        APP_CONFIGURATION => app_configuration(logins, json),
        VELERO => velero(logins, json),
        GENERATORS => generator(logins, json),
        "" => volume(logins, json),
        // What it says is beside `spec`.
        STORAGE => Ok(()),
        group if FLUX.contains(&group) => flux(kind, logins, json),
        _ => crossplane(logins, json),
    }
}

/// cert-manager, `pkg/apis/acme/v1/types_issuer.go`: without a secret and without `managedIdentity`
/// whatever the environment offers is used.
fn solver(path: String, logins: &mut Vec<Login>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.object(&mut [("dns01", &mut |json| {
        json.object(&mut [("azureDNS", &mut |json| {
            let (mut secret, mut resource) = (false, false);
            let (mut client_id, mut tenant_id) = (String::new(), String::new());
            let there = json.object_if_any(&mut [
                ("clientSecretSecretRef", &mut |json| json.object_if_any(&mut []).map(|there| secret = there)),
                ("managedIdentity", &mut |json| {
                    json.object(&mut [
                        ("clientID", &mut |json| loose(&mut client_id, json)),
                        ("tenantID", &mut |json| loose(&mut tenant_id, json)),
                        ("resourceID", &mut |json| filled(&mut resource, json)),
                    ])
                }),
            ])?;
            if there {
                let (member, means) = match (secret, resource) {
                    (true, _) => ("clientSecretSecretRef", Means::Secret),
                    (_, true) => ("managedIdentity.resourceID", Means::Node),
                    _ => ("managedIdentity.clientID", Means::Workload),
                };
                logins.push(Login {
                    path: format!("{path}.{member}"),
                    means,
                    client_id,
                    account: None,
                    claim: None,
                    tenant_id,
                });
            }
            Ok(())
        })])
    })])
}

/// Azure App Configuration Kubernetes Provider reference, `spec.auth`.
fn app_configuration(logins: &mut Vec<Login>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut connection, mut principal, mut node, mut workload) = (false, false, false, None);
    json.object(&mut [
        ("connectionStringReference", &mut |json| filled(&mut connection, json)),
        ("auth", &mut |json| {
            json.object(&mut [
                ("servicePrincipalReference", &mut |json| filled(&mut principal, json)),
                ("managedIdentityClientId", &mut |json| filled(&mut node, json)),
                ("workloadIdentity", &mut |json| {
                    let (mut client_id, mut account) = (String::new(), None);
                    let there = json.object_if_any(&mut [
                        ("managedIdentityClientId", &mut |json| loose(&mut client_id, json)),
                        ("serviceAccountName", &mut |json| name(&mut account, json)),
                    ])?;
                    workload = there.then_some((client_id, account));
                    Ok(())
                }),
            ])
        }),
    ])?;
    let login = |path: &str, means| Login {
        path: path.into(),
        means,
        client_id: String::new(),
        account: None,
        claim: None,
        tenant_id: String::new(),
    };
    logins.push(match (connection, principal, workload) {
        (true, ..) => login("spec.connectionStringReference", Means::Secret),
        (_, true, _) => login("spec.auth.servicePrincipalReference", Means::Secret),
        (.., Some((client_id, account))) => {
            Login { client_id, account, ..login("spec.auth.workloadIdentity", Means::Workload) }
        }
        _ if node => login("spec.auth.managedIdentityClientId", Means::Node),
        _ => login("spec.auth", Means::Node),
    });
    Ok(())
}

/// External Secrets' generator of tokens for Azure Container Registry, `pkg/generator/acr/acr.go`: a
/// ServiceAccount is one of its own namespace, and without one the operator's own is used.
fn generator(logins: &mut Vec<Login>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut principal, mut node, mut workload, mut account) = (false, false, false, None);
    json.object(&mut [("auth", &mut |json| {
        json.object(&mut [
            ("servicePrincipal", &mut |json| json.object_if_any(&mut []).map(|there| principal = there)),
            ("managedIdentity", &mut |json| json.object_if_any(&mut []).map(|there| node = there)),
            ("workloadIdentity", &mut |json| {
                let of_account =
                    &mut |json: &mut dyn Json<'_>| json.object(&mut [("name", &mut |json| name(&mut account, json))]);
                json.object_if_any(&mut [("serviceAccountRef", of_account)]).map(|there| workload = there)
            }),
        ])
    })])?;
    let (member, means) = match (principal, node, workload) {
        (true, ..) => ("servicePrincipal", Means::Secret),
        (_, true, _) => ("managedIdentity", Means::Node),
        (.., true) => ("workloadIdentity", Means::Workload),
        _ => return Ok(()),
    };
    let account = account.filter(|_| means == Means::Workload);
    logins.push(Login {
        path: format!("spec.auth.{member}"),
        means,
        client_id: String::new(),
        account,
        claim: None,
        tenant_id: String::new(),
    });
    Ok(())
}

/// Velero's plugin for Azure, `backupstoragelocation.md`: a key of the storage account, or a signature for
/// it, is named by the variable that holds it.
fn velero(logins: &mut Vec<Login>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut provider, mut key, mut signature) = (String::new(), false, false);
    json.object(&mut [
        ("provider", &mut |json| loose(&mut provider, json)),
        ("config", &mut |json| {
            json.object(&mut [
                ("storageAccountKeyEnvVar", &mut |json| filled(&mut key, json)),
                ("storageAccountSASTokenEnvVar", &mut |json| filled(&mut signature, json)),
            ])
        }),
    ])?;
    if (key || signature) && ["azure", "velero.io/azure"].contains(&provider.as_str()) {
        let member = if key { "storageAccountKeyEnvVar" } else { "storageAccountSASTokenEnvVar" };
        let path = format!("spec.config.{member}");
        logins.push(Login {
            path,
            means: Means::Secret,
            client_id: String::new(),
            account: None,
            claim: None,
            tenant_id: String::new(),
        });
    }
    Ok(())
}

/// A PersistentVolume of Azure Files or Blob, whose drivers read their parameters without regard to case
/// (azurefile-csi-driver, `pkg/azurefile/azurefile.go`).
fn volume(logins: &mut Vec<Login>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut driver, mut said, mut claim) = (String::new(), StorageClass::default(), None);
    json.object(&mut [
        ("csi", &mut |json| {
            json.object(&mut [
                ("driver", &mut |json| loose(&mut driver, json)),
                ("volumeAttributes", &mut |json| storage_class(&mut said, "parameters", json)),
            ])
        }),
        ("claimRef", &mut |json| {
            let (mut namespace, mut of) = (None, None);
            json.object(&mut [
                ("namespace", &mut |json| name(&mut namespace, json)),
                ("name", &mut |json| name(&mut of, json)),
            ])?;
            claim = namespace.zip(of);
            Ok(())
        }),
    ])?;
    let StorageClass { client_id, tenant_id, .. } = said;
    if !client_id.is_empty() && DRIVERS.contains(&driver.as_str()) {
        let path = "spec.csi.volumeAttributes.clientID".into();
        logins.push(Login { path, means: Means::Workload, client_id, account: None, claim, tenant_id });
    }
    Ok(())
}

/// What a StorageClass says: what makes its volumes, and what they are given.
#[derive(Default)]
pub(super) struct StorageClass {
    provisioner: String,
    client_id: String,
    tenant_id: String,
}

/// A member of a StorageClass.
pub(super) fn storage_class(said: &mut StorageClass, key: &str, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    if key == "provisioner" {
        return loose(&mut said.provisioner, json);
    }
    json.members(&mut |key, json| match key {
        _ if key.eq_ignore_ascii_case("clientID") => loose(&mut said.client_id, json),
        _ if key.eq_ignore_ascii_case("tenantID") => loose(&mut said.tenant_id, json),
        _ => Ok(()),
    })
}

/// How the volumes of a StorageClass are mounted.
pub(super) fn of_storage_class(said: StorageClass) -> Vec<Login> {
    let StorageClass { provisioner, client_id, tenant_id } = said;
    let path = "parameters.clientID".into();
    let login = Login { path, means: Means::Workload, client_id, account: None, claim: None, tenant_id };
    Some(login).filter(|it| !it.client_id.is_empty() && DRIVERS.contains(&provisioner.as_str())).into_iter().collect()
}

/// Flux with `provider: azure`: the controller's own ServiceAccount, or the one named. A Bucket's Secret
/// holds a key or a principal's secret; that of another kind is for a registry or a proxy.
fn flux(kind: &CustomKind, logins: &mut Vec<Login>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut provider, mut of, mut secret, mut account) = (String::new(), String::new(), false, None);
    json.object(&mut [
        ("provider", &mut |json| loose(&mut provider, json)),
        ("type", &mut |json| loose(&mut of, json)),
        ("secretRef", &mut |json| json.object_if_any(&mut []).map(|there| secret = there)),
        ("serviceAccountName", &mut |json| name(&mut account, json)),
    ])?;
    // A repository of charts asks Azure only where it is a registry.
    if provider == "azure" && (kind.kind != "HelmRepository" || of == "oci") {
        let (path, means) = if secret && kind.kind == "Bucket" {
            ("spec.secretRef", Means::Secret)
        } else {
            ("spec.serviceAccountName", Means::Workload)
        };
        let account = account.filter(|_| means == Means::Workload);
        logins.push(Login {
            path: path.into(),
            means,
            client_id: String::new(),
            account,
            claim: None,
            tenant_id: String::new(),
        });
    }
    Ok(())
}

/// Crossplane's provider for Azure, `apis/v1beta1/types.go`.
fn crossplane(logins: &mut Vec<Login>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut source, mut client_id, mut tenant_id) = (String::new(), String::new(), String::new());
    json.object(&mut [
        ("clientID", &mut |json| loose(&mut client_id, json)),
        ("tenantID", &mut |json| loose(&mut tenant_id, json)),
        ("credentials", &mut |json| json.object(&mut [("source", &mut |json| loose(&mut source, json))])),
    ])?;
    let (path, means) = match source.as_str() {
        "OIDCTokenFile" => ("spec.clientID", Means::Workload),
        "Secret" => ("spec.credentials.source", Means::Secret),
        "SystemAssignedManagedIdentity" | "UserAssignedManagedIdentity" => ("spec.credentials.source", Means::Node),
        _ => return Ok(()),
    };
    logins.push(Login { path: path.into(), means, client_id, account: None, claim: None, tenant_id });
    Ok(())
}

fn loose(slot: &mut String, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.loose().map(|text| *slot = text.text.into_owned())
}

fn name(slot: &mut Option<String>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.text().map(|text| *slot = text.map(Cow::into_owned).filter(|name| !name.is_empty()))
}

fn filled(slot: &mut bool, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.loose().map(|text| *slot = !text.text.is_empty())
}
