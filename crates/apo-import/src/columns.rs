//! Columns whose names the user says.

use std::borrow::Cow;
use std::str::FromStr;

use crate::fault::Fault;
use crate::fields::{self, Fields};
use crate::forms::{PREFERENCE_FIELDS, QUERY_FIELDS, is_read};
use crate::record::Record;

/// A field of a form, and the column of a file that it is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The field's name in the [documented](fn@crate::documentation) forms.
    pub field: String,
    /// The column's name.
    pub column: String,
}

impl FromStr for Renamed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((field, column)) if !field.is_empty() && !column.is_empty() => Ok(Self {
                field: field.to_owned(),
                column: column.to_owned(),
            }),
            _ => Err("expected FIELD=COLUMN, such as prompt=instruction"),
        }
    }
}

/// What the user says of a file's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Fields that have other names in the file.
    pub renamed: Vec<Renamed>,
    /// The column that names a row's subset.
    pub subset: Option<String>,
}

impl Columns {
    /// Checks that each field is one that a form reads, and that no field and no column is
    /// named twice.
    ///
    /// # Errors
    ///
    /// Says, for people, what is wrong.
    pub fn check(&self) -> Result<(), String> {
        for (i, it) in self.renamed.iter().enumerate() {
            let Renamed { field, column } = it;
            if !is_read(field, PREFERENCE_FIELDS) && !is_read(field, QUERY_FIELDS) {
                return Err(format!(
                    "`{field}` in `{field}={column}` is no field that is read; TABLES.md lists them"
                ));
            }
            let before = &self.renamed[..i];
            if before
                .iter()
                .any(|it| &it.field == field || &it.column == column)
            {
                return Err(format!(
                    "`{field}={column}`: the field or the column is named twice"
                ));
            }
        }
        Ok(())
    }

    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        self.renamed.is_empty() && self.subset.is_none()
    }

    /// Returns the names of the columns that are to be read: those of the forms, and those
    /// that the user says.
    pub fn with<'a>(&'a self, of_forms: &[&'a str]) -> Vec<&'a str> {
        let renamed = self.renamed.iter().map(|it| it.column.as_str());
        let said = renamed.chain(self.subset.as_deref());
        of_forms.iter().copied().chain(said).collect()
    }

    /// Returns the name of the field that a column is read as: its own, unless another
    /// column takes its place or it is the subset's.
    pub(crate) fn field_of<'a>(&'a self, column: &'a str) -> Option<&'a str> {
        if let Some(found) = self.renamed.iter().find(|it| it.column == column) {
            return Some(&found.field);
        }
        let is_taken = self.renamed.iter().any(|it| it.field == column);
        (!is_taken && self.subset.as_deref() != Some(column)).then_some(column)
    }

    /// Gives fields the names of the forms.
    pub(crate) fn apply<'a>(&'a self, found: Fields<'a>) -> Fields<'a> {
        found.renamed(|name| match name {
            Cow::Borrowed(name) => self.field_of(name).map(Cow::Borrowed),
            Cow::Owned(name) => self.field_of(&name).map(|it| Cow::Owned(it.to_owned())),
        })
    }

    /// Returns the subset that a record names; `None` if no column says it.
    ///
    /// # Errors
    ///
    /// When the column is missing or is not a text.
    pub(crate) fn subset_of(&self, record: &Record) -> Result<Option<String>, Fault> {
        let Some(column) = &self.subset else {
            return Ok(None);
        };
        fields::of(record, |text| {
            let found = fields::object(text)?;
            let value = found.get(column);
            let value =
                value.ok_or_else(|| Fault::malformed(format!("`{column}` is missing or null")))?;
            fields::text(column, value).map(Some)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(renamed: &[&str], subset: Option<&str>) -> Columns {
        let renamed = renamed.iter().map(|it| it.parse().expect("FIELD=COLUMN"));
        Columns {
            renamed: renamed.collect(),
            subset: subset.map(Into::into),
        }
    }

    #[test]
    fn a_field_is_read_from_the_column_that_is_said() {
        let columns = columns(&["prompt=ask", "chosen=good"], Some("kind"));
        for (column, field) in [
            ("ask", Some("prompt")),
            ("good", Some("chosen")),
            ("rejected", Some("rejected")),
            // Other columns take the places of these.
            ("prompt", None),
            ("chosen", None),
            ("kind", None),
        ] {
            assert_eq!(columns.field_of(column), field, "{column}");
        }
        assert_eq!(columns.with(&["prompt"]), ["prompt", "ask", "good", "kind"]);
    }

    #[test]
    fn an_unknown_field_and_a_name_said_twice_are_refused() {
        for renamed in [
            &["prompt=a", "prompt=b"][..],
            &["prompt=a", "chosen=a"],
            &["promt=a"],
        ] {
            assert!(columns(renamed, None).check().is_err(), "{renamed:?}");
        }
        let whole = columns(&["prompt=a", "chosen=b", "score_chosen=c"], Some("a"));
        assert_eq!(whole.check(), Ok(()));
    }

    #[test]
    fn half_a_name_is_refused() {
        for text in ["prompt", "=a", "a=", ""] {
            assert!(text.parse::<Renamed>().is_err(), "{text:?}");
        }
        let whole: Renamed = "prompt=a=b".parse().expect("a column may have the sign");
        assert_eq!(whole.column, "a=b");
    }
}
