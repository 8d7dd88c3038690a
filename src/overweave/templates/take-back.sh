# Takes back the changes that are noted beside this script, the last one first.
# Arguments: when this is, and the unit file that calls it at boot with its link.
# now: restarts the engine if its restart was tried. boot: before the engine starts. engine: once it runs.
notes=$(dirname "$0") unit=$2 link=$3 failed=0
umask 022
# The engine of this host, whatever root has chosen for himself.
unset DOCKER_CONTEXT
export DOCKER_HOST=unix:///var/run/docker.sock
# One at a time: after Ctrl-C twice, or at a boot, another may be at it.
exec 8< "$notes" && flock -w 300 8 || exit 1
[ -e "$0" ] || exit 0
undo() { # KIND
  for entry in $(ls -r "$notes" | grep "\.$1\$"); do
    if sh "$notes/$entry"; then rm -f "$notes/$entry"; else failed=1; fi
  done
}
any() { # KIND
  ls "$notes" | grep -q "\.$1\$"
}
undo_with_engine() { # KIND
  any "$1" || return
  # Of an engine that does not answer nothing is known: what it has may not be taken for gone.
  if timeout 60 docker version > /dev/null 2>&1; then undo "$1"; else failed=1; fi
}
case $1 in
now)
  undo file
  # Units may have been read anew since: a boot unit that was installed is one reason.
  systemctl daemon-reload
  undo service
  if any restart; then
    systemctl reset-failed docker.service docker.socket 2> /dev/null
    # docker.service may take for ever to start and to stop: an engine that hangs would hold this up.
    timeout 30 systemctl stop docker.service || systemctl kill --signal=KILL docker.service
    systemctl reset-failed docker.service 2> /dev/null
    timeout 120 systemctl start docker.service || failed=1
  fi
  if any engine && ! systemctl is-active --quiet docker.service; then
    systemctl reset-failed docker.service docker.socket 2> /dev/null
    timeout 120 systemctl start docker.service || failed=1
  fi
  undo_with_engine engine
  undo_with_engine restart
  ;;
boot)
  undo file
  systemctl daemon-reload
  undo service
  if any engine; then
    systemd-run --quiet --no-block --property=After=docker.service --property=Wants=docker.service \
      sh "$notes/take-back" engine "$unit" "$link"
    exit
  fi
  ;;
engine)
  undo_with_engine engine
  ;;
esac
# What could not be taken back is tried again by the next run, and at the next boot.
[ "$failed" = 0 ] || exit 1
mv "$notes" "$notes.done" && rm -rf "$link" "$unit" "$notes.done"
rmdir "$(dirname "$notes")" 2> /dev/null
exit 0
