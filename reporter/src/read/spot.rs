//! Which member of a JSON text a byte belongs to: a parser says where it stopped, not what it was reading.

/// A container the walk is inside of, and where in it.
enum Level<'a> {
    Object { key: &'a str, at_key: bool },
    Array(usize),
}

/// The path of the value that a parser was reading when it had consumed `offset` bytes of a JSON
/// text, such as `spec.containers[0].env`; empty for the document itself. A name that is no word
/// stands in brackets.
#[must_use]
pub fn path_at(json: &str, offset: usize) -> String {
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut at = 0;
    while at < offset {
        let rest = json.get(at..).unwrap_or_default();
        let Some(first) = rest.bytes().next() else { break };
        let length = match first {
            b'"' => text_length(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => 1,
            _ => rest.find([',', '}', ']', ':', '"', ' ', '\t', '\r', '\n']).unwrap_or(rest.len()),
        };
        at += length;
        match (first, levels.last_mut()) {
            // What stopped at a bracket, stopped at the container.
            (b'{', _) if at < offset => levels.push(Level::Object { key: "", at_key: true }),
            (b'[', _) if at < offset => levels.push(Level::Array(0)),
            (b'}' | b']', _) => drop(levels.pop()),
            (b',', Some(Level::Array(index))) => *index += 1,
            (b',', Some(Level::Object { at_key, .. })) => *at_key = true,
            (b'"', Some(Level::Object { key, at_key })) if *at_key => {
                *key = rest.get(1..length.saturating_sub(1)).unwrap_or_default();
                *at_key = false;
            }
            _ => {}
        }
    }
    levels.iter().fold(String::new(), |path, level| match level {
        Level::Array(index) => format!("{path}[{index}]"),
        Level::Object { key: "", .. } => path,
        Level::Object { key, .. } if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
            format!("{path}[{key}]")
        }
        Level::Object { key, .. } if path.is_empty() => (*key).to_owned(),
        Level::Object { key, .. } => format!("{path}.{key}"),
    })
}

/// How many bytes a text takes with both its quotes, or to the end if it is cut off.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::path_at;

    #[derive(Deserialize)]
    struct Pod {
        #[serde(rename = "spec")]
        _spec: Spec,
    }

    #[derive(Deserialize)]
    struct Spec {
        #[serde(rename = "containers")]
        _containers: Vec<Container>,
    }

    #[derive(Deserialize)]
    struct Container {
        #[serde(rename = "env/of", default)]
        _env: Vec<String>,
    }

    /// Where serde_json's own parser stops, in one line and in many.
    fn stops(value: &Value) -> [String; 2] {
        [value.to_string(), serde_json::to_string_pretty(value).unwrap()].map(|text| {
            let error = serde_json::from_str::<Pod>(&text).map(drop).unwrap_err();
            let before: usize = text.lines().take(error.line() - 1).map(|line| line.len() + 1).sum();
            path_at(&text, before + error.column())
        })
    }

    #[test]
    fn the_path_is_that_of_the_value_of_another_type() {
        for (value, path) in [
            (json!({"spec": {"containers": "app"}}), "spec.containers"),
            (json!({"spec": {"a": [1, {"b": 2}], "containers": 5, "z": 1}}), "spec.containers"),
            (json!({"spec": {"containers": {"name": "app"}}}), "spec.containers"),
            (json!({"spec": {"containers": [{}, "app"]}}), "spec.containers[1]"),
            (json!({"spec": {"containers": [{"env/of": true}]}}), "spec.containers[0][env/of]"),
            (json!({"spec": {"containers": [{"env/of": ["a\"],b", 1]}]}}), "spec.containers[0][env/of][1]"),
            (json!({"spec": ["x"]}), "spec[0]"),
            (json!({"other": {"spec": 1}}), ""),
        ] {
            assert_eq!(stops(&value), [path, path], "{value}");
        }
    }

    #[test]
    fn no_text_and_no_place_is_too_odd() {
        let text = "{\"ä\": [\"\\\\\", tru \"x\\";
        for offset in 0..text.len() + 9 {
            let _ = path_at(text, offset);
        }
        assert_eq!(path_at(text, text.len()), "[ä][1]");
        assert_eq!(path_at("", 3), "");
    }
}
