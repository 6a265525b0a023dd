//! Converting one YAML document to JSON.
//!
//! Written straight from the parser's events, without a tree: only what an anchor names is kept.
//! What aliases add is counted, so that a document of a few lines cannot grow without bound.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::Value;

use super::scalar::{Scalar, resolve};
use super::{Limits, Wrapper};

/// What a document is. Ranges are in the output, lines count from 1 in the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// Nothing but comments, or null.
    Empty,
    /// Text, a number: not an object.
    Scalar,
    Object {
        json: Range<usize>,
        line: u64,
    },
    List(Listing),
}

/// A document that is a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) wrapper: Wrapper,
    pub(super) json: Range<usize>,
    /// With its brackets.
    pub(super) array: Range<usize>,
    pub(super) elements: Vec<Element>,
    pub(super) line: u64,
    /// The line on which the array ends.
    pub(super) end: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) json: Range<usize>,
    pub(super) line: u64,
}

/// Why a document could not be converted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) line: u64,
    pub(super) message: String,
}

/// A mapping or sequence that is being written.
struct Frame {
    mapping: bool,
    from: usize,
    line: u64,
    anchor: usize,
    empty: bool,
    /// Of a mapping: the next scalar is a key.
    at_key: bool,
    /// The value to come belongs to a merge key, `<<`.
    merging: bool,
    keys: HashSet<String>,
    merged: Vec<(String, Value)>,
    /// The frame is the array of a list.
    list: Option<Wrapper>,
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Vec<u8>>,
    /// How much aliases may still add.
    allowance: usize,
    depth: usize,
    last_key: String,
    root: Option<(Range<usize>, u64)>,
    elements: Vec<Element>,
    array: Option<(Wrapper, Range<usize>, u64)>,
}

/// Appends a document to `out` as JSON. On failure `out` is as it was.
///
/// # Errors
/// When it is not YAML, names a key twice, nests or expands beyond the limits.
pub(super) fn convert(text: &str, limits: &Limits, out: &mut Vec<u8>) -> Result<Document, Trouble> {
    let from = out.len();
    let result = write(text, limits, out);
    if result.is_err() {
        out.truncate(from);
    }
    result
}

fn write(text: &str, limits: &Limits, out: &mut Vec<u8>) -> Result<Document, Trouble> {
    let mut writer = Writer {
        out,
        frames: Vec::new(),
        anchors: HashMap::new(),
        allowance: limits.yaml_expansion,
        depth: limits.depth,
        last_key: String::new(),
        root: None,
        elements: Vec::new(),
        array: None,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| Trouble { line: error.marker().line() as u64, message: explain(error.info()) })?;
        let line = span.start.line() as u64;
        writer.event(event, line).map_err(|message| Trouble { line, message })?;
    }
    Ok(writer.document())
}

