//! What the engine knows of one running guest: the request, what was said so far, and what it may
//! still use. It is also the only place that touches the guest's memory: every pointer and length
//! is the guest's word, checked before use.

use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;
use wasmtime::{Caller, Extern, ResourceLimiter};

use super::{CallError, Host, Limits, TABLE_ENTRIES};

/// One call, from the host's side.
pub(super) struct State {
    pub(super) operation: String,
    pub(super) payload: Vec<u8>,
    pub(super) host: Arc<dyn Host>,
    pub(super) limits: Limits,
    /// Set by `__guest_response`.
    pub(super) answer: Option<Vec<u8>>,
    /// Set by `__guest_error`.
    pub(super) complaint: Option<String>,
    /// What the host last answered the guest.
    pub(super) host_answer: Result<Vec<u8>, String>,
    pub(super) questions: u32,
    /// The state of `random_get`, the same at the start of every call.
    pub(super) random: u64,
    logged: usize,
}

/// The guest ended itself with this status; no error where it is 0 and the guest was starting.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("it ended itself with exit status {0}")]
pub(super) struct Exit(pub(super) i32);

impl State {
    pub(super) fn new(operation: &str, payload: &[u8], host: Arc<dyn Host>, limits: Limits) -> Self {
        Self {
            operation: operation.to_owned(),
            payload: payload.to_vec(),
            host,
            limits,
            answer: None,
            complaint: None,
            host_answer: Ok(Vec::new()),
            questions: 0,
            random: 0,
            logged: 0,
        }
    }

    /// Hands a message to the host's log until the call's share of it is used up.
    pub(super) fn log(&mut self, message: &[u8]) {
        let left = self.limits.log.saturating_sub(self.logged);
        let message = message.get(..left).unwrap_or(message);
        self.logged = self.logged.saturating_add(message.len());
        let text = String::from_utf8_lossy(message);
        let text = text.trim_end_matches(['\r', '\n']);
        if !text.is_empty() {
            self.host.log(text);
        }
    }
}

/// The memory and the state of the guest that called an import.
pub(super) fn parts<'a>(caller: &'a mut Caller<'_, State>) -> Result<(&'a mut [u8], &'a mut State), CallError> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory.data_and_store_mut(caller)),
        _ => Err(CallError::Protocol("it exports no memory named `memory`".into())),
    }
}

/// The guest's bytes at `pointer`.
pub(super) fn read(memory: &[u8], pointer: i32, length: i32) -> Result<&[u8], CallError> {
    let range = range(pointer, length.cast_unsigned() as usize);
    let size = memory.len();
    range.and_then(|range| memory.get(range)).ok_or_else(|| outside(pointer, length, size))
}

/// The guest's text at `pointer`.
pub(super) fn text(memory: &[u8], pointer: i32, length: i32) -> Result<&str, CallError> {
    str::from_utf8(read(memory, pointer, length)?)
        .map_err(|_| CallError::Protocol("the name of a host call is not UTF-8".into()))
}

/// The guest's bytes at `pointer`, to be written.
pub(super) fn slot(memory: &mut [u8], pointer: i32, length: usize) -> Result<&mut [u8], CallError> {
    let size = memory.len();
    range(pointer, length).and_then(|range| memory.get_mut(range)).ok_or_else(|| outside(pointer, length, size))
}

/// Puts the host's bytes at `pointer`.
pub(super) fn write(memory: &mut [u8], pointer: i32, bytes: &[u8]) -> Result<(), CallError> {
    slot(memory, pointer, bytes.len())?.copy_from_slice(bytes);
    Ok(())
}

/// A length as the protocol counts it.
pub(super) fn length(bytes: usize) -> Result<i32, CallError> {
    i32::try_from(bytes).map_err(|_| CallError::Protocol(format!("{bytes} bytes are too many for a 32-bit guest")))
}

/// Guest pointers are unsigned: what reads as negative lies beyond 2 GiB.
fn range(pointer: i32, length: usize) -> Option<Range<usize>> {
    let start = pointer.cast_unsigned() as usize;
    Some(start..start.checked_add(length)?)
}

fn outside(pointer: i32, length: impl Display, size: usize) -> CallError {
    let pointer = pointer.cast_unsigned();
    CallError::Protocol(format!("it named {length} bytes at {pointer}, outside its memory of {size} bytes"))
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired <= self.limits.memory {
            return Ok(true);
        }
        // Ended here, with the reason, and not left to crash when its allocator gives up.
        Err(CallError::Memory(self.limits.memory).into())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ENTRIES)
    }
}
