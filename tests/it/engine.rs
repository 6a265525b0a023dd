//! The engine against a guest that breaks every promise a policy makes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wiguard::engine::{CallError, Engine, EngineError, Host, Limits, Policy};
use wiguard_tests::modules;

static HOSTILE: LazyLock<Vec<u8>> =
    LazyLock::new(|| modules::guest("hostile", &Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests")));

/// Compiled once; tests that need other limits make their own.
static POLICY: LazyLock<Policy> = LazyLock::new(|| load(Limits::default()));

/// Answers a question with itself turned round, refuses `no`, and keeps what was logged and asked.
#[derive(Default)]
struct Mirror {
    logged: Mutex<Vec<String>>,
    asked: Mutex<Vec<String>>,
    /// What the clock shows, in seconds since 1970.
    seconds: Mutex<i64>,
}

impl Host for Mirror {
    fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        keep(&self.asked, format!("{binding}/{namespace}/{operation}"));
        match payload {
            b"no" => Err("not found".into()),
            b"much" => Ok(vec![b' '; (8 << 20) + 1]),
            b"slow" => {
                thread::sleep(Duration::from_millis(100));
                Ok(b"at last".to_vec())
            }
            _ => Ok(payload.iter().rev().copied().collect()),
        }
    }

    fn log(&self, message: &str) {
        keep(&self.logged, message.to_owned());
    }

    fn now(&self) -> SystemTime {
        match *self.seconds.lock().unwrap_or_else(PoisonError::into_inner) {
            seconds @ 0.. => UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs()),
            seconds => UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()),
        }
    }
}

