//! The values of stored tensors, read and compared.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use half::{bf16, f16};
use safetensors::Dtype;

use super::header::Place;
use super::{READ, Weights};
use crate::error::{ModelError, io_error};

/// How many bytes of a tensor are compared at once.
pub(super) const COMPARED: usize = 1 << 20;

impl Weights {
    /// Whether two tensors hold the same numbers, whatever their types.
    pub(super) fn same_numbers(&self, one: &Place, other: &Place) -> Result<bool, ModelError> {
        let both = [one, other];
        if one.shape != other.shape || both.iter().any(|it| !READ.contains(&it.dtype)) {
            return Ok(false);
        }
        let mut files = [self.open_at(one, 0)?, self.open_at(other, 0)?];
        let mut left: usize = one.shape.iter().product();
        while left > 0 {
            let n = left.min(COMPARED / size_of::<f64>());
            let mut parts = both.map(|it| vec![0; n * width(it.dtype)]);
            for ((place, file), part) in both.iter().zip(&mut files).zip(&mut parts) {
                file.read_exact(part)
                    .map_err(io_error("read", &self.files[place.file]))?;
            }
            left -= n;
            if one.dtype == other.dtype && parts[0] == parts[1] {
                continue;
            }
            let [a, b] = [
                singles(one.dtype, &parts[0]),
                singles(other.dtype, &parts[1]),
            ];
            // Zero has two signs, and what is not a number is refused when it is read.
            let is_same = |(a, b): (&f32, &f32)| a == b || a.to_bits() == b.to_bits();
            if !a.iter().zip(&b).all(is_same) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens a tensor's file at one of the tensor's bytes.
    pub(super) fn open_at(&self, place: &Place, byte: usize) -> Result<File, ModelError> {
        let path = &self.files[place.file];
        let opened = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(place.start + byte as u64))?;
            Ok(file)
        });
        opened.map_err(io_error("read", path))
    }

    /// Reads a tensor's values, row after row.
    ///
    /// # Shapes
    ///
    /// - result: flat, `[elements]`
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds a value that is not finite or that
    /// a 32-bit float cannot hold.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        let place = self.place(name).ok_or_else(|| ModelError::Weights {
            dir: self.dir.clone(),
            faults: vec![format!("`{name}` is missing")],
        })?;
        let path = &self.files[place.file];
        let mut bytes = vec![0; place.bytes];
        self.open_at(place, 0)?
            .read_exact(&mut bytes)
            .map_err(io_error("read", path))?;
        let values = singles(place.dtype, &bytes);
        let Some(at) = values.iter().position(|value| !value.is_finite()) else {
            return Ok(values);
        };
        let what = format!("a value of `{name}` in {}", path.display());
        if place.dtype == Dtype::F64 {
            let stored = numbers(&bytes, f64::from_le_bytes)[at];
            if stored.is_finite() {
                return Err(ModelError::TooLargeNumber { what, stored });
            }
        }
        Err(ModelError::NotFiniteStored {
            what,
            found: values[at],
        })
    }
}

/// Returns the numbers of one of the types in [`READ`] as 32-bit floats.
fn singles(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::F32 => numbers(bytes, f32::from_le_bytes),
        // Rounded to the nearest, as transformers does it.
        Dtype::F64 => numbers(bytes, |it| f64::from_le_bytes(it) as f32),
        Dtype::F16 => numbers(bytes, |it| f16::from_le_bytes(it).to_f32()),
        _ => numbers(bytes, |it| bf16::from_le_bytes(it).to_f32()),
    }
}

/// Reads numbers of `N` bytes each.
fn numbers<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (numbers, _) = bytes.as_chunks();
    numbers.iter().map(|&number| read(number)).collect()
}

/// Returns how many bytes a number takes; those of less than a byte take one.
pub(super) fn width(dtype: Dtype) -> usize {
    (dtype.bitsize() / 8).max(1)
}
