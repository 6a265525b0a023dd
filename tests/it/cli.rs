//! What can be typed and configured: exit statuses, outputs, words.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Folder, KNOWN, PROGRAM, command, run};

const ESTATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/estate");

/// Runs with one finding, a high one, at hand.
fn known() -> Folder {
    Folder::of(&[("k.yaml", KNOWN)])
}

#[test]
fn the_status_says_how_it_went() {
    let folder = known();
    folder.write("fine.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n");
    folder.write("broken.json", "{");
    let status = |arguments: &[&str]| folder.run(arguments).status;
    assert_eq!(status(&["scan", "fine.yaml"]), 0);
    assert_eq!(status(&["scan", "k.yaml", "fine.yaml"]), 1);
    assert_eq!(status(&["scan", "k.yaml", "broken.json"]), 3, "what was not read matters more");
    for wrong in [
        &[][..],
        &["scan"],
        &["frob"],
        &["scan", "--frob", "k.yaml"],
        &["explain"],
        &["scan", "k.yaml", "--threads", "0"],
    ] {
        let ran = folder.run(wrong);
        assert!(
            ran.status == 2 && ran.out.is_empty() && ran.err.contains("Usage: wiguard") | ran.err.contains("--help"),
            "{wrong:?}: {ran:?}"
        );
    }
    for help in [&["--help"][..], &["--version"], &["scan", "--help"]] {
        let ran = folder.run(help);
        assert!(ran.status == 0 && ran.err.is_empty() && !ran.out.is_empty(), "{help:?}: {ran:?}");
    }
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in [&["scan", "k.yaml"][..], &["rules"], &["explain", "AWI101"]] {
        let output = command(folder.path(), arguments).stdout(full()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(4) && err.starts_with("error: could not write to standard output: "),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn fail_on_moves_the_line() {
    let folder = known();
    for (severity, status) in [("critical", 0), ("high", 1), ("medium", 1), ("low", 1), ("info", 1), ("never", 0)] {
        assert_eq!(folder.run(&["scan", "k.yaml", "--fail-on", severity]).status, status, "{severity}");
        folder.write("wiguard.toml", format!("failOn = \"{severity}\"\n"));
        assert_eq!(folder.run(&["scan", "k.yaml"]).status, status, "{severity}, configured");
        assert_eq!(folder.run(&["scan", "k.yaml", "--fail-on", "low"]).status, 1, "what is typed wins over {severity}");
    }
    let ran = folder.run(&["scan", "k.yaml", "--fail-on", "worst"]);
    assert!(ran.status == 2 && ran.err.contains("expected critical, high, medium, low, info or never"), "{ran:?}");
}

#[test]
fn outputs_repeat() {
    let folder = known();
    let ran = folder.run(&[
        "scan",
        "k.yaml",
        "-o",
        "table",
        "-o",
        "json=out/r.json",
        "--output",
        "csv=sheets",
        "-o",
        "ndjson=r.ndjson",
        "-o",
        "table=r.txt",
    ]);
    assert_eq!(ran.status, 1);
    assert_eq!(ran.out, folder.read("r.txt"));
    assert_eq!(ran.err, "wrote out/r.json\nwrote sheets\nwrote r.ndjson\nwrote r.txt\n");
    let report: Value = serde_json::from_str(&folder.read("out/r.json")).unwrap();
    let lines: Vec<Value> = folder.read("r.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(report["findings"], Value::Array(lines));
    let mut sheets: Vec<String> = folder
        .path()
        .join("sheets")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    sheets.sort();
    assert_eq!(
        sheets,
        [
            "coverage.csv",
            "credentials.csv",
            "findings.csv",
            "identities.csv",
            "namespaces.csv",
            "service-accounts.csv",
            "workloads.csv"
        ]
    );
    assert_eq!(folder.run(&["scan", "k.yaml", "-o", "csv"]).out, folder.read("sheets/findings.csv"));
    assert_eq!(folder.run(&["scan", "k.yaml", "-o", "ndjson=-"]).out, folder.read("r.ndjson"));
}

#[test]
fn outputs_that_make_no_sense_are_refused() {
    let folder = known();
    for (arguments, says) in [
        (&["-o", "json", "-o", "table=-"][..], "only one format can go to standard output"),
        (&["-o", "xml"], "there is no format `xml`; there are table, json, ndjson, csv"),
        (&["-o", "json="], "`json=` names no path"),
        (&["-o", "csv=k.yaml"], "could not write `k.yaml`: it is a file, and csv is written to a folder"),
        (&["-o", "json=."], "could not write `.`: it is a folder; name a file in it"),
        (&["-n", "a", "-A"], "cannot be used with"),
        (&["--cluster", "prod"], "expected NAME=PATH"),
        (&["--identity", "=x"], "expected NAME=PATH"),
        (&["--threads", "many"], "expected a number from 1 to 1024"),
        (&["--ignore", "AWI999"], "there is no rule `AWI999`; `wiguard rules` lists them"),
        (&["--config", "none.toml"], "could not read the configuration `none.toml`"),
    ] {
        let ran = folder.run(&[&["scan", "k.yaml"], arguments].concat());
        assert!(ran.status == 2 && ran.err.starts_with("error: ") && ran.err.contains(says), "{arguments:?}: {ran:?}");
        assert!(ran.out.is_empty(), "{arguments:?}: {ran:?}");
    }
    assert_eq!(folder.read("k.yaml"), KNOWN);
}

#[test]
fn what_cannot_be_written_is_not_the_fault_of_who_typed_it() {
    let folder = known();
    let full = "No space left on device";
    for (arguments, says) in [
        (&["scan", "k.yaml", "-o", "json=/proc/none/r.json"][..], "could not write `/proc/none/r.json`: "),
        (&["scan", "k.yaml", "-o", "csv=/proc/none"], "could not write `/proc/none`: "),
        (&["scan", "k.yaml", "-o", "ndjson=/dev/full"], full),
        (&["preview", "k.yaml", "-o", "json=/dev/full"], full),
        (&["collect", "k.yaml", "-o", "/proc/none/all.gz"], "could not write the snapshot `/proc/none/all.gz`: "),
        (&["collect", "k.yaml", "-o", "/dev/full"], full),
    ] {
        let ran = folder.run(arguments);
        assert!(ran.status == 4 && ran.err.starts_with("error: ") && ran.err.contains(says), "{arguments:?}: {ran:?}");
        assert!(ran.out.is_empty(), "{arguments:?}: {ran:?}");
    }
    assert!(!std::fs::metadata("/dev/full").unwrap().is_file(), "a device is written to, not replaced");
    let ran = folder.run(&["collect", "k.yaml", "-o", "."]);
    assert!(ran.status == 2, "{ran:?}");
}

#[test]
fn namespaces_are_chosen() {
    let folder = known();
    folder.write("other.yaml", KNOWN.replace("shop", "depot"));
    let found = |arguments: &[&str]| folder.run(&[&["scan", ".", "-o", "json"], arguments].concat());
    assert_eq!(found(&["-A"]).findings().len(), 2);
    let ran = found(&["-n", "depot"]);
    assert!(ran.status == 1 && ran.findings() == [["AWI101", "Deployment", "depot", "cart"]], "{ran:?}");
    let ran = found(&["--namespace", "shpo"]);
    assert!(ran.status == 3 && ran.findings().is_empty(), "a misspelt namespace is not a clean one: {ran:?}");
    assert_eq!(ran.coverage("namespace shpo").1, "nothing that was read is in it; check the name given to -n");
}

#[test]
fn rules_are_ignored_by_id_and_name() {
    let folder = known();
    for rule in ["AWI101", "awi101", "label-on-workload-metadata"] {
        let ran = folder.run(&["scan", "k.yaml", "-o", "json", "--ignore", rule]);
        assert!(ran.status == 0 && ran.findings().is_empty(), "{ran:?}");
        assert_eq!(ran.report()["summary"]["findings"]["high"], 0);
    }
}

#[test]
fn suppressions_need_a_reason_and_end() {
    let folder = known();
    let scan = |configuration: &str| {
        folder.write("c.toml", configuration);
        folder.run(&["scan", "k.yaml", "--config", "c.toml"])
    };
    let entry = |rest: &str| format!("[[suppressions]]\nrule = \"AWI101\"\n{rest}\n");
    for object in ["*", "Deployment/cart", "shop/Deployment/cart", "shop/*", ":shop/Deployment/c?rt"] {
        let ran = scan(&entry(&format!(
            "object = \"{object}\"\nreason = \"known\"\nowner = \"shop\"\nexpires = \"2999-12-31\""
        )));
        assert!(ran.status == 0 && ran.out.contains("; 1 suppressed"), "{object}: {ran:?}");
        assert!(!ran.out.contains("the suppression of"), "{ran:?}");
    }
    let ran = scan(&entry("reason = \"known\"\nexpires = \"2020-01-31\""));
    assert!(
        ran.status == 1 && ran.out.contains("the suppression of AWI101 on `*` has expired, and its findings are back"),
        "{ran:?}"
    );
    let ran = scan(&entry("object = \"depot/*\"\nreason = \"known\""));
    assert!(
        ran.status == 1 && ran.out.contains("the suppression of AWI101 on `depot/*` matches nothing; delete it"),
        "{ran:?}"
    );
    for (configuration, says) in [
        (entry(""), "missing field `reason`"),
        (entry("reason = \" \""), "the suppression of AWI101 on `*` gives no reason; say why"),
        (entry("reason = \"r\"\nexpires = \"31.1.2027\""), "`31.1.2027` is not a day; write 2027-01-31"),
        (
            "[[suppressions]]\nrule = \"AWI1\"\nreason = \"r\"".into(),
            "there is no rule `AWI1`; `wiguard rules` lists them",
        ),
        ("ignored = []".into(), "unknown field `ignored`, expected one of"),
        ("[[".into(), "line 1"),
    ] {
        let ran = scan(&configuration);
        assert!(ran.status == 2 && ran.err.contains("could not understand the configuration `c.toml`"), "{ran:?}");
        assert!(ran.err.contains(says) && ran.out.is_empty(), "{says}: {ran:?}");
    }
}

#[test]
fn explain_names_what_of_an_estate_causes_a_code_and_what_foresees_it_first() {
    let causes = |what: &str| {
        let ran = Folder::new().run(&["explain", what, "--from", ESTATE, "-o", "json", "-q"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.report()["estate"]["causes"].as_array().unwrap().clone()
    };
    let text = |cause: &Value, member: &str| cause[member].as_str().unwrap().to_owned();
    for (code, first, at_least) in [
        ("AADSTS700213", "shipping/shipping-returns", 1),
        ("AADSTS700211", "orders/orders-allocation", 3),
        ("AADSTS700212", "fleet/fleet-geofence", 1),
        ("AADSTS70021", "fleet/fleet-geofence", 5),
    ] {
        let causes = causes(code);
        assert_eq!(text(&causes[0], "object"), first, "{code}");
        let foreseen: Vec<String> = causes
            .iter()
            .map(|cause| text(cause, "message"))
            .filter(|message| message.contains("Entra will answer"))
            .collect();
        assert!(foreseen.len() >= at_least, "{code}: {foreseen:?}");
        let strange = foreseen.iter().find(|message| !message.contains(&format!("Entra will answer {code}")));
        assert!(strange.is_none(), "{code}: {strange:?}");
    }
    let line = "AADSTS700213: No matching federated identity record found for presented assertion subject 'system:serviceaccount:tracking:tracking-eta'";
    assert_eq!(text(&causes(line)[0], "object"), "tracking/tracking-eta", "what a text names comes first");
}

#[test]
fn explain_knows_rules_codes_and_log_lines() {
    let folder = known();
    let explain = |what: &[&str]| folder.run(&[&["explain"], what].concat());
    let page = explain(&["AWI101"]);
    assert!(
        page.status == 0 && page.out.starts_with("# AWI101 label-on-workload-metadata\n\nSeverity high"),
        "{page:?}"
    );
    assert!(page.out.contains("## Fails\n\n```yaml") && page.out.contains("## Passes"), "{page:?}");
    assert_eq!(explain(&["label-on-workload-metadata"]).out, page.out);
    let code = explain(&["AADSTS700213"]);
    assert!(
        code.status == 0
            && code
                .out
                .starts_with("AADSTS700213: no federated credential of this client trusts the token's subject\n"),
        "{code:?}"
    );
    assert!(code.out.contains("AWI301  untrusted-workload"), "{code:?}");
    let line =
        "ClientAssertionCredential authentication failed: AADSTS700213: No matching federated identity record found";
    assert_eq!(explain(&[line]).out, code.out);
    assert_eq!(explain(&line.split(' ').collect::<Vec<_>>()).out, code.out, "without quotes too");
    let secret = explain(&["AADSTS50020"]);
    assert!(
        code.out.contains("points to the federated credential") && code.out.contains("1. compare namespace"),
        "{code:?}"
    );
    assert!(secret.status == 0 && !secret.out.contains("explain RULE"), "no rule stands behind it: {secret:?}");
    for unknown in ["hello", "AWI999", "AADSTS", "AADSTS999999"] {
        let ran = explain(&[unknown]);
        assert!(
            ran.status == 2
                && ran.out.is_empty()
                && ran.err.contains(&format!("nothing is known of `{unknown}`; give a rule")),
            "{ran:?}"
        );
    }
}

#[test]
fn tokens_in_what_others_said_are_not_repeated() {
    let token = format!("eyJ{}.p1anted", "x".repeat(60));
    let said = format!("the access token {token} is invalid");
    let folder = Folder::of(&[
        ("estate/az.txt", &format!("ERROR: {said}\n")),
        ("estate/arm.json", &json!({"error": {"code": "InvalidToken", "message": said}}).to_string()),
        (
            "estate/kubectl.json",
            &json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "message": said}).to_string(),
        ),
    ]);
    let scanned = folder.run(&["scan", "estate", "-o", "table", "-o", "json=report.json"]);
    assert_eq!(scanned.status, 3, "{scanned:?}");
    let report = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let hidden = "the access token … is invalid";
    assert_eq!(report.matches(hidden).count(), 3, "{report}");
    let explained = folder.pipe(&["explain", "-"], said.as_bytes());
    assert!(explained.status == 2 && explained.err.contains("the text on standard input"), "{explained:?}");
    let typed = folder.run(&["explain", &said]);
    assert!(typed.status == 2 && typed.err.contains(hidden), "{typed:?}");
    let collected = folder.run(&["collect", "estate", "-o", "kept.json"]);
    for out in [&scanned.out, &scanned.err, &report, &explained.err, &typed.err, &collected.err] {
        assert!(!out.contains("p1anted"), "{out}");
    }
    let piped = folder.pipe(&["explain", "-"], b"POST /token client_secret=p1anted");
    assert!(piped.status == 2 && !piped.err.contains("p1anted"), "{piped:?}");
}

#[test]
fn explain_reads_logs_and_names_what_causes_them() {
    let issuer = "https://oidc.prod-aks.azure.com/a/";
    let credential =
        "/subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart";
    let client = "33333333-3333-3333-3333-333333333333";
    let folder = Folder::of(&[
        (
            "estate/prod/aks.json",
            &format!(
                r#"{{"name":"prod","resourceGroup":"rg","oidcIssuerProfile":{{"enabled":true,"issuerUrl":"{issuer}"}},"securityProfile":{{"workloadIdentity":{{"enabled":true}}}}}}"#
            ),
        ),
        (
            "estate/prod/all.json",
            &format!(
                r#"{{"apiVersion":"v1","kind":"List","items":[
            {{"apiVersion":"v1","kind":"ServiceAccount","metadata":{{"name":"cart","namespace":"shop","annotations":{{"azure.workload.identity/client-id":"{client}"}}}}}},
            {{"apiVersion":"v1","kind":"ServiceAccount","metadata":{{"name":"till","namespace":"shop","annotations":{{"azure.workload.identity/client-id":"not-a-guid"}}}}}},
            {{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"cart","namespace":"shop"}},"spec":{{"template":{{"metadata":{{"labels":{{"azure.workload.identity/use":"true"}}}},"spec":{{"serviceAccountName":"cart","containers":[{{"name":"a","image":"a"}}]}}}}}}}}]}}"#
            ),
        ),
        (
            "estate/azure/identities.json",
            &format!(
                r#"[{{"id":"{credential}","name":"id-cart","clientId":"{client}","resourceGroup":"rg","type":"Microsoft.ManagedIdentity/userAssignedIdentities"}}]"#
            ),
        ),
        (
            "estate/azure/id-cart.json",
            &format!(
                r#"[{{"id":"{credential}/federatedIdentityCredentials/fc","name":"fc","issuer":"{issuer}","subject":"system:serviceaccount:shop:Cart","audiences":["api://AzureADTokenExchange"],"type":"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"}}]"#
            ),
        ),
    ]);
    let token = "eyJhbGciOiJSUzI1NiJ9.p1anted.token";
    let log = format!(
        "{}presented {token}\nerr=\"AADSTS700213: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:cart'. Trace ID: x\"\n",
        "noise\n".repeat(5000)
    );
    let ran = folder.pipe(&["explain", "-", "--from", "estate", "-o", "json"], log.as_bytes());
    assert_eq!(ran.status, 0, "{ran:?}");
    let explained: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(explained["schema"], "wiguard.explanation/v1");
    assert_eq!(explained["errors"][0]["name"], "AADSTS700213");
    assert_eq!(explained["values"]["subject"], "system:serviceaccount:shop:cart");
    let causes = explained["estate"]["causes"].as_array().unwrap();
    assert_eq!(causes[0]["about"][0], "subject", "{explained:#}");
    assert!(causes.iter().any(|it| it["kind"] == "Deployment" && it["object"] == "shop/cart"), "{explained:#}");
    assert!(explained["estate"]["known"].to_string().contains("no credential that was read trusts this subject"));
    let people = folder.pipe(&["explain", "-", "--from", "estate"], log.as_bytes());
    assert!(people.out.contains("In this estate") && people.out.contains("  1. "), "{people:?}");
    for out in [&ran.out, &people.out] {
        assert!(!out.contains("p1anted") && !out.contains("not-a-guid"), "neither tokens nor other objects: {out}");
    }
    let rule = folder.run(&["explain", "AWI301", "--from", "estate"]);
    assert!(rule.status == 0 && rule.out.starts_with("# AWI301 ") && rule.out.contains("In this estate"), "{rule:?}");
    assert!(rule.out.contains("  AWI301  Deployment shop/cart  prod\n"), "{rule:?}");
    let rule = folder.run(&["explain", "AWI202", "--from", "estate", "-o", "json"]);
    let rule: Value = serde_json::from_str(&rule.out).unwrap();
    assert_eq!(rule["rule"]["id"], "AWI202");
    assert_eq!(rule["estate"]["causes"][0]["object"], "shop/till", "{rule:#}");
    let honest = folder.run(&["explain", "AADSTS700213 AADSTS999999"]);
    assert!(
        honest.status == 0 && honest.out.contains("AADSTS999999: not an error of the token exchange"),
        "{honest:?}"
    );
    let unread = folder.run(&["explain", "AADSTS700213", "--from", "nowhere"]);
    assert_eq!(unread.status, 3, "a source that is not there is said: {unread:?}");
    let rule = folder.run(&["explain", "AWI301", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&rule.out).unwrap()["rule"]["name"], "untrusted-workload");
}

