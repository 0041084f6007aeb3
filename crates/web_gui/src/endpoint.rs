//! One method of one address. A list of these is what the server's routes, the `OpenAPI` document and the table of rights
//! in the tests are made from, so none of them can know an address that the others don't.

use crate::document::{Draft, Input, Output};
use actix_web::http::{Method, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route};
use utoipa::ToSchema;

/// One method of one address, and what is called there.
pub struct Endpoint {
    /// `GET`, `POST` ...
    pub method: Method,
    /// The address with its variables: `/hosts/{id}`.
    pub path: String,
    /// What the document says of it; pages are not in the document.
    pub draft: Option<Draft>,
    route: Route,
}

impl Endpoint {
    fn new<F, Args>(method: Method, path: impl Into<String>, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = web::method(method.clone()).to(handler);
        Self { method, path: path.into(), draft: None, route }
    }

    /// What it does, in a few words; more in `description`, which may be empty.
    #[must_use]
    pub fn says(self, summary: &str, description: &str) -> Self {
        self.drafted(|draft| draft.say(summary, description))
    }

    /// An answer whose type the handler's own type does not tell.
    #[must_use]
    pub fn answers<T: ToSchema>(self, status: u16, what: &str) -> Self {
        self.drafted(|draft| draft.answer::<T>(status, what))
    }

    /// An answer that is no JSON; without a media type it has no body.
    #[must_use]
    pub fn answers_plain(self, status: u16, what: &str, media_type: Option<&str>) -> Self {
        self.drafted(|draft| draft.answer_plain(status, what, media_type))
    }

    /// An answer's header.
    #[must_use]
    pub fn gives_header(self, status: u16, name: &str, what: &str) -> Self {
        self.drafted(|draft| draft.give_header(status, name, what))
    }

    /// A body whose type the handler's own type does not tell.
    #[must_use]
    pub fn takes<T: ToSchema>(self) -> Self {
        self.drafted(Draft::take::<T>)
    }

    /// A header that a request brings.
    #[must_use]
    pub fn takes_header(self, name: &str, what: &str, required: bool) -> Self {
        self.drafted(|draft| draft.take_header(name, what, required))
    }

    /// A refusal that the handler's own type does not tell.
    #[must_use]
    pub fn refuses(self, status: u16, why: &str) -> Self {
        self.drafted(|draft| draft.refuse(status, why))
    }

    fn drafted(mut self, change: impl FnOnce(&mut Draft)) -> Self {
        if let Some(draft) = &mut self.draft {
            change(draft);
        }
        self
    }
}

/// A page or a form: it is not part of the JSON API.
pub fn page<F, Args>(method: Method, path: impl Into<String>, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint::new(method, path, handler)
}

/// A part of the JSON API; `path` begins behind `/api/v1`. What the handler takes and answers is read from its type.
pub fn api<F, Args>(method: Method, path: impl AsRef<str>, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + Input + 'static,
    F::Output: Responder + Output + 'static,
{
    let mut endpoint = Endpoint::new(method, format!("/api/v1{}", path.as_ref()), handler);
    let mut draft = Draft::new(&endpoint.method, &endpoint.path);
    Args::describe(&mut draft);
    F::Output::describe(&mut draft);
    endpoint.draft = Some(draft);
    endpoint
}

/// Adds the endpoints to the server, in their order; those of one path become one resource, which answers 405 to every
/// other method.
pub fn register(config: &mut ServiceConfig, endpoints: Vec<Endpoint>) {
    let mut resources: Vec<(String, Vec<Endpoint>)> = Vec::new();
    for endpoint in endpoints {
        match resources.iter_mut().find(|(known, _)| *known == endpoint.path) {
            Some((_, members)) => members.push(endpoint),
            None => resources.push((endpoint.path.clone(), vec![endpoint])),
        }
    }
    for (path, members) in resources {
        let methods: Vec<&str> = members.iter().map(|member| member.method.as_str()).collect();
        let other = other_methods(methods.join(", "));
        let routes = members.into_iter().map(|member| member.route);
        config.service(routes.fold(web::resource(path), Resource::route).default_service(other));
    }
}

/// Answers every method that an address does not have.
fn other_methods(allowed: String) -> Route {
    web::to(move || {
        let answer =
            HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, allowed.clone())).finish();
        async move { answer }
    })
}
