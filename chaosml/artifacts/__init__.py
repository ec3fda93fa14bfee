"""What a pipeline leaves behind: the artifact contract, formats and canonical digests."""
