"""Folders that containers can write to, handled by descriptors: no path below them is believed twice."""
