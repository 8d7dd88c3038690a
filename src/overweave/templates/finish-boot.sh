# Finishes what Docker gives up when it starts: it holds a container on an overlay for a while, tries it once,
# and never again; and it joins the gossip through one neighbour, once. Started with every start of the engine.
# Arguments: this engine's gossip address, and those of all others; of a swarm, which sees to its gossip itself, its
# own address alone. What it does, and why, is its output.
folder=$(dirname "$0")
export LC_ALL=C DOCKER_HOST=unix:///var/run/docker.sock
unset DOCKER_CONTEXT
patience=${OVERWEAVE_PATIENCE:-600} tries=5 starts=3
once=${OVERWEAVE_ONCE:-/run/overweave-restarted-docker} spaces=${OVERWEAVE_SPACES:-/var/run/docker/netns}
tried=$(mktemp -d) || exit
aside= aside_prefix=overweave-aside-
trap '[ ! "$aside" ] || docker rename "$aside" "${aside#$aside_prefix}"; rm -rf "$tried"' EXIT
trap 'exit 143' TERM INT

uptime() { cut -d. -f1 /proc/uptime; }
end=$(($(uptime) + patience)) own=$1

engine() { # prints every overlay of the store, or of the swarm, that is there
  listed=$(timeout 20 docker network ls --no-trunc --filter driver=overlay \
    --format '{{.ID}} {{.Name}} {{.Scope}}') || return
  echo "$listed" | sed -n 's/ global$//p; s/ swarm$//p'
}

start_engine() { # systemd takes three starts a minute for an engine that can't run
  systemctl --quiet is-failed docker.service && [ "$starts" -gt 0 ] || return
  starts=$((starts - 1)) did=1
  echo "the engine does not start: systemd has given it up, once more"
  systemctl reset-failed docker.service docker.socket
  systemctl --no-block start docker.service
}

# Of each container that Docker was to start and could not, or did not (seen after a reboot under load): id, when it
# was made ("error" where Docker tells one), name, networks as name=id. In one line: engines before Go 1.16 take no
# line ends in there.
policy='.HostConfig.RestartPolicy.Name'
format="{{if or (and .State.Error (ne $policy \"no\")) (eq $policy \"always\" \"unless-stopped\")}}{{.Id}}"
format="$format {{if .State.Error}}error{{else}}{{.Created}}{{end}} {{.Name}}"
format=$format'{{range $name, $its := .NetworkSettings.Networks}} {{$name}}={{$its.NetworkID}}{{end}}{{end}}'
given_up() {
  timeout 60 docker ps -aq --no-trunc --filter status=exited --filter status=created |
    xargs -r timeout 60 docker inspect --format "$format" |
    grep '^[0-9a-f]'
}

moment() { # PROPERTY of the engine's unit: prints it in seconds since 1970
  date -d "$(systemctl show -p "$1" --value docker.service)" +%s 2> /dev/null
}

by_hand() { # ID: whether somebody has stopped it, or never started it. Only Docker's own file tells.
  config=$root/containers/$1/config.v2.json
  grep -q '"HasBeenStartedBefore":true' "$config" || return 0
  grep -q '"HasBeenManuallyStopped":true' "$config" || return 1
  # An engine that finds its containers alive, as one whose last process was killed, stops them before it
  # answers anybody, and then takes that for somebody's will (20.10, daemon.restore; measured).
  ended=$(sed -n 's/.*"FinishedAt":"\([^"]*\)".*/\1/p' "$config")
  ended=$(date -d "${ended:-none}" +%s 2> /dev/null) && began=$(moment ExecMainStartTimestamp) &&
    ready=$(moment ActiveEnterTimestamp) && [ "$ended" -ge "$began" ] && [ "$ended" -lt "$ready" ] && return 1
  return 0
}

# An engine that loses its power, and has its store when it starts again, restores what it had on an overlay, has
# no namespace for that any more, and lets nothing else on that overlay either. Started once more it has forgotten.
restart_engine() {
  [ ! -e "$once" ] || return
  : > "$once"
  did=1
  echo "the engine is stuck with what was on an overlay before its power went: it is restarted, once"
  systemctl --no-block restart docker.service
}

