//! Certificates for tests of TLS, made for the occasion.
#![expect(clippy::unwrap_used, reason = "a test that cannot have its certificates fails by panicking")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate authority of its own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate alone: the authority's own is not sent along.
    pub certificate: String,
    /// PKCS #8.
    pub key: String,
}

impl Authority {
    /// A new authority.
    pub fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and addresses (for a client: whatever it is called), valid today.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.sign(names, SystemTime::now() + DAY)
    }

    /// The same, but it was valid until yesterday.
    pub fn issue_expired(&self, names: &[&str]) -> Identity {
        self.sign(names, SystemTime::now() - DAY)
    }

    fn sign(&self, names: &[&str], until: SystemTime) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let subject = names.first().cloned().unwrap_or_default();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, subject);
        parameters.not_before = (SystemTime::now() - 10 * DAY).into();
        parameters.not_after = until.into();
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Identity {
    /// Writes `NAME.crt` and `NAME.key`, the key readable by its owner alone, and gives both paths.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths = (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
        fs::write(&paths.0, &self.certificate).unwrap();
        let mut options = OpenOptions::new();
        let mut key = options.write(true).create(true).truncate(true).mode(0o600).open(&paths.1).unwrap();
        key.write_all(self.key.as_bytes()).unwrap();
        paths
    }
}
