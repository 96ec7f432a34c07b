//! Devices: what a snapshot says of them, and which of them an entry of `required_devices` means.
//!
//! ```text
//! requirement = [count "x"] words ["#" number]     "v100"   "2x rtx 3090"   "rtx 3090 #1"
//!             | id | UUID | PCI address            "GPU-8932f937-d72c-..."   "0000:01:00.0"
//! ```
//!
//! All of the words occur in the device's name, in upper or lower case. `#1` is the first of the devices that
//! the words match, in the order of their PCI addresses (as `nvidia-smi` lists them), offline ones included:
//! the numbers don't move when a card falls off the bus. `2x` wants two different devices, and `memory_mb`
//! of that entry is the amount on each. What is exactly a device's id, UUID or PCI address means that one alone.

use crate::lifecycle::Moment;
use std::fmt;
use std::sync::Arc;

/// What tells a device from all others, today and after a restart: its UUID if it has one, else its name.
pub type DeviceId = Arc<str>;

/// All devices at one moment; made by the DeviceMonitor, read by everybody else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceSnapshot {
    /// Each device that has been seen since the program began, offline ones included.
    pub devices: Vec<Device>,
    /// When the first of them was asked; `None`: not all have been seen yet.
    pub taken_at: Option<Moment>,
}

/// A thing with memory that models occupy, at one moment. `None`: the plugin can't tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Tells it from all others.
    pub id: DeviceId,
    /// As its maker calls it; `required_devices` are looked for in it.
    pub name: String,
    /// Who reports it: `nvidia`, `amd`, `intel`, `cpu` or `exec`.
    pub plugin: String,
    /// The vendor's own id.
    pub uuid: Option<String>,
    /// Address on the PCI bus.
    pub pci: Option<String>,
    /// What its vendor's variable calls it.
    pub visible: Option<String>,
    /// Models may be started on it.
    pub online: bool,
    /// Memory in MiB. Without it nothing is checked on this device.
    pub total_mib: Option<u64>,
    /// Memory in use by anybody, in MiB.
    pub used_mib: Option<u64>,
    /// Percent.
    pub utilization: Option<f32>,
    /// Degrees Celsius.
    pub temperature_c: Option<f32>,
    /// Watts.
    pub power_w: Option<f32>,
    /// Who uses its memory.
    pub processes: Option<Vec<DeviceProcess>>,
    /// Programs that are no model's, the largest first, as far as this system tells of them.
    pub others: Vec<Program>,
    /// When it was asked; `None`: with the snapshot.
    pub taken_at: Option<Moment>,
    /// What the user wants of it for other programs.
    pub shared: DeviceSharing,
}

/// A device that is not the manager's alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceSharing {
    /// MiB that no model gets.
    pub keep_free_mib: u64,
    /// Idle models go when another program takes of these.
    pub gives_way: bool,
    /// No model may use the device before then: an operator has said "not now".
    pub paused_until: Option<Moment>,
}

/// A program that uses a device's memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// Its name, or else its process id.
    pub name: String,
    /// MiB; some drivers name the program but not the amount.
    pub mib: Option<u64>,
}

/// "firefox 300"
impl fmt::Display for Program {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mib {
            Some(mib) => write!(to, "{} {mib}", self.name),
            None => to.write_str(&self.name),
        }
    }
}

/// One process's share of a device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceProcess {
    /// Its process id.
    pub pid: u32,
    /// MiB; some drivers name the process but not the amount.
    pub mib: Option<u64>,
}

impl Device {
    /// A device of which nothing but its name is known.
    pub fn new(id: &str, name: &str, plugin: &str) -> Self {
        Self {
            id: id.into(),
            name: name.to_owned(),
            plugin: plugin.to_owned(),
            uuid: None,
            pci: None,
            visible: None,
            online: true,
            total_mib: None,
            used_mib: None,
            utilization: None,
            temperature_c: None,
            power_w: None,
            processes: None,
            others: Vec::new(),
            taken_at: None,
            shared: DeviceSharing::default(),
        }
    }

    /// Models may be started on it: it is there, and nobody has paused it.
    pub fn is_open(&self) -> bool {
        self.online && self.shared.paused_until.is_none()
    }

    /// MiB that models may have of it at the most.
    pub fn for_models(&self) -> Option<u64> {
        Some(self.total_mib?.saturating_sub(self.shared.keep_free_mib))
    }

