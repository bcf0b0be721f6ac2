"""What a host is made of: read from its tools' output, compared with what its node type promises."""
