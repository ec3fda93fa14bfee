"""What pods talk to: the store gate, the control channel and the metadata service."""
