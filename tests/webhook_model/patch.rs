//! JSON Patch (RFC 6902), as much of it as the webhook answers with.

use serde_json::Value;
use wiguard_tests::cluster::base64::decode;

/// An object with the patch of a response, in base64, applied to it; no patch changes nothing.
pub(crate) fn apply(object: &Value, patch: &Value) -> Value {
    let mut object = object.clone();
    let Some(text) = patch.as_str() else { return object };
    let operations: Vec<Value> = serde_json::from_slice(&decode(text)).unwrap();
    for operation in operations {
        let path = operation["path"].as_str().unwrap();
        let (parent, key) = path.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("nothing is at {path}"));
        let value = operation["value"].clone();
        match (operation["op"].as_str().unwrap(), parent) {
            ("add" | "replace", Value::Object(members)) => {
                members.insert(key, value);
            }
            ("remove", Value::Object(members)) => {
                members.remove(&key).unwrap_or_else(|| panic!("nothing is at {path}"));
            }
            ("add", Value::Array(elements)) if key == "-" => elements.push(value),
            ("add", Value::Array(elements)) => elements.insert(key.parse().unwrap(), value),
            ("replace", Value::Array(elements)) => elements[key.parse::<usize>().unwrap()] = value,
            ("remove", Value::Array(elements)) => {
                elements.remove(key.parse().unwrap());
            }
            (other, parent) => panic!("{other} at {path} of {parent}"),
        }
    }
    object
}