# A container that ends while the store has no leader, as when all of a host stops at once, leaves its endpoint there,
# and nobody else gets its name (seen at every third reboot of a leader's host). Where it is of this host it is taken
# away, as the engine does it for a name that it has no container of. Peers are told that it is gone, or whoever gets
# its address is dead to them (moby#52661).
free() { # NAME NETWORK
  network=$(echo "$overlays" | while read -r id its; do [ "$its" != "$2" ] || echo "$id"; done)
  OVERWEAVE_STORE=$(flag cluster-store) OVERWEAVE_TLS=$(certificate) OVERWEAVE_LEFT="$network $1" \
    perl "$folder/boot-gossip.pl" "$own" || return
  aside=$aside_prefix$1
  if docker rename "$1" "$aside"; then
    docker network disconnect -f "$2" "$1"
    docker rename "$aside" "$1"
  fi 2>&1
  aside=
  echo "freed the name $1 on $2: an endpoint that an earlier start had left in the store kept it"
}

start() { # ID NAME
  count=$(cat "$tried/$1" 2> /dev/null)
  why=$(docker inspect --format '{{.State.Error}}' "$1" 2> /dev/null)
  case $why in *'failed get network namespace'*) restart_engine && return ;; esac
  [ "${count:-0}" -lt "$tries" ] || return
  echo $((${count:-0} + 1)) > "$tried/$1"
  said=$(timeout 90 docker start "$1" 2>&1 > /dev/null) || case $said in
  *"endpoint with name $2 already exists in network "*)
    on=${said#*" already exists in network "}
    free "$2" "${on%%[!A-Za-z0-9_.-]*}" && said=$(timeout 90 docker start "$1" 2>&1 > /dev/null)
    ;;
  *) false ;;
  esac && {
    did=1
    if [ "$why" ]; then
      echo "started $2: Docker had given it up: $why"
    else
      echo "started $2: Docker did not, and nobody had stopped it"
    fi
    return
  }
  echo "$2 does not start: $said"
}

containers() { # OVERLAYS
  given_up > "$tried/list"
  began=$(moment ExecMainStartTimestamp)
  while read -r id made name networks; do
    # Of one that was made since, and has no error, somebody who is just at it decides.
    made=$(date -d "$made" +%s 2> /dev/null) && [ "${began:-$made}" -le "$made" ] && continue
    by_hand "$id" && continue
    name=${name#/} absent=
    case $name in
    # The power went in the middle of that.
    "$aside_prefix"*) docker rename "$id" "${name#$aside_prefix}" && name=${name#$aside_prefix} ;;
    esac
    ours=
    for network in $networks; do
      case " $(echo $1) " in
      *" ${network#*=} "* | *" ${network%%=*} "*) ours=1 ;;
      *) timeout 20 docker network inspect "${network%%=*}" > /dev/null 2>&1 || absent=$network ;;
      esac
      # A worker of a swarm has a network only as long as a container is on it.
      [ ! "$swarm" ] || [ ! "$absent" ] || ours=1 absent=
    done
    if [ "$absent" ]; then
      missing="$missing; $name waits for its network ${absent%%=*}"
    elif [ "$ours" ]; then
      # One that starts and ends, over and over, is Docker's own business.
      start "$id" "$name" < /dev/null || [ "$why" ] || continue
      missing="$missing; $name is not running"
    fi
  done < "$tried/list"
}

# The endpoints on the store's overlays of containers that run, as boot-gossip.pl takes them.
endpoint='{{println $its.NetworkID $its.EndpointID $its.IPAddress $its.IPPrefixLen $its.MacAddress}}'
joined() { # OVERLAYS
  timeout 60 docker ps -q --no-trunc |
    xargs -r timeout 60 docker inspect \
      --format "{{range \$name, \$its := .NetworkSettings.Networks}}$endpoint{{end}}" |
    while read -r network rest; do
      case " $(echo $1) " in *" $network "*) echo "$network $rest" ;; esac
    done
}

