//! From the first request to the answer that counts: again where that is safe, on to another address where that is
//! wanted, and until the end of what was begun.

use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::options::{Options, Polling};
use crate::output;
use crate::progress::Progress;
use crate::verdict::Failure;
use crate::web::{Client, Reply, Request, Trouble, url};

/// The longest pause before a request is sent again; a server that asks for more is not asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The shortest pause between two questions, whatever the server says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The answer that counts.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Nothing of the body was left out.
    pub complete: bool,
    /// Of the last request, or of everything where it was asked repeatedly.
    pub took: Duration,
    /// Why the work that the server did afterwards counts as failed.
    pub failed: Option<String>,
}

/// Sends requests as the options say.
pub struct Exchange<'a> {
    pub client: &'a Client,
    pub options: &'a Options,
    pub progress: Progress,
}

impl Exchange<'_> {
    /// The answer that counts, or what stood in the way.
    pub fn run(&mut self) -> Result<Answer, Failure> {
        self.progress.step("Request", "");
        let begun = Instant::now();
        let (reply, request, client) = self.follow(self.options.request.clone())?;
        match &self.options.polling {
            Some(polling) if reply.status == 202 => {
                self.poll(polling.clone(), reply, (&request, &client), begun)
            }
            _ => self.read(reply, begun),
        }
    }

    fn read(&self, mut reply: Reply, begun: Instant) -> Result<Answer, Failure> {
        let status = reply.status;
        let (body, more) = reply.read(self.options.max_body).map_err(|trouble| self.failure(&trouble))?;
        Ok(Answer { status, body, complete: !more, took: begun.elapsed(), failed: None })
    }

    fn failure(&self, trouble: &Trouble) -> Failure {
        let request = &self.options.request;
        let sentence = format!("{} {}: {trouble}", request.method, request.url);
        Failure { severity: self.options.trouble, sentence }
    }

    /// Follows redirects as far as that is allowed. Gives the request too that was answered, and who sent it.
    fn follow(&mut self, mut request: Request) -> Result<(Reply, Request, Client), Failure> {
        let mut client = self.client.clone();
        let readable = matches!(request.method.as_str(), "GET" | "HEAD");
        let mut left = if readable { self.options.repeating.redirects } else { 0 };
        loop {
            let reply = self.send(&client, &request)?;
            let is_redirect = matches!(reply.status, 301 | 302 | 303 | 307 | 308);
            let Some(location) = reply.header("Location").filter(|_| is_redirect && left > 0) else {
                return Ok((reply, request, client));
            };
            left -= 1;
            let next = url::join(&request.url, location).map_err(Failure::critical)?;
            if request.url.starts_with("https:") && next.starts_with("http:") {
                return Err(Failure::critical(format!("the redirect to {next} would leave https")));
            }
            if !url::same_origin(&request.url, &next) {
                // What was meant for one server is no business of another one.
                request.headers.clear();
                client = Client::new(self.options.elsewhere.clone()).map_err(Failure::unknown)?;
            }
            output::note(&format!("{}: on to {next}", reply.status));
            request.url = next;
        }
    }

    /// Sends a request, and again while that is safe and useful.
    fn send(&mut self, client: &Client, request: &Request) -> Result<Reply, Failure> {
        let mut pause = self.options.repeating.retry_delay;
        for left in (0..=self.options.repeating.retries).rev() {
            let outcome = client.send(request);
            let wait = match &outcome {
                Ok(reply) if passes(reply.status) && is_repeatable(request) => {
                    retry_after(reply).unwrap_or(pause)
                }
                Err(trouble)
                    if trouble.may_pass() && (trouble.before_sending() || is_repeatable(request)) =>
                {
                    pause
                }
                _ => return outcome.map_err(|trouble| self.failure(&trouble)),
            };
            if left == 0 || wait > LONGEST_PAUSE {
                return outcome.map_err(|trouble| self.failure(&trouble));
            }
            let what = outcome.map_or_else(|trouble| trouble.to_string(), |reply| reply.status.to_string());
            output::note(&format!("{what}: once more in {} s", wait.as_secs()));
            self.progress.step("Request", &format!("once more after {what}"));
            thread::sleep(wait + jitter(pause));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(Failure::unknown("no request was sent"))
    }

    /// Asks the address that a 202 named until what it stands for has ended.
    fn poll(
        &mut self,
        polling: Polling,
        reply: Reply,
        (first, client): (&Request, &Client),
        begun: Instant,
    ) -> Result<Answer, Failure> {
        let deadline = begun + polling.timeout;
        let mut pause = retry_after(&reply).unwrap_or(polling.interval);
        let location = reply.header("Location").map(str::to_owned);
        let accepted = self.read(reply, begun)?;
        let named = match &polling.address {
            Some(pointer) => text_at(&accepted.body, pointer),
            None => location,
        };
        let Some(named) = named else {
            return Err(Failure::unknown("202, but the answer does not say where to ask how it goes on"));
        };
        let url = url::join(&first.url, &named).map_err(Failure::unknown)?;
        if !url::same_origin(&first.url, &url) {
            return Err(Failure::unknown(format!(
                "202, but to ask how it goes on at {url} is refused: another server"
            )));
        }
        let mut question = Request { headers: first.headers.clone(), ..Request::new("GET", url) };
        question.headers.retain(|(name, _)| {
            !name.eq_ignore_ascii_case("content-type") && !name.eq_ignore_ascii_case("idempotency-key")
        });
        output::note(&format!("202: asking {} until it has ended", question.url));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let limit = polling.timeout.as_secs();
                return Err(Failure::critical(format!(
                    "not ended within {limit} s; what became of it is not known"
                )));
            }
            self.progress.step("Wait", &format!("{} s", begun.elapsed().as_secs()));
            thread::sleep(pause.max(SHORTEST_PAUSE).min(left));
            let reply = match client.send(&question) {
                Err(trouble) if trouble.may_pass() => {
                    output::note(&format!("no answer about how it goes on: {trouble}"));
                    continue;
                }
                sent => sent.map_err(|trouble| self.failure(&trouble))?,
            };
            pause = retry_after(&reply).unwrap_or(polling.interval);
            let going_on = reply.status == 202 || passes(reply.status);
            let mut answer = self.read(reply, begun)?;
            match state(&polling, &answer) {
                State::Failed(why) => {
                    answer.failed = Some(why);
                    return Ok(answer);
                }
                State::Done => return Ok(answer),
                State::Open if going_on || asks_for_more(&polling, &answer) => {}
                State::Open => return Ok(answer),
            }
        }
    }
}

