//! Against a real cluster of two nodes with fake GPUs (`tests/slurm/cluster.sh`). Skipped with a word where Slurm isn't
//! installed or the tests don't run as root, unless `CI_REQUIRE_SLURM=1`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use llm_manager_policy::cluster::JobFate;
use llm_manager_policy::spec::Launch;
use llm_manager_process::AlreadyKept;
use llm_manager_slurm::{Job, JobOrder, JobView, Slurm, SlurmRequest, Wish};
use support::{Cluster, on_a_cluster};
use tokio::sync::{mpsc, watch};

/// A server that answers each connection with its environment, as a script that has no port of its own.
const SERVER: &str = r#"import http.server, os, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(s):
        body = "\n".join(f"{k}={v}" for k, v in os.environ.items()).encode()
        s.send_response(200); s.send_header("content-length", str(len(body))); s.end_headers(); s.wfile.write(body)
    def log_message(s, *a): pass
print("serving at", os.environ["HOST"], os.environ["PORT"], flush=True)
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), H).serve_forever()
"#;

fn order(cluster: &Cluster, launch: Launch, ask: SlurmRequest) -> JobOrder {
    JobOrder {
        model: "org/ü \"x\" $(id)".to_owned(),
        known_as: "org/ü \"x\" $(id)".to_owned(),
        variant: "Default".to_owned(),
        run: 1,
        fingerprint: "x".to_owned(),
        ask,
        launch,
        sent: None,
        working_dir: cluster.folder().to_owned(),
        env: vec![("GREETING".to_owned(), "a,b=c \"d\"".to_owned())],
        port: None,
    }
}

fn command(words: &[&str]) -> Launch {
    Launch::Command(words.iter().map(|word| (*word).to_owned()).collect())
}

fn python(cluster: &Cluster) -> Launch {
    let file = cluster.folder().join("server.py");
    fs::write(&file, SERVER).unwrap();
    command(&["python3", file.to_str().unwrap()])
}

fn script(cluster: &Cluster, text: &str) -> Launch {
    use std::os::unix::fs::PermissionsExt;
    let file = cluster.folder().join("script.sh");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    Launch::Script(file)
}

fn gpu(kind: &str) -> SlurmRequest {
    SlurmRequest { gres: Some(format!("gpu:{kind}")), ..SlurmRequest::default() }
}

/// Waits until the view is so.
async fn until(job: &Job, what: &str, mut wanted: impl FnMut(&JobView) -> bool) -> JobView {
    let mut view = job.view();
    let found = tokio::time::timeout(Duration::from_secs(60), view.wait_for(|view| wanted(view))).await;
    let Ok(Ok(found)) = found else { panic!("{what}: {:?}", job.view().borrow()) };
    found.clone()
}

async fn ended(job: &Job) -> (JobFate, String) {
    match until(job, "it ends", |view| matches!(view, JobView::Ended(_))).await {
        JobView::Ended(end) => (end.fate, end.sentence),
        _ => unreachable!(),
    }
}

async fn placed(job: &Job) -> (String, String, u16) {
    match until(job, "it reports its place", |view| matches!(view, JobView::Placed(_) | JobView::Ended(_)))
        .await
    {
        JobView::Placed(place) => (place.node, place.host, place.port),
        other => panic!("{other:?}; its output: {:?}", fs::read_to_string(job.output())),
    }
}

/// What a server answers; the connection is tried until somebody listens.
async fn answer(host: &str, port: u16) -> String {
    let (host, began) = (host.to_owned(), Instant::now());
    tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        loop {
            if let Ok(mut stream) = std::net::TcpStream::connect((host.as_str(), port)) {
                stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                return text;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "nobody listens");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    })
    .await
    .unwrap()
}

