//! The lab sheets: what each is called, and the page that goes through it.

/// A lab sheet, as the index groups by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    /// "Laboratory 1. Python socket programming" of an Internet-of-Things course.
    Iot,
    /// SCC.231, weeks 5 and 6: echo service and static routing.
    Scc231,
    /// "Computer Architecture and Network Systems", unit B3: a chat.
    B3,
    /// Lecture slides about `select`.
    Select,
    /// CSE3214, four socket programming assignments: web, UDP ping, mail, ICMP ping.
    Cse3214,
}

impl Sheet {
    /// Every sheet, in the order of the index.
    pub const ALL: [Sheet; 5] = [Sheet::Iot, Sheet::Scc231, Sheet::B3, Sheet::Select, Sheet::Cse3214];

    /// Its title in the index.
    pub fn title(self) -> &'static str {
        match self {
            Sheet::Iot => "IoT lab 1: Python socket programming",
            Sheet::Scc231 => "SCC.231: echo service and static routing",
            Sheet::B3 => "Unit B3: sockets and a chat",
            Sheet::Select => "Slides: socket programming with select",
            Sheet::Cse3214 => "CSE3214: web, UDP ping, mail, ICMP",
        }
    }

    /// The page that belongs to it.
    pub fn page(self) -> &'static str {
        match self {
            Sheet::Iot => "docs/iot-lab-1.md",
            Sheet::Scc231 => "docs/scc231.md",
            Sheet::B3 => "docs/b3-chat.md",
            Sheet::Select => "docs/select-slides.md",
            Sheet::Cse3214 => "docs/cse3214.md",
        }
    }
}
