//! Weights in safetensors files: one, or several with an index.
//!
//! Files are not mapped: tensors are read one by one, so that a model of any
//! size costs one tensor beside its own memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::{Map, Value, json};

use crate::config::{Head, LlamaConfig};
use crate::error::ModelError;

/// Longest header that a file may have; the format's own limit.
const MOST_HEADER: u64 = 100_000_000;

/// Where a tensor lies.
#[derive(Clone, Debug)]
struct Place {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: u64,
    bytes: usize,
}

/// The headers of a model directory's weights files.
#[derive(Debug)]
pub struct Weights {
    dir: PathBuf,
    files: Vec<PathBuf>,
    tensors: BTreeMap<String, Place>,
}

/// In what numbers weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredType {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
}

impl StoredType {
    /// The name that `torch_dtype` has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ModelError {
    let path = path.to_owned();
    move |source| ModelError::Io {
        action,
        path,
        source,
    }
}

fn corrupt(path: &Path, reason: impl ToString) -> ModelError {
    ModelError::Corrupt {
        path: path.into(),
        reason: reason.to_string(),
    }
}

impl Weights {
    /// Whether a directory holds weights at all.
    pub fn exist(dir: &Path) -> bool {
        dir.join("model.safetensors").exists() || dir.join("model.safetensors.index.json").exists()
    }

    /// Reads the headers of a directory's weights.
    ///
    /// # Errors
    ///
    /// When there are none, or a file is not whole.
    pub fn open(dir: &Path) -> Result<Self, ModelError> {
        let files = list_files(dir)?;
        let mut tensors = BTreeMap::new();
        for (i, path) in files.iter().enumerate() {
            read_header(path, i, &mut tensors)?;
        }
        Ok(Self {
            dir: dir.into(),
            files,
            tensors,
        })
    }

    /// Checks that the files hold just the parameters of a config with a head.
    ///
    /// # Errors
    ///
    /// With every tensor that is missing, unexpected, or of another shape.
    pub fn check(&self, config: &LlamaConfig, head: Head) -> Result<(), ModelError> {
        self.check_against(&config.parameters(head), |name| {
            // Some writers keep the tied head as well.
            name == "lm_head.weight" && config.tie_word_embeddings
        })
    }

    /// Checks that the files hold the trunk of a config, whatever its head.
    ///
    /// # Errors
    ///
    /// As [`Self::check`].
    pub fn check_trunk(&self, config: &LlamaConfig) -> Result<(), ModelError> {
        let mut expected = config.parameters(Head::LanguageModel);
        expected.retain(|(name, _)| name != "lm_head.weight");
        self.check_against(&expected, |name| {
            ["lm_head.weight", "score.weight"].contains(&name)
        })
    }

    /// Whether there is a reward head.
    pub fn has_reward_head(&self) -> bool {
        self.tensors.contains_key("score.weight")
    }

