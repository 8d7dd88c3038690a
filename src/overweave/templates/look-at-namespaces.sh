# Arguments: a mark, "all" or "links", then names of network namespaces in Docker's folder, or patterns of them.
# "" is the host's own namespace, and a word that begins with / is a path or a pattern of paths, as in
# /proc/1234/ns/net. Prints five parts for each that is there, each with the mark behind it: name and inode,
# links with their addresses, neighbours, forwarding rows, routes; the last three are empty with "links".
mark=$1 parts=$2 folder=/var/run/docker/netns
shift 2
look='ip -json -d -s address; printf "\n%s\n" "$0"; ip -json neigh; printf "\n%s\n" "$0"
  bridge -json fdb show; printf "\n%s\n" "$0"; ip -json route; printf "\n%s\n" "$0"'
[ "$parts" = all ] || look='ip -json -d address; printf "\n%s\n%s\n%s\n%s\n" "$0" "$0" "$0" "$0"'
name() { printf '%s %s\n%s\n' "$1" "$(stat -L -c %i "$2")" "$mark"; }
enter() { # one that went in this moment has its five parts too, or those behind it would be misread
  [ -e "$2" ] && name "$1" "$2" || return 0
  nsenter --net="$2" sh -c "$look" "$mark" || printf '%s\n%s\n%s\n%s\n' "$mark" "$mark" "$mark" "$mark"
}
for wanted; do
  case $wanted in
    '') name host /proc/self/ns/net && sh -c "$look" "$mark" ;;
    /*) for path in $wanted; do enter "$path" "$path"; done ;;
    *) for path in "$folder"/$wanted; do enter "${path##*/}" "$path"; done ;;
  esac
done
exit 0
