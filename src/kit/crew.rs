//! Threads that stay a moment: one whose client has left takes the next.
//!
//! To start a thread and take it down again costs several times what a small answer does: its stack, a
//! second one on which an overflow is reported, and on every other processor an interrupt for each
//! mapping that goes. Where every request has a connection of its own, that is most of the work. So a
//! thread whose client has left waits for [`STAY`], and a newcomer gets it. Each client still has a
//! thread to itself, from its first byte to its last.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a thread without a client stays.
const STAY: Duration = Duration::from_millis(500);

/// The threads of a server, and the newcomers that no thread has taken yet.
pub(super) struct Crew<C> {
    state: Mutex<State<C>>,
    /// Notified when a newcomer is there.
    called: Condvar,
}

struct State<C> {
    newcomers: VecDeque<C>,
    /// Threads that have no client, those included that are just being started.
    free: usize,
}

impl<C> Crew<C> {
    /// A crew of nobody.
    pub(super) fn new() -> Crew<C> {
        Crew { state: Mutex::new(State { newcomers: VecDeque::new(), free: 0 }), called: Condvar::new() }
    }

    /// The state, even after a panic elsewhere: it is whole between any two of its statements.
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A newcomer, for the first thread that is free.
    pub(super) fn add(&self, client: C) {
        self.lock().newcomers.push_back(client);
        self.called.notify_one();
    }

    /// Whether there are more newcomers than free threads. Then the caller must start a thread, which is
    /// counted as free from now on, or take that back with [`Crew::less`].
    pub(super) fn needs_another(&self) -> bool {
        let mut state = self.lock();
        let needed = state.newcomers.len() > state.free;
        state.free += usize::from(needed);
        needed
    }

    /// A thread could not be started.
    pub(super) fn less(&self) {
        self.lock().free -= 1;
    }

    /// The calling thread's client has left; call it before the client's place is free, so that whoever
    /// comes into that place finds this thread.
    pub(super) fn more(&self) {
        self.lock().free += 1;
    }

    /// The next client for the calling thread; `None` when it has stayed long enough.
    pub(super) fn next(&self) -> Option<C> {
        let nobody = |state: &mut State<C>| state.newcomers.is_empty();
        let waited = self.called.wait_timeout_while(self.lock(), STAY, nobody);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.free -= 1;
        state.newcomers.pop_front()
    }

    /// Sends the newcomers away that nobody has taken.
    pub(super) fn clear(&self) {
        let newcomers = std::mem::take(&mut self.lock().newcomers);
        drop(newcomers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_gets_a_thread_that_stayed_or_a_new_one() {
        let crew = Crew::new();
        crew.add("Alice");
        assert!(crew.needs_another());
        assert!(!crew.needs_another(), "one is on its way");
        assert_eq!(crew.next(), Some("Alice"));
        crew.more();
        crew.add("Bob");
        assert!(!crew.needs_another(), "Alice's has stayed");
        assert_eq!(crew.next(), Some("Bob"));
        crew.add("Carol");
        assert!(crew.needs_another(), "both have their clients");
    }

    #[test]
    fn nobody_waits_for_ever() {
        let crew: Crew<&str> = Crew::new();
        crew.more();
        assert_eq!(crew.next(), None);
        crew.add("Alice");
        assert!(crew.needs_another(), "nobody has stayed");
        crew.less();
        assert!(crew.needs_another(), "the new one could not be started");
        crew.less();
        crew.clear();
        assert!(!crew.needs_another());
    }
}
