//! The estate in `testdata` is what its program makes: nobody edits it by hand, and the program
//! does not change it unseen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use wiguard::collect::Missing;
use wiguard_rules::finding::Severity;
use wiguard_tests::{
    case::{Seen, scan_path, testdata},
    estate::{Estate, big_azure, big_dump, big_faults},
};

/// The bytes of all files below `folder`, by path.
fn read(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn testdata_is_what_the_program_writes() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let fresh = tempfile::tempdir().unwrap();
    Estate::seeded().write(&fresh.path().join("estate")).unwrap();

    let (kept_files, fresh_files) = (read(&kept.join("estate")), read(&fresh.path().join("estate")));
    assert!(
        kept_files.keys().eq(fresh_files.keys()),
        "the files are others: write them anew with the `estate` program"
    );
    for (path, content) in &kept_files {
        assert!(
            fresh_files.get(path) == Some(content),
            "`{path}` differs: write the estate anew with the `estate` program"
        );
    }
    let ledger = "estate-faults.json";
    assert_eq!(fs::read_to_string(kept.join(ledger)).unwrap(), fs::read_to_string(fresh.path().join(ledger)).unwrap());
}

#[test]
fn the_ledger_names_objects_of_the_estate() {
    let estate = Estate::seeded();
    let files = estate.files();
    for fault in estate.ledger() {
        let (folder, name) = match fault.name.split_once('/') {
            Some((identity, credential)) => (format!("azure/credentials/{identity}.json"), credential),
            None if fault.kind == "ManagedIdentity" => ("azure/identities.json".to_owned(), fault.name.as_str()),
            None => (format!("{}/", fault.cluster.as_deref().unwrap()), fault.name.as_str()),
        };
        let named = files.iter().any(|(path, content)| path.starts_with(&folder) && content.contains(name));
        assert!(named, "{} speaks of `{}`, which `{folder}` does not hold", fault.rule, fault.name);
    }
}

#[test]
fn the_scan_finds_what_is_broken_and_nothing_else() {
    let scanned = scan_path(&testdata("estate"), false);
    let address = |seen: &Seen| {
        (seen.rule.clone(), seen.cluster.clone(), seen.kind.clone(), seen.namespace.clone(), seen.name.clone())
    };
    let grave = scanned.findings.iter().filter(|seen| seen.severity >= Severity::Medium);
    let found: BTreeSet<_> = grave.clone().map(address).collect();
    assert_eq!(grave.count(), found.len(), "a finding is reported twice");
    let estate = Estate::seeded();
    let ledger: BTreeSet<_> = estate
        .ledger()
        .iter()
        .map(|fault| {
            let own = |text: &Option<String>| text.clone().unwrap_or_default();
            (
                fault.rule.to_owned(),
                own(&fault.cluster),
                fault.kind.to_owned(),
                own(&fault.namespace),
                fault.name.clone(),
            )
        })
        .collect();
    let invented: Vec<_> = found.difference(&ledger).collect();
    let missed: Vec<_> = ledger.difference(&found).collect();
    assert!(invented.is_empty() && missed.is_empty(), "invented: {invented:#?}\nmissed: {missed:#?}");
    let unread: Vec<_> = scanned.gaps.iter().filter(|gap| gap.extent != Missing::Use).collect();
    assert!(unread.is_empty(), "{unread:#?}");
}

#[test]
fn the_order_of_files_does_not_matter() {
    // The same objects, each file alone under a name that turns the order round.
    let turned = tempfile::tempdir().unwrap();
    let kept = testdata("estate");
    for (path, content) in read(&kept) {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
        // What names its identity keeps its name.
        let name = if folder.starts_with("azure") {
            file.to_owned()
        } else {
            format!("{}-{file}", char::from(b'z' - file.as_bytes()[0] % 26))
        };
        let folder = turned.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), content).unwrap();
    }
    assert_eq!(scan_path(turned.path(), false).findings, scan_path(&kept, false).findings);
}

#[test]
fn a_big_dump_holds_what_was_asked_for() {
    let mut dump = Vec::new();
    big_dump(4_010, 7, &mut dump).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&dump).unwrap();
    let items = list.get("items").unwrap().as_array().unwrap();
    let count = |kind: &str| items.iter().filter(|item| item.get("kind").unwrap() == kind).count();
    assert_eq!((count("Pod"), count("Deployment"), count("Namespace"), count("ServiceAccount")), (4_010, 201, 21, 222));

    let folder = tempfile::tempdir().unwrap();
    big_azure(4_010, 7, folder.path()).unwrap();
    let identities: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(folder.path().join("identities.json")).unwrap()).unwrap();
    assert!((40..=80).contains(&identities.len()), "{} identities", identities.len());
    let faults = big_faults(100_000, 7);
    assert!((25..=100).contains(&faults.len()), "{} faults", faults.len());
}
