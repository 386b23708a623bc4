//! The part of the page TABLES.md that documents tables.

use crate::schema::Table;

/// Documents tables, in Markdown.
pub fn documentation(tables: &[&Table]) -> String {
    let mut page = String::from(
        "# Tables\n\nParquet, zstd. A table is a file, or a folder of `*.parquet`, `*.parq` or `*.pq` parts that are \
         read in the order of their names. Columns may be in any order, and others may be among them.\n",
    );
    for table in tables {
        page += &format!(
            "\n## {}\n\nWritten by {}.\n\n| column | type | what it holds |\n|---|---|---|\n",
            table.name,
            table.writers()
        );
        for column in table.columns {
            let or_null = if column.optional { " or null" } else { "" };
            page += &format!(
                "| `{}` | {}{or_null} | {} |\n",
                column.name, column.kind, column.meaning
            );
        }
    }
    page
}
