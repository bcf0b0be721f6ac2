# A tenancy ends by itself when its time is up, whether or not anybody can still reach this node. Time is seconds since
# boot, which nobody sets; what is needed lies in memory, because after a boot nothing runs until the next prepare.

guard() { echo "$RUN/$M/guard"; }

seconds_up() { cut -d. -f1 /proc/uptime; }

# deadline_set : from now on, by the newest command; without seconds it never ends by itself
deadline_set() {
  left=$(given seconds_left) at=$(guard)
  if [ -z "$left" ]; then
    deadline_forget
    return
  fi
  mkdir -p "$at/in"
  for script in "$D"/*.sh; do replace "$at/${script##*/}" <"$script"; done
  printf expire | replace "$at/in/verb"
  printf %s "$M" | replace "$at/in/machine"
  echo $(($(seconds_up) + left)) | replace "$at/deadline"
  setsid sh "$at/guard.sh" </dev/null >/dev/null 2>&1 &
}

deadline_forget() { rm -rf "$(guard)"; }

# verb_expire : the guard's command; the deadline may have been moved while it waited for its turn
verb_expire() {
  due=$(cat "$(guard)/deadline" 2>/dev/null) || return 0
  [ "$(seconds_up)" -ge "$due" ] || return 0
  [ ! -e "$T" ] || access_end
  deadline_forget
}
