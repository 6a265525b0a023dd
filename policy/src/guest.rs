//! The guest's side of waPC (waPC, `crates/wapc-guest/src/protocol.rs`), and the little that a
//! module without an operating system must bring itself.
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
struct Bump(UnsafeCell<Range>);

struct Range {
    next: usize,
    end: usize,
}

const PAGE: usize = 64 * 1024;

#[global_allocator]
static ALLOCATOR: Bump = Bump(UnsafeCell::new(Range { next: 0, end: 0 }));

// SAFETY: a module of this target has one thread.
unsafe impl Sync for Bump {}

// SAFETY: every block is fresh memory between `next` and `end`, aligned as asked, and never handed out twice.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference outlives this call.
        let range = unsafe { &mut *self.0.get() };
        let start = range.next.next_multiple_of(layout.align());
        let Some(next) = start.checked_add(layout.size()) else { return core::ptr::null_mut() };
        if next > range.end {
            let pages = (next - range.end).div_ceil(PAGE).max(4);
            let old = core::arch::wasm32::memory_grow::<0>(pages);
            if old == usize::MAX {
                return core::ptr::null_mut();
            }
            if range.end != old * PAGE {
                // The first block: what lies below belongs to the module's own data and stack.
                range.next = old * PAGE;
                range.end = (old + pages) * PAGE;
                // SAFETY: the same call once more, with memory at hand.
                return unsafe { self.alloc(layout) };
            }
            range.end = (old + pages) * PAGE;
        }
        range.next = next;
        start as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: one thread, and no reference outlives this block.
        let is_last = unsafe { &*self.0.get() }.next == block as usize + layout.size();
        if is_last && size >= layout.size() {
            // The last block grows where it is.
            // SAFETY: asks for the bytes right behind the block; alignment 1 leaves no gap.
            let more = unsafe { self.alloc(Layout::from_size_align_unchecked(size - layout.size(), 1)) };
            if more as usize == block as usize + layout.size() {
                return block;
            }
        } else if size <= layout.size() {
            return block;
        }
        // SAFETY: the layout is the old one with another size, as the caller promises it is valid.
        let fresh = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !fresh.is_null() {
            // SAFETY: two distinct blocks, each at least as long as what is copied.
            unsafe { core::ptr::copy_nonoverlapping(block, fresh, layout.size().min(size)) };
        }
        fresh
    }
}
