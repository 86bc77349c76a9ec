"""What /configz shows: the node's settings under the names of upstream's KubeletConfiguration, those of them that it has. Pure."""

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.kubelet.callers import ALLOWED_S, DENIED_S, TOKEN_S
from pilothouse.engine.node.kubelet.listener import Listening
from pilothouse.model.json import Object


def configuration(config: NodeConfig, listening: Listening) -> Object:
    eviction = config.eviction
    return {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "address": listening.host,
        "port": listening.port,
        "authentication": {
            "x509": {"clientCAFile": str(listening.ca)},
            "webhook": {"enabled": True, "cacheTTL": f"{TOKEN_S:.0f}s"},
            "anonymous": {"enabled": False},
        },
        "authorization": {
            "mode": "Webhook",
            "webhook": {"cacheAuthorizedTTL": f"{ALLOWED_S:.0f}s", "cacheUnauthorizedTTL": f"{DENIED_S:.0f}s"},
        },
        "clusterDomain": config.cluster_domain,
        "clusterDNS": list(config.cluster_dns),
        "maxPods": config.max_pods,
        "nodeLeaseDurationSeconds": config.lease_s,
        "imageMinimumGCAge": f"{config.image_min_age_s:.0f}s",
        "imageGCHighThresholdPercent": config.image_high_percent,
        "imageGCLowThresholdPercent": config.image_low_percent,
        "containerLogMaxSize": str(config.log_max_bytes),
        "containerLogMaxFiles": config.log_files,
        "evictionHard": _map(eviction.hard, "<"),
        "evictionSoft": _map(eviction.soft, "<"),
        "evictionSoftGracePeriod": _map(eviction.soft_grace_period, "="),
        "evictionMinimumReclaim": _map(eviction.minimum_reclaim, "="),
        "evictionPressureTransitionPeriod": f"{eviction.transition_s:.0f}s",
        "evictionMaxPodGracePeriod": eviction.most_grace_s,
        "enableServer": True,
        "enableDebuggingHandlers": True,
        "enableSystemLogHandler": False,
    }


def _map(text: str, operator: str) -> dict[str, str]:
    pairs = (each.partition(operator) for each in text.split(",") if each)
    return {signal.strip(): value.strip() for signal, _, value in pairs}
