//! Columns, tables, and the values of rows.

use std::fmt;

use arrow_schema::{DataType, Field, Schema};

use crate::alternatives::alternatives;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// Signed 32-bit integer.
    Int32,
    /// Signed 64-bit integer.
    Int64,
    /// 32-bit float.
    Float32,
}

impl ColumnType {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
        }
    }

    /// Whether a column of this Arrow type can hold such values. A number that does
    /// not fit is an error when its row is read.
    fn accepts(self, found: &DataType) -> bool {
        match (self, found) {
            // A column with nothing but nulls. If a value is required, the first
            // row is an error.
            (_, DataType::Null) => true,
            (Self::Text, DataType::Dictionary(_, value)) => self.accepts(value),
            (Self::Text, found) => matches!(
                found,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            ),
            (Self::Int32 | Self::Int64, found) => found.is_integer(),
            (Self::Float32, found) => found.is_numeric(),
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "utf8",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
        })
    }
}

/// A column's name, type and meaning.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The column's name.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnType,
    /// Whether it may be null, or absent as a whole.
    pub optional: bool,
    /// What it holds, for the documentation.
    pub meaning: &'static str,
}

/// Declares a column that every row has.
pub(crate) const fn required(
    name: &'static str,
    kind: ColumnType,
    meaning: &'static str,
) -> Column {
    Column {
        name,
        kind,
        optional: false,
        meaning,
    }
}

/// Declares a column that may be null or absent.
pub(crate) const fn optional(
    name: &'static str,
    kind: ColumnType,
    meaning: &'static str,
) -> Column {
    Column {
        name,
        kind,
        optional: true,
        meaning,
    }
}

/// The declaration of one kind of table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The commands that write such tables; errors name them.
    pub written_by: &'static [&'static str],
    /// Its columns. A file may have others, too.
    pub columns: &'static [Column],
}

impl Table {
    /// Returns the commands that write such tables, as a phrase.
    pub(crate) fn writers(&self) -> String {
        let quoted: Vec<String> = self.written_by.iter().map(|it| format!("`{it}`")).collect();
        alternatives(&quoted)
    }

    /// Returns every fault of a file's schema; such a table has none.
    pub(crate) fn faults(&self, found: &Schema) -> Vec<String> {
        let fault = |column: &Column| match found.field_with_name(column.name) {
            Err(_) if column.optional => None,
            Err(_) => Some(format!("column `{}` is missing", column.name)),
            Ok(field) if column.kind.accepts(field.data_type()) => None,
            Ok(field) => Some(format!(
                "column `{}` is {}, expected {}",
                column.name,
                field.data_type(),
                column.kind
            )),
        };
        self.columns.iter().filter_map(fault).collect()
    }

    pub(crate) fn schema(&self) -> Schema {
        let field =
            |column: &Column| Field::new(column.name, column.kind.data_type(), column.optional);
        Schema::new(self.columns.iter().map(field).collect::<Vec<_>>())
    }
}

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// A value of a text column.
    Text(&'a str),
    /// A value of an integer column.
    Int(i64),
    /// A value of a float column.
    Float(f32),
}

impl Value<'_> {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            _ => String::new(),
        }
    }

    pub(crate) fn int(self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(int),
            _ => None,
        }
    }

    pub(crate) fn int32(self) -> Option<i32> {
        self.int().and_then(|int| i32::try_from(int).ok())
    }

    pub(crate) fn float(self) -> Option<f32> {
        match self {
            Self::Float(float) => Some(float),
            _ => None,
        }
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Value<'_> {
    fn from(int: i32) -> Self {
        Self::Int(int.into())
    }
}

impl From<i64> for Value<'_> {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<f32> for Value<'_> {
    fn from(float: f32) -> Self {
        Self::Float(float)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of a table.
pub trait Row: Sized {
    /// The table's declaration.
    const TABLE: &'static Table;

    /// Calls `put` with each value, in the order of the table's columns.
    fn each(&self, put: &mut dyn FnMut(Value<'_>));

    /// Makes a row from its values, in the order of the table's columns. Required
    /// values are never null.
    ///
    /// # Errors
    ///
    /// When a value is not allowed; the error is the column and what is wrong.
    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)>;
}
