//! Passwords, random secrets and API tokens: how they are made, kept and compared.
//!
//! A password is kept as an argon2id hash in PHC form. Everything that we draw ourselves has 256 random bits and needs
//! no slow hash: the database keeps its SHA-256. No function here writes a secret to the log or into an error.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The shortest password that is accepted when one is set, in characters.
pub const MIN_PASSWORD_LENGTH: usize = 8;
/// The longest password, in bytes: hashing takes time and memory, and nobody types more.
pub const MAX_PASSWORD_LENGTH: usize = 1024;

const TOKEN_START: &str = "selfservice_pat_";
const TOKEN_ID_LENGTH: usize = 12;
const TOKEN_SECRET_LENGTH: usize = 64;

/// Why a secret could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A new password that is too short to be safe.
    #[error("a password must have at least {MIN_PASSWORD_LENGTH} characters")]
    TooShort,
    /// A new password that is too long to be hashed.
    #[error("a password must not be longer than {MAX_PASSWORD_LENGTH} bytes")]
    TooLong,
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// Argon2 failed, for example for want of memory.
    #[error("the password could not be hashed: {0}")]
    Hash(argon2::password_hash::Error),
}

/// Hashes a new password: argon2id with 19 MiB, two passes, one lane (OWASP's minimum), in PHC form with a random salt.
///
/// Takes tens of milliseconds and 19 MiB; a server must bound how many run at once.
pub fn hash_password(password: &str) -> Result<String, CredentialError> {
    check_new_password(password)?;
    hashed(password)
}

/// Whether a new password is long enough to be safe, and short enough to be hashed; without the work of hashing it.
pub fn check_new_password(password: &str) -> Result<(), CredentialError> {
    if password.chars().count() < MIN_PASSWORD_LENGTH {
        return Err(CredentialError::TooShort);
    }
    if password.len() > MAX_PASSWORD_LENGTH {
        return Err(CredentialError::TooLong);
    }
    Ok(())
}

/// Whether `password` belongs to `hash`. `None`, for an unknown user or one without a password, is never right and
/// takes as long as a wrong password does.
pub fn verify_password(password: &str, hash: Option<&str>) -> bool {
    if password.len() > MAX_PASSWORD_LENGTH {
        return false;
    }
    match hash.and_then(|text| PasswordHash::new(text).ok()) {
        // The parameters are those of the hash, so a password that was hashed with others stays right.
        Some(hash) => argon2()
            .and_then(|argon2| {
                argon2.verify_password(password.as_bytes(), &hash).map_err(CredentialError::Hash)
            })
            .is_ok(),
        None => {
            let _ = hashed(password);
            false
        }
    }
}

fn hashed(password: &str) -> Result<String, CredentialError> {
    argon2()?.hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(CredentialError::Hash)
}

fn argon2() -> Result<Argon2<'static>, CredentialError> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| CredentialError::Hash(error.into()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// 256 random bits as 43 characters that need no escaping in URLs and cookies.
pub fn random_secret() -> Result<String, CredentialError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// What the database keeps of a random secret. Useless for passwords, which people choose.
pub fn secret_hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Whether two secrets are the same, in a time that does not depend on where they differ.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

fn random<const N: usize>() -> Result<[u8; N], CredentialError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// An API token as its owner holds it: `selfservice_pat_<id>_<secret>_<crc>`. It has no `Display`, and `Debug` hides
/// the secret; the database keeps [`ApiToken::secret_hash`].
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken {
    id: String,
    secret: String,
}

impl ApiToken {
    /// Draws a new token.
    pub fn generate() -> Result<Self, CredentialError> {
        Ok(Self {
            id: hex(&random::<{ TOKEN_ID_LENGTH / 2 }>()?),
            secret: hex(&random::<{ TOKEN_SECRET_LENGTH / 2 }>()?),
        })
    }

    /// Reads a token. `None`: not one of ours, cut off or mistyped; the checksum tells without asking the database.
    pub fn parse(text: &str) -> Option<Self> {
        let (before, checksum) = text.rsplit_once('_')?;
        let (id, secret) = before.strip_prefix(TOKEN_START)?.split_once('_')?;
        let is_hex = |part: &str, length| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let whole = is_hex(id, TOKEN_ID_LENGTH)
            && is_hex(secret, TOKEN_SECRET_LENGTH)
            && checksum == checksum_of(before);
        whole.then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// The part that names the token; no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the database keeps of the secret.
    pub fn secret_hash(&self) -> Vec<u8> {
        secret_hash(&self.secret)
    }

    /// The whole token, to be shown to its owner once.
    pub fn reveal(&self) -> String {
        let before = format!("{TOKEN_START}{}_{}", self.id, self.secret);
        let checksum = checksum_of(&before);
        format!("{before}_{checksum}")
    }
}

impl std::fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiToken").field("id", &self.id).finish_non_exhaustive()
    }
}

fn checksum_of(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_argon2id_and_recognised() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify_password("correct horse", Some(&hash)));
        assert!(!verify_password("correct horsf", Some(&hash)));
        assert_ne!(hash_password("correct horse").unwrap(), hash, "salted");
    }

    #[test]
    fn nothing_is_right_without_a_hash() {
        assert!(!verify_password("", None));
        assert!(!verify_password("anything", Some("not a hash")));
    }

    #[test]
    fn passwords_out_of_bounds_are_refused() {
        assert!(matches!(hash_password("seven77"), Err(CredentialError::TooShort)));
        let long = "x".repeat(MAX_PASSWORD_LENGTH + 1);
        assert!(matches!(hash_password(&long), Err(CredentialError::TooLong)));
        assert!(!verify_password(&long, None));
    }

    #[test]
    fn a_token_survives_its_text_and_no_change_of_it() {
        let token = ApiToken::generate().unwrap();
        let text = token.reveal();
        assert_eq!(ApiToken::parse(&text), Some(token.clone()));
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'0' { b'1' } else { b'0' };
            assert_eq!(ApiToken::parse(&String::from_utf8(bytes).unwrap()), None);
            assert_eq!(ApiToken::parse(&text[..index]), None);
        }
        assert!(!format!("{token:?}").contains(&token.secret));
    }

    #[test]
    fn secrets_differ_and_are_compared_whole() {
        let secret = random_secret().unwrap();
        assert_eq!(secret.len(), 43);
        assert_ne!(secret, random_secret().unwrap());
        assert!(same(secret.as_bytes(), secret.as_bytes()));
        assert!(!same(secret.as_bytes(), &secret.as_bytes()[..42]));
    }
}
