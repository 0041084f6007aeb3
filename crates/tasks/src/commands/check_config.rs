//! `tasks check-config`: the settings were read before this runs; here the rest that a wrong word can spoil.

use crate::context::Context;
use crate::runs::registry;
use plugin_runner::Registry;
use selfservice_core::config::MacroFile;
use selfservice_core::db::{PgConnection, migrations};
use selfservice_core::interpreters;
use selfservice_core::macros;
use selfservice_core::models::event_handlers::EventHandler;
use std::process::ExitCode;

const PAGE: i64 = 1000;

pub fn run(context: &Context) -> anyhow::Result<ExitCode> {
    let mut complaints = directories(context);
    let macros = match context.settings.macro_file() {
        Ok(macros) => Some(macros),
        Err(error) => {
            complaints.push(error.to_string());
            None
        }
    };
    let plugins = registry(&context.settings.plugins);
    let checked = context.pool().run(|connection| -> anyhow::Result<_> {
        if migrations::pending(connection)? {
            anyhow::bail!("its tables are not up to date; run 'tasks migrate'");
        }
        handlers(connection, macros.as_ref(), &plugins)
    });
    match checked {
        Ok(more) => complaints.extend(more),
        Err(error) => complaints.push(format!("the database could not be checked: {error:#}")),
    }
    let text = if complaints.is_empty() {
        format!("{} and what it names are right", context.settings.path.display())
    } else {
        complaints.join("\n")
    };
    context.show(&serde_json::json!({ "complaints": complaints }), text)?;
    Ok(ExitCode::from(u8::from(!complaints.is_empty())))
}

fn directories(context: &Context) -> Vec<String> {
    let plugins = &context.settings.plugins;
    let mut complaints: Vec<String> = plugins
        .directories
        .iter()
        .filter(|directory| !directory.is_dir())
        .map(|directory| {
            format!("[plugins] directories: {} is not there, or no directory", directory.display())
        })
        .collect();
    let (key, path) = match &plugins.launcher_socket {
        Some(socket) => ("launcher_socket", socket),
        None => ("launcher", &plugins.launcher),
    };
    if !path.exists() {
        complaints.push(format!("[plugins] {key}: {} is not there", path.display()));
    }
    complaints
}

fn handlers(
    connection: &mut PgConnection,
    macros: Option<&MacroFile>,
    plugins: &Registry,
) -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut after = String::new();
    loop {
        let page = EventHandler::page(connection, "", &after, PAGE)?;
        for handler in &page {
            let found = complaints_of(handler, macros, plugins);
            complaints
                .extend(found.into_iter().map(|why| format!("event handler '{}': {why}", handler.name)));
        }
        match page.last() {
            Some(last) => after.clone_from(&last.name),
            None => return Ok(complaints),
        }
    }
}

fn complaints_of(handler: &EventHandler, macros: Option<&MacroFile>, plugins: &Registry) -> Vec<String> {
    let mut complaints = Vec::new();
    if let Err(error) = plugins.find(&handler.plugin) {
        complaints.push(error.to_string());
    }
    complaints.extend(interpreters::complaint(&handler.plugin, &handler.arguments));
    let Some(file) = macros else {
        return complaints;
    };
    let secrets = handler.secrets.iter().filter(|name| !file.secrets.contains_key(*name));
    complaints.extend(secrets.map(|name| format!("there is no secret {name} in macros.ini")));
    match handler.parameters() {
        Ok(parameters) => {
            let names = parameters.iter().map(|parameter| (parameter.name.as_str(), parameter.is_secret()));
            complaints.extend(macros::check(file, names, &handler.arguments));
        }
        Err(error) => complaints.push(format!("its parameters are not understood: {error}")),
    }
    complaints
}