enum State {
    Open,
    Done,
    Failed(String),
}

fn state(polling: &Polling, answer: &Answer) -> State {
    let Ok(document) = serde_json::from_slice::<Value>(&answer.body) else {
        return State::Open;
    };
    if let Some(failed) = polling.failed.iter().find(|failed| failed.holds(&document)) {
        return State::Failed(format!("{} is {}", failed.pointer, output::shortened(&failed.value)));
    }
    if polling.done.iter().any(|done| done.holds(&document)) { State::Done } else { State::Open }
}

/// Where the end is told by a value in the body, a good status alone is not the end.
fn asks_for_more(polling: &Polling, answer: &Answer) -> bool {
    !polling.done.is_empty() && (200..300).contains(&answer.status)
}

fn text_at(body: &[u8], pointer: &str) -> Option<String> {
    let document: Value = serde_json::from_slice(body).ok()?;
    document.pointer(pointer)?.as_str().map(str::to_owned)
}

/// Statuses by which a server asks to try again.
fn passes(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 502 | 503 | 504)
}

/// Whether sending it twice does no more than sending it once (RFC 9110, section 9.2.2).
fn is_repeatable(request: &Request) -> bool {
    matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
        || request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"))
}

/// Retry-After in seconds or as a date.
fn retry_after(reply: &Reply) -> Option<Duration> {
    parse_retry_after(reply.header("Retry-After")?, Utc::now())
}

fn parse_retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

/// Up to a quarter of `pause`, so that many who failed together do not come back together.
fn jitter(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness everybody waits equally long, which is no error.
    let _filled = getrandom::fill(&mut byte);
    let [byte] = byte;
    pause * u32::from(byte) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().to_utc();
        let parse = |text| parse_retry_after(text, now);
        assert_eq!(parse("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse("Fri, 02 Jan 2026 03:04:15 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(parse("Fri, 02 Jan 2026 03:04:00 GMT"), Some(Duration::ZERO));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-1"), None);
    }

    #[test]
    fn only_what_is_safe_is_repeatable() {
        for (method, repeatable) in
            [("GET", true), ("PUT", true), ("DELETE", true), ("POST", false), ("PATCH", false)]
        {
            assert_eq!(is_repeatable(&Request::new(method, "http://x/")), repeatable, "{method}");
        }
        assert!(is_repeatable(&Request::new("POST", "http://x/").header("Idempotency-Key", "1")));
    }
}
