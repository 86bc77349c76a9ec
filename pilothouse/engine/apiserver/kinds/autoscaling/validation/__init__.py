"""What a HorizontalPodAutoscaler may say. Source: pkg/apis/autoscaling/validation/validation.go."""
