//! The tiles of the processor.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::OnceLock;

use super::super::micro_kernel::Operands;
use super::super::pack::{Order, avx512};
use super::{COLS, PAIRS, ROWS, Tiles};
use crate::matrix::{Matrix, Sum};

/// A processor with AMX for bf16, whose system lets this program use it.
#[derive(Clone, Copy)]
pub struct Native(());

/// Tiles that are configured on one thread, until the last such value of the thread is
/// dropped.
pub struct Configured(PhantomData<*const ()>);

thread_local! {
    /// How many such values this thread has.
    static N_CONFIGURED: Cell<usize> = const { Cell::new(0) };
}

/// As `ldtilecfg` reads it: all eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = {
    let mut row_bytes = [0; 16];
    let mut rows = [0; 16];
    let mut tile = 0;
    while tile < 8 {
        row_bytes[tile] = 64;
        rows[tile] = 16;
        tile += 1;
    }
    Configuration {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        row_bytes,
        rows,
    }
};

impl Native {
    /// Returns the tiles if this processor has them and Linux permits their use.
    pub fn new() -> Option<Self> {
        static IS_PERMITTED: OnceLock<bool> = OnceLock::new();
        IS_PERMITTED
            .get_or_init(|| has_instructions() && ask_for_tiles())
            .then_some(Self(()))
    }
}

/// CPUID leaf 7: AMX-BF16 and AMX-TILE; and AVX-512 with bf16, by which operands are packed.
fn has_instructions() -> bool {
    const NEEDED: u32 = (1 << 22) | (1 << 24);
    avx512::is_native() && __cpuid_count(7, 0).edx & NEEDED == NEEDED
}

/// Asks Linux for the state of tiles, which is too large to be saved for every process.
#[cfg(target_os = "linux")]
fn ask_for_tiles() -> bool {
    /// `ARCH_REQ_XCOMP_PERM` of Linux's `asm/prctl.h`.
    const REQUEST: libc::c_long = 0x1023;
    /// The component of XSAVE that holds the tiles' data.
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the call takes two numbers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_tiles() -> bool {
    false
}

impl Drop for Configured {
    fn drop(&mut self) {
        let n_others = N_CONFIGURED.get() - 1;
        N_CONFIGURED.set(n_others);
        if n_others == 0 {
            // SAFETY: `on_thread` has configured tiles on this thread, which the value
            // cannot leave, and nobody else has them. Released tiles need not be saved
            // when the thread is interrupted.
            unsafe {
                asm!(
                    "tilerelease",
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nomem, nostack),
                );
            }
        }
    }
}

// SAFETY: `pack` of the module `pack` writes the whole panel; `multiply` stores all four tiles.
unsafe impl Tiles for Native {
    type Thread = Configured;

    fn on_thread(self) -> Configured {
        if N_CONFIGURED.get() == 0 {
            // SAFETY: `new` has found the instructions; the configuration is a valid one.
            unsafe {
                asm!(
                    "ldtilecfg [{}]",
                    in(reg) &raw const CONFIGURATION,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
        N_CONFIGURED.set(N_CONFIGURED.get() + 1);
        Configured(PhantomData)
    }

    fn pack<const WIDTH: usize>(
        self,
        m: Matrix<'_>,
        rows: Range<usize>,
        order: Order,
        panel: &mut [MaybeUninit<u32>],
    ) {
        // SAFETY: `new` has found the instructions.
        unsafe { avx512::pack::<WIDTH>(m, rows, order, panel) };
    }

    unsafe fn multiply(
        self,
        _: &Configured,
        operands: Operands<'_>,
        out: *mut f32,
        stride: usize,
        sum: Sum,
    ) {
        let Operands { left, right, next } = operands;
        let steps = left.len() / (ROWS * PAIRS);
        assert!(
            steps > 0 && left.len() == steps * ROWS * PAIRS && right.len() == steps * COLS * PAIRS,
            "panels of whole tiles"
        );
        let lines_per_step = next.len().div_ceil(16).div_ceil(steps);
        // SAFETY: the tiles are configured on this thread, for which the argument stands;
        // each step reads 2 KiB of both panels; the block is the caller's promise;
        // prefetching may name any address.
        unsafe {
            asm!(
                "test {add:e}, {add:e}",
                "jz 2f",
                "tileloadd tmm0, [{out} + {stride}]",
                "tileloadd tmm1, [{out} + {stride} + 64]",
                "tileloadd tmm2, [{below} + {stride}]",
                "tileloadd tmm3, [{below} + {stride} + 64]",
                "jmp 3f",
                "2:",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "3:",
                "tileloadd tmm4, [{left} + {left_stride}]",
                "tileloadd tmm6, [{right} + {right_stride}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right} + {right_stride} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{left} + {left_stride} + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "mov {lines}, {lines_per_step}",
                "test {lines}, {lines}",
                "jz 5f",
                "4:",
                "prefetcht1 [{next}]",
                "add {next}, 64",
                "dec {lines}",
                "jnz 4b",
                "5:",
                "add {left}, 2048",
                "add {right}, 2048",
                "dec {steps}",
                "jnz 3b",
                "tilestored [{out} + {stride}], tmm0",
                "tilestored [{out} + {stride} + 64], tmm1",
                "tilestored [{below} + {stride}], tmm2",
                "tilestored [{below} + {stride} + 64], tmm3",
                add = in(reg) u32::from(sum == Sum::Add),
                out = in(reg) out,
                below = in(reg) out.wrapping_add(16 * stride),
                stride = in(reg) 4 * stride,
                left = inout(reg) left.as_ptr() => _,
                left_stride = in(reg) 4 * PAIRS,
                right = inout(reg) right.as_ptr() => _,
                right_stride = in(reg) 4 * COLS,
                steps = inout(reg) steps => _,
                next = inout(reg) next.as_ptr() => _,
                lines_per_step = in(reg) lines_per_step,
                lines = out(reg) _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}
