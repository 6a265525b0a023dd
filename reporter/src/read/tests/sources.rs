//! Files, folders, encodings and compressions.

use std::io::{Read, Write as _};

use super::bench::*;
use crate::read::{Limits, Place, Root};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn files(roots: &[Root]) -> crate::read::Outcome<Vec<Seen>> {
    run(roots, Box::new(std::io::empty()), &Limits::default())
}

#[test]
fn compression_is_told_by_content() {
    let two = [&b"{\"n\":1}\n{\"n\""[..], b":2}\n"];
    assert_eq!(numbers(&clean(two.map(gzip).concat())), [1, 2]);
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    assert_eq!(numbers(&clean([zstd(two[0]), skipped.to_vec(), zstd(two[1])].concat())), [1, 2]);
}

#[test]
fn truncated_compression_keeps_what_came_before() {
    let mut dice = Dice(7);
    let text: String = (0..200_000).map(|n| format!("{{\"n\":{n},\"x\":\"{}\"}}\n", dice.below(1 << 40))).collect();
    for whole in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        let (seen, defects) = read(&whole[..whole.len() / 2]);
        let numbers = numbers(&seen);
        assert!(numbers.len() > 1000 && numbers.len() < 200_000, "{}", numbers.len());
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
        assert_eq!(defects.len(), 1, "{:?}", told(&defects));
        assert!(defects[0].partial && defects[0].line.unwrap() as usize >= numbers.len());
    }
}

#[test]
fn encodings_are_told_by_their_mark() {
    let text = "id: 1\na: \"ü😀\"\n---\nid: 2\n";
    let wide = |unit: fn(u16) -> [u8; 2]| {
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(unit).collect::<Vec<u8>>()
    };
    for bytes in [
        format!("\u{feff}{text}").into_bytes(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        gzip(&wide(u16::to_le_bytes)),
    ] {
        let seen = clean(bytes);
        assert_eq!(numbers(&seen), [1, 2]);
        assert_eq!(seen[0].json["a"], "ü😀");
    }
    let mut odd = wide(u16::to_le_bytes);
    odd.push(b'x');
    assert_eq!(read(odd).1.len(), 1);
}

#[test]
fn what_is_not_text_is_named_by_byte() {
    let (seen, defects) = read(b"{\"n\":1}\n{\"n\":2}\n{\"a\":\"\xff\"}\n".to_vec());
    assert_eq!(numbers(&seen), [1, 2]);
    assert_eq!(defects.len(), 1, "{defects:?}");
    assert!(defects[0].message.starts_with("is not text: byte 0xff at offset 22;"), "{defects:?}");
    assert_eq!((defects[0].line, defects[0].partial, defects[0].foreign), (Some(3), true, false));
    let (seen, defects) = read(b"items:\n- id: 1\n- id: 2\n  a: b\n  c\xff: d\n".to_vec());
    assert_eq!((numbers(&seen), defects.len()), (vec![1], 1), "half an object is none: {defects:?}");
    assert!(matches!(seen[1].place, Place::Envelope { elements: 2, complete: false, .. }));
    let (_, defects) = read(b"\x7fELF\x02\x01\x01\x00\x00".to_vec());
    assert_eq!(defects.len(), 1, "{defects:?}");
    assert!(defects[0].foreign && defects[0].message.contains("byte 0x00 at offset 7"), "{defects:?}");
}

#[test]
fn bombs_cost_time_alone() {
    let before = high_water();
    for fill in [&b"a"[..], b" ", b"{", b"[", b"{\"a\":", b"\n", b"{}"] {
        let chunk = fill.repeat((1 << 20) / fill.len());
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..48 {
            encoder.write_all(&chunk).unwrap();
        }
        let limits = Limits { piece: 4 << 20, yaml_document: 4 << 20, ..Limits::default() };
        let bomb = std::io::Cursor::new(encoder.finish().unwrap());
        let outcome = crate::read::read_all(&[Root::Stdin], || Box::new(bomb), &limits, |batch| batch.pieces().count());
        if fill == b"{}" {
            assert_eq!(outcome.sources[0].pieces, 48 << 19);
        } else {
            assert!(!outcome.defects.is_empty());
        }
    }
    // Other tests run beside this one: the bound is a loose one.
    let grown = high_water().saturating_sub(before);
    assert!(grown < 400 << 10, "{grown} kB");
}

/// The most memory this process ever had, in kB; 0 where it cannot be told.
fn high_water() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

#[test]
fn folders_are_walked_in_order_and_once() {
    let folder = Folder::new();
    let b = folder.write("b.yaml", "id: 2");
    folder.write("a/z.json", "{\"n\":1}");
    folder.write(".git/x.json", "{\"n\":9}");
    folder.write(".hidden.json", "{\"n\":9}");
    folder.write("c.json.gz", gzip(b"{\"n\":3}"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&folder.0, folder.0.join("a/loop")).unwrap();
        std::os::unix::fs::symlink(&b, folder.0.join("d.yaml")).unwrap();
    }
    let outcome = files(&[Root::Path(folder.0.clone()), Root::Path(b)]);
    assert_eq!(outcome.defects, []);
    let seen: Vec<Seen> = outcome.results.into_iter().flat_map(|(_, seen)| seen).collect();
    assert_eq!(numbers(&seen), [1, 2, 3]);
    let paths: Vec<_> = outcome.sources.iter().map(|summary| summary.source.path.clone()).collect();
    assert_eq!(paths, ["a/z.json", "b.yaml", "c.json.gz"].map(|name| folder.0.join(name).display().to_string()));
    assert!(
        outcome.sources.iter().all(|summary| summary.source.found && summary.source.root == 0 && summary.pieces == 1)
    );
}

#[test]
fn what_is_missing_or_empty_is_named() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join("empty")).unwrap();
    let nothing = folder.write("nothing.json", "");
    let roots = [folder.0.join("empty"), folder.0.join("missing"), nothing].map(Root::Path);
    let outcome = files(&roots);
    let told = told(&outcome.defects);
    assert_eq!(told.len(), 3, "{told:?}");
    for ((_, message), part) in told.iter().zip(["holds no file", "does not exist", "is empty"]) {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn many_small_files_keep_their_order_in_any_pool() {
    let folder = Folder::new();
    for n in 0..700 {
        folder.write(&format!("{n:04}.yaml"), format!("id: {n}\n"));
    }
    let roots = [Root::Path(folder.0.clone())];
    for threads in [1, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let limits = Limits { batch: 64, ..Limits::default() };
        let outcome = pool.install(|| run(&roots, Box::new(std::io::empty()), &limits));
        let seen: Vec<Seen> = outcome.results.into_iter().flat_map(|(_, seen)| seen).collect();
        assert_eq!(numbers(&seen), (0..700).collect::<Vec<_>>());
    }
}

#[test]
fn a_failing_reader_is_a_defect() {
    struct Failing(bool);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(std::io::Error::other("gone"));
            }
            buffer[..8].copy_from_slice(b"{\"n\":1}\n");
            Ok(8)
        }
    }
    let mut first = Failing(false);
    let mut start = vec![0; 8];
    first.read_exact(&mut start).unwrap();
    let outcome =
        run(&[Root::Stdin, Root::Stdin], Box::new(std::io::Cursor::new(start).chain(first)), &Limits::default());
    assert_eq!(outcome.results.len(), 1);
    assert_eq!(outcome.defects.len(), 1);
    assert!(outcome.defects[0].message.contains("gone"), "{:?}", outcome.defects);
}
