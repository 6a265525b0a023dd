//! A guest that breaks every promise a policy makes, one for each operation it is called with.
//! It speaks the protocol by hand, so that it can speak it wrongly.

#![no_std]

use core::arch::wasm32;
use core::panic::PanicInfo;

#[link(wasm_import_module = "wapc")]
unsafe extern "C" {
    fn __guest_request(operation: *mut u8, payload: *mut u8);
    fn __guest_response(at: i32, len: i32);
    fn __guest_error(at: i32, len: i32);
    fn __host_call(
        binding: i32,
        binding_len: i32,
        namespace: i32,
        namespace_len: i32,
        operation: i32,
        operation_len: i32,
        payload: i32,
        payload_len: i32,
    ) -> i32;
    fn __host_response_len() -> i32;
    fn __host_response(at: i32);
    fn __host_error_len() -> i32;
    fn __host_error(at: i32);
    fn __console_log(at: i32, len: i32);
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn proc_exit(status: i32);
    fn random_get(at: i32, len: i32) -> i32;
    fn clock_time_get(clock: i32, precision: i64, time: i32) -> i32;
    fn environ_sizes_get(count: i32, bytes: i32) -> i32;
    fn fd_write(file: i32, vectors: i32, count: i32, written: i32) -> i32;
    fn sock_accept(file: i32, flags: i32, accepted: i32) -> i32;
}

const ROOM: usize = 64 * 1024;
static mut OPERATION: [u8; 256] = [0; 256];
static mut PAYLOAD: [u8; ROOM] = [0; ROOM];
static mut ANSWER: [u8; ROOM] = [0; ROOM];
/// 1 once `wapc_init` ran, and counted up by every call of this instance.
static mut CALLS: u8 = 0;

#[unsafe(no_mangle)]
extern "C" fn _start() {
    unsafe { proc_exit(0) }
}

#[unsafe(no_mangle)]
extern "C" fn wapc_init() {
    unsafe { CALLS = 1 }
}

