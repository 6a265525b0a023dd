//! Scanning a whole estate, process against process: `wiguard scan` of a cluster's dump and of the
//! Azure side that fits it, and of their snapshot, beside reading the dump with serde_json on one thread, and beside the
//! jq line one writes who has no such tool. Wall time and the peak of resident memory; the
//! programs take turns.
//!
//! `cargo bench --bench scan [-- --pods N] [--rounds N]`; 100000 pods and 5 rounds if not said.

#![allow(clippy::panic, reason = "a benchmark that cannot run has nobody to hand its error to")]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, exit};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use wiguard_tests::estate;

const SEED: u64 = 1;

/// The first argument with which this program starts itself, to parse a file and no more.
const PARSE: &str = "--parse";

const JQ: &str = r#".items[] | select(.metadata.annotations["azure.workload.identity/client-id"] != null or .metadata.labels["azure.workload.identity/use"] != null) | "Namespace: \(.metadata.namespace) SA: \(.metadata.name) client-id: \(.metadata.annotations["azure.workload.identity/client-id"] // "n/a")""#;

struct Contender {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Exit codes that mean the work was done.
    done: &'static [i32],
    runs: Vec<Run>,
}

#[derive(Clone, Copy)]
struct Run {
    wall: Duration,
    /// Bytes.
    peak: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, path] = arguments.as_slice()
        && first == PARSE
    {
        parse(Path::new(path));
    }
    let option = |name| {
        let mut rest = arguments.iter().skip_while(|argument| *argument != name).skip(1);
        rest.next().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} {value}")))
    };
    let pods: usize = option("--pods").unwrap_or(100_000);
    let rounds: usize = option("--rounds").unwrap_or(5);

    let wiguard = build();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scan");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
    let dump = folder.join("cluster.json");
    write(&dump, pods);
    let azure = folder.join("azure");
    estate::big_azure(pods, SEED, &azure).unwrap_or_else(|error| panic!("cannot write the Azure side: {error}"));
    let size = fs::metadata(&dump).map_or(0, |metadata| metadata.len());
    println!("{pods} pods, {} MB of JSON, {rounds} rounds\n", size / 1_000_000);

    let kept = folder.join("kept.gz");
    let mut contenders = contenders(wiguard, &dump, &azure, &kept);
    for _ in 0..rounds {
        for contender in &mut contenders {
            let run = contender.run();
            contender.runs.push(run);
        }
    }
    print(&contenders, size);
    let kept = fs::metadata(&kept).map_or(0, |metadata| metadata.len());
    println!("the snapshot has {kept} bytes, {:.0} times less than the JSON", size as f64 / kept.max(1) as f64);
    fs::remove_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
}

fn contenders(wiguard: PathBuf, dump: &Path, azure: &Path, kept: &Path) -> Vec<Contender> {
    let this = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    let dump = dump.as_os_str().to_owned();
    let contender = |name, program, arguments, done| Contender { name, program, arguments, done, runs: Vec::new() };

    let mut scan = vec!["scan".into(), dump.clone()];
    scan.extend([azure.as_os_str().to_owned(), "-o".into(), "json=/dev/null".into()]);
    let sources = [dump.clone(), azure.as_os_str().to_owned()];
    let collect = [&["collect".into(), "-o".into(), kept.into()], &sources[..]].concat();
    let snapshot: Vec<OsString> = vec!["scan".into(), kept.into(), "-o".into(), "json=/dev/null".into()];
    let mut list = vec![
        // 1 says that something was found.
        contender("wiguard scan", wiguard.clone(), scan, &[0, 1]),
        contender("collect", wiguard.clone(), collect, &[0]),
        contender("scan, snapshot", wiguard, snapshot, &[0, 1]),
        contender("serde_json", this, vec![PARSE.into(), dump.clone()], &[0]),
    ];
    if Command::new("jq").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        list.push(contender("jq", "jq".into(), vec!["-r".into(), JQ.into(), dump], &[0]));
    } else {
        println!("jq is not installed and left out");
    }
    list
}

impl Contender {
    fn run(&self) -> Run {
        let start = Instant::now();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run `{}`: {error}", self.program.display()));
        let watch = peak(&child);
        let status = child.wait().unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let wall = start.elapsed();
        assert!(status.code().is_some_and(|code| self.done.contains(&code)), "{} ended with {status}", self.name);
        Run { wall, peak: watch.join().unwrap_or_default() }
    }
}

/// Watches the high-water mark of a child's resident memory until it is gone.
fn peak(child: &Child) -> thread::JoinHandle<u64> {
    let status = format!("/proc/{}/status", child.id());
    thread::spawn(move || {
        let mut highest = 0;
        // A process that has ended but is not yet waited for has a status without this line.
        while let Some(kibibytes) = fs::read_to_string(&status).ok().as_deref().and_then(high_water_mark) {
            highest = kibibytes * 1024;
            thread::sleep(Duration::from_millis(2));
        }
        highest
    })
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the other contender is: the whole file as one value, on one thread. It ends without
/// freeing the value, as a tool in a hurry would.
fn parse(path: &Path) -> ! {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{error}"));
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}"));
    println!("{}", value.get("items").and_then(Value::as_array).map_or(0, Vec::len));
    exit(0)
}

/// Builds the program as users have it and says where it is.
fn build() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "wiguard", "--message-format", "json-render-diagnostics"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")])
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("cannot run cargo: {error}"));
    assert!(output.status.success(), "cannot build wiguard");
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").and_then(Value::as_str) == Some("wiguard"))
        .find_map(|message| message.get("executable").and_then(Value::as_str).map(PathBuf::from))
        .unwrap_or_else(|| panic!("cargo built no program named wiguard"))
}

fn write(path: &Path, pods: usize) {
    let file = File::create(path).unwrap_or_else(|error| panic!("{error}"));
    let mut out = BufWriter::with_capacity(1 << 20, file);
    estate::big_dump(pods, SEED, &mut out)
        .and_then(|()| out.flush())
        .unwrap_or_else(|error| panic!("cannot write `{}`: {error}", path.display()));
}

fn print(contenders: &[Contender], size: u64) {
    println!(
        "{:14} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}",
        "program", "median s", "min s", "max s", "MB/s", "peak MB", "time", "memory"
    );
    let mut ours = None;
    for contender in contenders {
        let mut walls: Vec<f64> = contender.runs.iter().map(|run| run.wall.as_secs_f64()).collect();
        walls.sort_unstable_by(f64::total_cmp);
        let peak = contender.runs.iter().map(|run| run.peak).max().unwrap_or_default() as f64 / 1e6;
        let (Some(least), Some(most)) = (walls.first(), walls.last()) else { continue };
        let median = walls.get(walls.len() / 2).copied().unwrap_or_default();
        let (our_wall, our_peak) = *ours.get_or_insert((median, peak));
        println!(
            "{:14} {median:>9.2} {least:>9.2} {most:>9.2} {:>9.0} {peak:>9.0} {:>7.1} {:>7.1}",
            contender.name,
            size as f64 / 1e6 / median,
            median / our_wall,
            peak / our_peak,
        );
    }
    println!("\ntime and memory are ratios to `wiguard scan`");
}
