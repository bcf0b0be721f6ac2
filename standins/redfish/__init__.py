"""A management controller (BMC) with one host behind, speaking Redfish over TLS: sushy-tools' emulator, quicker."""
