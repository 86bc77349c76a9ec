"""ControllerRevisions: the templates that a StatefulSet or a DaemonSet has had, kept so that it can go back to one."""
