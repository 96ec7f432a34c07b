#!/bin/bash
# Surprise: a job runs with the limits and the umask of the shell that submitted it, also with `--export=NONE`, which leaves all of the environment
# behind: soft limits of open files, address space, file size and core dumps come from the login node, whatever the node itself has. With
# `--export-file`, which is about the environment too, they don't come; the umask does.
# Guess: the node's own limits, or at least with `--export=NONE`.
# So: a server that is submitted by a daemon has that daemon's limits (`LimitNOFILE=` of its unit, a `ulimit -v`); `ulimit` in the script, or
# `--propagate=NONE`, which still leaves the umask.
# Seen with: Slurm 22.05.8 (Debian 12), PropagateResourceLimits not set, 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/slurm_22_05.inc"

one_node
printf '#!/bin/bash\necho "files $(ulimit -Sn) memory $(ulimit -Sv) file size $(ulimit -Sf) core $(ulimit -Sc) umask $(umask)"\n' > limits
chmod 755 limits
seen=()
printf 'PATH=%s\0' "$PATH" > environment
for option in "" --export=NONE --propagate=NONE --export-file=environment; do
  # shellcheck disable=SC2086
  (ulimit -Sn 77 && ulimit -Sv 4000000 && ulimit -Sf 5000 && ulimit -Sc 0 && umask 027 && sbatch --quiet --wait --output="$folder/out" $option limits)
  seen+=("$(cat out)")
  echo "sbatch $option: $(cat out)"
done
own="files 77 memory 4000000 file size 5000 core 0 umask 0027"
[ "${seen[0]}" = "$own" ] && [ "${seen[1]}" = "$own" ] && [[ ${seen[2]} == *"memory unlimited file size unlimited"*"umask 0027" ]] && [ "${seen[3]}" = "${seen[2]}" ]