    fn check_against(
        &self,
        expected: &[(String, Vec<usize>)],
        allowed: impl Fn(&str) -> bool,
    ) -> Result<(), ModelError> {
        let mut faults = Vec::new();
        for (name, shape) in expected {
            match self.tensors.get(name) {
                None => faults.push(format!("`{name}` is missing")),
                Some(place) if place.shape != *shape => {
                    faults.push(format!("`{name}` is {:?}, expected {shape:?}", place.shape));
                }
                Some(Place {
                    dtype: Dtype::F32 | Dtype::F16 | Dtype::BF16,
                    ..
                }) => {}
                Some(place) => faults.push(format!(
                    "`{name}` holds {:?}, expected F32, F16 or BF16",
                    place.dtype
                )),
            }
        }
        for name in self.tensors.keys() {
            let is_expected = expected.iter().any(|(expected, _)| expected == name);
            // Older files keep the rotary frequencies, which the config implies.
            if !is_expected && !allowed(name) && !name.ends_with("rotary_emb.inv_freq") {
                faults.push(format!("`{name}` is not a parameter of this model"));
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(ModelError::Weights {
            dir: self.dir.clone(),
            faults,
        })
    }

    /// Reads a tensor's values, row after row.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds a value that is not finite.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        let place = self.tensors.get(name).ok_or_else(|| ModelError::Weights {
            dir: self.dir.clone(),
            faults: vec![format!("`{name}` is missing")],
        })?;
        let path = &self.files[place.file];
        let mut file = File::open(path).map_err(io_error("read", path))?;
        let mut bytes = vec![0; place.bytes];
        file.seek(SeekFrom::Start(place.start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(io_error("read", path))?;
        let values: Vec<f32> = match place.dtype {
            Dtype::F32 => {
                let (numbers, _) = bytes.as_chunks::<4>();
                numbers.iter().map(|&b| f32::from_le_bytes(b)).collect()
            }
            Dtype::F16 => {
                let (numbers, _) = bytes.as_chunks::<2>();
                numbers
                    .iter()
                    .map(|&b| f16::from_le_bytes(b).to_f32())
                    .collect()
            }
            _ => {
                let (numbers, _) = bytes.as_chunks::<2>();
                numbers
                    .iter()
                    .map(|&b| bf16::from_le_bytes(b).to_f32())
                    .collect()
            }
        };
        match values.iter().find(|value| !value.is_finite()) {
            None => Ok(values),
            Some(&found) => Err(ModelError::NotFinite {
                what: format!("a value of `{name}` in {}", path.display()),
                found,
            }),
        }
    }
}

/// Lists the files that hold a directory's weights.
fn list_files(dir: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let single = dir.join("model.safetensors");
    if single.exists() {
        return Ok(vec![single]);
    }
    let index = dir.join("model.safetensors.index.json");
    if !index.exists() {
        return Err(ModelError::MissingFile {
            dir: dir.into(),
            missing: "model.safetensors".into(),
        });
    }
    let text = fs::read_to_string(&index).map_err(io_error("read", &index))?;
    let json: Value = serde_json::from_str(&text).map_err(|error| corrupt(&index, error))?;
    let map = json.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| corrupt(&index, "it has no `weight_map`"))?;
    let mut names: Vec<&str> = map.values().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let path = dir.join(name);
        if Path::new(name).components().count() != 1 || !path.exists() {
            return Err(ModelError::MissingFile {
                dir: dir.into(),
                missing: format!("{name}, which its model.safetensors.index.json names"),
            });
        }
        files.push(path);
    }
    Ok(files)
}

/// Reads one file's header into `tensors`, and checks that the file is whole.
fn read_header(
    path: &Path,
    number: usize,
    tensors: &mut BTreeMap<String, Place>,
) -> Result<(), ModelError> {
    let mut file = File::open(path).map_err(io_error("read", path))?;
    let length = file.metadata().map_err(io_error("read", path))?.len();
    let mut prefix = [0; 8];
    if length < 8 {
        return Err(corrupt(path, format!("it ends after {length} bytes")));
    }
    file.read_exact(&mut prefix)
        .map_err(io_error("read", path))?;
    let header = u64::from_le_bytes(prefix);
    if header > MOST_HEADER || header + 8 > length {
        let reason = format!("its header should have {header} bytes, the file has {length}");
        return Err(corrupt(path, reason));
    }
    let mut text = vec![0; header as usize];
    file.read_exact(&mut text).map_err(io_error("read", path))?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| corrupt(path, error))?;
    let data = header + 8;
    for (name, info) in metadata.tensors() {
        let (start, end) = info.data_offsets;
        if data + end as u64 > length {
            let reason = format!("`{name}` ends beyond the file's end; was its writer stopped?");
            return Err(corrupt(path, reason));
        }
        let place = Place {
            file: number,
            dtype: info.dtype,
            shape: info.shape.clone(),
            start: data + start as u64,
            bytes: end - start,
        };
        if tensors.insert(name.clone(), place).is_some() {
            return Err(corrupt(path, format!("`{name}` stands in two files")));
        }
    }
    Ok(())
}

/// Writes tensors to one safetensors file, one at a time, and syncs it.
///
/// `parameters` are names and shapes in the order of the names; `values` gives
/// each one's numbers. Equal values give equal bytes.
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
