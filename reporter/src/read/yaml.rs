//! Cutting YAML by its lines: into documents, and long lists into their elements.
//!
//! No parser runs here. A document is delivered whole if it is short; a long one is cut only if
//! it is a list in block style, as `kubectl get -o yaml` and `az … -o yaml` print it, where the
//! elements can be told by their indentation alone. Parsing is left to the workers.

use std::sync::Arc;

use super::convert::convert;
use super::pack::{Form, Sink};
use super::text::Text;
use super::{List, Place, Wrapper};

/// The most that a list may have besides its elements.
const ENVELOPE: usize = 1 << 20;

/// A list found at the start of a document.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    wrapper: Wrapper,
    /// The bytes before the first element.
    head: usize,
    /// The column of the dashes.
    indent: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Start,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Inside,
    Element,
    Outside,
}

/// Cuts all documents.
pub(super) fn cut(text: &mut Text<'_>, sink: &mut Sink<'_>) {
    while document(text, sink) && !sink.hopeless() {}
    text.release();
}

/// Cuts one document. False at the end of the source.
fn document(text: &mut Text<'_>, sink: &mut Sink<'_>) -> bool {
    let limit = sink.limits.yaml_document;
    let mut attempt = sink.limits.yaml_whole;
    let (mut content, mut opened) = (false, false);
    text.hold();
    loop {
        let Some(length) = text.next_line(limit) else {
            return too_large(text, sink);
        };
        let line = text.ahead().get(..length).unwrap_or_default();
        let marker = marker(line);
        if length == 0 || marker == Some(Marker::End) || (marker == Some(Marker::Start) && (content || opened)) {
            if length == 0 && text.fault().is_some() {
                // Half a document may still parse, and would be judged for what it lacks.
                list(text, sink);
            } else if content {
                let envelope = sink.envelope();
                sink.put_held(Form::YamlDocument { envelope }, text, Place::Alone);
            }
            if marker == Some(Marker::End) {
                text.advance(length);
            }
            return length != 0;
        }
        opened |= marker == Some(Marker::Start);
        content |= match marker {
            Some(_) => is_content(line.get(3..).unwrap_or_default()),
            None => is_content(line) && (opened || !line.starts_with(b"%")),
        };
        text.advance(length);
        let size = text.held().len();
        if size > attempt {
            attempt = attempt.saturating_mul(2);
            if let Some(more) = list(text, sink) {
                return more;
            }
        }
        if size > limit {
            return too_large(text, sink);
        }
    }
}

fn too_large(text: &mut Text<'_>, sink: &mut Sink<'_>) -> bool {
    let (line, limit) = (text.held_line(), sink.limits.yaml_document);
    sink.flaw(
        line,
        format!("skipped a YAML document of more than {} MiB that is not a plain list; give it as JSON, or in several documents", limit >> 20),
    );
    skip_document(text)
}

/// Passes the rest of the document. False at the end of the source.
fn skip_document(text: &mut Text<'_>) -> bool {
    text.release();
    loop {
        match text.next_line(ENVELOPE) {
            Some(0) => return false,
            Some(length) if marker(text.ahead().get(..length).unwrap_or_default()).is_none() => text.advance(length),
            Some(_) => return true,
            None => text.skip_line(),
        }
    }
}

/// Cuts the document of which the text holds the start into elements, if it is a plain list.
/// True if another document may follow it.
pub(super) fn list(text: &mut Text<'_>, sink: &mut Sink<'_>) -> Option<bool> {
    let found = find_list(text.held())?;
    let line = text.held_line();
    let mut envelope = text.held().get(..found.head)?.trim_ascii_end().to_vec();
    if found.wrapper != Wrapper::Array {
        envelope.extend_from_slice(b" []\n");
    }
    let mut json = Vec::new();
    let head = std::str::from_utf8(&envelope).ok().map(|head| convert(head, sink.limits, &mut json));
    head?.ok()?;
    let list = Arc::new(List::read(&json, found.wrapper));
    text.rewind(found.head);
    text.release();
    let id = sink.envelope();
    let elements = elements(text, sink, found.indent, id, &list);

    text.hold();
    let mut more = false;
    while let Some(length @ 1..) = text.next_line(ENVELOPE) {
        let marker = marker(text.ahead().get(..length).unwrap_or_default());
        more = marker.is_some();
        if marker == Some(Marker::Start) {
            break;
        }
        if marker.is_none() && text.held().len() + length > ENVELOPE {
            let line = text.held_line();
            sink.flaw(line, "what follows the elements of the list is too long; it is skipped");
            more = skip_document(text);
            break;
        }
        if marker.is_none() {
            text.advance(length);
        } else {
            envelope.extend_from_slice(text.held());
            text.advance(length);
            text.hold();
            break;
        }
    }
    envelope.extend_from_slice(text.held());
    text.release();
    let complete = text.fault().is_none();
    let place = Place::Envelope { id, elements, complete, wrapper: found.wrapper };
    if found.wrapper == Wrapper::Array {
        sink.put(Form::Json, b"[]", line, place);
    } else {
        sink.put(Form::YamlEnvelope, &envelope, line, place);
    }
    Some(more)
}

