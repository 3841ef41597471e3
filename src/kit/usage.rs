//! The table in which an exercise declares what it takes. [`super::args`] parses by it, the usage
//! line and `--help` are printed from it, so the three cannot disagree.

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A flag without a value.
    Switch,
    /// Any bytes.
    Bytes,
    /// UTF-8 text.
    Text,
    /// The name of a file or a folder.
    Path,
    /// A host name or an address.
    Host,
    /// 0 to 65535; 0 asks for a free port.
    Port,
    /// A whole number between two others, both included.
    Count(u64, u64),
    /// A duration in seconds, which may be a fraction, up to this many.
    Seconds(u32),
    /// 0 to 100, which may be a fraction.
    Percent,
}

/// An argument given by its position.
#[derive(Debug, Clone, Copy)]
pub struct Operand {
    /// As the usage line shows it: `PORT`.
    pub name: &'static str,
    /// What it must be.
    pub kind: Kind,
    /// Its value when it is not given; `None` makes it required.
    pub default: Option<&'static str>,
    /// What it is for.
    pub help: &'static str,
}

/// An argument given by its name.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// As it is typed: `--count`, or `-6` for one that has only a letter.
    pub name: &'static str,
    /// A second, one-letter name: `-c`. Empty for none.
    pub short: &'static str,
    /// What its value is called in the help: `N`. Empty for a switch.
    pub value: &'static str,
    /// What it must be.
    pub kind: Kind,
    /// Its value when it is not given, if it then has one.
    pub default: Option<&'static str>,
    /// What it is for.
    pub help: &'static str,
}

/// Everything an exercise takes.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The operands in order; required ones first.
    pub operands: &'static [Operand],
    /// The flags.
    pub flags: &'static [Flag],
    /// Those flags that must be given. The usage line shows them without brackets; which one is missing, and
    /// what it is for, the exercise says itself.
    pub required: &'static [&'static str],
    /// Whether everything after the last operand is a list of values, as in `pack FORMAT VALUE…`;
    /// the string is what the usage line calls one of them. Flags end with the first operand.
    pub list: Option<&'static str>,
    /// Whether a usage with a list takes flags behind its operands too: `pack-client HOST PORT
    /// --format F VALUE…`. `--` still ends them.
    pub flags_anywhere: bool,
    /// What `--help` says after the table.
    pub notes: &'static str,
}

impl Usage {
    /// Takes nothing; the start for `..Usage::NONE`.
    pub const NONE: Usage =
        Usage { operands: &[], flags: &[], required: &[], list: None, flags_anywhere: false, notes: "" };

    /// The usage line: `usage: socklab echo-client [--timeout SECONDS] [HOST] [PORT]`.
    pub fn line(&self, exercise: &str) -> String {
        let mut line = format!("usage: socklab {exercise}");
        for flag in self.flags {
            let name = if flag.short.is_empty() { flag.name } else { flag.short };
            let space = if flag.value.is_empty() { "" } else { " " };
            let shown = format!("{name}{space}{}", flag.value);
            let required = self.required.contains(&flag.name);
            line += &if required { format!(" {shown}") } else { format!(" [{shown}]") };
        }
        for operand in self.operands {
            line += &match operand.default {
                Some(_) => format!(" [{}]", operand.name),
                None => format!(" {}", operand.name),
            };
        }
        if let Some(name) = self.list {
            line += &format!(" [{name}…]");
        }
        line
    }

    /// The table of operands and flags for `--help`, with their defaults.
    pub fn table(&self) -> String {
        let mut rows: Vec<(String, String)> = Vec::new();
        for operand in self.operands {
            rows.push((operand.name.to_string(), with_default(operand.help, operand.default)));
        }
        for flag in self.flags {
            let comma = if flag.short.is_empty() { "" } else { ", " };
            let name = format!("{}{comma}{} {}", flag.short, flag.name, flag.value);
            rows.push((name.trim_end().to_string(), with_default(flag.help, flag.default)));
        }
        rows.push(("-h, --help".to_string(), "this text".to_string()));
        let width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
        rows.iter().map(|(name, help)| format!("  {name:width$}  {help}\n")).collect()
    }

    /// The flag with this name or letter.
    pub(super) fn flag(&self, name: &str) -> Option<&'static Flag> {
        self.flags.iter().find(|flag| flag.name == name || (flag.short == name && !name.is_empty()))
    }
}

/// A help text with the default it names.
fn with_default(help: &str, default: Option<&str>) -> String {
    match default {
        Some(value) if !value.is_empty() => format!("{help} (default {value})"),
        _ => help.to_string(),
    }
}

/// `[PORT]` of a server.
pub const fn port(default: &'static str) -> Operand {
    Operand {
        name: "PORT",
        kind: Kind::Port,
        default: Some(default),
        help: "port to listen on; 0 takes a free one",
    }
}

