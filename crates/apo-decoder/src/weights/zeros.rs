//! Weights that are zeros: an interrupted download that reserved its space
//! leaves them.

use std::io::Read as _;

use super::header::Place;
use super::names::quoted;
use super::values::{COMPARED, width};
use super::{EMBEDDING, LM_HEAD, SCORE, Weights};
use crate::error::{ModelError, io_error};

/// Bytes at a tensor's beginning and end that are checked first: if all are
/// zero, the rest is read as well.
const LOOKED_AT: usize = 1 << 12;

/// Projections onto the residual stream. Layers that were added to a model and
/// not yet trained start with zeros there and pass on their input.
const ADDED: [&str; 2] = ["self_attn.o_proj.weight", "mlp.down_proj.weight"];

impl Weights {
    /// Returns a fault if parameters are all zeros that no model has as zeros.
    pub(super) fn zeros(
        &self,
        expected: &[(String, Vec<usize>)],
    ) -> Result<Vec<String>, ModelError> {
        let mut zeros = Vec::new();
        for (name, _) in expected {
            let may_be =
                name == SCORE || is_bias(name) || ADDED.iter().any(|end| name.ends_with(end));
            if let Some(place) = self.place(name)
                && !may_be
                && self.is_zero(place)?
            {
                zeros.push(name.as_str());
            }
        }
        let Some(first) = zeros.first() else {
            return Ok(Vec::new());
        };
        let more = match zeros.len() {
            1 => "is".to_owned(),
            n => format!("and {} more are", n - 1),
        };
        Ok(vec![format!(
            "{} {more} all zeros; was a preallocated download interrupted?",
            quoted(first)
        )])
    }

    /// Reports parameters that are zeros, or end in zeros, as few models have
    /// them.
    pub(super) fn notes_of_zeros(&self) -> Result<Vec<String>, ModelError> {
        let mut zeros = Vec::new();
        let mut ends = Vec::new();
        for (name, place) in &self.tensors {
            // Rows of unused tokens are zeros in many models.
            if [EMBEDDING, LM_HEAD, SCORE].contains(&name.as_str()) || is_bias(name) {
                continue;
            }
            if self.is_zero(place)? {
                zeros.push(name.as_str());
            } else if place.bytes > LOOKED_AT && self.ends_in_zeros(place)? {
                ends.push(name.as_str());
            }
        }
        let note = |names: &[&str], what: &str| {
            let first = names.first()?;
            let more = match names.len() {
                1 => String::new(),
                n => format!(" and {} more tensors", n - 1),
            };
            Some(format!(
                "{}: {}{more} {what}",
                self.dir.display(),
                quoted(first)
            ))
        };
        let notes = [
            note(&zeros, "hold nothing but zeros"),
            note(&ends, "end in zeros; was a download interrupted?"),
        ];
        Ok(notes.into_iter().flatten().collect())
    }

    fn is_zero(&self, place: &Place) -> Result<bool, ModelError> {
        if place.bytes == 0 || self.has_value(place, 0, place.bytes.min(LOOKED_AT))? {
            return Ok(false);
        }
        if place.bytes <= LOOKED_AT {
            return Ok(true);
        }
        Ok(self.ends_in_zeros(place)? && !self.has_value(place, 0, place.bytes)?)
    }

    fn ends_in_zeros(&self, place: &Place) -> Result<bool, ModelError> {
        let last = place.bytes.min(LOOKED_AT);
        Ok(!self.has_value(place, place.bytes - last, last)?)
    }

    /// Whether a tensor has numbers that are not zero, from one byte on.
    fn has_value(&self, place: &Place, from: usize, bytes: usize) -> Result<bool, ModelError> {
        let mut file = self.open_at(place, from)?;
        // All lengths and places here are multiples of it.
        let width = width(place.dtype);
        let mut left = bytes;
        let mut part = vec![0; bytes.min(COMPARED)];
        while left > 0 {
            let n = left.min(part.len());
            file.read_exact(&mut part[..n])
                .map_err(io_error("read", &self.files[place.file]))?;
            let mut numbers = part[..n].chunks(width);
            if numbers.any(|number| !is_zero(number)) {
                return Ok(true);
            }
            left -= n;
        }
        Ok(false)
    }
}

/// Whether a parameter is a bias: those begin as zeros, and may stay so.
fn is_bias(name: &str) -> bool {
    name.rsplit('.').next() == Some("bias")
}

/// Whether a number's bytes are those of zero or of negative zero. The sign is the
/// highest bit of the last byte.
fn is_zero(number: &[u8]) -> bool {
    const SIGN: u8 = 0x80;
    match number.split_last() {
        Some((last, others)) => last & !SIGN == 0 && others.iter().all(|&byte| byte == 0),
        None => true,
    }
}
