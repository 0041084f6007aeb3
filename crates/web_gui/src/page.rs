//! What several pages show, in the words that their templates use.

use crate::api;
use crate::auth::Signed;
use crate::error::{AppError, AppResult};
use crate::security;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::future::LocalBoxFuture;
use selfservice_core::models::hostgroups::Hostgroup;
use selfservice_core::models::hosts::{Host, PlacedEnvironment, Placement};
use selfservice_core::models::services::Service;
use selfservice_core::models::tasks::{Severity, Task, TaskKind, TaskResult, TaskState};
use std::fmt::Write as _;

/// The content type of every page.
pub const HTML: &str = "text/html; charset=utf-8";
/// Rows of one page of a list.
pub const ROWS: usize = 50;

/// What the frame of a page needs.
pub struct Page {
    /// Heading and window title.
    pub title: String,
    /// The menu entry that is marked.
    pub section: &'static str,
    /// `auto`, `dark` or `light`.
    pub theme: String,
    /// The signed-in person; without one the page has no menu.
    pub viewer: Option<String>,
    /// Whether the menu has what administrators have.
    pub administers: bool,
    /// For the sign-out form.
    pub csrf_token: String,
}

impl Page {
    /// The frame for a request.
    pub fn new(
        request: &HttpRequest,
        signed: Option<&Signed>,
        title: impl Into<String>,
        section: &'static str,
    ) -> Self {
        Self {
            title: title.into(),
            section,
            theme: theme(request.query_string()).to_owned(),
            viewer: signed.map(|signed| signed.user.display_name().to_owned()),
            administers: signed.is_some_and(|signed| signed.administers),
            csrf_token: signed.map_or_else(String::new, |signed| signed.csrf_token.clone()),
        }
    }
}

/// The theme that `?theme=` asks for.
pub fn theme(query: &str) -> &'static str {
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("theme="));
    match asked {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "auto",
    }
}

/// The reader of a page: somebody signed in, and what the page's frame needs.
pub struct Reader {
    /// Who reads.
    pub signed: Signed,
    request: HttpRequest,
}

impl Reader {
    /// The frame of their page.
    pub fn page(&self, title: impl Into<String>, section: &'static str) -> Page {
        Page::new(&self.request, Some(&self.signed), title, section)
    }

    /// Whether another site holds the page in a frame, as far as the browser says.
    pub fn is_foreign_frame(&self) -> bool {
        security::is_foreign_frame(self.request.headers())
    }
}

impl FromRequest for Reader {
    type Error = AppError;
    type Future = LocalBoxFuture<'static, AppResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let signed = Signed::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move { Ok(Self { signed: signed.await?, request }) })
    }
}

/// Renders a page.
pub fn html(template: &impl Template) -> AppResult<HttpResponse> {
    html_with(StatusCode::OK, template)
}

/// Renders a page that says why something was not done.
pub fn html_with(status: StatusCode, template: &impl Template) -> AppResult<HttpResponse> {
    Ok(HttpResponse::build(status).content_type(HTML).body(template.render()?))
}

/// Text as one part of a URL's query.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}

/// The address of a list that is restricted so; empty fields are left out.
pub fn url(path: &str, fields: &[(&str, &str)]) -> String {
    let kept = fields.iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<String> = kept.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// The address of a list's next page, with what restricts the list kept.
pub fn next_url(path: &str, fields: &[(&str, &str)], after: &str) -> String {
    url(path, &[fields, &[("after", after)]].concat())
}

/// Cuts a list that was read one row too long, and gives the last row's key where there is a next page.
pub fn cut<T>(rows: &mut Vec<T>, key: impl Fn(&T) -> String) -> Option<String> {
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);
    rows.last().filter(|_| more).map(key)
}

/// How many rows to read: one more than the page shows tells whether there is a next page.
pub fn limit() -> i64 {
    i64::try_from(ROWS + 1).unwrap_or(i64::MAX)
}

/// A moment.
pub struct When {
    /// RFC 3339, in UTC.
    pub iso: String,
    /// The same for people, for readers without JavaScript.
    pub text: String,
}

impl From<DateTime<Utc>> for When {
    fn from(moment: DateTime<Utc>) -> Self {
        Self {
            iso: moment.to_rfc3339_opts(SecondsFormat::Secs, true),
            text: moment.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        }
    }
}

/// A thing with a page of its own.
pub struct Named {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
}

impl From<Service> for Named {
    fn from(service: Service) -> Self {
        Self { id: service.id, name: service.name }
    }
}

impl From<Hostgroup> for Named {
    fn from(hostgroup: Hostgroup) -> Self {
        Self { id: hostgroup.id, name: hostgroup.name }
    }
}

/// An environment's sign.
pub struct Badge {
    /// Its name.
    pub name: String,
    /// Its colour, a word of the style sheet.
    pub colour: String,
}

/// A custom variable.
pub struct Variable {
    /// The macro that expands to it.
    pub macro_name: String,
    /// Its value.
    pub value: String,
}

/// One host in a list.
pub struct HostRow {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// For people.
    pub description: String,
    /// Where it serves.
    pub environments: Vec<Badge>,
    /// What it belongs to.
    pub hostgroups: Vec<Named>,
}

impl HostRow {
    /// A host and where it belongs.
    pub fn new(host: Host, placement: &Placement) -> Self {
        Self {
            id: host.id,
            name: host.name,
            address: host.address,
            description: host.description,
            environments: badges(placement),
            hostgroups: hostgroups(placement),
        }
    }
}

