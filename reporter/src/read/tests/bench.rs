//! What the tests of reading share: a source in memory, and pieces as they came out.

use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::read::{Defect, Limits, Outcome, Place, Root, read_all};

/// A piece, owned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) json: Value,
    pub(super) text: String,
    pub(super) line: u64,
    pub(super) place: Place,
}

pub(super) fn run(roots: &[Root], stdin: Box<dyn Read + Send>, limits: &Limits) -> Outcome<Vec<Seen>> {
    read_all(
        roots,
        || stdin,
        limits,
        |batch| {
            let seen = |piece: crate::read::Piece<'_>| Seen {
                json: serde_json::from_slice(piece.json).unwrap_or_else(|error| {
                    panic!("{error}: {}", String::from_utf8_lossy(piece.json));
                }),
                text: String::from_utf8(piece.text.to_vec()).expect("text is UTF-8"),
                line: piece.line,
                place: piece.place.clone(),
            };
            batch.pieces().map(seen).collect()
        },
    )
}

/// Reads bytes as standard input.
pub(super) fn read_with(bytes: impl Into<Vec<u8>>, limits: &Limits) -> (Vec<Seen>, Vec<Defect>) {
    let outcome = run(&[Root::Stdin], Box::new(Cursor::new(bytes.into())), limits);
    (outcome.results.into_iter().flat_map(|(_, seen)| seen).collect(), outcome.defects)
}

pub(super) fn read(bytes: impl Into<Vec<u8>>) -> (Vec<Seen>, Vec<Defect>) {
    read_with(bytes, &Limits::default())
}

/// Reads bytes that hold no defect.
pub(super) fn clean(bytes: impl Into<Vec<u8>>) -> Vec<Seen> {
    let (seen, defects) = read(bytes);
    assert_eq!(defects, []);
    seen
}

/// The lines and messages of defects.
pub(super) fn told(defects: &[Defect]) -> Vec<(Option<u64>, &str)> {
    defects.iter().map(|defect| (defect.line, defect.message.as_str())).collect()
}

/// The values of `n` or `id` of the pieces that are no envelopes. (In YAML 1.1 a key `n` is `false`.)
pub(super) fn numbers(seen: &[Seen]) -> Vec<u64> {
    let own = seen.iter().filter(|seen| !matches!(seen.place, Place::Envelope { .. }));
    own.map(|seen| {
        seen.json["n"].as_u64().or(seen.json["id"].as_u64()).unwrap_or_else(|| panic!("no number in {seen:?}"))
    })
    .collect()
}

pub(super) fn envelopes(seen: &[Seen]) -> Vec<&Seen> {
    seen.iter().filter(|seen| matches!(seen.place, Place::Envelope { .. })).collect()
}

/// A reader that gives little at a time.
pub(super) struct Drip(pub(super) Cursor<Vec<u8>>, pub(super) usize);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

/// A folder that goes away with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wiguard-read-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Pseudo-random numbers from a seed (xorshift, Marsaglia 2003).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
