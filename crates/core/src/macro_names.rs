//! The names of macros: which ones Nagios (or this program) defines itself, and what a user may call one.

/// Macros whose value comes from the inventory, the task or the clock; the rest of the list has values only where an
/// alert is given. Names from the Nagios Core manual, "Standard Macros".
#[rustfmt::skip]
const STANDARD: &[&str] = &[
    "HOSTNAME", "HOSTALIAS", "HOSTDISPLAYNAME", "HOSTADDRESS", "HOSTNOTES", "HOSTSTATE", "HOSTSTATEID",
    "LASTHOSTSTATE", "HOSTSTATETYPE", "HOSTATTEMPT", "MAXHOSTATTEMPTS", "HOSTEVENTID", "HOSTPROBLEMID",
    "HOSTDURATION", "HOSTDURATIONSEC", "HOSTDOWNTIME", "HOSTGROUPNAME", "HOSTGROUPNAMES", "HOSTOUTPUT",
    "LONGHOSTOUTPUT", "HOSTPERFDATA", "LASTHOSTCHECK", "LASTHOSTSTATECHANGE", "SERVICEDESC",
    "SERVICEDISPLAYNAME", "SERVICENOTES", "SERVICESTATE", "SERVICESTATEID", "LASTSERVICESTATE",
    "SERVICESTATETYPE", "SERVICEATTEMPT", "MAXSERVICEATTEMPTS", "SERVICEEVENTID", "SERVICEPROBLEMID",
    "SERVICEDURATION", "SERVICEDURATIONSEC", "SERVICEDOWNTIME", "SERVICEOUTPUT", "LONGSERVICEOUTPUT",
    "SERVICEPERFDATA", "LASTSERVICECHECK", "LASTSERVICESTATECHANGE", "ENVIRONMENTNAME", "LONGDATETIME",
    "SHORTDATETIME", "DATE", "TIME", "TIMET", "ADMINEMAIL", "ADMINPAGER", "_TASKUUID", "_TASKUSER",
];

/// The macros that a run on a host has, with where each value comes from; `{host}` and `{service}` stand for names.
pub(crate) const OF_A_RUN: &[(&str, &str)] = &[
    ("HOSTNAME", "name of the host {host}"),
    ("HOSTDISPLAYNAME", "name of the host {host}"),
    ("HOSTALIAS", "description of the host {host}, or its name"),
    ("HOSTADDRESS", "address of the host {host}"),
    ("HOSTGROUPNAME", "host groups of the host {host}"),
    ("HOSTGROUPNAMES", "host groups of the host {host}"),
    ("ENVIRONMENTNAME", "environments of the host {host}"),
    ("SERVICEDESC", "name of the service {service}"),
    ("SERVICEDISPLAYNAME", "name of the service {service}"),
    ("_TASKUSER", "who asks for the run"),
    ("_TASKUUID", "the run's own number, another one each time"),
    ("LONGDATETIME", "the time of the run"),
    ("SHORTDATETIME", "the time of the run"),
    ("DATE", "the time of the run"),
    ("TIME", "the time of the run"),
    ("TIMET", "the time of the run"),
];

/// Whether `name` can be the name of a macro that a user defines.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Whether Nagios (or this program) defines the macro `name` itself.
pub fn is_standard(name: &str) -> bool {
    let numbered = |prefix: &str, last: u32| {
        name.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| (1..=last).contains(&n))
    };
    STANDARD.contains(&name) || numbered("USER", 256) || numbered("ARG", 32)
}
