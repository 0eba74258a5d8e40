//! Requests to servers of feeds, within limits. Blocking. What fails is said without keys.

use std::{
    io,
    sync::{Arc, LazyLock},
    time::Instant,
};

use anyhow::{Result, anyhow, bail, ensure};
use ureq::{
    Agent, Body, Error,
    http::{HeaderName, HeaderValue, Response, Uri},
    tls::{Certificate, RootCerts, TlsConfig},
    unversioned::transport::DefaultConnector,
};

use jiff::Timestamp;

use self::{later::Later, target::Bounded};
use super::fetch::Limits;

pub mod later;
mod redirect;
mod target;

/// Certificates of those who vouch for servers, as this machine has them.
static CERTIFICATES: LazyLock<Arc<Vec<Certificate<'static>>>> = LazyLock::new(|| {
    // What cannot be read vouches for nobody; where nothing can, connections fail and say so.
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates = found.iter().map(|it| Certificate::from_der(it).to_owned());
    Arc::new(certificates.collect())
});

/// Reads the certificates of this machine, while its files can be read.
pub fn load_certificates() {
    LazyLock::force(&CERTIFICATES);
}

fn certificates() -> RootCerts {
    RootCerts::Specific(Arc::clone(&CERTIFICATES))
}

/// Redirects followed.
const MOST_REDIRECTS: u32 = 3;

/// A client for all requests of one update.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    limits: Limits,
    started: Instant,
}

/// Headers of a request.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

impl Client {
    /// A client with these limits.
    pub fn new(limits: &Limits) -> Self {
        let roots = TlsConfig::builder().root_certs(certificates()).build();
        let config = Agent::config_builder()
            .tls_config(roots)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("firewall/", env!("CARGO_PKG_VERSION")))
            .build();
        let resolver = Bounded::new(limits);
        Self {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
            limits: limits.clone(),
            started: Instant::now(),
        }
    }

    /// Asks for `address`, follows redirects, and returns the answer, whatever its status; all
    /// requests of a client together have the time of its limits.
    ///
    /// # Errors
    /// There is no answer, or it would come from where this client may not go; says what to do.
    pub fn get(&self, address: &Uri, headers: &Headers) -> Result<Response<Body>> {
        let (mut address, mut headers) = (address.clone(), headers.clone());
        for _ in 0..=MOST_REDIRECTS {
            if !self.limits.internal {
                target::check_literal(&address, &self.limits.connected)?;
            }
            let response = self.request(&address, &headers)?;
            let Some(next) = redirect::target(&address, &response)? else {
                return Ok(response);
            };
            headers = redirect::headers(&address, &next, headers);
            address = next;
        }
        bail!("more than {MOST_REDIRECTS} redirects; use the address that they lead to")
    }

    fn request(&self, address: &Uri, headers: &Headers) -> Result<Response<Body>> {
        let left = self.limits.time.saturating_sub(self.started.elapsed());
        ensure!(!left.is_zero(), self.too_slow());
        let request = self
            .agent
            .get(address)
            .config()
            .timeout_global(Some(left))
            .build();
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        request.call().map_err(|error| self.explained(error))
    }

    /// The body of an answer.
    ///
    /// # Errors
    /// It is longer than the limit, or does not come.
    pub fn body(&self, response: &mut Response<Body>) -> Result<Vec<u8>> {
        let body = response.body_mut().with_config();
        body.limit(self.limits.transfer as u64)
            .read_to_vec()
            .map_err(|error| self.explained(error))
    }

    /// The body of an answer that must be a success.
    ///
    /// # Errors
    /// It is none, with advice, as [`Later`] where the server says when to ask again; or as
    /// [`Self::body`].
    pub fn success(&self, mut response: Response<Body>) -> Result<Vec<u8>> {
        let status = response.status().as_u16();
        if status == 200 {
            return self.body(&mut response);
        }
        let reason = unsuccessful(status);
        // RFC 9110 §10.2.3 and RFC 6585 §4.
        let asks = matches!(status, 429 | 503);
        match later::retry_after(response.headers(), Timestamp::now()).filter(|_| asks) {
            Some(seconds) => bail!(Later { reason, seconds }),
            None => bail!(reason),
        }
    }

    /// The error in words; those of the library may contain the address with its key.
    fn explained(&self, error: Error) -> anyhow::Error {
        match error {
            Error::Timeout(_) => anyhow!(self.too_slow()),
            Error::BodyExceedsLimit(_) => anyhow!(
                "the body is longer than the limit of {} bytes; get a list that is \
                 meant to be that long by other means, divide it and name its parts with path",
                self.limits.transfer
            ),
            Error::HostNotFound => {
                anyhow!("the name of the host is unknown; check the address and the resolver")
            }
            // Ours, of [`Bounded`].
            Error::Other(objection) => anyhow!("{objection}"),
            Error::Io(error) if is_of_certificate(&error) => anyhow!(
                "the server cannot prove who it is ({error}); check the address and the clock of this \
                 machine, or ask the provider"
            ),
            Error::Io(error) => anyhow!(
                "the connection failed ({error}); check the network, the next update tries again"
            ),
            error => anyhow!("{error}; the next update tries again"),
        }
    }

    fn too_slow(&self) -> String {
        format!(
            "it took longer than {:?}, the most there is; the next update tries again, and a list from a \
             server that is always that slow can be fetched by other means and named with path",
            self.limits.time
        )
    }
}

fn is_of_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// What to say of an answer that is no success.
pub fn unsuccessful(status: u16) -> String {
    let advice = match status {
        401 | 403 => "check the key or the terms of the provider",
        404 | 410 => "the list has moved or ended, check the address",
        429 => "the provider wants fewer updates, update less often",
        500..=599 => "the fault is the server's, the next update tries again",
        _ => "open the address in a browser",
    };
    format!("the server answered with status {status}; {advice}")
}
