//! `wiguard collect`: from what is named to a snapshot.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use clap::Args;

use crate::cli::Failure;
use crate::clock;
use crate::collect::{Feed, Gap, Missing, Reading, Tie, Wanted, join, read};
use crate::config::Config;
use crate::live::IN_CLUSTER;
use crate::redact::{Redact, Redactor};
use crate::report::is_complete;
use crate::snapshot::{Header, Part, Section, Writer, settle};
use crate::sources::Sources;
use crate::store::{Address, Place};

/// How the names of files end that are being written.
const PART: &str = ".part";

/// The arguments of `collect`.
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  everything was read
  2  wrong usage or configuration
  3  a source could not be read wholly; what was read is written
  4  wiguard itself failed, or the snapshot could not be written")]
pub struct Gather {
    #[command(flatten)]
    sources: Sources,
    /// Write the snapshot to FILE, `-` for standard output, or object storage: az://CONTAINER/PATH, s3://BUCKET/PATH
    #[arg(short, long, value_name = "FILE|-|URL")]
    output: PathBuf,
    /// Read only this namespace of live clusters
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Tie the dump at PATH to the cluster NAME; repeatable
    #[arg(long, value_name = "NAME=PATH", value_parser = Tie::parse)]
    cluster: Vec<Tie>,
    /// Read the configuration from FILE, for the kinds and the namespace it declares [default: wiguard.toml or .wiguard.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    redact: Redact,
}

