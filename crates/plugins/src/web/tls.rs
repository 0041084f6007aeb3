//! Certificates: which authorities are believed, and what we show of ourselves.

use std::fs;
use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// Where the systems that we know keep the authorities that they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's file of trusted authorities.
pub fn system_bundle() -> Option<PathBuf> {
    BUNDLES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// Verification is always on: there is no option against it.
///
/// # Errors
/// A file that can't be read, or that holds no certificate or key; the sentence names it.
pub fn config(authorities: Option<&Path>, identity: Option<(&Path, &Path)>) -> Result<TlsConfig, String> {
    let bundle = authorities.map(Path::to_owned).or_else(system_bundle);
    let bundle = bundle.ok_or_else(|| {
        format!("no trusted certificate authorities were found; looked for {}", BUNDLES.join(", "))
    })?;
    let (roots, _) = read(&bundle)?;
    if roots.is_empty() {
        return Err(format!("{} holds no certificate", bundle.display()));
    }
    let identity = identity.map(|(certificate, key)| client_certificate(certificate, key)).transpose()?;
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).client_cert(identity).build())
}

fn client_certificate(certificate: &Path, key: &Path) -> Result<ClientCert, String> {
    let (chain, _) = read(certificate)?;
    let (_, keys) = read(key)?;
    match (chain.is_empty(), keys.into_iter().next()) {
        (false, Some(key)) => Ok(ClientCert::new_with_certs(&chain, key)),
        (true, _) => Err(format!("{} holds no certificate", certificate.display())),
        (false, None) => Err(format!("{} holds no private key", key.display())),
    }
}

type Contents = (Vec<Certificate<'static>>, Vec<PrivateKey<'static>>);

fn read(path: &Path) -> Result<Contents, String> {
    let bytes = fs::read(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for item in parse_pem(&bytes) {
        match item.map_err(|error| format!("{} is no PEM file: {error}", path.display()))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(key) => keys.push(key),
            _ => {}
        }
    }
    Ok((certificates, keys))
}
