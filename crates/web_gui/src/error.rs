//! What can go wrong for a request, and the one place that says how each looks.

use crate::body;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use selfservice_core::db::{DbError, QueryError};
use selfservice_core::models::sessions::SessionError;
use selfservice_core::plan::PlanError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// When to try again after a load was in the way: most end within that.
const LOAD_SECONDS: u32 = 10;

/// The answer of most handlers.
pub type AppResult<T> = Result<T, AppError>;

/// Why a request was not done. What a person may read is in [`AppError::problem`]; the sources are for the log.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignInNeeded,
    /// Unknown user, wrong password, a link that does not count any more: the same answer.
    #[error("{0}")]
    SignInRefused(&'static str),
    /// Too many failed sign-ins before this one.
    #[error("too many sign-ins failed")]
    TooManyTries {
        /// When to try again.
        seconds: i64,
    },
    /// It does not exist, or this person may not see it: the same answer.
    #[error("not found")]
    NotFound,
    /// The request itself is wrong, in a sentence.
    #[error("{0}")]
    BadRequest(String),
    /// The body did not arrive in time.
    #[error("the body came too slowly")]
    TooSlow,
    /// Some fields are wrong: name to a text that completes "this field ...".
    #[error("some values cannot be accepted")]
    Fields(BTreeMap<String, String>),
    /// The person may see it, but not do this, in a sentence.
    #[error("{0}")]
    Forbidden(String),
    /// Something else is in the way, in a sentence.
    #[error("{detail}")]
    Conflict {
        /// The sentence.
        detail: String,
        /// The task that is in the way.
        task_id: Option<Uuid>,
    },
    /// The object is not what the request was meant for, or the request does not say for what it is meant.
    #[error("{detail}")]
    Condition {
        /// 412 or 428.
        status: StatusCode,
        /// The sentence.
        detail: String,
    },
    /// A load changes the inventory, and nobody else does meanwhile.
    #[error("a load changes the inventory")]
    InventoryBusy,
    /// The database failed or is away.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Our own fault.
    #[error("{0:#}")]
    Internal(#[from] anyhow::Error),
}

/// An error as a person may read it (RFC 9457).
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// What it is, in few words.
    pub title: &'static str,
    /// A sentence or two.
    pub detail: String,
    /// More members for programs.
    pub extra: Map<String, Value>,
}

impl AppError {
    /// Whether the database is away, slow, or read-only after a failover: that passes.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_outage())
    }

    /// What a person may read of it, without statements, versions and paths.
    pub fn problem(&self) -> Problem {
        match self {
            Self::SignInNeeded => Problem::new(401, "Sign in", "Sign in to go on."),
            Self::SignInRefused(sentence) => Problem::new(401, "Sign-in refused", *sentence),
            Self::TooManyTries { seconds } => Problem::new(
                429,
                "Too many tries",
                format!("Too many sign-ins failed. Try again in {seconds} s."),
            )
            .with("retry_after", json!(seconds)),
            Self::NotFound => Problem::new(404, "Not found", "There is nothing here, or you may not see it."),
            Self::BadRequest(detail) => Problem::new(400, "Not understood", detail),
            Self::TooSlow => Problem::new(
                408,
                "Too slow",
                format!("The request must arrive within {} s.", body::BODY_TIME.as_secs()),
            ),
            Self::Fields(errors) => Problem::new(400, "Not accepted", "Some values cannot be accepted.")
                .with("errors", json!(errors)),
            Self::Forbidden(detail) => Problem::new(403, "Not permitted", detail),
            Self::Conflict { detail, task_id } => {
                Problem::new(409, "Something is in the way", detail).with("task_id", json!(task_id))
            }
            Self::Condition { status, detail } => Problem::new(status.as_u16(), "Not what you read", detail),
            Self::InventoryBusy => Problem::new(
                503,
                "A load is running",
                "A load changes the inventory. Nothing was done; try again when it has ended.",
            )
            .with("retry_after", json!(LOAD_SECONDS)),
            Self::Database(_) if self.is_outage() => Problem::new(
                503,
                "The database is away",
                "The database does not answer. Running actions go on; try again in a moment.",
            ),
            Self::Database(_) | Self::Internal(_) => Problem::new(500, "Something went wrong", ""),
        }
    }
}

impl Problem {
    fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            title,
            detail: detail.into(),
            extra: Map::new(),
        }
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.extra.insert(name.to_owned(), value);
        self
    }

    /// For an error that did not come from our handlers, such as a method that a page does not have.
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => AppError::NotFound.problem(),
            413 => Problem::new(413, "Too large", "The request is larger than this address accepts."),
            405 => Problem::new(405, "Not understood", "This address does not know that method."),
            other if status.is_client_error() => {
                Problem::new(other, "Not understood", "The request cannot be understood.")
            }
            _ => AppError::Internal(anyhow::anyhow!("status {status}")).problem(),
        }
    }
}

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        self.problem().status
    }

    /// Only the status: [`crate::answer`] knows whether a page or a program asked, and renders the rest.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl From<QueryError> for AppError {
    fn from(error: QueryError) -> Self {
        Self::Database(DbError::Query(error))
    }
}

impl From<actix_web::error::BlockingError> for AppError {
    fn from(error: actix_web::error::BlockingError) -> Self {
        Self::Internal(anyhow::Error::new(error).context("while using the blocking pool"))
    }
}

impl From<askama::Error> for AppError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(anyhow::Error::new(error).context("while rendering a page"))
    }
}

impl From<SessionError> for AppError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Query(error) => error.into(),
            SessionError::Secret(error) => Self::Internal(error.into()),
        }
    }
}

impl From<PlanError> for AppError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::NotFound => Self::NotFound,
            PlanError::Forbidden => Self::Forbidden(error.to_string()),
            PlanError::Parameters(errors) => Self::Fields(errors),
            PlanError::Query(error) => error.into(),
            PlanError::Macro { .. } | PlanError::Argument { .. } | PlanError::Definition(_) => {
                Self::BadRequest(error.to_string())
            }
        }
    }
}
