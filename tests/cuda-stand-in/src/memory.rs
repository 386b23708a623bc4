//! Device memory, of which there are only addresses, and copies: what comes from the device
//! is 1.0.

use std::collections::HashMap;
use std::ffi::{c_char, c_void};
use std::sync::{Mutex, PoisonError};

use crate::status::{INVALID_VALUE, NOT_FOUND, OUT_OF_MEMORY, SUCCESS, Status, give};
use crate::{report, settings};

/// An address in device memory.
type Address = u64;

/// The first address: as far from the host's as a GPU's is.
const FIRST: Address = 0x7000_0000_0000;

/// Blocks lie at multiples of this.
const ALIGNMENT: u64 = 512;

/// The allocated blocks.
struct Blocks {
    sizes: Option<HashMap<Address, u64>>,
    /// The sum of their sizes.
    bytes: u64,
    /// The address of the next one.
    next: Address,
}

static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks {
    sizes: None,
    bytes: 0,
    next: FIRST,
});

/// Runs `work` with the blocks.
fn with_blocks<T>(work: impl FnOnce(&mut Blocks) -> T) -> T {
    work(&mut BLOCKS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Allocates device memory.
///
/// # Safety
///
/// `at` can be written.
unsafe fn allocate(at: *mut Address, n: usize) -> Status {
    let n = n as u64;
    let found = with_blocks(|blocks| {
        if blocks.bytes + n > settings::get().memory {
            return None;
        }
        let block = blocks.next;
        blocks.next += n.max(1).next_multiple_of(ALIGNMENT);
        blocks.bytes += n;
        blocks.sizes.get_or_insert_default().insert(block, n);
        Some((block, blocks.bytes))
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

/// Writes `n` bytes of f32s that are 1.0: unlike 0, they are no sign of a damaged file.
///
/// # Safety
///
/// `to` has room for them.
unsafe fn fill(to: *mut u8, n: usize) {
    let bytes = 1_f32.to_le_bytes();
    for at in 0..n {
        // SAFETY: by contract.
        unsafe { to.add(at).write(bytes[at % bytes.len()]) };
    }
}

/// Frees device memory.
fn free(at: Address) -> Status {
    with_blocks(|blocks| {
        let Some(n) = blocks.sizes.get_or_insert_default().remove(&at) else {
            return INVALID_VALUE;
        };
        blocks.bytes -= n;
        SUCCESS
    })
}

/// Counts a copy of rows, and writes what comes from the device.
///
/// # Safety
///
/// If it goes to the host, its rows there can be written.
unsafe fn copy_rows(rows: &CopyOfRows) {
    let CopyOfRows {
        from,
        to,
        width,
        height,
    } = rows;
    report::count(|it| {
        *match (from.is_host(), to.is_host()) {
            (_, true) => &mut it.copies_to_host,
            (true, false) => &mut it.copies_to_device,
            (false, false) => &mut it.copies_on_device,
        } += 1;
    });
    if to.is_host() {
        for y in 0..*height {
            let at = (to.y + y) * to.pitch + to.x;
            // SAFETY: by contract.
            unsafe { fill(to.host.cast::<u8>().add(at), *width) };
        }
    }
}

/// One side of `CUDA_MEMCPY2D`.
#[repr(C)]
pub struct Side {
    /// Bytes.
    x: usize,
    y: usize,
    /// 1: the host's memory, 2: the device's
    kind: u32,
    host: *mut c_void,
    device: Address,
    array: *mut c_void,
    pitch: usize,
}

impl Side {
    fn is_host(&self) -> bool {
        self.kind == 1
    }
}

/// `CUDA_MEMCPY2D`.
#[repr(C)]
pub struct CopyOfRows {
    from: Side,
    to: Side,
    /// Bytes.
    width: usize,
    height: usize,
}

exports! {
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        let memory = settings::get().memory;
        let taken = with_blocks(|blocks| blocks.bytes);
        give(free, (memory - taken) as usize);
        give(total, memory as usize)
    }

    fn cuMemAlloc_v2(at: *mut Address, n: usize) {
        allocate(at, n)
    }

    fn cuMemAllocAsync(at: *mut Address, n: usize, _stream: *mut c_void) {
        allocate(at, n)
    }

    fn cuMemFree_v2(at: Address) {
        free(at)
    }

    fn cuMemFreeAsync(at: Address, _stream: *mut c_void) {
        free(at)
    }

    fn cuMemAllocHost_v2(at: *mut *mut c_void, n: usize) {
        let n = n.max(1).next_multiple_of(4096);
        give(at, libc::aligned_alloc(4096, n))
    }

    fn cuMemFreeHost(at: *mut c_void) {
        libc::free(at);
        SUCCESS
    }

    fn cuMemcpyHtoDAsync_v2(_to: Address, _from: *const c_void, _n: usize, _stream: *mut c_void) {
        report::count(|it| it.copies_to_device += 1);
        SUCCESS
    }

    fn cuMemcpyDtoHAsync_v2(to: *mut u8, _from: Address, n: usize, _stream: *mut c_void) {
        report::count(|it| it.copies_to_host += 1);
        fill(to, n);
        SUCCESS
    }

    fn cuMemcpyDtoDAsync_v2(_to: Address, _from: Address, _n: usize, _stream: *mut c_void) {
        report::count(|it| it.copies_on_device += 1);
        SUCCESS
    }

    fn cuMemcpy2DAsync_v2(rows: *const CopyOfRows, _stream: *mut c_void) {
        copy_rows(&*rows);
        SUCCESS
    }

    fn cuMemsetD8Async(_at: Address, _value: u8, _n: usize, _stream: *mut c_void) {
        SUCCESS
    }

    fn cuModuleGetGlobal_v2(
        _at: *mut Address,
        _n: *mut usize,
        _module: *mut c_void,
        _name: *const c_char,
    ) {
        NOT_FOUND
    }
}
