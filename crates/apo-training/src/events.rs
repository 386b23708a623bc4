//! Event files for `TensorBoard`, to watch a training.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use apo_tables::schema::Value;
use apo_tables::{Metric, Row as _};
use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

use crate::error::TrainingError;

/// `TFRecord`'s CRC mask.
const MASK: u32 = 0xa282_ead8;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The format's version.
const VERSION: &str = "brain.Event:2";

/// A training's curves while it runs: one event file per run.
///
/// The file holds `TFRecord` frames of the protocol buffer `tensorflow.Event`
/// (`tensorflow/core/util/event.proto`).
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
    begun: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session: Option<Session>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    value: f32,
}

#[derive(Clone, PartialEq, Message)]
struct Session {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Marks the start of a session: readers drop what an earlier session wrote
/// from this step on, for example before a kill that lost steps.
const START: i32 = 1;

impl Events {
    /// Creates a file in a folder, and the folder if necessary.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn create(dir: &Path) -> Result<Self, TrainingError> {
        fs::create_dir_all(dir).map_err(TrainingError::writing(dir))?;
        // TensorBoard reads a folder's files in the order of their names.
        let name = format!("events.out.tfevents.{:.6}.{}", now(), process::id());
        let path = dir.join(name);
        let file = File::create(&path).map_err(TrainingError::writing(&path))?;
        let mut events = Self {
            path,
            file,
            begun: false,
        };
        events.write(&Event {
            wall_time: now(),
            file_version: Some(VERSION.into()),
            ..Event::default()
        })?;
        Ok(events)
    }

    /// Adds a step.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&mut self, metric: &Metric) -> Result<(), TrainingError> {
        let event = Event {
            wall_time: now(),
            step: metric.step,
            ..Event::default()
        };
        if !self.begun {
            self.begun = true;
            let session = Some(Session { status: START });
            self.write(&Event {
                session,
                ..event.clone()
            })?;
        }
        let mut values = Vec::new();
        let mut columns = Metric::TABLE.columns.iter();
        metric.each(&mut |value| {
            let column = columns.next().expect("a value for every column");
            let value = match value {
                Value::Int(int) => int as f32,
                Value::Float(float) => float,
                Value::Null | Value::Text(_) => return,
            };
            if column.name != "step" {
                let tag = column.name.to_owned();
                values.push(Scalar { tag, value });
            }
        });
        self.write(&Event {
            summary: Some(Summary { values }),
            ..event
        })
    }

    fn write(&mut self, event: &Event) -> Result<(), TrainingError> {
        let data = event.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        let masked = |bytes: &[u8]| {
            let sum = CRC.checksum(bytes);
            sum.rotate_right(15).wrapping_add(MASK).to_le_bytes()
        };
        let record = [&length[..], &masked(&length), &data, &masked(&data)].concat();
        let written = self.file.write_all(&record);
        written.map_err(TrainingError::writing(&self.path))
    }
}

/// Returns the seconds since the epoch.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |it| it.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_crc32c() {
        // RFC 3720, B.4: 32 zero bytes.
        assert_eq!(CRC.checksum(&[0; 32]), 0x8a91_36aa);
    }
}
