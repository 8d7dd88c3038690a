#!/usr/bin/env bash
# The yardstick of deployments.py: the steps of `fab deploy-overlay`, in the same order and side by side in the
# same places, over one multiplexed ssh connection a host, for hosts as the lab makes them. It looks at
# nothing first and heals nothing; at the end, dead pairs get 10 s to come alive by themselves.
#
# usage: bare_ssh.sh KEY KNOWN_HOSTS CONSUL_IMAGE CONSUL_TAR BUSYBOX_IMAGE BUSYBOX_TAR ADDRESS...
#        (the first address carries the store; with ANCHORS=yes every host also keeps a container)
set -euo pipefail

key=$1 known_hosts=$2 consul_image=$3 consul_tar=$4 busybox_image=$5 busybox_tar=$6
shift 6
addresses=("$@")
first=$1
shift
others=("$@")

scratch=$(mktemp -d)
ssh=(ssh -q -i "$key" -o "UserKnownHostsFile=$known_hosts" -o BatchMode=yes
  -o ControlMaster=auto -o "ControlPath=$scratch/%h" -o ControlPersist=60 -l root)
hang_up() {
  for address in "${addresses[@]}"; do "${ssh[@]}" -O exit "$address" || true; done
  rm -rf "$scratch"
}
trap hang_up EXIT

on() { "${ssh[@]}" "$1" "$2"; }

# each DO ADDRESS...: side by side; fails with the first that fails.
each() {
  local address pid pids=()
  for address in "${@:2}"; do
    "$1" "$address" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
}

# A master that goes to the background would hold the caller's output open.
connect() { on "$1" true </dev/null >/dev/null 2>&1; }

configure() {
  # shellcheck disable=SC2016 # the inner substitution is the host's
  on "$1" 'cd /etc/systemd/system && mkdir -p docker.service.d && printf "[Service]\nExecStart=\nExecStart=%s %s\n" \
    "$(sed -n s/^ExecStart=//p /lib/systemd/system/docker.service)" \
    "--cluster-store=consul://'"$first"':8500 --cluster-advertise='"$1"':2376 --cluster-store-opt=discovery.heartbeat=2 --cluster-store-opt=discovery.ttl=20" \
    > docker.service.d/bench.conf'
}

restart() { on "$1" 'systemctl daemon-reload && systemctl restart docker'; }

upload() { on "$1" 'docker load -q' <"$2" >/dev/null; }

run_store() {
  on "$first" "docker run -d --name consul --net host --restart always -v consul:/consul/data \
    -e 'CONSUL_LOCAL_CONFIG={\"client_addr\": \"127.0.0.1 $first\", \"performance\": {\"raft_multiplier\": 1}, \
    \"disable_update_check\": true}' $consul_image agent -server -bootstrap-expect=1 -ui -bind=$first" >/dev/null
}

await_leader() {
  # shellcheck disable=SC2016 # bash on the host runs it
  on "$first" 'timeout 30 bash -c '\''
    until { exec 3<>/dev/tcp/127.0.0.1/8500 && printf "GET /v1/status/leader HTTP/1.0\r\n\r\n" >&3 &&
      grep -q :8300 <&3; } 2>/dev/null; do sleep 0.1; done'\'
}

prepare_first() {
  configure "$1"
  restart "$1"
  upload "$1" "$consul_tar"
  run_store
  upload "$1" "$busybox_tar" # while the store elects its leader
  await_leader
}

prepare_other() {
  configure "$1"
  upload "$1" "$busybox_tar"
}

prepare() { if [ "$1" = "$first" ]; then prepare_first "$1"; else prepare_other "$1"; fi; }

start_anchor() {
  on "$1" "docker run -d --name anchor-$1 --net bench --restart always $busybox_image sleep 99999999" >/dev/null
}

start_probe() {
  # A name of its own on each host: the network has it once. Peers are told by address, because not
  # every static busybox can look up names itself.
  on "$1" "docker run -d --rm --name probe-$1 --net bench $busybox_image \
    sh -c 'nc -ll -p 7070 -e cat & exec sleep 600' >/dev/null &&
    docker inspect -f '{{.NetworkSettings.Networks.bench.IPAddress}}' probe-$1" >"$scratch/probe-$1"
}

check() {
  local address peers=()
  for address in "${addresses[@]}"; do [ "$address" = "$1" ] || peers+=("$(<"$scratch/probe-$address")"); done
  # shellcheck disable=SC2016 # busybox in the probe runs it
  on "$1" "docker exec probe-$1 sh -c '"'
    end=$(($(date +%s) + 10))
    head -c 1048576 /dev/urandom >/tmp/sent
    for peer; do
      until ping -c 1 -W 1 "$peer" >/dev/null; do
        [ "$(date +%s)" -lt "$end" ] || { echo "$peer is dead" >&2; exit 1; }
      done
      nc -w 10 "$peer" 7070 </tmp/sent | cmp - /tmp/sent || { echo "$peer: TCP is broken" >&2; exit 1; }
    done'"' sh ${peers[*]}"
}

remove_probe() { on "$1" "docker rm -f probe-$1" >/dev/null; }

each connect "${addresses[@]}"
each prepare "${addresses[@]}"
each restart "${others[@]}"
on "$first" 'docker network create -d overlay --subnet 10.211.0.0/16 bench' >/dev/null
[ "${ANCHORS:-}" != yes ] || each start_anchor "${addresses[@]}"
each start_probe "${addresses[@]}"
each check "${addresses[@]}"
each remove_probe "${addresses[@]}"
