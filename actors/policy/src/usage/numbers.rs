//! Where the numbers of an event lie.

use super::fields::Field;

/// Numbers of an event that are remembered; of one with more, only the text may differ.
pub(super) const MOST: usize = 12;

/// Where the numbers of an event lie, as far as a template can use them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    numbers: [Number; MOST],
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number {
    /// The lower bits of its places in the answer: an event is shorter.
    pub(super) from: u32,
    pub(super) to: u32,
    /// What it counts.
    pub(super) field: Option<Field>,
}

impl Numbers {
    pub(super) fn number(&mut self, from: u64, to: u64, field: Option<Field>) {
        if let Some(number) = self.numbers.get_mut(self.len) {
            *number = Number { from: from as u32, to: to as u32, field };
        }
        self.len += 1;
    }

    pub(super) fn get(&self) -> Option<&[Number]> {
        self.numbers.get(..self.len)
    }
}
