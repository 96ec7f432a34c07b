#!/bin/bash
# cluster.sh start|stop FOLDER: a Slurm cluster of two nodes with fake GPUs on this machine, for tests. It wants root.
# n1 has 2 x rtx4060 at 127.0.0.2, n2 has 4 x v100 at 127.0.0.3; partitions: llm (default), low (preempted by llm), short (1 minute).
# `start` writes FOLDER/slurm.conf (SLURM_CONF for those who use it) and FOLDER/*.pid, and waits until both nodes are idle.
# cluster.sh node FOLDER n1 starts a slurmd again, cluster.sh controller FOLDER the slurmctld.
set -euo pipefail
do=$1
dir=$(mkdir -p "$2" && cd "$2" && pwd)
export SLURM_CONF=$dir/slurm.conf
# What is installed as a service on Debian has these names; elsewhere they are in the PATH.
PATH=$PATH:/usr/sbin:/sbin

controller() { slurmctld "$@" < /dev/null > /dev/null 2>&1; }

# A node of its own: slurmd listens on the address of the host's name, whatever NodeAddr says (findings/slurmd_listens_on_host_name.sh).
node() {
  unshare --uts --mount sh -c 'mount --bind "$1/hosts.$2" /etc/hosts && hostname "$2" && exec slurmd' - "$dir" "$1" \
    < /dev/null > /dev/null 2>&1
}

start() {
  mkdir -p "$dir"/{state,spool,log,dev}
  chmod 755 "$dir"
  head -c 128 /dev/urandom > "$dir/munge.key"
  chmod 600 "$dir/munge.key"
  munged --force --key-file="$dir/munge.key" --socket="$dir/munge.sock" --pid-file="$dir/munged.pid" \
    --log-file="$dir/log/munged.log" --seed-file="$dir/munged.seed" < /dev/null > /dev/null 2>&1
  for number in 0 1 2 3 4 5; do mknod "$dir/dev/gpu$number" c 240 "$number" 2> /dev/null || :; done
  local host port
  host=$(hostname -s)
  # Three ports in a row that nobody listens on. Several clusters at once begin to look at different places.
  port=$((12000 + $$ % 4000 * 4))
  while ss -Hltn | grep -qE ":($port|$((port + 1))|$((port + 2))) "; do port=$((port + 4)); done
  printf '127.0.0.1 localhost %s\n127.0.0.2 n1\n' "$host" > "$dir/hosts.n1"
  printf '127.0.0.1 localhost %s\n127.0.0.3 n2\n' "$host" > "$dir/hosts.n2"
  cat > "$dir/gres.conf" << CONF
AutoDetect=off
NodeName=n1 Name=gpu Type=rtx4060 File=$dir/dev/gpu[0-1]
NodeName=n2 Name=gpu Type=v100 File=$dir/dev/gpu[2-5]
CONF
  cat > "$dir/slurm.conf" << CONF
ClusterName=trial
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$dir/munge.sock
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerNode=500
GresTypes=gpu
KillWait=5
MessageTimeout=10
SlurmdTimeout=5
InactiveLimit=0
MinJobAge=300
FirstJobId=$((RANDOM % 9000 + 1))
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
NodeName=n1 NodeHostname=n1 NodeAddr=127.0.0.2 Port=$((port + 1)) CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=8000 Gres=gpu:rtx4060:2 State=UNKNOWN
NodeName=n2 NodeHostname=n2 NodeAddr=127.0.0.3 Port=$((port + 2)) CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=8000 Gres=gpu:v100:4 State=UNKNOWN
NodeSet=all Nodes=n1,n2
SlurmdParameters=config_overrides
PartitionName=llm Nodes=n1,n2 Default=YES MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF State=UP
PartitionName=low Nodes=n1,n2 MaxTime=INFINITE PriorityTier=1 PreemptMode=CANCEL State=UP
PartitionName=short Nodes=n1,n2 MaxTime=1 PriorityTier=10 PreemptMode=OFF State=UP
CONF
  controller -i
  node n1
  node n2
  for _ in $(seq 150); do
    [ "$(sinfo -h -N -p llm -t idle -o %N 2> /dev/null | wc -l)" = 2 ] && return
    sleep 0.1
  done
  sinfo -N -o '%N %T %E' >&2
  tail -n 5 "$dir"/log/*.log >&2
  return 1
}

# Only what this cluster started: by its pid files.
stop() {
  scancel --quiet --state=PENDING --state=RUNNING --user="$(id -un)" < /dev/null > /dev/null 2>&1 || :
  for _ in $(seq 70); do
    [ -z "$(squeue -h 2> /dev/null)" ] && break
    sleep 0.1
  done
  for file in slurmd-n1 slurmd-n2 slurmctld munged; do
    [ -s "$dir/$file.pid" ] && kill "$(cat "$dir/$file.pid")" 2> /dev/null || :
  done
  # Daemons that still write at their end would keep the folder from being removed.
  for file in slurmd-n1 slurmd-n2 slurmctld munged; do
    for _ in $(seq 50); do
      [ -s "$dir/$file.pid" ] && kill -0 "$(cat "$dir/$file.pid")" 2> /dev/null || break
      sleep 0.1
    done
  done
  # What a node that was killed has left: it carries this cluster's configuration.
  for file in $(grep -lsz "^SLURM_CONF=$SLURM_CONF\$" /proc/[0-9]*/environ); do
    pid=${file//[!0-9]/}
    case $(cat "/proc/$pid/cmdline" 2> /dev/null | tr '\0' ' ') in
      *cluster.sh*) ;;
      *) kill -9 "$pid" 2> /dev/null || : ;;
    esac
  done
}

case $do in
  start) start ;;
  stop) stop ;;
  node) node "$3" ;;
  controller) controller ;;
  *) exit 2 ;;
esac
