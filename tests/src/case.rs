//! A case: something that is scanned in this process, and what came of it in a form that a test
//! can compare. Apart from the report, so that a test names facts and no layout.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wiguard::collect::{Collected, Gap, Wanted, collect};
use wiguard::config::Config;
use wiguard::evaluate::{Controllers, evaluate};
use wiguard::read::Root;
use wiguard::scan::assess;
use wiguard_rules::case::Case;
use wiguard_rules::catalogue::{CATALOGUE, Entry};
use wiguard_rules::finding::Severity;
use wiguard_rules::judge::audit;
use wiguard_rules::parameters::Parameters;
use wiguard_rules::trust::Trust;

/// A finding, as little of it as tells it from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The rule's id.
    pub rule: String,
    /// The object's kind.
    pub kind: String,
    /// Its namespace, empty if it has none.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// The object's cluster, empty if it has none or a nameless one.
    #[serde(default)]
    pub cluster: String,
}

/// What came of a scan.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// The findings of the report, sorted.
    pub findings: Vec<Seen>,
    /// What could not be read or put to use.
    pub gaps: Vec<Gap>,
}

/// Collects what is in a folder or file.
#[must_use]
pub fn collect_path(path: &Path, assume_complete: bool) -> Collected {
    let roots = vec![Root::Path(path.to_path_buf())];
    collect(&Wanted { roots, assume_complete, ..Wanted::default() }, Vec::new(), || Box::new(std::io::empty()))
}

/// Collects what a text holds, as if it came on standard input.
#[must_use]
pub fn collect_text(text: &str, assume_complete: bool) -> Collected {
    let (roots, text) = (vec![Root::Stdin], text.to_owned());
    collect(&Wanted { roots, assume_complete, ..Wanted::default() }, Vec::new(), || Box::new(Cursor::new(text)))
}

/// Scans a folder or file, with no configuration.
#[must_use]
pub fn scan_path(path: &Path, assume_complete: bool) -> Scanned {
    scanned(&collect_path(path, assume_complete))
}

/// Scans a text, with no configuration.
#[must_use]
pub fn scan_text(text: &str, assume_complete: bool) -> Scanned {
    scanned(&collect_text(text, assume_complete))
}

/// What the report says of a collection.
#[must_use]
pub fn scanned(collected: &Collected) -> Scanned {
    let mut findings = assess(collected, &Config::default(), None, |report| {
        let seen = |found: &wiguard::report::Reported| Seen {
            rule: found.rule.id.into(),
            kind: found.kind.into(),
            namespace: found.namespace.clone(),
            name: found.name.clone(),
            severity: found.finding.severity,
            cluster: found.cluster.clone(),
        };
        report.findings.iter().map(seen).collect::<Vec<_>>()
    });
    findings.sort();
    Scanned { findings, gaps: collected.gaps.clone() }
}

/// The ids of the rules that find something in a collection, before anything is hidden because
/// another rule says the same and more.
#[must_use]
pub fn rules_that_find(collected: &Collected) -> Vec<&'static str> {
    let parameters = Parameters::default();
    let trust = Trust::join(&collected.inventory, &parameters);
    let controllers = Controllers::of_all(&collected.inventory);
    let evaluation = evaluate(&collected.inventory, &trust, &controllers, &[]);
    let mut ids: Vec<&'static str> = evaluation.findings.iter().map(|found| found.rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The folder `testdata`, or something in it.
#[must_use]
pub fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(path)
}

/// The folders of `testdata/documents`, one for each case, sorted.
///
/// # Errors
/// Whatever the file system refuses.
pub fn documents() -> std::io::Result<Vec<PathBuf>> {
    let mut cases = Vec::new();
    for guide in folders(&testdata("documents"))? {
        cases.extend(folders(&guide)?);
    }
    cases.sort();
    Ok(cases)
}

