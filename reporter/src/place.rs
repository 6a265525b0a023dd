//! The place of a finding: the very line of the field at fault, looked up in its source again for
//! the few objects that have findings, so that no reader keeps positions for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::collect::Collected;
use serde_json::Value;

use crate::read::{Batch, Limits, Root, Segment, Stdin, locate, read_all};
use crate::report::Reported;
use crate::snapshot;

/// Sources larger than this, in bytes on disk or of standard input, keep the line of the object.
const LARGEST: usize = 32 << 20;

/// What standard input held, since it cannot be read again; nothing if that was too much.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Option<Vec<u8>>>>);

/// A source of which everything read is kept.
struct Keeping {
    from: Stdin,
    kept: Kept,
}

impl Kept {
    /// Keeps what is read from standard input.
    pub fn keep(&self, from: Stdin) -> Stdin {
        self.with(|bytes| *bytes = Some(Vec::new()));
        Box::new(Keeping { from, kept: self.clone() })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Option<Vec<u8>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands out what was kept.
    pub fn take(&self) -> Option<Vec<u8>> {
        self.with(Option::take)
    }
}

impl Read for Keeping {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.from.read(buffer)?;
        let read = buffer.get(..length).unwrap_or_default();
        self.kept.with(|bytes| match bytes {
            Some(kept) if kept.len() + read.len() <= LARGEST => kept.extend_from_slice(read),
            _ => *bytes = None,
        });
        Ok(length)
    }
}

/// Moves findings from the line of their object to that of their field, where that can be told.
pub fn refine(findings: &mut [Reported], collected: &Collected) {
    let stdin = collected.stdin.as_deref();
    // A pipe has been drained: opening it again would wait for ever.
    let is_small =
        |path: &str| std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= LARGEST as u64);
    let wanted: BTreeSet<&str> = findings
        .iter()
        .filter(|found| !found.path.is_empty() && !found.finding.field.is_empty())
        .map(|found| found.path.as_str())
        .filter(|path| if *path == "-" { stdin.is_some() } else { is_small(path) })
        .collect();
    if wanted.is_empty() {
        return;
    }
    let mut fields: BTreeMap<(&str, u32), BTreeSet<&str>> = BTreeMap::new();
    for found in findings.iter().filter(|found| wanted.contains(found.path.as_str())) {
        fields.entry((&found.path, found.object_line)).or_default().insert(&found.finding.field);
    }
    let root = |path: &&str| if *path == "-" { Root::Stdin } else { Root::Path(PathBuf::from(path)) };
    let again: Vec<Root> = wanted.iter().map(root).collect();
    let look = |batch: &Batch| -> Vec<(String, u32, String, u32)> {
        let mut lines = Vec::new();
        for piece in batch.pieces() {
            let line = u32::try_from(piece.line).unwrap_or(u32::MAX);
            let Some(asked) = fields.get(&(batch.source.path.as_str(), line)) else { continue };
            let Ok(text) = std::str::from_utf8(piece.text) else { continue };
            // The lines of a snapshot are not those of what it keeps.
            if snapshot::recognise(piece.json).is_some() {
                continue;
            }
            let object = serde_json::from_slice(piece.json).unwrap_or_default();
            for field in asked {
                if let Some(further) = line_in(text, &object, field) {
                    lines.push((batch.source.path.clone(), line, (*field).to_string(), line.saturating_add(further)));
                }
            }
        }
        lines
    };
    let stdin = || -> Stdin { Box::new(Cursor::new(stdin.unwrap_or_default().to_vec())) };
    let found = read_all(&again, stdin, &Limits::default(), look);
    let lines: BTreeMap<(String, u32, String), u32> = found
        .results
        .into_iter()
        .flat_map(|(_, lines)| lines)
        .map(|(path, line, field, at)| ((path, line, field), at))
        .collect();
    for found in findings {
        let key = (found.path.clone(), found.object_line, found.finding.field.clone());
        if let Some(line) = lines.get(&key) {
            found.line = *line;
        }
    }
}

/// The line of a field below the first line of its object, or of the nearest part of its path that is there.
pub(crate) fn line_of(text: &str, field: &str) -> Option<u32> {
    if let Some(library) = field.strip_prefix("libraries[").and_then(|rest| rest.strip_suffix(']')) {
        return line_naming(text, library);
    }
    nearest(text, &segments(field))
}

/// The same, of a field by the name that rules have for it.
fn line_in(text: &str, object: &Value, field: &str) -> Option<u32> {
    if field.starts_with("libraries[") {
        return line_of(text, field);
    }
    nearest(text, &written(object, &segments(field)))
}

/// What holds what Azure's objects say of themselves: nothing as az prints them, `properties` in Azure Resource Manager,
/// `spec` in Azure Service Operator, `forProvider` in Crossplane.
const HOLDERS: [&[&str]; 5] = [&[], &["properties"], &["spec"], &["spec", "forProvider"], &["metadata"]];

