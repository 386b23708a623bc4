//! The tables.

use crate::schema::{Row as _, Table};

mod documentation;
mod judged;
mod metric;
mod pair;
mod query;
mod reject;
mod response;
mod shared;

pub use documentation::documentation;
pub use judged::{SheetKey, Side, VerdictRow};
pub use metric::Metric;
pub use pair::Pair;
pub use query::Query;
pub use reject::Reject;
pub use response::{Finish, POLICY, Response, is_policy};

/// All tables, in the order of the documentation.
pub const ALL: [&Table; 7] = [
    Pair::TABLE,
    Query::TABLE,
    Response::TABLE,
    Metric::TABLE,
    Reject::TABLE,
    VerdictRow::TABLE,
    SheetKey::TABLE,
];
