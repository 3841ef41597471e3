//! Conditional requests: send it only if it has changed, or only if it has not (RFC 9110, 13).
//!
//! A browser that has a copy asks `If-None-Match: "tag of its copy"` and gets 304 without a body. A
//! program that changes files asks `If-Match` so as not to overwrite another's change; for a server
//! that only reads, it is a way to ask whether something is still the same.

use super::head::Fields;
use crate::kit::http_date;

/// What is known about a file's version.
#[derive(Debug, Clone)]
pub struct Version {
    /// The entity tag without `W/`: `"18c2f-1a"`. `None` for what is made up on the spot.
    pub tag: Option<String>,
    /// Whether the tag, and the date, are strong: that the file cannot have changed without changing
    /// them. A file that was written a moment ago can change again within the clock's same tick.
    pub strong: bool,
    /// When it was changed last, in seconds since 1970; never in the future.
    pub modified: Option<i64>,
}

/// What the conditions of a request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were none.
    Go,
    /// 304: the client's copy is good.
    NotModified,
    /// 412: it is not what the client takes it for.
    Failed,
}

/// Judges the conditions in the order of RFC 9110, 13.2.2, for GET and HEAD.
pub fn judge(fields: &Fields, version: &Version, now: i64) -> Verdict {
    let has = |name| fields.all(name).next().is_some();
    let date = |name| fields.only(name).and_then(|value| http_date::read(value, now));
    // Without a date of ours a condition on dates is ignored (13.1.3, 13.1.4).
    let after = |date: Option<i64>| Some(version.modified? > date?);

    if has("If-Match") {
        if !any_tag(fields, "If-Match", version, Compare::Strong) {
            return Verdict::Failed;
        }
    } else if after(date("If-Unmodified-Since")) == Some(true) {
        return Verdict::Failed;
    }
    if has("If-None-Match") {
        if any_tag(fields, "If-None-Match", version, Compare::Weak) {
            return Verdict::NotModified;
        }
    } else if after(date("If-Modified-Since")) == Some(false) {
        return Verdict::NotModified;
    }
    Verdict::Go
}

/// Whether a range may be answered: true without If-Range, or when it names exactly this version
/// (13.1.5). Otherwise the client would glue parts of two versions together.
pub fn range_allowed(fields: &Fields, version: &Version, now: i64) -> bool {
    if fields.all("If-Range").next().is_none() {
        return true;
    }
    let Some(value) = fields.only("If-Range").filter(|_| version.strong) else { return false };
    match tags(value) {
        Some(Tags::List(tags)) => match tags[..] {
            [(weak, tag)] => !weak && Some(tag) == version.tag.as_deref().map(str::as_bytes),
            _ => false,
        },
        Some(Tags::Any) => false,
        None => http_date::read(value, now).is_some_and(|date| Some(date) == version.modified),
    }
}

/// How two tags are compared (8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    /// Equal and both strong.
    Strong,
    /// Equal but for the `W/`.
    Weak,
}

/// Whether a field lists this version's tag or is `*`. A value that is no list of tags matches
/// nothing: then the whole file is sent, or 412, and neither can mislead anyone.
fn any_tag(fields: &Fields, name: &str, version: &Version, compare: Compare) -> bool {
    fields.all(name).any(|value| match tags(value) {
        Some(Tags::Any) => true,
        Some(Tags::List(tags)) => tags.iter().any(|(weak, tag)| {
            let equal = Some(*tag) == version.tag.as_deref().map(str::as_bytes);
            equal && (compare == Compare::Weak || (!weak && version.strong))
        }),
        None => false,
    })
}

