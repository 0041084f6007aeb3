//! Nagios-compatible macros, expanded inside one argument.
//!
//! Where we differ from Nagios Core 4.5, on purpose: a value never makes a new argument; an unknown macro refuses the
//! task (Nagios leaves it as text, which is how `rm -rf $PATHH$/` happens); a known macro without a value refuses it
//! too, unless the handler allows that; a secret is refused in an argument. Expansion is one pass: a value is never
//! expanded again.

use crate::config::MacroFile;
use crate::macro_names::{OF_A_RUN, is_standard};
use chrono::{DateTime, TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// Why an argument could not be expanded. The text is a sentence for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MacroError {
    /// No such macro.
    #[error("the macro ${0}$ is not known")]
    Unknown(String),
    /// The macro exists, but there is no value here.
    #[error("the macro ${0}$ has no value here")]
    Empty(String),
    /// The macro is a secret.
    #[error("${0}$ is a secret and must not stand in an argument; name it under the handler's secrets")]
    Secret(String),
    /// The macro is a parameter whose value a person types as a secret.
    #[error(
        "$_PARAM{0}$ is a secret and must not stand in an argument; the plugin finds it as SELFSERVICE_SECRET_{0}"
    )]
    SecretParameter(String),
    /// A dollar sign that opens a macro which nothing closes.
    #[error("'{0}' has a '$' that opens a macro and none that closes it; write $$ for a dollar sign")]
    Unclosed(String),
}

/// The macros that one task may use, with their values.
#[derive(Debug, Clone, Default)]
pub struct MacroTable {
    values: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
    secret_parameters: BTreeSet<String>,
    allow_empty: bool,
}

impl MacroTable {
    /// A table with the macros that the user defined; of the secrets it knows the names only.
    pub fn new(file: &MacroFile) -> Self {
        Self {
            values: file.macros.clone(),
            secrets: file.secrets.keys().cloned().collect(),
            secret_parameters: BTreeSet::new(),
            allow_empty: false,
        }
    }

    /// Lets known macros without a value expand to nothing.
    pub fn allow_empty(&mut self, allow: bool) {
        self.allow_empty = allow;
    }

    /// Sets a macro. Custom variables and parameters go by [`MacroTable::set_custom`].
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Sets a custom macro: `prefix` is `_HOST`, `_SERVICE` or `_PARAM`; the name counts without case, as Nagios
    /// stores the names of custom variables.
    pub fn set_custom(&mut self, prefix: &str, name: &str, value: impl Into<String>) {
        self.values.insert(format!("{prefix}{}", name.to_uppercase()), value.into());
    }

    /// Declares a parameter whose value no macro shows.
    pub fn refuse_parameter(&mut self, name: &str) {
        self.secret_parameters.insert(name.to_uppercase());
    }

    /// The names of all macros that have been set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Sets the date and time macros, in the zone of `at`. Formats as Nagios's `date_format=iso8601`.
    pub fn set_time<Z: TimeZone>(&mut self, at: &DateTime<Z>)
    where
        Z::Offset: std::fmt::Display,
    {
        self.set("LONGDATETIME", at.format("%a %b %e %H:%M:%S %Z %Y").to_string());
        self.set("SHORTDATETIME", at.format("%Y-%m-%d %H:%M:%S").to_string());
        self.set("DATE", at.format("%Y-%m-%d").to_string());
        self.set("TIME", at.format("%H:%M:%S").to_string());
        self.set("TIMET", at.timestamp().to_string());
    }

    /// Expands one argument template into exactly one argument.
    pub fn expand(&self, template: &str) -> Result<String, MacroError> {
        let mut result = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('$') {
            result.push_str(text);
            // A lone `$` at the end stays what it is, as in Nagios.
            if after.is_empty() {
                result.push('$');
                return Ok(result);
            }
            let (name, behind) =
                after.split_once('$').ok_or_else(|| MacroError::Unclosed(template.to_owned()))?;
            match name {
                "" => result.push('$'),
                name => result.push_str(self.value(name)?),
            }
            rest = behind;
        }
        result.push_str(rest);
        Ok(result)
    }

    /// The `NAGIOS_*` variables of a plugin's environment: what the inventory and the task say, never the macros that
    /// the user defined (as Nagios keeps `$USERn$` out of the environment).
    pub fn nagios_environment(&self) -> Vec<(String, String)> {
        self.values
            .iter()
            .filter(|(name, _)| name.starts_with('_') || (is_standard(name) && !name.starts_with("USER")))
            .map(|(name, value)| (format!("NAGIOS_{name}"), value.clone()))
            .collect()
    }

    fn value(&self, name: &str) -> Result<&str, MacroError> {
        let custom = ["_HOST", "_SERVICE", "_PARAM"].into_iter().find(|prefix| name.starts_with(prefix));
        let key = match custom {
            Some(_) => name.to_uppercase(),
            None => name.to_owned(),
        };
        if self.secrets.contains(&key) {
            return Err(MacroError::Secret(key));
        }
        if let Some(name) = key.strip_prefix("_PARAM").filter(|name| self.secret_parameters.contains(*name)) {
            return Err(MacroError::SecretParameter(name.to_owned()));
        }
        match self.values.get(&key) {
            Some(value) if !value.is_empty() || self.allow_empty => Ok(value),
            Some(_) => Err(MacroError::Empty(name.to_owned())),
            // A parameter is declared by the handler: one that is not is a mistake, not an empty value.
            None if custom == Some("_PARAM") => Err(MacroError::Unknown(name.to_owned())),
            None if custom.is_some() || is_standard(name) => {
                if self.allow_empty {
                    Ok("")
                } else {
                    Err(MacroError::Empty(name.to_owned()))
                }
            }
            None => Err(MacroError::Unknown(name.to_owned())),
        }
    }
}

