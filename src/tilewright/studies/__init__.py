"""Published results beside ours: each study reads what was published, computes it again, and compares."""
