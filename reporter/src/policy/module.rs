//! `wiguard policy module`: the embedded WebAssembly module as a file, to push to a registry. Its
//! metadata is a custom section that says whether the policy may change objects; a host that is to
//! let it needs a module that says so.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::Value;

use crate::cli::Failure;

/// The custom section that a Kubewarden host reads (Kubewarden, `reference/spec/metadata`).
const METADATA: &str = "io.kubewarden.metadata";

/// The arguments of `policy module`.
#[derive(Debug, Args)]
pub(super) struct Module {
    /// Write it to FILE, not to standard output
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Have its metadata say that it changes objects, as the setting `moveLabel` needs
    #[arg(long)]
    mutating: bool,
}

impl Module {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let changed = if self.mutating { Some(mutating(crate::POLICY).map_err(Failure::Internal)?) } else { None };
        let module = changed.as_deref().unwrap_or(crate::POLICY);
        let written = match &self.output {
            Some(file) => std::fs::write(file, module).with_context(|| format!("could not write `{}`", file.display())),
            None => match io::stdout().lock().write_all(module) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written.context("could not write to standard output"),
            },
        };
        written.map(|()| 0).map_err(Failure::Internal)
    }
}

/// The module with metadata that says `mutating: true`; all other bytes are as they were.
fn mutating(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let cut = || anyhow!("could not read the module: it is cut short");
    let (head, mut rest) = module.split_at_checked(8).ok_or_else(cut)?;
    let mut out = head.to_vec();
    let mut found = false;
    while let Some((&id, after)) = rest.split_first() {
        let (payload, after) = sized(after).ok_or_else(cut)?;
        let custom = if id == 0 { sized(payload) } else { None };
        match custom.filter(|(name, _)| *name == METADATA.as_bytes()) {
            Some((name, json)) => {
                found = true;
                let mut metadata: Value =
                    serde_json::from_slice(json).with_context(|| format!("could not read its section `{METADATA}`"))?;
                let slot = metadata.get_mut("mutating");
                *slot.ok_or_else(|| anyhow!("its section `{METADATA}` has no member `mutating`"))? = Value::Bool(true);
                let mut section = Vec::new();
                write_sized(&mut section, name);
                section.extend(serde_json::to_vec(&metadata)?);
                out.push(0);
                write_sized(&mut out, &section);
            }
            None => {
                let length = rest.len() - after.len();
                out.extend(rest.get(..length).ok_or_else(cut)?);
            }
        }
        rest = after;
    }
    if found { Ok(out) } else { Err(anyhow!("the module has no section `{METADATA}`")) }
}

/// Bytes with their number before them (LEB128, 32 bits), and what follows.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_u64;
    for (index, &byte) in bytes.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

fn write_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

    use super::{METADATA, mutating, sized, write_sized};

    fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for (id, payload) in sections {
            module.push(*id);
            write_sized(&mut module, payload);
        }
        module
    }

    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        let mut section = Vec::new();
        write_sized(&mut section, name.as_bytes());
        section.extend(content);
        section
    }

    #[test]
    fn only_the_one_member_changes() {
        let padding = [7_u8; 300];
        let with = |json: &[u8]| {
            module(&[(1, &padding), (0, &custom(METADATA, json)), (0, &custom("name", b"x")), (10, b"code")])
        };
        let changed = mutating(&with(br#"{"a":1,"mutating":false,"z":[]}"#)).unwrap();
        assert_eq!(changed, with(br#"{"a":1,"mutating":true,"z":[]}"#));
    }

    #[test]
    fn what_is_no_annotated_module_is_refused() {
        let whole = module(&[(0, &custom(METADATA, br#"{"mutating":false}"#))]);
        for (module, reason) in [
            (&whole[..whole.len() - 1], "cut short"),
            (&whole[..4], "cut short"),
            (&whole[..8], "has no section"),
            (&module(&[(0, &custom(METADATA, b"{}"))]), "no member `mutating`"),
            (&module(&[(0, &custom(METADATA, b"{"))]), "could not read its section"),
        ] {
            let error = mutating(module).unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{error:#}");
        }
    }

    #[test]
    fn lengths_are_read_as_they_are_written() {
        for length in [0, 1, 127, 128, 300, 70_000] {
            let (bytes, mut out) = (vec![1; length], Vec::new());
            write_sized(&mut out, &bytes);
            out.push(9);
            assert_eq!(sized(&out), Some((bytes.as_slice(), [9].as_slice())));
        }
        assert_eq!(sized(&[0x80; 6]), None);
        assert_eq!(sized(&[2, 0]), None);
    }
}
