//! A connection string as environment variables: for PostgreSQL's own programs, in whose arguments every account of the
//! machine could read a password.

use super::libpq;

/// The variables, such as `PGHOST` and `PGPASSWORD`, that mean the same as `connection_string`. What has no variable
/// (keep-alives, for example) is left out.
///
/// # Errors
/// The connection string is not understood, or holds a secret that no variable can carry.
pub fn environment(connection_string: &str) -> Result<Vec<(String, String)>, String> {
    let options = libpq::parse(connection_string)?;
    if let Some(secret) =
        options.iter().find(|option| option.variable.is_none() && option.keyword == "sslpassword")
    {
        return Err(format!("{} can't be handed on: use a key without a password", secret.keyword));
    }
    Ok(options.into_iter().filter_map(|option| Some((option.variable?, option.value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_connection_string_become_variables() {
        for text in [
            "postgres://dana:p%40ss@db.example.com:5433/self?sslmode=verify-full&keepalives_idle=5",
            "user=dana password='p@ss' host=db.example.com port=5433 dbname=self sslmode=verify-full",
        ] {
            let mut variables = environment(text).unwrap();
            variables.sort();
            let wanted = [
                ("PGDATABASE", "self"),
                ("PGHOST", "db.example.com"),
                ("PGPASSWORD", "p@ss"),
                ("PGPORT", "5433"),
                ("PGSSLMODE", "verify-full"),
                ("PGUSER", "dana"),
            ];
            assert_eq!(variables, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_connection_string_is_refused() {
        assert!(environment("postgres://h/db?colour=red").unwrap_err().contains("colour"));
        assert!(environment("host=h sslpassword=x").unwrap_err().contains("sslpassword"));
    }
}
