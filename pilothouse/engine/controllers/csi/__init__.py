"""What the stock sidecars do, for drivers that do not bring them: volumes are made, attached, grown, copied and removed.

The driver is asked at a node where it runs and is registered. Only drivers that ask for it are served (`model.csi.SIDECARS`), so that a
driver with sidecars of its own is never served twice.
Source: kubernetes-csi external-provisioner, external-attacher, external-resizer, external-snapshotter.
"""
