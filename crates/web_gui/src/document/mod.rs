//! The `OpenAPI` document of the JSON API, made from the list of endpoints.
//!
//! What a handler takes and answers is read from its type: [`Input`] and [`Output`] say what each part of it means for
//! the document. The list adds words, and what a type does not tell.

mod draft;
mod parts;

pub use draft::Draft;
pub use parts::{Input, Output};

use crate::endpoint::Endpoint;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Server};

/// The session cookie, in the document.
const SESSION: &str = "session";
/// The token that a writing request brings beside the cookie.
const CSRF: &str = "csrf";
/// The API token.
const TOKEN: &str = "token";

const DESCRIPTION: &str = "Everything that the pages and the popup do. \
    A program brings an API token (`tasks token add`) as `Authorization: Bearer`. A browser brings its session's cookie; \
    what it sends to change something needs the session's `csrf_token` in `X-CSRF-Token` besides, and comes from a page of \
    the service itself.\n\n\
    What is not there and what the asker may not see are answered alike, with 404. Every error is a problem document \
    (RFC 9457) with a sentence in `detail`. Lists are read page by page: `next` of one answer is `after` of the next \
    request, and null at the end. Unknown members and query parameters are refused.";

/// The document for a service that lives below `base_path` (empty: at the root of its host) and keeps sessions in a
/// cookie of this name.
pub fn document(endpoints: &[Endpoint], base_path: &str, cookie: &str) -> OpenApi {
    let drafts = || endpoints.iter().filter_map(|endpoint| endpoint.draft.as_ref());
    let mut paths = Paths::new();
    for draft in drafts() {
        paths.add_path_operation(draft.path(), vec![draft.method()], draft.operation());
    }
    let components = drafts()
        .flat_map(|draft| draft.schemas().iter().cloned())
        .fold(ComponentsBuilder::new(), |components, (name, schema)| components.schema(name, schema))
        .schema(draft::PROBLEM, draft::problem())
        .security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(cookie))))
        .security_scheme(CSRF, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-CSRF-Token"))))
        .security_scheme(
            TOKEN,
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
    let info = InfoBuilder::new()
        .title("Self Service Manager")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION));
    let root = if base_path.is_empty() { "/" } else { base_path };
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new(root)]))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::routes::endpoints;
    use serde_json::Value;
    use std::collections::BTreeMap;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = serde_json::to_value(document(&endpoints(), "", "cookie")).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{found:?}");
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    #[test]
    fn one_name_means_one_thing() {
        let mut known = BTreeMap::new();
        for draft in endpoints().iter().filter_map(|endpoint| endpoint.draft.as_ref()) {
            for (name, schema) in draft.schemas() {
                let schema = serde_json::to_value(schema).unwrap();
                let first = known.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(*first, schema, "{name}");
            }
        }
    }

    #[test]
    fn every_address_says_what_it_does_and_how_it_ends() {
        let document = serde_json::to_value(document(&endpoints(), "/heal", "cookie")).unwrap();
        assert_eq!(document["servers"][0]["url"], "/heal");
        let mut ids = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert_ne!(operation["summary"], "", "{method} {path}");
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}");
                let signed = operation["security"].is_array();
                assert!(!signed || answers.contains_key("401"), "{method} {path}");
                ids.push(operation["operationId"].as_str().unwrap().to_owned());
            }
        }
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "two addresses have the same name");
    }
}
