//! The calls of Windows, each behind a function that can't be called wrongly.
#![expect(unsafe_code, reason = "the interface of Windows is one of C; each call says why it is sound")]

use std::io;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, FILETIME, HANDLE, INVALID_HANDLE_VALUE, WAIT_TIMEOUT,
};
use windows_sys::Win32::Globalization::{CP_OEMCP, MultiByteToWideChar};
use windows_sys::Win32::System::Console::{
    AttachConsole, CTRL_BREAK_EVENT, FreeConsole, GenerateConsoleCtrlEvent, GetConsoleProcessList,
    STD_ERROR_HANDLE, SetConsoleCtrlHandler, SetStdHandle,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
    TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_PROCESS_ID_LIST, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicProcessIdList,
    JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessTimes, OpenProcess, OpenThread, QueryFullProcessImageNameW, ResumeThread,
    THREAD_SUSPEND_RESUME, TerminateProcess, WaitForSingleObject,
};

/// The last error, unless the call has succeeded.
fn checked(done: i32) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: each caller passes a handle that was just opened for it alone.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn bytes<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

/// A job whose processes end when its last handle is closed. Children don't inherit the handle.
pub(super) fn new_job() -> io::Result<OwnedHandle> {
    // SAFETY: both pointers may be null: no attributes, no name.
    let job = owned(unsafe { CreateJobObjectW(null(), null()) })?;
    limit_job(&job, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
    Ok(job)
}

/// Gives a job these limits and no others.
pub(super) fn limit_job(job: &OwnedHandle, flags: u32) -> io::Result<()> {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = flags;
    // SAFETY: the class says that this struct is meant, and the length is its own.
    checked(unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            bytes::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>(),
        )
    })
}

/// A handle that means this process; it needs no closing.
pub(super) fn this_process() -> RawHandle {
    // SAFETY: it can't fail.
    unsafe { GetCurrentProcess() }
}

/// Puts a process into a job.
pub(super) fn assign(job: &OwnedHandle, process: RawHandle) -> io::Result<()> {
    // SAFETY: a handle that isn't one any more is an error, not undefined.
    checked(unsafe { AssignProcessToJobObject(job.as_raw_handle(), process) })
}

/// Ends every process of a job at once.
pub(super) fn terminate_job(job: &OwnedHandle, code: u32) -> io::Result<()> {
    // SAFETY: the handle is open as long as `job` lives.
    checked(unsafe { TerminateJobObject(job.as_raw_handle(), code) })
}

/// The processes of a job.
pub(super) fn job_pids(job: &OwnedHandle) -> io::Result<Vec<u32>> {
    const HEAD: usize = size_of::<JOBOBJECT_BASIC_PROCESS_ID_LIST>() / size_of::<usize>();
    let mut room = 64;
    loop {
        // Two counts of 32 bits and the first number, then the other numbers, all as wide as a pointer.
        let mut list = vec![0_usize; HEAD + room];
        let length = u32::try_from(list.len() * size_of::<usize>()).unwrap_or(u32::MAX);
        // SAFETY: the buffer is aligned as the struct is, and `length` bytes long.
        let done = checked(unsafe {
            QueryInformationJobObject(
                job.as_raw_handle(),
                JobObjectBasicProcessIdList,
                list.as_mut_ptr().cast(),
                length,
                null_mut(),
            )
        });
        match done {
            Err(error) if is(&error, ERROR_MORE_DATA) && room < 1 << 20 => room *= 4,
            Err(error) => return Err(error),
            Ok(()) => {
                let counts = list.first().copied().unwrap_or(0);
                let assigned = counts & 0xFFFF_FFFF;
                let listed = counts >> 32;
                if listed < assigned && room < 1 << 20 {
                    room *= 4;
                    continue;
                }
                let pids = list.into_iter().skip(1).take(listed);
                return Ok(pids.filter_map(|pid| u32::try_from(pid).ok()).collect());
            }
        }
    }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error().is_some_and(|raw| raw.cast_unsigned() == code)
}

/// Windows' way to say that no process has this number.
pub(super) fn says_no_such_process(error: &io::Error) -> bool {
    is(error, ERROR_INVALID_PARAMETER)
}

/// Lets a process run that was started suspended: it has one thread until then.
pub(super) fn resume(pid: u32) -> io::Result<()> {
    // SAFETY: no pointer is passed.
    let all = owned(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) })?;
    let mut entry = THREADENTRY32 { dwSize: bytes::<THREADENTRY32>(), ..THREADENTRY32::default() };
    let mut resumed = false;
    // SAFETY: `entry` is valid and says how long it is.
    let mut more = unsafe { Thread32First(all.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        if entry.th32OwnerProcessID == pid {
            // SAFETY: no pointer is passed.
            let thread = owned(unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, entry.th32ThreadID) })?;
            // SAFETY: the handle is open.
            if unsafe { ResumeThread(thread.as_raw_handle()) } == u32::MAX {
                return Err(io::Error::last_os_error());
            }
            resumed = true;
        }
        // SAFETY: as above.
        more = unsafe { Thread32Next(all.as_raw_handle(), &raw mut entry) };
    }
    if resumed { Ok(()) } else { Err(io::Error::other("its first thread was not found")) }
}

