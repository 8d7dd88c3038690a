# Notes how to take back the next change, before it is made. Arguments: folder of the notes, the kind of
# this one, the script that takes back, unit file and its link, and the unit's text. Standard input: the
# commands of the note.
set -e
umask 077
notes=$1 kind=$2 take_back=$3 unit=$4 link=$5 text=$6
if [ ! -d "$notes" ]; then
  mkdir -p "$(dirname "$notes")"
  rm -rf "$notes.new"
  mkdir "$notes.new"
  printf '%s' "$take_back" > "$notes.new/take-back"
  printf '%s' "$text" > "$unit.new"
  chmod 644 "$unit.new"
  mv "$unit.new" "$unit"
  ln -sf "$unit" "$link"
  mv "$notes.new" "$notes"
fi
number=$(ls "$notes" | wc -l)
entry=$notes/$(printf %03d "$number").$kind
cat > "$entry.new"
mv "$entry.new" "$entry"
sync "$entry" "$notes" 2> /dev/null || true
