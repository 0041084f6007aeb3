//! What the document says of one endpoint, while it is being put together.

use super::{CSRF, SESSION, TOKEN};
use actix_web::http::Method;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, RefOr, Required};

/// The schema of every error.
pub(super) const PROBLEM: &str = "Problem";

type Named = (String, RefOr<Schema>);

/// What the document says of one endpoint.
#[derive(Clone)]
pub struct Draft {
    path: String,
    method: Method,
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    body: Option<RefOr<Schema>>,
    answers: BTreeMap<u16, Response>,
    signed: bool,
    schemas: Vec<Named>,
}

impl Draft {
    /// Nothing is known but the address.
    pub(crate) fn new(method: &Method, path: &str) -> Self {
        let mut draft = Self {
            path: path.to_owned(),
            method: method.clone(),
            summary: String::new(),
            description: String::new(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            signed: false,
            schemas: Vec::new(),
        };
        draft.refuse(403, "A page of another site asks, or the asker has no right to this.");
        draft.refuse(500, "The service failed; its log tells more under `correlation_id`.");
        draft.refuse(503, "The database is away, or a load changes the inventory. Running actions go on; ask again in a moment.");
        draft
    }

    /// The address with its variables.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it asks who is there.
    pub fn is_signed(&self) -> bool {
        self.signed
    }

    pub(super) fn method(&self) -> HttpMethod {
        match self.method {
            Method::POST => HttpMethod::Post,
            Method::PUT => HttpMethod::Put,
            Method::DELETE => HttpMethod::Delete,
            Method::PATCH => HttpMethod::Patch,
            _ => HttpMethod::Get,
        }
    }

    pub(super) fn schemas(&self) -> &[Named] {
        &self.schemas
    }

    pub(crate) fn say(&mut self, summary: &str, description: &str) {
        (self.summary, self.description) = (summary.to_owned(), description.to_owned());
    }

    pub(crate) fn answer<T: ToSchema>(&mut self, status: u16, what: &str) {
        let schema = self.refer::<T>();
        let content = ContentBuilder::new().schema(Some(schema)).build();
        self.add(status, ResponseBuilder::new().description(what).content("application/json", content));
    }

    pub(crate) fn answer_plain(&mut self, status: u16, what: &str, media_type: Option<&str>) {
        let answer = ResponseBuilder::new().description(what);
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        self.add(
            status,
            match media_type {
                Some(kind) => answer.content(kind, ContentBuilder::new().schema(Some(text)).build()),
                None => answer,
            },
        );
    }

    pub(crate) fn give_header(&mut self, status: u16, name: &str, what: &str) {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let header = HeaderBuilder::new().schema(Some(text)).description(Some(what)).build();
        if let Some(answer) = self.answers.get_mut(&status) {
            answer.headers.insert(name.to_owned(), header.into());
        }
    }

    pub(crate) fn refuse(&mut self, status: u16, why: &str) {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(PROBLEM))).build();
        self.add(
            status,
            ResponseBuilder::new().description(why).content("application/problem+json", content),
        );
    }

    pub(crate) fn take<T: ToSchema>(&mut self) {
        self.body = Some(self.refer::<T>());
        self.refuse(400, "The body or the address is not understood, the body is too large or no JSON, or a value cannot be accepted.");
        self.refuse(408, "The body did not arrive in time.");
    }

    pub(crate) fn take_header(&mut self, name: &str, what: &str, required: bool) {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        self.parameters.push(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .required(if required { Required::True } else { Required::False })
                .description(Some(what))
                .schema(Some(text))
                .build(),
        );
    }

    /// Who asks counts.
    pub(super) fn sign(&mut self) {
        self.signed = true;
        self.refuse(401, "Nobody is signed in, or the token does not count any more.");
    }

    /// Every variable of the path has this schema.
    pub(super) fn take_path(&mut self, schema: &Schema) {
        let names =
            self.path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
        let parameters = names.map(|name| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(schema.clone()))
                .build()
        });
        self.parameters.extend(parameters.collect::<Vec<_>>());
        self.refuse(404, "It does not exist, or the asker may not see it.");
    }

    pub(super) fn take_query(&mut self, parameters: Vec<Parameter>) {
        self.parameters.extend(parameters);
        self.refuse(400, "The address is not understood.");
    }

    fn add(&mut self, status: u16, answer: ResponseBuilder) {
        self.answers.insert(status, answer.build());
    }

    /// Remembers the schema and everything that it refers to; gives the reference.
    fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        Ref::from_schema_name(T::name()).into()
    }

    pub(super) fn operation(&self) -> Operation {
        let body = self.body.clone().map(|schema| {
            let content = ContentBuilder::new().schema(Some(schema)).build();
            RequestBodyBuilder::new()
                .content("application/json", content)
                .required(Some(Required::True))
                .build()
        });
        let answers = self.answers.iter().map(|(status, answer)| (status.to_string(), answer.clone().into()));
        let operation = OperationBuilder::new()
            .tag(self.tag())
            .operation_id(Some(self.id()))
            .summary(Some(self.summary.clone()))
            .description(Some(self.description.clone()).filter(|text| !text.is_empty()))
            .parameters(Some(self.parameters.clone()))
            .request_body(body)
            .responses(
                utoipa::openapi::ResponsesBuilder::new().responses_from_iter::<_, _, RefOr<_>>(answers),
            );
        if !self.signed {
            return operation.build();
        }
        let no_scopes = [""; 0];
        let session = SecurityRequirement::new(SESSION, no_scopes);
        let session = if self.method.is_safe() { session } else { session.add(CSRF, no_scopes) };
        operation.securities(Some([SecurityRequirement::new(TOKEN, no_scopes), session])).build()
    }

    /// The first word behind `/api/v1/`.
    fn tag(&self) -> &str {
        self.path.split('/').nth(3).unwrap_or_default().trim_end_matches(".json")
    }

    /// `get_tasks_id_log`
    fn id(&self) -> String {
        let words = self.path.split(['/', '{', '}', '.']).filter(|word| !word.is_empty()).skip(2);
        std::iter::once(self.method.as_str().to_lowercase().as_str())
            .chain(words)
            .collect::<Vec<_>>()
            .join("_")
    }
}

/// `application/problem+json`, as every refusal has it.
pub(super) fn problem() -> Schema {
    let text = |what: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(what));
    let number = |what: &str| ObjectBuilder::new().schema_type(Type::Integer).description(Some(what));
    let uuid = |what: &str| text(what).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    let sentences = AdditionalProperties::RefOr(text("A sentence.").into());
    ObjectBuilder::new()
        .description(Some("Why a request was not done (RFC 9457)."))
        .property("title", text("What it is, in few words."))
        .property("status", number("The HTTP status."))
        .property("detail", text("A sentence or two for the person who asked."))
        .property(
            "errors",
            ObjectBuilder::new()
                .description(Some("The values that cannot be accepted, and why."))
                .additional_properties(Some(sentences)),
        )
        .property(
            "task_id",
            uuid("The task that is in the way.")
                .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null])),
        )
        .property("retry_after", number("When to ask again, in seconds."))
        .property("correlation_id", uuid("Under this number the service's log tells more."))
        .required("title")
        .required("status")
        .required("detail")
        .examples([serde_json::json!({
            "title": "Not found", "status": 404, "detail": "There is nothing here, or you may not see it."
        })])
        .into()
}
