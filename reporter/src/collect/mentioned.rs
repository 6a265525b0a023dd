//! Managed identities of which nothing is known but that credentials are theirs.

use std::collections::BTreeSet;

use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{Identity, IdentityKind, Origin, Parent};
use wiguard_rules::repair;

const KIND: &str = "/providers/microsoft.managedidentity/userassignedidentities";

/// Adds those that live credentials name, unless all identities are listed: then they are gone. `whole`: the
/// resource ids, in lower case, of those whose credentials were all read. `assume_complete`: what is given is all there is.
pub(super) fn add(inventory: &mut Inventory, whole: &BTreeSet<String>, assume_complete: bool) {
    if inventory.coverage.managed_identities {
        return;
    }
    let mut known: BTreeSet<String> = inventory.identities.iter().map(|it| it.id.to_ascii_lowercase()).collect();
    for credential in &inventory.credentials {
        let Parent::Resource(id) = &credential.parent else { continue };
        let Some(identity) = of_id(id, credential.origin) else { continue };
        let id = id.to_ascii_lowercase();
        if !known.contains(&id) {
            let credentials_complete = assume_complete || whole.contains(&id);
            known.insert(id);
            inventory.identities.push(Identity { credentials_complete, ..identity });
        }
    }
}

/// The managed identity of that resource id.
pub(super) fn of_id(id: &str, origin: Origin) -> Option<Identity> {
    let (kind, name) = id.rsplit_once('/')?;
    let is_managed = kind.to_ascii_lowercase().ends_with(KIND) && !name.is_empty();
    let resource_group = repair::resource_group(id).unwrap_or_default();
    is_managed.then(|| Identity { id: id.into(), ..named(name, resource_group, origin) })
}

/// The managed identity of that name.
pub(super) fn named(name: &str, resource_group: &str, origin: Origin) -> Identity {
    Identity {
        kind: IdentityKind::UserAssigned,
        name: name.into(),
        client_id: "".into(),
        id: String::new(),
        principal_id: String::new(),
        tenant_id: String::new(),
        resource_group: resource_group.into(),
        location: String::new(),
        credentials_complete: false,
        declared: None,
        origin,
    }
}
