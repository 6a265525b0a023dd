//! The webhook: what the mutating webhook of Azure Workload Identity does to a pod, by version.
//!
//! A pure function. What it says is what the webhook's own source says at each of its tags
//! (azure-workload-identity, `pkg/webhook/webhook.go` and `consts.go`), and a test asks the real
//! webhooks the same thousands of questions.

mod go;
mod sha256;
mod version;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use crate::model::{Container, PodTemplate, ServiceAccount, annotation, label};
pub use go::NotANumber;
pub use version::Version;

/// The variable that says where the token is.
pub const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// The sidecar of the migration proxy.
pub const PROXY: &str = "azwi-proxy";
/// The init container of the migration proxy.
pub const PROXY_INIT: &str = "azwi-proxy-init";
/// What the images of the migration proxy begin with, in the webhook as it is released.
pub const PROXY_IMAGE: &str = "mcr.microsoft.com/oss/azure/workload-identity/proxy";
/// The volume up to v1.5.1, and the file in it.
pub const TOKEN_VOLUME: &str = "azure-identity-token";
/// What the volume's name begins with from v1.6.0 on.
pub const RESERVED: &str = "azure-workload-identity-reserved-";
/// Where the volume is mounted, up to v1.5.1 and from v1.6.0 on.
pub const MOUNT_PATHS: [&str; 2] = ["/var/run/secrets/azure/tokens", "/var/run/secrets/azure/wi"];

/// How a webhook is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Its version.
    pub version: Version,
    /// `AZURE_TENANT_ID` of the webhook; `None` if it is not known.
    pub tenant_id: Option<String>,
    /// The authority of its `AZURE_ENVIRONMENT`.
    pub authority_host: String,
    /// `--audience`.
    pub audience: String,
    /// Whether its API server is of 1.32 or later, which has native sidecars.
    pub native_sidecars: bool,
    /// `--custom-token-endpoint-…`, by which AKS makes identity bindings; from v1.6.0 on.
    pub endpoint: Option<TokenEndpoint>,
}

/// A token endpoint of one's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenEndpoint {
    /// The pod annotation that asks for it, such as `azure.workload.identity/use-identity-binding`.
    pub annotation: String,
    /// The audience of its tokens.
    pub audience: String,
    /// `AZURE_KUBERNETES_TOKEN_PROXY`
    pub proxy: String,
    /// `AZURE_KUBERNETES_SNI_NAME`
    pub sni_name: String,
    /// `AZURE_KUBERNETES_CA_DATA`
    pub ca_data: String,
    /// The ConfigMap whose `ca.crt` is projected beside the token; empty if none is.
    pub ca_config_map: String,
}

/// What a pod is called when it comes before the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodName<'a> {
    /// By a name.
    Name(&'a str),
    /// By what its name will begin with, as the pods of a ReplicaSet.
    Prefix(&'a str),
    /// Nobody knows yet.
    Unknown,
}

/// What the webhook does to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is never asked: the pod has no label `azure.workload.identity/use` of the value `true`.
    PassedOver,
    /// The pod is not made.
    Refused(Refusal),
    /// The pod is changed.
    Injected(Injection),
}

/// Why a pod is refused, with status 400; [`fmt::Display`] is the webhook's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no ServiceAccount of that name.
    NoServiceAccount(String),
    /// The proxy would change the network of the node.
    HostNetwork,
    /// The port of the proxy is no number.
    ProxyPort(NotANumber),
    /// The token's lifetime is no number.
    Lifetime(NotANumber),
    /// The token's lifetime, in seconds, is too short or too long.
    LifetimeOutOfRange(i64),
}

/// What is injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The port of the migration proxy, if the pod asks for it.
    pub proxy_port: Option<i64>,
    /// Init containers, then containers, as they are afterwards.
    pub containers: Vec<Injected>,
    /// The volume.
    pub volume: TokenVolume,
}

/// A container afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// Its name.
    pub name: String,
    /// Whether it is among the init containers.
    pub init: bool,
    /// Where it stood in its list before; `None` for one of the proxy's.
    pub place: Option<usize>,
    /// Whether it is named in `skip-containers`, and gets nothing.
    pub skipped: bool,
    /// The variables that are added, in order.
    pub variables: Vec<Variable>,
    /// What becomes of its mount of the volume.
    pub mount: Change,
}

/// An added variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value; `None` if it is a setting of the webhook that is not known.
    pub value: Option<String>,
}

/// What becomes of a thing of the pod's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is added.
    Added,
    /// One of that name is replaced.
    Replaced,
    /// What is there is taken for it.
    Kept,
}

