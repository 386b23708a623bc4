//! Reads and writes safetensors files with whatever is to be wrong in them.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

/// A tensor: type, shape, bytes.
#[derive(Clone, Debug)]
pub struct Stored {
    pub dtype: String,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// The embedding's name.
pub const EMBEDDING: &str = "model.embed_tokens.weight";

/// Tensors with their names.
pub type Tensors = Vec<(String, Stored)>;

pub fn read(path: &Path) -> Tensors {
    let file = fs::read(path).unwrap();
    let (length, rest) = file.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header: Map<String, Value> = serde_json::from_slice(header).unwrap();
    let tensors = header
        .into_iter()
        .filter(|(name, _)| name != "__metadata__");
    tensors
        .map(|(name, entry)| {
            let [start, end] = [0, 1].map(|i| entry["data_offsets"][i].as_u64().unwrap() as usize);
            let stored = Stored {
                dtype: entry["dtype"].as_str().unwrap().into(),
                shape: serde_json::from_value(entry["shape"].clone()).unwrap(),
                bytes: data[start..end].to_vec(),
            };
            (name, stored)
        })
        .collect()
}

/// The tensor of a name.
pub fn tensor<'a>(tensors: &'a mut Tensors, name: &str) -> &'a mut Stored {
    let found = tensors.iter_mut().find(|(it, _)| it == name);
    &mut found.unwrap().1
}

/// Removes the tensor of a name.
pub fn taken(tensors: &mut Tensors, name: &str) -> Stored {
    let at = tensors.iter().position(|(it, _)| it == name).unwrap();
    tensors.remove(at).1
}

/// The header and the data of tensors.
pub fn parts(tensors: &Tensors, metadata: &Value) -> (Map<String, Value>, Vec<u8>) {
    let mut header = Map::new();
    header.insert("__metadata__".into(), metadata.clone());
    let mut data = Vec::new();
    for (name, stored) in tensors {
        let start = data.len();
        data.extend(&stored.bytes);
        let entry = json!({
            "dtype": stored.dtype, "shape": stored.shape, "data_offsets": [start, data.len()],
        });
        header.insert(name.clone(), entry);
    }
    (header, data)
}

/// A file of a header's text and data.
pub fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}

pub fn write(path: &Path, tensors: &Tensors, metadata: &Value) {
    let (header, data) = parts(tensors, metadata);
    fs::write(path, file(&Value::Object(header).to_string(), &data)).unwrap();
}
