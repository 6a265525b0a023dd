//! Input that is broken, huge or malicious: the program names file, place and remedy, judges the
//! rest, and never crashes or grows.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};

use crate::program::{Folder, KNOWN, PROGRAM, Ran, command, feed, run};

const ACCOUNT: &str = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"a","namespace":"b"}}"#;

/// Whether the finding beside the broken file was reported.
fn has_known(ran: &Ran) -> bool {
    ran.findings().iter().any(|found| found == &["AWI101", "Deployment", "shop", "cart"])
}

/// The program cannot read this, beside a file with a finding and when named itself, and says so
/// with these words.
fn unread(name: &str, content: &[u8], says: &[&str]) {
    let folder = Folder::of(&[("in/a-known.yaml", KNOWN)]);
    folder.write(&format!("in/{name}"), content);
    let path = format!("in/{name}");
    let beside = folder.run(&["scan", "in", "-o", "json"]);
    assert_eq!(beside.status, 3, "{name}: {beside:?}");
    assert!(has_known(&beside), "{name}: {beside:?}");
    let alone = folder.run(&["scan", &path, "-o", "json"]);
    assert_eq!(alone.status, 3, "{name}: {alone:?}");
    for ran in [beside, alone] {
        let (status, reason) = ran.coverage(&path);
        assert_ne!(status, "complete", "{name}: {reason}");
        for word in says {
            assert!(reason.contains(word), "{name}: `{word}` is not in `{reason}`");
        }
    }
    let table = folder.run(&["scan", "in"]).out;
    assert!(table.contains("AWI101") && table.contains(&path) && table.contains(says[0]), "{name}: {table}");
}

#[test]
fn what_is_cut_off_is_named() {
    let list =
        format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n{ACCOUNT},\n{{\"apiVersion\":\"v1\",\"ki");
    unread(
        "list.json",
        list.as_bytes(),
        &["line 1: ends inside", "line 3: ends inside", "the rest is missing", "export it again"],
    );
    unread("array.json", b"[\n{\"clientId\":\"", &["line 2", "export it again"]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    for number in 0_u32..4000 {
        writeln!(
            gzip,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{}}}",
            number.wrapping_mul(2_654_435_761)
        )
        .unwrap();
    }
    let gzip = gzip.finish().unwrap();
    unread("list.yaml.gz", &gzip[..gzip.len() / 2], &["ends early", "the rest is missing", "export it again"]);
    let text: String = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: café".into();
    unread("cut.yaml", &text.as_bytes()[..text.len() - 1], &["ends inside a character", "export it again"]);
}

#[test]
fn what_is_no_text_is_named() {
    unread(
        "dump.yaml",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0",
        &["line 1: is not text", "byte 0x00 at offset 7", "export it as UTF-8 JSON or YAML"],
    );
    unread("list.json", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &["is not text", "byte 0x89 at offset 0"]);
    unread("empty.yaml", b"", &["is empty"]);
    let latin = b"apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: caf\xe9\n";
    unread("latin.yaml", latin, &["line 4: is not text", "byte 0xe9", "UTF-8"]);
    unread("list.json.gz", b"\x1f\x8b\x08\x00not gzip", &["export it again"]);
}

#[test]
fn what_goes_too_deep_or_grows_too_large_is_named() {
    let mut bomb =
        String::from("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: x}\nz:\n  a0: &a0 [lol, lol, lol, lol]\n");
    for level in 1..30 {
        let below = format!("*a{}, ", level - 1).repeat(9);
        bomb.push_str(&format!("  a{level}: &a{level} [{below}]\n"));
    }
    unread("bomb.yaml", bomb.as_bytes(), &["aliases repeat too much", "line ", "give it as JSON"]);
    unread(
        "deep.json",
        format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)).as_bytes(),
        &["nests too deep", "line 1"],
    );
    unread("list.json", "[".repeat(10_000).as_bytes(), &["line 1", "export it again"]);
    unread(
        "deep.yaml",
        format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000)).as_bytes(),
        &["nests too deep", "line 1"],
    );
    let within = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: a}}\nx: {}{}",
        "{a: ".repeat(10_000),
        "}".repeat(10_000)
    );
    unread("within.yaml", within.as_bytes(), &["line 4: nests more than", "write it flatter"]);
    // Depth that no rule looks into does no harm.
    let harmless = format!(
        r#"{{"apiVersion":"v1","kind":"ServiceAccount","metadata":{{"name":"a"}},"x":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let ran = Folder::of(&[("a.json", &harmless)]).run(&["scan", "a.json", "-o", "json"]);
    assert_eq!((ran.status, &ran.report()["summary"]["serviceAccounts"]), (0, &1.into()), "{ran:?}");
}

