//! Healthy estates: well-known operators and add-ons as their charts and their documentation set
//! them up, each with its Azure side. Nothing grave is said of any.

use std::fs;
use std::path::PathBuf;

use wiguard::collect::Missing;
use wiguard_rules::finding::Severity;
use wiguard_tests::case::{collect_path, scanned, testdata};

fn estates() -> Vec<PathBuf> {
    let files = fs::read_dir(testdata("healthy")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn nothing_grave_is_said_of_a_healthy_estate() {
    let mut wrong = Vec::new();
    for path in estates() {
        for complete in [false, true] {
            let found = scanned(&collect_path(&path, complete)).findings;
            let grave = found.into_iter().filter(|seen| seen.severity >= Severity::High);
            wrong.extend(grave.map(|seen| format!("{}: {seen:?}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_healthy_estate_is_read_to_its_end() {
    let paths = estates();
    assert!(paths.len() >= 25, "{} estates", paths.len());
    for path in paths {
        let collected = collect_path(&path, true);
        let unread: Vec<_> = collected.gaps.iter().filter(|gap| gap.extent != Missing::Use).collect();
        assert!(unread.is_empty(), "{}: {unread:#?}", path.display());
        let inventory = &collected.inventory;
        assert!(!inventory.workloads.is_empty() && !inventory.service_accounts.is_empty(), "{}", path.display());
        let issuer = inventory.workloads.iter().map(|it| &inventory.clusters[it.cluster.0 as usize].issuer);
        assert!(issuer.clone().all(Option::is_some), "{}: it is tied to no cluster", path.display());
    }
}
