//! What kind of thing a file is, by the end of its name.

/// The media type of a file (RFC 9110, 8.3). A browser that is told nothing guesses; a name we do not
/// know is bytes, which it offers to save.
pub fn of(name: &[u8]) -> &'static str {
    let Some(dot) = name.iter().rposition(|&byte| byte == b'.') else { return BYTES };
    match name[dot + 1..].to_ascii_lowercase().as_slice() {
        b"html" | b"htm" => "text/html; charset=utf-8",
        b"css" => "text/css; charset=utf-8",
        b"js" | b"mjs" => "text/javascript; charset=utf-8",
        b"csv" => "text/csv; charset=utf-8",
        b"txt" | b"md" | b"log" | b"py" | b"rs" | b"c" | b"h" | b"sh" | b"toml" => {
            "text/plain; charset=utf-8"
        }
        b"json" => "application/json",
        b"xml" => "application/xml",
        b"pdf" => "application/pdf",
        b"wasm" => "application/wasm",
        b"zip" => "application/zip",
        b"gz" => "application/gzip",
        b"tar" => "application/x-tar",
        b"png" => "image/png",
        b"jpg" | b"jpeg" => "image/jpeg",
        b"gif" => "image/gif",
        b"svg" => "image/svg+xml",
        b"webp" => "image/webp",
        b"avif" => "image/avif",
        b"ico" => "image/x-icon",
        b"mp3" => "audio/mpeg",
        b"ogg" => "audio/ogg",
        b"wav" => "audio/wav",
        b"mp4" => "video/mp4",
        b"webm" => "video/webm",
        b"woff2" => "font/woff2",
        b"woff" => "font/woff",
        _ => BYTES,
    }
}

const BYTES: &str = "application/octet-stream";

#[cfg(test)]
mod tests {
    #[test]
    fn by_the_last_ending() {
        for (name, kind) in [
            ("HelloWorld.html", "text/html; charset=utf-8"),
            ("PICTURE.PNG", "image/png"),
            ("a.tar.gz", "application/gzip"),
            ("README", "application/octet-stream"),
            ("odd.", "application/octet-stream"),
        ] {
            assert_eq!(super::of(name.as_bytes()), kind, "{name}");
        }
    }
}
