//! `jenkins.sh`: starts a job once and follows its build to the end.

mod api;
mod options;
mod phase;
mod run;
mod stop;

use std::time::Duration;

use crate::arguments::Arguments;
use crate::cancel;
use crate::output;
use crate::progress::Progress;
use crate::verdict::{Ended, Failure, Report, Severity};
use crate::web::Client;
use api::Api;
use options::Options;
use phase::Progressing;
use run::Run;
use stop::Stop;

const USAGE: &str = include_str!("usage.txt");

/// One request, a part of the console included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The plugin.
pub fn main(arguments: Arguments) -> Ended {
    let Some(options) = options::parse(arguments)? else {
        return Ok(Ok(Report::help(USAGE)));
    };
    Ok(execute(options))
}

fn execute(mut options: Options) -> Result<Report, Failure> {
    options.client.timeout = REQUEST_TIMEOUT;
    let client = Client::new(options.client.clone()).map_err(Failure::unknown)?;
    let api = Api::new(client, &options).map_err(|error| run::refusal(&error))?;
    let phase = Progressing::new();
    let Options { leave_running, grace, .. } = options;
    let stop = Stop { api: api.clone(), phase: phase.clone(), leave_running, grace };
    cancel::on_signal(move || stop.run("stopped"))?;
    if options.check {
        let run = Run { api: &api, options: &options, phase, progress: Progress::new(&[]) };
        run::check_parameters(&options, &run.job()?)?;
        return Ok(Report::new(Severity::Ok, format!("{} can be built; nothing was triggered", options.job)));
    }
    output::line(&format!("Jenkins job {} on {}", options.job, options.base));
    Run { api: &api, options: &options, phase, progress: Progress::new(&run::STEPS) }.run()
}
