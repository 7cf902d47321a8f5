"""Flags, help and checks of each command; nothing here imports PyTorch."""
