"""The extension points of scheduling, under upstream's names, and what plug-ins are given and answer.

Source: kubernetes staging/src/k8s.io/kube-scheduler/framework, pkg/scheduler/framework.
"""
