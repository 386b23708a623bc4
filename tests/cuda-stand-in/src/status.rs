//! Results of the driver's functions, `CUresult`.

/// A function's result.
pub type Status = i32;

pub const SUCCESS: Status = 0;
pub const INVALID_VALUE: Status = 1;
pub const OUT_OF_MEMORY: Status = 2;
pub const NO_DEVICE: Status = 100;
pub const INVALID_DEVICE: Status = 101;
pub const NOT_FOUND: Status = 500;
pub const NOT_SUPPORTED: Status = 801;

/// Writes a function's result through a pointer of the caller.
///
/// # Safety
///
/// `to` can be written.
pub unsafe fn give<T>(to: *mut T, value: T) -> Status {
    // SAFETY: by contract.
    unsafe { to.write(value) };
    SUCCESS
}
