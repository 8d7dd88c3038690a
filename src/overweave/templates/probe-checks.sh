# Arguments: port of the echo server, bytes to send there, bytes of the largest packet, then name and
# address of each peer. Prints a line a check: NAME CHECK ok|red DETAIL. Busybox's applets only.
port=$1 payload=$2 mtu=$3
shift 3
dir=$(mktemp -d) && cd "$dir" && head -c "$payload" /dev/urandom > sent && sum=$(md5sum < sent) || exit

say() { # NAME CHECK DETAIL-WHEN-OK DETAIL-WHEN-RED: ok if there is a first detail
  if [ "$3" ]; then echo "$1 $2 ok $3"; else echo "$1 $2 red $4"; fi
}

fragments() { # how many fragments this container has ever made
  awk '/^Ip:/ { if (h) print $n["FragCreates"]; else for (h = i = 1; i <= NF; i++) n[$i] = i }' /proc/net/snmp
}

resolve() { # the first address of a name
  nslookup "$1" 2>/dev/null | sed -n '/^Name:/,$s/^Address[^:]*: *\([0-9.]*\).*/\1/p' | head -n 1
}

small() { # the round trip of one small packet, of three tries
  for try in 1 2 3; do
    rtt=$(ping -c 1 -W 1 "$1" 2>/dev/null | sed -n 's/.*time=\([0-9.]*\).*/\1 ms/p')
    [ "$rtt" ] && echo "$rtt" && return
  done
}

# The kernel sets DF on a ping that fits the MTU (seen in tcpdump with 1450 bytes), and cuts it up only
# once it has learned of a smaller MTU on the path. So a ping counts only while no fragment is made.
full_size() {
  was=$(fragments)
  for try in 1 2; do
    ping -c 1 -W 2 -s $((mtu - 28)) "$1" > /dev/null 2>&1 && [ "$(fragments)" = "$was" ] && echo "$mtu" && return
  done
  [ "$(fragments)" = "$was" ]
}

look() {
  got=$(resolve "$1")
  [ "$got" = "$2" ] && say "$1" dns "$got" || say "$1" dns "" "${got:-no answer}"
  rtt=$(small "$2")
  [ "$rtt" ] && : > "alive.$1"
  say "$1" icmp "$rtt" "no reply to 3 pings"
  # Who made the fragments is not known while other peers are pinged.
  size=$(full_size "$2") || : > "unsure.$1"
  [ -e "unsure.$1" ] || say "$1" mtu "$size" "no reply to a packet of $mtu bytes"
}

carry() { # NAME ADDRESS SECONDS: there and back
  back=$(timeout "$3" nc -w "$3" "$2" "$port" < sent 2>/dev/null | md5sum)
  [ "$back" = "$sum" ] && say "$1" tcp "$payload" || say "$1" tcp "" "$payload bytes did not come back"
}

peers="$*"
while [ $# -gt 1 ]; do look "$1" "$2" & shift 2; done
wait
# One after the other, or a server has to take all connections at once. Dead ones are tried side by side.
set -- $peers
while [ $# -gt 1 ]; do
  [ -e "unsure.$1" ] && say "$1" mtu "$(full_size "$2")" "no reply to a packet of $mtu bytes"
  if [ -e "alive.$1" ]; then carry "$1" "$2" 10; else carry "$1" "$2" 2 & fi
  shift 2
done
wait
cd / && rm -rf "$dir"
