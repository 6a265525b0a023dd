//! Testdata with random damage: whatever is left of it is read or reported, and nothing crashes.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::Config as Runs;
use wiguard::collect::{Wanted, collect};
use wiguard::config::Config;
use wiguard::read::Root;
use wiguard::render::{Format, to_bytes};
use wiguard::report::is_complete;
use wiguard::scan::assess;

/// Every file of testdata that is small enough to be scanned many times.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata"))];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.metadata().unwrap().len() < 32 << 10 {
                files.push(path);
            }
        }
    }
    files.sort();
    files.iter().map(|path: &PathBuf| std::fs::read(Path::new(path)).unwrap()).collect()
});

/// What breaks parsers, and what means something here.
const FRAGMENTS: [&[u8]; 24] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"\n",
    b"---\n",
    b"- ",
    b"&a ",
    b"*a",
    b"<<: ",
    b"null",
    b"\xff",
    b"\0",
    b"\xef\xbb\xbf",
    b"{{ .x }}",
    b"\"kind\": \"List\", ",
    b"items:\n",
    b"\"value\": [",
    b"1e999",
    b"system:serviceaccount::",
];

#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, prop::sample::Index),
    Delete(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        (at(), at()).prop_map(|(at, fragment)| Damage::Insert(at, fragment)),
        (at(), 1_usize..200).prop_map(|(at, length)| Damage::Delete(at, length)),
        (at(), 1_usize..400).prop_map(|(at, length)| Damage::Double(at, length)),
        at().prop_map(Damage::Cut),
    ]
}

fn spoil(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let upto = |from: usize, length: usize, bytes: &[u8]| from..(from + length).min(bytes.len());
    match damage {
        Damage::Flip(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Damage::Insert(at, fragment) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, fragment.get(&FRAGMENTS).iter().copied());
        }
        Damage::Delete(at, length) => {
            let range = upto(at.index(bytes.len()), *length, bytes);
            bytes.drain(range);
        }
        Damage::Double(at, length) => {
            let range = upto(at.index(bytes.len()), *length, bytes);
            bytes.extend_from_within(range);
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
    }
}

proptest! {
    #![proptest_config(Runs { cases: 1500, failure_persistence: None, ..Runs::default() })]

    #[test]
    fn damage_is_read_or_reported(seed in any::<prop::sample::Index>(), damages in prop::collection::vec(damage(), 1..6)) {
        let mut bytes = seed.get(&SEEDS).clone();
        damages.iter().for_each(|damage| spoil(&mut bytes, damage));
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let wanted = Wanted { roots: vec![Root::Stdin], ..Wanted::default() };
        let collected = collect(&wanted, Vec::new(), || Box::new(Cursor::new(bytes)));
        for gap in &collected.gaps {
            prop_assert!(gap.path == "-" && !gap.reason.is_empty() && gap.line != Some(0), "{:?}\n{}", gap, shown);
        }
        prop_assert!(!collected.sources.is_empty() || !is_complete(&collected.gaps), "nothing was read and nothing said of it:\n{}", shown);
        let rendered = assess(&collected, &Config::default(), None, |report| {
            [Format::Table, Format::Json, Format::Ndjson, Format::Csv].map(|format| to_bytes(report, format).unwrap())
        });
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&rendered[1]).is_ok(), "{}", shown);
    }
}
