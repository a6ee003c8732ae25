//! A Redis that speaks TLS: a CA of its own, a certificate for its address, and one for a client.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tempfile::TempDir;

use crate::redis_server::RedisServer;

/// Its port for TLS, on the address that it alone has.
const TLS_PORT: u16 = 7_443;

/// The running server. A test may speak to it in the clear, as an operator on its machine would.
pub struct TlsRedis {
    /// The server.
    pub server: RedisServer,
    files: TempDir,
}

impl TlsRedis {
    /// Starts one that asks every client for a certificate, if it is `mutual`.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(mutual: bool) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let path = |name: &str| files.path().join(name).display().to_string();
        let mut ca = CertificateParams::new(Vec::new())?;
        // A certificate that is named like its authority looks like its own authority to OpenSSL.
        ca.distinguished_name.push(DnType::CommonName, "authority of the tests");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
        std::fs::write(path("ca.pem"), ca.pem())?;
        let arguments = ["--tls-port", &TLS_PORT.to_string(), "--tls-ca-cert-file", &path("ca.pem")].map(str::to_owned);
        let own = ["--tls-cert-file", &path("server.pem"), "--tls-key-file", &path("server.key")].map(str::to_owned);
        let clients = ["--tls-auth-clients", if mutual { "yes" } else { "no" }].map(str::to_owned);
        // Its address is known once it listens, and its certificate names the address.
        let mut server = RedisServer::start().await?;
        for (name, purpose) in
            [("server", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)]
        {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new([server.address.ip().to_string()])?;
            params.extended_key_usages = vec![purpose];
            std::fs::write(path(&format!("{name}.pem")), params.signed_by(&key, &ca)?.pem())?;
            std::fs::write(path(&format!("{name}.key")), key.serialize_pem())?;
        }
        server.restart_with(arguments.into_iter().chain(own).chain(clients)).await?;
        Ok(Self { server, files })
    }

    /// Where it speaks TLS.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (self.server.address.ip(), TLS_PORT).into()
    }

    /// One of `ca.pem`, `client.pem`, `client.key`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}
