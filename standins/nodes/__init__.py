"""The pretend machines: a host process for simulated nodes, and a builder of real hosts on this machine."""
