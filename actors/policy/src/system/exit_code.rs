//! Exit codes of Windows: small numbers are a program's own, large ones are reasons for which it was ended.

/// The exit code of what the manager ended by force. Bit 29 marks codes that are no part of Windows.
pub const ENDED_BY_MANAGER: u32 = 0x2000_0009;

/// Codes that a server dies of, with what they are called and what they mean.
const NAMES: [(u32, &str, &str); 20] = [
    (ENDED_BY_MANAGER, "", "ended by LLM-Manager"),
    (0x4001_0004, "DBG_TERMINATE_PROCESS", "ended by a debugger, or because the user logged off"),
    (0x8000_0003, "STATUS_BREAKPOINT", "it ran into a breakpoint or a failed assertion"),
    (0xC000_0005, "STATUS_ACCESS_VIOLATION", "it used memory that it doesn't have"),
    (0xC000_0006, "STATUS_IN_PAGE_ERROR", "a file that it had mapped can't be read any more"),
    (0xC000_0017, "STATUS_NO_MEMORY", "it got no memory"),
    (0xC000_001D, "STATUS_ILLEGAL_INSTRUCTION", "it was built for another processor"),
    (0xC000_0022, "STATUS_ACCESS_DENIED", "access denied"),
    (0xC000_0094, "STATUS_INTEGER_DIVIDE_BY_ZERO", "it divided by zero"),
    (0xC000_00FD, "STATUS_STACK_OVERFLOW", "its stack overflowed"),
    (0xC000_012D, "STATUS_COMMITMENT_LIMIT", "the page file is too small"),
    (0xC000_0135, "STATUS_DLL_NOT_FOUND", "a DLL that it needs is missing"),
    (0xC000_0138, "STATUS_ORDINAL_NOT_FOUND", "a DLL of another version was found"),
    (0xC000_0139, "STATUS_ENTRYPOINT_NOT_FOUND", "a DLL of another version was found"),
    (0xC000_013A, "STATUS_CONTROL_C_EXIT", "ended by Ctrl-C or Ctrl-Break"),
    (0xC000_0142, "STATUS_DLL_INIT_FAILED", "a DLL could not be set up"),
    (0xC000_026B, "STATUS_DLL_INIT_FAILED_LOGOFF", "the system is shutting down"),
    (0xC000_0374, "STATUS_HEAP_CORRUPTION", "it spoilt its own memory"),
    (0xC000_0409, "STATUS_STACK_BUFFER_OVERRUN", "it aborted, or overran a buffer"),
    (0xC06D_007E, "", "a DLL that it loads while running is missing"),
];

/// `exit code 3`, or `exit code 0xC0000005 (STATUS_ACCESS_VIOLATION: it used memory that it doesn't have)`.
#[must_use]
pub fn exit_code(code: u32) -> String {
    // Programs mean -1 when they say 0xFFFFFFFF, and small codes are easier to find as they were written.
    if code < 0x1_0000 {
        return format!("exit code {code}");
    }
    if code >= 0xFFFF_0000 {
        return format!("exit code {}", code.cast_signed());
    }
    match NAMES.iter().find(|(known, ..)| *known == code) {
        Some((_, "", meaning)) => format!("exit code 0x{code:08X} ({meaning})"),
        Some((_, name, meaning)) => format!("exit code 0x{code:08X} ({name}: {meaning})"),
        None => format!("exit code 0x{code:08X}"),
    }
}