#[test]
fn keys_that_appear_twice_are_named() {
    let top =
        "{\"apiVersion\":\"v1\",\n\"kind\":\"ServiceAccount\",\n\"metadata\":{\"name\":\"a\"},\n\"kind\":\"Pod\"}";
    unread("top.json", top.as_bytes(), &["line 4", "duplicate field `kind`", "correct it"]);
    let labels = "[\n{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"},\"spec\":{\"template\":{\"metadata\":{\"labels\":{\n\"azure.workload.identity/use\":\"true\",\n\"azure.workload.identity/use\":\"false\"}},\"spec\":{\"containers\":[]}}}}]";
    unread(
        "labels.json",
        labels.as_bytes(),
        &["line 4", "Deployment b/a", "duplicate key `azure.workload.identity/use`"],
    );
    unread(
        "top.yaml",
        b"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: c}\nkind: Pod\n",
        &["line 4", "`kind` appears twice", "remove one"],
    );
    let labels = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  template:\n    metadata:\n      labels:\n        azure.workload.identity/use: \"true\"\n        azure.workload.identity/use: \"false\"\n    spec: {containers: []}\n";
    unread("labels.yaml", labels.as_bytes(), &["line 9", "`azure.workload.identity/use` appears twice"]);
}

#[test]
fn output_that_is_none_is_named() {
    unread("empty.json", b"", &["is empty", "run it again"]);
    unread("none.json", b"{}", &["line 1", "is empty", "run it again"]);
    unread(
        "ids.json",
        b"ERROR: (AuthorizationFailed) The client may not.\nCode: AuthorizationFailed\n",
        &["line 1", "`ERROR: (AuthorizationFailed) The client may not.`", "run it again"],
    );
    unread("login.json", b"Please run 'az login' to setup account.\n", &["`Please run 'az login' to setup account.`"]);
    unread(
        "pods.yaml",
        b"Error from server (Forbidden): pods is forbidden: User \"x\" cannot list\n",
        &["Error from server (Forbidden)", "run it again"],
    );
    unread(
        "mixed.json",
        b"WARNING: this command is in preview\n[{\"clientId\": \"x\"}]\n",
        &["WARNING: this command", "standard output"],
    );
    unread(
        "arm.json",
        br#"{"error":{"code":"AuthorizationFailed","message":"no access"}}"#,
        &["`no access`", "ask again"],
    );
    unread("odd.json", br#"{"foo":1,"bar":[]}"#, &["line 1", "`foo`", "give the whole output of kubectl or az"]);
    unread("text.json", b"\"text\"", &["line 1", "give JSON or YAML"]);
    unread("numbers.json", b"[1,\n2,3]", &["line 1", "not an object", "--query"]);
    let ran = Folder::of(&[("null.json", "null\n")]).run(&["scan", "null.json", "-o", "json"]);
    assert_eq!((ran.status, ran.coverage("null.json").0.as_str()), (3, "missing"), "{ran:?}");
}

#[test]
fn utf16_is_read() {
    let folder = Folder::new();
    for (name, mark, unit) in
        [("le.yaml", [0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ("be.yaml", [0xfe, 0xff], u16::to_be_bytes)]
    {
        let bytes: Vec<u8> = mark.into_iter().chain(KNOWN.encode_utf16().flat_map(unit)).collect();
        folder.write(name, bytes);
        let ran = folder.run(&["scan", name, "-o", "json"]);
        assert!(ran.status == 1 && has_known(&ran), "{ran:?}");
    }
}

#[test]
fn paths_that_lead_nowhere_are_named() {
    let folder = Folder::of(&[("in/a-known.yaml", KNOWN)]);
    let ran = folder.run(&["scan", "in", "gone", "-o", "json"]);
    assert!(ran.status == 3 && has_known(&ran), "{ran:?}");
    assert_eq!(ran.coverage("gone"), ("missing".into(), "does not exist; check the path".into()));

    std::fs::create_dir_all(folder.path().join("hollow/inner")).unwrap();
    let ran = folder.run(&["scan", "in", "hollow", "-o", "json"]);
    assert!(ran.status == 3 && has_known(&ran), "{ran:?}");
    assert!(ran.coverage("hollow").1.starts_with("holds no file to read; name a folder"), "{ran:?}");

    symlink(".", folder.path().join("in/self")).unwrap();
    symlink("../in", folder.path().join("in/up")).unwrap();
    let ran = folder.run(&["scan", "in", "-o", "json"]);
    assert!(ran.status == 1 && ran.findings().len() == 1, "a circle of links is no harm: {ran:?}");
    symlink("knot", folder.path().join("in/knot")).unwrap();
    symlink("nothing.yaml", folder.path().join("in/broken.yaml")).unwrap();
    let ran = folder.run(&["scan", "in", "-o", "json"]);
    assert!(ran.status == 3 && has_known(&ran), "{ran:?}");
    for name in ["in/knot", "in/broken.yaml"] {
        assert_eq!(ran.coverage(name).1, "is a link that leads nowhere; mend or remove it");
    }
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let folder = Folder::of(&[("in/a-known.yaml", KNOWN), ("in/secret.yaml", KNOWN)]);
    let secret = folder.path().join("in/secret.yaml");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o0)).unwrap();
    let mut ours = command(folder.path(), &["scan", "in", "-o", "json"]);
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        // Nothing is forbidden to root, so that somebody else has to try.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let other = |rest: &[&str]| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--clear-groups"]).args(rest).current_dir(folder.path());
            command
        };
        if !other(&[PROGRAM, "--version"]).output().is_ok_and(|output| output.status.success()) {
            println!("skipped: running as root, and `setpriv` cannot run the program as another user");
            return;
        }
        ours = other(&[PROGRAM, "scan", "in", "-o", "json"]);
    }
    let ran = run(ours);
    assert!(ran.status == 3 && has_known(&ran), "{ran:?}");
    assert_eq!(ran.coverage("in/secret.yaml").1, "could not be read: permission denied; run as a user who may read it");
}

