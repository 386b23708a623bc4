//! The footer's checksums: one of all bytes before it, pages with their headers;
//! and its own, of what says where the pages lie, what columns they are of, how
//! many rows they hold, and where the table comes from.

use parquet::file::metadata::{KeyValue, ParquetMetaData, RowGroupMetaData};

use crate::provenance::FOOTER_KEY;

/// The name of the schema in footers that have a checksum.
pub(crate) const SCHEMA: &str = "apo";

/// How a footer names this project as its writer, before the version.
const WRITER: &str = "apo ";

/// The key under which the footer's own checksum stands: CRC-32, hex.
const KEY: &str = "apo.crc32";

/// The key of the checksum of all bytes between the file's first four and its
/// footer.
const DATA_KEY: &str = "apo.data.crc32";

/// Makes the footer's entries for a file whose provenance and row groups are
/// these; `data` is the CRC-32 of the bytes before the footer.
pub(crate) fn entries(provenance: &str, groups: &[RowGroupMetaData], data: u32) -> [KeyValue; 2] {
    let data = format!("{data:08x}");
    let own = checksum(provenance, groups, Some(&data));
    [(DATA_KEY, data), (KEY, own)].map(|(key, value)| KeyValue::new(key.into(), value))
}

/// Returns the checksum of the bytes before the footer; none where there is none.
pub(crate) fn data(file: &ParquetMetaData) -> Option<&str> {
    value(file, DATA_KEY).flatten()
}

/// Returns the value of a footer's entry; none where there is no such entry.
fn value<'a>(file: &'a ParquetMetaData, key: &str) -> Option<Option<&'a str>> {
    let mut entries = file
        .file_metadata()
        .key_value_metadata()
        .into_iter()
        .flatten();
    let found = entries.find(|it| it.key == key);
    found.map(|it| it.value.as_deref())
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
    let found = match value(file, KEY) {
        Some(found) if is_ours || is_marked => found,
        // Tables that were written before there were checksums have none.
        _ => return !is_marked,
    };
    let provenance = value(file, FOOTER_KEY).flatten().unwrap_or_default();
    found == Some(checksum(provenance, file.row_groups(), data(file)).as_str())
}

fn checksum(provenance: &str, groups: &[RowGroupMetaData], data: Option<&str>) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(provenance.as_bytes());
    hasher.update(data.unwrap_or_default().as_bytes());
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
