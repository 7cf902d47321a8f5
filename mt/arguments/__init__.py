"""Flags, help and checks of the commands; nothing here imports PyTorch."""
