//! `wiguard merge`: the snapshots of a fleet become one, or one report.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;

use crate::cli::Failure;
use crate::collect::{Feed, Gap, Missing, Reading, Wanted, join, read};
use crate::gather::Target;
use crate::progress;
use crate::render::Output;
use crate::report::is_complete;
use crate::scan::{self, Judging};
use crate::snapshot::{Header, Section, Writer, settle};
use crate::store;

/// The arguments of `merge`.
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  nothing at or above --fail-on, or only a snapshot was written
  1  findings at or above it
  2  wrong usage or configuration
  3  a snapshot could not be read wholly, or one of the shards is missing; what was read is written
  4  wiguard itself failed, or the snapshot or a report could not be written")]
pub struct Merge {
    /// Snapshots, folders of them, or object storage: az://CONTAINER/PREFIX, s3://BUCKET/PREFIX
    #[arg(value_name = "SNAPSHOT", required = true)]
    paths: Vec<PathBuf>,
    /// Write a snapshot to FILE or URL, or a report as FORMAT[=PATH]: table, json, ndjson, csv; repeatable [default: table]
    #[arg(short, long, value_name = "FILE|URL|FORMAT[=PATH]")]
    output: Vec<String>,
    #[command(flatten)]
    judging: Judging,
    /// How progress is shown.
    #[command(flatten)]
    progress: progress::Flags,
}

impl Merge {
    /// Runs it; the exit status.
    ///
    /// # Errors
    /// If what was typed makes no sense, or something cannot be written.
    pub fn run(self) -> Result<u8, Failure> {
        let (mut reports, mut files): (Vec<Output>, Vec<PathBuf>) = Default::default();
        for typed in &self.output {
            match typed.parse() {
                Ok(output) => reports.push(output),
                Err(_) if !typed.is_empty() && (typed.contains("://") || !typed.contains('=')) => {
                    files.push(PathBuf::from(typed));
                }
                Err(why) => return Err(Failure::Usage(anyhow!(why))),
            }
        }
        let only_snapshots = reports.is_empty() && !files.is_empty();
        scan::outputs(&reports)?;
        let judging = &self.judging;
        judging.with_threads(|config| {
            let progress = self.progress.show();
            progress.say("reading");
            let roots = store::roots(&self.paths)?;
            let (reading, sections) = read(&roots, &[], || Box::new(std::io::stdin()));
            strangers(&reading, &sections)?;
            let (sections, mut gaps) = settle(sections);
            gaps.extend(unread(&reading));
            progress.say("");
            let mut whole = is_complete(&gaps);
            for file in &files {
                write(file, &sections, &gaps)?;
                progress.note(&format!("wrote {}: {} snapshots", file.display(), sections.len()));
            }
            if only_snapshots {
                let of_feeds = sections.iter().flat_map(|section| &section.feeds);
                whole &= of_feeds.clone().all(|feed| is_complete(&feed.gaps));
                return Ok(if whole { 0 } else { 3 });
            }
            let wanted =
                Wanted { namespaces: config.namespaces(&[]), declared: config.declared(), ..Wanted::default() };
            let collected = join(&wanted, reading, sections, gaps, Vec::new());
            judging.report(collected, config, &reports, None, &progress)
        })
    }
}

/// Fails if something other than a snapshot was named: it would be left out without a word.
fn strangers(reading: &Reading, sections: &[Section]) -> Result<(), Failure> {
    let other = reading.facts.iter().find(|(_, facts)| !facts.is_empty());
    match other {
        Some((source, _)) => Err(Failure::Usage(anyhow!(
            "`{}` is no snapshot; scan reads manifests and exports, and collect makes a snapshot of them",
            source.path
        ))),
        None if sections.is_empty() && reading.defects.is_empty() => {
            Err(Failure::Usage(anyhow!("there is no snapshot among what was named")))
        }
        None => Ok(()),
    }
}

/// Snapshots that could not be read.
fn unread(reading: &Reading) -> impl Iterator<Item = Gap> {
    let gap = |defect: &crate::read::Defect| Gap {
        path: defect.path.clone(),
        line: None,
        reason: defect.message.clone(),
        extent: if defect.partial { Missing::Part } else { Missing::All },
    };
    reading.defects.iter().map(gap).collect::<Vec<_>>().into_iter()
}

/// Writes sections one after the other. What was said of them goes along: the file is all that a
/// later reader has.
fn write(output: &Path, sections: &[Section], gaps: &[Gap]) -> Result<(), Failure> {
    let mut target = Target::open(output)?;
    let mut written = || -> Result<(), anyhow::Error> {
        let mut writer = Writer::new(&mut target);
        let begun = sections.iter().map(|section| section.header.begun).max().unwrap_or_default();
        let mut gaps = gaps.to_vec();
        // A shard that is missing is missed anew by whoever reads this.
        gaps.retain(|gap| !gap.path.starts_with("shard "));
        if !gaps.is_empty() {
            writer.header(Header { program: env!("CARGO_PKG_VERSION").into(), begun, ..Header::default() })?;
            writer.feed(Feed { source: "merge".into(), at: begun, gaps, ..Feed::default() })?;
            writer.end(Vec::new())?;
        }
        for section in sections {
            writer.header(section.header.clone())?;
            section.feeds.iter().try_for_each(|feed| writer.feed(feed.clone()))?;
            writer.reading(section.reading.clone())?;
            writer.end(section.readers.clone())?;
        }
        writer.finish()?;
        target.commit()
    };
    written().with_context(|| format!("could not write the snapshot `{}`", output.display())).map_err(Failure::Internal)
}
