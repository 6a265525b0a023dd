//! Preparing: from what was cut to the objects of a batch, on a worker.
//!
//! YAML becomes JSON here, and what cannot be read is told apart from what was never meant to be.

use std::ops::Range;
use std::sync::Arc;

use super::convert::{Document, Listing, Trouble, convert};
use super::pack::{Cut, Flaw, Form, Pack, Sink};
use super::text::Text;
use super::{Batch, Limits, List, Place, Ready, yaml};
use crate::tokens;

struct Bench<'a> {
    limits: &'a Limits,
    converted: Vec<u8>,
    pieces: Vec<Ready>,
    flaws: Vec<Flaw>,
}

/// Makes a batch of a pack.
pub(super) fn prepare(pack: Pack, limits: &Limits) -> (Batch, Vec<Flaw>) {
    let mut bench =
        Bench { limits, converted: Vec::new(), pieces: Vec::with_capacity(pack.cuts.len()), flaws: Vec::new() };
    for cut in pack.cuts {
        let text = pack.bytes.get(cut.bytes.clone()).unwrap_or_default();
        // The text let nothing else through, and cuts fall between characters.
        let text = std::str::from_utf8(text).unwrap_or_default();
        if cut.form == Form::Json {
            bench.pieces.push(Ready { text: cut.bytes, json: None, line: cut.line, place: cut.place });
        } else {
            bench.yaml(text, cut, &pack.source);
        }
    }
    bench.flaws.truncate(limits.defects);
    let batch = Batch { source: pack.source, raw: pack.bytes, converted: bench.converted, pieces: bench.pieces };
    (batch, bench.flaws)
}

impl Bench<'_> {
    fn yaml(&mut self, text: &str, cut: Cut, source: &Arc<super::Source>) {
        if cut.form == Form::YamlEnvelope {
            return self.envelope(text, &cut, cut.line, cut.place.clone());
        }
        let document = convert(text, self.limits, &mut self.converted);
        match (cut.form, document) {
            (Form::YamlDocument { envelope }, Ok(Document::List(listing))) => self.list(text, &cut, envelope, listing),
            (Form::YamlDocument { envelope }, Err(trouble)) => {
                if !self.piecemeal(text, &cut, envelope, source) {
                    self.trouble(text, &cut, trouble);
                }
            }
            (Form::YamlItem, Ok(Document::List(listing))) => match listing.elements.as_slice() {
                [element] if self.converted.get(element.json.start) == Some(&b'{') => {
                    self.push(cut.bytes, element.json.clone(), cut.line, cut.place);
                }
                _ => self.flaw(
                    cut.line,
                    "an element of a list is not an object; it is skipped; export it again, without --query".into(),
                    false,
                ),
            },
            (Form::YamlItem, Ok(_)) => {
                self.flaw(
                    cut.line,
                    "an element of a list is not an object; it is skipped; export it again, without --query".into(),
                    false,
                );
            }
            (_, Ok(Document::Object { .. })) if complaint(text).is_some() => {
                self.flaw(cut.line, hint(text).unwrap_or_default(), false);
            }
            (_, Ok(Document::Object { json, line })) => {
                let start = Lines::new(text).start(line);
                self.push(cut.bytes.start + start..cut.bytes.end, json, cut.line + line - 1, cut.place);
            }
            (_, Ok(Document::Scalar | Document::List(_))) => {
                let message = hint(text).unwrap_or_else(|| "is text, not an object; give JSON or YAML".into());
                self.flaw(cut.line, message, is_foreign(text));
            }
            (_, Ok(Document::Empty)) => {}
            (_, Err(trouble)) => self.trouble(text, &cut, trouble),
        }
    }

    fn push(&mut self, text: Range<usize>, json: Range<usize>, line: u64, place: Place) {
        self.pieces.push(Ready { text, json: Some(json), line, place });
    }

    fn flaw(&mut self, line: u64, message: String, foreign: bool) {
        self.flaws.push(Flaw { line: Some(line), message, foreign });
    }

    fn trouble(&mut self, text: &str, cut: &Cut, trouble: Trouble) {
        let beyond = ["nests ", "its aliases repeat"].iter().any(|limit| trouble.message.starts_with(limit));
        let message = hint(text).unwrap_or(trouble.message);
        // What breaks a limit is no prose.
        let foreign = !beyond && cut.form != Form::YamlItem && is_foreign(text);
        self.flaw(cut.line + trouble.line.saturating_sub(1), message, foreign);
    }

    /// Delivers a list that was parsed as one document.
    fn list(&mut self, text: &str, cut: &Cut, id: u32, listing: Listing) {
        let Listing { wrapper, json, array, elements, line, end } = listing;
        let from = self.converted.len();
        self.converted.extend_from_within(json.start..array.start);
        self.converted.extend_from_slice(b"[]");
        self.converted.extend_from_within(array.end..json.end);
        let envelope = from..self.converted.len();
        let list = Arc::new(List::read(self.converted.get(envelope.clone()).unwrap_or_default(), wrapper));

        let seen = elements.len() as u64;
        let mut lines = Lines::new(text);
        let mut elements = elements.into_iter().peekable();
        while let Some(element) = elements.next() {
            let line = cut.line + element.line - 1;
            if self.converted.get(element.json.start) != Some(&b'{') {
                self.flaw(
                    line,
                    "an element of a list is not an object; it is skipped; export it again, without --query".into(),
                    false,
                );
                continue;
            }
            let start = lines.start(element.line);
            let end = lines.start(elements.peek().map_or(end, |next| next.line)).max(start);
            let text = cut.bytes.start + start..cut.bytes.start + end;
            self.push(text, element.json, line, Place::Element { envelope: id, list: Arc::clone(&list) });
        }
        let place = Place::Envelope { id, elements: seen, complete: true, wrapper };
        self.push(cut.bytes.clone(), envelope, cut.line + line - 1, place);
    }

    /// Reads a list that did not parse as a whole element by element, so that one broken element
    /// does not sink the others. False if it is not such a list.
    fn piecemeal(&mut self, text: &str, cut: &Cut, envelope: u32, source: &Arc<super::Source>) -> bool {
        let mut packs = Vec::new();
        let mut send = |pack| packs.push(pack);
        let mut sink = Sink::new(self.limits, 0, Arc::clone(source), &mut send);
        sink.envelopes = envelope;
        let mut window = Text::new(Box::new(text.as_bytes()), Vec::new(), text.len());
        window.hold();
        window.want(text.len());
        window.advance(text.len());
        if yaml::list(&mut window, &mut sink).is_none() {
            return false;
        }
        sink.flush();
        let flaws = std::mem::take(&mut sink.flaws);
        self.flaws.extend(flaws);
        let mut lines = Lines::new(text);
        for Pack { bytes, cuts, .. } in packs {
            for part in cuts {
                let line = cut.line + part.line - 1;
                let Some(text) = bytes.get(part.bytes).and_then(|text| std::str::from_utf8(text).ok()) else {
                    continue;
                };
                if part.form == Form::YamlItem {
                    let from = cut.bytes.start + lines.start(part.line);
                    let bytes = from..from + text.len();
                    self.yaml(text, Cut { form: part.form, bytes, line, place: part.place }, source);
                } else {
                    // JSON is YAML too: the empty array of a bare list comes this way as well.
                    self.envelope(text, cut, line, part.place);
                }
            }
        }
        true
    }

    /// Delivers what stood around the elements of a list that was cut by its lines.
    fn envelope(&mut self, text: &str, cut: &Cut, line: u64, place: Place) {
        match convert(text, self.limits, &mut self.converted) {
            Ok(Document::Object { json, .. } | Document::List(Listing { json, .. })) => {
                self.push(cut.bytes.clone(), json, line, place);
            }
            Ok(_) => {}
            // Its lines are counted without the elements, so only its first is told.
            Err(trouble) => self.flaw(line, format!("the list itself cannot be read: {}", trouble.message), false),
        }
    }
}