impl Gather {
    /// Runs it; the exit status.
    ///
    /// # Errors
    /// If what was typed makes no sense, or the snapshot cannot be written.
    pub fn run(self) -> Result<u8, Failure> {
        self.sources.check()?;
        if self.sources.how.assume_complete {
            return Err(Failure::Usage(anyhow!(
                "a snapshot keeps what was read; say --assume-complete to the scan that reads it"
            )));
        }
        let config = Config::load(self.config.as_deref()).map_err(|error| Failure::Usage(error.into()))?;
        let redactor = self.redact.redactor()?;
        let progress = self.sources.how.progress.show();
        let mut target = Target::open(&self.output)?;
        let shard = self.sources.how.live.shard()?;
        let header = Header {
            program: env!("CARGO_PKG_VERSION").into(),
            begun: clock::now(),
            asked: self.sources.asked(),
            namespace: self.namespace.clone(),
            shard: shard.map(|shard| {
                let (number, of) = shard.parts();
                Part { number, of }
            }),
            run: std::env::var("WIGUARD_RUN").unwrap_or_default(),
            redacted: redactor.is_some(),
            clusters: ties(&self.cluster),
            identities: ties(&self.sources.how.identity),
            images: ties(&self.sources.how.image),
        };
        let mut snapshot = Snapshot {
            writer: Writer::new(&mut target),
            redactor,
            readers: Vec::new(),
            gaps: Vec::new(),
            nameless: false,
            failed: None,
        };
        snapshot.begin(header);
        let bearing = self.sources.how.bearing(&config);
        snapshot.readers = self.sources.how.live.read(self.namespace.as_deref(), &bearing, &progress, |feed| {
            snapshot.feed(feed);
            // What cannot be written need not be read.
            if snapshot.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        snapshot.check()?;
        if snapshot.nameless {
            progress.note(&format!(
                "the cluster is called {IN_CLUSTER}, as every other that is read from within: name it with --kube-name"
            ));
        }
        progress.say("reading");
        let roots = self.sources.roots()?;
        let (mut reading, mut sections) = read(&roots, &bearing, || Box::new(io::stdin()));
        let namespaces = config.namespaces(&self.sources.how.default_namespace);
        reading.place(&namespaces);
        sections.iter_mut().for_each(|section| section.reading.place(&namespaces));
        let (sections, gaps) = settle(sections);
        if !reading.sources.is_empty() {
            // Whether what cannot be read is a loss is told by what stands beside it.
            let judged = join(&Wanted::default(), reading.clone(), sections.clone(), gaps.clone(), Vec::new());
            snapshot.gaps.extend(judged.gaps);
        }
        snapshot.files(reading, sections, gaps);
        let (objects, gaps) = snapshot.end()?;
        progress.say("");
        target.commit().map_err(|error| Failure::Internal(error.context(could_not(&self.output))))?;
        let mut told: Vec<_> = gaps.iter().collect();
        told.sort();
        told.dedup();
        for gap in told.into_iter().filter(|gap| matches!(gap.extent, Missing::All | Missing::Part)) {
            progress.note(&format!("{}: {}", gap.path, gap.reason));
        }
        if self.output != Path::new("-") {
            progress.note(&format!("wrote {}: {objects} objects", self.output.display()));
        }
        Ok(if is_complete(&gaps) { 0 } else { 3 })
    }
}

fn ties(ties: &[Tie]) -> Vec<(String, String)> {
    ties.iter().map(|tie| (tie.name.clone(), tie.path.display().to_string())).collect()
}

fn could_not(output: &Path) -> String {
    format!("could not write the snapshot `{}`", output.display())
}

/// A snapshot under way.
struct Snapshot<W: Write> {
    writer: Writer<W>,
    redactor: Option<Redactor>,
    readers: Vec<String>,
    gaps: Vec<Gap>,
    /// Whether a cluster has a name that others have too.
    nameless: bool,
    /// Why it could not be written.
    failed: Option<io::Error>,
}

impl<W: Write> Snapshot<W> {
    fn begin(&mut self, mut header: Header) {
        if let Some(redactor) = &mut self.redactor {
            redactor.header(&mut header);
        }
        let written = self.writer.header(header);
        self.note(written);
    }

    fn feed(&mut self, mut feed: Feed) {
        self.nameless |= feed.cluster.as_ref().is_some_and(|home| home.name == IN_CLUSTER);
        if let Some(redactor) = &mut self.redactor {
            redactor.feed(&mut feed);
        }
        self.gaps.extend(feed.gaps.iter().cloned());
        let written = self.writer.feed(feed);
        self.note(written);
    }

    /// Files, and the snapshots among them, which become part of this one.
    fn files(&mut self, mut reading: Reading, sections: Vec<Section>, gaps: Vec<Gap>) {
        // A snapshot is no file of the estate.
        let kept: Vec<&str> = sections.iter().map(|section| section.path.as_str()).collect();
        reading.sources.retain(|summary| !kept.contains(&summary.source.path.as_str()));
        if !gaps.is_empty() {
            self.feed(Feed { source: "snapshots".into(), at: clock::now(), gaps, ..Feed::default() });
        }
        for section in sections {
            self.readers.extend(section.readers);
            section.feeds.into_iter().for_each(|feed| self.feed(feed));
            self.reading(section.reading);
        }
        self.reading(reading);
    }

    fn reading(&mut self, mut reading: Reading) {
        if let Some(redactor) = &mut self.redactor {
            redactor.reading(&mut reading);
        }
        let written = self.writer.reading(reading);
        self.note(written);
    }

    fn note(&mut self, written: io::Result<()>) {
        if let (Err(error), None) = (written, &self.failed) {
            self.failed = Some(error);
        }
    }

    /// Fails if it could not be written so far.
    fn check(&mut self) -> Result<(), Failure> {
        let failed = self.failed.take().map_or(Ok(()), Err);
        failed.context("could not write the snapshot").map_err(Failure::Internal)
    }

    fn end(mut self) -> Result<(u64, Vec<Gap>), Failure> {
        if let Some(redactor) = &mut self.redactor {
            self.readers.iter_mut().for_each(|reader| redactor.name(reader));
        }
        self.readers.sort();
        self.readers.dedup();
        self.check()?;
        let ended = self.writer.end(self.readers).and_then(|objects| self.writer.finish().map(|_| objects));
        let objects = ended.context("could not write the snapshot").map_err(Failure::Internal)?;
        Ok((objects, self.gaps))
    }
}

/// Where a snapshot goes: a file appears under its name once it is whole.
pub(crate) enum Target {
    Stdout(io::Stdout),
    File {
        file: BufWriter<File>,
        at: PathBuf,
        meant: PathBuf,
    },
    /// A device or a pipe: it cannot be replaced.
    Device(BufWriter<File>),
    Object(Address, Vec<u8>),
}

impl Target {
    /// Opens it.
    pub(crate) fn open(output: &Path) -> Result<Self, Failure> {
        if output == Path::new("-") {
            return Ok(Self::Stdout(io::stdout()));
        }
        let meant = match Place::parse(output)? {
            Place::Object(address) => return Ok(Self::Object(address, Vec::new())),
            Place::Path(path) => path,
        };
        let name = meant.file_name().ok_or_else(|| Failure::Usage(anyhow!("`{}` names no file", meant.display())))?;
        if meant.is_dir() {
            return Err(Failure::Usage(anyhow!("`{}` is a folder; name a file in it", meant.display())));
        }
        if meant.metadata().is_ok_and(|there| !there.is_file()) {
            let device = OpenOptions::new().write(true).open(&meant);
            let device = device.with_context(|| could_not(output)).map_err(Failure::Internal)?;
            return Ok(Self::Device(BufWriter::new(device)));
        }
        tidy(&meant);
        // In a container every process has the same id.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{nanos}{PART}", std::process::id()));
        let at = meant.with_file_name(hidden);
        let file = private().open(&at).with_context(|| could_not(output)).map_err(Failure::Internal)?;
        // It says that somebody writes it; a file system without locks has its age for that.
        let _ = file.try_lock();
        Ok(Self::File { file: BufWriter::new(file), at, meant })
    }

    /// Makes it visible.
    pub(crate) fn commit(&mut self) -> Result<(), anyhow::Error> {
        match self {
            Self::Stdout(out) => Ok(out.flush()?),
            Self::Device(device) => Ok(device.flush()?),
            Self::File { file, at, meant } => {
                file.flush()?;
                file.get_ref().sync_all()?;
                Ok(std::fs::rename(at, meant)?)
            }
            Self::Object(address, bytes) => Ok(address.put(std::mem::take(bytes))?),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File { file, .. } | Self::Device(file) => file.write(bytes),
            Self::Object(_, buffer) => buffer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File { file, .. } | Self::Device(file) => file.flush(),
            Self::Object(..) => Ok(()),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Self::File { at, .. } = self {
            // It was renamed, or it is of no use.
            let _ = std::fs::remove_file(at);
        }
    }
}

/// Removes what runs that were killed left beside a file: parts that nobody holds, and that have
/// not been written to for some time.
fn tidy(meant: &Path) {
    let Some(name) = meant.file_name().and_then(|name| name.to_str()) else { return };
    let folder = meant.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (prefix, entries) = (format!(".{name}."), std::fs::read_dir(folder).into_iter().flatten().flatten());
    for entry in entries {
        let name = entry.file_name();
        let made = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(PART));
        let is_part = made.is_some_and(|made| made.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        let (true, Some(age)) = (is_part, age()) else { continue };
        let Ok(file) = OpenOptions::new().write(true).open(entry.path()) else { continue };
        let is_left = match file.try_lock() {
            Ok(()) => age > Duration::from_mins(1),
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => age > Duration::from_hours(24),
        };
        if is_left {
            // Whoever cannot remove it can still write beside it.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A new file that its owner alone may read: it names everything that runs.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
