//! Redirects, which are followed here and not by the library: never to another scheme, and no key
//! goes to another host.

use anyhow::{Context, Result, bail};
use ureq::{
    Body,
    http::{Response, Uri, header::LOCATION},
};

use super::Headers;

/// Where an answer from `base` leads, if it is a redirect (RFC 9110 §15.4).
///
/// # Errors
/// It leads to no address, or to one of another scheme.
pub fn target(base: &Uri, response: &Response<Body>) -> Result<Option<Uri>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION);
    let location = location
        .and_then(|location| location.to_str().ok())
        .filter(|location| !location.is_empty())
        .context("a redirect does not say where to; ask the provider")?;
    let next = joined(base, location)
        .parse::<Uri>()
        .ok()
        .filter(|next| next.host().is_some())
        .context("a redirect leads to no valid address; ask the provider")?;
    let (from, to) = (base.scheme_str(), next.scheme_str());
    match (from.unwrap_or_default(), to.unwrap_or_default()) {
        (from, to) if from == to => Ok(Some(next)),
        ("https", "http") => {
            bail!("a redirect leads from https to http; use an address that stays encrypted")
        }
        (from, to) => bail!(
            "a redirect leads from {from} to {to} ({}); if that is right, use the address that it \
             leads to",
            next.host().unwrap_or_default()
        ),
    }
}

/// The headers for `next`: those with a key only if it is the same server.
pub fn headers(base: &Uri, next: &Uri, mut headers: Headers) -> Headers {
    let is_same = server(base) == server(next);
    headers.retain(|(_, value)| is_same || !value.is_sensitive());
    headers
}

/// Host and port; a port that is not named is that of the scheme (RFC 9110 §4.2.1, §4.2.2).
fn server(address: &Uri) -> (String, Option<u16>) {
    let by_scheme = match address.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    let host = address.host().unwrap_or_default();
    (host.to_ascii_lowercase(), address.port_u16().or(by_scheme))
}

/// `location` seen from `base` (RFC 3986 §5.2, but for dots: servers read those themselves).
fn joined(base: &Uri, location: &str) -> String {
    let scheme = base.scheme_str().unwrap_or_default();
    let authority = base.authority().map_or("", |it| it.as_str());
    let folder = base
        .path()
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let end = location.find(['/', '?', '#']).unwrap_or(location.len());
    match location {
        whole if whole[..end].contains(':') => whole.to_owned(),
        host if host.starts_with("//") => format!("{scheme}:{host}"),
        path if path.starts_with('/') => format!("{scheme}://{authority}{path}"),
        query if query.starts_with('?') => format!("{scheme}://{authority}{}{query}", base.path()),
        file => format!("{scheme}://{authority}{folder}/{file}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ureq::http::{
        HeaderValue,
        header::{ACCEPT, AUTHORIZATION},
    };

    fn answer(location: &str) -> Response<Body> {
        Response::builder()
            .status(302)
            .header(LOCATION, location)
            .body(Body::builder().data(""))
            .unwrap()
    }

    #[test]
    fn redirects_stay_with_their_scheme() {
        let base: Uri = "https://feeds.example/lists/a.txt?x=1".parse().unwrap();
        let next = |location: &str| {
            let next = target(&base, &answer(location));
            next.map(|it| it.unwrap().to_string())
                .map_err(|error| error.to_string())
        };
        for (location, expected) in [
            ("https://cdn.example/b?t=2", "https://cdn.example/b?t=2"),
            ("//cdn.example/b", "https://cdn.example/b"),
            ("/b", "https://feeds.example/b"),
            ("b.txt", "https://feeds.example/lists/b.txt"),
            ("?y=2", "https://feeds.example/lists/a.txt?y=2"),
        ] {
            assert_eq!(next(location).as_deref(), Ok(expected), "{location}");
        }
        for (location, part) in [
            ("http://feeds.example/a", "from https to http;"),
            ("ftp://feeds.example/a", "from https to ftp (feeds.example)"),
            ("file:///etc/passwd", "no valid address"),
            ("data:text/plain,192.0.2.1", "no valid address"),
            ("https://[::1/", "no valid address"),
            ("", "does not say where to"),
        ] {
            let error = next(location).unwrap_err();
            assert!(error.contains(part), "{location}: {error}");
        }
    }

    #[test]
    fn a_key_goes_to_the_same_server_however_its_port_is_written() {
        let mut key = HeaderValue::from_static("geheim");
        key.set_sensitive(true);
        let given = vec![
            (AUTHORIZATION, key),
            (ACCEPT, HeaderValue::from_static("*/*")),
        ];
        for (from, to, is_sent) in [
            ("https://a.example/", "https://a.example:443/b", true),
            ("https://a.example:443/", "https://A.example/b", true),
            ("http://a.example/", "http://a.example:80/b", true),
            ("http://a.example:8080/", "http://a.example:8080/b", true),
            ("http://a.example/", "http://a.example:443/b", false),
            ("https://a.example/", "https://a.example:444/b", false),
            ("https://a.example/", "http://a.example/b", false),
            ("https://a.example/", "https://b.example/", false),
            ("https://a.example/", "https://a.example@b.example/", false),
        ] {
            let [base, next] = [from, to].map(|it| it.parse().unwrap());
            let sent = headers(&base, &next, given.clone());
            assert_eq!(sent.len(), 1 + usize::from(is_sent), "{from} {to}");
        }
    }
}