/// Where an object has a field: what it is held by, and elements of lists by their number instead of their `name`, of
/// several the last, which counts.
fn written<'f>(object: &Value, field: &[Segment<'f>]) -> Vec<Segment<'f>> {
    let has = |holder: &&&[&str]| {
        let inner = holder.iter().try_fold(object, |at, key| at.get(key));
        matches!((inner, field.first()), (Some(inner), Some(Segment::Key(first))) if inner.get(first).is_some())
    };
    let holder = HOLDERS.iter().find(has).copied().unwrap_or_default();
    let mut at = Some(object);
    let steps = holder.iter().map(|key| Segment::Key(key)).chain(field.iter().copied());
    let step = |step: Segment<'f>| {
        let list = at.and_then(Value::as_array);
        let step = match step {
            Segment::Key(name) => {
                let is_it = |element: &Value| element.get("name").and_then(Value::as_str) == Some(name);
                list.and_then(|list| list.iter().rposition(is_it)).map_or(step, Segment::Index)
            }
            Segment::Index(_) => step,
        };
        at = at.and_then(|at| match step {
            Segment::Key(key) => at.get(key),
            Segment::Index(index) => at.get(index),
        });
        step
    };
    steps.map(step).collect()
}

fn nearest(text: &str, path: &[Segment<'_>]) -> Option<u32> {
    (1..=path.len()).rev().find_map(|length| {
        let line = locate(text, path.get(..length)?)?;
        u32::try_from(line).ok()
    })
}

/// The first line that names a library, by its whole name, else by the last part of it: bills of
/// materials and lock files have no fields in common.
fn line_naming(text: &str, library: &str) -> Option<u32> {
    let part = library.rsplit([':', '/']).next().unwrap_or_default();
    // PyPI takes one for the other.
    let folded = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let names = |name: &str| {
        let name = folded(name);
        let ends = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '-');
        let is_named = |line: &str| {
            let line = folded(line);
            line.match_indices(&name).any(|(at, _)| line.get(at + name.len()..).is_some_and(ends))
        };
        text.lines().position(is_named)
    };
    u32::try_from(names(library).or_else(|| names(part))?).ok()
}

/// The steps of a path such as `spec.template.spec.containers[0].env[AZURE_CLIENT_ID]`.
fn segments(field: &str) -> Vec<Segment<'_>> {
    let mut steps = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((key, after)) = inner.split_once(']') else { break };
            steps.push(key.parse().map_or(Segment::Key(key), Segment::Index));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            steps.push(Segment::Key(key));
            rest = after;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use super::{line_in, line_of};

    #[test]
    fn a_field_has_its_line() {
        let text = "kind: Pod\nmetadata:\n  labels:\n    app: cart\n    azure.workload.identity/use: \"yes\"\nspec:\n  containers:\n  - name: a\n    env: []\n";
        assert_eq!(line_of(text, "metadata.labels[azure.workload.identity/use]"), Some(4));
        assert_eq!(line_of(text, "spec.containers[0].env"), Some(8));
        assert_eq!(line_of(text, "metadata.annotations[x]"), Some(1), "what is not there is where it would be");
    }

    #[test]
    fn an_element_of_a_list_is_found_by_its_name() {
        let text = "spec:\n  containers:\n  - name: app\n    env:\n    - name: A\n      value: x\n    - value: y\n      name: B\n    - name: A\n";
        let object = json!({"spec": {"containers": [{"name": "app", "env": [
            {"name": "A", "value": "x"}, {"name": "B", "value": "y"}, {"name": "A"}]}]}});
        let line = |field: &str| line_in(text, &object, field);
        assert_eq!(line("spec.containers[0].env[B]"), Some(6));
        assert_eq!(line("spec.containers[app].env[B].name"), Some(7));
        assert_eq!(line("spec.containers[0].env[A]"), Some(8), "of two the last counts");
        assert_eq!(line("spec.containers[0].env[C]"), Some(3), "what is not there is where it would be");
        assert_eq!(line("spec.containers[0].envFrom[1]"), Some(2));
    }

    #[test]
    fn what_holds_the_field_is_found() {
        let line = |object: &Value, field: &str| line_in(&serde_json::to_string_pretty(object).unwrap(), object, field);
        assert_eq!(line(&json!({"name": 1, "subject": 1}), "subject"), Some(2));
        assert_eq!(line(&json!({"name": 1, "properties": {"audiences": ["a", "b"]}}), "audiences[1]"), Some(5));
        assert_eq!(line(&json!({"kind": 1, "spec": {"issuer": 1, "subject": 1}}), "subject"), Some(4));
        assert_eq!(line(&json!({"kind": 1, "spec": {"forProvider": {"subject": 1}}}), "subject"), Some(4));
        assert_eq!(line(&json!({"kind": 1, "metadata": {"name": 1}, "spec": {"subject": 1}}), "name"), Some(3));
        assert_eq!(line(&json!({"kind": 1, "metadata": {}}), "metadata.name"), Some(2));
        assert_eq!(line(&json!({"kind": 1}), "subject"), None, "it stays where its object is");
    }

    #[test]
    fn a_library_is_where_it_is_named() {
        let text = "a:azure-identity-more:1=x\ncom.azure:azure-core:1=x\ncom.azure:azure-identity:1.8.1=x\n";
        assert_eq!(line_of(text, "libraries[com.azure:azure-identity]"), Some(2));
        let bill = "{\n\"purl\":\n\"pkg:maven/com.azure/Azure-Identity@1.8.1\"}";
        assert_eq!(line_of(bill, "libraries[com.azure:azure-identity]"), Some(2));
        assert_eq!(line_of(bill, "libraries[adal]"), None);
    }
}