/// The signs of a host's environments.
pub fn badges(placement: &Placement) -> Vec<Badge> {
    let badge = |environment: &PlacedEnvironment| Badge {
        name: environment.name.clone(),
        colour: environment.colour.clone(),
    };
    placement.environments.iter().map(badge).collect()
}

/// A host's groups.
pub fn hostgroups(placement: &Placement) -> Vec<Named> {
    let named = |(id, name): &(i64, String)| Named { id: *id, name: name.clone() };
    placement.hostgroups.iter().map(named).collect()
}

/// How a task stands, in a pill and a few words.
pub struct Standing {
    /// The pill's look.
    pub tone: &'static str,
    /// The pill's word.
    pub word: &'static str,
    /// What stands beside it; may be empty.
    pub detail: String,
}

impl Standing {
    /// How `task` stands.
    pub fn of(task: &Task) -> Self {
        let detail = task.result_text.clone().unwrap_or_default();
        let (tone, word) = match (task.state, task.result) {
            (TaskState::Queued, _) => ("queued", "Queued"),
            (TaskState::Running, _) => ("running", "Running"),
            (TaskState::Finished, Some(TaskResult::Cancelled)) => ("none", "Cancelled"),
            (TaskState::Finished, Some(TaskResult::Expired)) => ("none", "Expired"),
            (TaskState::Finished, Some(TaskResult::Rejected)) => ("none", "Rejected"),
            (TaskState::Finished, result) => match result.map(TaskResult::severity) {
                Some(Severity::Ok) => ("ok", "OK"),
                Some(Severity::Warning) => ("warning", "WARNING"),
                Some(Severity::Critical) => ("critical", "CRITICAL"),
                Some(Severity::Unknown | Severity::None) | None => ("unknown", "UNKNOWN"),
            },
        };
        Self { tone, word, detail }
    }
}

/// One task in a list.
pub struct TaskRow {
    /// Its id.
    pub id: String,
    /// The pill's look.
    pub tone: &'static str,
    /// The pill's word.
    pub word: &'static str,
    /// What stands beside it.
    pub detail: String,
    /// What stands before the handler's name where it was not run.
    pub kind: &'static str,
    /// The handler; id 0, which no page has, where it was deleted.
    pub handler: Named,
    /// The host, likewise.
    pub host: Named,
    /// The service, likewise.
    pub service: Named,
    /// Who asked.
    pub requester: String,
    /// What it was asked by.
    pub origin: String,
    /// When.
    pub created_at: When,
    /// How long it ran, or runs.
    pub duration: String,
    /// While it runs or waits.
    pub active: Option<Active>,
}

/// A task on its way, in a list.
pub struct Active {
    /// Since it started, or was asked for.
    pub seconds: i64,
    /// The same for people.
    pub clock: String,
    /// As far as the plugin reports: `62 % · draining`.
    pub progress: String,
}

impl Active {
    fn of(task: &Task) -> Option<Self> {
        if task.state == TaskState::Finished {
            return None;
        }
        let seconds = (Utc::now() - task.started_at.unwrap_or(task.created_at)).num_seconds().max(0);
        let percent = task.percent.map(|percent| format!("{percent} %"));
        let progress: Vec<String> = percent.into_iter().chain(api::running_step(&task.steps)).collect();
        Some(Self { seconds, clock: clock(seconds), progress: progress.join(" · ") })
    }
}

/// `0:24`, `1:02:03`.
fn clock(seconds: i64) -> String {
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds % 3600 / 60, seconds % 60),
    }
}

impl From<Task> for TaskRow {
    fn from(task: Task) -> Self {
        let Standing { tone, word, detail } = Standing::of(&task);
        Self {
            id: task.id.to_string(),
            tone,
            word,
            detail,
            duration: duration(&task),
            active: Active::of(&task),
            kind: kind(&task),
            handler: named(task.event_handlers_id, task.handler_name),
            host: named(task.hosts_id, task.host_name),
            service: named(task.services_id, task.service_name),
            requester: task.requester,
            origin: task.origin.to_string(),
            created_at: task.created_at.into(),
        }
    }
}

/// What stands before a handler's name where its plugin was asked for something else than to act.
pub fn kind(task: &Task) -> &'static str {
    match task.kind {
        TaskKind::Run => "",
        TaskKind::Check => "Check: ",
        TaskKind::Help => "Help: ",
    }
}

/// What a task names, which may have been deleted since.
pub fn named(id: Option<i64>, name: String) -> Named {
    Named { id: id.unwrap_or_default(), name }
}

/// How long a task ran, or has been running.
fn duration(task: &Task) -> String {
    let Some(started) = task.started_at else {
        return String::new();
    };
    let seconds = (task.finished_at.unwrap_or_else(Utc::now) - started).num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_survives_the_next_url() {
        let url = next_url("/tasks", &[("host", "a b&c=d"), ("state", "")], "Zürich");
        assert_eq!(url, "/tasks?host=a%20b%26c%3Dd&after=Z%C3%BCrich");
    }

    #[test]
    fn only_known_themes_are_written_into_pages() {
        assert_eq!(theme("host=x&theme=dark"), "dark");
        assert_eq!(theme("theme=\"><script>"), "auto");
    }
}
