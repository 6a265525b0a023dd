//! As much of Kusto as Resource Graph needs here:
//!
//! ```text
//! resources | authorizationresources | resourcecontainers
//!   | where type =~ 'a/b'          also ==, also `or` between several
//!   | where type in~ ('a/b', 'c/d')  also in
//!   | extend name = column …       as for project
//!   | project column, name = column, name = tostring(properties.column)
//!   | order by column [asc | desc] also sort by
//!   | limit 10                     also take
//! ```
//!
//! Everything else is refused, as the service refuses what it does not understand.

use serde_json::{Map, Value};

/// A query, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Query {
    /// The table, in lower case.
    pub(super) table: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Types(Vec<String>),
    Project(Vec<(String, String)>),
    Extend(Vec<(String, String)>),
    Order(String, bool),
    Limit(usize),
}

const TABLES: [&str; 3] = ["resources", "authorizationresources", "resourcecontainers"];

// === impl Query ===

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// If something in it is beyond the little that is known here: what.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text = lines.collect::<Vec<_>>().join(" ");
        let mut parts = split(&text, '|').into_iter();
        let table = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        if !TABLES.contains(&table.as_str()) {
            return Err(format!("the table `{table}`"));
        }
        let steps = parts.map(|part| Step::read(part.trim())).collect::<Result<_, _>>()?;
        Ok(Self { table, steps })
    }

    /// Whether rows of this type can be in the answer, so that others need not be made.
    pub(super) fn wants(&self, kind: &str) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Types(types) => types.iter().any(|own| own.eq_ignore_ascii_case(kind)),
            _ => true,
        })
    }

    /// Whether the rows come in pages: not where they are limited, nor without their ids.
    pub(super) fn pages(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Limit(_) => false,
            Step::Project(columns) => columns.iter().any(|(name, _)| name == "id"),
            _ => true,
        })
    }

    /// The most rows it lets through.
    pub(super) fn limit(&self) -> usize {
        let limits = self.steps.iter().filter_map(|step| match step {
            Step::Limit(limit) => Some(*limit),
            _ => None,
        });
        limits.min().unwrap_or(usize::MAX)
    }

    /// Whether the rows come in falling order of their ids; they rise otherwise.
    pub(super) fn falls(&self) -> bool {
        matches!(self.steps.iter().rev().find(|step| matches!(step, Step::Order(..))), Some(Step::Order(column, true)) if column == "id")
    }

    /// What it makes of a row.
    pub(super) fn row(&self, row: Value) -> Value {
        self.steps.iter().fold(row, |row, step| match step {
            Step::Project(columns) => Value::Object(
                columns.iter().map(|(name, from)| (name.clone(), value(&row, from))).collect::<Map<_, _>>(),
            ),
            Step::Extend(columns) => {
                let added: Vec<(String, Value)> =
                    columns.iter().map(|(name, from)| (name.clone(), value(&row, from))).collect();
                let mut row = row;
                if let Some(members) = row.as_object_mut() {
                    members.extend(added);
                }
                row
            }
            _ => row,
        })
    }
}

// === impl Step ===

impl Step {
    fn read(part: &str) -> Result<Self, String> {
        let (word, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
        let rest = rest.trim();
        match word.to_ascii_lowercase().as_str() {
            "where" => types(rest).map(Self::Types),
            "project" => columns(rest).map(Self::Project),
            "extend" => columns(rest).map(Self::Extend),
            "order" | "sort" => {
                let rest = rest.strip_prefix("by").ok_or("an order without `by`")?.trim();
                let mut words = rest.split(',').next().unwrap_or_default().split_whitespace();
                let column = words.next().unwrap_or_default().to_owned();
                // Kusto falls unless it is told to rise.
                Ok(Self::Order(column, words.next() != Some("asc")))
            }
            "limit" | "take" => rest.parse().map(Self::Limit).map_err(|_| format!("the limit `{rest}`")),
            _ => Err(format!("the operator `{word}`")),
        }
    }
}

/// The types that a condition lets through.
fn types(condition: &str) -> Result<Vec<String>, String> {
    let condition = condition.trim().trim_start_matches('(').trim();
    let mut found = Vec::new();
    for part in condition.split(" or ") {
        let part = part.trim().trim_matches('(').trim();
        let rest = part.strip_prefix("type").ok_or_else(|| format!("the condition `{part}`"))?.trim_start();
        let rest = ["=~", "==", "in~", "in"].iter().find_map(|sign| rest.strip_prefix(sign));
        let rest = rest.ok_or_else(|| format!("the condition `{part}`"))?;
        let mut quoted = rest.split(['\'', '"']);
        let _ = quoted.next();
        let before = found.len();
        while let (Some(text), Some(between)) = (quoted.next(), quoted.next()) {
            if !between.trim_matches([' ', ',', ')']).is_empty() {
                return Err(format!("the condition `{part}`"));
            }
            found.push(text.to_ascii_lowercase());
        }
        if found.len() == before {
            return Err(format!("the condition `{part}`"));
        }
    }
    Ok(found)
}

/// `name`, `name = path`, `name = function(path)`: names and paths.
fn columns(list: &str) -> Result<Vec<(String, String)>, String> {
    let column = |text: &str| {
        let (name, from) = text.split_once('=').unwrap_or((text, text));
        let mut from = from.trim();
        for function in ["tostring", "tobool", "tolower"] {
            if let Some(inner) =
                from.strip_prefix(function).and_then(|rest| rest.trim().strip_prefix('(')?.strip_suffix(')'))
            {
                from = inner.trim();
            }
        }
        let plain = |text: &str| !text.is_empty() && text.chars().all(|it| it.is_alphanumeric() || "._".contains(it));
        let name = name.trim();
        if plain(name) && plain(from) {
            Ok((name.to_owned(), from.to_owned()))
        } else {
            Err(format!("the column `{text}`"))
        }
    };
    split(list, ',').into_iter().map(column).collect()
}

/// What stands at a path: Kusto gives null where there is nothing.
fn value(row: &Value, path: &str) -> Value {
    path.split('.').fold(row.clone(), |value, name| value.get(name).cloned().unwrap_or_default())
}

/// Splits where the sign stands outside quotes and brackets.
fn split(text: &str, sign: char) -> Vec<&str> {
    let (mut parts, mut from, mut quote, mut depth) = (Vec::new(), 0, None, 0_i32);
    for (at, it) in text.char_indices() {
        match (quote, it) {
            (Some(own), _) if own == it => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(it),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, _) if it == sign && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + it.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}
