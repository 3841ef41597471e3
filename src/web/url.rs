//! Where a redirect leads: a Location, understood relative to where we are (RFC 3986, 5).

use super::percent;
use super::target::is_authority;

/// What to ask of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// A name or an address, an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query, for the request line: begins with a slash and has no blanks.
    pub target: String,
}

impl Url {
    /// From the command line. `path` gets a slash in front if it has none, and what may not stand in a
    /// request line is percent-encoded: a blank, a control character, bytes over 0x7f, and `#`. A `%` is
    /// taken to be encoded already.
    pub fn new(host: &str, port: u16, path: &[u8]) -> Url {
        let mut target = String::from(if path.starts_with(b"/") { "" } else { "/" });
        for &byte in path {
            if byte.is_ascii_graphic() && byte != b'#' {
                target.push(char::from(byte));
            } else {
                target += &percent::encode(&[byte]);
            }
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_string() };
        Url { host, port, target }
    }

    /// Host and port as the Host field has them: without the port that http has anyway.
    pub fn authority(&self) -> String {
        match self.port {
            80 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// Where `location` leads from here. Errs with why it leads nowhere we can go.
    pub fn follow(&self, location: &[u8]) -> Result<Url, &'static str> {
        let text = std::str::from_utf8(location).map_err(|_| "it is not text")?;
        let text = text.split('#').next().unwrap_or_default();
        if let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
            return match scheme.to_ascii_lowercase().as_str() {
                "http" => absolute(rest),
                "https" => Err("it leads to https, and this client has no TLS"),
                _ => Err("it leads to something that is not http"),
            };
        }
        if let Some(rest) = text.strip_prefix("//") {
            return absolute(rest);
        }
        if text.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
            return Err("it leads to something that is not http");
        }
        let (here, _) = split_query(&self.target);
        let (path, query) = split_query(text);
        let path = match path {
            // Only a query, or nothing: the same path.
            "" => here.to_string(),
            path if path.starts_with('/') => path.to_string(),
            // Relative to the folder we are in.
            path => format!("{}/{path}", here.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        Ok(Url::new(&self.host, self.port, format!("{}{query}", without_dots(&path)).as_bytes()))
    }
}

fn is_scheme(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) && !text.is_empty()
}

/// What follows `//`: host, port, path.
fn absolute(rest: &str) -> Result<Url, &'static str> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if !is_authority(authority.as_bytes()) {
        return Err("it names no valid host");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let port = if port.is_empty() { 80 } else { port.parse().map_err(|_| "it names no valid port")? };
    let (path, query) = split_query(target);
    Ok(Url::new(host, port, format!("{}{query}", without_dots(path)).as_bytes()))
}

/// The path, and the query with its question mark.
fn split_query(target: &str) -> (&str, &str) {
    target.split_at(target.find('?').unwrap_or(target.len()))
}

/// Takes `.` and `..` out of a path (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." => {}
            ".." => drop(names.pop()),
            part => {
                names.push(part);
                continue;
            }
        }
        // A path that ends with dots means a folder.
        if last {
            names.push("");
        }
    }
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_command_line() {
        let target = |path: &str| Url::new("a", 80, path.as_bytes()).target;
        assert_eq!(target("HelloWorld.html"), "/HelloWorld.html");
        assert_eq!(target(""), "/");
        assert_eq!(target("/a b?c=%20"), "/a%20b?c=%20");
        assert_eq!(target("/a\r\nX: y"), "/a%0D%0AX:%20y");
        assert_eq!(target("/größe#1"), "/gr%C3%B6%C3%9Fe%231");
        assert_eq!(Url::new("::1", 6789, b"/").authority(), "[::1]:6789");
        assert_eq!(Url::new("[::1]", 80, b"/").authority(), "[::1]");
    }

    #[test]
    fn redirects() {
        let here = Url::new("127.0.0.1", 6789, b"/a/b?c");
        let table = [
            ("/x", "127.0.0.1:6789 /x"),
            ("x/", "127.0.0.1:6789 /a/x/"),
            ("../x?y", "127.0.0.1:6789 /x?y"),
            ("../../../x", "127.0.0.1:6789 /x"),
            (".", "127.0.0.1:6789 /a/"),
            ("?d", "127.0.0.1:6789 /a/b?d"),
            ("", "127.0.0.1:6789 /a/b"),
            ("#top", "127.0.0.1:6789 /a/b"),
            ("/x y", "127.0.0.1:6789 /x%20y"),
            ("/x?u=http://y", "127.0.0.1:6789 /x?u=http://y"),
            ("http://other/", "other:80 /"),
            ("HTTP://other:81?x", "other:81 /?x"),
            ("//[::1]:82/y", "[::1]:82 /y"),
        ];
        for (location, expected) in table {
            let Url { host, port, target } = here.follow(location.as_bytes()).unwrap();
            assert_eq!(format!("{host}:{port} {target}"), expected, "{location}");
        }
        for location in
            ["https://a/", "ftp://a/", "mailto:a", "http://", "http://u@a/", "http://a:99999/", "http://a b/"]
        {
            assert!(here.follow(location.as_bytes()).is_err(), "{location}");
        }
        assert!(here.follow(b"\xff").is_err());
    }
}
