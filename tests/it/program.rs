//! The program as its users meet it: a process of its own, with an exit status and words.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Where it was built.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_wiguard-under-test");

/// A manifest with one finding, AWI101 on Deployment `shop/cart`, on its sixth line.
pub(crate) const KNOWN: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
  labels: {azure.workload.identity/use: \"true\"}
spec:
  template:
    spec:
      serviceAccountName: cart
      containers: [{name: cart, image: cart}]
";

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output as the JSON report it is.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The findings of a JSON report: rule, kind, namespace, name.
    pub(crate) fn findings(&self) -> Vec<[String; 4]> {
        let report = self.report();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let findings = report["findings"].as_array().unwrap().iter();
        findings
            .map(|found| {
                let object = &found["object"];
                [text(&found["rule"]), text(&object["kind"]), text(&object["namespace"]), text(&object["name"])]
            })
            .collect()
    }

    /// The coverage of a source in a JSON report: status and reason.
    pub(crate) fn coverage(&self, source: &str) -> (String, String) {
        let report = self.report();
        let row = report["coverage"].as_array().unwrap().iter().find(|row| row["source"] == source);
        let row = row.unwrap_or_else(|| panic!("`{source}` is not in {:#}", report["coverage"]));
        (row["status"].as_str().unwrap().into(), row["reason"].as_str().unwrap_or_default().into())
    }
}

/// A folder of files to run in.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder of these files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let folder = Self::new();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs the program here.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(command(self.path(), arguments))
    }

    /// Runs the program here with this on its standard input.
    pub(crate) fn pipe(&self, arguments: &[&str], input: &[u8]) -> Ran {
        feed(command(self.path(), arguments), |stdin| stdin.write_all(input)).0
    }
}

/// The program, to be run in a folder, without what this terminal would tell it.
pub(crate) fn command<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).args(arguments).env_remove("NO_COLOR").env("COLUMNS", "100");
    command
}

/// Runs a command without input.
pub(crate) fn run(mut command: Command) -> Ran {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finished(child)
}

/// Runs a command while its input is written; also the most memory it held, in KiB.
pub(crate) fn feed(
    mut command: Command,
    write: impl FnOnce(&mut ChildStdin) -> std::io::Result<()> + Send,
) -> (Ran, u64) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut peak = 0;
    std::thread::scope(|scope| {
        // A program that stops reading early closes the pipe, which is its right.
        scope.spawn(move || write(&mut stdin).unwrap_or_default());
        // What it prints here fits into a pipe, so that it need not be read meanwhile.
        while child.try_wait().unwrap().is_none() {
            peak = peak.max(high_water(child.id()));
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    (finished(child), peak)
}

/// `VmHWM` of a process, in KiB; 0 if it is gone.
fn high_water(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

/// Waits for a process, which may end in any way but a crash.
fn finished(mut child: Child) -> Ran {
    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut err = String::new();
        stderr.read_to_string(&mut err).map(|_| err)
    });
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let err = reader.join().unwrap().unwrap();
    let status = child.wait().unwrap().code().unwrap_or(-1);
    let ran = Ran { status, out, err };
    assert!((0..=4).contains(&ran.status), "{ran:?}");
    assert!(!ran.out.contains("panicked") && !ran.err.contains("panicked"), "{ran:?}");
    ran
}

/// Answers a request with JSON, as an API server does (HTTP/1.1).
pub(crate) fn respond(stream: &mut impl Write, status: u16, body: &Value) -> io::Result<()> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes())
}
