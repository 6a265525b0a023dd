//! The engine runs a policy module as an admission controller does: the same bytes, the same
//! protocol (waPC), a fresh instance for each call. It is apart from the rules because it must
//! hold against a module it does not trust: it bounds time, memory and every pointer it is given,
//! and offers the module nothing of the machine.

mod guest;
mod wapc;
mod wasi;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use wasmtime::{Config, Enabled, ExternType, InstancePre, Linker, Module, PoolingAllocationConfig, Store};
use wasmtime::{Trap, ValType, WasmFeatures};

use guest::{Exit, State};

/// How often the clock that enforces deadlines ticks: a deadline may be overrun by this much.
const TICK: Duration = Duration::from_millis(10);

/// The entries a module's table of functions may have; a large Rust module has hundreds.
const TABLE_ENTRIES: usize = 20_000;

/// Bytes of a pooled memory that are cleared by hand between two calls, and not given back to the
/// system only to be faulted in again; with Linux's `PAGEMAP_SCAN`, only those that were touched.
/// It makes the start of an instance three times as fast.
const RESIDENT: usize = 256 << 10;

/// What rustc emits for `wasm32-wasip1`; a module that needs more is refused when it is loaded.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::FLOATS);

/// What one call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a module, before it is compiled.
    pub module: usize,
    /// Bytes of linear memory of one instance.
    pub memory: usize,
    /// Wall time of one call, what the host does for the guest included.
    pub deadline: Duration,
    /// Calls that may run at once.
    pub instances: u32,
    /// Bytes of an answer or of an error message, from the guest or from the host.
    pub response: usize,
    /// Questions the guest may put to the host in one call, log lines included.
    pub questions: u32,
    /// Bytes of log taken from one call; the rest is dropped.
    pub log: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            module: 32 << 20,
            memory: 64 << 20,
            deadline: Duration::from_secs(1),
            instances: 32,
            response: 8 << 20,
            questions: 1_000,
            log: 64 << 10,
        }
    }
}

/// Answers what a policy asks while it runs. One host serves many calls, on many threads at once.
pub trait Host: Send + Sync {
    /// Answers `operation` of `namespace` of `binding`, such as `get_resource` of `kubernetes` of
    /// `kubewarden`; an error is text for the guest.
    fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String>;

    /// Takes a message the guest logs or prints, such as that of a panic.
    fn log(&self, _message: &str) {}

    /// The time of day, all the guest learns of the machine.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Why a module cannot be run at all.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The WebAssembly runtime could not be set up.
    #[error("cannot start the WebAssembly runtime: {0}")]
    Runtime(String),
    /// The module is larger than [`Limits::module`].
    #[error("the policy module has {size} bytes, more than the {limit} allowed; is it a module?")]
    Size {
        /// Its bytes.
        size: usize,
        /// The bytes allowed.
        limit: usize,
    },
    /// The bytes are no module that this runtime accepts.
    #[error("cannot compile the policy module: {0}")]
    Compile(String),
    /// The module does not speak the protocol.
    #[error("the module is not a Kubewarden policy for the waPC protocol: {0}")]
    NotAPolicy(String),
}

/// Why a call gave no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CallError {
    /// The guest said so itself; the text is the guest's.
    #[error("{0}")]
    Guest(String),
    /// The guest did not finish within [`Limits::deadline`].
    #[error("the policy did not answer within {0:?}")]
    Deadline(Duration),
    /// The guest asked for more than [`Limits::memory`] bytes.
    #[error("the policy asked for more than the {0} bytes of memory allowed")]
    Memory(usize),
    /// As many calls are running as [`Limits::instances`] allows.
    #[error("{0} calls of the policy are running already; try again later")]
    Busy(u32),
    /// The guest crashed; a panic's message is in the log.
    #[error("the policy crashed: {0}")]
    Trap(String),
    /// The guest broke the protocol.
    #[error("the policy broke the waPC protocol: {0}")]
    Protocol(String),
}

/// A WebAssembly runtime with its limits and the thread that enforces deadlines, which stops with
/// the last engine or policy that needs it.
pub struct Engine {
    runtime: wasmtime::Engine,
    linker: Linker<State>,
    shared: Arc<Shared>,
}

