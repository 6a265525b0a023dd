//! The pod template: containers, their variables, and the volumes that bear on the chain.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "audit")]
use super::commands::{Said, exec, hooks, texts, token_path};
use super::metadata::Metadata;
use crate::json::{Fault, Json};
use crate::model::{
    Container, EnvFrom, EnvVar, Pairs, Placement, PodTemplate, Token, TokenPath, Value, VirtualNode, Volume, label,
};
#[cfg(feature = "audit")]
use crate::model::{ImageReference, Mount, ProjectedToken, TokenVolume, is_like_ours};
#[cfg(feature = "audit")]
use crate::webhook;

#[derive(Default)]
pub(super) struct Template<'a> {
    pub(super) metadata: Metadata<'a>,
    pub(super) spec: PodSpec<'a>,
    /// `metadata` of the job template around it.
    #[cfg(feature = "audit")]
    pub(super) job: Metadata<'a>,
    /// `suspend` of the Job or CronJob around it.
    #[cfg(feature = "audit")]
    pub(super) suspended: bool,
    /// `paused` of the Deployment around it.
    #[cfg(feature = "audit")]
    pub(super) paused: bool,
}

#[derive(Default)]
pub(super) struct PodSpec<'a> {
    service_account_name: Option<Cow<'a, str>>,
    service_account: Option<Cow<'a, str>>,
    init_containers: Vec<Container>,
    containers: Vec<Container>,
    /// Each with whether its name is one of the webhook's.
    volumes: Vec<(bool, Volume)>,
    host_network: bool,
    windows: bool,
    selects_windows: bool,
    selects_virtual_node: bool,
    virtual_node_named: bool,
    tolerates_virtual_node: bool,
    #[cfg(feature = "audit")]
    token_volumes: Vec<TokenVolume>,
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
        self.read_if_any(json).map(drop)
    }

    /// False if there is none.
    pub(super) fn read_if_any(&mut self, json: &mut dyn Json<'a>) -> Result<bool, Fault> {
        json.object_if_any(&mut [
            ("metadata", &mut |json| self.metadata.read_of_pods(json)),
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
            ("hostNetwork", &mut |json| is(&mut self.host_network, "true", json)),
            ("os", &mut |json| json.object(&mut [("name", &mut |json| is(&mut self.windows, "windows", json))])),
            ("nodeName", &mut |json| {
                json.loose().map(|name| self.virtual_node_named = name.text.starts_with("virtual-node-"))
            }),
            ("nodeSelector", &mut |json| {
                json.object(&mut [
                    ("kubernetes.io/os", &mut |json| is(&mut self.selects_windows, "windows", json)),
                    ("type", &mut |json| is(&mut self.selects_virtual_node, "virtual-kubelet", json)),
                ])
            }),
            ("tolerations", &mut |json| {
                json.elements(&mut |json| {
                    let mut tolerates = false;
                    json.object(&mut [("key", &mut |json| is(&mut tolerates, "virtual-kubelet.io/provider", json))])?;
                    self.tolerates_virtual_node |= tolerates;
                    Ok(())
                })
            }),
            ("initContainers", &mut |json| containers(&mut self.init_containers, json)),
            ("containers", &mut |json| containers(&mut self.containers, json)),
            ("volumes", &mut |json| {
                json.elements(&mut |json| {
                    let (name, volumes) = volume(json)?;
                    let reserved = is_webhooks(&name);
                    #[cfg(feature = "audit")]
                    let volumes = keep_tokens(&mut self.token_volumes, &name, volumes);
                    self.volumes.extend(volumes.into_iter().map(|volume| (reserved, volume)));
                    Ok(())
                })
            }),
        ])
    }

    fn placement(&self) -> Placement {
        let virtual_nodes = [
            (self.virtual_node_named, VirtualNode::Named),
            (self.selects_virtual_node, VirtualNode::Selected),
            (self.tolerates_virtual_node, VirtualNode::Tolerated),
        ];
        Placement {
            host_network: self.host_network,
            windows: self.windows || self.selects_windows,
            virtual_node: virtual_nodes.into_iter().find(|(there, _)| *there).map(|(_, node)| node),
        }
    }

    /// The pod template with these labels and annotations.
    #[cfg_attr(not(feature = "audit"), expect(unused_mut, reason = "the audit's alone"))]
    pub(super) fn template(mut self, labels: Pairs, annotations: Pairs) -> PodTemplate {
        let placement = self.placement();
        let account = [self.service_account_name, self.service_account];
        // On a pod that the webhook passes over, such a volume is the author's own.
        let injected = labels.get(label::USE) == Some("true");
        let volumes = self.volumes.into_iter().filter(|(reserved, _)| !(injected && *reserved));
        let volumes: Vec<Volume> = volumes.map(|(_, volume)| volume).collect();
        #[cfg(feature = "audit")]
        for container in self.init_containers.iter_mut().chain(&mut self.containers) {
            let named = container.literal(webhook::TOKEN_FILE).map(String::from);
            container.mounts.retain(|mount| {
                let at_the_webhooks = || webhook::MOUNT_PATHS.contains(&mount.path.trim_end_matches('/'));
                is_webhooks(&mount.volume)
                    || at_the_webhooks()
                    || named.as_ref().is_some_and(|file| mount.may_hold(file))
                    || volumes
                        .iter()
                        .any(|volume| matches!(volume, Volume::Token(token) if token.volume == mount.volume))
            });
        }
        PodTemplate {
            service_account: account.into_iter().flatten().find(|name| !name.is_empty()).map(Cow::into_owned),
            init_containers: self.init_containers,
            containers: self.containers,
            volumes,
            placement,
            #[cfg(feature = "audit")]
            token_volumes: self.token_volumes,
            labels,
            annotations,
            ..PodTemplate::default()
        }
    }
}

