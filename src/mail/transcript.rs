//! The message in the transcript: what a reader wants to see of it.
//!
//! The header and the text are shown line by line, as they are sent, dots doubled; a file's base64 only
//! as what it is. A mail with a picture would otherwise scroll everything else away.

use super::base64::encoded_lines;
use super::message::Piece;
use crate::kit::error::Error;
use crate::kit::screen::escape;

/// The most lines of one piece that are shown: enough for any header.
const MOST_LINES: usize = 60;

/// Shows one piece of a message through `show`.
pub fn show(piece: &Piece, show: &mut impl FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
    match piece {
        Piece::Text(bytes) => {
            let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
            for line in lines.iter().take(MOST_LINES) {
                let line = line.strip_suffix(b"\r\n").unwrap_or(line);
                let dot = if line.starts_with(b".") { "." } else { "" };
                show(format!("C: {dot}{}", escape(line)).trim_end())?;
            }
            if lines.len() > MOST_LINES {
                show(&format!("C: ({} more lines)", lines.len() - MOST_LINES))?;
            }
            Ok(())
        }
        Piece::File(file) => {
            let lines = encoded_lines(file.size);
            let plural = if lines == 1 { "" } else { "s" };
            let name = escape(file.name.as_bytes());
            show(&format!("C: ({lines} line{plural} of base64: {name}, {} bytes)", file.size))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_and_escaped() {
        let mut shown = Vec::new();
        let text = b"Subject: \x1b[2J\r\n.\r\n".iter().chain(b"x\r\n".repeat(100).iter()).copied().collect();
        show(&Piece::Text(text), &mut |line: &str| {
            shown.push(line.to_string());
            Ok(())
        })
        .unwrap();
        assert_eq!(shown.len(), 61);
        assert_eq!(shown[..3], ["C: Subject: \\x1b[2J", "C: ..", "C: x"]);
        assert_eq!(shown[60], "C: (42 more lines)");
    }
}