    /// What these processes use together; `None` when the device doesn't tell of any of them.
    ///
    /// In a container the driver's process ids are those of the host: then it shows none of ours, which says
    /// nothing about what they use.
    pub fn used_by(&self, is_ours: impl Fn(u32) -> bool) -> Option<u64> {
        let ours = self.processes.iter().flatten().filter(|process| is_ours(process.pid));
        ours.map(|process| process.mib).try_fold(None, |sum, mib| Some(Some(sum.unwrap_or(0) + mib?)))?
    }

    fn has_address(&self, text: &str) -> bool {
        self.id.eq_ignore_ascii_case(text)
            || self.uuid.as_deref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(text))
            || self.pci.as_deref().is_some_and(|pci| same_pci(pci, text))
    }

    fn has_words(&self, words: &[String]) -> bool {
        words.iter().all(|word| contains(&self.name, word))
    }
}

impl DeviceSnapshot {
    /// Notes what the user wants of each device, and which of them are paused until when.
    pub fn share(&mut self, wishes: &[SharedDevice], pauses: &[(DeviceId, Moment)]) {
        let mut shared = vec![DeviceSharing::default(); self.devices.len()];
        for wish in wishes {
            for at in wish.device.matches(self) {
                if let Some(one) = shared.get_mut(at) {
                    one.keep_free_mib = wish.keep_free_mib;
                    one.gives_way = wish.give_way;
                }
            }
        }
        for (device, one) in self.devices.iter_mut().zip(shared) {
            let pause = pauses.iter().find(|(id, _)| *id == device.id);
            device.shared = DeviceSharing { paused_until: pause.map(|(_, until)| *until), ..one };
        }
    }

    /// The device of that id.
    pub fn get(&self, id: &str) -> Option<&Device> {
        self.position(id).and_then(|at| self.devices.get(at))
    }

    /// Where it is in `devices`.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.devices.iter().position(|device| &*device.id == id)
    }

    /// The device's number among those of the same name, from 1; `None` when there is no other.
    pub fn number_among_equals(&self, device: &Device) -> Option<usize> {
        let mut equals: Vec<&Device> =
            self.devices.iter().filter(|other| other.name == device.name).collect();
        equals.sort_by_key(|one| bus_order(one));
        let number = equals.iter().position(|other| other.id == device.id)? + 1;
        (equals.len() > 1).then_some(number)
    }
}

/// One entry of `required_devices`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    text: Arc<str>,
    count: usize,
    words: Vec<String>,
    number: Option<usize>,
}

/// What an entry of `devices:` says of a device that other programs use, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedDevice {
    /// Which.
    pub device: Requirement,
    /// `keep_free_mb`.
    pub keep_free_mib: u64,
    /// `give_way: true`.
    pub give_way: bool,
}

/// Why an entry of `required_devices` means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadRequirement {
    /// There is no word in it.
    Empty,
    /// `0x ...` or `... #0`: both count from 1.
    Zero,
    /// `2x rtx 3090 #1`: there is only one first.
    CountOfNumbered,
}

impl fmt::Display for BadRequirement {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            BadRequirement::Empty => "names no device",
            BadRequirement::Zero => "counts and numbers begin at 1",
            BadRequirement::CountOfNumbered => {
                "a device with a `#` number is one device: leave out the count"
            }
        })
    }
}

impl Requirement {
    /// Reads an entry of `required_devices`.
    pub fn parse(text: &str) -> Result<Self, BadRequirement> {
        let mut tokens: Vec<&str> = text.split_whitespace().collect();
        let mut count = None;
        if let [first, _, ..] = tokens[..]
            && let Some(amount) = count_of(first)
        {
            count = Some(amount);
            tokens.remove(0);
        }
        // "rtx 3090 #1" and "rtx 3090#1"; "rtx #1 3090" is a word of the name.
        let mut number = None;
        if let Some(last) = tokens.pop() {
            match last.rsplit_once('#').map(|(word, digits)| (word, digits.parse::<usize>())) {
                Some((word, Ok(parsed))) if !(word.is_empty() && tokens.is_empty()) => {
                    number = Some(parsed);
                    tokens.extend((!word.is_empty()).then_some(word));
                }
                _ => tokens.push(last),
            }
        }
        if tokens.is_empty() {
            return Err(BadRequirement::Empty);
        }
        if count == Some(0) || number == Some(0) {
            return Err(BadRequirement::Zero);
        }
        if count.is_some() && number.is_some() {
            return Err(BadRequirement::CountOfNumbered);
        }
        let words = tokens.into_iter().map(str::to_owned).collect();
        Ok(Self { text: text.trim().into(), count: count.unwrap_or(1), words, number })
    }