#[test]
fn a_pipe_is_read_once_and_only_when_named() {
    let folder = Folder::of(&[("in/a-known.yaml", KNOWN)]);
    let pipe = folder.path().join("in/pipe.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ran = folder.run(&["scan", "in", "-o", "json"]);
    assert!(ran.status == 3 && has_known(&ran), "{ran:?}");
    assert_eq!(ran.coverage("in/pipe.yaml").1, "is not a regular file; name it itself to read it");

    let mut reading = command(folder.path(), &["scan", "in/pipe.yaml", "-o", "json=out.json"]).spawn().unwrap();
    std::fs::write(&pipe, KNOWN).unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = reading.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(20) {
            reading.kill().unwrap();
            panic!("it waits for the pipe to be written again");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(1));
    assert!(folder.read("out.json").contains("AWI101"));
}

#[test]
fn prose_beside_manifests_is_listed_and_no_failure() {
    let prose = [
        ("README.md", "# Readme\n\nThis says: hello.\n\n```yaml\napiVersion: v1\nkind: Pod\n```\n\nMore: words.\n"),
        ("NOTES", "Some words,\nand more.\n"),
        ("main.tf", "resource \"azurerm_user_assigned_identity\" \"a\" {\n  name = \"b\"\n}\n"),
        (
            "main.bicep",
            "param name string\nresource a 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {\n  name: name\n}\n",
        ),
        ("deploy.sh", "#!/bin/sh\necho hello\n"),
        ("table.csv", "a,b\n1,2\n"),
        ("Dockerfile", "FROM scratch\nCOPY a b\n"),
        ("chart/values.yaml", "image:\n  tag: 1\n"),
        ("chart/Chart.yaml", "apiVersion: v2\nname: cart\nversion: 1.0.0\n"),
        ("chart/templates/pod.yaml", "{{- if .Values.on }}\nname: {{ .Values.name }}\n{{- end }}\n"),
        ("comment.yaml", "# nothing here\n"),
    ];
    let folder = Folder::of(&[("in/a-known.yaml", KNOWN)]);
    for (name, text) in prose {
        folder.write(&format!("in/{name}"), text);
    }
    let ran = folder.run(&["scan", "in", "-o", "json"]);
    for (name, _) in prose {
        let (status, reason) = ran.coverage(&format!("in/{name}"));
        assert!(status == "missing" && !reason.is_empty(), "{name}: {status} {reason}");
    }
    assert!(ran.status == 1 && has_known(&ran), "{}: {:#}", ran.status, ran.report()["coverage"]);
    assert!(ran.coverage("in/main.tf").1.contains("terraform show -json"));
    assert!(ran.coverage("in/README.md").1.contains("Markdown"));
    assert_eq!(folder.run(&["scan", "in", "--fail-on", "never"]).status, 0);
    // Named itself, or where there is nothing else, it is no source.
    assert_eq!(folder.run(&["scan", "in/README.md"]).status, 3);
    std::fs::remove_file(folder.path().join("in/a-known.yaml")).unwrap();
    let ran = folder.run(&["scan", "in"]);
    assert_eq!(ran.status, 3);
    assert!(ran.out.contains("no findings in what was read"), "{}", ran.out);
}

#[test]
fn files_of_another_kind_beside_manifests_are_listed_and_no_failure() {
    let others: [(&str, &[u8]); 6] = [
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("prog", b"\x7fELF\x02\x01\x01\0\0\0\0\0"),
        (
            "charts/cart.tar.gz",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\xce\xcf\x4d\x65\x00\x00\xc6\x4d\x90\x43\x05\x00\x00\x00",
        ),
        ("latin.md", b"caf\xe9 au lait\n"),
        ("__init__.py", b""),
        ("page.md", b"---\ntitle: Cart\n---\n# A page\nsays: [\n"),
    ];
    let folder = Folder::of(&[("in/a-known.yaml", KNOWN)]);
    for (name, content) in others {
        folder.write(&format!("in/{name}"), content);
    }
    let ran = folder.run(&["scan", "in", "-o", "json"]);
    assert!(ran.status == 1 && has_known(&ran), "{}: {:#}", ran.status, ran.report()["coverage"]);
    for (name, _) in others {
        let path = format!("in/{name}");
        let (status, reason) = ran.coverage(&path);
        assert!(status == "missing" && !reason.is_empty(), "{name}: {status} {reason}");
        assert_eq!(folder.run(&["scan", &path]).status, 3, "{name} was named itself");
    }
}

#[test]
fn of_a_file_with_one_broken_document_a_part_is_missing() {
    let broken = format!("{KNOWN}---\nfoo: [\n---\n{}", KNOWN.replace("cart", "till"));
    let folder = Folder::of(&[("in/all.yaml", &broken)]);
    for path in ["in", "in/all.yaml"] {
        let ran = folder.run(&["scan", path, "-o", "json"]);
        assert!(ran.status == 3 && has_known(&ran) && ran.findings().len() == 2, "{path}: {ran:?}");
        let (status, reason) = ran.coverage("in/all.yaml");
        assert!(status == "partial" && reason.contains("line 14: is not YAML"), "{path}: {status} {reason}");
    }
}

#[test]
fn a_line_without_end_takes_little_memory() {
    const BLOCK: usize = 1 << 20;
    let folder = Folder::new();
    let ours = || command(folder.path(), &["scan", "-", "-o", "json"]);
    let (ran, peak) = feed(ours(), |stdin| (0..200).try_for_each(|_| stdin.write_all(&[b'x'; BLOCK])));
    assert!(
        ran.status == 3
            && ran.coverage("-").1.contains("larger than the 64 MiB")
                | ran.coverage("-").1.contains("more than 64 MiB"),
        "{ran:?}"
    );
    assert!((1..250 << 10).contains(&peak), "{peak} KiB");

    let element = ACCOUNT.replace("\"b\"}", &format!("\"b\",\"annotations\":{{\"x\":\"{}\"}}}}", "y".repeat(8000)));
    let elements = 200 * BLOCK / element.len();
    let (ran, peak) = feed(ours(), |stdin| {
        let mut out = std::io::BufWriter::with_capacity(BLOCK, stdin);
        out.write_all(br#"{"apiVersion":"v1","kind":"List","items":["#)?;
        for number in 0..elements {
            let comma = if number == 0 { "" } else { "," };
            write!(out, "{comma}{}", element.replacen("\"a\"", &format!("\"a{number}\""), 1))?;
        }
        out.write_all(b"]}")
    });
    assert_eq!((ran.status, &ran.report()["summary"]["serviceAccounts"]), (0, &elements.into()), "{}", ran.err);
    assert!((1..250 << 10).contains(&peak), "{peak} KiB");
}
