"""Power and boot source of hosts, through Redfish."""
