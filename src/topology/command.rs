//! The command line of a running network: words in, a [`Command`] out. Pure.

use std::time::Duration;

use super::plan::{Quality, FASTEST, LONGEST_DELAY};

/// What the user wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Nothing: an empty line, or a comment.
    Nothing,
    /// The names of all nodes and what they are.
    Nodes,
    /// The cables and what they do.
    Links,
    /// Every interface with its address, and every cable: the whole description.
    Dump,
    /// The routing table of each host and router.
    Routes,
    /// Ping from everybody to everybody.
    PingAll,
    /// Which way packets take between two nodes, and where it goes wrong.
    Explain(String, String),
    /// Plug the cable between two nodes in or out.
    Plug(String, String, bool),
    /// Change what the cable between two nodes does to packets.
    Change(String, String, Change),
    /// Run a program on a node; in the background if the last is true.
    Run(String, Vec<String>, bool),
    /// List the commands.
    Help,
    /// Take the network down.
    Exit,
}

/// What can be changed of a cable while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// How many of 100 packets are lost.
    Loss(f64),
    /// How long a packet is on its way.
    Delay(Duration),
    /// Bits per second; `None` sends at once.
    Rate(Option<u64>),
}

impl Change {
    /// What the cable does after it.
    pub fn of(self, quality: Quality) -> Quality {
        match self {
            Change::Loss(loss) => Quality { loss, ..quality },
            Change::Delay(delay) => Quality { delay, ..quality },
            Change::Rate(rate) => Quality { rate, ..quality },
        }
    }

    /// From `loss 5`, `delay 30`, `rate 10` or `rate none`. Errs with what is wrong.
    fn parse(what: &str, value: &str) -> Result<Change, String> {
        let number = |most: f64| value.parse().ok().filter(|number: &f64| (0.0..=most).contains(number));
        match what {
            "loss" => {
                number(100.0).map(Change::Loss).ok_or(format!("{value}: not a percentage from 0 to 100"))
            }
            "delay" => {
                let longest = LONGEST_DELAY.as_millis();
                let delay = number(longest as f64).map(|delay| Duration::from_secs_f64(delay / 1e3));
                delay.map(Change::Delay).ok_or(format!("{value}: not milliseconds from 0 to {longest}"))
            }
            "rate" if value == "none" => Ok(Change::Rate(None)),
            "rate" => {
                let fastest = FASTEST as f64 / 1e6;
                let rate = number(fastest).map(|rate| (rate * 1e6).round() as u64).filter(|rate| *rate > 0);
                let rate = rate.ok_or(format!("{value}: not Mbit/s up to {fastest}, or none"))?;
                Ok(Change::Rate(Some(rate)))
            }
            _ => Err(LINK.to_string()),
        }
    }
}

/// How `link` is used.
const LINK: &str = "link A B up, link A B down, link A B loss 5, link A B delay 30, or link A B rate 10";

/// What `help` prints.
pub const HELP: &str = "\
nodes                    hosts, routers and switches
links                    cables: rate, delay, loss, and what crossed them
dump                     every interface with its address
routes                   each routing table
pingall                  ping from everybody to everybody
explain A B              which way packets from A to B take, and back, and what is wrong with it
link A B up|down         plug a cable in or out
link A B loss PERCENT    let it lose packets; also: delay MILLISECONDS, rate MBIT|none
HOST COMMAND…            run a program there, without a shell; names of hosts become addresses,
                         socklab is this program, a trailing & puts it into the background
help, exit";

/// Parses one line. `is_node` tells whether a word is the name of a node. Errs with what is wrong.
pub fn parse(line: &str, is_node: impl Fn(&str) -> bool) -> Result<Command, String> {
    let (words, background) = split(line)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let node = |name: &str| match is_node(name) {
        true => Ok(name.to_string()),
        false => Err(format!("there is no node {name}: `nodes` lists them")),
    };
    Ok(match words[..] {
        [] => Command::Nothing,
        [host, ..] if background && !is_node(host) => {
            return Err(format!("{host}: only a program on a host can be put into the background"));
        }
        ["nodes"] => Command::Nodes,
        ["links"] => Command::Links,
        ["dump"] => Command::Dump,
        ["routes"] => Command::Routes,
        ["pingall"] => Command::PingAll,
        ["help" | "?"] => Command::Help,
        ["exit" | "quit"] => Command::Exit,
        ["explain", one, other] => Command::Explain(node(one)?, node(other)?),
        ["link", one, other, "up"] => Command::Plug(node(one)?, node(other)?, true),
        ["link", one, other, "down"] => Command::Plug(node(one)?, node(other)?, false),
        ["link", one, other, what, value] => {
            Command::Change(node(one)?, node(other)?, Change::parse(what, value)?)
        }
        ["link", ..] => return Err(LINK.to_string()),
        ["explain", ..] => return Err("explain A B, with the names of two nodes".to_string()),
        [host, ref rest @ ..] if is_node(host) => {
            if rest.is_empty() {
                return Err(format!("{host}: and which command? for example: {host} ip addr"));
            }
            Command::Run(host.to_string(), rest.iter().map(ToString::to_string).collect(), background)
        }
        [word, ..] => return Err(format!("{word} is neither a command nor a node: see `help`")),
    })
}

