//! The listing of a folder, as a page.
//!
//! A file's name is whatever its owner chose, `<script>` and `javascript:x` included. In the text of the
//! page it is escaped for HTML, in the link it is percent-encoded; the two are different languages.

use super::percent;
use crate::kit::screen::escape;
use crate::kit::{http_date, progress};

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, which need not be text.
    pub name: Vec<u8>,
    /// Its size in bytes; `None` for a folder.
    pub size: Option<u64>,
    /// When it was changed, in seconds since 1970.
    pub modified: i64,
}

/// The page for the folder with these names below the root; `left_out` says that there is more in it.
pub fn page(folder: &[Vec<u8>], mut entries: Vec<Entry>, left_out: bool) -> String {
    // Folders first, then by name: a person looks for where to go on before what to open.
    entries.sort_by(|a, b| (a.size.is_some(), &a.name).cmp(&(b.size.is_some(), &b.name)));
    let shown: String = folder.iter().map(|name| format!("{}/", text(name))).collect();
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>/{shown}</title>\n\
         <style>td {{ padding-right: 2em }} td + td {{ text-align: right }}</style>\n\
         <h1>/{shown}</h1>\n<table>\n"
    );
    if !folder.is_empty() {
        page += "<tr><td><a href=\"../\">../</a></td></tr>\n";
    }
    for Entry { name, size, modified } in &entries {
        let slash = if size.is_none() { "/" } else { "" };
        let (link, name) = (percent::encode(name), text(name));
        let size = size.map(progress::size).unwrap_or_default();
        let http_date::Moment { year, month_number, day, clock: (hour, minute, _), .. } =
            http_date::moment(*modified);
        page += &format!(
            "<tr><td><a href=\"{link}{slash}\">{name}{slash}</a></td><td>{size}</td>\
             <td>{year:04}-{month_number:02}-{day:02} {hour:02}:{minute:02} UTC</td></tr>\n"
        );
    }
    if left_out {
        page += "<tr><td>… and more, which are not listed</td></tr>\n";
    }
    page + "</table>\n</html>\n"
}

/// A name as the text of a page: control characters as on a terminal, then HTML's own four.
fn text(name: &[u8]) -> String {
    let mut text = String::new();
    for character in escape(name).chars() {
        match character {
            '&' => text += "&amp;",
            '<' => text += "&lt;",
            '>' => text += "&gt;",
            '"' => text += "&quot;",
            '\'' => text += "&#39;",
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &[u8]) -> Entry {
        Entry { name: name.to_vec(), size: Some(1500), modified: 1_704_164_645 }
    }

    #[test]
    fn names_that_are_code_stay_names() {
        let names: [&[u8]; 4] = [b"<b>&\"'x.txt", b"javascript:alert(1)", b"a?b#c%d", b"gr\xf6\xdfe\n"];
        let page = page(&[b"<i>".to_vec()], names.map(file).to_vec(), false);
        for wanted in [
            "<title>/&lt;i&gt;/</title>",
            "<a href=\"%3Cb%3E%26%22%27x.txt\">&lt;b&gt;&amp;&quot;&#39;x.txt</a>",
            "<a href=\"javascript%3Aalert%281%29\">javascript:alert(1)</a>",
            "<a href=\"a%3Fb%23c%25d\">a?b#c%d</a>",
            "<a href=\"gr%F6%DFe%0A\">gr\\xf6\\xdfe\\n</a>",
            "<td>1.5 kB</td><td>2024-01-02 03:04 UTC</td>",
        ] {
            assert!(page.contains(wanted), "{wanted}\n{page}");
        }
    }

    #[test]
    fn folders_first_and_sorted() {
        let folder = Entry { size: None, ..file(b"z") };
        let listed = page(&[], vec![file(b"b"), file(b"a"), folder], true);
        let place = |text: &str| listed.find(text).unwrap_or_else(|| panic!("{text} in {listed}"));
        assert!(place("\"z/\"") < place("\"a\"") && place("\"a\"") < place("\"b\""));
        assert!(place("and more") > place("\"b\""));
        assert!(!listed.contains("../"), "the root has nothing above it");
    }
}
