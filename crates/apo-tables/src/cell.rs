//! Single values of Arrow columns, whatever type they are stored in.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, MapArray, StructArray};
use arrow_schema::DataType;
use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};

/// A value of a column.
#[derive(Clone, Debug)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    /// Not a `Float`: the shortest digits of 0.1 are longer there.
    Float32(f32),
    Float(f64),
    Text(&'a str),
    List(ArrayRef),
    /// A row of a record.
    Record(&'a StructArray, usize),
    Map(&'a MapArray, usize),
    /// A value of a type that no reader of this crate asks for.
    Other(&'a DataType),
}

/// Returns the first type in a column's type that is not read as a value.
pub(crate) fn other(kind: &DataType) -> Option<&DataType> {
    match kind {
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View => None,
        kind if kind.is_numeric() => None,
        DataType::Dictionary(_, values) => other(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
            other(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().find_map(|it| other(it.data_type())),
        kind => Some(kind),
    }
}

impl<'a> Cell<'a> {
    /// Returns a column's value in a row.
    pub(crate) fn of(array: &'a dyn Array, row: usize) -> Self {
        if array.is_null(row) {
            return Self::Null;
        }
        macro_rules! value {
            ($type:ty) => {
                array.as_primitive::<$type>().value(row)
            };
        }
        match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().value(row)),
            DataType::Int8 => Self::Integer(value!(Int8Type).into()),
            DataType::Int16 => Self::Integer(value!(Int16Type).into()),
            DataType::Int32 => Self::Integer(value!(Int32Type).into()),
            DataType::Int64 => Self::Integer(value!(Int64Type).into()),
            DataType::UInt8 => Self::Integer(value!(UInt8Type).into()),
            DataType::UInt16 => Self::Integer(value!(UInt16Type).into()),
            DataType::UInt32 => Self::Integer(value!(UInt32Type).into()),
            DataType::UInt64 => Self::Integer(value!(UInt64Type).into()),
            DataType::Float16 => Self::Float32(value!(Float16Type).into()),
            DataType::Float32 => Self::Float32(value!(Float32Type)),
            DataType::Float64 => Self::Float(value!(Float64Type)),
            DataType::Decimal32(..) => {
                Self::decimal(&array.as_primitive::<Decimal32Type>().value_as_string(row))
            }
            DataType::Decimal64(..) => {
                Self::decimal(&array.as_primitive::<Decimal64Type>().value_as_string(row))
            }
            DataType::Decimal128(..) => {
                Self::decimal(&array.as_primitive::<Decimal128Type>().value_as_string(row))
            }
            DataType::Decimal256(..) => {
                Self::decimal(&array.as_primitive::<Decimal256Type>().value_as_string(row))
            }
            DataType::Utf8 => Self::Text(array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Self::Text(array.as_string::<i64>().value(row)),
            DataType::Utf8View => Self::Text(array.as_string_view().value(row)),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let key = match Cell::of(dictionary.keys(), row) {
                    Cell::Integer(key) => usize::try_from(key).ok(),
                    _ => None,
                };
                let values = dictionary.values();
                key.map_or(Self::Null, |key| Self::of(values.as_ref(), key))
            }
            DataType::List(_) => Self::List(array.as_list::<i32>().value(row)),
            DataType::LargeList(_) => Self::List(array.as_list::<i64>().value(row)),
            DataType::Struct(_) => Self::Record(array.as_struct(), row),
            DataType::Map(..) => Self::Map(array.as_map(), row),
            other => Self::Other(other),
        }
    }

    /// Returns the number with these digits: an integer if they are one.
    fn decimal(digits: &str) -> Self {
        let float = || digits.parse().map_or(Self::Null, Self::Float);
        digits.parse().map_or_else(|_| float(), Self::Integer)
    }
}

/// Writes a value as JSON. Numbers that JSON does not have are null.
impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Other(kind) => Err(S::Error::custom(format!(
                "a value of type {kind} cannot be written as JSON"
            ))),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Integer(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => to.serialize_i64(value),
                (_, Ok(value)) => to.serialize_u64(value),
                // Only a decimal is longer than 64 bits.
                _ => to.serialize_f64(*value as f64),
            },
            Self::Float32(value) => to.serialize_f32(*value),
            Self::Float(value) => to.serialize_f64(*value),
            Self::Text(text) => to.serialize_str(text),
            Self::List(items) => {
                to.collect_seq((0..items.len()).map(|row| Cell::of(items.as_ref(), row)))
            }
            Self::Record(record, row) => {
                let fields = record.column_names().into_iter().zip(record.columns());
                Object(fields.map(|(name, column)| (name, column.as_ref())), *row).serialize(to)
            }
            Self::Map(map, row) => {
                let entries = map.value(*row);
                let [keys, values] = [0, 1].map(|it| entries.column(it));
                let mut to = to.serialize_map(None)?;
                for row in 0..entries.len() {
                    let value = Cell::of(values.as_ref(), row);
                    if !matches!(value, Cell::Null) {
                        to.serialize_entry(&Cell::of(keys.as_ref(), row), &value)?;
                    }
                }
                to.end()
            }
        }
    }
}

