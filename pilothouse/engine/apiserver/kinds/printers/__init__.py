"""How objects look in a Table: what `kubectl get` shows, wide columns included.

Cells are in the order of the columns, priority 1 columns too; times are shown as ages, as of `now`.
Source: pkg/printers/internalversion/printers.go.
"""
