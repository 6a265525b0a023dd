//! The catalogue keeps its promises: ids, names and words are in order, and each rule does on the
//! estates of its own manual page what the page says.

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs};

use wiguard::collect::Missing;
use wiguard_rules::case::Case;
use wiguard_rules::catalogue::{CATALOGUE, Entry};
use wiguard_tests::case::{cases, collect_text, corners, examples, rules_that_find, testdata};

#[test]
fn ids_are_sorted_and_unique() {
    let ids: Vec<&str> = CATALOGUE.iter().map(|entry| entry.id).collect();
    let sorted: BTreeSet<&str> = ids.iter().copied().collect();
    assert!(ids.iter().eq(sorted.iter()), "{ids:?}");
    for id in ids {
        let digits = id.strip_prefix("AWI").unwrap_or_else(|| panic!("`{id}` is no id"));
        assert!(digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit()), "`{id}` is no id");
    }
}

#[test]
fn names_are_unique_and_in_kebab_case() {
    let names: BTreeSet<String> = CATALOGUE.iter().map(Entry::name).collect();
    assert_eq!(names.len(), CATALOGUE.len());
    for name in names {
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        assert!(name.split('-').all(word), "`{name}` is not in kebab case");
        assert!(Entry::find(&name).is_some_and(|entry| entry.name() == name), "`{name}` does not find its rule");
    }
}

#[test]
fn a_summary_is_a_phrase() {
    for entry in CATALOGUE {
        let summary = entry.rule.summary;
        let first = summary.chars().next().unwrap();
        // An acronym or a key may stand first: it is not the sentence's capital.
        let word = summary.split(' ').next().unwrap();
        let acronym = word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase());
        assert!(!first.is_uppercase() || acronym, "{}: `{summary}` starts with a capital", entry.id);
        assert!(!summary.ends_with(['.', ' ', ':']) && !summary.contains('\n'), "{}: `{summary}`", entry.id);
        assert!(summary.chars().count() <= 100, "{}: `{summary}` is no summary", entry.id);
    }
}

#[test]
fn a_rule_yields_to_others_of_its_objects() {
    for entry in CATALOGUE {
        for id in entry.rule.yields_to {
            let other = CATALOGUE.iter().find(|other| other.id == *id);
            let other = other.unwrap_or_else(|| panic!("{} yields to `{id}`, which is no rule", entry.id));
            assert_ne!(other, entry);
            // Two that yield to each other would both vanish.
            assert!(!other.rule.yields_to.contains(&entry.id), "{} and {id} yield to each other", entry.id);
            let subjects =
                |entry: &Entry| entry.rule.checks.iter().map(|check| check.subject()).collect::<BTreeSet<_>>();
            assert!(!subjects(entry).is_disjoint(&subjects(other)), "{} and {id} judge no object both", entry.id);
        }
    }
}

#[test]
fn credentials_that_lie_open_are_told_of_what_has_ended_too() {
    let exposing = CATALOGUE.iter().filter(|entry| entry.rule.is_about_exposure()).map(|entry| entry.id);
    assert_eq!(exposing.collect::<Vec<_>>(), ["AWI605", "AWI606", "AWI808"]);
}

#[test]
fn metadata_is_well_formed() {
    for entry in CATALOGUE {
        let rule = entry.rule;
        assert!(!rule.checks.is_empty(), "{} judges nothing", entry.id);
        for code in rule.aadsts {
            assert!(
                (5..=7).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit()),
                "{}: `{code}`",
                entry.id
            );
        }
        for (index, check) in rule.checks.iter().enumerate() {
            let again = rule.checks.iter().skip(index + 1).any(|other| other.subject() == check.subject());
            assert!(!again, "{} judges a {} twice, and could find two flaws in one", entry.id, check.subject());
        }
    }
}

#[test]
fn every_page_is_true() {
    let mut wrong = Vec::new();
    for entry in CATALOGUE {
        let manual = entry.manual();
        let head = manual.lines().next().unwrap_or_default();
        if !head.ends_with('.') {
            wrong.push(format!("{}: the page starts with `{head}`, which is no sentence", entry.id));
        }
        for (section, expected) in [("Fails", true), ("Passes", false)] {
            let blocks = examples(&manual, section);
            if blocks.is_empty() {
                wrong.push(format!("{}: the page has no example below `# {section}`", entry.id));
            }
            for (index, block) in blocks.iter().enumerate() {
                let collected = collect_text(block, true);
                let place = format!("{} {section}[{index}]", entry.id);
                let unread = collected.gaps.iter().filter(|gap| gap.extent != Missing::Use);
                wrong.extend(unread.map(|gap| format!("{place}: {:?}: {}", gap.line, gap.reason)));
                let found = rules_that_find(&collected);
                if found.contains(&entry.id) != expected {
                    wrong.push(format!("{place}: finds {found:?}"));
                }
                if !expected && !block.starts_with("# ") {
                    wrong.push(format!("{place}: does not say in a comment why it passes"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_corner_is_as_it_says() {
    let mut wrong = Vec::new();
    for corner in corners().unwrap() {
        let text = fs::read_to_string(&corner.path).unwrap();
        let said = text.strip_prefix("# ").and_then(|text| text.split_once(": ")).map_or("", |(said, _)| said);
        let collected = collect_text(&text, true);
        let judged = corner.judged(&collected);
        if said != judged {
            wrong.push(format!("{}: says `{said}`, is `{judged}`", corner.about()));
        }
        let unread = collected.gaps.iter().filter(|gap| gap.extent != Missing::Use);
        wrong.extend(unread.map(|gap| format!("{}: {:?}: {}", corner.about(), gap.line, gap.reason)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `UPDATE_DOCS=1 cargo test --release --workspace --locked catalogue` writes the cases anew.
#[test]
fn the_cases_are_those_of_the_pages() {
    let (folder, cases) = (testdata("cases"), cases().unwrap());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        return cases.iter().for_each(|(name, lines)| fs::write(folder.join(name), lines).unwrap());
    }
    let name = |file: &fs::DirEntry| file.file_name().into_string().unwrap();
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap());
    let kept: BTreeMap<String, String> =
        files.map(|file| (name(&file), fs::read_to_string(file.path()).unwrap())).collect();
    let stale: Vec<&String> =
        kept.keys().chain(cases.keys()).filter(|name| kept.get(*name) != cases.get(*name)).collect();
    assert!(stale.is_empty(), "stale in `testdata/cases`: {stale:?}; run the tests once with UPDATE_DOCS=1");
    for line in kept.values().flat_map(|lines| lines.lines()) {
        let case: Case = serde_json::from_str(line).unwrap();
        let again = (case.judged.clone(), case.ignorant.clone());
        assert_eq!(case.judge(), again, "{} changes by being written down", case.about);
    }
}
