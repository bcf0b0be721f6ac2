# Words in which the node answers, and the fence against commands that are out of date.
ROOT=/var/lib/gridlease
RUN=/run/gridlease
umask 077
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

given() { cat "$D/in/$1"; }

# answer TAG FIELD… : one line for the control side
answer() {
  line=$1 && shift
  for field in "$@"; do line="$line$(printf '\t%s' "$(printf %s "$field" | tr '\t\n' '  ')")"; done
  printf '%s\n' "$line" >>"$D/out"
}

# section NAME COMMAND… : what the command prints, as one field, whatever is in it
section() {
  printf '%s\t%s\t' section "$1" >>"$D/out" && shift
  { "$@" || true; } | base64 -w0 >>"$D/out"
  echo >>"$D/out"
}

# fail KIND MESSAGE : KIND is the name of an exception on the control side
fail() {
  answer error "$1" "$2"
  exit 1
}

# check NAME DETAIL COMMAND… : passes when the command succeeds
check() {
  name=$1 detail=$2 && shift 2
  if "$@"; then answer check "$name" yes "$detail"; else answer check "$name" no "$detail"; fi
}

# replace FILE : standard input becomes the file, in one step
replace() {
  cat >"$1.new"
  mv -f "$1.new" "$1"
}

fence() {
  epoch=$(given epoch)
  newest=$(cat "$ROOT/fences/$M" 2>/dev/null || echo 0)
  [ "$epoch" -ge "$newest" ] || fail StaleEpoch "$M: epoch $epoch is older than $newest, which this node has obeyed."
  printf '%s\n' "$epoch" | replace "$ROOT/fences/$M"
}
