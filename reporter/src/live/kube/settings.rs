//! The ConfigMap of the webhook: asked for by name, where the Deployment of the webhook was seen. Other
//! ConfigMaps are nobody's business here.

use wiguard_rules::model::registration::CONTROLLER;

use super::kinds::SETTINGS;
use super::reading::Reading;
use super::trouble::Trouble;
use crate::collect::{Feed, Missing, Proof};

impl Reading {
    /// Reads the ConfigMap of each webhook; not where one namespace alone is read.
    pub(super) async fn webhook_settings(&self) {
        if self.namespace.is_some() {
            return;
        }
        let name = SETTINGS.only.unwrap_or_default();
        let deployments = self.seen(|seen| seen.of(("", "Deployment"), None));
        for (_, namespace, _) in deployments.into_iter().filter(|(.., name)| name == CONTROLLER) {
            match self.object(&SETTINGS, &namespace, name).await {
                Ok(found) => {
                    let proof = Proof::Asked { kind: SETTINGS.kind.into(), namespace, name: name.into() };
                    self.keep(&SETTINGS, found.into_iter().collect(), 1).await;
                    self.feed(Feed { proofs: vec![proof], ..self.empty(&SETTINGS) }).await;
                }
                Err(Trouble::Forbidden) => {
                    let reason = format!(
                        "may not get configmaps/{name} in namespace {namespace}; have the verb `get` granted on it"
                    );
                    self.lack(&self.source(&SETTINGS), reason, Missing::All).await;
                }
                Err(trouble) => self.lack(&self.source(&SETTINGS), trouble.to_string(), Missing::All).await,
            }
        }
    }
}
