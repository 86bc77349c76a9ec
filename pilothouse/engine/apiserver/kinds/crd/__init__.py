"""CustomResourceDefinitions as objects: their defaults, names and rules. What they define is served elsewhere.

Upstream's own representation hoists what all versions share to the top of the spec, and its paths say so: the schema of a definition
with one version is `spec.validation`, that of one of several differing versions `spec.versions[1].schema`. `per_version` knows which.
Source: apiextensions-apiserver pkg/apis/apiextensions/validation.
"""
