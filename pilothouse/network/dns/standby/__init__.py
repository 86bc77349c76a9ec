"""A small process that holds the server's sockets, and answers what it knows while the node's process starts again.

The sockets are open as long as one of the two has them: no question is refused and none that waits in them is lost. The server tells the
standby each answer that hangs on the cluster's objects alone; when the server ends, however that is, the standby answers by these, and
keeps the questions that it knows nothing of for the next server, which takes sockets and questions over.
"""
