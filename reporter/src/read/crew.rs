//! The crew: one thread reads and cuts, the others prepare and judge.
//!
//! The cutting thread never waits. When enough is under way it does the next task itself, so
//! memory stays bounded, no core idles, and a pool of one thread, or none to spare, cannot lock.

use std::fs::File;
use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::pack::{Flaw, Form, Pack, Sink};
use super::prepare::prepare;
use super::text::Text;
use super::walk::{Content, Entry, walk};
use super::{
    Batch, Defect, Limits, Outcome, Place, Root, Source, SourceSummary, Stdin, decode, is_plain, is_promising, json,
    yaml,
};

/// Packs that one worker takes at once: many of small files, or one of a large one.
struct Task {
    index: usize,
    bytes: usize,
    packs: Vec<Pack>,
}

/// What became of one pack.
struct Done<T> {
    rank: usize,
    result: Option<(Arc<Source>, T)>,
    pieces: u64,
    lists: u64,
    flaws: Vec<Flaw>,
}

/// What was read at the start of a text.
enum Language {
    Nothing,
    Json,
    Yaml,
}

/// The most packs in one task.
const PACKS: usize = 128;

/// Reads all roots and calls `work` for each batch of objects, on many threads.
///
/// `stdin` is called if and when standard input is a root. What cannot be read is in the outcome;
/// nothing stops the reading of other sources.
pub fn read_all<T: Send>(
    roots: &[Root],
    stdin: impl FnOnce() -> Stdin,
    limits: &Limits,
    work: impl Fn(&Batch) -> T + Sync,
) -> Outcome<T> {
    let entries = walk(roots);
    let done = Mutex::new(Vec::new());
    let under_way = AtomicUsize::new(0);
    let ample = limits.batch.saturating_mul(2 * rayon::current_num_threads() + 2);
    let run = |task: Task| {
        let results: Vec<Done<T>> = task.packs.into_iter().map(|pack| judge(pack, limits, &work)).collect();
        done.lock().unwrap_or_else(PoisonError::into_inner).push((task.index, results));
    };
    let mut cut_flaws = Vec::new();
    rayon::in_place_scope(|scope| {
        let assign = |task: Task| {
            if under_way.load(Ordering::Relaxed) > ample {
                return run(task);
            }
            let bytes = task.bytes;
            under_way.fetch_add(bytes, Ordering::Relaxed);
            let (run, under_way) = (&run, &under_way);
            scope.spawn(move |_| {
                run(task);
                under_way.fetch_sub(bytes, Ordering::Relaxed);
            });
        };
        let mut next = Task { index: 0, bytes: 0, packs: Vec::new() };
        let mut send = |pack: Option<Pack>| {
            let last = pack.is_none();
            next.bytes += pack.as_ref().map_or(0, |pack| pack.bytes.len());
            next.packs.extend(pack);
            if next.bytes >= limits.batch / 2 || next.packs.len() >= PACKS || (last && !next.packs.is_empty()) {
                let index = next.index + 1;
                assign(std::mem::replace(&mut next, Task { index, bytes: 0, packs: Vec::new() }));
            }
        };
        let (mut stdin, mut window) = (Some(stdin), Vec::new());
        for (rank, Entry { source, content }) in entries.iter().enumerate() {
            let opened = match content {
                Content::Stdin => stdin.take().map(|open| Ok(open() as Box<dyn Read>)),
                Content::File(path) => Some(File::open(path).map(|file| Box::new(file) as Box<dyn Read>)),
                // One after the other: what was cut is let go before the next is fetched.
                Content::Later(fetch) => match (fetch.0)() {
                    Ok(bytes) => Some(Ok(Box::new(Cursor::new(bytes)) as Box<dyn Read>)),
                    Err(message) => {
                        cut_flaws.push((rank, Flaw { line: None, message, foreign: false }));
                        None
                    }
                },
                Content::Flaw(flaw) => {
                    cut_flaws.push((rank, flaw.clone()));
                    None
                }
            };
            let Some(opened) = opened else { continue };
            let mut send = |pack| send(Some(pack));
            let mut sink = Sink::new(limits, rank, Arc::clone(source), &mut send);
            match opened.and_then(decode::decoded) {
                Ok(bytes) => window = cut(bytes, window, &mut sink),
                Err(error) => sink.flaws.push(Flaw { line: None, message: decode::explain(&error), foreign: false }),
            }
            sink.flush();
            cut_flaws.extend(sink.flaws.drain(..).map(|flaw| (rank, flaw)));
        }
        send(None);
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    let done = done.into_iter().flat_map(|(_, results)| results).collect();
    gather(&entries, cut_flaws, done, limits)
}

/// Cuts one source. The window comes back for the next.
fn cut(bytes: Box<dyn Read + '_>, window: Vec<u8>, sink: &mut Sink<'_>) -> Vec<u8> {
    let limit = sink.limits.piece.max(sink.limits.yaml_document);
    let mut text = Text::new(bytes, window, limit);
    if is_plain(&sink.source().path) {
        plain(&mut text, sink);
        return text.into_window();
    }
    match language(&mut text) {
        Language::Nothing if text.fault().is_none() => {
            let message = "is empty; the command that wrote it may have failed, run it again".into();
            let foreign = !is_promising(&sink.source().path);
            sink.flaws.push(Flaw { line: Some(1), message, foreign });
        }
        Language::Nothing => {}
        Language::Yaml => yaml::cut(&mut text, sink),
        Language::Json => {
            if json::cut(&mut text, sink) == json::End::Yaml {
                yaml::cut(&mut text, sink);
            }
        }
    }
    if let Some(fault) = text.fault().map(str::to_owned) {
        let foreign = text.is_binary() && !sink.any && !is_promising(&sink.source().path);
        let line = text.line();
        sink.flaws.push(Flaw { line: Some(line), message: fault, foreign });
    } else if sink.hopeless() {
        let line = text.line();
        sink.flaw(line, "too much of it cannot be read; the rest is skipped");
    }
    text.into_window()
}

/// Delivers a text in one piece: its language is neither JSON nor YAML.
fn plain(text: &mut Text<'_>, sink: &mut Sink<'_>) {
    text.hold();
    loop {
        text.advance(text.ahead().len());
        if !text.fill() {
            break;
        }
    }
    let line = text.held_line();
    if let Some(fault) = text.fault().map(str::to_owned) {
        sink.flaw(line, fault);
    } else if let Some(size) = text.lost() {
        let limit = sink.limits.piece >> 20;
        sink.flaw(line, format!("skipped a lock file of {size} bytes: larger than the {limit} MiB that one may have"));
    } else {
        sink.put_held(Form::Json, text, Place::Alone);
    }
}

/// Tells JSON from YAML by the first bytes; flow style without quotes is YAML, as is a template.
fn language(text: &mut Text<'_>) -> Language {
    loop {
        let ahead = text.ahead();
        if let Some(at) = ahead.iter().position(|byte| !byte.is_ascii_whitespace()) {
            text.want(at + 512);
            let mut rest = text.ahead().get(at..).unwrap_or_default().iter();
            let first = rest.next();
            let second = rest.find(|byte| !byte.is_ascii_whitespace());
            return match (first, second) {
                (Some(b'{'), None | Some(b'"' | b'}')) => Language::Json,
                (Some(b'['), None | Some(b'{' | b'[' | b'"' | b']' | b'-' | b'0'..=b'9')) => Language::Json,
                _ => Language::Yaml,
            };
        }
        // Indentation matters to YAML: only whole lines are passed.
        let lines = memchr::memrchr(b'\n', ahead).map_or(0, |at| at + 1);
        let pass = if ahead.len() - lines > (1 << 16) { ahead.len() } else { lines };
        text.advance(pass);
        if !text.fill() {
            return Language::Nothing;
        }
    }
}

fn judge<T>(pack: Pack, limits: &Limits, work: &impl Fn(&Batch) -> T) -> Done<T> {
    let rank = pack.rank;
    let (batch, flaws) = prepare(pack, limits);
    let lists = batch.pieces.iter().filter(|piece| matches!(piece.place, Place::Envelope { .. })).count() as u64;
    let pieces = batch.pieces.len() as u64 - lists;
    let result = (!batch.pieces.is_empty()).then(|| (Arc::clone(&batch.source), work(&batch)));
    Done { rank, result, pieces, lists, flaws }
}

/// Puts together what the crew brought back, in the order of the sources.
fn gather<T>(entries: &[Entry], mut flaws: Vec<(usize, Flaw)>, done: Vec<Done<T>>, limits: &Limits) -> Outcome<T> {
    let mut sources: Vec<SourceSummary> =
        entries.iter().map(|entry| SourceSummary { source: Arc::clone(&entry.source), pieces: 0, lists: 0 }).collect();
    let mut results = Vec::new();
    for Done { rank, result, pieces, lists, flaws: found } in done {
        results.extend(result);
        flaws.extend(found.into_iter().map(|flaw| (rank, flaw)));
        if let Some(source) = sources.get_mut(rank) {
            source.pieces += pieces;
            source.lists += lists;
        }
    }
    flaws.sort_by_key(|(rank, flaw)| (*rank, flaw.line.unwrap_or(u64::MAX)));
    let mut defects = Vec::new();
    let (mut last, mut count, mut foreign) = (usize::MAX, 0, false);
    for (rank, flaw) in flaws {
        if rank != last {
            (last, count, foreign) = (rank, 0, false);
        }
        // Of prose, each paragraph would be named.
        let again = std::mem::replace(&mut foreign, flaw.foreign) && flaw.foreign;
        let Some(SourceSummary { source, pieces, lists }) = sources.get(rank) else { continue };
        if again || count > limits.defects {
            continue;
        }
        count += 1;
        let (line, message) = if count > limits.defects {
            (None, "has more defects than are named here".to_owned())
        } else {
            (flaw.line, flaw.message)
        };
        let partial = pieces + lists > 0;
        defects.push(Defect { path: source.path.clone(), line, message, partial, foreign: flaw.foreign });
    }
    Outcome { results, defects, sources }
}
