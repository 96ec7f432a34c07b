//! Ports: choosing, testing, and naming who has them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::rc::Rc;

use llm_manager_policy::system;
use tokio::sync::Notify;

use super::{LaunchError, platform, run_tool};

/// Ports that runs were given. A backend opens its port only after a while, and nobody else should be
/// given it until then.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports(Rc<Given>);

#[derive(Debug, Default)]
struct Given {
    /// Each with whether it was asked for by its number.
    ports: RefCell<BTreeMap<u16, bool>>,
    /// Fires when one is given back.
    returned: Notify,
}

/// A port that was given to a run; dropped when the run has ended.
#[derive(Debug)]
pub(super) struct PortHold {
    ports: Ports,
    pub(super) port: u16,
}

impl Drop for PortHold {
    fn drop(&mut self) {
        self.ports.0.ports.borrow_mut().remove(&self.port);
        self.ports.0.returned.notify_waiters();
    }
}

/// Whoever listens where a run's requests would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortHolder {
    pub(super) pid: u32,
    name: String,
    address: IpAddr,
}

impl std::fmt::Display for PortHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.name)
    }
}

impl Ports {
    /// The wanted port if it is free, or any free one.
    pub(super) async fn hold(&self, wanted: Option<u16>) -> Result<PortHold, LaunchError> {
        let port = match wanted {
            Some(port) => {
                self.until_moved_out(port).await;
                test(port).await?;
                port
            }
            None => self.choose().map_err(|error| LaunchError::NoFreePort { cause: error.to_string() })?,
        };
        self.0.ports.borrow_mut().insert(port, wanted.is_some());
        Ok(PortHold { ports: self.clone(), port })
    }

    /// A configuration gives a port to one model only. So whoever else was given it by its number had it from a former
    /// configuration, and is about to end.
    async fn until_moved_out(&self, port: u16) {
        loop {
            let returned = self.0.returned.notified();
            if self.0.ports.borrow().get(&port) != Some(&true) {
                return;
            }
            returned.await;
        }
    }

    fn choose(&self) -> io::Result<u16> {
        // The system hands out a port again soon after it was closed, so some tries may be in vain.
        for _ in 0..64 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            if !self.0.ports.borrow().contains_key(&port) {
                return Ok(port);
            }
        }
        Err(io::Error::other("all that the system offered are promised to other models"))
    }
}

async fn test(port: u16) -> Result<(), LaunchError> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // Who it is only helps; that it is taken is known.
            let by = holders(port).await.unwrap_or_default().first().map(ToString::to_string);
            Err(LaunchError::PortTaken { port, by })
        }
        // Hyper-V and others keep ranges to themselves: nobody listens there, and yet nobody may.
        Err(error) if cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied => {
            Err(LaunchError::PortReserved { port, range: reserved(port).await })
        }
        // Windows lets a second program have 127.0.0.1 of a port whose other addresses somebody has.
        Ok(_) if cfg!(windows) => match holders(port).await.unwrap_or_default().first() {
            Some(holder) => Err(LaunchError::PortTaken { port, by: Some(holder.to_string()) }),
            None => Ok(()),
        },
        // Any other trouble, such as a port below 1024, is the backend's to solve or to report.
        _ => Ok(()),
    }
}

/// The range of reserved ports that it is in, as the system's own tool tells it.
async fn reserved(port: u16) -> Option<RangeInclusive<u16>> {
    let words = ["interface", "ipv4", "show", "excludedportrange", "protocol=tcp"];
    let asked = tokio::task::spawn_blocking(move || run_tool("netsh", &words)).await;
    let text = asked.ok()?.ok()?.text;
    system::excluded_ports(&text).into_iter().find(|range| range.contains(&port))
}

/// Whether whoever answers on 127.0.0.1:`port` is `root` or a child of its, seen at a glance: a few files are read, not
/// those of every process. False: look closer.
pub(super) async fn is_plainly_of(root: u32, port: u16) -> bool {
    let looked = tokio::task::spawn_blocking(move || {
        let mut sockets = platform::listening(port);
        sockets.retain(|(address, _)| reaches(*address, port));
        most_exact(&mut sockets, |(address, _)| address.ip());
        !sockets.is_empty()
            && platform::hold_sockets(root, sockets.into_iter().map(|(_, inode)| inode).collect())
    });
    looked.await.unwrap_or(false)
}

/// The most exact address gets the connection.
fn most_exact<T>(sockets: &mut Vec<T>, address: impl Fn(&T) -> IpAddr) {
    let exact = |socket: &T| address(socket) == IpAddr::V4(Ipv4Addr::LOCALHOST);
    if sockets.iter().any(exact) {
        sockets.retain(exact);
    }
}

/// Whether somebody listens on `port`.
pub(super) fn is_taken(port: u16) -> bool {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Who answers on 127.0.0.1:`port`, as far as it can be seen.
pub(super) async fn holders(port: u16) -> io::Result<Vec<PortHolder>> {
    tokio::task::spawn_blocking(move || list(port)).await.map_err(io::Error::other)?
}

/// Where these processes listen, but for where 127.0.0.1:`port` is answered.
pub(super) async fn elsewhere(pids: Vec<u32>, port: u16) -> Vec<SocketAddr> {
    let looked = tokio::task::spawn_blocking(move || {
        let all = listeners::get_all().unwrap_or_default().into_iter();
        let theirs = all.filter(|listener| {
            listener.protocol == listeners::Protocol::TCP
                && listener.state == listeners::SocketState::Listen
                && pids.contains(&listener.process.pid)
                && !reaches(listener.socket, port)
        });
        let mut sockets: Vec<SocketAddr> = theirs.map(|listener| listener.socket).collect();
        sockets.sort_unstable();
        sockets.dedup();
        sockets
    });
    // It only helps to explain what is known without it.
    looked.await.unwrap_or_default()
}

fn list(port: u16) -> io::Result<Vec<PortHolder>> {
    let all = listeners::get_all().map_err(|error| io::Error::other(error.to_string()))?;
    let mut found: Vec<PortHolder> = all
        .into_iter()
        .filter(|listener| {
            listener.protocol == listeners::Protocol::TCP
                && listener.state == listeners::SocketState::Listen
                && reaches(listener.socket, port)
        })
        .map(|listener| PortHolder {
            pid: listener.process.pid,
            name: listener.process.name,
            address: listener.socket.ip(),
        })
        .collect();
    most_exact(&mut found, |holder| holder.address);
    Ok(found)
}

fn reaches(socket: SocketAddr, port: u16) -> bool {
    let address = match socket.ip() {
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4),
        address @ IpAddr::V4(_) => address,
    };
    socket.port() == port && (address.is_unspecified() || address == IpAddr::V4(Ipv4Addr::LOCALHOST))
}