/// A line of the process table.
pub(super) struct ProcessEntry {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) name: String,
}

/// The process table.
pub(super) fn snapshot() -> io::Result<Vec<ProcessEntry>> {
    // SAFETY: no pointer is passed.
    let all = owned(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) })?;
    let mut entry = PROCESSENTRY32W { dwSize: bytes::<PROCESSENTRY32W>(), ..PROCESSENTRY32W::default() };
    let mut found = Vec::new();
    // SAFETY: `entry` is valid and says how long it is.
    let mut more = unsafe { Process32FirstW(all.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        let name = entry.szExeFile.split(|unit| *unit == 0).next().unwrap_or_default();
        found.push(ProcessEntry {
            pid: entry.th32ProcessID,
            parent: entry.th32ParentProcessID,
            name: String::from_utf16_lossy(name),
        });
        // SAFETY: as above.
        more = unsafe { Process32NextW(all.as_raw_handle(), &raw mut entry) };
    }
    Ok(found)
}

/// A handle of a process.
pub(super) fn open(pid: u32, access: u32) -> io::Result<OwnedHandle> {
    // SAFETY: no pointer is passed.
    owned(unsafe { OpenProcess(access, 0, pid) })
}

/// When a process was created, in units of 100 ns since 1601.
pub(super) fn creation_time(process: &OwnedHandle) -> io::Result<u64> {
    let mut times = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: four valid structs to write to.
    checked(unsafe { GetProcessTimes(process.as_raw_handle(), created, exited, kernel, user) })?;
    Ok(u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

/// Whether it has not ended yet; the handle needs the right to wait.
pub(super) fn is_running(process: &OwnedHandle) -> bool {
    // SAFETY: the handle is open.
    (unsafe { WaitForSingleObject(process.as_raw_handle(), 0) }) == WAIT_TIMEOUT
}

/// The name of its program, without the folder; empty if it isn't told.
pub(super) fn image_name(process: &OwnedHandle) -> String {
    let mut path = vec![0_u16; 1024];
    let mut length = u32::try_from(path.len()).unwrap_or(0);
    // SAFETY: `length` says how much room there is, and then how much was written.
    let done =
        unsafe { QueryFullProcessImageNameW(process.as_raw_handle(), 0, path.as_mut_ptr(), &raw mut length) };
    let written = path.get(..usize::try_from(length).unwrap_or(0)).filter(|_| done != 0).unwrap_or_default();
    let path = String::from_utf16_lossy(written);
    path.rsplit('\\').next().unwrap_or_default().to_owned()
}

/// Ends a process.
pub(super) fn terminate(process: &OwnedHandle, code: u32) -> io::Result<()> {
    // SAFETY: the handle is open.
    checked(unsafe { TerminateProcess(process.as_raw_handle(), code) })
}

/// Leaves this process's console, if it has one.
pub(super) fn free_console() {
    // SAFETY: no pointer is passed. That there is none is what it fails of.
    unsafe { FreeConsole() };
}

/// Enters the console of a process.
pub(super) fn attach_console(pid: u32) -> io::Result<()> {
    // SAFETY: no pointer is passed.
    checked(unsafe { AttachConsole(pid) })
}

/// The processes of this process's console.
pub(super) fn console_pids() -> Vec<u32> {
    let mut pids = vec![0; 1024];
    // SAFETY: the length is that of the buffer; if it is too short, nothing is written.
    let count = unsafe { GetConsoleProcessList(pids.as_mut_ptr(), 1024) };
    pids.truncate(usize::try_from(count).unwrap_or(0));
    pids
}

/// Sends Ctrl-Break to all processes of this process's console.
pub(super) fn send_ctrl_break() -> io::Result<()> {
    // SAFETY: no pointer is passed.
    checked(unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, 0) })
}

/// Survives the Ctrl-Break that it sends.
pub(super) fn ignore_ctrl_events() -> io::Result<()> {
    const extern "system" fn handled(_event: u32) -> i32 {
        1
    }
    // SAFETY: the handler touches nothing.
    checked(unsafe { SetConsoleCtrlHandler(Some(handled), 1) })
}

/// Has standard error go into a file from now on, which is never closed.
pub fn log_into(file: std::fs::File) -> io::Result<()> {
    // SAFETY: the handle is open for ever.
    checked(unsafe { SetStdHandle(STD_ERROR_HANDLE, file.into_raw_handle()) })
}

/// Text in the code page of consoles, such as 936 (GBK); what isn't text in it becomes U+FFFD.
pub(crate) fn decode_oem(bytes: &[u8]) -> String {
    let Ok(length) = i32::try_from(bytes.len()) else { return String::from_utf8_lossy(bytes).into_owned() };
    // No code page makes more than one unit of a byte.
    let mut text = vec![0_u16; bytes.len()];
    // SAFETY: both lengths are those of the buffers.
    let written =
        unsafe { MultiByteToWideChar(CP_OEMCP, 0, bytes.as_ptr(), length, text.as_mut_ptr(), length) };
    match usize::try_from(written) {
        Ok(written) if written > 0 => String::from_utf16_lossy(text.get(..written).unwrap_or_default()),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

const _: () = assert!(size_of::<usize>() == 8, "`job_pids` reads two counts of 32 bits from one word");
