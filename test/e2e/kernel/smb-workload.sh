#!/bin/bash
# Runs in the guest, in a cifs mount: smb-workload.sh MATERIAL GUEST NAME
# MATERIAL is a directory made by the test: tree/, repo/, repo-tree/, transactions.sql. Leaves work-NAME. Prints "ok STEP MILLISECONDS" or
# "failed STEP" and why.
M=$1 GUEST=$2 NAME=$3
export HOME=/dev/shm/home GIT_CONFIG_NOSYSTEM=1 LC_ALL=C
mkdir -p $HOME; printf '[safe]\n\tdirectory = *\n[core]\n\tfilemode = false\n' > $HOME/.gitconfig
LOG=$HOME/step
mkdir work-$NAME && cd work-$NAME || { echo "failed mkdir"; exit 1; }
forget() { echo 3 >/proc/sys/vm/drop_caches; } # what is read next comes from the server

step() {
  local name=$1 begun=${EPOCHREALTIME/./}; shift
  if "$@" >$LOG 2>&1; then printf 'ok %s %d ms\n' "$name" $(( (${EPOCHREALTIME/./} - begun) / 1000 )); else echo "failed $name: $(tail -n 5 $LOG)"; fi
}
same() { local a b; forget; a=$($GUEST contentsum "$1") && b=$($GUEST contentsum "$2") && echo "$a" && echo "$b" && [ "$a" = "$b" ]; }

copy() { cp -r $M/tree copy && same $M/tree copy; }
clone() { git clone -q --no-hardlinks $M/repo clone && git -C clone fsck --full --strict && same $M/repo-tree clone/content; }
sqlite() { sqlite3 db < $M/transactions.sql && forget && [ "$(sqlite3 db 'PRAGMA integrity_check; SELECT count(*), sum(n) FROM t')" = $'ok\n1000|500500' ]; }
twice() {
  rsync -rt $M/tree/ synced/ && local moved && moved=$(rsync -rt --itemize-changes $M/tree/ synced/) && same $M/tree synced || return 1
  [ -z "$moved" ] || { echo "the second run moved: $moved"; return 1; }
}

step copy copy
step rsync-twice twice
step clone-and-fsck clone
step sqlite sqlite
true
