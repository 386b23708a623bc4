//! Which micro-kernel this processor runs, and whether it is faster than f32.

#[cfg(all(target_arch = "x86_64", not(miri)))]
use super::amx::{Amx, native::Native};
#[cfg(all(target_arch = "x86_64", not(miri)))]
use super::avx512::Avx512;
#[cfg(miri)]
use super::portable::Portable;

/// The micro-kernels that run on this processor. Each reads the same panels of `right`.
#[derive(Clone, Copy)]
pub enum Kernel {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    Amx(Amx<Native>),
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    Avx512(Avx512),
    /// Miri has no such instructions. It runs the same packing and blocks.
    #[cfg(miri)]
    Portable(Portable),
}

impl Kernel {
    /// Returns the fastest kernel, if this processor multiplies bf16.
    pub fn native() -> Option<Self> {
        #[cfg(miri)]
        return Some(Self::Portable(Portable));
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            let amx = Native::new().map(|tiles| Self::Amx(Amx(tiles)));
            amx.or_else(|| Avx512::new().map(Self::Avx512))
        }
        #[cfg(not(any(target_arch = "x86_64", miri)))]
        None
    }
}

/// Calls a function with the kernel of an enum's value.
macro_rules! with_kernel {
    ($value:expr, $kernel:ident => $call:expr) => {
        match $value {
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            $crate::bf16::kernel::Kernel::Amx($kernel) => $call,
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            $crate::bf16::kernel::Kernel::Avx512($kernel) => $call,
            #[cfg(miri)]
            $crate::bf16::kernel::Kernel::Portable($kernel) => $call,
        }
    };
}

pub(super) use with_kernel;

/// Tells whether this processor multiplies bf16 natively.
pub fn is_native() -> bool {
    Kernel::native().is_some()
}

/// Tells whether this processor multiplies bf16 faster than f32.
///
/// AMX does by far. AMD's processors compute twice as many bf16 products per cycle, and run
/// 1.7 times as fast. On Intel's, `vdpbf16ps` is no faster than f32 products, and its
/// operands must be packed first.
pub fn is_faster() -> bool {
    match Kernel::native() {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Some(Kernel::Amx(_)) => true,
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Some(Kernel::Avx512(_)) => is_amd(),
        #[cfg(miri)]
        Some(Kernel::Portable(_)) => false,
        None => false,
    }
}

/// Tells whether AMD made this processor, by leaf 0 of CPUID.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn is_amd() -> bool {
    let found = std::arch::x86_64::__cpuid(0);
    let vendor = [found.ebx, found.edx, found.ecx].map(u32::to_le_bytes);
    vendor.as_flattened() == b"AuthenticAMD"
}

/// Returns the name of the instructions that multiply bf16, if this processor has any.
pub fn instructions() -> Option<&'static str> {
    Kernel::native().map(|kernel| match kernel {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Kernel::Amx(_) => "AMX",
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Kernel::Avx512(_) => "AVX512-BF16",
        #[cfg(miri)]
        Kernel::Portable(_) => "none",
    })
}
