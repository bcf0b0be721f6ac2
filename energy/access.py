"""Which permissions of the operator's staff open what."""

MAY_LOOK = "energy.view_feed"  # power, prices, their age
MAY_TELL = "energy.add_reading"  # typing in and loading what feeds tell
MAY_CONNECT = "energy.change_inverter"  # saying where a battery answers
MAY_COMMAND = "energy.change_command"  # deciding on commands, and grid events