/// What would be refused at every run: complaints about `templates`, each a sentence. `parameters` are the names of the
/// parameters that the handler declares, and whether each is a secret.
pub fn check<'a>(
    file: &MacroFile,
    parameters: impl IntoIterator<Item = (&'a str, bool)>,
    templates: &[String],
) -> Vec<String> {
    let mut table = MacroTable::new(file);
    table.allow_empty(true);
    for (parameter, secret) in parameters {
        if secret {
            table.refuse_parameter(parameter);
        } else {
            table.set_custom("_PARAM", parameter, "");
        }
    }
    templates
        .iter()
        .filter_map(|template| {
            let why = match table.expand(template) {
                Err(error) => error.to_string(),
                Ok(_) if template.contains('\0') => "it must not contain a NUL character".to_owned(),
                Ok(_) => return None,
            };
            Some(format!("the argument '{}' cannot be used: {why}", template.escape_debug()))
        })
        .collect()
}

/// A macro that a template may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedMacro {
    /// Without its dollar signs.
    pub name: String,
    /// Where its value comes from, in words.
    pub origin: String,
}

/// What every template may name: what a run has, and what the user defined; no secrets, which no argument may hold.
/// Custom variables and parameters have names of their own.
pub fn offered(file: &MacroFile) -> Vec<OfferedMacro> {
    let of_a_run = OF_A_RUN.iter().map(|(name, origin)| OfferedMacro {
        name: (*name).to_owned(),
        origin: origin.replace(" {host}", "").replace(" {service}", ""),
    });
    let of_the_user =
        file.macros.keys().map(|name| OfferedMacro { name: name.clone(), origin: "macros.ini".to_owned() });
    of_a_run.chain(of_the_user).collect()
}

/// The names of the macros in a template, for checks before anything runs.
pub fn names_in(template: &str) -> impl Iterator<Item = &str> {
    template.split('$').skip(1).step_by(2).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> MacroTable {
        let mut table = MacroTable::default();
        table.set("HOSTADDRESS", "10.0.0.1");
        table.set("USER1", "/usr/lib/nagios/plugins");
        table.set_custom("_HOST", "sshuser", "ops");
        table.set_custom("_PARAM", "drain", "30");
        table.secrets.insert("JENKINS_TOKEN".to_owned());
        table
    }

    #[test]
    fn expands_inside_one_argument() {
        assert_eq!(table().expand("$_HOSTSSHUSER$@$HOSTADDRESS$").unwrap(), "ops@10.0.0.1");
        assert_eq!(table().expand("--drain=$_PARAMdrain$").unwrap(), "--drain=30");
        assert_eq!(table().expand("costs 5 $$, or so$").unwrap(), "costs 5 $, or so$");
        assert_eq!(table().expand("$$$HOSTADDRESS$$$").unwrap(), "$10.0.0.1$");
    }

    #[test]
    fn values_are_data_and_never_expanded_again() {
        for value in
            ["$HOSTADDRESS$", "$$", "; reboot", "a b", "$(x)", "\n", "-oProxyCommand=x", "@file", "'\""]
        {
            let mut table = table();
            table.set_custom("_PARAM", "drain", value);
            assert_eq!(table.expand("<$_PARAMDRAIN$>").unwrap(), format!("<{value}>"));
        }
    }

    #[test]
    fn refusals_name_the_macro() {
        let refused = |template: &str| table().expand(template).unwrap_err().to_string();
        assert_eq!(refused("/data/$PATHH$/"), "the macro $PATHH$ is not known");
        assert_eq!(refused("$hostaddress$"), "the macro $hostaddress$ is not known");
        assert_eq!(refused("$_PARAMOTHER$"), "the macro $_PARAMOTHER$ is not known");
        assert_eq!(refused("$_HOSTOTHER$"), "the macro $_HOSTOTHER$ has no value here");
        assert_eq!(refused("$SERVICESTATE$"), "the macro $SERVICESTATE$ has no value here");
        assert!(refused("$JENKINS_TOKEN$").starts_with("$JENKINS_TOKEN$ is a secret"));
        assert!(refused("costs $5 or more").contains("$$"));
    }

    #[test]
    fn a_secret_parameter_stands_in_no_argument_and_no_environment() {
        let mut table = table();
        table.refuse_parameter("password");
        table.allow_empty(true);
        let error = table.expand("--password=$_PARAMpassword$").unwrap_err().to_string();
        assert!(
            error.starts_with("$_PARAMPASSWORD$ is a secret")
                && error.ends_with("SELFSERVICE_SECRET_PASSWORD")
        );
        assert!(table.nagios_environment().iter().all(|(name, _)| !name.contains("PASSWORD")));
        let refused = check(
            &MacroFile::default(),
            [("password", true), ("unit", false)],
            &["$_PARAMPassword$".to_owned(), "$_PARAMunit$".to_owned()],
        );
        assert_eq!(refused.len(), 1);
    }

    #[test]
    fn a_handler_may_allow_empty_values_but_never_unknown_names() {
        let mut table = table();
        table.allow_empty(true);
        assert_eq!(table.expand("[$SERVICESTATE$$_HOSTX$]").unwrap(), "[]");
        assert!(table.expand("$PATHH$").is_err());
    }

    #[test]
    fn the_environment_has_no_user_macros() {
        let names: Vec<_> = table().nagios_environment().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["NAGIOS_HOSTADDRESS", "NAGIOS__HOSTSSHUSER", "NAGIOS__PARAMDRAIN"]);
    }
}
