//! A server as a process of its own: its ports, its log, and its end.
//!
//! It is killed when it is dropped. What is never dropped, because it lives in a static or the
//! test process was itself killed, is swept by a shell that waits for this process to end.

#![allow(clippy::panic, reason = "a test without its servers has nothing to go on with")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};

/// The lines of a log that are shown when a test fails, and the characters of each.
const TAIL: usize = 6;
const WIDTH: usize = 300;

/// A running server.
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

/// A folder that goes when it is dropped, or with this process.
pub struct Scratch(tempfile::TempDir);

/// The built server of this name.
///
/// # Panics
/// Where it was not built.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = || std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).unwrap_or_default();
    let named = std::env::var_os("WIGUARD_SERVERS").map(PathBuf::from);
    let path = named.unwrap_or_else(|| cache().join("wiguard-ci/servers")).join(name);
    let shown = path.display();
    assert!(path.exists(), "there is no `{shown}`; run `tests/servers/build FOLDER`, and set WIGUARD_SERVERS to it");
    path
}

/// A port of 127.0.0.1 that nobody listens on. It is none of those that the system gives to
/// clients, so that it stays free until its server has started.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        // Processes that run at once start far apart.
        let start = u64::from(std::process::id()) * 7919 % u64::from(COUNT);
        AtomicU16::new(u16::try_from(start).unwrap_or_default())
    });
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free")
}

// === impl Server ===

impl Server {
    /// Starts it; what it prints goes to a log in `folder`.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(name: &str, mut command: Command, folder: &Scratch) -> Self {
        show_logs_of_failures();
        let log = folder.path().join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.unwrap_or_else(|error| panic!("cannot write `{}`: {error}", log.display()));
        let also = file.try_clone().unwrap_or_else(|error| panic!("{error}"));
        // Of its own group, so that an interrupt at the terminal reaches the tests alone.
        command.process_group(0).stdin(Stdio::null()).stdout(file).stderr(also);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start `{name}`: {error}"));
        sweep(&format!("process {}", child.id()));
        logs().insert(child.id(), (name.to_owned(), log.clone()));
        Self { name: name.to_owned(), child, log }
    }

    /// Which one it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails the test if it is no more.
    ///
    /// # Panics
    /// If it is no more.
    pub fn still_runs(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("`{}` has ended: {status}\n{}", self.name, tail(&self.log));
        }
    }

    /// Asks it to end, as Kubernetes asks a container.
    ///
    /// # Panics
    /// Where a signal cannot be sent.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot send a signal to `{}`", self.name);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either fails only where it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        logs().remove(&self.child.id());
        sweep(&format!("gone {}", self.child.id()));
    }
}

// === impl Scratch ===

impl Scratch {
    /// A new one.
    ///
    /// # Panics
    /// Where none can be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("wiguard-e2e-").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("cannot make a temporary folder: {error}"));
        sweep(&format!("folder {}", folder.path().display()));
        Self(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file there, and the folders above it.
    ///
    /// # Panics
    /// Where it cannot.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        let write = |path: &Path| {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::write(path, content)
        };
        write(&path).unwrap_or_else(|error| panic!("cannot write `{}`: {error}", path.display()));
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

// === what outlives a test ===

/// Has a process end with this one at the latest, if it was not started here.
pub fn goes_with_us(process: u32) {
    sweep(&format!("process {process}"));
}

/// Tells the sweeper of a process or a folder that is to go with this process.
fn sweep(word: &str) {
    // It reads until all who could write have ended, which no signal to this process can prevent.
    const SWEEPER: &str = r#"
        processes= folders=
        while read -r word what; do
            case $word in
            process) processes="$processes $what " ;;
            gone) processes=$(printf %s "$processes" | sed "s/ $what / /") ;;
            folder) folders="$folders $what" ;;
            esac
        done
        [ -z "${processes# }" ] || kill -9 $processes 2>/dev/null
        [ -n "$WIGUARD_KEEP" ] || for folder in $folders; do
            rm -rf "$folder" 2>/dev/null || { sleep 1; rm -rf "$folder"; }
        done
    "#;
    static PIPE: LazyLock<Mutex<ChildStdin>> = LazyLock::new(|| {
        // It outlives this process, to sweep up after it.
        let sweep = || {
            let mut sweeper = Command::new("sh");
            sweeper.args(["-c", SWEEPER]).process_group(0);
            sweeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            sweeper.spawn().unwrap_or_else(|error| panic!("cannot run `sh`: {error}")).stdin.take()
        };
        Mutex::new(sweep().unwrap_or_else(|| panic!("`sh` has no standard input")))
    });
    let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(pipe, "{word}").unwrap_or_else(|error| panic!("cannot write to `sh`: {error}"));
}

fn logs() -> MutexGuard<'static, BTreeMap<u32, (String, PathBuf)>> {
    static LOGS: Mutex<BTreeMap<u32, (String, PathBuf)>> = Mutex::new(BTreeMap::new());
    LOGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has every failure followed by the last lines of all running servers.
fn show_logs_of_failures() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |failure| {
            before(failure);
            for (name, log) in logs().values() {
                eprintln!("--- {name}\n{}", tail(log));
            }
        }));
    });
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<String> = text.lines().map(|line| line.chars().take(WIDTH).collect()).collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}
