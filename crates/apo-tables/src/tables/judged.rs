//! Tables of judgements of two policies' responses.

use apo_measures::{JudgedOutcome, Verdict};

use super::shared::{QUERY_ID, SUBSET, one_per_column};
use crate::schema::{Column, ColumnType, Row, Table, Value, optional, required};

const CHARACTERS_A: Column = required(
    "characters_a",
    ColumnType::Int32,
    "length of the first policy's response",
);
const CHARACTERS_B: Column = required(
    "characters_b",
    ColumnType::Int32,
    "length of the second policy's response",
);

/// A judge's verdicts on two responses to a query. A language model judges both
/// orders, a person the one on the sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRow {
    /// Key of the query.
    pub query_id: String,
    /// Part of the data.
    pub subset: String,
    /// Who judged.
    pub judge: String,
    /// The repeat, from 0.
    pub repeat: i32,
    /// The verdict with the first policy's response first.
    pub plain: Option<Verdict>,
    /// The verdict with the second policy's response first.
    pub swapped: Option<Verdict>,
    /// The outcome of both verdicts.
    pub outcome: JudgedOutcome,
    /// Characters of the first policy's response.
    pub characters_a: i32,
    /// Characters of the second one's.
    pub characters_b: i32,
}

/// Reads one of `all` by its name, which `name` returns.
fn one_of<T: Copy>(
    value: &Value<'_>,
    column: &'static str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, (&'static str, String)> {
    let text = value.text();
    let found = all.iter().copied().find(|it| name(*it) == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().copied().map(name).collect();
        let names = names.join(", ");
        (column, format!("is `{text}`, expected one of {names}"))
    })
}

impl Row for VerdictRow {
    const TABLE: &'static Table = &Table {
        name: "verdicts",
        written_by: &["judge compare", "judge human tally"],
        columns: &[
            QUERY_ID,
            SUBSET,
            required("judge", ColumnType::Text, "who judged: a model or a person"),
            required("repeat", ColumnType::Int32, "number of the repeat, from 0"),
            optional(
                "plain",
                ColumnType::Text,
                "`a`, `b`, `same` or `invalid`, the first policy's response first; null if a \
                 person saw the other order",
            ),
            optional(
                "swapped",
                ColumnType::Text,
                "the same, the second policy's response first",
            ),
            required(
                "outcome",
                ColumnType::Text,
                "both together: `a`, `b`, `tie`, `inconsistent` or `invalid`",
            ),
            CHARACTERS_A,
            CHARACTERS_B,
        ],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put((&self.query_id).into());
        put((&self.subset).into());
        put((&self.judge).into());
        put(self.repeat.into());
        put(self.plain.map(Verdict::as_str).into());
        put(self.swapped.map(Verdict::as_str).into());
        put(self.outcome.as_str().into());
        put(self.characters_a.into());
        put(self.characters_b.into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        let [
            query_id,
            subset,
            judge,
            repeat,
            plain,
            swapped,
            outcome,
            characters_a,
            characters_b,
        ] = one_per_column(values);
        let verdict = |value: &Value<'_>, column| match value {
            Value::Null => Ok(None),
            value => one_of(value, column, &Verdict::ALL, Verdict::as_str).map(Some),
        };
        Ok(Self {
            query_id: query_id.text(),
            subset: subset.text(),
            judge: judge.text(),
            repeat: repeat.int32().unwrap_or(0),
            plain: verdict(plain, "plain")?,
            swapped: verdict(swapped, "swapped")?,
            outcome: one_of(
                outcome,
                "outcome",
                &JudgedOutcome::ALL,
                JudgedOutcome::as_str,
            )?,
            characters_a: characters_a.int32().unwrap_or(0),
            characters_b: characters_b.int32().unwrap_or(0),
        })
    }
}

/// One of two policies that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first policy.
    A,
    /// The second one.
    B,
}

impl Side {
    /// Both of them.
    const ALL: [Self; 2] = [Self::A, Self::B];

    /// Returns the text in the column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// A query of a sheet for people, and which policy is on which side. Only those who
/// tally the votes see this table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetKey {
    /// Key of the query.
    pub query_id: String,
    /// Part of the data.
    pub subset: String,
    /// The policy on the left.
    pub left: Side,
    /// SHA-256 of what is shown, hex.
    pub digest: String,
    /// Characters of the first policy's response.
    pub characters_a: i32,
    /// Characters of the second one's.
    pub characters_b: i32,
}

impl Row for SheetKey {
    const TABLE: &'static Table = &Table {
        name: "key",
        written_by: &["judge human sheet"],
        columns: &[
            QUERY_ID,
            SUBSET,
            required(
                "left",
                ColumnType::Text,
                "the policy on the left, `a` or `b`",
            ),
            required("digest", ColumnType::Text, "SHA-256 of what is shown, hex"),
            CHARACTERS_A,
            CHARACTERS_B,
        ],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put((&self.query_id).into());
        put((&self.subset).into());
        put(self.left.as_str().into());
        put((&self.digest).into());
        put(self.characters_a.into());
        put(self.characters_b.into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        let [query_id, subset, left, digest, characters_a, characters_b] = one_per_column(values);
        Ok(Self {
            query_id: query_id.text(),
            subset: subset.text(),
            left: one_of(left, "left", &Side::ALL, Side::as_str)?,
            digest: digest.text(),
            characters_a: characters_a.int32().unwrap_or(0),
            characters_b: characters_b.int32().unwrap_or(0),
        })
    }
}
