#!/bin/bash
# Surprise: posix_fadvise(WILLNEED) over a whole file doesn't read the file. One call reads no more than the device's
# read-ahead window, a few megabytes, whatever length it is given; called piece by piece it still leaves gaps, unless the
# pieces happen to be as small as the window.
# So: a file that is to be in the page cache has to be read. POSIX_FADV_SEQUENTIAL before it doubles the kernel's window.
# Seen with: Linux 6.18, ext4, Python 3.11, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
command -v fincore > /dev/null || { echo "fincore (util-linux) is missing"; exit 2; }
cat > "$folder/try.py" <<'PYTHON'
import os, subprocess, sys, time

path, size = sys.argv[1], 256 << 20
with open(path, "wb") as file:
    for _ in range(size >> 24):
        file.write(os.urandom(1 << 24))
    file.flush()
    os.fsync(file.fileno())
fd = os.open(path, os.O_RDONLY)

def resident():
    return int(subprocess.run(["fincore", "-b", "-n", "-o", "RES", path], check=True, capture_output=True).stdout)

os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
if resident() > size // 10:
    sys.exit("the file can't be dropped from the page cache here (tmpfs?): nothing can be said")
os.posix_fadvise(fd, 0, size, os.POSIX_FADV_WILLNEED)
time.sleep(3)
advised = resident()
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
while os.read(fd, 1 << 20):
    pass
read = resident()
print(f"Linux {os.uname().release}: of {size >> 20} MiB, {advised >> 20} MiB are there 3 s after WILLNEED, {read >> 20} MiB after reading")
sys.exit(0 if advised < size // 2 and read > size * 9 // 10 else "changed: WILLNEED has read the file")
PYTHON
python3 "$folder/try.py" "$folder/file"
