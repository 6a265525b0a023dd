//! The versions of the webhook, and in what they differ.

use alloc::format;
use alloc::string::String;

use super::{Change, MOUNT_PATHS, PodName, RESERVED, TOKEN_VOLUME, sha256};
use crate::model::{Container, PodTemplate};

/// A released version, which stands for its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.3.0: injects empty variables, and the proxy as an ordinary container.
    V1_3_0,
    /// 1.5.1: injects no empty variables, and the proxy as a native sidecar.
    V1_5_1,
    /// 1.6.0: a volume of another name at another path, and endpoints of one's own.
    V1_6_0,
}

// === impl Version ===

impl Version {
    /// The modelled versions.
    pub const ALL: [Self; 3] = [Self::V1_3_0, Self::V1_5_1, Self::V1_6_0];

    /// Its number.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_3_0 => "1.3.0",
            Self::V1_5_1 => "1.5.1",
            Self::V1_6_0 => "1.6.0",
        }
    }

    /// Where the volume is mounted.
    pub const fn mount_path(self) -> &'static str {
        let [old, new] = MOUNT_PATHS;
        if self.reserves_names() { new } else { old }
    }

    /// The file in the volume.
    pub const fn token_path(self) -> &'static str {
        if self.reserves_names() { "token/azure-identity-token" } else { TOKEN_VOLUME }
    }

    /// Where a container finds the token.
    pub fn token_file(self) -> String {
        format!("{}/{}", self.mount_path(), self.token_path())
    }

    /// The name of a pod's volume.
    pub fn volume_name(self, pod: PodName<'_>) -> Option<String> {
        if !self.reserves_names() {
            return Some(TOKEN_VOLUME.into());
        }
        let digest = match pod {
            PodName::Name(name) => sha256::hexadecimal(name),
            PodName::Prefix(prefix) => sha256::hexadecimal(&format!("{prefix} (prefix)")),
            PodName::Unknown => return None,
        };
        // No more of the digest than a volume's name has room for.
        Some(format!("{RESERVED}{}", digest.get(..63 - RESERVED.len()).unwrap_or_default()))
    }

    pub(super) fn mount(self, container: Option<&Container>, volume: Option<&str>) -> Change {
        let is_there = container
            .is_some_and(|container| container.mounts.iter().any(|mount| Some(mount.volume.as_str()) == volume));
        match (is_there, self.reserves_names()) {
            (false, _) => Change::Added,
            (true, true) => Change::Replaced,
            (true, false) => Change::Kept,
        }
    }

    pub(super) fn volume(self, pod: &PodTemplate, name: Option<&str>) -> Change {
        let mut volumes = pod.token_volumes.iter();
        if self.reserves_names() {
            let is_there = volumes.any(|volume| Some(volume.name.as_str()) == name);
            return if is_there { Change::Replaced } else { Change::Added };
        }
        let is_there = volumes.any(|volume| volume.tokens.iter().any(|token| token.path == TOKEN_VOLUME));
        if is_there { Change::Kept } else { Change::Added }
    }

    const fn reserves_names(self) -> bool {
        matches!(self, Self::V1_6_0)
    }

    /// Whether it knows endpoints of one's own, by which AKS makes identity bindings.
    pub const fn has_endpoints(self) -> bool {
        matches!(self, Self::V1_6_0)
    }

    pub(super) const fn adds_empty(self) -> bool {
        matches!(self, Self::V1_3_0)
    }

    pub(super) const fn knows_the_proxy_by_image(self) -> bool {
        matches!(self, Self::V1_3_0)
    }

    pub(super) const fn knows_native_sidecars(self) -> bool {
        matches!(self, Self::V1_5_1 | Self::V1_6_0)
    }
}
