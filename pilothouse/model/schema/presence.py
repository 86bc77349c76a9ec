"""Which fields of the built-in kinds are written even when they hold a zero value, as Go's encoder does.

An optional scalar with a zero value is left out of an answer, unless it is a pointer in upstream's types (`replicas: 0` stays,
`hostPort: 0` goes), or a list whose emptiness is judged (`policies: []` is refused); structures held by value are always written
(`resources: {}`); a few fields without `omitempty` appear as null.
OpenAPI does not carry this, so it is listed here. Names are the definitions' last two parts, `core/v1.PodSpec`.
"""

_POINTERS = """
admissionregistration/v1.MatchResources matchPolicy
admissionregistration/v1.MutatingAdmissionPolicySpec failurePolicy
admissionregistration/v1.MutatingWebhook failurePolicy matchPolicy reinvocationPolicy sideEffects timeoutSeconds
admissionregistration/v1.NamedRuleWithOperations scope
admissionregistration/v1.ParamRef parameterNotFoundAction
admissionregistration/v1.RuleWithOperations scope
admissionregistration/v1.ServiceReference path port
admissionregistration/v1.ValidatingAdmissionPolicySpec failurePolicy
admissionregistration/v1.ValidatingWebhook failurePolicy matchPolicy sideEffects timeoutSeconds
admissionregistration/v1.Validation reason
admissionregistration/v1.WebhookClientConfig url
apiextensions/v1.CustomResourceDefinitionVersion deprecationWarning
apiextensions/v1.CustomResourceSubresourceScale labelSelectorPath
apiextensions/v1.JSONSchemaProps $ref maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf \
x-kubernetes-list-type x-kubernetes-map-type x-kubernetes-preserve-unknown-fields
apiextensions/v1.ServiceReference path port
apiextensions/v1.ValidationRule optionalOldSelf reason
apiextensions/v1.WebhookClientConfig url
apiregistration/v1.ServiceReference port
apps/v1.DaemonSetSpec revisionHistoryLimit
apps/v1.DaemonSetStatus collisionCount
apps/v1.DeploymentSpec progressDeadlineSeconds replicas revisionHistoryLimit
apps/v1.DeploymentStatus collisionCount terminatingReplicas
apps/v1.ReplicaSetSpec replicas
apps/v1.ReplicaSetStatus terminatingReplicas
apps/v1.RollingUpdateStatefulSetStrategy partition
apps/v1.StatefulSetSpec replicas revisionHistoryLimit
apps/v1.StatefulSetStatus collisionCount
authentication/v1.TokenRequestSpec expirationSeconds
autoscaling/v1.HorizontalPodAutoscalerSpec minReplicas targetCPUUtilizationPercentage
autoscaling/v1.HorizontalPodAutoscalerStatus currentCPUUtilizationPercentage observedGeneration
autoscaling/v2.HPAScalingRules policies selectPolicy stabilizationWindowSeconds
autoscaling/v2.HorizontalPodAutoscalerSpec minReplicas
autoscaling/v2.HorizontalPodAutoscalerStatus observedGeneration
autoscaling/v2.MetricTarget averageUtilization
autoscaling/v2.MetricValueStatus averageUtilization
batch/v1.CronJobSpec failedJobsHistoryLimit startingDeadlineSeconds successfulJobsHistoryLimit suspend timeZone
batch/v1.JobSpec activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy manualSelector \
maxFailedIndexes parallelism podReplacementPolicy suspend ttlSecondsAfterFinished
batch/v1.JobStatus failedIndexes ready terminating
batch/v1.PodFailurePolicyOnExitCodesRequirement containerName
batch/v1.SuccessPolicyRule succeededCount succeededIndexes
certificates/v1.CertificateSigningRequestSpec expirationSeconds
coordination/v1.LeaseSpec holderIdentity leaseDurationSeconds leaseTransitions preferredHolder strategy
core/v1.AppArmorProfile localhostProfile
core/v1.AzureDiskVolumeSource cachingMode fsType kind readOnly
core/v1.AzureFilePersistentVolumeSource secretNamespace
core/v1.CSIVolumeSource fsType readOnly
core/v1.ClientIPConfig timeoutSeconds
core/v1.ClusterTrustBundleProjection name optional signerName
core/v1.ConfigMap immutable
core/v1.ConfigMapEnvSource optional
core/v1.ConfigMapKeySelector optional
core/v1.ConfigMapProjection optional
core/v1.ConfigMapVolumeSource defaultMode optional
core/v1.Container restartPolicy
core/v1.ContainerStatus started stopSignal
core/v1.DownwardAPIVolumeFile mode
core/v1.DownwardAPIVolumeSource defaultMode
core/v1.EndpointAddress nodeName
core/v1.EndpointPort appProtocol
core/v1.EphemeralContainer restartPolicy
core/v1.FCVolumeSource lun
core/v1.FileKeySelector optional
core/v1.GRPCAction service
core/v1.GlusterfsPersistentVolumeSource endpointsNamespace
core/v1.HostPathVolumeSource type
core/v1.ISCSIPersistentVolumeSource initiatorName
core/v1.ISCSIVolumeSource initiatorName
core/v1.KeyToPath mode
core/v1.Lifecycle stopSignal
core/v1.LoadBalancerIngress ipMode
core/v1.LocalVolumeSource fsType
core/v1.NodeFeatures supplementalGroupsPolicy
core/v1.NodeRuntimeHandlerFeatures recursiveReadOnlyMounts userNamespaces
core/v1.NodeSwapStatus capacity
core/v1.PersistentVolumeClaimSpec storageClassName volumeAttributesClassName volumeMode
core/v1.PersistentVolumeClaimStatus currentVolumeAttributesClassName
core/v1.PersistentVolumeSpec volumeAttributesClassName volumeMode
core/v1.PodCertificateProjection maxExpirationSeconds
core/v1.PodDNSConfigOption value
core/v1.PodResourceClaim resourceClaimName resourceClaimTemplateName
core/v1.PodResourceClaimStatus resourceClaimName
core/v1.PodSchedulingGroup podGroupName
core/v1.PodSecurityContext fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seLinuxChangePolicy supplementalGroupsPolicy
core/v1.PodSpec activeDeadlineSeconds automountServiceAccountToken enableServiceLinks hostUsers hostnameOverride preemptionPolicy \
priority runtimeClassName setHostnameAsFQDN shareProcessNamespace terminationGracePeriodSeconds
core/v1.PortStatus error
core/v1.Probe terminationGracePeriodSeconds
core/v1.ProjectedVolumeSource defaultMode
core/v1.ReplicationControllerSpec replicas
core/v1.SeccompProfile localhostProfile
core/v1.Secret immutable
core/v1.SecretEnvSource optional
core/v1.SecretKeySelector optional
core/v1.SecretProjection optional
core/v1.SecretVolumeSource defaultMode optional
core/v1.SecurityContext allowPrivilegeEscalation privileged procMount readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser
core/v1.ServiceAccount automountServiceAccountToken
core/v1.ServiceAccountTokenProjection expirationSeconds
core/v1.ServicePort appProtocol
core/v1.ServiceSpec allocateLoadBalancerNodePorts internalTrafficPolicy ipFamilyPolicy loadBalancerClass trafficDistribution
core/v1.Toleration tolerationSeconds
core/v1.TopologySpreadConstraint minDomains nodeAffinityPolicy nodeTaintsPolicy
core/v1.TypedLocalObjectReference apiGroup
core/v1.TypedObjectReference apiGroup namespace
core/v1.VolumeMount mountPropagation recursiveReadOnly
core/v1.VolumeMountStatus recursiveReadOnly
core/v1.WindowsSecurityContextOptions gmsaCredentialSpec gmsaCredentialSpecName hostProcess runAsUserName
discovery/v1.Endpoint hostname nodeName zone
discovery/v1.EndpointConditions ready serving terminating
discovery/v1.EndpointPort appProtocol name port protocol
meta/v1.DeleteOptions gracePeriodSeconds ignoreStoreReadErrorWithClusterBreakingPotential orphanDependents propagationPolicy
meta/v1.ListMeta remainingItemCount
meta/v1.ObjectMeta deletionGracePeriodSeconds
meta/v1.OwnerReference blockOwnerDeletion controller
meta/v1.Preconditions resourceVersion uid
networking/v1.HTTPIngressPath pathType
networking/v1.IngressClassParametersReference apiGroup namespace scope
networking/v1.IngressPortStatus error
networking/v1.IngressSpec ingressClassName
networking/v1.NetworkPolicyPort endPort protocol
policy/v1.PodDisruptionBudgetSpec unhealthyPodEvictionPolicy
scheduling/v1.PriorityClass preemptionPolicy
storage/v1.CSIDriverSpec attachRequired fsGroupPolicy nodeAllocatableUpdatePeriodSeconds podInfoOnMount preventPodSchedulingIfMissing \
requiresRepublish seLinuxMount serviceAccountTokenInSecrets storageCapacity
storage/v1.StorageClass allowVolumeExpansion reclaimPolicy volumeBindingMode
storage/v1.TokenRequest expirationSeconds
storage/v1.VolumeAttachmentSource persistentVolumeName
storage/v1.VolumeError errorCode
storage/v1.VolumeNodeResources count
"""

