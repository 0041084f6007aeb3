//! Who may what: the answer to "why can I, or why can't I, do this here".

use super::grants::GrantRow;
use crate::api::input;
use crate::error::AppResult;
use crate::forms;
use crate::page::{Badge, Named, Page, Reader, badges, html, url};
use crate::state::AppState;
use crate::why::{Answer, Asked};
use actix_web::{HttpResponse, web};
use askama::Template;
use selfservice_core::access::{Lack, Verb, Weighed, Why};
use selfservice_core::models::grants::NamedGrant;
use selfservice_core::models::inventory::{Complaint, Noun};
use selfservice_core::models::visible;
use serde::Deserialize;

/// Names that are suggested; more are typed.
const SUGGESTED: i64 = 500;
/// So many of those who may are named.
const NAMED: usize = 50;

#[derive(Template)]
#[template(path = "rights/show.html")]
struct RightsPage {
    page: Page,
    /// Whether they may ask about others.
    about_others: bool,
    asked: Query,
    mistakes: Mistakes,
    users: Vec<String>,
    hosts: Vec<String>,
    handlers: Vec<String>,
    answer: Option<AnswerView>,
}

/// What the address asks.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Query {
    #[serde(deserialize_with = "input::strict_text")]
    user: String,
    #[serde(deserialize_with = "input::strict_text")]
    host: String,
    #[serde(deserialize_with = "input::strict_text")]
    service: String,
    #[serde(deserialize_with = "input::strict_text")]
    handler: String,
}

#[derive(Default)]
struct Mistakes {
    user: Option<String>,
    host: Option<String>,
    service: Option<String>,
    handler: Option<String>,
}

struct AnswerView {
    who: String,
    host: Named,
    environments: Vec<Badge>,
    service: String,
    /// `ok` or `critical`, for the whole answer.
    tone: &'static str,
    /// The whole answer.
    sentence: String,
    obstacles: Vec<String>,
    verdicts: Vec<Verdict>,
    lines: Vec<Line>,
    others: Option<Others>,
}

/// One thing that they may do or not.
struct Verdict {
    title: String,
    may: bool,
    missing: Vec<String>,
    grants: Vec<WeighedRow>,
    /// Grants that have nothing to do with it.
    far: usize,
}

struct WeighedRow {
    grant: GrantRow,
    counts: bool,
    why: String,
}

struct Line {
    service: String,
    handler: String,
    see: bool,
    run: bool,
    url: String,
}

struct Others {
    /// What they may.
    verb: &'static str,
    named: Vec<Named>,
    more: usize,
}

/// The question and, where it is complete, the answer.
pub async fn show(
    state: web::Data<AppState>,
    reader: Reader,
    asked: web::Query<Query>,
) -> AppResult<HttpResponse> {
    let (signed, page) = (reader.signed.clone(), reader.page("Who may what", "rights"));
    let asked = asked.into_inner();
    let shown = state
        .run(move |connection| {
            let viewer = signed.viewer(connection)?;
            let mut names = |noun| visible::names(connection, viewer, noun, None, SUGGESTED);
            let (users, hosts, handlers) =
                (names(Noun::User)?, names(Noun::Host)?, names(Noun::EventHandler)?);
            let about_others = signed.access(connection)?.is_admin();
            let mut shown = RightsPage {
                page,
                about_others,
                mistakes: Mistakes::default(),
                users,
                hosts,
                handlers,
                answer: None,
                asked,
            };
            if !shown.asked.host.trim().is_empty() {
                match Answer::find(connection, &signed, &shown.asked.by_name())? {
                    Ok(answer) => {
                        shown.answer = Some(AnswerView::new(answer, &shown.asked, about_others));
                    }
                    Err(complaints) => shown.mistakes = Mistakes::of(&complaints),
                }
            }
            Ok(shown)
        })
        .await?;
    html(&shown)
}

impl Query {
    fn by_name(&self) -> Asked {
        let [user, host, service, handler] =
            [&self.user, &self.host, &self.service, &self.handler].map(|text| text.trim().to_owned());
        Asked { user, host, service, handler }
    }
}

impl Mistakes {
    fn of(complaints: &[Complaint]) -> Self {
        let of = |field: &str| {
            let mine = complaints.iter().find(|one| one.field == field)?;
            Some(forms::sentence(&mine.text))
        };
        Self { user: of("user"), host: of("host"), service: of("service"), handler: of("handler") }
    }
}

