//! Conditions: the expressions of CEL that say of which requests a webhook is asked. What of them hangs on
//! the namespace alone, or on what is the same for every pod that is created, is evaluated; of all else
//! nothing is kept, and nothing known. Only the audit reads them.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::is_placeholder;

/// How deep an expression may be nested; what is deeper is not read.
const DEPTH: u8 = 12;

/// A member of `matchConditions`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// What it says.
    pub expression: Expression,
}

/// What an expression says of the request to create a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Expression {
    /// Nothing that is read.
    #[default]
    Unread,
    /// The same of every such request.
    Always(bool),
    /// Its namespace is one of these.
    Namespace(Vec<String>),
    /// The opposite.
    Not(Box<Self>),
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
}

/// What is left of an expression.
struct Reader<'t> {
    rest: &'t str,
    depth: u8,
}

/// What is compared.
enum Operand {
    /// The namespace of the pod.
    Namespace,
    /// What is the same for every pod that is created, and texts.
    Text(String),
    /// Anything else.
    Other,
}

// === impl Condition ===

impl Condition {
    /// Whether it holds of the request to create a pod in a namespace, or in any whatever; none if that is
    /// not known.
    pub fn holds(&self, namespace: Option<&str>) -> Option<bool> {
        self.expression.holds(namespace)
    }
}

// === impl Expression ===

impl Expression {
    /// Reads the text of an expression.
    pub fn of(text: &str) -> Self {
        let mut reader = Reader { rest: text, depth: 0 };
        let read = reader.any();
        reader.skip();
        read.filter(|_| reader.rest.is_empty()).unwrap_or_default()
    }

    /// As CEL evaluates it: where one side decides, the other may be anything, an error too.
    fn holds(&self, namespace: Option<&str>) -> Option<bool> {
        let decide = |all: &[Self], by: bool| {
            let mut known = true;
            for expression in all {
                match expression.holds(namespace) {
                    Some(held) if held == by => return Some(by),
                    Some(_) => {}
                    None => known = false,
                }
            }
            known.then_some(!by)
        };
        match self {
            Self::Unread => None,
            Self::Always(held) => Some(*held),
            Self::Namespace(names) => namespace.map(|namespace| names.iter().any(|name| name == namespace)),
            Self::Not(expression) => expression.holds(namespace).map(|held| !held),
            Self::All(all) => decide(all, false),
            Self::Any(all) => decide(all, true),
        }
    }
}

// === impl Reader ===

impl<'t> Reader<'t> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
    }

    /// Takes what comes next, if it is this.
    fn take(&mut self, token: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// `a || b`
    fn any(&mut self) -> Option<Expression> {
        let mut all = vec![self.all()?];
        while self.take("||") {
            all.push(self.all()?);
        }
        Some(one_or(all, Expression::Any))
    }

    /// `a && b`
    fn all(&mut self) -> Option<Expression> {
        let mut all = vec![self.term()?];
        while self.take("&&") {
            all.push(self.term()?);
        }
        Some(one_or(all, Expression::All))
    }

    /// `!a`, `(a)`, a literal, or a comparison. What binds weaker than `!` must not follow it.
    fn term(&mut self) -> Option<Expression> {
        self.depth = self.depth.checked_add(1).filter(|depth| *depth <= DEPTH)?;
        self.skip();
        let read = if self.take("!") {
            self.term_of_not().map(|negated| Expression::Not(Box::new(negated)))
        } else if self.take("(") {
            self.any().filter(|_| self.take(")"))
        } else {
            self.comparison()
        };
        self.depth -= 1;
        read
    }

    fn term_of_not(&mut self) -> Option<Expression> {
        self.skip();
        if self.rest.starts_with(['!', '(']) {
            return self.term();
        }
        self.word().and_then(literal)
    }

    /// `a == b`, `a != b`, `a in [b, c]`, `true`
    fn comparison(&mut self) -> Option<Expression> {
        self.skip();
        let before = self.rest;
        if let Some(literal) = self.word().and_then(literal) {
            return Some(literal);
        }
        self.rest = before;
        let left = self.operand()?;
        if self.take("==") {
            return Some(same(left, self.operand()?));
        }
        if self.take("!=") {
            return Some(Expression::Not(Box::new(same(left, self.operand()?))));
        }
        self.skip();
        if self.word()? != "in" || !self.take("[") {
            return None;
        }
        let mut list = Vec::new();
        while !self.take("]") {
            if !list.is_empty() && !self.take(",") {
                return None;
            }
            list.push(self.text()?);
        }
        Some(one_of(left, list))
    }

    fn operand(&mut self) -> Option<Operand> {
        self.skip();
        if self.rest.starts_with(['"', '\'']) {
            return self.text().map(Operand::Text);
        }
        let path = self.word()?;
        Some(match path {
            "request.namespace" | "object.metadata.namespace" => Operand::Namespace,
            "request.operation" => Operand::Text("CREATE".into()),
            "request.resource.group" | "request.kind.group" => Operand::Text(String::new()),
            "request.resource.version" | "request.kind.version" => Operand::Text("v1".into()),
            "request.resource.resource" => Operand::Text("pods".into()),
            "request.kind.kind" => Operand::Text("Pod".into()),
            _ if path.contains('.') => Operand::Other,
            _ => return None,
        })
    }

    /// A literal text without escapes.
    fn text(&mut self) -> Option<String> {
        self.skip();
        let quote = self.rest.chars().next().filter(|letter| ['"', '\''].contains(letter))?;
        let (text, rest) = self.rest.get(1..)?.split_once(quote)?;
        self.rest = rest;
        (!text.contains(['\\', '\n'])).then(|| text.into())
    }

    /// A name, or names with dots between them.
    fn word(&mut self) -> Option<&'t str> {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
        let end = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        let is_word = word.starts_with(|letter: char| letter.is_ascii_alphabetic()) && !word.ends_with('.');
        self.rest = rest;
        is_word.then_some(word)
    }
}

