# Argument: seconds that the engine may take for its networks. Prints them as the engine tells them, with their
# endpoints, one in a line. Exit code 3: the engine does not run. A client that called its socket would start it.
systemctl --quiet is-active docker.service || exit 3
docker='docker -H unix:///var/run/docker.sock network'
ids=$(timeout "$1" $docker ls --quiet --no-trunc) || exit
[ -n "$ids" ] || exit 0
# One that went in this moment is an error of the client, which prints the others.
told=$(timeout "$1" $docker inspect --format '{{json .}}' $ids)
status=$?
[ -n "$told" ] || exit "$status"
printf '%s\n' "$told"