/// One compiled policy module, ready to be called from any thread.
pub struct Policy {
    ready: InstancePre<State>,
    shared: Arc<Shared>,
}

/// What an engine and its policies have in common.
struct Shared {
    limits: Limits,
    running: AtomicU32,
    pooled: bool,
    /// Dropping it ends the ticker.
    _ticker: Sender<()>,
}

/// A place among the calls that may run at once, given back on drop.
struct Place<'a>(&'a AtomicU32);

impl Engine {
    /// Sets the runtime up. Instances come from a pool where the machine has the address space
    /// for one (about 4 GiB each), and are mapped one by one where it has not.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        let (runtime, pooled) = match wasmtime::Engine::new(&config(&limits, true)) {
            Ok(runtime) => (runtime, true),
            Err(_) => (wasmtime::Engine::new(&config(&limits, false)).map_err(runtime_error)?, false),
        };
        let mut linker = Linker::new(&runtime);
        wapc::link(&mut linker).and_then(|()| wasi::link(&mut linker)).map_err(runtime_error)?;
        let ticker = tick(&runtime)?;
        let shared = Shared { limits, running: AtomicU32::new(0), pooled, _ticker: ticker };
        Ok(Self { runtime, linker, shared: Arc::new(shared) })
    }

    /// Compiles a module and checks that it is a waPC guest.
    pub fn load(&self, wasm: &[u8]) -> Result<Policy, EngineError> {
        let limits = &self.shared.limits;
        if wasm.len() > limits.module {
            return Err(EngineError::Size { size: wasm.len(), limit: limits.module });
        }
        if !wasm.starts_with(b"\0asm") {
            return Err(EngineError::Compile("it is no WebAssembly, which begins with the bytes 00 61 73 6d".into()));
        }
        let module =
            Module::from_binary(&self.runtime, wasm).map_err(|error| EngineError::Compile(format!("{error:#}")))?;
        check(&module, limits).map_err(EngineError::NotAPolicy)?;
        let mut linker = self.linker.clone();
        let ready = linker
            .define_unknown_imports_as_traps(&module)
            .and_then(|()| linker.instantiate_pre(&module))
            .map_err(|error| EngineError::NotAPolicy(format!("{error:#}")))?;
        Ok(Policy { ready, shared: Arc::clone(&self.shared) })
    }

    /// Whether instances come from a pool.
    #[must_use]
    pub fn pooled(&self) -> bool {
        self.shared.pooled
    }
}

impl Policy {
    /// Calls `operation` with `payload` in a fresh instance, which is gone afterwards.
    ///
    /// What `host` does counts towards the deadline, but is not interrupted by it: the guest is
    /// stopped when it next calls a function or goes round a loop.
    pub fn call(&self, operation: &str, payload: &[u8], host: &Arc<dyn Host>) -> Result<Vec<u8>, CallError> {
        let limits = self.shared.limits;
        // Declared before the store, so that the instance is gone before its place is free.
        let _place = Place::take(&self.shared)?;
        let state = State::new(operation, payload, Arc::clone(host), limits);
        let mut store = Store::new(self.ready.module().engine(), state);
        store.limiter(|state| state);
        store.set_epoch_deadline(ticks(limits.deadline));
        let said = run(&mut store, &self.ready, operation, payload).map_err(|error| call_error(&error, &limits))?;
        let state = store.into_data();
        match (said, state.answer, state.complaint) {
            (1.., Some(answer), _) | (..0, Some(answer), _) => Ok(answer),
            (_, _, Some(complaint)) => Err(CallError::Guest(complaint)),
            (0, _, None) => Err(CallError::Protocol("it failed and gave no reason".into())),
            (_, None, None) => Err(CallError::Protocol("it ended well and gave no answer".into())),
        }
    }
}

