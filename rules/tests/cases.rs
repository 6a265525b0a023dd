//! The rules say of every case of `testdata/cases.jsonl` what they said when it was written: the
//! examples of their pages, the corners and the healthy estates, collected once. What pages and
//! corners themselves promise is held by `tests/it`, where they can be read.

#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use wiguard_rules::case::Case;
use wiguard_rules::catalogue::CATALOGUE;
use wiguard_rules::judge::judge;
use wiguard_rules::parameters::Parameters;
use wiguard_rules::rule::Breaks;
use wiguard_rules::trust::Trust;

const CASES: &str = include_str!("../../testdata/cases.jsonl");

#[test]
fn every_case_is_judged_as_it_was() {
    let mut wrong = Vec::new();
    for line in CASES.lines() {
        let case: Case = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
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
    for line in CASES.lines() {
        let case: Case = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
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
