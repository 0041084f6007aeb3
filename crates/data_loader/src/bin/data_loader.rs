//! Loads inventory from files, and writes it as one. Exit codes: 0 done, 1 done with warnings, 2 refused or failed.

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use data_loader::{LoadError, Mode, Options, export, load, source};
use selfservice_core::config::Settings;
use selfservice_core::db::Pool;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Loads environments, host groups, hosts, services, event handlers, teams and grants from files, and writes them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The settings file [default: `$SELFSERVICE_SETTINGS`, else /usr/local/manager/etc/settings.ini]
    #[arg(long, global = true, value_name = "FILE")]
    settings: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell what 'apply' would do, and change nothing
    Plan(LoadArguments),
    /// Add and change what the files name, all of it or nothing
    Apply(LoadArguments),
    /// Write the whole inventory as YAML that loads back to the same
    Export {
        /// Replace this file, instead of writing to standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Args)]
struct LoadArguments {
    /// YAML files; together they are one inventory
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Who brings this inventory [default: what the files say, else '[loads] source']
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Remove what this source brought, nobody else did, and the files name no more
    #[arg(long)]
    prune: bool,
    /// Let more go than `[loads] max_shrink_percent` allows
    #[arg(long)]
    allow_shrink: bool,
    /// Make what the files name this source's, also where it was made by hand or a higher source set it
    #[arg(long)]
    take_over: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Where standard error is closed too, the exit code still tells.
            let _ = complain(&error);
            ExitCode::from(2)
        }
    }
}

fn complain(error: &anyhow::Error) -> std::io::Result<()> {
    let mut stderr = std::io::stderr().lock();
    match error.downcast_ref::<LoadError>() {
        Some(LoadError::Refused(problems)) => {
            problems.iter().try_for_each(|problem| writeln!(stderr, "{problem}"))?;
            writeln!(stderr, "refused: {error}; nothing was changed")
        }
        Some(LoadError::Shrinks { .. }) => writeln!(stderr, "refused: {error}; nothing was changed"),
        _ => writeln!(stderr, "data_loader: {error:#}"),
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(arguments.settings.as_deref())?;
    let pool = Pool::new(&settings.database.for_long_work(), "data_loader");
    match arguments.command {
        Command::Plan(arguments) => run_load(&settings, &pool, Mode::Plan, &arguments),
        Command::Apply(arguments) => run_load(&settings, &pool, Mode::Apply, &arguments),
        Command::Export { output } => run_export(&pool, output.as_deref()).map(|()| ExitCode::SUCCESS),
    }
}

fn run_load(
    settings: &Settings,
    pool: &Pool,
    mode: Mode,
    arguments: &LoadArguments,
) -> anyhow::Result<ExitCode> {
    let macros = settings.macro_file()?;
    let names: Vec<String> = arguments.files.iter().map(|file| file.display().to_string()).collect();
    let document = source::read(&arguments.files)?;
    let options = Options {
        mode,
        program: "data_loader",
        object: &names.join(", "),
        source: arguments.source.as_deref(),
        prune: arguments.prune,
        allow_shrink: arguments.allow_shrink,
        take_over: arguments.take_over,
    };
    let loaded = load(pool, &settings.loads, &macros, document, &options);
    let report = match &loaded {
        Ok(report) => report,
        Err(LoadError::Shrinks { report, .. }) if mode == Mode::Plan => report,
        Err(_) => return Err(loaded.err().context("a load that failed has an error")?.into()),
    };
    let mut stdout = std::io::stdout().lock();
    if mode == Mode::Plan {
        writeln!(stdout, "plan only, nothing is changed:").context("while writing the report")?;
    }
    write!(stdout, "{report}").context("while writing the report")?;
    if let Some(unnamed) = report.unnamed().filter(|_| mode == Mode::Plan) {
        writeln!(stdout, "{unnamed}").context("while writing the report")?;
    }
    let warnings = report.warnings();
    let mut stderr = std::io::stderr().lock();
    for warning in &warnings {
        writeln!(stderr, "warning: {warning}").context("while writing the report")?;
    }
    drop(stderr);
    loaded?;
    Ok(ExitCode::from(u8::from(!warnings.is_empty())))
}

/// A file is replaced as a whole, so that nobody reads half of it.
fn run_export(pool: &Pool, output: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = output else {
        return Ok(export(pool, BufWriter::new(std::io::stdout().lock()))?);
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let context = || format!("while writing {}", path.display());
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .with_context(context)?;
    export(pool, BufWriter::new(&mut file)).with_context(context)?;
    file.as_file().sync_all().with_context(context)?;
    file.persist(path).with_context(context)?;
    Ok(())
}
