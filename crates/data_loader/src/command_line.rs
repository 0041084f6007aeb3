//! What the programs that load have in common: their options, what they print, and how they end.

use crate::document::Take;
use crate::load::{LoadError, Mode, Options, load};
use crate::problem::Problem;
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use selfservice_core::config::{LoadSettings, MacroFile};
use selfservice_core::db::Pool;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Options of every load.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LoadFlags {
    /// Who brings this inventory [default: what the inputs say, else the settings]
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Remove what this source brought, nobody else did, and is named no more
    #[arg(long)]
    pub prune: bool,
    /// Let more go than `[loads] max_shrink_percent` allows
    #[arg(long)]
    pub allow_shrink: bool,
    /// Make what is named this source's, also where it was made by hand or a higher source set it
    #[arg(long)]
    pub take_over: bool,
    /// Also write what was done, or would be, to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// How a program ended that did what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// Without a word.
    Done,
    /// Somebody should look at the warnings.
    Warnings,
    /// Nothing was changed; it was said why.
    Refused,
}

/// One load, from what was read to what is printed.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// The program.
    pub program: &'static str,
    /// What it loads, in words.
    pub object: &'a str,
    /// Plan or apply.
    pub mode: Mode,
    /// What else was asked for.
    pub flags: &'a LoadFlags,
}

impl Load<'_> {
    /// Loads what `read` gives away and prints the report, or what is wrong.
    pub fn run<R>(
        self,
        pool: &Pool,
        settings: &LoadSettings,
        macros: &MacroFile,
        read: R,
        progress: &ProgressBar,
    ) -> anyhow::Result<Conclusion>
    where
        R: FnOnce(&mut Take<'_>) -> Result<(), Vec<Problem>> + Send,
    {
        let flags = self.flags;
        let options = Options {
            mode: self.mode,
            program: self.program,
            object: self.object,
            source: flags.source.as_deref(),
            prune: flags.prune,
            allow_shrink: flags.allow_shrink,
            take_over: flags.take_over,
        };
        let loaded = load(
            pool,
            settings,
            macros,
            |take| {
                let read = read(take);
                progress.set_message("writing to the database");
                read
            },
            &options,
        );
        progress.finish_and_clear();
        if let Some(path) = &flags.report {
            let json = serde_json::to_vec_pretty(&as_json(self.mode, &loaded))?;
            replace(path, |file| Ok(file.write_all(&json)?))
                .with_context(|| format!("while writing {}", path.display()))?;
        }
        self.tell(&loaded).context("while writing the report")?;
        match loaded {
            Ok(report) if report.warnings().is_empty() => Ok(Conclusion::Done),
            Ok(_) => Ok(Conclusion::Warnings),
            Err(LoadError::Refused(_) | LoadError::Shrinks { .. }) => Ok(Conclusion::Refused),
            Err(error @ LoadError::Database(_)) => Err(error.into()),
        }
    }

    fn tell(self, loaded: &Result<crate::Report, LoadError>) -> io::Result<()> {
        let report = match loaded {
            Ok(report) => Some(report),
            Err(LoadError::Shrinks { report, .. }) => {
                Some(report.as_ref()).filter(|_| self.mode == Mode::Plan)
            }
            Err(_) => None,
        };
        let mut stdout = io::stdout().lock();
        if let Some(report) = report {
            if self.mode == Mode::Plan {
                writeln!(stdout, "plan only, nothing is changed:")?;
            }
            write!(stdout, "{report}")?;
            if let Some(unnamed) = report.unnamed().filter(|_| self.mode == Mode::Plan) {
                writeln!(stdout, "{unnamed}")?;
            }
        }
        let mut stderr = io::stderr().lock();
        for warning in report.map(crate::Report::warnings).unwrap_or_default() {
            writeln!(stderr, "warning: {warning}")?;
        }
        if let Err(LoadError::Refused(problems)) = loaded {
            problems.iter().try_for_each(|problem| writeln!(stderr, "{problem}"))?;
        }
        match loaded {
            Err(error @ (LoadError::Refused(_) | LoadError::Shrinks { .. })) => {
                writeln!(stderr, "refused: {error}; nothing was changed")
            }
            _ => Ok(()),
        }
    }
}

fn as_json(mode: Mode, loaded: &Result<crate::Report, LoadError>) -> serde_json::Value {
    let outcome = match (loaded, mode) {
        (Ok(_), Mode::Plan) => "planned",
        (Ok(_), Mode::Apply) => "applied",
        (Err(LoadError::Database(_)), _) => "failed",
        (Err(_), _) => "refused",
    };
    let (report, complaints) = match loaded {
        Ok(report) => (Some(report), Vec::new()),
        Err(LoadError::Shrinks { shrinks, report }) => (Some(report.as_ref()), shrinks.clone()),
        Err(LoadError::Refused(problems)) => (None, problems.iter().map(ToString::to_string).collect()),
        Err(error) => (None, vec![error.to_string()]),
    };
    let mut json = report.map_or_else(|| serde_json::json!({}), crate::Report::to_json);
    if let Some(fields) = json.as_object_mut() {
        fields.insert("outcome".to_owned(), outcome.into());
        fields.insert("complaints".to_owned(), complaints.into());
    }
    json
}

/// A bar on a terminal, and nothing anywhere else: there the report's lines are enough.
pub fn progress(inputs: usize) -> ProgressBar {
    let bar = ProgressBar::new(inputs as u64);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} inputs, {elapsed}  {msg}")
    {
        bar.set_style(style);
    }
    bar.set_message("reading");
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Writes a file that takes the place of `path` when it is whole; a link there is replaced and not followed.
pub fn replace(path: &Path, write: impl FnOnce(&mut File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(directory)?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Says what went wrong, if anything did, and gives 0 (done), 1 (with warnings) or 2 (refused or failed).
pub fn exit_code(program: &str, ended: anyhow::Result<Conclusion>) -> ExitCode {
    match ended {
        Ok(Conclusion::Done) => ExitCode::SUCCESS,
        Ok(Conclusion::Warnings) => ExitCode::from(1),
        Ok(Conclusion::Refused) => ExitCode::from(2),
        Err(error) => {
            // Where standard error is closed too, the exit code still tells.
            let _ = writeln!(io::stderr().lock(), "{program}: {error:#}");
            ExitCode::from(2)
        }
    }
}