    /// That device alone.
    pub fn exactly(id: &DeviceId) -> Self {
        Self { text: Arc::clone(id), count: 1, words: vec![id.to_string()], number: None }
    }

    /// As the user wrote it.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// How many different devices it wants.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The devices that it may mean, as positions in the snapshot; offline ones too.
    pub fn matches(&self, snapshot: &DeviceSnapshot) -> Vec<usize> {
        let of = |wanted: &dyn Fn(&Device) -> bool| {
            let all = snapshot.devices.iter().enumerate();
            all.filter(|(_, device)| wanted(device)).map(|(at, _)| at).collect::<Vec<_>>()
        };
        // A requirement without count and number may be the address of one device.
        let addressed = of(&|device| device.has_address(&self.text));
        if !addressed.is_empty() {
            return addressed;
        }
        let mut named = of(&|device| device.has_words(&self.words));
        let Some(number) = self.number else { return named };
        named.sort_by_cached_key(|at| snapshot.devices.get(*at).map(bus_order));
        named.get(number - 1).map_or_else(Vec::new, |at| vec![*at])
    }

    /// What to tell a user whose requirement is not met by the devices that are online.
    pub fn missing(&self, snapshot: &DeviceSnapshot) -> Missing {
        let online = |at: &&usize| snapshot.devices.get(**at).is_some_and(|device| device.online);
        let name_of = |at: &usize| snapshot.devices.get(*at).map(|device| device.name.clone());
        let matching = self.matches(snapshot);
        let offline = matching.iter().filter(|at| !online(at)).filter_map(name_of).collect();
        let any_word = |device: &Device| self.words.iter().any(|word| contains(&device.name, word));
        let near = |(at, device): (usize, &Device)| {
            let near = device.online && !matching.contains(&at) && any_word(device);
            near.then(|| device.name.clone())
        };
        Missing {
            requirement: Arc::clone(&self.text),
            wanted: self.count,
            online: matching.iter().filter(online).count(),
            offline,
            near: snapshot.devices.iter().enumerate().filter_map(near).collect(),
        }
    }
}

/// A requirement that the devices online don't meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Missing {
    /// As the user wrote it.
    pub requirement: Arc<str>,
    /// How many devices it wants.
    pub wanted: usize,
    /// How many of those that match are online.
    pub online: usize,
    /// Names of those that match and are offline.
    pub offline: Vec<String>,
    /// Names of devices online that have one of its words: perhaps one of them was meant.
    pub near: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.online {
            0 => write!(to, "{}: no device online matches", self.requirement)?,
            online if online < self.wanted => {
                write!(to, "{}: {} wanted, {online} online", self.requirement, self.wanted)?;
            }
            _ => {
                write!(to, "{}: all matching devices are taken by the other requirements", self.requirement)?
            }
        }
        if !self.offline.is_empty() {
            write!(to, "; offline: {}", self.offline.join(", "))?;
        }
        if !self.near.is_empty() {
            write!(to, "; similar: {}", self.near.join(", "))?;
        }
        Ok(())
    }
}

/// `2x` or `2×`: how many.
fn count_of(token: &str) -> Option<usize> {
    token.strip_suffix(['x', 'X', '×'])?.parse().ok()
}

/// Cards in the order of the bus, as `nvidia-smi` and `CUDA_DEVICE_ORDER=PCI_BUS_ID` have it.
fn bus_order(device: &Device) -> (Option<[u32; 4]>, DeviceId) {
    (device.pci.as_deref().and_then(pci_address), Arc::clone(&device.id))
}

/// Domain, bus, device and function. `01:00.0`, `0000:01:00.0` and NVML's `00000000:01:00.0` are the same.
fn pci_address(text: &str) -> Option<[u32; 4]> {
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.split_once(':').unwrap_or(("0", rest));
    let hex = |part| u32::from_str_radix(part, 16).ok();
    Some([hex(domain)?, hex(bus)?, hex(device)?, hex(function)?])
}

fn same_pci(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || pci_address(one).is_some_and(|address| pci_address(other) == Some(address))
}

/// Whether `word` occurs in `text`, in upper or lower case.
fn contains(text: &str, word: &str) -> bool {
    if text.is_ascii() && word.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        return text.windows(word.len().max(1)).any(|part| part.eq_ignore_ascii_case(word));
    }
    text.to_lowercase().contains(&word.to_lowercase())
}
