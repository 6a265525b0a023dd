//! The JSON Patch (RFC 6902) that makes one object of another: what differs in maps, member by
//! member; anything else that differs, as a whole.

use serde::Serialize;
use serde_json::{Map, Value};

/// One step of a patch.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Step<'a> {
    /// The place gets a value that it has not.
    Add { path: String, value: &'a Value },
    /// The place has another value.
    Replace { path: String, value: &'a Value },
    /// The place goes away.
    Remove { path: String },
}

/// The steps from one to the other; none if they are equal.
pub(super) fn between<'a>(from: &Value, to: &'a Value) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    compare("", from, to, &mut steps);
    // No step lies within another, so that they may come in any order; this one is always the same.
    steps.sort_by(|a, b| a.path().cmp(b.path()));
    steps
}

impl Step<'_> {
    fn path(&self) -> &str {
        match self {
            Self::Add { path, .. } | Self::Replace { path, .. } | Self::Remove { path } => path,
        }
    }
}

fn compare<'a>(path: &str, from: &Value, to: &'a Value, steps: &mut Vec<Step<'a>>) {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => compare_maps(path, from, to, steps),
        (from, to) if from == to => {}
        (_, value) => steps.push(Step::Replace { path: path.into(), value }),
    }
}

fn compare_maps<'a>(path: &str, from: &Map<String, Value>, to: &'a Map<String, Value>, steps: &mut Vec<Step<'a>>) {
    // Members are told apart as RFC 6901 asks.
    let below = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    for (key, value) in from {
        match to.get(key) {
            Some(changed) => compare(&below(key), value, changed, steps),
            None => steps.push(Step::Remove { path: below(key) }),
        }
    }
    for (key, value) in to {
        if !from.contains_key(key) {
            steps.push(Step::Add { path: below(key), value });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::between;
    use serde_json::json;

    #[test]
    fn a_label_is_moved_and_nothing_else() {
        let from = json!({"metadata": {"labels": {"azure.workload.identity/use": "true", "a~b": "c"}},
            "spec": {"template": {"metadata": {}, "spec": {"containers": [1]}}}});
        let to = json!({"metadata": {"labels": {"a~b": "d"}},
            "spec": {"template": {"metadata": {"labels": {"azure.workload.identity/use": "true"}}, "spec": {"containers": [1]}}}});
        let patch = serde_json::to_value(between(&from, &to)).unwrap();
        assert_eq!(
            patch,
            json!([
                {"op": "remove", "path": "/metadata/labels/azure.workload.identity~1use"},
                {"op": "replace", "path": "/metadata/labels/a~0b", "value": "d"},
                {"op": "add", "path": "/spec/template/metadata/labels", "value": {"azure.workload.identity/use": "true"}},
            ])
        );
    }

    #[test]
    fn equal_objects_need_no_patch() {
        let object = json!({"a": [{"b": 1}], "c": null});
        assert_eq!(between(&object, &object), []);
        let patch = serde_json::to_value(between(&object, &json!({"a": [], "c": null}))).unwrap();
        assert_eq!(patch, json!([{"op": "replace", "path": "/a", "value": []}]));
    }
}
