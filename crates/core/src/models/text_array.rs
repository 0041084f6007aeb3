//! PostgreSQL's `text[]`, `bytea[]` and `uuid[]`, whose elements the generated schema calls nullable.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{Array, Binary, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

/// Reads a `text[]` without NULL elements; a NULL element is an error. For `#[diesel(deserialize_as = TextArray)]`.
#[derive(Debug, FromSqlRow)]
pub struct TextArray(Vec<String>);

impl FromSql<Array<Nullable<Text>>, Pg> for TextArray {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        let values = <Vec<Option<String>> as FromSql<Array<Nullable<Text>>, Pg>>::from_sql(bytes)?;
        values.into_iter().collect::<Option<Vec<_>>>().map(Self).ok_or_else(|| "a text[] holds NULL".into())
    }
}

impl From<TextArray> for Vec<String> {
    fn from(array: TextArray) -> Self {
        array.0
    }
}

/// Reads a `bytea[]` without NULL elements, as [`TextArray`] does.
#[derive(Debug, FromSqlRow)]
pub struct ByteaArray(Vec<Vec<u8>>);

impl FromSql<Array<Nullable<Binary>>, Pg> for ByteaArray {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        let values = <Vec<Option<Vec<u8>>> as FromSql<Array<Nullable<Binary>>, Pg>>::from_sql(bytes)?;
        values.into_iter().collect::<Option<Vec<_>>>().map(Self).ok_or_else(|| "a bytea[] holds NULL".into())
    }
}

impl From<ByteaArray> for Vec<Vec<u8>> {
    fn from(array: ByteaArray) -> Self {
        array.0
    }
}

/// Reads a `uuid[]` without NULL elements, as [`TextArray`] does.
#[derive(Debug, FromSqlRow)]
pub struct UuidArray(Vec<Uuid>);

impl FromSql<Array<Nullable<SqlUuid>>, Pg> for UuidArray {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        let values = <Vec<Option<Uuid>> as FromSql<Array<Nullable<SqlUuid>>, Pg>>::from_sql(bytes)?;
        values.into_iter().collect::<Option<Vec<_>>>().map(Self).ok_or_else(|| "a uuid[] holds NULL".into())
    }
}

impl From<UuidArray> for Vec<Uuid> {
    fn from(array: UuidArray) -> Self {
        array.0
    }
}