enum Tags<'a> {
    /// `*`: whatever there is.
    Any,
    /// Whether each is weak, and the tag with its quotes.
    List(Vec<(bool, &'a [u8])>),
}

/// A list of tags, `"a", W/"b"`. Commas may stand inside the quotes, so it cannot be split at them.
fn tags(value: &[u8]) -> Option<Tags<'_>> {
    if value == b"*" {
        return Some(Tags::Any);
    }
    let mut list = Vec::new();
    let mut rest = value;
    loop {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        if rest.is_empty() {
            return (!list.is_empty()).then_some(Tags::List(list));
        }
        let weak = rest.starts_with(b"W/");
        let tag = if weak { &rest[2..] } else { rest };
        let inside = tag.strip_prefix(b"\"")?;
        let end = 1 + inside.iter().position(|&byte| byte == b'"')? + 1;
        list.push((weak, &tag[..end]));
        rest = &tag[end..];
        // Only a comma, with blanks around it, may follow.
        let next = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        if next.is_some_and(|&byte| byte != b',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 January 2024, 03:04:05.
    const DATE: &str = "Tue, 02 Jan 2024 03:04:05 GMT";
    const EARLIER: &str = "Tue, 02 Jan 2024 03:04:04 GMT";
    const LATER: &str = "Tue, 02 Jan 2024 03:04:06 GMT";
    const NOW: i64 = 1_750_000_000;

    fn version(strong: bool) -> Version {
        Version { tag: Some("\"a,b\"".to_string()), strong, modified: http_date::read(DATE.as_bytes(), NOW) }
    }

    fn verdict(lines: &str) -> Verdict {
        let lines = lines.replace(';', "\r\n") + "\r\n";
        judge(&Fields::parse(lines.as_bytes(), 10).unwrap().unwrap(), &version(true), NOW)
    }

    #[test]
    fn each_condition_and_their_order_rfc_9110_13_2_2() {
        use Verdict::{Failed, Go, NotModified};
        let table = [
            ("X: y".to_string(), Go),
            ("If-None-Match: \"a,b\"".to_string(), NotModified),
            ("If-None-Match: W/\"a,b\"".to_string(), NotModified),
            ("If-None-Match: \"x\", \"a,b\" ".to_string(), NotModified),
            ("If-None-Match: \"x\";If-None-Match: \"a,b\"".to_string(), NotModified),
            ("If-None-Match: *".to_string(), NotModified),
            ("If-None-Match: \"x\"".to_string(), Go),
            ("If-None-Match: a,b".to_string(), Go),
            ("If-None-Match: \"a,b".to_string(), Go),
            ("If-None-Match: \"a,b\" x".to_string(), Go),
            ("If-None-Match:".to_string(), Go),
            (format!("If-None-Match: \"x\";If-Modified-Since: {DATE}"), Go),
            (format!("If-Modified-Since: {DATE}"), NotModified),
            (format!("If-Modified-Since: {LATER}"), NotModified),
            (format!("If-Modified-Since: {EARLIER}"), Go),
            ("If-Modified-Since: Tuesday, 02-Jan-24 03:04:05 GMT".to_string(), NotModified),
            ("If-Modified-Since: Tue Jan  2 03:04:05 2024".to_string(), NotModified),
            ("If-Modified-Since: yesterday".to_string(), Go),
            (format!("If-Modified-Since: {DATE};If-Modified-Since: {DATE}"), Go),
            ("If-Match: \"a,b\"".to_string(), Go),
            ("If-Match: *".to_string(), Go),
            ("If-Match: \"x\"".to_string(), Failed),
            ("If-Match: W/\"a,b\"".to_string(), Failed),
            (format!("If-Match: \"a,b\";If-Unmodified-Since: {EARLIER}"), Go),
            (format!("If-Unmodified-Since: {EARLIER}"), Failed),
            (format!("If-Unmodified-Since: {DATE}"), Go),
            ("If-Unmodified-Since: x".to_string(), Go),
            ("If-Match: \"a,b\";If-None-Match: \"a,b\"".to_string(), NotModified),
            ("If-Match: \"x\";If-None-Match: \"a,b\"".to_string(), Failed),
        ];
        for (lines, expected) in table {
            assert_eq!(verdict(&lines), expected, "{lines}");
        }
    }

    #[test]
    fn a_version_without_tag_and_date() {
        let made_up = Version { tag: None, strong: false, modified: None };
        for (line, expected) in [
            ("If-None-Match: \"x\"", Verdict::Go),
            ("If-None-Match: *", Verdict::NotModified),
            ("If-Match: \"x\"", Verdict::Failed),
            ("If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT", Verdict::Go),
        ] {
            let lines = format!("{line}\r\n");
            let fields = Fields::parse(lines.as_bytes(), 10).unwrap().unwrap();
            assert_eq!(judge(&fields, &made_up, NOW), expected, "{line}");
        }
    }

    #[test]
    fn if_range_rfc_9110_13_1_5() {
        let table = [
            ("X: y".to_string(), true, true),
            ("If-Range: \"a,b\"".to_string(), true, false),
            ("If-Range: W/\"a,b\"".to_string(), false, false),
            ("If-Range: \"x\"".to_string(), false, false),
            ("If-Range: \"a,b\", \"c\"".to_string(), false, false),
            ("If-Range: *".to_string(), false, false),
            (format!("If-Range: {DATE}"), true, false),
            (format!("If-Range: {EARLIER}"), false, false),
            (format!("If-Range: {LATER}"), false, false),
            ("If-Range: x".to_string(), false, false),
            ("If-Range: \"a,b\"\r\nIf-Range: \"a,b\"".to_string(), false, false),
        ];
        for (lines, strong, weak) in table {
            let text = format!("{lines}\r\n");
            let fields = Fields::parse(text.as_bytes(), 10).unwrap().unwrap();
            assert_eq!(range_allowed(&fields, &version(true), NOW), strong, "{lines}");
            assert_eq!(range_allowed(&fields, &version(false), NOW), weak, "{lines}, fresh file");
        }
    }
}