/// The volume with the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenVolume {
    /// Its name; `None` if it hangs on the name of a pod that nobody knows yet.
    pub name: Option<String>,
    /// What becomes of it.
    pub change: Change,
    /// Where it is mounted.
    pub mount_path: &'static str,
    /// The file in it.
    pub path: &'static str,
    /// The token's lifetime in seconds.
    pub lifetime: i64,
    /// The token's audience.
    pub audience: String,
    /// The ConfigMap whose `ca.crt` is projected beside the token; empty if none is.
    pub ca_config_map: String,
}

/// What the webhook does to a pod whose ServiceAccount is this one, or does not exist.
pub fn admit(
    pod: &PodTemplate,
    name: PodName<'_>,
    account: Option<&ServiceAccount>,
    webhook: &Configuration,
) -> Outcome {
    if pod.labels.get(label::USE) != Some("true") {
        return Outcome::PassedOver;
    }
    match inject(pod, name, account, webhook) {
        Ok(injection) => Outcome::Injected(injection),
        Err(refusal) => Outcome::Refused(refusal),
    }
}

fn inject(
    pod: &PodTemplate,
    name: PodName<'_>,
    account: Option<&ServiceAccount>,
    webhook: &Configuration,
) -> Result<Injection, Refusal> {
    let version = webhook.version;
    let account = account.ok_or_else(|| Refusal::NoServiceAccount(pod.account_name().into()))?;
    let proxy_port = pod.annotations.get(annotation::INJECT_PROXY).map(|_| proxy_port(pod)).transpose()?;
    let lifetime = lifetime(pod, account)?;
    let endpoint = webhook.endpoint.as_ref().filter(|endpoint| version.has_endpoints() && endpoint.is_asked_for(pod));
    let volume_name = version.volume_name(name);
    let variables = variables(account, webhook, endpoint);
    let skipped = Skipped::of(pod);
    let containers = containers(pod, webhook, proxy_port.is_some());
    let containers = containers.into_iter().map(|(name, init, own)| {
        let is_skipped = skipped.has(name);
        let container = own.map(|(_, container)| container);
        let is_set = |variable: &Variable| container.is_some_and(|own| own.variable(variable.name).is_some());
        Injected {
            name: name.into(),
            init,
            place: own.map(|(place, _)| place),
            skipped: is_skipped,
            variables: if is_skipped {
                Vec::new()
            } else {
                variables.iter().filter(|variable| !is_set(variable)).cloned().collect()
            },
            mount: if is_skipped { Change::Kept } else { version.mount(container, volume_name.as_deref()) },
        }
    });
    Ok(Injection {
        proxy_port,
        containers: containers.collect(),
        volume: TokenVolume {
            change: version.volume(pod, volume_name.as_deref()),
            name: volume_name,
            mount_path: version.mount_path(),
            path: version.token_path(),
            lifetime,
            audience: endpoint.map_or(&webhook.audience, |endpoint| &endpoint.audience).clone(),
            ca_config_map: endpoint.map(|endpoint| endpoint.ca_config_map.clone()).unwrap_or_default(),
        },
    })
}

/// The port of the proxy that a pod asks for. Whether it can be a port is for the API server to say.
fn proxy_port(pod: &PodTemplate) -> Result<i64, Refusal> {
    if pod.placement.host_network {
        return Err(Refusal::HostNetwork);
    }
    let port = pod.annotations.get(annotation::PROXY_PORT);
    port.map_or(Ok(8000), |port| go::parse_int(port, 32).map_err(Refusal::ProxyPort))
}

/// The token's lifetime in seconds: the pod's, else the ServiceAccount's, else an hour. An empty
/// annotation is as good as none.
///
/// # Errors
/// If it is no number, or not from 3600 to 86400.
pub fn lifetime(pod: &PodTemplate, account: &ServiceAccount) -> Result<i64, Refusal> {
    let said = [&pod.annotations, &account.annotations].map(|annotations| annotations.get(annotation::EXPIRATION));
    let seconds = match said.into_iter().flatten().find(|text| !text.is_empty()) {
        Some(text) => go::parse_int(text, 64).map_err(Refusal::Lifetime)?,
        None => 3600,
    };
    if (3600..=86400).contains(&seconds) { Ok(seconds) } else { Err(Refusal::LifetimeOutOfRange(seconds)) }
}

