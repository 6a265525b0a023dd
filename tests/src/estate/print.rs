//! How the command lines lay their answers out: kubectl's JSON and YAML, az's JSON. Keys come
//! sorted, as both tools print them.

use serde_json::{Map, Value};

/// Appends `value` as JSON, indented by `step` and starting at `level`, without a final newline.
pub(super) fn json(value: &Value, step: &str, level: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (index, (key, member)) in map.iter().enumerate() {
                out.push_str(if index == 0 { "{\n" } else { ",\n" });
                pad(step, level + 1, out);
                quoted(key, out);
                out.push_str(": ");
                json(member, step, level + 1, out);
            }
            out.push('\n');
            pad(step, level, out);
            out.push('}');
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, member) in list.iter().enumerate() {
                out.push_str(if index == 0 { "[\n" } else { ",\n" });
                pad(step, level + 1, out);
                json(member, step, level + 1, out);
            }
            out.push('\n');
            pad(step, level, out);
            out.push(']');
        }
        Value::String(text) => quoted(text, out),
        other => out.push_str(&other.to_string()),
    }
}

/// `value` as `kubectl -o json` prints it: four spaces, and a newline at the end.
pub(super) fn kubectl(value: &Value) -> String {
    laid_out(value, "    ")
}

/// `value` as `az -o json` prints it: two spaces, and a newline at the end.
pub(super) fn az(value: &Value) -> String {
    laid_out(value, "  ")
}

/// `value` as `kubectl -o yaml` prints it: lists are not indented under their key.
pub(super) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn laid_out(value: &Value, step: &str) -> String {
    let mut out = String::new();
    json(value, step, 0, &mut out);
    out.push('\n');
    out
}

fn pad(step: &str, level: usize, out: &mut String) {
    for _ in 0..level {
        out.push_str(step);
    }
}

fn quoted(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        out.push_str(&Value::from(text).to_string());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

fn block(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => members(map, depth, true, out),
        Value::Array(list) if !list.is_empty() => {
            for item in list {
                pad(" ", depth, out);
                out.push_str("- ");
                match item {
                    Value::Object(map) if !map.is_empty() => members(map, depth + 2, false, out),
                    scalar => line(scalar, out),
                }
            }
        }
        scalar => line(scalar, out),
    }
}

/// The members of a mapping; the first one stays on the line of its dash when not `padded`.
fn members(map: &Map<String, Value>, depth: usize, padded: bool, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        if padded || index > 0 {
            pad(" ", depth, out);
        }
        scalar(key, out);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                members(inner, depth + 2, true, out);
            }
            Value::Array(list) if !list.is_empty() => {
                out.push('\n');
                block(value, depth, out);
            }
            other => {
                out.push(' ');
                line(other, out);
            }
        }
    }
}

fn line(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => scalar(text, out),
        other => out.push_str(&other.to_string()),
    }
    out.push('\n');
}

fn scalar(text: &str, out: &mut String) {
    const WORDS: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "~"];
    let first = text.bytes().next().unwrap_or(b' ');
    // Moments, dates and numbers of base 60, which YAML would read as other than text.
    let moment =
        text.contains(['-', ':']) && text.bytes().all(|byte| byte.is_ascii_digit() || b"-_.:TZ".contains(&byte));
    let word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if word || text.parse::<f64>().is_ok() || moment || text.contains('\n') {
        out.push_str(&Value::from(text).to_string());
    } else if text.is_empty() {
        out.push_str("\"\"");
    } else if b"*&!|>'\"%@`#-?:,[]{} ".contains(&first)
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with([':', ' '])
    {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        out.push_str(text);
    }
}
