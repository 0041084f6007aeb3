//! The page that every error shows; [`crate::answer`] fills it.

use crate::page::Page;
use askama::Template;

/// `error.html`
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// The frame; its title says what went wrong.
    pub page: Page,
    /// HTTP status.
    pub status: u16,
    /// A sentence or two.
    pub detail: String,
    /// Whether trying again may help.
    pub retry: bool,
    /// Whether the page may load itself again as soon as the database is back: it changes nothing.
    pub resumes: bool,
}
