//! Writing safetensors files.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use half::bf16;
use serde_json::{Map, Value, json};

use crate::error::{ModelError, io_error};

/// The type in which weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredType {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
}

impl StoredType {
    /// Returns its name in `torch_dtype`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
        }
    }
}

/// Writes tensors to a safetensors file, one at a time, and syncs it.
///
/// `parameters` are names and shapes, ordered by name; `values` gives the
/// numbers of each. Equal values give equal bytes.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_weights(
    path: &Path,
    parameters: &[(String, Vec<usize>)],
    stored: StoredType,
    mut values: impl FnMut(&str) -> Vec<f32>,
) -> Result<(), ModelError> {
    let (dtype, width) = match stored {
        StoredType::F32 => ("F32", 4),
        StoredType::Bf16 => ("BF16", 2),
    };
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut offset = 0;
    for (name, shape) in parameters {
        let end = offset + shape.iter().product::<usize>() * width;
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [offset, end]});
        header.insert(name.clone(), entry);
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut write = || -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (name, shape) in parameters {
            let values = values(name);
            assert_eq!(
                values.len(),
                shape.iter().product::<usize>(),
                "`{name}` is not {shape:?}"
            );
            for part in values.chunks(1 << 16) {
                let bytes: Vec<u8> = match stored {
                    StoredType::F32 => part.iter().flat_map(|x| x.to_le_bytes()).collect(),
                    StoredType::Bf16 => part
                        .iter()
                        .flat_map(|&x| bf16::from_f32(x).to_le_bytes())
                        .collect(),
                };
                file.write_all(&bytes)?;
            }
        }
        file.into_inner()?.sync_all()
    };
    write().map_err(io_error("write", path))
}
