//! The type of the matrix products' operands.

/// The type of the matrix products' operands. Sums, norms, softmax, log-probs and
/// losses are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// bfloat16 operands, with f32 master weights.
    Bf16,
}

impl Precision {
    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}
