//! Cutting JSON: values one after the other, on lines of their own or not, and lists.
//!
//! One forward pass that checks brackets alone; whether a piece is JSON in every detail is for
//! the parser that reads it anyway. A list is cut while it is read: what stood before its array
//! and what comes after make the envelope.

use std::sync::Arc;

use serde::Deserialize;

use super::nesting::{Nesting, Stop};
use super::pack::{Form, Sink};
use super::text::{Text, is_space};
use super::{List, Place, Wrapper};

/// How the cutter came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing is left.
    Source,
    /// A `---` says that YAML documents follow.
    Yaml,
}

/// How one value ended.
#[derive(PartialEq, Eq)]
enum Closed {
    Well,
    /// At the end of the source, or of the line where values stand on lines of their own.
    Never,
}

/// A list that is being cut.
struct Open {
    id: u32,
    wrapper: Wrapper,
    /// The members around the array so far.
    around: Vec<u8>,
    line: u64,
    elements: u64,
}

/// Cuts all values.
pub(super) fn cut(text: &mut Text<'_>, sink: &mut Sink<'_>) -> End {
    let mut lines = false;
    while let Some(byte) = text.skip_space() {
        if sink.hopeless() {
            break;
        }
        match byte {
            b'{' => object(text, sink, &mut lines),
            b'[' => array(text, sink),
            b'-' if starts_document(text) => return End::Yaml,
            _ => {
                let line = text.line();
                let what = shown(text);
                sink.flaw(
                    line,
                    format!("expected an object or a list, found `{what}`; the rest of the line is skipped"),
                );
                text.skip_line();
            }
        }
    }
    End::Source
}

fn starts_document(text: &mut Text<'_>) -> bool {
    text.want(4);
    matches!(text.ahead(), [b'-', b'-', b'-'] | [b'-', b'-', b'-', b' ' | b'\n' | b'\r', ..])
}

/// The next few characters, for a message.
fn shown(text: &mut Text<'_>) -> String {
    text.want(24);
    let ahead = String::from_utf8_lossy(text.ahead().get(..24).unwrap_or(text.ahead())).into_owned();
    ahead.lines().next().unwrap_or_default().chars().filter(|c| *c != '\u{fffd}').collect()
}

/// Cuts an object, or the list it is. `lines` is set once values prove to stand on lines.
fn object(text: &mut Text<'_>, sink: &mut Sink<'_>, lines: &mut bool) {
    let mut nesting = Nesting::default();
    let mut open: Option<Open> = None;
    text.hold();
    let closed = loop {
        let ahead = text.ahead();
        let newline = if *lines { memchr::memchr(b'\n', ahead) } else { None };
        let part = newline.and_then(|at| ahead.get(..=at)).unwrap_or(ahead);
        let length = part.len();
        let stop = nesting.run(part, text.lost().is_none());
        match stop {
            Stop::Closed(behind) => {
                text.advance(behind);
                break Closed::Well;
            }
            Stop::Array(behind) => {
                text.advance(behind);
                if let Some(wrapper) = list_member(text.held()) {
                    let around = open.as_ref().map_or(0, |open| open.around.len());
                    if around + text.held().len() <= ENVELOPE && matches!(text.skip_space(), Some(b'{' | b']')) {
                        enter(text, sink, &mut open, wrapper);
                        text.hold();
                    }
                }
            }
            Stop::More => {
                text.advance(length);
                if text.ahead().is_empty() && !text.fill() {
                    break Closed::Never;
                }
                if newline.is_some() && open.is_none() && text.ahead().first() == Some(&b'{') {
                    let line = text.held_line();
                    sink.flaw(line, "the object on this line is not closed; reading went on with the next line");
                    text.release();
                    return;
                }
            }
        }
    };
    if closed == Closed::Never && open.is_none() && !*lines && retry(text, sink) {
        *lines = true;
        return;
    }
    let line = text.held_line();
    if closed == Closed::Never && text.fault().is_none() {
        let line = open.as_ref().map_or(line, |open| open.line);
        sink.flaw(line, "ends inside the object that begins on this line: the rest is missing; export it again");
    }
    match open {
        Some(mut open) => {
            if closed == Closed::Well && text.lost().is_none() {
                open.around.extend_from_slice(text.held());
            } else {
                close_early(&mut open.around);
            }
            let place = Place::Envelope {
                id: open.id,
                elements: open.elements,
                complete: closed == Closed::Well,
                wrapper: open.wrapper,
            };
            sink.put(Form::Json, &open.around, open.line, place);
        }
        None if closed == Closed::Well => {
            *lines = *lines || (line == text.line() && matches!(text.ahead(), [b'\n', ..] | [b'\r', b'\n', ..]));
            deliver(text, sink, Place::Alone);
        }
        None => {}
    }
    text.release();
}

