//! The type of the matrix products' operands.

use std::str::FromStr;

/// The type of the matrix products' operands. Sums, norms, softmax, log-probs and
/// losses are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// bfloat16 operands, with f32 master weights.
    Bf16,
}

impl Precision {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl FromStr for Precision {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = [Self::F32, Self::Bf16].into_iter();
        let mut found = found.filter(|it| it.name() == name);
        found.next().ok_or("expected f32 or bf16")
    }
}
