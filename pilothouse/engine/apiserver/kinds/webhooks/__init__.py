"""MutatingWebhookConfigurations and ValidatingWebhookConfigurations: what is defaulted and what is refused.

Source: pkg/apis/admissionregistration/{v1/defaults.go,validation/validation.go}.
"""
