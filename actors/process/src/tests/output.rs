//! Every line arrives, whatever a backend writes.

use proptest::prelude::*;

use super::super::line_splitter::{MAX_LINE, OutputLine, Splitter};
use super::*;

#[actix_rt::test]
async fn a_flood_arrives_whole_and_in_order() {
    let house = House::new();
    let run = house.shell("seq 200000").await;
    let report = ended(&*run).await;
    assert_eq!(report.status, "exit code 0");
    let lines = house.memory.texts();
    assert_eq!(lines.len(), 200_000);
    assert!(lines.iter().zip(1..).all(|(line, number)| *line == number.to_string()));
    assert_eq!(report.last_lines.len(), 20);
    assert_eq!(report.last_lines[19], "200000");
    assert_eq!(run.tail().borrow().seen, 200_000);
}

#[actix_rt::test]
async fn both_streams_are_told_apart() {
    let house = House::new();
    let run = house.shell("echo out; echo err >&2").await;
    ended(&*run).await;
    let lines = house.memory.lines.borrow();
    let of = |stream| lines.iter().find(|(pipe, _)| *pipe == stream).map(|(_, line)| line.as_str());
    assert_eq!(of(Pipe::Stdout), Some("out"));
    assert_eq!(of(Pipe::Stderr), Some("err"));
}

#[actix_rt::test]
async fn a_line_without_an_end_is_shown_while_the_backend_waits() {
    let house = House::new();
    let run = house.shell("printf 'Loading...'; sleep 1000").await;
    says(&*run, "Loading...").await;
    run.kill();
    ended(&*run).await;
    assert_eq!(house.memory.texts(), ["Loading..."]);
}

#[actix_rt::test]
async fn the_last_line_needs_no_end() {
    let house = House::new();
    let run = house.shell("printf 'a\\nb'").await;
    assert_eq!(ended(&*run).await.last_lines, ["a", "b"]);
}

#[actix_rt::test]
async fn an_endless_line_comes_in_pieces() {
    let house = House::new();
    let run = house.shell("head -c 1000000 /dev/zero | tr '\\0' x").await;
    ended(&*run).await;
    let lines = house.memory.texts();
    assert!(lines.iter().all(|line| line.len() <= MAX_LINE));
    assert_eq!(lines.iter().map(String::len).sum::<usize>(), 1_000_000);
}

#[actix_rt::test]
async fn what_is_not_utf8_is_marked() {
    let house = House::new();
    let run = house.shell("printf 'a\\377b\\n'").await;
    assert_eq!(ended(&*run).await.last_lines, ["a\u{FFFD}b"]);
}

#[actix_rt::test]
async fn a_progress_bar_takes_one_line_of_the_tail() {
    let house = House::new();
    let run = house
        .shell("echo start; for i in 1 2 3; do printf '\\r%s0 %%' $i; done; printf '\\nend\\r\\n'")
        .await;
    assert_eq!(ended(&*run).await.last_lines, ["start", "30 %", "end"]);
    assert_eq!(house.memory.texts(), ["start", "10 %", "20 %", "30 %", "end"]);
}

#[actix_rt::test]
async fn a_stranger_who_holds_the_pipe_does_not_hold_up_the_end() {
    let house = House::new();
    // Without environment, parent, group or session of the run: nobody can know whose it is.
    let run = house.shell("env -i setsid sh -c 'sleep 1000 & echo $!'; seq 5000").await;
    let report = ended(&*run).await;
    assert_eq!(report.status, "exit code 0");
    let lines = house.memory.texts();
    assert_eq!(lines.len(), 5001, "all that the run wrote is there");
    let stray: u32 = lines[0].parse().unwrap();
    // Where the run has a cgroup of its own the stray is known after all, and has been ended.
    if let Some(info) = platform::process(stray).unwrap().filter(|info| info.alive) {
        platform::send(info.id, platform::Signal::Kill).unwrap();
    }
}

/// A sink that is slow to take what it is given.
struct Slow(Rc<Memory>);

impl OutputSink for Slow {
    fn take(&self, model: &Arc<str>, pipe: Pipe, lines: Vec<String>) -> LocalBoxFuture<'static, ()> {
        let (memory, model) = (Rc::clone(&self.0), Arc::clone(model));
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            memory.take(&model, pipe, lines).await;
        }
        .boxed_local()
    }
}

#[actix_rt::test]
async fn a_slow_sink_loses_nothing() {
    let house = House::new();
    let sink = Rc::new(Slow(Rc::clone(&house.memory)));
    let launcher = LocalLauncher::new("slow", house.dir.path().join("state"), sink);
    let run = launcher.launch(house.order(shell("seq 100000"))).await.unwrap();
    ended(&*run).await;
    assert_eq!(house.memory.texts().len(), 100_000);
}

fn split(chunks: &[&[u8]]) -> Vec<OutputLine> {
    let mut splitter = Splitter::default();
    let mut lines = Vec::new();
    for chunk in chunks {
        splitter.feed(chunk, &mut lines);
    }
    lines.extend(splitter.take_partial());
    lines
}

#[test]
fn a_long_line_is_not_cut_within_a_character() {
    let text = "ä€🦀".repeat(4000);
    let lines = split(&[text.as_bytes()]);
    assert!(lines.len() > 1 && lines.iter().all(|line| line.text.len() <= MAX_LINE));
    assert_eq!(lines.into_iter().map(|line| line.text).collect::<String>(), text);
}

proptest! {
    #[test]
    fn where_the_reading_was_cut_makes_no_difference(
        bytes in proptest::collection::vec(proptest::sample::select(b"ab\r\n".as_slice()), 0..60),
        cut in 0_usize..60,
    ) {
        let (head, rest) = bytes.split_at(cut.min(bytes.len()));
        let texts = |lines: Vec<OutputLine>| lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
        prop_assert_eq!(texts(split(&[head, rest])), texts(split(&[&bytes])));
    }
}
