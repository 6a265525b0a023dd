//! Expressions of templates: `[concat('a', parameters('b'))]`. Evaluated are literals, parameters
//! that have a value, variables, and the functions that only put texts together; whatever else is
//! in a text leaves a hole there, so that what stands around it is still known.

use serde_json::{Map, Value};

/// What stands for a part of a text that is unknown: a letter of Unicode's private use.
const HOLE: char = '\u{f8ff}';
/// How deeply expressions may nest, and parameters and variables name one another.
const DEPTH: usize = 32;

/// What expressions can refer to.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Values of parameters, as far as they are known.
    pub(super) parameters: Map<String, Value>,
    /// Variables, not evaluated yet.
    pub(super) variables: Map<String, Value>,
}

/// A text without holes.
pub(super) fn whole(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| is_whole(text) && !text.is_empty())
}

/// Whether nothing of a text is unknown.
pub(super) fn is_whole(text: &str) -> bool {
    !text.contains(HOLE)
}

impl Scope {
    /// A value with its expressions evaluated.
    pub(super) fn value(&self, value: &Value) -> Value {
        self.at(value, DEPTH)
    }

    fn at(&self, value: &Value, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return unknown() };
        match value {
            Value::String(text) => match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                // `[[` escapes the bracket
                Some(rest) if rest.starts_with('[') => Value::String(format!("{rest}]")),
                Some(expression) => self.expression(expression, depth),
                None => value.clone(),
            },
            Value::Array(list) => Value::Array(list.iter().map(|it| self.at(it, depth)).collect()),
            Value::Object(members) => {
                Value::Object(members.iter().map(|(name, it)| (name.clone(), self.at(it, depth))).collect())
            }
            _ => value.clone(),
        }
    }

    fn expression(&self, text: &str, depth: usize) -> Value {
        let mut reader = Reader { rest: text, scope: self };
        match reader.term(depth) {
            Some(value) if reader.rest.trim().is_empty() => value,
            _ => unknown(),
        }
    }

    fn call(&self, name: &str, arguments: &[Value], depth: usize) -> Value {
        let text = |index: usize| arguments.get(index).and_then(Value::as_str);
        let lower = name.to_ascii_lowercase();
        match (lower.as_str(), arguments) {
            ("parameters", [Value::String(name)]) => member(&self.parameters, name).cloned().unwrap_or_else(unknown),
            ("variables", [Value::String(name)]) => {
                member(&self.variables, name).map_or_else(unknown, |value| self.at(value, depth))
            }
            ("concat", [Value::Array(_), ..]) => {
                let lists = arguments.iter().map(Value::as_array).collect::<Option<Vec<_>>>();
                lists.map_or_else(unknown, |lists| Value::Array(lists.into_iter().flatten().cloned().collect()))
            }
            ("concat", _) => Value::String(arguments.iter().map(shown).collect()),
            ("format", _) => {
                text(0).map_or_else(unknown, |pattern| format(pattern, arguments.get(1..).unwrap_or_default()))
            }
            ("tolower", [Value::String(text)]) => Value::String(text.to_lowercase()),
            ("toupper", [Value::String(text)]) => Value::String(text.to_uppercase()),
            ("string", [one]) => Value::String(shown(one)),
            ("createarray", _) => Value::Array(arguments.to_vec()),
            ("true", []) => Value::Bool(true),
            ("false", []) => Value::Bool(false),
            ("resourceid", _) => resource_id(arguments),
            _ => unknown(),
        }
    }
}

/// `resourceId`, without the subscription and group it does not name.
fn resource_id(arguments: &[Value]) -> Value {
    let texts: Option<Vec<&str>> = arguments.iter().map(Value::as_str).collect();
    let Some(texts) = texts else { return unknown() };
    let Some(kind) = texts.iter().position(|text| text.contains('/') && text.contains('.')) else { return unknown() };
    let (Some(kind), names) = (texts.get(kind), texts.get(kind.saturating_add(1)..).unwrap_or_default()) else {
        return unknown();
    };
    let mut segments = kind.split('/');
    let mut id = format!("/providers/{}", segments.next().unwrap_or_default());
    for (segment, name) in segments.zip(names) {
        id.push_str(&format!("/{segment}/{name}"));
    }
    Value::String(id)
}

/// `format('{0}-{1}', …)`; with a width or a form it is not evaluated.
fn format(pattern: &str, arguments: &[Value]) -> Value {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(open) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(open);
        out.push_str(before);
        if let Some(escaped) = ["{{", "}}"].iter().find(|pair| after.starts_with(**pair)) {
            out.push_str(escaped.get(..1).unwrap_or_default());
            rest = after.get(2..).unwrap_or_default();
            continue;
        }
        let Some((index, after)) = after.get(1..).and_then(|after| after.split_once('}')) else { return unknown() };
        match index.parse::<usize>().ok().and_then(|index| arguments.get(index)) {
            Some(argument) => out.push_str(&shown(argument)),
            None => out.push(HOLE),
        }
        rest = after;
    }
    out.push_str(rest);
    Value::String(out)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => HOLE.into(),
    }
}

