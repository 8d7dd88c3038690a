# Takes back the changes that are noted beside this script, the last one first.
# Arguments: when this is, and the unit file that calls it at boot with its link.
# now: restarts the engine if its restart was tried. boot: before the engine starts. engine: once it runs.
notes=$(dirname "$0") unit=$2 link=$3 failed=0
undo() { # KIND
  for entry in $(ls -r "$notes" | grep "\.$1\$"); do
    sh "$notes/$entry" || failed=1
  done
}
any() { # KIND
  ls "$notes" | grep -q "\.$1\$"
}
case $1 in
now)
  undo file
  if any restart; then
    systemctl daemon-reload
    systemctl reset-failed docker.service docker.socket 2> /dev/null
    # docker.service may take for ever to start and to stop: an engine that hangs would hold this up.
    timeout 30 systemctl stop docker.service || systemctl kill --signal=KILL docker.service
    systemctl reset-failed docker.service 2> /dev/null
    timeout 120 systemctl start docker.service || failed=1
  fi
  undo engine
  undo restart
  ;;
boot)
  undo file
  systemctl daemon-reload
  if any engine; then
    systemd-run --quiet --no-block --property=After=docker.service --property=Wants=docker.service \
      sh "$notes/take-back" engine "$unit" "$link"
    exit
  fi
  ;;
engine)
  undo engine
  ;;
esac
# What could not be taken back is tried again at the next boot.
[ "$failed" = 0 ] || exit 1
mv "$notes" "$notes.done" && rm -rf "$link" "$unit" "$notes.done"
rmdir "$(dirname "$notes")" 2> /dev/null
exit 0
