"""The node agent: turns pods bound to this node into containers and reports what became of them.

`work/` runs one task a pod, level-triggered: what is wanted + what the runtime has -> next steps, decided purely by `work/plan.py`;
`status/pod.py` describes the outcome, purely too. `runtime/` is the seam to containerd (`runtime/cri.py` the only module that imports
grpc). Everything that must survive a restart of the agent lives in containerd (labels and annotations of sandboxes and containers), in
the API, or under the state directory; nothing lives only in memory.
"""
