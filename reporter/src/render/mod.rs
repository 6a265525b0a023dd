//! Rendering: one file a format. A format prints the report and decides nothing.

mod csv;
mod json;
mod table;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use table::Style;
pub(crate) use table::printable;

use crate::report::Report;
#[cfg(feature = "live")]
use crate::store::{Address, Place};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    Table,
    /// One object, `wiguard.report/v1`.
    Json,
    /// One finding on each line.
    Ndjson,
    /// Tables for spreadsheets: a folder, or the findings alone on standard output.
    Csv,
}

/// `FORMAT[=PATH]` as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// Where to; standard output if it is not said, or `-`.
    pub path: Option<PathBuf>,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file or folder.
    #[error("could not write `{}`", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// Object storage.
    #[cfg(feature = "live")]
    #[error("could not write `{0}`")]
    Store(String, #[source] crate::store::StoreError),
    /// Standard output.
    #[error("could not write to standard output")]
    Stdout(#[source] io::Error),
}

impl Format {
    const NAMES: [(&'static str, Self); 4] =
        [("table", Self::Table), ("json", Self::Json), ("ndjson", Self::Ndjson), ("csv", Self::Csv)];
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = match text.split_once('=') {
            Some((name, "-")) => (name, None),
            Some((name, path)) if !path.is_empty() => (name, Some(PathBuf::from(path))),
            Some((name, _)) => return Err(format!("`{name}=` names no path")),
            None => (text, None),
        };
        let format = Format::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        let format = format.ok_or_else(|| {
            format!("there is no format `{name}`; there are {}", Format::NAMES.map(|(name, _)| name).join(", "))
        })?;
        Ok(Self { format, path })
    }
}

/// Writes a report as asked; returns the paths written.
///
/// # Errors
/// If a place cannot be written to. A reader of standard output that goes away is no error.
pub fn write(report: &Report<'_>, output: &Output, style: Style) -> Result<Option<PathBuf>, RenderError> {
    #[cfg(feature = "live")]
    if let Some(path) = &output.path {
        match Place::parse(path) {
            Ok(Place::Object(address)) => {
                to_store(report, output.format, &address)?;
                return Ok(Some(path.clone()));
            }
            Ok(Place::Path(local)) if local != *path => {
                return write(report, &Output { path: Some(local), ..output.clone() }, style);
            }
            _ => {}
        }
    }
    match (&output.path, output.format) {
        (Some(folder), Format::Csv) => {
            csv::folder(report, folder).map_err(|error| RenderError::File(folder.clone(), error))?;
            Ok(Some(folder.clone()))
        }
        (Some(path), format) => {
            to_file(report, format, path).map_err(|error| RenderError::File(path.clone(), error))?;
            Ok(Some(path.clone()))
        }
        (None, format) => {
            let stdout = io::stdout().lock();
            let written = to(report, format, &mut BufWriter::new(stdout), style);
            match written {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(RenderError::Stdout(error)),
                _ => Ok(None),
            }
        }
    }
}

#[cfg(feature = "live")]
fn to_store(report: &Report<'_>, format: Format, address: &Address) -> Result<(), RenderError> {
    let failed = |address: &Address, error| RenderError::Store(address.to_string(), error);
    let in_memory = |error| RenderError::File(PathBuf::from(address.to_string()), error);
    if format == Format::Csv {
        for (name, table) in csv::TABLES {
            let mut bytes = Vec::new();
            table(report, &mut bytes).map_err(in_memory)?;
            let address = address.join(name);
            address.put(bytes).map_err(|error| failed(&address, error))?;
        }
        return Ok(());
    }
    let bytes = to_bytes(report, format).map_err(in_memory)?;
    address.put(bytes).map_err(|error| failed(address, error))
}

fn to_file(report: &Report<'_>, format: Format, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    to(report, format, &mut BufWriter::new(File::create(path)?), Style::PLAIN)
}

/// Writes a report in one format.
pub(crate) fn to(report: &Report<'_>, format: Format, out: &mut dyn Write, style: Style) -> io::Result<()> {
    match format {
        Format::Table => table::write(report, out, style),
        Format::Json => json::write(report, out),
        Format::Ndjson => json::write_lines(report, out),
        Format::Csv => csv::findings(report, out),
    }?;
    out.flush()
}

/// Renders a report in one format, for tests and callers that keep it.
///
/// # Errors
/// None that a `Vec` gives; the signature is the writers'.
pub fn to_bytes(report: &Report<'_>, format: Format) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    to(report, format, &mut bytes, Style::PLAIN)?;
    Ok(bytes)
}
