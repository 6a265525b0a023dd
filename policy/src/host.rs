//! What the policy may ask of its host, and how a missing fact becomes a call.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use wiguard_rules::inventory::Inventory;
use wiguard_rules::manifest::{self, Hint, Manifest};
use wiguard_rules::model::Origin;
use wiguard_rules::review::Fetch;
use wiguard_rules::trust::Key;

/// The host of the policy.
pub trait Host {
    /// A host call of waPC: binding, namespace, operation, payload.
    ///
    /// # Errors
    /// What the host says; to us every error means *unknown*, for the protocol cannot tell a
    /// missing object from a failing API server.
    fn call(&mut self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String>;
}

/// The request of Kubewarden's capability `kubernetes/get_resource`.
#[derive(Serialize)]
struct GetResource<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    namespace: &'a str,
    disable_cache: bool,
}

/// The host as the rules' messenger. Nothing but the one ServiceAccount is asked for: Secrets are
/// none of an admission policy's business, and lists would cost the host a watch.
pub(crate) struct Messenger<'h>(pub(crate) &'h mut dyn Host);

impl Fetch for Messenger<'_> {
    fn can_fetch(&self, key: &Key) -> bool {
        matches!(key, Key::ServiceAccount(..))
    }

    fn fetch(&mut self, key: &Key, inventory: &mut Inventory) {
        let Key::ServiceAccount(cluster, namespace, name) = key else { return };
        let request = GetResource { api_version: "v1", kind: "ServiceAccount", name, namespace, disable_cache: false };
        let Ok(payload) = serde_json::to_vec(&request) else { return };
        let Ok(answer) = self.0.call("kubewarden", "kubernetes", "get_resource", &payload) else { return };
        let hint = Hint { api_version: "v1", kind: "ServiceAccount" };
        match manifest::read(&answer, Some(hint), *cluster, Origin::default()).map(|read| read.manifest) {
            Ok(Manifest::ServiceAccount(account)) if account.namespace == *namespace && account.name == *name => {
                inventory.service_accounts.push(account);
            }
            _ => {}
        }
    }
}
