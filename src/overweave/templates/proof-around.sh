# Arguments: first ten characters of the network's id, container, mark, script for the container, and the
# script's own arguments. Prints five parts, each but the last with the mark behind it.
ns=/var/run/docker/netns/$(ls /var/run/docker/netns | grep -e "-$1\$" | head -n 1)
container=$2 mark=$3 script=$4
shift 4
look() {
  nsenter --net="$ns" ip -json -s -d link show type vxlan
  printf '\n%s\n' "$mark"
}
look
docker exec "$container" sh -c "$script" sh "$@"
printf '%s\n' "$mark"
look
nsenter --net="$ns" ip -json neigh show
printf '\n%s\n' "$mark"
nsenter --net="$ns" bridge -json fdb show
exit 0 # what is missing makes its check red
