//! What a server says it can do: the lines of its reply to EHLO after the first. RFC 5321, 2.2.
//!
//! | line | meaning | here |
//! |---|---|---|
//! | `SIZE 26214400` | the largest message it takes (RFC 1870) | announced, checked before anything is sent |
//! | `8BITMIME` | bytes beyond ASCII may be sent as they are (RFC 6152) | used for UTF-8 text |
//! | `STARTTLS` | the connection can change to TLS (RFC 3207) | used with `--tls starttls` |
//! | `AUTH PLAIN LOGIN` | ways to log in (RFC 4954) | used with `--user` |
//!
//! Anything else is left alone: PIPELINING, SMTPUTF8, CHUNKING and others.

use super::reply::Reply;

/// The announced keywords, in capitals, each with its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions(Vec<(String, String)>);

impl Extensions {
    /// From the reply to EHLO.
    pub fn from_reply(reply: &Reply) -> Extensions {
        let keyword = |line: &Vec<u8>| {
            let line = String::from_utf8_lossy(line).to_ascii_uppercase();
            let (word, parameters) = line.split_once(' ').unwrap_or((&line, ""));
            (word.to_string(), parameters.trim().to_string())
        };
        Extensions(reply.lines.iter().skip(1).map(keyword).collect())
    }

    /// Whether the server announced this keyword.
    pub fn has(&self, keyword: &str) -> bool {
        self.parameters(keyword).is_some()
    }

    /// What it announced along with it.
    pub fn parameters(&self, keyword: &str) -> Option<&str> {
        self.0.iter().find(|(word, _)| word == keyword).map(|(_, parameters)| parameters.as_str())
    }

    /// The largest message in bytes, where the server names one; 0 means that it has no fixed limit.
    pub fn largest(&self) -> Option<u64> {
        self.parameters("SIZE")?.parse().ok().filter(|size| *size > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_in_any_case() {
        let reply = Reply::new(250, "STARTTLS.lab greets you\nsize 1000\n8bitmime\nAUTH plain LOGIN\nSIZE");
        let server = Extensions::from_reply(&reply);
        assert!(server.has("8BITMIME") && !server.has("STARTTLS") && !server.has("STARTTLS.LAB"));
        assert_eq!(server.largest(), Some(1000));
        assert_eq!(server.parameters("AUTH"), Some("PLAIN LOGIN"));
        for line in ["SIZE", "SIZE 0", "SIZE x", "SIZE 99999999999999999999999"] {
            assert_eq!(Extensions::from_reply(&Reply::new(250, &format!("x\n{line}"))).largest(), None);
        }
        assert_eq!(Extensions::from_reply(&Reply::new(250, "x")), Extensions::default());
    }
}
