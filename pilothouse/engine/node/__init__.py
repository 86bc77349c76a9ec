"""The node agent: turns pods bound to this node into containers and reports what became of them.

`cri.py` speaks to containerd (the only module that imports grpc); `plan.py` and `status.py` decide and describe, purely;
`worker.py` runs one task a pod, level-triggered: what is wanted + what the runtime has -> next steps. Everything that must survive
a restart of the agent lives in containerd (labels and annotations of sandboxes and containers), in the API, or under the
state directory; nothing lives only in memory.
"""
