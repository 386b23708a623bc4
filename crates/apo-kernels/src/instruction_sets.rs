//! Functions compiled for several instruction sets.
//!
//! The programs are built for plain x86-64, where loops get four lanes and a fused
//! multiply-add is a library call. So the functions of row-wise arithmetic are compiled
//! three times, and one of them is chosen at run time.

/// Compiles each function for AVX-512, for AVX2 with FMA, and for the plain target. The
/// processor decides at run time which one runs.
macro_rules! for_each_instruction_set {
    ($(
        $(#[$meta:meta])*
        $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    )*) => { $(
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn generic($($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
                fn v4($($arg: $type),*) $(-> $result)? {
                    generic($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn v3($($arg: $type),*) $(-> $result)? {
                    generic($($arg),*)
                }
                let has_v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                if has_v3
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                {
                    // SAFETY: the processor has the instructions.
                    return unsafe { v4($($arg),*) };
                }
                if has_v3 {
                    // SAFETY: the processor has the instructions.
                    return unsafe { v3($($arg),*) };
                }
            }
            generic($($arg),*)
        }
    )* };
}
pub(crate) use for_each_instruction_set;