#[test]
fn rules_are_listed_in_three_forms() {
    let folder = Folder::new();
    let rules = folder.run(&["rules", "-o", "json"]);
    let rules: Vec<Value> = serde_json::from_str(&rules.out).unwrap();
    let (table, markdown) = (folder.run(&["rules"]).out, folder.run(&["rules", "-o", "markdown"]).out);
    assert_eq!((table.lines().count(), markdown.lines().count()), (rules.len() + 1, rules.len() + 2));
    for rule in &rules {
        let (id, name, summary) =
            (rule["id"].as_str().unwrap(), rule["name"].as_str().unwrap(), rule["summary"].as_str().unwrap());
        assert!(
            table.lines().any(|line| line.starts_with(id) && line.contains(name) && line.ends_with(summary)),
            "{id}"
        );
        assert!(markdown.contains(&format!("| {id} | `{name}` |")), "{id}");
        assert!(markdown.lines().all(|line| line.matches(" | ").count() <= 4), "no cell breaks the table");
        assert_eq!(folder.run(&["explain", id]).status, 0, "{id}");
    }
    assert_eq!(folder.run(&["rules", "-o", "xml"]).status, 2);
}

#[test]
fn help_reads_well() {
    let folder = Folder::new();
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help_scan", &["scan", "--help"]),
        ("help_explain", &["explain", "--help"]),
        ("help_rules", &["rules", "--help"]),
    ] {
        insta::assert_snapshot!(name, folder.run(arguments).out);
    }
}