/// What a job prints from its beginning on.
fn printed(slurm: &Slurm, job: &Job, over: &watch::Sender<bool>) -> mpsc::Receiver<Vec<u8>> {
    let nobody = Rc::new(|| -> LocalBoxFuture<'static, bool> { Box::pin(std::future::ready(false)) });
    slurm.output(job, false, AlreadyKept::default(), over.subscribe(), nobody)
}

#[test]
fn a_job_serves_on_the_right_node_and_its_output_comes_back() {
    on_a_cluster(async |cluster| {
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let job = slurm.submit(order(cluster, python(cluster), gpu("v100:2"))).await.unwrap();
        let over = watch::Sender::new(false);
        let mut lines = printed(&slurm, &job, &over);
        let (node, host, port) = placed(&job).await;
        assert_eq!((node.as_str(), host.as_str()), ("n2", "127.0.0.3"));
        let environment = answer(&host, port).await;
        let has = |line: &str| environment.lines().any(|found| found == line);
        assert!(has("GREETING=a,b=c \"d\"") && has("MODEL_NAME=org/ü \"x\" $(id)"), "{environment}");
        assert!(has("CUDA_VISIBLE_DEVICES=0,1") && has("HOME=/root"), "{environment}");
        assert!(has(&format!("LLAMA_API_KEY={}", job.key())) && !environment.contains("SLURM_EXPORT_ENV"));
        // Nothing of the one who submitted.
        assert!(!environment.contains("CARGO"), "{environment}");
        let piece = String::from_utf8(lines.recv().await.unwrap()).unwrap();
        assert_eq!(piece, format!("serving at {host} {port}\n"));

        job.wish(Wish::Terminate);
        let (fate, sentence) = ended(&job).await;
        assert_eq!(
            (fate, sentence),
            (JobFate::Asked, format!("job {} ended on n2 as it was told", job.id().unwrap()))
        );
        over.send_replace(true);
        let last = String::from_utf8(lines.recv().await.unwrap()).unwrap();
        assert!(last.contains("CANCELLED AT"), "{last}");
        assert_eq!(lines.recv().await, None);
        drop(job);
        let began = Instant::now();
        while !slurm.records().await.unwrap().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(5), "its files are still there");
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_key_is_seen_by_nobody_else() {
    on_a_cluster(async |cluster| {
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let job = slurm.submit(order(cluster, python(cluster), gpu("v100:1"))).await.unwrap();
        placed(&job).await;
        let id = job.id().unwrap().to_string();
        let by_nobody = format!(
            "setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'squeue -o \"%i %k %o %Z\"; scontrol show job {id}; \
             scontrol write batch_script {id} -; cat {0}/slurm/*/key {0}/slurm/*/environment; ps axww -o args; cat /proc/*/environ'",
            cluster.folder().display()
        );
        let seen = cluster.run(&by_nobody);
        assert!(seen.contains(&format!("llm-manager {id} n2 127.0.0.3")), "{seen}");
        assert!(!seen.contains(job.key()), "{seen}");
    });
}

#[test]
fn those_that_wait_say_for_what() {
    on_a_cluster(async |cluster| {
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let first = slurm.submit(order(cluster, python(cluster), gpu("rtx4060:2"))).await.unwrap();
        placed(&first).await;
        let second = slurm.submit(order(cluster, python(cluster), gpu("rtx4060:1"))).await.unwrap();
        let waits = |reason: &'static str| move |view: &JobView| matches!(view, JobView::Queued { wait, .. } if wait.reason == reason);
        until(&second, "it waits for the card", waits("Resources")).await;
        let long = SlurmRequest {
            partition: Some("short".to_owned()),
            time: Some("10:00:00".to_owned()),
            ..SlurmRequest::default()
        };
        let third = slurm.submit(order(cluster, python(cluster), long)).await.unwrap();
        let view = until(&third, "it waits for ever", waits("PartitionTimeLimit")).await;
        assert!(matches!(view, JobView::Queued { wait, .. } if wait.hopeless));
        third.wish(Wish::Terminate);
        assert_eq!(ended(&third).await.0, JobFate::Asked);

        let impossible = slurm.submit(order(cluster, python(cluster), gpu("h100:1"))).await.unwrap();
        let (fate, sentence) = ended(&impossible).await;
        assert_eq!(fate, JobFate::Refused);
        assert!(sentence.contains("Requested node configuration is not available"), "{sentence}");
        assert_eq!(impossible.id(), None);

        // The card is free only when the first is gone.
        drop(first);
        placed(&second).await;
    });
}

#[test]
fn each_end_has_its_fate() {
    on_a_cluster(async |cluster| {
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let run = async |launch| {
            let job = slurm.submit(order(cluster, launch, SlurmRequest::default())).await.unwrap();
            ended(&job).await
        };
        assert_eq!(run(command(&["true"])).await.0, JobFate::Finished);
        let (fate, sentence) = run(command(&["sh", "-c", "exit 3"])).await;
        assert!(fate == JobFate::Failed && sentence.ends_with("exit code 3"), "{sentence}");
        let (fate, sentence) = run(command(&["sh", "-c", "kill -9 $$"])).await;
        assert!(fate == JobFate::Failed && sentence.contains("SIGKILL"), "{sentence}");
        let (fate, sentence) = run(command(&["no-such-server"])).await;
        assert!(fate == JobFate::Failed && sentence.contains("a command was not found"), "{sentence}");
        let (fate, _) = run(Launch::Script(PathBuf::from("/no/such/script"))).await;
        assert_eq!(fate, JobFate::Failed);

        let low = SlurmRequest { partition: Some("low".to_owned()), ..gpu("v100:4") };
        let preempted = slurm.submit(order(cluster, python(cluster), low)).await.unwrap();
        placed(&preempted).await;
        let other = slurm.submit(order(cluster, python(cluster), gpu("v100:4"))).await.unwrap();
        assert_eq!(ended(&preempted).await.0, JobFate::Preempted);
        placed(&other).await;
        cluster.run(&format!("scancel {}", other.id().unwrap()));
        assert_eq!(ended(&other).await.0, JobFate::CancelledByOthers);
    });
}

#[test]
fn a_script_without_exec_holds_its_cards_until_its_server_is_gone() {
    on_a_cluster(async |cluster| {
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let server = cluster.folder().join("slow.py");
        // It takes two seconds to end.
        let slow = "import signal,sys,time\nsignal.signal(15, lambda *_: (time.sleep(2), print('gone', flush=True), sys.exit(0)))\nprint('up', flush=True)\ntime.sleep(60)\n";
        fs::write(&server, slow).unwrap();
        let launch =
            script(cluster, &format!("#!/bin/bash\n# no exec here\npython3 {} & wait\n", server.display()));
        let job = slurm.submit(order(cluster, launch, gpu("rtx4060:2"))).await.unwrap();
        placed(&job).await;
        let over = watch::Sender::new(false);
        let mut lines = printed(&slurm, &job, &over);
        assert_eq!(lines.recv().await.unwrap(), b"up\n");
        job.wish(Wish::Terminate);
        let began = Instant::now();
        assert_eq!(ended(&job).await.0, JobFate::Asked);
        over.send_replace(true);
        let mut rest = String::new();
        while let Some(piece) = lines.recv().await {
            rest.push_str(&String::from_utf8_lossy(&piece));
        }
        // The last word of the server came before the end of the job.
        assert!(rest.ends_with("gone\n"), "{rest}");
        assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
        // The brackets: the shell that looks isn't meant.
        assert_eq!(cluster.run(&format!("pgrep -f {}/slow.p[y]", cluster.folder().display())), "");
    });
}

/// With a folder of each node's own instead of a shared disk.
#[test]
fn where_nothing_is_shared_the_last_words_come_too() {
    on_a_cluster(async |cluster| {
        let nodes = cluster.folder().join("nodes");
        fs::create_dir(&nodes).unwrap();
        cluster.part(&nodes);
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        // It takes a second to end, and its child has the last word.
        let server = "trap 'sleep 1; echo going; exit 0' TERM; (trap '' TERM; sleep 2; echo gone) & echo up; \
                      while :; do sleep 0.1; done";
        let ask = SlurmRequest { node_folder: Some(nodes.to_str().unwrap().to_owned()), ..gpu("rtx4060:1") };
        let job = slurm.submit(order(cluster, command(&["sh", "-c", server]), ask)).await.unwrap();
        let over = watch::Sender::new(false);
        let mut lines = printed(&slurm, &job, &over);
        assert_eq!(lines.recv().await.unwrap(), b"up\n");
        placed(&job).await;
        job.wish(Wish::Terminate);
        assert_eq!(ended(&job).await.0, JobFate::Asked);
        over.send_replace(true);
        let mut rest = String::new();
        while let Some(piece) = lines.recv().await {
            rest.push_str(&String::from_utf8_lossy(&piece));
        }
        assert!(rest.ends_with("going\ngone\n"), "{rest}");
        assert_eq!(cluster.run_on("n1", &format!("ls -A {}", nodes.display())), "");
    });
}

#[test]
fn a_controller_that_is_away_changes_nothing() {
    on_a_cluster(async |cluster| {
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let job = slurm.submit(order(cluster, python(cluster), gpu("v100:1"))).await.unwrap();
        let (_, host, port) = placed(&job).await;
        cluster.run(&format!("kill $(cat {}/slurmctld.pid)", cluster.folder().display()));
        let late = slurm.submit(order(cluster, python(cluster), gpu("v100:1"))).await.unwrap();
        until(&late, "it isn't known", |view| matches!(view, JobView::Submitting(Some(_)))).await;
        assert!(matches!(&*job.view().borrow(), JobView::Placed(_)));
        assert!(answer(&host, port).await.contains("200 OK"));
        job.wish(Wish::Terminate);
        cluster.again("controller");
        placed(&late).await;
        assert_eq!(ended(&job).await.0, JobFate::Asked);
        // However often it was tried, there is one.
        assert_eq!(slurm.jobs().await.unwrap().len(), 1);
    });
}

#[test]
fn the_next_manager_takes_over_what_runs() {
    on_a_cluster(async |cluster| {
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let job = slurm.submit(order(cluster, python(cluster), gpu("v100:1"))).await.unwrap();
        let place = placed(&job).await;
        let (id, key) = (job.id(), job.key().to_owned());
        // As after a kill: nobody asks for it any more, and nobody tells it to end.
        std::mem::forget(job);

        let next = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let mut records = next.records().await.unwrap();
        assert_eq!(records.len(), 1);
        let adopted = next.adopt(records.remove(0)).await.unwrap();
        assert_eq!(placed(&adopted).await, place);
        assert_eq!((adopted.id(), adopted.key()), (id, key.as_str()));
        assert!(next.jobs().await.unwrap().iter().all(|found| found.ours && Some(found.id) == id));
        adopted.wish(Wish::Kill);
        assert_eq!(ended(&adopted).await.0, JobFate::Asked);
    });
}

#[test]
fn a_node_that_is_lost_ends_its_job() {
    on_a_cluster(async |cluster| {
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let job = slurm.submit(order(cluster, python(cluster), gpu("rtx4060:1"))).await.unwrap();
        placed(&job).await;
        cluster.run(&format!("kill -9 $(cat {}/slurmd-n1.pid)", cluster.folder().display()));
        let (fate, sentence) = ended(&job).await;
        assert_eq!(fate, JobFate::NodeFailed, "{sentence}");
        cluster.again("node n1");
    });
}

/// Slurm looks at time limits in its own time: up to half a minute later than asked for.
#[test]
fn a_time_limit_ends_a_job_with_its_own_sentence() {
    on_a_cluster(async |cluster| {
        let slurm = Slurm::open(cluster.folder(), Some(cluster.conf())).unwrap();
        let ask = SlurmRequest { time: Some("1".to_owned()), ..SlurmRequest::default() };
        let job = slurm.submit(order(cluster, python(cluster), ask)).await.unwrap();
        placed(&job).await;
        let mut view = job.view();
        let ended = view.wait_for(|view| matches!(view, JobView::Ended(_)));
        let ended = tokio::time::timeout(Duration::from_secs(130), ended).await.unwrap().unwrap().clone();
        assert!(matches!(ended, JobView::Ended(end) if end.fate == JobFate::TimeLimit));
    });
}
