//! From a request to its answer. Everything about the connection is elsewhere.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use super::conditional::{self, Verdict, Version};
use super::range::{self, Wanted};
use super::request::{Expect, Method, Request};
use super::response::{Content, Refusal, Response, ALLOW};
use super::site::{Found, Site};
use super::target::{Place, Target};
use super::{listing, media};

/// Answers a request at the time `now`, in seconds since 1970.
pub fn answer(site: &Site, request: &Request, now: i64) -> Response {
    match request.method {
        _ if request.expect == Expect::Unknown => {
            Response::refusal(Refusal { status: 417, why: "the only expectation known here is 100-continue" })
        }
        Method::Unknown => Response::refusal(Refusal { status: 501, why: "this method is not known here" }),
        Method::Known | Method::Connect => {
            Response::refusal(Refusal { status: 405, why: "files are only read here: GET, HEAD, OPTIONS" })
        }
        Method::Options => {
            let mut response = Response::empty(204);
            response.add("Allow", ALLOW);
            response
        }
        Method::Get | Method::Head => read(site, request, now).unwrap_or_else(Response::refusal),
    }
}

/// Answers GET and HEAD.
fn read(site: &Site, request: &Request, now: i64) -> Result<Response, Refusal> {
    let Target::Path { path, query } = request.target else {
        return Err(Refusal::bad("this target does not go with this method"));
    };
    let place = Place::parse(path)?;
    match site.find(&place)? {
        Found::WithoutSlash => {
            // Links in the page are relative: without the slash they would start one folder too high.
            let mut response =
                Response::refusal(Refusal { status: 301, why: "a folder's name ends with a slash" });
            response.add("Location", place.with_slash(query));
            Ok(response)
        }
        Found::Folder(folder) => {
            let version = Version { tag: None, strong: false, modified: None };
            if let Some(response) = condition(request, &version, now) {
                return Ok(response);
            }
            let (entries, left_out) = site.entries(&folder, &place)?;
            Ok(Response::page(200, listing::page(&place.names, entries, left_out)))
        }
        Found::File(file, facts, name) => {
            let version = version_of(&facts, now);
            if let Some(response) = condition(request, &version, now) {
                return Ok(response);
            }
            let size = facts.len();
            // Only GET has ranges (RFC 9110, 14.2); a Range that stands twice is none.
            let ranged =
                request.method == Method::Get && conditional::range_allowed(&request.fields, &version, now);
            let range = request.fields.only("Range").filter(|_| ranged);
            let mut response = Response::empty(200);
            let (first, length) = match range.map_or(Wanted::Whole, |value| range::wanted(value, size)) {
                Wanted::Whole => (0, size),
                Wanted::Part { first, length } => {
                    response.status = 206;
                    response.add("Content-Range", format!("bytes {first}-{}/{size}", first + length - 1));
                    (first, length)
                }
                Wanted::Unsatisfiable => {
                    let refusal = Refusal { status: 416, why: "the file does not have the bytes asked for" };
                    let mut response = Response::refusal(refusal);
                    response.add("Content-Range", format!("bytes */{size}"));
                    return Ok(response);
                }
            };
            response.add("Content-Type", media::of(&name));
            response.add("X-Content-Type-Options", "nosniff");
            response.add("Accept-Ranges", "bytes");
            add_version(&mut response, &version);
            response.content = Content::File { file, first, length };
            Ok(response)
        }
    }
}

/// The answer that the conditions of a request ask for, if it is not the ordinary one.
fn condition(request: &Request, version: &Version, now: i64) -> Option<Response> {
    match conditional::judge(&request.fields, version, now) {
        Verdict::Go => None,
        Verdict::NotModified => {
            let mut response = Response::empty(304);
            add_version(&mut response, version);
            Some(response)
        }
        Verdict::Failed => {
            Some(Response::refusal(Refusal { status: 412, why: "it is not the version you asked for" }))
        }
    }
}

/// How long a file must have been left alone until its tag counts as strong, in seconds: more than the
/// coarsest clock of a file system.
const SETTLED: i64 = 2;

/// The version of a file: its tag is made of when it was changed, how long it is and which it is.
fn version_of(facts: &Metadata, now: i64) -> Version {
    let (seconds, nanoseconds) = (facts.mtime(), facts.mtime_nsec());
    let tag = format!("\"{seconds:x}.{nanoseconds:x}-{:x}-{:x}\"", facts.len(), facts.ino());
    // A date in the future would be a promise; the RFC wants the present instead (8.8.2.1).
    Version { tag: Some(tag), strong: seconds + SETTLED <= now, modified: Some(seconds.min(now)) }
}

fn add_version(response: &mut Response, version: &Version) {
    if let Some(tag) = &version.tag {
        let weak = if version.strong { "" } else { "W/" };
        response.add("ETag", format!("{weak}{tag}"));
    }
    if let Some(modified) = version.modified {
        response.add("Last-Modified", crate::kit::http_date::write(modified));
    }
}
