//! Management groups and what is below them. The root of a tenant has its id for a name, and everything
//! below it; whoever has no role in one of its subscriptions has none at the root.

use serde_json::{Value, json};

use super::ManagementGroup;
use super::estate::{Estate, Subscription};
use super::http::{Answer, Asked};
use super::manager::list;
use super::server::State;
use super::tokens::Grant;

pub(super) fn group(estate: &Estate, name: &str) -> Value {
    let own = estate.groups.iter().find(|it| it.name.eq_ignore_ascii_case(name));
    let tenant = own.map_or("", |it| estate.tenants[it.tenant].id.as_str());
    json!({"id": format!("/providers/Microsoft.Management/managementGroups/{name}"), "name": name,
        "type": "Microsoft.Management/managementGroups", "properties": {"tenantId": tenant, "displayName": name}})
}

pub(super) fn groups(state: &State, asked: &Asked, grant: &Grant, name: &str, rest: &[&str]) -> Answer {
    let estate = &state.estate;
    let is = |it: &&ManagementGroup| it.name.eq_ignore_ascii_case(name) && it.tenant == grant.tenant;
    let tenant = &estate.tenants[grant.tenant];
    let is_root = tenant.id.eq_ignore_ascii_case(name);
    let of_tenant = |it: &&Subscription| it.tenant == grant.tenant;
    if is_root && estate.subscriptions.iter().filter(of_tenant).any(|it| state.is_hidden(&it.id)) {
        let said = format!(
            "The client does not have authorization to perform action 'Microsoft.Management/managementGroups/{}/read' over scope '/providers/Microsoft.Management/managementGroups/{name}' or the scope is invalid.",
            rest.join("/")
        );
        return Answer::error(403, "AuthorizationFailed", &said);
    }
    let own = match estate.groups.iter().find(is) {
        Some(own) => own.name.as_str(),
        None if is_root => tenant.id.as_str(),
        None => return Answer::error(404, "NotFound", &format!("The management group '{name}' cannot be found.")),
    };
    match rest {
        [] => Answer::ok(group(estate, own)),
        ["descendants" | "subscriptions"] => {
            let mut found = Vec::new();
            if rest == ["descendants"] {
                let below = |it: &&ManagementGroup| {
                    it.parent.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(name))
                        || is_root && it.tenant == grant.tenant
                };
                found.extend(estate.groups.iter().filter(below).map(|it| group(estate, &it.name)));
            }
            let subscriptions =
                if is_root { estate.subscriptions.iter().filter(of_tenant).collect() } else { estate.below(own) };
            found.extend(subscriptions.into_iter().map(|it| {
                let parent = format!(
                    "/providers/Microsoft.Management/managementGroups/{}",
                    it.group.as_deref().unwrap_or_default()
                );
                let kind = if rest == ["descendants"] {
                    "/subscriptions"
                } else {
                    "Microsoft.Management/managementGroups/subscriptions"
                };
                json!({"id": format!("/subscriptions/{}", it.id), "name": it.id, "type": kind,
                    "properties": {"displayName": it.name, "parent": {"id": parent}}})
            }));
            list(asked, found.len(), state.options.page, |at| found[at].clone())
        }
        _ => Answer::error(404, "NotFound", "The resource could not be found."),
    }
}
