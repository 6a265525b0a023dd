//! `wiguard serve` as a process of its own, with certificates and files in a folder of its own.

#![allow(clippy::panic, reason = "a test without its server has nothing to go on with")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::https::{Authority, Client, Pair, Reply, get, post};

/// A folder with what a server needs, and who signs for it.
pub struct Ground {
    folder: tempfile::TempDir,
    /// Signs the server's certificates.
    pub authority: Authority,
}

/// A running server.
pub struct Serving {
    child: Child,
    /// Where it serves HTTPS.
    pub at: SocketAddr,
    /// Where it serves its status.
    pub status_at: SocketAddr,
    authority: String,
    log: Arc<Mutex<Vec<Value>>>,
}

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

// === impl Ground ===

impl Default for Ground {
    fn default() -> Self {
        Self::new()
    }
}

impl Ground {
    /// A folder with a certificate.
    ///
    /// # Panics
    /// If there is no room.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let ground = Self { folder, authority: Authority::new("wiguard test authority") };
        ground.certify(&ground.authority.server());
        ground
    }

    /// Puts a certificate and its key where the server reads them.
    pub fn certify(&self, pair: &Pair) {
        self.write("tls.crt", &pair.cert);
        self.write("tls.key", &pair.key);
    }

    /// Writes a file as Kubernetes does: whole or not at all.
    ///
    /// # Panics
    /// If there is no room.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let fresh = self.folder.path().join(format!(".{}", name.replace('/', ".")));
        let path = self.folder.path().join(name);
        let written = std::fs::write(&fresh, content).and_then(|()| std::fs::rename(&fresh, &path));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The command that starts a server here, with these flags beside the usual ones.
    #[must_use]
    pub fn command(&self, program: &Path, flags: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).arg("serve");
        command.args(["--tls-cert", "tls.crt", "--tls-key", "tls.key", "--log-format", "json"]);
        if !flags.contains(&"--bind") {
            command.args(["--bind", "127.0.0.1:0"]);
        }
        command.args(["--status-bind", "127.0.0.1:0", "--reload-interval", "100ms"]);
        command.args(flags).stdin(Stdio::null()).stderr(Stdio::piped());
        // No cluster of whoever runs the tests.
        command.env("KUBECONFIG", "none").env_remove("KUBERNETES_SERVICE_HOST");
        command
    }

    /// Starts a server here that asks no cluster.
    #[must_use]
    pub fn serve(&self, program: &Path, flags: &[&str]) -> Serving {
        let flags: Vec<&str> = flags.iter().copied().chain(["--no-kube"]).collect();
        self.start(self.command(program, &flags))
    }

    /// Starts a server.
    ///
    /// # Panics
    /// If it does not serve soon.
    #[must_use]
    pub fn start(&self, mut command: Command) -> Serving {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{error}"));
        let Some(stderr) = child.stderr.take() else { panic!("no standard error") };
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "text": line }));
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let begun = Instant::now();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let authority = self.authority.pem.clone();
        let mut serving = Serving { child, at: anywhere, status_at: anywhere, authority, log };
        loop {
            if let Some(line) = serving.logged("serving").first() {
                let address = |name: &str| line[name].as_str().and_then(|text| text.parse().ok());
                serving.at = address("address").unwrap_or(anywhere);
                serving.status_at = address("status").unwrap_or(anywhere);
                return serving;
            }
            let ended = serving.child.try_wait().ok().flatten();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{ended:?}: {:?}", serving.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

// === impl Serving ===

impl Serving {
    /// Connects without a certificate.
    ///
    /// # Panics
    /// If that fails.
    pub async fn client(&self) -> Client {
        let client = Client::connect(self.at, &self.authority, None).await;
        client.unwrap_or_else(|error| panic!("{error}: {:?}", self.log()))
    }

    /// Posts JSON on a connection of its own.
    ///
    /// # Panics
    /// If the connection breaks.
    pub async fn post(&self, path: &str, json: &Value) -> Reply {
        let reply = self.client().await.send(post(path, json.to_string())).await;
        reply.unwrap_or_else(|error| panic!("{error}: {:?}", self.log()))
    }

    /// Asks on the status port.
    ///
    /// # Panics
    /// If the connection breaks.
    pub async fn status(&self, path: &str) -> Reply {
        get(self.status_at, path).await.unwrap_or_else(|error| panic!("{error}: {:?}", self.log()))
    }

    /// The value of a sample of `/metrics`, by name and labels as they stand there; 0 if there is none.
    pub async fn metric(&self, sample: &str) -> f64 {
        let page = self.status("/metrics").await.text();
        let value = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    /// Waits until something is true.
    ///
    /// # Panics
    /// If it never is.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, is_so: impl Fn() -> F) {
        let begun = Instant::now();
        while !is_so().await {
            assert!(begun.elapsed() < PATIENCE, "never {what}: {:?}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines of the log with this message.
    #[must_use]
    pub fn logged(&self, message: &str) -> Vec<Value> {
        self.log().into_iter().filter(|line| line["message"] == message).collect()
    }

    /// The process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name.
    ///
    /// # Panics
    /// If there is nobody to send it to.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come.
    pub fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not stop: {:?}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server that cannot start; its exit status and words.
///
/// # Panics
/// If it starts.
#[must_use]
pub fn refusal(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{error}"));
    let begun = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            let mut words = String::new();
            let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut words));
            return (status.code(), words);
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("it started");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// An AdmissionReview of an object.
#[must_use]
pub fn review(uid: &str, object: &Value) -> Value {
    let (group, version) = match object["apiVersion"].as_str().unwrap_or_default().rsplit_once('/') {
        Some((group, version)) => (group, version),
        None => ("", object["apiVersion"].as_str().unwrap_or_default()),
    };
    let (name, namespace) = (object.pointer("/metadata/name"), object.pointer("/metadata/namespace"));
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": uid, "kind": {"group": group, "version": version, "kind": object["kind"]},
        "name": name, "namespace": namespace, "operation": "CREATE", "object": object,
    }})
}
