"""HorizontalPodAutoscalers, kept as autoscaling/v2 and shown as v1, too."""
