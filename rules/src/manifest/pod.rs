//! The pod template: containers, their variables, and the volumes that bear on the chain.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::object::Metadata;
use crate::json::{Fault, Json};
use crate::model::{Container, EnvFrom, EnvVar, Pairs, PodTemplate, Value, Volume, label};

#[derive(Default)]
pub(super) struct Template<'a> {
    pub(super) metadata: Metadata<'a>,
    pub(super) spec: PodSpec<'a>,
}

#[derive(Default)]
pub(super) struct PodSpec<'a> {
    service_account_name: Option<Cow<'a, str>>,
    service_account: Option<Cow<'a, str>>,
    init_containers: Vec<Container>,
    containers: Vec<Container>,
    /// Each with whether its name is one of the webhook's.
    volumes: Vec<(bool, Volume)>,
}

/// `csi` of a volume.
#[derive(Default)]
struct Csi<'a> {
    driver: Option<Cow<'a, str>>,
    provider_class: String,
    with_token: bool,
}

// === impl Template ===

impl<'a> Template<'a> {
    pub(super) fn read(&mut self, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        json.object(&mut [
            ("metadata", &mut |json| self.metadata.read(json)),
            ("spec", &mut |json| self.spec.read(json)),
        ])
    }
}

// === impl PodSpec ===

impl<'a> PodSpec<'a> {
    pub(super) fn read(&mut self, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        json.object(&mut [
            ("serviceAccountName", &mut |json| json.text().map(|text| self.service_account_name = text)),
            ("serviceAccount", &mut |json| json.text().map(|text| self.service_account = text)),
            ("initContainers", &mut |json| containers(&mut self.init_containers, json)),
            ("containers", &mut |json| containers(&mut self.containers, json)),
            ("volumes", &mut |json| {
                json.elements(&mut |json| {
                    let (reserved, volumes) = volume(json)?;
                    self.volumes.extend(volumes.into_iter().map(|volume| (reserved, volume)));
                    Ok(())
                })
            }),
        ])
    }

    /// The pod template with these labels and annotations.
    pub(super) fn template(self, labels: Pairs, annotations: Pairs) -> PodTemplate {
        let account = [self.service_account_name, self.service_account];
        // On a pod that the webhook passes over, such a volume is the author's own.
        let injected = labels.get(label::USE) == Some("true");
        let volumes = self.volumes.into_iter().filter(|(reserved, _)| !(injected && *reserved));
        PodTemplate {
            service_account: account.into_iter().flatten().find(|name| !name.is_empty()).map(Cow::into_owned),
            init_containers: self.init_containers,
            containers: self.containers,
            volumes: volumes.map(|(_, volume)| volume).collect(),
            labels,
            annotations,
        }
    }
}

fn containers(list: &mut Vec<Container>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.elements(&mut |json| {
        let mut container = Container::default();
        json.object(&mut [
            ("name", &mut |json| json.string().map(|name| container.name = name)),
            ("env", &mut |json| json.elements(&mut |json| variable(json).map(|read| container.env.extend(read)))),
            ("envFrom", &mut |json| {
                json.elements(&mut |json| env_from(json).map(|read| container.env_from.extend(read)))
            }),
        ])?;
        list.push(container);
        Ok(())
    })
}

fn variable(json: &mut dyn Json<'_>) -> Result<Option<EnvVar>, Fault> {
    let (mut name, mut literal, mut source) = (None, None, None);
    json.object(&mut [
        ("name", &mut |json| json.text().map(|text| name = text)),
        ("value", &mut |json| json.loose().map(|value| literal = Some(value.text))),
        ("valueFrom", &mut |json| value_from(json).map(|value| source = value)),
    ])?;
    let Some(name) = name.filter(|name| name.starts_with("AZURE_") || name.starts_with("ARM_")) else {
        return Ok(None);
    };
    let value = match (source, literal) {
        (Some(source), _) => source,
        // A variable without a value is empty.
        (None, literal) if !EnvVar::is_read(&name) => {
            Value::Literal(literal.is_none_or(|text| text.is_empty()).then(String::new))
        }
        (None, literal) => Value::Literal(Some(literal.map(Cow::into_owned).unwrap_or_default())),
    };
    Ok(Some(EnvVar { name: name.into_owned(), value }))
}

