//! By two calls of Windows. `sysinfo` would read performance counters, which are broken on some machines, and knows
//! nothing of the commit limit.
#![expect(unsafe_code, reason = "the interface of Windows is one of C; each call says why it is sound")]

use std::io;
use std::mem::size_of;

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};
use windows_sys::Win32::System::Threading::GetSystemTimes;

use super::CpuReading;

/// Remembers the times of the look before.
#[derive(Default)]
pub(super) struct Reader {
    before: Option<Times>,
}

/// Of all processors together since the machine came up, in units of 100 ns.
#[derive(Clone, Copy)]
struct Times {
    idle: u64,
    all: u64,
}

impl Reader {
    pub(super) fn read(&mut self) -> Result<CpuReading, String> {
        let wrong = |what: &str, error: &io::Error| format!("the system doesn't say {what}: {error}");
        let memory = memory().map_err(|error| wrong("how much memory it has", &error))?;
        let now = times().map_err(|error| wrong("how busy it is", &error))?;
        let load = self.before.replace(now).and_then(|before| load(before, now));
        Ok(CpuReading {
            total: memory.ullTotalPhys,
            // Memory is promised before it is used. When RAM and page file are promised, nobody gets more, however
            // much of the RAM is free.
            available: memory.ullAvailPhys.min(memory.ullAvailPageFile),
            load,
            // Sensors want drivers of their own.
            temperature: None,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share in percent")]
fn load(before: Times, now: Times) -> Option<f32> {
    let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
    let idle = now.idle.saturating_sub(before.idle).min(all);
    Some((all - idle) as f32 * 100.0 / all as f32)
}

fn times() -> io::Result<Times> {
    let [mut idle, mut kernel, mut user] = [FILETIME::default(); 3];
    // SAFETY: three valid structs to write to.
    if unsafe { GetSystemTimes(&raw mut idle, &raw mut kernel, &raw mut user) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let whole = |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    // The kernel's time includes that in which there was nothing to do.
    Ok(Times { idle: whole(idle), all: whole(kernel) + whole(user) })
}

fn memory() -> io::Result<MEMORYSTATUSEX> {
    let length = u32::try_from(size_of::<MEMORYSTATUSEX>()).unwrap_or(0);
    let mut status = MEMORYSTATUSEX { dwLength: length, ..MEMORYSTATUSEX::default() };
    // SAFETY: the struct says how long it is.
    if unsafe { GlobalMemoryStatusEx(&raw mut status) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(status)
}
