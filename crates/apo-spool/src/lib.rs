//! Records on disk, each with a checksum.
//!
//! A stopped stage continues from what it has spooled: finished rows, computed
//! values. A spool is a file of frames, appended one by one:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | length of the record |
//! | 4 | CRC-32 of the frame's offset in the file and the length |
//! | length | the record, in [postcard](https://postcard.jamesmunns.com)'s format |
//! | 4 | CRC-32 of the frame's offset in the file and the record |
//!
//! All integers are little endian. The offset is part of both checksums, so that
//! a frame is valid only at the place where it was written.

mod disk;
mod error;
mod frame;
pub mod names;
mod spool;
mod values;

pub use disk::{checksum_of_file, sync_folder};
pub use error::SpoolError;
pub use spool::{EXTENSION, Place, Recovered, Spool, read_record, write_record};
pub use values::ValueSpool;
