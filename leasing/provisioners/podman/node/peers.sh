# The other machines of the lease: their names inside the container, and the one port at which they meet. A container lies
# behind its node's address, so that port is the node's; before it is passed on, whoever is no peer is turned away.
RENDEZVOUS=29500

# peers_resolved : a line for each with its address as this node knows it; one that it does not know is left out
peers_resolved() {
  while read -r address name; do
    found=$(getent ahosts "$address" | awk '{ print $1; exit }')
    [ -z "$found" ] || echo "$found $name"
  done <"$D/in/peers"
}

# peers_let_in : in one step, and before anything listens
peers_let_in() {
  peers_resolved | replace "$T/peers"
  [ -s "$T/peers" ] || return 0
  command -v iptables-restore >/dev/null || fail HostUnfit "This node lacks iptables, which a lease of several nodes needs."
  {
    echo "*raw"
    echo ":gridlease - [0:0]"
    while read -r address _; do
      case $address in *:*) ;; *) echo "-A gridlease -s $address -j RETURN" ;; esac
    done <"$T/peers"
    echo "-A gridlease -j DROP"
    echo COMMIT
  } | iptables-restore -w 10 --noflush || fail ProvisionerError "The machines of the lease cannot be let in: $(tail -n 1 "$D/log")"
  peers_gate -C 2>/dev/null || peers_gate -I
}

# peers_gate HOW : what comes for this node itself, not what its own tenant sends to a sibling
peers_gate() { iptables -w 10 -t raw "$1" PREROUTING -p tcp --dport $RENDEZVOUS -m addrtype --dst-type LOCAL -j gridlease; }

peers_forget() {
  [ -s "$T/peers" ] || return 0
  peers_gate -D || true
  iptables -w 10 -t raw -F gridlease && iptables -w 10 -t raw -X gridlease || true
}

# peers_name : written into the file that podman mounts at /etc/hosts, between marks; what else is there stays
peers_name() {
  hosts=$(pod inspect --type container --format '{{.HostsPath}}' "$M")
  {
    sed '/^# gridlease: begin/,/^# gridlease: end/d' "$hosts"
    if [ -s "$T/peers" ]; then
      echo "# gridlease: begin" && cat "$T/peers" && echo "# gridlease: end"
    fi
  } >"$T/hosts"
  cmp -s "$T/hosts" "$hosts" || cat "$T/hosts" >"$hosts"
}
