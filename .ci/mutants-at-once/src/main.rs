//! Runs all mutants of the rules: `.ci/mutants --all [WORD]...`.
//!
//! cargo-mutants builds each mutant by itself, some ten seconds each. Here all of them are woven into
//! one build, where an environment variable switches one on, so that a mutant costs the half second that
//! its tests take. Beside those that cargo-mutants lists, whole conditions are replaced by `true` and
//! `false`, filters are taken out, `any` and `all` are exchanged, as `is_some_and` and `is_none_or` are,
//! and severities are changed. What the compiler does not take is left out, and counted.
//!
//! Arguments: the list of cargo-mutants as JSON, the copy of the tree to weave them into, and perhaps
//! words of which a mutant's name must have one.

mod build;
mod edit;
mod weave;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

use serde::Deserialize;

use build::{Outcome, Tests};

/// What tests make of mutants, after each of them.
type Outcomes = Vec<(usize, Outcome)>;

/// A mutant as cargo-mutants lists it.
#[derive(Deserialize)]
pub struct Listed {
    pub file: PathBuf,
    pub genre: String,
    pub name: String,
    pub replacement: String,
    pub span: Span,
}

#[derive(Deserialize)]
pub struct Span {
    pub start: Place,
}

/// A line and a column, both from 1.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

fn main() {
    let mut arguments = env::args().skip(1);
    let (list, copy) = (arguments.next().expect("the list"), PathBuf::from(arguments.next().expect("the copy")));
    let words: Vec<String> = arguments.collect();
    let listed: Vec<Listed> = serde_json::from_str(&fs::read_to_string(list).expect("the list can be read"))
        .expect("the list is that of cargo-mutants");

    let sources: BTreeMap<PathBuf, String> =
        files(&listed).map(|file| (file.clone(), read(&copy.join(file)))).collect();
    build::add_switch(&copy);
    let mut refused = HashSet::new();
    if chosen(&weave::weave(&sources, &listed, &refused).names, &words).is_empty() {
        eprintln!("no mutant's name has one of {words:?}; names begin with paths such as rules/src/catalogue/NAME.rs");
        std::process::exit(2);
    }
    let woven = loop {
        let woven = weave::weave(&sources, &listed, &refused);
        for (file, text) in &woven.texts {
            fs::write(copy.join(file), text).expect("the copy can be written");
        }
        let faulty = build::refused(&copy, &woven);
        if faulty.is_empty() {
            break woven;
        }
        refused.extend(faulty);
        eprintln!("{} mutants are not taken by the compiler", refused.len());
    };
    let tests = Tests::build(&copy);
    assert_eq!(tests.judge(0), Outcome::Missed, "the tests fail without any mutant");
    report(&woven.names, &words, &tests, refused.len());
}

fn files(listed: &[Listed]) -> impl Iterator<Item = &PathBuf> {
    let mut seen = HashSet::new();
    listed.iter().map(|it| &it.file).filter(move |file| seen.insert(*file))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Those whose names have one of the words, or all.
fn chosen(names: &[String], words: &[String]) -> Vec<usize> {
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    (0..names.len()).filter(|at| wanted(&names[*at])).collect()
}

/// Runs the tests on each mutant, some at a time, and prints which none of them notices.
fn report(names: &[String], words: &[String], tests: &Tests, refused: usize) {
    let chosen = chosen(names, words);
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Outcomes::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(at) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = tests.judge(at + 1);
                    if outcome != Outcome::Caught {
                        println!("{outcome:?}: {}", names[*at]);
                    }
                    outcomes.lock().expect("no thread panics").push((*at, outcome));
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no thread panics");
    let count = |of: Outcome| outcomes.iter().filter(|(_, outcome)| *outcome == of).count();
    let (caught, late, missed) = (count(Outcome::Caught), count(Outcome::TimedOut), count(Outcome::Missed));
    println!(
        "{} mutants: {caught} noticed, {late} never end, {missed} missed; {refused} more cannot be built",
        chosen.len()
    );
    std::process::exit(i32::from(missed > 0));
}
