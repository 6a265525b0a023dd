//! The waPC imports: how a guest takes its request, gives its answer and asks its host.
//! The signatures are those of the waPC guest protocol; every pointer is an `i32` into the
//! guest's exported memory.

use wasmtime::{Caller, Linker};

use super::CallError;
use super::guest::{State, length, parts, read, text, write};

pub(super) const MODULE: &str = "wapc";

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker
        .func_wrap(MODULE, "__guest_request", guest_request)?
        .func_wrap(MODULE, "__guest_response", guest_response)?
        .func_wrap(MODULE, "__guest_error", guest_error)?
        .func_wrap(MODULE, "__host_call", host_call)?
        .func_wrap(MODULE, "__host_response_len", host_response_len)?
        .func_wrap(MODULE, "__host_response", host_response)?
        .func_wrap(MODULE, "__host_error_len", host_error_len)?
        .func_wrap(MODULE, "__host_error", host_error)?
        .func_wrap(MODULE, "__console_log", console_log)?;
    Ok(())
}

/// The guest has made room for both from the lengths `__guest_call` was given.
fn guest_request(mut caller: Caller<'_, State>, operation: i32, payload: i32) -> wasmtime::Result<()> {
    let (memory, state) = parts(&mut caller)?;
    write(memory, operation, state.operation.as_bytes())?;
    write(memory, payload, &state.payload)?;
    Ok(())
}

fn guest_response(mut caller: Caller<'_, State>, at: i32, len: i32) -> wasmtime::Result<()> {
    let (memory, state) = parts(&mut caller)?;
    let answer = within(read(memory, at, len)?, state)?;
    state.answer = Some(answer.to_vec());
    Ok(())
}

fn guest_error(mut caller: Caller<'_, State>, at: i32, len: i32) -> wasmtime::Result<()> {
    let (memory, state) = parts(&mut caller)?;
    let complaint = within(read(memory, at, len)?, state)?;
    state.complaint = Some(String::from_utf8_lossy(complaint).into_owned());
    Ok(())
}

/// 1 where the host has an answer, 0 where it has an error.
#[expect(clippy::too_many_arguments, reason = "the protocol's own signature")]
fn host_call(
    mut caller: Caller<'_, State>,
    binding: i32,
    binding_len: i32,
    namespace: i32,
    namespace_len: i32,
    operation: i32,
    operation_len: i32,
    payload: i32,
    payload_len: i32,
) -> wasmtime::Result<i32> {
    let (memory, state) = parts(&mut caller)?;
    state.questions = state.questions.saturating_add(1);
    let allowed = state.limits.questions;
    if state.questions > allowed {
        return Err(CallError::Protocol(format!("it asked its host more than {allowed} times")).into());
    }
    let answer = state.host.call(
        text(memory, binding, binding_len)?,
        text(memory, namespace, namespace_len)?,
        text(memory, operation, operation_len)?,
        read(memory, payload, payload_len)?,
    );
    let limit = state.limits.response;
    state.host_answer = match answer {
        Ok(bytes) if bytes.len() > limit => {
            Err(format!("the host's answer has {} bytes, more than the {limit} allowed", bytes.len()))
        }
        answer => answer,
    };
    Ok(i32::from(state.host_answer.is_ok()))
}

fn host_response_len(caller: Caller<'_, State>) -> wasmtime::Result<i32> {
    Ok(length(host_answer(caller.data()).len())?)
}

fn host_response(mut caller: Caller<'_, State>, at: i32) -> wasmtime::Result<()> {
    let (memory, state) = parts(&mut caller)?;
    Ok(write(memory, at, host_answer(state))?)
}

fn host_error_len(caller: Caller<'_, State>) -> wasmtime::Result<i32> {
    Ok(length(host_complaint(caller.data()).len())?)
}

fn host_error(mut caller: Caller<'_, State>, at: i32) -> wasmtime::Result<()> {
    let (memory, state) = parts(&mut caller)?;
    Ok(write(memory, at, host_complaint(state))?)
}

fn console_log(mut caller: Caller<'_, State>, at: i32, len: i32) -> wasmtime::Result<()> {
    let (memory, state) = parts(&mut caller)?;
    state.log(read(memory, at, len)?);
    Ok(())
}

fn host_answer(state: &State) -> &[u8] {
    state.host_answer.as_deref().unwrap_or_default()
}

fn host_complaint(state: &State) -> &[u8] {
    state.host_answer.as_ref().map_or_else(|error| error.as_bytes(), |_| &[])
}

fn within<'a>(bytes: &'a [u8], state: &State) -> Result<&'a [u8], CallError> {
    let limit = state.limits.response;
    if bytes.len() <= limit {
        return Ok(bytes);
    }
    Err(CallError::Protocol(format!("its answer has {} bytes, more than the {limit} allowed", bytes.len())))
}
