//! Text: the decompressed bytes of a source through a moving window.
//!
//! Apart so that the cutters can look ahead and hold on to what they are cutting, while the rest
//! of the source is never in memory. It lets only whole UTF-8 characters through.

use std::io::{ErrorKind, Read};
use std::ops::Range;

/// How much is asked of a source at once.
const CHUNK: usize = 256 << 10;

/// A window of a source.
pub(super) struct Text<'a> {
    source: Box<dyn Read + 'a>,
    /// Initialised throughout, so that it can be read into; filled up to `filled`.
    window: Vec<u8>,
    filled: usize,
    /// Checked as UTF-8 up to here; nothing behind it is shown.
    valid: usize,
    at: usize,
    held: Option<Held>,
    /// The offset in the source of the start of the window.
    base: u64,
    /// The line at `counted`.
    line: u64,
    counted: usize,
    /// How much may be held at once.
    limit: usize,
    ended: bool,
    fault: Option<String>,
    binary: bool,
}

struct Held {
    from: usize,
    offset: u64,
    line: u64,
    lost: bool,
}

impl<'a> Text<'a> {
    /// Starts reading. The window is scratch space of an earlier text, or empty.
    pub(super) fn new(source: Box<dyn Read + 'a>, window: Vec<u8>, limit: usize) -> Self {
        Self {
            source,
            window,
            filled: 0,
            valid: 0,
            at: 0,
            held: None,
            base: 0,
            line: 1,
            counted: 0,
            limit,
            ended: false,
            fault: None,
            binary: false,
        }
    }

    /// Gives the window back for the next text, unless it grew large.
    pub(super) fn into_window(self) -> Vec<u8> {
        if self.window.len() <= 4 * CHUNK { self.window } else { Vec::new() }
    }

    /// What stopped the reading early, if anything did.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Whether it stopped because the content is not text.
    pub(super) fn is_binary(&self) -> bool {
        self.binary
    }

    /// The bytes ahead that are in memory.
    pub(super) fn ahead(&self) -> &[u8] {
        self.window.get(self.at..self.valid).unwrap_or_default()
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.valid);
    }

    /// The line of the next byte, from 1.
    pub(super) fn line(&mut self) -> u64 {
        let passed = self.window.get(self.counted..self.at).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.counted = self.counted.max(self.at);
        self.line
    }

    /// How far into the source the next byte is.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Keeps what comes from here on, up to the limit.
    pub(super) fn hold(&mut self) {
        let line = self.line();
        self.held = Some(Held { from: self.at, offset: self.offset(), line, lost: false });
    }

    pub(super) fn release(&mut self) {
        self.held = None;
    }

    /// What was passed since [`Self::hold`]; nothing if it was too long.
    pub(super) fn held(&self) -> &[u8] {
        match &self.held {
            Some(held) if !held.lost => self.window.get(held.from..self.at).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The line on which the held part starts.
    pub(super) fn held_line(&self) -> u64 {
        self.held.as_ref().map_or(self.line, |held| held.line)
    }

    /// The length of the held part, if it was too long to be kept.
    pub(super) fn lost(&self) -> Option<u64> {
        let held = self.held.as_ref()?;
        held.lost.then(|| self.offset().saturating_sub(held.offset))
    }

    /// Goes back into the held part.
    pub(super) fn rewind(&mut self, into_held: usize) {
        let Some(held) = &self.held else { return };
        if held.lost {
            return;
        }
        self.at = held.from.saturating_add(into_held).min(self.at);
        (self.line, self.counted) = (held.line, held.from);
    }

    /// Reads on. False at the end, after which nothing more comes ahead.
    pub(super) fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.drop_passed();
        let before = self.valid;
        while self.valid == before && !self.ended {
            self.read();
        }
        self.valid > before
    }

    /// Makes at least this much visible, if the source has it.
    pub(super) fn want(&mut self, bytes: usize) {
        while self.ahead().len() < bytes && self.fill() {}
    }

    /// Passes white space. The next byte, if there is one.
    pub(super) fn skip_space(&mut self) -> Option<u8> {
        loop {
            let ahead = self.ahead();
            if let Some(at) = ahead.iter().position(|byte| !is_space(*byte)) {
                let byte = ahead.get(at).copied();
                self.advance(at);
                return byte;
            }
            self.advance(ahead.len());
            if !self.fill() {
                return None;
            }
        }
    }

    /// The next line with its end, as a length; `None` if it is longer than `most`.
    /// An empty line is the end of the source.
    pub(super) fn next_line(&mut self, most: usize) -> Option<usize> {
        let mut searched = 0;
        loop {
            let ahead = self.ahead();
            let fresh = ahead.get(searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                return Some(searched + at + 1);
            }
            searched = ahead.len();
            if searched > most {
                return None;
            }
            if !self.fill() {
                return Some(searched);
            }
        }
    }

    /// Passes the rest of the line.
    pub(super) fn skip_line(&mut self) {
        loop {
            let ahead = self.ahead();
            match memchr::memchr(b'\n', ahead) {
                Some(at) => return self.advance(at + 1),
                None => self.advance(ahead.len()),
            }
            if !self.fill() {
                return;
            }
        }
    }

    fn drop_passed(&mut self) {
        self.line();
        let at = self.at;
        let limit = self.limit;
        if let Some(held) = &mut self.held
            && (held.lost || at - held.from > limit)
        {
            held.lost = true;
            held.from = at;
        }
        let keep = self.held.as_ref().map_or(at, |held| held.from);
        if keep == 0 {
            return;
        }
        self.window.copy_within(keep..self.filled, 0);
        self.filled -= keep;
        self.valid -= keep;
        self.at -= keep;
        self.counted -= keep;
        self.base += keep as u64;
        if let Some(held) = &mut self.held {
            held.from -= keep;
        }
    }

    fn read(&mut self) {
        if self.window.len() < self.filled + CHUNK {
            self.window.resize((self.filled + CHUNK).next_power_of_two(), 0);
        }
        let free = self.window.get_mut(self.filled..).unwrap_or_default();
        match self.source.read(free) {
            Ok(0) => {
                self.ended = true;
                if self.valid < self.filled {
                    self.fault = Some("ends inside a character: the rest is missing; copy or export it again".into());
                }
            }
            Ok(bytes) => {
                self.filled += bytes;
                self.check(self.valid..self.filled);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                self.ended = true;
                self.fault = Some(super::decode::explain(&error));
            }
        }
    }

    /// Lets the bytes through up to the first that is not text.
    fn check(&mut self, range: Range<usize>) {
        let fresh = self.window.get(range.clone()).unwrap_or_default();
        let (mut text, mut bad) = match std::str::from_utf8(fresh) {
            Ok(_) => (fresh.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some()),
        };
        if let Some(nul) = memchr::memchr(0, fresh.get(..text).unwrap_or_default()) {
            (text, bad) = (nul, true);
        }
        if bad {
            let byte = fresh.get(text).copied().unwrap_or_default();
            let offset = self.base + (range.start + text) as u64;
            self.fault = Some(format!(
                "is not text: byte 0x{byte:02x} at offset {offset}; \
                 what follows is not read: export it as UTF-8 JSON or YAML"
            ));
            self.binary = true;
            self.ended = true;
        }
        self.valid = range.start + text;
    }
}

/// The white space of JSON.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}
