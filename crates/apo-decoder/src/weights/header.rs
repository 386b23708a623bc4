//! The header of a safetensors file, and whether the file is complete.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use apo_files::{Format, HEAD_BYTES, model_file, stand_in};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, SafeTensorError, TensorInfo};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::names::quoted;
use crate::error::{ModelError, io_error};

/// Longest header of a file; the format's own limit.
const MOST_HEADER: u64 = 100_000_000;

/// Where a tensor is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) start: u64,
    pub(super) bytes: usize,
}

/// What a file's header says.
pub(super) struct Header {
    /// Names and places, in the order of the data.
    pub tensors: Vec<(String, Place)>,
    /// Metadata: tensors that were left out, each with the one whose values it
    /// shares, as `safetensors.torch.save_model` notes them, and more.
    pub metadata: HashMap<String, String>,
}

/// The header as it is in the file, with duplicate names.
struct Entries {
    tensors: Vec<(String, TensorInfo)>,
    /// Names and types of tensors whose type this version of the format does
    /// not know.
    unknown: Vec<(String, String)>,
    metadata: HashMap<String, String>,
}

/// A tensor as the header has it, of whatever type.
#[derive(serde::Deserialize)]
struct Info {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl Info {
    /// Returns the tensor if its type is known, or else the type.
    fn known(self) -> Result<TensorInfo, String> {
        let dtype = serde_json::from_value(self.dtype.clone().into());
        Ok(TensorInfo {
            dtype: dtype.map_err(|_| self.dtype)?,
            shape: self.shape,
            data_offsets: self.data_offsets,
        })
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Entries {
                    tensors: Vec::new(),
                    unknown: Vec::new(),
                    metadata: HashMap::new(),
                };
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        let found = map.next_value::<Option<HashMap<String, String>>>()?;
                        entries.metadata = found.unwrap_or_default();
                    } else {
                        let info: Info = map.next_value()?;
                        match info.known() {
                            Ok(info) => entries.tensors.push((name, info)),
                            Err(dtype) => entries.unknown.push((name, dtype)),
                        }
                    }
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Each)
    }
}

/// Reads a file's header; `number` is the file's among the directory's.
///
/// # Errors
///
/// When there is none, the file has another format, or it is incomplete.
pub(super) fn read(path: &Path, number: usize) -> Result<Header, ModelError> {
    let (mut file, length) = model_file::open(path)?.ok_or_else(|| ModelError::MissingFile {
        dir: path.parent().unwrap_or(path).into(),
        missing: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        hint: String::new(),
    })?;
    let text = text(&mut file, length, path)?;
    let Entries {
        mut tensors,
        metadata,
        ..
    } = entries(&text).map_err(|reason| corrupt(path, reason))?;
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let checked = Metadata::new(None, tensors).map_err(|error| corrupt(path, explained(&error)))?;
    let begin = 8 + text.len() as u64;
    let promised = checked.data_len() as u64;
    let there = length - begin;
    if promised != there {
        let reason = format!(
            "its tensors take {promised} bytes, but {there} follow the header; was its writer \
             or a download stopped?"
        );
        return Err(corrupt(path, reason));
    }
    let place = |name: String| {
        let info = checked.info(&name).expect("it lists the name itself");
        let (start, end) = info.data_offsets;
        let place = Place {
            file: number,
            dtype: info.dtype,
            shape: info.shape.clone(),
            start: begin + start as u64,
            bytes: end - start,
        };
        (name, place)
    };
    Ok(Header {
        tensors: checked.offset_keys().into_iter().map(place).collect(),
        metadata,
    })
}

/// Reads the header's text, which follows its length in eight bytes.
fn text(file: &mut File, length: u64, path: &Path) -> Result<Vec<u8>, ModelError> {
    let reading = || io_error("read", path);
    let mut head = Vec::with_capacity(HEAD_BYTES);
    let begin = file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head);
    begin.map_err(reading())?;
    let Some(prefix) = head.first_chunk::<8>() else {
        let reason = match length {
            0 => "it is empty (0 bytes); was its writer or a download stopped?".to_owned(),
            n => format!(
                "it ends after {n} bytes, within the length of its header; was its writer or a \
                 download stopped?"
            ),
        };
        return Err(corrupt(path, reason));
    };
    let size = u64::from_le_bytes(*prefix);
    if size > MOST_HEADER || size > length - 8 || head.get(8) != Some(&b'{') {
        // Checked last: a length may look like the beginning of another format.
        let reason = other_format(&head).or_else(|| stand_in(&head)).map_or_else(
            || format!("its header should have {size} bytes, the file has {length}"),
            str::to_owned,
        );
        return Err(corrupt(path, reason));
    }
    let mut text = vec![0; size as usize];
    file.seek(SeekFrom::Start(8))
        .and_then(|_| file.read_exact(&mut text))
        .map_err(reading())?;
    Ok(text)
}

/// Reads the header's entries, whose names differ and whose types are known.
fn entries(text: &[u8]) -> Result<Entries, String> {
    let entries: Entries = serde_json::from_slice(text)
        .map_err(|error| format!("its header is malformed: {error}"))?;
    check_names(&entries)?;
    match entries.unknown.first() {
        None => Ok(entries),
        Some((name, dtype)) => Err(format!(
            "{} holds numbers of the type {}, which is not read{}",
            quoted(name),
            quoted(dtype),
            quantised(dtype)
        )),
    }
}

/// Returns the end of a sentence on numbers of a type that only quantised models
/// have.
pub(super) fn quantised(dtype: &str) -> &'static str {
    match dtype {
        it if it.starts_with("F8") || it.starts_with("F6") || it.starts_with("F4") => {
            ": the model is quantised; call transformers' `dequantize()` and save it"
        }
        _ => "",
    }
}

/// Identifies a file by its first bytes, if it has a known format or was never
/// downloaded.
fn other_format(head: &[u8]) -> Option<&'static str> {
    if head.iter().all(|&byte| byte == 0) {
        return Some("it begins with zeros: a preallocated download was interrupted");
    }
    let of_numpy = || head.windows(4).any(|part| part == b".npy");
    match Format::of(head)? {
        Format::Zip if !of_numpy() => None,
        Format::Zip | Format::Numpy => {
            Some("it holds arrays of NumPy; save the model with `save_pretrained`")
        }
        Format::Hdf5 => {
            Some("it is an HDF5 file, as TensorFlow's weights are; convert it with transformers")
        }
        Format::Pickle => Some(
            "it is a pickle, as PyTorch's checkpoints are; load the model with transformers and \
             call `save_pretrained` to convert it",
        ),
        _ => None,
    }
}

/// Checks that no name occurs twice: all but one tensor would be lost.
fn check_names(entries: &Entries) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut names = entries.tensors.iter().map(|(name, _)| name.as_str());
    match names.find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(format!("{} occurs in its header twice", quoted(name))),
    }
}

fn corrupt(path: &Path, reason: impl ToString) -> ModelError {
    ModelError::Corrupt {
        path: path.into(),
        reason: reason.to_string(),
    }
}

fn explained(error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::InvalidOffset(name) => format!(
            "{} does not begin where the tensor before it ends",
            quoted(name)
        ),
        SafeTensorError::TensorInvalidInfo => {
            "a tensor's bytes are not as many as its shape and type make".into()
        }
        SafeTensorError::ValidationOverflow => "a tensor's shape is larger than any file".into(),
        other => other.to_string(),
    }
}