/// Splits a line at blanks. Single or double quotes keep blanks, and `#` at the start of a word begins a
/// comment. Also tells whether the line ends with a `&`, which is then taken off; one in quotes is text.
fn split(line: &str) -> Result<(Vec<String>, bool), String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut background = false;
    for letter in line.chars() {
        background = match letter {
            '&' => quote.is_none(),
            '#' => background && word.is_none(),
            _ => background && letter.is_whitespace(),
        };
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a quotation mark {open} is not closed"));
    }
    words.extend(word);
    if background {
        // Its own word, or the end of one.
        let rest = words.pop().unwrap_or_default();
        words.extend(rest.strip_suffix('&').filter(|rest| !rest.is_empty()).map(str::to_string));
    }
    Ok((words, background))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line, |word| ["h1", "h4", "s1"].contains(&word))
    }

    fn run(words: &[&str], background: bool) -> Command {
        Command::Run("h1".to_string(), words.iter().map(ToString::to_string).collect(), background)
    }

    #[test]
    fn commands_of_the_contract() {
        let (h1, h4) = ("h1".to_string(), "h4".to_string());
        assert_eq!(parsed("nodes"), Ok(Command::Nodes));
        assert_eq!(parsed("  pingall  "), Ok(Command::PingAll));
        assert_eq!(parsed("link h1 h4 down"), Ok(Command::Plug(h1.clone(), h4.clone(), false)));
        for (words, change) in [
            ("loss 2.5", Change::Loss(2.5)),
            ("delay 0.5", Change::Delay(Duration::from_micros(500))),
            ("rate 10", Change::Rate(Some(10_000_000))),
            ("rate none", Change::Rate(None)),
        ] {
            let command = Command::Change(h1.clone(), h4.clone(), change);
            assert_eq!(parsed(&format!("link h1 h4 {words}")), Ok(command));
        }
        assert_eq!(parsed("explain h1 h4"), Ok(Command::Explain(h1, h4)));
        assert_eq!(parsed(""), Ok(Command::Nothing));
        assert_eq!(parsed("# a comment"), Ok(Command::Nothing));
    }

    #[test]
    fn programs_on_a_host() {
        assert_eq!(parsed("h1 ping -c 3 h4"), Ok(run(&["ping", "-c", "3", "h4"], false)));
        assert_eq!(parsed("h1 socklab echo-server &"), Ok(run(&["socklab", "echo-server"], true)));
        assert_eq!(parsed("h1 socklab echo-server&"), Ok(run(&["socklab", "echo-server"], true)));
        assert_eq!(parsed("h1 echo 'a  b' \"c\" ''"), Ok(run(&["echo", "a  b", "c", ""], false)));
        assert_eq!(parsed("h1 echo a#b # c"), Ok(run(&["echo", "a#b"], false)));
        assert_eq!(parsed("h1 sleep 5& # c"), Ok(run(&["sleep", "5"], true)));
        assert_eq!(parsed("h1 echo a&#b"), Ok(run(&["echo", "a&#b"], false)));
        // In quotes it is for another shell, or for nobody.
        assert_eq!(parsed("h1 sh -c 'sleep 5 &'"), Ok(run(&["sh", "-c", "sleep 5 &"], false)));
        assert_eq!(parsed("h1 echo '&'"), Ok(run(&["echo", "&"], false)));
        assert_eq!(parsed("h1 echo '&' &"), Ok(run(&["echo", "&"], true)));
        // No shell: these are words like any other.
        assert_eq!(parsed("h1 echo $HOME | cat ;"), Ok(run(&["echo", "$HOME", "|", "cat", ";"], false)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, why) in [
            ("h1", "h1: and which command? for example: h1 ip addr"),
            ("h9 ip addr", "h9 is neither a command nor a node: see `help`"),
            ("link h1 h9 up", "there is no node h9: `nodes` lists them"),
            ("link h1 h4 loss 101", "101: not a percentage from 0 to 100"),
            ("link h1 h4 loss NaN", "NaN: not a percentage from 0 to 100"),
            ("link h1 h4 delay -1", "-1: not milliseconds from 0 to 60000"),
            ("link h1 h4 rate 0", "0: not Mbit/s up to 100000, or none"),
            ("link h1 h4", LINK),
            ("link h1 h4 colour 7", LINK),
            ("explain h1", "explain A B, with the names of two nodes"),
            ("h1 echo 'x", "a quotation mark ' is not closed"),
            ("h1 &", "h1: and which command? for example: h1 ip addr"),
            ("pingall &", "pingall: only a program on a host can be put into the background"),
        ] {
            assert_eq!(parsed(line), Err(why.to_string()), "{line}");
        }
    }
}