/// Whether a scalar is this text.
pub(super) fn is(slot: &mut bool, text: &str, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    *slot = json.loose()?.text == text;
    Ok(())
}

fn containers(list: &mut Vec<Container>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.elements(&mut |json| {
        let mut container = Container::default();
        #[cfg(feature = "audit")]
        let (mut command, mut arguments) = (Vec::new(), Vec::new());
        #[cfg(feature = "audit")]
        let (mut of_command, mut of_arguments) = (Said::default(), Said::default());
        #[cfg(feature = "audit")]
        let (mut liveness, mut readiness, mut startup, mut lifecycle) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        json.object(&mut [
            ("name", &mut |json| json.string().map(|name| container.name = name)),
            ("env", &mut |json| {
                json.elements(&mut |json| {
                    let read = variable(json, &mut container.token_paths)?;
                    container.env.extend(read);
                    Ok(())
                })
            }),
            ("envFrom", &mut |json| {
                json.elements(&mut |json| env_from(json).map(|read| container.env_from.extend(read)))
            }),
            #[cfg(feature = "audit")]
            ("command", &mut |json| texts("command", &mut command, &mut of_command, json)),
            #[cfg(feature = "audit")]
            ("args", &mut |json| texts("args", &mut arguments, &mut of_arguments, json)),
            #[cfg(feature = "audit")]
            ("livenessProbe", &mut |json| exec("livenessProbe.exec.command", &mut liveness, json)),
            #[cfg(feature = "audit")]
            ("readinessProbe", &mut |json| exec("readinessProbe.exec.command", &mut readiness, json)),
            #[cfg(feature = "audit")]
            ("startupProbe", &mut |json| exec("startupProbe.exec.command", &mut startup, json)),
            #[cfg(feature = "audit")]
            ("lifecycle", &mut |json| hooks(&mut lifecycle, json)),
            #[cfg(feature = "audit")]
            ("volumeMounts", &mut |json| json.elements(&mut |json| mount(&mut container.mounts, json))),
            #[cfg(feature = "audit")]
            ("image", &mut |json| {
                let image = json.loose()?.text;
                container.image = ImageReference::of(&image).is_sound().then(|| image.into_owned());
                Ok(())
            }),
        ])?;
        #[cfg(feature = "audit")]
        {
            container.token_paths.splice(0..0, command.into_iter().chain(arguments));
            container.token_paths.extend(liveness.into_iter().chain(readiness).chain(startup).chain(lifecycle));
            container.for_azure = of_command.azure || of_arguments.azure;
            container.audience = of_arguments.audience.or(of_command.audience);
        }
        list.push(container);
        Ok(())
    })
}

