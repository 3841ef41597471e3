//! Which known word somebody who mistyped one has probably meant.

/// The known name that differs least from `word`, if one is near enough to have been meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (distance(word, name), name))
        .filter(|(distance, name)| *distance <= name.len() / 3 + 1)
        .min()
        .map(|(_, name)| name)
}

/// How many characters must be inserted, deleted or replaced to make one word the other: the
/// Levenshtein distance, one row of its table at a time.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &against) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far() {
        let known = ["echo-server", "echo-client", "ping"];
        assert_eq!(nearest("echo-sever", known.into_iter()), Some("echo-server"));
        assert_eq!(nearest("eco-client", known.into_iter()), Some("echo-client"));
        assert_eq!(nearest("pnig", known.into_iter()), Some("ping"));
        assert_eq!(nearest("xyzzy", known.into_iter()), None);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
