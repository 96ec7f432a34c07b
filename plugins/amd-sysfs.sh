#!/bin/sh
# An AMD card as a device of LLM-Manager, read from Linux's amdgpu driver. Needs no ROCm.
#
#   devices:
#     - name: "radeon rx 7900"
#       command: ["./plugins/amd-sysfs.sh", "0000:03:00.0"]   # `lspci | grep -i vga` tells the address
#
# Without an address it takes the first card that amdgpu drives; `--list` names them all.
# The manager runs this once a second while a model runs, so it starts no other program.
# DRM_ROOT=FOLDER reads a copy of /sys/class/drm, for tests.
#
# A shared-memory APU has little VRAM of its own: set COUNT_GTT=1 in front (command: ["env", "COUNT_GTT=1",
# "./plugins/amd-sysfs.sh"]) to count what it may borrow from the machine's RAM as well.
#
# Backends choose the card by themselves: HIP_VISIBLE_DEVICES in the variant's `env`.
set -u
root=${DRM_ROOT:-/sys/class/drm}

# value FILE: sets `value` to its first line, empty if it can't be read.
value() {
    value=
    [ -r "$1" ] && read -r value < "$1" 2> /dev/null
    case $value in '' | *[!0-9-]*) value= ;; esac
}

# slot FOLDER: sets `slot` to the PCI address of the card.
slot() {
    slot=
    [ -r "$1/uevent" ] || return 0
    while IFS='=' read -r key text; do
        [ "$key" = PCI_SLOT_NAME ] && slot=$text
    done < "$1/uevent"
}

wanted=${1:-}
found=
for device in "$root"/card[0-9]*/device; do
    case $device in *card*-*) continue ;; esac # a connector, such as card0-DP-1
    [ -e "$device/mem_info_vram_total" ] || continue
    slot "$device"
    if [ "$wanted" = --list ]; then
        value "$device/mem_info_vram_total"
        echo "$slot  $((${value:-0} >> 20)) MiB"
    elif [ -z "$wanted" ] || [ "$slot" = "$wanted" ]; then
        found=$device
        break
    fi
done
[ "$wanted" = --list ] && exit 0

# No such card (any more): that is not an error.
if [ -z "$found" ]; then
    echo '{"online":false}'
    exit 0
fi

value "$found/mem_info_vram_total"; total=$value
value "$found/mem_info_vram_used"; used=$value
if [ -z "$total" ] || [ -z "$used" ]; then
    echo "$found/mem_info_vram_* can't be read" >&2
    exit 1
fi
if [ "${COUNT_GTT:-0}" = 1 ]; then
    value "$found/mem_info_gtt_total"; total=$((total + ${value:-0}))
    value "$found/mem_info_gtt_used"; used=$((used + ${value:-0}))
fi
json="\"online\":true,\"memory_total_mb\":$((total >> 20)),\"memory_used_mb\":$(((used + 1048575) >> 20))"

value "$found/gpu_busy_percent"
[ -n "$value" ] && json="$json,\"utilization\":$value"

for hwmon in "$found"/hwmon/hwmon*; do
    value "$hwmon/temp1_input" # thousandths of a degree
    [ -n "$value" ] && json="$json,\"temperature_c\":$((value / 1000))"
    value "$hwmon/power1_average" # millionths of a watt
    [ -n "$value" ] || value "$hwmon/power1_input"
    [ -n "$value" ] && json="$json,\"power_w\":$((value / 1000000))"
    break
done

[ -n "$slot" ] && json="$json,\"pci\":\"$slot\""
if [ -r "$found/unique_id" ] && read -r id < "$found/unique_id" && [ -n "$id" ]; then
    json="$json,\"uuid\":\"$id\""
fi
echo "{$json}"
