//! What an icon in the tray needs of Windows: the messages of its thread, the user's language, no console, whether it comes at
//! log-in.
#![expect(unsafe_code, reason = "the interface of Windows is one of C; each call says why it is sound")]

use std::ptr::null_mut;

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::Globalization::GetUserDefaultUILanguage;
use windows_sys::Win32::System::Console::{FreeConsole, GetConsoleProcessList};
use windows_sys::Win32::System::Registry::{HKEY_CURRENT_USER, RRF_RT_REG_SZ, RegGetValueW};
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

/// Whether Windows starts something of this name when the user logs in.
pub fn starts_at_login(name: &str) -> bool {
    let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
    let (key, name) = (wide(r"Software\Microsoft\Windows\CurrentVersion\Run"), wide(name));
    // SAFETY: both texts end in a zero and live until it returns; where nothing is to be written, null is allowed.
    let found = unsafe {
        RegGetValueW(
            HKEY_CURRENT_USER,
            key.as_ptr(),
            name.as_ptr(),
            RRF_RT_REG_SZ,
            null_mut(),
            null_mut(),
            null_mut(),
        )
    };
    found == ERROR_SUCCESS
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