/// The most that the members around a list may take.
const ENVELOPE: usize = 1 << 20;

/// Cuts the elements of a list whose array was just opened.
fn enter(text: &mut Text<'_>, sink: &mut Sink<'_>, open: &mut Option<Open>, wrapper: Wrapper) {
    let line = text.held_line();
    let mut list =
        open.take().unwrap_or_else(|| Open { id: sink.envelope(), wrapper, around: Vec::new(), line, elements: 0 });
    list.around.extend_from_slice(text.held());
    let known = head(&list.around, wrapper);
    list.elements += elements(text, sink, list.id, &Arc::new(known));
    *open = Some(list);
}

fn array(text: &mut Text<'_>, sink: &mut Sink<'_>) {
    let line = text.line();
    let id = sink.envelope();
    text.advance(1);
    let list = Arc::new(List { wrapper: Wrapper::Array, kind: None, api_version: None });
    let elements = elements(text, sink, id, &list);
    let complete = text.ahead().first() == Some(&b']');
    text.advance(1);
    if !complete && text.fault().is_none() {
        sink.flaw(line, "ends inside the list that begins on this line: the rest is missing; export it again");
    }
    let place = Place::Envelope { id, elements, complete, wrapper: Wrapper::Array };
    sink.put(Form::Json, b"[]", line, place);
}

/// Cuts elements up to the closing bracket, which stays ahead, or to the end of the source.
fn elements(text: &mut Text<'_>, sink: &mut Sink<'_>, id: u32, list: &Arc<List>) -> u64 {
    let (mut seen, mut foreign) = (0_u64, None);
    let mut separated = true;
    while let Some(byte) = text.skip_space() {
        if sink.hopeless() || byte == b']' {
            break;
        }
        if byte == b',' {
            text.advance(1);
            separated = true;
            continue;
        }
        let line = text.line();
        if !separated {
            sink.flaw(line, "a comma is missing between the elements of a list; export it again");
        }
        (seen, separated) = (seen + 1, false);
        if byte != b'{' {
            foreign.get_or_insert((line, seen));
            pass(text, byte);
            continue;
        }
        text.hold();
        if value(text) == Closed::Never {
            if text.fault().is_none() {
                sink.flaw(line, "ends inside the element that begins on this line; export it again");
            }
            break;
        }
        deliver(text, sink, Place::Element { envelope: id, list: Arc::clone(list) });
        text.release();
    }
    if let Some((line, _)) = foreign {
        sink.flaw(line, "an element of a list is not an object; it and all others like it are skipped; export it again, without --query");
    }
    text.release();
    seen
}

/// Passes the value that a bracket ahead opens.
fn value(text: &mut Text<'_>) -> Closed {
    let mut nesting = Nesting::default();
    loop {
        let length = text.ahead().len();
        match nesting.run(text.ahead(), false) {
            Stop::Closed(behind) => {
                text.advance(behind);
                return Closed::Well;
            }
            Stop::More | Stop::Array(_) => text.advance(length),
        }
        if !text.fill() {
            return Closed::Never;
        }
    }
}

