//! A stand-in for NVIDIA's `libcuda.so.1`, so that the CUDA build runs to its end on a
//! machine without a GPU.
//!
//! It offers the functions of the [driver API] that CubeCL calls. Its one device has the
//! properties of an H100 or an A100 and 80 GB. Its memory consists of addresses alone, and
//! launches do nothing; every result is 1.0. It shows that programs link, that a device's features are asked
//! for as they should be, and how many launches and how much memory a run takes. The PTX of
//! all kernels goes to a folder, for `ptxas`. It shows nothing about values, races or speed.
//!
//! Environment variables set it up, see `settings.rs`; when the program ends, it writes what
//! was asked of it, see `report.rs`.
//!
//! [driver API]: https://docs.nvidia.com/cuda/cuda-driver-api/

#![expect(
    unsafe_code,
    reason = "the interface is C's: every function takes and writes through pointers"
)]

/// Exports functions under the names that C programs look for. What a caller must keep to is
/// in the driver API's documentation.
macro_rules! exports {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        #[unsafe(no_mangle)]
        #[allow(unsafe_op_in_unsafe_fn, reason = "the whole body relies on that documentation")]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $crate::status::Status $body
    )*};
}

mod device;
mod kernels;
mod memory;
mod report;
mod settings;
mod status;
mod streams;
