#!/bin/sh
# The far side of a `tcenv ssh` run: hand the run's token to the user's session through a FIFO, and end what the run made
# when the connection is lost. Read one word a line from standard input, and answer with lines that begin with $mark.
# tcenv sets `mark` (random), `quiet` and `step` (seconds) before.
# The token goes through `read` and `echo`, which are builtins everywhere: another program would show it in its arguments.
# Switch off what a far environment may have switched on.
set +e +u +x +f +C
: "${mark:?}" "${quiet:?}" "${step:?}"
LC_ALL=C
unset IFS TMOUT
umask 077
unset dir watcher
trap '' PIPE

say() {
  echo "$mark $*"
}

end_of_name=') '

# Read what Linux says of the process $1: its state, parent, session, and when it started.
read_process() {
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The name stands in parentheses and may hold any character.
  # shellcheck disable=SC2086  # words
  set -- ${line##*"$end_of_name"}
  [ "$#" -gt 19 ] || return 1
  state=$1 parent=$2 session=$4
  shift 19
  started=$1
}

# Print the live processes of the session whose leader is $pid. If the server gave it no session of its own, print those of
# its session that descend from it. Leave out programs that have made their own session, such as tmux.
list_members() {
  # Another process may have this number by now.
  own=
  if read_process "$pid"; then
    [ "$started" = "$began" ] || return 0
    own=$session
  fi
  table=
  for process in /proc/[0-9]*; do
    process=${process#/proc/}
    if read_process "$process" && [ "$state" != Z ] && [ "$state" != X ]; then
      table="$table $process:$parent:$session"
    fi
  done
  found=" "
  grown=yes
  while [ -n "$grown" ]; do
    grown=
    for entry in $table; do
      process=${entry%%:*}
      entry=${entry#*:}
      case $found in
        *" $process "*) continue ;;
        *" ${entry%:*} "*) [ "${entry#*:}" = "$own" ] || continue ;;
        *) [ "$process" = "$pid" ] || [ "${entry#*:}" = "$pid" ] || continue ;;
      esac
      found="$found$process "
      grown=yes
    done
  done
  echo "$found"
}

# Print who listens on $port, from a table of Linux.
list_listeners() {
  # shellcheck disable=SC2034  # columns
  while read -r slot address other state queues timer retries uid rest; do
    case $state$address in
      0A*:"$port") echo "${address%:*}/$uid" ;;
    esac
  done
}

signal() {
  if [ -n "$began" ]; then
    # shellcheck disable=SC2046  # numbers
    set -- "$1" $(list_members)
  else
    set -- "$1" "-$pid"
  fi
  signal=$1
  shift
  for process; do
    kill -s "$signal" -- "$process" || kill -s "$signal" "$process"
  done 2>/dev/null
}

is_alive() {
  if [ -n "$began" ]; then
    # shellcheck disable=SC2046  # numbers
    set -- $(list_members)
    [ "$#" -gt 0 ]
  else
    kill -s 0 "-$pid" 2>/dev/null
  fi
}

# Return whether the first process of the user's session is alive.
is_leader_alive() {
  if [ -n "$began" ]; then
    read_process "$pid" && [ "$started" = "$began" ]
  else
    kill -s 0 "$pid" 2>/dev/null
  fi
}

# Remove what the run made, and end the user's session if it is alive. Programs of a session whose first process has ended
# by itself stay after "end", as with ssh, but not after "lost".
finish() {
  trap '' HUP INT TERM
  pid=
  began=
  { read -r pid began <"$dir/pid"; } 2>/dev/null
  rm -rf "$dir"
  [ -n "$pid" ] || return 0
  [ "$1" = lost ] || is_leader_alive || return 0
  for next in HUP TERM KILL; do
    signal "$next"
    signal CONT
    [ "$next" != KILL ] || return 0
    tries=3
    while is_alive; do
      [ "$tries" -gt 0 ] || continue 2
      tries=$((tries - 1))
      sleep 1
    done
    return 0
  done
}

# End the run and its connection when tcenv has been silent for too long: sshd does not notice a lost network.
watch() {
  trap 'kill "$sleep" 2>/dev/null; exit 0' TERM
  missed=0
  while :; do
    sleep "$step" &
    sleep=$!
    wait "$sleep"
    if [ -e "$dir/beat" ]; then
      rm -f "$dir/beat"
      missed=0
    else
      missed=$((missed + step))
    fi
    if [ "$missed" -ge "$quiet" ] || ! kill -s 0 "$$" 2>/dev/null; then
      finish lost
      kill -s KILL "$$" 2>/dev/null
      [ "$missed" -lt "$quiet" ] || kill "$PPID" 2>/dev/null
      exit 0
    fi
  done
}

leave() {
  [ -z "${watcher-}" ] || kill "$watcher" 2>/dev/null
  finish "$1"
  exit 0
}

for place in "${TMPDIR-}" /tmp /var/tmp "${HOME-}"; do
  # The path becomes a word of a command line in an unknown shell.
  case $place in
    '' | [!/]* | *[!A-Za-z0-9/._-]*) continue ;;
  esac
  if mkdir -m 700 "$place/tcenv-$mark" 2>/dev/null; then
    dir=$place/tcenv-$mark
    break
  fi
done
if [ -z "${dir-}" ]; then
  say failed "no directory for temporary files can be written"
  exit 1
fi
trap 'leave lost' HUP INT TERM
if ! mkfifo -m 600 "$dir/p"; then
  say failed "mkfifo failed"
  leave end
fi
# Open it for reading too, which never waits for the other end.
exec 4<>"$dir/p"
watch </dev/null >/dev/null 2>&1 4<&- &
watcher=$!
# A start-up file may have left a line without its end.
echo
say ready "$dir" "$(id -u)"

while IFS= read -r word; do
  case $word in
    beat) : >"$dir/beat" ;;
    port)
      # The port is in hexadecimal.
      IFS= read -r port
      found=
      for table in /proc/net/tcp /proc/net/tcp6; do
        [ -r "$table" ] || continue
        # bash would read the file a line at a time, and Linux makes all earlier lines anew for each.
        # shellcheck disable=SC2002
        found="$found known $(cat "$table" | list_listeners)"
      done
      # shellcheck disable=SC2086  # words
      say port $found
      ;;
    script)
      while IFS= read -r line && [ "$line" != "$mark" ]; do
        printf '%s\n' "$line"
      done >"$dir/run"
      say script
      ;;
    token)
      IFS= read -r line
      echo "$line" >&4
      line=
      say token
      ;;
    state) if [ -e "$dir/pid" ]; then say state begun; else say state waiting; fi ;;
    end) leave end ;;
  esac
done
leave lost
