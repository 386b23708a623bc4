//! Device memory and copies.

use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use crate::status::{INVALID_VALUE, NOT_FOUND, OUT_OF_MEMORY, SUCCESS, Status, give};
use crate::{report, settings};

/// An address in device memory.
type Address = usize;

/// The blocks of device memory, and their sum in bytes.
struct Blocks {
    sizes: Option<HashMap<Address, usize>>,
    bytes: u64,
}

static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks {
    sizes: None,
    bytes: 0,
});

/// Runs `work` with the blocks.
fn with_blocks<T>(work: impl FnOnce(&mut HashMap<Address, usize>, &mut u64) -> T) -> T {
    let mut blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let Blocks { sizes, bytes } = &mut *blocks;
    work(sizes.get_or_insert_default(), bytes)
}

/// Returns memory that holds 0 and takes no room until it is written.
fn map(n: usize) -> *mut c_void {
    // SAFETY: new pages, at a place that the system chooses.
    unsafe {
        libc::mmap(
            ptr::null_mut(),
            n,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    }
}

/// Allocates device memory.
///
/// # Safety
///
/// `at` can be written.
unsafe fn allocate(at: *mut Address, n: usize) -> Status {
    let n = n.max(1);
    let found = with_blocks(|sizes, bytes| {
        if *bytes + n as u64 > settings::get().memory {
            return None;
        }
        let block = map(n);
        if block == libc::MAP_FAILED {
            return None;
        }
        *bytes += n as u64;
        sizes.insert(block as Address, n);
        Some((block as Address, *bytes))
    });
    let Some((block, bytes)) = found else {
        return OUT_OF_MEMORY;
    };
    report::count(|it| {
        it.allocations += 1;
        it.peak_bytes = it.peak_bytes.max(bytes);
    });
    // SAFETY: by contract.
    unsafe { give(at, block) }
}

/// Frees device memory.
fn free(at: Address) -> Status {
    with_blocks(|sizes, bytes| {
        let Some(n) = sizes.remove(&at) else {
            return INVALID_VALUE;
        };
        *bytes -= n as u64;
        // SAFETY: the block is one of ours, and its owner gives it up.
        unsafe { libc::munmap(ptr::with_exposed_provenance_mut(at), n) };
        SUCCESS
    })
}

/// Copies `n` bytes.
///
/// # Safety
///
/// Both places hold as many, and do not overlap.
unsafe fn copy(to: *mut c_void, from: *const c_void, n: usize) {
    // SAFETY: by contract.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), n) };
}

/// One side of a copy of rows, in `CUDA_MEMCPY2D`.
#[repr(C)]
pub struct Side {
    x_bytes: usize,
    y: usize,
    /// 1: the host's memory, 2: the device's
    kind: u32,
    host: *mut c_void,
    device: Address,
    array: *mut c_void,
    pitch: usize,
}

impl Side {
    /// Returns the first byte of a row.
    fn row(&self, y: usize) -> *mut u8 {
        let start = if self.is_host() {
            self.host
        } else {
            ptr::with_exposed_provenance_mut(self.device)
        };
        let at = (y + self.y) * self.pitch + self.x_bytes;
        start.cast::<u8>().wrapping_add(at)
    }

    fn is_host(&self) -> bool {
        self.kind == 1
    }
}

/// `CUDA_MEMCPY2D`.
#[repr(C)]
pub struct CopyOfRows {
    from: Side,
    to: Side,
    width_bytes: usize,
    height: usize,
}

fn count_copy([from_host, to_host]: [bool; 2]) {
    report::count(|it| {
        *match (from_host, to_host) {
            (_, true) => &mut it.copies_to_host,
            (true, false) => &mut it.copies_to_device,
            (false, false) => &mut it.copies_on_device,
        } += 1;
    });
}

exports! {
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        let memory = settings::get().memory;
        let taken = with_blocks(|_, bytes| *bytes);
        unsafe {
            give(free, (memory - taken) as usize);
            give(total, memory as usize)
        }
    }

    fn cuMemAlloc_v2(at: *mut Address, n: usize) {
        unsafe { allocate(at, n) }
    }

    fn cuMemAllocAsync(at: *mut Address, n: usize, _stream: *mut c_void) {
        unsafe { allocate(at, n) }
    }

    fn cuMemFree_v2(at: Address) {
        free(at)
    }

    fn cuMemFreeAsync(at: Address, _stream: *mut c_void) {
        free(at)
    }

    fn cuMemAllocHost_v2(at: *mut *mut c_void, n: usize) {
        let n = n.max(1).next_multiple_of(4096);
        unsafe { give(at, libc::aligned_alloc(4096, n)) }
    }

    fn cuMemFreeHost(at: *mut c_void) {
        unsafe { libc::free(at) };
        SUCCESS
    }

    fn cuMemcpyHtoDAsync_v2(to: *mut c_void, from: *const c_void, n: usize, _stream: *mut c_void) {
        count_copy([true, false]);
        unsafe { copy(to, from, n) };
        SUCCESS
    }

    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: *const c_void, n: usize, _stream: *mut c_void) {
        count_copy([false, true]);
        unsafe { copy(to, from, n) };
        SUCCESS
    }

    fn cuMemcpyDtoDAsync_v2(to: *mut c_void, from: *const c_void, n: usize, _stream: *mut c_void) {
        count_copy([false, false]);
        unsafe { copy(to, from, n) };
        SUCCESS
    }

    fn cuMemcpy2DAsync_v2(copy_of_rows: *const CopyOfRows, _stream: *mut c_void) {
        let CopyOfRows { from, to, width_bytes, height } = unsafe { &*copy_of_rows };
        count_copy([from.is_host(), to.is_host()]);
        for y in 0..*height {
            unsafe { copy(to.row(y).cast(), from.row(y).cast(), *width_bytes) };
        }
        SUCCESS
    }

    fn cuMemsetD8Async(at: *mut u8, value: u8, n: usize, _stream: *mut c_void) {
        unsafe { at.write_bytes(value, n) };
        SUCCESS
    }

    fn cuModuleGetGlobal_v2(
        _at: *mut Address,
        _n: *mut usize,
        _module: *mut c_void,
        _name: *const std::ffi::c_char,
    ) {
        NOT_FOUND
    }
}
