//! What a request asks for: from the request target to the names of a path below the root.
//!
//! ```text
//! GET /docs/a%20b.html?x=1 HTTP/1.1            origin-form: path and query
//! GET http://host/docs/a.html HTTP/1.1         absolute-form, as to a proxy
//! OPTIONS * HTTP/1.1                           the server itself
//! ```
//!
//! The path is split at its slashes first and decoded after that, name by name and once. In that order
//! a `%2f` can never become a border between names. Then each name is judged as what it really is.

use super::percent;
use super::response::Refusal;

/// A request target (RFC 9112, 3.2).
#[derive(Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// `*`: the server as a whole.
    Server,
    /// `host:port`, for CONNECT.
    Authority,
    /// A path and a query, both as they came.
    Path {
        /// Begins with a slash.
        path: &'a [u8],
        /// What follows the `?`, if there is one.
        query: Option<&'a [u8]>,
    },
}

impl<'a> Target<'a> {
    /// Takes a target that is not empty. Errs with 400 for what has none of the forms.
    pub fn parse(text: &'a [u8]) -> Result<Target<'a>, Refusal> {
        // A fragment stays with the browser; a byte over 0x7f should have been encoded (3.2).
        if text.iter().any(|&byte| !byte.is_ascii_graphic() || byte == b'#') {
            return Err(Refusal::bad("the target contains a byte that must be percent-encoded"));
        }
        if text == b"*" {
            return Ok(Target::Server);
        }
        if text.first() == Some(&b'/') {
            return Ok(with_query(text));
        }
        let Some(colon) = text.windows(3).position(|three| three == b"://") else {
            let authority = is_authority(text) && text.contains(&b':');
            return if authority { Ok(Target::Authority) } else { Err(Refusal::bad(NO_FORM)) };
        };
        let (scheme, rest) = (&text[..colon], &text[colon + 3..]);
        if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
            return Err(Refusal::bad(NO_FORM));
        }
        let end = rest.iter().position(|&byte| byte == b'/' || byte == b'?').unwrap_or(rest.len());
        if !is_authority(&rest[..end]) {
            return Err(Refusal::bad("the target names an invalid host"));
        }
        Ok(match rest[end..] {
            // `http://host` and `http://host?x` have an empty path, which means `/` (RFC 9110, 4.2.3).
            [] => Target::Path { path: b"/", query: None },
            [b'?', ref query @ ..] => Target::Path { path: b"/", query: Some(query) },
            _ => with_query(&rest[end..]),
        })
    }
}

const NO_FORM: &str = "the target is neither a path, nor an http URL, nor *";

fn with_query(text: &[u8]) -> Target<'_> {
    match text.iter().position(|&byte| byte == b'?') {
        Some(mark) => Target::Path { path: &text[..mark], query: Some(&text[mark + 1..]) },
        None => Target::Path { path: text, query: None },
    }
}

/// Whether this is `host` or `host:port` (RFC 3986, 3.2): a name, an IPv4 or a bracketed IPv6 address.
/// An empty host is none (RFC 9110, 4.2.1), nor is one with a user in front (4.2.4).
pub fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text.iter().rposition(|&byte| byte == b':') {
        // The last colon of `[::1]` is not a port's.
        Some(colon) if !text[colon..].contains(&b']') => (&text[..colon], &text[colon + 1..]),
        _ => (text, &b""[..]),
    };
    let name_character = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
    let valid_host = match host {
        [b'[', inside @ .., b']'] => {
            let inside = std::str::from_utf8(inside).unwrap_or_default();
            inside.parse::<std::net::Ipv6Addr>().is_ok()
        }
        [] => false,
        name => name.iter().all(name_character) && percent::decode(name).is_some(),
    };
    valid_host && port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}

/// A path, as names below the root.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// Its names, decoded; none of them is empty, begins with a dot, or has a slash or NUL in it.
    pub names: Vec<Vec<u8>>,
    /// Whether it ends with a slash: then it means a folder.
    pub folder: bool,
}

