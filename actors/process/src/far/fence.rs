//! Of several managers only one may begin and end jobs.

use std::fmt;
use std::rc::Rc;

/// Whether jobs may be begun and ended now.
#[derive(Clone)]
pub struct Fence(Rc<dyn Fn() -> bool>);

impl Fence {
    /// What is said of what was not done.
    pub const CLOSED: &'static str = "this manager doesn't lead at the moment";

    /// `None`: it is always open.
    pub fn new(open: Option<Rc<dyn Fn() -> bool>>) -> Self {
        Self(open.unwrap_or_else(|| Rc::new(|| true)))
    }

    /// To be looked at as late as can be.
    pub fn is_open(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() { "open" } else { "closed" })
    }
}
