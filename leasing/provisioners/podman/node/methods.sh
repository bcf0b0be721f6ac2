# Three ways to keep the tenant's disk, best first. Each makes, opens, closes and destroys it, says where its plaintext
# is, and at which byte of cipher/disk a byte of the plaintext lies. Made means: a plaintext of the wanted size is open.

make_luks() {
  command -v cryptsetup >/dev/null && truncate -s "$size" "$T/cipher/disk" &&
    cryptsetup luksFormat -q --type luks2 --key-file "$T/key" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$T/cipher/disk" &&
    open_luks
}
open_luks() { [ -e "$(path_luks)" ] || cryptsetup open --key-file "$T/key" "$T/cipher/disk" "gridlease-$M"; }
close_luks() { [ ! -e "$(path_luks)" ] || cryptsetup close "gridlease-$M"; }
path_luks() { echo "/dev/mapper/gridlease-$M"; }
cipher_luks() { echo $(($1 + 16 * MIB)); }
destroy_luks() {
  [ ! -e "$T/cipher/disk" ] || cryptsetup erase -q "$T/cipher/disk" || true
  [ ! -e "$T/cipher/disk" ] || zeros "$T/cipher/disk" 0 4096
}
says_luks() { echo "LUKS2: key slots erased, header overwritten, key overwritten and deleted, ciphertext deleted"; }

make_gocryptfs() {
  command -v gocryptfs >/dev/null && [ -e /dev/fuse ] &&
    gocryptfs -q -init -plaintextnames -scryptn 10 -passfile "$T/key" "$T/cipher" &&
    open_gocryptfs && truncate -s "$size" "$T/plain/disk"
}
open_gocryptfs() { mountpoint -q "$T/plain" || gocryptfs -q -nosyslog -passfile "$T/key" "$T/cipher" "$T/plain"; }
close_gocryptfs() {
  again=0
  while mountpoint -q "$T/plain" && [ "$again" -lt 50 ]; do
    umount "$T/plain" || sleep 0.1
    again=$((again + 1))
  done
}
path_gocryptfs() { echo "$T/plain/disk"; }
cipher_gocryptfs() { echo $((18 + $1 / 4096 * 4128)); }
destroy_gocryptfs() { shred_file "$T/cipher/gocryptfs.conf"; }
says_gocryptfs() { echo "gocryptfs (AES-256-GCM): key and wrapped key overwritten and deleted, ciphertext deleted"; }

make_plain() { truncate -s "$size" "$T/cipher/disk"; }
open_plain() { :; }
close_plain() { :; }
path_plain() { echo "$T/cipher/disk"; }
cipher_plain() { echo "$1"; }
destroy_plain() {
  [ -e "$T/cipher/disk" ] || return 0
  # only what is allocated: the file is sparse and may be larger than the free space
  filefrag -b4096 -e "$T/cipher/disk" | awk '/^ *[0-9]+:/ { gsub(/[.:]/, " "); print $2, $6 }' |
    while read -r first blocks; do zeros "$T/cipher/disk" "$first" "$blocks"; done
}
says_plain() { echo "plain: this node can encrypt nothing; every allocated block overwritten with zeros, then deleted"; }

# Nothing was ever on the disk: the tenancy was killed while it was being made.
open_none() { false; }
close_none() { close_luks && close_gocryptfs; }
path_none() { echo "$T/plain/disk"; }
destroy_none() { destroy_plain; }
says_none() { echo "the tenancy was half-made and never started; its pieces overwritten and deleted"; }

# zeros FILE FIRST COUNT : overwrites blocks of 4096 bytes in place
zeros() { dd if=/dev/zero of="$1" bs=4096 seek="$2" count="$3" conv=notrunc,fsync status=none; }

shred_file() {
  [ ! -e "$1" ] || { zeros "$1" 0 1 && rm -f "$1"; }
}
