//! Builds the tests of the rules with all mutants in them, and runs them on one.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::Value;

use crate::weave::Woven;

/// The environment variable that says which mutant is on.
const VARIABLE: &str = "WIGUARD_MUTANT";
/// After this time a mutant counts as one that never ends.
const PATIENCE: Duration = Duration::from_secs(30);

const SWITCH: &str = r#"
use crate::finding::Severity;
use crate::outside::sync::OnceLock;

static MUTANT: OnceLock<usize> = OnceLock::new();

pub fn on(mutant: usize) -> bool {
    let read = || crate::outside::env::var("WIGUARD_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    mutant != 0 && *MUTANT.get_or_init(read) == mutant
}

pub fn severity(mutant: usize, own: Severity) -> Severity {
    match own {
        own if !on(mutant) => own,
        Severity::High | Severity::Info => Severity::Medium,
        _ => Severity::High,
    }
}
"#;

/// The tests of the rules, built.
pub struct Tests {
    folder: PathBuf,
    programs: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Caught,
    TimedOut,
    Missed,
}

/// Gives the rules the switch that tells which mutant is on.
pub fn add_switch(copy: &Path) {
    let root = copy.join("rules/src/lib.rs");
    let text = fs::read_to_string(&root).expect("the rules are in the copy");
    fs::write(root, format!("{text}\nextern crate std as outside;\npub(crate) mod mutant;\n"))
        .expect("it can be written");
    fs::write(copy.join("rules/src/mutant.rs"), SWITCH).expect("it can be written");
}

/// The names of the mutants that the compiler does not take: of each error the one whose text is nearest.
pub fn refused(copy: &Path, woven: &Woven) -> HashSet<String> {
    let output =
        cargo(copy, "check").arg("--message-format=json").stderr(Stdio::inherit()).output().expect("cargo runs");
    let (mut found, mut said) = (HashSet::new(), String::new());
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    for message in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let message = &message["message"];
        if message["level"] != "error" {
            continue;
        }
        said.push_str(message["rendered"].as_str().unwrap_or_default());
        for span in message["spans"].as_array().into_iter().flatten().filter(|span| span["is_primary"] == true) {
            let file = Path::new(span["file_name"].as_str().unwrap_or_default());
            // An arm with a condition covers nothing, so none of the file's can be taken out.
            if message["code"]["code"] == "E0004" {
                let of_file = woven.marks.get(&of_rules(file)).into_iter().flatten();
                let names = of_file.map(|mark| &woven.names[mark.of - 1]);
                found.extend(names.filter(|name| name.contains(": delete match arm ")).cloned());
            }
            let number = |name: &str| span[name].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or_default();
            found.extend(nearest(woven, file, (number("byte_start"), number("byte_end"))));
        }
    }
    assert!(output.status.success() || !found.is_empty(), "the rules cannot be built:\n{said}");
    found
}

/// The mutants of that part of the new text in which an error stands, or around it.
fn nearest(woven: &Woven, file: &Path, (from, to): (usize, usize)) -> Vec<String> {
    let mut parts: BTreeMap<usize, (usize, usize, bool)> = BTreeMap::new();
    for mark in woven.marks.get(&of_rules(file)).into_iter().flatten() {
        let touches = mark.from < to && mark.to > from;
        let part = parts.entry(mark.of).or_insert((mark.from, mark.to, false));
        *part = (part.0.min(mark.from), part.1.max(mark.to), part.2 || touches);
    }
    let near = parts.values().filter(|(low, high, touches)| *touches || (*low <= from && to <= *high));
    let best = near.min_by_key(|(low, high, touches)| (!touches, low.abs_diff(from) + high.abs_diff(to))).copied();
    parts.iter().filter(|(_, part)| Some(**part) == best).map(|(of, _)| woven.names[*of - 1].clone()).collect()
}

/// A file of the rules, however the compiler calls it.
fn of_rules(file: &Path) -> PathBuf {
    if file.starts_with("rules") { file.to_owned() } else { Path::new("rules").join(file) }
}

fn cargo(copy: &Path, command: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(copy).env("RUSTFLAGS", "--cap-lints=allow");
    cargo.env("CARGO_PROFILE_MUTANTS_OPT_LEVEL", "1");
    cargo.args([
        command,
        "--quiet",
        "--profile",
        "mutants",
        "--package",
        "wiguard-rules",
        "--features",
        "facts,evidence,manual",
    ]);
    cargo
}

impl Tests {
    /// Builds them.
    pub fn build(copy: &Path) -> Self {
        let mut cargo = cargo(copy, "test");
        cargo.args(["--lib", "--test", "cases", "--no-run", "--message-format=json"]);
        let output = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
        assert!(output.status.success(), "the tests cannot be built");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let built = |line: &str| serde_json::from_str::<Value>(line).ok()?["executable"].as_str().map(PathBuf::from);
        let mut programs: Vec<PathBuf> = lines.lines().filter_map(built).collect();
        // the cases notice most
        programs.sort_by_key(|it| !it.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cases")));
        Self { folder: copy.join("rules"), programs }
    }

    /// What they make of one mutant.
    pub fn judge(&self, mutant: usize) -> Outcome {
        self.programs.iter().map(|it| self.run(it, mutant)).find(|it| *it != Outcome::Missed).unwrap_or(Outcome::Missed)
    }

    fn run(&self, program: &Path, mutant: usize) -> Outcome {
        let mut command = Command::new(program);
        command.arg("--quiet").current_dir(&self.folder).env(VARIABLE, mutant.to_string());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the tests run");
        let begun = Instant::now();
        loop {
            match child.try_wait().expect("the tests can be waited for") {
                Some(status) if status.success() => return Outcome::Missed,
                Some(_) => return Outcome::Caught,
                None if begun.elapsed() > PATIENCE => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Outcome::TimedOut;
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}