/// Passes an element that is not an object.
fn pass(text: &mut Text<'_>, first: u8) {
    if first == b'[' {
        value(text);
        return;
    }
    text.advance(1);
    let (mut string, mut escape) = (first == b'"', false);
    loop {
        let end = text.ahead().iter().position(|byte| {
            if escape {
                escape = false;
            } else if string && *byte == b'\\' {
                escape = true;
            } else if *byte == b'"' {
                string = !string;
            }
            !string && matches!(byte, b',' | b']' | b'{')
        });
        match end {
            Some(at) => return text.advance(at),
            None => text.advance(text.ahead().len()),
        }
        if !text.fill() {
            return;
        }
    }
}

/// Puts the value just passed, unless it is too large or closed by the bracket of a list.
fn deliver(text: &Text<'_>, sink: &mut Sink<'_>, place: Place) {
    let line = text.held_line();
    let limit = sink.limits.piece;
    let size = text.lost().unwrap_or(text.held().len() as u64);
    if size > limit as u64 {
        sink.flaw(
            line,
            format!("skipped an object of {size} bytes: larger than the {} MiB that one object may have", limit >> 20),
        );
    } else if text.held().last() == Some(&b'}') {
        sink.put_held(Form::Json, text, place);
    } else {
        sink.flaw(line, "the object that begins on this line is closed by `]`; it is skipped; export it again");
    }
}

/// Goes back to the next line that begins an object, when the one held never ended.
fn retry(text: &mut Text<'_>, sink: &mut Sink<'_>) -> bool {
    let Some(at) = memchr::memmem::find(text.held(), b"\n{") else { return false };
    let line = text.held_line();
    sink.flaw(
        line,
        "the object that begins on this line is never closed; reading went on with the next line that begins one",
    );
    text.rewind(at + 1);
    text.release();
    true
}

/// The list that an array belongs to, by the key just before its bracket.
fn list_member(before: &[u8]) -> Option<Wrapper> {
    let before = before.strip_suffix(b"[")?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    Wrapper::MEMBERS.iter().find_map(|(name, wrapper)| {
        let before = before.strip_suffix(b"\"")?.strip_suffix(name.as_bytes())?.strip_suffix(b"\"")?;
        // A quote that is escaped follows a backslash, not these.
        let last = before.last()?;
        (is_space(*last) || matches!(last, b'{' | b',')).then_some(*wrapper)
    })
}

/// What the members before the array say of the list.
fn head(before: &[u8], wrapper: Wrapper) -> List {
    let mut whole = before.to_vec();
    close_early(&mut whole);
    List::read(&whole, wrapper)
}

impl List {
    /// Reads the members of a list that was written without its elements.
    pub(super) fn read(envelope: &[u8], wrapper: Wrapper) -> Self {
        #[derive(Deserialize, Default)]
        struct Head {
            kind: Option<String>,
            #[serde(rename = "apiVersion")]
            api_version: Option<String>,
        }
        let Head { kind, api_version } = serde_json::from_slice(envelope).unwrap_or_default();
        Self { wrapper, kind, api_version }
    }
}

/// Closes an object that ends inside, or just behind, its list.
fn close_early(object: &mut Vec<u8>) {
    let end = object.trim_ascii_end().len();
    object.truncate(end);
    if object.ends_with(b"[") {
        object.extend_from_slice(b"]");
    }
    object.extend_from_slice(b"}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]
    use super::*;

    #[test]
    fn a_list_is_known_by_its_key_alone() {
        assert_eq!(list_member(br#"{"items":["#), Some(Wrapper::Items));
        assert_eq!(list_member(b"{\n  \"value\" :\n ["), Some(Wrapper::Value));
        assert_eq!(list_member(br#"{"a":1,"data":["#), Some(Wrapper::Data));
        assert_eq!(list_member(br#"{"x\"items":["#), None);
        assert_eq!(list_member(br#"{"myitems":["#), None);
        assert_eq!(list_member(br#"{"other":["#), None);
    }
}
