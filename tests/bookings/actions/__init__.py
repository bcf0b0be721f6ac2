"""
What customers and staff can do: each thing is done with the product, and looked at by the desk.

A thing names its lease, quote or order by a number, which is counted through those that there are when it is done.
"""