_VALUES = """
admissionregistration/v1.MutatingAdmissionPolicy spec
admissionregistration/v1.MutatingAdmissionPolicyBinding spec
admissionregistration/v1.MutatingWebhook clientConfig
admissionregistration/v1.ValidatingAdmissionPolicy spec status
admissionregistration/v1.ValidatingAdmissionPolicyBinding spec
admissionregistration/v1.ValidatingWebhook clientConfig
apiextensions/v1.CustomResourceDefinition spec
apiextensions/v1.CustomResourceDefinitionSpec names
apiextensions/v1.CustomResourceDefinitionStatus acceptedNames
apiregistration/v1.APIService spec status
apps/v1.DaemonSet spec status
apps/v1.DaemonSetSpec template updateStrategy
apps/v1.Deployment spec status
apps/v1.DeploymentSpec strategy template
apps/v1.ReplicaSet spec status
apps/v1.ReplicaSetSpec template
apps/v1.StatefulSet spec status
apps/v1.StatefulSetSpec template updateStrategy
apps/v1.StatefulSetStatus availableReplicas
authentication/v1.SelfSubjectReview status
authentication/v1.SelfSubjectReviewStatus userInfo
authentication/v1.TokenRequest spec status
authentication/v1.TokenReview spec status
authentication/v1.TokenReviewStatus user
authorization/v1.LocalSubjectAccessReview spec status
authorization/v1.SelfSubjectAccessReview spec status
authorization/v1.SelfSubjectRulesReview spec status
authorization/v1.SubjectAccessReview spec status
autoscaling/v1.HorizontalPodAutoscaler spec status
autoscaling/v1.HorizontalPodAutoscalerSpec scaleTargetRef
autoscaling/v1.Scale spec status
autoscaling/v2.HorizontalPodAutoscaler spec status
autoscaling/v2.HorizontalPodAutoscalerSpec scaleTargetRef
batch/v1.CronJob spec status
batch/v1.CronJobSpec jobTemplate
batch/v1.Job spec status
batch/v1.JobSpec template
batch/v1.JobTemplateSpec spec
certificates/v1.CertificateSigningRequest spec status
coordination/v1.Lease spec
core/v1.Binding target
core/v1.Container resources
core/v1.ContainerStatus lastState state
core/v1.EphemeralContainer resources
core/v1.Event involvedObject reportingComponent reportingInstance source
core/v1.LimitRange spec
core/v1.Namespace spec status
core/v1.Node spec status
core/v1.NodeDaemonEndpoints kubeletEndpoint
core/v1.NodeStatus daemonEndpoints nodeInfo
core/v1.PersistentVolume spec status
core/v1.PersistentVolumeClaim spec status
core/v1.PersistentVolumeClaimSpec resources
core/v1.PersistentVolumeClaimTemplate spec
core/v1.Pod spec status
core/v1.PodTemplate template
core/v1.PodTemplateSpec spec
core/v1.PreferredSchedulingTerm preference
core/v1.ReplicationController spec status
core/v1.ResourceFieldSelector divisor
core/v1.ResourceQuota spec status
core/v1.Service spec status
core/v1.ServicePort targetPort
core/v1.ServiceStatus loadBalancer
core/v1.WeightedPodAffinityTerm podAffinityTerm
discovery/v1.Endpoint conditions
events/v1.Event deprecatedSource regarding
networking/v1.Ingress spec status
networking/v1.IngressClass spec
networking/v1.IngressServiceBackend port
networking/v1.IngressStatus loadBalancer
networking/v1.NetworkPolicy spec
networking/v1.NetworkPolicySpec podSelector
networking/v1.ServiceCIDR spec status
policy/v1.PodDisruptionBudget spec status
policy/v1.PodDisruptionBudgetStatus currentHealthy desiredHealthy disruptionsAllowed expectedPods
rbac/v1.ClusterRoleBinding roleRef
rbac/v1.RoleBinding roleRef
rbac/v1.RoleRef apiGroup
scheduling/v1.PriorityClass value
storage/v1.CSIDriver spec
storage/v1.CSINode spec
storage/v1.VolumeAttachment spec
storage/v1.VolumeAttachmentSpec source
"""

