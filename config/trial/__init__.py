"""The main job through the public API, as a customer's script would do it. Standard library and the OpenSSH client."""
