/* Wine 8 has no bcryptprimitives.dll, from which Rust's standard library takes random numbers. */
#include <stddef.h>
unsigned char __stdcall SystemFunction036(void *, unsigned long);
__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *data, size_t length) {
  while (length > 0) { unsigned long piece = length > 65536 ? 65536 : (unsigned long)length; if (!SystemFunction036(data, piece)) return 0; data += piece; length -= piece; }
  return 1;
}