fn value_from(json: &mut dyn Json<'_>) -> Result<Option<Value>, Fault> {
    let mut value = Value::Elsewhere;
    let is_there = json.object_if_any(&mut [("secretKeyRef", &mut |json| {
        let (mut name, mut key) = (String::new(), String::new());
        let is_there = json.object_if_any(&mut [
            ("name", &mut |json| json.string().map(|text| name = text)),
            ("key", &mut |json| json.string().map(|text| key = text)),
        ])?;
        if is_there {
            value = Value::Secret(name, key);
        }
        Ok(())
    })])?;
    Ok(is_there.then_some(value))
}

fn env_from(json: &mut dyn Json<'_>) -> Result<Option<EnvFrom>, Fault> {
    let (mut prefix, mut secret, mut map) = (String::new(), None, None);
    json.object(&mut [
        ("prefix", &mut |json| json.string().map(|text| prefix = text)),
        ("secretRef", &mut |json| referent("name", json).map(|name| secret = name)),
        ("configMapRef", &mut |json| referent("name", json).map(|name| map = name)),
    ])?;
    Ok(match (secret, map) {
        (Some(secret), _) => Some(EnvFrom::Secret(secret, prefix)),
        (None, map) => map.map(EnvFrom::ConfigMap),
    })
}

/// The name in a reference, empty if there is a reference without one.
fn referent(member: &'static str, json: &mut dyn Json<'_>) -> Result<Option<String>, Fault> {
    let mut name = String::new();
    let is_there = json.object_if_any(&mut [(member, &mut |json| json.string().map(|text| name = text))])?;
    Ok(is_there.then_some(name))
}

/// What of a volume bears on the chain, and whether its name is one of the webhook's.
fn volume(json: &mut dyn Json<'_>) -> Result<(bool, Vec<Volume>), Fault> {
    let (mut reserved, mut volumes, mut csi, mut claim) = (false, Vec::new(), None, None);
    json.object(&mut [
        ("name", &mut |json| json.text().map(|name| reserved = name.is_some_and(|name| is_webhooks(&name)))),
        ("projected", &mut |json| {
            json.object(&mut [("sources", &mut |json| json.elements(&mut |json| projected(&mut volumes, json)))])
        }),
        ("csi", &mut |json| Csi::read(json).map(|read| csi = read.volume())),
        ("persistentVolumeClaim", &mut |json| referent("claimName", json).map(|name| claim = name.map(Volume::Claim))),
    ])?;
    volumes.extend(csi.into_iter().chain(claim));
    Ok((reserved, volumes))
}

/// Whether a volume has a name that the mutating webhook gives: up to v1.5.1 `azure-identity-token`,
/// from v1.6.0 on `azure-workload-identity-reserved-…` (azure-workload-identity, `pkg/webhook/consts.go`).
fn is_webhooks(volume: &str) -> bool {
    volume == "azure-identity-token" || volume.starts_with("azure-workload-identity-reserved-")
}

fn projected(volumes: &mut Vec<Volume>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let mut audience = String::new();
    json.object(&mut [("serviceAccountToken", &mut |json| {
        json.object(&mut [("audience", &mut |json| json.string().map(|text| audience = text))])
    })])?;
    if !audience.is_empty() {
        volumes.push(Volume::Token(audience.into()));
    }
    Ok(())
}

// === impl Csi ===

impl<'a> Csi<'a> {
    fn read(json: &mut dyn Json<'a>) -> Result<Self, Fault> {
        let mut csi = Self::default();
        json.object(&mut [
            ("driver", &mut |json| json.text().map(|text| csi.driver = text)),
            ("volumeAttributes", &mut |json| {
                json.object(&mut [
                    ("secretProviderClass", &mut |json| json.string().map(|text| csi.provider_class = text)),
                    ("mountWithWorkloadIdentityToken", &mut |json| {
                        json.loose().map(|value| csi.with_token = value.text.eq_ignore_ascii_case("true"))
                    }),
                ])
            }),
        ])?;
        Ok(csi)
    }

    fn volume(self) -> Option<Volume> {
        match self.driver.as_deref()? {
            "secrets-store.csi.k8s.io" => Some(Volume::SecretsStore(self.provider_class)),
            "file.csi.azure.com" | "blob.csi.azure.com" => self.with_token.then_some(Volume::AzureStorage),
            _ => None,
        }
    }
}
