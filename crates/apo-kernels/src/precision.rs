//! In what matrix products compute.

/// In what the operands of matrix products are held; sums, norms, softmax,
/// log-probs and losses are f32 always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// bfloat16 operands, with f32 master weights.
    Bf16,
}

impl Precision {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}
