#!/bin/sh
# A device plugin: prints the state of one device as a JSON object and exits. Replace the numbers by what your
# driver's tool says. A device that is gone: {"online":false}.
set -eu

total=16384
used=2048
printf '{"online":true,"memory_total_mb":%d,"memory_used_mb":%d,"utilization":%d,"temperature_c":%d}\n' \
    "$total" "$used" 0 40
