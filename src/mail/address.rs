//! Mail addresses, checked before they go anywhere.
//!
//! An address ends up in a command (`RCPT TO:<…>`) and in a header (`To: …`). One with a line break in
//! it would end that line and begin another: a command, a recipient or a header of its sender's choice
//! ("SMTP injection"). So an address is checked once, here, and is harmless afterwards.
//!
//! Limits: plain `name@domain` of ASCII characters (RFC 5321, `Dot-string`). Quoted names
//! (`"a b"@example.org`) and names beyond ASCII (SMTPUTF8, RFC 6531) are refused.

use crate::kit::error::Error;
use crate::kit::screen::escape;

/// The longest address: a path of 256 bytes less its angle brackets. RFC 5321, 4.5.3.1.3.
const LONGEST: usize = 254;

/// The longest part before the `@`. RFC 5321, 4.5.3.1.1.
const LONGEST_LOCAL: usize = 64;

/// What may stand in an address beside letters, digits and dots. RFC 5322, 3.2.3 (`atext`).
const SIGNS: &[u8] = b"!#$%&'*+-/=?^_`{|}~";

/// An address and, if there is one, the name of its owner: `Ada <ada@example.org>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The owner's name; free of control characters, otherwise any text.
    pub name: Option<String>,
    /// `local@domain`.
    pub address: String,
}

impl Mailbox {
    /// Reads `ada@example.org` or `Ada <ada@example.org>` as the user gave it for `flag`. Errs with
    /// [`Error::Usage`].
    pub fn parse(flag: &str, text: &str) -> Result<Mailbox, Error> {
        let wrong = |why: &str| Error::Usage(format!("{flag} {}: {why}", escape(text.as_bytes())));
        if text.chars().any(char::is_control) {
            return Err(wrong("an address has no line break or other control character"));
        }
        let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.split_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"'), address),
            None => ("", text.trim()),
        };
        check(address).map_err(wrong)?;
        let name = (!name.is_empty()).then(|| name.to_string());
        Ok(Mailbox { name, address: address.to_string() })
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// Whether `address` can be used. Errs with what is wrong about it.
fn check(address: &str) -> Result<(), &'static str> {
    if !address.is_ascii() {
        return Err("only ASCII characters (others need SMTPUTF8, which this client does not speak)");
    }
    let (local, domain) = address.rsplit_once('@').ok_or("not an address, for example ada@example.org")?;
    if address.len() > LONGEST || local.len() > LONGEST_LOCAL {
        return Err("too long: 64 characters before the @, 254 in all");
    }
    let atom = |part: &str, signs: &[u8]| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte))
    };
    if !local.split('.').all(|part| atom(part, SIGNS)) {
        return Err("the part before the @ has a character that needs quotes, which are not supported");
    }
    let literal = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = match literal {
        Some(inside) => atom(inside, b".:-"),
        None => domain.split('.').all(|part| atom(part, b"-_")),
    };
    if !fits {
        return Err("what stands behind the @ is no domain, for example example.org or [127.0.0.1]");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_name_and_without() {
        let plain = Mailbox::parse("--to", "ada@example.org").unwrap();
        assert_eq!((plain.name.as_deref(), plain.address.as_str()), (None, "ada@example.org"));
        assert_eq!(plain.domain(), "example.org");
        for text in ["Ada L. <a.l+x@[127.0.0.1]>", "\"Ada L.\" <a.l+x@[127.0.0.1]>"] {
            let named = Mailbox::parse("--to", text).unwrap();
            assert_eq!((named.name.as_deref(), named.domain()), (Some("Ada L."), "[127.0.0.1]"));
        }
        assert!(Mailbox::parse("--to", "<ada@localhost>").unwrap().name.is_none());
    }

    #[test]
    fn nothing_that_could_become_a_second_line_or_recipient() {
        let long = format!("{}@example.org", "a".repeat(65));
        for text in [
            "ada@example.org\r\nRCPT TO:<eve@example.org>",
            "ada@example.org\nBcc: eve@example.org",
            "Ada\r\nBcc: eve@example.org <ada@example.org>",
            "ada@example.org> RCPT TO:<eve@example.org",
            "ada@example.org, eve@example.org",
            "ada@example.org SIZE=1",
            "ada",
            "@example.org",
            "ada@",
            "a..b@example.org",
            "ada@example..org",
            "ada@exa mple.org",
            "ada@\0",
            "größe@example.org",
            "\"a b\"@example.org",
            "<ada@example.org",
            "",
            &long,
        ] {
            let error = Mailbox::parse("--to", text);
            assert!(matches!(error, Err(Error::Usage(_))), "{text:?} gives {error:?}");
        }
    }
}
