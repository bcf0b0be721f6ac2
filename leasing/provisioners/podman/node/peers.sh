# The network of a lease of several nodes: a VXLAN (RFC 7348) between its hosts, whose end lies inside the container, so that
# every port of each machine is there for the others. Who is behind which host is written down, and nothing is learned. A
# host has one tenant at a time, so its address tells the lease: what comes from another host than a sibling's is dropped.
NETWORK=lease0
VXLAN_PORT=4789
VXLAN_BYTES=50 # of each packet: RFC 7348, 5

# peers_resolved : of each its host's address as this host knows it, its own in the lease's network, and its name; one
# whose host is not known here is left out
peers_resolved() {
  while read -r host address name; do
    found=$(getent ahostsv4 "$host" | awk '{ print $1; exit }')
    [ -z "$found" ] || echo "$found $address $name"
  done <"$D/in/peers"
}

# peers_let_in : in one step, and before anything listens
peers_let_in() {
  peers_resolved | replace "$T/peers"
  [ -s "$T/peers" ] || return 0
  for tool in iptables-restore:iptables ip:iproute2 bridge:iproute2 nsenter:util-linux; do need "${tool%:*}" "${tool#*:}"; done
  {
    echo "*raw"
    echo ":gridlease - [0:0]"
    while read -r host _; do echo "-A gridlease -s $host -j RETURN"; done <"$T/peers"
    echo "-A gridlease -j DROP"
    echo COMMIT
  } | iptables-restore -w 10 --noflush || fail ProvisionerError "The machines of the lease cannot be let in: $(tail -n 1 "$D/log")"
  peers_gate -C 2>/dev/null || peers_gate -I
}

# peers_gate HOW : what comes for this host itself, not what its own tenant sends to a sibling
peers_gate() { iptables -w 10 -t raw "$1" PREROUTING -p udp --dport $VXLAN_PORT -m addrtype --dst-type LOCAL -j gridlease; }

# peers_join : the running container, and exactly its siblings
peers_join() {
  [ -s "$T/peers" ] || return 0
  network=$(network_inside)
  inside ip link show $NETWORK >/dev/null 2>&1 || network_make
  inside ip address replace "$(given private)" dev $NETWORK
  inside ip link set $NETWORK mtu "$(network_mtu)" up
  inside ip neighbour show dev $NETWORK nud permanent | while read -r address _; do
    grep -qF " $address " "$T/peers" || {
      inside ip neighbour delete "$address" dev $NETWORK
      inside bridge fdb delete "$(mac "$address")" dev $NETWORK
    }
  done
  while read -r host address _; do
    inside bridge fdb replace "$(mac "$address")" dev $NETWORK dst "$host"
    inside ip neighbour replace "$address" lladdr "$(mac "$address")" dev $NETWORK nud permanent
  done <"$T/peers"
}

network_inside() { echo "/proc/$(pod inspect --type container --format '{{.State.Pid}}' "$M")/ns/net"; }

inside() { nsenter --net="$network" "$@"; }

# network_make : made on the host, so that it runs over the host's own network, and then moved
network_make() {
  network_forget
  own=$(given private)
  ip link add $NETWORK address "$(mac "${own%/*}")" type vxlan id 1 dstport $VXLAN_PORT nolearning ||
    fail HostUnfit "This host's kernel has no VXLAN, which a lease of several nodes needs: $(tail -n 1 "$D/log")"
  ip link set $NETWORK netns "$network"
}

# network_forget : one that a command left on the host as it died; the container's own ends with it
network_forget() { ! ip link show $NETWORK >/dev/null 2>&1 || ip link delete $NETWORK; }

# network_mtu : what the narrowest way to a sibling leaves
network_mtu() {
  while read -r host _; do
    way=$(ip -o route get "$host" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
    cat "/sys/class/net/${way:-none}/mtu" 2>/dev/null || echo 1500
  done <"$T/peers" | sort -n | awk -v less=$VXLAN_BYTES 'NR == 1 { print $1 - less }'
}

# mac ADDRESS : of a machine, from its address in the lease's network
mac() { echo "$1" | awk -F. '{ printf "02:47:%02x:%02x:%02x:%02x\n", $1, $2, $3, $4 }'; }

peers_joined() { network=$(network_inside) && inside ip link show up dev $NETWORK | grep -q .; }

peers_forget() {
  network_forget
  [ -s "$T/peers" ] || return 0
  peers_gate -D || true
  iptables -w 10 -t raw -F gridlease && iptables -w 10 -t raw -X gridlease || true
}

# peers_name : written into the file that podman mounts at /etc/hosts, between marks and first, for a machine knows its own
# name by another network too; what else is there stays
peers_name() {
  hosts=$(pod inspect --type container --format '{{.HostsPath}}' "$M") own=$(given private)
  {
    if [ -s "$T/peers" ]; then
      echo "# gridlease: begin" && echo "${own%/*} $(given hostname)" && cut -d' ' -f2- "$T/peers" && echo "# gridlease: end"
    fi
    sed '/^# gridlease: begin/,/^# gridlease: end/d' "$hosts"
  } >"$T/hosts"
  cmp -s "$T/hosts" "$hosts" || cat "$T/hosts" >"$hosts"
}