fn explain(info: &str) -> String {
    if info.contains("unknown anchor") {
        return "an alias names an anchor that is not defined in this object".into();
    }
    if info.contains("recursion limit") {
        return "nests too deep; write it flatter".into();
    }
    format!("is not YAML: {info}; correct it, or export it again")
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>, line: u64) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = meaning(&text, style, tag.as_deref());
                if self.frames.last().is_some_and(|frame| frame.mapping && frame.at_key) {
                    if text == "<<" && style == ScalarStyle::Plain && tag.is_none() {
                        return self.merge_key();
                    }
                    let key = match value {
                        Scalar::Null => "null".to_owned(),
                        Scalar::Bool(value) => value.to_string(),
                        Scalar::Number(number) => number,
                        Scalar::Text => text.into_owned(),
                    };
                    return self.key(key, anchor);
                }
                let from = self.begin()?;
                match value {
                    Scalar::Null => self.out.extend_from_slice(b"null"),
                    Scalar::Bool(value) => self.out.extend_from_slice(value.to_string().as_bytes()),
                    Scalar::Number(number) => self.out.extend_from_slice(number.as_bytes()),
                    Scalar::Text => string(self.out, &text)?,
                }
                self.done(from, line, anchor)
            }
            Event::Alias(anchor) => {
                if self.frames.last().is_some_and(|frame| frame.mapping && frame.at_key) {
                    return Err("a key is an alias; write it out".into());
                }
                let from = self.begin()?;
                let Some(json) = self.anchors.get(&anchor) else {
                    return Err("an alias stands inside of what it names".into());
                };
                self.allowance = self.allowance.checked_sub(json.len()).ok_or(TOO_MUCH)?;
                self.out.extend_from_slice(json);
                self.done(from, line, 0)
            }
            Event::MappingStart(anchor, _) => self.open(true, line, anchor),
            Event::SequenceStart(anchor, _) => self.open(false, line, anchor),
            Event::MappingEnd | Event::SequenceEnd => self.close(line),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err("a second document begins without `---` before it".into())
            }
            _ => Ok(()),
        }
    }

    /// Makes way for a value. Where it starts.
    fn begin(&mut self) -> Result<usize, String> {
        if let Some(frame) = self.frames.last_mut() {
            if frame.mapping && frame.at_key {
                return Err("a key is a list or a mapping; only text can be a key".into());
            }
            if !frame.mapping {
                if !frame.empty {
                    self.out.push(b',');
                }
                frame.empty = false;
            }
        }
        Ok(self.out.len())
    }

    fn key(&mut self, key: String, anchor: usize) -> Result<(), String> {
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        if !frame.keys.insert(key.clone()) {
            return Err(format!("the key `{key}` appears twice in one mapping; remove one"));
        }
        if !frame.empty {
            self.out.push(b',');
        }
        (frame.empty, frame.at_key) = (false, false);
        let from = self.out.len();
        string(self.out, &key)?;
        self.keep(anchor, from)?;
        self.out.push(b':');
        self.last_key = key;
        Ok(())
    }

    fn merge_key(&mut self) -> Result<(), String> {
        if let Some(frame) = self.frames.last_mut() {
            (frame.at_key, frame.merging) = (false, true);
        }
        Ok(())
    }

    fn open(&mut self, mapping: bool, line: u64, anchor: usize) -> Result<(), String> {
        let from = self.begin()?;
        if self.frames.len() >= self.depth {
            return Err(format!("nests more than {} levels deep; write it flatter", self.depth));
        }
        let list = match self.frames.as_slice() {
            _ if mapping || self.array.is_some() => None,
            [] => Some(Wrapper::Array),
            [top] if top.mapping && !top.merging => Wrapper::of_member(&self.last_key),
            _ => None,
        };
        self.out.push(if mapping { b'{' } else { b'[' });
        self.frames.push(Frame {
            mapping,
            from,
            line,
            anchor,
            empty: true,
            at_key: mapping,
            merging: false,
            keys: HashSet::new(),
            merged: Vec::new(),
            list,
        });
        Ok(())
    }

    fn close(&mut self, line: u64) -> Result<(), String> {
        let Some(mut frame) = self.frames.pop() else { return Ok(()) };
        for (key, value) in std::mem::take(&mut frame.merged) {
            if frame.keys.contains(&key) {
                continue;
            }
            if !frame.empty {
                self.out.push(b',');
            }
            frame.empty = false;
            string(self.out, &key)?;
            self.out.push(b':');
            serde_json::to_writer(&mut *self.out, &value).map_err(|error| error.to_string())?;
            frame.keys.insert(key);
        }
        self.out.push(if frame.mapping { b'}' } else { b']' });
        if let Some(wrapper) = frame.list {
            let objects = self.elements.first().is_none_or(|first| self.out.get(first.json.start) == Some(&b'{'));
            if objects {
                self.array = Some((wrapper, frame.from..self.out.len(), line));
            } else {
                self.elements.clear();
            }
        }
        self.done(frame.from, frame.line, frame.anchor)
    }

    /// A value is written: tells whoever waits for it.
    fn done(&mut self, from: usize, line: u64, anchor: usize) -> Result<(), String> {
        self.keep(anchor, from)?;
        let range = from..self.out.len();
        match self.frames.last_mut() {
            None => self.root = Some((range, line)),
            Some(frame) if frame.merging => {
                (frame.merging, frame.at_key) = (false, true);
                let json = self.out.split_off(from);
                self.allowance = self.allowance.checked_sub(json.len()).ok_or(TOO_MUCH)?;
                let value = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
                let parts = if let Value::Array(parts) = value { parts } else { vec![value] };
                for part in parts {
                    let Value::Object(members) = part else {
                        return Err("the value of a merge key `<<` is not a mapping".into());
                    };
                    frame.merged.extend(members);
                }
            }
            Some(frame) => {
                frame.at_key = frame.mapping;
                if frame.list.is_some() {
                    self.elements.push(Element { json: range, line });
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, anchor: usize, from: usize) -> Result<(), String> {
        if anchor > 0 {
            let json = self.out.get(from..).unwrap_or_default();
            self.allowance = self.allowance.checked_sub(json.len()).ok_or(TOO_MUCH)?;
            self.anchors.insert(anchor, json.to_vec());
        }
        Ok(())
    }

    fn document(self) -> Document {
        let Some((json, line)) = self.root else { return Document::Empty };
        if let Some((wrapper, array, end)) = self.array {
            return Document::List(Listing { wrapper, json, array, elements: self.elements, line, end });
        }
        match self.out.get(json.start) {
            Some(b'{') => Document::Object { json, line },
            Some(b'n') => Document::Empty,
            _ => Document::Scalar,
        }
    }
}

const TOO_MUCH: &str = "its aliases repeat too much; write it out, or give it as JSON";

fn meaning(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Scalar {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "null" | "bool" | "int" | "float") => {
            resolve(text)
        }
        None if style == ScalarStyle::Plain => resolve(text),
        _ => Scalar::Text,
    }
}

fn string(out: &mut Vec<u8>, text: &str) -> Result<(), String> {
    serde_json::to_writer(out, text).map_err(|error| error.to_string())
}
