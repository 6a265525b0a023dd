//! Azure Storage through its real protocol: Azurite takes snapshots and reports and gives them back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use ring::hmac;
use serde_json::Value;
use wiguard_tests::case::testdata;
use wiguard_tests::cluster::base64::{decode, encode};
use wiguard_tests::cluster::server::{Scratch, Server, built, free_port};
use wiguard_tests::cluster::{eventually, wait};

const ACCOUNT: &str = "norvindfreight";
const KEY: &str = "cGxhbnRlZC1rZXktb2YtdGhlLWFjY291bnQtdGhhdC1ub2JvZHktbWF5LXNlZQ==";
/// A version of the service that Azurite speaks.
const VERSION: &str = "2021-12-02";

/// An account with one container, `fleet`.
struct Storage {
    port: u16,
    _server: Server,
    _folder: Scratch,
}

/// What came of a run.
#[derive(Debug)]
struct Ran {
    status: i32,
    out: String,
    err: String,
}

static STORAGE: LazyLock<Storage> = LazyLock::new(|| wait(Storage::start()));

impl Storage {
    async fn start() -> Self {
        let (folder, port) = (Scratch::new(), free_port());
        let mut command = Command::new(built("azurite"));
        command.args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command.env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{KEY}")).current_dir(folder.path());
        let server = Server::start("azurite", command, &folder);
        let storage = Self { port, _server: server, _folder: folder };
        eventually("Azurite has a container", async || storage.make_container()).await;
        storage
    }

    fn make_container(&self) -> Result<(), String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        let request = format!(
            "PUT /{ACCOUNT}/fleet?restype=container&{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nx-ms-version: {VERSION}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            signature("rwdlac"),
            self.port
        );
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
        // It is there already if an answer was lost.
        if answer.starts_with("HTTP/1.1 201") || answer.starts_with("HTTP/1.1 409") { Ok(()) } else { Err(answer) }
    }

    /// Runs the program as one who has what `credentials` say.
    fn run(&self, folder: &Path, arguments: &[&str], credentials: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wiguard-under-test"));
        command.current_dir(folder).args(arguments);
        command.env("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT).env("AZURE_ALLOW_HTTP", "true");
        command.env("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{}/{ACCOUNT}", self.port));
        command.envs(credentials.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        for (_, secret) in credentials {
            // The signature is what is secret of a SAS.
            let secret = secret.split_once("sig=").map_or(*secret, |(_, signature)| signature);
            assert!(!out.contains(secret) && !err.contains(secret), "{arguments:?}: {out}\n{err}");
        }
        Ran { status: output.status.code().unwrap(), out, err }
    }
}

/// A shared access signature of the account with these permissions (Microsoft Learn, Create an
/// account SAS, "Construct the signature string").
fn signature(permissions: &str) -> String {
    let (services, types, until) = ("b", "sco", "2099-01-01T00:00:00Z");
    let text = format!("{ACCOUNT}\n{permissions}\n{services}\n{types}\n\n{until}\n\n\n{VERSION}\n\n");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &decode(KEY));
    let signed = encode(hmac::sign(&key, text.as_bytes()).as_ref());
    let escaped = signed.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("sv={VERSION}&ss={services}&srt={types}&sp={permissions}&se={until}&sig={escaped}")
}

const WITH_KEY: [(&str, &str); 1] = [("AZURE_STORAGE_ACCOUNT_KEY", KEY)];

#[test]
fn snapshots_and_reports_are_written_overwritten_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let estate = testdata("estate").display().to_string();
    let run = |arguments: &[&str]| STORAGE.run(folder.path(), arguments, &WITH_KEY);
    let findings = |ran: &Ran| -> Value { serde_json::from_str::<Value>(&ran.out).unwrap()["findings"].clone() };
    let direct = findings(&run(&["scan", &estate, "-o", "json"]));
    // The second time over the first.
    for _ in 0..2 {
        let ran = run(&["collect", &estate, "-o", "az://fleet/night/estate.gz"]);
        assert_eq!(ran.status, 0, "{ran:?}");
    }
    assert_eq!(findings(&run(&["scan", "az://fleet/night/estate.gz", "-o", "json"])), direct);
    assert_eq!(findings(&run(&["merge", "az://fleet/night", "-o", "json"])), direct);

    let ran = run(&["merge", "az://fleet/night/", "-o", "az://fleet/merged.gz"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let ran =
        run(&["scan", "az://fleet/merged.gz", "-o", "json=az://fleet/r/report.json", "-o", "csv=az://fleet/r/csv"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let listed = run(&["scan", "az://fleet/r/csv/findings.csv", "-o", "json"]);
    assert_eq!(listed.status, 3, "it is there, and is no source: {listed:?}");
    let report = run(&["scan", "az://fleet/r/report.json", "-o", "json"]);
    assert!(!report.out.contains("is not there"), "{report:?}");
}

#[test]
fn a_signature_is_enough_and_is_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let small = testdata("small").display().to_string();
    let (all, none) = (signature("rwlc"), signature("l"));
    let run =
        |arguments: &[&str], sas: &str| STORAGE.run(folder.path(), arguments, &[("AZURE_STORAGE_SAS_TOKEN", sas)]);
    let ran = run(&["collect", &small, "-o", "az://fleet/sas/small.gz"], &all);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(run(&["scan", "az://fleet/sas", "-o", "json"], &all).status, 1);

    let ran = run(&["collect", &small, "-o", "az://fleet/sas/other.gz"], &none);
    assert_eq!(ran.status, 4, "{ran:?}");
    assert!(
        ran.err.contains("az://fleet/sas/other.gz") && ran.err.contains("Storage Blob Data Contributor"),
        "{ran:?}"
    );
    let forged = all.replace("sig=", "sig=AAAA");
    let ran = run(&["scan", "az://fleet/sas", &small, "-o", "json"], &forged);
    assert_eq!(ran.status, 3, "the rest is judged: {ran:?}");
    assert!(ran.out.contains("az://fleet/sas") && ran.out.contains("is refused"), "{ran:?}");
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let small = testdata("small").display().to_string();
    let ran = STORAGE.run(folder.path(), &["collect", &small, "-o", "az://nowhere/x.gz"], &WITH_KEY);
    assert!(ran.status == 4 && ran.err.contains("check the container"), "{ran:?}");
    let ran = STORAGE.run(folder.path(), &["merge", "az://fleet/nothing/here"], &WITH_KEY);
    assert!(ran.out.contains("check the URL") || ran.err.contains("check the URL"), "{ran:?}");
    assert_ne!(ran.status, 0);
}
