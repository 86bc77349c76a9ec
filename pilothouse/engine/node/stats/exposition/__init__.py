"""Figures in Prometheus' text format, under the names that upstream's kubelet has."""