/// The variables for a container that has none of them.
fn variables(account: &ServiceAccount, webhook: &Configuration, endpoint: Option<&TokenEndpoint>) -> Vec<Variable> {
    let version = webhook.version;
    let text = |text: &str| Some(text.to_string());
    let tenant = account.annotations.get(annotation::TENANT_ID);
    let mut all = alloc::vec![
        ("AZURE_CLIENT_ID", text(account.annotations.get(annotation::CLIENT_ID).unwrap_or_default())),
        ("AZURE_TENANT_ID", tenant.map_or_else(|| webhook.tenant_id.clone(), text)),
        (TOKEN_FILE, Some(format!("{}/{}", version.mount_path(), version.token_path()))),
        ("AZURE_AUTHORITY_HOST", text(&webhook.authority_host)),
    ];
    if let Some(endpoint) = endpoint {
        all.extend([
            ("AZURE_KUBERNETES_TOKEN_PROXY", text(&endpoint.proxy)),
            ("AZURE_KUBERNETES_SNI_NAME", text(&endpoint.sni_name)),
            ("AZURE_KUBERNETES_CA_FILE", Some(format!("{}/ca-cert/ca.crt", version.mount_path()))),
            ("AZURE_KUBERNETES_CA_DATA", text(&endpoint.ca_data)),
        ]);
    }
    let wanted = all.into_iter().filter(|(_, value)| version.adds_empty() || value.as_deref() != Some(""));
    wanted.map(|(name, value)| Variable { name, value }).collect()
}

/// A container afterwards: its name, whether it is an init container, and what it was.
type Afterwards<'a> = (&'a str, bool, Option<(usize, &'a Container)>);

/// The containers, with the proxy's where they are asked for and not there.
fn containers<'a>(pod: &'a PodTemplate, webhook: &Configuration, proxy: bool) -> Vec<Afterwards<'a>> {
    let version = webhook.version;
    let own = |init: bool| {
        let list = if init { &pod.init_containers } else { &pod.containers };
        move || list.iter().enumerate().map(move |one| (one.1.name.as_str(), init, Some(one)))
    };
    let (mut init, mut main): (Vec<_>, Vec<_>) = (own(true)().collect(), own(false)().collect());
    if proxy {
        let lacks = |list: &[Afterwards<'_>], name: &str, image: &str| {
            !list.iter().any(|(own, _, container)| {
                let image_of =
                    container.map(|(_, container)| container.image.as_deref().unwrap_or_default()).unwrap_or_default();
                *own == name || (version.knows_the_proxy_by_image() && image_of.starts_with(image))
            })
        };
        if lacks(&init, PROXY_INIT, &format!("{PROXY_IMAGE}-init")) {
            init.push((PROXY_INIT, true, None));
        }
        let native = version.knows_native_sidecars() && webhook.native_sidecars;
        let list = if native { &mut init } else { &mut main };
        if lacks(list, PROXY, PROXY_IMAGE) {
            list.insert(0, (PROXY, native, None));
        }
    }
    init.extend(main);
    init
}

/// The names in `skip-containers`.
struct Skipped<'a>(Option<&'a str>);

// === impl Skipped ===

impl<'a> Skipped<'a> {
    fn of(pod: &'a PodTemplate) -> Self {
        Self(pod.annotations.get(annotation::SKIP_CONTAINERS).filter(|list| !list.is_empty()))
    }

    /// Split at semicolons and trimmed, as Go trims.
    fn has(&self, name: &str) -> bool {
        self.0.is_some_and(|list| list.split(';').any(|skipped| skipped.trim() == name))
    }
}

// === impl Configuration ===

impl Configuration {
    /// A webhook of the public cloud as it is installed, of a tenant that is not known.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            tenant_id: None,
            authority_host: "https://login.microsoftonline.com/".into(),
            audience: crate::model::DEFAULT_AUDIENCE.into(),
            native_sidecars: true,
            endpoint: None,
        }
    }
}

// === impl TokenEndpoint ===

impl TokenEndpoint {
    fn is_asked_for(&self, pod: &PodTemplate) -> bool {
        pod.annotations.get(&self.annotation).is_some_and(|value| go::equal_fold_ascii(value, "true"))
    }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServiceAccount(name) => write!(f, "serviceaccounts {} not found", go::quote(name)),
            Self::HostNetwork => f.write_str("hostNetwork is set to true, cannot inject proxy sidecar"),
            Self::ProxyPort(error) => write!(f, "failed to parse proxy sidecar port: {error}"),
            Self::Lifetime(error) => error.fmt(f),
            Self::LifetimeOutOfRange(seconds) => {
                write!(f, "token expiration {seconds} not valid. Expected value to be between 3600 and 86400")
            }
        }
    }
}

/// Whether the webhook has been before a pod: it is one of a cluster, or tells where the token is as
/// only the webhook does.
pub fn has_seen(pod: &PodTemplate) -> bool {
    let is_told = |container: &Container| {
        container.literal(TOKEN_FILE).is_some_and(|path| MOUNT_PATHS.iter().any(|own| path.starts_with(own)))
            && container.mounts.iter().any(|mount| MOUNT_PATHS.contains(&mount.path.as_str()))
    };
    pod.live || pod.init_containers.iter().chain(&pod.containers).any(is_told)
}
