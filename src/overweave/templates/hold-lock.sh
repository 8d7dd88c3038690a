# Holds this host for one run: prints "held", or "busy", from where, and who holds it. Before that "back" if it
# takes back what a run that died has left, and "stuck" if it can't; and "left" if it leaves that alone.
# Then a dot for each beat that it hears. Arguments: lock file, one line that says who wants it, seconds
# without a beat after which the run counts as dead, whether the run may change the host (change or look), and
# what takes back what a run has begun and not settled: a script with its arguments.
lock=$1 who=$2 patience=$3 mode=$4
shift 4
umask 077
mkdir -p "$(dirname "$lock")" || exit
exec 9<> "$lock" || exit
if ! flock -n 9; then
  printf 'busy %s\n' "$(head -c 2000 "$lock.by" | tr '\n' ' ')"
  exit
fi
printf '%s %s\n' "$(came_from)" "$who" > "$lock.by" || exit
take_back() {
  [ ! -e "$1" ] || [ "$mode" = look ] || sh "$@" > /dev/null 2>&1
}
if [ -e "$1" ]; then
  # Of a run that died together with this host.
  if [ "$mode" = look ]; then echo left; else echo back; fi
  take_back "$@" || echo stuck
fi
echo held
# A byte now and then, from a machine that may lose its power at any moment. "q" is a goodbye.
while beat=$(timeout "$patience" head -c 1) && [ "$beat" = b ]; do printf .; done
# Whoever comes next waits until this is done: the lock is still held.
take_back "$@"
rm -f "$lock.by"
