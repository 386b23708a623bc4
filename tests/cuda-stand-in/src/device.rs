//! The driver, its devices and their properties.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Once;

use crate::status::{INVALID_DEVICE, NO_DEVICE, SUCCESS, Status, give};
use crate::{report, settings};

/// The context of every device: a handle that nobody looks into.
const CONTEXT: *mut c_void = ptr::without_provenance_mut(1);

/// A name for every device and error.
const NAME: &[u8] = b"stand-in\0";

/// Attributes of a device, `CUdevice_attribute`, that are the same for both kinds.
const ATTRIBUTES: [(i32, i32); 24] = [
    (1, 1024), // threads of a block
    (2, 1024), // of a block's three dimensions
    (3, 1024),
    (4, 64),
    (5, i32::MAX), // blocks in a grid's three dimensions
    (6, 65_535),
    (7, 65_535),
    (8, 49_152),     // shared memory of a block
    (9, 65_536),     // constant memory
    (10, 32),        // threads of a warp
    (11, i32::MAX),  // pitch of copies
    (12, 65_536),    // registers of a block
    (13, 1_980_000), // clock, kHz
    (14, 512),       // alignment of textures
    (36, 2_619_000), // memory's clock, kHz
    (37, 5120),      // memory's bus, bits
    (38, 50 << 20),  // second-level cache
    (39, 2048),      // threads of a multiprocessor
    (41, 1),         // addresses shared with the host
    (76, 0),         // compute capability, minor
    (82, 65_536),    // registers of a multiprocessor
    (83, 1),         // managed memory
    (106, 32),       // blocks of a multiprocessor
    (115, 1),        // memory pools
];

/// Returns an attribute that an H100 and an A100 have different values of.
fn attribute_of_kind(attribute: i32) -> Option<i32> {
    let is_h100 = settings::get().sm >= 90;
    let [h100, a100] = match attribute {
        16 => [132, 108],         // multiprocessors
        75 => [9, 8],             // compute capability, major
        81 => [233_472, 167_936], // shared memory of a multiprocessor
        97 => [232_448, 166_912], // shared memory that a block may ask for
        _ => return None,
    };
    Some(if is_h100 { h100 } else { a100 })
}

/// Copies a text with its end into the caller's buffer.
///
/// # Safety
///
/// `to` has room for `n` characters.
unsafe fn give_text(to: *mut c_char, n: i32, text: &[u8]) -> Status {
    let n = text.len().min(n as usize);
    // SAFETY: by contract.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr().cast(), to, n) };
    SUCCESS
}

exports! {
    fn cuInit(_flags: u32) {
        static ONCE: Once = Once::new();
        ONCE.call_once(report::write_at_exit);
        if settings::get().devices == 0 { NO_DEVICE } else { SUCCESS }
    }

    fn cuDriverGetVersion(version: *mut i32) {
        give(version, settings::get().driver)
    }

    fn cuDeviceGetCount(n: *mut i32) {
        give(n, settings::get().devices)
    }

    fn cuDeviceGet(device: *mut i32, ordinal: i32) {
        if !(0..settings::get().devices).contains(&ordinal) {
            return INVALID_DEVICE;
        }
        give(device, ordinal)
    }

    fn cuDeviceGetName(name: *mut c_char, n: i32, _device: i32) {
        give_text(name, n, NAME)
    }

    fn cuDeviceGetUuid_v2(id: *mut [u8; 16], device: i32) {
        give(id, [device as u8; 16])
    }

    fn cuDeviceTotalMem_v2(n: *mut usize, _device: i32) {
        give(n, settings::get().memory as usize)
    }

    fn cuDeviceGetPCIBusId(id: *mut c_char, n: i32, device: i32) {
        let text = format!("0000:{:02x}:00.0\0", device + 1);
        give_text(id, n, text.as_bytes())
    }

    fn cuDeviceGetAttribute(value: *mut i32, attribute: i32, _device: i32) {
        let known = ATTRIBUTES.iter().find(|it| it.0 == attribute).map(|it| it.1);
        // What is not listed, the device does not have.
        let found = attribute_of_kind(attribute).or(known).unwrap_or(0);
        give(value, found)
    }

    fn cuDeviceCanAccessPeer(can: *mut i32, _device: i32, _peer: i32) {
        give(can, 0)
    }

    fn cuDevicePrimaryCtxRetain(context: *mut *mut c_void, _device: i32) {
        give(context, CONTEXT)
    }

    fn cuDevicePrimaryCtxRelease_v2(_device: i32) {
        SUCCESS
    }

    fn cuCtxSetCurrent(_context: *mut c_void) {
        SUCCESS
    }

    fn cuCtxGetCurrent(context: *mut *mut c_void) {
        give(context, CONTEXT)
    }

    fn cuCtxGetStreamPriorityRange(least: *mut i32, greatest: *mut i32) {
        give(least, 0);
        give(greatest, -5)
    }

    fn cuCtxSynchronize() {
        report::count(|it| it.waits += 1);
        SUCCESS
    }

    fn cuGetErrorName(_error: i32, text: *mut *const c_char) {
        give(text, NAME.as_ptr().cast())
    }

    fn cuGetErrorString(_error: i32, text: *mut *const c_char) {
        give(text, NAME.as_ptr().cast())
    }
}
