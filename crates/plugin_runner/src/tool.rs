//! Runs a helper program of the system, such as `ssh-keygen`, to its end. Not for plugins: they go through a launcher.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use thiserror::Error;

/// Where such programs are.
pub(crate) const PATH: &str = "/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin";

/// A helper that could not be run, or failed.
#[derive(Debug, Error)]
pub enum ToolError {
    /// It can't be started.
    #[error("{program} can't be started: {source}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed: {said}")]
    Failed {
        /// Its name.
        program: String,
        /// Its standard error.
        said: String,
    },
}

/// A helper program and what it is told. Its environment is `PATH` and what is given here.
#[derive(Debug)]
pub struct Tool<'a> {
    /// Its name, looked up in the system's usual directories.
    pub program: &'a str,
    /// Its arguments, which every account of the machine can read.
    pub arguments: Vec<OsString>,
    /// Variables, which only its own user can read.
    pub environment: &'a [(String, String)],
}

impl Tool<'_> {
    /// Runs it without standard input, and gives its standard output.
    ///
    /// # Errors
    /// It can't be started, or it ended with another exit code than 0.
    pub fn run(&self) -> Result<Vec<u8>, ToolError> {
        let output =
            self.command().stdin(Stdio::null()).output().map_err(|source| self.not_started(source))?;
        if output.status.success() { Ok(output.stdout) } else { Err(self.failed(&output.stderr)) }
    }

    /// Runs it and `next`, which reads `before`, then what this one prints, then `after`. `after` comes only when this one
    /// ended well; otherwise `next` is killed, so that it never takes a part for the whole.
    ///
    /// # Errors
    /// One of them can't be started, or ended with another exit code than 0.
    pub fn pipe(&self, next: &Tool<'_>, before: &str, after: &str) -> Result<(), ToolError> {
        let mut reader = next
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| next.not_started(source))?;
        let mut writer =
            match self.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
                Ok(writer) => writer,
                Err(source) => {
                    end(&mut reader);
                    return Err(self.not_started(source));
                }
            };
        let mut pipe = reader.stdin.take();
        let (said, passed) = std::thread::scope(|scope| {
            let complaints =
                [writer.stderr.take(), reader.stderr.take()].map(|from| scope.spawn(|| read(from)));
            // A reader that ended early has said why; what is passed on then fails.
            let passed = pass_on(before.as_bytes(), writer.stdout.take(), pipe.as_mut());
            let ended_well = passed.is_ok() && writer.wait().is_ok_and(|status| status.success());
            let passed = passed
                .and_then(|()| if ended_well { write_all(pipe.as_mut(), after.as_bytes()) } else { Ok(()) });
            if !ended_well {
                end(&mut writer);
                end(&mut reader);
            }
            drop(pipe.take());
            (complaints.map(|thread| thread.join().unwrap_or_default()), passed.is_ok() && ended_well)
        });
        let [from_writer, from_reader] = said;
        let reader_ended_well = reader.wait().is_ok_and(|status| status.success());
        if passed && reader_ended_well {
            return Ok(());
        }
        Err(if from_reader.is_empty() { self.failed(&from_writer) } else { next.failed(&from_reader) })
    }

    fn command(&self) -> Command {
        #[expect(clippy::disallowed_methods, reason = "starting programs is this crate's duty")]
        let mut command = Command::new(self.program);
        command.args(&self.arguments).env_clear().env("PATH", PATH);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn not_started(&self, source: io::Error) -> ToolError {
        ToolError::Start { program: self.program.to_owned(), source }
    }

    fn failed(&self, said: &[u8]) -> ToolError {
        ToolError::Failed {
            program: self.program.to_owned(),
            said: String::from_utf8_lossy(said).trim().to_owned(),
        }
    }
}

fn pass_on(before: &[u8], from: Option<ChildStdout>, mut to: Option<&mut ChildStdin>) -> io::Result<()> {
    write_all(to.as_deref_mut(), before)?;
    if let (Some(mut from), Some(to)) = (from, to) {
        io::copy(&mut from, to)?;
    }
    Ok(())
}

fn write_all(to: Option<&mut ChildStdin>, bytes: &[u8]) -> io::Result<()> {
    to.map_or(Ok(()), |to| to.write_all(bytes))
}

fn read(from: Option<ChildStderr>) -> Vec<u8> {
    let mut said = Vec::new();
    if let Some(mut from) = from {
        // What could be read of it is better than nothing.
        let _ = from.read_to_end(&mut said);
    }
    said
}

/// Kills it where it still runs, and waits for its end.
fn end(child: &mut Child) {
    // It has ended where these fail.
    let _ = child.kill();
    let _ = child.wait();
}

/// Runs `program` with these arguments, no standard input and an environment of `PATH` alone; gives its standard output.
///
/// # Errors
/// It can't be started, or it ended with another exit code than 0.
pub fn run_tool(
    program: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<Vec<u8>, ToolError> {
    let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    Tool { program, arguments, environment: &[] }.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool<'a>(program: &'a str, arguments: &[&str], environment: &'a [(String, String)]) -> Tool<'a> {
        Tool { program, arguments: arguments.iter().map(OsString::from).collect(), environment }
    }

    #[test]
    fn a_tool_has_the_variables_that_it_is_given_and_no_others() {
        let variables = [("SECRET".to_owned(), "told".to_owned())];
        let output = String::from_utf8(tool("env", &[], &variables).run().unwrap()).unwrap();
        let mut lines: Vec<&str> = output.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, [&*format!("PATH={PATH}"), "SECRET=told"]);
    }

    #[test]
    fn the_next_tool_reads_what_comes_before_between_and_after() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file").display().to_string();
        tool("printf", &["middle "], &[])
            .pipe(&tool("dd", &[&format!("of={file}"), "status=none"], &[]), "first ", "last")
            .unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "first middle last");
    }

    #[test]
    fn the_end_is_never_passed_on_after_a_failure() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file").display().to_string();
        let to = [format!("of={file}"), "status=none".to_owned()];
        let error = tool("ls", &["/nothing/here"], &[])
            .pipe(&tool("dd", &[&to[0], &to[1]], &[]), "first ", "last")
            .unwrap_err();
        assert!(error.to_string().starts_with("ls failed: "), "{error}");
        assert!(!std::fs::read_to_string(file).unwrap_or_default().contains("last"));
    }

    #[test]
    fn a_reader_that_fails_is_what_is_told_and_the_writer_is_ended() {
        let error = tool("yes", &[], &[]).pipe(&tool("ls", &["/nothing/here"], &[]), "", "").unwrap_err();
        assert!(error.to_string().starts_with("ls failed: "), "{error}");
    }
}
