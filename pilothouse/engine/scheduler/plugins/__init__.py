"""The plug-ins, a module or a folder each. Names, reasons and weights are upstream's: people search for them, and `ph why` counts them.

A pod that names its node never comes here, so there is no plug-in for that.
Source: kubernetes pkg/scheduler/framework/plugins.
"""
