//! What is none of the chain's: Azure's other resources, of which nothing is wanted, and what is nothing that
//! is known.

use serde_json::Value;

use super::{Unrecognised, View};

/// Tells what an object is that is none of the chain's, with its type and id in lower case.
pub(super) fn tell(view: View<'_>, kind: &str, id: &str) -> Unrecognised {
    elsewhere(view, kind, id).map_or_else(|| strange(view.0), Unrecognised::Useless)
}

/// What a whole record of Azure is that is none of the chain's, by its type, its id, or as `az account list`
/// prints subscriptions.
fn elsewhere(view: View<'_>, kind: &str, id: &str) -> Option<&'static str> {
    let is_type = kind.split_once('/').is_some_and(|(provider, rest)| provider.contains('.') && !rest.is_empty());
    let is_id = id.starts_with("/subscriptions/") || id.starts_with("/providers/");
    if is_id && (is_type || kind.is_empty() && id.contains("/providers/")) {
        return Some("resource of Azure of another type");
    }
    (view.has("isDefault") && view.has("tenantId") && view.has("state")).then_some("subscription of Azure")
}

fn strange(value: &Value) -> Unrecognised {
    let Value::Object(members) = value else {
        return Unrecognised::Strange("this value is not an object of Kubernetes or Azure".into());
    };
    let has = |name: &str| members.contains_key(name);
    if has("error") {
        let said = value.pointer("/error/message").or_else(|| value.get("error"));
        let reason = said.and_then(Value::as_str).unwrap_or("no message");
        return Unrecognised::Strange(format!(
            "this is an error that Azure answered, `{reason}`; mend that and ask again"
        ));
    }
    if has("apiVersion") && has("version") && has("name") {
        return Unrecognised::Strange(
            "this is the description of a Helm chart; give the output of `helm template`".into(),
        );
    }
    if members.is_empty() {
        return Unrecognised::Strange(
            "this object is empty; the command that wrote it may have failed, run it again".into(),
        );
    }
    let names: Vec<&str> = members.keys().take(4).map(String::as_str).collect();
    Unrecognised::Strange(format!(
        "this object (`{}`{}) is nothing of Kubernetes or Azure that is known here; give the whole output of kubectl or az, without --query",
        names.join("`, `"),
        if members.len() > names.len() { " …" } else { "" },
    ))
}
