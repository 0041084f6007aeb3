//! Finds the programs of a PostgreSQL server on this machine without being told where they are.

use std::fs;
use std::path::{Path, PathBuf};

use super::PostgresError;
use crate::process::ProcessSpec;

/// The oldest major version whose SQL we use.
pub const MINIMUM_VERSION: u32 = 15;

const FIXED_PLACES: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin", "/usr/pgsql/bin"];
const VERSIONED_PLACES: [(&str, &str); 3] =
    [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin")];

/// A directory with `initdb`, `postgres`, `createdb` and `psql` of one version.
#[derive(Clone, Debug)]
pub struct Binaries {
    directory: PathBuf,
    /// Major version, for example 15.
    pub version: u32,
}

impl Binaries {
    /// The newest usable server programs. `wished` (the caller's `PG_BIN`) is the only place looked at when
    /// given. `data_version` limits the choice to the version that an existing data directory was made with.
    pub fn find(wished: Option<&Path>, data_version: Option<u32>) -> Result<Self, PostgresError> {
        let places = wished.map_or_else(places, |place| vec![place.to_path_buf()]);
        let mut found: Vec<Self> = places.into_iter().filter_map(Self::look).collect();
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.version));
        let fits = |binaries: &&Self| match data_version {
            Some(version) => binaries.version == version,
            None => binaries.version >= MINIMUM_VERSION,
        };
        if let Some(binaries) = found.iter().find(fits) {
            return Ok(binaries.clone());
        }
        let versions: Vec<String> = found.iter().map(|binaries| binaries.version.to_string()).collect();
        Err(match (data_version, versions.is_empty()) {
            (_, true) => PostgresError::NoServer { place: wished.map(Path::to_path_buf) },
            (Some(wanted), false) => PostgresError::OtherVersion { wanted, found: versions.join(", ") },
            (None, false) => PostgresError::TooOld { found: versions.join(", ") },
        })
    }

    /// Path of one of the programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn look(directory: PathBuf) -> Option<Self> {
        if !["initdb", "createdb", "psql"].iter().all(|name| directory.join(name).is_file()) {
            return None;
        }
        let output = ProcessSpec::new(directory.join("postgres")).arg("--version").output().ok()?;
        let version = major_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { directory, version })
    }
}

fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    let asked = ProcessSpec::new("/usr/bin/pg_config").arg("--bindir").output();
    if let Ok(output) = asked {
        places.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for (parent, below) in VERSIONED_PLACES {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        places.extend(entries.map(|entry| entry.path().join(below)));
    }
    places.extend(FIXED_PLACES.map(PathBuf::from));
    places
}

/// The major version in `postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`.
fn major_version(text: &str) -> Option<u32> {
    let number = text.split_once("(PostgreSQL) ")?.1;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn reads_the_major_version() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_version("postgres (EnterpriseDB) x"), None);
    }
}
