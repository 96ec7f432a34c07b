//! What the holder of a run wants of it.

use tokio::sync::watch;

/// What its holder wants of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// To run.
    Run,
    /// To end in order.
    Terminate,
    /// To end now.
    Kill,
}

impl Wish {
    /// Wants more than before; less is not heard.
    pub fn tell(self, wish: &watch::Sender<Self>) {
        wish.send_if_modified(|old| {
            let more = *old < self;
            *old = self.max(*old);
            more
        });
    }

    /// What is wanted now. Without anybody who holds the run, that it ends.
    pub fn heard(wish: &watch::Receiver<Self>) -> Self {
        if wish.has_changed().is_err() { Self::Kill } else { *wish.borrow() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_more_is_heard_and_who_goes_wants_the_end() {
        let (sender, mut receiver) = watch::channel(Wish::Run);
        Wish::Kill.tell(&sender);
        assert!(receiver.has_changed().unwrap() && Wish::heard(&receiver) == Wish::Kill);
        receiver.mark_unchanged();
        Wish::Terminate.tell(&sender);
        assert!(!receiver.has_changed().unwrap() && Wish::heard(&receiver) == Wish::Kill);
        let (sender, receiver) = watch::channel(Wish::Run);
        drop(sender);
        assert_eq!(Wish::heard(&receiver), Wish::Kill);
    }
}
