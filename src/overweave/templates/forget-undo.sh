# What was changed stays. Arguments: folder of the notes, unit file and its link.
set -e
[ -d "$1" ] || exit 0
rm -rf "$1.done"
# From here on it stays, also after a loss of power: a proven host must not be taken back at its boot.
mv "$1" "$1.done"
sync "$(dirname "$1")" 2> /dev/null || sync
# What was set aside for the way back is in the way now.
export DOCKER_HOST=unix:///var/run/docker.sock
for entry in $(ls "$1.done" | grep '\.settle$'); do
  sh "$1.done/$entry" || true
done
rm -rf "$3" "$2" "$1.done"
# Where nothing else is kept, the host has no folder of ours.
rmdir "$(dirname "$1")" 2> /dev/null || true
