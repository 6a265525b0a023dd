//! Whether anything in a cluster asks for tokens of Azure, and needs the webhook for them.

use super::{Key, Link, Trust, Unknown};
use crate::inventory::{Extent, SecretProviderClass};
use crate::model::{Body, ClusterIx, Means, Volume, Workload};

impl Trust<'_> {
    /// Whether a pod of a cluster gets its token from the webhook alone: it opts in, and brings none of its own.
    ///
    /// # Errors
    /// If none was seen that does, and not all pods were.
    pub fn needs_webhook(&self, index: ClusterIx) -> Result<bool, Unknown> {
        let needs = |it: &Workload| !it.finished && it.opts_in() && !it.projects_azure_token();
        if self.workloads(index).any(needs) {
            return Ok(true);
        }
        if self.knows_pods(index) { Ok(false) } else { Err(unsaid("whether a pod of the cluster opts in")) }
    }

    /// Whether anybody presents a token of a cluster to Entra: its pods, a driver that mounts for them, or an
    /// operator that asks for the tokens of a ServiceAccount.
    ///
    /// # Errors
    /// If nobody was seen who does, and not all were.
    pub fn needs_issuer(&self, index: ClusterIx) -> Result<bool, Unknown> {
        let asked_for = self.inventory.token_requesters.iter().any(|it| it.cluster == index);
        if asked_for || self.customs(index).any(|it| asks(&it.body)) {
            return Ok(true);
        }
        let mut unknown = None;
        for workload in self.workloads(index).filter(|it| !it.finished) {
            if workload.opts_in() || workload.projects_azure_token() {
                return Ok(true);
            }
            for volume in &workload.template.volumes {
                let class = match volume {
                    Volume::AzureStorage => return Ok(true),
                    Volume::SecretsStore(name) => self.provider_class(workload, name),
                    Volume::Token(_) | Volume::Claim(_) => continue,
                };
                match class {
                    Link::Found(class) if SecretProviderClass::client_id(class).is_some() => return Ok(true),
                    Link::Unknown(key) => unknown = unknown.or(Some(Unknown(key))),
                    Link::Found(_) | Link::Absent => {}
                }
            }
        }
        let unread = self.inventory.coverage.of(index).is_none_or(|of| of.token_requesters_missing);
        match unknown {
            Some(unknown) => Err(unknown),
            None if unread => Err(Unknown(Key::TokenRequesters(index))),
            None if self.knows_pods(index) => Ok(false),
            None => Err(unsaid("whether a pod of the cluster asks for tokens of Azure")),
        }
    }

    /// Whether all pods of a cluster were seen, and all Deployments, which may have none just now.
    fn knows_pods(&self, index: ClusterIx) -> bool {
        *self.extent(index, |coverage| &coverage.pods) == Extent::Everything && self.knows_deployments(index)
    }
}

/// Whether an operator is told to ask with a token of the cluster's.
fn asks(body: &Body) -> bool {
    match body {
        Body::Operator(logins) => logins.iter().any(|login| login.means == Means::Workload),
        _ => false,
    }
}

fn unsaid(what: &str) -> Unknown {
    Unknown(Key::Value(what.into()))
}