impl<'a> Place<'a> {
    fn take(shared: &'a Shared) -> Result<Self, CallError> {
        let limit = shared.limits.instances;
        let place = Self(&shared.running);
        let before = shared.running.fetch_add(1, Ordering::AcqRel);
        if before < limit { Ok(place) } else { Err(CallError::Busy(limit)) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn config(limits: &Limits, pooled: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_backtrace_max_frames(None)
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(FEATURES, true);
    if pooled {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(limits.instances)
            .total_memories(limits.instances)
            .total_tables(limits.instances)
            .max_memory_size(limits.memory)
            .table_elements(TABLE_ENTRIES)
            .linear_memory_keep_resident(RESIDENT)
            .table_keep_resident(RESIDENT)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(pool);
    }
    config
}

/// Starts the thread that advances the runtime's epoch until the sender is dropped.
fn tick(runtime: &wasmtime::Engine) -> Result<Sender<()>, EngineError> {
    let (sender, receiver) = channel::<()>();
    let runtime = runtime.clone();
    thread::Builder::new()
        .name("policy deadline".into())
        .spawn(move || {
            while receiver.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                runtime.increment_epoch();
            }
        })
        .map_err(|error| EngineError::Runtime(format!("cannot start a thread: {error}")))?;
    Ok(sender)
}

/// The ticks that cover `deadline`, and one more since the current one has begun.
fn ticks(deadline: Duration) -> u64 {
    let whole = deadline.as_millis().div_ceil(TICK.as_millis());
    // Far from overflow when the runtime adds it to the current epoch.
    u64::from(u32::try_from(whole).unwrap_or(u32::MAX)) + 1
}

/// Refuses, before anything runs, what could never be called.
fn check(module: &Module, limits: &Limits) -> Result<(), String> {
    if let Some(import) = module.imports().find(|import| ![wapc::MODULE, wasi::MODULE].contains(&import.module())) {
        return Err(format!("it imports `{}::{}`, which no host has", import.module(), import.name()));
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) => {
            let bytes = memory.minimum().saturating_mul(memory.page_size());
            if usize::try_from(bytes).map_or(true, |bytes| bytes > limits.memory) {
                return Err(format!("it starts with {bytes} bytes of memory, more than the {} allowed", limits.memory));
            }
        }
        _ => return Err("it exports no memory named `memory`".into()),
    }
    let is = |name: &str, params: usize, results: usize| match module.get_export(name) {
        None => Ok(false),
        Some(ExternType::Func(ty))
            if ty.params().len() == params
                && ty.results().len() == results
                && ty.params().chain(ty.results()).all(|ty| matches!(ty, ValType::I32)) =>
        {
            Ok(true)
        }
        Some(_) => Err(format!("its export `{name}` has another type than the protocol asks for")),
    };
    for start in STARTS {
        is(start, 0, 0)?;
    }
    match is(GUEST_CALL, 2, 1)? {
        true => Ok(()),
        false => Err(format!("it exports no function `{GUEST_CALL}`")),
    }
}

const GUEST_CALL: &str = "__guest_call";

/// What a waPC host calls first, in this order, where it is exported.
const STARTS: [&str; 2] = ["_start", "wapc_init"];

fn run(store: &mut Store<State>, ready: &InstancePre<State>, operation: &str, payload: &[u8]) -> wasmtime::Result<i32> {
    let operation = guest::length(operation.len())?;
    let payload = guest::length(payload.len())?;
    let instance = ready.instantiate(&mut *store)?;
    for start in STARTS {
        if let Some(function) = instance.get_func(&mut *store, start) {
            match function.typed::<(), ()>(&*store)?.call(&mut *store, ()) {
                Err(error) if error.downcast_ref::<Exit>() == Some(&Exit(0)) => {}
                ended => ended?,
            }
        }
    }
    let call = instance.get_typed_func::<(i32, i32), i32>(&mut *store, GUEST_CALL)?;
    call.call(store, (operation, payload))
}

fn runtime_error(error: wasmtime::Error) -> EngineError {
    EngineError::Runtime(format!("{error:#}"))
}

fn call_error(error: &wasmtime::Error, limits: &Limits) -> CallError {
    if let Some(error) = error.downcast_ref::<CallError>() {
        return error.clone();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallError::Deadline(limits.deadline),
        Some(trap) => CallError::Trap(trap.to_string()),
        None => CallError::Trap(format!("{error:#}")),
    }
}
