//! Whose the client ids are that pods, drivers and operators ask for.

use alloc::format;
use alloc::string::String;

use crate::model::Identity;
#[cfg(feature = "audit")]
use crate::repair;
use crate::trust::{Key, Link, Trust, Unknown};

/// Whose a client id is.
pub enum Asked<'a> {
    /// An identity's.
    Of(&'a Identity),
    /// Nobody's: why, and the identity that is meant, if that can be told.
    Nobody(String, Option<&'a Identity>),
    /// That of one whose service principal may not sign in: so it says, and what to do.
    #[cfg(feature = "audit")]
    Disabled(String, String),
}

/// Whose a client id is that somebody asks for, in a tenant, or in its own where none is named. What is an identity's
/// other id is nobody's, whatever else was listed.
///
/// # Errors
/// If not all that could have it was listed, or none of that tenant.
pub fn whose<'a, T: AsRef<str>>(
    client_id: &str,
    tenant: impl FnOnce() -> Result<T, Unknown>,
    trust: &Trust<'a>,
) -> Result<Asked<'a>, Unknown> {
    let looked_up = trust.identity(&client_id.into());
    if let Link::Found(identity) = looked_up {
        #[cfg(feature = "audit")]
        if trust.is_disabled(&client_id.into(), "")
            && tenant().is_ok_and(|tenant| trust.is_disabled(&client_id.into(), tenant.as_ref()))
        {
            return Ok(disabled(client_id, identity));
        }
        return Ok(Asked::Of(identity));
    }
    if let Some(meant) = trust.identity_by_id(client_id) {
        let which = if meant.principal_id.eq_ignore_ascii_case(client_id) { "principal" } else { "object" };
        let (name, right) = (&meant.name, &meant.client_id);
        let why = format!(
            "`{client_id}` is the {which} id of `{name}`, not its client id `{right}`: no token can be had for it"
        );
        return Ok(Asked::Nobody(why, Some(meant)));
    }
    looked_up.known()?;
    let tenant = tenant()?;
    if !tenant.as_ref().is_empty() && !trust.sees_tenant(tenant.as_ref()) {
        return Err(Unknown(Key::Identity(client_id.into())));
    }
    let why = format!("client id `{client_id}` belongs to none of the managed identities and app registrations listed");
    Ok(Asked::Nobody(why, None))
}

#[cfg(feature = "audit")]
fn disabled<'a>(client_id: &str, identity: &Identity) -> Asked<'a> {
    let name = &identity.name;
    let why = format!("the service principal of `{name}` is disabled: no token can be had for `{client_id}`");
    Asked::Disabled(why, format!("see who disabled it and why, then: {}", repair::enable(&client_id.into())))
}

/// The client id to set where nobody has the one that is said.
pub fn right(meant: Option<&Identity>) -> &str {
    meant.map_or("the client id of the identity that is meant", |identity| identity.client_id.as_str())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::inventory::Inventory;
    use crate::parameters::Parameters;
    use crate::sample::{cluster, identity};

    const PRINCIPAL: &str = "44444444-4444-4444-4444-444444444444";
    const OBJECT: &str = "55555555-5555-5555-5555-555555555555";

    fn nobody(id: &str, tenant: &'static str, inventory: &Inventory) -> Result<Option<String>, Unknown> {
        let parameters = Parameters::default();
        let trust = Trust::join(inventory, &parameters);
        Ok(match whose(id, || Ok(tenant), &trust)? {
            Asked::Of(_) => None,
            Asked::Nobody(why, meant) => Some(format!("{why}; {}", right(meant))),
            Asked::Disabled(why, fix) => Some(format!("{why}; {fix}")),
        })
    }

    #[test]
    fn a_client_id_of_nobody_is_told_from_another_id_of_an_identity() {
        let mut inventory = cluster();
        let its = Identity { id: OBJECT.into(), principal_id: PRINCIPAL.into(), tenant_id: "t".into(), ..identity() };
        let client_id = its.client_id.to_string();
        inventory.identities.push(its);
        assert_eq!(nobody(&client_id, "", &inventory), Ok(None));
        let other = |which, id| {
            let why = format!("`{id}` is the {which} id of `id`, not its client id `{client_id}`");
            Ok(Some(format!("{why}: no token can be had for it; {client_id}")))
        };
        assert_eq!(nobody(PRINCIPAL, "elsewhere", &inventory), other("principal", PRINCIPAL));
        assert_eq!(nobody(OBJECT, "", &inventory), other("object", OBJECT));

        inventory.coverage.disabled.insert(client_id.clone());
        let said = nobody(&client_id, "t", &inventory).ok().flatten().unwrap_or_default();
        assert!(
            said.starts_with("the service principal of `id` is disabled") && said.contains("az ad sp update"),
            "{said}"
        );
        assert_eq!(nobody(&client_id, "elsewhere", &inventory), Ok(None), "it may have another there");

        const NOBODY: &str = "66666666-6666-6666-6666-666666666666";
        let unread = Err(Unknown(Key::Identity(NOBODY.into())));
        assert_eq!(nobody(NOBODY, "", &inventory), unread, "not all were listed");
        (inventory.coverage.managed_identities, inventory.coverage.applications) = (true, true);
        assert_eq!(nobody(NOBODY, "elsewhere", &inventory), unread, "nothing is listed of its tenant");
        for tenant in ["", "t"] {
            let said = nobody(NOBODY, tenant, &inventory);
            assert!(
                matches!(&said, Ok(Some(why)) if why.ends_with("; the client id of the identity that is meant")),
                "{said:?}"
            );
        }
    }
}
