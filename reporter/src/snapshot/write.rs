//! Writing: lines as they come, counted and added up, gzip around them.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

#[cfg(feature = "live")]
use super::{Batch, Files};
use super::{End, Header, Line, SCHEMA};
use crate::collect::Feed;
#[cfg(feature = "live")]
use crate::collect::{Reading, facts::Facts};

/// Objects of a file that one line holds at most: a reader takes lines, not files.
#[cfg(feature = "live")]
const OBJECTS: usize = 1000;

/// What lines add up to, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u128);

/// A snapshot under way.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: GzEncoder<W>,
    buffer: Vec<u8>,
    lines: u64,
    objects: u64,
    digest: Digest,
}

impl<W: Write> Writer<W> {
    /// Begins one. The bytes depend on nothing but what is written.
    pub fn new(out: W) -> Self {
        let out = GzBuilder::new().mtime(0).write(out, Compression::default());
        Self { out, buffer: Vec::new(), lines: 0, objects: 0, digest: Digest::default() }
    }

    /// Writes the first line of a section.
    ///
    /// # Errors
    /// If it cannot be written; so it is with the others.
    pub fn header(&mut self, header: Header) -> io::Result<()> {
        self.line(&Line::Header(Box::new(header)))
    }

    /// Writes what a source gave.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn feed(&mut self, feed: Feed) -> io::Result<()> {
        self.objects += feed.read;
        self.line(&Line::Feed(Box::new(feed)))
    }

    /// Writes what files say.
    #[cfg(feature = "live")]
    pub(crate) fn reading(&mut self, reading: Reading) -> io::Result<()> {
        if reading.sources.is_empty() && reading.defects.is_empty() {
            return Ok(());
        }
        self.objects += reading.sources.iter().map(|it| it.pieces).sum::<u64>();
        let sources = reading.sources.iter().map(Into::into).collect();
        self.line(&Line::Files(Files { sources, defects: reading.defects }))?;
        for (source, facts) in reading.facts {
            let file = reading.sources.iter().position(|it| it.source == source).unwrap_or_default();
            let file = u32::try_from(file).unwrap_or(u32::MAX);
            for facts in cut(facts) {
                self.line(&Line::Batch(Box::new(Batch { file, facts })))?;
            }
        }
        Ok(())
    }

    /// Writes the last line of a section; another may follow. How many objects there are.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(&mut self, readers: Vec<String>) -> io::Result<u64> {
        let end = End { readers, lines: self.lines, objects: self.objects, digest: self.digest.to_string() };
        let objects = self.objects;
        self.line(&Line::End(end))?;
        (self.lines, self.objects, self.digest) = (0, 0, Digest::default());
        Ok(objects)
    }

    /// Gives back what it was written to.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.out.finish()
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.buffer.clear();
        write!(self.buffer, "{{\"schema\":\"{SCHEMA}\",")?;
        let from = self.buffer.len();
        serde_json::to_writer(&mut self.buffer, line)?;
        // The brace of the line's own object is there already.
        self.buffer.remove(from);
        self.digest.add(hash(&self.buffer));
        self.lines += 1;
        self.buffer.push(b'\n');
        self.out.write_all(&self.buffer)
    }
}

/// The facts of a file in parts of a bearable size.
#[cfg(feature = "live")]
fn cut(mut facts: Facts) -> Vec<Facts> {
    let mut parts = Vec::new();
    while facts.manifests.len() + facts.resources.len() > OBJECTS {
        let manifests = facts.manifests.len().min(OBJECTS);
        let resources = facts.resources.len().min(OBJECTS - manifests);
        parts.push(Facts {
            manifests: facts.manifests.drain(..manifests).collect(),
            resources: facts.resources.drain(..resources).collect(),
            ..Facts::default()
        });
    }
    parts.push(facts);
    parts
}

/// FNV-1a with 128 bits: it tells lines that were lost, damaged or swapped, and guards no secret.
pub(super) fn hash(bytes: &[u8]) -> u128 {
    fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, bytes)
}

fn fold(start: u128, bytes: &[u8]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(start, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

// === impl Digest ===

impl Digest {
    /// Adds a line.
    pub(super) fn add(&mut self, hash: u128) {
        self.0 = fold(self.0, &hash.to_be_bytes());
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(hash(b""))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
