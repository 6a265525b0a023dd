//! What the policy may ask of its host, and how a missing fact becomes a call.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use wiguard_rules::inventory::Inventory;
use wiguard_rules::manifest::{self, Hint, Manifest};
use wiguard_rules::model::{ClusterIx, Origin, ServiceAccount};
use wiguard_rules::review::Fetch;
use wiguard_rules::trust::Key;

use crate::answer::cut;
use crate::published::Published;

/// What a host says of its troubles is quoted up to this many bytes.
const COMPLAINT_LIMIT: usize = 256;

/// The host of the policy.
pub trait Host {
    /// A host call of waPC: binding, namespace, operation, payload.
    ///
    /// # Errors
    /// What the host says; to us every error means *unknown*, for the protocol cannot tell a
    /// missing object from a failing API server.
    fn call(&mut self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String>;

    /// Seconds since 1970, if there is a clock: by nothing but this the age of what was published
    /// is told.
    fn now(&self) -> Option<u64> {
        None
    }
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

/// One object of `v1`, as JSON.
pub(crate) fn get_resource(host: &mut dyn Host, kind: &str, namespace: &str, name: &str) -> Result<Vec<u8>, String> {
    let request = GetResource { api_version: "v1", kind, name, namespace, disable_cache: false };
    let payload = serde_json::to_vec(&request).map_err(|error| format!("could not be asked for: {error}"))?;
    host.call("kubewarden", "kubernetes", "get_resource", &payload)
        .map_err(|error| format!("could not be read: {}", cut(&error, COMPLAINT_LIMIT)))
}

/// The host as the rules' messenger. Nothing but the one ServiceAccount is asked for, and what is
/// published of its namespace: Secrets are none of an admission policy's business, and lists would
/// cost the host a watch.
pub(crate) struct Messenger<'h, 's> {
    pub(crate) host: &'h mut dyn Host,
    pub(crate) published: Option<Published<'s>>,
}

impl Fetch for Messenger<'_, '_> {
    fn can_fetch(&self, key: &Key) -> bool {
        match key {
            Key::ServiceAccount(..) => true,
            Key::Identity(_) => self.published.is_some(),
            Key::Issuer(_) | Key::Credentials(_) | Key::Trusting(_) => {
                self.published.as_ref().is_some_and(Published::is_unread)
            }
            _ => false,
        }
    }

    fn fetch(&mut self, key: &Key, inventory: &mut Inventory) {
        let Self { host, published } = self;
        match (key, published) {
            (Key::ServiceAccount(cluster, namespace, name), published) => {
                match (service_account(*host, *cluster, namespace, name), published) {
                    (Some(account), _) => inventory.service_accounts.push(account),
                    // Whoever it asks for, perhaps nobody trusts it.
                    (None, Some(published)) => published.fetch(*host, inventory),
                    (None, None) => {}
                }
            }
            (Key::Identity(client_id), Some(published)) => published.fetch_client(client_id, *host, inventory),
            (_, Some(published)) => published.fetch(*host, inventory),
            (_, None) => {}
        }
    }
}

fn service_account(host: &mut dyn Host, cluster: ClusterIx, namespace: &str, name: &str) -> Option<ServiceAccount> {
    let answer = get_resource(host, "ServiceAccount", namespace, name).ok()?;
    let hint = Hint { api_version: "v1", kind: "ServiceAccount" };
    match manifest::read(&answer, Some(hint), cluster, Origin::default()).ok()?.manifest {
        Manifest::ServiceAccount(account) if account.namespace == namespace && account.name == name => Some(account),
        _ => None,
    }
}
