"""Starts, watches and stops the platform's processes, and runs its checks. Knows no Django."""
