"""Which permissions of the operator's staff open what."""

MAY_LOOK = "marketplace.view_node"  # the fleet, and all that is known of a node
MAY_APPROVE = "leasing.change_approval"  # orders on plans that ask for the operator's word
MAY_CHANGE = "marketplace.change_node"  # cordon, drain, quarantine, plan work, wipe again, retire
