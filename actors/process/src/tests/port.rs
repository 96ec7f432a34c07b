//! Ports and who has them.

use std::net::TcpListener;

use super::super::{Stranger, port};
use super::*;

const LISTEN: &str = "import os, socket, sys, time
if os.fork() == 0:
    s = socket.socket()
    s.bind((sys.argv[1], int(os.environ['PORT'])))
    s.listen()
    print('listening', flush=True)
    time.sleep(1000)
os.wait()";

fn python(address: &str) -> Launch {
    Launch::Command(["python3", "-c", LISTEN, address].map(str::to_owned).to_vec())
}

fn this_process() -> String {
    let info = platform::process(std::process::id()).unwrap().unwrap();
    format!("pid {} ({})", info.id.pid, info.name)
}

#[actix_rt::test]
async fn a_taken_port_names_its_holder() {
    let house = House::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let order = LaunchOrder { port: Some(port), ..house.order(shell("sleep 1000")) };
    let error = house.launcher.launch(order).await.err().unwrap();
    assert_eq!(error, LaunchError::PortTaken { port, by: Some(this_process()) });
    assert_eq!(
        error.to_string(),
        format!(
            "port {port} is taken by {}: end that process, or give the model another `port`",
            this_process()
        )
    );
    assert_eq!(house.slot.available_permits(), 1, "a failed launch gives the slot back");
}

#[actix_rt::test]
async fn a_free_port_that_was_asked_for_is_used() {
    let house = House::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let order = LaunchOrder { port: Some(port), ..house.order(shell("echo $PORT")) };
    let run = house.launcher.launch(order).await.unwrap();
    assert_eq!(address_of(&*run).to_string(), format!("127.0.0.1:{port}"));
    assert_eq!(ended(&*run).await.last_lines, [port.to_string()]);
}

#[actix_rt::test]
async fn a_listener_of_the_tree_is_accepted_and_a_stranger_is_not() {
    let house = House::new();
    for address in ["127.0.0.1", "0.0.0.0"] {
        let run = house.launch(python(address)).await.unwrap();
        says(&*run, "listening").await;
        assert_eq!(run.check_listener().await, Ok(()), "a grandchild listens on {address}");
        run.kill();
        ended(&*run).await;
    }
    let run = house.shell("sleep 1000").await;
    let port = address_of(&*run).port();
    assert_eq!(run.check_listener().await, Err(Stranger { port, by: None }));
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = run.check_listener().await.unwrap_err();
    assert_eq!(error, Stranger { port, by: Some(this_process()) });
    assert!(error.to_string().contains("foreign_listener"), "{error}");
    drop(stranger);
}

#[actix_rt::test]
async fn a_chosen_port_is_given_once() {
    let ports = port::Ports::default();
    let mut holds = Vec::new();
    for _ in 0..300 {
        holds.push(ports.hold(None).await.unwrap());
    }
    let distinct: std::collections::BTreeSet<u16> = holds.iter().map(|hold| hold.port).collect();
    assert_eq!(distinct.len(), 300);
}