/// A row of some columns by their names, as a JSON object: what is null is left out.
pub(crate) struct Object<I>(pub I, pub usize);

impl<'a, I: Iterator<Item = (&'a str, &'a dyn Array)> + Clone> Serialize for Object<I> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(columns, row) = self;
        let mut to = to.serialize_map(None)?;
        for (name, column) in columns.clone() {
            let value = Cell::of(column, *row);
            if !matches!(value, Cell::Null) {
                to.serialize_entry(name, &value)?;
            }
        }
        to.end()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder, StringDictionaryBuilder};
    use arrow_array::{
        BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
        Int64Array, LargeStringArray, NullArray, StringArray, StringViewArray, UInt64Array,
    };
    use arrow_schema::Field;

    use super::*;

    /// Checks a column's rows as JSON.
    fn check(array: impl Array, expected: [&str; 3]) {
        let array: &dyn Array = &array;
        assert!(other(array.data_type()).is_none(), "{}", array.data_type());
        for (row, expected) in expected.iter().enumerate() {
            let object = Object([("a", array)].into_iter(), row);
            let json = serde_json::to_string(&object).unwrap();
            assert_eq!(json, *expected, "{}", array.data_type());
        }
    }

    fn decimals(scale: i8) -> Decimal128Array {
        let array = Decimal128Array::from(vec![50, -1, 1225]);
        array.with_precision_and_scale(38, scale).unwrap()
    }

    #[test]
    fn numbers_become_numbers_with_their_own_digits() {
        check(NullArray::new(3), ["{}"; 3]);
        check(
            BooleanArray::from(vec![Some(true), None, Some(false)]),
            [r#"{"a":true}"#, "{}", r#"{"a":false}"#],
        );
        check(
            Int64Array::from(vec![i64::MIN, 0, i64::MAX]),
            [
                r#"{"a":-9223372036854775808}"#,
                r#"{"a":0}"#,
                r#"{"a":9223372036854775807}"#,
            ],
        );
        check(
            UInt64Array::from(vec![0, 7, u64::MAX]),
            [r#"{"a":0}"#, r#"{"a":7}"#, r#"{"a":18446744073709551615}"#],
        );
        check(
            Float32Array::from(vec![0.1, f32::NAN, -2.0]),
            [r#"{"a":0.1}"#, r#"{"a":null}"#, r#"{"a":-2.0}"#],
        );
        check(
            Float64Array::from(vec![0.1, f64::INFINITY, 1e-300]),
            [r#"{"a":0.1}"#, r#"{"a":null}"#, r#"{"a":1e-300}"#],
        );
        check(
            decimals(2),
            [r#"{"a":0.5}"#, r#"{"a":-0.01}"#, r#"{"a":12.25}"#],
        );
        check(decimals(0), [r#"{"a":50}"#, r#"{"a":-1}"#, r#"{"a":1225}"#]);
    }

    #[test]
    fn texts_lists_and_records_become_those_of_json_and_null_is_left_out() {
        check(
            StringArray::from(vec![Some("\"ü\"\n"), None, Some("")]),
            [r#"{"a":"\"ü\"\n"}"#, "{}", r#"{"a":""}"#],
        );
        let xyz = [r#"{"a":"x"}"#, r#"{"a":"y"}"#, r#"{"a":"z"}"#];
        check(LargeStringArray::from(vec!["x", "y", "z"]), xyz);
        check(StringViewArray::from(vec!["x", "y", "z"]), xyz);
        let mut dictionary = StringDictionaryBuilder::<Int8Type>::new();
        dictionary.extend([Some("x"), None, Some("x")]);
        check(dictionary.finish(), [r#"{"a":"x"}"#, "{}", r#"{"a":"x"}"#]);
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("x"), None]);
        lists.append_null();
        lists.append_value([None::<&str>; 0]);
        check(lists.finish(), [r#"{"a":["x",null]}"#, "{}", r#"{"a":[]}"#]);
        let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for (key, value) in [("k", Some("x")), ("n", None)] {
            maps.keys().append_value(key);
            maps.values().append_option(value);
        }
        for is_valid in [true, false, true] {
            maps.append(is_valid).unwrap();
        }
        check(maps.finish(), [r#"{"a":{"k":"x"}}"#, "{}", r#"{"a":{}}"#]);
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("")]));
        let number: ArrayRef = Arc::new(Int8Array::from(vec![None, Some(-1), Some(2)]));
        let field = |name, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
        let fields = [("t", text), ("n", number)];
        let fields = fields.map(|(name, array)| (Arc::new(field(name, &array)), array));
        check(
            StructArray::from(fields.to_vec()),
            [
                r#"{"a":{"t":"x"}}"#,
                r#"{"a":{"n":-1}}"#,
                r#"{"a":{"t":"","n":2}}"#,
            ],
        );
    }

    #[test]
    fn a_time_is_no_text() {
        let dates = Date32Array::from(vec![0]);
        assert_eq!(other(dates.data_type()), Some(&DataType::Date32));
        assert!(serde_json::to_string(&Cell::of(&dates, 0)).is_err());
    }
}