/// The starts of the lines of a text, asked for in rising order.
struct Lines<'a> {
    text: &'a str,
    line: u64,
    at: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, line: 1, at: 0 }
    }

    fn start(&mut self, line: u64) -> usize {
        while self.line < line {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else { return self.text.len() };
            self.at += end + 1;
            self.line += 1;
        }
        self.at
    }
}

/// What a text that is no YAML object seems to be, and what to give instead.
fn hint(text: &str) -> Option<String> {
    if let Some(line) = complaint(text) {
        return Some(format!(
            "is what a command said when it failed, `{line}`; mend that, run it again, and keep only what it prints on standard output"
        ));
    }
    sort_of(text).map(str::to_owned)
}

/// The first line of a text, shortened, if kubectl or az complains in it.
fn complaint(text: &str) -> Option<String> {
    const BEGINNINGS: [&str; 8] = [
        "ERROR:",
        "error:",
        "Error:",
        "WARNING:",
        "Error from server",
        "Unable to connect to the server",
        "The connection to the server",
        "Please run",
    ];
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    BEGINNINGS
        .iter()
        .any(|beginning| line.starts_with(beginning))
        .then(|| tokens::hide(line).chars().take(120).collect())
}

fn sort_of(text: &str) -> Option<&'static str> {
    let begins =
        |starts: &[&str]| text.lines().take(LOOK).any(|line| starts.iter().any(|start| line.starts_with(start)));
    if begins(&[
        "terraform {",
        "resource \"",
        "data \"",
        "provider \"",
        "variable \"",
        "module \"",
        "output \"",
        "locals {",
    ]) {
        Some("is Terraform configuration; give the output of `terraform show -json` instead")
    } else if text.contains("'Microsoft.") && begins(&["resource ", "param ", "targetScope", "module "]) {
        Some("is Bicep; give the output of `bicep build --stdout` instead")
    } else if text.contains("{{") && text.contains("}}") {
        Some("is a template that was not rendered; give the output of `helm template` instead")
    } else if text.starts_with("#!") {
        Some("is a script; give what it prints instead")
    } else if is_markdown(text) {
        Some("is Markdown; give the manifests themselves")
    } else {
        None
    }
}

/// A fenced block at the margin is in no YAML: a backtick begins nothing there.
fn is_markdown(text: &str) -> bool {
    text.lines().take(LOOK).any(|line| line.starts_with("```"))
}

/// How many lines are looked at for a hint.
const LOOK: usize = 2000;

/// Whether nothing suggests that an object of Kubernetes was meant.
fn is_foreign(text: &str) -> bool {
    // A failed command, or a value that `--query` picked out, was meant to be more.
    if complaint(text).is_some() || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return false;
    }
    is_markdown(text)
        || !text.lines().take(LOOK).any(|line| {
            let line = line.trim_start_matches(['-', ' ', '{', '"']);
            line.starts_with("apiVersion") || line.starts_with("kind")
        })
}
