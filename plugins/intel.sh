#!/bin/sh
# An Intel card as a device of LLM-Manager.
#
#   devices:
#     - name: "intel arc a770"
#       command: ["./plugins/intel.sh", "0000:03:00.0", "16288"]   # PCI address; memory in MiB
#
# Without an address it takes the first card that i915 or xe drives; `--list` names them all.
#
# What Linux tells of these cards depends on driver and kernel, so this asks, in this order:
#   1. xpu-smi, if it is installed (https://github.com/intel/xpumanager): memory, use, temperature, power;
#   2. sysfs: memory where the driver tells it (xe: tile0/physical_vram_size_bytes, the total only; i915 from
#      Intel's own packages: lmem_total_bytes and lmem_avail_bytes), temperature and power from hwmon;
#   3. the second argument, for the total that sysfs doesn't know. The memory in use is then unknown, and
#      LLM-Manager counts only what its own models have reserved.
# Written from the documentation of xpu-smi and the drivers, and tested on copies of their trees only.
# DRM_ROOT=FOLDER reads a copy of /sys/class/drm, XPU_SMI=PROGRAM asks another xpu-smi, for tests.
set -u
root=${DRM_ROOT:-/sys/class/drm}
smi=${XPU_SMI:-xpu-smi}

# value FILE...: sets `value` to the first line of the first that can be read, empty if none can.
value() {
    for file in "$@"; do
        value=
        [ -r "$file" ] && read -r value < "$file" 2> /dev/null
        case $value in '' | *[!0-9-]*) value= ;; esac
        [ -n "$value" ] && return
    done
}

# about FOLDER: sets `slot` and `driver`.
about() {
    slot=
    driver=
    [ -r "$1/uevent" ] || return 0
    while IFS='=' read -r key text; do
        case $key in
            PCI_SLOT_NAME) slot=$text ;;
            DRIVER) driver=$text ;;
        esac
    done < "$1/uevent"
}

wanted=${1:-}
declared=${2:-}
found=
for device in "$root"/card[0-9]*/device; do
    case $device in *card*-*) continue ;; esac # a connector, such as card0-DP-1
    about "$device"
    case $driver in i915 | xe) ;; *) continue ;; esac
    if [ "$wanted" = --list ]; then
        echo "$slot  ($driver)"
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
json="\"online\":true,\"pci\":\"$slot\""

total=
used=
busy=
degrees=
watts=

# 1. `xpu-smi dump` prints a line of titles and a line of numbers:
#    Timestamp, DeviceId, GPU Utilization (%), GPU Power (W), GPU Core Temperature (Celsius Degree), GPU Memory Used (MiB)
if command -v "$smi" > /dev/null 2>&1; then
    line=$({ "$smi" dump -d "$slot" -m 0,1,3,18 -n 1 ||
        "$smi" dump -d "$slot" --metrics 0,1,3,18 --number 1; } 2> /dev/null | tail -n 1)
    IFS=', ' read -r _ _ busy watts degrees used _ << END
$line
END
    for field in busy watts degrees used; do
        eval "text=\${$field:-}"
        case $text in '' | *[!0-9.]*) eval "$field=" ;; esac # N/A, or not a table at all
    done
fi

# 2.
card=${found%/device}
value "$found"/tile0/physical_vram_size_bytes "$card"/lmem_total_bytes "$found"/lmem_total_bytes
[ -n "$value" ] && total=$((value >> 20))
if [ -z "$used" ] && [ -n "$total" ]; then
    value "$card"/lmem_avail_bytes "$found"/lmem_avail_bytes
    [ -n "$value" ] && used=$((total - (value >> 20)))
fi
for hwmon in "$found"/hwmon/hwmon*; do
    value "$hwmon/temp1_input" "$hwmon/temp2_input" # thousandths of a degree
    [ -z "$degrees" ] && [ -n "$value" ] && degrees=$((value / 1000))
    value "$hwmon/power1_input" # millionths of a watt
    [ -z "$watts" ] && [ -n "$value" ] && watts=$((value / 1000000))
    break
done

# 3.
[ -z "$total" ] && total=$declared
if [ -z "$total" ]; then
    echo "this kernel doesn't tell how much memory $slot has: give it in MiB as the second argument" >&2
    exit 1
fi

json="$json,\"memory_total_mb\":$total"
[ -n "$used" ] && json="$json,\"memory_used_mb\":$used"
[ -n "$busy" ] && json="$json,\"utilization\":$busy"
[ -n "$degrees" ] && json="$json,\"temperature_c\":$degrees"
[ -n "$watts" ] && json="$json,\"power_w\":$watts"
echo "{$json}"
