//! The envelope: who a message is from and for, as MAIL and RCPT say it.
//!
//! ```text
//! MAIL FROM:<ada@example.org> SIZE=1234
//!           ╰──── path ─────╯ ╰ parameters
//! ```
//!
//! What stands in the message's own `From:` and `To:` has nothing to do with where it goes, just as
//! with a letter. `<>` is the sender of a bounce, to which no bounce may be sent.

/// Who a message is from and for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The sender's address; empty for `<>`.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
}

/// The longest path with its brackets. RFC 5321, 4.5.3.1.3.
const LONGEST_PATH: usize = 256;

/// Splits the argument of MAIL (`keyword` is `FROM:`) or RCPT (`TO:`) into the address and the
/// parameters. Errs with the text of a 501.
pub fn path<'a>(argument: &'a str, keyword: &str) -> Result<(String, &'a str), &'static str> {
    let Some((start, rest)) = argument.split_at_checked(keyword.len()) else {
        return Err("MAIL FROM:<address> or RCPT TO:<address>");
    };
    if !start.eq_ignore_ascii_case(keyword) {
        return Err("MAIL FROM:<address> or RCPT TO:<address>");
    }
    if rest.starts_with(' ') {
        return Err("no blank between the colon and < (RFC 5321, 3.3)");
    }
    let Some(rest) = rest.strip_prefix('<') else {
        return Err("an address stands in angle brackets: <ada@example.org>");
    };
    let end = closing(rest).ok_or("the > is missing")?;
    let (inside, rest) = rest.split_at(end);
    let rest = &rest[1..];
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return Err("a blank stands between > and a parameter");
    }
    if inside.len() + 2 > LONGEST_PATH {
        return Err("a path has at most 256 characters");
    }
    // <@a,@b:ada@example.org>: a route from the days when senders chose the way. To be understood and
    // ignored (RFC 5321, 3.6.1).
    let address = match inside.split_once(':') {
        Some((route, address)) if route.starts_with('@') => address,
        _ => inside,
    };
    if is_address(address) {
        return Ok((address.to_string(), rest.trim_start()));
    }
    Err("that is no address")
}

/// Where the `>` is that closes a path; one inside quotes does not.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(place),
            _ => {}
        }
    }
    None
}

/// Whether it can be an address: `local@domain`, nothing at all, or a name of this server
/// (`postmaster`). `text` is printable ASCII, so no line break can be in it.
fn is_address(text: &str) -> bool {
    let (local, domain) = match text.rsplit_once('@') {
        Some((local, domain)) => (local, domain),
        None => return text.is_empty() || text.eq_ignore_ascii_case("postmaster"),
    };
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let plain =
        !local.is_empty() && !local.contains(['"', '\\', ' ', '<', '>', '(', ')', ',', ';', ':', '@']);
    (quoted || plain) && is_host(domain)
}

/// Whether it can be a host's name or an address in brackets. An underscore is against the rules and
/// common.
pub fn is_host(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    let body = inside.unwrap_or(text);
    !body.is_empty()
        && body.len() <= 255
        && body.bytes().all(fits)
        && (inside.is_some() || !body.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (argument, address, parameters) in [
            ("FROM:<ada@example.org>", "ada@example.org", ""),
            ("from:<> SIZE=10 BODY=7BIT", "", "SIZE=10 BODY=7BIT"),
            ("FROM:<@a.org,@b.org:ada@example.org>", "ada@example.org", ""),
            ("FROM:<\"a > b\"@example.org> SIZE=1", "\"a > b\"@example.org", "SIZE=1"),
            ("FROM:<Postmaster>", "Postmaster", ""),
            ("FROM:<a@[IPv6:::1]>", "a@[IPv6:::1]", ""),
        ] {
            assert_eq!(path(argument, "FROM:"), Ok((address.to_string(), parameters)));
        }
        let long = format!("FROM:<{}@example.org>", "a".repeat(300));
        for argument in [
            "",
            "FROM",
            "TO:<a@b>",
            "FROM: <a@b>",
            "FROM:a@b",
            "FROM:<a@b",
            "FROM:<a@b>SIZE=1",
            "FROM:<a>",
            "FROM:<a b@c>",
            "FROM:<a@b@c>",
            "FROM:<@>",
            "FROM:<a@>",
            "FROM:<\"a@b>",
            "FRÖM:<a@b>",
            &long,
        ] {
            assert!(path(argument, "FROM:").is_err(), "{argument}");
        }
        assert!(path("FROM: <a@b>", "FROM:").unwrap_err().contains("RFC 5321, 3.3"));
    }

    #[test]
    fn hosts() {
        for host in ["example.org", "Alice", "[127.0.0.1]", "[IPv6:::1]", "my_pc"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["", "a b", "a)b", "[]", "::1", "[a", "a\r"] {
            assert!(!is_host(host), "{host}");
        }
    }
}
