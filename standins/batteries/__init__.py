"""Stand-in for a site's battery: it answers over Modbus TCP with SunSpec's registers, and holds energy."""