fn literal(word: &str) -> Option<Expression> {
    match word {
        "true" => Some(Expression::Always(true)),
        "false" => Some(Expression::Always(false)),
        _ => None,
    }
}

fn same(left: Operand, right: Operand) -> Expression {
    match (left, right) {
        (Operand::Text(text), other) | (other, Operand::Text(text)) => one_of(other, vec![text]),
        (Operand::Namespace, Operand::Namespace) => Expression::Always(true),
        _ => Expression::Unread,
    }
}

/// Whether something is one of these texts.
fn one_of(left: Operand, texts: Vec<String>) -> Expression {
    match left {
        _ if texts.iter().any(|text| is_placeholder(text)) => Expression::Unread,
        Operand::Namespace => Expression::Namespace(texts),
        Operand::Text(text) => Expression::Always(texts.contains(&text)),
        Operand::Other => Expression::Unread,
    }
}

fn one_or(mut all: Vec<Expression>, more: fn(Vec<Expression>) -> Expression) -> Expression {
    match (all.len(), all.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            all.extend(last);
            more(all)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &str) -> [Option<bool>; 3] {
        let expression = Expression::of(text);
        [None, Some("shop"), Some("kube-system")].map(|namespace| expression.holds(namespace))
    }

    #[test]
    fn what_is_the_same_for_every_new_pod_is_known() {
        for (text, expected) in [
            ("true", true),
            (" false\n", false),
            ("(false)", false),
            ("!true", false),
            ("!!true", true),
            ("! ( false )", true),
            ("true && true", true),
            ("true && false || true", true),
            ("false || false", false),
            ("request.operation == 'CREATE'", true),
            ("\"UPDATE\" == request.operation", false),
            ("request.operation in ['UPDATE', 'DELETE']", false),
            ("request.resource.group == '' && request.resource.version == 'v1' && request.kind.version == 'v1'", true),
            ("request.kind.kind == 'Pod' && request.kind.group == ''", true),
            ("!(request.resource.resource == \"leases\")", true),
            ("request.namespace == object.metadata.namespace", true),
            ("false && request.userInfo.username == 'a'", false),
            ("request.userInfo.username == 'a' || true", true),
        ] {
            assert_eq!(held(text), [Some(expected); 3], "{text}");
        }
    }

    #[test]
    fn what_hangs_on_the_namespace_is_known_with_it() {
        for text in [
            "object.metadata.namespace != 'kube-system'",
            "\"kube-system\" != request.namespace",
            "!(request.namespace in ['a', 'kube-system'])",
            "request.namespace in [\"shop\"]",
            "!(request.namespace == 'kube-system' || request.namespace == 'other')",
            "request.namespace == 'shop' && request.operation != 'DELETE'",
            "(request.namespace=='shop')",
        ] {
            assert_eq!(held(text), [None, Some(true), Some(false)], "{text}");
        }
        let by_user = "request.namespace == 'shop' && request.userInfo.username != 'a'";
        assert_eq!(held(by_user), [None, None, Some(false)]);
        let or_user = "request.namespace == 'shop' || request.userInfo.username != 'a'";
        assert_eq!(held(or_user), [None, Some(true), None]);
        assert_eq!(held("request.namespace in []"), [None, Some(false), Some(false)]);
    }

    #[test]
    fn what_is_nested_too_deep_is_not_read() {
        let nested = |depth: usize| alloc::format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(held(&nested(11)), [Some(true); 3]);
        assert_eq!(held(&nested(12)), [None; 3]);
        assert_eq!(held(&vec!["(true)"; 99].join(" && ")), [Some(true); 3], "wide is not deep");
    }

    #[test]
    fn of_all_else_nothing_is_known() {
        for text in [
            "",
            "False",
            "truely",
            "true false",
            "true &&",
            "(true",
            "!request.namespace == 'shop'",
            "true == false",
            "true ? false : true",
            "has(object.metadata.labels)",
            "request.namespace.startsWith('kube-')",
            "object.metadata.labels['a'] == 'b'",
            "!('system:nodes' in request.userInfo.groups)",
            "request.namespace == 'sh\\u006fp'",
            "request.namespace == r'shop'",
            "request.namespace == \"\"\"shop\"\"\"",
            "request.namespace == '${NAMESPACE}'",
            "request.namespace in ['a' 'b']",
            "request.namespace in [",
            "request.namespace in [ashopa]",
            "namespace == 'shop'",
            "false && namespace == 'shop'",
            ".request.uid == 'a' || true",
            "request. namespace == 'shop'",
            "false // never",
            "${EXPRESSION}",
        ] {
            assert_eq!(held(text), [None; 3], "{text}");
        }
    }
}
