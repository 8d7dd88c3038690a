# What was changed stays. Arguments: folder of the notes, unit file and its link.
set -e
[ -d "$1" ] || exit 0
rm -rf "$1.done"
mv "$1" "$1.done"
rm -rf "$3" "$2" "$1.done"
