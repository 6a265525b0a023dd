//! The rules say of every case of `testdata/cases` what they said when it was written: the
//! examples of their pages, the corners and the healthy estates, collected once. What pages and
//! corners themselves promise is held by `tests/it`, where they can be read.

#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use wiguard_rules::case::Case;
use wiguard_rules::catalogue::CATALOGUE;
use wiguard_rules::judge::judge;
use wiguard_rules::parameters::Parameters;
use wiguard_rules::rule::Breaks;
use wiguard_rules::trust::Trust;

/// Every case, file by file.
fn cases() -> Vec<Case> {
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/cases"));
    let files = files.unwrap_or_else(|error| panic!("testdata/cases: {error}"));
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap_or_else(|error| panic!("{error}")).path()).collect();
    paths.sort();
    assert!(paths.len() > CATALOGUE.len(), "a rule has no cases, or nothing is healthy: {paths:?}");
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{error}")));
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    texts.flat_map(|text| text.lines().map(read).collect::<Vec<Case>>()).collect()
}

#[test]
fn every_case_is_judged_as_it_was() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (judged, ignorant) = case.judge();
        if judged != case.judged {
            wrong.push(format!("{}: {judged:#?} instead of {:#?}", case.about, case.judged));
        }
        if ignorant != case.ignorant {
            wrong.push(format!("{}, ignorant: {ignorant:#?} instead of {:#?}", case.about, case.ignorant));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_link_is_named_by_those_rules_that_say_so() {
    let mut naming = BTreeSet::new();
    for case in cases() {
        let (inventory, parameters) = (case.inventory(), Parameters::default());
        let trust = Trust::join(&inventory, &parameters);
        for object in inventory.objects() {
            judge(object, &trust, CATALOGUE.iter(), |judgement| {
                if judgement.outcome.is_ok_and(|finding| finding.breaks.is_some()) {
                    naming.insert(judgement.rule.id);
                }
            });
        }
    }
    let said = CATALOGUE.iter().filter(|entry| entry.rule.breaks == Breaks::Named).map(|entry| entry.id);
    assert_eq!(naming, said.collect::<BTreeSet<_>>());
}
