//! Pack: what was cut from one source and is on its way to a worker.

use std::ops::Range;
use std::sync::Arc;

use super::text::Text;
use super::{Limits, Place, Source};

/// How the text of a cut is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON, or a text in a language of its own, to be delivered as it is.
    Json,
    /// A whole YAML document; if it turns out to be a list, this is its id.
    YamlDocument { envelope: u32 },
    /// One element of a YAML list, with its dash.
    YamlItem,
    /// A YAML list without its elements.
    YamlEnvelope,
}

#[derive(Debug)]
pub(super) struct Cut {
    pub(super) form: Form,
    pub(super) bytes: Range<usize>,
    pub(super) line: u64,
    pub(super) place: Place,
}

/// Cuts of one source, with their bytes.
#[derive(Debug)]
pub(super) struct Pack {
    /// The rank of the source among all.
    pub(super) rank: usize,
    pub(super) source: Arc<Source>,
    pub(super) bytes: Vec<u8>,
    pub(super) cuts: Vec<Cut>,
}

/// The most cuts in a pack, so that the smallest objects do not outweigh their bytes.
const CUTS: usize = 16 << 10;

/// A defect before its path is known: the line, the message, and whether the content is foreign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) line: Option<u64>,
    pub(super) message: String,
    pub(super) foreign: bool,
}

/// Where a cutter puts what it cuts.
pub(super) struct Sink<'a> {
    pub(super) limits: &'a Limits,
    pub(super) flaws: Vec<Flaw>,
    pub(super) envelopes: u32,
    /// Whether anything was cut.
    pub(super) any: bool,
    pack: Pack,
    send: &'a mut dyn FnMut(Pack),
}

impl<'a> Sink<'a> {
    pub(super) fn new(limits: &'a Limits, rank: usize, source: Arc<Source>, send: &'a mut dyn FnMut(Pack)) -> Self {
        let pack = Pack { rank, source, bytes: Vec::new(), cuts: Vec::new() };
        Self { limits, flaws: Vec::new(), envelopes: 0, any: false, pack, send }
    }

    pub(super) fn put(&mut self, form: Form, bytes: &[u8], line: u64, place: Place) {
        let full = self.pack.bytes.len() + bytes.len() > self.limits.batch || self.pack.cuts.len() >= CUTS;
        if full && !self.pack.cuts.is_empty() {
            self.flush();
        }
        let from = self.pack.bytes.len();
        self.pack.bytes.extend_from_slice(bytes);
        self.pack.cuts.push(Cut { form, bytes: from..self.pack.bytes.len(), line, place });
        self.any = true;
    }

    /// The source that is cut.
    pub(super) fn source(&self) -> &Source {
        &self.pack.source
    }

    /// Puts what the text holds.
    pub(super) fn put_held(&mut self, form: Form, text: &Text<'_>, place: Place) {
        self.put(form, text.held(), text.held_line(), place);
    }

    pub(super) fn flaw(&mut self, line: u64, message: impl Into<String>) {
        self.flaws.push(Flaw { line: Some(line), message: message.into(), foreign: false });
    }

    /// Whether so much is wrong that reading on tells nothing.
    pub(super) fn hopeless(&self) -> bool {
        self.flaws.len() >= self.limits.defects
    }

    /// A new id for a list.
    pub(super) fn envelope(&mut self) -> u32 {
        let id = self.envelopes;
        self.envelopes = self.envelopes.saturating_add(1);
        id
    }

    /// Sends off what is left.
    pub(super) fn flush(&mut self) {
        if self.pack.cuts.is_empty() {
            return;
        }
        let next =
            Pack { rank: self.pack.rank, source: Arc::clone(&self.pack.source), bytes: Vec::new(), cuts: Vec::new() };
        (self.send)(std::mem::replace(&mut self.pack, next));
    }
}
