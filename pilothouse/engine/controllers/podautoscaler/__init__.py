"""HorizontalPodAutoscalers: as many pods as the metrics of an autoscaler ask for, within its bounds and no faster than it allows."""
