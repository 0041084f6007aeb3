//! Values that only one start of one plugins manager can read, on their way through the database (HPKE, RFC 9180: X25519,
//! HKDF-SHA256, ChaCha20-Poly1305).
//!
//! Each start of a manager draws a key pair. One half stands in its row of `workers`, the other one in its memory and
//! nowhere else: whoever reads the database, its log or a backup of it reads no secret, and nobody does any more once
//! that manager has ended.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};

/// Separates these values from any other use of the same keys.
const INFO: &[u8] = b"selfservice typed secrets 1";
/// Bytes of a public key, and of what stands before a sealed value.
const KEY_LENGTH: usize = 32;

/// Why a value was not sealed or opened. It says nothing of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random numbers")]
    Random,
    /// What stands in the database is no key.
    #[error("the manager's key is not understood")]
    Key,
    /// Sealed for somebody else or for another place, cut off, or changed.
    #[error("the sealed value cannot be opened with this key")]
    Sealed,
}

/// The half of a key pair that opens. It has no `Display`, and `Debug` hides it.
pub struct OpeningKey {
    private: <X25519HkdfSha256 as Kem>::PrivateKey,
    sealing: Vec<u8>,
}

impl OpeningKey {
    /// Draws a key pair.
    pub fn generate() -> Result<Self, SealError> {
        let mut seed = [0_u8; KEY_LENGTH];
        getrandom::fill(&mut seed).map_err(|_| SealError::Random)?;
        let (private, public) = X25519HkdfSha256::derive_keypair(&seed);
        Ok(Self { private, sealing: public.to_bytes().to_vec() })
    }

    /// The half that seals; no secret.
    pub fn sealing_key(&self) -> &[u8] {
        &self.sealing
    }

    /// Opens what was sealed for this key and `place`.
    pub fn open(&self, sealed: &[u8], place: &[u8]) -> Result<Vec<u8>, SealError> {
        let (encapsulated, value) = sealed.split_at_checked(KEY_LENGTH).ok_or(SealError::Sealed)?;
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated)
            .map_err(|_| SealError::Sealed)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &encapsulated,
            INFO,
            value,
            place,
        )
        .map_err(|_| SealError::Sealed)
    }
}

impl std::fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpeningKey")
    }
}

/// Seals `value` so that only the owner of `key` opens it, and only for `place`: moved to another row it is worth
/// nothing.
pub fn seal(key: &[u8], value: &[u8], place: &[u8]) -> Result<Vec<u8>, SealError> {
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(key).map_err(|_| SealError::Key)?;
    let (encapsulated, sealed) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        INFO,
        value,
        place,
    )
    .map_err(|_| SealError::Key)?;
    Ok([encapsulated.to_bytes().as_slice(), &sealed].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_of_the_key_opens_and_only_in_its_place() {
        let (owner, other) = (OpeningKey::generate().unwrap(), OpeningKey::generate().unwrap());
        let sealed = seal(owner.sealing_key(), b"correct horse", b"task 1").unwrap();
        assert_eq!(owner.open(&sealed, b"task 1").unwrap(), b"correct horse");
        assert_eq!(owner.open(&sealed, b"task 2"), Err(SealError::Sealed), "moved to another task");
        assert_eq!(other.open(&sealed, b"task 1"), Err(SealError::Sealed));
        assert!(!sealed.windows(7).any(|window| window == b"correct"));
        assert_ne!(seal(owner.sealing_key(), b"correct horse", b"task 1").unwrap(), sealed);
    }

    #[test]
    fn what_was_changed_or_cut_off_is_not_opened() {
        let owner = OpeningKey::generate().unwrap();
        let sealed = seal(owner.sealing_key(), b"correct horse", b"").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(owner.open(&changed, b""), Err(SealError::Sealed), "byte {at}");
            assert_eq!(owner.open(&sealed[..at], b""), Err(SealError::Sealed), "cut at {at}");
        }
        assert_eq!(seal(b"short", b"x", b""), Err(SealError::Key));
        assert_eq!(format!("{owner:?}"), "OpeningKey");
    }
}
