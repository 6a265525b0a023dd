//! Certificates of a test's own making: an authority, and what it signs for servers and clients.

#![allow(clippy::panic, reason = "a test without its certificates has nothing to go on with")]

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// Who signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate in PEM, which whoever is to trust it is given.
    pub certificate: String,
}

/// A certificate and its key, both in PEM.
pub struct Pair {
    /// The certificate alone, without the authority's.
    pub certificate: String,
    /// PKCS #8.
    pub key: String,
}

impl Authority {
    /// A new one.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = key();
        let certificate = params.self_signed(&key).unwrap_or_else(|error| panic!("{error}")).pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// For a server of these names and addresses.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Pair {
        let mut params = named(names.first().copied().unwrap_or_default(), names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// For a client: in Kubernetes a user, and the group it is in.
    #[must_use]
    pub fn client(&self, user: &str, group: &str) -> Pair {
        let mut params = named(user, &[]);
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Pair {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).unwrap_or_else(|error| panic!("{error}"));
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|error| panic!("{error}"))
}

/// A key that signs ServiceAccount tokens, and the public key that verifies them, in PEM.
#[must_use]
pub fn signing_key() -> (String, String) {
    let key = key();
    (key.serialize_pem(), key.public_key_pem())
}

fn named(name: &str, also: &[&str]) -> CertificateParams {
    let also: Vec<String> = also.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(also).unwrap_or_else(|error| panic!("{error}"));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
