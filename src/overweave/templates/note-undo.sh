# Notes how to take back the next change, before it is made. Arguments: folder of the notes, the kind of
# this one, the script that takes back, unit file and its link, and the unit's text. Standard input: the
# commands of the note.
set -e
umask 077
notes=$1 kind=$2 take_back=$3 unit=$4 link=$5 text=$6
safe() { # All of it must be on the disk when the power goes, or nothing of it.
  sync "$@" 2> /dev/null || sync
}
if [ ! -s "$notes/take-back" ]; then
  new=$notes
  if [ ! -d "$notes" ]; then
    new=$notes.new
    rm -rf "$new"
    mkdir -p "$new"
  fi
  printf '%s' "$take_back" > "$new/take-back.new"
  printf '%s' "$text" > "$unit.new"
  chmod 644 "$unit.new"
  safe "$new/take-back.new" "$unit.new"
  mv "$new/take-back.new" "$new/take-back"
  mv "$unit.new" "$unit"
  ln -sf "$unit" "$link"
  [ "$new" = "$notes" ] || mv "$new" "$notes"
  safe "$(dirname "$notes")" "$(dirname "$unit")" "$(dirname "$link")"
fi
# From 1000 on: names in the order of numbers. Those that were taken back are gone.
last=$(ls "$notes" | sed -n 's/^\([0-9]*\)\..*/\1/p' | tail -n 1)
number=$((${last:-999} + 1))
entry=$notes/$number.$kind
cat > "$entry.new"
mv "$entry.new" "$entry"
safe "$entry" "$notes"