impl Place {
    /// Takes a path that begins with a slash. Errs with 400 for a broken escape or a NUL, with 404 for
    /// a name that begins with a dot (`.` and `..` among them) or contains a slash. Empty names, as in
    /// `//a`, are dropped: a path that began with two slashes, sent back in a Location, would be read
    /// as the name of another host.
    pub fn parse(path: &[u8]) -> Result<Place, Refusal> {
        let mut names = Vec::new();
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            let Some(name) = percent::decode(name) else {
                return Err(Refusal::bad("a % in the path is not followed by two hexadecimal digits"));
            };
            if name.contains(&0) {
                return Err(Refusal::bad("the path contains a NUL"));
            }
            if name.first() == Some(&b'.') || name.contains(&b'/') {
                return Err(Refusal { status: 404, why: "there is nothing of that name here" });
            }
            names.push(name);
        }
        Ok(Place { names, folder: path.ends_with(b"/") })
    }

    /// The path for the file system, relative to the root; `.` for the root itself.
    pub fn path(&self) -> Vec<u8> {
        if self.names.is_empty() {
            return b".".to_vec();
        }
        self.names.join(&b'/')
    }

    /// The same place with a slash at its end, for a Location: a path only, so that it cannot point
    /// anywhere else, with the query kept.
    pub fn with_slash(&self, query: Option<&[u8]>) -> String {
        let mut location = String::from("/");
        for name in &self.names {
            location += &percent::encode(name);
            location.push('/');
        }
        if let Some(query) = query {
            // Target::parse has let only visible ASCII pass.
            location.push('?');
            location += &String::from_utf8_lossy(query);
        }
        location
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<(&str, Option<&str>), u16> {
        let show = |bytes| std::str::from_utf8(bytes).unwrap();
        match Target::parse(text.as_bytes()) {
            Ok(Target::Path { path, query }) => Ok((show(path), query.map(show))),
            Ok(other) => panic!("{text}: {other:?}"),
            Err(refusal) => Err(refusal.status),
        }
    }

    #[test]
    fn the_four_forms() {
        assert_eq!(path("/a/b?c=d?e"), Ok(("/a/b", Some("c=d?e"))));
        assert_eq!(path("/"), Ok(("/", None)));
        assert_eq!(path("http://host:80/a"), Ok(("/a", None)));
        assert_eq!(path("HTTP://[::1]:80"), Ok(("/", None)));
        assert_eq!(path("http://host?x"), Ok(("/", Some("x"))));
        assert_eq!(path("/|[]^{}\\"), Ok(("/|[]^{}\\", None)), "browsers send these as they are");
        assert_eq!(Target::parse(b"*").unwrap(), Target::Server);
        assert_eq!(Target::parse(b"host:443").unwrap(), Target::Authority);
    }

    #[test]
    fn what_has_no_form() {
        for text in [
            "a.html",
            "/a b",
            "/a#b",
            "/gr\u{f6}\u{df}e",
            "/\x07",
            "/\x7f",
            "ftp://host/a",
            "http:///a",
            "http://user@host/a",
            "http://ho st/",
            "http://host:x/",
            "**",
            "?",
            "host:port",
        ] {
            assert_eq!(Target::parse(text.as_bytes()).map_err(|refusal| refusal.status), Err(400), "{text}");
        }
    }

    #[test]
    fn hosts() {
        for host in ["a", "localhost:6789", "127.0.0.1", "[::1]", "[::1]:80", "a:", "xn--bcher-kva.example"] {
            assert!(is_authority(host.as_bytes()), "{host}");
        }
        for host in
            ["", ":80", "a b", "a/b", "a:b", "a:800000", "u@a", "[::1", "::1", "[x]", "a%zz", "\u{e9}"]
        {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn every_spelling_of_the_way_out_is_refused() {
        let table = [
            ("/../etc/passwd", 404),
            ("/a/../../etc/passwd", 404),
            ("/..", 404),
            ("/%2e%2e/etc/passwd", 404),
            ("/.%2E/", 404),
            ("/..%2fetc/passwd", 404),
            ("/a%2f..%2fb", 404),
            ("/%2fetc/passwd", 404),
            ("/.", 404),
            ("/.git/config", 404),
            ("/a/.hidden", 404),
            ("/%00", 400),
            ("/a%00.html", 400),
            ("/%zz", 400),
            ("/%", 400),
            ("/%c0%", 400),
        ];
        for (text, status) in table {
            let got = Place::parse(text.as_bytes()).map_err(|refusal| refusal.status);
            assert_eq!(got, Err(status), "{text}");
        }
    }

    #[test]
    fn names_are_decoded_once_and_slashes_collapse() {
        let place = |text: &str| Place::parse(text.as_bytes()).unwrap();
        assert_eq!(place("/"), Place { names: vec![], folder: true });
        assert_eq!(place("/").path(), b".");
        assert_eq!(place("//a///b%20c").path(), b"a/b c");
        assert_eq!(place("//etc/passwd").path(), b"etc/passwd");
        assert_eq!(place("/%252e%252e/x").path(), b"%2e%2e/x");
        assert_eq!(place("/a\\..\\b").path(), b"a\\..\\b", "a backslash is a letter here");
        assert_eq!(place("/x/").path(), b"x");
        assert!(place("/x/").folder && !place("/x").folder);
        assert_eq!(place("//example.org").with_slash(None), "/example.org/");
        assert_eq!(place("/a%20b").with_slash(Some(b"x=1")), "/a%20b/?x=1");
        assert_eq!(place("/a%0d%0aX:y").with_slash(None), "/a%0D%0AX%3Ay/");
    }
}
