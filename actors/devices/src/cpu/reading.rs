//! What is read of the machine's memory.

/// What one look showed.
pub(super) struct CpuReading {
    /// Bytes.
    pub(super) total: u64,
    /// Bytes that a program could have.
    pub(super) available: u64,
    /// Percent; unknown at the first look.
    pub(super) load: Option<f32>,
    pub(super) temperature: Option<f32>,
}
