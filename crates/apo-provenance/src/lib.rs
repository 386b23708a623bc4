//! What made an output: its stage, version, arguments and inputs; the digests
//! of contents; and sealed JSON, which has a checksum.

mod digest;
mod input_name;
mod provenance;
mod sealed;
pub mod stage_names;

pub use digest::{RowsDigest, digest_file, digest_parts, digest_path, hex, short_digest};
pub use input_name::{hub_name, input_name};
pub use provenance::{Input, MANIFEST, METRICS, Manifest, Provenance, Split, TEST};
pub use sealed::{MOST_BYTES, SealedError, find, open, seal};