#[unsafe(no_mangle)]
extern "C" fn __guest_call(operation_len: usize, payload_len: usize) -> i32 {
    if operation_len > 256 || payload_len > ROOM {
        return 0;
    }
    let operation = &raw mut OPERATION as *mut u8;
    let payload = &raw mut PAYLOAD as *mut u8;
    let answer = &raw mut ANSWER as *mut u8;
    unsafe {
        __guest_request(operation, payload);
        let said = core::slice::from_raw_parts(payload, payload_len);
        let operation = match core::slice::from_raw_parts(operation, operation_len) {
            // To a server it is a policy that is content with its settings, and then does what a
            // request says.
            b"validate_settings" => {
                say(br#"{"valid":true}"#);
                return 1;
            }
            b"validate" | b"review" => act(said),
            operation => operation,
        };
        match operation {
            b"echo" => __guest_response(payload as i32, payload_len as i32),
            b"count" => {
                CALLS += 1;
                __guest_response(&raw const CALLS as i32, 1);
            }
            b"refuse" => {
                __guest_error(payload as i32, payload_len as i32);
                return 0;
            }
            b"loop" => loop {
                core::hint::black_box(());
            },
            b"trap" => wasm32::unreachable(),
            b"grow" => while wasm32::memory_grow(0, 16) != usize::MAX {},
            b"recurse" => *answer = deep(payload_len as u32) as u8,
            b"exit" => proc_exit(3),
            b"socket" => {
                sock_accept(3, 0, answer as i32);
            }
            b"huge" => __guest_response(0, (wasm32::memory_size(0) << 16) as i32),
            b"pointer-beyond" => __guest_response(i32::MAX, 16),
            b"pointer-negative" => __guest_response(-16, 16),
            b"length-beyond" => __guest_response(answer as i32, i32::MAX),
            b"length-negative" => __guest_response(answer as i32, -1),
            b"both-negative" => __guest_error(-1, -1),
            b"request-beyond" => __guest_request(-8 as _, payload),
            b"answer-beyond" => {
                __host_call(0, 0, 0, 0, 0, 0, payload as i32, payload_len as i32);
                __host_response(-1);
            }
            b"error-beyond" => {
                __host_call(0, 0, 0, 0, 0, 0, payload as i32, payload_len as i32);
                __host_error(-1);
            }
            b"log-beyond" => __console_log(-1, 10),
            b"names-beyond" => {
                __host_call(0, 0, 0, 0, -1, 5, 0, 0);
            }
            b"names-not-text" => {
                *answer = 0xff;
                __host_call(answer as i32, 1, 0, 0, 0, 0, 0, 0);
            }
            b"vectors-beyond" => {
                fd_write(1, answer as i32, i32::MAX, answer as i32);
            }
            b"random-beyond" => {
                random_get(-1, -1);
            }
            b"mutate" => say(br#"{"accepted":true,"mutated_object":{"kind":"Pod","metadata":{"name":"q"}}}"#),
            b"unsettle" => say(br#"{"accepted":false,"code":500,"message":"not myself"}"#),
            b"silent" => {}
            b"sulk" => return 0,
            b"ask" => return ask(payload, payload_len, answer),
            b"pester" => loop {
                ask(payload, payload_len, answer);
            },
            b"flood" => loop {
                __console_log(payload as i32, payload_len as i32);
            },
            b"machine" => {
                // Thirty-two bytes of all that WASI tells: randomness, a time, the environment.
                random_get(answer as i32, 16);
                clock_time_get(0, 1, answer as i32 + 16);
                environ_sizes_get(answer as i32 + 24, answer as i32 + 28);
                __guest_response(answer as i32, 32);
            }
            b"print" => {
                let vector = [payload as u32, payload_len as u32];
                let status = fd_write(2, vector.as_ptr() as i32, 1, answer as i32);
                *answer.add(4) = status as u8;
                *answer.add(5) = fd_write(7, vector.as_ptr() as i32, 1, answer as i32) as u8;
                __guest_response(answer as i32, 6);
            }
            _ => {
                let reason = b"no such operation";
                __guest_error(reason.as_ptr() as i32, reason.len() as i32);
                return 0;
            }
        }
    }
    1
}

/// Answers with a text.
unsafe fn say(text: &'static [u8]) {
    unsafe { __guest_response(text.as_ptr() as i32, text.len() as i32) }
}

/// What a request says between `"act":"` and the next quote.
fn act(said: &[u8]) -> &[u8] {
    const MARK: &[u8] = br#""act":""#;
    let Some(at) = said.windows(MARK.len()).position(|window| window == MARK) else { return b"" };
    let rest = &said[at + MARK.len()..];
    &rest[..rest.iter().position(|byte| *byte == b'"').unwrap_or(rest.len())]
}

/// Puts the payload to the host and hands on what it says.
unsafe fn ask(payload: *mut u8, payload_len: usize, answer: *mut u8) -> i32 {
    let name = |text: &'static str| (text.as_ptr() as i32, text.len() as i32);
    let (binding, namespace, operation) = (name("kubewarden"), name("kubernetes"), name("get_resource"));
    unsafe {
        let said = __host_call(
            binding.0,
            binding.1,
            namespace.0,
            namespace.1,
            operation.0,
            operation.1,
            payload as i32,
            payload_len as i32,
        );
        let (len, at) = (__host_response_len() + __host_error_len(), answer as i32);
        if said == 1 {
            __host_response(at);
            __guest_response(at, len);
        } else {
            __host_error(at);
            __guest_error(at, len);
        }
        said
    }
}

/// Recursion the compiler cannot turn into a loop.
#[inline(never)]
fn deep(seed: u32) -> u32 {
    if seed == u32::MAX {
        return 0;
    }
    let frame = core::hint::black_box([seed; 32]);
    deep(seed.wrapping_add(1)).wrapping_add(frame[(seed % 32) as usize])
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    wasm32::unreachable()
}
