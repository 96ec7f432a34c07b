//! How far what a job prints was read, for the next manager: the log of the run goes on there, without a hole.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::{Folder, aside};
use crate::private_files;

/// A place is noted so long after it was reached. What was handed on by then is in the files of logs as well, even if the manager is killed, and
/// one that prints without a pause costs a shared disk a small file in so much time. So much of a log may stand there twice.
const LATE: Duration = Duration::from_secs(5);

/// The note of one job.
#[derive(Clone, Debug)]
pub struct ReadPosition(PathBuf);

impl ReadPosition {
    /// Of the job with this folder.
    pub fn of(folder: &Folder) -> Self {
        Self(folder.file("read"))
    }

    /// What an earlier manager has noted, if it can be read.
    pub async fn found<T: std::str::FromStr + Send + 'static>(&self) -> Option<T> {
        let file = self.0.clone();
        aside(move || std::fs::read_to_string(file)).await.ok()?.trim().parse().ok()
    }

    /// Notes what is reached, until nobody reads any more.
    pub async fn note<T: ToString + PartialEq + Clone>(self, reached: watch::Receiver<Option<T>>) {
        let write = |place: T| {
            let (file, text) = (self.0.clone(), place.to_string());
            async move {
                // What can't be noted is shown twice by the next manager.
                let _ = aside(move || private_files::write(&file, text.as_bytes())).await;
            }
        };
        pass_on(reached, LATE, write).await;
    }
}

/// Writes what was reached, so long after it was. The last of it is left out: then the job is over, or left to another.
async fn pass_on<T: PartialEq + Clone, W: Future<Output = ()>>(
    mut reached: watch::Receiver<Option<T>>,
    late: Duration,
    write: impl Fn(T) -> W,
) {
    let mut noted = None;
    loop {
        let now = reached.borrow_and_update().clone();
        if now == noted {
            if reached.changed().await.is_err() {
                return;
            }
            continue;
        }
        let over = async { while reached.changed().await.is_ok() {} };
        if timeout(late, over).await.is_ok() {
            return;
        }
        if let Some(place) = now.clone() {
            write(place).await;
        }
        noted = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::far::Files;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[actix_rt::test]
    async fn a_place_is_noted_once_all_before_it_is_surely_kept() {
        let (reach, reached) = watch::channel(Some(7));
        let written = Rc::new(RefCell::new(Vec::new()));
        let of_written = Rc::clone(&written);
        let write = move |place| {
            of_written.borrow_mut().push(place);
            std::future::ready(())
        };
        let noting = tokio::task::spawn_local(pass_on(reached, Duration::from_millis(50), write));
        // What comes while the first one is still too young isn't noted in its place.
        tokio::task::yield_now().await;
        reach.send_replace(Some(9));
        let both = async {
            while written.borrow().len() < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), both).await.unwrap();
        assert_eq!(*written.borrow(), [7, 9]);
        reach.send_replace(Some(11));
        drop(reach);
        noting.await.unwrap();
        assert_eq!(*written.borrow(), [7, 9], "its folder may be gone by now");
    }

    #[actix_rt::test]
    async fn what_is_noted_is_found() {
        let state = tempfile::tempdir().unwrap();
        let folder = Files::open(state.path(), "place").unwrap().make_folder("job").unwrap();
        let mark = ReadPosition::of(&folder);
        assert_eq!(mark.found::<u64>().await, None);
        let (reach, reached) = watch::channel(None);
        tokio::task::spawn_local(mark.clone().note(reached));
        reach.send_replace(Some(9_u64));
        let noted = async {
            while mark.found().await != Some(9_u64) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LATE * 4, noted).await.unwrap();
        std::fs::write(folder.file("read"), "nine").unwrap();
        assert_eq!(mark.found::<u64>().await, None, "what can't be read says nothing");
    }
}
