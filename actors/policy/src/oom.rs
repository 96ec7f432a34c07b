//! Out of memory: what a backend prints when it dies for lack of it.

/// Words of CUDA, HIP, Vulkan, PyTorch, llama.cpp, vLLM and the C library, in lower case.
const WORDS: [&str; 12] = [
    "out of memory",
    "outofmemory",
    "outofdevicememory",
    "cudaerrormemoryallocation",
    "cudamalloc failed",
    "failed to allocate buffer",
    "failed to allocate compute buffers",
    "unable to allocate",
    "cannot allocate memory",
    "cublas_status_alloc_failed",
    "no available memory for the cache blocks",
    "std::bad_alloc",
];

/// Whether one of the lines says that memory was missing.
pub fn says_out_of_memory<'a>(lines: impl IntoIterator<Item = &'a str>) -> bool {
    lines.into_iter().any(|line| {
        let line = line.to_lowercase();
        WORDS.iter().any(|word| line.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_say_it_in_their_own_words() {
        for line in [
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
            "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4096.00 MiB on device 0: cudaMalloc failed: out of memory",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "ggml_vulkan: Device memory allocation of size 1073741824 failed: ErrorOutOfDeviceMemory",
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        ] {
            assert!(says_out_of_memory([line]), "{line}");
        }
        assert!(!says_out_of_memory(["error: cannot load the model", "memory used: 12 MiB"]));
    }
}