impl AnswerView {
    fn new(answer: Answer, asked: &Query, about_others: bool) -> Self {
        let who = answer.user.name.clone();
        let host = &answer.host.name;
        let (may, sentence) = match &answer.handler {
            Some(handler) if answer.may_run() => (true, format!("{who} may run {} on {host}.", handler.name)),
            Some(handler) => (false, format!("{who} may not run {} on {host}.", handler.name)),
            None if answer.obstacles.is_empty() && answer.see.may => {
                (true, format!("{who} may see {host}. Choose a handler to ask about it."))
            }
            None => (false, format!("{who} may not see {host}.")),
        };
        let in_no_environment = answer.placement.environments.is_empty();
        let mut verdicts = Vec::new();
        if let (Some(handler), Some(run)) = (&answer.handler, answer.run) {
            let title = format!("Run {}", handler.name);
            verdicts.push(Verdict::new(title, run, Verb::Run, &who, in_no_environment));
            let title = format!("See {} and its runs here", handler.name);
            verdicts.push(Verdict::new(title, answer.see, Verb::See, &who, in_no_environment));
        } else {
            let title = format!("See {host}");
            verdicts.push(Verdict::new(title, answer.see, Verb::See, &who, in_no_environment));
        }
        let title = format!("Change {host}");
        verdicts.push(Verdict::new(title, answer.change, Verb::Admin, &who, in_no_environment));
        let user = if about_others { who.as_str() } else { "" };
        let lines = answer.handlers.into_iter().map(|line| Line {
            url: url(
                "/rights",
                &[("user", user), ("host", host), ("service", &line.service), ("handler", &line.handler)],
            ),
            service: line.service,
            handler: line.handler,
            see: line.see,
            run: line.run,
        });
        let is_run = answer.handler.is_some();
        Self {
            tone: if may { "ok" } else { "critical" },
            sentence,
            lines: lines.collect(),
            others: answer.others.map(|people| Others::new(people, is_run)),
            environments: badges(&answer.placement),
            service: asked.service.trim().to_owned(),
            obstacles: answer.obstacles,
            verdicts,
            host: Named { id: answer.host.id, name: answer.host.name },
            who,
        }
    }
}

impl Verdict {
    fn new(title: String, why: Why, verb: Verb, who: &str, in_no_environment: bool) -> Self {
        let mut missing = Vec::new();
        if !why.may {
            missing.extend(why.missing_in.iter().map(|environment| lacking(verb, who, environment)));
            if in_no_environment {
                let text = "The host is in no environment: only grants for every environment count there.";
                missing.push(text.to_owned());
            }
        }
        let count = why.weighed.len();
        // What lacks two things or more is no near miss.
        let near = why.weighed.into_iter().filter(|one| one.lacks.len() < 2);
        let grants: Vec<WeighedRow> = near.map(|one| WeighedRow::new(one, verb)).collect();
        Self { title, may: why.may, missing, far: count.saturating_sub(grants.len()), grants }
    }
}

/// That no grant counts in an environment where one is needed.
fn lacking(verb: Verb, who: &str, environment: &str) -> String {
    match verb {
        Verb::See => format!("No grant of {who} fits in {environment}."),
        Verb::Run => format!(
            "No grant lets {who} run it in {environment}: it takes one in each environment of the host."
        ),
        Verb::Admin => format!(
            "No grant lets {who} change hosts in {environment}: it takes one for every handler, in each environment of \
             the host."
        ),
    }
}

impl WeighedRow {
    fn new(weighed: Weighed, asked: Verb) -> Self {
        let why = match weighed.lacks.first() {
            None if weighed.counts_in.is_empty() => "counts".to_owned(),
            None => format!("counts in {}", weighed.counts_in.join(" and ")),
            Some(lack) => lacks(&weighed.grant, *lack, asked),
        };
        Self { counts: weighed.lacks.is_empty(), why, grant: weighed.grant.into() }
    }
}

/// The one thing that a grant lacks, as the end of "it ...".
fn lacks(grant: &NamedGrant, lack: Lack, asked: Verb) -> String {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let changing = "hosts are changed with grants for every handler";
    match lack {
        Lack::Verb => format!("allows only '{}', not '{asked}'", grant.verb),
        Lack::Handler if asked == Verb::Admin => format!("names a handler: {changing}"),
        Lack::Tag if asked == Verb::Admin => format!("names a tag: {changing}"),
        Lack::Handler => format!("is for another handler: {}", name(&grant.handler)),
        Lack::Tag => format!("is for handlers with the tag {}, which this one has not", name(&grant.tag)),
        Lack::Hostgroup => format!("is for hosts of {}, and this one is not", name(&grant.hostgroup)),
        Lack::Environment => format!("is for {}, where the host is not", name(&grant.environment)),
    }
}

impl Others {
    fn new(people: Vec<(i64, String)>, is_run: bool) -> Self {
        let more = people.len().saturating_sub(NAMED);
        let named = people.into_iter().take(NAMED).map(|(id, name)| Named { id, name }).collect();
        Self { verb: if is_run { "run it here" } else { "see the host" }, named, more }
    }
}
