//! Numbers of 32 bits that wrap around: after 4,294,967,295 comes 0. Pure.
//!
//! At 100 Mbit/s message numbers are used up in six days, so "greater" cannot mean what it means in
//! arithmetic. RFC 1982: the one is after the other if the way forward is the shorter one, that is, below
//! 2^31. This works as long as nothing compared is ever further apart; windows here end at 32,768.

/// A message number or a packet number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// The number `count` later.
    pub fn plus(self, count: usize) -> Seq {
        Seq(self.0.wrapping_add(count as u32))
    }

    /// The number before this one.
    pub fn before(self) -> Seq {
        Seq(self.0.wrapping_sub(1))
    }

    /// How many numbers this one is after `other`; negative if it is before it.
    pub fn after(self, other: Seq) -> i32 {
        // The difference modulo 2^32, read as a signed number: the shorter way round.
        self.0.wrapping_sub(other.0) as i32
    }

    /// This number's place in a queue that begins with `first`; `None` if it is before it.
    pub fn place(self, first: Seq) -> Option<usize> {
        usize::try_from(self.after(first)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_goes_on_across_the_end() {
        let last = Seq(u32::MAX);
        assert_eq!(last.plus(1), Seq(0));
        assert_eq!(last.plus(3).after(last), 3);
        assert_eq!(last.after(Seq(2)), -3);
        assert_eq!(Seq(0).before(), last);
        assert_eq!(Seq(5).place(last), Some(6));
        assert_eq!(last.place(Seq(5)), None);
        assert_eq!(Seq(7).place(Seq(7)), Some(0));
    }
}
