# Secrets at the start, in the file system and at the end of the tenant's disk. Before a wipe they can be read through the
# key, which shows that their places are known; after it, the same places of the ciphertext must not hold them.

canary_write() {
  last=$(($(cat "$T/bytes") / 4096 * 4096 - 8192))
  secret >"$T/disk/canary"
  sync "$T/disk/canary"
  at=$(filefrag -b1024 -e "$T/disk/canary" | awk '/^ *[0-9]+:/ { gsub(/[.:]/, " "); print $4 * 1024; exit }')
  {
    echo "start 4096 $(secret)"
    echo "middle $((MIB + at)) $(cat "$T/disk/canary")"
    echo "end $last $(secret)"
  } | replace "$T/canaries"
  while read -r place at text; do
    [ "$place" = middle ] || printf %s "$text" | dd of="$(disk_path)" bs=1 seek="$at" conv=notrunc,fsync status=none
  done <"$T/canaries"
}

secret() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# canary_reads FILE OFFSET TEXT : whether the text is in the two blocks there
canary_reads() {
  dd if="$1" bs=4096 iflag=skip_bytes skip="$2" count=3 status=none 2>/dev/null | grep -qaF "$3"
}

# canary_before : how many can be read through the key
canary_before() {
  seen=0
  while read -r _ at text; do
    if canary_reads "$(disk_path)" "$at" "$text"; then seen=$((seen + 1)); fi
  done <"$T/canaries"
  echo "$seen"
}

# canary_after PLACE : whether the canary is gone from where its bytes lay on the node's own disk
canary_after() {
  grep "^$1 " "$T/canaries" | {
    read -r _ at text
    [ ! -e "$T/cipher/disk" ] || ! canary_reads "$T/cipher/disk" "$("cipher_$(cat "$T/method")" "$at")" "$text"
  }
}
