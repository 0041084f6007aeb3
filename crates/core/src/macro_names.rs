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
