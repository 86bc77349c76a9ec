"""How the scheduler is set up: profiles of plug-ins, read from a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1).

Source: kubernetes staging/src/k8s.io/kube-scheduler/config/v1, pkg/scheduler/apis/config/validation.
"""
