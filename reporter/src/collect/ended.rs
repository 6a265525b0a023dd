//! Ended: a list whose end was reached, and whether it is all there.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::read::Wrapper;

/// A list that was read to its end, or to where it broke off.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ended {
    pub(crate) id: u32,
    pub(crate) line: u32,
    pub(crate) wrapper: Wrapper,
    pub(crate) elements: u64,
    /// Whether it is all there: not cut off, no further page.
    #[serde(default)]
    pub(crate) whole: bool,
    /// The member that says that there is more; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) more: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) api_version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) kind: String,
    /// `@odata.context`, which names the parent of what Graph lists.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) context: String,
}

impl Ended {
    /// Reads its envelope.
    pub(super) fn of(id: u32, line: u32, wrapper: Wrapper, elements: u64, complete: bool, json: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(json).unwrap_or_default();
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let more = further(&value, elements);
        Self {
            id,
            line,
            wrapper,
            elements,
            whole: complete && more.is_none(),
            more: more.unwrap_or_default().into(),
            api_version: text("apiVersion").into(),
            kind: text("kind").into(),
            context: text("@odata.context").into(),
        }
    }

    /// What to say of a list that is not all there.
    pub(crate) fn lack(&self) -> Option<String> {
        let rest = match self.more.as_str() {
            "" => return None,
            "nextLink" | "@odata.nextLink" => "fetch what it names too, or give the output of `az`, which follows it",
            "metadata.continue" | "metadata.remainingItemCount" => {
                "ask again without a limit: `kubectl get` reads to the end, `kubectl get --raw` one page"
            }
            _ => "repeat the query with --skip-token until nothing is left, and give every answer",
        };
        let more = &self.more;
        Some(format!("this list is not all there (`{more}`), so that what it lacks is not taken as absent; {rest}"))
    }
}

/// The member by which a list says that it is not all there: of Azure Resource Manager and Microsoft
/// Graph, of Kubernetes (meta/v1, `ListMeta`), and of Resource Graph and `az graph query`.
fn further(list: &Value, elements: u64) -> Option<&'static str> {
    let text = |name: &&str| list.get(*name).and_then(Value::as_str).is_some_and(|link| !link.is_empty());
    let metadata = |name: &str| list.get("metadata").and_then(|metadata| metadata.get(name));
    let counted = |name: &&str| list.get(*name).and_then(Value::as_u64).is_some_and(|all| all > elements);
    let link = ["nextLink", "@odata.nextLink", "skip_token", "$skipToken", "skipToken"].into_iter().find(text);
    let of_kubernetes = || {
        let goes_on = metadata("continue").and_then(Value::as_str).is_some_and(|token| !token.is_empty());
        let left = metadata("remainingItemCount").and_then(Value::as_u64).is_some_and(|left| left > 0);
        if goes_on { Some("metadata.continue") } else { left.then_some("metadata.remainingItemCount") }
    };
    let cut = || (list.get("resultTruncated").and_then(Value::as_str) == Some("true")).then_some("resultTruncated");
    link.or_else(of_kubernetes).or_else(cut).or_else(|| ["total_records", "totalRecords"].into_iter().find(counted))
}
