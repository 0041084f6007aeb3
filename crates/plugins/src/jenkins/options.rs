//! The command line of `jenkins.sh`.

use std::path::PathBuf;
use std::time::Duration;

use crate::arguments::{Arguments, BadArgument, refuse_controls, unknown};
use crate::environment;
use crate::web::{ClientOptions, Rules, url};

/// How we sign in.
#[derive(Debug, Clone)]
pub enum Login {
    Anonymous,
    /// Requests with a token need no crumb (`ApiCrumbExclusion` of Jenkins).
    Token {
        user: String,
        token: String,
    },
    Password {
        user: String,
        password: String,
    },
}

/// Everything that the command line says, checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// Without a slash at the end.
    pub base: String,
    /// As it was given.
    pub job: String,
    /// `/job/A/job/B`, encoded.
    pub job_path: String,
    pub parameters: Vec<(String, String)>,
    /// Name and value of the parameter by which our build can be recognised.
    pub id_parameter: Option<(String, String)>,
    pub login: Login,
    pub wait: bool,
    pub leave_running: bool,
    pub poll: Duration,
    pub queue_timeout: Duration,
    pub timeout: Duration,
    pub patience: Duration,
    pub grace: Duration,
    pub client: ClientOptions,
    pub check: bool,
}

/// `None`: the usage was asked for.
pub fn parse(mut arguments: Arguments) -> Result<Option<Options>, BadArgument> {
    let mut options = Options {
        base: String::new(),
        job: String::new(),
        job_path: String::new(),
        parameters: Vec::new(),
        id_parameter: None,
        login: Login::Anonymous,
        wait: true,
        leave_running: false,
        poll: Duration::from_secs(1),
        queue_timeout: Duration::from_secs(3600),
        timeout: Duration::from_secs(86_400),
        patience: Duration::from_secs(120),
        grace: environment::grace(),
        client: ClientOptions::default(),
        check: false,
    };
    let (mut user, mut token, mut password) = (None, None, None);
    let (mut certificate, mut key) = (None::<PathBuf>, None::<PathBuf>);
    let mut plain_http = false;
    while let Some(option) = arguments.option()? {
        let option = option.as_str();
        let seconds =
            |range, arguments: &mut Arguments| arguments.number(option, range).map(Duration::from_secs);
        match option {
            "--help" => return Ok(None),
            "--check" => options.check = true,
            "--no-wait" => options.wait = false,
            "--leave-running" => options.leave_running = true,
            "--plain-http" => plain_http = true,
            "--url" => options.base = arguments.value(option)?,
            "--job" => options.job = arguments.value(option)?,
            "--param" => options.parameters.push(arguments.pair(option)?),
            "--param-secret" => {
                let (name, secret) = arguments.pair(option)?;
                options.parameters.push((name, environment::secret(&secret)?));
            }
            "--id-param" => options.id_parameter = Some((arguments.value(option)?, environment::task())),
            "--user" => user = Some(arguments.value(option)?),
            "--token-secret" => token = Some(environment::secret(&arguments.value(option)?)?),
            "--password-secret" => password = Some(environment::secret(&arguments.value(option)?)?),
            "--poll" => options.poll = seconds(1..=60, &mut arguments)?,
            "--queue-timeout" => options.queue_timeout = seconds(1..=86_400, &mut arguments)?,
            "--timeout" => options.timeout = seconds(1..=604_800, &mut arguments)?,
            "--patience" => options.patience = seconds(1..=3600, &mut arguments)?,
            "--grace" => options.grace = seconds(1..=600, &mut arguments)?,
            "--connect-timeout" => options.client.connect_timeout = seconds(1..=300, &mut arguments)?,
            "--ca-file" => options.client.ca_file = Some(arguments.value(option)?.into()),
            "--client-cert" => certificate = Some(arguments.value(option)?.into()),
            "--client-key" => key = Some(arguments.value(option)?.into()),
            _ => return Err(unknown(option)),
        }
    }
    options.login = login(user, token, password)?;
    options.client.identity = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        _ => return Err(BadArgument("--client-cert and --client-key belong together".to_owned())),
    };
    finish(options, plain_http).map(Some)
}

fn finish(mut options: Options, plain_http: bool) -> Result<Options, BadArgument> {
    if options.base.is_empty() {
        return Err(BadArgument("--url is missing".to_owned()));
    }
    if options.job.is_empty() {
        return Err(BadArgument("--job is missing".to_owned()));
    }
    url::check("--url", &options.base).map_err(BadArgument)?;
    if options.base.contains(['?', '{']) {
        return Err(BadArgument("--url must not hold a query or {}".to_owned()));
    }
    options.base = options.base.trim_end_matches('/').to_owned();
    refuse_controls("--job", &options.job)?;
    for part in options.job.split('/') {
        let part = url::segment(part).map_err(|problem| BadArgument(format!("--job: {problem}")))?;
        options.job_path.push_str(&format!("/job/{part}"));
    }
    if let Some((name, id)) = &options.id_parameter {
        if id.is_empty() {
            return Err(BadArgument(
                "--id-param needs a task's id, which there is only in the queue".to_owned(),
            ));
        }
        options.parameters.push((name.clone(), id.clone()));
    }
    options.client.tls = options.base.starts_with("https:");
    if !options.client.tls && !plain_http {
        options.client.networks = Rules::any().only_this_machine();
    }
    Ok(options)
}

fn login(
    user: Option<String>,
    token: Option<String>,
    password: Option<String>,
) -> Result<Login, BadArgument> {
    if let Some(user) = &user {
        refuse_controls("--user", user)?;
        if user.is_empty() || user.contains(':') {
            return Err(BadArgument("--user must be a name without a colon".to_owned()));
        }
    }
    match (user, token, password) {
        (None, None, None) => Ok(Login::Anonymous),
        (Some(user), Some(token), None) => Ok(Login::Token { user, token }),
        (Some(user), None, Some(password)) => Ok(Login::Password { user, password }),
        _ => Err(BadArgument(
            "--user belongs together with one of --token-secret and --password-secret".to_owned(),
        )),
    }
}
