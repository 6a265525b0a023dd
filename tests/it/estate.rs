//! The estate in `testdata` is what its program makes: nobody edits it by hand, and the program
//! does not change it unseen.

use std::{collections::BTreeMap, fs, path::Path};

use wiguard_tests::estate::{Estate, big_azure, big_dump, big_faults};

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
