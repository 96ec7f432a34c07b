//! What an icon in the tray needs of Windows: the messages of its thread, the user's language, no console.
#![expect(unsafe_code, reason = "the interface of Windows is one of C; each call says why it is sound")]

use std::ptr::null_mut;

use windows_sys::Win32::Globalization::GetUserDefaultUILanguage;
use windows_sys::Win32::System::Console::{FreeConsole, GetConsoleProcessList};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    DispatchMessageW, MSG, PM_REMOVE, PeekMessageW, TranslateMessage,
};

/// Hands out what has come for the windows of this thread; clicks arrive in no other way.
pub fn pump_messages() {
    let mut message = MSG::default();
    // SAFETY: a valid struct to write to; no window means all of this thread.
    while unsafe { PeekMessageW(&raw mut message, null_mut(), 0, 0, PM_REMOVE) } != 0 {
        // SAFETY: the message is the one that was just read.
        unsafe {
            TranslateMessage(&raw const message);
            DispatchMessageW(&raw const message);
        }
    }
}

/// Whether the user reads Chinese.
pub fn speaks_chinese() -> bool {
    const PRIMARY: u16 = 0x3FF;
    const CHINESE: u16 = 0x04;
    // SAFETY: no pointer is passed.
    (unsafe { GetUserDefaultUILanguage() }) & PRIMARY == CHINESE
}

/// Closes the console that the system has opened for this program alone, as for a start by a click.
pub fn leave_own_console() {
    let mut pids = [0; 2];
    // SAFETY: the length is that of the buffer.
    let count = unsafe { GetConsoleProcessList(pids.as_mut_ptr(), 2) };
    if count == 1 {
        // SAFETY: no pointer is passed.
        unsafe { FreeConsole() };
    }
}
