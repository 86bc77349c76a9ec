"""Admission by programs of others: mutating and validating webhooks, as configurations in the store state them.

Source: apiserver/pkg/admission/plugin/webhook.
"""
