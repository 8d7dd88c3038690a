# Arguments: port of the replicas, seconds to wait for an answer, then each name and how many connections are to be made
# to each of its addresses. Prints a line for each connection: NAME ADDRESS ANSWER. Busybox's applets only.
port=$1 patience=$2
shift 2

answer() { # ADDRESS
  timeout "$patience" nc -w "$patience" "$1" "$port" < /dev/null 2> /dev/null | head -c 99
}

addresses() {
  nslookup "$1" 2> /dev/null | sed -n '/^Name:/,$s/^Address[^:]*: *\([0-9.]*\).*/\1/p' | sort -u
}

while [ $# -gt 1 ]; do
  for address in $(addresses "$1"); do
    left=$2
    while [ "$left" -gt 0 ]; do
      left=$((left - 1))
      echo "$1 $address $(answer "$address")" &
    done
  done
  shift 2
done
wait
