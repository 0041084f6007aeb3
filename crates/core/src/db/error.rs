//! What can go wrong between us and the database.

use diesel::result::{DatabaseErrorKind, Error};

/// See the module's text.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection could be had in time: the server is away, or every connection is busy.
    #[error("the database cannot be reached")]
    Unreachable(#[source] r2d2::Error),
    /// The caller's time was over before the database had answered.
    #[error("the database did not answer in time")]
    TooLate,
    /// A statement failed.
    #[error("the database refused a statement")]
    Query(#[from] Error),
}

impl DbError {
    /// Whether trying again later may help: the server is away, ended the connection, is read-only after a failover,
    /// has no room, or took too long.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooLate => true,
            Self::Query(error) => is_outage(error),
        }
    }
}

/// What the server says, in English, when the fault is not in the statement. diesel does not give the SQLSTATE, so every
/// session asks for English messages; where its role may not, a lost connection and a read-only server are still known.
const PASSING: [&str; 14] = [
    "connection",
    "terminating",
    "starting up",
    "shutting down",
    "recovery",
    "read-only transaction",
    "canceling statement",
    "deadlock detected",
    "too many clients",
    "remaining connection slots",
    "out of memory",
    "No space left",
    "could not extend",
    "could not write",
];

fn is_outage(error: &Error) -> bool {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::SerializationFailure,
            _,
        )
        | Error::BrokenTransactionManager => true,
        Error::DatabaseError(
            DatabaseErrorKind::Unknown | DatabaseErrorKind::UnableToSendCommand,
            information,
        ) => PASSING.iter().any(|words| information.message().contains(words)),
        Error::RollbackErrorOnCommit { rollback_error, commit_error } => {
            is_outage(commit_error) || is_outage(rollback_error)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(message: &str) -> DbError {
        Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())).into()
    }

    #[test]
    fn what_passes_is_told_from_what_is_wrong_with_the_statement() {
        for message in [
            "server closed the connection unexpectedly",
            "terminating connection due to administrator command",
            "cannot execute UPDATE in a read-only transaction",
            "the database system is starting up",
            "the database system is in recovery mode",
            "canceling statement due to statement timeout",
            "canceling statement due to lock timeout",
            "sorry, too many clients already",
            "could not extend file \"base/1/2\": No space left on device",
        ] {
            assert!(unknown(message).is_outage(), "{message}");
        }
        for message in ["invalid byte sequence for encoding \"UTF8\": 0x00", "value too long for type"] {
            assert!(!unknown(message).is_outage(), "{message}");
        }
        let duplicate = Error::DatabaseError(
            DatabaseErrorKind::UniqueViolation,
            Box::new("a connection of that name exists".to_owned()),
        );
        assert!(!DbError::from(duplicate).is_outage());
    }
}