fn keep(list: &Mutex<Vec<String>>, line: String) {
    list.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

fn load(limits: Limits) -> Policy {
    Engine::new(limits).unwrap().load(&HOSTILE).unwrap()
}

fn call(operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError> {
    call_with(&POLICY, operation, payload, &Arc::default())
}

fn call_with(policy: &Policy, operation: &str, payload: &[u8], mirror: &Arc<Mirror>) -> Result<Vec<u8>, CallError> {
    let host: Arc<dyn Host> = mirror.clone();
    policy.call(operation, payload, &host)
}

fn protocol(operation: &str) -> String {
    match call(operation, b"any") {
        Err(CallError::Protocol(reason)) => reason,
        other => panic!("`{operation}` gave {other:?}"),
    }
}

#[test]
fn the_request_goes_in_and_the_answer_comes_out() {
    assert_eq!(call("echo", b"{\"request\":null}").unwrap(), b"{\"request\":null}");
    assert_eq!(call("echo", b"").unwrap(), b"");
    let large = vec![7; 64 * 1024];
    assert_eq!(call("echo", &large).unwrap(), large);
}

#[test]
fn the_guests_own_error_is_its_own() {
    assert_eq!(call("refuse", b"bad settings"), Err(CallError::Guest("bad settings".into())));
    assert_eq!(call("refuse", b"\xff"), Err(CallError::Guest("\u{fffd}".into())));
    assert_eq!(call("no such", b""), Err(CallError::Guest("no such operation".into())));
}

#[test]
fn every_call_starts_afresh_after_its_start_functions() {
    // The guest counts from 1, which `wapc_init` sets after `_start` has left with status 0.
    for _ in 0..3 {
        assert_eq!(call("count", b"").unwrap(), [2]);
    }
}

#[test]
fn an_answer_is_wanted_whatever_is_returned() {
    assert_eq!(protocol("silent"), "it ended well and gave no answer");
    assert_eq!(protocol("sulk"), "it failed and gave no reason");
}

#[test]
fn time_is_bounded_and_outlives_the_engine() {
    let deadline = Duration::from_millis(50);
    // The engine is dropped at the end of this line; the policy still has its deadline.
    let policy = load(Limits { deadline, ..Limits::default() });
    let start = Instant::now();
    let ended = call_with(&policy, "loop", b"", &Arc::default());
    assert_eq!(ended, Err(CallError::Deadline(deadline)));
    assert!(start.elapsed() >= deadline, "{:?}", start.elapsed());
    assert!(call_with(&policy, "echo", b"again", &Arc::default()).is_ok());
}

#[test]
fn the_hosts_time_counts() {
    let deadline = Duration::from_millis(20);
    let policy = load(Limits { deadline, ..Limits::default() });
    let mirror = Arc::default();
    assert_eq!(call_with(&policy, "pester", b"slow", &mirror), Err(CallError::Deadline(deadline)));
    assert_eq!(mirror.asked.lock().unwrap().len(), 1);
}

#[test]
fn memory_is_bounded() {
    let limit = Limits::default().memory;
    assert_eq!(call("grow", b""), Err(CallError::Memory(limit)));
    let policy = load(Limits { memory: 2 << 20, ..Limits::default() });
    assert_eq!(call_with(&policy, "grow", b"", &Arc::default()), Err(CallError::Memory(2 << 20)));
}

#[test]
fn crashes_are_errors() {
    for operation in ["trap", "recurse"] {
        assert!(matches!(call(operation, b""), Err(CallError::Trap(_))), "{operation}");
    }
    let Err(CallError::Trap(reason)) = call("exit", b"") else { panic!() };
    assert!(reason.contains("exit status 3"), "{reason}");
}

#[test]
fn an_import_nobody_gives_crashes_by_name() {
    let Err(CallError::Trap(reason)) = call("socket", b"") else { panic!() };
    assert!(reason.contains("sock_accept"), "{reason}");
}

#[test]
fn pointers_are_checked() {
    for operation in [
        "pointer-beyond",
        "pointer-negative",
        "length-beyond",
        "length-negative",
        "both-negative",
        "request-beyond",
        "answer-beyond",
        "log-beyond",
        "names-beyond",
        "vectors-beyond",
        "random-beyond",
    ] {
        let reason = protocol(operation);
        assert!(reason.contains("outside its memory"), "{operation}: {reason}");
    }
    let Err(CallError::Protocol(reason)) = call("error-beyond", b"no") else { panic!() };
    assert!(reason.contains("9 bytes at 4294967295"), "{reason}");
    assert!(protocol("names-not-text").contains("not UTF-8"));
}

#[test]
fn answers_are_bounded() {
    let policy = load(Limits { response: 1_000, ..Limits::default() });
    let error = call_with(&policy, "huge", b"", &Arc::default()).unwrap_err().to_string();
    assert!(error.contains("more than the 1000 allowed"), "{error}");
    assert_eq!(call_with(&policy, "echo", &[1; 1_000], &Arc::default()).unwrap().len(), 1_000);
}

#[test]
fn the_host_answers_or_refuses() {
    let mirror = Arc::default();
    assert_eq!(call_with(&POLICY, "ask", b"abc", &mirror).unwrap(), b"cba");
    assert_eq!(call_with(&POLICY, "ask", b"no", &mirror), Err(CallError::Guest("not found".into())));
    assert_eq!(*mirror.asked.lock().unwrap(), ["kubewarden/kubernetes/get_resource"; 2]);
    let Err(CallError::Guest(reason)) = call("ask", b"much") else { panic!() };
    assert!(reason.contains("8388609 bytes"), "{reason}");
}

#[test]
fn questions_and_log_are_bounded() {
    let mirror = Arc::default();
    let Err(CallError::Protocol(reason)) = call_with(&POLICY, "pester", b"abc", &mirror) else { panic!() };
    assert!(reason.contains("more than 1000 times"), "{reason}");
    assert_eq!(mirror.asked.lock().unwrap().len(), 1_000);

    let deadline = Duration::from_millis(30);
    let policy = load(Limits { deadline, log: 1_000, ..Limits::default() });
    assert_eq!(call_with(&policy, "flood", &[b'x'; 300], &mirror), Err(CallError::Deadline(deadline)));
    let logged: usize = mirror.logged.lock().unwrap().iter().map(String::len).sum();
    assert_eq!(logged, 1_000);
}

#[test]
fn what_is_printed_is_logged() {
    let mirror = Arc::default();
    // Bytes written, success for standard error, and `badf` for a file that is not open.
    assert_eq!(call_with(&POLICY, "print", b"a panic\n", &mirror).unwrap(), [8, 0, 0, 0, 0, 8]);
    assert_eq!(*mirror.logged.lock().unwrap(), ["a panic"]);
}

#[test]
fn the_machine_says_the_same_in_every_call() {
    let first = call("machine", b"").unwrap();
    assert_eq!(call("machine", b"").unwrap(), first);
    let (random, rest) = first.split_at(16);
    assert_ne!(random[..8], random[8..]);
    assert_eq!(rest, [0; 16], "another time than the host's, or an environment");
}

#[test]
fn the_time_is_the_hosts() {
    let mirror: Arc<Mirror> = Arc::default();
    let shown = |seconds| {
        *mirror.seconds.lock().unwrap() = seconds;
        let machine = call_with(&POLICY, "machine", b"", &mirror).unwrap();
        u64::from_le_bytes(machine[16..24].try_into().unwrap())
    };
    assert_eq!(shown(1_795_478_400), 1_795_478_400_000_000_000);
    assert_eq!(shown(1), 1_000_000_000);
    // A clock before 1970, or after 2554, is none: the guest's eight bytes stay as they were.
    assert_eq!(shown(-1), 0);
    assert_eq!(shown(18_446_744_074), 0);
}

#[test]
fn calls_at_once_are_bounded() {
    let policy = load(Limits { instances: 2, ..Limits::default() });
    let mut ended: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> =
            (0..3).map(|_| scope.spawn(|| call_with(&policy, "ask", b"slow", &Arc::default()))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    ended.sort_by_key(Result::is_ok);
    assert_eq!(ended, [Err(CallError::Busy(2)), Ok(b"at last".to_vec()), Ok(b"at last".to_vec())]);
    assert!(call_with(&policy, "echo", b"", &Arc::default()).is_ok(), "a place was not given back");
}

#[test]
fn a_pool_that_does_not_fit_is_done_without() {
    assert!(Engine::new(Limits::default()).unwrap().pooled());
    // About 400 TiB of address space, more than any machine gives.
    let engine = Engine::new(Limits { instances: 100_000, ..Limits::default() }).unwrap();
    assert!(!engine.pooled());
    let policy = engine.load(&HOSTILE).unwrap();
    let mirror = Arc::default();
    assert_eq!(call_with(&policy, "echo", b"abc", &mirror).unwrap(), b"abc");
    assert_eq!(call_with(&policy, "grow", b"", &mirror), Err(CallError::Memory(Limits::default().memory)));
}

#[test]
fn what_is_no_policy_is_refused_when_loaded() {
    const HEADER: &[u8] = b"\0asm\x01\0\0\0";
    const MEMORY: &[u8] = b"\x05\x03\x01\0\x01";
    const EXPORTED: &[u8] = b"\x07\x0a\x01\x06memory\x02\0";
    let engine = Engine::new(Limits { module: 4 << 20, ..Limits::default() }).unwrap();
    let refused = |sections: &[&[u8]]| {
        let module = [&[HEADER], sections].concat().concat();
        engine.load(&module).err().expect("loaded").to_string()
    };
    let cases: [(&[&[u8]], &str); 8] = [
        (&[], "no memory named `memory`"),
        (&[MEMORY], "no memory named `memory`"),
        (&[MEMORY, EXPORTED], "no function `__guest_call`"),
        (&[b"\x01\x04\x01\x60\0\0", b"\x02\x0e\x01\x03env\x06memcmp\0\0", MEMORY, EXPORTED], "imports `env::memcmp`"),
        // 65535 pages at the start.
        (&[b"\x05\x05\x01\0\xff\xff\x03", EXPORTED], "compile"),
        // A function without parameters under the protocol's name.
        (
            &[
                b"\x01\x04\x01\x60\0\0",
                b"\x03\x02\x01\0",
                MEMORY,
                b"\x07\x19\x02\x06memory\x02\0\x0c__guest_call\0\0",
                b"\x0a\x04\x01\x02\0\x0b",
            ],
            "`__guest_call` has another type",
        ),
        // Shared and 64-bit memories, which no policy needs.
        (&[b"\x05\x04\x01\x03\x01\x02", EXPORTED], "compile"),
        (&[b"\x05\x03\x01\x04\x01", EXPORTED], "compile"),
    ];
    for (sections, expected) in cases {
        let message = refused(sections);
        assert!(message.contains(expected), "{message}, not {expected}");
    }
    assert!(matches!(engine.load(b"(module)"), Err(EngineError::Compile(_))));
    let large = vec![0; (4 << 20) + 1];
    assert!(matches!(engine.load(&large), Err(EngineError::Size { size: 4_194_305, .. })));
}