#[test]
fn as_a_plugin_it_goes_by_the_name_of_kubectl() {
    let folder = known();
    let plugin = folder.path().join("kubectl-wiguard");
    symlink(PROGRAM, &plugin).unwrap();
    let mut help = Command::new(&plugin);
    help.args(["scan", "--help"]);
    let ran = run(help);
    assert!(ran.status == 0 && ran.out.contains("Usage: kubectl wiguard scan [OPTIONS]"), "{ran:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::new();
    let csv = &["scan", ESTATE, "-o", "csv"][..];
    // Where the pipe breaks is a matter of luck, so that the longest is tried more often.
    for arguments in
        [&["scan", ESTATE][..], &["scan", ESTATE, "-o", "json"], csv, csv, csv, csv, &["rules"], &["explain", "AWI101"]]
    {
        let mut child =
            command(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            !first.is_empty() && output.stderr.is_empty(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(i32::from(arguments[0] == "scan")), "{arguments:?}");
    }
}

#[test]
fn colour_is_for_terminals() {
    let folder = known();
    let coloured = |arguments: &str, variable: Option<&str>, terminal: bool| {
        // What is being done is said on standard error, which is not looked at here.
        let line = format!("{PROGRAM} scan k.yaml {arguments} 2>/dev/null");
        let mut shell = Command::new(if terminal { "script" } else { "sh" });
        let arguments = if terminal { vec!["-qec", &line, "/dev/null"] } else { vec!["-c", &line] };
        shell.args(arguments).current_dir(folder.path()).env_remove("NO_COLOR").stdin(Stdio::null());
        if let Some(value) = variable {
            shell.env("NO_COLOR", value);
        }
        let out = shell.output().unwrap().stdout;
        assert!(out.windows(6).any(|six| six == b"AWI101"), "{}", String::from_utf8_lossy(&out));
        out.contains(&0x1b)
    };
    assert!(!coloured("", None, false), "not in a pipe");
    assert!(coloured("--color always", None, false));
    assert!(coloured("--color always", Some("1"), false), "what is typed wins");
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: no `script` to make a terminal with");
        return;
    }
    assert!(coloured("", None, true));
    assert!(coloured("", Some(""), true), "an empty NO_COLOR is none");
    assert!(!coloured("", Some("1"), true));
    assert!(!coloured("--color never", None, true));
    assert!(!coloured("-o json", None, true), "what programs read has none");
}