/// Cuts elements up to the first line that belongs to none.
fn elements(text: &mut Text<'_>, sink: &mut Sink<'_>, indent: usize, id: u32, list: &Arc<List>) -> u64 {
    let limit = sink.limits.piece;
    let (mut seen, mut large) = (0_u64, None);
    loop {
        let class = match text.next_line(limit) {
            Some(length) => (length, classify(text.ahead().get(..length).unwrap_or_default(), indent)),
            None => {
                large.get_or_insert(text.held_line());
                text.release();
                text.skip_line();
                continue;
            }
        };
        if let (length, Line::Inside) = class {
            text.advance(length);
            if text.held().len() > limit {
                large.get_or_insert(text.held_line());
                text.release();
            }
            continue;
        }
        if let Some(line) = large.take() {
            sink.flaw(
                line,
                format!("skipped an element of a list: larger than the {} MiB that one object may have", limit >> 20),
            );
        } else if seen > 0 && (class.0 > 0 || text.fault().is_none()) {
            sink.put_held(Form::YamlItem, text, Place::Element { envelope: id, list: Arc::clone(list) });
        }
        text.release();
        if class.1 == Line::Outside || sink.hopeless() {
            return seen;
        }
        seen += 1;
        text.hold();
        text.advance(class.0);
    }
}

/// The list that a document begins with, if it is in block style.
fn find_list(held: &[u8]) -> Option<Found> {
    let mut at = 0;
    let mut before: Option<(Wrapper, usize)> = None;
    let mut first = true;
    for line in held.split_inclusive(|byte| *byte == b'\n') {
        let from = at;
        at += line.len();
        let content = if marker(line).is_some() { line.get(3..).unwrap_or_default() } else { line };
        if !is_content(content) || (first && line.starts_with(b"%")) {
            continue;
        }
        let indent = indent(line);
        let dash = is_dash(line.get(indent..).unwrap_or_default());
        if let Some((wrapper, head)) = before.take() {
            if dash {
                return Some(Found { wrapper, head, indent });
            }
        } else if first && dash {
            return Some(Found { wrapper: Wrapper::Array, head: from, indent });
        }
        first = false;
        let key = line.trim_ascii_end().strip_suffix(b":").and_then(|key| std::str::from_utf8(key).ok());
        before = key.and_then(Wrapper::of_member).map(|wrapper| (wrapper, at));
    }
    None
}

fn classify(line: &[u8], column: usize) -> Line {
    if line.is_empty() || marker(line).is_some() {
        return Line::Outside;
    }
    let indent = indent(line);
    if !is_content(line) || indent > column {
        Line::Inside
    } else if indent == column && is_dash(line.get(indent..).unwrap_or_default()) {
        Line::Element
    } else {
        Line::Outside
    }
}

fn marker(line: &[u8]) -> Option<Marker> {
    let (mark, rest) = line.split_at_checked(3)?;
    if !matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')) {
        return None;
    }
    match mark {
        b"---" => Some(Marker::Start),
        b"..." => Some(Marker::End),
        _ => None,
    }
}

fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|byte| **byte == b' ').count()
}

fn is_dash(line: &[u8]) -> bool {
    matches!(line, [b'-'] | [b'-', b' ' | b'\t' | b'\r' | b'\n', ..])
}

/// Neither blank nor a comment.
fn is_content(line: &[u8]) -> bool {
    !matches!(line.trim_ascii_start().first(), None | Some(b'#'))
}
