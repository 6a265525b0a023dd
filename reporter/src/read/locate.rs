//! Locating: the line of a member inside the text of one object, for findings.
//!
//! Done on demand for the few objects that have a finding, so that no reader keeps positions.

use saphyr_parser::{Event, Parser};

/// One step of a path into an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// The member of a mapping.
    Key(&'a str),
    /// The element of a list, from 0.
    Index(usize),
}

/// A container the walk is inside of.
struct Level {
    mapping: bool,
    at_key: bool,
    /// How many elements came before.
    index: usize,
    /// It lies on the path.
    on: bool,
    /// Its next value does.
    next_on: bool,
}

/// The line of a member of an object, counted from 0 at the start of its JSON or YAML text.
/// `None` if there is no such member, or the text cannot be read.
///
/// The text of an element of a YAML list may begin with its dash: the path starts behind it.
#[must_use]
pub fn locate(text: &str, path: &[Segment<'_>]) -> Option<u64> {
    let mut levels: Vec<Level> = Vec::new();
    let mut dashed = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let line = (span.start.line() as u64).saturating_sub(1);
        let (opens, mapping) = match &event {
            Event::MappingStart(..) => (true, true),
            Event::SequenceStart(..) => (true, false),
            Event::Scalar(..) | Event::Alias(_) => (false, false),
            Event::MappingEnd | Event::SequenceEnd => {
                let level = levels.pop()?;
                // What the path leads into holds nothing of that name.
                if level.on {
                    return None;
                }
                continue;
            }
            _ => continue,
        };
        let on = match levels.len().checked_sub(dashed) {
            // The document itself, or the dash before it.
            None | Some(0) if levels.len() == dashed => {
                if !mapping && opens && dashed == 0 && matches!(path.first(), Some(Segment::Key(_))) {
                    dashed = 1;
                    levels.push(Level { mapping, at_key: false, index: 0, on: false, next_on: false });
                    continue;
                }
                if path.is_empty() {
                    return Some(line);
                }
                true
            }
            depth => {
                let wanted = depth.and_then(|depth| path.get(depth.checked_sub(1)?));
                let last = depth == Some(path.len());
                let level = levels.last_mut()?;
                if level.mapping && level.at_key {
                    let same =
                        matches!((&event, wanted), (Event::Scalar(key, ..), Some(Segment::Key(name))) if key == name);
                    level.next_on = level.on && same;
                    level.at_key = false;
                    if level.next_on && last {
                        return Some(line);
                    }
                    if opens {
                        // A key that is a container: not an object this can walk.
                        return None;
                    }
                    continue;
                }
                let mut on = level.next_on;
                if level.mapping {
                    level.at_key = true;
                } else {
                    on = level.on && wanted == Some(&Segment::Index(level.index));
                    level.index += 1;
                    if on && last {
                        return Some(line);
                    }
                }
                on
            }
        };
        if opens {
            levels.push(Level { mapping, at_key: mapping, index: 0, on, next_on: false });
        } else if on {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Segment::{Index, Key};
    use super::*;

    const YAML: &str = "- kind: Pod\n  metadata:\n    labels:\n      a: b\n  spec:\n    containers:\n    - name: x\n      image: y\n    - name: z\n";
    const JSON: &str = "{\n  \"kind\": \"Pod\",\n  \"spec\": {\n    \"containers\": [\n      {\"name\": \"x\"},\n      {\n        \"name\": \"z\"\n      }\n    ]\n  }\n}";

    #[test]
    fn members_are_found_behind_the_dash_too() {
        assert_eq!(locate(YAML, &[Key("kind")]), Some(0));
        assert_eq!(locate(YAML, &[Key("metadata"), Key("labels"), Key("a")]), Some(3));
        assert_eq!(locate(YAML, &[Key("spec"), Key("containers"), Index(0), Key("image")]), Some(7));
        assert_eq!(locate(YAML, &[Key("spec"), Key("containers"), Index(1)]), Some(8));
        assert_eq!(locate(YAML, &[Key("spec"), Key("containers"), Index(2)]), None);
        assert_eq!(locate(YAML, &[Key("metadata"), Key("name")]), None);
    }

    #[test]
    fn json_is_located_too() {
        assert_eq!(locate(JSON, &[]), Some(0));
        assert_eq!(locate(JSON, &[Key("spec")]), Some(2));
        assert_eq!(locate(JSON, &[Key("spec"), Key("containers"), Index(0), Key("name")]), Some(4));
        assert_eq!(locate(JSON, &[Key("spec"), Key("containers"), Index(1), Key("name")]), Some(6));
        assert_eq!(locate(JSON, &[Key("kind"), Key("x")]), None);
        assert_eq!(locate("{\"a\": ", &[Key("b")]), None);
    }

    #[test]
    fn a_list_that_is_meant_is_walked() {
        assert_eq!(locate("- a\n- b\n", &[Index(1)]), Some(1));
    }
}
