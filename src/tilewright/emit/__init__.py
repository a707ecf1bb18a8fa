"""What a result is handed over as: explanations and drawings."""
