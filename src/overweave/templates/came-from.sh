# The address that this connection comes from, "" where it can't be told.
came_from() {
  # sudo takes the variable away, but has it itself.
  from=${SSH_CONNECTION:-$({ tr '\0' '\n' < "/proc/$PPID/environ" |
    sed -n 's/^SSH_CONNECTION=//p'; } 2> /dev/null || true)}
  from=${from%% *}
  case $from in *[!0-9A-Za-z.:%_-]*) from= ;; esac
  printf %s "$from"
}