/// `[HOST]` of a client: the loopback interface unless told.
pub const HOST: Operand = Operand {
    name: "HOST",
    kind: Kind::Host,
    default: Some("127.0.0.1"),
    help: "the server's name or address",
};

/// `[PORT]` of a client.
pub const fn server_port(default: &'static str) -> Operand {
    Operand { name: "PORT", kind: Kind::Port, default: Some(default), help: "the server's port" }
}

/// `--bind ADDR` of a server.
pub const fn bind(default: &'static str) -> Flag {
    Flag {
        name: "--bind",
        short: "",
        value: "ADDR",
        kind: Kind::Host,
        default: Some(default),
        help: "listen on this address only; 0.0.0.0 is every IPv4 interface, :: every interface",
    }
}

/// `--max-clients N` of a TCP server.
pub const MAX_CLIENTS: Flag = Flag {
    name: "--max-clients",
    short: "",
    value: "N",
    kind: Kind::Count(1, 1_000_000),
    default: None,
    help: "serve so many at once, the others wait (default 10000, or what descriptors allow)",
};

/// `--idle SECONDS` of a TCP server.
pub const fn idle(default: &'static str) -> Flag {
    Flag {
        name: "--idle",
        short: "",
        value: "SECONDS",
        kind: Kind::Seconds(1_000_000),
        default: Some(default),
        help: "let a client go that is silent for so long; 0 waits for ever",
    }
}

/// `--timeout SECONDS` of a client.
pub const fn timeout(default: &'static str) -> Flag {
    Flag {
        name: "--timeout",
        short: "",
        value: "SECONDS",
        kind: Kind::Seconds(1_000_000),
        default: Some(default),
        help: "wait so long for an answer",
    }
}

/// `--output FILE`, or `-o FILE`: where a file from the network goes.
pub const fn output(help: &'static str) -> Flag {
    Flag { name: "--output", short: "-o", value: "FILE", kind: Kind::Path, default: None, help }
}

/// A flag without a value.
pub const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag { name, short: "", value: "", kind: Kind::Switch, default: None, help }
}

/// `-6` of a UDP client.
pub const V6: Flag = Flag {
    name: "-6",
    short: "",
    value: "",
    kind: Kind::Switch,
    default: None,
    help: "use an IPv6 address of HOST; without it IPv4 comes first",
};

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        bind("127.0.0.1"),
        Flag {
            name: "--count",
            short: "-c",
            value: "N",
            kind: Kind::Count(1, 10),
            default: None,
            help: "end after so many",
        },
        switch("--once", "serve one client"),
        V6,
    ];

    #[test]
    fn the_usage_line_shows_what_may_be_left_out() {
        const REQUIRED: Operand = Operand { default: None, ..HOST };
        const BOTH: &[Operand] = &[REQUIRED, server_port("80")];
        let usage = Usage { operands: BOTH, flags: FLAGS, ..Usage::NONE };
        let line = "usage: socklab x [--bind ADDR] [-c N] [--once] [-6] HOST [PORT]";
        assert_eq!(usage.line("x"), line);
        let usage = Usage { operands: &[REQUIRED], list: Some("VALUE"), ..Usage::NONE };
        assert_eq!(usage.line("pack"), "usage: socklab pack HOST [VALUE…]");
        let usage = Usage { flags: FLAGS, required: &["--count", "--bind"], ..Usage::NONE };
        assert_eq!(usage.line("x"), "usage: socklab x --bind ADDR -c N [--once] [-6]");
        assert_eq!(Usage::NONE.line("x"), "usage: socklab x");
    }

    #[test]
    fn the_table_is_aligned_and_names_the_defaults() {
        const PORT: &[Operand] = &[port("7")];
        let usage = Usage { operands: PORT, flags: FLAGS, ..Usage::NONE };
        let table = "  PORT           port to listen on; 0 takes a free one (default 7)
  --bind ADDR    listen on this address only; 0.0.0.0 is every IPv4 interface, :: every interface (default 127.0.0.1)
  -c, --count N  end after so many
  --once         serve one client
  -6             use an IPv6 address of HOST; without it IPv4 comes first
  -h, --help     this text
";
        assert_eq!(usage.table(), table);
    }

    #[test]
    fn a_flag_is_found_by_either_name() {
        let usage = Usage { flags: FLAGS, ..Usage::NONE };
        for (name, found) in [("--count", "--count"), ("-c", "--count"), ("-6", "-6"), ("--once", "--once")] {
            assert_eq!(usage.flag(name).map(|flag| flag.name), Some(found));
        }
        for name in ["", "-", "--", "count", "--coun", "-o"] {
            assert!(usage.flag(name).is_none(), "{name:?}");
        }
    }
}
