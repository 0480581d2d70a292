#!/bin/bash
# Runs in the guest, in the mount: workload.sh MATERIAL GUEST root|user
# MATERIAL is a directory made by the test: tree/, repo/, build/, transactions.sql. Prints "ok STEP SECONDS" or "failed STEP" and why.
M=$1 GUEST=$2 WHO=$3
DROP=/dev/shm/drop-caches DROPPED=/dev/shm/dropped-caches

# Only root may empty the guest's caches, so it stays behind to do it for the ordinary user.
if [ ! -p $DROP ]; then
  mkfifo -m 666 $DROP $DROPPED
  { cd /; while read -r _ <$DROP; do echo 3 >/proc/sys/vm/drop_caches; echo >$DROPPED; done; } &
  [ $WHO = user ] && exec setpriv --reuid 1000 --regid 1000 --clear-groups bash "$0" "$@"
fi
forget() { echo >$DROP; read -r _ <$DROPPED; } # what is read next comes from the server

export HOME=/dev/shm/home-$WHO GIT_CONFIG_NOSYSTEM=1 LC_ALL=C
mkdir -p $HOME; printf '[safe]\n\tdirectory = *\n' > $HOME/.gitconfig # the repository is another user's
LOG=$HOME/step
mkdir work-$WHO && cd work-$WHO || { echo "failed mkdir"; exit 1; }

step() {
  local name=$1 begun=${EPOCHREALTIME/./}; shift
  if "$@" >$LOG 2>&1; then printf 'ok %s %d ms\n' "$name" $(( (${EPOCHREALTIME/./} - begun) / 1000 )); else echo "failed $name: $(tail -n 5 $LOG)"; fi
}
same() { local a b; forget; a=$($GUEST treesum "$1") && b=$($GUEST treesum "$2") && echo "$a" && echo "$b" && [ "$a" = "$b" ]; }

copy() { cp -r $M/tree copy && same $M/tree copy; }
clone() { git clone -q --no-hardlinks $M/repo clone && git -C clone fsck --full --strict && same $M/repo-tree clone/content; }
build() { cp -r $M/build build && make -s -C build -j 4 && [ "$(build/program)" = 42 ] && make -s -C build clean; }
sqlite() { sqlite3 db < $M/transactions.sql && forget && [ "$(sqlite3 db 'PRAGMA integrity_check; SELECT count(*), sum(n) FROM t')" = $'ok\n1000|500500' ]; }
twice() {
  rsync -a $M/tree/ synced/ && local moved && moved=$(rsync -a --itemize-changes $M/tree/ synced/) && same $M/tree synced || return 1
  [ -z "$moved" ] || { echo "the second run moved: $moved"; return 1; }
}

step semantics $GUEST semantics semantics $WHO
step copy copy
step rsync-twice twice
step clone-and-fsck clone
step build build
step sqlite sqlite
step many-files $GUEST many many 10000
cd .. && step remove rm -r work-$WHO
kill $(jobs -p) 2>/dev/null; true
