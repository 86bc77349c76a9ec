"""Rules of Jobs: of the spec, of what may change in it, and of the status that controllers write.

Source: pkg/apis/batch/validation, pkg/registry/batch/job/strategy.go.
"""
