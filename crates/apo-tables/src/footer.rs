//! The footer's own checksum: page checksums cover the pages, this covers what
//! says where they lie, what columns they are of, how many rows they hold, and
//! where the table comes from.

use parquet::file::metadata::{KeyValue, ParquetMetaData, RowGroupMetaData};

use crate::provenance::FOOTER_KEY;

/// The name of the schema in footers that have a checksum.
pub(crate) const SCHEMA: &str = "apo";

/// How a footer names this project as its writer, before the version.
const WRITER: &str = "apo ";

/// The key under which the checksum stands: CRC-32, hex.
const KEY: &str = "apo.crc32";

/// Makes the footer's entry for a file whose provenance and row groups are these.
pub(crate) fn entry(provenance: &str, groups: &[RowGroupMetaData]) -> KeyValue {
    KeyValue::new(KEY.into(), checksum(provenance, groups))
}

/// Whether a file's footer is as it was written. Those of other programs have no
/// checksum, or one that they copied from a table of ours.
pub(crate) fn is_whole(file: &ParquetMetaData) -> bool {
    let metadata = file.file_metadata();
    let writer = metadata.created_by();
    let is_ours = writer.is_some_and(|it| it.starts_with(WRITER));
    // Damage may hide who wrote a file, but not the name of its schema as well.
    let is_marked =
        metadata.schema_descr().root_schema().name() == SCHEMA && (is_ours || writer.is_none());
    let value = |key| {
        let mut entries = metadata.key_value_metadata().into_iter().flatten();
        entries
            .find(|it| it.key == key)
            .map(|it| it.value.as_deref())
    };
    let found = match value(KEY) {
        Some(found) if is_ours || is_marked => found,
        // Tables that were written before there were checksums have none.
        _ => return !is_marked,
    };
    let provenance = value(FOOTER_KEY).flatten().unwrap_or_default();
    found == Some(checksum(provenance, file.row_groups()).as_str())
}

fn checksum(provenance: &str, groups: &[RowGroupMetaData]) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(provenance.as_bytes());
    for group in groups {
        hasher.update(&group.num_rows().to_le_bytes());
        for column in group.columns() {
            let described = column.column_descr();
            hasher.update(column.column_path().string().as_bytes());
            // A level of compression is not kept.
            let codec = format!("{:?}", column.compression_codec());
            hasher.update(codec.split('(').next().unwrap_or_default().as_bytes());
            for number in [
                column.column_type() as i64,
                i64::from(described.max_def_level()),
                i64::from(described.max_rep_level()),
                column.dictionary_page_offset().unwrap_or(-1),
                column.data_page_offset(),
                column.compressed_size(),
                column.num_values(),
            ] {
                hasher.update(&number.to_le_bytes());
            }
        }
    }
    format!("{:08x}", hasher.finalize())
}
