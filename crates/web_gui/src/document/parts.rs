//! What the parts of a handler's type mean for the document.

use super::Draft;
use crate::auth::Signed;
use crate::body::Json;
use crate::error::AppResult;
use crate::state::AppState;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// What a handler takes.
pub trait Input {
    /// Tells the draft what it means.
    fn describe(draft: &mut Draft);
}

/// What a handler answers.
pub trait Output {
    /// Tells the draft what it means.
    fn describe(draft: &mut Draft);
}

impl Input for web::Data<AppState> {
    fn describe(_: &mut Draft) {}
}

impl Input for HttpRequest {
    fn describe(_: &mut Draft) {}
}

impl Input for Signed {
    fn describe(draft: &mut Draft) {
        draft.sign();
    }
}

impl Input for web::Path<i64> {
    fn describe(draft: &mut Draft) {
        let id = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
        draft.take_path(&id.into());
    }
}

impl Input for web::Path<String> {
    fn describe(draft: &mut Draft) {
        draft.take_path(&ObjectBuilder::new().schema_type(Type::String).into());
    }
}

impl Input for web::Path<Uuid> {
    fn describe(draft: &mut Draft) {
        let id = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
        draft.take_path(&id.into());
    }
}

impl<Q: IntoParams> Input for web::Query<Q> {
    fn describe(draft: &mut Draft) {
        draft.take_query(Q::into_params(|| Some(ParameterIn::Query)));
    }
}

impl<B: ToSchema> Input for Json<B> {
    fn describe(draft: &mut Draft) {
        draft.take::<B>();
    }
}

impl Output for HttpResponse {
    fn describe(_: &mut Draft) {}
}

impl<T: ToSchema> Output for web::Json<T> {
    fn describe(draft: &mut Draft) {
        draft.answer::<T>(200, "Done.");
    }
}

impl<T: Output> Output for AppResult<T> {
    fn describe(draft: &mut Draft) {
        T::describe(draft);
    }
}

macro_rules! tuple {
    ($($part:ident)*) => {
        impl<$($part: Input),*> Input for ($($part,)*) {
            fn describe(_draft: &mut Draft) {
                $($part::describe(_draft);)*
            }
        }
    };
}

tuple!();
tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
