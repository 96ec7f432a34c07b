# log_reader.sh FOLDER FROM: a step of a job that prints what the job has printed from byte FROM on (-N: its last N bytes), until the job is over. Its
# first line is the number of the byte at which it begins. It takes the place of an earlier reader, whose manager is gone.
folder=$1 from=$2
# Slurm tells all of a job to end; this one waits for what the server still says.
trap '' TERM HUP INT
turns=0
until [ -e "$folder/ready" ]; do
  turns=$((turns + 1))
  [ "$turns" -lt 300 ] || { echo "$folder isn't on ${SLURMD_NODENAME:-the node}" >&2; exit 3; }
  sleep 0.1
done
# The job's script holds the other end as long as the job is there.
exec 4< "$folder/alive" || exit 4
size=$(wc -c < "$folder/output.log")
if [ "$from" -lt 0 ]; then from=$((size + from)); fi
if [ "$from" -lt 0 ] || [ "$from" -gt "$size" ]; then from=0; fi
echo "$((from))"
cat <&4 > /dev/null &
watch=$!
exec 4<&-
tail -c "+$((from + 1))" -s 0.2 -f "--pid=$watch" "$folder/output.log" &
tail=$!
before=$(cat "$folder/reader" 2> /dev/null)
echo "$$ $watch $tail" > "$folder/reader.new" && mv "$folder/reader.new" "$folder/reader"
[ -z "$before" ] || kill -KILL $before 2> /dev/null
wait "$watch"
wait "$tail"
