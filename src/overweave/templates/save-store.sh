# Backs the store up on this host: a snapshot that its Consul makes and checks, readable by root alone.
# Arguments: folder, how many to keep, the store's port, and "service" where it runs as one. What it did, or why
# it did not, is its output.
folder=$1 keep=$2 port=$3 form=$4
export LC_ALL=C DOCKER_HOST=unix:///var/run/docker.sock
unset DOCKER_CONTEXT
umask 077
patience=${OVERWEAVE_PATIENCE:-60}
inside=/tmp/overweave-backup.snap new=$folder/.new
[ "$form" != service ] || inside=$folder/.save

uptime() { cut -d. -f1 /proc/uptime; }
end=$(($(uptime) + patience))

there() { # runs a program where the store does
  if [ "$form" = service ]; then timeout 120 "$@"; else timeout 120 docker exec consul "$@"; fi
}

consul() {
  if [ "$form" = service ]; then
    set -- env "CONSUL_HTTP_ADDR=127.0.0.1:$port" consul "$@"
    [ ! -e /etc/overweave/operator.token ] ||
      set -- env CONSUL_HTTP_TOKEN_FILE=/etc/overweave/operator.token "$@"
    timeout 120 "$@"
    return
  fi
  set -- -e "CONSUL_HTTP_ADDR=127.0.0.1:$port" consul consul "$@"
  # Where the store asks for a token; only the file's name may stand here.
  [ ! -e /etc/overweave/operator.token ] || set -- -e CONSUL_HTTP_TOKEN_FILE=/etc/overweave/operator.token "$@"
  timeout 120 docker exec "$@"
}

# A snapshot of a store with access control has its tokens: no copy stays behind.
trap 'rm -f "$new"; there rm -f "$inside" "$inside.unverified" > /dev/null 2>&1' EXIT
trap 'exit 143' TERM INT

failed() {
  echo "no backup: $(printf %s "$1" | tr -s '\n\t ' ' ' | cut -c 1-500)"
  exit 1
}

mkdir -p "$folder" 2> /dev/null || failed "$folder can't be made"
# At a boot, and while a leader is elected, the store needs a moment.
until said=$(consul snapshot save "$inside" 2>&1); do
  [ "$(uptime)" -lt "$end" ] || failed "$said"
  sleep 3
done
about=$(consul snapshot inspect "$inside" 2>&1) || failed "$about"
index=$(echo "$about" | sed -n 's/^ *Index  *\([0-9]\{1,18\}\) *$/\1/p' | head -n 1)
[ "$index" ] || failed "its index is not told: $about"
version=$(consul version 2> /dev/null | sed -n '1s/^Consul v\{0,1\}\([0-9][0-9.]*[0-9]\).*/\1/p')
said=$({ there cat "$inside" > "$new" && gzip -t "$new"; } 2>&1) ||
  failed "it can't be kept in $folder: $said"
sync "$new" 2> /dev/null
name=$(date -u +%Y%m%dT%H%M%SZ)-index$index-consul${version:-0}.snap
mv "$new" "$folder/$name" || failed "it can't be kept in $folder"

# A store that lost its data begins with low indexes: what was saved before is counted by itself, and stays.
kept=1 before=0 removed=0
names=$(ls "$folder" | grep -E '^[0-9]{8}T[0-9]{6}Z-index[0-9]{1,18}-consul[0-9.]{1,20}\.snap$' | sort -r)
for old in $names; do
  [ "$old" != "$name" ] || continue
  its=${old#*-index}
  if [ "${its%%-*}" -le "$index" ]; then
    kept=$((kept + 1)) number=$kept
  else
    before=$((before + 1)) number=$before
  fi
  [ "$number" -le "$keep" ] || { rm -f "$folder/$old" && removed=$((removed + 1)); }
done
echo "saved $folder/$name: $(wc -c < "$folder/$name") bytes; removed $removed older"
