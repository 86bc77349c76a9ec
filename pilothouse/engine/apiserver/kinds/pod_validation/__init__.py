"""Rules of pods and pod templates beyond their schema, one module a topic.

The causes come in upstream's order: volumes, containers, then the pod's own fields.
Source: pkg/apis/core/validation/validation.go.
"""