flag() { # NAME: prints what the engine was started with
  pid=$(systemctl show -p MainPID --value docker.service)
  { tr '\0' '\n' < "/proc/$pid/cmdline" | sed -n "s/^--$1=//p"; } 2> /dev/null
}
certificate() { flag 'cluster-store-opt=kv\.certfile'; } # what the engine shows its store, if it uses HTTPS

gossip() { # OVERLAYS, ADDRESS...
  these=$1
  shift
  if ! command -v perl > /dev/null; then
    [ "$unseen" ] || echo "nobody looks at the gossip: there is no perl; \`fab doctor\` does"
    unseen=1
    return
  fi
  OVERWEAVE_STORE= OVERWEAVE_TLS=
  : > "$tried/joined"
  # Once, when all that starts by itself has started.
  if [ "$good" = 1 ]; then
    OVERWEAVE_STORE=$(flag cluster-store) OVERWEAVE_TLS=$(certificate)
    joined "$these" > "$tried/joined"
  fi
  export OVERWEAVE_STORE OVERWEAVE_TLS
  perl "$folder/boot-gossip.pl" "$@" < "$tried/joined"
  case $? in
  0) ;;
  1) did=1 missing="$missing; the gossip was split" ;;
  2) missing="$missing; the engine takes no part in the gossip" ;;
  *) missing="$missing; the gossip was not looked at" ;;
  esac
}

# An engine that was told "vtep:<nil>" of a container (see boot-gossip.pl) makes the one half of its rows, and not the
# other when it hears better: packets reach it as long as the kernel remembers where some came from, for minutes
# (2 of 6 drills of five reboots). Where there is that half, the other is written.
rows() { # OVERLAYS, ADDRESS...
  these=$1
  shift
  OVERWEAVE_STORE=$(flag cluster-store) OVERWEAVE_TLS=$(certificate) OVERWEAVE_TELL=1 \
    perl "$folder/boot-gossip.pl" "$@" > "$tried/peers" 2> /dev/null || return
  echo "$these" | while read -r id name; do
    grep -q " $id " "$tried/peers" || continue
    space=$(ls -t "$spaces"/*-"$(echo "$id" | head -c 10)" 2> /dev/null | head -n 1)
    [ "$space" ] && nsenter --net="$space" ip neigh show nud permanent > "$tried/neigh" || continue
    nsenter --net="$space" bridge fdb show > "$tried/fdb"
    while read -r vtep of endpoint address length mac; do
      device=$(sed -n "s/^$address dev \([^ ]*\) lladdr $mac .*/\1/p" "$tried/neigh")
      [ "$of" = "$id" ] && [ "$device" ] || continue
      grep -q "^$mac dev $device dst .*permanent" "$tried/fdb" && continue
      nsenter --net="$space" bridge fdb replace "$mac" dev "$device" dst "$vtep" self permanent &&
        echo "wrote the forwarding row of $address on $name, which the engine had not: it leads to $vtep"
    done < "$tried/peers"
  done
}

did= good=0
while [ "$good" -lt 2 ]; do
  missing=
  if overlays=$(engine 2>&1) &&
    about=$(timeout 60 docker info --format '{{.Swarm.LocalNodeState}} {{.DockerRootDir}}' 2> /dev/null); then
    root=${about#* } swarm=${about%% *}
    case $swarm in
    inactive) swarm= ;;
    active) ;;
    *) missing="$missing; the engine is not in its swarm yet: $swarm" ;;
    esac
    [ "$swarm" ] || gossip "$overlays" "$@"
    containers "$overlays"
  else
    missing="; the engine does not answer"
    start_engine
  fi
  # Twice: others may be starting, too.
  if [ "$missing" ]; then good=0; else good=$((good + 1)); fi
  if [ "$(uptime)" -ge "$end" ]; then
    echo "gave up after $patience s: ${missing#; }"
    exit 1
  fi
  sleep 2
done
[ "$swarm" ] || rows "$overlays" "$@"
[ "$did" ] && echo "all there" || echo "all there: nothing was to be done"
