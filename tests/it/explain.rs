//! What `explain` knows, as it stands in logs.

use serde_json::Value;

use crate::program::Folder;

/// One line each: what it is called, and the line of a log.
const ERRORS: &str = include_str!("../../testdata/errors.txt");

#[test]
fn errors_are_known_in_the_lines_of_logs() {
    let folder = Folder::new();
    for (name, line) in ERRORS.lines().filter_map(|line| line.split_once(' ')) {
        let ran = folder.run(&["explain", "-o", "json", "--", line]);
        assert_eq!(ran.status, 0, "{line}: {ran:?}");
        let errors = ran.report()["errors"].clone();
        let names: Vec<&str> = errors.as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
        assert_eq!(names.first(), Some(&name), "{names:?} in `{line}`");
    }
}

#[test]
fn rules_and_codes_are_explained_together() {
    let folder = Folder::new();
    let both = folder.run(&["explain", "AWI301", "AADSTS700016"]);
    assert!(both.status == 0 && both.out.starts_with("# AWI301 untrusted-workload\n"), "{both:?}");
    assert!(both.out.contains("\nAADSTS700016: the tenant has no application of this client id\n"), "{both:?}");
    let named = folder.run(&["explain", "untrusted-workload", "700016", "AWI202", "-o", "json"]).report();
    let ids: Vec<&Value> = named["named"].as_array().unwrap().iter().map(|it| &it["rule"]["id"]).collect();
    assert_eq!(ids, ["AWI301", "AWI202"]);
    assert_eq!(named["errors"][0]["name"], "AADSTS700016");
    let report = folder.run(&["explain", "high AWI301 untrusted-workload Deployment shop/cart"]);
    assert!(report.status == 0 && report.out.starts_with("# AWI301"), "a line of a report: {report:?}");
    let unknown = folder.run(&["explain", "AWI301", "AWI999"]);
    assert!(unknown.status == 2 && unknown.err.contains("nothing is known of `AWI999`"), "{unknown:?}");
}

#[test]
fn a_code_needs_no_prefix_where_nothing_else_stands() {
    let folder = Folder::new();
    let code = folder.run(&["explain", "AADSTS700213"]).out;
    for asked in ["700213", "error_codes: [700213]", "[700213]", r#""error_codes":[700213]"#] {
        assert_eq!(folder.run(&["explain", asked]).out, code, "{asked}");
    }
    assert_eq!(folder.run(&["explain", "took 700213 ms"]).status, 2, "any number of a log");
}
