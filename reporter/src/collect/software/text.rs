//! Lock files with a language of their own, read line by line: of Go (`go.mod`, `go.sum`), Gradle
//! (`gradle.lockfile`) and Yarn (`yarn.lock`).

use std::collections::BTreeMap;

use wiguard_rules::model::{Ecosystem, Library};
use wiguard_rules::release::Release;

use super::{Described, library, of};

fn line(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

fn defect(index: usize, reason: &str) -> Vec<(u32, String)> {
    vec![(line(index), reason.into())]
}

/// Reads `go.mod`, in which Go writes every module that the program needs, in the version it takes.
pub(super) fn go_mod(text: &str) -> Described {
    let (mut is_one, mut block, mut found, mut replaced) = (false, "", Vec::new(), Vec::new());
    for written in text.lines() {
        let mut words = written.split("//").next().unwrap_or_default().split_whitespace().peekable();
        let verb = match (block, words.peek().copied()) {
            (_, None) => continue,
            (open, Some(")")) if !open.is_empty() => {
                block = "";
                continue;
            }
            ("", Some(verb)) => {
                words.next();
                if words.peek() == Some(&"(") {
                    block = verb;
                    continue;
                }
                verb
            }
            (open, Some(_)) => open,
        };
        let words: Vec<&str> = words.collect();
        match (verb, words.as_slice()) {
            ("module", [_, ..]) => is_one = true,
            ("require", [path, version, ..]) => found.extend(library(Ecosystem::Go, path, version, false)),
            ("replace", _) => replaced.push(words),
            _ => {}
        }
    }
    if !is_one {
        let defects = defect(0, "names no `module`, as every go.mod does; copy it again");
        return Described { defects, ..Described::default() };
    }
    for it in &mut found {
        replaced.iter().for_each(|words| replace(it, words));
    }
    Described { software: of(found), defects: Vec::new() }
}

/// `OLD [VERSION] => NEW [VERSION]`: what takes the place of a module. Of a fork or a folder no
/// version is known.
fn replace(it: &mut Library, words: &[&str]) {
    let Some(arrow) = words.iter().position(|word| *word == "=>") else { return };
    let (old, new) = words.split_at(arrow);
    let is = |path: &&str| library(Ecosystem::Go, path, "", false).is_some_and(|other| other.package == it.package);
    let applies = old.first().is_some_and(is) && old.get(1).is_none_or(|version| *version == it.version);
    if applies {
        let version = new.get(2).filter(|_| new.get(1).is_some_and(is));
        it.version = version.map_or_else(String::new, |version| super::shortened(version));
    }
}

/// Reads `go.sum`, which names all versions that were looked at: of those whose content was, the
/// highest is the one that is taken.
pub(super) fn go_sum(text: &str) -> Described {
    let mut highest: BTreeMap<&str, Library> = BTreeMap::new();
    for (index, written) in text.lines().enumerate() {
        let words: Vec<&str> = written.split_whitespace().collect();
        let (path, version) = match words.as_slice() {
            [] => continue,
            [path, version, hash] if hash.starts_with("h1:") => (*path, *version),
            _ => {
                let reason = "is no line of a go.sum, `MODULE VERSION h1:HASH`; copy it again";
                return Described { defects: defect(index, reason), ..Described::default() };
            }
        };
        let Some(next) = library(Ecosystem::Go, path, version, false).filter(|_| !version.ends_with("/go.mod")) else {
            continue;
        };
        let kept = highest.entry(next.package.name).or_insert_with(|| next.clone());
        if Release::of(&kept.version) < Release::of(&next.version) {
            *kept = next;
        }
    }
    Described { software: of(highest.into_values().collect()), defects: Vec::new() }
}

/// Reads a lock file of Gradle: `GROUP:ARTIFACT:VERSION=CONFIGURATION,…`. What only configurations
/// for tests use is not delivered.
pub(super) fn gradle(text: &str) -> Described {
    let mut found = Vec::new();
    for (index, written) in text.lines().map(str::trim).enumerate() {
        if written.is_empty() || written.starts_with('#') || written.starts_with("empty=") {
            continue;
        }
        let Some((module, configurations)) = written.split_once('=') else {
            let reason = "is no line of a lock file of Gradle, `GROUP:ARTIFACT:VERSION=…`; copy it again";
            return Described { defects: defect(index, reason), ..Described::default() };
        };
        let test = |name: &str| name.to_ascii_lowercase().contains("test");
        let development = !configurations.is_empty() && configurations.split(',').all(test);
        if let Some((name, version)) = module.rsplit_once(':') {
            found.extend(library(Ecosystem::Maven, name, version, development));
        }
    }
    Described { software: of(found), defects: Vec::new() }
}

/// Reads a lock file of Yarn, of the first version or of a later one: at the margin what was asked
/// for, indented below it the version that was taken.
pub(super) fn yarn(text: &str) -> Described {
    let (mut name, mut found, mut any) = (None, Vec::new(), false);
    for written in text.lines() {
        if written.starts_with('#') || written.trim().is_empty() {
            any |= written.contains("yarn lockfile");
            continue;
        }
        if !written.starts_with(' ') {
            any |= written.trim_end().ends_with(':');
            let first = written.trim_start_matches('"').split([',', '"', ':']).next().unwrap_or_default();
            // The first `@` may be that of a scope.
            let end = first.char_indices().skip(1).find(|(_, letter)| *letter == '@').map(|(at, _)| at);
            name = end.and_then(|end| first.get(..end));
            continue;
        }
        let version = written.trim().strip_prefix("version").filter(|_| written.starts_with("  version"));
        if let (Some(own), Some(version)) = (name, version) {
            let version = version.trim_start_matches([':', ' ']).trim_matches('"');
            found.extend(library(Ecosystem::Npm, own, version, false));
            name = None;
        }
    }
    let defects =
        if any || text.trim().is_empty() { Vec::new() } else { defect(0, "is no lock file of Yarn; copy it again") };
    Described { software: of(found), defects }
}
