//! The one change this policy makes, if the settings allow it: the label that opts in goes from a
//! workload to its pod template. The object is edited as text, so that nothing else of it changes:
//! not a member that nobody here knows, not the spelling of a number.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::ops::Range;

use wiguard_rules::model::{Workload, label};

/// An object with the label moved.
pub(crate) struct Moved {
    /// The whole object, as JSON.
    pub(crate) object: String,
    /// Where the label is now.
    pub(crate) to: String,
}

/// Moves the label of the workload that a request carries, if it is misplaced; `None` too if the
/// request is written in a way that is not worth following.
pub(crate) fn moved(payload: &str, workload: &Workload) -> Option<Moved> {
    if !workload.has_misplaced_label() {
        return None;
    }
    let root = Text { json: payload, at: payload.find('{')? };
    let object = root.member("request")?.found()?.member("object")?.found()?;
    let (start, end) = (object.at, object.value_end(object.at)?);
    let own = object.member("metadata")?.found()?.member("labels")?.found()?;
    let (removed, value) = own.removal(label::USE)?;
    let (place, added) = insertion(object, workload.kind.metadata_path(), value)?;
    // The later change first, so that the place of the other stays.
    let mut text = payload.get(start..end)?.to_owned();
    let mut edit = |place: Range<usize>, by: &str| {
        let within = place.start.checked_sub(start)?..place.end.checked_sub(start)?;
        text.get(within.clone())?;
        text.replace_range(within, by);
        Some(())
    };
    if removed.start < place.start {
        edit(place, &added)?;
        edit(removed, "")?;
    } else {
        edit(removed, "")?;
        edit(place, &added)?;
    }
    Some(Moved { object: text, to: workload.label_path(label::USE) })
}

/// What is put where so that the labels below `path` have one more.
fn insertion(object: Text<'_>, path: &str, value: &str) -> Option<(Range<usize>, String)> {
    let mut here = object;
    let mut names = path.split('.').chain(["labels", label::USE]);
    while let Some(name) = names.next() {
        let missing = match here.member(name)? {
            Member::Found(next) if next.rest().starts_with('{') => {
                here = next;
                continue;
            }
            // `null` is as good as nothing.
            Member::Found(next) if next.rest().starts_with("null") => Some(next.at..next.value_end(next.at)?),
            Member::Found(_) => return None,
            Member::Missing => None,
        };
        let mut made = value.to_owned();
        let mut below: alloc::vec::Vec<&str> = names.collect();
        while let Some(name) = below.pop() {
            made = format!("{{\"{name}\":{made}}}");
        }
        return Some(match missing {
            Some(null) => (null, made),
            None => {
                let start = here.at + 1;
                let comma = if here.is_empty()? { "" } else { "," };
                (start..start, format!("\"{name}\":{made}{comma}"))
            }
        });
    }
    None
}

/// A value in a JSON text that was read before, so that it is known to be right.
#[derive(Clone, Copy)]
struct Text<'a> {
    json: &'a str,
    at: usize,
}

/// A member that was looked for.
enum Member<'a> {
    Found(Text<'a>),
    Missing,
}

/// A member where it stands: its key, and where its value starts and ends.
struct Standing<'a> {
    key: &'a str,
    start: usize,
    value: usize,
    end: usize,
}

impl<'a> Member<'a> {
    fn found(self) -> Option<Text<'a>> {
        match self {
            Self::Found(text) => Some(text),
            Self::Missing => None,
        }
    }
}

impl<'a> Text<'a> {
    fn rest(&self) -> &'a str {
        self.json.get(self.at..).unwrap_or_default()
    }

    /// The member of an object; `None` if this is no object, or has a key with escapes, which may
    /// be anything.
    fn member(&self, name: &str) -> Option<Member<'a>> {
        let mut at = self.first()?;
        while let Some(member) = self.standing(at)? {
            if member.key == name {
                return Some(Member::Found(Self { json: self.json, at: member.value }));
            }
            at = self.after_comma(member.end);
        }
        Some(Member::Missing)
    }

    /// What to take away so that an object has a member less, and the member's value.
    fn removal(&self, name: &str) -> Option<(Range<usize>, &'a str)> {
        let mut at = self.first()?;
        let mut before = None;
        while let Some(member) = self.standing(at)? {
            let next = self.after_comma(member.end);
            if member.key == name {
                let is_last = self.json.get(self.skip_space(member.end)..)?.starts_with('}');
                let range = match before {
                    Some(before) if is_last => before..member.end,
                    _ if is_last => member.start..member.end,
                    _ => member.start..next,
                };
                return Some((range, self.json.get(member.value..member.end)?));
            }
            (before, at) = (Some(member.end), next);
        }
        None
    }

    fn is_empty(&self) -> Option<bool> {
        Some(self.json.get(self.first()?..)?.starts_with('}'))
    }

    /// Where the first member of an object starts, or its end.
    fn first(&self) -> Option<usize> {
        self.rest().starts_with('{').then(|| self.skip_space(self.at + 1))
    }

    /// The member that starts here; `Some(None)` at the end of the object.
    fn standing(&self, start: usize) -> Option<Option<Standing<'a>>> {
        if self.json.get(start..)?.starts_with('}') {
            return Some(None);
        }
        let key_end = self.value_end(start)?;
        let key = self.json.get(start..key_end)?.strip_prefix('"')?.strip_suffix('"')?;
        let colon = self.skip_space(key_end);
        let value = self.skip_space(colon + 1);
        (!key.contains('\\')).then_some(Some(Standing { key, start, value, end: self.value_end(value)? }))
    }

    fn after_comma(&self, end: usize) -> usize {
        let at = self.skip_space(end);
        if self.json.as_bytes().get(at) == Some(&b',') { self.skip_space(at + 1) } else { at }
    }

    fn skip_space(&self, at: usize) -> usize {
        let rest = self.json.get(at..).unwrap_or_default();
        at + (rest.len() - rest.trim_start_matches([' ', '\n', '\r', '\t']).len())
    }

    /// Where the value that starts here ends.
    fn value_end(&self, start: usize) -> Option<usize> {
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        for (byte, at) in self.json.as_bytes().get(start..)?.iter().zip(start..) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return Some(at),
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            let closes = matches!(byte, b'"' | b'}' | b']') && !escaped;
            if closes && depth == 0 && !in_text {
                return Some(at + 1);
            }
        }
        None
    }
}
