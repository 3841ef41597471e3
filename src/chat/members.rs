//! Who is in the room, and who gets which line.
//!
//! Everything here happens under one lock, and a line is put into all outboxes before the lock is
//! given back. So all members see the same lines in the same order, a name belongs to one member
//! only, and nobody hears from a member that has not joined yet or has left. Nothing waits under the
//! lock: an outbox takes a line at once or is given up.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::log::Log;
use super::outbox::Outbox;
use super::phrase::{self, Phrase, HELP};
use crate::kit::stop;

/// How many names `/who` lists; the rest is counted.
const MOST_NAMES: usize = 100;

/// The room.
#[derive(Debug)]
pub struct Members {
    inner: Mutex<Inner>,
    log: Log,
}

#[derive(Debug, Default)]
struct Inner {
    /// By number, in the order in which they came.
    members: BTreeMap<u64, Member>,
    /// The number behind each name, as [`phrase::fold`] writes it.
    names: HashMap<String, u64>,
    /// The number of the next member, and of the next guest.
    next: u64,
}

#[derive(Debug)]
struct Member {
    name: String,
    outbox: Arc<Outbox>,
}

/// A member's stay; it has left when this is dropped, on any way out.
#[derive(Debug)]
pub struct Stay {
    room: Arc<Members>,
    number: u64,
    /// What waits for this member.
    pub outbox: Arc<Outbox>,
    /// How the others hear that it has left: `left`.
    pub ending: &'static str,
}

impl Members {
    /// An empty room.
    pub fn new(log: Log) -> Members {
        Members { inner: Mutex::default(), log }
    }

    /// The room's transcript.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Takes in a new member as `guest1` (or the next that is free), greets it and tells the others.
    pub fn join(self: &Arc<Members>, client: SocketAddr, outbox: Outbox) -> Stay {
        let outbox = Arc::new(outbox);
        let mut inner = self.lock();
        let name = loop {
            inner.next += 1;
            let name = format!("guest{}", inner.next);
            if !inner.names.contains_key(&name) {
                break name;
            }
        };
        let number = inner.next;
        let hello = format!("* welcome, {name}; /name NAME changes your name, /help lists the commands");
        outbox.push(&line(&hello));
        inner.tell_others(number, &format!("* {name} joined"));
        inner.ring();
        self.log.say(&format!("* {name} joined from {client}"));
        inner.names.insert(name.clone(), number);
        inner.members.insert(number, Member { name, outbox: Arc::clone(&outbox) });
        Stay { room: Arc::clone(self), number, outbox, ending: "left" }
    }

    /// The state, even after a panic elsewhere: it is whole between any two of its statements.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stay {
    /// Does what this member has typed. False for `/quit`. The others' threads hear of it by
    /// [`Stay::ring`].
    pub fn say(&self, phrase: &Phrase) -> bool {
        let mut inner = self.room.lock();
        let Some(name) = inner.members.get(&self.number).map(|member| member.name.clone()) else {
            return false;
        };
        match *phrase {
            Phrase::Say(text) => self.tell_all(&inner, &format!("{name}: {text}")),
            Phrase::Act(text) => self.tell_all(&inner, &format!("~ {name} {text}")),
            Phrase::Whisper(to, text) => match inner.by_name(to) {
                Some(other) => {
                    other.outbox.push(&line(&format!("{name} (to you): {text}")));
                    let sent = format!("* to {}: {text}", other.name);
                    self.answer(&sent);
                }
                None => self.answer(&format!("* there is nobody called {to}")),
            },
            Phrase::Name(wanted) => match inner.rename(self.number, wanted) {
                Ok(()) => {
                    self.answer(&format!("* you are now {wanted}"));
                    self.tell_all(&inner, &format!("* {name} is now {wanted}"));
                }
                Err(why) => self.answer(&format!("* {why}")),
            },
            Phrase::Who => self.answer(&inner.who()),
            Phrase::Help => HELP.iter().for_each(|help| self.answer(&format!("* {help}"))),
            Phrase::Wrong(why) => self.answer(&format!("* {why}")),
            Phrase::Quit => {
                self.answer("* goodbye");
                return false;
            }
        }
        true
    }

    /// Wakes the threads of those for whom something waits.
    pub fn ring(&self) {
        self.room.lock().ring();
    }

    /// Tells this member something; its own thread looks without being woken.
    pub fn answer(&self, text: &str) {
        self.outbox.push(&line(text));
    }

    /// Tells everyone else, and the transcript.
    fn tell_all(&self, inner: &Inner, text: &str) {
        inner.tell_others(self.number, text);
        self.room.log.say(text);
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        let Some(member) = inner.members.remove(&self.number) else { return };
        inner.names.remove(&phrase::fold(&member.name));
        // When the room closes, all leave at once, and telling each of each would take n² lines.
        if !stop::requested() {
            self.tell_all(&inner, &format!("* {} {}", member.name, self.ending));
        }
        inner.ring();
    }
}

impl Inner {
    /// Puts a line into every outbox but one.
    fn tell_others(&self, number: u64, text: &str) {
        let line = line(text);
        for (_, member) in self.members.iter().filter(|(other, _)| **other != number) {
            member.outbox.push(&line);
        }
    }

    /// Wakes the threads of those for whom something waits.
    fn ring(&self) {
        self.members.values().for_each(|member| member.outbox.ring());
    }

    fn by_name(&self, name: &str) -> Option<&Member> {
        self.members.get(self.names.get(&phrase::fold(name))?)
    }

    /// Gives a member another name, or says why not.
    fn rename(&mut self, number: u64, wanted: &str) -> Result<(), String> {
        phrase::check_name(wanted)?;
        let folded = phrase::fold(wanted);
        if self.names.get(&folded).is_some_and(|owner| *owner != number) {
            return Err(format!("somebody is called {wanted} already"));
        }
        let Some(member) = self.members.get_mut(&number) else { return Err("you have left".to_string()) };
        self.names.remove(&phrase::fold(&member.name));
        self.names.insert(folded, number);
        member.name = wanted.to_string();
        Ok(())
    }

    /// The answer to `/who`.
    fn who(&self) -> String {
        let names: Vec<&str> =
            self.members.values().take(MOST_NAMES).map(|member| member.name.as_str()).collect();
        let mut text = format!("* {} here: {}", self.members.len(), names.join(", "));
        if self.members.len() > MOST_NAMES {
            text += &format!(" and {} more", self.members.len() - MOST_NAMES);
        }
        text
    }
}

/// A line as it goes out, stored once for all who get it.
fn line(text: &str) -> Arc<[u8]> {
    format!("{text}\n").into_bytes().into()
}
