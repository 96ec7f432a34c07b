//! Line: where a newcomer stands among those who wait for the same model.

use crate::spec::Class;
use std::time::Duration;

/// Whoever has waited for this long is passed by nobody any more. So a request of the lowest class is served after those
/// that were before it, and those of higher classes that came within this time.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How many at the end of the line a newcomer of this class passes: those of lower classes, as far as they have not waited
/// long. `line`: class and waiting time of each, the first in line first; `None`: an order, which nobody passes.
pub fn passes(line: impl DoubleEndedIterator<Item = Option<(Class, Duration)>>, class: Class) -> usize {
    let may_pass = |one: &Option<(Class, Duration)>| {
        one.is_some_and(|(other, waited)| other < class && waited < PATIENCE)
    };
    line.rev().take_while(may_pass).count()
}
