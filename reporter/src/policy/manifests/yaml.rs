//! YAML as it is written for people: members in the order given, quotes where they are needed, and
//! text of several lines as a block. Writing alone; what reads YAML is [`crate::read`].

/// A value of YAML.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A number or a boolean.
    Bare(String),
    /// A string.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Vec<(String, Node)>),
}

/// A mapping.
pub(crate) fn map<const N: usize>(members: [(&str, Node); N]) -> Node {
    Node::Map(members.into_iter().map(|(name, node)| (name.to_owned(), node)).collect())
}

/// A sequence.
pub(crate) fn list<T: Into<Node>>(elements: impl IntoIterator<Item = T>) -> Node {
    Node::List(elements.into_iter().map(Into::into).collect())
}

/// A document.
pub(crate) fn document(node: &Node) -> String {
    let mut out = String::new();
    node.write(&mut out, 0);
    out
}

// === impl Node ===

impl Node {
    /// The mapping with one more member.
    pub(crate) fn with(mut self, name: &str, node: Node) -> Self {
        if let Self::Map(members) = &mut self {
            members.push((name.to_owned(), node));
        }
        self
    }

    /// Writes it where a line begins.
    fn write(&self, out: &mut String, indent: usize) {
        match self {
            Self::Map(members) if !members.is_empty() => {
                for (index, (name, node)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push_str(&" ".repeat(indent));
                    }
                    out.push_str(&scalar(name));
                    out.push(':');
                    node.write_member(out, indent);
                }
            }
            Self::List(elements) if !elements.is_empty() => {
                for (index, node) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push_str(&" ".repeat(indent));
                    }
                    out.push_str("- ");
                    node.write(out, indent + 2);
                }
            }
            _ => {
                out.push_str(&self.inline(indent).unwrap_or_default());
                out.push('\n');
            }
        }
    }

    /// Writes it behind a member's name.
    fn write_member(&self, out: &mut String, indent: usize) {
        if let Some(inline) = self.inline(indent) {
            out.push(' ');
            out.push_str(&inline);
            out.push('\n');
        } else {
            out.push('\n');
            out.push_str(&" ".repeat(indent + 2));
            self.write(out, indent + 2);
        }
    }

    /// The value on the rest of a line, or as a block that begins on it.
    fn inline(&self, indent: usize) -> Option<String> {
        match self {
            Self::Bare(text) => Some(text.clone()),
            Self::Text(text) => Some(block(text, indent + 2).unwrap_or_else(|| scalar(text))),
            Self::Map(members) => members.is_empty().then(|| "{}".to_owned()),
            Self::List(elements) => {
                let words = elements.iter().map(|element| match element {
                    Self::Text(text) if !text.contains(['\n', ',']) => Some(scalar(text)),
                    Self::Bare(text) => Some(text.clone()),
                    _ => None,
                });
                let flow = format!("[{}]", words.collect::<Option<Vec<_>>>()?.join(", "));
                (indent + flow.len() < 110).then_some(flow)
            }
        }
    }
}

/// Text of several lines as a literal block; `None` if it is none, or begins or ends oddly.
fn block(text: &str, indent: usize) -> Option<String> {
    let odd = |byte: u8| byte < b' ' && byte != b'\n';
    let lines = text.strip_suffix('\n').unwrap_or(text);
    if !lines.contains('\n') || lines.starts_with([' ', '\n']) || lines.ends_with('\n') || text.bytes().any(odd) {
        return None;
    }
    let mut out = if text.ends_with('\n') { "|".to_owned() } else { "|-".to_owned() };
    for line in lines.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
    }
    Some(out)
}

/// A string on one line: bare if nothing in it means anything to YAML, of whatever version.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
    let bare = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(plain)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if bare {
        text.to_owned()
    } else if text.contains(['"', '\\']) && !text.chars().any(char::is_control) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        serde_json::Value::from(text).to_string()
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bare(value.to_string())
    }
}

impl From<&serde_json::Value> for Node {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(elements) => Self::List(elements.iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Map(members.iter().map(|(name, value)| (name.clone(), value.into())).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Bare(value.to_string()),
        }
    }
}

impl From<u16> for Node {
    fn from(number: u16) -> Self {
        Self::Bare(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Cursor;

    use serde_json::{Value, json};

    use super::{Node, document, list, map};
    use crate::read::{Limits, Root, read_all};

    fn read(text: &str) -> Value {
        let text = text.to_owned();
        let stdin = || Box::new(Cursor::new(text.clone())) as Box<_>;
        let outcome = read_all(&[Root::Stdin], stdin, &Limits::default(), |batch| {
            batch.pieces().map(|piece| piece.json.to_vec()).collect::<Vec<_>>()
        });
        let pieces: Vec<_> = outcome.results.into_iter().flat_map(|(_, pieces)| pieces).collect();
        assert_eq!(pieces.len(), 1, "{text}");
        serde_json::from_slice(pieces.first().unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let texts = [
            "plain",
            "",
            " ",
            "true",
            "Off",
            "1",
            "1e3",
            "0x1f",
            "12:30",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "{a}",
            "*a",
            "it's",
            "say \"a\"",
            "it's \"a\"\\",
            "two\nlines",
            "two\nlines\n",
            "\nfirst",
            "last\n\n",
            " a\n b",
            "a\tb\nc",
            "a\n\n  b\nc",
            "ä",
            "\u{85}",
            "a,b",
            "null",
            "~",
            "2020-01-01",
            "@a",
            "`a`",
            "%a",
            "!a",
            "&a",
            "a/b.c-d_e",
        ];
        let node = map([
            ("texts", list(texts)),
            ("nested", list([list(texts), Node::List(Vec::new())])),
            ("on", true.into()),
            ("port", 8443_u16.into()),
            ("empty", map([])),
            (
                "maps",
                list([map([("a", "two\nlines".into()), ("b", list(["c"])), ("c", list([map([("d", "e".into())])]))])]),
            ),
        ]);
        let expected = json!({
            "texts": texts.as_slice(), "nested": [texts.as_slice(), []], "on": true, "port": 8443, "empty": {},
            "maps": [{"a": "two\nlines", "b": ["c"], "c": [{"d": "e"}]}],
        });
        let text = document(&node);
        assert_eq!(read(&text), expected, "{text}");
        let members = texts.map(|text| (text.to_owned(), Node::from(text)));
        let text = document(&Node::Map(members.to_vec()));
        let read = read(&text);
        assert!(texts.iter().all(|text| read.get(text) == Some(&json!(text))), "{text}");
    }
}
