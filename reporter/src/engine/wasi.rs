//! The few WASI imports that Rust's standard library needs to start, to print a panic and to seed
//! a hash map. They lead nowhere: no arguments, no environment, no files, and random bytes that
//! are the same in every call. The time of day is the host's, for a policy must tell how old is
//! what it was given; no other clock moves. So a policy's answer depends on its request and on what
//! its host says, and on nothing of the machine. Every other function of WASI crashes the call that
//! uses it, by name.

use std::time::UNIX_EPOCH;

use wasmtime::{Caller, Linker};

use super::guest::{Exit, State, parts, read, slot, write};

pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// `errno` values of WASI preview 1.
const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const INVAL: i32 = 28;

/// `clockid` of the time of day.
const REALTIME: i32 = 0;

const STDOUT: i32 = 1;
const STDERR: i32 = 2;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker
        .func_wrap(MODULE, "args_get", |_: i32, _: i32| SUCCESS)?
        .func_wrap(MODULE, "args_sizes_get", no_sizes)?
        .func_wrap(MODULE, "environ_get", |_: i32, _: i32| SUCCESS)?
        .func_wrap(MODULE, "environ_sizes_get", no_sizes)?
        .func_wrap(MODULE, "clock_time_get", clock_time_get)?
        .func_wrap(MODULE, "fd_write", fd_write)?
        .func_wrap(MODULE, "proc_exit", proc_exit)?
        .func_wrap(MODULE, "random_get", random_get)?;
    Ok(())
}

/// No entries, of no bytes together.
fn no_sizes(mut caller: Caller<'_, State>, count: i32, bytes: i32) -> wasmtime::Result<i32> {
    let (memory, _) = parts(&mut caller)?;
    write(memory, count, &0_u32.to_le_bytes())?;
    write(memory, bytes, &0_u32.to_le_bytes())?;
    Ok(SUCCESS)
}

/// Nanoseconds; an error where the host's clock stands before 1970.
fn clock_time_get(mut caller: Caller<'_, State>, clock: i32, _precision: i64, time: i32) -> wasmtime::Result<i32> {
    let (memory, state) = parts(&mut caller)?;
    let passed = match clock {
        REALTIME => {
            state.host.now().duration_since(UNIX_EPOCH).ok().and_then(|time| u64::try_from(time.as_nanos()).ok())
        }
        _ => Some(0),
    };
    let Some(passed) = passed else { return Ok(INVAL) };
    write(memory, time, &passed.to_le_bytes())?;
    Ok(SUCCESS)
}

/// Each of the `count` vectors at `vectors` is a pointer and a length of four bytes each.
fn fd_write(mut caller: Caller<'_, State>, file: i32, vectors: i32, count: i32, written: i32) -> wasmtime::Result<i32> {
    if file != STDOUT && file != STDERR {
        return Ok(BADF);
    }
    let (memory, state) = parts(&mut caller)?;
    let (vectors, _) = read(memory, vectors, count.saturating_mul(8))?.as_chunks::<8>();
    // Vectors may overlap, so that their lengths add up to more than the memory there is.
    let mut message = Vec::new();
    let mut total = 0_u32;
    for [p0, p1, p2, p3, l0, l1, l2, l3] in vectors {
        let at = i32::from_le_bytes([*p0, *p1, *p2, *p3]);
        let bytes = read(memory, at, i32::from_le_bytes([*l0, *l1, *l2, *l3]))?;
        total = total.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let room = state.limits.log.saturating_sub(message.len());
        message.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
    state.log(&message);
    write(memory, written, &total.to_le_bytes())?;
    Ok(SUCCESS)
}

fn proc_exit(status: i32) -> wasmtime::Result<()> {
    Err(Exit(status).into())
}

/// SplitMix64 (Steele, Lea, Flood 2014) from a fixed seed.
fn random_get(mut caller: Caller<'_, State>, at: i32, len: i32) -> wasmtime::Result<i32> {
    let (memory, state) = parts(&mut caller)?;
    for chunk in slot(memory, at, len.cast_unsigned() as usize)?.chunks_mut(8) {
        state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        for (byte, random) in chunk.iter_mut().zip(mixed.to_le_bytes()) {
            *byte = random;
        }
    }
    Ok(SUCCESS)
}
