//! What published guides show: each case is answered as its verdict says, finding for finding.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wiguard::collect::Missing;
use wiguard_rules::catalogue::CATALOGUE;
use wiguard_tests::case::{documents, scan_path, testdata};

/// `<case>.verdict.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    about: String,
    findings: Vec<Expected>,
    defects: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rule: String,
    kind: String,
    #[serde(default)]
    namespace: String,
    name: String,
    /// Given where it is not the rule's usual one.
    #[serde(default)]
    severity: Option<String>,
}

fn verdict(case: &Path) -> Verdict {
    let path = PathBuf::from(format!("{}.verdict.json", case.display()));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_case_is_answered_as_its_verdict_says() {
    let cases = documents().unwrap();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut wrong = String::new();
    for case in cases {
        let verdict = verdict(&case);
        let scanned = scan_path(&case, false);
        let found: BTreeSet<Expected> = scanned
            .findings
            .iter()
            .map(|seen| Expected {
                rule: seen.rule.clone(),
                kind: seen.kind.clone(),
                namespace: seen.namespace.clone(),
                name: seen.name.clone(),
                severity: unusual(&seen.rule, seen.severity.as_str()),
            })
            .collect();
        let unread: BTreeSet<String> = scanned
            .gaps
            .iter()
            .filter(|gap| gap.extent != Missing::Use)
            .map(|gap| Path::new(&gap.path).strip_prefix(&case).unwrap().display().to_string())
            .collect();
        let expected: BTreeSet<Expected> = verdict.findings.iter().cloned().collect();
        let name = case.strip_prefix(testdata("documents")).unwrap().display();
        let mut say = |what: &str, it: &dyn std::fmt::Debug| writeln!(wrong, "{name}: {what} {it:?}").unwrap();
        found.difference(&expected).for_each(|it| say("found", it));
        expected.difference(&found).for_each(|it| say("did not find", it));
        let defects: BTreeSet<String> = verdict.defects.iter().cloned().collect();
        unread.difference(&defects).for_each(|it| say("could not read", it));
        defects.difference(&unread).for_each(|it| say("did not report as unreadable", it));
        assert_eq!(scanned.findings.len(), found.len(), "{name}: a finding is reported twice");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The severity, where it is not the one that the rule usually has.
fn unusual(rule: &str, severity: &str) -> Option<String> {
    let usual = CATALOGUE.iter().find(|entry| entry.id == rule).unwrap().rule.severity;
    (usual.as_str() != severity).then(|| severity.to_owned())
}

#[test]
fn verdicts_are_in_order() {
    for case in documents().unwrap() {
        let Verdict { about, findings, defects } = verdict(&case);
        assert!(about.ends_with('.'), "{}: {about}", case.display());
        let key = |it: &Expected| (it.rule.clone(), it.kind.clone(), it.namespace.clone(), it.name.clone());
        assert!(findings.is_sorted_by_key(key), "{}", case.display());
        assert!(defects.is_sorted(), "{}", case.display());
        for file in defects {
            assert!(case.join(&file).is_file(), "{}: there is no `{file}`", case.display());
        }
    }
}

#[test]
fn every_verdict_has_its_case() {
    let cases: BTreeSet<PathBuf> = documents().unwrap().into_iter().collect();
    for guide in fs::read_dir(testdata("documents")).unwrap() {
        let Ok(files) = fs::read_dir(guide.unwrap().path()) else { continue };
        for file in files {
            let path = file.unwrap().path();
            let named = path.to_string_lossy().strip_suffix(".verdict.json").map(PathBuf::from);
            assert!(named.is_none_or(|case| cases.contains(&case)), "{} has no case", path.display());
        }
    }
}
