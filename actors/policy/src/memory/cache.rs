//! The types in which keys and values are kept.

/// `-ctk` and `-ctv`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheType {
    /// 4 bytes.
    F32,
    /// 2 bytes; `bf16`, too.
    #[default]
    F16,
    /// Blocks of 32 in this many bytes.
    Blocks(u64),
}

impl CacheType {
    /// By the name that llama.cpp gives it.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "f32" => Self::F32,
            "f16" | "bf16" => Self::F16,
            "q8_0" => Self::Blocks(34),
            "q5_1" => Self::Blocks(24),
            "q5_0" => Self::Blocks(22),
            "q4_1" => Self::Blocks(20),
            "q4_0" | "iq4_nl" => Self::Blocks(18),
            _ => return None,
        })
    }

    /// Bytes of that many numbers.
    pub(super) fn bytes(self, numbers: u64) -> u64 {
        match self {
            Self::F32 => numbers.saturating_mul(4),
            Self::F16 => numbers.saturating_mul(2),
            Self::Blocks(bytes) => numbers.div_ceil(32).saturating_mul(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CacheType;

    #[test]
    fn each_type_takes_the_bytes_that_llama_cpp_takes() {
        let bytes = [
            ("f32", 256),
            ("f16", 128),
            ("bf16", 128),
            ("q8_0", 68),
            ("q5_1", 48),
            ("q5_0", 44),
            ("q4_1", 40),
            ("q4_0", 36),
            ("iq4_nl", 36),
        ];
        for (name, bytes) in bytes {
            let kind = CacheType::of(name);
            assert_eq!(kind.map(|kind| kind.bytes(64)), Some(bytes), "{name}");
        }
        assert_eq!(CacheType::of("q8_0").map(|kind| kind.bytes(33)), Some(68), "a block that has begun");
        assert_eq!(CacheType::of("q9_9"), None);
    }
}