#[cfg(feature = "audit")]
fn mount(mounts: &mut Vec<Mount>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let mut mount = Mount::default();
    json.object(&mut [
        ("name", &mut |json| json.loose().map(|name| mount.volume = name.text.into_owned())),
        ("mountPath", &mut |json| json.loose().map(|path| mount.path = path.text.into_owned())),
    ])?;
    mounts.push(mount);
    Ok(())
}

#[cfg_attr(not(feature = "audit"), expect(unused_variables, clippy::ptr_arg, reason = "the audit's alone"))]
fn variable(json: &mut dyn Json<'_>, paths: &mut Vec<TokenPath>) -> Result<Option<EnvVar>, Fault> {
    let (mut name, mut literal, mut source) = (None, None, None);
    json.object(&mut [
        ("name", &mut |json| json.text().map(|text| name = text)),
        ("value", &mut |json| json.loose().map(|value| literal = Some(value.text))),
        ("valueFrom", &mut |json| value_from(json).map(|value| source = value)),
    ])?;
    #[cfg(feature = "audit")]
    if let (Some(name), Some(path)) = (&name, literal.as_deref().and_then(token_path)) {
        paths.push(TokenPath { field: alloc::format!("env[{name}]"), path });
    }
    let is_ours = |name: &Cow<'_, str>| name.starts_with("AZURE_") || name.starts_with("ARM_");
    #[cfg(feature = "audit")]
    let source = source.map(|value| match value {
        Value::Annotation(key) if !is_like_ours(&key) && !name.as_deref().is_some_and(is_filled) => Value::Elsewhere,
        value => value,
    });
    #[cfg(feature = "audit")]
    if let (Some(Value::Annotation(_)), false) = (&source, name.as_ref().is_some_and(is_ours)) {
        return Ok(source.map(|value| EnvVar { name: String::new(), value }));
    }
    let Some(name) = name.filter(is_ours) else { return Ok(None) };
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
    #[cfg(feature = "audit")]
    let mut annotation = None;
    let is_there = json.object_if_any(&mut [
        ("secretKeyRef", &mut |json| {
            let (mut name, mut key) = (String::new(), String::new());
            #[cfg(feature = "audit")]
            let mut optional = false;
            let is_there = json.object_if_any(&mut [
                ("name", &mut |json| json.string().map(|text| name = text)),
                ("key", &mut |json| json.string().map(|text| key = text)),
                #[cfg(feature = "audit")]
                ("optional", &mut |json| is(&mut optional, "true", json)),
            ])?;
            #[cfg(feature = "audit")]
            if is_there && optional {
                value = Value::Optional(name, key);
                return Ok(());
            }
            if is_there {
                value = Value::Secret(name, key);
            }
            Ok(())
        }),
        #[cfg(feature = "audit")]
        ("fieldRef", &mut |json| {
            referent("fieldPath", json).map(|path| annotation = path.as_deref().and_then(own_annotation))
        }),
    ])?;
    #[cfg(feature = "audit")]
    let value = annotation.map_or(value, Value::Annotation);
    Ok(is_there.then_some(value))
}

/// The key in a field path that is one of the pod's annotations (`metadata.annotations['KEY']`; Kubernetes,
/// `pkg/fieldpath/fieldpath.go`).
#[cfg(feature = "audit")]
fn own_annotation(path: &str) -> Option<String> {
    path.strip_prefix("metadata.annotations['")?.strip_suffix("']").map(Into::into)
}

/// Whether it is read what an annotation of whatever key fills a variable of that name with.
#[cfg(feature = "audit")]
fn is_filled(name: &str) -> bool {
    ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"].contains(&name)
}

