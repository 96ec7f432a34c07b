//! What is kept, what is left out, and when it goes.

use super::draft::HELD;
use super::*;
use llm_manager_ledger::{Outcome, RequestRow, now_us};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

fn bounds() -> CaptureBounds {
    CaptureBounds { body_bytes: 1000, total_bytes: 1 << 20, keep: Duration::from_secs(3600) }
}

fn start(dir: &TempDir, bounds: CaptureBounds) -> Captures {
    let mask = Mask::new(["sk-of-the-file".to_owned()]).unwrap();
    Captures::start(dir.path().join("captures"), bounds, Arc::new(mask)).unwrap()
}

fn keep(captures: &Captures, id: &str, model: &str, body: &[u8], answer: &[&[u8]]) -> Micros {
    let head = CaptureHead {
        request_id: id.into(),
        model: model.into(),
        started_us: now_us(),
        ..CaptureHead::default()
    };
    let started = head.started_us;
    let mut draft = captures.begin(head, body).unwrap();
    draft.answered(vec![("content-type".into(), "text/plain".into())]);
    answer.iter().for_each(|bytes| draft.push(bytes));
    draft.ended();
    draft.finish(&RequestRow { status: 200, outcome: Outcome::Ok, ..RequestRow::default() });
    started
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("captures")).map_or(0, Iterator::count)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(future)
}

#[test]
fn what_was_sent_is_read_again_also_by_the_next_manager() {
    let dir = TempDir::new().unwrap();
    run(async {
        let captures = start(&dir, bounds());
        assert_eq!(files(dir.path()), 0, "nothing is made before there is something to keep");
        let first = keep(&captures, "a", "m", b"one", &[b"an", b"swer sk-of-the-file"]);
        keep(&captures, "a", "m", b"two", &[b"other"]);
        let read = captures.read("a", None).await.unwrap().unwrap();
        assert_eq!((&*read.request, &*read.answer), (&b"two"[..], &b"other"[..]));
        let read = captures.read("a", Some(first)).await.unwrap().unwrap();
        assert_eq!((&*read.request, &*read.answer), (&b"one"[..], &b"answer ***"[..]));
        assert!(read.head.ended && read.head.status == 200 && read.head.outcome == "ok");
        assert_eq!(captures.read("b", None).await.unwrap(), None);
        let wanted = HashSet::from([("a".to_owned(), first), ("b".to_owned(), first), ("a".to_owned(), 7)]);
        assert_eq!(captures.known(wanted).await.unwrap(), HashSet::from([("a".to_owned(), first)]));
        assert_eq!(captures.status().files, 2);
        // A file that a crash has cut off is none.
        let folder = dir.path().join("captures");
        std::fs::write(folder.join("0000000000000001-00000000.capture"), b"{\"request_id\":\"x\"").unwrap();
        std::fs::write(folder.join("notes.txt"), b"not ours").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for file in std::fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            assert!(
                path.ends_with("notes.txt")
                    || mode(&path) == 0o600
                    || path.to_string_lossy().contains("-00000000")
            );
        }
        let next = start(&dir, bounds());
        assert_eq!(next.read("a", Some(first)).await.unwrap().unwrap().request, b"one");
        assert_eq!((next.status().files, files(dir.path())), (2, 3));
        keep(&next, "c", "m", b"three", &[]);
        assert_eq!(next.forget(CaptureSelection::Request("a".into())).await, Ok(2));
        assert_eq!(next.forget(CaptureSelection::Models(vec!["x".into(), "m".into()])).await, Ok(1));
        assert_eq!((files(dir.path()), next.status().bytes), (1, 0));
    });
}

#[test]
fn bodies_have_bounds_and_the_oldest_go() {
    let dir = TempDir::new().unwrap();
    run(async {
        let captures = start(&dir, bounds());
        keep(&captures, "a", "m", &[b'x'; 3000], &[&[b'y'; 900], &[b'y'; 900], b"end"]);
        let read = captures.read("a", None).await.unwrap().unwrap();
        assert_eq!((read.request.len(), read.head.request.bytes), (1000, 3000));
        assert_eq!((read.answer.len(), read.head.answer.bytes), (1000, 1803));
        for number in 0..20 {
            keep(&captures, &format!("b{number}"), "m", &[b'x'; 900], &[]);
        }
        captures.drain().await.unwrap();
        captures.reconfigure(CaptureBounds { total_bytes: 10_000, ..bounds() }).await;
        captures.drain().await.unwrap();
        let status = captures.status();
        assert!(status.bytes <= 10_000 && status.files < 12 && status.files > 5, "{status:?}");
        assert_eq!(captures.read("b0", None).await.unwrap(), None);
        assert!(captures.read("b19", None).await.unwrap().is_some());
        captures.reconfigure(CaptureBounds { keep: Duration::from_millis(1), ..bounds() }).await;
        while captures.status().files > 0 {
            actix_rt::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(files(dir.path()), 0);
    });
}

#[test]
fn memory_has_bounds_and_what_is_missed_is_counted() {
    let dir = TempDir::new().unwrap();
    run(async {
        let captures = start(&dir, CaptureBounds { body_bytes: HELD, ..bounds() });
        let head =
            |id: &str| CaptureHead { request_id: id.into(), started_us: now_us(), ..CaptureHead::default() };
        let large = captures.begin(head("large"), &vec![b'x'; HELD - 100]).unwrap();
        assert!(captures.begin(head("second"), &[b'x'; 200]).is_none());
        let mut small = captures.begin(head("small"), &[b'x'; 50]).unwrap();
        small.push(&[b'a'; 40]);
        // No room: from here on there is a gap, and nothing behind it is kept.
        small.push(&[b'b'; 40]);
        drop(large);
        small.push(&[b'c'; 40]);
        small.finish(&RequestRow::default());
        let read = captures.read("small", None).await.unwrap().unwrap();
        assert_eq!((read.answer, read.head.answer.bytes), (vec![b'a'; 40], 120));
        assert!(!read.head.ended);
        assert_eq!(captures.status().missed, 1);
        assert_eq!(captures.shared.held.load(Ordering::Relaxed), 0, "all of it is given back");
        // A folder that can't be written.
        std::fs::remove_dir_all(dir.path().join("captures")).unwrap();
        std::fs::write(dir.path().join("captures"), b"a file").unwrap();
        keep(&captures, "lost", "m", b"x", &[]);
        captures.drain().await.unwrap();
        assert_eq!(captures.status().missed, 2);
    });
}
