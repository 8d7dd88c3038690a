# Arguments: a mark, and seconds that the engine may take. Prints three parts with the mark between them: all
# containers, one in a line; inodes of the network namespaces of those that run; the name servers in the file
# that each has as /etc/resolv.conf. Exit code 3: the engine does not run. A client that called its socket
# would start it.
mark=$1 seconds=$2
systemctl --quiet is-active docker.service || exit 3
docker='docker -H unix:///var/run/docker.sock'
tab=$(printf '\t')
its='"Id":{{json .Id}},"Name":{{json .Name}},"ResolvConfPath":{{json .ResolvConfPath}}'
its="$its,\"State\":{\"Running\":{{json .State.Running}},\"Pid\":{{json .State.Pid}}}"
its="$its,\"HostConfig\":{\"NetworkMode\":{{json .HostConfig.NetworkMode}}}"
its="$its,\"Config\":{\"Image\":{{json .Config.Image}}}"
net='"SandboxKey":{{json .NetworkSettings.SandboxKey}},"Networks":{{json .NetworkSettings.Networks}}'
ids=$(timeout "$seconds" $docker ps --all --quiet --no-trunc) || exit
[ -n "$ids" ] || { printf '%s\n%s\n' "$mark" "$mark"; exit 0; }
# One that went in this moment is an error of the client, which prints the others.
told=$(timeout "$seconds" $docker inspect --type container \
  --format "{{.State.Pid}}$tab{{.ResolvConfPath}}$tab{$its,\"NetworkSettings\":{$net}}" $ids)
status=$?
[ -n "$told" ] || exit "$status"
printf '%s\n' "$told" | cut -f 3-
echo "$mark"
printf '%s\n' "$told" | cut -f 1 | grep -v '^0$' | sed 's|.*|/proc/&/ns/net|' |
  xargs -r stat -L -c '%i %n' 2>/dev/null
echo "$mark"
# A container may write what it likes into its file, of any length.
printf '%s\n' "$told" | cut -f 2 | grep . | sort -u | tr '\n' '\0' |
  xargs -0 -r sh -c 'find "$@" -maxdepth 0 -type f -size -17k \
    -exec grep -H -m 3 -E "^nameserver[[:blank:]]+[0-9a-fA-F.:]{2,45}[[:blank:]]*$" {} +' sh 2>/dev/null
exit 0
