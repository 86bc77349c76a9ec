"""Volumes that must be attached to a node before they are mounted there: one VolumeAttachment for each volume and node that needs it."""