/// Fills variables with what annotations say that do not bear on the chain, of which no rule hears otherwise. What a
/// template does not annotate, others may annotate the pods with.
#[cfg(feature = "audit")]
pub(super) fn fill(mut template: PodTemplate, others: &Pairs) -> PodTemplate {
    let live = template.live;
    let containers = template.init_containers.iter_mut().chain(&mut template.containers);
    for variable in containers.flat_map(|container| &mut container.env) {
        let Value::Annotation(key) = &variable.value else { continue };
        if is_like_ours(key) {
            continue;
        }
        variable.value = match others.get(key) {
            Some(text) => Value::Literal(Some(text.into())),
            None if live => Value::Literal(Some(String::new())),
            None => Value::Elsewhere,
        };
    }
    template
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

/// A volume's name, and what of it bears on the chain.
fn volume<'a>(json: &mut dyn Json<'a>) -> Result<(Cow<'a, str>, Vec<Volume>), Fault> {
    let (mut own_name, mut volumes, mut csi, mut claim) = (None, Vec::new(), None, None);
    json.object(&mut [
        ("name", &mut |json| json.text().map(|name| own_name = name)),
        ("projected", &mut |json| {
            json.object(&mut [("sources", &mut |json| json.elements(&mut |json| projected(&mut volumes, json)))])
        }),
        ("csi", &mut |json| Csi::read(json).map(|read| csi = read.volume())),
        ("persistentVolumeClaim", &mut |json| referent("claimName", json).map(|name| claim = name.map(Volume::Claim))),
    ])?;
    volumes.extend(csi.into_iter().chain(claim));
    let name = own_name.unwrap_or_default();
    #[cfg(feature = "audit")]
    for volume in &mut volumes {
        if let Volume::Token(token) = volume {
            token.volume = name.clone().into_owned();
        }
    }
    Ok((name, volumes))
}

/// Keeps the tokens of a volume that is the webhook's or stands in its way; gives back what has
/// an audience of its own.
#[cfg(feature = "audit")]
fn keep_tokens(kept: &mut Vec<TokenVolume>, name: &str, mut volumes: Vec<Volume>) -> Vec<Volume> {
    let token = |volume: &Volume| match volume {
        Volume::Token(token) => Some(ProjectedToken {
            path: token.path.clone(),
            lifetime: token.lifetime,
            audience: token.audience.0.clone(),
        }),
        _ => None,
    };
    let tokens: Vec<ProjectedToken> = volumes.iter().filter_map(token).collect();
    if is_webhooks(name) || tokens.iter().any(|token| token.path == webhook::TOKEN_VOLUME) {
        kept.push(TokenVolume { name: name.into(), tokens });
    }
    volumes.retain(|volume| !matches!(volume, Volume::Token(token) if token.audience.as_str().is_empty()));
    volumes
}

/// Whether a volume has a name that the mutating webhook gives: up to v1.5.1 `azure-identity-token`,
/// from v1.6.0 on `azure-workload-identity-reserved-…` (azure-workload-identity, `pkg/webhook/consts.go`).
fn is_webhooks(volume: &str) -> bool {
    volume == "azure-identity-token" || volume.starts_with("azure-workload-identity-reserved-")
}

fn projected(volumes: &mut Vec<Volume>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let mut token =
        Token { audience: String::new().into(), volume: String::new(), path: String::new(), lifetime: None };
    json.object(&mut [("serviceAccountToken", &mut |json| {
        json.object(&mut [
            ("audience", &mut |json| json.string().map(|text| token.audience = text.into())),
            #[cfg(feature = "audit")]
            ("path", &mut |json| json.loose().map(|path| token.path = path.text.into_owned())),
            #[cfg(feature = "audit")]
            ("expirationSeconds", &mut |json| json.loose().map(|value| token.lifetime = value.text.parse().ok())),
        ])
    })])?;
    // A token for the API server itself can still be where the webhook puts its own.
    if !token.audience.as_str().is_empty() || !token.path.is_empty() {
        volumes.push(Volume::Token(token));
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