_NULLS = """
apps/v1.ControllerRevision data
apiextensions/v1.CustomResourceDefinitionStatus conditions storedVersions
authentication/v1.TokenRequestSpec audiences boundObjectRef expirationSeconds
core/v1.ContainerImage names
core/v1.Event eventTime firstTimestamp lastTimestamp
core/v1.PodCondition lastProbeTime lastTransitionTime
core/v1.ProjectedVolumeSource sources
core/v1.TypedLocalObjectReference apiGroup
core/v1.TypedObjectReference apiGroup
discovery/v1.EndpointSlice endpoints ports
events/v1.Event deprecatedFirstTimestamp deprecatedLastTimestamp eventTime
rbac/v1.ClusterRole rules
rbac/v1.Role rules
storage/v1.CSINodeDriver topologyKeys
storage/v1.CSINodeSpec drivers
"""


def _table(text: str) -> dict[str, frozenset[str]]:
    return {name: frozenset(fields) for name, *fields in map(str.split, text.strip().replace("\\\n", "").splitlines())}


POINTERS = _table(_POINTERS)
VALUES = _table(_VALUES)
NULLS = _table(_NULLS)
NONE: frozenset[str] = frozenset()


def short_name(definition: str) -> str:
    """`core/v1.PodSpec` for `io.k8s.api.core.v1.PodSpec`."""
    parts = definition.rsplit(".", 3)
    return f"{parts[-3]}/{parts[-2]}.{parts[-1]}" if len(parts) == 4 else definition
