//! Management groups and what is below them.

use serde_json::{Value, json};

use super::ManagementGroup;
use super::estate::Estate;
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
    let Some(own) = estate.groups.iter().find(is) else {
        return Answer::error(404, "NotFound", &format!("The management group '{name}' cannot be found."));
    };
    match rest {
        [] => Answer::ok(group(estate, &own.name)),
        ["descendants" | "subscriptions"] => {
            let mut found = Vec::new();
            if rest == ["descendants"] {
                let below =
                    |it: &&ManagementGroup| it.parent.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(name));
                found.extend(estate.groups.iter().filter(below).map(|it| group(estate, &it.name)));
            }
            found.extend(estate.below(&own.name).into_iter().map(|it| {
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