fn folders(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    Ok(paths(path)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// An example that would clutter a manual page: `testdata/corners/RULE/WHAT.yaml`. Its first line
/// says what the rule does with it, and why: `# high: the second of two accounts is meant`.
#[derive(Clone, Debug)]
pub struct Corner {
    /// The rule.
    pub rule: &'static Entry,
    /// The file.
    pub path: PathBuf,
}

/// All corners, sorted.
///
/// # Errors
/// Whatever the file system refuses, and a folder that is named after no rule.
pub fn corners() -> std::io::Result<Vec<Corner>> {
    let mut corners = Vec::new();
    for folder in paths(&testdata("corners"))? {
        let rule = Entry::find(&name(&folder));
        let rule = rule.ok_or_else(|| std::io::Error::other(format!("{}: no such rule", folder.display())))?;
        corners.extend(paths(&folder)?.into_iter().map(|path| Corner { rule, path }));
    }
    Ok(corners)
}

fn paths(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Every case of the rules' own tests: the examples of the manual pages, the corners and the healthy
/// estates, one line of JSON each; by file, one for each rule and one for what is healthy.
///
/// # Errors
/// Whatever the file system refuses, and what cannot be JSON.
pub fn cases() -> std::io::Result<BTreeMap<String, String>> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut write = |about: &str, collected: Collected| {
        let (of, _) = about.split_once([' ', '/']).unwrap_or((about, ""));
        let lines = files.entry(format!("{of}.jsonl")).or_default();
        *lines += &serde_json::to_string(&Case::of(about, collected.inventory))?;
        lines.push('\n');
        Ok::<_, std::io::Error>(())
    };
    for entry in CATALOGUE {
        for section in ["Fails", "Passes"] {
            for (index, block) in examples(&entry.manual(), section).iter().enumerate() {
                write(&format!("{} {section}[{index}]", entry.id), collect_text(block, true))?;
            }
        }
    }
    for corner in corners()? {
        write(&corner.about(), collect_text(&std::fs::read_to_string(&corner.path)?, true))?;
    }
    for file in paths(&testdata("healthy"))? {
        write(&format!("healthy/{}", name(&file)), collect_path(&file, true))?;
    }
    Ok(files)
}

/// The estates in a rule's manual page: the blocks of YAML below `# Fails` or `# Passes`.
#[must_use]
pub fn examples(manual: &str, section: &str) -> Vec<String> {
    let (mut here, mut block, mut blocks) = (false, None::<String>, Vec::new());
    for line in manual.lines() {
        match (line.trim_end(), block.as_mut()) {
            ("```", Some(_)) => blocks.extend(block.take().filter(|_| here)),
            (_, Some(text)) => *text += &format!("{line}\n"),
            ("```yaml", None) => block = Some(String::new()),
            (heading, None) if heading.starts_with("# ") => here = heading.strip_prefix("# ") == Some(section),
            _ => {}
        }
    }
    blocks
}

// === impl Corner ===

impl Corner {
    /// What its case is called.
    #[must_use]
    pub fn about(&self) -> String {
        format!("{} corners/{}/{}", self.rule.id, self.rule.name(), name(&self.path))
    }

    /// What its rule says of it: the gravest severity found, else `unknown` or `passes`.
    #[must_use]
    pub fn judged(&self, collected: &Collected) -> &'static str {
        let parameters = Parameters::default();
        let trust = Trust::join(&collected.inventory, &parameters);
        let (mut found, mut unknown) = (None, false);
        for object in collected.inventory.objects() {
            audit(object, &trust, std::iter::once(self.rule), |judgement| match judgement.outcome {
                Ok(finding) => found = found.max(Some(finding.severity)),
                Err(_) => unknown = true,
            });
        }
        found.map_or(if unknown { "unknown" } else { "passes" }, Severity::as_str)
    }
}

// === impl Seen ===

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, kind, namespace, name, severity, cluster } = self;
        write!(f, "{rule} {} on {kind} {namespace}/{name} of {cluster:?}", severity.as_str())
    }
}
