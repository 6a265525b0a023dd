//! Writes the test estate, or a big dump for measuring.

use std::{
    env,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    process::ExitCode,
};

use wiguard_tests::estate::{Estate, big_azure, big_dump};

/// The seed of the big dump.
const SEED: u64 = 7;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *words.as_slice() {
        ["--dump", pods, file] => match pods.parse() {
            Ok(pods) => dump(pods, Path::new(file)),
            Err(error) => Err(io::Error::other(format!("reading the number of pods `{pods}`: {error}"))),
        },
        [folder] if !folder.starts_with('-') => Estate::seeded().write(Path::new(folder)),
        _ => Err(io::Error::other("expected `estate OUT_DIR` or `estate --dump PODS FILE`")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the dump into `file`, and its Azure side beside it.
fn dump(pods: usize, file: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    big_dump(pods, SEED, &mut out)?;
    out.flush()?;
    big_azure(pods, SEED, file.parent().unwrap_or(Path::new("")))
}
