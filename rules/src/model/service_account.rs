//! A ServiceAccount: who a pod is to its cluster, and which identity it names.

use alloc::string::String;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::{ClientId, ClusterIx, Origin, Pairs, Subject, annotation};

/// A ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct ServiceAccount {
    /// The cluster it lives in; one without a name if no source says.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its namespace; `default` if the manifest names none.
    pub namespace: String,
    /// Whether nothing states its namespace, so that `default` is a guess.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub unplaced: bool,
    /// Its name.
    pub name: String,
    /// Its labels that bear on the chain.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub labels: Pairs,
    /// Its annotations that bear on the chain.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub annotations: Pairs,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

impl ServiceAccount {
    /// The client id it names, verbatim; `None` if the annotation is absent or empty
    /// (the webhook injects only non-empty values since v1.5.1).
    pub fn client_id(&self) -> Option<ClientId> {
        self.annotations.get(annotation::CLIENT_ID).filter(|value| !value.is_empty()).map(ClientId::from)
    }

    /// The subject of its tokens.
    pub fn subject(&self) -> Subject {
        Subject::of(&self.namespace, &self.name)
    }
}
