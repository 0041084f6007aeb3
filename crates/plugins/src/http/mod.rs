//! `http.sh`: one HTTP request, judged by its answer.

mod exchange;
mod judge;
mod options;

use crate::arguments::Arguments;
use crate::cancel;
use crate::progress::Progress;
use crate::verdict::{Ended, Failure, Report, Severity};
use crate::web::Client;
use exchange::{Answer, Exchange};
use options::Options;

const USAGE: &str = include_str!("usage.txt");

/// The plugin.
pub fn main(arguments: Arguments) -> Ended {
    let Some(options) = options::parse(arguments)? else {
        return Ok(Ok(Report::help(USAGE)));
    };
    Ok(run(&options))
}

fn run(options: &Options) -> Result<Report, Failure> {
    let request = &options.request;
    let (method, url) = (request.method.clone(), request.url.clone());
    cancel::on_signal(move || {
        Failure::critical(format!("{method} {url} was cut off; what the server did with it is not known"))
    })?;
    let client = Client::new(options.client.clone()).map_err(Failure::unknown)?;
    let steps: &[&str] = if options.polling.is_some() { &["Request", "Wait"] } else { &["Request"] };
    let answer = Exchange { client: &client, options, progress: Progress::new(steps) }.run()?;
    Ok(report(options, answer))
}

fn report(options: &Options, answer: Answer) -> Report {
    let (mut severity, mut reason) = options.expectations.judge(answer.status, &answer.body, answer.complete);
    if options.check {
        (severity, reason) = (judge::judge_check(answer.status), None);
    } else if let Some(failed) = answer.failed {
        (severity, reason) = (Severity::Critical, Some(failed));
    }
    let (request, size) = (&options.request, answer.body.len());
    let seconds = answer.took.as_secs_f64();
    let bytes = if answer.complete { format!("{size} bytes") } else { format!("more than {size} bytes") };
    let reason = reason.map(|reason| format!("; {reason}")).unwrap_or_default();
    let summary = format!(
        "{} {}: {} in {seconds:.3} s, {bytes}{reason} | 'time'={seconds:.6}s;;;0;{} 'size'={size}B;;;0; 'status'={}",
        request.method,
        request.url,
        answer.status,
        options.client.timeout.as_secs(),
        answer.status,
    );
    let mut report = Report::new(severity, summary);
    report.body = answer.body;
    if !report.body.is_empty() {
        report.body.push(b'\n');
    }
    if !answer.complete {
        let note = format!("[the rest of the answer was left out after {} bytes]\n", options.max_body);
        report.body.extend_from_slice(note.as_bytes());
    }
    report
}
