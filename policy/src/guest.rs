//! The guest's side of waPC (waPC, `crates/wapc-guest/src/protocol.rs`), the one clock of WASI, and
//! the little that a module without an operating system must bring itself.
//!
//! A host makes a fresh instance for every request and throws it away: so nothing is set up at
//! start, and memory is handed out and never taken back.
#![expect(unsafe_code, reason = "the protocol passes pointers, and an allocator is unsafe by definition")]

use alloc::string::String;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::fmt::Write as _;

use crate::host::Host;

// The compiler calls `memcpy` and its like, which this target keeps in its C library.
#[link(name = "c")]
unsafe extern "C" {}

#[link(wasm_import_module = "wapc")]
unsafe extern "C" {
    fn __guest_request(operation: *mut u8, payload: *mut u8);
    fn __guest_response(payload: *const u8, length: usize);
    fn __guest_error(message: *const u8, length: usize);
    fn __host_call(
        binding: *const u8,
        binding_length: usize,
        namespace: *const u8,
        namespace_length: usize,
        operation: *const u8,
        operation_length: usize,
        payload: *const u8,
        payload_length: usize,
    ) -> usize;
    fn __host_response_len() -> usize;
    fn __host_response(payload: *mut u8);
    fn __host_error_len() -> usize;
    fn __host_error(message: *mut u8);
    fn __console_log(text: *const u8, length: usize);
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> u32;
}

/// What Kubewarden wants to know of the policy, where it looks for it (Kubewarden,
/// `crates/policy-evaluator/src/constants.rs`); `deploy/kubewarden/metadata.yml` is the same for people. Public, for that
/// keeps the section; `#[used]` would keep the bytes among the data as well.
#[allow(unreachable_pub, reason = "nothing but this keeps the section")]
#[unsafe(link_section = "io.kubewarden.metadata")]
pub static METADATA: [u8; include_bytes!("metadata.json").len()] = *include_bytes!("metadata.json");

/// The host, through waPC.
struct Wapc;

impl Host for Wapc {
    fn call(&mut self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        // SAFETY: each pointer is valid for the length passed with it, for the duration of the call.
        let answered = unsafe {
            __host_call(
                binding.as_ptr(),
                binding.len(),
                namespace.as_ptr(),
                namespace.len(),
                operation.as_ptr(),
                operation.len(),
                payload.as_ptr(),
                payload.len(),
            )
        };
        if answered == 1 {
            // SAFETY: the host writes as many bytes as it announced.
            Ok(unsafe { filled(__host_response_len(), |buffer| __host_response(buffer)) })
        } else {
            // SAFETY: as above.
            let message = unsafe { filled(__host_error_len(), |buffer| __host_error(buffer)) };
            Err(String::from_utf8_lossy(&message).into_owned())
        }
    }

    fn now(&self) -> Option<u64> {
        const REALTIME: u32 = 0;
        const SECOND: u64 = 1_000_000_000;
        let mut nanoseconds = 0;
        // SAFETY: the host writes eight bytes.
        let status = unsafe { clock_time_get(REALTIME, SECOND, &raw mut nanoseconds) };
        // A clock that stands at the start of time is none.
        (status == 0 && nanoseconds > 0).then_some(nanoseconds / SECOND)
    }
}

/// A buffer of `length` bytes as `fill` left it.
fn filled(length: usize, fill: impl FnOnce(*mut u8)) -> Vec<u8> {
    let mut buffer = alloc::vec![0; length];
    fill(buffer.as_mut_ptr());
    buffer
}

/// Called by the host for each operation; 1 is success.
#[unsafe(no_mangle)]
extern "C" fn __guest_call(operation_length: usize, payload_length: usize) -> i32 {
    let (mut operation, mut payload) = (alloc::vec![0; operation_length], alloc::vec![0; payload_length]);
    // SAFETY: both buffers have the lengths that the host announced.
    unsafe { __guest_request(operation.as_mut_ptr(), payload.as_mut_ptr()) };
    let operation = String::from_utf8_lossy(&operation);
    match crate::call(&operation, &payload, &mut Wapc) {
        Ok(answer) => {
            // SAFETY: the host copies the bytes before it returns.
            unsafe { __guest_response(answer.as_ptr(), answer.len()) };
            1
        }
        Err(message) => {
            // SAFETY: as above.
            unsafe { __guest_error(message.as_ptr(), message.len()) };
            0
        }
    }
}

/// A bug must not pass for a verdict: say what happened, and stop.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let mut text = String::new();
    let _ = write!(text, "wiguard policy stopped: {info}");
    // SAFETY: the host copies the bytes before it returns.
    unsafe { __console_log(text.as_ptr(), text.len()) };
    core::arch::wasm32::unreachable()
}

/// Hands out memory from the end of the module's own, and takes none back.
struct Bump(UnsafeCell<Free>);

/// What may still be handed out, as addresses. Nothing before the first call, for the linker alone
/// knows where the module's own data and stack end.
struct Free {
    start: usize,
    end: usize,
}

const PAGE: usize = 64 * 1024;
/// Growing costs the host a system call, however little is asked for; pages that nobody writes to
/// cost nothing.
const PAGES_AT_ONCE: usize = 16;

#[global_allocator]
static ALLOCATOR: Bump = Bump(UnsafeCell::new(Free { start: 0, end: 0 }));

unsafe extern "C" {
    /// Its address is where the module's own data and stack end.
    static __heap_base: u8;
}

// SAFETY: a module of this target has one thread.
unsafe impl Sync for Bump {}

impl Free {
    /// Takes a block, and grows the memory if there is no room; `None` if the host gives no more.
    fn take(&mut self, layout: Layout) -> Option<usize> {
        if self.end == 0 {
            self.start = (&raw const __heap_base).addr();
            self.end = core::arch::wasm32::memory_size::<0>().checked_mul(PAGE)?;
        }
        let block = self.start.checked_next_multiple_of(layout.align())?;
        let next = block.checked_add(layout.size())?;
        if next > self.end {
            let pages = (next - self.end).div_ceil(PAGE).max(PAGES_AT_ONCE);
            // Nobody else grows the memory: what is new lies right behind what was free.
            if core::arch::wasm32::memory_grow::<0>(pages) == usize::MAX {
                return None;
            }
            self.end = pages.checked_mul(PAGE)?.checked_add(self.end)?;
        }
        self.start = next;
        Some(block)
    }
}

// SAFETY: every block is memory between `start` and `end`, aligned as asked, and never handed out
// twice; it is zero because nobody has written there.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference outlives this call.
        let free = unsafe { &mut *self.0.get() };
        free.take(layout).map_or(core::ptr::null_mut(), |block| block as *mut u8)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.alloc(layout) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(more) = size.checked_sub(layout.size()) else { return block };
        // SAFETY: one thread, and no reference outlives this call.
        let free = unsafe { &mut *self.0.get() };
        if free.start == block.addr() + layout.size() {
            // The last block grows where it is: alignment 1 leaves no gap.
            return match Layout::from_size_align(more, 1).ok().and_then(|more| free.take(more)) {
                Some(_) => block,
                None => core::ptr::null_mut(),
            };
        }
        // SAFETY: the layout is the old one with another size, as the caller promises it is valid.
        let fresh = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !fresh.is_null() {
            // SAFETY: two distinct blocks, each at least as long as what is copied.
            unsafe { core::ptr::copy_nonoverlapping(block, fresh, layout.size()) };
        }
        fresh
    }
}