fn unknown() -> Value {
    Value::String(HOLE.into())
}

/// Names of parameters and variables are compared without regard to case.
fn member<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    members.get(name).or_else(|| members.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

struct Reader<'a> {
    rest: &'a str,
    scope: &'a Scope,
}

impl Reader<'_> {
    /// A literal or a call; `None` if it cannot be read. What is asked of a call's result (`.id`,
    /// `[0]`) is read and makes it unknown.
    fn term(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('\'') {
            return self.literal(rest);
        }
        let end = self.rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_.-".contains(letter));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if word.is_empty() {
            return None;
        }
        let Some(inner) = rest.trim_start().strip_prefix('(') else {
            self.rest = rest;
            return Some(word.parse::<i64>().map_or_else(|_| unknown(), Value::from));
        };
        self.rest = inner;
        let arguments = self.arguments(depth)?;
        let value = self.scope.call(word, &arguments, depth);
        Some(if self.skip_access(depth)? { unknown() } else { value })
    }

    fn arguments(&mut self, depth: usize) -> Option<Vec<Value>> {
        let mut arguments = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix(')') {
                self.rest = rest;
                return Some(arguments);
            }
            arguments.push(self.term(depth)?);
            self.rest = self.rest.trim_start();
            self.rest = match self.rest.strip_prefix(',') {
                Some(rest) => rest,
                None if self.rest.starts_with(')') => self.rest,
                None => return None,
            };
        }
    }

    /// A text in quotes, where two quotes are one.
    fn literal(&mut self, mut rest: &str) -> Option<Value> {
        let from = self.rest.len().checked_sub(rest.len())?;
        let mut used = from;
        let mut text = String::new();
        loop {
            let end = rest.find('\'')?;
            text.push_str(rest.get(..end)?);
            rest = rest.get(end.checked_add(1)?..)?;
            used = used.checked_add(end)?.checked_add(1)?;
            match rest.strip_prefix('\'') {
                Some(after) => {
                    text.push('\'');
                    rest = after;
                    used = used.checked_add(1)?;
                }
                None => {
                    self.rest = self.rest.get(used..)?;
                    return Some(Value::String(text));
                }
            }
        }
    }

    /// Passes over `.member` and `[index]`; whether there was any.
    fn skip_access(&mut self, depth: usize) -> Option<bool> {
        let mut any = false;
        loop {
            let rest = self.rest;
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
                self.rest = after.split_at(end.unwrap_or(after.len())).1;
            } else if let Some(after) = rest.strip_prefix('[') {
                self.rest = after;
                self.term(depth)?;
                self.rest = self.rest.trim_start().strip_prefix(']')?;
            } else {
                return Some(any);
            }
            any = true;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        let map = |value: Value| value.as_object().unwrap().clone();
        Scope {
            parameters: map(json!({"env": "prod", "count": 3, "names": ["a"]})),
            variables: map(json!({"name": "[concat('id-', parameters('env'))]", "loop": "[variables('loop')]"})),
        }
    }

    fn known(expression: &str) -> Option<String> {
        let value = scope().value(&json!(expression));
        whole(&value).map(Into::into)
    }

    #[test]
    fn texts_are_put_together() {
        for (expression, text) in [
            ("plain", "plain"),
            ("[[not an expression]", "[not an expression]"),
            ("[parameters('env')]", "prod"),
            ("[PARAMETERS('ENV')]", "prod"),
            ("[variables('name')]", "id-prod"),
            ("[concat('a', 'it''s', string(parameters('count')))]", "ait's3"),
            ("[format('{0}/{1}', variables('name'), 'fc')]", "id-prod/fc"),
            ("[ format( '{{{0}}}' , toUpper('x') ) ]", "{X}"),
            (
                "[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'id')]",
                "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id",
            ),
        ] {
            assert_eq!(known(expression).as_deref(), Some(text), "{expression}");
        }
    }

    #[test]
    fn what_is_not_certain_is_unknown() {
        for expression in [
            "[parameters('other')]",
            "[uniqueString(resourceGroup().id)]",
            "[reference('x').properties.issuerURL]",
            "[parameters('names')[0]]",
            "[variables('loop')]",
            "[concat('a']",
            "[concat('a') 'b']",
            "[format('{0:N}', 1)]",
            "[format('{1}', 'a')]",
            "[if(true(), 'a', 'b')]",
            "[]",
        ] {
            assert_eq!(known(expression), None, "{expression}");
        }
        let deep = format!("[{}'a'{}]", "concat(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(known(&deep), None);
    }

    #[test]
    fn a_hole_leaves_the_rest_known() {
        let value = scope().value(&json!("[format('{0}/{1}', reference('x').id, 'fc')]"));
        let (hole, known) = value.as_str().unwrap().split_once('/').unwrap();
        assert_eq!((is_whole(hole), known), (false, "fc"));
    }
}
